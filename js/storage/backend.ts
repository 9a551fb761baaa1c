// What a kind of storage supplies: named streams, to be read and written synchronously.
//
// The engine is synchronous, storage may not be. A call that cannot answer at once remembers what
// it wants and returns `undefined` or `false` ("pending"); the engine's call then returns without
// having changed anything, `settle()` does what was wanted, and the engine's call is made again.
// What goes wrong in between is kept and thrown by that second call, so that the engine learns it.
//
// After a call has finished (with whatever result) `release()` lets go of what pending calls had
// pinned, and after one that writes `flush()` makes durable what was written before the last
// barrier; the promise of a write is resolved only then. When it fails, what is on storage is not
// known to be what the engine believes: the database must not be used any further.

import type { VeerErrorCode } from '../../types/errors.d.ts';

export const IO_READ = 1;
export const IO_WRITE = 2;
export const IO_CREATE = 4;

/** A failure of storage on its way to the engine, as a status and a text. */
export class StorageFault extends Error {
  readonly code: VeerErrorCode;

  constructor(code: VeerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StorageFault';
    this.code = code;
  }
}

export interface Stream {
  size(): number;
  /** Fills `into` from `offset`; false: pending. Past the end: CORRUPT. */
  read(offset: number, into: Uint8Array): boolean;
  /** Copies `data` to `offset`; false: pending. */
  write(offset: number, data: Uint8Array): boolean;
  /** Sets the size; growing fills with zeros. */
  truncate(bytes: number): void;
  /** A barrier: what came before is durable when the next `flush()` has resolved, or at once. */
  sync(): void;
  close(): void;
}

export interface Backend {
  /** For error texts: the location. */
  readonly name: string;
  /** Opened for reading, beside other readers: nothing may be written. */
  readonly isReadonly: boolean;
  /** undefined: pending. NOTFOUND where it is not there; EXISTS with IO_CREATE where it is. */
  open(name: string, flags: number): Stream | undefined;
  /** false: pending. Streams that are open keep working until they are closed. */
  remove(name: string): boolean;
  list(): string[];
  syncNames(): void;
  /** Does what pending calls asked for. Never rejects: the calls' repetition reports failures. */
  settle(): Promise<void>;
  /** The pending call is over. */
  release(): void;
  /** Rejects where what was synced may not be durable. */
  flush(): Promise<void>;
  /** Lets go of everything, the lock included. */
  close(): Promise<void>;
}

/** Checks a range to read against the size of the stream. */
export function checkRange(name: string, size: number, offset: number, bytes: number): void {
  if (offset + bytes > size) {
    throw new StorageFault(
      'CORRUPT',
      `read ${name}: ${bytes} bytes at ${offset} reach past the end (${size})`,
    );
  }
}

/** In the engine's words. */
export function noDatabase(location: string): StorageFault {
  return new StorageFault(
    'NOTFOUND',
    `${location}: there is no database here; open it with "create": true to make one`,
  );
}

export function notFound(name: string): StorageFault {
  return new StorageFault('NOTFOUND', `open ${name}: there is no such stream`);
}

export function alreadyThere(name: string): StorageFault {
  return new StorageFault('EXISTS', `create ${name}: there is one already`);
}

/** A failure of the browser's storage as one of ours. */
export function browserFault(what: string, cause: unknown): StorageFault {
  if (cause instanceof StorageFault) return cause;
  const name = (cause as { name?: unknown } | null)?.name;
  const text = (cause as { message?: unknown } | null)?.message;
  const code: VeerErrorCode =
    name === 'QuotaExceededError'
      ? 'FULL'
      : name === 'NotFoundError'
        ? 'NOTFOUND'
        : name === 'NoModificationAllowedError'
          ? 'BUSY'
          : name === 'NotAllowedError' || name === 'SecurityError'
            ? 'PERMISSION'
            : 'IO';
  return new StorageFault(code, `${what}: ${String(name ?? 'Error')}: ${String(text ?? cause)}`, {
    cause,
  });
}
