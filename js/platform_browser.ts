// Browsers: pages, dedicated workers, and shared and service workers.

import { VeerError } from './errors.ts';
import type { Location } from './locations.ts';
import { compile, expectModule } from './module.ts';
import {
  unsupported,
  type OpenedStorage,
  type PackedTarget,
  type Platform,
  type StorageRequest,
  type WorkerPeer,
} from './platform.ts';
import { StorageFault, browserFault } from './storage/backend.ts';
import { IdbBackend } from './storage/idb.ts';
import { deleteIdb, openIdb } from './storage/idb_store.ts';
import { memoryTarget } from './storage/memory.ts';
import { openOpfs, openOpfsTarget, openOpfsScratch, removeOpfs } from './storage/opfs_directory.ts';
import { MemoryBackend } from './storage/memory.ts';
import { takeWebLock } from './storage/web_lock.ts';

async function openIdbStorage(location: Location, request: StorageRequest): Promise<OpenedStorage> {
  const lock = await takeWebLock(location.text, request.readonly, request.lockTimeoutMs);
  try {
    const database = await openIdb(location.name, request.create);
    const backend = await IdbBackend.attach(location.text, database, request.readonly, lock);
    return { backend, packed: '' };
  } catch (cause) {
    lock.release();
    throw browserFault(`open ${location.text}`, cause);
  }
}

function peerOf(worker: Worker): WorkerPeer {
  return {
    post: (message, transfer) => worker.postMessage(message, [...transfer]),
    onFailure: (listener) => {
      worker.addEventListener('error', (event) => {
        listener(event.message || 'its script could not be loaded');
      });
    },
    terminate: () => worker.terminate(),
    hold: () => {},
  };
}

export const browser: Platform = {
  name: 'browser',
  // A page, and not a worker of any kind.
  prefersWorker: typeof document !== 'undefined' && typeof Worker !== 'undefined',

  async loadModule(isRelaxed) {
    // Bundlers look for exactly these forms.
    const url = isRelaxed
      ? new URL('./veer-relaxed.wasm', import.meta.url)
      : new URL('./veer.wasm', import.meta.url);
    return compile(await this.fetchBytes(url.href), url.href);
  },

  async fetchBytes(url) {
    let response: Response;
    try {
      response = await fetch(url);
    } catch (cause) {
      throw new VeerError('IO', `${url}: could not be fetched: ${String(cause)}`, { cause });
    }
    if (!response.ok) {
      throw new VeerError('IO', `${url}: the server answered ${response.status}`);
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    expectModule(bytes, url);
    return bytes;
  },

  async openStorage(location, request) {
    switch (location.kind) {
      case 'memory':
        return { backend: new MemoryBackend(), packed: '' };
      case 'idb':
        return openIdbStorage(location, request);
      case 'opfs':
        return openOpfs(location, request);
      default:
        throw unsupported(location, this.name);
    }
  },

  async openTarget(location): Promise<PackedTarget> {
    if (location.kind === 'opfs') return openOpfsTarget(location);
    throw new VeerError(
      'UNSUPPORTED',
      `${location.text}: a packed file goes to 'opfs://name' here; export() gives its bytes`,
    );
  },

  async openScratch(location) {
    return location.kind === 'opfs' ? openOpfsScratch(location) : memoryTarget();
  },

  async remove(location) {
    if (location.kind === 'memory') return;
    if (location.kind === 'path') throw unsupported(location, this.name);
    const lock = await takeWebLock(location.text, false, 1000);
    try {
      await (location.kind === 'idb' ? deleteIdb(location.name) : removeOpfs(location));
    } finally {
      lock.release();
    }
  },

  startWorker(script) {
    if (typeof Worker === 'undefined') {
      throw new StorageFault('UNSUPPORTED', 'there are no workers here; open with {worker: false}');
    }
    // Bundlers look for exactly this form.
    const worker =
      script === undefined
        ? new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'veer' })
        : new Worker(script, { type: 'module', name: 'veer' });
    return peerOf(worker);
  },

  wrapWorker: (worker) => peerOf(worker as Worker),
};
