// What several suites search: databases without and with graphs, and hnswlib's index of a set.
//
// Databases are made once a run, because the format may have changed since an earlier one; hnswlib's
// index takes longest and never changes, so it is kept in build/bench/peers with the time it took.

import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { at } from '../../scripts/lib/build.mjs';
import { ScriptError, capture } from '../../scripts/lib/run.mjs';
import { jsonLines, timed } from './process.mjs';

export const peerFolder = at('build', 'bench', 'peers');
const made = new Map();

function once(key, make) {
  if (!made.has(key)) made.set(key, make());
  return made.get(key);
}

/** `veer import` of the set into a new database; seconds of the whole process. It builds no graph. */
export function importOnce({ set, program, work }, kind = 'scan') {
  const path = join(work, `${set.name}-${kind}.veer`);
  rmSync(path, { recursive: true, force: true });
  const args = ['import', path, set.base, '--create', '--metric', set.metric];
  const seconds = timed(program('veer'), args);
  const count = Number((capture(program('veer'), ['count', path]) ?? '').replace(/\D/g, ''));
  if (count !== set.rows) throw new ScriptError(`${path} has ${count} rows, not ${set.rows}.`);
  return { path, ...seconds };
}

/** The set in one segment, with what it took: {path, wall, cpu, merge, graph, stats}. */
function database(bench, kind) {
  const { set, program, say } = bench;
  return once(`${set.name} ${kind}`, () => {
    const imported = importOnce(bench, kind);
    const work = (options, what) =>
      jsonLines(program('database_work'), [imported.path, JSON.stringify(options), what])[0];
    // Room for all rows in one segment, whatever their size: peers have no segments either.
    const segmentBytes = 2 ** 30;
    const merge = work({ graphRows: 0, segmentBytes }, 'merge');
    if (kind === 'scan') return { ...imported, merge, stats: merge.stats };
    say(`building the graph of ${set.name}`);
    const graph = work({ graphRows: 1, segmentBytes }, 'work');
    return { ...imported, merge, graph, stats: graph.stats };
  });
}

export const scanDatabase = (bench) => database(bench, 'scan');
export const graphDatabase = (bench) => database(bench, 'graph');

/** An index in build/bench/peers, built by `build(path)` unless the one of an earlier run will do. */
function kept(path, key, { isFresh, say }, what, build) {
  if (!isFresh && existsSync(path) && existsSync(`${path}.json`)) {
    const about = JSON.parse(readFileSync(`${path}.json`, 'utf8'));
    if (about.key === key) return { path, ...about };
  }
  say(`building ${what}`);
  mkdirSync(peerFolder, { recursive: true });
  const [{ wall_s, cpu_s, bytes }] = build(path);
  const date = new Date().toISOString().slice(0, 16);
  const about = { key, wall_s, cpu_s, bytes, bytes_disk: statSync(path).size, date };
  writeFileSync(`${path}.json`, `${JSON.stringify(about)}\n`);
  return { path, ...about };
}

const keyOf = (name, { rows, dims, metric, base }) =>
  `${name}, M 16, efConstruction 200, ${rows} x ${dims} ${metric}, ${statSync(base).size} bytes`;

/** hnswlib's index: {path, wall_s, cpu_s, bytes, bytes_disk, date}; built now where `isFresh`. */
function hnswlibIndex(bench) {
  const { set, program } = bench;
  return kept(
    join(peerFolder, `${set.name}.hnsw`),
    keyOf('hnswlib 0.8.0', set),
    bench,
    `hnswlib’s index of ${set.name}`,
    (path) => jsonLines(program('hnswlib_build'), [set.base, set.metric, path]),
  );
}

export const buildPeer = (bench) => hnswlibIndex({ ...bench, isFresh: true, say: () => {} });

export const peerIndex = (bench) => once(`${bench.set.name} hnswlib`, () => hnswlibIndex(bench));

/** faiss's, or null where it was not compiled in. */
export function faissIndex(bench) {
  const { set, program } = bench;
  if (!existsSync(program('faiss_build'))) return null;
  return once(`${set.name} faiss`, () =>
    kept(
      join(peerFolder, `${set.name}.faiss`),
      keyOf('faiss 1.7.3', set),
      bench,
      `faiss’s index of ${set.name}`,
      (path) => jsonLines(program('faiss_build'), [set.base, set.metric, path]),
    ),
  );
}
