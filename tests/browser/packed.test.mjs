// Packed files and the index level in a browser, and what is said when the module does not come.
// budget: 20 s

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { skip, useBrowser, withVeer } from './support/chromium.mjs';
import { serve } from './support/server.mjs';

const browser = useBrowser();

describe('packed files', { skip, timeout: 60_000 }, () => {
  for (const kind of ['opfs', 'idb', 'memory']) {
    test(`${kind}: exported, opened where it lies, imported`, async () => {
      const page = await browser.page();
      const found = await withVeer(
        page,
        async ({ open, importDatabase, deleteDatabase, vector, keyword }, kind) => {
          const at = (name) => (kind === 'memory' ? 'memory:' : `${kind}://${name}`);
          const db = await open(at('source'), { create: true });
          const notes = await db.collection('notes', { v: vector(8), tag: keyword() });
          const documents = Array.from({ length: 300 }, (_, i) => ({
            id: `d${i}`,
            tag: 't',
            v: Float32Array.from({ length: 8 }, (_, j) => Math.sin(i * 8 + j)),
          }));
          await notes.upsert(documents.slice(0, 200));
          await db.checkpoint();
          await notes.upsert(documents.slice(200));
          const packed = await new Response(await db.export()).blob();
          await db.close();
          const nearest = async (opened) => {
            const own = await opened.collection('notes');
            const { hits } = await own.search({ vector: documents[250].v, k: 1 });
            const result = [hits[0].id, await own.count()];
            await opened.close();
            return result;
          };
          const results = [await nearest(await open(packed))];
          const imported = await importDatabase(at('copies/imported'), packed);
          await (await imported.collection('notes')).upsert({ id: 'more' });
          results.push(await nearest(imported));
          await deleteDatabase(at('source'));
          await deleteDatabase(at('copies/imported'));
          results.push(
            await open(at('source')).then(
              () => 'there',
              (error) => error.code,
            ),
          );
          return results;
        },
        kind,
      );
      const then = kind === 'memory' ? 'there' : 'NOTFOUND';
      assert.deepEqual(found, [['d250', 300], ['d250', 301], then]);
      await page.close();
    });
  }

  test('opfs: a backup is one file, which opens read-only', async () => {
    const page = await browser.page();
    const found = await withVeer(page, async ({ open, keyword }) => {
      const db = await open('opfs://kept', { create: true });
      const notes = await db.collection('notes', { tag: keyword() });
      await notes.upsert({ id: 'a', tag: 'x' });
      await db.backup('opfs://Backups/Monday.veer');
      const again = await db.backup('opfs://Backups/Monday.veer').catch((error) => error.code);
      const elsewhere = await db.backup('idb://backup').catch((error) => error.code);
      await db.close();
      const copy = await open('opfs://Backups/Monday.veer');
      const copied = await copy.collection('notes');
      const refused = await copied.upsert({ id: 'b' }).catch((error) => error.code);
      const count = await copied.count();
      await copy.close();
      const names = [];
      const root = await navigator.storage.getDirectory();
      for await (const name of root.keys()) names.push(name);
      return { again, elsewhere, refused, count, names: names.sort() };
    });
    assert.deepEqual(found, {
      again: 'EXISTS',
      elsewhere: 'UNSUPPORTED',
      refused: 'READONLY',
      count: 1,
      names: ['Backups', 'copies', 'kept'],
    });
    await page.close();
  });
});

describe('the module', { skip, timeout: 60_000 }, () => {
  test('the index level in a page', async () => {
    const page = await browser.page();
    const keys = await withVeer(page, async ({ VectorIndex }) => {
      const index = await VectorIndex.create({ dims: 2, metric: 'l2' });
      index.add([7, 8], new Float32Array([1, 0, 5, 0]));
      const copy = await VectorIndex.load(index.save());
      index.close();
      const { keys } = copy.search([4, 0], 2);
      copy.close();
      return [...keys].map(Number);
    });
    assert.deepEqual(keys, [8, 7]);
    await page.close();
  });

  test('with relaxed SIMD and without, the same answers in pages and workers', async () => {
    const page = await browser.page();
    const { told, hasRelaxed } = await withVeer(page, async ({ init, open, vector }) => {
      let state = 1;
      const value = () => (state = (Math.imul(state, 48271) >>> 0) % 2147483647) / 2147483647 - 0.5;
      const rows = Array.from({ length: 2000 }, () => Float32Array.from({ length: 96 }, value));
      const told = [];
      for (const simd of ['auto', 'simd128']) {
        await init({ simd });
        for (const worker of [false, true]) {
          const db = await open('memory:', { worker, graphRows: 1000, autoWork: false });
          const notes = await db.collection('notes', { v: vector(96) });
          await notes.upsert(rows.map((v, i) => ({ id: `${i}`, v })));
          const answers = [];
          for (const effort of [0, 40]) {
            await db.optimize();
            for (let i = 0; i < 20; i++) {
              const vector = rows[i].map((x, at) => x + rows[i + 20][at]);
              const { hits } = await notes.search({ vector, effort, select: false });
              answers.push(hits.map(({ id, distance }) => [id, distance]));
            }
          }
          told.push({ tier: (await db.stats()).tier, answers: JSON.stringify(answers) });
          await db.close();
        }
      }
      const bytes = await (await fetch('/dist/veer-relaxed.wasm')).arrayBuffer();
      return { told, hasRelaxed: WebAssembly.validate(bytes) };
    });
    if (process.env.VEER_BROWSER !== 'firefox') assert.ok(hasRelaxed);
    const best = hasRelaxed ? 'relaxed' : 'simd128';
    assert.deepEqual(
      told.map(({ tier }) => tier),
      [best, best, 'simd128', 'simd128'],
    );
    for (const { answers } of told) assert.equal(answers, told[0].answers);
    await page.close();
  });

  test('an HTML page in its place is told, from a page and from a worker', async () => {
    const server = await serve({
      routes: {
        '/dist/veer.wasm': { body: '<!doctype html>' },
        '/dist/veer-relaxed.wasm': { body: '<!doctype html>' },
      },
    });
    const page = await browser.page('/', server.origin);
    const texts = await withVeer(page, async ({ open }) => {
      const text = (error) => `${error.code}: ${error.message}`;
      return [
        await open('memory:', { worker: false }).catch(text),
        await open('memory:', { worker: true }).catch(text),
      ];
    });
    for (const told of texts) assert.match(told, /^UNSUPPORTED: .*HTML page.*init/s);
    await page.close();
    await server.close();
  });

  test('init gives a worker its module as well', async () => {
    const bytes = (path) => ({ body: '', status: 404, ...path });
    const server = await serve({
      routes: { '/dist/veer.wasm': bytes({}), '/dist/veer-relaxed.wasm': bytes({}) },
      folders: ['dist', 'tests', 'build/wasm'],
    });
    const page = await browser.page('/', server.origin);
    const counts = await withVeer(page, async ({ init, open }) => {
      const url = '/build/wasm/veer.wasm';
      const counts = [];
      for (const source of [
        { url: new URL(url, location.href) },
        { bytes: await (await fetch(url)).arrayBuffer() },
        { module: await WebAssembly.compileStreaming(fetch(url)) },
      ]) {
        await init(source);
        for (const worker of [false, true]) {
          const db = await open('memory:', { create: true, worker });
          counts.push((await db.collections()).length);
          await db.close();
        }
      }
      return counts;
    });
    assert.deepEqual(counts, [0, 0, 0, 0, 0, 0]);
    await page.close();
    await server.close();
  });

  test('a worker script that is not there', async () => {
    const page = await browser.page();
    const told = await withVeer(page, ({ open }) =>
      open('memory:', { worker: '/nowhere.js' }).catch(
        (error) => `${error.code}: ${error.message}`,
      ),
    );
    assert.match(told, /^IO: the worker/);
    await page.close();
  });
});
