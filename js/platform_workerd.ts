// Cloudflare's workerd and its like: the module is imported, for nothing may be compiled there;
// there is no storage beside memory, and there are no workers.

import { VeerError } from './errors.ts';
import type { Location } from './locations.ts';
import { unsupported, type Platform } from './platform.ts';
import { MemoryBackend, memoryTarget } from './storage/memory.ts';
import module from './veer.wasm';

const name = 'workerd';

function noWorker(): never {
  throw new VeerError('UNSUPPORTED', 'there are no workers here; leave {worker} out');
}

function refuse(location: Location): never {
  throw unsupported(location, name);
}

export const workerd: Platform = {
  name,
  prefersWorker: false,
  // One module is enough for what a worker may weigh; `init({module})` takes the other one.
  async loadModule() {
    return module;
  },
  async fetchBytes(url) {
    throw new VeerError('UNSUPPORTED', `${url}: nothing may be compiled here; use init({module})`);
  },
  async openStorage(location) {
    if (location.kind === 'memory') return { backend: new MemoryBackend(), packed: '' };
    return refuse(location);
  },
  openTarget: async (location) => refuse(location),
  openScratch: async () => memoryTarget(),
  remove: async (location) => {
    if (location.kind !== 'memory') refuse(location);
  },
  startWorker: noWorker,
  wrapWorker: noWorker,
};
