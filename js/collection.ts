// A collection, over the commands of an engine.

import type {
  Collection,
  DeleteResult,
  DocumentsInput,
  GetOptions,
  PreparedQuery,
  QueryOptions,
  RunOptions,
  ScanRequest,
  ScanRow,
  SearchManyRequest,
  SearchManyResult,
  SearchRequest,
  SearchResult,
  StoredSchema,
  Where,
  WriteResult,
} from '../types/collection.d.ts';
import type { Filter } from '../types/filter.d.ts';
import type { LongCall } from '../types/options.d.ts';
import type { Schema, Select, Selected } from '../types/schema.d.ts';
import {
  flag,
  floats,
  id as checkId,
  integer,
  jsonText,
  matrix,
  recall,
  string,
  type Matrix,
} from './arguments.ts';
import {
  WRITE_DELETE,
  WRITE_INSERT,
  WRITE_UPSERT,
  type Engine,
  type WireOperation,
} from './commands.ts';
import { asyncDisposeSymbol } from './dispose.ts';
import { batchOf, batchesOf, countOf, documentsOf } from './documents.ts';
import { VeerError, closed, typeError } from './errors.ts';
import { EFFORT_MAX, K_MAX } from './limits.ts';
import { hitsOf, rowsOf, scanRows } from './results.ts';
import type { KnownFields } from './schema.ts';
import { HeldQuery, HeldSnapshot, release } from './snapshot.ts';

/** Rows that a scan fetches at once: grows from the first to the second number. Arbitrary. */
const SCAN_ROWS_FIRST = 64;
const SCAN_ROWS_MAX = 1024;

const encoder = new TextEncoder();

export class HeldCollection<S extends Schema> implements Collection<S> {
  readonly name: string;
  /** Keeps the database from being collected while its collections are used. */
  readonly database: object;
  readonly #engine: Engine;
  readonly #handle: number;
  readonly #known: KnownFields;
  #isOpen = true;

  constructor(database: object, engine: Engine, name: string, handle: number, known: KnownFields) {
    this.database = database;
    this.#engine = engine;
    this.name = name;
    this.#handle = handle;
    this.#known = known;
  }

  async schema(): Promise<StoredSchema> {
    const text = await this.#engine.call('collectionSchema', { collection: this.#number() });
    return JSON.parse(text) as StoredSchema;
  }

  // ---- writing

  upsert(documents: DocumentsInput<S>, options?: LongCall): Promise<WriteResult> {
    return this.#write(WRITE_UPSERT, documents, options);
  }
  insert(documents: DocumentsInput<S>, options?: LongCall): Promise<WriteResult> {
    return this.#write(WRITE_INSERT, documents, options);
  }

  async #write(
    kind: number,
    input: DocumentsInput<S>,
    { signal, onProgress }: LongCall = {},
  ): Promise<WriteResult> {
    this.#number();
    const documents = documentsOf(input, this.#known);
    const total = countOf(input);
    let [written, lsn] = [0, 0];
    try {
      for await (const batch of batchesOf(documents, this.#known)) {
        signal?.throwIfAborted();
        const operations = [{ collection: this.#number(), kind, ...batch }];
        const reply = await this.#engine.call('write', { operations }, { signal });
        written += reply.written;
        lsn = reply.lsn;
        onProgress?.(written, total);
      }
    } catch (cause) {
      if (written === 0 || !(cause instanceof VeerError)) throw cause;
      const message = `${cause.message} (the ${written} documents of earlier batches are written)`;
      throw new VeerError(cause.code, message, { cause, written });
    }
    return { written, lsn };
  }

  async delete(which: string | readonly string[] | Where<S>): Promise<DeleteResult> {
    const operations = [this.deletion(which)];
    const { deleted, lsn } = await this.#engine.call('write', { operations });
    return { deleted, lsn };
  }

  /** The part of a transaction that deletes. */
  deletion(which: string | readonly string[] | Where<S>): WireOperation {
    const collection = this.#number();
    const part = { collection, kind: WRITE_DELETE, vectors: [] };
    if (typeof which === 'string' || Array.isArray(which)) {
      const ids = idList(which as string | readonly string[]);
      return { ...part, documents: encoder.encode(JSON.stringify(ids)), count: ids.length };
    }
    const { filter, parameters } = which as Where<S>;
    if (filter === undefined) throw typeError('which', which, 'an id, ids, or {filter}');
    return {
      ...part,
      count: 0,
      filter: filterText(filter),
      parameters: jsonText('parameters', parameters),
    };
  }

  /** The part of a transaction that writes documents. */
  writing(isInsert: boolean, documents: readonly unknown[]): WireOperation {
    if (!Array.isArray(documents)) throw typeError('documents', documents, 'an array of documents');
    const batch = batchOf(documents, this.#known);
    return {
      collection: this.#number(),
      kind: isInsert ? WRITE_INSERT : WRITE_UPSERT,
      ...batch,
    };
  }

  // ---- reading

  get<const Sel extends Select<S> = true>(
    id: string,
    options?: GetOptions<Sel>,
  ): Promise<Selected<S, Sel> | undefined>;
  get<const Sel extends Select<S> = true>(
    ids: readonly string[],
    options?: GetOptions<Sel>,
  ): Promise<(Selected<S, Sel> | undefined)[]>;
  async get<const Sel extends Select<S> = true>(
    which: string | readonly string[],
    { select, snapshot, signal }: GetOptions<Sel> = {},
  ): Promise<unknown> {
    const ids = idList(which);
    const args = {
      collection: this.#number(),
      snapshot: HeldSnapshot.numberOf(snapshot, this.#engine),
      ids: JSON.stringify(ids),
      select: jsonText('select', select),
    };
    const columns = await this.#engine.call('get', args, { signal });
    const rows = rowsOf<Selected<S, Sel>>(columns, this.#known);
    if (!columns.documents) rows.documents.fill(undefined as Selected<S, Sel>);
    const found = new Map(rows.ids.map((id, i) => [id, rows.documents[i]]));
    return typeof which === 'string' ? found.get(which) : ids.map((id) => found.get(id));
  }

  async search<const Sel extends Select<S> = true>(
    request: SearchRequest<S, Sel>,
  ): Promise<SearchResult<Selected<S, Sel>>> {
    const { vector, parameters, snapshot, signal, ...options } = expectObject('request', request);
    const data = floats('vector', vector);
    const rows = { data, n: 1, dims: data.length };
    const { hits, ...rest } = await this.#search(rows, options, { parameters, snapshot, signal });
    return { hits: (hits[0] ?? []) as SearchResult<Selected<S, Sel>>['hits'], ...rest };
  }

  async searchMany<const Sel extends Select<S> = true>(
    request: SearchManyRequest<S, Sel>,
  ): Promise<SearchManyResult<Selected<S, Sel>>> {
    const { vectors, parameters, snapshot, signal, ...options } = expectObject('request', request);
    const rows = matrix('vectors', vectors, this.#dims(options.field));
    return this.#search(rows, options, { parameters, snapshot, signal });
  }

  async #search<D>(
    { data, n, dims }: Matrix,
    options: object,
    { parameters, snapshot, signal }: RunOptions,
  ): Promise<SearchManyResult<D>> {
    const args = {
      collection: this.#number(),
      snapshot: HeldSnapshot.numberOf(snapshot, this.#engine),
      request: requestText(options),
      vectors: data,
      n,
      dims,
      parameters: jsonText('parameters', parameters),
    };
    return hitsOf(await this.#engine.call('search', args, { signal }), this.#known);
  }

  async prepare<const Sel extends Select<S> = true>(
    options: QueryOptions<S, Sel> = {},
  ): Promise<PreparedQuery<Selected<S, Sel>>> {
    const args = { collection: this.#number(), request: requestText(options) };
    const handle = await this.#engine.call('prepare', args);
    const dims = this.#dims(options.field);
    return new HeldQuery(this.database, this.#engine, handle, this.#known, dims);
  }

  async count(filter?: Filter<S>, options: RunOptions = {}): Promise<number> {
    const { parameters, snapshot, signal } = options;
    const args = {
      collection: this.#number(),
      snapshot: HeldSnapshot.numberOf(snapshot, this.#engine),
      filter: filter === undefined ? undefined : filterText(filter),
      parameters: jsonText('parameters', parameters),
    };
    return this.#engine.call('count', args, { signal });
  }

  async *scan<const Sel extends Select<S> = true>(
    request: ScanRequest<S, Sel> = {},
  ): AsyncGenerator<ScanRow<Selected<S, Sel>>, void, undefined> {
    const { filter, parameters, select, limit, snapshot, signal, ...unknown } = request;
    const wanted = { filter, select, limit: integer('limit', limit, 0, 2 ** 53 - 1), ...unknown };
    const args = {
      collection: this.#number(),
      snapshot: HeldSnapshot.numberOf(snapshot, this.#engine),
      request: jsonText('request', wanted)!,
      parameters: jsonText('parameters', parameters),
    };
    const cursor = await this.#engine.call('scan', args, { signal });
    try {
      for (let rows = SCAN_ROWS_FIRST; ; rows = Math.min(rows * 2, SCAN_ROWS_MAX)) {
        const columns = await this.#engine.call('next', { cursor, rows }, { signal });
        if (columns.rows === 0) return;
        yield* scanRows<Selected<S, Sel>>(columns, this.#known);
      }
    } finally {
      await release(this.#engine, cursor);
    }
  }

  // ---- the end

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await release(this.#engine, this.#handle);
  }
  [asyncDisposeSymbol](): Promise<void> {
    return this.close();
  }

  /** Whether it belongs to a database with this engine. */
  isOf(engine: Engine): boolean {
    return this.#engine === engine;
  }

  #number(): number {
    if (!this.#isOpen) throw closed(`the collection '${this.name}'`);
    return this.#handle;
  }

  /** Dimensions of a vector field; of the first one where there is no such field. */
  #dims(field: string | undefined): number {
    const { vectors } = this.#known;
    return (field === undefined ? undefined : vectors.get(field)) ?? [...vectors.values()][0] ?? 1;
  }
}

function expectObject<T>(field: string, value: T): T {
  if (value === null || typeof value !== 'object') throw typeError(field, value, 'an object');
  return value;
}

function idList(which: string | readonly string[]): string[] {
  if (typeof which === 'string') return [checkId(which)];
  if (!Array.isArray(which)) throw typeError('ids', which, 'a string or an array of strings');
  return which.map((id: unknown, i) => checkId(id, `ids[${i}]`));
}

/** A filter's JSON: its text as a JSON string, or the object. */
function filterText(filter: unknown): string {
  if (typeof filter !== 'string' && (filter === null || typeof filter !== 'object')) {
    throw typeError('filter', filter, 'a text or an object');
  }
  return jsonText('filter', filter)!;
}

/** A request's JSON: what is not known here goes along, for the engine names it better. */
function requestText(options: object): string {
  const {
    field,
    k,
    offset,
    recall: share,
    effort,
    exact,
    explain,
    verify,
    filter,
    select,
    ...unknown
  } = options as Record<string, unknown>;
  if (filter !== undefined) filterText(filter);
  return jsonText('request', {
    vector: field === undefined ? undefined : string('field', field),
    k: integer('k', k, 1, K_MAX),
    offset: integer('offset', offset, 0, K_MAX),
    recall: recall(share),
    effort: integer('effort', effort, 0, EFFORT_MAX),
    exact: flag('exact', exact),
    explain: flag('explain', explain),
    verify: flag('verify', verify),
    filter,
    select,
    ...unknown,
  })!;
}
