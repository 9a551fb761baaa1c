// Filtered search by selectivity, beside hnswlib's search without a filter.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { jsonLines } from '../lib/process.mjs';
import { graph } from './import.mjs';
import { prepare } from './search.mjs';

export function run(bench) {
  const { set, rounds, program } = bench;
  prepare(bench);
  const folder = join(bench.work, 'filtered');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const lines = jsonLines(program('filter_rates'), [
    set.base,
    set.queries,
    set.metric,
    folder,
    graph(bench),
    rounds,
    10,
  ]);
  rmSync(folder, { recursive: true, force: true });
  return lines;
}
