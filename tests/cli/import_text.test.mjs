// Importing JSON lines and CSV: what comes back, ids, vectors beside documents, errors by name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
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

const schema = JSON.stringify({
  fields: {
    vector: { type: 'vector', dims: 3, metric: 'l2' },
    title: { type: 'text' },
    tag: { type: 'keyword' },
    year: { type: 'number' },
    draft: { type: 'bool' },
    at: { type: 'time' },
  },
});

/** A database with that schema. */
function database(t) {
  const files = folder(t);
  const db = files.path('db');
  ok(['create', db, '--schema', files.write('schema.json', schema)]);
  return { ...files, db };
}

const lines = (documents) => documents.map((document) => `${JSON.stringify(document)}\n`).join('');
const byId = (documents) => new Map(documents.map((document) => [document.id, document]));

function assertSame(db, documents) {
  const found = byId(okLines(['export', db]));
  assert.equal(found.size, documents.length);
  for (const document of documents) {
    const { vector, ...rest } = document;
    const { vector: foundVector, ...foundRest } = found.get(document.id);
    assert.deepEqual(foundRest, rest);
    const floats = (array) => (array ? [...Float32Array.from(array)] : undefined);
    assert.deepEqual(floats(foundVector), floats(vector));
  }
}

/** Documents with awkward texts, missing fields and keys that are not in the schema. */
function documents(count, seed) {
  const next = random(seed);
  const texts = [
    'plain',
    'with "quotes"',
    'comma, semicolon;',
    'two\nlines',
    'tab\t',
    '日本語 😀',
    '',
  ];
  return Array.from({ length: count }, (_, i) => ({
    id: `${texts[i % texts.length]}#${i}`,
    title: texts[(i * 5) % texts.length],
    ...(next() < 0.7 && { tag: `t${i % 7}` }),
    ...(next() < 0.7 && { year: Math.floor(next() * 4000) / 2 - 1000 }),
    ...(next() < 0.7 && { draft: next() < 0.5 }),
    ...(next() < 0.7 && { at: Math.floor(next() * 4e12) - 2e12 }),
    ...(next() < 0.5 && { other: { list: [i, null, { deep: 'x' }], text: texts[i % 3] } }),
    ...(next() < 0.8 && { vector: [next(), -next(), next() * 1e-6] }),
  }));
}

test('JSON lines come back as they went in, through batches of any size', (t) => {
  const { db, write } = database(t);
  const all = documents(500, 11);
  ok(['import', db, write('d.jsonl', lines(all)), '--batch', '13']);
  assertSame(db, all);
});

test('an export is an import: the copy has the same documents', (t) => {
  const { db, path, write } = database(t);
  const all = documents(200, 12);
  ok(['import', db, write('d.jsonl', lines(all))]);
  const args = ['import', path('copy'), '-', '--create', '--schema', path('schema.json')];
  ok(args, { input: ok(['export', db]) });
  assertSame(path('copy'), all);
  assert.equal(ok(['export', path('copy')]), ok(['export', db]));
});

test('byte order mark, CR LF, blank lines and a last line without its end', (t) => {
  const { db } = database(t);
  ok(['import', db, '-'], { input: '\ufeff{"id":"a"}\r\n\r\n   \n{"id":"b"}\r\n{"id":"c"}' });
  assertSame(db, [{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
});

test('ids: integers become strings, --id-field and --row-ids say where they are', (t) => {
  const { db, path } = database(t);
  const create = ['--create', '--schema', path('schema.json')];
  ok(['import', db, '-'], { input: '{"id":17}\n{"id":-3,"title":"x"}\n' });
  assertSame(db, [{ id: '17' }, { id: '-3', title: 'x' }]);
  const input = '{"url":"u/1","id":"gone","n":1}\n{"n":2,"url":22}\n';
  ok(['import', path('b'), '-', '--id-field', 'url', ...create], { input });
  assertSame(path('b'), [
    { id: 'u/1', url: 'u/1', n: 1 },
    { id: '22', n: 2, url: 22 },
  ]);
  ok(['import', path('c'), '-', '--row-ids', '--batch', '1', ...create], { input });
  assertSame(path('c'), [
    { id: '0', url: 'u/1', n: 1 },
    { id: '1', n: 2, url: 22 },
  ]);
  ok(['import', path('d'), '-', ...create], { input: '{"\\u0069d":"escaped key"}\n' });
  assertSame(path('d'), [{ id: 'escaped key' }]);
});

test('vectors from a file beside the documents, row by row', (t) => {
  const { db, path, write } = database(t);
  const vectors = randomVectors(300, 3, 13);
  const all = vectors.map((vector, i) => ({ id: `d${i}`, year: i, vector: [...vector] }));
  const plain = write('d.jsonl', lines(all.map(({ id, year }) => ({ id, year }))));
  ok(['import', db, plain, '--vectors', write('v.fvecs', fvecs(vectors)), '--batch', '64']);
  assertSame(db, all);
  const f8 = write('v.npy', npy('<f8', '(300, 3)', packed(vectors, Float64Array)));
  ok(['import', path('b'), plain, '--vectors', f8, '--create', '--metric', 'l2']);
  assertSame(path('b'), all);
  const cells = write('d.csv', `id,year\n${all.map(({ id, year }) => `${id},${year}\n`).join('')}`);
  ok(['import', path('c'), cells, '--vectors', f8, '--create', '--schema', path('schema.json')]);
  assertSame(path('c'), all);
});

test('vectors and documents must be as many', (t) => {
  const { db, path, write } = database(t);
  const two = write('two.jsonl', lines([{ id: 'a' }, { id: 'b' }]));
  const few = write('few.fvecs', fvecs(randomVectors(1, 3, 1)));
  const many = write('many.fvecs', fvecs(randomVectors(3, 3, 1)));
  const wide = write('wide.fvecs', fvecs(randomVectors(2, 4, 1)));
  fails(
    ['import', db, two, '--vectors', few],
    'INVALID',
    /few\.fvecs has 1 rows, .*two\.jsonl has more/,
  );
  assert.equal(ok(['count', db]), '0\n');
  fails(['import', db, two, '--vectors', many], 'INVALID', /more rows than the 2 of .*two\.jsonl/);
  assert.equal(ok(['count', db]), '2\n');
  ok(['import', db, two, '--vectors', many, '--limit', '1']);
  fails(['import', db, two, '--vectors', wide], 'DIMENSION', /row 0 has 4 dimensions, .* has 3/);
  misused(['import', db, many, '--vectors', few], /many\.fvecs holds vectors/);
  misused(['import', db, two, '--vectors', path('v.txt')], /must end in \.fvecs/);
});

const wrongLines = [
  ['not JSON', '{"id":"x",}', 'SYNTAX', /line 3 at byte 33: not JSON: expected a key in quotes/],
  ['no object', '["x"]', 'SYNTAX', /line 3 at byte 23: expected an object/],
  ['two values', '{"id":"x"} {}', 'SYNTAX', /line 3 at byte 34: .* the end of the text/],
  ['unquoted', '{id:"x"}', 'SYNTAX', /line 3 at byte 24: .* a key in quotes/],
  ['half', '{"id":"x"', 'SYNTAX', /line 3 at byte 32: .* a comma or }/],
  ['control character', '{"id":"x\u0001"}', 'SYNTAX', /line 3 .* no control character/],
  ['leading zero', '{"id":"x","year":01}', 'SYNTAX', /line 3 .* leading 0/],
  ['no id', '{"title":"x"}', 'ID', /line 3 at byte 23: there is no "id"; .*--id-field/],
  ['id null', '{"id":null}', 'ID', /line 3 at byte 29: "id" must be a string or an integer/],
  ['id fraction', '{"id":1.5}', 'ID', /line 3 .* must be a string or an integer/],
  ['id empty', '{"id":""}', 'ID', /lines 1 to 3: .*empty/],
  ['id too long', `{"id":"${'x'.repeat(513)}"}`, 'ID', /lines 1 to 3: .*513 bytes.*512/],
  [
    'vector too short',
    '{"id":"x","vector":[1,2]}',
    'DIMENSION',
    /line 3 .* "vector" has 2 values, .* are 3/,
  ],
  ['vector too long', '{"id":"x","vector":[1,2,3,4]}', 'DIMENSION', /line 3 .* 4 values/],
  ['vector empty', '{"id":"x","vector":[]}', 'DIMENSION', /line 3 .* 0 values/],
  ['vector of texts', '{"id":"x","vector":["1","2","3"]}', 'TYPE', /vector.*'x'/],
  ['vector too large', '{"id":"x","vector":[1,2,1e39]}', 'VECTOR', /vector.*'x'/],
  ['number a text', '{"id":"x","year":"2020"}', 'TYPE', /'year' is a number.*'x'/],
  ['bool a number', '{"id":"x","draft":1}', 'TYPE', /'draft' is a bool.*'x'/],
  ['keyword a number', '{"id":"x","tag":1}', 'TYPE', /'tag' is a keyword.*'x'/],
  ['time no time', '{"id":"x","at":"yesterday"}', 'TYPE', /'at' is a time.*'x'/],
  ['number beyond 2^53', '{"id":"x","year":9007199254740993}', 'RANGE', /'year'.*2\^53.*'x'/],
];

for (const [name, line, code, message] of wrongLines) {
  test(`a line with ${name} is refused by name, and its batch changes nothing`, (t) => {
    const { db } = database(t);
    const input = `{"id":"a"}\n{"id":"bc"}\n${line}\n`;
    fails(['import', db, '-'], code, message, { input });
    assert.equal(ok(['count', db]), '0\n');
  });
}

test('the batches before a wrong line stay, and the message says how many rows that is', (t) => {
  const { db } = database(t);
  const input = `${lines(documents(10, 14))}{"id":"x"\n`;
  const { stderr } = fails(['import', db, '-', '--batch', '4'], 'SYNTAX', /line 11 /, { input });
  assert.match(stderr, /8 rows were imported before this and stay/);
  assert.equal(ok(['count', db]), '8\n');
});

test('a line of 20 MB passes the reader; one of 40 MB is over the limit', (t) => {
  const { db } = database(t);
  const long = (megabytes) => `{"id":"x","title":"${'y'.repeat(megabytes << 20)}"}\n`;
  fails(['import', db, '-'], 'LIMIT', /document|bytes/i, { input: long(20) });
  fails(['import', db, '-'], 'LIMIT', /line 1 at byte 0 has more than 33554432/, {
    input: long(40),
  });
  ok(['import', db, '-'], { input: long(10) });
  assert.equal(ok(['get', db, 'x']).length, long(10).length);
});

const csvCell = (value) => {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.join(' ');
  const text = String(value);
  return /[",\n\r]/.test(text) || text === '' ? `"${text.replaceAll('"', '""')}"` : text;
};

test('CSV: quoting, types by the schema, columns that are not in it, empty cells', (t) => {
  const { db, write } = database(t);
  const keys = ['title', 'id', 'tag', 'year', 'draft', 'at', 'note', 'vector'];
  const all = documents(300, 15).map(({ other, ...rest }, i) => ({
    ...rest,
    ...(other && { note: `note, ${i}` }),
  }));
  const rows = [keys, ...all.map((document) => keys.map((key) => document[key]))];
  const ends = ['\r\n', '\n'];
  ends.forEach((end, i) => {
    const csv = rows.map((row) => row.map(csvCell).join(',') + end).join('');
    ok(['import', db, write(`d${i}.csv`, (i === 0 ? '\ufeff' : '') + csv)]);
    assertSame(db, all);
  });
});

test('CSV: spellings of bools, times and vectors', (t) => {
  const { db } = database(t);
  const input =
    'id,draft,at,vector\n' +
    '1,TRUE,2024-05-17T12:30:00Z,"[1, 2, 3]"\n' +
    '2,no,86400000,1 2  3 \n' +
    '3,0,,\n';
  ok(['import', db, '-', '--format', 'csv'], { input });
  assertSame(db, [
    { id: '1', draft: true, at: '2024-05-17T12:30:00Z', vector: [1, 2, 3] },
    { id: '2', draft: false, at: 86400000, vector: [1, 2, 3] },
    { id: '3', draft: false },
  ]);
  assert.equal(ok(['count', db, '--filter', 'at > 0']), '2\n');
});

test('CSV: --id-field and --row-ids', (t) => {
  const { path, write } = database(t);
  const file = write('d.csv', 'key,id,title\nk1,x,one\nk2,y,two\n');
  const create = ['--create', '--schema', path('schema.json')];
  ok(['import', path('a'), file, '--id-field', 'key', ...create]);
  assertSame(path('a'), [
    { id: 'k1', key: 'k1', title: 'one' },
    { id: 'k2', key: 'k2', title: 'two' },
  ]);
  ok(['import', path('b'), file, '--row-ids', ...create]);
  assertSame(path('b'), [
    { id: '0', key: 'k1', title: 'one' },
    { id: '1', key: 'k2', title: 'two' },
  ]);
});

const wrongSheets = [
  ['empty', '', 'SYNTAX', /is empty: the header line is missing/],
  ['no id column', 'a,b\n1,2\n', 'ID', /no column "id"; .*--id-field/],
  ['two columns of one name', 'id,a,a\n', 'SYNTAX', /two columns are named "a"/],
  ['nameless column', 'id,,b\n', 'SYNTAX', /column 2 has no name/],
  [
    'too few cells',
    'id,a\n1,2\n3\n',
    'SYNTAX',
    /row 2 \(line 3 at byte 9\): 1 cells, the header has 2/,
  ],
  ['too many cells', 'id,a\n1,2,3\n', 'SYNTAX', /row 1 .*: 3 cells, the header has 2/],
  ['open quote', 'id,a\n1,"x\n', 'SYNTAX', /row 1 \(line 2 at byte 5\).*ends inside a quoted cell/],
  ['text after a quote', 'id,a\n1,"x"y\n', 'SYNTAX', /at byte 10: text after a closing quote/],
  ['quote in a plain cell', 'id,a\n1,x"y"\n', 'SYNTAX', /a quote inside a cell that is not quoted/],
  ['lone carriage return', 'id,a\n1,x\ry\n', 'SYNTAX', /carriage return without a line feed/],
  [
    'number',
    'id,year\n"1\n",2020\n2,20x\n',
    'TYPE',
    /row 2 \(line 4\): column "year": "20x" is not a number/,
  ],
  ['bool', 'id,draft\n1,maybe\n', 'TYPE', /column "draft": "maybe" is not a bool/],
  ['vector words', 'id,vector\n1,a b c\n', 'SYNTAX', /column "vector": "a b c" is not a vector/],
  [
    'vector length',
    'id,vector\n1,1 2\n',
    'DIMENSION',
    /row 1 \(line 2\): field "vector" has 2 values, .* are 3/,
  ],
  ['empty id', 'id,a\n,x\n', 'ID', /rows 1 to 1: .*empty/],
  ['time', 'id,at\n1,soon\n', 'TYPE', /'at' is a time/],
];

for (const [name, sheet, code, message] of wrongSheets) {
  test(`CSV with a wrong ${name} is refused by name`, (t) => {
    const { db } = database(t);
    fails(['import', db, '-', '--format', 'csv'], code, message, { input: sheet });
    assert.equal(ok(['count', db]), '0\n');
  });
}

test('--create without dimensions asks for them', (t) => {
  const { path } = folder(t);
  misused(['import', path('x'), '-', '--create'], /--create needs --dims N or --schema FILE/);
  ok(['import', path('y'), '-', '--create', '--dims', '2'], { input: '{"id":"a","vector":[1,2]}' });
  assert.deepEqual(okJson(['get', path('y'), 'a', '--select', 'id,vector']), {
    id: 'a',
    vector: [1, 2],
  });
});
