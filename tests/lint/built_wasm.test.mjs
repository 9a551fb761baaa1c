// veer.wasm against its lists: exports, imports, size. Skipped while it is not built.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync, constants } from 'node:zlib';
import { assertNone, assertSameNames, listed, root } from './source.mjs';

const path = join(root, 'build', 'wasm', 'veer.wasm');
const skip = existsSync(path) ? false : 'not built';

// What a page downloads before its first search; dependencies are inside.
const sizeBudget = 150 * 1024;

// What a standalone module exports by itself.
const runtimeExports = [
  '__indirect_function_table',
  '_emscripten_stack_restore',
  '_initialize',
  'emscripten_stack_get_current',
  'memory',
];

const module = () => new WebAssembly.Module(readFileSync(path));

test('veer.wasm exports what exports.txt lists', { skip }, () => {
  const exported = WebAssembly.Module.exports(module()).map(({ name }) => name);
  const own = exported.filter((name) => !runtimeExports.includes(name));
  assertSameNames(own, listed('wasm/exports.txt'));
});

test('veer.wasm imports nothing that imports.txt does not allow', { skip }, () => {
  const allowed = listed('wasm/imports.txt');
  const imported = WebAssembly.Module.imports(module());
  const wrong = imported.filter(
    (entry) => !allowed.includes(`${entry.module}.${entry.name}`) && !allowed.includes(entry.name),
  );
  assertNone(wrong);
});

/** Its size as a server sends it. */
function compressedBytes(bytes) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return brotliCompressSync(bytes, { params }).length;
}

test('veer.wasm keeps its size budget', { skip }, (t) => {
  const bytes = readFileSync(path);
  const compressed = compressedBytes(bytes);
  t.diagnostic(`veer.wasm: ${bytes.length} bytes, ${compressed} after brotli`);
  assert.ok(
    compressed <= sizeBudget,
    `${compressed} bytes after brotli, the budget is ${sizeBudget}`,
  );
});

test('README.md says its size, to a twentieth', { skip }, () => {
  const bytes = readFileSync(path);
  const [, mega, kilo] = /`veer\.wasm` is ([\d.]+) MB, about (\d+) KB after brotli/.exec(
    readFileSync(join(root, 'README.md'), 'utf8'),
  );
  const isNear = (said, actual) => Math.abs(said / actual - 1) <= 0.05;
  const told = `${bytes.length} bytes, ${compressedBytes(bytes)} after brotli`;
  assert.ok(isNear(kilo * 1000, compressedBytes(bytes)), told);
  assert.equal(Number(mega), Math.round(bytes.length / 1e5) / 10, told);
});
