// The package of dist/ in Node against hnswlib-wasm, and hnswlib-node for orientation.

import { at } from '../../scripts/lib/build.mjs';
import { jsonLines } from '../lib/process.mjs';
import { graph } from './import.mjs';
import { prepare } from './search.mjs';

export function run(bench) {
  const { set, rounds } = bench;
  prepare(bench);
  const script = at('bench', 'wasm_search.mjs');
  const argument = { ...set, rounds, k: 10, graph: graph(bench) };
  return jsonLines(process.execPath, [script, JSON.stringify(argument)]);
}
