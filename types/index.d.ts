/// <reference lib="esnext.disposable" />
// veerdb: documents with vectors, found again. The public contract of the package, written by
// hand; tests/types proves that js/ fits it in both directions.

import type { InitOptions } from './options.js';

export * from './collection.js';
export * from './database.js';
export * from './errors.js';
export * from './filter.js';
export * from './options.js';
export * from './schema.js';
export * from './snapshot.js';
export * from './vector_index.js';

/**
 * Says where the WebAssembly module comes from, before the first `open`, where the loader cannot
 * find `veer.wasm` and `veer-relaxed.wasm` beside itself (bundlers that do not follow `new URL(..., import.meta.url)`).
 * Without arguments: loads it now. Calling it is optional.
 */
export declare function init(options?: InitOptions): Promise<void>;

/** "0.1.0". */
export declare const version: string;
