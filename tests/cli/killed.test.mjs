// veer optimize, killed while it builds graphs: every row is there at once, searches are right, and
// the next run makes the graphs that an uninterrupted one makes, bit for bit.
// budget: 20 s

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
  binary,
  folder,
  fvecs,
  ivecs,
  nearest,
  ok,
  okJson,
  random,
  randomVectors,
} from './harness.mjs';

const ROWS = 21_000;
const DIMS = 16;
const KILLS = 8;

const streams = (db) => readdirSync(db).filter((name) => /^(seg|cat)\./.test(name));
const graphs = (db) =>
  streams(db)
    .filter((name) => name.includes('.graph.'))
    .map((name) => readFileSync(join(db, name)));

/** Runs `veer optimize` and kills it after so many milliseconds; whether that came in time. */
async function killed(db, ms) {
  const child = spawn(binary, ['optimize', db], { stdio: 'ignore' });
  const ended = new Promise((resolve) =>
    child.on('exit', (code, signal) => resolve({ code, signal })),
  );
  await Promise.race([ended, setTimeout(ms)]);
  child.kill('SIGKILL');
  const { code, signal } = await ended;
  assert.ok(code === 0 || signal === 'SIGKILL', `optimize ended with ${code}`);
  return signal === 'SIGKILL';
}

test('killed at random moments', async (t) => {
  const files = folder(t);
  const [plain, done] = [files.path('plain'), files.path('done')];
  const vectors = randomVectors(ROWS, DIMS, 91);
  const queries = randomVectors(20, DIMS, 92);
  const q = files.write('q.fvecs', fvecs(queries));
  const truth = queries.map((query) => nearest(vectors, query, 10, 'l2').map(({ row }) => row));
  const exactly = files.write('t.ivecs', ivecs(truth));
  ok(['import', plain, files.write('v.fvecs', fvecs(vectors)), '--create', '--metric', 'l2']);
  cpSync(plain, done, { recursive: true });
  const began = performance.now();
  ok(['optimize', done]);
  const whole = performance.now() - began;
  const expected = graphs(done);
  assert.equal(expected.length, 1);
  const recall = (db, ...more) =>
    okJson(['eval', db, '-q', q, '-t', exactly, '--json', ...more]).recall;
  assert.ok(recall(done, '--effort', '100') >= 0.9);

  const next = random(93);
  const db = files.path('db');
  let early = 0;
  cpSync(plain, db, { recursive: true });
  for (let i = 0; i < KILLS; i++) {
    early += await killed(db, next() * whole * 0.9);
    assert.equal(ok(['count', db]), `${ROWS}\n`);
    assert.match(ok(['check', db]), /: ok/);
    assert.equal(recall(db, '--exact'), 1);
    assert.ok(recall(db) >= 0.9);
    assert.deepEqual(okJson(['get', db, '20999']).id, '20999');
  }
  t.diagnostic(`${early} of ${KILLS} in time, of ${Math.round(whole)} ms`);
  assert.ok(early > 0, 'it was never killed in time');
  ok(['optimize', db]);
  const built = graphs(db);
  assert.equal(built.length, 1);
  assert.ok(built[0].equals(expected[0]), 'the graph is another one');
  assert.equal(streams(db).length, streams(done).length, 'streams are left over');
  assert.match(ok(['check', db]), /: ok/);
  // Complete: there is nothing left to do.
  const before = streams(db);
  ok(['optimize', db]);
  assert.deepEqual(streams(db), before);
});
