// A collection: documents of one schema.

import type { Filter, Parameter } from './filter.js';
import type { LongCall } from './options.js';
import type {
  AnySchema,
  DocumentInput,
  FieldInput,
  FieldName,
  Schema,
  Select,
  Selected,
  StoredDocument,
  VectorInput,
  VectorName,
} from './schema.js';
import type { Snapshot } from './snapshot.js';

/** Documents as columns: row i of every column belongs to ids[i]. */
export interface Columns<S extends Schema = AnySchema> {
  readonly ids: readonly string[];
  /** Row-major, dims values a row, of the vector field `field`. */
  readonly vectors?: Float32Array | undefined;
  /** Which vector field; default: the only one. */
  readonly field?: VectorName<S> | undefined;
  readonly fields?:
    { readonly [K in FieldName<S>]?: ArrayLike<FieldInput<S[K]> | null | undefined> } | undefined;
}

/** One document, many, a stream of them, or columns. */
export type DocumentsInput<S extends Schema> =
  DocumentInput<S> | Iterable<DocumentInput<S>> | AsyncIterable<DocumentInput<S>> | Columns<S>;

export interface WriteResult {
  /** Documents added or replaced. */
  readonly written: number;
  /** Log sequence number of the last transaction. */
  readonly lsn: number;
}

export interface DeleteResult {
  readonly deleted: number;
  readonly lsn: number;
}

/** Which documents: those that a filter matches. */
export interface Where<S> {
  readonly filter: Filter<S>;
  /** Values of the filter's `?`. */
  readonly parameters?: readonly Parameter[] | undefined;
}

export interface ReadOptions {
  /** Read this state; default: as of now. */
  readonly snapshot?: Snapshot | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a search asks beside its vector; all of it is optional. */
export interface QueryOptions<S extends Schema, Sel> {
  /** The vector field; default: the only one. */
  readonly field?: VectorName<S> | undefined;
  /** How many: 1-10000, default 10. */
  readonly k?: number | undefined;
  /** How many of the nearest to leave out first: 0-10000. */
  readonly offset?: number | undefined;
  readonly filter?: Filter<S> | undefined;
  /** 0 < recall <= 1, default 0.95: the expected share of the true k that is found. */
  readonly recall?: number | undefined;
  /**
   * Nodes that a walk of a graph keeps, 0-100000: every graph is walked with it, whatever recall
   * and cost say, at least with k + offset. Default 0: by recall.
   */
  readonly effort?: number | undefined;
  /** Compare every original; recall is then 1. */
  readonly exact?: boolean | undefined;
  /** What is returned of the documents; default true: all fields but vectors. */
  readonly select?: Sel | undefined;
  /** The plan and its figures in `explain`. */
  readonly explain?: boolean | undefined;
  /**
   * With `explain`: the request is answered exactly as well, and `explain` says which share of the
   * true k was found (`trueRecall`, ties count).
   */
  readonly verify?: boolean | undefined;
}

export interface SearchRequest<S extends Schema, Sel = true>
  extends QueryOptions<S, Sel>, ReadOptions {
  readonly vector: VectorInput;
  readonly parameters?: readonly Parameter[] | undefined;
}

/** Several queries in one call. */
export interface SearchManyRequest<S extends Schema, Sel = true>
  extends QueryOptions<S, Sel>, ReadOptions {
  /** Row-major in one array, or one array each. */
  readonly vectors: Float32Array | readonly VectorInput[];
  readonly parameters?: readonly Parameter[] | undefined;
}

export interface Hit<D> {
  readonly id: string;
  /** Higher is better: cosine, dot product, or -(squared distance). */
  readonly score: number;
  /** Lower is nearer. */
  readonly distance: number;
  readonly document: D;
}

export interface SearchResult<D> {
  /** Nearest first; always min(k, matching documents) of them. */
  readonly hits: Hit<D>[];
  /** True where every hit is proved to be a true nearest neighbour. */
  readonly exact: boolean;
  /** Rows whose codes or originals were compared, without those that a graph chose its start among. */
  readonly visited: number;
  /** The plan, where it was asked for. */
  readonly explain?: unknown;
}

export interface SearchManyResult<D> {
  /** One array a query. */
  readonly hits: Hit<D>[][];
  readonly exact: boolean;
  /** Over all queries. */
  readonly visited: number;
  readonly explain?: unknown;
}

export interface RunOptions extends ReadOptions {
  readonly parameters?: readonly Parameter[] | undefined;
}

/** A search that is parsed once and run often. */
export interface PreparedQuery<D> {
  run(
    vector: VectorInput,
    parameters?: readonly Parameter[],
    options?: ReadOptions,
  ): Promise<SearchResult<D>>;
  runMany(
    vectors: Float32Array | readonly VectorInput[],
    parameters?: readonly Parameter[],
    options?: ReadOptions,
  ): Promise<SearchManyResult<D>>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface GetOptions<Sel> extends ReadOptions {
  readonly select?: Sel | undefined;
}

export interface ScanRequest<S extends Schema, Sel = true> extends ReadOptions {
  readonly filter?: Filter<S> | undefined;
  readonly parameters?: readonly Parameter[] | undefined;
  readonly select?: Sel | undefined;
  /** 0, default: no limit. */
  readonly limit?: number | undefined;
}

export interface ScanRow<D> {
  readonly id: string;
  readonly document: D;
}

export interface Collection<S extends Schema = AnySchema> {
  readonly name: string;
  /** The stored schema, as the engine has it. */
  schema(): Promise<StoredSchema>;

  /**
   * Adds documents, replacing those whose id is there already. Large inputs are written in batches
   * of some MiB, each of which is one transaction: durable, visible, all or nothing. When a batch
   * fails or the signal aborts, earlier batches stay (`VeerError.written` counts them).
   */
  upsert(documents: DocumentsInput<S>, options?: LongCall): Promise<WriteResult>;
  /** The same, but fails with `EXISTS` where an id is there already. */
  insert(documents: DocumentsInput<S>, options?: LongCall): Promise<WriteResult>;
  /** Deletes by id (an id that is not there is no error), or what a filter matches, in one transaction. */
  delete(which: string | readonly string[] | Where<S>): Promise<DeleteResult>;

  /** The document, or undefined where there is none; of several ids, in their order. */
  get<const Sel extends Select<S> = true>(
    id: string,
    options?: GetOptions<Sel>,
  ): Promise<Selected<S, Sel> | undefined>;
  get<const Sel extends Select<S> = true>(
    ids: readonly string[],
    options?: GetOptions<Sel>,
  ): Promise<(Selected<S, Sel> | undefined)[]>;

  /** The nearest documents. */
  search<const Sel extends Select<S> = true>(
    request: SearchRequest<S, Sel>,
  ): Promise<SearchResult<Selected<S, Sel>>>;
  searchMany<const Sel extends Select<S> = true>(
    request: SearchManyRequest<S, Sel>,
  ): Promise<SearchManyResult<Selected<S, Sel>>>;
  /** Parses a request once. Close the query when it is not needed any more. */
  prepare<const Sel extends Select<S> = true>(
    options?: QueryOptions<S, Sel>,
  ): Promise<PreparedQuery<Selected<S, Sel>>>;

  /** The exact number of documents that match. */
  count(filter?: Filter<S>, options?: RunOptions): Promise<number>;
  /** Every document that matches, once, in storage order, over one snapshot. */
  scan<const Sel extends Select<S> = true>(
    request?: ScanRequest<S, Sel>,
  ): AsyncIterableIterator<ScanRow<Selected<S, Sel>>>;

  /** Lets go of the handle; the collection stays in the database. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A schema as it is stored: every field with its permanent id. */
export interface StoredSchema {
  readonly fields: {
    readonly [name: string]: {
      readonly type: string;
      readonly id: number;
      readonly dims?: number;
      readonly metric?: string;
      /** Not there: `f32`. */
      readonly storage?: string;
      readonly [key: string]: unknown;
    };
  };
  readonly orderBy?: string;
  readonly [key: string]: unknown;
}

export type { StoredDocument };
