// Searching: against true neighbours in double precision, with filters, in both forms of output.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metrics } from '../support/distances.mjs';
import {
  fails,
  folder,
  fvecs,
  misused,
  nearest,
  npy,
  ok,
  okJson,
  okLines,
  packed,
  randomVectors,
} from './harness.mjs';

const rows = 400;
const dims = 24;
const vectors = randomVectors(rows, dims, 21);
const queries = randomVectors(12, dims, 22);
const documents = vectors.map((vector, i) => ({
  id: String(i),
  tag: `t${i % 10}`,
  year: 1900 + i,
  note: { i },
  vector: [...vector],
}));
const schema = (metric) =>
  JSON.stringify({
    fields: {
      vector: { type: 'vector', dims, metric },
      tag: { type: 'keyword' },
      year: { type: 'number' },
    },
  });

function database(t, metric = 'cosine') {
  const files = folder(t);
  const db = files.path('db');
  ok(['create', db, '--schema', files.write('schema.json', schema(metric))]);
  const lines = documents.map((document) => `${JSON.stringify(document)}\n`).join('');
  ok(['import', db, files.write('d.jsonl', lines)]);
  return { ...files, db };
}

const text = (vector) => JSON.stringify([...vector]);
const ids = (answer) => answer.rows.map(({ id }) => Number(id));

/** The answer's rows are the true ones; rows whose distances are equal in float32 may be swapped. */
function assertNearest(answer, query, k, metric, accept) {
  const truth = nearest(vectors, query, k, metric, accept);
  assert.equal(answer.rows.length, truth.length);
  answer.rows.forEach((row, i) => {
    const close = (a, b) => Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(b));
    assert.ok(close(row.distance, truth[i].distance), `${row.distance} ${truth[i].distance}`);
    const score = metric === 'cosine' ? 1 - truth[i].distance : -truth[i].distance;
    assert.ok(close(row.score, score), `${row.score} ${score}`);
  });
  const wrong = ids(answer).filter((id) => !truth.some(({ row }) => row === id));
  assert.deepEqual(wrong, []);
}

for (const metric of metrics) {
  test(`${metric}: exact search gives the true neighbours, alone and from a file`, (t) => {
    const { db, write } = database(t, metric);
    for (const query of queries.slice(0, 3)) {
      const args = ['search', db, '--vector', text(query), '-k', '7', '--exact', '--json'];
      const answer = okJson(args);
      assert.equal(answer.exact, true);
      assertNearest(answer, query, 7, metric);
      assert.equal('query' in answer, false);
    }
    const file = write('q.fvecs', fvecs(queries));
    const answers = okLines(['search', db, '--queries', file, '--exact', '--json']);
    assert.deepEqual(
      answers.map(({ query }) => query),
      queries.map((_, i) => i),
    );
    answers.forEach((answer, i) => assertNearest(answer, queries[i], 10, metric));
    const npyFile = write('q.npy', npy('<f4', `(12, ${dims})`, packed(queries, Float32Array)));
    const again = okLines(['search', db, '-q', npyFile, '--exact', '--json', '--limit', '4']);
    assert.equal(again.length, 4);
    again.forEach((answer, i) => assert.deepEqual(answer.rows, answers[i].rows));
  });
}

test('a search with a recall of 1 finds what an exact one finds', (t) => {
  const { db } = database(t);
  for (const query of queries) {
    const args = ['search', db, '--vector', text(query), '--json', '--recall', '1'];
    assertNearest(okJson(args), query, 10, 'cosine');
  }
});

test('a filter leaves min(k, matches) rows, by text, by object, with parameters', (t) => {
  const { db } = database(t, 'l2');
  const query = queries[0];
  const accept = (row) => row % 10 === 3 && row >= 200;
  const spellings = [
    ['--filter', "tag = 't3' AND year >= 2100"],
    ['--filter', '{"tag":"t3","year":{"$gte":2100}}'],
    ['--filter', 'tag = ? AND year >= ?', '--params', '["t3", 2100]'],
  ];
  for (const spelling of spellings) {
    const search = ['search', db, '--vector', text(query), '--json', '--exact', ...spelling];
    assertNearest(okJson([...search, '-k', '5']), query, 5, 'l2', accept);
    const all = okJson([...search, '-k', '100']);
    assert.equal(all.rows.length, 20);
    assertNearest(all, query, 100, 'l2', accept);
    assert.equal(ok(['count', db, ...spelling]), '20\n');
  }
  const none = ['search', db, '--vector', text(query), '--filter', 'year > 9999'];
  assert.deepEqual(okJson([...none, '--json']).rows, []);
  assert.equal(ok(none), 'no document matches\n');
});

test('--like searches by a document and leaves it out', (t) => {
  const { db } = database(t);
  for (const id of [0, 17, 399]) {
    const answer = okJson(['search', db, '--like', String(id), '-k', '6', '--exact', '--json']);
    assertNearest(answer, vectors[id], 6, 'cosine', (row) => row !== id);
  }
  const most = okJson(['search', db, '--like', '5', '-k', '10000', '--exact', '--json']);
  assert.equal(most.rows.length, rows - 1);
});

test('--offset and -k page through one order', (t) => {
  const { db } = database(t);
  const search = ['search', db, '--vector', text(queries[1]), '--exact', '--json'];
  const whole = ids(okJson([...search, '-k', '30']));
  const pages = [0, 10, 20].flatMap((offset) =>
    ids(okJson([...search, '-k', '10', '--offset', String(offset)])),
  );
  assert.deepEqual(pages, whole);
});

test('--select says what comes back', (t) => {
  const { db } = database(t);
  const search = ['search', db, '--vector', text(vectors[42]), '-k', '1', '--json'];
  const document = (...args) => okJson([...search, ...args]).rows[0].document;
  const { vector, ...plain } = documents[42];
  assert.deepEqual(document(), plain);
  assert.deepEqual(document('--select', 'year,note'), { id: '42', year: 1942, note: { i: 42 } });
  const found = document('--select', 'vector').vector;
  assert.deepEqual(Float32Array.from(found), Float32Array.from(vector));
  assert.equal(document('--select', 'false'), undefined);
});

test('--explain adds the plan', (t) => {
  const { db } = database(t);
  const search = ['search', db, '--vector', text(queries[0]), '--explain'];
  assert.equal(typeof okJson([...search, '--json']).explain, 'object');
  assert.match(ok(search), /\n\n\{[^]*\}\n$/);
});

test('--verify says what share of the true nearest was found, --effort which nodes a walk keeps', (t) => {
  const { path, write } = folder(t);
  const db = path('db');
  const many = write('v.fvecs', fvecs(randomVectors(20_000, 24, 91)));
  ok(['import', db, many, '--create', '--metric', 'l2']);
  ok(['optimize', db]);
  const search = ['search', db, '--like', '5', '-k', '9', '--json', '--select', 'false'];
  const verified = (...args) => okJson([...search, '--explain', '--verify', ...args]);
  const exact = okJson([...search, '--exact']).rows.map(({ id }) => id);
  const shares = ['1', '40', '4000'].map((effort) => {
    const { rows, explain } = verified('--effort', effort);
    assert.equal(explain.segments[0].walked, true);
    assert.equal(explain.segments[0].effort, Math.max(effort, 10));
    // Of the ten that the engine was asked for, the document itself is one and always found.
    const found = rows.filter(({ id }) => exact.includes(id)).length;
    assert.ok(Math.abs(explain.trueRecall - (found + 1) / 10) < 1e-9);
    return explain;
  });
  assert.ok(shares[0].trueRecall < 1 && shares[2].trueRecall === 1);
  assert.ok(shares[0].recall < shares[1].recall && shares[1].recall < shares[2].recall);
  assert.equal(verified('--exact').explain.trueRecall, 1);
  assert.equal('trueRecall' in okJson([...search, '--explain']).explain, false);
});

test('the table for people is aligned and plain in a pipe', (t) => {
  const { db } = database(t);
  const table = ok(['search', db, '--vector', text(vectors[7]), '-k', '3', '--exact']);
  const [heading, ...lines] = table.trimEnd().split('\n');
  assert.match(heading, /^#  id +score +distance  document$/);
  assert.equal(lines.length, 3);
  const column = heading.indexOf('document');
  for (const line of lines) assert.equal(line[column], '{');
  assert.match(lines[0], /^1  7 +1 /);
  assert.doesNotMatch(table, /\u001b|visited/);
});

test('the vector may come from standard input', (t) => {
  const { db } = database(t);
  const search = ['search', db, '--exact', '--json', '-k', '2', '--vector'];
  const answer = okJson([...search, '-'], { input: `${text(queries[2])}\n` });
  assert.deepEqual(answer.rows, okJson([...search, text(queries[2])]).rows);
});

test('control characters of an id never reach the terminal', (t) => {
  const { path } = folder(t);
  const input = '{"id":"\\u001b[31mred\\u0007","vector":[1,2]}\n';
  ok(['import', path('db'), '-', '--create', '--dims', '2'], { input });
  assert.match(ok(['search', path('db'), '--vector', '[1,2]']), / \\x1b\[31mred\\x07 /);
});

test('what is wrong with a search is said by name', (t) => {
  const { db, path, write } = database(t);
  const search = ['search', db, '--vector', text(queries[0])];
  const vector = (value) => ['search', db, '--vector', value];
  fails(vector('[1,2]'), 'DIMENSION', /--vector has 2 values, the field has 24 dimensions/);
  fails(vector('[1,'), 'SYNTAX', /--vector: not JSON at byte 3: expected a value/);
  fails(vector('{"a":1}'), 'TYPE', /--vector: expected an array of numbers/);
  fails(vector('["a"]'), 'TYPE', /--vector: expected an array of numbers/);
  fails(vector(text(new Float32Array(dims))), 'VECTOR', /zero/);
  fails(vector(JSON.stringify([1e39, ...vectors[0].slice(1)])), 'VECTOR', /vector|finite|infin/i);
  fails(['search', db, '--like', 'none'], 'NOTFOUND', /--like: there is no document "none"/);
  fails([...search, '--filter', 'colour = 1'], 'FIELD', /colour/);
  fails([...search, '--filter', 'year >'], 'SYNTAX', /\d/);
  fails([...search, '--filter', '{"year":'], 'SYNTAX', /--filter: not JSON at byte 8/);
  fails([...search, '--filter', "year = 'x'"], 'TYPE', /year/);
  fails([...search, '--filter', 'year = ?'], 'INVALID', /parameter|\?/i);
  fails([...search, '--params', '7'], 'TYPE', /--params: expected a JSON array/);
  fails([...search, '--params', '[7'], 'SYNTAX', /--params: not JSON at byte 2/);
  fails([...search, '--field', 'tag'], 'FIELD', /no vector field "tag"; it has: vector/);
  fails([...search, '--collection', 'none'], 'NOTFOUND', /none.*[^]*has: documents/);
  const narrow = write('q.fvecs', fvecs([[1, 2]]));
  fails(['search', db, '-q', narrow], 'DIMENSION', /q\.fvecs: row 0 has 2 dimensions, .* has 24/);
  fails(['search', db, '-q', path('none.npy')], 'NOTFOUND', /cannot open .*none\.npy/);
  misused(['search', db, '-q', path('q.txt')], /must end in \.fvecs/);
  misused([...search, '--limit', '3'], /--limit counts the queries/);
});

test('a document without a vector cannot be searched like', (t) => {
  const { db } = database(t);
  ok(['import', db, '-'], { input: '{"id":"bare"}\n' });
  fails(['search', db, '--like', 'bare'], 'NOTFOUND', /document "bare" has no "vector"/);
});

test('two vector fields: --field says which', (t) => {
  const { path, write } = folder(t);
  const two =
    '{"fields":{"a":{"type":"vector","dims":2,"metric":"l2"},"b":{"type":"vector","dims":3,"metric":"l2"}}}';
  ok(['create', path('db'), '--schema', write('s.json', two)]);
  ok(['import', path('db'), '-'], {
    input: '{"id":"x","a":[1,2],"b":[1,2,3]}\n{"id":"y","b":[3,2,1]}\n',
  });
  misused(['search', path('db'), '--vector', '[1,2]'], /2 vector fields, say which: --field a, b/);
  const search = (field, vector) =>
    okJson(['search', path('db'), '--field', field, '--vector', vector, '--json']);
  assert.deepEqual(
    search('a', '[1,2]').rows.map(({ id }) => id),
    ['x'],
  );
  assert.deepEqual(
    search('b', '[3,2,1]').rows.map(({ id }) => id),
    ['y', 'x'],
  );
});
