// Signals, closing, memory that grows, workers that die, leaks.
// budget: 15 s

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { deleteDatabase, keyword, open, vector } from 'veerdb';

import { random } from './support/rng.mjs';
import { temporary } from './support/temporary.mjs';

const { path } = temporary('lifecycle');
const workerScript = new URL('../../dist/worker_node.js', import.meta.url);

const documents = (count, dims = 32) => {
  const dice = random(5);
  return Array.from({ length: count }, (_, i) => ({ id: `d${i}`, v: dice.vector(dims), tag: 't' }));
};

for (const worker of [false, true]) {
  describe(worker ? 'in a worker' : 'in this thread', () => {
    test('a signal ends a bulk write between batches, with its own reason', async () => {
      const db = await open('memory:', { create: true, worker });
      const notes = await db.collection('notes', { v: vector(32), tag: keyword() });
      const controller = new AbortController();
      const reason = new Error('enough');
      let written = 0;
      const options = {
        signal: controller.signal,
        onProgress(done) {
          written = done;
          controller.abort(reason);
        },
      };
      await assert.rejects(notes.upsert(documents(40_000), options), (error) => error === reason);
      assert.ok(written > 0);
      assert.equal(await notes.count(), written);
      await assert.rejects(notes.upsert(documents(1), { signal: AbortSignal.abort() }), {
        name: 'AbortError',
      });
      await db.close();
    });

    test('a signal ends a compaction, and another one finishes it', async () => {
      const location = path();
      // With a graph it takes a second and more, so that a signal from another thread arrives in
      // time: without one it ends within two parts.
      const options = { create: true, worker, autoWork: false, graphRows: 1000 };
      const db = await open(location, options);
      const notes = await db.collection('notes', { v: vector(128), tag: keyword() });
      for (let i = 0; i < 4; i++) {
        await notes.upsert(documents(1500, 128).map((d) => ({ ...d, id: `${i}-${d.id}` })));
        await db.checkpoint();
      }
      const controller = new AbortController();
      const compaction = db.compact({
        signal: controller.signal,
        onProgress: () => controller.abort(),
      });
      await assert.rejects(compaction, { name: 'AbortError' });
      assert.equal(await notes.count(), 6_000);
      const reports = [];
      await db.compact({ onProgress: (done, total) => reports.push([done, total]) });
      assert.ok(reports.length > 0);
      assert.equal(await notes.count(), 6_000);
      assert.equal((await db.stats()).segments, 1);
      await db.close();
    });

    test('everything is CLOSED after close, which can be called again', async () => {
      const db = await open('memory:', { create: true, worker });
      const notes = await db.collection('notes', { v: vector(2), tag: keyword() });
      await notes.upsert({ id: 'a', v: [1, 2] });
      const other = await db.collection('notes');
      const snapshot = await db.snapshot();
      const query = await notes.prepare({ k: 1 });
      const scan = notes.scan();
      await scan.next();
      await other.close();
      await assert.rejects(other.count(), { code: 'CLOSED', message: /'notes'/ });
      const pending = notes.count();
      const closing = [db.close(), db.close()];
      assert.equal(await pending, 1, 'what was asked before is answered');
      await Promise.all(closing);
      const gone = { code: 'CLOSED' };
      await assert.rejects(db.collections(), gone);
      await assert.rejects(notes.count(), gone);
      await assert.rejects(notes.upsert({ id: 'b' }), gone);
      await assert.rejects(query.run([1, 2]), gone);
      await assert.rejects(db.snapshot(), gone);
      await snapshot.close();
      await query.close();
      await notes.close();
      await db.close();
    });

    test('the caller’s arrays stay the caller’s', async () => {
      const db = await open('memory:', { create: true, worker });
      const notes = await db.collection('notes', { v: vector(2) });
      const v = new Float32Array([1, 2]);
      await notes.upsert({ id: 'a', v });
      await notes.upsert({ ids: ['b'], vectors: v });
      const { hits } = await notes.search({ vector: v });
      await notes.searchMany({ vectors: v });
      assert.deepEqual([...v], [1, 2]);
      assert.equal(hits.length, 2);
      await db.close();
    });
  });
}

test('memory grows between and during calls, and results stay right', async () => {
  const db = await open('memory:', { create: true, autoWork: false });
  const notes = await db.collection('notes', { v: vector(256, { metric: 'l2' }) });
  let kept;
  for (let batch = 0; batch < 8; batch++) {
    // Some MiB each: the module's memory starts with two.
    const some = documents(3000, 256).map(({ id, v }) => ({ id: `${batch}-${id}`, v }));
    await notes.upsert(some);
    const { hits } = await notes.search({ vector: some[17].v, k: 3, exact: true });
    assert.equal(hits[0].distance, 0);
    const { [`v`]: stored } = await notes.get(some[5].id, { select: ['v'] });
    assert.deepEqual(stored, some[5].v);
    kept ??= { stored, copy: stored.slice() };
  }
  assert.deepEqual(kept.stored, kept.copy, 'what was handed out is not a view');
  await db.close();
});

test('a database without close keeps no process alive and is told once', () => {
  const source = `
    import { keyword, open } from 'veerdb';
    const kept = await (await open('memory:', { worker: true })).collection('a', { t: keyword() });
    for (let i = 0; i < 2; i++) await open('memory:');
    for (let i = 0; i < 20; i++) { globalThis.gc(); await new Promise((r) => setTimeout(r, 10)); }
    await kept.upsert({ id: 'x' });`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '--eval', source],
    { cwd: new URL('.', import.meta.url), encoding: 'utf8', timeout: 20_000 },
  );
  assert.equal(status, 0, stderr);
  assert.equal(stderr.match(/was not closed/g)?.length, 1, stderr);
});

test('a worker that dies fails what it was asked, and later calls', async () => {
  const worker = new Worker(workerScript);
  const db = await open('memory:', { create: true, worker });
  const notes = await db.collection('notes', { v: vector(32), tag: keyword() });
  const pending = notes.upsert(documents(20_000));
  pending.catch(() => {});
  await worker.terminate();
  await assert.rejects(pending, { code: 'IO', message: /worker/ });
  await assert.rejects(notes.count(), { code: 'IO' });
  await db.close();
});

test('several databases in one worker of the caller’s', async () => {
  const worker = new Worker(workerScript);
  const open1 = await open('memory:', { create: true, worker });
  const open2 = await open('memory:', { create: true, worker });
  const one = await open1.collection('notes', { tag: keyword() });
  await one.upsert({ id: 'a', tag: 'x' });
  await open1.close();
  assert.deepEqual(await open2.collections(), []);
  await open2.close();
  await worker.terminate();
});

test('background work seals what was written, unless it is off', async () => {
  const segments = async (autoWork) => {
    const location = path();
    const db = await open(location, { create: true, autoWork, walBytes: 1 << 20 });
    const notes = await db.collection('notes', { v: vector(128), tag: keyword() });
    for (let i = 0; i < 3; i++) {
      await notes.upsert(documents(3000, 128).map((d) => ({ ...d, id: `${i}-${d.id}` })));
    }
    for (let i = 0; i < 100 && autoWork && (await db.work(0)); i++) await sleep(20);
    await sleep(50);
    const streams = (await readdir(location)).filter((name) => name.startsWith('seg.'));
    assert.equal(await notes.count(), 9000);
    await db.close();
    return streams.length;
  };
  assert.ok((await segments(true)) > 0);
});

test('deleting a database', async () => {
  const location = path();
  const db = await open(location, { create: true });
  await assert.rejects(deleteDatabase(location), { code: 'BUSY' });
  await db.close();
  await deleteDatabase(location);
  assert.equal(existsSync(location), false);
  await deleteDatabase(location);
});

test('readers beside each other, and what they may not do', async () => {
  const location = path();
  const writer = await open(location, { create: true });
  const notes = await writer.collection('notes', { tag: keyword() });
  await notes.upsert({ id: 'a', tag: 'x' });
  await writer.close();
  const readers = [
    await open(location, { mode: 'readonly' }),
    await open(location, { mode: 'readonly' }),
  ];
  for (const reader of readers) {
    const found = await reader.collection('notes');
    assert.equal(await found.count(), 1);
    await assert.rejects(found.upsert({ id: 'b' }), { code: 'READONLY' });
    await assert.rejects(reader.checkpoint(), { code: 'READONLY' });
  }
  await assert.rejects(open(location, { storage: { lockTimeoutMs: 0 } }), { code: 'BUSY' });
  for (const reader of readers) await reader.close();
});
