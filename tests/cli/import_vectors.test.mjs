// Importing fvecs, bvecs and npy: the bits come back, row numbers are ids, hostile files are named.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import {
  bvecs,
  fails,
  folder,
  fvecs,
  misused,
  npy,
  ok,
  okJson,
  okLines,
  packed,
  random,
  randomVectors,
} from './harness.mjs';

/** Vectors by id, as they are exported. */
function exported(db) {
  return new Map(okLines(['export', db]).map(({ id, vector }) => [id, Float32Array.from(vector)]));
}

function assertRows(db, rows) {
  const found = exported(db);
  assert.equal(found.size, rows.length);
  rows.forEach((row, i) =>
    assert.deepEqual(found.get(String(i)), Float32Array.from(row), `row ${i}`),
  );
}

test('fvecs: every bit comes back, ids are row numbers', (t) => {
  const { path, write } = folder(t);
  const rows = randomVectors(1000, 17, 1);
  rows[3].set([1e-45, -0, 3.4028234e38, 1.17549e-38]);
  const file = write('v.fvecs', fvecs(rows));
  const summary = okJson(['import', path('db'), file, '--create', '--metric', 'l2', '--json']);
  assert.equal(summary.rows, 1000);
  assert.equal(summary.complete, true);
  assert.equal(ok(['count', path('db')]), '1000\n');
  const found = exported(path('db'));
  rows.forEach((row, i) => {
    const bits = (floats) => [...new Uint32Array(Float32Array.from(floats).buffer)];
    assert.deepEqual(bits(found.get(String(i))), bits(row));
  });
});

test('--storage f16: rounded values come back, info says it, what is too large is refused', (t) => {
  const { path, write } = folder(t);
  const rows = randomVectors(50, 9, 3);
  rows[0].set([0.1, 1 + 2 ** -11, 65519, 2 ** -25]);
  const create = ['--create', '--metric', 'l2', '--storage', 'f16'];
  ok(['import', path('db'), write('v.fvecs', fvecs(rows)), ...create]);
  const found = exported(path('db'));
  assert.deepEqual([...found.get('0').slice(0, 4)], [0.0999755859375, 1, 65504, 0]);
  rows.forEach((row, i) => {
    const kept = found.get(String(i));
    row.forEach((x, j) => assert.ok(Math.abs(x - kept[j]) <= Math.abs(x) / 2048 + 2 ** -25));
  });
  assert.match(ok(['info', path('db')]), /vector \(vector 9 l2 f16\)/);
  assert.equal(okJson(['check', path('db'), '--json']).ok, true);
  rows[7][2] = -70000;
  const bad = write('bad.fvecs', fvecs(rows));
  fails(['import', path('db'), bad], 'VECTOR', /'vector' holds -70000 at 2; f16 .*65504.*'7'/);
  ok(['create', path('c'), '--dims', '3', '--storage', 'f16']);
  assert.match(ok(['info', path('c')]), /vector 3 cosine f16/);
  fails(['import', path('c'), bad, '--create', '--storage', 'f32'], 'SCHEMA', /dims|storage/);
  misused(['create', path('d'), '--dims', '3', '--storage', 'f8'], /--storage/);
  misused(['create', path('d'), '--schema', bad, '--storage', 'f16'], /--schema says the fields/);
  misused(['import', path('db'), bad, '--storage', 'f16'], /go with --create/);
});

test('--storage bits: zeros and ones come back, nothing else is taken', (t) => {
  const { path, write } = folder(t);
  const next = random(4);
  const rows = Array.from({ length: 60 }, () => Array.from({ length: 13 }, () => (next() * 2) | 0));
  const create = ['--create', '--storage', 'bits'];
  const file = write('v.bvecs', bvecs(rows));
  fails(['import', path('db'), file, ...create], 'SCHEMA', /is bits, .* hamming or jaccard/);
  ok(['import', path('db'), file, ...create, '--metric', 'hamming']);
  assertRows(path('db'), rows);
  assert.match(ok(['info', path('db')]), /vector 13 hamming bits/);
  rows[5][12] = 2;
  const bad = write('bad.bvecs', bvecs(rows));
  fails(['import', path('db'), bad], 'VECTOR', /'vector' holds 2 at 12; bits are 0 or 1.*'5'/);
  const found = okJson([
    'search',
    path('db'),
    '--vector',
    JSON.stringify(rows[7]),
    '-k',
    '1',
    '--json',
  ]);
  assert.deepEqual([found.rows[0].id, found.rows[0].distance], ['7', 0]);
});

test('bvecs and each type of npy become the same float32 values', (t) => {
  const { path, write } = folder(t);
  const next = random(2);
  const bytes = Array.from({ length: 50 }, () =>
    Array.from({ length: 8 }, () => (next() * 256) | 0),
  );
  bytes[0][0] = 255;
  const create = ['--create', '--metric', 'l2'];
  ok(['import', path('b'), write('v.bvecs', bvecs(bytes)), ...create]);
  assertRows(path('b'), bytes);
  ok([
    'import',
    path('u1'),
    write('u1.npy', npy('|u1', '(50, 8)', packed(bytes, Uint8Array))),
    ...create,
  ]);
  assertRows(path('u1'), bytes);
  const signed = bytes.map((row) => row.map((x) => x - 128));
  ok([
    'import',
    path('i1'),
    write('i1.npy', npy('|i1', '(50, 8)', packed(signed, Int8Array))),
    ...create,
  ]);
  assertRows(path('i1'), signed);
  const floats = randomVectors(50, 8, 3);
  for (const version of [1, 2, 3]) {
    const f4 = npy('<f4', '(50, 8)', packed(floats, Float32Array), { version });
    ok(['import', path(`f4-${version}`), write('f4.npy', f4), ...create]);
    assertRows(path(`f4-${version}`), floats);
  }
  ok([
    'import',
    path('f8'),
    write('f8.npy', npy('<f8', '(50, 8,)', packed(floats, Float64Array))),
    ...create,
  ]);
  assertRows(path('f8'), floats);
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x8000, 0x7bff, 0x3555);
  const values = [1, -2, 2 ** -24, -0, 65504, 0.333251953125];
  ok([
    'import',
    path('f2'),
    write('f2.npy', npy('<f2', '(1, 6)', Buffer.from(halves.buffer))),
    ...create,
  ]);
  assertRows(path('f2'), [values]);
});

test('--limit and --batch cut where they say; a second import replaces rows', (t) => {
  const { path, write } = folder(t);
  const rows = randomVectors(100, 4, 4);
  const file = write('v.fvecs', fvecs(rows));
  const create = ['--create', '--metric', 'dot', '--batch', '7'];
  assert.equal(okJson(['import', path('db'), file, ...create, '--limit', '33', '--json']).rows, 33);
  assertRows(path('db'), rows.slice(0, 33));
  ok(['import', path('db'), file, '--batch', '1', '--limit', '40']);
  assertRows(path('db'), rows.slice(0, 40));
  fails(['import', path('db'), file, '--insert'], 'EXISTS', /"?0"?/);
  assertRows(path('db'), rows.slice(0, 40));
});

test('an import reads from a pipe', (t) => {
  const { path } = folder(t);
  const rows = randomVectors(20, 3, 5);
  const args = ['import', path('db'), '-', '--format', 'fvecs', '--create', '--metric', 'l2'];
  ok(args, { input: fvecs(rows) });
  assertRows(path('db'), rows);
});

test('the dimensions of file and field must agree', (t) => {
  const { path, write } = folder(t);
  const file = write('v.fvecs', fvecs(randomVectors(3, 5, 6)));
  ok(['create', path('db'), '--dims', '4']);
  fails(['import', path('db'), file], 'DIMENSION', /v\.fvecs: row 0 has 5 dimensions, .* has 4/);
  fails(['import', path('new'), file, '--create', '--dims', '4'], 'DIMENSION', /row 0 has 5 .* 4/);
  assert.equal(ok(['count', path('db')]), '0\n');
});

test('NaN, infinity and zero vectors under cosine name the row, and their batch changes nothing', (t) => {
  const { path, write } = folder(t);
  for (const [name, value] of [
    ['nan', NaN],
    ['inf', Infinity],
    ['zero', 0],
  ]) {
    const rows = randomVectors(20, 2, 7);
    rows[13].fill(value);
    const file = write(`${name}.fvecs`, fvecs(rows));
    const { stderr } = fails(
      ['import', path(name), file, '--create', '--batch', '5'],
      'VECTOR',
      /rows 10 to 14: .*'13'/,
    );
    assert.match(stderr, /10 rows were imported before this and stay/);
    assert.equal(ok(['count', path(name)]), '10\n');
  }
});

const truncated = fvecs(randomVectors(3, 4, 8));
const differing = Buffer.concat([fvecs(randomVectors(2, 4, 9)), fvecs(randomVectors(1, 3, 9))]);
const row = Buffer.alloc(8);
const hostile = [
  ['empty.fvecs', Buffer.alloc(0), 'INVALID', /empty\.fvecs is empty/],
  ['three.fvecs', Buffer.from([4, 0, 0]), 'INVALID', /row 0 at byte 0: .* 3 of the 4 bytes/],
  ['negative.fvecs', fvecs([[1]]).fill(0xff, 0, 4), 'INVALID', /row 0 at byte 0: -1 dimensions/],
  ['zero.fvecs', Buffer.alloc(16), 'INVALID', /0 dimensions, expected 1 to 8192/],
  ['huge.bvecs', Buffer.from([0, 0, 0, 0x40, 1]), 'INVALID', /1073741824 dimensions/],
  [
    'cut.fvecs',
    truncated.subarray(0, -1),
    'INVALID',
    /row 2 at byte 40: .* 19 of the row's 20 bytes/,
  ],
  [
    'differ.fvecs',
    differing,
    'DIMENSION',
    /row 2 at byte 40: 3 dimensions, the rows before have 4/,
  ],
  ['magic.npy', Buffer.from('not numpy at all'), 'INVALID', /magic\.npy is not an npy file/],
  ['version.npy', npy('<f4', '(1, 2)', row, { version: 9 }), 'INVALID', /npy version 9\.0/],
  ['order.npy', npy('<f4', '(1, 2)', row, { order: 'True' }), 'INVALID', /Fortran order/],
  ['type.npy', npy('>f4', '(1, 2)', row), 'INVALID', /type >f4; expected <f4/],
  ['object.npy', npy('|O', '(1, 2)', row), 'INVALID', /type \|O/],
  ['flat.npy', npy('<f4', '(2,)', row), 'INVALID', /shape \(2,\).*two dimensions/],
  ['cube.npy', npy('<f4', '(1, 2, 1)', row), 'INVALID', /two dimensions/],
  ['wide.npy', npy('<f4', '(1, 8193)', row), 'INVALID', /shape \(1, 8193\): expected 1 to 8192/],
  ['nodims.npy', npy('<f4', '(1, 0)', row), 'INVALID', /shape \(1, 0\)/],
  ['absurd.npy', npy('<f8', '(18446744073709551615, 4)', row), 'INVALID', /larger than any file/],
  ['beyond.npy', npy('<f4', '(99999999999999999999, 4)', row), 'INVALID', /two dimensions/],
  [
    'short.npy',
    npy('<f4', '(3, 1)', row),
    'INVALID',
    /row 2 at byte 1\d\d: .* 0 of the row's 4 bytes/,
  ],
  ['long.npy', npy('<f4', '(1, 1)', row), 'INVALID', /more bytes than the 1 rows of the header/],
  ['header.npy', npy('<f4', '(1, 2)', row).subarray(0, 40), 'INVALID', /header: the file ends/],
  ['code.npy', npy("<f4', 'x': __import__('os'), 'y': '", '(1, 2)', row), 'INVALID', /key 'x'/],
];

for (const [name, bytes, code, message] of hostile) {
  test(`${name}: an error that says where, and no crash`, (t) => {
    const { path, write } = folder(t);
    const args = ['import', path('db'), write(name, bytes), '--create', '--metric', 'l2'];
    fails(args, code, message);
  });
}

test('a file that cannot be read makes no database', (t) => {
  const { path, write } = folder(t);
  fails(['import', path('db'), path('none.fvecs'), '--create'], 'NOTFOUND', /cannot open .*none/);
  fails(['import', path('db'), write('e.fvecs', ''), '--create'], 'INVALID', /is empty/);
  assert.equal(existsSync(path('db')), false);
  fails(['import', path('db'), write('v.fvecs', fvecs([[1]]))], 'NOTFOUND', /--create|veer create/);
  assert.equal(existsSync(path('db')), false);
});

test('--format beats the name, and must fit', (t) => {
  const { path, write } = folder(t);
  const file = write('v.bin', fvecs([[1, 2]]));
  misused(['import', path('db'), file, '--create'], /does not say its format/);
  ok(['import', path('db'), file, '--format', 'fvecs', '--create']);
  misused(['import', path('db'), write('t.ivecs', ''), '--create'], /does not say its format/);
});
