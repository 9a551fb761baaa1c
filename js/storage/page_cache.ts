// Pages of streams that can be fetched only asynchronously: the least recently used ones go first.
//
// A read that misses notes the pages that it lacks and is pending; `settle()` fetches them. Since
// the engine repeats its whole call after that, two rules keep the repetitions few and finite:
// pages that a pending call has used or fetched stay until `release()`, and each round of one call
// fetches twice as far ahead as the one before.

import { StorageFault } from './backend.ts';

/** Fetches `count` whole pages from page `first` on. */
export type FetchPages = (stream: number, first: number, count: number) => Promise<Uint8Array[]>;

/** Arbitrary: with pages of 16 KiB, 1 MiB. */
const AHEAD_PAGES_MAX = 64;
/** A key is stream * 2^32 + page: exact below 2^53. */
const STREAM_FACTOR = 2 ** 32;

interface Wanted {
  readonly stream: number;
  readonly page: number;
  /** Pages of the stream: how far it makes sense to read ahead. */
  readonly pages: number;
}

export class PageCache {
  readonly #pageBytes: number;
  readonly #capacity: number;
  readonly #fetch: FetchPages;
  readonly #pages = new Map<number, Uint8Array>();
  readonly #pinned = new Set<number>();
  readonly #wanted = new Map<number, Wanted>();
  #rounds = 0;
  #failure: StorageFault | undefined;

  constructor(pageBytes: number, capacity: number, fetch: FetchPages) {
    this.#pageBytes = pageBytes;
    this.#capacity = capacity;
    this.#fetch = fetch;
  }

  /** The page, if it is here; it counts as used now. */
  get(stream: number, page: number): Uint8Array | undefined {
    const key = stream * STREAM_FACTOR + page;
    const data = this.#pages.get(key);
    if (data) {
      this.#pages.delete(key);
      this.#pages.set(key, data);
    }
    return data;
  }

  put(stream: number, page: number, data: Uint8Array): void {
    const key = stream * STREAM_FACTOR + page;
    this.#pages.delete(key);
    this.#pages.set(key, data);
    this.#evict();
  }

  delete(stream: number, page: number): void {
    this.#pages.delete(stream * STREAM_FACTOR + page);
  }

  /** Asks for a page of a stream of `pages` pages at the next `settle()`. */
  want(stream: number, page: number, pages: number): void {
    this.#throwFailure();
    this.#wanted.set(stream * STREAM_FACTOR + page, { stream, page, pages });
  }

  /** Fills `into` from the pages of a stream of `size` bytes; false: some are missing. */
  read(
    stream: number,
    size: number,
    offset: number,
    into: Uint8Array,
    find: (page: number) => Uint8Array | undefined = (page) => this.get(stream, page),
  ): boolean {
    this.#throwFailure();
    const bytes = this.#pageBytes;
    const pages = Math.ceil(size / bytes);
    let complete = true;
    for (let done = 0; done < into.length;) {
      const at = (offset + done) % bytes;
      const page = (offset + done - at) / bytes;
      const part = Math.min(bytes - at, into.length - done);
      const data = find(page);
      if (data) {
        into.set(data.subarray(at, at + part), done);
        this.#pinned.add(stream * STREAM_FACTOR + page);
      } else {
        this.want(stream, page, pages);
        complete = false;
      }
      done += part;
    }
    return complete;
  }

  async settle(arrived?: (stream: number, page: number, data: Uint8Array) => void): Promise<void> {
    const ahead = Math.min(2 ** this.#rounds - 1, AHEAD_PAGES_MAX);
    this.#rounds += 1;
    const runs = this.#runs(ahead);
    this.#wanted.clear();
    try {
      await Promise.all(
        runs.map(async ({ stream, page, pages: count }) => {
          const fetched = await this.#fetch(stream, page, count);
          fetched.forEach((data, i) => {
            this.#pinned.add(stream * STREAM_FACTOR + page + i);
            arrived?.(stream, page + i, data);
            this.put(stream, page + i, data);
          });
        }),
      );
    } catch (cause) {
      this.#failure =
        cause instanceof StorageFault
          ? cause
          : new StorageFault('IO', `read: ${String(cause)}`, { cause });
    }
  }

  release(): void {
    this.#rounds = 0;
    this.#pinned.clear();
    this.#wanted.clear();
    this.#evict();
  }

  /** The wanted pages as runs, each with pages ahead: {stream, first page, count}. */
  #runs(ahead: number): Wanted[] {
    const runs: { stream: number; page: number; pages: number }[] = [];
    const sorted = [...this.#wanted.values()].sort(
      (a, b) => a.stream - b.stream || a.page - b.page,
    );
    for (const { stream, page, pages } of sorted) {
      const count = Math.min(1 + ahead, pages - page);
      const last = runs.at(-1);
      if (last && last.stream === stream && page <= last.page + last.pages) {
        last.pages = Math.max(last.pages, page + count - last.page);
      } else {
        runs.push({ stream, page, pages: count });
      }
    }
    return runs;
  }

  #evict(): void {
    if (this.#pages.size <= this.#capacity) return;
    for (const key of this.#pages.keys()) {
      if (this.#pinned.has(key)) continue;
      this.#pages.delete(key);
      if (this.#pages.size <= this.#capacity) return;
    }
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure;
  }
}
