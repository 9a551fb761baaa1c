// Firefox: the demo page with its whole corpus, and a quota that is used up. (Other tests of this
// folder run in Firefox as they are, in the stage `firefox`.)
// budget: 60 s

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';

import { serve as serveDemo } from '../../demo/serve.mjs';
import { withVeer } from './support/chromium.mjs';
import { launchFirefox, skip } from './support/firefox.mjs';
import { serve } from './support/server.mjs';
import { nearest } from './support/sotu.mjs';

/** A Firefox for the tests of a group, and its pages' errors. */
function useFirefox(preferences) {
  const profile = mkdtempSync(join(tmpdir(), 'veer-firefox-'));
  const use = { errors: [] };
  let firefox;
  before(async () => {
    if (!skip) firefox = await launchFirefox(profile, preferences);
  });
  after(async () => {
    await firefox?.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  use.page = async (url) => {
    const page = await firefox.newPage();
    page.on('pageerror', (error) => use.errors.push(error.message));
    await page.goto(url);
    return page;
  };
  return use;
}

describe('the demo page', { skip, timeout: 150_000 }, () => {
  const use = useFirefox();
  let server;
  before(async () => {
    if (!skip) server = await serveDemo({ port: 0 });
  });
  after(() => server?.close());

  /** What is to be seen, once the page is at rest. */
  async function seen(page) {
    for (let i = 0; i < 600; i++) {
      const state = await page.evaluate(() => {
        const text = (selector) => document.querySelector(selector)?.textContent ?? '';
        return {
          isBusy: document.querySelector('#results')?.getAttribute('aria-busy') !== 'false',
          where: text('#where'),
          errors: text('#errors') + text('#blocked-said'),
          cards: [...document.querySelectorAll('#results .card')].map((card) => [
            card.dataset.id,
            Number(card.querySelector('.distance').textContent.match(/[\d.]+$/)[0]),
          ]),
        };
      });
      if (state.errors || (!state.isBusy && state.cards.length > 0)) return state;
      await setTimeout(100);
    }
    throw new Error('the page shows no results');
  }

  test('loads the corpus, searches, and has both after a reload', async () => {
    const page = await use.page(server.url);
    const first = await seen(page);
    assert.equal(first.errors, '');
    assert.match(first.where, /^16,491 paragraphs .*OPFS/s);
    assert.equal(first.cards.length, 10);
    const [[example]] = first.cards;
    await page.evaluate(() => {
      [...document.querySelectorAll('#results button')]
        .find((button) => /^More like this/.test(button.ariaLabel ?? button.textContent))
        .click();
    });
    await setTimeout(300);
    const more = await seen(page);
    const expected = nearest(example, 10).map(({ distance }) => distance.toFixed(3));
    assert.deepEqual(
      more.cards.map(([, distance]) => distance.toFixed(3)),
      expected,
    );
    await page.reload();
    const again = await seen(page);
    assert.deepEqual([again.errors, again.where, again.cards], ['', first.where, first.cards]);
    await page.close();
  });

  test('no page had an error that nobody caught', () => assert.deepEqual(use.errors, []));
});

describe('where there is little room', { skip, timeout: 120_000 }, () => {
  // Kilobytes for everyone; an origin may have a fifth of it, but 10 MB at least.
  const use = useFirefox({ 'dom.quotaManager.temporaryStorage.fixedLimit': 16 * 1024 });
  let server;
  before(async () => {
    if (!skip) server = await serve();
  });
  after(() => server?.close());

  for (const kind of ['opfs', 'idb']) {
    test(`${kind}: it is FULL, and what was acknowledged stays`, async () => {
      const page = await use.page(`${server.origin}/`);
      const outcome = await withVeer(
        page,
        async ({ open, vector, deleteDatabase }, location) => {
          const db = await open(location, { create: true, autoWork: false });
          const notes = await db.collection('notes', { v: vector(256) });
          let written = 0;
          let code;
          for (let batch = 0; batch < 200 && !code; batch++) {
            const documents = Array.from({ length: 500 }, (_, i) => ({
              id: `d${batch}-${i}`,
              v: Float32Array.from({ length: 256 }, () => Math.random()),
            }));
            try {
              written += (await notes.upsert(documents)).written;
            } catch (error) {
              code = `${error.code}: ${error.message}`;
            }
          }
          await db.close().catch(() => {});
          // What is full may not be writable: opening it for writing writes as well.
          const storage = { lockTimeoutMs: 5000 };
          const again = await open(location, { mode: 'readonly', storage });
          const count = await (await again.collection('notes')).count();
          await again.close();
          await deleteDatabase(location);
          return { written, code, count };
        },
        `${kind}://full`,
      );
      assert.match(outcome.code, /^FULL: /);
      assert.ok(outcome.written > 0);
      assert.equal(outcome.count % 500, 0, 'a batch is all or nothing');
      assert.ok(outcome.count >= outcome.written, `${outcome.count} of ${outcome.written}`);
      await page.close();
    });
  }
});
