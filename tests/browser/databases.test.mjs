// Databases in a browser's storage: they are there after a reload, survive the death of their
// worker at any moment, say FULL when the quota is used up, and have one owner.
// budget: 90 s

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { skip, skipWithoutDevtools, useBrowser, withVeer } from './support/chromium.mjs';
import { serve } from './support/server.mjs';

const browser = useBrowser();
const kinds = ['opfs', 'idb'];

describe('a database', { skip, timeout: 150_000 }, () => {
  for (const kind of kinds) {
    test(`${kind}: is there after a reload`, async () => {
      const page = await browser.page();
      const written = await withVeer(
        page,
        async ({ open, vector, keyword }, location) => {
          const db = await open(location, { create: true });
          const notes = await db.collection('notes', { v: vector(8), tag: keyword() });
          const documents = Array.from({ length: 500 }, (_, i) => ({
            id: `d${i}`,
            tag: `t${i % 7}`,
            v: Float32Array.from({ length: 8 }, (_, j) => Math.sin(i * 8 + j)),
          }));
          const { written } = await notes.upsert(documents.slice(0, 300));
          await db.checkpoint();
          await notes.upsert(documents.slice(300));
          await notes.delete({ filter: { tag: 't3' } });
          // Not closed: a reload does not ask.
          return written;
        },
        `${kind}://reload`,
      );
      assert.equal(written, 300);
      await page.reload();
      const found = await withVeer(
        page,
        async ({ open }, location) => {
          const db = await open(location, { storage: { lockTimeoutMs: 5000 } });
          const notes = await db.collection('notes');
          const { hits } = await notes.search({
            vector: Float32Array.from({ length: 8 }, (_, j) => Math.sin(42 * 8 + j)),
            k: 1,
          });
          const result = {
            count: await notes.count(),
            deleted: await notes.count({ tag: 't3' }),
            nearest: hits[0].id,
          };
          await db.close();
          return result;
        },
        `${kind}://reload`,
      );
      assert.deepEqual(found, { count: 500 - 71, deleted: 0, nearest: 'd42' });
      await page.close();
    });

    test(`${kind}: no acknowledged write is lost when its worker is killed`, async () => {
      const page = await browser.page();
      const outcome = await withVeer(
        page,
        async ({ open, vector, keyword }, location) => {
          const perBatch = 20;
          const acknowledged = new Set();
          let batch = 0;
          const start = async () => {
            const worker = new Worker('/dist/worker.js', { type: 'module' });
            const db = await open(location, {
              create: true,
              worker,
              walBytes: 1 << 20,
              storage: { lockTimeoutMs: 10_000 },
            });
            const notes = await db.collection('notes', { v: vector(64), batch: keyword() });
            return { worker, db, notes };
          };
          const problems = [];
          for (let round = 0; round < 20; round++) {
            const { worker, db, notes } = await start();
            for (const name of acknowledged) {
              const count = await notes.count({ batch: name });
              if (count !== perBatch) problems.push(`round ${round}: ${name} has ${count}`);
            }
            const total = await notes.count();
            if (total % perBatch !== 0) problems.push(`round ${round}: ${total} documents`);
            let isKilled = false;
            setTimeout(
              () => {
                isKilled = true;
                worker.terminate();
              },
              5 + ((round * 37) % 120),
            );
            const killed = new Promise((resolve) => {
              const look = () => (isKilled ? resolve('killed') : setTimeout(look, 1));
              look();
            });
            while (!isKilled) {
              const name = `b${batch++}`;
              const documents = Array.from({ length: perBatch }, (_, i) => ({
                id: `${name}-${i}`,
                batch: name,
                v: Float32Array.from({ length: 64 }, () => Math.random()),
              }));
              const write = notes.upsert(documents).then(() => 'written');
              const step = batch % 5 === 0 ? write.then(() => db.checkpoint()) : write;
              step.catch(() => {});
              if ((await Promise.race([write, killed])) === 'written') acknowledged.add(name);
              await Promise.race([step, killed]);
            }
          }
          const { db, notes } = await start();
          const total = await notes.count();
          await db.close();
          return { problems, acknowledged: acknowledged.size, total, batch };
        },
        `${kind}://killed`,
      );
      assert.deepEqual(outcome.problems, []);
      assert.ok(outcome.acknowledged >= 20, `only ${outcome.acknowledged} batches were written`);
      assert.ok(outcome.total >= outcome.acknowledged * 20);
      await page.close();
    });

    test(`${kind}: a second tab gets BUSY, and the database when the first has closed it`, async () => {
      const [first, second] = [await browser.page(), await browser.page()];
      const location = `${kind}://shared`;
      await withVeer(
        first,
        async ({ open }, location) => {
          globalThis.db = await open(location, { create: true });
        },
        location,
      );
      const attempt = () =>
        withVeer(
          second,
          async ({ open, VeerError }, location) => {
            try {
              const db = await open(location, { storage: { lockTimeoutMs: 100 } });
              await db.close();
              return 'opened';
            } catch (error) {
              return error instanceof VeerError ? `${error.code}: ${error.message}` : String(error);
            }
          },
          location,
        );
      assert.match(await attempt(), /^BUSY: .*another tab/);
      await first.evaluate(() => globalThis.db.close());
      assert.equal(await attempt(), 'opened');
      await first.close();
      await second.close();
    });

    const limited = { skip: skipWithoutDevtools };
    test(`${kind}: a full quota is FULL, and what was written stays`, limited, async () => {
      // An origin of its own: for half a minute IndexedDB remembers how much room there was.
      const server = await serve();
      const page = await browser.page('/', server.origin);
      const session = await browser.context.newCDPSession(page);
      const { origin } = server;
      const location = `${kind}://full`;
      const quotaSize = 8 * 1024 * 1024;
      await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
      await withVeer(
        page,
        async ({ open, vector }, location) => {
          globalThis.db = await open(location, { create: true, autoWork: false });
          globalThis.notes = await globalThis.db.collection('notes', { v: vector(256) });
        },
        location,
      );
      const outcome = await page.evaluate(async () => {
        let written = 0;
        try {
          for (let batch = 0; batch < 200; batch++) {
            const documents = Array.from({ length: 500 }, (_, i) => ({
              id: `d${batch}-${i}`,
              v: Float32Array.from({ length: 256 }, () => Math.random()),
            }));
            written += (await globalThis.notes.upsert(documents)).written;
          }
          return { written };
        } catch (error) {
          const { code, message } = error;
          const later = await globalThis.notes.upsert({ id: 'later' }).catch((e) => e.code);
          return { written, code, message, later };
        }
      });
      assert.equal(outcome.code, 'FULL', outcome.message);
      // What IndexedDB has not committed the engine already believes: it may not go on.
      if (kind === 'idb') assert.equal(outcome.later, 'READONLY');
      await session.send('Storage.overrideQuotaForOrigin', { origin });
      await page.evaluate(() => globalThis.db.close().catch(() => {}));
      const count = await withVeer(
        page,
        async ({ open }, location) => {
          const db = await open(location, { storage: { lockTimeoutMs: 5000 } });
          const count = await (await db.collection('notes')).count();
          await db.close();
          return count;
        },
        location,
      );
      assert.ok(count % 500 <= (outcome.later === 'READONLY' ? 0 : 1), `${count} documents`);
      assert.ok(count >= outcome.written, `${count} of ${outcome.written}`);
      await page.close();
      await server.close();
    });
  }

  test('OPFS without a worker, and a path, are UNSUPPORTED and say what to do', async () => {
    const page = await browser.page();
    const texts = await withVeer(page, async ({ open }) => {
      const failures = [
        open('opfs://here', { create: true, worker: false }),
        open('./notes', { create: true }),
      ];
      const settled = await Promise.allSettled(failures);
      return settled.map(({ reason }) => `${reason?.code}: ${reason?.message}`);
    });
    assert.match(texts[0], /^UNSUPPORTED: .*dedicated workers.*idb:/s);
    assert.match(texts[1], /^UNSUPPORTED: .*opfs:/s);
    await page.close();
  });

  test('the engine runs in the page as well', async () => {
    const page = await browser.page();
    const count = await withVeer(page, async ({ open, vector }) => {
      const db = await open('idb://in-page', { create: true, worker: false });
      const notes = await db.collection('notes', { v: vector(4, { metric: 'l2' }) });
      await notes.upsert({ id: 'a', v: [1, 2, 3, 4] });
      await db.close();
      const again = await open('idb://in-page', { worker: false });
      const count = await (await again.collection('notes')).count();
      await again.close();
      return count;
    });
    assert.equal(count, 1);
    await page.close();
  });

  test('no page had an error that nobody caught', () => {
    assert.deepEqual(browser.errors, []);
  });
});
