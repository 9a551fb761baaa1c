#!/usr/bin/env node
// Builds everything: build/veer and build/libveer.*, build/wasm/*.wasm, the package in dist/.
// Arguments choose parts of it: native, wasm, package; or `tests`, which is native with its tests,
// or another flavour: asan, tsan, ...

import { buildPackage, buildPreset } from './lib/build.mjs';
import { ScriptError, main, run } from './lib/run.mjs';

const parts = {
  native: () => buildPreset('release', ['veer_cli', 'veer_static', 'veer_shared']),
  wasm: () => buildPreset('wasm'),
  package: buildPackage,
};

const all = Object.keys(parts);
parts.tests = () => buildPreset('release');
for (const preset of ['debug', 'clang', 'asan', 'tsan', 'fuzz', 'coverage', 'neon']) {
  parts[preset] = () => buildPreset(preset);
}

await main(() => {
  const wanted = process.argv.slice(2);
  for (const name of wanted) {
    if (!(name in parts)) {
      throw new ScriptError(`Unknown part "${name}"; there are ${Object.keys(parts).join(', ')}.`);
    }
  }
  run('node', ['scripts/setup.mjs', '--build']);
  for (const name of wanted.length > 0 ? wanted : all) {
    const started = performance.now();
    parts[name]();
    console.log(`build: ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  }
});
