// What Veer is measured against: hnswlib's headers from Debian, JavaScript packages from npm.
// Nothing of it is part of Veer's own set-up.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PrivateSources } from '../../scripts/lib/apt.mjs';
import { at } from '../../scripts/lib/build.mjs';
import { ScriptError, run, runQuietly } from '../../scripts/lib/run.mjs';

const hnswlib = { target: 'libhnswlib-dev/trixie', version: '0.8.0' };
const folder = at('.toolchain', 'peers', 'hnswlib');

export function prepareHnswlib() {
  if (existsSync(join(folder, 'usr', 'include', 'hnswlib', 'hnswlib.h'))) return;
  console.log(`bench: fetching hnswlib ${hnswlib.version}`);
  const files = new PrivateSources().downloadBinary(hnswlib.target);
  const name = readdirSync(files).find((file) =>
    file.startsWith(`libhnswlib-dev_${hnswlib.version}`),
  );
  if (!name) throw new ScriptError(`${hnswlib.target} is no longer version ${hnswlib.version}.`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  run('dpkg-deb', ['-x', join(files, name), folder]);
}

/**
 * Installs the packages of bench/package.json; the optional ones may be missing afterwards. Not by
 * `npm ci`, which wants every platform's package of zvec to be there.
 */
export function preparePackages() {
  const lock = readFileSync(at('bench', 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex');
  const stamp = at('bench', 'node_modules', '.stamp');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  console.log('bench: installing node packages of the peers');
  const quietly = ['--no-audit', '--no-fund', '--loglevel=error'];
  runQuietly('npm', ['install', '--no-save', ...quietly], { cwd: at('bench') });
  writeFileSync(stamp, digest);
}

/** Builds the native programs in build/bench, and returns the path of one by its name. */
export function buildNative() {
  const build = at('build', 'bench');
  if (!existsSync(join(build, 'build.ninja'))) {
    runQuietly('cmake', ['-S', at('bench'), '-B', build, '-G', 'Ninja']);
  }
  runQuietly('cmake', ['--build', build]);
  return (name) => join(build, name);
}

/** Builds the kernels as modules of their own; returns the path of a tier's. */
export function buildWasmKernels() {
  const build = at('build', 'bench-wasm');
  if (!existsSync(join(build, 'build.ninja'))) {
    const toolchain = `-DCMAKE_TOOLCHAIN_FILE=${at('cmake', 'wasm.cmake')}`;
    runQuietly('cmake', ['-S', at('bench'), '-B', build, '-G', 'Ninja', toolchain]);
  }
  runQuietly('cmake', ['--build', build]);
  return (tier) => join(build, `kernel_rates_${tier}.wasm`);
}
