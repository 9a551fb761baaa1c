// One engine of npm_engines.mjs in a process of its own, for the suite `npm`: it builds when it starts
// and then answers messages, so that the rounds of all engines can be interleaved.
//
// Started with JSON: {name, rows, dims, k, base, queries, truth, work}, the last four paths: raw f32
// rows, raw u32 row numbers (k a query), and a folder of its own. Tells its parent {ready: {...}} or
// {skipped}; for {setting, round} it runs all its queries (round -1: for recall) and tells the figures.

import { readFileSync } from 'node:fs';

import { engines } from './npm_engines.mjs';

const { name, rows, dims, k, work, ...paths } = JSON.parse(process.argv[2]);
/** Slow engines are asked some of the queries: a round takes about this long. */
const ROUND_MS = 1500;

/** A copy, for what is small lies anywhere in a buffer of Node's. */
const bytesOf = (path) => Uint8Array.from(readFileSync(path)).buffer;
const unit = new Float32Array(bytesOf(paths.base));
const queries = new Float32Array(bytesOf(paths.queries));
const truth = new Uint32Array(bytesOf(paths.truth));
const row = (i) => unit.subarray(i * dims, (i + 1) * dims);
const query = (i) => queries.subarray(i * dims, (i + 1) * dims);

const residentBytes = () => {
  globalThis.gc?.();
  return process.memoryUsage().rss;
};

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < dims; i++) sum += a[i] * b[i];
  return sum;
}

/** How many of the keys are as near as the k-th true one, each once. */
function hits(i, keys) {
  const limit = dot(query(i), row(truth[i * k + k - 1])) - 1e-6;
  return [...new Set(keys)].filter((key) => dot(query(i), row(key)) >= limit).length;
}

async function measure(search, count) {
  const latencies = [];
  const answers = [];
  const cpu = process.cpuUsage();
  const start = performance.now();
  let before = start;
  for (let i = 0; i < count; i++) {
    const answer = search(query(i));
    answers.push(answer instanceof Promise ? await answer : answer);
    const after = performance.now();
    latencies.push(1000 * (after - before));
    before = after;
  }
  const { user, system } = process.cpuUsage(cpu);
  const found = answers.reduce((sum, keys, i) => sum + hits(i, keys), 0);
  return {
    latencies,
    recall: found / (count * k),
    qps: (1e3 * count) / (before - start),
    cpuQps: (1e6 * count) / (user + system),
  };
}

process.on('disconnect', () => process.exit(1));
const tell = (message) => new Promise((resolve) => process.send(message, resolve));

try {
  const before = residentBytes();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const settings = await engines[name].make({ unit, rows, dims, k, row, work });
  const build = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  const counts = [];
  const all = queries.length / dims;
  for (const { search } of settings) {
    await measure(search, 3);
    const { qps } = await measure(search, 5);
    counts.push(Math.max(10, Math.min(all, Math.floor((qps * ROUND_MS) / 1e3))));
  }
  process.on('message', async ({ setting, round, end }) => {
    if (end) process.exit(0);
    const count = round < 0 ? all : counts[setting];
    await tell({ count, ...(await measure(settings[setting].search, count)) });
  });
  await tell({
    ready: {
      settings: settings.map(({ setting }) => setting),
      build_s: build,
      build_cpu_s: (user + system) / 1e6,
      bytes_memory: residentBytes() - before,
    },
  });
} catch (error) {
  await tell({ skipped: `${name} is left out: ${String(error.message ?? error).split('\n')[0]}` });
  process.exit(0);
}
