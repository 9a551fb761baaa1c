// The module's memory and exports: the only file that touches either.
//
// Rules. No pointer leaves this file: what calls make is a Handle. A typed array over the memory is
// made at the moment of use, after the last call that may allocate (allocating may grow the memory,
// which detaches every view), and is not used twice. Pointers and sizes are read unsigned. What a
// call hands out is copied into fresh arrays. Inputs lie in one request area, which stays as it is
// while a call is pending, so that the call can be repeated.
//
// One instance serves one database, or all vector indexes. It has one thread; its owner makes one
// call at a time. After a trap nothing in it can be trusted, and every call fails.
//
// The layouts of the reply and of the words of `wasm_write` are in wasm/veer_wasm.c.

import { OK, PENDING, VeerError, closed, errorOfStatus } from './errors.ts';
import { HostStorages, type HostCallbacks, type MemoryAccess } from './ffi_host.ts';
import type { Backend } from './storage/backend.ts';

// Handle lends these to this file alone.
let pointerOf: (handle: Handle) => number;
let forget: (handle: Handle) => void;

/** Something that the engine made: freed by `Ffi.free`, refused after that. */
export class Handle {
  readonly what: string;
  #pointer: number;

  constructor(what: string, pointer: number) {
    this.what = what;
    this.#pointer = pointer;
  }

  get isOpen(): boolean {
    return this.#pointer !== 0;
  }

  static {
    pointerOf = (handle) => handle.#pointer;
    forget = (handle) => {
      handle.#pointer = 0;
    };
  }
}

/** Space for an output of a call. */
export class Output {
  readonly bytes: number;
  constructor(bytes: number) {
    this.bytes = bytes;
  }
}

/** A C struct of 32-bit words, some of which point to other inputs. */
export class Words {
  readonly words: readonly Argument[];
  constructor(words: readonly Argument[]) {
    this.words = words;
  }
}

/** Numbers and bigints go as they are, null as 0; all else as a pointer to a copy. */
export type Argument =
  | number
  | bigint
  | null
  | string
  | Handle
  | Output
  | Words
  | Uint8Array
  | Float32Array
  | BigUint64Array;

/** A call with its inputs in place: `run` makes it, again where it was pending. */
export interface Call {
  run(): number;
  /** Gives up the request area. */
  end(): void;
  /** Copies of the outputs, in order. */
  outputs(): Uint8Array<ArrayBuffer>[];
}

/** Results as columns; see veer.h. */
export interface ResultColumns {
  readonly queries: number;
  readonly rows: number;
  readonly offsets: Uint32Array;
  readonly distances: Float32Array | undefined;
  readonly scores: Float32Array | undefined;
  readonly ids: Uint8Array;
  readonly idOffsets: Uint32Array;
  readonly documents: Uint8Array | undefined;
  readonly documentOffsets: Uint32Array | undefined;
  readonly explain: string | undefined;
  readonly exact: boolean;
  readonly visited: number;
}

const AREA_ALIGNMENT = 16;
/** A larger request area is given back after the call. Arbitrary. */
const AREA_KEPT_BYTES = 1 << 20;

const MESSAGE = 4;
const MESSAGE_BYTES = 500;
const HANDLE = 504;
const DATA = 508;
const BYTES = 512;
const FLAG = 516;
const COUNT = 520;
const LSN = 528;
const OTHER = 536;
const COLUMNS = 544;

type Exports = Record<string, (...values: (number | bigint)[]) => number> & {
  memory: WebAssembly.Memory;
};

interface Placed {
  readonly at: number;
  readonly bytes: Uint8Array;
}

export class Ffi {
  readonly #exports: Exports;
  readonly #storages: HostStorages;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();
  #broken: VeerError | undefined;

  private constructor(exports: Exports, storages: HostStorages) {
    this.#exports = exports;
    this.#storages = storages;
  }

  static async create(module: WebAssembly.Module): Promise<Ffi> {
    let exports: Exports | undefined;
    const access: MemoryAccess = {
      bytes: (pointer, length) =>
        new Uint8Array(exports!.memory.buffer, pointer >>> 0, length >>> 0),
      view: () => new DataView(exports!.memory.buffer),
    };
    const storages = new HostStorages(access);
    const instance = await WebAssembly.instantiate(module, storages.imports());
    exports = instance.exports as unknown as Exports;
    exports['_initialize']?.();
    return new Ffi(exports, storages);
  }

  /** What the engine calls back during the next calls. */
  get callbacks(): HostCallbacks {
    return this.#storages.callbacks;
  }

  /** Lets the engine use a storage, under the number that is returned. */
  attach(backend: Backend): number {
    return this.#storages.attach(backend);
  }
  detach(storage: number): void {
    this.#storages.detach(storage);
  }

  /** A call has trapped: nothing works any more. */
  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /** Bytes of the module's memory; they never get fewer. */
  get memoryBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  // ---- calls

  /** Puts the inputs of a call in place. */
  prepare(name: string, args: readonly Argument[]): Call {
    this.#check();
    const placed: Placed[] = [];
    const outputs: { at: number; bytes: number }[] = [];
    let size = 0;
    const reserve = (bytes: number): number => {
      const at = size;
      size += Math.ceil((bytes + 1) / AREA_ALIGNMENT) * AREA_ALIGNMENT;
      return at;
    };
    // Offsets in the area until its address is known: a function of the address.
    type Word = number | bigint | ((base: number) => number);
    const words = new Map<number, Word[]>();
    const lay = (argument: Argument): Word => {
      if (argument === null) return 0;
      if (typeof argument === 'number' || typeof argument === 'bigint') return argument;
      if (argument instanceof Handle) {
        if (!argument.isOpen) throw closed(argument.what);
        return pointerOf(argument);
      }
      if (argument instanceof Output) {
        const at = reserve(argument.bytes);
        outputs.push({ at, bytes: argument.bytes });
        return (base) => base + at;
      }
      if (argument instanceof Words) {
        const at = reserve(argument.words.length * 4);
        words.set(at, argument.words.map(lay));
        return (base) => base + at;
      }
      const bytes =
        typeof argument === 'string'
          ? this.#encoder.encode(argument)
          : new Uint8Array(argument.buffer, argument.byteOffset, argument.byteLength);
      const at = reserve(bytes.length);
      placed.push({ at, bytes });
      return (base) => base + at;
    };
    const laid = args.map(lay);

    const base = size === 0 ? 0 : this.#exports['wasm_request']!(size) >>> 0;
    if (size > 0 && base === 0) {
      throw new VeerError('NOMEM', `no memory for ${size} bytes of input`);
    }
    const resolve = (word: Word): number | bigint =>
      typeof word === 'function' ? word(base) : word;
    const area = new Uint8Array(this.#exports.memory.buffer, base, size);
    for (const { at, bytes } of placed) {
      area.set(bytes, at);
      area[at + bytes.length] = 0;
    }
    const view = new DataView(this.#exports.memory.buffer, base, size);
    for (const [at, row] of words) {
      row.forEach((word, i) => view.setUint32(at + i * 4, Number(resolve(word)) >>> 0, true));
    }
    const values = laid.map(resolve);

    return {
      run: () => this.#call(name, values),
      end: () => {
        if (size > AREA_KEPT_BYTES && !this.#broken) this.#exports['wasm_request']!(0);
      },
      outputs: () =>
        outputs.map(({ at, bytes }) =>
          new Uint8Array(this.#exports.memory.buffer, base + at, bytes).slice(),
        ),
    };
  }

  /** A call that cannot be pending. Throws what it reports; gives its outputs. */
  call(name: string, ...args: Argument[]): Uint8Array<ArrayBuffer>[] {
    const call = this.prepare(name, args);
    try {
      this.check(call.run());
      return call.outputs();
    } finally {
      call.end();
    }
  }

  /** A call of a function whose value is a number and not a status. */
  ask(name: string, handle: Handle): number {
    this.#check();
    if (!handle.isOpen) throw closed(handle.what);
    return this.#call(name, [pointerOf(handle)]) >>> 0;
  }

  /** Throws where a status is not OK, with the engine's text. */
  check(status: number): void {
    this.callbacks.rethrow();
    if (status === OK) return;
    if (status === PENDING) {
      throw new VeerError('INTERNAL', 'the engine waits for storage where it must not');
    }
    throw errorOfStatus(status, this.#text(this.#reply() + MESSAGE, MESSAGE_BYTES));
  }

  /** Frees what a handle stands for; twice is fine. */
  free(name: string, handle: Handle): void {
    const pointer = pointerOf(handle);
    forget(handle);
    if (pointer !== 0 && !this.#broken) this.#call(name, [pointer]);
  }

  /** Of a handle that the engine has freed by itself. */
  forget(handle: Handle): void {
    forget(handle);
  }

  // ---- the reply of the last call

  replyHandle(what: string): Handle {
    return new Handle(what, this.#view().getUint32(this.#reply() + HANDLE, true));
  }
  replyFlag(): boolean {
    return this.#view().getUint32(this.#reply() + FLAG, true) !== 0;
  }
  replyCount(): number {
    return Number(this.#view().getBigUint64(this.#reply() + COUNT, true));
  }
  replyOther(): number {
    return Number(this.#view().getBigUint64(this.#reply() + OTHER, true));
  }
  replyLsn(): number {
    return Number(this.#view().getBigUint64(this.#reply() + LSN, true));
  }

  /** A copy of the bytes that the call made, which are freed. */
  replyBytes(): Uint8Array<ArrayBuffer> {
    const reply = this.#reply();
    const view = this.#view();
    const data = view.getUint32(reply + DATA, true);
    const bytes = view.getUint32(reply + BYTES, true);
    const copy = new Uint8Array(this.#exports.memory.buffer, data, bytes).slice();
    this.#exports['wasm_buffer_free']!();
    return copy;
  }
  replyText(): string {
    return this.#decoder.decode(this.replyBytes());
  }

  /** Copies the columns of results. */
  results(handle: Handle): ResultColumns {
    this.#call('wasm_results', [pointerOf(handle)]);
    const reply = this.#reply();
    const view = this.#view();
    const column = (n: number): number => view.getUint32(reply + COLUMNS + n * 4, true);
    const buffer = this.#exports.memory.buffer;
    const u32 = (pointer: number, n: number): Uint32Array =>
      pointer === 0 ? new Uint32Array(n) : new Uint32Array(buffer, pointer, n).slice();
    const f32 = (pointer: number, n: number): Float32Array | undefined =>
      pointer === 0 ? undefined : new Float32Array(buffer, pointer, n).slice();
    const bytes = (pointer: number, offsets: Uint32Array): Uint8Array =>
      new Uint8Array(buffer, pointer, offsets.at(-1) ?? 0).slice();

    const queries = column(0);
    const rows = column(1);
    const idOffsets = u32(column(6), rows + 1);
    const documentOffsets = column(7) === 0 ? undefined : u32(column(8), rows + 1);
    return {
      queries,
      rows,
      offsets: u32(column(2), queries + 1),
      distances: f32(column(3), rows),
      scores: f32(column(4), rows),
      ids: bytes(column(5), idOffsets),
      idOffsets,
      documents: documentOffsets && bytes(column(7), documentOffsets),
      documentOffsets,
      explain: column(9) === 0 ? undefined : this.#text(column(9), column(10)),
      exact: column(11) !== 0,
      visited: Number(view.getBigUint64(reply + COUNT, true)),
    };
  }

  /** A static text of the engine: `wasm_version`, `wasm_tier`, `wasm_describe`. */
  constant(name: string): string {
    this.#check();
    const pointer = this.#exports[name]!() >>> 0;
    return this.#text(pointer, this.memoryBytes - pointer);
  }

  #call(name: string, values: readonly (number | bigint)[]): number {
    const call = this.#exports[name];
    if (!call) throw new VeerError('INTERNAL', `veer.wasm does not export ${name}`);
    try {
      return call(...values);
    } catch (cause) {
      const text = `the engine stopped in ${name}: ${String(cause)}`;
      this.#broken = new VeerError('INTERNAL', text, { cause });
      throw this.#broken;
    }
  }

  #check(): void {
    const broken = this.#broken;
    if (broken)
      throw new VeerError('INTERNAL', `${broken.message}; open it again`, { cause: broken });
  }

  #reply(): number {
    return this.#exports['wasm_reply']!() >>> 0;
  }
  #view(): DataView {
    return new DataView(this.#exports.memory.buffer);
  }
  /** A text of at most `limit` bytes that may end in 0 before. */
  #text(pointer: number, limit: number): string {
    const bytes = new Uint8Array(this.#exports.memory.buffer, pointer, limit);
    const end = bytes.indexOf(0);
    return this.#decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
  }
}
