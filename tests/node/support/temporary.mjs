// Directories of a test file, gone when it has ended.

import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

let count = 0;

/** A file system in memory where there is one: for tests that make thousands of files. */
export function memoryFolder() {
  try {
    accessSync('/dev/shm', constants.W_OK);
    return '/dev/shm';
  } catch {
    return tmpdir();
  }
}

/** Makes a folder for the tests of a file; `path()` gives names in it that nobody has. */
export function temporary(name, parent = tmpdir()) {
  const folder = mkdtempSync(join(parent, `veer-${name}-`));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, path: (what = 'db') => join(folder, `${what}-${++count}`) };
}
