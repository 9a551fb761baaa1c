// One directory, two engines: what JavaScript writes the native command line reads, and the other
// way round; neither writes while the other has it open.
// budget: 10 s

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { json, keyword, number, open, vector } from 'veerdb';

import { furtherMetrics, metrics, rounded } from '../support/distances.mjs';
import { random } from './support/rng.mjs';
import { temporary } from './support/temporary.mjs';

const cli = process.env.VEER_CLI ?? fileURLToPath(new URL('../../build/veer', import.meta.url));
const skip = existsSync(cli) ? false : `${cli} is not built`;
const { folder, path } = temporary('interop');

/** Runs veer; standard output, or the text of its failure. */
function veer(...args) {
  const { status, stdout, stderr } = spawnSync(cli, args, { encoding: 'utf8' });
  return status === 0 ? stdout : `failed: ${stderr}`;
}

const dice = random(21);
const documents = Array.from({ length: 300 }, (_, i) => ({
  id: `d${i}`,
  v: dice.vector(16),
  tag: `t${i % 3}`,
  year: 1900 + i,
  extra: { i },
}));
const schema = { v: vector(16), tag: keyword(), year: number(), '*': json() };

const searchNatively = (database, query) =>
  JSON.parse(
    veer(
      'search',
      database,
      '--vector',
      JSON.stringify([...query]),
      '-k',
      '5',
      '--exact',
      '--json',
    ),
  ).rows.map(({ id, distance }) => [id, Math.fround(distance)]);

async function searchHere(notes, query) {
  const { hits } = await notes.search({ vector: query, k: 5, exact: true });
  return hits.map(({ id, distance }) => [id, distance]);
}

describe('beside the native engine', { skip }, () => {
  test('what JavaScript wrote, natively', async () => {
    const location = path();
    const db = await open(location, { create: true, autoWork: false });
    const notes = await db.collection('notes', schema);
    await notes.upsert(documents.slice(0, 200));
    await db.checkpoint();
    await notes.upsert(documents.slice(200));
    await notes.delete(['d7']);
    const query = dice.vector(16);
    const expected = await searchHere(notes, query);
    const packed = path('packed');
    await db.backup(packed);
    await db.close();
    for (const database of [location, packed]) {
      assert.equal(veer('count', database).trim(), '299');
      assert.equal(JSON.parse(veer('check', database, '--json')).ok, true);
      assert.deepEqual(searchNatively(database, query), expected);
      const exported = veer('get', database, 'd250');
      assert.match(exported, /"year": ?2150/);
    }
  });

  test('what was written natively, here', async () => {
    const [location, packed] = [path(), path('packed')];
    const [lines, fields] = [join(folder, 'documents.jsonl'), join(folder, 'schema.json')];
    writeFileSync(lines, documents.map((d) => JSON.stringify({ ...d, v: [...d.v] })).join('\n'));
    const types = {
      v: { type: 'vector', dims: 16, metric: 'cosine' },
      tag: { type: 'keyword' },
      year: { type: 'number' },
    };
    writeFileSync(fields, JSON.stringify({ fields: types }));
    assert.doesNotMatch(veer('create', location, '--schema', fields), /^failed/);
    assert.doesNotMatch(veer('import', location, lines), /^failed/);
    assert.doesNotMatch(veer('backup', location, packed), /^failed/);
    const query = dice.vector(16);
    const expected = searchNatively(location, query);
    for (const database of [location, packed]) {
      const db = await open(database);
      const [{ name }] = await db.collections();
      const notes = await db.collection(name);
      assert.equal(await notes.count({ tag: 't1' }), 100);
      assert.deepEqual(await searchHere(notes, query), expected);
      const { v, ...rest } = documents[250];
      assert.deepEqual(await notes.get('d250'), rest);
      assert.deepEqual((await notes.get('d250', { select: ['v'] })).v, v);
      await db.close();
    }
  });

  const kinds = [
    ...furtherMetrics.map((metric) => ({ metric })),
    ...metrics.map((metric) => ({ metric, storage: 'f16' })),
    ...['hamming', 'jaccard'].map((metric) => ({ metric, storage: 'bits' })),
  ];
  for (const { metric, storage } of kinds) {
    test(`${metric} ${storage ?? ''}: the same distances, bit for bit`, async () => {
      const location = path();
      const db = await open(location, { create: true, autoWork: false });
      const isBits = storage === 'bits';
      const dims = isBits ? 293 : 37; // whole registers, and less than one
      const notes = await db.collection('notes', { v: vector(dims, { metric, storage }) });
      const vectors = Array.from({ length: 300 }, () => rounded(metric, dice.vector(dims)));
      const given = (v) => v.map((x) => (isBits ? Number(x > 0) : x / 3));
      await notes.upsert(vectors.map((v, i) => ({ id: `d${i}`, v: given(v) })));
      await db.checkpoint();
      const queries = vectors
        .slice(0, 20)
        .map((v) => given(v.map((x, i) => (i % 5 ? x : x + 0.5))));
      const expected = [];
      for (const query of queries) expected.push(await searchHere(notes, query));
      await db.close();
      queries.forEach((query, i) => assert.deepEqual(searchNatively(location, query), expected[i]));
    });
  }

  test('a writer here is BUSY natively, until it closes or dies', async () => {
    const location = path();
    const source = `
      import { keyword, open } from 'veerdb';
      const db = await open(${JSON.stringify(location)}, { create: true });
      await db.collection('notes', { tag: keyword() });
      console.log('open');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
      cwd: new URL('.', import.meta.url),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      for (const command of [
        ['count', location],
        ['delete', location, 'a'],
      ]) {
        assert.match(veer(...command), new RegExp(`^failed: .*process ${child.pid} `, 's'));
      }
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    assert.equal(veer('count', location).trim(), '0');
    const reader = await open(location, { mode: 'readonly' });
    assert.equal(veer('count', location).trim(), '0');
    assert.match(veer('delete', location, 'a'), /^failed: .*reading/s);
    await reader.close();
    assert.doesNotMatch(veer('delete', location, 'a'), /^failed/);
  });

  test('a native writer is BUSY here', { skip: process.platform !== 'linux' }, async () => {
    const location = path();
    const db = await open(location, { create: true });
    await db.collection('notes', schema);
    await db.close();
    // An import from a pipe that does not end holds the database.
    const child = spawn(cli, ['import', location, '-', '--format', 'jsonl'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.write(`${JSON.stringify({ id: 'a' })}\n`);
    const ended = new Promise((resolve) => child.on('exit', resolve));
    try {
      const holds = () => {
        const lock = join(location, 'lock');
        return existsSync(lock) && readFileSync(lock, 'utf8').startsWith(`write ${child.pid} `);
      };
      for (let i = 0; i < 500 && !holds(); i++) await setTimeout(10);
      const error = await open(location, { storage: { lockTimeoutMs: 0 } }).catch((e) => e);
      assert.equal(error.code, 'BUSY', String(error));
      assert.match(error.message, new RegExp(`process ${child.pid} `));
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    await (await open(location)).close();
  });
});
