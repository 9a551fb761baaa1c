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

test('veer.wasm keeps its size budget', { skip }, (t) => {
  const bytes = readFileSync(path);
  const compressed = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_LGWIN]: 24,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  t.diagnostic(`veer.wasm: ${bytes.length} bytes, ${compressed.length} after brotli`);
  assert.ok(
    compressed.length <= sizeBudget,
    `${compressed.length} bytes after brotli, the budget is ${sizeBudget}`,
  );
});
