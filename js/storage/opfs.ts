// Streams as files of the origin private file system, through sync access handles.
//
// Only dedicated workers have these handles. Reading, writing, sizes and flush are synchronous;
// opening, creating and removing files are not: they are pending until `settle()`. At most
// HANDLES_MAX files are open at once (Safari allows a low number of hundreds to the whole origin);
// the least recently used one that is only read makes room. Files that the engine writes keep
// their handle, so that a write never has to wait.
//
// A Web Lock named after the database is held for the life of the backend: a second tab gets BUSY.
// Removing is done at the next settle or flush; a removed stream that is still open goes when it is
// closed. A file left over by a death in between is a stream that no catalogue names.

import {
  IO_CREATE,
  IO_WRITE,
  StorageFault,
  alreadyThere,
  browserFault,
  checkRange,
  notFound,
  type Backend,
  type Stream,
} from './backend.ts';
import type { HeldLock } from './web_lock.ts';

const HANDLES_MAX = 64;
/** A handle of a worker that has just died stays locked for a moment; waits in ms. Arbitrary. */
const RETRY_WAITS = [10, 20, 40, 80, 160, 320, 640];

interface SyncHandle {
  read(into: Uint8Array, options: { at: number }): number;
  write(data: Uint8Array, options: { at: number }): number;
  truncate(bytes: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
export interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(options?: { mode: string }): Promise<SyncHandle>;
}

/** A file, open or not. */
interface File {
  readonly name: string;
  /** Its name in the directory. */
  readonly entry: string;
  handle: SyncHandle | undefined;
  /** Streams of the engine. */
  users: number;
  writers: number;
  isRemoved: boolean;
  /** Made by settle for an open that has not come back yet. */
  isGranted: boolean;
}

class OpfsStream implements Stream {
  readonly #backend: OpfsBackend;
  readonly #file: File;
  readonly #isWriter: boolean;
  #isOpen = true;

  constructor(backend: OpfsBackend, file: File, isWriter: boolean) {
    this.#backend = backend;
    this.#file = file;
    this.#isWriter = isWriter;
    file.users += 1;
    if (isWriter) file.writers += 1;
  }

  size(): number {
    return this.#with('size of', (handle) => handle.getSize());
  }

  read(offset: number, into: Uint8Array): boolean {
    if (!this.#backend.use(this.#file)) return false;
    this.#with('read', (handle) => {
      for (let done = 0; done < into.length;) {
        const got = handle.read(into.subarray(done), { at: offset + done });
        if (got === 0) checkRange(this.#file.name, handle.getSize(), offset, into.length);
        if (got === 0) throw new StorageFault('IO', `read ${this.#file.name}: no bytes`);
        done += got;
      }
    });
    return true;
  }

  write(offset: number, data: Uint8Array): boolean {
    if (!this.#backend.use(this.#file)) return false;
    this.#with('write', (handle) => {
      for (let done = 0; done < data.length;) {
        const put = handle.write(data.subarray(done), { at: offset + done });
        // Safari answers a full disk with a short count instead of an exception.
        if (put === 0) {
          throw new StorageFault('FULL', `write ${this.#file.name}: the storage is full`);
        }
        done += put;
      }
    });
    return true;
  }

  truncate(bytes: number): void {
    this.#with('truncate', (handle) => handle.truncate(bytes));
  }
  sync(): void {
    this.#with('sync', (handle) => handle.flush());
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#file.users -= 1;
    if (this.#isWriter) this.#file.writers -= 1;
    this.#backend.closed(this.#file);
  }

  #with<T>(what: string, act: (handle: SyncHandle) => T): T {
    const handle = this.#file.handle;
    if (!handle) throw new StorageFault('INTERNAL', `${what} ${this.#file.name}: no handle`);
    try {
      return act(handle);
    } catch (cause) {
      throw browserFault(`${what} ${this.#file.name}`, cause);
    }
  }
}

export class OpfsBackend implements Backend {
  readonly name: string;
  readonly isReadonly: boolean;
  readonly #directory: FileSystemDirectoryHandle;
  readonly #lock: HeldLock | undefined;
  readonly #files = new Map<string, File>();
  readonly #removals: File[] = [];
  readonly #entries = new Map<string, string>();
  /** Files to make or open at the next settle. */
  readonly #wanted = new Set<File>();
  readonly #failures = new Map<string, StorageFault>();
  #open: File[] = [];

  private constructor(
    name: string,
    directory: FileSystemDirectoryHandle,
    isReadonly: boolean,
    lock: HeldLock | undefined,
  ) {
    this.name = name;
    this.#directory = directory;
    this.isReadonly = isReadonly;
    this.#lock = lock;
  }

  static async attach(
    name: string,
    directory: FileSystemDirectoryHandle,
    isReadonly: boolean,
    lock?: HeldLock,
  ): Promise<OpfsBackend> {
    const backend = new OpfsBackend(name, directory, isReadonly, lock);
    for await (const [entry, handle] of directory.entries()) {
      if (handle.kind === 'file') backend.#files.set(entry, newFile(entry));
    }
    return backend;
  }

  /** Of one file that is not there yet, as the stream `name`; the directory is not looked at. */
  static forFile(
    location: string,
    directory: FileSystemDirectoryHandle,
    name: string,
    entry: string,
  ): OpfsBackend {
    const backend = new OpfsBackend(location, directory, false, undefined);
    backend.#entries.set(name, entry);
    return backend;
  }

  open(name: string, flags: number): Stream | undefined {
    this.#throwFailure(name);
    let file = this.#files.get(name);
    if (flags & IO_CREATE) {
      if (file && !file.isGranted) throw alreadyThere(name);
      if (!file) {
        file = newFile(name, this.#entries.get(name));
        file.isGranted = true;
        this.#files.set(name, file);
      }
    } else if (!file || file.isGranted) {
      throw notFound(name);
    }
    if (!this.use(file)) return undefined;
    file.isGranted = false;
    return new OpfsStream(this, file, (flags & IO_WRITE) !== 0);
  }

  /** Whether the file has its handle now; else it will after `settle()`. */
  use(file: File): boolean {
    this.#throwFailure(file.name);
    if (!file.handle) {
      this.#wanted.add(file);
      return false;
    }
    const place = this.#open.indexOf(file);
    if (place !== this.#open.length - 1) {
      this.#open.splice(place, 1);
      this.#open.push(file);
    }
    return true;
  }

  closed(file: File): void {
    // Kept open for the next time, unless it shall go.
    if (file.isRemoved && file.users === 0) this.#removals.push(file);
  }

  remove(name: string): boolean {
    const file = this.#files.get(name);
    if (!file || file.isGranted) throw notFound(name);
    this.#files.delete(name);
    file.isRemoved = true;
    this.closed(file);
    return true;
  }

  list(): string[] {
    return [...this.#files.values()].filter((file) => !file.isGranted).map((file) => file.name);
  }

  // The file system makes names durable with the files; nothing can be waited for.
  syncNames(): void {}

  async settle(): Promise<void> {
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    await this.#removeFiles();
    for (const file of wanted) {
      if (file.handle || file.isRemoved) continue;
      try {
        await this.#openFile(file);
      } catch (cause) {
        if (file.isGranted) this.#files.delete(file.name);
        this.#failures.set(file.name, browserFault(`open ${file.name}`, cause));
      }
    }
  }

  release(): void {
    this.#wanted.clear();
    this.#failures.clear();
  }

  async flush(): Promise<void> {
    await this.#removeFiles();
  }

  async close(): Promise<void> {
    await this.#removeFiles();
    for (const file of this.#open) file.handle?.close();
    this.#open = [];
    for (const file of this.#files.values()) {
      // Made for an open that never came.
      if (file.isGranted) await this.#directory.removeEntry(file.entry).catch(() => {});
    }
    this.#files.clear();
    this.#lock?.release();
  }

  async #openFile(file: File): Promise<void> {
    while (this.#open.length >= HANDLES_MAX) {
      const idle = this.#open.findIndex((other) => other.writers === 0 && !other.isGranted);
      if (idle < 0) break;
      this.#closeHandle(this.#open[idle]!);
    }
    const entry = (await this.#directory.getFileHandle(file.entry, {
      create: file.isGranted,
    })) as SyncFileHandle;
    const handle = await syncHandle(entry, this.isReadonly);
    // A death may have left a file of that name which nobody has listed.
    if (file.isGranted && handle.getSize() > 0) handle.truncate(0);
    file.handle = handle;
    this.#open.push(file);
  }

  #closeHandle(file: File): void {
    this.#open = this.#open.filter((other) => other !== file);
    file.handle?.close();
    file.handle = undefined;
  }

  async #removeFiles(): Promise<void> {
    for (const file of this.#removals.splice(0)) {
      this.#closeHandle(file);
      // Somebody has made a new stream of that name, in the same file.
      if (this.#files.has(file.name)) continue;
      try {
        await this.#directory.removeEntry(file.entry);
      } catch {
        // It stays as a stream that nothing names.
      }
    }
  }

  #throwFailure(name: string): void {
    const failure = this.#failures.get(name);
    this.#failures.delete(name);
    if (failure) throw failure;
  }
}

function newFile(name: string, entry: string = name): File {
  return {
    name,
    entry,
    handle: undefined,
    users: 0,
    writers: 0,
    isRemoved: false,
    isGranted: false,
  };
}

/** A handle; the one of a dead worker may still be closing. */
export async function syncHandle(file: SyncFileHandle, isReadonly: boolean): Promise<SyncHandle> {
  for (let tries = 0; ; tries++) {
    try {
      return await file.createSyncAccessHandle(isReadonly ? { mode: 'read-only' } : undefined);
    } catch (cause) {
      const wait = RETRY_WAITS[tries];
      if (wait === undefined || (cause as Error).name !== 'NoModificationAllowedError') throw cause;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}
