// Collections against a naive model: random histories in memory, in files, and in a worker.
// budget: 30 s

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { bool, json, keyword, number, open, text, time, vector } from 'veerdb';

import { Model } from './support/model.mjs';
import { random } from './support/rng.mjs';
import { temporary } from './support/temporary.mjs';

const { path } = temporary('collections');
const DIMS = 24;

const schema = (metric) => ({
  v: vector(DIMS, { metric }),
  tag: keyword(),
  year: number(),
  draft: bool(),
  published: time(),
  title: text(),
  '*': json(),
});

/** Filters in every spelling, each with what it means. */
const filters = [
  { filter: undefined, matches: () => true },
  { filter: { tag: 't1' }, matches: ({ tag }) => [tag].flat().includes('t1') },
  {
    filter: "tag IN ('t1', ?) AND year >= ?",
    parameters: ['t2', 1990],
    matches: ({ tag, year }) => [tag].flat().some((t) => t === 't1' || t === 't2') && year >= 1990,
  },
  {
    filter: { year: { $gte: 1980, $lt: 2000 }, draft: true },
    matches: ({ year, draft }) => year >= 1980 && year < 2000 && draft === true,
  },
  { filter: 'NOT (draft = true)', matches: ({ draft }) => draft !== true },
  {
    filter: { title: undefined, year: { $exists: false } },
    matches: ({ year }) => year === undefined,
  },
  {
    filter: { published: { $lt: new Date('2000-01-01T00:00:00Z') } },
    matches: ({ published }) =>
      published !== undefined && new Date(published) < new Date('2000-01-01T00:00:00Z'),
  },
  { filter: "tag = 'nobody'", matches: () => false },
];

function documentOf(dice, id) {
  const document = { id };
  if (dice.below(10) > 0) document.v = dice.vector(DIMS);
  if (dice.below(5) > 0) {
    document.tag = dice.below(4) === 0 ? ['t1', `t${dice.below(5)}`] : `t${dice.below(5)}`;
  }
  if (dice.below(5) > 0) document.year = 1970 + dice.below(50);
  if (dice.below(3) > 0) document.draft = dice.below(2) === 0;
  if (dice.below(3) > 0) document.published = new Date(dice.below(2 ** 31) * 1000).toISOString();
  if (dice.below(3) > 0)
    document.title = `Títle ${dice.below(1000)} — ${'x'.repeat(dice.below(50))}`;
  if (dice.below(3) > 0) document.extra = { list: [1, 'two', null], deep: { id } };
  return document;
}

const withoutVector = ({ v, ...rest }) => rest;

/** `reopen` closes and opens again, where what was written outlives that. */
async function history({ metric, seed, steps, openDatabase, isDurable }) {
  const dice = random(seed);
  const model = new Model(metric);
  let db = await openDatabase();
  let notes = await db.collection('notes', schema(metric));
  const ids = Array.from({ length: 400 }, (_, i) => `d${i}`);

  const actions = {
    async upsert() {
      const documents = Array.from({ length: 1 + dice.below(40) }, () =>
        documentOf(dice, dice.pick(ids)),
      );
      const { written, lsn } = await notes.upsert(documents);
      assert.equal(written, documents.length);
      assert.ok(lsn > 0);
      for (const document of documents) model.upsert(document);
    },
    async deleteIds() {
      const some = [...new Set(Array.from({ length: dice.below(10) }, () => dice.pick(ids)))];
      const { deleted } = await notes.delete(some);
      assert.equal(deleted, model.delete(some));
    },
    async deleteByFilter() {
      if (dice.below(4) > 0) return;
      const year = 1970 + dice.below(50);
      const gone = model.matching((d) => d.year === year).map(({ id }) => id);
      const { deleted } = await notes.delete({ filter: 'year = ?', parameters: [year] });
      assert.equal(deleted, gone.length);
      model.delete(gone);
    },
    async search() {
      const query = dice.vector(DIMS);
      const { matches, ...options } = dice.pick(filters);
      const k = 1 + dice.below(20);
      const { hits, exact } = await notes.search({ vector: query, k, ...options, exact: true });
      assert.equal(exact, true);
      model.checkHits(hits, query, k, matches, JSON.stringify(options));
      for (const { id, document } of hits) {
        assert.deepEqual(document, withoutVector(model.documents.get(id)));
      }
    },
    async searchMany() {
      const queries = [dice.vector(DIMS), dice.vector(DIMS), dice.vector(DIMS)];
      const { matches, ...options } = dice.pick(filters);
      const { hits } = await notes.searchMany({
        vectors: queries,
        k: 5,
        ...options,
        exact: true,
        select: false,
      });
      assert.equal(hits.length, 3);
      queries.forEach((query, i) => model.checkHits(hits[i], query, 5, matches, `query ${i}`));
    },
    async get() {
      const some = Array.from({ length: 10 }, () => dice.pick(ids));
      const found = await notes.get(some, { select: ['v', 'year', 'extra'] });
      some.forEach((id, i) => {
        const expected = model.documents.get(id);
        if (!expected) return assert.equal(found[i], undefined);
        const { v, year, extra } = expected;
        const wanted = Object.entries({ id, v, year, extra }).filter(([, x]) => x !== undefined);
        assert.deepEqual(found[i], Object.fromEntries(wanted), id);
      });
    },
    async count() {
      for (const { matches, filter, parameters } of filters) {
        const count = await notes.count(filter, { parameters });
        assert.equal(count, model.matching(matches).length, JSON.stringify(filter));
      }
    },
    async scan() {
      const { matches, ...options } = dice.pick(filters);
      const rows = [];
      for await (const { id, document } of notes.scan(options)) {
        assert.deepEqual(document, withoutVector(model.documents.get(id)));
        rows.push(id);
      }
      assert.deepEqual(
        rows.sort(),
        model
          .matching(matches)
          .map(({ id }) => id)
          .sort(),
      );
    },
    async work() {
      if (dice.below(3) === 0) await db.checkpoint();
      else if (dice.below(3) === 0) await db.compact();
      else await db.work(dice.below(5));
    },
    async reopen() {
      if (!isDurable || dice.below(3) > 0) return;
      await db.close();
      db = await openDatabase();
      notes = await db.collection('notes', schema(metric));
    },
  };
  const names = Object.keys(actions);
  for (let step = 0; step < steps; step++) {
    const name = dice.below(3) === 0 ? 'upsert' : dice.pick(names);
    try {
      await actions[name]();
    } catch (error) {
      error.message = `step ${step}, ${name}: ${error.message}`;
      throw error;
    }
  }
  await actions.count();
  await db.close();
}

describe('a random history', () => {
  for (const metric of ['cosine', 'dot', 'l2']) {
    test(`in memory, ${metric}`, () =>
      history({
        metric,
        seed: 1,
        steps: 500,
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
