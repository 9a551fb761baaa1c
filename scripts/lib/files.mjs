// Which files are the project's: what git tracks or would track (so that a new file is checked
// before it is committed), without what a clone does not have.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { capture, root } from './run.mjs';

/** Paths from the top of the checkout, sorted. */
export function projectFiles() {
  const list = capture('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  const files = (list ?? '').split('\0').filter((file) => file && existsSync(join(root, file)));
  return [...new Set(files)].sort();
}

export const isC = (file) => /\.[ch]$/.test(file);
export const isTypeScript = (file) => /\.ts$/.test(file);

/** What prettier formats. */
export const isScript = (file) => /\.(ts|mts|js|mjs)$/.test(file);
