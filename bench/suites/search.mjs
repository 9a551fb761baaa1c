// Scan search against hnswlib, native, in one process.

import { existsSync } from 'node:fs';
import { jsonLines } from '../lib/process.mjs';
import { buildGraph, database, graph, importOnce } from './import.mjs';

/** The database and hnswlib's graph of the set, made where they are not there. */
export function prepare(bench, { isGraphNeeded = true } = {}) {
  if (!existsSync(database(bench))) importOnce(bench);
  if (isGraphNeeded && !existsSync(graph(bench))) {
    bench.say('building hnswlib’s graph');
    buildGraph(bench);
  }
}

export function run(bench) {
  const { set, rounds, program } = bench;
  prepare(bench);
  return jsonLines(program('search_rates'), [
    set.base,
    set.queries,
    set.truth,
    set.metric,
    database(bench),
    graph(bench),
    rounds,
    10,
    'veer-database,veer-index,hnswlib',
  ]);
}
