// Storage in Node: every kind does what all kinds must do, and directories have one writer.
// budget: 10 s

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { BlobBackend } from '../../dist/storage/blob.js';
import { MemoryBackend } from '../../dist/storage/memory.js';
import { NodeFsBackend } from '../../dist/storage/node_fs.js';
import { DirectoryLock } from '../../dist/storage/node_lock.js';
import { PageCache } from '../../dist/storage/page_cache.js';
import { PartialPage } from '../../dist/storage/partial_page.js';
import { caseNames, runCase } from './support/conformance.mjs';
import { random } from './support/rng.mjs';
import { temporary } from './support/temporary.mjs';

const { path } = temporary('backends');

describe('memory', () => {
  for (const name of caseNames) {
    test(name, () => runCase(name, { attach: async () => new MemoryBackend(), isDurable: false }));
  }
});

describe('files', () => {
  for (const name of caseNames) {
    test(name, () => {
      const folder = path();
      mkdirSync(folder);
      const attach = async () =>
        new NodeFsBackend(folder, folder, await DirectoryLock.take(folder, true, 0));
      return runCase(name, { attach, isDurable: true });
    });
  }
});

describe('the lock of a directory', () => {
  const folderWith = (...files) => {
    const folder = path();
    mkdirSync(folder);
    for (const file of files) writeFileSync(join(folder, file), '');
    return folder;
  };

  test('one writer, or many readers', async () => {
    const folder = folderWith();
    const writer = await DirectoryLock.take(folder, true, 0);
    await assert.rejects(DirectoryLock.take(folder, true, 0), { code: 'BUSY' });
    await assert.rejects(DirectoryLock.take(folder, false, 0), { code: 'BUSY' });
    writer.release();
    const readers = [
      await DirectoryLock.take(folder, false, 0),
      await DirectoryLock.take(folder, false, 0),
    ];
    await assert.rejects(DirectoryLock.take(folder, true, 0), { code: 'BUSY' });
    for (const reader of readers) reader.release();
    (await DirectoryLock.take(folder, true, 0)).release();
    assert.deepEqual(readdirSync(folder), []);
  });

  test('of many who come at once one gets it', async () => {
    const folder = folderWith();
    const taken = await Promise.allSettled(
      Array.from({ length: 20 }, () => DirectoryLock.take(folder, true, 50)),
    );
    assert.equal(taken.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  test('waiting for it', async () => {
    const folder = folderWith();
    const first = await DirectoryLock.take(folder, true, 0);
    setTimeout(() => first.release(), 100);
    (await DirectoryLock.take(folder, true, 5000)).release();
  });

  test('a process that was killed does not hold it; one that lives does', async () => {
    const folder = folderWith();
    const source = `
      import { DirectoryLock } from ${JSON.stringify(new URL('../../dist/storage/node_lock.js', import.meta.url).href)};
      await DirectoryLock.take(${JSON.stringify(folder)}, true, 0);
      console.log('held');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', source]);
    try {
      await once(child.stdout, 'data');
      await assert.rejects(DirectoryLock.take(folder, true, 0), (error) => {
        assert.equal(error.code, 'BUSY');
        assert.match(error.message, new RegExp(`process ${child.pid} `));
        return true;
      });
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    (await DirectoryLock.take(folder, true, 0)).release();
  });

  test('a process of another time or host', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    const host = (await import('node:os')).hostname().replace(/[^A-Za-z0-9-]/g, '_');
    const gone = folderWith(`.lock.write.${pid}.0.1.${host}.00`, `.lock.write.1.0.1.${host}.00`);
    (await DirectoryLock.take(gone, true, 0)).release();
    const elsewhere = folderWith('.lock.write.1.0.1.elsewhere.00');
    await assert.rejects(DirectoryLock.take(elsewhere, true, 0), { code: 'BUSY' });
  });
});

describe('pages', () => {
  test('a partial page is what was written over what lies beneath', () => {
    const dice = random(4);
    for (let round = 0; round < 300; round++) {
      const beneath = dice.bytes(64);
      const expected = beneath.slice();
      const page = new PartialPage(64);
      for (let i = dice.below(6); i > 0; i--) {
        const at = dice.below(64);
        const data = dice.bytes(dice.below(65 - at));
        page.write(at, data);
        expected.set(data, at);
      }
      page.complete(beneath);
      assert.deepEqual([...page.bytes], [...expected]);
      assert.ok(page.isWhole);
    }
  });

  test('a cache smaller than what one call needs still serves it', async () => {
    const data = random(5).bytes(100_000);
    let fetches = 0;
    const cache = new PageCache(1000, 4, async (_stream, first, count) => {
      fetches += 1;
      return Array.from({ length: count }, (_, i) =>
        data.slice((first + i) * 1000, (first + i + 1) * 1000),
      );
    });
    const into = new Uint8Array(data.length);
    // As the engine does it: from the start again after each wait, page by page.
    for (let rounds = 0, isDone = false; !isDone; rounds++) {
      assert.ok(rounds < 20, 'too many rounds');
      isDone = true;
      for (let at = 0; at < data.length && isDone; at += 1000) {
        isDone = cache.read(1, data.length, at, into.subarray(at, at + 1000));
      }
      if (!isDone) await cache.settle();
    }
    assert.deepEqual(into, data);
    assert.ok(fetches < 20, `${fetches} fetches`);
    cache.release();
    assert.equal(cache.get(1, 0), undefined, 'what is not needed any more has gone');
  });

  test('a failing fetch is told to the repeated call', async () => {
    const cache = new PageCache(1000, 4, async () => {
      throw new Error('torn');
    });
    const into = new Uint8Array(10);
    assert.equal(cache.read(1, 5000, 0, into), false);
    await cache.settle();
    assert.throws(() => cache.read(1, 5000, 0, into), { code: 'IO', message: /torn/ });
  });
});

test('a blob is read in parts', async () => {
  const data = random(6).bytes(1_000_000);
  const backend = new BlobBackend(new Blob([data]), 'packed');
  const stream = backend.open('packed', 1);
  assert.throws(() => backend.open('meta', 1), { code: 'NOTFOUND' });
  assert.throws(() => backend.open('packed', 3), { code: 'READONLY' });
  const into = new Uint8Array(700_000);
  while (!stream.read(123_456, into)) await backend.settle();
  assert.deepEqual(into, data.subarray(123_456, 823_456));
  assert.throws(() => stream.read(999_999, new Uint8Array(2)), { code: 'CORRUPT' });
});
