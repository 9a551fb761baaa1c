// Loaded before a test file (`--import`): Node 20 has relaxed SIMD behind a flag that NODE_OPTIONS does
// not take. Newer versions have it anyway.

import { setFlagsFromString } from 'node:v8';

if (Number(process.versions.node.split('.')[0]) < 22) {
  setFlagsFromString('--experimental-wasm-relaxed-simd');
}
