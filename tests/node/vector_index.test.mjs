// The index level against brute force: random additions, replacements and removals, saving and
// loading, and what it refuses.
// budget: 20 s

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';

import { VectorIndex } from 'veerdb';

import { furtherMetrics, metrics, rounded } from '../support/distances.mjs';
import { Model } from './support/model.mjs';
import { random } from './support/rng.mjs';

const DIMS = 40;
const NONE = 2n ** 64n - 1n;

const hitsOf = ({ k, keys, distances, found }, query, metric) =>
  Array.from({ length: found[query] }, (_, i) => {
    const distance = distances[query * k + i];
    return {
      id: keys[query * k + i],
      distance,
      score: metric === 'cosine' ? 1 - distance : -distance,
    };
  });

describe('a random history', () => {
  for (const metric of metrics) {
    test(metric, async () => {
      const dice = random(metric.length);
      const model = new Model(metric);
      const steps = furtherMetrics.includes(metric) ? 50 : 150;
      let index = await VectorIndex.create({ dims: DIMS, metric });
      const keyOf = () => BigInt(dice.below(500)) * 0x1234567890abcn;
      for (let step = 0; step < steps; step++) {
        const many = new Map();
        for (let i = dice.below(60); i >= 0; i--)
          many.set(keyOf(), rounded(metric, dice.vector(DIMS)));
        index.add(
          BigUint64Array.from(many.keys()),
          Float32Array.from([...many.values()].flatMap((v) => [...v])),
        );
        for (const [id, v] of many) model.upsert({ id, v });

        const gone = [...new Set(Array.from({ length: dice.below(20) }, keyOf))];
        assert.equal(index.remove(gone), model.delete(gone));
        if (dice.below(10) === 0) index.optimize(dice.below(2) ? -1 : 1);
        if (dice.below(20) === 0) {
          const bytes = index.save();
          index.close();
          index = await VectorIndex.load(bytes);
          assert.deepEqual(index.save(), bytes, 'saved again, it is the same');
        }
        assert.equal(index.count, model.documents.size);

        const queries = [dice, dice].map((d) => rounded(metric, d.vector(DIMS)));
        const k = 1 + dice.below(15);
        const accept = dice.below(2) ? (key) => key % 3n === 0n : undefined;
        const result = index.search(queries, k, { exact: true, accept });
        const matches = ({ id }) => !accept || accept(id);
        queries.forEach((query, q) => {
          model.checkHits(hitsOf(result, q, metric), query, k, matches, `step ${step}`);
          for (let i = result.found[q]; i < k; i++) {
            assert.equal(result.keys[q * k + i], NONE);
            assert.equal(result.distances[q * k + i], Infinity);
          }
        });
        const [id] = model.documents.keys();
        if (id !== undefined) assert.deepEqual(index.get(id), model.documents.get(id).v);
        assert.equal(index.get(7), undefined);
      }
      index.close();
    });
  }
});

test('the approximate search keeps its promise', async () => {
  const dice = random(1);
  const index = await VectorIndex.create({ dims: 96 });
  const n = 5000;
  index.add(
    Array.from({ length: n }, (_, i) => i),
    Float32Array.from({ length: n * 96 }, () => dice.next() - 0.5),
  );
  const queries = Float32Array.from({ length: 50 * 96 }, () => dice.next() - 0.5);
  const truth = index.search(queries, 10, { exact: true }).keys;
  for (const recall of [0.95, 0.99, 1]) {
    const { keys } = index.search(queries, 10, { recall });
    let common = 0;
    for (let q = 0; q < 50; q++) {
      const own = new Set(truth.subarray(q * 10, q * 10 + 10));
      for (const key of keys.subarray(q * 10, q * 10 + 10)) common += own.has(key);
    }
    // Room for the luck of 500 neighbours, and for data without any structure.
    assert.ok(common / 500 >= recall - 0.05, `recall ${common / 500} instead of ${recall}`);
  }
  index.close();
});

test('the graph finds what was asked for, before and after changes', async () => {
  const dice = random(2);
  const dims = 16;
  const n = 21_000;
  const middles = Array.from({ length: 40 }, () => dice.vector(dims));
  const row = () => dice.vector(dims).map((v, i) => middles[row.at][i] + 0.5 * v);
  const rows = (count) => {
    const data = new Float32Array(count * dims);
    for (let i = 0; i < count; i++) {
      row.at = dice.below(40);
      data.set(row(), i * dims);
    }
    return data;
  };
  const keys = (from, count) => Array.from({ length: count }, (_, i) => from + i);
  let index = await VectorIndex.create({ dims, metric: 'l2', graphRows: 20_000 });
  index.add(keys(0, n), rows(n));
  const without = index.memory;
  const queries = rows(100);
  const check = (accept) => {
    const truth = index.search(queries, 10, { exact: true, accept });
    const { keys, found } = index.search(queries, 10, { accept });
    let common = 0;
    for (let q = 0; q < 100; q++) {
      assert.equal(found[q], 10);
      const own = new Set(truth.keys.subarray(q * 10, q * 10 + 10));
      for (const key of keys.subarray(q * 10, q * 10 + 10)) common += own.has(key);
    }
    assert.ok(common / 1000 >= 0.92, `recall ${common / 1000}`);
  };
  let calls = 1;
  while (index.optimize(20)) {
    if (++calls % 20 === 2) check();
  }
  assert.ok(calls > 5);
  assert.ok(index.memory > without + n * (64 + 32 * 4), `${without}, then ${index.memory}`);
  check();
  index.add(keys(n - 500, 1000), rows(1000));
  index.remove(keys(0, 500));
  const bytes = index.save();
  index.close();
  index = await VectorIndex.load(bytes);
  assert.equal(index.optimize(), false);
  check();
  check((key) => key % 2n === 0n);
  check((key) => key < 1000n);
  let asked = 0;
  index.search(queries.subarray(0, dims), 10, { accept: () => ++asked > 0 });
  assert.ok(asked < 2000, `asked about ${asked} rows`);
  index.close();
  await assert.rejects(VectorIndex.create({ dims, graphRows: -1 }), RangeError);
  await assert.rejects(VectorIndex.create({ dims, graphDegree: 65 }), RangeError);
});

test('one query in every form', async () => {
  const index = await VectorIndex.create({ dims: 3, metric: 'l2' });
  index.add(
    [1, 2],
    [
      [1, 0, 0],
      [0, 1, 0],
    ],
  );
  for (const query of [[1, 0, 0], new Float32Array([1, 0, 0]), [[1, 0, 0]]]) {
    assert.deepEqual([...index.search(query, 1).keys], [1n]);
  }
  assert.ok(index.memory > 0);
  index.close();
});

test('what it refuses changes nothing', async () => {
  const index = await VectorIndex.create({ dims: 3 });
  index.add([5], [[1, 2, 3]]);
  const argument = (type, field) => (error) => error instanceof type && field.test(error.field);
  assert.throws(() => index.add([1], [[1, 2]]), { code: 'DIMENSION' });
  assert.throws(() => index.add([1], [[1, 2, NaN]]), { code: 'VECTOR', message: /NaN/ });
  assert.throws(
    () =>
      index.add(
        [1, 2],
        [
          [1, 2, 3],
          [0, 0, 0],
        ],
      ),
    { code: 'VECTOR', message: /1/ },
  );
  assert.throws(() => index.add([1, 2], [[1, 2, 3]]), argument(RangeError, /vectors/));
  assert.throws(() => index.add([-1], [[1, 2, 3]]), argument(RangeError, /keys\[0\]/));
  assert.throws(() => index.add([1.5], [[1, 2, 3]]), argument(RangeError, /keys\[0\]/));
  assert.throws(() => index.add(['1'], [[1, 2, 3]]), argument(TypeError, /keys\[0\]/));
  assert.throws(() => index.add([2n ** 64n], [[1, 2, 3]]), argument(RangeError, /keys\[0\]/));
  assert.throws(() => index.add([1], new Float32Array(4)), argument(RangeError, /vectors/));
  assert.throws(() => index.search([1, 2, 3], 0), argument(RangeError, /^k$/));
  assert.throws(() => index.search([1, 2, 3], 10, { recall: 2 }), argument(RangeError, /recall/));
  assert.throws(() => index.search([1, 2, 3], 10, { accept: 1 }), argument(TypeError, /accept/));
  assert.equal(index.count, 1);
  const bytes = index.save();
  for (const damage of [0, 20, bytes.length >> 1, bytes.length - 1]) {
    const copy = bytes.slice();
    copy[damage] ^= 0x40;
    await assert.rejects(VectorIndex.load(copy), ({ code }) =>
      ['CORRUPT', 'FORMAT', 'VERSION'].includes(code),
    );
  }
  await assert.rejects(VectorIndex.load(bytes.slice(0, -1)), { code: 'CORRUPT' });
  index.close();
});

test('accept may throw, and may not use the index', async () => {
  const index = await VectorIndex.create({ dims: 2, metric: 'l2' });
  index.add(
    [1, 2, 3],
    [
      [1, 0],
      [2, 0],
      [3, 0],
    ],
  );
  const thrown = new Error('from accept');
  const throwing = () => {
    throw thrown;
  };
  assert.throws(
    () => index.search([1, 0], 2, { accept: throwing }),
    (error) => error === thrown,
  );
  assert.throws(
    () => index.search([1, 0], 2, { accept: () => index.count > 0 && index.remove([1]) }),
    {
      code: 'BUSY',
    },
  );
  assert.throws(() => index.search([1, 0], 2, { accept: () => index.close() }), { code: 'BUSY' });
  assert.deepEqual([...index.search([1, 0], 2).keys], [1n, 2n]);
  index.close();
  index.close();
  assert.throws(() => index.search([1, 0], 2), { code: 'CLOSED' });
  assert.throws(() => index.count, { code: 'CLOSED' });
});

test('memory grows, and what was handed out is not a view', async () => {
  const index = await VectorIndex.create({ dims: 512, metric: 'l2' });
  const dice = random(3);
  const rows = Array.from({ length: 6 }, () => dice.vector(512 * 1000));
  index.add([1_000_000], [new Float32Array(512)]);
  const early = index.search(new Float32Array(512), 1);
  const vector = index.get(1_000_000);
  rows.forEach((row, i) =>
    index.add(
      Array.from({ length: 1000 }, (_, j) => i * 1000 + j),
      row,
    ),
  );
  assert.deepEqual([...early.keys], [1_000_000n]);
  assert.equal(vector.length, 512);
  assert.deepEqual(index.get(5999), rows[5].subarray(999 * 512));
  index.close();
});

test('an index that is forgotten is freed, and told once', () => {
  const source = `
    import { VectorIndex } from 'veerdb';
    for (let i = 0; i < 2; i++) (await VectorIndex.create({ dims: 4 })).add([1], [[1, 2, 3, 4]]);
    for (let i = 0; i < 20; i++) { globalThis.gc(); await new Promise((r) => setTimeout(r, 10)); }
    const index = await VectorIndex.create({ dims: 4 });
    index.close();`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '--eval', source],
    { cwd: new URL('.', import.meta.url), encoding: 'utf8', timeout: 20_000 },
  );
  assert.equal(status, 0, stderr);
  assert.equal(stderr.match(/was not closed/g)?.length, 1, stderr);
});
