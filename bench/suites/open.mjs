// Opening a database without and with a graph: fresh processes over a warm file cache, and what
// memory holds afterwards.

import { median } from '../lib/curves.mjs';
import { jsonLines } from '../lib/process.mjs';
import { graphDatabase, scanDatabase } from '../lib/prepared.mjs';

/** What open_time says of a database, of the process: {open_ms_rounds, memory, ...}. */
export function openDatabase({ set, rounds, program }, path) {
  const opened = [];
  for (let round = 0; round < rounds + 1; round++) {
    opened.push(jsonLines(program('open_time'), [path, set.queries])[0]);
  }
  opened.shift(); // it warmed the file cache
  const last = opened.at(-1);
  const { memory, storage } = last.stats;
  const since = (name) => 1024 * (last[name] - last.private_kib_before);
  return {
    open_ms: median(opened.map((one) => one.open_ms + one.collection_ms)),
    open_ms_rounds: opened.map((one) => one.open_ms + one.collection_ms),
    first_search_ms: median(opened.map((one) => one.first_search_ms)),
    private_bytes_open: since('private_kib_open'),
    private_bytes_search: since('private_kib_search'),
    file_bytes_search: 1024 * (last.file_kib - last.file_kib_before),
    graph_bytes_resident: 1024 * last.graph_kib,
    codes_bytes_resident: 1024 * last.codes_kib,
    base_bytes_resident: 1024 * (last.segments_kib - last.graph_kib - last.codes_kib),
    bytes_memory: memory.used,
    memory,
    storage,
    bytes_disk: storage.total,
    rows: set.rows,
    dims: set.dims,
    tier: last.tier,
  };
}

export function run(bench) {
  const setting = 'fresh process, warm file cache';
  return [
    {
      engine: 'veer-database (graph)',
      setting,
      ...openDatabase(bench, graphDatabase(bench).path),
    },
    { engine: 'veer-database (scan)', setting, ...openDatabase(bench, scanDatabase(bench).path) },
  ];
}
