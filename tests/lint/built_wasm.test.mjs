// veer.wasm and veer-relaxed.wasm against their lists: exports, imports, instructions, size. Skipped
// while they are not built.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { brotliCompressSync, constants } from 'node:zlib';
import binaryen from 'binaryen';
import { assertNone, assertSameNames, listed, root } from './source.mjs';

const path = (name) => join(root, 'build', 'wasm', name);
const names = ['veer.wasm', 'veer-relaxed.wasm'];
const skip = names.every((name) => existsSync(path(name))) ? false : 'not built';

// What a page downloads before its first search; dependencies are inside.
const sizeBudget = 200 * 1024;

// What a standalone module exports by itself.
const runtimeExports = [
  '__indirect_function_table',
  '_emscripten_stack_restore',
  '_initialize',
  'emscripten_stack_get_current',
  'memory',
];

/** Node 20 does not compile relaxed SIMD, but Binaryen reads it. */
function read(name) {
  const module = binaryen.readBinary(readFileSync(path(name)));
  const text = module.emitText();
  module.dispose();
  return text;
}

for (const name of names) {
  test(
    `${name} exports what exports.txt lists, and imports what imports.txt allows`,
    { skip },
    () => {
      const text = read(name);
      const exported = [...text.matchAll(/^ \(export "([^"]+)"/gm)].map(([, found]) => found);
      const own = exported.filter((found) => !runtimeExports.includes(found));
      assertSameNames(own, listed('wasm/exports.txt'));
      const allowed = listed('wasm/imports.txt');
      const imported = [...text.matchAll(/^ \(import "([^"]+)" "([^"]+)"/gm)];
      assert.ok(imported.length > 0);
      const wrong = imported
        .map(([, module, found]) => ({ module, found }))
        .filter((i) => !allowed.includes(`${i.module}.${i.found}`) && !allowed.includes(i.found));
      assertNone(wrong.map(({ module, found }) => `${module}.${found}`));
    },
  );
}

test(
  'of relaxed operations there is only the one that gives the same bits everywhere',
  { skip },
  () => {
    const relaxed = (name) => new Set(read(name).match(/\b\w+\.relaxed_\w+/g));
    assert.deepEqual([...relaxed('veer.wasm')], []);
    // Indices are nibbles: below 16 every engine must give the same.
    assert.deepEqual([...relaxed('veer-relaxed.wasm')], ['i8x16.relaxed_swizzle']);
  },
);

/** Its size as a server sends it. */
function compressedBytes(bytes) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return brotliCompressSync(bytes, { params }).length;
}

for (const name of names) {
  test(`${name} keeps its size budget`, { skip }, (t) => {
    const bytes = readFileSync(path(name));
    const compressed = compressedBytes(bytes);
    t.diagnostic(`${name}: ${bytes.length} bytes, ${compressed} after brotli`);
    assert.ok(
      compressed <= sizeBudget,
      `${compressed} bytes after brotli, the budget is ${sizeBudget}`,
    );
  });
}

test('README.md says its size, to a twentieth', { skip }, () => {
  const bytes = readFileSync(path('veer.wasm'));
  const [, mega, kilo] = /`veer\.wasm` is ([\d.]+) MB, about (\d+) KB after brotli/.exec(
    readFileSync(join(root, 'README.md'), 'utf8'),
  );
  const isNear = (said, actual) => Math.abs(said / actual - 1) <= 0.05;
  const told = `${bytes.length} bytes, ${compressedBytes(bytes)} after brotli`;
  assert.ok(isNear(kilo * 1000, compressedBytes(bytes)), told);
  assert.equal(Number(mega), Math.round(bytes.length / 1e5) / 10, told);
});
