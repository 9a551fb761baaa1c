// The built libraries show what veer.h declares, all of it and nothing else. Skipped while they are
// not built.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { capture } from '../../scripts/lib/run.mjs';
import { assertNone, assertSameNames, read, root, withoutComments } from './source.mjs';

const shared = join(root, 'build', 'libveer.so');
const archive = join(root, 'build', 'libveer.a');
const skip = existsSync(shared) && existsSync(archive) ? false : 'not built';

/** The functions and objects that veer.h marks as VEER_API. */
function declaredSymbols() {
  const header = withoutComments(read('src/veer.h')).replace(/^\s*#.*(\\\n.*)*/gm, '');
  const declarations = header.split(';').filter((text) => /\bVEER_API\b/.test(text));
  return declarations.map((text) => /\b(veer_\w+)\s*(\(|\[|$)/.exec(text.trim())?.[1]).sort();
}

/** Symbols of a built file by nm's arguments, as {type, name}. */
function symbols(...args) {
  const lines = capture('nm', ['--format=posix', ...args])
    .trim()
    .split('\n');
  return lines.map((line) => line.split(' ')).map(([name, type]) => ({ name, type }));
}

const defined = (list) =>
  list
    .filter(({ type, name }) => 'TDBRVW'.includes(type) && !name.endsWith(':'))
    .map(({ name }) => name)
    .sort();

test('libveer.so exports exactly the VEER_API symbols of veer.h', { skip }, () => {
  const exported = defined(symbols('--dynamic', '--defined-only', shared));
  assertSameNames(exported, declaredSymbols());
});

test('libveer.a has no other global symbols', { skip }, () => {
  const global = defined(symbols('--extern-only', '--defined-only', archive));
  assertSameNames(global, declaredSymbols());
});

test('libveer.so needs nothing but the C library', { skip }, () => {
  const missing = symbols('--dynamic', '--undefined-only', shared).filter(
    ({ name, type }) => type === 'U' && !name.includes('@'),
  );
  assertNone(missing.map(({ name }) => name));
});
