// Vector indexes from npm, for wasm_search.mjs: each adds its settings, or throws where it is not
// installed. M 16, efConstruction 200, one thread. What can be stored is kept between runs, with the
// seconds that building took then.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const efs = [10, 20, 28, 40, 56, 80, 160, 320];

/** Starts a clock; what it gives when it is called: seconds by the wall and of the process's CPU. */
export function startClock() {
  const wall = performance.now();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { build_s: (performance.now() - wall) / 1e3, build_cpu_s: (user + system) / 1e6 };
  };
}

/** Makes `path` by `build` unless it is there from an earlier run; what it took then or now. */
function stored(path, isFresh, build) {
  const note = `${path}.json`;
  if (!isFresh && existsSync(path) && existsSync(note)) {
    return JSON.parse(readFileSync(note, 'utf8'));
  }
  rmSync(path, { recursive: true, force: true });
  mkdirSync(dirname(path), { recursive: true });
  const clock = startClock();
  build();
  const taken = { ...clock(), build_date: new Date().toISOString().slice(0, 16) };
  writeFileSync(note, `${JSON.stringify(taken)}\n`);
  return taken;
}

async function hnswlibWasm({ unitBase, unitQueries, dims, metric, k }, add) {
  globalThis.window ??= globalThis; // it looks for a browser's
  const { loadHnswlib } = await import('hnswlib-wasm/dist/hnswlib.js');
  const library = await loadHnswlib();
  const index = new library.HierarchicalNSW(metric === 'l2' ? 'l2' : 'ip', dims, '');
  index.initIndex(unitBase.rows, 16, 200, 100);
  const clock = startClock();
  for (let i = 0; i < unitBase.rows; i++) index.addPoint(unitBase.row(i), i, false);
  const build = clock();
  for (const ef of efs) {
    const search = (i) => {
      index.setEfSearch(ef);
      return index.searchKnn(unitQueries.row(i), k, undefined).neighbors;
    };
    add('hnswlib-wasm', `ef=${ef}`, search, build);
  }
}

async function hnswlibNode({ unitQueries, dims, metric, k, options }, add) {
  const { default: library } = await import('hnswlib-node');
  if (!options.graph) throw new Error("no index of hnswlib's was given ('graph')");
  const index = new library.HierarchicalNSW(metric === 'l2' ? 'l2' : 'ip', dims);
  index.readIndexSync(options.graph);
  const rows = Array.from({ length: unitQueries.rows }, (_, i) => Array.from(unitQueries.row(i)));
  for (const ef of efs) {
    const search = (i) => {
      index.setEf(ef);
      return index.searchKnn(rows[i], k).neighbors;
    };
    add('hnswlib-node (native)', `ef=${ef}`, search, {});
  }
}

async function usearch({ base, queries, dims, metric, k, options }, add) {
  const { default: library } = await import('usearch');
  // The effort of a search is fixed when an index is made: one index each, all over the same file.
  const make = (ef) =>
    new library.Index({
      metric: { cosine: 'cos', dot: 'ip', l2: 'l2sq' }[metric],
      quantization: 'f32',
      dimensions: dims,
      connectivity: 16,
      expansion_add: 200,
      expansion_search: ef,
    });
  if (!options.cache) throw new Error("no place for its index was given ('cache')");
  const path = `${options.cache}.usearch-2.21.4`;
  const build = stored(path, options.isFresh, () => {
    const index = make(64);
    index.add(
      BigUint64Array.from({ length: base.rows }, (_, i) => BigInt(i)),
      base.values,
      1,
    );
    index.save(path);
  });
  for (const ef of efs) {
    const index = make(ef);
    index.load(path);
    const search = (i) => Array.from(index.search(queries.row(i), k, 1).keys, Number);
    add('usearch (native)', `ef=${ef}`, search, build);
  }
}

async function zvec({ base, queries, dims, metric, k, options }, add) {
  const library = await import('@zvec/zvec');
  const { ZVecIndexType, ZVecMetricType, ZVecDataType, ZVecLogLevel } = library;
  library.ZVecInitialize({ logLevel: ZVecLogLevel.ERROR, queryThreads: 1, optimizeThreads: 1 });
  if (!options.cache) throw new Error("no place for its index was given ('cache')");
  const path = `${options.cache}.zvec-0.7.0`;
  const schema = new library.ZVecCollectionSchema({
    name: 'bench',
    vectors: {
      name: 'v',
      dataType: ZVecDataType.VECTOR_FP32,
      dimension: dims,
      indexParams: {
        indexType: ZVecIndexType.HNSW,
        metricType: ZVecMetricType[{ cosine: 'COSINE', dot: 'IP', l2: 'L2' }[metric]],
        m: 16,
        efConstruction: 200,
      },
    },
  });
  const build = stored(path, options.isFresh, () => {
    const collection = library.ZVecCreateAndOpen(path, schema);
    const step = 1000;
    for (let first = 0; first < base.rows; first += step) {
      const length = Math.min(step, base.rows - first);
      const documents = Array.from({ length }, (_, i) => ({
        id: String(first + i),
        vectors: { v: base.row(first + i) },
      }));
      const refused = collection.insertSync(documents).find((status) => !status.ok);
      if (refused) throw new Error(refused.message);
    }
    collection.optimizeSync({ concurrency: 1 });
    collection.closeSync();
  });
  const collection = library.ZVecOpen(path, { readOnly: true });
  for (const ef of efs) {
    const params = { indexType: ZVecIndexType.HNSW, ef };
    const search = (i) =>
      collection
        .querySync({ fieldName: 'v', topk: k, vector: queries.row(i), outputFields: [], params })
        .map(({ id }) => Number(id));
    add('zvec (native)', `ef=${ef}`, search, build);
  }
}

export const peers = {
  'hnswlib-wasm': hnswlibWasm,
  'hnswlib-node': hnswlibNode,
  usearch,
  '@zvec/zvec': zvec,
};
