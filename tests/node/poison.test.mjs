// What cannot be relied on any more is not used any more: a flush that failed, an engine that
// stopped in the middle of a call.
// budget: 5 s

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { makeApi } from '../../dist/api.js';
import { Ffi, Output } from '../../dist/ffi.js';
import { keyword } from '../../dist/index_node.js';
import { MemoryBackend } from '../../dist/storage/memory.js';
import { StorageFault } from '../../dist/storage/backend.js';
import { node } from '../../dist/platform_node.js';

/** A backend whose flushes fail from now on, when `failing` is set. */
class FailingBackend extends MemoryBackend {
  failing = undefined;
  isClosed = false;

  async flush() {
    if (this.failing) throw this.failing;
  }
  async close() {
    this.isClosed = true;
  }
}

async function opened() {
  const backend = new FailingBackend();
  const api = makeApi({ ...node, openStorage: async () => ({ backend, packed: '' }) });
  const db = await api.open('memory:', { autoWork: false });
  return { backend, db, notes: await db.collection('notes', { tag: keyword() }) };
}

test('after a failed flush every call is READONLY and names the cause; closing works', async () => {
  for (const [code, text] of [
    ['FULL', 'commit: QuotaExceededError'],
    ['IO', 'commit: UnknownError'],
  ]) {
    const { backend, db, notes } = await opened();
    await notes.upsert({ id: 'a', tag: 'x' });
    const snapshot = await db.snapshot();
    backend.failing = new StorageFault(code, text);
    await assert.rejects(notes.upsert({ id: 'b' }), { name: 'VeerError', code, message: text });
    backend.failing = undefined;
    const poisoned = { code: 'READONLY', message: new RegExp(text) };
    await assert.rejects(notes.upsert({ id: 'c' }), poisoned);
    await assert.rejects(notes.count(), poisoned);
    await assert.rejects(db.work(), poisoned);
    await snapshot.close();
    await notes.close();
    await db.close();
    assert.equal(backend.isClosed, true);
    await assert.rejects(db.collections(), { code: 'CLOSED' });
  }
});

test('a flush that fails in close is told, and the storage is let go all the same', async () => {
  const { backend, db, notes } = await opened();
  await notes.upsert({ id: 'a', tag: 'x' });
  backend.failing = new StorageFault('IO', 'commit: gone');
  await assert.rejects(db.close(), { code: 'IO' });
  assert.equal(backend.isClosed, true);
});

test('after a trap every call fails', async () => {
  const bytes = readFileSync(new URL('../../dist/veer.wasm', import.meta.url));
  const ffi = await Ffi.create(await WebAssembly.compile(bytes));
  ffi.call('wasm_index_new', JSON.stringify({ dims: 2, metric: 'l2' }));
  const index = ffi.replyHandle('the index');
  // A pointer far behind the end of the memory, as only a defect of the engine would make it.
  const wild = () => ffi.call('wasm_index_get', 0x7ffffff0, 1n, new Output(8));
  assert.throws(wild, { code: 'INTERNAL', message: /stopped in wasm_index_get/ });
  assert.equal(ffi.isBroken, true);
  assert.throws(() => ffi.ask('wasm_index_count', index), { code: 'INTERNAL' });
  ffi.free('wasm_index_free', index);
  assert.throws(() => ffi.constant('wasm_version'), { code: 'INTERNAL' });
});
