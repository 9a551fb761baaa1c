// Reading the project's files for the lint tests.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFiles } from '../../scripts/lib/files.mjs';
import { root } from '../../scripts/lib/run.mjs';

export { root };
export const files = projectFiles();
export const read = (file) => readFileSync(join(root, file), 'utf8');

/** C or script source without comments, and with the contents of strings removed, lines kept. */
export function withoutComments(source, { keepStrings = false } = {}) {
  const token = /\/\*[^]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g;
  return source.replace(token, (text) => {
    if (text.startsWith('/')) return text.replace(/[^\n]/g, ' ');
    return keepStrings ? text : text[0] + text.at(-1);
  });
}

/** Fails with the findings, one a line, where there are any. */
export function assertNone(findings, hint = '') {
  const message = [...findings, hint].filter(Boolean).join('\n');
  assert.ok(findings.length === 0, message);
}

/** Fails with what one list has and the other has not; order does not count. */
export function assertSameNames(actual, expected) {
  const missing = expected.filter((name) => !actual.includes(name));
  const extra = actual.filter((name) => !expected.includes(name));
  assertNone([
    ...missing.map((name) => `missing: ${name}`),
    ...extra.map((name) => `extra: ${name}`),
  ]);
}

/** Every match of a pattern as `file:line: text`, for messages. */
export function findLines(file, text, pattern) {
  return text
    .split('\n')
    .flatMap((line, i) => (pattern.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : []));
}

/** The room of a source file: `storage` for src/storage/wal.c, `wasm` for wasm/shim.c, or null. */
export function roomOf(file) {
  return /^src\/([^/]+)\/[^/]/.exec(file)?.[1] ?? (file.startsWith('wasm/') ? 'wasm' : null);
}

/** Lines of a list file without comments and blanks. */
export function listed(file) {
  const lines = read(file)
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim());
  return lines.filter(Boolean);
}
