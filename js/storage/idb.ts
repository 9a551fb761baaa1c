// Streams as pages of 16 KiB in an IndexedDB database, in a page or in a worker.
//
//   store "streams"   name -> {id, size}      the number of a stream is never used again
//   store "pages"     [id, page] -> bytes     always whole pages
//
// Names and sizes are in memory from the start; pages are fetched on demand (pending) and written
// aside: nothing reaches the database before `flush()`, which puts all of it there. The pages of
// segments may be large, and nothing refers to them before the superblock: they go first, in
// transactions of their own; one last transaction holds everything else that has changed, and so
// is the commit: after a death all of it is there or nothing. All transactions ask for strict
// durability.
//
// A page that is written in part while its rest is not in memory is kept with the ranges that are
// known, and completed from the database when it is read there or flushed: writing never waits.
//
// After a flush that failed, the engine believes what the database does not hold: the caller must
// not go on with it (storage/backend.ts).

import {
  IO_CREATE,
  StorageFault,
  alreadyThere,
  browserFault,
  checkRange,
  notFound,
  type Backend,
  type Stream,
} from './backend.ts';
import {
  PAGES,
  asPromise,
  loadStreams,
  pageKey,
  pagesOf,
  transact,
  type StreamRecord,
} from './idb_store.ts';
import { PageCache } from './page_cache.ts';
import { PartialPage } from './partial_page.ts';
import type { HeldLock } from './web_lock.ts';

export const PAGE_BYTES = 16 * 1024;
/** 16 MiB. Arbitrary: the engine keeps verified blocks of its own. */
const CACHE_PAGES = 1024;
/** Pages in one of the earlier transactions: 8 MiB. Arbitrary. */
const TRANSACTION_PAGES = 512;
/** Streams that nothing refers to before the superblock does. */
const EARLY = /^seg\./;

/** A stream of the database. */
interface State {
  readonly id: number;
  readonly name: string;
  size: number;
  /** Written pages that the database does not have yet. */
  readonly dirty: Map<number, PartialPage>;
  /** Pages from this number on read as zeros where they are not dirty. */
  storedPages: number;
  /** Pages from this number on are in the database from before the stream was cut. */
  stalePages: number;
  users: number;
  isRemoved: boolean;
}

class IdbStream implements Stream {
  readonly #backend: IdbBackend;
  readonly #state: State;
  #isOpen = true;

  constructor(backend: IdbBackend, state: State) {
    this.#backend = backend;
    this.#state = state;
    state.users += 1;
  }

  size(): number {
    return this.#state.size;
  }
  read(offset: number, into: Uint8Array): boolean {
    checkRange(this.#state.name, this.#state.size, offset, into.length);
    return this.#backend.readPages(this.#state, offset, into);
  }
  write(offset: number, data: Uint8Array): boolean {
    this.#backend.writePages(this.#state, offset, data);
    return true;
  }
  truncate(bytes: number): void {
    this.#backend.resize(this.#state, bytes);
  }
  // The next flush is one transaction: it is the barrier.
  sync(): void {}
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#state.users -= 1;
    this.#backend.closed(this.#state);
  }
}

export class IdbBackend implements Backend {
  readonly name: string;
  readonly isReadonly: boolean;
  readonly #database: IDBDatabase;
  readonly #lock: HeldLock | undefined;
  readonly #states = new Map<string, State>();
  readonly #cache: PageCache;
  /** Streams whose record or pages differ from the database's. */
  readonly #changed = new Set<State>();
  /** Removed: their records go with the next flush, their pages once nobody has them open. */
  readonly #removed = new Set<State>();
  #nextId = 1;

  private constructor(
    name: string,
    database: IDBDatabase,
    isReadonly: boolean,
    lock: HeldLock | undefined,
    cachePages: number,
  ) {
    this.name = name;
    this.#database = database;
    this.isReadonly = isReadonly;
    this.#lock = lock;
    this.#cache = new PageCache(PAGE_BYTES, cachePages, (stream, first, count) =>
      this.#fetch(stream, first, count),
    );
  }

  static async attach(
    name: string,
    database: IDBDatabase,
    isReadonly: boolean,
    lock?: HeldLock,
    cachePages = CACHE_PAGES,
  ): Promise<IdbBackend> {
    const backend = new IdbBackend(name, database, isReadonly, lock, cachePages);
    const { records, nextId } = await loadStreams(database, isReadonly);
    backend.#nextId = nextId;
    for (const [stream, { id, size }] of records) {
      backend.#states.set(stream, newState(id, stream, size));
    }
    return backend;
  }

  open(name: string, flags: number): Stream | undefined {
    let state = this.#states.get(name);
    if (flags & IO_CREATE) {
      if (state) throw alreadyThere(name);
      state = newState(this.#nextId++, name, 0);
      this.#states.set(name, state);
      this.#changed.add(state);
    }
    if (!state) throw notFound(name);
    return new IdbStream(this, state);
  }

  remove(name: string): boolean {
    const state = this.#states.get(name);
    if (!state) throw notFound(name);
    this.#states.delete(name);
    state.isRemoved = true;
    this.#removed.add(state);
    return true;
  }

  closed(state: State): void {
    if (state.isRemoved) this.#removed.add(state);
  }

  list(): string[] {
    return [...this.#states.keys()];
  }
  syncNames(): void {}

  // ---- pages

  readPages(state: State, offset: number, into: Uint8Array): boolean {
    return this.#cache.read(state.id, state.size, offset, into, (page) => {
      const dirty = state.dirty.get(page);
      if (dirty?.isWhole) return dirty.bytes;
      if (page >= state.storedPages) return dirty?.bytes ?? new Uint8Array(PAGE_BYTES);
      const stored = this.#cache.get(state.id, page);
      if (!stored || !dirty) return stored;
      dirty.complete(stored);
      return dirty.bytes;
    });
  }

  writePages(state: State, offset: number, data: Uint8Array): void {
    if (offset > state.size) this.resize(state, offset);
    for (let done = 0; done < data.length;) {
      const at = (offset + done) % PAGE_BYTES;
      const page = (offset + done - at) / PAGE_BYTES;
      const part = Math.min(PAGE_BYTES - at, data.length - done);
      this.#dirtyPage(state, page).write(at, data.subarray(done, done + part));
      done += part;
    }
    state.size = Math.max(state.size, offset + data.length);
    this.#changed.add(state);
  }

  resize(state: State, bytes: number): void {
    this.#changed.add(state);
    const pages = Math.ceil(bytes / PAGE_BYTES);
    if (bytes < state.size) {
      for (const page of state.dirty.keys()) if (page >= pages) state.dirty.delete(page);
      for (let page = pages; page < state.storedPages; page++) this.#cache.delete(state.id, page);
      state.stalePages = Math.min(state.stalePages, pages);
      state.storedPages = Math.min(state.storedPages, pages);
      // What lies behind the end reads as zeros when the stream grows again.
      const tail = bytes % PAGE_BYTES;
      if (tail > 0)
        this.#dirtyPage(state, pages - 1).write(tail, new Uint8Array(PAGE_BYTES - tail));
    }
    state.size = bytes;
  }

  #dirtyPage(state: State, page: number): PartialPage {
    let dirty = state.dirty.get(page);
    if (!dirty) {
      const stored = page < state.storedPages ? this.#cache.get(state.id, page) : undefined;
      dirty = new PartialPage(PAGE_BYTES);
      if (stored || page >= state.storedPages) dirty.complete(stored);
      state.dirty.set(page, dirty);
    }
    return dirty;
  }

  async #fetch(id: number, first: number, count: number): Promise<Uint8Array[]> {
    try {
      const store = this.#database.transaction(PAGES, 'readonly').objectStore(PAGES);
      const range = IDBKeyRange.bound(pageKey(id, first), pageKey(id, first + count - 1));
      const [keys, values] = await Promise.all([
        asPromise(store.getAllKeys(range)),
        asPromise(store.getAll(range)),
      ]);
      // A page that was never written is a hole: zeros.
      const pages = Array.from({ length: count }, () => new Uint8Array(PAGE_BYTES));
      keys.forEach((key, i) => {
        const value: unknown = values[i];
        if (!(value instanceof Uint8Array) || value.length !== PAGE_BYTES) {
          throw new StorageFault('CORRUPT', `stream ${id}: a page is not ${PAGE_BYTES} bytes`);
        }
        pages[(key as [number, number])[1] - first] = value as Uint8Array<ArrayBuffer>;
      });
      return pages;
    } catch (cause) {
      throw browserFault(`read of stream ${id}`, cause);
    }
  }

  settle(): Promise<void> {
    return this.#cache.settle();
  }
  release(): void {
    this.#cache.release();
  }

  // ---- durability

  async flush(): Promise<void> {
    if (this.#changed.size === 0 && this.#removed.size === 0) return;
    try {
      await this.#completePages();
      for (const state of this.#changed) {
        if (!state.isRemoved && EARLY.test(state.name)) await this.#flushEarly(state);
      }
      await this.#commit();
    } catch (cause) {
      throw browserFault('commit', cause);
    }
  }

  /** Fetches what is missing of pages that were written in part. */
  async #completePages(): Promise<void> {
    for (const state of this.#changed) {
      for (const [page, dirty] of state.dirty) {
        if (dirty.isWhole) continue;
        dirty.complete(
          page < state.storedPages ? (await this.#fetch(state.id, page, 1))[0] : undefined,
        );
      }
    }
  }

  /** Pages of a segment that nothing refers to yet, some at a time. */
  async #flushEarly(state: State): Promise<void> {
    while (state.dirty.size > TRANSACTION_PAGES) {
      const some = [...state.dirty].slice(0, TRANSACTION_PAGES);
      await transact(this.#database, ({ pages, streams }) => {
        streams.put(record(state), state.name);
        dropStale(pages, state);
        for (const [page, dirty] of some) pages.put(dirty.bytes, pageKey(state.id, page));
      });
      state.stalePages = Infinity;
      for (const [page] of some) this.#stored(state, page);
    }
  }

  async #commit(): Promise<void> {
    const gone = [...this.#removed];
    await transact(this.#database, ({ pages, streams }) => {
      for (const state of gone) {
        if (!this.#states.has(state.name)) streams.delete(state.name);
        if (state.users === 0) pages.delete(pagesOf(state.id, 0));
      }
      for (const state of this.#changed) {
        if (state.isRemoved && state.users === 0) continue;
        if (!state.isRemoved) streams.put(record(state), state.name);
        dropStale(pages, state);
        for (const [page, dirty] of state.dirty) pages.put(dirty.bytes, pageKey(state.id, page));
      }
    });
    for (const state of this.#changed) {
      for (const page of [...state.dirty.keys()]) this.#stored(state, page);
      state.stalePages = Infinity;
    }
    this.#changed.clear();
    this.#removed.clear();
  }

  #stored(state: State, page: number): void {
    this.#cache.put(state.id, page, state.dirty.get(page)!.bytes);
    state.dirty.delete(page);
    state.storedPages = Math.max(state.storedPages, page + 1);
  }

  async close(): Promise<void> {
    this.#database.close();
    this.#lock?.release();
  }
}

function newState(id: number, name: string, size: number): State {
  const storedPages = Math.ceil(size / PAGE_BYTES);
  return {
    id,
    name,
    size,
    dirty: new Map(),
    storedPages,
    stalePages: Infinity,
    users: 0,
    isRemoved: false,
  };
}

function dropStale(pages: IDBObjectStore, state: State): void {
  if (state.stalePages !== Infinity) pages.delete(pagesOf(state.id, state.stalePages));
}

function record(state: State): StreamRecord {
  return { id: state.id, size: state.size };
}
