// Time until all rows are durable and searchable, as `veer import` gives it (the whole process: it
// reads the vector file, commits with sync full and ends with a checkpoint), beside hnswlib's build.

import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ScriptError, capture } from '../../scripts/lib/run.mjs';
import { median } from '../lib/curves.mjs';
import { jsonLines, timed } from '../lib/process.mjs';

const bytesOf = (folder) =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

export const database = (bench) => join(bench.work, `${bench.set.name}.veer`);
export const graph = (bench) => join(bench.work, `${bench.set.name}.hnsw`);

export function importOnce(bench) {
  const { set, program } = bench;
  const folder = database(bench);
  rmSync(folder, { recursive: true, force: true });
  const args = ['import', folder, set.base, '--create', '--metric', set.metric];
  const seconds = timed(program('veer'), args);
  const count = Number((capture(program('veer'), ['count', folder]) ?? '').replace(/\D/g, ''));
  if (count !== set.rows) throw new ScriptError(`${folder} has ${count} rows, not ${set.rows}.`);
  return seconds;
}

export function buildGraph(bench) {
  const { set, program } = bench;
  return jsonLines(program('hnswlib_build'), [set.base, set.metric, graph(bench)])[0];
}

export function run(bench) {
  const { set, rounds } = bench;
  const veer = [];
  const peer = [];
  for (let round = 0; round < rounds; round++) {
    veer.push(importOnce(bench));
    peer.push(buildGraph(bench));
    bench.say(
      `round ${round + 1}: veer import ${veer.at(-1).wall.toFixed(3)} s, ` +
        `hnswlib ${peer.at(-1).wall_s.toFixed(2)} s`,
    );
  }
  const common = { rows: set.rows, dims: set.dims };
  const bytes = statSync(graph(bench)).size;
  return [
    {
      engine: 'veer-cli',
      setting: 'import, sync=full, checkpoint',
      searchable_s: median(veer.map((time) => time.wall)),
      wall_s_rounds: veer.map((time) => time.wall),
      cpu_s_rounds: veer.map((time) => time.cpu),
      bytes_disk: bytesOf(database(bench)),
      ...common,
    },
    {
      engine: 'hnswlib',
      setting: 'M=16 efConstruction=200',
      build_s: median(peer.map((time) => time.wall_s)),
      searchable_s: median(peer.map((time) => time.wall_s)),
      wall_s_rounds: peer.map((time) => time.wall_s),
      cpu_s_rounds: peer.map((time) => time.cpu_s),
      bytes_memory: peer[0].bytes,
      bytes_disk: bytes,
      ...common,
    },
  ];
}
