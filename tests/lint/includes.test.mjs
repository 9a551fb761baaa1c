// Every #include and every TypeScript access against the table of who may know whom.

import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { isC, isTypeScript } from '../../scripts/lib/files.mjs';
import { rooms, systemHeaders } from './include_table.mjs';
import { assertNone, files, findLines, read, roomOf, root, withoutComments } from './source.mjs';

const sources = files.filter((file) => isC(file) && roomOf(file) !== null);

/** The includes of a file as {line, name, isQuoted}. */
function includesOf(file) {
  return withoutComments(read(file), { keepStrings: true })
    .split('\n')
    .flatMap((text, i) => {
      const match = /^\s*#\s*include\s*(["<])([^">]+)[">]/.exec(text);
      return match ? [{ line: i + 1, name: match[2], isQuoted: match[1] === '"' }] : [];
    });
}

/** Where a quoted include leads, from the top of the checkout; null where there is no such file. */
function resolveInclude(file, name) {
  const candidates = [join('src', name), normalize(join(dirname(file), name))];
  return candidates.find((path) => existsSync(join(root, path))) ?? null;
}

function mayInclude(room, target) {
  if (target === 'src/veer.h') return true;
  const targetRoom = roomOf(target);
  if (targetRoom === room) return true;
  const header = target.replace(/^src\//, '');
  return (rooms[room] ?? []).some((allowed) => allowed === targetRoom || allowed === header);
}

test('rooms include only what the table allows', () => {
  const wrong = [];
  for (const file of sources) {
    const room = roomOf(file);
    for (const { line, name, isQuoted } of includesOf(file)) {
      if (!isQuoted) continue;
      const target = resolveInclude(file, name);
      if (target === null) wrong.push(`${file}:${line}: there is no "${name}"`);
      else if (!mayInclude(room, target)) {
        wrong.push(`${file}:${line}: ${room} may not include ${target}`);
      }
    }
  }
  assertNone(wrong);
});

test('every room of src/ is in the table', () => {
  const unknown = sources.map(roomOf).filter((room) => !(room in rooms));
  assertNone([...new Set(unknown)]);
});

test('third-party and platform headers stay in their rooms', () => {
  const wrong = [];
  for (const file of sources) {
    for (const { line, name, isQuoted } of includesOf(file)) {
      if (isQuoted && resolveInclude(file, name)) continue;
      const rule = systemHeaders.find(({ pattern }) => pattern.test(name));
      if (rule && !rule.rooms.includes(roomOf(file))) {
        wrong.push(`${file}:${line}: <${name}> is for ${rule.rooms.join(', ')} only`);
      }
    }
  }
  assertNone(wrong);
});

test('src/veer.h includes standard headers only', () => {
  if (!existsSync(join(root, 'src/veer.h'))) return;
  const names = includesOf('src/veer.h').map(({ name }) => name);
  const standard = /^std(int|bool|def|arg)\.h$/;
  assertNone(names.filter((name) => !standard.test(name)));
});

const typescript = files.filter(
  (file) => file.startsWith('js/') && isTypeScript(file) && !file.endsWith('.d.ts'),
);

test('only js/ffi.ts touches the memory of the module', () => {
  const touches = /\bmemory\s*\.\s*buffer\b|\bHEAPU?(8|16|32|F32|F64)\b|Array\(\s*[\w.]*\bmemory\b/;
  const wrong = typescript
    .filter((file) => file !== 'js/ffi.ts')
    .flatMap((file) => findLines(file, withoutComments(read(file)), touches));
  assertNone(wrong);
});

test('TypeScript has named exports only, and no `any` outside js/ffi.ts', () => {
  const wrong = typescript.flatMap((file) => {
    const source = withoutComments(read(file));
    const any = file === 'js/ffi.ts' ? [] : findLines(file, source, /(:|\bas|<|\|)\s*any\b/);
    return [...findLines(file, source, /^\s*export\s+default\b/), ...any];
  });
  assertNone(wrong);
});
