// Directories of a test file, gone when it has ended.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

let count = 0;

/** Makes a folder for the tests of a file; `path()` gives names in it that nobody has. */
export function temporary(name) {
  const folder = mkdtempSync(join(tmpdir(), `veer-${name}-`));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, path: (what = 'db') => join(folder, `${what}-${++count}`) };
}
