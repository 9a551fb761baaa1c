#!/usr/bin/env node
// Sets up everything that building and testing needs: system packages (where it may), node
// packages, the library sources and Emscripten. Idempotent; well under a second when nothing is
// missing. Everything but system packages goes into ignored folders: `.toolchain`, `node_modules`
// and `tests/runtimes/node_modules`.
//
//   node scripts/setup.mjs           for building and testing
//   node scripts/setup.mjs --build   for building alone (no browser, no other runtimes, no
//                                    sanitizers' runtime)

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PrivateSources, install } from './lib/apt.mjs';
import { withLock } from './lib/lock.mjs';
import { main, root, run } from './lib/run.mjs';
import {
  emscriptenIsThere,
  fetchLibrary,
  libraries,
  libraryIsThere,
  offeredEmscripten,
  prepareEmscripten,
  systemRequirements,
} from './lib/toolchain.mjs';

const toolchain = join(root, '.toolchain');
const stampFile = join(toolchain, 'stamp.json');

/** Where node packages are installed, each for a group; `name` is what a message says. */
const packageFolders = [
  { folder: root, group: 'build', name: 'node packages' },
  {
    folder: join(root, 'tests', 'runtimes'),
    group: 'test',
    name: 'Deno, Bun and workerd',
  },
];
const lockFile = (folder) => join(folder, 'package-lock.json');
const packagesAreThere = ({ folder }) =>
  existsSync(join(folder, 'node_modules', '.package-lock.json'));

/** A hash of all that decides what set-up does: these scripts, the lock file, the environment. */
function inputsHash() {
  const hash = createHash('sha256');
  const lib = join(root, 'scripts', 'lib');
  const files = readdirSync(lib)
    .sort()
    .map((name) => join(lib, name));
  for (const file of [join(root, 'scripts', 'setup.mjs'), ...files])
    hash.update(readFileSync(file));
  for (const { folder } of packageFolders) hash.update(readFileSync(lockFile(folder)));
  hash.update([root, process.execPath, process.env.EMSDK ?? ''].join('\n'));
  return hash.digest('hex');
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

/** True when the stamp is current and the things it stands for still exist. */
function isComplete(stamp, hash, groups) {
  return (
    stamp.inputs === hash &&
    groups.every((group) => stamp.groups?.includes(group)) &&
    packageFolders.every((entry) => !groups.includes(entry.group) || packagesAreThere(entry)) &&
    libraries.every(libraryIsThere) &&
    emscriptenIsThere() &&
    systemRequirements(groups, stamp.emscriptenIsOffered).every(({ quick, there }) =>
      (quick ?? there)(),
    )
  );
}

function setUp(stamp, hash, groups) {
  const offered = offeredEmscripten();
  const missing = systemRequirements(groups, offered).filter(({ there }) => !there());
  if (missing.length > 0) install(missing.map((requirement) => requirement.package));

  const locks = { ...stamp.locks };
  for (const entry of packageFolders) {
    if (!groups.includes(entry.group)) continue;
    const lock = createHash('sha256')
      .update(readFileSync(lockFile(entry.folder)))
      .digest('hex');
    if (packagesAreThere(entry) && locks[entry.group] === lock) continue;
    console.log(`setup: installing ${entry.name}`);
    // What the packages of the runtimes would run only puts their programs at other places.
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
    const scripts = entry.group === 'test' ? ['--ignore-scripts'] : [];
    run('npm', ['ci', ...quiet, ...scripts], { cwd: entry.folder });
    locks[entry.group] = lock;
  }

  const sources = new PrivateSources();
  for (const library of libraries) {
    const isCurrent = stamp.libraries?.[library.name] === library.version;
    if (!isCurrent || !libraryIsThere(library)) fetchLibrary(library, sources);
  }
  prepareEmscripten(offered, sources);

  const versions = Object.fromEntries(libraries.map(({ name, version }) => [name, version]));
  const isSame = stamp.inputs === hash;
  writeFileSync(
    stampFile,
    JSON.stringify({
      inputs: hash,
      locks,
      groups: [...new Set([...groups, ...(isSame ? (stamp.groups ?? []) : [])])],
      libraries: versions,
      emscriptenIsOffered: offered !== null,
    }),
  );
}

await main(() => {
  const started = performance.now();
  const groups = process.argv.includes('--build') ? ['build'] : ['build', 'test'];
  const hash = inputsHash();
  const seconds = () => ((performance.now() - started) / 1000).toFixed(2);
  if (isComplete(readStamp(), hash, groups)) {
    console.log(`setup: nothing missing (${seconds()} s)`);
    return;
  }
  mkdirSync(toolchain, { recursive: true });
  withLock(join(toolchain, 'setup.lock'), () => {
    const stamp = readStamp();
    if (isComplete(stamp, hash, groups)) return;
    rmSync(stampFile, { force: true });
    setUp(stamp, hash, groups);
  });
  console.log(`setup: done (${seconds()} s)`);
});
