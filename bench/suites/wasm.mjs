// The package of dist/ in Node, scanning and with a graph, beside what npm has: hnswlib-wasm,
// hnswlib-node, usearch and zvec.

import { join } from 'node:path';
import { at } from '../../scripts/lib/build.mjs';
import { jsonLines } from '../lib/process.mjs';
import { peerFolder, peerIndex } from '../lib/prepared.mjs';

export function run(bench) {
  const { set, rounds, limit, work, isFresh, say } = bench;
  const script = at('bench', 'wasm_search.mjs');
  const argument = {
    ...set,
    rounds,
    limit,
    k: 10,
    graph: peerIndex(bench).path,
    cache: join(peerFolder, set.name),
    work,
    isFresh,
  };
  const lines = jsonLines(process.execPath, [script, JSON.stringify(argument)]);
  for (const { skipped } of lines) if (skipped) say(skipped);
  return lines.filter((line) => line.engine);
}
