#!/usr/bin/env node
// `npm run format`: applies clang-format and prettier to the files that lint checks; with
// arguments, to these files only.

import { relative, resolve } from 'node:path';
import { main, root, run } from './lib/run.mjs';
import { isC, isScript, projectFiles } from './lib/files.mjs';

await main(() => {
  const wanted = process.argv.slice(2).map((path) => relative(root, resolve(path)));
  const files = wanted.length > 0 ? wanted : projectFiles();
  const c = files.filter(isC);
  const scripts = files.filter(isScript);
  if (c.length > 0) run('clang-format', ['-i', ...c]);
  const prettier = ['node_modules/prettier/bin/prettier.cjs', '--write', '--log-level=warn'];
  if (scripts.length > 0) run('node', [...prettier, ...scripts]);
  console.log(`format: ${c.length} C files, ${scripts.length} scripts`);
});
