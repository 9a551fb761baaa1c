// Finding databases and packed files in the file system, through node:fs.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Location } from '../locations.ts';
import type { OpenedStorage, PackedTarget, StorageRequest } from '../platform.ts';
import { alreadyThere, noDatabase } from './backend.ts';
import { NodeFsBackend, nodeFault, syncDirectory } from './node_fs.ts';
import { DirectoryLock } from './node_lock.ts';

const PACKED = 'packed';
/** Pieces in which an export is read. Arbitrary. */
const PIECE_BYTES = 256 * 1024;

function pathOf(location: Location): string {
  return location.name.startsWith('file:')
    ? fileURLToPath(location.name)
    : path.resolve(location.name);
}

function kindOf(full: string): 'directory' | 'file' | 'nothing' {
  const found = fs.statSync(full, { throwIfNoEntry: false });
  return !found ? 'nothing' : found.isDirectory() ? 'directory' : 'file';
}

/** A directory is a database; a file is a packed one, read-only. */
export async function openDirectory(
  location: Location,
  request: StorageRequest,
): Promise<OpenedStorage> {
  const full = pathOf(location);
  try {
    const kind = kindOf(full);
    if (kind === 'file') {
      const alias = new Map([[PACKED, path.basename(full)]]);
      const backend = new NodeFsBackend(location.text, path.dirname(full), undefined, alias);
      return { backend, packed: PACKED };
    }
    if (kind === 'nothing') {
      if (!request.create) {
        throw noDatabase(location.text);
      }
      fs.mkdirSync(full);
      syncDirectory(path.dirname(full));
    }
    const lock = await DirectoryLock.take(full, !request.readonly, request.lockTimeoutMs);
    return { backend: new NodeFsBackend(location.text, full, lock), packed: '' };
  } catch (cause) {
    throw nodeFault(`open ${location.text}`, cause);
  }
}

function target(location: Location, full: string): PackedTarget {
  const alias = new Map([[PACKED, path.basename(full)]]);
  return {
    backend: new NodeFsBackend(location.text, path.dirname(full), undefined, alias),
    name: PACKED,
    *read() {
      const file = fs.openSync(full, 'r');
      try {
        for (;;) {
          const piece = new Uint8Array(PIECE_BYTES);
          const got = fs.readSync(file, piece);
          if (got === 0) return;
          yield piece.subarray(0, got);
        }
      } finally {
        fs.closeSync(file);
      }
    },
    async discard() {
      fs.rmSync(full, { force: true });
    },
  };
}

export async function openFileTarget(location: Location): Promise<PackedTarget> {
  const full = pathOf(location);
  if (kindOf(full) !== 'nothing') throw alreadyThere(location.text);
  return target(location, full);
}

/** A file beside the database, whose name no other one has. */
export async function openFileScratch(location: Location): Promise<PackedTarget> {
  return target(location, `${pathOf(location)}.export-${randomBytes(4).toString('hex')}`);
}

/** Removes what a database is made of, and nothing else that lies in its directory. */
export async function removeDirectory(location: Location): Promise<void> {
  const full = pathOf(location);
  try {
    const kind = kindOf(full);
    if (kind === 'nothing') return;
    if (kind === 'file') return fs.rmSync(full);
    const lock = await DirectoryLock.take(full, true, 1000);
    try {
      const backend = new NodeFsBackend(location.text, full);
      for (const name of backend.list()) if (isStream(name)) backend.remove(name);
      fs.rmSync(path.join(full, 'lock'), { force: true });
    } finally {
      lock.release();
    }
    if (fs.readdirSync(full).length === 0) fs.rmdirSync(full);
    syncDirectory(path.dirname(full));
  } catch (cause) {
    throw nodeFault(`remove ${location.text}`, cause);
  }
}

/** docs/FORMAT.md, "Streams". */
const isStream = (name: string): boolean =>
  /^(?:meta|wal\.[01]|(?:cat|seg)\.[a-z0-9._-]+)$/.test(name);
