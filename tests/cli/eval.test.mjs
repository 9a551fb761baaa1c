// eval on small sets whose truth is known: recall, ties, lists of other lengths, both outputs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { furtherMetrics, metrics } from '../support/distances.mjs';
import { fails, folder, fvecs, ivecs, nearest, ok, okJson, randomVectors } from './harness.mjs';

const vectors = randomVectors(600, 12, 41);
const queries = randomVectors(30, 12, 42);

function database(t, metric) {
  const files = folder(t);
  const db = files.path('db');
  ok(['import', db, files.write('v.fvecs', fvecs(vectors)), '--create', '--metric', metric]);
  const truth = queries.map((query) => nearest(vectors, query, 100, metric).map(({ row }) => row));
  const q = files.write('q.fvecs', fvecs(queries));
  const args = (file, ...more) => ['eval', db, '--queries', q, '--truth', file, ...more];
  return { ...files, db, truth, args };
}

for (const metric of metrics) {
  test(`${metric}: exact search has recall 1, the approximate one at least what was asked`, (t) => {
    const { truth, args, write } = database(t, metric);
    const file = write('t.ivecs', ivecs(truth));
    const exact = okJson(args(file, '--exact', '--json'));
    assert.equal(exact.recall, 1);
    assert.equal(exact.rows, 600);
    assert.equal(exact.visited, 600);
    assert.equal(exact.dims, 12);
    assert.equal(exact.k, 10);
    assert.equal(exact.queries, 30);
    assert.equal(exact.exact, true);
    assert.equal(typeof exact.tier, 'string');
    assert.ok(exact.qps > 0 && exact.p50_us > 0 && exact.p99_us >= exact.p50_us);
    assert.equal(okJson(args(file, '--exact', '--json', '-k', '100')).recall, 1);
    const approximate = okJson(args(file, '--recall', '0.9', '--json'));
    assert.ok(approximate.recall >= 0.9, `recall ${approximate.recall}`);
    if (!furtherMetrics.includes(metric)) return;
    assert.equal(approximate.recall, 1);
    assert.equal(approximate.exact, true);
  });
}

test('recall is the share of the list that was found', (t) => {
  const { truth, args, write } = database(t, 'l2');
  const wrong = truth.map((list) => list.map((row, i) => (i < 4 ? 599 - row + 600 : row)));
  const recall = (file, ...more) => okJson(args(file, '--exact', '--json', ...more)).recall;
  assert.equal(recall(write('wrong.ivecs', ivecs(wrong))), 0.6);
  assert.equal(recall(write('wrong.ivecs', ivecs(wrong)), '-k', '4'), 0);
  const half = truth.map((list, i) => (i % 2 === 0 ? list : list.map(() => 10_000)));
  assert.equal(recall(write('half.ivecs', ivecs(half))), 0.5);
  assert.equal(recall(write('half.ivecs', ivecs(half)), '--limit', '1'), 1);
  const short = truth.map((list) => [...list.slice(0, 3), ...Array(7).fill(-1)]);
  assert.equal(recall(write('short.ivecs', ivecs(short))), 1);
});

test('--ties counts rows as near as the k-th, and only those', (t) => {
  const { path, write } = folder(t);
  const rows = Array.from({ length: 40 }, (_, i) => (i < 20 ? [1, 0] : [5 + i, 0]));
  ok(['import', path('db'), write('v.fvecs', fvecs(rows)), '--create', '--metric', 'l2']);
  const q = write('q.fvecs', fvecs([[0, 0]]));
  const others = write('t.ivecs', ivecs([[10, 11, 12, 13, 14, 15, 16, 17, 18, 19]]));
  const args = ['eval', path('db'), '-q', q, '-t', others, '--exact', '--json'];
  assert.equal(okJson(args).recall, 0);
  assert.equal(okJson([...args, '--ties']).recall, 1);
  const far = write('far.ivecs', ivecs([Array.from({ length: 25 }, (_, i) => 39 - i)]));
  const wide = ['eval', path('db'), '-q', q, '-t', far, '--exact', '--json', '-k', '25'];
  assert.equal(okJson(wide).recall, 0.4);
  assert.equal(okJson([...wide, '--ties']).recall, 1);
});

test('the table names the same figures', (t) => {
  const { truth, args, write } = database(t, 'l2');
  const table = ok(args(write('t.ivecs', ivecs(truth)), '--exact', '--rounds', '2'));
  assert.match(table, /^recall@10 +1\.0000$/m);
  assert.match(table, /^queries\/s +[\d,]+$/m);
  assert.match(table, /^p50 +[\d.]+ us$/m);
  assert.match(table, /^p99 +[\d.]+ us$/m);
  assert.match(table, /^rows visited +600 of 600 a query$/m);
  assert.match(table, /^dimensions +12$/m);
  assert.match(table, /^search +exact, tier \w+$/m);
});

test('files that do not fit are named', (t) => {
  const { truth, args, write, path } = database(t, 'l2');
  const few = write('few.ivecs', ivecs(truth.slice(0, 5)));
  fails(args(few), 'INVALID', /few\.ivecs has 5 lists, .*q\.fvecs has 30 queries/);
  const short = write('short.ivecs', ivecs(truth.map((list) => list.slice(0, 5))));
  fails(args(short), 'RANGE', /row 0 lists 5 neighbours, -k asks for 10/);
  ok(args(short, '-k', '5', '--json'));
  fails(args(path('none.ivecs')), 'NOTFOUND', /none\.ivecs/);
  const narrow = write('n.fvecs', fvecs(queries.map((query) => query.slice(0, 3))));
  const whole = write('t.ivecs', ivecs(truth));
  fails(['eval', path('db'), '-q', narrow, '-t', whole], 'DIMENSION', /row 0 has 3 .* has 12/);
});

test('ids that are no row numbers are named', (t) => {
  const { path, write } = folder(t);
  ok(['import', path('db'), '-', '--create', '--dims', '2'], {
    input: '{"id":"x","vector":[1,1]}',
  });
  const q = write('q.fvecs', fvecs([[1, 0]]));
  const truth = write('t.ivecs', ivecs([[0]]));
  fails(['eval', path('db'), '-q', q, '-t', truth, '-k', '1'], 'ID', /id "x" is not a row number/);
});

/** 20,000 rows with a graph, and queries. */
function large(t) {
  const { path, write } = folder(t);
  const [db, q] = [path('db'), write('q.fvecs', fvecs(randomVectors(40, 24, 44)))];
  const rows = randomVectors(20_000, 24, 43);
  const lines = rows.map((vector, i) =>
    JSON.stringify({ id: `d${i}`, year: i % 50, v: [...vector] }),
  );
  const fields = { v: { type: 'vector', dims: 24, metric: 'l2' }, year: { type: 'number' } };
  const schema = write('s.json', JSON.stringify({ fields }));
  ok(['import', db, write('rows.jsonl', `${lines.join('\n')}\n`), '--create', '--schema', schema]);
  ok(['optimize', db]);
  return (...more) => ['eval', db, '-q', q, ...more];
}

test('--filter: exact searches are the truth, whatever ids there are', (t) => {
  const args = large(t);
  const evaluated = (...more) => okJson(args('--json', '--filter', ...more));
  assert.equal(evaluated('year = 7', '--exact').recall, 1);
  assert.equal(evaluated('year = 7').visited, 400); // so few are compared one by one
  assert.ok(evaluated('year < 40', '--recall', '0.9').recall >= 0.85);
  assert.equal(evaluated('year > 99').recall, 1); // there is nothing to find
  const few = evaluated('year >= 0', '--effort', '10');
  const many = evaluated('year >= 0', '--effort', '1000');
  assert.ok(few.recall < many.recall && many.recall > 0.99, `${few.recall} ${many.recall}`);
  assert.ok(few.visited < many.visited);
  fails(args('--filter', 'nowhere = 1'), 'FIELD', /nowhere/);
});

test('--sweep: a curve by recall or by effort, as a table and as JSON', (t) => {
  const args = large(t);
  const all = ['--filter', 'year >= 0'];
  const efforts = okJson(args(...all, '--sweep=effort', '--json'));
  assert.deepEqual(
    efforts.map(({ effort }) => effort),
    [10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480],
  );
  for (const [i, point] of efforts.entries()) {
    assert.ok(point.qps > 0 && point.p50_us > 0 && point.p99_us >= point.p50_us);
    if (i > 0) assert.ok(point.visited > efforts[i - 1].visited);
  }
  assert.ok(efforts[0].recall < efforts.at(-1).recall);
  assert.equal(
    efforts[4].recall,
    okJson(args(...all, '--effort', '40', '--json')).recall, // the same as alone
  );
  const recalls = okJson(args(...all, '--sweep', '--json'));
  assert.deepEqual(
    recalls.map(({ target }) => target),
    [0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999],
  );
  for (const { target, recall } of recalls) assert.ok(recall >= target - 0.05, `${recall}`);
  const [heading, ...rows] = ok(args(...all, '--sweep=recall'))
    .trimEnd()
    .split('\n');
  assert.match(heading, /^target +recall +QPS +p50 us +p99 us +visited$/);
  assert.deepEqual(
    rows.map((row) => Number(row.trim().split(/ +/)[0])),
    recalls.map(({ target }) => target),
  );
  const wide = okJson(args(...all, '-k', '10000', '--limit', '1', '--sweep=effort', '--json'));
  assert.equal(wide.at(-1).effort, 80_000); // 120,000 is more than there may be
});
