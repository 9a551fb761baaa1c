// One JSON line a measurement, with everything that is needed to judge it later.

import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { arch, cpus, release, totalmem, type } from 'node:os';
import { capture } from '../../scripts/lib/run.mjs';
import { median } from './curves.mjs';

const cpu = cpus()[0]?.model.trim() ?? 'unknown';
const gigabytes = Math.round(totalmem() / 2 ** 30);

export const machine = `${cpu}, ${cpus().length} cores, ${gigabytes} GiB, ${type()} ${release()} ${arch()}`;
export const compiler = (capture('cc', ['--version']) ?? 'unknown').split('\n')[0];

function commit() {
  const hash = (capture('git', ['rev-parse', '--short', 'HEAD']) ?? 'unknown').trim();
  const changed = (
    capture('git', ['status', '--porcelain', '--', 'src', 'js', 'wasm']) ?? ''
  ).trim();
  return changed ? `${hash} with changes` : hash;
}

const empty = {
  recall: null,
  qps: null,
  qps_wall: null,
  p50_us: null,
  p99_us: null,
  build_s: null,
  searchable_s: null,
  bytes_memory: null,
  bytes_disk: null,
  dims: null,
  rows: null,
  tier: null,
};

/** Collects lines; those of a benchmark that runs again replace its earlier ones. */
export class Record {
  #path;
  #lines;
  #stamp;

  constructor(path, command) {
    this.#path = path;
    this.#lines = readLines(path);
    this.#stamp = { commit: commit(), date: new Date().toISOString().slice(0, 16), machine };
    this.#stamp.compiler = compiler;
    this.#stamp.node = process.version;
    this.#stamp.command = command;
  }

  get lines() {
    return this.#lines;
  }

  /** Replaces what is known of benchmark `bench` on `set`. */
  put(bench, set, measurements) {
    const kept = this.#lines.filter((line) => line.bench !== bench || line.set !== set);
    const added = measurements.map((measured) => ({
      bench,
      set,
      ...empty,
      ...(measured.qps_rounds && { qps: round(median(measured.qps_rounds)) }),
      ...(measured.wall_qps_rounds && { qps_wall: round(median(measured.wall_qps_rounds)) }),
      ...measured,
      ...this.#stamp,
    }));
    this.#lines = [...kept, ...added];
    writeFileSync(this.#path, this.#lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return added;
  }
}

const round = (value) => Number(value.toPrecision(5));

export function readLines(path) {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line)
    .map((line) => JSON.parse(line));
}
