// Filtered search by selectivity with graphs built, beside hnswlib's search without a filter.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { jsonLines } from '../lib/process.mjs';
import { peerIndex } from '../lib/prepared.mjs';

export const sets = ['apt-lsa-128', 'clusters-100k-128', 'clusters-100k-768'];

export function run(bench) {
  const { set, rounds, limit, program } = bench;
  const folder = join(bench.work, 'filtered');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { base, queries, metric } = set;
  const args = [base, queries, metric, folder, peerIndex(bench).path, rounds, 10, limit];
  const lines = jsonLines(program('filter_rates'), args);
  rmSync(folder, { recursive: true, force: true });
  return lines;
}
