// Data sets: real ones from ../shared where that folder is there, generated ones anywhere.

import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { at } from '../../scripts/lib/build.mjs';
import { run } from '../../scripts/lib/run.mjs';

const shared = at('..', 'shared', 'data', 'ann');

const real = {
  'apt-lsa-128': { rows: 60000, dims: 128, metric: 'cosine' },
  'apt-lsa-384': { rows: 16000, dims: 384, metric: 'cosine' },
  'sift-128': { rows: 14000, dims: 128, metric: 'l2', kind: 'bvecs' },
};

/** Made by a script beside the real sets; the same documents in more rows and dimensions. */
const made = {
  'apt-lsa-60k-384': { rows: 60000, dims: 384, metric: 'cosine' },
  'apt-lsa-60k-768': { rows: 60000, dims: 768, metric: 'cosine' },
};
const script = at('..', 'shared', 'data', 'gen', 'make_lsa.py');

/** Clustered Gaussians (bench/make_vectors.c); the stand-ins have the real sets' shapes. */
const generated = {
  'clusters-60k-128': { rows: 60000, dims: 128, metric: 'cosine', seed: 7 },
  'clusters-16k-384': { rows: 16000, dims: 384, metric: 'cosine', seed: 8 },
  'clusters-100k-128': { rows: 100000, dims: 128, metric: 'l2', seed: 1, short: 's128' },
  'clusters-100k-768': { rows: 100000, dims: 768, metric: 'cosine', seed: 1, short: 's768' },
  'clusters-4k-128': { rows: 4000, dims: 128, metric: 'cosine', seed: 11 },
};

const standIns = { 'apt-lsa-128': 'clusters-60k-128', 'apt-lsa-384': 'clusters-16k-384' };

export const setNames = [...Object.keys(real), ...Object.keys(made), ...Object.keys(generated)];

function files(folder, metric, kind = 'fvecs') {
  const path = (name) => join(folder, name);
  return {
    base: path(`base.${kind}`),
    queries: path(`query.${kind}`),
    truth: path(`gt_${metric}.ivecs`),
  };
}

/** Made in build/, or taken from $VEER_BENCH_SETS where a folder there has its name. */
function generate(name, { rows, dims, metric, seed, short }, program) {
  const ready = [name, short]
    .filter((folder) => folder && process.env.VEER_BENCH_SETS)
    .map((folder) => join(process.env.VEER_BENCH_SETS, folder))
    .find((folder) => existsSync(folder));
  if (ready) return { name, rows, dims, metric, ...files(ready, metric) };
  const folder = at('build', 'bench', 'sets', name);
  if (!existsSync(folder)) {
    console.log(`bench: generating ${name}`);
    rmSync(`${folder}.part`, { recursive: true, force: true });
    mkdirSync(`${folder}.part`, { recursive: true });
    run(program('make_vectors'), [`${folder}.part`, rows, dims, metric, seed, 1000].map(String));
    renameSync(`${folder}.part`, folder);
  }
  return { name, rows, dims, metric, ...files(folder, metric) };
}

/** Taken from $VEER_BENCH_SETS or build/bench/sets; null where it is not there, which it says. */
function ready(name) {
  const { rows, dims, metric } = made[name];
  const home = process.env.VEER_BENCH_SETS ?? at('build', 'bench', 'sets');
  const folder = join(home, name);
  if (existsSync(join(folder, `gt_${metric}.ivecs`))) {
    return { name, rows, dims, metric, ...files(folder, metric) };
  }
  console.log(
    `bench: ${name} is absent (${folder}) and left out; it is made in some minutes by\n` +
      `  python3 ${script} ${dims} ${rows} ${folder}`,
  );
  return null;
}

/**
 * The set of that name, or, where it is absent, a generated one of its shape, or null where that is
 * not there either; it says so.
 */
export function dataSet(name, program) {
  if (made[name]) return ready(name);
  if (!real[name]) return generate(name, generated[name], program);
  const folder = join(shared, name);
  const { rows, dims, metric, kind } = real[name];
  if (existsSync(folder)) return { name, rows, dims, metric, ...files(folder, metric, kind) };
  const standIn = standIns[name];
  console.log(
    `bench: ${name} is absent (${folder}); ${standIn ? `${standIn} takes its place` : 'left out'}`,
  );
  return standIn ? generate(standIn, generated[standIn], program) : null;
}
