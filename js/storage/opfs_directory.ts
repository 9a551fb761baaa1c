// Finding databases and packed files in the origin private file system.

import type { Location } from '../locations.ts';
import type { OpenedStorage, PackedTarget, StorageRequest } from '../platform.ts';
import { StorageFault, alreadyThere, browserFault, noDatabase } from './backend.ts';
import { BlobBackend } from './blob.ts';
import { OpfsBackend, type SyncFileHandle } from './opfs.ts';
import { takeWebLock } from './web_lock.ts';

async function root(location: Location): Promise<FileSystemDirectoryHandle> {
  if (typeof navigator === 'undefined' || !navigator.storage?.getDirectory) {
    throw new StorageFault(
      'UNSUPPORTED',
      `${location.text}: there is no origin private file system here (the page must come from ` +
        "https or localhost); 'idb://' works in more places",
    );
  }
  try {
    return await navigator.storage.getDirectory();
  } catch (cause) {
    throw browserFault(`open ${location.text}`, cause);
  }
}

/** The directory above the last name, and that name. */
async function parent(
  location: Location,
  create: boolean,
): Promise<{ directory: FileSystemDirectoryHandle; name: string }> {
  let directory = await root(location);
  const names = location.name.split('/');
  for (const name of names.slice(0, -1)) {
    directory = await directory.getDirectoryHandle(name, { create });
  }
  return { directory, name: names.at(-1)! };
}

function expectSyncHandles(location: Location): void {
  const scope = globalThis as { FileSystemFileHandle?: { prototype: Partial<SyncFileHandle> } };
  if (scope.FileSystemFileHandle?.prototype.createSyncAccessHandle) return;
  throw new StorageFault(
    'UNSUPPORTED',
    `${location.text}: only dedicated workers can write it; leave {worker: false} out, ` +
      "or use 'idb://'",
  );
}

async function find<T>(look: Promise<T>): Promise<T | undefined> {
  try {
    return await look;
  } catch (cause) {
    const name = (cause as Error).name;
    if (name === 'NotFoundError' || name === 'TypeMismatchError') return undefined;
    throw cause;
  }
}

/** A directory is a database; a file is a packed one, read-only. */
export async function openOpfs(
  location: Location,
  request: StorageRequest,
): Promise<OpenedStorage> {
  const lock = await takeWebLock(location.text, request.readonly, request.lockTimeoutMs);
  try {
    const above = await find(parent(location, request.create));
    const file = above && (await find(above.directory.getFileHandle(above.name)));
    if (file) {
      const backend = new BlobBackend(await file.getFile(), 'packed', lock);
      return { backend, packed: 'packed' };
    }
    expectSyncHandles(location);
    const { create } = request;
    const directory =
      above && (await find(above.directory.getDirectoryHandle(above.name, { create })));
    if (!directory) {
      throw noDatabase(location.text);
    }
    const backend = await OpfsBackend.attach(location.text, directory, request.readonly, lock);
    return { backend, packed: '' };
  } catch (cause) {
    lock.release();
    throw browserFault(`open ${location.text}`, cause);
  }
}

function target(
  location: Location,
  directory: FileSystemDirectoryHandle,
  entry: string,
): PackedTarget {
  expectSyncHandles(location);
  const name = 'packed';
  return {
    backend: OpfsBackend.forFile(location.text, directory, name, entry),
    name,
    async *read() {
      const reader = (await (await directory.getFileHandle(entry)).getFile()).stream().getReader();
      for (;;) {
        const { value } = await reader.read();
        if (!value) return;
        yield value as Uint8Array<ArrayBuffer>;
      }
    },
    async discard() {
      await directory.removeEntry(entry).catch(() => {});
    },
  };
}

export async function openOpfsTarget(location: Location): Promise<PackedTarget> {
  const { directory, name } = await parent(location, true);
  const taken =
    (await find(directory.getFileHandle(name))) ?? (await find(directory.getDirectoryHandle(name)));
  if (taken) throw alreadyThere(location.text);
  return target(location, directory, name);
}

/** A file beside the database, whose name no other one has. */
export async function openOpfsScratch(location: Location): Promise<PackedTarget> {
  const { directory, name } = await parent(location, false);
  return target(location, directory, `${name}.export-${crypto.randomUUID().slice(0, 8)}`);
}

export async function removeOpfs(location: Location): Promise<void> {
  const above = await find(parent(location, false));
  if (!above) return;
  for (let tries = 0; ; tries++) {
    try {
      await above.directory.removeEntry(above.name, { recursive: true });
      return;
    } catch (cause) {
      if ((cause as Error).name === 'NotFoundError') return;
      // Handles of a worker that has just ended are still closing.
      if (tries === 6) throw browserFault(`remove ${location.text}`, cause);
      await new Promise((resolve) => setTimeout(resolve, 10 * 2 ** tries));
    }
  }
}
