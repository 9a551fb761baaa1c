// The 1-bit scan beside the f32 scan: native tiers, SIMD128 and relaxed SIMD in Node.

import { at } from '../../scripts/lib/build.mjs';
import { buildWasmKernels } from '../lib/peers.mjs';
import { jsonLines } from '../lib/process.mjs';

const dims = [128, 384, 768];

export function run(bench) {
  const native = jsonLines(bench.program('kernel_rates'), [bench.rounds, ...dims]);
  const module = buildWasmKernels();
  const script = at('bench', 'wasm_kernels.mjs');
  const isOld = Number(process.versions.node.split('.')[0]) < 22;
  const flags = { simd128: [], relaxed: isOld ? ['--experimental-wasm-relaxed-simd'] : [] };
  const inNode = Object.entries(flags).flatMap(([tier, options]) =>
    jsonLines(process.execPath, [...options, script, module(tier), tier, bench.rounds, ...dims]),
  );
  return [...native, ...inNode];
}
