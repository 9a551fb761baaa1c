// What is used keeps alive what it needs, and only that: run with a garbage collector at hand.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

// The database itself is out of reach after `make` has returned; its handles are not.
const script = `
  import { open, vector } from 'veerdb';
  async function make() {
    const db = await open('memory:');
    const docs = await db.collection('docs', { v: vector(3, { metric: 'l2' }) });
    await docs.upsert([{ id: 'a', v: [1, 2, 3] }]);
    return { docs, query: await docs.prepare({ k: 1 }), snapshot: await db.snapshot() };
  }
  const held = await make();
  const { query, snapshot } = held;
  const which = process.argv[1];
  if (which !== 'docs') delete held.docs;
  for (let i = 0; i < 20; i++) {
    globalThis.gc();
    await new Promise((done) => setTimeout(done, 5));
  }
  const { hits } = which === 'docs'
    ? await held.docs.search({ vector: [1, 2, 3], snapshot })
    : await query.run([1, 2, 3]);
  console.log(hits[0].id);
  process.exit(0);
`;

for (const which of ['docs', 'query']) {
  test(`a ${which === 'docs' ? 'collection' : 'prepared query'} keeps its database alive`, () => {
    const out = execFileSync(
      process.execPath,
      ['--expose-gc', '--input-type=module', '-e', script, which],
      { encoding: 'utf8' },
    );
    assert.equal(out.trim(), 'a');
  });
}
