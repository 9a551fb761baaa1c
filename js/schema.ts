// The fields of a schema, and the form in which the engine gets it.

import type {
  BoolField,
  Field,
  JsonField,
  KeywordField,
  Metric,
  NumberField,
  Schema,
  VectorStorage,
  TextField,
  TimeField,
  VectorField,
  VectorFieldOptions,
} from '../types/schema.d.ts';
import { rangeError, typeError } from './errors.ts';
import { DIMS_MAX } from './limits.ts';

const metrics: readonly Metric[] = [
  'cosine',
  'dot',
  'l2',
  'manhattan',
  'chebyshev',
  'canberra',
  'braycurtis',
  'hamming',
  'jaccard',
];

const storages: readonly VectorStorage[] = ['f32', 'f16', 'bits'];

export function vector(dims: number, options: VectorFieldOptions = {}): VectorField {
  if (typeof dims !== 'number') throw typeError('dims', dims, 'a number');
  if (!Number.isInteger(dims) || dims < 1 || dims > DIMS_MAX) {
    throw rangeError('dims', dims, `an integer from 1 to ${DIMS_MAX}`);
  }
  const { metric = 'cosine', storage, model } = options;
  if (!metrics.includes(metric)) {
    throw rangeError('metric', metric, `one of ${metrics.map((m) => `'${m}'`).join(', ')}`);
  }
  if (storage !== undefined && !storages.includes(storage)) {
    throw rangeError('storage', storage, `one of ${storages.map((s) => `'${s}'`).join(', ')}`);
  }
  return {
    type: 'vector',
    dims,
    metric,
    ...(storage === undefined ? {} : { storage }),
    ...(model === undefined ? {} : { model }),
  };
}

export const text = (): TextField => ({ type: 'text' });
export const keyword = (): KeywordField => ({ type: 'keyword' });
export const number = (): NumberField => ({ type: 'number' });
export const bool = (): BoolField => ({ type: 'bool' });
export const time = (): TimeField => ({ type: 'time' });
export const json = <T = unknown>(): JsonField<T> => ({ type: 'json' });

/** The engine's form of a schema: without the fields that only TypeScript knows. */
export function schemaText(schema: Schema, orderBy: string | undefined): string {
  if (schema === null || typeof schema !== 'object') throw typeError('schema', schema, 'an object');
  const fields: Record<string, Field> = {};
  for (const [name, field] of Object.entries(schema)) {
    if (field === null || typeof field !== 'object' || typeof field.type !== 'string') {
      throw typeError(`schema field '${name}'`, field, 'a field such as keyword()');
    }
    if (field.type !== 'json') fields[name] = field;
  }
  return JSON.stringify(orderBy === undefined ? { fields } : { fields, orderBy });
}

/** What the writing side has to know of a stored schema. */
export interface KnownFields {
  /** Vector fields and their dimensions. */
  readonly vectors: ReadonlyMap<string, number>;
  /** Every other field and its type. */
  readonly types: ReadonlyMap<string, string>;
}

/** Reads the engine's description of a stored schema. */
export function knownFields(stored: string): KnownFields {
  const vectors = new Map<string, number>();
  const types = new Map<string, string>();
  const { fields } = JSON.parse(stored) as {
    fields: Record<string, { type: string; dims?: number }>;
  };
  for (const [name, field] of Object.entries(fields)) {
    if (field.type === 'vector') vectors.set(name, field.dims ?? 0);
    else types.set(name, field.type);
  }
  return { vectors, types };
}
