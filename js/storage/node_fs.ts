// Streams as files of a directory, through node:fs: Node, Deno and Bun.
//
// The same directory can be opened by the native library. Everything is synchronous: `sync` is
// fsync of the file, `syncNames` fsync of the directory (where the system has such a thing).

import fs from 'node:fs';
import path from 'node:path';

import type { VeerErrorCode } from '../../types/errors.d.ts';
import {
  IO_CREATE,
  IO_WRITE,
  StorageFault,
  checkRange,
  type Backend,
  type Stream,
} from './backend.ts';
import { DirectoryLock } from './node_lock.ts';

const codes: Readonly<Record<string, VeerErrorCode>> = {
  ENOENT: 'NOTFOUND',
  EEXIST: 'EXISTS',
  ENOSPC: 'FULL',
  EDQUOT: 'FULL',
  EFBIG: 'FULL',
  EACCES: 'PERMISSION',
  EPERM: 'PERMISSION',
  EROFS: 'PERMISSION',
  EMFILE: 'LIMIT',
  ENFILE: 'LIMIT',
};

/** A failure of node:fs as one of ours: "write seg.3: ENOSPC: no space left on device". */
export function nodeFault(what: string, cause: unknown): StorageFault {
  if (cause instanceof StorageFault) return cause;
  const code = (cause as { code?: unknown } | null)?.code;
  const text = String((cause as { message?: unknown } | null)?.message ?? cause);
  return new StorageFault(codes[String(code)] ?? 'IO', `${what}: ${text}`, { cause });
}

function attempt<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw nodeFault(what, cause);
  }
}

/** Makes the directory's entries durable; Windows has no such call. */
export function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const handle = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

class FileStream implements Stream {
  readonly #name: string;
  readonly #file: number;
  #isOpen = true;

  constructor(name: string, file: number) {
    this.#name = name;
    this.#file = file;
  }

  size(): number {
    return attempt(`size of ${this.#name}`, () => fs.fstatSync(this.#file).size);
  }

  read(offset: number, into: Uint8Array): boolean {
    for (let done = 0; done < into.length;) {
      const got = attempt(`read ${this.#name}`, () =>
        fs.readSync(this.#file, into, done, into.length - done, offset + done),
      );
      if (got === 0) checkRange(this.#name, this.size(), offset, into.length);
      if (got === 0) throw new StorageFault('IO', `read ${this.#name}: no bytes at ${offset}`);
      done += got;
    }
    return true;
  }

  write(offset: number, data: Uint8Array): boolean {
    for (let done = 0; done < data.length;) {
      const put = attempt(`write ${this.#name}`, () =>
        fs.writeSync(this.#file, data, done, data.length - done, offset + done),
      );
      if (put === 0) throw new StorageFault('IO', `write ${this.#name}: nothing was written`);
      done += put;
    }
    return true;
  }

  truncate(bytes: number): void {
    attempt(`truncate ${this.#name}`, () => fs.ftruncateSync(this.#file, bytes));
  }

  sync(): void {
    attempt(`sync ${this.#name}`, () => fs.fsyncSync(this.#file));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    // A failing close has nothing to tell that sync did not.
    try {
      fs.closeSync(this.#file);
    } catch {}
  }
}

export class NodeFsBackend implements Backend {
  readonly name: string;
  readonly isReadonly: boolean;
  readonly #directory: string;
  readonly #lock: DirectoryLock | undefined;
  readonly #alias: ReadonlyMap<string, string>;

  /**
   * The streams are the files of `directory`; `alias` gives some streams other file names, and
   * then only these are seen.
   */
  constructor(
    name: string,
    directory: string,
    lock?: DirectoryLock,
    alias: ReadonlyMap<string, string> = new Map(),
  ) {
    this.name = name;
    this.isReadonly = lock !== undefined && !lock.isExclusive;
    this.#directory = directory;
    this.#lock = lock;
    this.#alias = alias;
  }

  open(name: string, flags: number): Stream | undefined {
    const mode = flags & IO_CREATE ? 'wx+' : flags & IO_WRITE ? 'r+' : 'r';
    const what = flags & IO_CREATE ? 'create' : 'open';
    return new FileStream(
      name,
      attempt(`${what} ${name}`, () => fs.openSync(this.#path(name), mode, 0o666)),
    );
  }

  remove(name: string): boolean {
    attempt(`remove ${name}`, () => fs.unlinkSync(this.#path(name)));
    return true;
  }

  list(): string[] {
    if (this.#alias.size > 0) {
      return [...this.#alias.keys()].filter((name) => fs.existsSync(this.#path(name)));
    }
    return attempt('list', () =>
      fs
        .readdirSync(this.#directory, { withFileTypes: true })
        .filter((entry) => entry.isFile() && !DirectoryLock.owns(entry.name))
        .map((entry) => entry.name),
    );
  }

  syncNames(): void {
    attempt('sync of the directory', () => syncDirectory(this.#directory));
  }

  async settle(): Promise<void> {}
  release(): void {}
  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#lock?.release();
  }

  #path(name: string): string {
    return path.join(this.#directory, this.#alias.get(name) ?? name);
  }
}
