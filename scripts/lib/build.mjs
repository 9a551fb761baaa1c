// The parts of the build, each quick when nothing changed: a CMake flavour, and the package.

import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { root, run } from './run.mjs';

export const at = (...names) => join(root, ...names);

/** The build folder of a preset, as CMakePresets.json has it. */
export const presetFolder = (preset) => (preset === 'release' ? at('build') : at('build', preset));

function modifiedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

/** Configures where that is needed and builds a preset; `targets` empty: everything. */
export function buildPreset(preset, targets = []) {
  const folder = presetFolder(preset);
  // CMake notices changes of its own files by itself, of the presets it does not.
  if (modifiedAt(join(folder, 'build.ninja')) < modifiedAt(at('CMakePresets.json'))) {
    run('cmake', ['--preset', preset]);
  }
  const targetArguments = targets.length > 0 ? ['--target', ...targets] : [];
  run('cmake', ['--build', folder, ...targetArguments]);
}

/** All files under a folder, sorted, with their paths from the top of the checkout. */
export function filesUnder(folder, accept = () => true) {
  if (!existsSync(at(folder))) return [];
  return readdirSync(at(folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .filter(accept)
    .sort();
}

/** What the wasm preset builds for the package. */
const wasmModules = ['veer.wasm', 'veer-relaxed.wasm'];

/** Compiles js/ into dist/ and puts the modules beside it. */
export function buildPackage() {
  const sources = filesUnder('js', (file) => file.endsWith('.ts'));
  const inputs = [...sources, 'tsconfig.json', 'package-lock.json'].map((file) => at(file));
  const modules = wasmModules
    .map((name) => join(presetFolder('wasm'), name))
    .filter((path) => existsSync(path));
  inputs.push(...modules);

  const hash = createHash('sha256');
  for (const file of inputs) hash.update(file).update(readFileSync(file));
  const digest = hash.digest('hex');
  const stamp = at('build', 'package.stamp');
  if (existsSync(stamp) && existsSync(at('dist')) && readFileSync(stamp, 'utf8') === digest) return;

  rmSync(stamp, { force: true });
  rmSync(at('dist'), { recursive: true, force: true });
  mkdirSync(at('dist'), { recursive: true });
  if (sources.length > 0) run('node', [at('node_modules', 'typescript', 'bin', 'tsc'), '-p', at()]);
  for (const path of modules) copyFileSync(path, at('dist', basename(path)));
  writeFileSync(stamp, digest);
}
