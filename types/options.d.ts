// What opening and long calls take.

/** Called now and then with done <= total (in any unit; total 0: unknown). */
export type OnProgress = (done: number, total: number) => void;

export interface LongCall {
  /** Cancels the call, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** A worker that has run `veerdb/worker`: a browser's Worker, or one of node:worker_threads. */
export interface WorkerLike {
  postMessage(message: unknown, transfer: never[]): void;
}

export interface OpenOptions {
  /** Make the database where there is none; default false, `memory:` is always made. */
  readonly create?: boolean | undefined;
  /** Default `readwrite`. */
  readonly mode?: 'readwrite' | 'readonly' | undefined;
  /**
   * `full` (default): an acknowledged write survives power loss; `interval`: within
   * `syncIntervalMs`; `none`: when the system gets to it.
   */
  readonly sync?: 'full' | 'interval' | 'none' | undefined;
  readonly syncIntervalMs?: number | undefined;
  /** Bytes that the engine may allocate; more is `NOMEM`. Default: what the runtime allows. */
  readonly memoryLimit?: number | undefined;
  /**
   * Bytes of blocks that are kept in memory: decompressed documents, and what was read from storage;
   * at most a quarter of `memoryLimit`.
   */
  readonly cacheBytes?: number | undefined;
  /** A log of this many bytes asks for a checkpoint. */
  readonly walBytes?: number | undefined;
  /** A segment is sealed at this many bytes. */
  readonly segmentBytes?: number | undefined;
  /** Vectors of a sealed segment from which it gets a graph. Default 20000; 0: never. */
  readonly graphRows?: number | undefined;
  /** Neighbours of a graph's node, 16-64. Default 32; more find more of what is hard to find. */
  readonly graphDegree?: number | undefined;
  /**
   * Where the engine runs. true: in a worker of its own (default in a page of a browser); false:
   * in this thread (default elsewhere); a URL: in a worker made from that script, which imports
   * `veerdb/worker`; a worker that has done so: in that one.
   */
  readonly worker?: boolean | string | URL | WorkerLike | undefined;
  /** Seal and merge in idle slices after writes. Default true; false: call `work()`. */
  readonly autoWork?: boolean | undefined;
  /** Told when background work fails, once a cause. Default: console.warn. */
  readonly onBackgroundError?: ((error: Error) => void) | undefined;
  readonly storage?: StorageOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface StorageOptions {
  /** Ask the browser (navigator.storage.persist) not to evict this origin's data. */
  readonly persist?: boolean | undefined;
  /** How long to wait for another holder to let go before `BUSY`. Default 1000. */
  readonly lockTimeoutMs?: number | undefined;
}

/**
 * Where the WebAssembly module comes from, when the loader cannot find it by itself, or which one of
 * the two it takes.
 */
export interface InitOptions {
  /** A WebAssembly.Module. */
  readonly module?: object | undefined;
  readonly url?: string | URL | undefined;
  readonly bytes?: Uint8Array | ArrayBuffer | undefined;
  /**
   * `auto` (default): `veer-relaxed.wasm` where the engine has relaxed SIMD, else `veer.wasm`. Both
   * give the same answers; the first scans codes faster. Without effect beside the others.
   */
  readonly simd?: 'auto' | 'simd128' | 'relaxed' | undefined;
}
