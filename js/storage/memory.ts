// Streams in JavaScript memory: `memory:` databases, and the bytes of a packed file.
//
// A stream is a row of chunks, so that growing never copies what is there. Nothing is durable;
// every answer comes at once.

import type { PackedTarget } from '../platform.ts';
import {
  IO_CREATE,
  StorageFault,
  alreadyThere,
  checkRange,
  notFound,
  type Backend,
  type Stream,
} from './backend.ts';

/** Arbitrary: small beside a segment, large beside a call. */
const CHUNK_BYTES = 64 * 1024;

/** Bytes that grow at the end and may be overwritten. */
export class ChunkedBytes {
  #chunks: Uint8Array[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      const at = (offset + done) % CHUNK_BYTES;
      const chunk = this.#chunks[(offset + done - at) / CHUNK_BYTES]!;
      const part = Math.min(CHUNK_BYTES - at, into.length - done);
      into.set(chunk.subarray(at, at + part), done);
      done += part;
    }
  }

  write(offset: number, data: Uint8Array): void {
    this.#grow(offset + data.length);
    for (let done = 0; done < data.length;) {
      const at = (offset + done) % CHUNK_BYTES;
      const chunk = this.#chunks[(offset + done - at) / CHUNK_BYTES]!;
      const part = Math.min(CHUNK_BYTES - at, data.length - done);
      chunk.set(data.subarray(done, done + part), at);
      done += part;
    }
    this.#size = Math.max(this.#size, offset + data.length);
  }

  truncate(bytes: number): void {
    if (bytes < this.#size) {
      this.#chunks.length = Math.ceil(bytes / CHUNK_BYTES);
      const tail = bytes % CHUNK_BYTES;
      if (tail > 0) this.#chunks.at(-1)!.fill(0, tail);
    } else {
      this.#grow(bytes);
    }
    this.#size = bytes;
  }

  /** Copies everything out, a chunk at a time. */
  *parts(): Generator<Uint8Array<ArrayBuffer>> {
    for (let offset = 0; offset < this.#size; offset += CHUNK_BYTES) {
      const part = new Uint8Array(Math.min(CHUNK_BYTES, this.#size - offset));
      this.read(offset, part);
      yield part;
    }
  }

  #grow(bytes: number): void {
    try {
      while (this.#chunks.length * CHUNK_BYTES < bytes) {
        this.#chunks.push(new Uint8Array(CHUNK_BYTES));
      }
    } catch (cause) {
      throw new StorageFault('FULL', `memory: no room for a stream of ${bytes} bytes`, { cause });
    }
  }
}

class MemoryStream implements Stream {
  readonly #name: string;
  readonly #bytes: ChunkedBytes;

  constructor(name: string, bytes: ChunkedBytes) {
    this.#name = name;
    this.#bytes = bytes;
  }

  size(): number {
    return this.#bytes.size;
  }
  read(offset: number, into: Uint8Array): boolean {
    checkRange(this.#name, this.#bytes.size, offset, into.length);
    this.#bytes.read(offset, into);
    return true;
  }
  write(offset: number, data: Uint8Array): boolean {
    this.#bytes.write(offset, data);
    return true;
  }
  truncate(bytes: number): void {
    this.#bytes.truncate(bytes);
  }
  sync(): void {}
  close(): void {}
}

export class MemoryBackend implements Backend {
  readonly name: string;
  readonly isReadonly = false;
  readonly #streams = new Map<string, ChunkedBytes>();

  constructor(name = 'memory:') {
    this.name = name;
  }

  /** The bytes of a stream, for handing out what was written. */
  stream(name: string): ChunkedBytes | undefined {
    return this.#streams.get(name);
  }

  open(name: string, flags: number): Stream | undefined {
    let bytes = this.#streams.get(name);
    if (flags & IO_CREATE) {
      if (bytes) throw alreadyThere(name);
      bytes = new ChunkedBytes();
      this.#streams.set(name, bytes);
    }
    if (!bytes) throw notFound(name);
    return new MemoryStream(name, bytes);
  }

  remove(name: string): boolean {
    if (!this.#streams.delete(name)) throw notFound(name);
    return true;
  }
  list(): string[] {
    return [...this.#streams.keys()];
  }
  syncNames(): void {}
  async settle(): Promise<void> {}
  release(): void {}
  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Room for a packed file in memory. */
export function memoryTarget(): PackedTarget {
  const backend = new MemoryBackend('an export in memory');
  const name = 'packed';
  let written: ChunkedBytes | undefined;
  return {
    backend,
    name,
    read: () => (written ??= backend.stream(name))?.parts() ?? [],
    async discard() {
      written?.truncate(0);
    },
  };
}
