// clang-format and prettier over the whole tree. `npm run format` mends what they find.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import * as prettier from 'prettier';
import { isC, isScript } from '../../scripts/lib/files.mjs';
import { assertNone, files, read, root } from './source.mjs';

test('C files are as clang-format makes them', () => {
  const sources = files.filter(isC);
  if (sources.length === 0) return;
  const args = ['--dry-run', '--Werror', '--ferror-limit=1', ...sources];
  const { status, stderr, error } = spawnSync('clang-format', args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  assert.ifError(error);
  const wrong = [...stderr.matchAll(/^(\S+?):\d+:\d+: error/gm)].map((match) => match[1]);
  assertNone([...new Set(wrong)], 'npm run format mends these');
  assert.equal(status, 0, stderr);
});

test('TypeScript and JavaScript files are as prettier makes them', async () => {
  const wrong = [];
  for (const file of files.filter(isScript)) {
    const options = await prettier.resolveConfig(join(root, file));
    const isFormatted = await prettier
      .check(read(file), { ...options, filepath: file })
      .catch(() => false);
    if (!isFormatted) wrong.push(file);
  }
  assertNone(wrong, 'npm run format mends these');
});
