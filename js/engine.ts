// The engine of one database in this thread: an instance of the module, its storage, a queue.
//
// Every command is one turn of a queue, so that a call that is pending is repeated before any other
// call is made. A turn: place the inputs; run; while it is pending, let the storage settle and run
// again; read the outcome; let the storage forget the call; and where something may have been
// written, flush. Only then the promise is resolved.
//
// A flush that fails leaves an engine that believes what storage may not hold: the database is
// poisoned, and every later command fails with READONLY and the cause. Closing still works.

import type { LongCall } from '../types/options.d.ts';
import { BackgroundWork } from './background.ts';
import type {
  CommandArguments,
  CommandName,
  CommandResult,
  Engine,
  EngineOptions,
  Source,
} from './commands.ts';
import { handlers, type Handler } from './engine_commands.ts';
import { PENDING, VeerError, closed } from './errors.ts';
import { Ffi, type Argument, type Handle } from './ffi.ts';
import { Fifo } from './fifo.ts';
import { parseLocation, type Location } from './locations.ts';
import { closeExports } from './packed.ts';
import type { OpenedStorage, Platform } from './platform.ts';
import { StorageFault, type Backend } from './storage/backend.ts';
import { BlobBackend } from './storage/blob.ts';

/** How often a call may be repeated. Arbitrary: far more than any needs. */
const ROUNDS_MAX = 100_000;

interface Held {
  readonly handle: Handle;
  /** The function that frees it. */
  readonly free: string;
}

export class LocalEngine implements Engine {
  readonly platform: Platform;
  readonly location: Location | undefined;
  readonly ffi: Ffi;
  readonly #queue = new Fifo();
  readonly #held = new Map<number, Held>();
  /** Every storage that the engine uses, by the number that it has there. */
  readonly #storages = new Map<number, Backend>();
  readonly #background: BackgroundWork | undefined;
  #database: Handle | undefined;
  #nextHandle = 1;
  #poison: VeerError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    platform: Platform,
    location: Location | undefined,
    ffi: Ffi,
    options: EngineOptions,
    onBackgroundError: (error: Error) => void,
  ) {
    this.platform = platform;
    this.location = location;
    this.ffi = ffi;
    if (options.autoWork && !options.readonly) {
      const work = (budgetMs: number): Promise<boolean> => this.call('work', { budgetMs });
      this.#background = new BackgroundWork(work, options.syncIntervalMs, onBackgroundError);
    }
  }

  static async open(
    platform: Platform,
    module: WebAssembly.Module,
    source: Source,
    options: EngineOptions,
    onBackgroundError: (error: Error) => void,
  ): Promise<LocalEngine> {
    const location = typeof source === 'string' ? parseLocation(source) : undefined;
    const { backend, packed } = await openStorage(platform, source, location, options);
    let engine: LocalEngine | undefined;
    try {
      const ffi = await Ffi.create(module);
      engine = new LocalEngine(platform, location, ffi, options, onBackgroundError);
      await engine.#open(backend, packed, options);
      return engine;
    } catch (cause) {
      await backend.close();
      const { code, message } = asVeerError(cause);
      if (code !== 'NOTFOUND' && code !== 'FORMAT') throw asVeerError(cause);
      throw new VeerError(code, `${backend.name}: ${message}`, { cause });
    }
  }

  async #open(backend: Backend, packed: string, options: EngineOptions): Promise<void> {
    const storage = this.attach(backend);
    const location = packed === '' ? `host:${storage}` : `host:${storage}/${packed}`;
    await this.turn('wasm_open', [location, options.engine], () => {
      this.#database = this.ffi.replyHandle('the database');
    });
    await this.flush();
    this.#background?.schedule();
  }

  get database(): Handle {
    if (!this.#database) throw closed('the database');
    return this.#database;
  }

  call<K extends CommandName>(
    command: K,
    args: CommandArguments<K>,
    options: LongCall = {},
  ): Promise<CommandResult<K>> {
    return this.#queue.run(async () => {
      const handler: Handler<K> = handlers[command];
      this.#checkUsable();
      options.signal?.throwIfAborted();
      try {
        if (!handler.writes) return await handler.act(this, args, options);
        const result = await this.#writing(async () => handler.act(this, args, options));
        if (handler.makesWork) this.#background?.schedule();
        return result;
      } catch (cause) {
        throw asVeerError(cause);
      }
    });
  }

  /** What was written before a failure has to be flushed as well: the engine relies on it. */
  async #writing<T>(act: () => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await act();
    } catch (cause) {
      await this.flush().catch(() => {});
      throw cause;
    }
    await this.flush();
    return result;
  }

  /** One call of the engine, repeated while it is pending; `read` takes what it has replied. */
  async turn<T>(name: string, args: readonly Argument[], read: () => T): Promise<T> {
    const call = this.ffi.prepare(name, args);
    try {
      let status = call.run();
      for (let rounds = 0; status === PENDING; rounds++) {
        if (rounds === ROUNDS_MAX) throw new VeerError('INTERNAL', `${name} waits for ever`);
        for (const backend of this.#storages.values()) await backend.settle();
        status = call.run();
      }
      this.ffi.check(status);
      return read();
    } finally {
      call.end();
      for (const backend of this.#storages.values()) backend.release();
    }
  }

  /** Makes durable what was synced; a failure is the end of writing. */
  async flush(): Promise<void> {
    for (const backend of this.#storages.values()) {
      try {
        await backend.flush();
      } catch (cause) {
        const failure = asVeerError(cause);
        this.#poison = failure;
        throw failure;
      }
    }
  }

  // ---- handles

  hold(handle: Handle, free: string): number {
    const number = this.#nextHandle++;
    this.#held.set(number, { handle, free });
    return number;
  }

  held(number: number, what: string): Handle {
    const held = this.#held.get(number);
    if (!held) throw closed(what);
    return held.handle;
  }

  release(number: number): void {
    const held = this.#held.get(number);
    this.#held.delete(number);
    if (held) this.ffi.free(held.free, held.handle);
  }

  /** Lets the engine use a storage, under the number that is returned. */
  attach(backend: Backend): number {
    const storage = this.ffi.attach(backend);
    this.#storages.set(storage, backend);
    return storage;
  }

  detach(storage: number): void {
    this.#storages.delete(storage);
    this.ffi.detach(storage);
  }

  // ---- the end

  close(): Promise<void> {
    this.#background?.stop();
    return (this.#closing ??= this.#queue.run(() => this.#close()));
  }

  async #close(): Promise<void> {
    let failure: unknown;
    try {
      if (!this.#poison) await this.#closeDatabase();
    } catch (cause) {
      failure = cause;
    }
    await closeExports(this);
    this.#database = undefined;
    this.#held.clear();
    for (const [storage, backend] of this.#storages) {
      this.detach(storage);
      await backend.close();
    }
    if (failure !== undefined) throw asVeerError(failure);
  }

  async #closeDatabase(): Promise<void> {
    for (const number of [...this.#held.keys()].reverse()) this.release(number);
    await this.turn('wasm_close', [this.database], () => this.ffi.forget(this.database));
    await this.flush();
  }

  #checkUsable(): void {
    if (!this.#database) throw closed('the database');
    const cause = this.#poison;
    if (cause) {
      throw new VeerError(
        'READONLY',
        `a commit has failed, so that nothing can be relied on any more: ${cause.message}; ` +
          'close the database and open it again',
        { cause },
      );
    }
  }
}

async function openStorage(
  platform: Platform,
  source: Source,
  location: Location | undefined,
  options: EngineOptions,
): Promise<OpenedStorage> {
  try {
    if (location) return await platform.openStorage(location, options);
    const blob = source instanceof Blob ? source : new Blob([source as Uint8Array<ArrayBuffer>]);
    return { backend: new BlobBackend(blob, 'packed'), packed: 'packed' };
  } catch (cause) {
    throw asVeerError(cause);
  }
}

function asVeerError(cause: unknown): VeerError {
  if (cause instanceof StorageFault) return new VeerError(cause.code, cause.message, { cause });
  // Whatever a caller's function or signal has thrown passes as it is.
  return cause as VeerError;
}
