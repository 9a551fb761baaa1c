// Failures: VeerError with a stable code, and the argument errors that are thrown before the
// engine is entered. The table of codes is VEER_STATUS_MAP of veer.h; tests/node/errors.test.mjs
// holds it against veer_describe().

import type { VeerErrorCode, VeerErrorOptions } from '../types/errors.d.ts';

export const OK = 0;
export const PENDING = 1;

export const statusOf: Readonly<Record<VeerErrorCode, number>> = {
  NOMEM: -1,
  INVALID: -2,
  DIMENSION: -3,
  VECTOR: -4,
  ID: -5,
  TYPE: -6,
  OPTION: -7,
  FIELD: -8,
  SYNTAX: -9,
  RANGE: -10,
  SCHEMA: -11,
  MODEL: -12,
  EXISTS: -13,
  NOTFOUND: -14,
  BUSY: -15,
  READONLY: -16,
  CLOSED: -17,
  ABORTED: -18,
  IO: -19,
  FULL: -20,
  PERMISSION: -21,
  CORRUPT: -22,
  FORMAT: -23,
  VERSION: -24,
  LIMIT: -25,
  UNSUPPORTED: -26,
  INTERNAL: -27,
};

const codeOf = new Map<number, VeerErrorCode>(
  (Object.keys(statusOf) as VeerErrorCode[]).map((code) => [statusOf[code], code]),
);

export class VeerError extends Error {
  declare readonly name: 'VeerError';
  readonly code: VeerErrorCode;
  readonly status: number;
  declare readonly written?: number;

  constructor(code: VeerErrorCode, message: string, options: VeerErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    Object.defineProperty(this, 'name', { value: 'VeerError', configurable: true });
    this.code = code;
    this.status = statusOf[code] ?? statusOf.INTERNAL;
    if (options.written !== undefined) this.written = options.written;
  }
}

/** The error of a negative status; `message` is the engine's. */
export function errorOfStatus(status: number, message: string): VeerError {
  const code = codeOf.get(status) ?? 'INTERNAL';
  return new VeerError(code, message || `the engine answered ${status} without a text`);
}

export function closed(what: string): VeerError {
  return new VeerError('CLOSED', `${what} is closed`);
}

/** What a value looks like in an error text: short, and never a whole document. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > 40 ? `'${value.slice(0, 40)}...'` : `'${value}'`;
  }
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value !== null && typeof value === 'object') {
    return `a ${value.constructor?.name ?? 'object'}`;
  }
  return typeof value === 'bigint' ? `${value}n` : String(value);
}

/** TypeError with `field` and `value`: the argument has the wrong JavaScript type. */
export function typeError(field: string, value: unknown, expected: string): TypeError {
  const error = new TypeError(`${field} must be ${expected}, not ${show(value)}`);
  return Object.assign(error, { code: 'TYPE', field, value });
}

/** RangeError with `field` and `value`: the argument is outside of its bounds. */
export function rangeError(field: string, value: unknown, bounds: string): RangeError {
  const error = new RangeError(`${field} must be ${bounds}, not ${show(value)}`);
  return Object.assign(error, { code: 'RANGE', field, value });
}
