// Opening a database: fresh processes over a warm file cache, and what memory holds afterwards.

import { median } from '../lib/curves.mjs';
import { jsonLines } from '../lib/process.mjs';
import { database } from './import.mjs';
import { prepare } from './search.mjs';

export function run(bench) {
  const { set, rounds, program } = bench;
  prepare(bench, { isGraphNeeded: false });
  const opened = [];
  for (let round = 0; round < rounds + 1; round++) {
    opened.push(jsonLines(program('open_time'), [database(bench), set.queries])[0]);
  }
  opened.shift(); // it warmed the file cache
  const last = opened.at(-1);
  const { memory, storage } = last.stats;
  return [
    {
      engine: 'veer-database',
      setting: 'fresh process, warm file cache',
      open_ms: median(opened.map((one) => one.open_ms + one.collection_ms)),
      open_ms_rounds: opened.map((one) => one.open_ms + one.collection_ms),
      first_search_ms: median(opened.map((one) => one.first_search_ms)),
      private_bytes_open: 1024 * (last.private_kib_open - last.private_kib_before),
      private_bytes_search: 1024 * (last.private_kib_search - last.private_kib_before),
      bytes_memory: memory.used,
      memory,
      storage,
      bytes_disk: storage.total,
      rows: set.rows,
      dims: set.dims,
      tier: last.tier,
    },
  ];
}
