// The index level: vectors under 64-bit keys, in memory, synchronous.

import type { Metric, VectorInput } from './schema.js';

export interface VectorIndexOptions {
  /** 1-8192. */
  readonly dims: number;
  /** Default `cosine`. */
  readonly metric?: Metric | undefined;
  /** Of the rotation; default 42. */
  readonly seed?: number | undefined;
  /** Rows from which `optimize` builds a graph. Default 20000; 0: never. */
  readonly graphRows?: number | undefined;
  /** Neighbours of a graph's node, 16-64. Default 32; more find more of what is hard to find. */
  readonly graphDegree?: number | undefined;
}

/** Keys: unsigned 64-bit integers; numbers must be integers of at most 2^53 - 1. */
export type KeysInput = BigUint64Array | readonly bigint[] | readonly number[];
/** Row-major in one array, or one array each. */
export type VectorsInput = Float32Array | readonly VectorInput[];

export interface IndexSearchOptions {
  /** 0 < recall <= 1, default 0.95: the expected share of the true k that is found. */
  readonly recall?: number | undefined;
  /** Compare the originals of every row; recall is then 1. */
  readonly exact?: boolean | undefined;
  /** Rows for which this returns false are not results. It must not use the index. */
  readonly accept?: ((key: bigint) => boolean) | undefined;
}

/**
 * Query q has found[q] results, nearest first, at places q * k ... of keys and distances; places
 * behind them hold the key 2^64 - 1 and the distance Infinity.
 */
export interface IndexSearchResult {
  readonly k: number;
  readonly keys: BigUint64Array;
  readonly distances: Float32Array;
  readonly found: Uint32Array;
}

export interface VectorIndex {
  readonly dims: number;
  /** Rows. */
  readonly count: number;
  /** Bytes held. */
  readonly memory: number;
  /** Adds rows, all or nothing; a key that is there already is replaced. */
  add(keys: KeysInput, vectors: VectorsInput): void;
  /** Removes rows; how many were there. */
  remove(keys: KeysInput): number;
  /**
   * Reclaims removed rows, recodes around the present mean, and builds a graph where there are
   * enough rows, for about `budgetMs` (default: until done); true: some is left, and the next call
   * goes on. Rows that are added meanwhile or later are searched beside the graph; when a quarter of
   * its rows has been added or removed, it is built anew, and only then are its removed rows
   * reclaimed.
   */
  optimize(budgetMs?: number): boolean;
  /** For each query the nearest `k` rows, min(k, accepted rows) of them. */
  search(
    queries: VectorsInput | VectorInput,
    k?: number,
    options?: IndexSearchOptions,
  ): IndexSearchResult;
  /** The row's vector as it was given, or undefined. */
  get(key: bigint | number): Float32Array | undefined;
  /** The whole index as bytes. */
  save(): Uint8Array;
  /** Frees the memory. Closing twice is fine. */
  close(): void;
  [Symbol.dispose](): void;
}

export interface VectorIndexFactory {
  /** An empty index. */
  create(options: VectorIndexOptions): Promise<VectorIndex>;
  /** From the bytes of `save`; every byte is checked. It gives the same answers. */
  load(bytes: Uint8Array | ArrayBuffer): Promise<VectorIndex>;
}

export declare const VectorIndex: VectorIndexFactory;
