// Search through the package of dist/ against hnswlib-wasm and hnswlib-node, in one process of Node,
// one query at a time. The argument is JSON: {base, queries, truth, metric, rounds, k, graph}.
//
// Every setting runs all queries once to warm up and to measure its recall, then once a round;
// rounds go through all settings. Prints one JSON object a setting.

import { readFileSync } from 'node:fs';
import { VectorIndex, open, vector } from '../dist/index_node.js';

const options = JSON.parse(process.argv[2]);
const { k, rounds, metric } = options;

/** An fvecs or ivecs file as one array, with the length of its rows. */
function readVectors(path) {
  const bytes = readFileSync(path);
  const dims = bytes.readInt32LE(0);
  const rows = bytes.length / (4 + 4 * dims);
  const Kind = path.endsWith('.ivecs') ? Int32Array : Float32Array;
  const all = new Kind(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const values = new Kind(rows * dims);
  for (let i = 0; i < rows; i++) {
    values.set(all.subarray(i * (dims + 1) + 1, (i + 1) * (dims + 1)), i * dims);
  }
  return { dims, rows, values, row: (i) => values.subarray(i * dims, (i + 1) * dims) };
}

const base = readVectors(options.base);
const queries = readVectors(options.queries);
const truth = readVectors(options.truth);
const { dims } = base;

function normalised(vectors) {
  const values = Float32Array.from(vectors.values);
  for (let i = 0; i < vectors.rows; i++) {
    const row = values.subarray(i * dims, (i + 1) * dims);
    const inverse = 1 / Math.hypot(...row);
    for (let j = 0; j < dims; j++) row[j] *= inverse;
  }
  return { ...vectors, values, row: (i) => values.subarray(i * dims, (i + 1) * dims) };
}

function distance(a, b) {
  let dot = 0;
  let squareA = 0;
  let squareB = 0;
  for (let i = 0; i < dims; i++) {
    dot += a[i] * b[i];
    squareA += a[i] * a[i];
    squareB += b[i] * b[i];
  }
  if (metric === 'dot') return -dot;
  return metric === 'cosine' ? 1 - dot / Math.sqrt(squareA * squareB) : squareA + squareB - 2 * dot;
}

/** Keys that are among the k nearest; a row as near as the k-th true one counts. */
function hits(query, keys) {
  const asked = queries.row(query);
  const kth = distance(asked, base.row(truth.row(query)[k - 1]));
  const limit = kth + 1e-6 * Math.max(1, Math.abs(kth));
  return [...new Set(keys)].filter((key) => distance(asked, base.row(key)) <= limit).length;
}

const recalls = [0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999];
const efs = [10, 14, 20, 28, 40, 56, 80, 112, 160, 224];
const settings = [];
const held = []; // what is searched must not be collected as garbage

/** `search` gives the keys of query i; a promise of them where `isAsync`. */
function add(engine, setting, search, extra) {
  settings.push({ engine, setting, search, extra, cpu: [], wall: [], latencies: [] });
}

const seconds = () => performance.now() / 1000;
const progress = (text) => process.stderr.write(`${text}\n`);

async function addVectorIndex() {
  const index = await VectorIndex.create({ dims, metric });
  const start = seconds();
  const step = 4096;
  for (let first = 0; first < base.rows; first += step) {
    const end = Math.min(first + step, base.rows);
    const keys = BigUint64Array.from({ length: end - first }, (_, i) => BigInt(first + i));
    index.add(keys, base.values.subarray(first * dims, end * dims));
  }
  index.optimize();
  const build = seconds() - start;
  for (const recall of recalls) {
    const search = (i) => Array.from(index.search(queries.row(i), k, { recall }).keys, Number);
    add('veer-index (wasm)', `recall=${recall}`, search, {
      build_s: build,
      bytes_memory: index.memory,
    });
  }
}

async function addCollection() {
  const database = await open('memory:');
  held.push(database);
  const documents = await database.collection('documents', { v: vector(dims, { metric }) });
  const start = seconds();
  const ids = Array.from({ length: base.rows }, (_, i) => String(i));
  await documents.upsert({ ids, vectors: base.values });
  await database.checkpoint();
  const build = seconds() - start;
  const { memory } = await database.stats();
  for (const recall of recalls) {
    const query = await documents.prepare({ k, recall, select: false });
    const search = async (i) => {
      const { hits: found } = await query.run(queries.row(i));
      return found.map(({ id }) => Number(id));
    };
    add('veer-collection (wasm)', `recall=${recall}`, search, {
      searchable_s: build,
      bytes_memory: memory.used,
    });
  }
}

const space = metric === 'l2' ? 'l2' : 'ip';
const unitBase = metric === 'cosine' ? normalised(base) : base;
const unitQueries = metric === 'cosine' ? normalised(queries) : queries;

async function addHnswlibWasm() {
  globalThis.window ??= globalThis; // it looks for a browser's
  const { loadHnswlib } = await import('hnswlib-wasm/dist/hnswlib.js');
  const library = await loadHnswlib();
  const index = new library.HierarchicalNSW(space, dims, '');
  index.initIndex(base.rows, 16, 200, 100);
  const start = seconds();
  for (let i = 0; i < base.rows; i++) index.addPoint(unitBase.row(i), i, false);
  const build = seconds() - start;
  for (const ef of efs) {
    const search = (i) => {
      index.setEfSearch(ef);
      return index.searchKnn(unitQueries.row(i), k, undefined).neighbors;
    };
    add('hnswlib-wasm', `ef=${ef}`, search, { build_s: build });
  }
}

async function addHnswlibNode() {
  let library;
  try {
    ({ default: library } = await import('hnswlib-node'));
  } catch (error) {
    progress(`hnswlib-node did not install: ${error.message}`);
    return;
  }
  const index = new library.HierarchicalNSW(space, dims);
  index.readIndexSync(options.graph);
  const rows = Array.from({ length: queries.rows }, (_, i) => Array.from(unitQueries.row(i)));
  for (const ef of efs) {
    const search = (i) => {
      index.setEf(ef);
      return index.searchKnn(rows[i], k).neighbors;
    };
    add('hnswlib-node (native)', `ef=${ef}`, search, {});
  }
}

async function measureRecall(setting) {
  let found = 0;
  for (let i = 0; i < queries.rows; i++) found += hits(i, await setting.search(i));
  setting.recall = found / (k * queries.rows);
}

async function runRound(setting) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  let before = start;
  for (let i = 0; i < queries.rows; i++) {
    const answer = setting.search(i);
    if (answer instanceof Promise) await answer;
    const after = performance.now();
    setting.latencies.push(after - before);
    before = after;
  }
  const used = process.cpuUsage(cpu);
  setting.cpu.push(queries.rows / ((used.user + used.system) / 1e6));
  setting.wall.push(queries.rows / ((before - start) / 1e3));
}

const quantile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];

function print({ engine, setting, recall, cpu, wall, latencies, extra }) {
  const sorted = Float64Array.from(latencies).sort();
  console.log(
    JSON.stringify({
      engine,
      setting,
      recall,
      qps_rounds: cpu.map((qps) => Math.round(qps)),
      wall_qps_rounds: wall.map((qps) => Math.round(qps)),
      p50_us: Number((1000 * quantile(sorted, 0.5)).toFixed(2)),
      p99_us: Number((1000 * quantile(sorted, 0.99)).toFixed(2)),
      rows: base.rows,
      dims,
      k,
      tier: engine.startsWith('veer') ? 'simd128' : null,
      ...extra,
    }),
  );
}

await addVectorIndex();
await addCollection();
await addHnswlibWasm();
await addHnswlibNode();
for (const setting of settings) await measureRecall(setting);
for (let round = 0; round < rounds; round++) {
  for (const setting of settings) await runRound(setting);
}
settings.forEach(print);
process.exit(0);
