// The demo's server and data: what is served and what is not, and that the corpus in the tree is
// whole.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { serve } from '../../demo/serve.mjs';
import { dims, paragraphs, root, vectors } from '../browser/support/sotu.mjs';
import { temporary } from './support/temporary.mjs';

const { path } = temporary('demo-server');

/** A request whose path is sent as it is: fetch() would tidy it. */
function ask(port, target, { method = 'GET', headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: target, method, headers };
    const asked = request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => {
        const body = Buffer.concat(parts);
        resolve({ status: response.statusCode, headers: response.headers, body });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

describe('the demo’s server', () => {
  let server;
  const page = path('page');
  const dist = path('dist');
  before(async () => {
    for (const folder of [page, dist, join(page, 'page')]) mkdirSync(folder);
    writeFileSync(join(page, 'index.html'), '<!doctype html>');
    writeFileSync(join(page, 'page', 'main.js'), 'export {};');
    writeFileSync(join(page, 'serve.mjs'), 'not for visitors');
    writeFileSync(join(page, '.hidden.js'), 'hidden');
    writeFileSync(join(dist, 'veer.wasm'), 'module');
    writeFileSync(join(page, '..', 'outside.js'), 'outside');
    symlinkSync(join(page, '..', 'outside.js'), join(page, 'link.js'));
    server = await serve({ port: 0, page, dist });
  });
  after(() => server.close());

  test('serves the page and the package with their kinds, and only these', async () => {
    const kinds = {
      '/': 'text/html; charset=utf-8',
      '/index.html?x=1': 'text/html; charset=utf-8',
      '/page/main.js': 'text/javascript; charset=utf-8',
      '/dist/veer.wasm': 'application/wasm',
    };
    for (const [target, kind] of Object.entries(kinds)) {
      const { status, headers, body } = await ask(server.port, target);
      assert.equal(status, 200, target);
      assert.equal(headers['content-type'], kind);
      assert.equal(Number(headers['content-length']), body.length);
    }
    const missing = ['/serve.mjs', '/.hidden.js', '/page/', '/page', '/dist/', '/nothing.js'];
    for (const target of missing)
      assert.equal((await ask(server.port, target)).status, 404, target);
  });

  test('no path leads out of its folders', async () => {
    const targets = [
      '/../outside.js',
      '/%2e%2e/outside.js',
      '/..%2foutside.js',
      '/page/../../outside.js',
      '/dist/../../outside.js',
      '/dist/..%2f..%2foutside.js',
      '//outside.js',
      '/..\\outside.js',
      '/%5c..%5coutside.js',
      '/link.js',
      '/index.html%00.js',
      '/%',
      '/%c0%ae%c0%ae/outside.js',
      page + '/index.html',
    ];
    for (const target of targets) {
      const { status, body } = await ask(server.port, target);
      assert.equal(status, 404, target);
      assert.ok(!body.includes('outside'), target);
    }
  });

  test('every answer has the headers of a strict page, and none that needs isolation', async () => {
    for (const target of ['/', '/dist/veer.wasm', '/nothing']) {
      const { headers } = await ask(server.port, target);
      const policy = headers['content-security-policy'];
      assert.match(policy, /default-src 'none'/);
      assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'|\*|data:|blob:/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['cross-origin-opener-policy'], undefined);
      assert.equal(headers['cross-origin-embedder-policy'], undefined);
    }
  });

  test('answers HEAD and conditional requests without a body, and refuses to be written', async () => {
    const { headers } = await ask(server.port, '/');
    const head = await ask(server.port, '/', { method: 'HEAD' });
    assert.deepEqual([head.status, head.body.length], [200, 0]);
    const known = { headers: { 'if-none-match': headers.etag } };
    assert.equal((await ask(server.port, '/', known)).status, 304);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      assert.equal((await ask(server.port, '/', { method })).status, 405, method);
    }
  });

  test('a busy port gives way to the next one, and closing frees it', async () => {
    const second = await serve({ port: server.port, page, dist });
    assert.ok(second.port > server.port);
    await second.close();
    const third = await serve({ port: second.port, page, dist });
    assert.equal(third.port, second.port);
    await third.close();
  });

  test('it listens on this machine only', () => {
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  });
});

describe('the corpus', () => {
  const schema = JSON.parse(readFileSync(join(root, 'demo', 'data', 'schema.json'), 'utf8'));

  test('has every paragraph with a vector of unit length', () => {
    assert.equal(paragraphs.length, 16491);
    assert.equal(vectors.length, paragraphs.length * dims);
    assert.equal(schema.fields.embedding.dims, dims);
    assert.equal(new Set(paragraphs.map(({ id }) => id)).size, paragraphs.length);
    for (let row = 0; row < paragraphs.length; row++) {
      let sum = 0;
      for (const value of vectors.subarray(row * dims, (row + 1) * dims)) sum += value * value;
      assert.ok(Math.abs(sum - 1) < 1e-5, paragraphs[row].id);
    }
  });

  test('fits its schema', () => {
    const fields = Object.keys(schema.fields).filter((name) => name !== 'embedding');
    for (const paragraph of paragraphs) {
      assert.deepEqual(Object.keys(paragraph).sort(), ['id', ...fields].sort());
      assert.equal(String(paragraph.year), paragraph.date);
      assert.ok(paragraph.text.length > 0);
    }
    const years = paragraphs.map(({ year }) => year);
    assert.deepEqual([Math.min(...years), Math.max(...years)], [1790, 2020]);
  });
});
