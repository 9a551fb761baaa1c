// What the module imports: storage, clocks, random bytes and callbacks. Part of ffi.ts, which gives
// it access to the memory; signatures are in src/platform/io_host.c.
//
// No exception may pass through the engine's frames: an import answers with a status, and keeps
// the exception of a caller's function until the call is over.

import { OK, PENDING, statusOf, VeerError } from './errors.ts';
import { StorageFault, type Backend, type Stream } from './storage/backend.ts';

/** Views on the memory, made anew by each use. */
export interface MemoryAccess {
  bytes(pointer: number, length: number): Uint8Array;
  view(): DataView;
}

/** Functions of the caller that a call may use; they are set around that call. */
export class HostCallbacks {
  accept: ((key: bigint) => boolean) | undefined;
  /** False cancels. */
  progress: ((done: number, total: number) => boolean) | undefined;
  #thrown: { readonly error: unknown } | undefined;

  callAccept(key: bigint): number {
    if (this.#thrown) return 0;
    return this.#guard(() => this.accept?.(key) ?? true);
  }

  callProgress(done: number, total: number): number {
    return this.#guard(() => this.progress?.(done, total) ?? true);
  }

  /** Throws what one of them has thrown. */
  rethrow(): void {
    const thrown = this.#thrown;
    this.#thrown = undefined;
    if (thrown) throw thrown.error;
  }

  #guard(act: () => boolean): number {
    try {
      return act() ? 1 : 0;
    } catch (error) {
      this.#thrown = { error };
      return 0;
    }
  }
}

class HostStorage {
  readonly backend: Backend;
  readonly streams = new Map<number, Stream>();
  next = 1;
  failure = '';

  constructor(backend: Backend) {
    this.backend = backend;
  }

  stream(handle: number): Stream {
    const stream = this.streams.get(handle >>> 0);
    if (!stream) throw new StorageFault('INTERNAL', `stream ${handle} is not open`);
    return stream;
  }
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export class HostStorages {
  readonly callbacks = new HostCallbacks();
  readonly #memory: MemoryAccess;
  readonly #storages = new Map<number, HostStorage>();
  #next = 1;

  constructor(memory: MemoryAccess) {
    this.#memory = memory;
  }

  attach(backend: Backend): number {
    const storage = this.#next++;
    this.#storages.set(storage, new HostStorage(backend));
    return storage;
  }

  detach(storage: number): void {
    const streams = this.#storages.get(storage)?.streams;
    this.#storages.delete(storage);
    for (const stream of streams?.values() ?? []) stream.close();
  }

  imports(): WebAssembly.Imports {
    const memory = this.#memory;
    const name = (pointer: number, bytes: number): string =>
      decoder.decode(memory.bytes(pointer, bytes));
    const answer = (isDone: boolean): number => (isDone ? OK : PENDING);

    return {
      veer: {
        io_open: (storage: number, text: number, bytes: number, flags: number, out: number) =>
          this.#guard(storage, (host) => {
            const stream = host.backend.open(name(text, bytes), flags);
            if (!stream) return PENDING;
            const handle = host.next++;
            host.streams.set(handle, stream);
            memory.view().setUint32(out >>> 0, handle, true);
            return OK;
          }),
        io_close: (storage: number, handle: number) => {
          this.#guard(storage, (host) => {
            host.streams.get(handle >>> 0)?.close();
            host.streams.delete(handle >>> 0);
            return OK;
          });
        },
        io_read: (storage: number, handle: number, offset: bigint, to: number, bytes: number) =>
          this.#guard(storage, (host) =>
            answer(host.stream(handle).read(position(offset), memory.bytes(to, bytes))),
          ),
        io_write: (storage: number, handle: number, offset: bigint, from: number, bytes: number) =>
          this.#guard(storage, (host) =>
            answer(host.stream(handle).write(position(offset), memory.bytes(from, bytes))),
          ),
        io_size: (storage: number, handle: number, out: number) =>
          this.#guard(storage, (host) => {
            const size = BigInt(host.stream(handle).size());
            memory.view().setBigUint64(out >>> 0, size, true);
            return OK;
          }),
        io_truncate: (storage: number, handle: number, bytes: bigint) =>
          this.#guard(storage, (host) => {
            host.stream(handle).truncate(position(bytes));
            return OK;
          }),
        io_sync: (storage: number, handle: number) =>
          this.#guard(storage, (host) => {
            host.stream(handle).sync();
            return OK;
          }),
        io_sync_names: (storage: number) =>
          this.#guard(storage, (host) => {
            host.backend.syncNames();
            return OK;
          }),
        io_remove: (storage: number, text: number, bytes: number) =>
          this.#guard(storage, (host) => answer(host.backend.remove(name(text, bytes)))),
        io_list: (storage: number, to: number, capacity: number, needed: number) =>
          this.#guard(storage, (host) => {
            const rows = host.backend.list().map((entry) => encoder.encode(`${entry}\n`));
            const target = memory.bytes(to, capacity);
            let total = 0;
            for (const row of rows) {
              if (total + row.length <= target.length) target.set(row, total);
              total += row.length;
            }
            memory.view().setUint32(needed >>> 0, total, true);
            return OK;
          }),
        // The lock was taken before the engine saw the storage, for that takes time.
        io_lock: (storage: number, exclusive: number) =>
          this.#guard(storage, (host) => {
            if (exclusive !== 0 && host.backend.isReadonly) {
              throw new StorageFault('READONLY', `${host.backend.name} is open for reading only`);
            }
            return OK;
          }),
        io_unlock: () => {},
        io_error: (storage: number, to: number, capacity: number) => {
          const text = this.#storages.get(storage >>> 0)?.failure ?? '';
          return encoder.encodeInto(text, memory.bytes(to, capacity)).written;
        },
        clock_monotonic_ms: () => performance.now(),
        clock_wall_ms: () => BigInt(Date.now()),
        random: (to: number, bytes: number) => {
          // getRandomValues gives at most 65536 bytes a call.
          for (let done = 0; done < bytes; done += 65536) {
            const part = new Uint8Array(Math.min(65536, bytes - done));
            memory.bytes(to + done, part.length).set(crypto.getRandomValues(part));
          }
        },
        accept: (key: bigint) => this.callbacks.callAccept(BigInt.asUintN(64, key)),
        progress: (done: bigint, total: bigint) =>
          this.callbacks.callProgress(
            Number(BigInt.asUintN(64, done)),
            Number(BigInt.asUintN(64, total)),
          ),
      },
      env: {
        // Views are made at the moment of use, so that growth changes nothing here.
        emscripten_notify_memory_growth: () => {},
      },
    };
  }

  /** Runs an import's body; what it throws becomes a status, with its text kept for io_error. */
  #guard(storage: number, act: (host: HostStorage) => number): number {
    const host = this.#storages.get(storage >>> 0);
    if (!host) return statusOf.CLOSED;
    try {
      return act(host);
    } catch (cause) {
      host.failure = cause instanceof Error ? cause.message : String(cause);
      if (cause instanceof StorageFault || cause instanceof VeerError) return statusOf[cause.code];
      return statusOf.IO;
    }
  }
}

/** An offset or a size as a number: storage ends long before 2^53. */
function position(value: bigint): number {
  const number = Number(BigInt.asUintN(64, value));
  if (!Number.isSafeInteger(number))
    throw new StorageFault('LIMIT', `no stream has ${value} bytes`);
  return number;
}
