// Times distances to 8-bit and 4-bit codes in WebAssembly (bench/code_rates.c), for people; the
// counterpart of what kernels.c prints natively.
//
//   node [--experimental-wasm-relaxed-simd] wasm_codes.mjs kernel_rates_<tier>.wasm <tier>

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';

const [path, tier] = process.argv.slice(2);
const counts = { '': 400000, ' in cache': 32 };
const kinds = ['8-bit dot', '8-bit l2', '4-bit dot'];
const visits = 16000;
const rounds = 31;

// Loops are measured as the optimising compiler makes them, from the first round on.
setFlagsFromString('--no-liftoff');
const module = new WebAssembly.Module(readFileSync(path));
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  (imports[from] ??= {})[name] = () => 0;
}
const { exports } = new WebAssembly.Instance(module, imports);
exports._initialize?.();

/** Nanoseconds of CPU a distance, of newly drawn nodes. */
function visit(rates, count, kind) {
  exports.code_rates_draw(rates, count);
  const before = process.cpuUsage();
  exports.code_rates_visit(rates, 0, kind);
  const { user, system } = process.cpuUsage(before);
  return (1000 * (user + system)) / visits;
}

for (const dims of [128, 384, 768]) {
  const rates = exports.code_rates_new(dims);
  if (rates === 0) throw new Error(`no memory for codes of ${dims} dimensions`);
  const columns = Object.entries(counts).flatMap(([where, count]) =>
    kinds.map((name, kind) => ({ name: name + where, count, kind, values: [] })),
  );
  for (let round = 0; round < rounds; round++) {
    for (const { count, kind, values } of columns) values.push(visit(rates, count, kind));
  }
  exports.code_rates_free(rates);
  const medians = columns.map(({ name, values }) => {
    values.sort((a, b) => a - b);
    return `  ${name} ${values[rounds >> 1].toFixed(2).padStart(6)} ns`;
  });
  console.log(`${tier.padEnd(8)} ${String(dims).padStart(4)} dims:${medians.join('')}`);
}
