// compact() and optimize() are done when they return, however many parts they take.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { open, text, vector } from '../../dist/index_node.js';

const dims = 32;
const note = (i) => ({
  id: `n${i}`,
  text: `note ${i} `.repeat(60),
  v: Float32Array.from({ length: dims }, (_, j) => Math.sin((i * dims + j) ** 2)),
});
const notes = (from, count) => Array.from({ length: count }, (_, i) => note(from + i));

/** A database with deleted rows in a sealed segment, and so much in the log that sealing it takes long. */
async function unsettled() {
  const db = await open('memory:', { create: true, autoWork: false });
  const all = await db.collection('notes', { v: vector(dims), text: text() });
  await all.upsert(notes(0, 4000));
  await db.checkpoint();
  await all.delete(['n1', 'n2', 'n3']);
  await all.upsert(notes(4000, 30_000));
  return { db, all };
}

test('one segment without deleted rows is left, also where sealing takes several parts', async () => {
  const { db, all } = await unsettled();
  assert.equal((await db.stats()).tombstones, 3);
  let calls = 0;
  await db.compact({ onProgress: () => calls++ });
  const { tombstones, rows, segments } = await db.stats();
  assert.deepEqual({ tombstones, rows, segments }, { tombstones: 0, rows: 33_997, segments: 1 });
  assert.ok(calls > 0);
  assert.equal(await all.count(), 33_997);
  const [{ id }] = (await all.search({ vector: note(20_000).v, k: 1 })).hits;
  assert.equal(id, 'n20000');
  await db.close();
});

test('a signal ends it between two parts, and the database stays usable', async () => {
  const { db, all } = await unsettled();
  const cancel = new AbortController();
  const reason = new Error('enough');
  const compacted = db.compact({
    signal: cancel.signal,
    onProgress: () => cancel.abort(reason),
  });
  await assert.rejects(compacted, reason);
  assert.equal(await all.count(), 33_997);
  await db.compact();
  assert.equal((await db.stats()).tombstones, 0);
  await db.close();
});

const graphsOf = ({ collections }) =>
  collections
    .flatMap(({ segments }) => segments)
    .flatMap(({ streams }) => streams ?? [])
    .filter(({ kind }) => kind === 'graph').length;

test('optimize seals and builds graphs in parts while others write; a signal ends it', async () => {
  const db = await open('memory:', { create: true, autoWork: false, graphRows: 1000 });
  const all = await db.collection('notes', { v: vector(dims), text: text() });
  await all.upsert(notes(0, 6000));
  const cancel = new AbortController();
  const reason = new Error('enough');
  const cancelled = db.optimize({ signal: cancel.signal, onProgress: () => cancel.abort(reason) });
  await assert.rejects(cancelled, reason);
  const reports = [];
  const optimized = db.optimize({ onProgress: (done, total) => reports.push(done <= total) });
  await all.upsert(notes(6000, 10));
  await optimized;
  assert.ok(reports.length > 10 && reports.every(Boolean));
  assert.equal(graphsOf(await db.stats()), 1);
  await db.optimize();
  const settled = await db.stats();
  assert.equal(settled.memory.active, 0);
  assert.equal(await db.work(-1), false);
  await db.optimize();
  assert.equal((await db.stats()).generation, settled.generation);
  assert.equal(await all.count(), 6010);
  const { explain } = await all.search({ vector: note(3000).v, k: 1, explain: true });
  assert.equal(explain.method, 'graph');
  const efforts = [1, 40, 6000];
  const request = { vector: note(3000.5).v, k: 10, explain: true, verify: true, select: false };
  for (const effort of efforts) {
    const given = await all.search({ ...request, effort });
    const true10 = await all.search({ ...request, exact: true });
    const found = given.hits.filter(({ distance }) => distance <= true10.hits[9].distance).length;
    assert.equal(given.explain.trueRecall, found / 10);
    assert.equal(given.explain.segments[0].walked, true);
    assert.equal(given.explain.segments[0].effort, Math.min(Math.max(effort, 10), 6000));
    assert.equal(true10.explain.trueRecall, 1);
    if (effort === 6000) assert.equal(found, 10);
  }
  await db.close();
});
