// The package's functions for one runtime.

import type { Database } from '../types/database.d.ts';
import type { InitOptions, LongCall, OpenOptions } from '../types/options.d.ts';
import type { VectorIndexFactory } from '../types/vector_index.d.ts';
import { flag, integer } from './arguments.ts';
import type { Engine, EngineOptions, Source } from './commands.ts';
import { HeldDatabase } from './database.ts';
import { LocalEngine } from './engine.ts';
import { VeerError, typeError } from './errors.ts';
import { copyDatabase } from './import.ts';
import { parseLocation } from './locations.ts';
import { ModuleSource } from './module.ts';
import type { Platform } from './platform.ts';
import { StorageFault } from './storage/backend.ts';
import { vectorIndexFactory } from './vector_index.ts';
import { WorkerEngine } from './worker_client.ts';

export interface Api {
  open(
    location: string | Uint8Array | ArrayBuffer | Blob,
    options?: OpenOptions,
  ): Promise<Database>;
  importDatabase(
    location: string,
    packed: Uint8Array | ArrayBuffer | Blob,
    options?: OpenOptions & LongCall,
  ): Promise<Database>;
  deleteDatabase(location: string): Promise<void>;
  init(options?: InitOptions): Promise<void>;
  readonly VectorIndex: VectorIndexFactory;
}

const LOCK_TIMEOUT_MS = 1000;
const SYNC_INTERVAL_MS = 1000;

/** The options that the engine knows: the rest is refused by name. */
function engineOptions(source: Source, options: OpenOptions): EngineOptions {
  const { mode, autoWork, storage, syncIntervalMs, ...rest } = options;
  const { worker, onBackgroundError, signal, sync, create: asked, ...own } = rest;
  void [worker, onBackgroundError, signal];
  const interval = integer('syncIntervalMs', syncIntervalMs, 1, 2 ** 31 - 1);
  const create = (flag('create', asked) ?? source === 'memory:') && mode !== 'readonly';
  const engine = { ...own, create, mode, sync, syncIntervalMs: interval };
  return {
    create,
    readonly: mode === 'readonly',
    autoWork: flag('autoWork', autoWork) ?? true,
    lockTimeoutMs:
      integer('storage.lockTimeoutMs', storage?.lockTimeoutMs, 0, 2 ** 31 - 1) ?? LOCK_TIMEOUT_MS,
    engine: JSON.stringify(engine),
    syncIntervalMs: sync === 'interval' ? (interval ?? SYNC_INTERVAL_MS) : 0,
  };
}

function sourceOf(location: string | Uint8Array | ArrayBuffer | Blob): Source {
  if (location instanceof Blob) return location;
  if (location instanceof ArrayBuffer) return new Uint8Array(location.slice(0));
  if (location instanceof Uint8Array) return location.slice();
  return parseLocation(location).text;
}

async function askToPersist(): Promise<void> {
  // A page can ask, a worker cannot; a refusal is the browser's right and no error.
  const storage = globalThis.navigator?.storage as Partial<StorageManager> | undefined;
  await storage?.persist?.().catch(() => false);
}

function warn(error: Error): void {
  console.warn(`veerdb: background work failed: ${error.message}`);
}

async function startEngine(
  platform: Platform,
  modules: ModuleSource,
  source: Source,
  options: OpenOptions,
): Promise<Engine> {
  const asked = engineOptions(source, options);
  const { worker = platform.prefersWorker, onBackgroundError = warn } = options;
  if (worker === false) {
    return LocalEngine.open(platform, await modules.get(), source, asked, onBackgroundError);
  }
  const isOwned = worker === true || typeof worker === 'string' || worker instanceof URL;
  if (!isOwned && (worker === null || typeof worker !== 'object')) {
    throw typeError('worker', worker, 'true, false, a URL or a worker');
  }
  const script = isOwned && worker !== true ? String(worker) : undefined;
  const peer = isOwned ? platform.startWorker(script) : platform.wrapWorker(worker as object);
  const init = await modules.forWorker();
  return WorkerEngine.open(peer, isOwned, source, asked, init, onBackgroundError);
}

export function makeApi(platform: Platform): Api {
  const modules = new ModuleSource(platform);

  const open: Api['open'] = async (location, options = {}) => {
    if (options === null || typeof options !== 'object') {
      throw typeError('options', options, 'an object');
    }
    const source = sourceOf(location);
    options.signal?.throwIfAborted();
    if (options.storage?.persist) await askToPersist();
    const engine = await startEngine(platform, modules, source, options);
    if (options.signal?.aborted) {
      await engine.close();
      throw options.signal.reason;
    }
    return new HeldDatabase(engine, typeof location === 'string' ? location : 'a packed file');
  };

  return {
    open,

    async importDatabase(location, packed, options = {}) {
      parseLocation(location);
      if (typeof packed === 'string') throw typeError('packed', packed, 'bytes or a Blob');
      const { signal, onProgress, ...rest } = options;
      const from = await open(packed, { mode: 'readonly', worker: rest.worker, signal });
      try {
        const to = await open(location, { ...rest, create: true, signal });
        try {
          if ((await to.collections()).length > 0) {
            throw new VeerError('EXISTS', `${location}: there is a database already`);
          }
          await copyDatabase(from, to, { signal, onProgress });
          return to;
        } catch (cause) {
          await to.close().catch(() => {});
          throw cause;
        }
      } finally {
        await from.close();
      }
    },

    async deleteDatabase(location) {
      try {
        await platform.remove(parseLocation(location));
      } catch (cause) {
        if (!(cause instanceof StorageFault)) throw cause;
        throw new VeerError(cause.code, cause.message, { cause });
      }
    },

    async init(options = {}) {
      modules.set(options);
      await modules.get();
    },

    VectorIndex: vectorIndexFactory(modules),
  };
}
