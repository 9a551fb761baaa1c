// How a field keeps its vectors: rounded ones are what is found, read and copied, and half as long.
// budget: 10 s

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { importDatabase, open, vector } from 'veerdb';

import { distances, furtherMetrics, metrics } from '../support/distances.mjs';
import { random } from './support/rng.mjs';

/** The nearest 16-bit float, ties to even. */
function toF16(x) {
  const size = Math.abs(x);
  if (size === 0 || !Number.isFinite(x)) return x;
  const unit = 2 ** (Math.max(Math.floor(Math.log2(size)), -14) - 10);
  const whole = Math.floor(size / unit);
  const rest = size / unit - whole;
  const up = rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? 1 : 0;
  const value = (whole + up) * unit;
  return Math.sign(x) * (value > 65504 ? Infinity : value);
}

const schemaOf = async (collection) => (await collection.schema()).fields;

for (const metric of metrics) {
  test(`f16, ${metric}: what is found and read is rounded, sealed or not`, async () => {
    const dims = 37;
    const dice = random(5);
    const db = await open('memory:', { create: true, autoWork: false });
    const notes = await db.collection('notes', { v: vector(dims, { metric, storage: 'f16' }) });
    assert.equal((await schemaOf(notes)).v.storage, 'f16');
    const given = Array.from({ length: 200 }, () => dice.vector(dims));
    given[3].set([2 ** -25, 3 * 2 ** -25, -(2 ** -26), 1 + 2 ** -11, 65519, 1e-30]);
    const kept = given.map((v) => v.map(toF16));
    await notes.upsert(given.map((v, i) => ({ id: `d${i}`, v })));
    const queries = Array.from({ length: 5 }, () => dice.vector(dims));
    const search = async () => {
      const results = await notes.searchMany({ vectors: queries, k: 200, exact: true });
      return results.hits.map((hits) => hits.map(({ id, distance }) => [id, distance]));
    };
    const before = await search();
    for (const [i, hits] of before.entries()) {
      for (const [id, distance] of hits) {
        const wanted = distances[metric](Array.from(queries[i]), Array.from(kept[id.slice(1)]));
        assert.ok(Math.abs(distance - wanted) <= 1e-5 * (1 + Math.abs(wanted)), `${id}, ${metric}`);
      }
    }
    await db.checkpoint();
    assert.deepEqual(await search(), before);
    const [{ v }, three] = await Promise.all(
      ['d0', 'd3'].map((id) => notes.get(id, { select: ['v'] })),
    );
    assert.deepEqual(v, kept[0]);
    assert.deepEqual(three.v, kept[3]);
    if (!furtherMetrics.includes(metric)) {
      const { hits } = await notes.search({ vector: queries[0], k: 5, recall: 1 });
      assert.deepEqual(
        hits.map(({ id, distance }) => [id, distance]),
        before[0].slice(0, 5),
      );
    }
    await db.close();
  });
}

test('f16: a copy keeps storage and vectors, and segments take half', async () => {
  const dice = random(6);
  const dims = 256;
  const db = await open('memory:', { create: true, autoWork: false });
  const sizes = {};
  const ids = Array.from({ length: 500 }, (_, i) => `${i}`);
  const vectors = Float32Array.from({ length: 500 * dims }, () => dice.next() - 0.5);
  for (const storage of ['f32', 'f16']) {
    const notes = await db.collection(storage, { v: vector(dims, { storage }) });
    await notes.upsert({ ids, vectors });
  }
  await db.compact();
  const { collections } = await db.stats();
  for (const { name, segments } of collections)
    sizes[name] = segments[0].streams.find(({ kind }) => kind === 'base').bytes;
  assert.ok(sizes.f32 - sizes.f16 >= 500 * dims * 2 - 4096, JSON.stringify(sizes));
  const bytes = await new Response(await db.export()).arrayBuffer();
  const copy = await importDatabase('memory:', new Uint8Array(bytes));
  const [from, to] = await Promise.all([db, copy].map((each) => each.collection('f16')));
  assert.deepEqual(await schemaOf(to), await schemaOf(from));
  assert.equal((await schemaOf(await copy.collection('f32'))).v.storage, undefined);
  const get = async (notes) => (await notes.get('17', { select: ['v'] })).v;
  assert.deepEqual(await get(to), await get(from));
  await db.close();
  await copy.close();
});

test('f16: what cannot be rounded is refused', async () => {
  const db = await open('memory:', { create: true });
  const notes = await db.collection('notes', { v: vector(2, { storage: 'f16' }) });
  const refused = (v, pattern) =>
    assert.rejects(notes.upsert([{ id: 'a', v }]), (error) => {
      assert.equal(error.code, 'VECTOR');
      assert.match(error.message, pattern);
      return true;
    });
  await refused([1, 70_000], /'v' holds 70000 at 1; f16 .*65504.*'a'/);
  await refused(Float32Array.of(-65_520, 1), /'v' holds -65520 at 0; f16 .*65504.*'a'/);
  await refused([1e-9, 0], /'v' is zero, rounded to f16.*'a'/);
  assert.equal(await notes.count(), 0);
  await notes.upsert([{ id: 'a', v: [65_519, 0] }]);
  assert.deepEqual((await notes.get('a', { select: ['v'] })).v, Float32Array.of(65_504, 0));
  await assert.rejects(db.collection('notes', { v: vector(2, { storage: 'f32' }) }), {
    code: 'SCHEMA',
  });
  await db.collection('notes', { v: vector(2) });
  await db.close();
});

for (const metric of ['hamming', 'jaccard']) {
  test(`bits, ${metric}: the distances of f32, and only zeros and ones`, async () => {
    const dims = 293;
    const dice = random(7);
    const db = await open('memory:', { create: true, autoWork: false });
    const [notes, floats] = await Promise.all(
      ['bits', 'f32'].map((storage) =>
        db.collection(storage, { v: vector(dims, { metric, storage }) }),
      ),
    );
    const bits = () => dice.vector(dims).map((x) => Number(x > 0.3));
    const documents = Array.from({ length: 100 }, (_, i) => ({ id: `d${i}`, v: bits() }));
    await notes.upsert(documents);
    await floats.upsert(documents);
    const request = { vectors: Array.from({ length: 5 }, bits), k: 100 };
    const wanted = (await floats.searchMany(request)).hits;
    assert.deepEqual((await notes.searchMany(request)).hits, wanted);
    await db.compact();
    assert.deepEqual((await notes.searchMany(request)).hits, wanted);
    assert.deepEqual((await notes.get('d9', { select: ['v'] })).v, documents[9].v);
    const none = bits().fill(0.5, 3, 4);
    const refused = { code: 'VECTOR', message: /'v' holds 0.5 at 3; bits are 0 or 1/ };
    await assert.rejects(notes.upsert([{ id: 'x', v: none }]), refused);
    await assert.rejects(notes.search({ vector: none }), refused);
    await db.close();
  });
}

test('bits: not under another metric', async () => {
  const db = await open('memory:', { create: true });
  await assert.rejects(db.collection('notes', { v: vector(8, { storage: 'bits' }) }), {
    code: 'SCHEMA',
    message: /'storage' of field 'v' is bits, .* hamming or jaccard, not cosine/,
  });
  await db.close();
});
