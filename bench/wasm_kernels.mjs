// Times the kernels of bench/kernel_rates.c as WebAssembly; the counterpart of kernel_rates_main.c.
//
//   node wasm_kernels.mjs kernel_rates_<tier>.wasm <tier> ROUNDS DIMS...

import { readFileSync } from 'node:fs';

const [path, tier, roundsText, ...dimsTexts] = process.argv.slice(2);
const rows = 60000;
const cachedRows = 2000;
const rounds = Number(roundsText);

const module = new WebAssembly.Module(readFileSync(path));
const imports = {};
for (const { module: from, name } of WebAssembly.Module.imports(module)) {
  // Standard output and growth reports of a standalone module: not used here.
  (imports[from] ??= {})[name] = () => 0;
}
const { exports } = new WebAssembly.Instance(module, imports);
exports._initialize?.();

/** Milliseconds of CPU that `body` takes; the clock of the thread has microseconds. */
function milliseconds(body) {
  const before = process.cpuUsage();
  body();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

for (const dims of dimsTexts.map(Number)) {
  const rates = exports.rates_new(0, dims, rows);
  if (rates === 0) throw new Error(`no memory for ${rows} rows of ${dims} dimensions`);
  const line = {
    engine: 'veer-kernels',
    setting: `${tier} in Node`,
    tier,
    rows,
    dims,
    code_bytes: dims / 8 + 12,
    f32_ns_rounds: [],
    codes_ns_rounds: [],
    codes_cached_ns_rounds: [],
    read_gb_rounds: [],
  };
  for (let round = -2; round < rounds; round++) {
    const f32 = milliseconds(() => exports.rates_f32(rates));
    const codes = milliseconds(() => exports.rates_codes(rates, rows, 10));
    const cached = milliseconds(() => exports.rates_codes(rates, cachedRows, 300));
    const read = milliseconds(() => exports.rates_read(rates));
    if (round < 0) continue; // the module is being compiled
    line.f32_ns_rounds.push((1e6 * f32) / rows);
    line.codes_ns_rounds.push((1e6 * codes) / (10 * rows));
    line.codes_cached_ns_rounds.push((1e6 * cached) / (300 * cachedRows));
    line.read_gb_rounds.push((rows * dims * 4) / (1e6 * read));
  }
  exports.rates_free(rates);
  console.log(JSON.stringify(line));
}
