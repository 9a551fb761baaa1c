// Browser storage: OPFS in a worker, IndexedDB in a worker and in a page do what all kinds must do.
// budget: 45 s

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { caseNames } from '../node/support/conformance.mjs';
import { skip, useBrowser } from './support/chromium.mjs';

const browser = useBrowser();
let storages = 0;

async function runIn(where, kind, name) {
  const page = await browser.page();
  const task = { kind, name, storage: `conformance-${++storages}`, operations: 150 };
  try {
    const outcome = await page.evaluate(
      async ({ where, task }) => {
        const script = '/tests/browser/support/storage_worker.js';
        if (where === 'page') {
          const { run } = await import(script);
          return run(task).then(
            () => 'ok',
            (error) => `${error.message}\n${error.stack}`,
          );
        }
        const worker = new Worker(script, { type: 'module' });
        return new Promise((resolve) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = (event) => resolve(`the worker failed: ${event.message}`);
          worker.postMessage(task);
        }).finally(() => worker.terminate());
      },
      { where, task },
    );
    assert.equal(outcome, 'ok');
  } finally {
    await page.close();
  }
}

for (const [where, kind] of [
  ['worker', 'opfs'],
  ['worker', 'idb'],
  ['page', 'idb'],
]) {
  describe(`${kind} in a ${where}`, { skip }, () => {
    for (const name of caseNames) test(name, () => runIn(where, kind, name));
  });
}
