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

/** Debian's faiss, where the libraries that it needs are there; it is left out otherwise. */
export function prepareFaiss() {
  const home = at('.toolchain', 'peers', 'faiss');
  if (existsSync(join(home, 'usr', 'include', 'faiss'))) return;
  console.log('bench: fetching faiss 1.7.3 (of Debian: compiled for SSE)');
  const files = new PrivateSources().downloadBinary('libfaiss-dev/bookworm');
  const name = readdirSync(files).find((file) => file.startsWith('libfaiss-dev_1.7.3'));
  if (!name) throw new ScriptError('libfaiss-dev/bookworm is no longer version 1.7.3.');
  mkdirSync(home, { recursive: true });
  run('dpkg-deb', ['-x', join(files, name), home]);
}

/**
 * Installs the packages of a folder's package.json; the optional ones may be missing afterwards. Not
 * by `npm ci`, which wants every platform's package of zvec to be there.
 */
export function installPackages(home) {
  const lock = readFileSync(join(home, 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex');
  const stamp = join(home, 'node_modules', '.stamp');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  console.log(`bench: installing node packages of the peers in ${home}`);
  const quietly = ['--no-audit', '--no-fund', '--loglevel=error'];
  runQuietly('npm', ['install', '--no-save', ...quietly], { cwd: home });
  writeFileSync(stamp, digest);
}

/** Builds the native programs in build/bench, and returns the path of one by its name. */
export function buildNative() {
  const build = at('build', 'bench');
  runQuietly('cmake', ['-S', at('bench'), '-B', build, '-G', 'Ninja']);
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
