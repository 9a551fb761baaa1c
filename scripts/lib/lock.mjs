// A lock file for scripts that must not run twice at once in one checkout.

import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { ScriptError } from './run.mjs';

const waitLimitMs = 20 * 60 * 1000;

function processIsAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function tryLock(path) {
  try {
    const file = openSync(path, 'wx');
    writeSync(file, String(process.pid));
    closeSync(file);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  }
}

/** Runs `body` while holding `path`; a lock whose process is gone is taken over. */
export function withLock(path, body) {
  const deadline = Date.now() + waitLimitMs;
  let saidSo = false;
  while (!tryLock(path)) {
    let holder = NaN;
    try {
      holder = Number.parseInt(readFileSync(path, 'utf8'), 10);
    } catch {
      continue;
    }
    if (holder > 0 && !processIsAlive(holder)) {
      rmSync(path, { force: true });
      continue;
    }
    if (Date.now() > deadline) throw new ScriptError(`${path} is held by process ${holder}.`);
    if (!saidSo) console.log(`waiting for process ${holder}, which holds ${path}`);
    saidSo = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  try {
    return body();
  } finally {
    rmSync(path, { force: true });
  }
}
