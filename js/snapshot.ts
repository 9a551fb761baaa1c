// Snapshots and prepared queries: handles of the engine with something to ask.

import type {
  PreparedQuery,
  ReadOptions,
  SearchManyResult,
  SearchResult,
} from '../types/collection.d.ts';
import type { Parameter } from '../types/filter.d.ts';
import type { VectorInput } from '../types/schema.d.ts';
import type { Snapshot } from '../types/snapshot.d.ts';
import { floats, jsonText, matrix } from './arguments.ts';
import type { Engine } from './commands.ts';
import { asyncDisposeSymbol } from './dispose.ts';
import { VeerError, closed, typeError } from './errors.ts';
import { hitsOf } from './results.ts';
import type { KnownFields } from './schema.ts';

/** Of an engine whose database is open; held by number. */
export class HeldSnapshot implements Snapshot {
  /** Keeps the database from being collected while its snapshots are used. */
  readonly database: object;
  readonly engine: Engine;
  readonly #handle: number;
  #isOpen = true;

  constructor(database: object, engine: Engine, handle: number) {
    this.database = database;
    this.engine = engine;
    this.#handle = handle;
  }

  /** The number in a call of `engine`. */
  static numberOf(snapshot: Snapshot | undefined, engine: Engine): number | undefined {
    if (snapshot === undefined) return undefined;
    if (!(snapshot instanceof HeldSnapshot)) {
      throw typeError('snapshot', snapshot, 'what db.snapshot() gives');
    }
    if (snapshot.engine !== engine) {
      throw new VeerError('INVALID', 'the snapshot is of another database');
    }
    if (!snapshot.#isOpen) throw closed('the snapshot');
    return snapshot.#handle;
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await release(this.engine, this.#handle);
  }
  [asyncDisposeSymbol](): Promise<void> {
    return this.close();
  }
}

/** Lets go of a handle; when the database has been closed, that has happened. */
export async function release(engine: Engine, handle: number): Promise<void> {
  try {
    await engine.call('release', { handle });
  } catch (cause) {
    if (!(cause instanceof VeerError && (cause.code === 'CLOSED' || cause.code === 'READONLY'))) {
      throw cause;
    }
  }
}

export class HeldQuery<D> implements PreparedQuery<D> {
  /** Keeps the database from being collected while its queries are used. */
  readonly database: object;
  readonly #engine: Engine;
  readonly #handle: number;
  readonly #known: KnownFields;
  readonly #dims: number;
  #isOpen = true;

  constructor(database: object, engine: Engine, handle: number, known: KnownFields, dims: number) {
    this.database = database;
    this.#engine = engine;
    this.#handle = handle;
    this.#known = known;
    this.#dims = dims;
  }

  async run(
    vector: VectorInput,
    parameters?: readonly Parameter[],
    options: ReadOptions = {},
  ): Promise<SearchResult<D>> {
    const data = floats('vector', vector);
    const { hits, ...rest } = await this.#run(data, 1, data.length, parameters, options);
    return { hits: hits[0] ?? [], ...rest };
  }

  async runMany(
    vectors: Float32Array | readonly VectorInput[],
    parameters?: readonly Parameter[],
    options: ReadOptions = {},
  ): Promise<SearchManyResult<D>> {
    const { data, n, dims } = matrix('vectors', vectors, this.#dims);
    return this.#run(data, n, dims, parameters, options);
  }

  async #run(
    vectors: Float32Array<ArrayBuffer>,
    n: number,
    dims: number,
    parameters: readonly Parameter[] | undefined,
    { snapshot, signal }: ReadOptions,
  ): Promise<SearchManyResult<D>> {
    if (!this.#isOpen) throw closed('the query');
    const args = {
      query: this.#handle,
      snapshot: HeldSnapshot.numberOf(snapshot, this.#engine),
      vectors,
      n,
      dims,
      parameters: jsonText('parameters', parameters),
    };
    return hitsOf(await this.#engine.call('run', args, { signal }), this.#known);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await release(this.#engine, this.#handle);
  }
  [asyncDisposeSymbol](): Promise<void> {
    return this.close();
  }
}
