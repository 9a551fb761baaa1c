// Collections against a naive model: random histories in memory, in files, and in a worker.
// budget: 30 s

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { keyword, number, open, vector } from 'veerdb';

import { furtherMetrics, metrics } from '../support/distances.mjs';
import { history } from './support/history.mjs';
import { random } from './support/rng.mjs';
import { temporary } from './support/temporary.mjs';

const { path } = temporary('collections');
describe('a random history', () => {
  for (const metric of metrics) {
    test(`in memory, ${metric}`, () =>
      history({
        metric,
        seed: 1,
        steps: furtherMetrics.includes(metric) ? 120 : 500,
        openDatabase: () => open('memory:', { create: true, autoWork: false }),
      }));
  }

  for (const worker of [false, true]) {
    test(`in files, ${worker ? 'in a worker' : 'in this thread'}`, () => {
      const location = path();
      return history({
        metric: 'cosine',
        seed: 7,
        steps: 500,
        isDurable: true,
        // A small log makes it take turns often.
        openDatabase: () => open(location, { create: true, worker, walBytes: 1 << 20 }),
      });
    });
  }
});

test('the approximate search finds what it promises', async () => {
  const dice = random(3);
  const db = await open('memory:', { create: true });
  const notes = await db.collection('notes', { v: vector(96) });
  const n = 4000;
  const vectors = Float32Array.from({ length: n * 96 }, () => dice.next() - 0.5);
  await notes.upsert({ ids: Array.from({ length: n }, (_, i) => `${i}`), vectors });
  const queries = Array.from({ length: 50 }, () => dice.vector(96));
  const ids = ({ hits }) => hits.map((one) => one.map(({ id }) => id));
  const truth = ids(
    await notes.searchMany({ vectors: queries, k: 10, exact: true, select: false }),
  );
  const found = ids(
    await notes.searchMany({ vectors: queries, k: 10, recall: 0.95, select: false }),
  );
  const common = found.flatMap((own, i) => own.filter((id) => truth[i].includes(id))).length;
  assert.ok(common / 500 >= 0.93, `recall ${common / 500}`);
  await db.close();
});

test('every form of input writes the same', async () => {
  const db = await open('memory:', { create: true });
  const dice = random(2);
  const vectors = [dice.vector(4), dice.vector(4), dice.vector(4)];
  const documents = vectors.map((v, i) => ({ id: `d${i}`, v, tag: `t${i}` }));
  async function* stream() {
    yield* documents;
  }
  const inputs = {
    array: documents,
    set: new Set(documents),
    stream: stream(),
    numbers: documents.map((d) => ({ ...d, v: [...d.v] })),
    columns: {
      ids: documents.map(({ id }) => id),
      vectors: Float32Array.from(vectors.flatMap((v) => [...v])),
      fields: { tag: documents.map(({ tag }) => tag) },
    },
  };
  for (const [name, input] of Object.entries(inputs)) {
    const notes = await db.collection(name, { v: vector(4), tag: keyword() });
    assert.equal((await notes.upsert(input)).written, 3, name);
    assert.deepEqual(
      await notes.get(['d0', 'd1', 'd2'], { select: ['v', 'tag'] }),
      documents,
      name,
    );
  }
  const one = await db.collection('one', { v: vector(4), tag: keyword() });
  assert.equal((await one.upsert(documents[0])).written, 1);
  await db.close();
});

test('transactions over several collections are whole', async () => {
  const db = await open('memory:', { create: true });
  const notes = await db.collection('notes', { tag: keyword() });
  const tags = await db.collection('tags', { used: number() });
  await notes.upsert([{ id: 'old', tag: 'x' }]);
  const result = await db.transaction([
    {
      collection: notes,
      upsert: [
        { id: 'a', tag: 'x' },
        { id: 'b', tag: 'y' },
      ],
    },
    { collection: tags, insert: [{ id: 'x', used: 1 }] },
    { collection: notes, delete: ['old'] },
  ]);
  assert.deepEqual([result.written, result.deleted], [3, 1]);
  await assert.rejects(
    db.transaction([
      { collection: notes, upsert: [{ id: 'c' }] },
      { collection: tags, insert: [{ id: 'x', used: 2 }] },
    ]),
    { code: 'EXISTS' },
  );
  assert.equal(await notes.count(), 2);
  assert.equal((await tags.get('x')).used, 1);
  await db.close();
});

test('a snapshot stays as it was', async () => {
  const db = await open('memory:', { create: true });
  const notes = await db.collection('notes', { v: vector(2, { metric: 'l2' }), tag: keyword() });
  await notes.upsert([
    { id: 'a', v: [1, 1], tag: 'x' },
    { id: 'b', v: [2, 2], tag: 'x' },
  ]);
  const snapshot = await db.snapshot();
  await notes.upsert([
    { id: 'a', v: [9, 9], tag: 'y' },
    { id: 'c', v: [3, 3], tag: 'x' },
  ]);
  await notes.delete('b');
  await db.checkpoint();
  const options = { snapshot };
  assert.equal(await notes.count({ tag: 'x' }, options), 2);
  assert.deepEqual(await notes.get('b', options), { id: 'b', tag: 'x' });
  const { hits } = await notes.search({ vector: [1, 1], k: 9, snapshot, exact: true });
  assert.deepEqual(
    hits.map(({ id }) => id),
    ['a', 'b'],
  );
  const scanned = [];
  for await (const { id } of notes.scan(options)) scanned.push(id);
  assert.deepEqual(scanned.sort(), ['a', 'b']);
  await snapshot.close();
  await assert.rejects(notes.count(undefined, options), { code: 'CLOSED' });
  assert.equal(await notes.count(), 2);
  await db.close();
});

test('a prepared query runs with other vectors and parameters', async () => {
  const db = await open('memory:', { create: true });
  const notes = await db.collection('notes', { v: vector(2, { metric: 'l2' }), year: number() });
  await notes.upsert(Array.from({ length: 20 }, (_, i) => ({ id: `${i}`, v: [i, 0], year: i })));
  const query = await notes.prepare({ k: 2, filter: 'year >= ?', select: ['year'], exact: true });
  const ids = ({ hits }) => hits.map(({ id }) => id);
  assert.deepEqual(ids(await query.run([3, 0], [10])), ['10', '11']);
  assert.deepEqual(ids(await query.run([15.1, 0], [0])), ['15', '16']);
  const { hits } = await query.runMany(
    [
      [3, 0],
      [15.1, 0],
    ],
    [18],
  );
  assert.deepEqual(
    hits.map((own) => own.map(({ id }) => id)),
    [
      ['18', '19'],
      ['18', '19'],
    ],
  );
  await query.close();
  await assert.rejects(query.run([3, 0], [10]), { code: 'CLOSED' });
  await db.close();
});

test('a large input is cut into transactions, with progress', async () => {
  const db = await open('memory:', { create: true });
  const notes = await db.collection('notes', { v: vector(64) });
  const count = 20_000;
  const dice = random(8);
  const reports = [];
  const documents = Array.from({ length: count }, (_, i) => ({ id: `${i}`, v: dice.vector(64) }));
  const { written } = await notes.upsert(documents, {
    onProgress: (done, total) => reports.push([done, total]),
  });
  assert.equal(written, count);
  assert.equal(await notes.count(), count);
  assert.ok(reports.length >= 3, `${reports.length} reports`);
  assert.deepEqual(reports.at(-1), [count, count]);
  assert.ok(reports.every(([done], i) => i === 0 || done > reports[i - 1][0]));
  await db.close();
});

test('a schema may grow, not change; collections are listed and dropped', async () => {
  const location = path();
  let db = await open(location, { create: true });
  await db.collection('b', { tag: keyword() });
  const a = await db.collection('a', { v: vector(3), tag: keyword() }, {});
  await a.upsert({ id: 'x', v: [1, 2, 3], tag: 't' });
  await assert.rejects(db.collection('a', { v: vector(4), tag: keyword() }), { code: 'SCHEMA' });
  const grown = await db.collection('a', { v: vector(3), tag: keyword(), year: number() });
  await grown.upsert({ id: 'y', year: 3 });
  await db.close();
  db = await open(location);
  const infos = await db.collections();
  assert.deepEqual(
    infos.map(({ name, count }) => [name, count]),
    [
      ['a', 2],
      ['b', 0],
    ],
  );
  const again = await db.collection('a');
  assert.deepEqual(Object.keys((await again.schema()).fields), ['v', 'tag', 'year']);
  assert.equal(await again.count({ year: 3 }), 1);
  await db.drop('a');
  await assert.rejects(db.collection('a'), { code: 'NOTFOUND' });
  assert.deepEqual(
    (await db.collections()).map(({ name }) => name),
    ['b'],
  );
  await db.close();
});
