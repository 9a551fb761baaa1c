// Acknowledged writes a second by sync mode and batch size.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { jsonLines } from '../lib/process.mjs';

export function run(bench) {
  const { set, rounds, program, isQuick } = bench;
  const folder = join(bench.work, 'write');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const seconds = isQuick ? 0.05 : 0.25;
  const lines = jsonLines(program('write_rates'), [set.base, set.metric, folder, seconds, rounds]);
  rmSync(folder, { recursive: true, force: true });
  return lines;
}
