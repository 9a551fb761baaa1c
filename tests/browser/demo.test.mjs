// The demo page, end to end: what a visitor sees on the first visit, searches, filters, changes,
// takes along, and finds again after a reload and without a network. What is found is held against
// plain loops over the corpus.
// budget: 60 s

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';

import { skip } from './support/chromium.mjs';
import { useDemo } from './support/demo_page.mjs';
import { nearest, paragraphs } from './support/sotu.mjs';

const demo = useDemo();
const first = 'sotu-1901-113-049';
/** The page shows three digits. */
const shown = (distance) => distance.toFixed(3);

describe('the demo page', { skip, timeout: 180_000 }, () => {
  let visitor;
  let page;
  const requests = [];
  before(async () => {
    visitor = await demo.visitor();
    ({ page } = visitor);
    page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  });

  /** Cards and truth: the same distances, and the same paragraphs but for equal ones. */
  async function expectNearest(id, k, accept) {
    const cards = await visitor.cards();
    const truth = nearest(id, k, accept);
    assert.deepEqual(
      cards.map(({ distance }) => shown(distance)),
      truth.map(({ distance }) => shown(distance)),
    );
    const farthest = shown(truth.at(-1).distance);
    const clear = truth.filter(({ distance }) => shown(distance) !== farthest);
    assert.deepEqual(
      cards.slice(0, clear.length).map((card) => card.id),
      clear.map((hit) => hit.id),
    );
  }

  test('the first visit loads the corpus, with its progress', async () => {
    // All that is shown on the way, however short.
    await page.addInitScript(() => {
      globalThis.progress = [];
      addEventListener('DOMContentLoaded', () => {
        const text = document.getElementById('load-text');
        if (!text) return;
        const isShown = () => text.checkVisibility();
        new MutationObserver(() => isShown() && globalThis.progress.push(text.textContent)).observe(
          text,
          { childList: true },
        );
      });
    });
    await visitor.open();
    const progress = await page.evaluate(() => globalThis.progress);
    assert.ok(progress.some((text) => /^[\d.]+ MB of 11\.4 MB$/.test(text)));
    const stored = progress.flatMap((text) => {
      const found = /^([\d,]+) of 16,491 paragraphs(, [\d,]+ a second)?$/.exec(text);
      return found ? [Number(found[1].replace(',', ''))] : [];
    });
    assert.ok(stored.length > 3, 'batch by batch');
    assert.deepEqual(
      stored,
      [...stored].sort((a, b) => a - b),
    );
    assert.equal(stored.at(-1), 16491);
    assert.match(progress.at(-1), /a second$/);
    assert.equal(await page.locator('#loading').isHidden(), true);
    assert.match(await visitor.text('#where'), /^16,491 paragraphs here, in OPFS$/);
    assert.equal(await page.locator('#idb-note').isHidden(), true);
    assert.ok(requests.includes('/data/sotu.jsonl.gz'));
  });

  test('exact search finds the true nearest paragraphs', async () => {
    await page.locator('input[value=exact]').check({ force: true });
    await expectNearest(first, 10);
    assert.match(await visitor.text('#summary'), /10 nearest of 16,491 paragraphs, proved exact/);
  });

  test('the scan finds nearly all of them, and says what each step took', async () => {
    await page.locator('input[value=scan]').check({ force: true });
    const cards = await visitor.cards();
    const truth = new Set(nearest(first, 10).map(({ id }) => id));
    assert.ok(cards.filter(({ id }) => truth.has(id)).length >= 8);
    assert.match(await visitor.text('#summary'), /by 1-bit codes/);
    assert.match(await visitor.text('#engine-ms'), /^(< )?[\d.]+ ms$/);
    assert.match(await visitor.text('#timing'), /1-bit codes.*16,491 rows.*rerank.*fetch/s);
  });

  test('the number of results can be changed; a number that is none changes nothing', async () => {
    await page.locator('input[value=exact]').check({ force: true });
    await page.fill('#k', '25');
    await expectNearest(first, 25);
    await page.fill('#k', '1000');
    assert.equal((await visitor.cards()).length, 25);
    await page.fill('#k', '10');
    await expectNearest(first, 10);
  });

  test('“More like this” starts from the paragraph', async () => {
    const [, second] = await visitor.cards();
    await page
      .getByRole('button', { name: /^More like this/ })
      .nth(1)
      .click();
    await visitor.until('#examples .meta', `${second.president}, ${second.year}`);
    await expectNearest(second.id, 10);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'examples-title');
  });

  test('“Also like this” searches for the mean of several', async () => {
    const example = await page.locator('#examples .prose').innerText();
    await page
      .getByRole('button', { name: /^Also like this/ })
      .first()
      .click();
    await visitor.until('#examples-title', 'More like the mean of 2');
    const cards = await visitor.cards();
    assert.ok(cards.every(({ distance }, i) => i === 0 || cards[i - 1].distance <= distance));
    await page
      .getByRole('button', { name: /^Leave out/ })
      .nth(1)
      .click();
    await visitor.until('#examples-title', /^More like$/);
    assert.equal(await page.locator('#examples .prose').innerText(), example);
    await page.getByRole('button', { name: /^Forest reserves/ }).click();
    await expectNearest(first, 10);
  });

  test('presidents: only theirs are found, and the counts are right', async () => {
    const chosen = ['Grover Cleveland', 'Herbert Hoover'];
    for (const name of chosen) await page.locator(`#presidents input[value="${name}"]`).check();
    const accept = ({ president }) => chosen.includes(president);
    await expectNearest(first, 10, accept);
    const matches = paragraphs.filter(accept).length.toLocaleString('en');
    assert.equal(await visitor.text('#matches'), `${matches} of 16,491`);
    assert.match(await visitor.text('#summary'), new RegExp(`of ${matches} paragraphs`));
  });

  test('years by keyboard: arrows, Home, End and paging; handles do not cross', async () => {
    const years = () => visitor.text('#years-text');
    await page.locator('#year-from').focus();
    for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowRight');
    assert.equal(await years(), '1793 to 2020');
    await page.keyboard.press('PageUp');
    const [from] = (await years()).split(' to ').map(Number);
    assert.ok(from > 1794, 'a page is more than a step');
    await page.locator('#year-to').focus();
    await page.keyboard.press('Home');
    assert.equal(await years(), String(from), 'it stops at the other handle');
    await page.keyboard.press('End');
    await page.locator('#year-from').focus();
    await page.keyboard.press('Home');
    assert.equal(await years(), '1790 to 2020');
    await visitor.setYears(1925, 1935);
    const spoken = await page.locator('#year-from').getAttribute('aria-valuetext');
    assert.equal(spoken, 'from 1925');
    // Only Hoover of the two chosen presidents.
    await expectNearest(
      first,
      10,
      ({ president, year }) => president === 'Herbert Hoover' && year >= 1925 && year <= 1935,
    );
  });

  test('filters that match nothing, and those that match few, say so', async () => {
    await visitor.setYears(1790, 1791);
    await visitor.until('#summary', 'Nothing found.');
    assert.equal(await page.locator('#no-results').isVisible(), true);
    await page.click('#clear-too');
    assert.equal(await visitor.text('#matches'), '16,491 paragraphs');
    await visitor.setYears(1790, 1790);
    await page.fill('#k', '100');
    const of1790 = paragraphs.filter(({ year }) => year === 1790).length;
    assert.equal((await visitor.cards()).length, of1790, 'min(k, matches)');
    await page.fill('#k', '10');
    await page.click('#clear');
    await expectNearest(first, 10);
  });

  test('a number of results that cannot be is not kept', async () => {
    for (const wrong of ['0', '101', '2.5', '']) {
      await page.fill('#k', wrong);
      await page.locator('#k').press('Tab');
      assert.equal(await page.locator('#k').inputValue(), '10', `after "${wrong}"`);
      assert.equal((await visitor.cards()).length, 10);
    }
  });

  test('a paragraph is found by words in its text, and by its title', async () => {
    await page.fill('#find', 'axis of evil');
    await visitor.until('#found', /George W\. Bush, 2002/);
    await page.locator('#find').press('ArrowDown');
    await page.keyboard.press('Enter');
    await visitor.until('#examples .meta', 'George W. Bush, 2002');
    assert.equal(await page.locator('#found').isHidden(), true);
    await page.fill('#find', 'lincoln, 1862');
    await visitor.until('#found', /Abraham Lincoln, 1862, part 1 of/);
    await page.fill('#find', 'zzzyx');
    await visitor.until('#found', 'No title or text contains this.');
    await page.locator('#find').press('Escape');
    await page.fill('#find', '');
  });

  test('recall and both speeds are measured on this data', async () => {
    await page.getByRole('button', { name: 'Measure', exact: true }).click();
    await visitor.until('#measured-text', /100 queries for their 10 nearest/);
    const recall = parseFloat(await visitor.text('#scan-recall'));
    assert.ok(recall >= 90 && recall <= 100, `recall ${recall}`);
    assert.equal(await visitor.text('#exact-recall'), '100 %');
    for (const id of ['#scan-ms', '#exact-ms']) {
      assert.ok(parseFloat(await visitor.text(id)) > 0);
    }
  });

  test('a paragraph is added with the example’s vector, and found at once', async () => {
    await page.getByRole('button', { name: /^Four Freedoms/ }).click();
    await visitor.until('#examples .meta', 'Franklin D. Roosevelt, 1941');
    await page.click('#add');
    await visitor.until('#add-vector', /copy of the vector of “Franklin D\. Roosevelt, 1941”/);
    // Markup in a text is text.
    const text = 'A fifth freedom <img src=x onerror="document.title=1">';
    await page.fill('#add-text', text);
    await page.fill('#add-president', 'Nobody Yet');
    await page.fill('#add-year', '2026');
    await page.locator('#add-form').getByRole('button', { name: 'Add' }).click();
    await visitor.until('#where', /^16,492 /);
    const [card] = await visitor.cards();
    assert.equal(card.president, 'Nobody Yet');
    assert.equal(card.distance, 0);
    assert.equal(await page.locator('.card .prose').first().innerText(), text);
    assert.equal(await visitor.text('#years-text'), '1790 to 2026', 'the scale has grown');
    assert.equal((await visitor.facts()).Rows, '16,492');
  });

  test('a paragraph is deleted, and comes back by Undo', async () => {
    const remove = page.getByRole('button', { name: 'Delete: Nobody Yet, 2026' });
    await remove.click();
    await visitor.until('#where', /^16,491 /);
    assert.notEqual((await visitor.cards())[0].president, 'Nobody Yet');
    await page.getByRole('button', { name: 'Undo' }).click();
    await visitor.until('#where', /^16,492 /);
    const [card] = await visitor.cards();
    assert.equal(card.president, 'Nobody Yet');
    assert.equal(card.distance, 0);
    const [, second] = await visitor.cards();
    await page
      .getByRole('button', { name: /^Delete/ })
      .nth(1)
      .click();
    await visitor.until('#where', /^16,491 /);
    assert.ok((await visitor.cards()).every(({ id }) => id !== second.id));
  });

  test('compacting drops what was deleted', async () => {
    assert.match((await visitor.facts())['Deleted, not yet dropped'], /^[1-9]\d* tombstone/);
    await page.click('#compact');
    await visitor.until('#facts', /0 tombstones/);
    assert.equal((await visitor.facts()).Rows, '16,491');
  });

  test('a reload finds all of it again, without fetching the corpus', async () => {
    requests.length = 0;
    await visitor.reload();
    assert.match(await visitor.text('#where'), /^16,491 /);
    assert.deepEqual(
      requests.filter((path) => path.startsWith('/data/')),
      [],
    );
    await page.getByRole('button', { name: /^Four Freedoms/ }).click();
    await visitor.until('#examples .meta', 'Franklin D. Roosevelt, 1941');
    assert.equal((await visitor.cards())[0].president, 'Nobody Yet');
  });

  test('a second tab is told where the database is open, and gets it afterwards', async () => {
    const other = await visitor.tab([/another tab/]);
    await other.page.goto(demo.server.url);
    await other.until('#blocked-title', 'This page is open in another tab');
    assert.match(await other.text('#blocked-advice'), /Close it there/);
    await page.goto('about:blank');
    await other.page.getByRole('button', { name: 'Try again' }).click();
    await other.ready();
    assert.match(await other.text('#where'), /^16,491 /);
    await other.page.close();
    await visitor.open();
  });

  test('it works without a network', async () => {
    await visitor.until('#offline', 'works offline');
    await visitor.context.setOffline(true);
    await visitor.reload();
    await visitor.until('#offline', 'offline now');
    await page.locator('input[value=exact]').check({ force: true });
    await expectNearest(first, 10);
    await visitor.context.setOffline(false);
  });

  test('nothing is left without a name, and nothing overflows, at 360 pixels and at 1600', async () => {
    for (const width of [360, 1600]) {
      await page.setViewportSize({ width, height: 800 });
      const size = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(size <= width, `${size} pixels at ${width}`);
    }
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('button, input, textarea, progress, a')]
        .filter(
          (control) =>
            !(control.textContent.trim() || control.ariaLabel || control.labels?.length > 0) &&
            !control.getAttribute('aria-labelledby'),
        )
        .map((control) => control.outerHTML),
    );
    assert.deepEqual(nameless, []);
  });

  test('the console has had no error, and the content policy nothing to refuse', () => {
    assert.deepEqual(demo.problems, []);
  });
});
