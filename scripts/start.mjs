#!/usr/bin/env node
// `npm start`: sets up and builds, then shows Veer at work. What is shown is in demo/start.mjs: it
// loads the demo corpus, prints a search and serves the demo page. Arguments go to it.

import { main, run } from './lib/run.mjs';

await main(async () => {
  run('node', ['scripts/build.mjs']);
  const { start } = await import('../demo/start.mjs');
  await start(process.argv.slice(2));
});
