// The tree itself: sizes, names, source lists, and what must not be in a tracked file.

import { basename, dirname, extname } from 'node:path';
import { test } from 'node:test';
import { isC } from '../../scripts/lib/files.mjs';
import { capture } from '../../scripts/lib/run.mjs';
import { assertNone, files, findLines, read } from './source.mjs';

const lineLimits = { '.c': 800, '.h': 800, '.ts': 500, '.mjs': 500 };

/** Files with text that people write; generated and binary ones are left out. */
const isText = (file) =>
  /\.(c|h|ts|mjs|js|md|json|txt|cmake|in|html|css|yml|map)$|^\.\w|\/run$|\/setup$/.test(file) &&
  basename(file) !== 'package-lock.json' &&
  !/^(demo\/data|tests\/(golden|fuzz\/corpus))\//.test(file);
const texts = files.filter(isText);

/** Lines of the project's texts that match, but for the files that `except` accepts. */
const mentions = (pattern, except = () => false) =>
  texts.filter((file) => !except(file)).flatMap((file) => findLines(file, read(file), pattern));

const isThisFile = (file) => file === 'tests/lint/files.test.mjs';

test('no source file outgrows its limit', () => {
  const wrong = files.flatMap((file) => {
    const limit = lineLimits[extname(file)];
    if (!limit || file.endsWith('.d.ts')) return [];
    const lines = read(file).split('\n').length - 1;
    return lines > limit ? [`${file}: ${lines} lines, the limit is ${limit}`] : [];
  });
  assertNone(wrong);
});

test('C file names are unique in the whole tree and in lower snake case', () => {
  const seen = new Map();
  const wrong = [];
  for (const file of files.filter(isC)) {
    const name = basename(file);
    if (seen.has(name)) wrong.push(`${file} and ${seen.get(name)}`);
    if (!/^[a-z0-9_]+\.[ch]$/.test(name)) wrong.push(file);
    seen.set(name, file);
  }
  assertNone(wrong);
});

test('every C file is in a source list: its room’s, or one of the tests’', () => {
  const listed = (accept) =>
    files
      .filter((file) => basename(file) === 'CMakeLists.txt' && accept(dirname(file)))
      .flatMap(
        (file) =>
          read(file)
            .replace(/#.*/g, '')
            .match(/[\w./-]+\.c\b/g) ?? [],
      )
      .map((path) => basename(path));
  const isListed = (file) => {
    const folder = dirname(file);
    const isTest = file.startsWith('tests/');
    return listed((list) => (isTest ? /^tests\b/.test(list) : list === folder)).includes(
      basename(file),
    );
  };
  const sources = files.filter((file) => /^(src|wasm|tests)\/.*\.c$/.test(file));
  assertNone(sources.filter((file) => !isListed(file)));
});

test('there is no globbing in the source lists', () => {
  const lists = files.filter((file) => /CMakeLists\.txt$|\.cmake$/.test(file));
  const wrong = lists.flatMap((file) => findLines(file, read(file), /\bGLOB(_RECURSE)?\b/i));
  assertNone(wrong);
});

test('nothing is left to do later', () => {
  assertNone(mentions(/\b(TODO|FIXME|XXX)\b/, isThisFile));
});

test('no path of one machine', () => {
  assertNone(mentions(/(?<![\w.*)}$@:-])\/(work|root|home|tmp)\//, isThisFile));
});

test('no host of a package archive or registry', () => {
  const hosts = /\b(deb|ftp|security|snapshot|archive)\.(debian|ubuntu)\.\w+|\bregistry\.\w+\.\w+/i;
  const names = ['package-lock.json', '.npmrc'].filter((file) => files.includes(file));
  const locked = names.flatMap((file) => findLines(file, read(file), /"resolved"|registry/));
  assertNone([...mentions(hosts, isThisFile), ...locked]);
});

test('only bench/ looks beside the checkout', () => {
  const mayLook = (file) => file.startsWith('bench/') || isThisFile(file);
  assertNone(mentions(/\.\.\/shared\b/, mayLook));
});

test('no build output is tracked', () => {
  const tracked = (capture('git', ['ls-files', '-z']) ?? '').split('\0').filter(Boolean);
  const isOutput = (file) =>
    /^(build|dist|\.toolchain)\/|(^|\/)node_modules\/|\.(o|obj|a|so|wasm|tgz|tsbuildinfo)$/.test(
      file,
    );
  assertNone(tracked.filter(isOutput));
});
