// What a page and the worker that runs its databases say to each other.
//
// One message on the worker itself opens a database and brings a port; everything else goes
// through that port, so that a worker may run several databases and have other messages of its own.

import type { InitOptions } from '../types/options.d.ts';
import type { CommandName, EngineOptions, Source } from './commands.ts';
import { VeerError, statusOf } from './errors.ts';
import type { VeerErrorCode } from '../types/errors.d.ts';

export const OPEN = 'veer:open';

/** On the worker. The answer comes through the port, as of a call with the number 0. */
export interface OpenMessage {
  readonly type: typeof OPEN;
  readonly port: MessagePort;
  readonly source: Source;
  readonly options: EngineOptions;
  readonly init: InitOptions;
}

/** From the page. */
export type Request =
  | {
      readonly id: number;
      readonly command: CommandName | 'close';
      readonly args: unknown;
      /** Whether progress is of interest. */
      readonly progress: boolean;
    }
  | { readonly abort: number };

/** From the worker. */
export type Response =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: WireError }
  | { readonly id: number; readonly progress: readonly [number, number] }
  | { readonly background: WireError };

/** An error as plain data: classes and properties do not survive posting. */
export interface WireError {
  readonly kind: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly properties: Readonly<Record<string, unknown>>;
}

export function packError(cause: unknown): WireError {
  if (!(cause instanceof Error)) {
    return { kind: 'Error', message: String(cause), stack: undefined, properties: {} };
  }
  const properties: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(cause)) {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) {
      properties[key] = value;
    }
  }
  return { kind: cause.name, message: cause.message, stack: cause.stack, properties };
}

export function unpackError({ kind, message, stack, properties }: WireError): Error {
  if (kind === 'VeerError') {
    const { code, written } = properties;
    const known =
      typeof code === 'string' && code in statusOf ? (code as VeerErrorCode) : 'INTERNAL';
    return new VeerError(known, message, typeof written === 'number' ? { written } : {});
  }
  const plain =
    kind === 'TypeError'
      ? new TypeError(message)
      : kind === 'RangeError'
        ? new RangeError(message)
        : kind === 'AbortError' || kind === 'TimeoutError'
          ? new DOMException(message, kind)
          : new Error(message);
  if (!(plain instanceof DOMException)) {
    Object.assign(plain, properties);
    if (stack) plain.stack = stack;
  }
  return plain;
}

/** The buffers of a message's typed arrays that can be moved instead of copied. */
export function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) {
    // Only a view of the whole: the rest of a shared buffer is somebody's.
    if (value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength) {
      if (value.byteLength > 0) found.add(value.buffer);
    }
  } else if (Array.isArray(value)) {
    for (const entry of value) buffersOf(entry, found);
  } else if (value !== null && typeof value === 'object' && isPlain(value)) {
    for (const entry of Object.values(value)) buffersOf(entry, found);
  }
  return found;
}

const isPlain = (value: object): boolean => Object.getPrototypeOf(value) === Object.prototype;
