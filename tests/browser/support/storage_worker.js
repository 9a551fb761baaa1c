// Runs cases of the conformance suite in a dedicated worker: one message a case.

import { IdbBackend } from '/dist/storage/idb.js';
import { openIdb } from '/dist/storage/idb_store.js';
import { OpfsBackend } from '/dist/storage/opfs.js';
import { runCase } from '/tests/node/support/conformance.mjs';

const attachments = {
  async opfs(name) {
    const root = await navigator.storage.getDirectory();
    const directory = await root.getDirectoryHandle(name, { create: true });
    return OpfsBackend.attach(name, directory, false);
  },
  // Two pages in memory: nearly every read has to be fetched.
  idb: async (name) => IdbBackend.attach(name, await openIdb(name, true), false, undefined, 2),
};

/** Safari allows a low number of hundreds of handles to an origin: here no more than these. */
const HANDLES_MAX = 70;
let handles = 0;

function countHandles() {
  const { prototype } = FileSystemFileHandle;
  const { createSyncAccessHandle } = prototype;
  prototype.createSyncAccessHandle = async function (...args) {
    const handle = await createSyncAccessHandle.apply(this, args);
    handles += 1;
    if (handles > HANDLES_MAX) throw new Error(`${handles} handles are open at once`);
    const { close } = handle;
    handle.close = () => {
      handles -= 1;
      close.call(handle);
    };
    return handle;
  };
}

export async function run({ kind, name, storage, operations }) {
  const attach = () => attachments[kind](storage);
  await runCase(name, { attach, isDurable: true, operations });
}

if (typeof document === 'undefined') {
  countHandles();
  addEventListener('message', async ({ data }) => {
    try {
      await run(data);
      postMessage('ok');
    } catch (error) {
      postMessage(`${error.name}: ${error.message}\n${error.stack}`);
    }
  });
}
