// What the tests of the command line share: running the built binary, making files, true neighbours.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { distances } from '../support/distances.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The binary under test: VEER_CLI, or the release build's. */
export const binary = resolve(root, process.env.VEER_CLI ?? 'build/veer');

/** Runs veer; returns {status, signal, stdout, stderr}. */
export function run(args, { input, env = {} } = {}) {
  const result = spawnSync(binary, args, {
    encoding: 'utf8',
    input,
    env: { ...process.env, NO_COLOR: '', TERM: 'xterm', ...env },
    maxBuffer: 256 << 20,
  });
  // A command that fails early leaves input unread: EPIPE is no error of the test.
  if (result.error && result.error.code !== 'EPIPE') throw result.error;
  return result;
}

/** Runs veer, which must succeed in silence on standard error; returns standard output. */
export function ok(args, options) {
  const { status, stdout, stderr } = run(args, options);
  assert.equal(status, 0, `veer ${args.join(' ')}\n${stderr}`);
  assert.equal(stderr, '', `veer ${args.join(' ')}`);
  return stdout;
}

/** The same for a command that prints one JSON value. */
export const okJson = (args, options) => JSON.parse(ok(args, options));

/** The same for JSON lines. */
export const okLines = (args, options) =>
  ok(args, options)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** Runs veer, which must fail with the code's name in brackets and a message that matches. */
export function fails(args, code, message, options) {
  const { status, stderr, stdout } = run(args, options);
  assert.equal(status, 1, `veer ${args.join(' ')}\n${stdout}${stderr}`);
  assert.ok(stderr.startsWith(`veer: ${args[0]}: `), stderr);
  assert.ok(stderr.split('\n')[0].endsWith(` [${code}]`), `expected [${code}]: ${stderr}`);
  assert.match(stderr, message);
  return { stdout, stderr };
}

/** Runs veer with a command line that makes no sense. */
export function misused(args, message) {
  const { status, stderr, stdout } = run(args);
  assert.equal(status, 2, `veer ${args.join(' ')}\n${stdout}${stderr}`);
  assert.equal(stdout, '');
  assert.match(stderr, message);
  assert.match(stderr, /see: veer .*--help/);
}

/** A folder for one test, removed after it. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'veer-cli-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return {
    path: (name) => join(path, name),
    write(name, data) {
      writeFileSync(join(path, name), data);
      return join(path, name);
    },
  };
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

/** `rows` vectors of float32 values in [-1, 1). */
export function randomVectors(rows, dims, seed) {
  const next = random(seed);
  return Array.from({ length: rows }, () =>
    Float32Array.from({ length: dims }, () => next() * 2 - 1),
  );
}

const int32 = (value) => Buffer.from(Int32Array.of(value).buffer);
const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const rowsFile = (rows, Type) =>
  Buffer.concat(rows.flatMap((row) => [int32(row.length), bytesOf(Type.from(row))]));

export const fvecs = (rows) => rowsFile(rows, Float32Array);
export const bvecs = (rows) => rowsFile(rows, Uint8Array);
export const ivecs = (rows) => rowsFile(rows, Int32Array);

/** A .npy file; `order` and `shape` are Python texts. */
export function npy(descr, shape, data, { version = 1, order = 'False' } = {}) {
  const text = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;
  const start = version === 1 ? 10 : 12;
  const padding = 64 - ((start + text.length + 1) % 64);
  const header = Buffer.from(`${text}${' '.repeat(padding)}\n`, 'latin1');
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0]);
  return Buffer.concat([magic, length, header, data]);
}

/** All values of the rows as little-endian bytes of a typed array. */
export const packed = (rows, Type) => bytesOf(Type.from(rows.flatMap((row) => [...row])));

/** Row numbers of the k nearest, nearest first; ties by row. */
export function nearest(vectors, query, k, metric, accept = () => true) {
  return vectors
    .map((vector, row) => ({ row, distance: distances[metric](vector, query) }))
    .filter(({ row }) => accept(row))
    .sort((a, b) => a.distance - b.distance || a.row - b.row)
    .slice(0, k);
}
