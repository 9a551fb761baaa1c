// The demo page in Chromium: its server, visitors (each with storage of their own), and what is
// to be seen on the page.

import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { gzipSync } from 'node:zlib';

import { chromium } from 'playwright-core';

import { serve } from '../../../demo/serve.mjs';
import { temporary } from '../../node/support/temporary.mjs';
import { launchOptions, skip } from './chromium.mjs';
import { dims, paragraphs, root, vectors } from './sotu.mjs';

/** A copy of the page with the first paragraphs only, for tests that load often. */
function smallerPage(folder, count) {
  const demo = join(root, 'demo');
  cpSync(demo, folder, { recursive: true, filter: (from) => from !== join(demo, 'data') });
  cpSync(join(demo, 'data', 'schema.json'), join(folder, 'data', 'schema.json'));
  const lines = paragraphs.slice(0, count).map((paragraph) => `${JSON.stringify(paragraph)}\n`);
  const bytes = Buffer.from(vectors.buffer, 0, count * dims * 4);
  const planes = Buffer.alloc(bytes.length);
  for (let i = 0; i < bytes.length; i++) planes[(i % 4) * count * dims + (i >> 2)] = bytes[i];
  writeFileSync(join(folder, 'data', 'sotu.jsonl.gz'), gzipSync(lines.join(''), { level: 1 }));
  writeFileSync(join(folder, 'data', 'sotu.vectors.gz'), gzipSync(planes, { level: 1 }));
}

/** A browser and the page's server for the tests of a file; `count` paragraphs, default: all. */
export function useDemo(count) {
  const use = { browser: undefined, server: undefined, problems: [], served: { port: 0 } };
  const { path } = temporary('demo-page');
  before(async () => {
    if (skip) return;
    if (count) smallerPage((use.served.page = path('page')), count);
    use.server = await serve(use.served);
    use.browser = await chromium.launch(launchOptions);
  });
  after(async () => {
    await use.browser?.close();
    await use.server?.close();
  });

  /** A visitor; `expected` are patterns of errors that may appear in the console. */
  use.visitor = async ({ expected = [], prepare, ...options } = {}) => {
    const context = await use.browser.newContext({
      viewport: { width: 1280, height: 900 },
      ...options,
    });
    const page = await context.newPage();
    watch(page, expected, use.problems);
    await prepare?.(context, page);
    return new Visitor(use, context, page);
  };
  return use;
}

/** Errors of the page that nobody caught, and whatever the browser refused, are problems. */
function watch(page, expected, problems) {
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    const text = message.text();
    if (!expected.some((pattern) => pattern.test(text))) problems.push(text);
  });
}

class Visitor {
  constructor(use, context, page) {
    this.use = use;
    this.context = context;
    this.page = page;
  }

  async open() {
    await this.page.goto(this.use.server.url);
    await this.ready();
  }
  ready() {
    return this.page.locator('#results .card').first().waitFor({ timeout: 60_000 });
  }
  async reload() {
    await this.page.reload();
    await this.ready();
  }
  /** The same visitor's next tab. */
  async tab(expected = []) {
    const page = await this.context.newPage();
    watch(page, expected, this.use.problems);
    return new Visitor(this.use, this.context, page);
  }
  close() {
    return this.context.close();
  }

  text(selector) {
    return this.page.locator(selector).innerText();
  }
  /** Waits until the text of an element matches. */
  async until(selector, pattern) {
    await this.page.locator(selector).filter({ hasText: pattern }).waitFor({ timeout: 20_000 });
  }

  /** The cards: [{id, president, year, distance}], once the page is at rest. */
  async cards() {
    await this.page.locator('#results[aria-busy=false]').waitFor();
    return this.page.locator('#results .card').evaluateAll((cards) =>
      cards.map((card) => ({
        id: card.dataset.id,
        president: card.querySelector('h3').firstChild.textContent.trim(),
        year: Number(card.querySelector('.year').textContent),
        distance: Number(card.querySelector('.distance').textContent.match(/[\d.]+$/)[0]),
      })),
    );
  }
  /** Figures of the panel of bytes: {Rows: '16,491', ...}. */
  facts() {
    return this.page
      .locator('#facts')
      .evaluate((list) =>
        Object.fromEntries(
          [...list.querySelectorAll('dt')].map((dt) => [
            dt.textContent,
            dt.nextElementSibling.textContent,
          ]),
        ),
      );
  }
  async setYears(from, to) {
    for (const [id, value] of [
      ['#year-from', from],
      ['#year-to', to],
    ]) {
      await this.page.locator(id).evaluate((input, year) => {
        input.value = year;
        input.dispatchEvent(new Event('input', { bubbles: true }));
      }, value);
    }
  }
}
