// The index level: one instance of the module, shared by all indexes of an API.

import type { Metric, VectorInput } from '../types/schema.d.ts';
import type {
  IndexSearchOptions,
  IndexSearchResult,
  KeysInput,
  VectorIndex,
  VectorIndexFactory,
  VectorIndexOptions,
  VectorsInput,
} from '../types/vector_index.d.ts';
import { flag, floats, integer, matrix, recall, type Matrix } from './arguments.ts';
import { disposeSymbol } from './dispose.ts';
import { VeerError, closed, rangeError, typeError } from './errors.ts';
import { Ffi, Output, type Handle } from './ffi.ts';
import { LeakNet } from './leaks.ts';
import { DIMS_MAX, K_MAX } from './limits.ts';
import type { ModuleSource } from './module.ts';

const leaks = new LeakNet<{ ffi: Ffi; handle: Handle }>(
  'a VectorIndex was not closed; call close() or declare it with `using`',
  ({ ffi, handle }) => ffi.free('wasm_index_free', handle),
);

const KEY_MAX = 2n ** 64n - 1n;

function keyOf(value: unknown, field: string): bigint {
  if (typeof value === 'bigint') {
    if (value < 0n || value > KEY_MAX) throw rangeError(field, value, 'from 0 to 2^64 - 1');
    return value;
  }
  if (typeof value !== 'number') throw typeError(field, value, 'a bigint or an integer');
  if (!Number.isSafeInteger(value) || value < 0) {
    throw rangeError(field, value, 'an integer from 0 to 2^53 - 1');
  }
  return BigInt(value);
}

function keysOf(keys: KeysInput): BigUint64Array {
  if (keys instanceof BigUint64Array) return keys;
  if (!Array.isArray(keys)) throw typeError('keys', keys, 'a BigUint64Array or an array');
  return BigUint64Array.from(keys as readonly unknown[], (key, i) => keyOf(key, `keys[${i}]`));
}

class HeldIndex implements VectorIndex {
  readonly dims: number;
  readonly #ffi: Ffi;
  readonly #handle: Handle;
  #isSearching = false;

  constructor(ffi: Ffi, handle: Handle) {
    this.#ffi = ffi;
    this.#handle = handle;
    this.dims = ffi.ask('wasm_index_dims', handle);
    leaks.watch(this, { ffi, handle });
  }

  get count(): number {
    return this.#ffi.ask('wasm_index_count', this.#handle);
  }
  get memory(): number {
    return this.#ffi.ask('wasm_index_memory', this.#handle);
  }

  add(keys: KeysInput, vectors: VectorsInput): void {
    const k = keysOf(keys);
    const rows = this.#rows('vectors', vectors);
    if (rows.n !== k.length) {
      throw rangeError('vectors', rows.n, `as many as the ${k.length} keys`);
    }
    this.#call('wasm_index_add', k, rows.data, rows.n);
  }

  remove(keys: KeysInput): number {
    const k = keysOf(keys);
    this.#call('wasm_index_remove', k, k.length);
    return this.#ffi.replyCount();
  }

  optimize(budgetMs = -1): boolean {
    if (typeof budgetMs !== 'number') throw typeError('budgetMs', budgetMs, 'a number');
    this.#call('wasm_index_optimize', budgetMs);
    return this.#ffi.replyFlag();
  }

  search(
    queries: VectorsInput | VectorInput,
    k = 10,
    options: IndexSearchOptions = {},
  ): IndexSearchResult {
    integer('k', k, 1, K_MAX);
    const { accept } = options;
    if (accept !== undefined && typeof accept !== 'function') {
      throw typeError('accept', accept, 'a function');
    }
    const rows = this.#rows('queries', queries);
    const places = rows.n * k;
    this.#ffi.callbacks.accept = accept;
    this.#isSearching = true;
    try {
      const [keys, distances, found] = this.#ffi.call(
        'wasm_index_search',
        this.#handle,
        rows.data,
        rows.n,
        k,
        recall(options.recall) ?? 0,
        flag('exact', options.exact) ? 1 : 0,
        accept ? 1 : 0,
        new Output(places * 8),
        new Output(places * 4),
        new Output(rows.n * 4),
      );
      return {
        k,
        keys: new BigUint64Array(keys!.buffer),
        distances: new Float32Array(distances!.buffer),
        found: new Uint32Array(found!.buffer),
      };
    } finally {
      this.#isSearching = false;
      this.#ffi.callbacks.accept = undefined;
    }
  }

  get(key: bigint | number): Float32Array | undefined {
    try {
      const [vector] = this.#call('wasm_index_get', keyOf(key, 'key'), new Output(this.dims * 4));
      return new Float32Array(vector!.buffer);
    } catch (cause) {
      if (cause instanceof VeerError && cause.code === 'NOTFOUND') return undefined;
      throw cause;
    }
  }

  save(): Uint8Array {
    this.#call('wasm_index_save');
    return this.#ffi.replyBytes();
  }

  close(): void {
    this.#refuseWhileSearching();
    leaks.forget(this);
    this.#ffi.free('wasm_index_free', this.#handle);
  }
  [disposeSymbol](): void {
    this.close();
  }

  #call(name: string, ...args: Parameters<Ffi['call']> extends [string, ...infer A] ? A : never) {
    this.#refuseWhileSearching();
    return this.#ffi.call(name, this.#handle, ...args);
  }

  /** `accept` runs in the middle of a search. */
  #refuseWhileSearching(): void {
    if (this.#isSearching) throw new VeerError('BUSY', 'accept may not use the index');
  }

  /** One vector, or many; `dims` numbers each. */
  #rows(field: string, input: VectorsInput | VectorInput): Matrix {
    if (!this.#handle.isOpen) throw closed('the index');
    this.#refuseWhileSearching();
    if (Array.isArray(input) && typeof input[0] === 'number') {
      const data = floats(field, input);
      return matrix(field, data, this.dims);
    }
    return matrix(field, input, this.dims);
  }
}

/** `VectorIndex` of an API; its module is loaded with the first index. */
export function vectorIndexFactory(modules: ModuleSource): VectorIndexFactory {
  let instance: { readonly module: WebAssembly.Module; readonly ffi: Promise<Ffi> } | undefined;
  const shared = async (): Promise<Ffi> => {
    const module = await modules.get();
    if (instance?.module !== module) instance = { module, ffi: Ffi.create(module) };
    const ffi = await instance.ffi;
    // After a trap new indexes get a new instance.
    if (!ffi.isBroken) return ffi;
    instance = { module, ffi: Ffi.create(module) };
    return instance.ffi;
  };

  return {
    async create(given: VectorIndexOptions): Promise<VectorIndex> {
      const { dims, metric = 'cosine', seed, graphRows, graphDegree } = given;
      const options: Record<string, number | Metric> = { metric };
      options.dims = integer('dims', dims, 1, DIMS_MAX) ?? requireDims();
      if (seed !== undefined) options.seed = integer('seed', seed, 0, 2 ** 53 - 1)!;
      if (graphRows !== undefined) {
        options.graphRows = integer('graphRows', graphRows, 0, 2 ** 31 - 1)!;
      }
      if (graphDegree !== undefined) {
        options.graphDegree = integer('graphDegree', graphDegree, 16, 64)!;
      }
      const ffi = await shared();
      ffi.call('wasm_index_new', JSON.stringify(options));
      return new HeldIndex(ffi, ffi.replyHandle('the index'));
    },

    async load(bytes: Uint8Array | ArrayBuffer): Promise<VectorIndex> {
      if (!(bytes instanceof Uint8Array) && !(bytes instanceof ArrayBuffer)) {
        throw typeError('bytes', bytes, 'a Uint8Array or an ArrayBuffer');
      }
      const data = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
      const ffi = await shared();
      ffi.call('wasm_index_load', data, data.length);
      return new HeldIndex(ffi, ffi.replyHandle('the index'));
    },
  };
}

function requireDims(): never {
  throw typeError('dims', undefined, 'a number');
}
