// Checks and conversions of what callers give, before the engine is entered.

import type { VectorInput } from '../types/schema.d.ts';
import { VeerError, rangeError, typeError } from './errors.ts';

/** An integer from `minimum` to `maximum`, or undefined. */
export function integer(
  field: string,
  value: unknown,
  minimum: number,
  maximum: number,
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw typeError(field, value, 'a number');
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw rangeError(field, value, `an integer from ${minimum} to ${maximum}`);
  }
  return value;
}

export function recall(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number') throw typeError('recall', value, 'a number');
  if (!(value > 0 && value <= 1)) throw rangeError('recall', value, 'above 0 and at most 1');
  return value;
}

export function flag(field: string, value: unknown): boolean | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'boolean') throw typeError(field, value, 'true or false');
  return value;
}

export function string(field: string, value: unknown): string {
  if (typeof value !== 'string') throw typeError(field, value, 'a string');
  return value;
}

/** A document's id; its length and emptiness are the engine's to judge. */
export function id(value: unknown, field = 'id'): string {
  if (typeof value !== 'string') throw typeError(field, value, 'a string');
  // As UTF-8 a lone surrogate would become the same character as any other one.
  if (!isWellFormed(value)) throw new VeerError('ID', `${field}: half a character in an id`);
  return value;
}

function isWellFormed(value: string): boolean {
  const known = value as string & { isWellFormed?: () => boolean };
  return known.isWellFormed?.() ?? !/\p{Surrogate}/u.test(value);
}

/** JSON of a filter or its parameters, in which nothing is lost on the way. */
export function jsonText(field: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return JSON.stringify(value, (key, entry: unknown) => {
    const place = key === '' ? field : `${field}: ${key}`;
    if (typeof entry === 'number' && !Number.isFinite(entry)) {
      throw rangeError(place, entry, 'a finite number');
    }
    if (typeof entry === 'bigint' || typeof entry === 'function' || typeof entry === 'symbol') {
      throw typeError(place, entry, 'a JSON value or a Date');
    }
    return entry;
  });
}

/** Copies a vector into `into`, which has room for it. */
export function copyVector(
  field: string,
  vector: VectorInput,
  into: Float32Array,
  at: number,
): void {
  if (vector instanceof Float32Array) {
    into.set(vector, at);
    return;
  }
  for (let i = 0; i < vector.length; i++) {
    const value: unknown = vector[i];
    if (typeof value !== 'number') throw typeError(`${field}[${i}]`, value, 'a number');
    into[at + i] = value;
  }
}

export function isVector(value: unknown): value is VectorInput {
  return value instanceof Float32Array || Array.isArray(value);
}

/** A copy of a vector: the caller's arrays are never moved to a worker. */
export function floats(field: string, vector: unknown): Float32Array<ArrayBuffer> {
  if (!isVector(vector)) throw typeError(field, vector, 'a Float32Array or an array of numbers');
  const copy = new Float32Array(vector.length);
  copyVector(field, vector, copy, 0);
  return copy;
}

export interface Matrix {
  readonly data: Float32Array<ArrayBuffer>;
  readonly n: number;
  readonly dims: number;
}

/** Rows, in one array (of `dims` values each) or in one array each. */
export function matrix(field: string, rows: unknown, dims: number): Matrix {
  if (rows instanceof Float32Array) {
    if (rows.length % dims !== 0) {
      throw rangeError(`${field}.length`, rows.length, `a multiple of the ${dims} dimensions`);
    }
    return { data: rows.slice(), n: rows.length / dims, dims };
  }
  if (!Array.isArray(rows)) throw typeError(field, rows, 'a Float32Array or an array of vectors');
  const data = new Float32Array(rows.length * dims);
  rows.forEach((row: unknown, i) => {
    const place = `${field}[${i}]`;
    if (!isVector(row)) throw typeError(place, row, 'a Float32Array or an array of numbers');
    if (row.length !== dims) {
      throw new VeerError('DIMENSION', `${place} has ${row.length} dimensions, ${dims} are needed`);
    }
    copyVector(place, row, data, i * dims);
  });
  return { data, n: rows.length, dims };
}
