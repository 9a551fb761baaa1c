#!/usr/bin/env node
// `npm start`: sets up and builds, then shows Veer at work. What is shown is in demo/serve.mjs: it
// loads the demo corpus, prints a search and serves the demo page. Arguments go to it.

import { existsSync } from 'node:fs';
import { at } from './lib/build.mjs';
import { ScriptError, main, run } from './lib/run.mjs';

await main(() => {
  run('node', ['scripts/build.mjs']);
  const demo = at('demo', 'serve.mjs');
  if (!existsSync(demo)) throw new ScriptError('demo/serve.mjs is missing: nothing to start.');
  run('node', [demo, ...process.argv.slice(2)]);
});
