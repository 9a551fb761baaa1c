// The vector search that people find on npm, on a small set: recall, speed, building, memory. The
// engines are in bench/npm, each in a process of its own; rounds are interleaved.

import { fork } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { at } from '../../scripts/lib/build.mjs';
import { installPackages } from '../lib/peers.mjs';
import { engines } from '../npm/npm_engines.mjs';

export const sets = ['apt-lsa-384'];

const ROWS = 10_000;
const QUERIES = 200;
const K = 10;

/** Rows of an fvecs file, made unit vectors: not every engine knows the cosine. */
function unitRows(path, limit) {
  const bytes = readFileSync(path);
  const dims = bytes.readInt32LE(0);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const rows = Math.min(limit, all.length / (dims + 1));
  const values = new Float32Array(rows * dims);
  for (let i = 0; i < rows; i++) {
    const row = all.subarray(i * (dims + 1) + 1, (i + 1) * (dims + 1));
    const inverse = 1 / Math.hypot(...row);
    for (let j = 0; j < dims; j++) values[i * dims + j] = row[j] * inverse;
  }
  return { dims, rows, values };
}

/** The k nearest of each query, by their rows' numbers. */
function nearest(base, queries) {
  const truth = new Uint32Array(queries.rows * K);
  const similar = new Float64Array(base.rows);
  for (let q = 0; q < queries.rows; q++) {
    for (let i = 0; i < base.rows; i++) {
      let dot = 0;
      for (let j = 0; j < base.dims; j++) {
        dot += base.values[i * base.dims + j] * queries.values[q * base.dims + j];
      }
      similar[i] = dot;
    }
    const order = Uint32Array.from(similar.keys()).sort((a, b) => similar[b] - similar[a] || a - b);
    truth.set(order.subarray(0, K), q * K);
  }
  return truth;
}

const raw = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

function versionOf(packages = []) {
  const versions = packages.map((name) => {
    const manifest = at('bench', 'npm', 'node_modules', name, 'package.json');
    return JSON.parse(readFileSync(manifest, 'utf8')).version;
  });
  return versions.join(' + ') || null;
}

/** Starts an engine and waits until it has built; null where it does not work here. */
async function start(name, set, say) {
  const child = fork(at('bench', 'npm', 'npm_engine.mjs'), [JSON.stringify({ name, ...set })], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
  });
  let take;
  child.on('message', (message) => take(message));
  child.on('exit', (code, signal) => take({ skipped: `${name} ended: ${signal ?? code}` }));
  const answer = () => new Promise((resolve) => (take = resolve));
  const { ready, skipped } = await answer();
  if (!ready) {
    say(skipped);
    return null;
  }
  say(`${name}: built in ${ready.build_s.toFixed(1)} s`);
  const ask = (message) => {
    const told = answer();
    child.send(message);
    return told;
  };
  return { name, ready, ask, stop: () => child.send({ end: true }) };
}

const quantile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];

function lineOf({ name, ready }, setting, recall, rounds, { rows, dims }) {
  const latencies = rounds.flatMap((round) => round.latencies).sort((a, b) => a - b);
  const { kind, packages } = engines[name];
  return {
    engine: name,
    setting,
    kind,
    version: versionOf(packages),
    recall,
    qps_rounds: rounds.map(({ cpuQps }) => Number(cpuQps.toPrecision(5))),
    wall_qps_rounds: rounds.map(({ qps }) => Number(qps.toPrecision(5))),
    p50_us: Number(quantile(latencies, 0.5).toPrecision(5)),
    p99_us: Number(quantile(latencies, 0.99).toPrecision(5)),
    build_s: ready.build_s,
    build_cpu_s: ready.build_cpu_s,
    bytes_memory: ready.bytes_memory,
    rows,
    dims,
    k: K,
    queries: rounds[0].count,
  };
}

export async function run({ set, rounds, limit, work, say, isQuick }) {
  installPackages(at('bench', 'npm'));
  const folder = join(work, 'npm');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const base = unitRows(set.base, isQuick ? 1000 : ROWS);
  const queries = unitRows(set.queries, limit > 0 ? limit : QUERIES);
  const paths = Object.fromEntries(
    Object.entries({
      base: base.values,
      queries: queries.values,
      truth: nearest(base, queries),
    }).map(([name, array]) => {
      writeFileSync(join(folder, name), raw(array));
      return [name, join(folder, name)];
    }),
  );
  const given = { rows: base.rows, dims: base.dims, k: K, work: folder, ...paths };
  const running = [];
  for (const name of Object.keys(engines)) {
    const engine = await start(name, given, say);
    if (engine) running.push(engine);
  }
  const lines = [];
  const measured = running.map(({ ready }) => ready.settings.map(() => ({ rounds: [] })));
  for (let round = -1; round < rounds; round++) {
    for (const [e, { ready, ask, name }] of running.entries()) {
      for (const setting of ready.settings.keys()) {
        const told = await ask({ setting, round });
        if (told.skipped) throw new Error(`${name}: ${told.skipped}`);
        if (round < 0) measured[e][setting].recall = told.recall;
        else measured[e][setting].rounds.push(told);
      }
    }
  }
  for (const [e, engine] of running.entries()) {
    engine.stop();
    for (const [s, setting] of engine.ready.settings.entries()) {
      const { recall, rounds: all } = measured[e][s];
      lines.push(lineOf(engine, setting, recall, all, base));
    }
  }
  return lines;
}
