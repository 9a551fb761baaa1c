// Data sets: real ones from ../shared where that folder is there, generated ones anywhere.

import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { at } from '../../scripts/lib/build.mjs';
import { run } from '../../scripts/lib/run.mjs';

const shared = at('..', 'shared', 'data', 'ann');

const real = {
  'apt-lsa-128': { rows: 60000, dims: 128, metric: 'cosine' },
  'apt-lsa-384': { rows: 16000, dims: 384, metric: 'cosine' },
};

/** Clustered Gaussians (bench/make_vectors.c); the stand-ins have the real sets' shapes. */
const generated = {
  'clusters-60k-128': { rows: 60000, dims: 128, metric: 'cosine', seed: 7 },
  'clusters-16k-384': { rows: 16000, dims: 384, metric: 'cosine', seed: 8 },
  'clusters-100k-128': { rows: 100000, dims: 128, metric: 'l2', seed: 9 },
  'clusters-100k-768': { rows: 100000, dims: 768, metric: 'cosine', seed: 10 },
  'clusters-4k-128': { rows: 4000, dims: 128, metric: 'cosine', seed: 11 },
};

const standIns = { 'apt-lsa-128': 'clusters-60k-128', 'apt-lsa-384': 'clusters-16k-384' };

export const setNames = [...Object.keys(real), ...Object.keys(generated)];

function files(folder, metric) {
  const path = (name) => join(folder, name);
  return {
    base: path('base.fvecs'),
    queries: path('query.fvecs'),
    truth: path(`gt_${metric}.ivecs`),
  };
}

function generate(name, { rows, dims, metric, seed }, program) {
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

/** The set of that name, or, where it is absent, a generated one of its shape; it says so. */
export function dataSet(name, program) {
  if (real[name]) {
    const folder = join(shared, name);
    if (existsSync(folder)) {
      return { name, ...real[name], ...files(folder, real[name].metric) };
    }
    const standIn = standIns[name];
    console.log(`bench: ${name} is absent (${folder}); ${standIn} takes its place`);
    return generate(standIn, generated[standIn], program);
  }
  return generate(name, generated[name], program);
}
