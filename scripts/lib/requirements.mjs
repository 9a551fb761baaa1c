// The programs and libraries that a checkout needs from the system, and how to see whether they
// are there. `group` is 'build' for what `npm start` and `npm run build` need and 'test' for what
// only `npm test` needs on top of it.

import { existsSync, readdirSync } from 'node:fs';
import { capture, which } from './run.mjs';

const onPath = (program) => () => which(program) !== null;
const file = (path) => () => existsSync(path);

/** CMake is there and at least 3.25, the first version with the presets that we use. */
function cmakeIsRecent() {
  const version = /cmake version (\d+)\.(\d+)/.exec(capture('cmake', ['--version']) ?? '');
  return version !== null && Number(version[1]) * 1000 + Number(version[2]) >= 3025;
}

/** The runtime of -fsanitize=fuzzer that belongs to the `clang` on the PATH. */
function fuzzerRuntimeIsThere() {
  const folder = capture('clang', ['-print-runtime-dir'])?.trim();
  const candidates = [folder, folder?.replace(/\/[^/]*$/, '/linux')];
  return candidates.some(
    (path) =>
      path &&
      existsSync(path) &&
      readdirSync(path).some((name) => name.startsWith('libclang_rt.fuzzer')),
  );
}

/**
 * One entry a Debian package: `there` must be cheap, it runs whenever set-up has anything to do;
 * `quick` is what the fast path looks at (default: `there`).
 */
export const requirements = [
  { package: 'cmake', group: 'build', there: cmakeIsRecent, quick: onPath('cmake') },
  { package: 'ninja-build', group: 'build', there: onPath('ninja') },
  { package: 'gcc', group: 'build', there: onPath('gcc') },
  { package: 'libc6-dev', group: 'build', there: file('/usr/include/stdlib.h') },
  { package: 'pkg-config', group: 'build', there: onPath('pkg-config') },
  { package: 'git', group: 'build', there: onPath('git') },
  { package: 'make', group: 'build', there: onPath('make') },
  { package: 'python3', group: 'build', there: onPath('python3') },
  { package: 'xz-utils', group: 'build', there: onPath('xz') },
  { package: 'clang', group: 'test', there: onPath('clang') },
  { package: 'clang-format', group: 'test', there: onPath('clang-format') },
  {
    package: 'libclang-rt-14-dev',
    group: 'test',
    there: fuzzerRuntimeIsThere,
    quick: onPath('clang'),
  },
  { package: 'libcmocka-dev', group: 'build', there: file('/usr/include/cmocka.h') },
  { package: 'gcc-aarch64-linux-gnu', group: 'test', there: onPath('aarch64-linux-gnu-gcc') },
  {
    package: 'libc6-dev-arm64-cross',
    group: 'test',
    there: file('/usr/aarch64-linux-gnu/include/stdlib.h'),
  },
  { package: 'qemu-user', group: 'test', there: onPath('qemu-aarch64') },
  { package: 'chromium', group: 'test', there: onPath('chromium') },
  { package: 'firefox-esr', group: 'test', there: onPath('firefox-esr') },
  { package: 'fonts-dejavu-core', group: 'test', there: file('/usr/share/fonts/truetype') },
];

/** Emscripten's LLVM; needed only where our own copy of Emscripten is used. */
export const emscriptenRequirements = [
  { package: 'clang-19', group: 'build', there: file('/usr/lib/llvm-19/bin/clang') },
  { package: 'lld-19', group: 'build', there: file('/usr/lib/llvm-19/bin/wasm-ld') },
  { package: 'llvm-19', group: 'build', there: file('/usr/lib/llvm-19/bin/llvm-ar') },
];
