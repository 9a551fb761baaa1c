// Time until all rows are durable and searchable, as `veer import` gives it (the whole process: it
// reads the vector file, commits with sync full and ends with a checkpoint), beside hnswlib's build.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../lib/curves.mjs';
import { buildPeer, importOnce } from '../lib/prepared.mjs';

const bytesOf = (folder) =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

export function run(bench) {
  const { set, rounds } = bench;
  const veer = [];
  const peer = [];
  for (let round = 0; round < rounds; round++) {
    veer.push(importOnce(bench, 'import'));
    peer.push(buildPeer(bench));
    bench.say(
      `round ${round + 1}: veer import ${veer.at(-1).wall.toFixed(3)} s, ` +
        `hnswlib ${peer.at(-1).wall_s.toFixed(2)} s`,
    );
  }
  const common = { rows: set.rows, dims: set.dims };
  return [
    {
      engine: 'veer-cli',
      setting: 'import, sync=full, checkpoint',
      searchable_s: median(veer.map((time) => time.wall)),
      wall_s_rounds: veer.map((time) => time.wall),
      cpu_s_rounds: veer.map((time) => time.cpu),
      bytes_disk: bytesOf(veer.at(-1).path),
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
      bytes_disk: peer[0].bytes_disk,
      ...common,
    },
  ];
}
