// Storage that makes the engine wait: every call may be pending, and be repeated after a while.
// The same random history has the same answers as over storage that never waits.
// budget: 20 s

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { makeApi } from '../../dist/api.js';
import { node } from '../../dist/platform_node.js';
import { MemoryBackend } from '../../dist/storage/memory.js';
import { history } from './support/history.mjs';
import { random } from './support/rng.mjs';

/** A backend whose `pends(what)` decides which calls wait; a repeated call does not wait again. No
 * storage of ours makes writes wait. */
class WaitingBackend {
  isReadonly = false;
  name = 'waiting';
  #backend;
  #pends;
  #granted = new Set();
  #wanted = new Set();
  waits = 0;

  constructor(backend, pends) {
    this.#backend = backend;
    this.#pends = pends;
  }

  #waits(what, key) {
    const call = `${what} ${key}`;
    if (this.#granted.has(call)) return false;
    if (!this.#pends(what)) return false;
    this.#wanted.add(call);
    this.waits += 1;
    return true;
  }

  open(name, flags) {
    // What cannot succeed is told at once.
    const isThere = this.#backend.list().includes(name);
    if (isThere === Boolean(flags & 4)) return this.#backend.open(name, flags);
    if (this.#waits('open', `${name} ${flags}`)) return undefined;
    const stream = this.#backend.open(name, flags);
    return {
      size: () => stream.size(),
      truncate: (bytes) => stream.truncate(bytes),
      sync: () => stream.sync(),
      close: () => stream.close(),
      read: (at, into) =>
        !this.#waits('read', `${name} ${at} ${into.length}`) && stream.read(at, into),
      write: (at, data) =>
        !this.#waits('write', `${name} ${at} ${data.length}`) && stream.write(at, data),
    };
  }
  remove(name) {
    return !this.#waits('remove', name) && this.#backend.remove(name);
  }
  list() {
    return this.#backend.list();
  }
  syncNames() {}
  async settle() {
    assert.ok(this.#wanted.size > 0, 'pending, but nothing was asked for');
    for (const call of this.#wanted) this.#granted.add(call);
    this.#wanted.clear();
  }
  release() {
    this.#granted.clear();
    this.#wanted.clear();
  }
  async flush() {}
  async close() {}
}

/** An API whose databases are all in one memory, behind a waiting backend. */
function waitingApi(pends) {
  const memory = new MemoryBackend();
  const opened = [];
  const api = makeApi({
    ...node,
    async openStorage() {
      const backend = new WaitingBackend(memory, pends);
      opened.push(backend);
      return { backend, packed: '' };
    },
  });
  return { api, waits: () => opened.reduce((sum, { waits }) => sum + waits, 0) };
}

const dice = random(77);
const kinds = {
  'every read': (what) => what === 'read',
  'every creation and removal': (what) => what === 'open' || what === 'remove',
  everything: (what) => what !== 'write',
  'one call in five': (what) => what !== 'write' && dice.below(5) === 0,
};

describe('a random history while storage waits for', () => {
  for (const [name, pends] of Object.entries(kinds)) {
    test(name, async () => {
      const { api, waits } = waitingApi(pends);
      await history({
        metric: 'l2',
        seed: 5,
        steps: 150,
        isDurable: true,
        openDatabase: () =>
          api.open('memory:', { create: true, walBytes: 1 << 20, cacheBytes: 1 << 20 }),
      });
      assert.ok(waits() > 20, `only ${waits()} waits`);
    });
  }
});
