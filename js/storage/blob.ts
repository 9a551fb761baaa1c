// One read-only stream over a Blob: a packed file that is opened where it lies, on disk or in
// memory, without being read as a whole. Reads are pending until their part has been fetched.

import { StorageFault, checkRange, notFound, type Backend, type Stream } from './backend.ts';
import { PageCache } from './page_cache.ts';
import type { HeldLock } from './web_lock.ts';

const PAGE_BYTES = 64 * 1024;
const CACHE_PAGES = 256;

export class BlobBackend implements Backend {
  readonly name: string;
  readonly isReadonly = true;
  readonly #stream: string;
  readonly #blob: Blob;
  readonly #cache: PageCache;
  readonly #lock: HeldLock | undefined;

  constructor(blob: Blob, stream: string, lock?: HeldLock) {
    this.name = (blob as Partial<File>).name ?? 'the given bytes';
    this.#lock = lock;
    this.#blob = blob;
    this.#stream = stream;
    this.#cache = new PageCache(PAGE_BYTES, CACHE_PAGES, async (_stream, first, count) => {
      const from = first * PAGE_BYTES;
      const part = this.#blob.slice(from, Math.min(from + count * PAGE_BYTES, this.#blob.size));
      return cut(new Uint8Array(await part.arrayBuffer()), count);
    });
  }

  open(name: string, flags: number): Stream | undefined {
    if (flags !== 1) throw readonly(`open ${name}`);
    if (name !== this.#stream) throw notFound(name);
    return {
      size: () => this.#blob.size,
      read: (offset, into) => this.#read(offset, into),
      write: () => {
        throw readonly('write');
      },
      truncate: () => {
        throw readonly('truncate');
      },
      sync: () => {},
      close: () => {},
    };
  }
  remove(name: string): boolean {
    throw readonly(`remove ${name}`);
  }
  list(): string[] {
    return [this.#stream];
  }
  syncNames(): void {}
  settle(): Promise<void> {
    return this.#cache.settle();
  }
  release(): void {
    this.#cache.release();
  }
  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#lock?.release();
  }

  #read(offset: number, into: Uint8Array): boolean {
    checkRange(this.#stream, this.#blob.size, offset, into.length);
    return this.#cache.read(0, this.#blob.size, offset, into);
  }
}

/** Pages of a run of bytes, each padded with zeros to a page. */
function cut(bytes: Uint8Array, count: number): Uint8Array[] {
  const pages: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const page = new Uint8Array(PAGE_BYTES);
    page.set(bytes.subarray(i * PAGE_BYTES, (i + 1) * PAGE_BYTES));
    pages.push(page);
  }
  return pages;
}

function readonly(what: string): StorageFault {
  return new StorageFault('READONLY', `${what}: a packed file is read-only`);
}
