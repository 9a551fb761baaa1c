// Node, Deno and Bun: everything by node: modules.

import fs from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { VeerError } from './errors.ts';
import { compile } from './module.ts';
import { unsupported, type Platform, type WorkerPeer } from './platform.ts';
import { MemoryBackend, memoryTarget } from './storage/memory.ts';
import {
  openDirectory,
  openFileScratch,
  openFileTarget,
  removeDirectory,
} from './storage/node_directory.ts';

function peerOf(worker: Worker): WorkerPeer {
  return {
    post: (message, transfer) => worker.postMessage(message, transfer as never[]),
    onFailure: (listener) => {
      worker.on('error', (error) => listener(String(error)));
      worker.on('exit', (code) => listener(`it ended with code ${code}`));
    },
    terminate: () => void worker.terminate(),
    hold: (isHeld) => (isHeld ? worker.ref() : worker.unref()),
  };
}

export const node: Platform = {
  name: 'node',
  prefersWorker: false,

  async loadModule(isRelaxed) {
    const url = isRelaxed
      ? new URL('./veer-relaxed.wasm', import.meta.url)
      : new URL('./veer.wasm', import.meta.url);
    try {
      return await compile(new Uint8Array(await readFile(url)), fileURLToPath(url));
    } catch (cause) {
      if (cause instanceof VeerError) throw cause;
      throw new VeerError(
        'NOTFOUND',
        `${fileURLToPath(url)} cannot be read; where a bundler has left it behind, keep veerdb ` +
          `external or say where it is: await init({bytes}) (${String(cause)})`,
        { cause },
      );
    }
  },

  async fetchBytes(url) {
    if (/^https?:/.test(url)) {
      const response = await fetch(url);
      if (!response.ok) throw new VeerError('IO', `${url}: the server answered ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    }
    try {
      return new Uint8Array(await readFile(url.startsWith('file:') ? new URL(url) : url));
    } catch (cause) {
      throw new VeerError('IO', `${url} cannot be read: ${String(cause)}`, { cause });
    }
  },

  async openStorage(location, request) {
    if (location.kind === 'memory') return { backend: new MemoryBackend(), packed: '' };
    if (location.kind === 'path') return openDirectory(location, request);
    throw unsupported(location, this.name);
  },
  async openTarget(location) {
    if (location.kind === 'path') return openFileTarget(location);
    throw unsupported(location, this.name);
  },
  async openScratch(location) {
    return location.kind === 'path' ? openFileScratch(location) : memoryTarget();
  },
  async remove(location) {
    if (location.kind === 'path') return removeDirectory(location);
    if (location.kind !== 'memory') throw unsupported(location, this.name);
  },

  startWorker(script) {
    const own = new URL('./worker_node.js', import.meta.url);
    // Flags that say what the text of --eval is would be taken for the worker's file.
    const isEval = process.execArgv.some((flag) => flag.startsWith('--input-type'));
    const options = isEval ? { execArgv: [] } : {};
    return peerOf(new Worker(script === undefined ? own : workerScript(script), options));
  },
  wrapWorker: (worker) => peerOf(worker as Worker),
};

function workerScript(script: string): string | URL {
  return script.startsWith('file:') || !fs.existsSync(script) ? new URL(script) : script;
}
