// The kernels of WebAssembly by themselves (tests/wasm/kernels_wasm.c).
// budget: 20 s

import './support/relaxed.mjs';

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

/** The exports of a module of the tests; nothing in it calls what it imports. */
function instantiate(tier) {
  const file = new URL(`../../build/wasm/kernels_${tier}.wasm`, import.meta.url);
  const module = new WebAssembly.Module(readFileSync(file));
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = () => assert.fail(name);
  }
  const { exports } = new WebAssembly.Instance(module, imports);
  exports._initialize?.();
  return exports;
}

for (const tier of ['simd128', 'relaxed']) {
  describe(tier, () => {
    test('products with 4-bit codes are plain sums', () => {
      assert.equal(instantiate(tier).wrong_sq4_dots(tier === 'relaxed'), 0);
    });
  });
}
