// Packed files: backups, exports, opening them where they lie, and importing.
// budget: 10 s

import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, test } from 'node:test';

import { importDatabase, json, keyword, number, open, vector } from 'veerdb';

import { random } from './support/rng.mjs';
import { temporary } from './support/temporary.mjs';

const { path } = temporary('packed');

const documentsOf = (count) => {
  const dice = random(11);
  return Array.from({ length: count }, (_, i) => ({
    id: `d${i}`,
    ...(i % 7 === 0 ? {} : { v: dice.vector(48) }),
    tag: `t${i % 5}`,
    extra: { i },
  }));
};

/** A database with sealed, deleted and fresh rows, in two collections. */
async function filled(location, options) {
  const db = await open(location, { create: true, autoWork: false, ...options });
  const notes = await db.collection('notes', { v: vector(48), tag: keyword(), '*': json() });
  const documents = documentsOf(1500);
  await notes.upsert(documents.slice(0, 1000));
  await db.checkpoint();
  await notes.upsert(documents.slice(1000));
  await notes.delete({ filter: { tag: 't3' } });
  const years = await db.collection('years', { year: number() });
  await years.upsert([{ id: 'y', year: 1999 }]);
  return { db, notes, documents: documents.filter(({ tag }) => tag !== 't3') };
}

async function expectFilled(db, documents) {
  const notes = await db.collection('notes');
  assert.equal(await notes.count(), documents.length);
  const ids = documents.map(({ id }) => id);
  const found = await notes.get(ids, { select: ['v', 'tag', 'extra'] });
  documents.forEach((document, i) => assert.deepEqual(found[i], document));
  const { hits } = await notes.search({ vector: documents[10].v, k: 1, exact: true });
  assert.equal(hits[0].id, documents[10].id);
  assert.equal((await (await db.collection('years')).get('y')).year, 1999);
}

const bytesOf = async (stream) => new Uint8Array(await new Response(stream).arrayBuffer());

for (const worker of [false, true]) {
  describe(worker ? 'in a worker' : 'in this thread', () => {
    test('a backup opens read-only in place, with what was there when it was made', async () => {
      const { db, notes, documents } = await filled(path(), { worker });
      const file = path('backup') + '.Veer';
      const reports = [];
      await db.backup(file, { onProgress: (done, total) => reports.push([done, total]) });
      assert.ok(reports.length > 0);
      await assert.rejects(db.backup(file), { code: 'EXISTS' });
      await notes.upsert({ id: 'later', tag: 'x' });
      await db.close();
      const copy = await open(file, { worker });
      await expectFilled(copy, documents);
      const copied = await copy.collection('notes');
      await assert.rejects(copied.upsert({ id: 'z' }), { code: 'READONLY' });
      await copy.close();
      const bytes = readFileSync(file);
      for (const source of [bytes, new Blob([bytes]), new Uint8Array(bytes).buffer]) {
        const opened = await open(source, { worker });
        await expectFilled(opened, documents);
        await opened.close();
      }
    });

    test('an export is the packed file, and leaves nothing behind', async () => {
      for (const location of ['memory:', path()]) {
        const { db, documents } = await filled(location, { worker });
        const bytes = await bytesOf(await db.export());
        const half = (await db.export()).getReader();
        await half.read();
        await half.cancel();
        const folder = location === 'memory:' ? undefined : dirname(location);
        if (folder)
          assert.deepEqual(
            readdirSync(folder).filter((n) => /export/.test(n)),
            [],
          );
        await db.close();
        const copy = await open(bytes, { worker });
        await expectFilled(copy, documents);
        await copy.close();
      }
    });

    test('importing makes a database that can be written', async () => {
      const { db, documents } = await filled('memory:', { worker });
      const bytes = await bytesOf(await db.export());
      await db.close();
      const location = path();
      const reports = [];
      const copy = await importDatabase(location, bytes, {
        worker,
        onProgress: (done, total) => reports.push([done, total]),
      });
      assert.deepEqual(reports.at(-1), [documents.length + 1, documents.length + 1]);
      await expectFilled(copy, documents);
      const notes = await copy.collection('notes');
      await notes.upsert({ id: 'new', tag: 'x' });
      await copy.close();
      await assert.rejects(importDatabase(location, bytes, { worker }), { code: 'EXISTS' });
      const again = await open(location);
      assert.equal(await (await again.collection('notes')).count(), documents.length + 1);
      await again.close();
    });
  });
}

test('a cancelled backup is gone', async () => {
  const { db } = await filled(path());
  const file = path('backup');
  const controller = new AbortController();
  const options = { signal: controller.signal, onProgress: () => controller.abort() };
  await assert.rejects(db.backup(file, options), { name: 'AbortError' });
  assert.equal(existsSync(file), false);
  const failing = {
    onProgress: () => {
      throw new Error('from onProgress');
    },
  };
  await assert.rejects(db.backup(file, failing), { message: 'from onProgress' });
  assert.equal(existsSync(file), false);
  await db.backup(file);
  await db.close();
});

test('a damaged packed file is an error, never an empty database', async () => {
  const { db } = await filled('memory:');
  const bytes = await bytesOf(await db.export());
  await db.close();
  const cut = [0, 1, 100, 4096, bytes.length >> 1, bytes.length - 1];
  for (const length of cut) {
    await assert.rejects(
      async () => {
        const opened = await open(bytes.slice(0, length));
        await opened.close();
      },
      ({ code }) => ['FORMAT', 'CORRUPT'].includes(code),
      `cut at ${length}`,
    );
  }
  const file = path();
  writeFileSync(file, bytes.slice(0, 5000));
  await assert.rejects(open(file), ({ code }) => ['FORMAT', 'CORRUPT'].includes(code));
});
