// What lives in `.toolchain`: the library sources that are compiled into the core, Emscripten,
// and `.toolchain/bin/em*`, wrappers that run whichever Emscripten was chosen.

import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requirements, emscriptenRequirements } from './requirements.mjs';
import { ScriptError, capture, root, run, which } from './run.mjs';

const toolchain = join(root, '.toolchain');

/** Unmodified upstream sources, by Debian source package. `probe` is a file of each. */
export const libraries = [
  { name: 'croaring', target: 'croaring/bookworm', version: '0.2.66', probe: 'src/roaring.c' },
  { name: 'zstd', target: 'libzstd/bookworm', version: '1.5.4', probe: 'lib/zstd.h' },
  { name: 'yyjson', target: 'yyjson/trixie', version: '0.10.0', probe: 'src/yyjson.c' },
  // For tests of another architecture than the machine's.
  { name: 'cmocka', target: 'cmocka/bookworm', version: '1.1.5', probe: 'src/cmocka.c' },
];

const emscriptenTarget = 'emscripten/trixie';
const emscriptenMinimum = [3, 1, 60];
const emscriptenTools = ['emcc', 'emar', 'emranlib'];
const ownEmscripten = join(toolchain, 'emscripten', 'usr', 'share', 'emscripten');

// 1.3 GB that a single-threaded C module never links.
const emscriptenExcludes = [
  'test',
  'docs',
  'ChangeLog.*',
  'libGL*',
  'libwasmfs*',
  '*-mt*.a',
  '*-ww*.a',
];

const libraryFolder = (library) => join(toolchain, 'src', library.name);

export const libraryIsThere = (library) => existsSync(join(libraryFolder(library), library.probe));

/** Fetches one library's source archive and unpacks it in `.toolchain/src/<name>`. */
export function fetchLibrary(library, sources) {
  console.log(`setup: fetching ${library.name} ${library.version}`);
  const folder = sources.downloadSource(library.target);
  const [name] = library.target.split('/');
  const archive = readdirSync(folder).find(
    (file) => file.startsWith(`${name}_${library.version}`) && file.includes('.orig.tar.'),
  );
  if (!archive) {
    throw new ScriptError(`${library.target} is no longer version ${library.version}.`);
  }
  const into = libraryFolder(library);
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  run('tar', ['-xf', join(folder, archive), '--strip-components=1', '-C', into]);
}

/** The folder of an Emscripten >= 3.1.60 that the caller's environment offers, or null. */
export function offeredEmscripten() {
  const candidates = [
    which('emcc'),
    process.env.EMSDK && join(process.env.EMSDK, 'upstream', 'emscripten', 'emcc'),
  ];
  for (const emcc of candidates) {
    if (!emcc || !existsSync(emcc)) continue;
    const version = /\b(\d+)\.(\d+)\.(\d+)\b/.exec(capture(emcc, ['--version']) ?? '');
    if (version && isAtLeast(version.slice(1).map(Number), emscriptenMinimum)) {
      return join(emcc, '..');
    }
  }
  return null;
}

function isAtLeast(version, minimum) {
  for (let i = 0; i < minimum.length; i++) {
    if (version[i] !== minimum[i]) return version[i] > minimum[i];
  }
  return true;
}

const wrapper = (tool) => join(toolchain, 'bin', tool);

export const emscriptenIsThere = () => emscriptenTools.every((tool) => existsSync(wrapper(tool)));

/** Downloads Emscripten where none is offered, and writes the wrappers. */
export function prepareEmscripten(offered, sources) {
  let env = '';
  if (!offered) {
    if (!existsSync(join(ownEmscripten, 'emcc.py'))) fetchEmscripten(sources);
    const config = join(toolchain, 'emscripten.config');
    writeFileSync(
      config,
      [
        `LLVM_ROOT = '/usr/lib/llvm-19/bin'`,
        `BINARYEN_ROOT = '${join(root, 'node_modules', 'binaryen')}'`,
        `NODE_JS = '${process.execPath}'`,
        `CACHE = '${join(ownEmscripten, 'cache')}'`,
        `FROZEN_CACHE = False`,
        '',
      ].join('\n'),
    );
    env = `EM_CONFIG='${config}'\nexport EM_CONFIG\n`;
  }
  mkdirSync(join(toolchain, 'bin'), { recursive: true });
  for (const tool of emscriptenTools) {
    const program = join(offered ?? ownEmscripten, tool);
    writeFileSync(wrapper(tool), `#!/bin/sh\n${env}exec '${program}' "$@"\n`);
    chmodSync(wrapper(tool), 0o755);
  }
}

function fetchEmscripten(sources) {
  console.log('setup: fetching Emscripten (237 MB)');
  const folder = sources.downloadBinary(emscriptenTarget);
  const packageFile = readdirSync(folder).find((file) => /^emscripten_.*\.deb$/.test(file));
  const into = join(toolchain, 'emscripten');
  rmSync(into, { recursive: true, force: true });
  mkdirSync(into, { recursive: true });
  const excludes = emscriptenExcludes.map((name) => `--exclude='${name}'`).join(' ');
  const pipeline = `set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" ${excludes}`;
  run('bash', ['-c', pipeline, 'unpack', join(folder, packageFile), into]);
  rmSync(join(folder, packageFile));
}

/** What the system must offer for `groups`, beside our own copies of things. */
export function systemRequirements(groups, offered) {
  const all = offered ? requirements : [...requirements, ...emscriptenRequirements];
  return all.filter((requirement) => groups.includes(requirement.group));
}
