// get, delete, count and export; collections; what a missing or foreign database is answered with.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { fails, folder, misused, ok, okJson, okLines, run } from './harness.mjs';

function database(t, count = 100) {
  const files = folder(t);
  const db = files.path('db');
  const schema =
    '{"fields":{"vector":{"type":"vector","dims":2,"metric":"l2"},"n":{"type":"number"}}}';
  ok(['create', db, '--schema', files.write('schema.json', schema)]);
  const input = Array.from(
    { length: count },
    (_, n) => `{"id":"d${n}","n":${n},"vector":[${n},1]}\n`,
  );
  ok(['import', db, '-'], { input: input.join('') });
  return { ...files, db };
}

test('create: an empty collection, a second one, never over an existing one', (t) => {
  const { path, write } = folder(t);
  const db = path('db');
  assert.match(ok(['create', db, '--dims', '3']), /collection "documents" is ready/);
  assert.equal(ok(['count', db]), '0\n');
  fails(['create', db, '--dims', '3'], 'EXISTS', /has a collection "documents" already/);
  fails(['create', db, '--dims', '4'], 'EXISTS', /documents/);
  const schema = okJson([
    'create',
    db,
    '--dims',
    '5',
    '-c',
    'more',
    '-f',
    'v',
    '-m',
    'dot',
    '--json',
  ]);
  assert.equal(schema.fields.v.dims, 5);
  assert.equal(schema.fields.v.metric, 'dot');
  assert.equal(schema.fields.v.storage, undefined);
  misused(['count', db], /2 collections, say which: --collection documents, more/);
  assert.equal(ok(['count', db, '--collection', 'more']), '0\n');
  const listed = okJson(['info', db, '--json']).collections.map(({ name }) => name);
  assert.deepEqual(listed, ['documents', 'more']);
  const fields = '{"fields":{"v":{"type":"vector","dims":0,"metric":"l2"}}}';
  fails(['create', path('b'), '--schema', write('bad.json', fields)], 'SCHEMA', /dims/);
  fails(['create', path('c'), '--schema', write('no.json', '{')], 'SYNTAX', /schema/);
  fails(['create', path('d'), '--schema', path('none.json')], 'NOTFOUND', /none\.json/);
  assert.equal(existsSync(path('d')), false);
  fails(['create', path('e'), '--dims', '2', '--collection', 'a/b'], 'INVALID', /a\/b/);
  misused(['count', db, '--collection', 'x'.repeat(65)], /at most 64 bytes/);
});

test('get: in the order of the ids, missing ones named, what is there printed', (t) => {
  const { db } = database(t);
  assert.deepEqual(
    okLines(['get', db, 'd7', 'd3', 'd99']).map(({ id }) => id),
    ['d7', 'd3', 'd99'],
  );
  assert.deepEqual(okJson(['get', db, 'd5', '--select', 'vector']), { id: 'd5', vector: [5, 1] });
  assert.deepEqual(okJson(['get', db, 'd5']), { id: 'd5', n: 5 });
  const { stdout } = fails(['get', db, 'd1', 'no', 'd2'], 'NOTFOUND', /no document "no"/);
  assert.equal(stdout, '{"id":"d1","n":1}\n{"id":"d2","n":2}\n');
  assert.equal(run(['get', db, 'no']).stdout, '');
  const many = Array.from({ length: 90 }, (_, i) => `d${i}`);
  assert.equal(okLines(['get', db, '-'], { input: many.join('\n') }).length, 90);
});

test('delete by ids, by standard input, by a filter with parameters', (t) => {
  const { db } = database(t);
  assert.equal(ok(['delete', db, 'd0']), '1 document deleted\n');
  assert.equal(ok(['delete', db, 'd0', 'd1', 'no']), '1 document deleted, 2 not found\n');
  assert.deepEqual(okJson(['delete', db, '-', '--json'], { input: 'd2\nd3\n\nno\n' }), {
    deleted: 2,
  });
  const filter = ['--filter', 'n >= ? AND n < ?', '--params', '[10, 30]'];
  assert.equal(ok(['count', db, ...filter]), '20\n');
  assert.equal(ok(['delete', db, ...filter]), '20 documents deleted\n');
  assert.equal(ok(['delete', db, ...filter]), '0 documents deleted\n');
  assert.equal(ok(['count', db]), '76\n');
  fails(['get', db, 'd15'], 'NOTFOUND', /d15/);
  const near = okJson(['search', db, '--vector', '[20,1]', '-k', '2', '--exact', '--json']);
  assert.deepEqual(near.rows.map(({ id }) => id).sort(), ['d30', 'd9']);
  fails(['delete', db, '--filter', 'm = 1'], 'FIELD', /m/);
  assert.equal(ok(['count', db, '--json']), '{"count":76}\n');
});

test('a replaced document is the new one, once', (t) => {
  const { db } = database(t);
  ok(['import', db, '-'], { input: '{"id":"d5","n":-5,"vector":[-5,1]}\n' });
  assert.equal(ok(['count', db]), '100\n');
  assert.deepEqual(okJson(['get', db, 'd5']), { id: 'd5', n: -5 });
  assert.equal(okLines(['export', db]).filter(({ id }) => id === 'd5').length, 1);
});

test('export: filter, select, limit, ids, without vectors', (t) => {
  const { db } = database(t);
  const filtered = okLines(['export', db, '--filter', 'n < 3']);
  assert.deepEqual(
    filtered,
    [0, 1, 2].map((n) => ({ id: `d${n}`, n, vector: [n, 1] })),
  );
  const some = ['export', db, '--filter', 'n IN (4, 5)'];
  assert.equal(ok([...some, '--select', 'n']), '{"id":"d4","n":4}\n{"id":"d5","n":5}\n');
  assert.equal(ok([...some, '--no-vectors']), '{"id":"d4","n":4}\n{"id":"d5","n":5}\n');
  assert.equal(ok([...some, '--format', 'ids']), 'd4\nd5\n');
  assert.equal(okLines(['export', db, '--limit', '7']).length, 7);
  assert.equal(ok(['export', db, '--filter', 'n > 1000']), '');
});

test('export of 3,000 documents crosses pages and segments', (t) => {
  const { db } = database(t, 1500);
  ok(['compact', db]);
  const input = Array.from({ length: 1500 }, (_, i) => `{"id":"e${i}","vector":[1,${i}]}\n`);
  ok(['import', db, '-', '--no-checkpoint'], { input: input.join('') });
  const all = okLines(['export', db]);
  assert.equal(all.length, 3000);
  assert.equal(new Set(all.map(({ id }) => id)).size, 3000);
  for (const { id, n, vector } of all) {
    assert.deepEqual(vector, id[0] === 'd' ? [n, 1] : [1, Number(id.slice(1))]);
  }
});

test('a refused collection leaves no database behind', (t) => {
  const { path, write } = folder(t);
  const db = path('db');
  const schema = write('schema.json', '{"fields": {"v": {"type": "vector", "dims": 0}}}');
  const documents = write('some.jsonl', '{"id": "a"}\n');
  for (const [code, ...args] of [
    ['SCHEMA', 'create', db, '--schema', schema],
    ['INVALID', 'create', db, '--dims', '3', '--collection', 'not a name'],
    ['SCHEMA', 'create', db, '--dims', '3', '--field', 'not a name'],
    ['SCHEMA', 'import', db, documents, '--create', '--schema', schema],
    ['INVALID', 'import', db, documents, '--create', '--dims', '3', '-c', 'not a name'],
  ]) {
    fails(args, code, /./);
    assert.equal(existsSync(db), false, args.join(' '));
  }
});

test('a database that is not there says how to make one', (t) => {
  const { path } = folder(t);
  const commands = [
    ['count', path('db')],
    ['search', path('db'), '--like', 'x'],
    ['export', path('db')],
    ['get', path('db'), 'x'],
    ['delete', path('db'), 'x'],
    ['info', path('db')],
    ['compact', path('db')],
    ['backup', path('db'), path('file')],
  ];
  for (const args of commands) fails(args, 'NOTFOUND', /veer create .*--dims N/);
  fails(['check', path('db')], 'NOTFOUND', /db: there is no database here \[/);
  fails(['create', path('none/db'), '--dims', '3'], 'NOTFOUND', /none\/db: the folder/);
  assert.equal(existsSync(path('db')), false);
});

test('a foreign folder, a foreign file and an empty collection list are named', (t) => {
  const { path, write } = folder(t);
  mkdirSync(path('empty'));
  fails(['count', path('empty')], 'NOTFOUND', /empty/);
  fails(['count', write('text.txt', 'x'.repeat(100_000))], 'FORMAT', /text\.txt|Veer/);
  fails(['check', path('text.txt')], 'FORMAT', /text\.txt|Veer/);
});

test('a permission that is missing is PERMISSION', { skip: process.getuid?.() === 0 }, (t) => {
  const { path } = folder(t);
  mkdirSync(path('locked'), { mode: 0o500 });
  fails(['create', path('locked/db'), '--dims', '2'], 'PERMISSION', /locked/);
});
