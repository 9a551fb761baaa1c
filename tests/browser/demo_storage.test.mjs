// The demo page's storage: files out and in, also between browser, Node and the command line; a
// visit that ends too early; no room; no OPFS; a corpus that does not come; a server that is gone.
// budget: 40 s

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { serve } from '../../demo/serve.mjs';
import { temporary } from '../node/support/temporary.mjs';
import { skip } from './support/chromium.mjs';
import { useDemo } from './support/demo_page.mjs';
import { root } from './support/sotu.mjs';

const veer = join(root, 'build', 'veer');
/** Enough for several batches, so that a visit can end between two of them. */
const demo = useDemo(6000);
const { path } = temporary('demo');

async function importFile(visitor, file) {
  await visitor.page.setInputFiles('#import-file', file);
}

async function exported(visitor) {
  const download = visitor.page.waitForEvent('download');
  await visitor.page.getByRole('button', { name: 'Export' }).click();
  const file = path('sotu.veer');
  const done = await download;
  assert.equal(done.suggestedFilename(), 'sotu.veer');
  await done.saveAs(file);
  return file;
}

describe('the demo page’s storage', { skip, timeout: 180_000 }, () => {
  test('a database goes out as a file, and comes in elsewhere with its changes', async () => {
    const from = await demo.visitor();
    await from.open();
    const gone = (await from.cards())[0].id;
    await from.page
      .getByRole('button', { name: /^Delete/ })
      .first()
      .click();
    await from.until('#where', /^5,999 /);
    const wanted = await from.cards();
    const file = await exported(from);
    await from.close();

    if (existsSync(veer)) {
      const run = (...args) => execFileSync(veer, args, { encoding: 'utf8' });
      assert.equal(run('count', file).trim(), '5999');
      assert.match(run('check', file), /ok/i);
    }

    const to = await demo.visitor();
    await to.open();
    assert.equal((await to.cards())[0].id, gone);
    await importFile(to, file);
    await to.until('#where', /^5,999 /);
    assert.deepEqual(await to.cards(), wanted);
    await to.reload();
    assert.match(await to.text('#where'), /^5,999 /);
    assert.deepEqual(await to.cards(), wanted);
    await to.close();
  });

  test('a file that is none is refused in words, and the database stays', async () => {
    const visitor = await demo.visitor({ expected: [/FORMAT|not a Veer|packed/i] });
    await visitor.open();
    const cards = await visitor.cards();
    const foreign = path('foreign');
    writeFileSync(foreign, 'This is not a database.\n'.repeat(500));
    await importFile(visitor, foreign);
    await visitor.until(
      '#errors',
      /Importing foreign-\d+ did not work.*\[FORMAT\].*Choose a file/s,
    );
    assert.deepEqual(await visitor.cards(), cards);
    await visitor.page.getByRole('button', { name: 'Dismiss' }).click();
    assert.equal(await visitor.text('#errors'), '');
    await visitor.reload();
    assert.deepEqual(await visitor.cards(), cards);
    await visitor.close();
  });

  test('starting over removes all changes', async () => {
    const visitor = await demo.visitor();
    await visitor.open();
    await visitor.page
      .getByRole('button', { name: /^Delete/ })
      .first()
      .click();
    await visitor.until('#where', /^5,999 /);
    await visitor.page.click('#reset');
    await visitor.page.getByRole('button', { name: 'Cancel' }).click();
    assert.match(await visitor.text('#where'), /^5,999 /);
    await visitor.page.click('#reset');
    await visitor.page.getByRole('button', { name: 'Remove and load again' }).click();
    await visitor.until('#where', /^6,000 /);
    await visitor.close();
  });

  test('a first visit that ends too early goes on at the next one', async () => {
    const visitor = await demo.visitor();
    const { page } = visitor;
    await page.goto(demo.server.url);
    // It leaves at once when the first batch is stored.
    await page.evaluate(() => {
      const text = document.getElementById('load-text');
      const look = () => {
        if (/^[1-9][\d,]+ of 6,000 paragraphs/.test(text.textContent)) location = 'about:blank';
      };
      new MutationObserver(look).observe(text, { childList: true });
    });
    await page.waitForURL('about:blank');
    await visitor.open();
    assert.match(await visitor.text('#where'), /^6,000 /);
    assert.equal((await visitor.facts()).Rows, '6,000');
    await visitor.close();
  });

  test('without OPFS it works in IndexedDB, and says so', async () => {
    const visitor = await demo.visitor({
      prepare: (context) =>
        context.addInitScript(() => {
          delete globalThis.StorageManager?.prototype.getDirectory;
        }),
    });
    await visitor.open();
    assert.equal(await visitor.page.locator('#idb-note').isVisible(), true);
    assert.match(await visitor.text('#where'), /in IndexedDB$/);
    const cards = await visitor.cards();
    await visitor.page
      .getByRole('button', { name: /^Delete/ })
      .nth(1)
      .click();
    await visitor.until('#where', /^5,999 /);
    await visitor.reload();
    assert.match(await visitor.text('#where'), /^5,999 .*IndexedDB$/);
    assert.equal((await visitor.cards())[0].id, cards[0].id);
    await importFile(visitor, await exported(visitor));
    await visitor.until('#transfer-text', /took the place/);
    assert.match(await visitor.text('#where'), /^5,999 .*IndexedDB$/);
    await visitor.close();
  });

  for (const kind of ['OPFS', 'IndexedDB']) {
    test(`${kind}: no room is said in words, and once there is some it goes on`, async () => {
      const visitor = await demo.visitor({
        expected: [/./],
        prepare: async (context) => {
          if (kind === 'OPFS') return;
          await context.addInitScript(() => {
            delete globalThis.StorageManager?.prototype.getDirectory;
          });
        },
      });
      const { page } = visitor;
      const session = await visitor.context.newCDPSession(page);
      const origin = new URL(demo.server.url).origin;
      await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 5 << 20 });
      await page.goto(demo.server.url);
      await visitor.until('#blocked-title', 'Loading the corpus did not work');
      assert.match(await visitor.text('#blocked-said'), /\[FULL\]$/);
      assert.match(await visitor.text('#blocked-advice'), /no room left.*try again/s);
      await session.send('Storage.overrideQuotaForOrigin', { origin });
      await page.getByRole('button', { name: 'Try again' }).click();
      await visitor.ready();
      assert.match(await visitor.text('#where'), /^6,000 /);
      await visitor.close();
    });
  }

  test('a corpus that does not come is said in words, and asked for again', async () => {
    // A service worker's own requests are not routed.
    const visitor = await demo.visitor({ expected: [/./], serviceWorkers: 'block' });
    await visitor.page.route('**/data/*', (route) => route.abort());
    await visitor.page.goto(demo.server.url);
    await visitor.until('#blocked-said', /could not be fetched/);
    await visitor.page.unroute('**/data/*');
    await visitor.page.getByRole('button', { name: 'Try again' }).click();
    await visitor.ready();
    await visitor.close();
  });

  test('when the server is gone for good, the page still opens and searches', async () => {
    const server = await serve(demo.served);
    const visitor = await demo.visitor({ expected: [/ERR_CONNECTION_REFUSED|ERR_FAILED/] });
    await visitor.page.goto(server.url);
    await visitor.ready();
    await visitor.until('#offline', 'works offline');
    const cards = await visitor.cards();
    await server.close();
    await visitor.reload();
    assert.deepEqual(await visitor.cards(), cards);
    await visitor.page
      .getByRole('button', { name: /^More like this/ })
      .first()
      .click();
    await visitor.until('#examples .meta', `${cards[0].president}, ${cards[0].year}`);
    assert.equal((await visitor.cards()).length, 10);
    await visitor.close();
  });

  test('no page had an error that nobody caught', () => {
    assert.deepEqual(demo.problems, []);
  });
});
