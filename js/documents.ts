// From documents as callers have them to the batches that the engine writes: JSON lines, and one
// column of floats for each vector field.

import type { WireVectors } from './commands.ts';
import { copyVector, id as checkId, isVector, matrix } from './arguments.ts';
import { VeerError, rangeError, show, typeError } from './errors.ts';
import { BATCH_BYTES, BATCH_DOCUMENTS } from './limits.ts';
import type { KnownFields } from './schema.ts';

export interface Batch {
  readonly documents: Uint8Array<ArrayBuffer>;
  readonly count: number;
  readonly vectors: readonly WireVectors[];
}

type Row = Readonly<Record<string, unknown>>;

/** The vectors of one field, as they come. */
class VectorColumn {
  readonly field: string;
  readonly dims: number;
  #data: Float32Array<ArrayBuffer>;
  readonly #rows: number[] = [];

  constructor(field: string, dims: number) {
    this.field = field;
    this.dims = dims;
    this.#data = new Float32Array(dims * 16);
  }

  get length(): number {
    return this.#rows.length;
  }

  /** Document number `row` has this vector. */
  add(id: string, row: number, vector: unknown): void {
    if (!isVector(vector)) {
      const expected = 'a Float32Array or an array of numbers';
      throw typeError(`document ${show(id)}, field '${this.field}'`, vector, expected);
    }
    if (vector.length !== this.dims) {
      throw new VeerError(
        'DIMENSION',
        `document ${show(id)}, field '${this.field}': the vector has ${vector.length} ` +
          `dimensions, the field has ${this.dims}`,
      );
    }
    const at = row * this.dims;
    if (at + this.dims > this.#data.length) {
      const larger = new Float32Array(Math.max(this.#data.length * 2, at + this.dims));
      larger.set(this.#data);
      this.#data = larger;
    }
    copyVector(`document ${show(id)}, field '${this.field}'`, vector, this.#data, at);
    this.#rows.push(row);
  }

  /** For `count` documents. */
  take(count: number): WireVectors {
    let present: Uint8Array<ArrayBuffer> | undefined;
    if (this.#rows.length < count) {
      present = new Uint8Array(Math.ceil(count / 8));
      for (const row of this.#rows) present[row >> 3]! |= 1 << (row & 7);
    }
    const data = new Float32Array(count * this.dims);
    data.set(this.#data.subarray(0, data.length));
    return { field: this.field, data, dims: this.dims, present };
  }
}

const encoder = new TextEncoder();

/** Collects documents until there are enough for a batch. */
class BatchBuilder {
  readonly #known: KnownFields;
  #lines: string[] = [];
  #columns: VectorColumn[] = [];
  #bytes = 0;

  constructor(known: KnownFields) {
    this.#known = known;
    this.#reset();
  }

  get count(): number {
    return this.#lines.length;
  }
  get isFull(): boolean {
    return this.#bytes >= BATCH_BYTES || this.#lines.length >= BATCH_DOCUMENTS;
  }

  add(document: unknown): void {
    if (document === null || typeof document !== 'object' || Array.isArray(document)) {
      throw typeError('document', document, 'an object with an id');
    }
    const row = document as Row;
    const id = checkId(row['id'], 'document id');
    const place = this.#lines.length;
    for (const column of this.#columns) {
      const vector = row[column.field];
      if (vector === undefined || vector === null) continue;
      column.add(id, place, vector);
      this.#bytes += column.dims * 4;
    }
    const line = JSON.stringify(this.#withoutVectors(id, row));
    this.#lines.push(line);
    this.#bytes += line.length;
  }

  take(): Batch {
    const count = this.#lines.length;
    const batch = {
      documents: encoder.encode(this.#lines.join('\n')),
      count,
      vectors: this.#columns.filter((column) => column.length > 0).map((c) => c.take(count)),
    };
    this.#reset();
    return batch;
  }

  #reset(): void {
    this.#lines = [];
    this.#bytes = 0;
    this.#columns = [...this.#known.vectors].map(([name, dims]) => new VectorColumn(name, dims));
  }

  #withoutVectors(id: string, row: Row): Record<string, unknown> {
    const rest: Record<string, unknown> = {};
    for (const key of Object.keys(row)) {
      if (this.#known.vectors.has(key)) continue;
      const value = row[key];
      rest[key] = this.#known.types.has(key) ? checked(id, key, value) : sendable(id, key, value);
    }
    return rest;
  }
}

/** JSON would turn some values of a declared field into null or nothing without a word. */
function checked(id: string, key: string, value: unknown): unknown {
  const place = `document ${show(id)}, field '${key}'`;
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw rangeError(place, value, 'a finite number');
  }
  if (value instanceof Date && Number.isNaN(value.getTime())) {
    throw rangeError(place, value, 'a valid Date');
  }
  return sendable(id, key, value);
}

function sendable(id: string, key: string, value: unknown): unknown {
  const type = typeof value;
  if (type === 'bigint' || type === 'function' || type === 'symbol' || ArrayBuffer.isView(value)) {
    throw typeError(`document ${show(id)}, field '${key}'`, value, 'a JSON value');
  }
  return value;
}

interface ColumnsInput {
  readonly ids: readonly unknown[];
  readonly vectors?: unknown;
  readonly field?: string;
  readonly fields?: Readonly<Record<string, ArrayLike<unknown>>>;
}

/** Documents out of columns. */
function* rowsOf(columns: ColumnsInput, known: KnownFields): Generator<Row> {
  const { ids, vectors, fields = {} } = columns;
  const field = columns.field ?? onlyVector(known, vectors);
  const dims = known.vectors.get(field);
  if (vectors !== undefined && dims === undefined) {
    throw new VeerError('FIELD', `'${field}' is no vector field of the collection`);
  }
  const rows = vectors === undefined ? undefined : matrix('vectors', vectors, dims!);
  if (rows && rows.n !== ids.length) {
    throw rangeError('vectors', rows.n, `as many as the ${ids.length} ids`);
  }
  for (const [name, column] of Object.entries(fields)) {
    if (column?.length !== ids.length) {
      throw rangeError(`fields.${name}.length`, column?.length, `that of ids, ${ids.length}`);
    }
  }
  for (let i = 0; i < ids.length; i++) {
    const row: Record<string, unknown> = { id: ids[i] };
    for (const [name, column] of Object.entries(fields)) {
      const value = column[i];
      if (value !== undefined && value !== null) row[name] = value;
    }
    if (rows) row[field] = rows.data.subarray(i * rows.dims, (i + 1) * rows.dims);
    yield row;
  }
}

function onlyVector(known: KnownFields, vectors: unknown): string {
  if (vectors === undefined) return '';
  const names = [...known.vectors.keys()];
  if (names.length === 1) return names[0]!;
  throw new VeerError('FIELD', `name the vector field in 'field': ${names.join(', ') || 'none'}`);
}

/** Every form of input as documents. */
export function documentsOf(
  input: unknown,
  known: KnownFields,
): Iterable<unknown> | AsyncIterable<unknown> {
  if (input === null || typeof input !== 'object') {
    throw typeError('documents', input, 'a document, many, or columns');
  }
  if (Symbol.iterator in input || Symbol.asyncIterator in input) {
    return input as Iterable<unknown>;
  }
  if (Array.isArray((input as Partial<ColumnsInput>).ids) && !('id' in input)) {
    return rowsOf(input as ColumnsInput, known);
  }
  return [input];
}

/** How many documents an input has; 0: nobody knows before the end. */
export function countOf(input: object): number {
  if (Array.isArray(input)) return input.length;
  if (input instanceof Set) return input.size;
  if (Symbol.iterator in input || Symbol.asyncIterator in input) return 0;
  const { ids } = input as Partial<ColumnsInput>;
  return Array.isArray(ids) && !('id' in input) ? ids.length : 1;
}

/** Cuts documents into batches. */
export async function* batchesOf(
  documents: Iterable<unknown> | AsyncIterable<unknown>,
  known: KnownFields,
): AsyncGenerator<Batch> {
  const builder = new BatchBuilder(known);
  if (Symbol.iterator in documents) {
    for (const document of documents) {
      builder.add(document);
      if (builder.isFull) yield builder.take();
    }
  } else {
    for await (const document of documents) {
      builder.add(document);
      if (builder.isFull) yield builder.take();
    }
  }
  if (builder.count > 0) yield builder.take();
}

/** All documents in one batch, for a transaction. */
export function batchOf(documents: Iterable<unknown>, known: KnownFields): Batch {
  const builder = new BatchBuilder(known);
  for (const document of documents) builder.add(document);
  return builder.take();
}
