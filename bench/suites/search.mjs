// Search in one native process: scanning codes, walking graphs, and hnswlib.

import { searchLines } from '../lib/process.mjs';
import { graphDatabase, peerIndex, scanDatabase } from '../lib/prepared.mjs';

export function run(bench) {
  return searchLines(bench, [
    `veer-database (graph)=graph:${graphDatabase(bench).path}`,
    `veer-database (scan)=scan:${scanDatabase(bench).path}`,
    'veer-index (graph)=index:1',
    'veer-index (scan)=index:0',
    `hnswlib=hnswlib:${peerIndex(bench).path}`,
  ]);
}
