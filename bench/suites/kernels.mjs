// The 1-bit scan beside the f32 scan: native tiers, and SIMD128 in Node.

import { at } from '../../scripts/lib/build.mjs';
import { buildWasmKernels } from '../lib/peers.mjs';
import { jsonLines } from '../lib/process.mjs';

const dims = [128, 384, 768];

export function run(bench) {
  const native = jsonLines(bench.program('kernel_rates'), [bench.rounds, ...dims]);
  const module = buildWasmKernels();
  const script = at('bench', 'wasm_kernels.mjs');
  return [...native, ...jsonLines(process.execPath, [script, module, bench.rounds, ...dims])];
}
