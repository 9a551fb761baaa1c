// The package as a user gets it: packed by npm, installed from the tarball into an empty project
// without a network, imported by its name.
// budget: 20 s

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { root } from '../../scripts/lib/run.mjs';

const project = join(root, 'build', 'package-test');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const npm = (args, cwd) =>
  execFileSync('npm', [...args, '--loglevel=error'], { cwd, encoding: 'utf8' });
const node = (source) =>
  execFileSync('node', ['--input-type=module', '--eval', source], {
    cwd: project,
    encoding: 'utf8',
  });

let packed;

before(() => {
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project, { recursive: true });
  [packed] = JSON.parse(npm(['pack', '--json', '--pack-destination', project], root));
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  npm(['install', '--offline', '--no-audit', '--no-fund', join(project, packed.filename)], project);
});

test('the tarball holds the package and nothing else', () => {
  const allowed = /^(dist|types)\/|^(package\.json|README\.md|LICENSE)$/;
  const wrong = packed.files.map(({ path }) => path).filter((path) => !allowed.test(path));
  assert.deepEqual(wrong, []);
});

test('the package has no dependencies', () => {
  const { dependencies = {}, peerDependencies = {}, optionalDependencies = {} } = manifest;
  assert.deepEqual({ ...dependencies, ...peerDependencies, ...optionalDependencies }, {});
});

test('every entry of the exports map is in the tarball', () => {
  const targets = (entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(targets);
  const paths = new Set(packed.files.map(({ path }) => `./${path}`));
  const missing = targets(manifest.exports).filter((path) => !paths.has(path));
  assert.deepEqual(missing, []);
});

test('the package can be imported by its name', () => {
  const names = node(`console.log(Object.keys(await import('${manifest.name}')).join(' '));`);
  assert.match(names, /\bopen\b/);
});

test('both modules can be resolved and are WebAssembly', () => {
  const told = node(`
    import { readFileSync } from 'node:fs';
    for (const name of ['veer.wasm', 'veer-relaxed.wasm']) {
      const bytes = readFileSync(new URL(import.meta.resolve('${manifest.name}/' + name)));
      console.log(name, bytes.subarray(0, 4).toString('latin1') === '\\0asm', bytes.length > 1e5);
    }
    console.log(WebAssembly.validate(readFileSync(new URL(import.meta.resolve('${manifest.name}/veer.wasm')))));
  `);
  assert.equal(told.trim(), 'veer.wasm true true\nveer-relaxed.wasm true true\ntrue');
});
