// docs/API.md says what the headers and types say.

import { test } from 'node:test';
import { run } from '../../scripts/lib/run.mjs';

test('docs/API.md is up to date', () => {
  run('node', ['scripts/docs.mjs', '--check']);
});
