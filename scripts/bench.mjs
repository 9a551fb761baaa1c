#!/usr/bin/env node
// `npm run bench`: builds, then runs bench/run.mjs with the given arguments.

import { existsSync } from 'node:fs';
import { at } from './lib/build.mjs';
import { ScriptError, main, run } from './lib/run.mjs';

await main(() => {
  run('node', ['scripts/build.mjs']);
  const bench = at('bench', 'run.mjs');
  if (!existsSync(bench)) throw new ScriptError('bench/run.mjs is missing: nothing to measure.');
  run('node', [bench, ...process.argv.slice(2)]);
});
