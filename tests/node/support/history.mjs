// A random history of a collection beside the naive model, over any way of opening a database.

import assert from 'node:assert/strict';

import { bool, json, keyword, number, text, time, vector } from 'veerdb';

import { rounded } from '../../support/distances.mjs';
import { Model } from './model.mjs';
import { random } from './rng.mjs';

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

const vectorOf = (dice, metric) => rounded(metric, dice.vector(DIMS));

function documentOf(dice, metric, id) {
  const document = { id };
  if (dice.below(10) > 0) document.v = vectorOf(dice, metric);
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

/**
 * Writes, deletes, searches, reads, works and opens again at random, and compares after each step.
 * `isDurable`: what was written outlives closing and opening again.
 */
export async function history({ metric, seed, steps, openDatabase, isDurable }) {
  const dice = random(seed);
  const model = new Model(metric);
  let db = await openDatabase();
  let notes = await db.collection('notes', schema(metric));
  const ids = Array.from({ length: 400 }, (_, i) => `d${i}`);

  const actions = {
    async upsert() {
      const documents = Array.from({ length: 1 + dice.below(40) }, () =>
        documentOf(dice, metric, dice.pick(ids)),
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
      const query = vectorOf(dice, metric);
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
      const queries = [vectorOf(dice, metric), vectorOf(dice, metric), vectorOf(dice, metric)];
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
