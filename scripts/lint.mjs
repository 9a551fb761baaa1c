#!/usr/bin/env node
// `npm run lint`: the rules of tests/lint, each a test. Checks of built artefacts are skipped
// while there are none.

import { filesUnder } from './lib/build.mjs';
import { main, run } from './lib/run.mjs';

await main(() => {
  const tests = filesUnder('tests/lint', (file) => file.endsWith('.test.mjs'));
  run('node', ['--test', '--test-reporter=tap', ...tests]);
});
