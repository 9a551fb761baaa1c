// Files that fail: call number N of node:fs fails, for N = 0, 1, ... until nothing fails any more.
// Each time a database is written, sealed, merged and closed; what was acknowledged is there when it
// is opened again without faults, and every error is a VeerError with a code of storage.
// budget: 40 s

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, test } from 'node:test';

import { VeerError, keyword, open, vector } from 'veerdb';

import { memoryFolder, temporary } from './support/temporary.mjs';

// 7,000 files come and go, and no disk shall be measured by how long that takes it.
const { path } = temporary('faults', memoryFolder());
const TIMEOUT_MS = 60_000;

const names = ['openSync', 'writeSync', 'readSync', 'fsyncSync', 'ftruncateSync', 'unlinkSync'];
// Syncing takes most of the time, and nobody cuts the power here.
fs.fsyncSync = () => {};
const real = Object.fromEntries(names.map((name) => [name, fs[name]]));

/** Makes call number `n` fail, and all later ones where `forEver`. Returns how many were made. */
async function failing(n, forEver, code, run) {
  let calls = 0;
  for (const name of names) {
    fs[name] = (...args) => {
      const call = calls++;
      // Locks are not what is tested here.
      const isLock = typeof args[0] === 'string' && args[0].includes('.lock.');
      if (!isLock && (call === n || (forEver && call > n))) {
        throw Object.assign(new Error(`${code}: injected into ${name}`), { code });
      }
      return real[name](...args);
    };
  }
  try {
    await run();
  } finally {
    Object.assign(fs, real);
  }
  return calls;
}

const batches = Array.from({ length: 6 }, (_, batch) =>
  Array.from({ length: 8 }, (_, i) => ({
    id: `${batch}-${i}`,
    batch: `b${batch}`,
    v: Float32Array.from({ length: 16 }, (_, j) => Math.cos(batch * 100 + i * 16 + j)),
  })),
);

/** Writes as far as it gets; notes what was acknowledged. */
async function scenario(location, acknowledged, errors) {
  const attempt = async (act) => {
    try {
      return await act();
    } catch (error) {
      errors.push(error);
      return undefined;
    }
  };
  const db = await attempt(() => open(location, { create: true, autoWork: false }));
  if (!db) return;
  const notes = await attempt(() => db.collection('notes', { v: vector(16), batch: keyword() }));
  for (const [i, batch] of notes ? batches.entries() : []) {
    const written = await attempt(() => notes.upsert(batch));
    if (written) acknowledged.add(`b${i}`);
    if (i % 2 === 1) await attempt(() => db.checkpoint());
  }
  await attempt(() => db.compact());
  await attempt(() => db.close());
}

const allowed = ['IO', 'FULL', 'READONLY', 'PERMISSION', 'CORRUPT', 'NOTFOUND'];

describe('a call of the file system fails', () => {
  for (const [code, forEver] of [
    ['EIO', false],
    ['EIO', true],
    ['ENOSPC', false],
    ['ENOSPC', true],
  ]) {
    test(
      `with ${code}, ${forEver ? 'and every one after it' : 'once'}`,
      { timeout: TIMEOUT_MS },
      async (t) => {
        let n = 0;
        t.signal.addEventListener('abort', () => t.diagnostic(`ended at call ${n}`));
        // Every call of the beginning, then some: the whole takes longer than it tells.
        for (let step = 1; !t.signal.aborted; n += step) {
          if (n > 120) step = 7;
          const location = path();
          const acknowledged = new Set();
          const errors = [];
          const calls = await failing(n, forEver, code, () =>
            scenario(location, acknowledged, errors),
          );
          for (const error of errors) {
            assert.ok(error instanceof VeerError, `call ${n}: ${error.stack}`);
            assert.ok(allowed.includes(error.code), `call ${n}: ${error.code} ${error.message}`);
          }
          const db = await open(location, { create: true });
          const notes = await db.collection('notes', { v: vector(16), batch: keyword() });
          for (const i of batches.keys()) {
            const count = await notes.count({ batch: `b${i}` });
            const isAcknowledged = acknowledged.has(`b${i}`);
            assert.ok(
              count === 8 || (count === 0 && !isAcknowledged),
              `call ${n}: b${i} has ${count}`,
            );
          }
          await db.close();
          if (n >= calls) {
            assert.deepEqual(errors, []);
            assert.equal(acknowledged.size, batches.length);
            break;
          }
        }
      },
    );
  }
});
