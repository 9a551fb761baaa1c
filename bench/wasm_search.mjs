// Search through the package of dist/ beside its peers from npm (lib/node_peers.mjs), in one process
// of Node, one query at a time. The argument is JSON: {base, queries, truth, metric, rounds, k}, and
// optional: limit (the first queries alone), graph (hnswlib's index file, for hnswlib-node), cache
// (how names of files begin that keep peers' indexes), work (a folder), isFresh (no index is taken
// from there).
//
// Every setting runs all queries once to warm up and to measure its recall, then once a round;
// rounds go through all settings. Prints one JSON object a setting,
// and {skipped} for a peer that is not there.

import { readFileSync } from 'node:fs';
import { VectorIndex, open, vector } from '../dist/index_node.js';
import { peers, startClock } from './lib/node_peers.mjs';

const options = JSON.parse(process.argv[2]);
const { k, rounds, metric } = options;

/** An fvecs, bvecs or ivecs file as one array, with the length of its rows. */
function readVectors(path) {
  const bytes = readFileSync(path);
  const dims = bytes.readInt32LE(0);
  const isBytes = path.endsWith('.bvecs');
  const rows = bytes.length / (4 + (isBytes ? 1 : 4) * dims);
  const Kind = path.endsWith('.ivecs') ? Int32Array : Float32Array;
  const values = new Kind(rows * dims);
  const all = isBytes ? bytes : new Kind(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const head = isBytes ? 4 : 1; // the length of the row, in elements
  for (let i = 0; i < rows; i++) {
    values.set(all.subarray(i * (dims + head) + head, (i + 1) * (dims + head)), i * dims);
  }
  return { dims, rows, values, row: (i) => values.subarray(i * dims, (i + 1) * dims) };
}

const base = readVectors(options.base);
const queries = readVectors(options.queries);
const truth = readVectors(options.truth);
const { dims } = base;
if (options.limit > 0) queries.rows = Math.min(queries.rows, options.limit);

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

const scanRecalls = [0.8, 0.9, 0.95, 0.97, 0.99, 0.995, 0.999];
const graphRecalls = [0.7, 0.8, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999];
const settings = [];
let tier; // of the package's module here
const held = []; // what is searched must not be collected as garbage

/** `search` gives the keys of query i, or a promise of them. */
function add(engine, setting, search, extra) {
  settings.push({ engine, setting, search, extra, cpu: [], wall: [], latencies: [] });
}

/** Whether an index can be asked for a graph: what it knows, it refuses where it makes no sense. */
async function hasGraphRows() {
  try {
    (await VectorIndex.create({ dims, metric, graphRows: -1 })).close();
    return false;
  } catch {
    return true;
  }
}

async function addVectorIndex(name, graphRows, recalls) {
  const isKnown = await hasGraphRows();
  if (!isKnown && graphRows > 0) return;
  const index = await VectorIndex.create({ dims, metric, ...(isKnown && { graphRows }) });
  held.push(index);
  const clock = startClock();
  const step = 4096;
  for (let first = 0; first < base.rows; first += step) {
    const end = Math.min(first + step, base.rows);
    const keys = BigUint64Array.from({ length: end - first }, (_, i) => BigInt(first + i));
    index.add(keys, base.values.subarray(first * dims, end * dims));
  }
  index.optimize();
  const build = clock();
  for (const recall of recalls) {
    const search = (i) => Array.from(index.search(queries.row(i), k, { recall }).keys, Number);
    const extra = { asked: recall, ...build, bytes_memory: index.memory };
    add(name, `recall=${recall}`, search, extra);
  }
}

/** In memory, without graphs (`graphRows` 0) or with one, after all background work. */
async function addCollection(name, graphRows, recalls) {
  const database = await open('memory:', { graphRows, autoWork: false, segmentBytes: 2 ** 30 });
  held.push(database);
  const documents = await database.collection('documents', { v: vector(dims, { metric }) });
  const clock = startClock();
  const ids = Array.from({ length: base.rows }, (_, i) => String(i));
  const step = 8192;
  for (let first = 0; first < base.rows; first += step) {
    const end = Math.min(first + step, base.rows);
    const vectors = base.values.subarray(first * dims, end * dims);
    await documents.upsert({ ids: ids.slice(first, end), vectors });
  }
  await database.checkpoint();
  const searchable = clock();
  const graphClock = startClock();
  while (await database.work(1000)); // false: nothing is left
  const build = graphRows > 0 ? graphClock() : {};
  const { memory, storage, tier: own } = await database.stats();
  tier = own;
  for (const recall of recalls) {
    const query = await documents.prepare({ k, recall, select: false });
    const search = async (i) => {
      const { hits: found } = await query.run(queries.row(i));
      return found.map(({ id }) => Number(id));
    };
    const request = { vector: queries.row(0), k, recall, select: false, explain: true };
    const { explain } = await documents.search(request);
    const { method } = typeof explain === 'string' ? JSON.parse(explain) : explain;
    add(name, `recall=${recall}`, search, {
      asked: recall,
      method,
      searchable_s: searchable.build_s,
      searchable_cpu_s: searchable.build_cpu_s,
      ...build,
      bytes_memory: memory.used + storage.total, // its storage is memory
    });
  }
}

async function addPeers() {
  const unitBase = metric === 'cosine' ? normalised(base) : base;
  const unitQueries = metric === 'cosine' ? normalised(queries) : queries;
  const set = { base, queries, unitBase, unitQueries, dims, metric, k, options };
  for (const [name, addPeer] of Object.entries(peers)) {
    try {
      await addPeer(set, add);
    } catch (error) {
      console.log(JSON.stringify({ skipped: `${name} is left out: ${error.message}` }));
    }
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
      queries: queries.rows,
      tier: engine.startsWith('veer') ? tier : null,
      ...extra,
    }),
  );
}

await addCollection('veer-collection (wasm, graph)', 1, graphRecalls);
await addCollection('veer-collection (wasm, scan)', 0, scanRecalls);
await addVectorIndex('veer-index (wasm, graph)', 1, graphRecalls);
await addVectorIndex('veer-index (wasm, scan)', 0, scanRecalls);
await addPeers();
for (const setting of settings) await measureRecall(setting);
for (let round = 0; round < rounds; round++) {
  for (const setting of settings) await runRound(setting);
}
settings.forEach(print);
process.exit(0);
