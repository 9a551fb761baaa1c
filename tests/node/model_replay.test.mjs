// The same random operations natively and as WebAssembly: the same ids, in the same order, at the
// same distances, to the last bit.
// budget: 60 s

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { bool, keyword, number, open, text, time, vector } from 'veerdb';

import { temporary } from './support/temporary.mjs';

const { path } = temporary('model-replay');
const program = 'build/tests/model/test_model';
const OPERATIONS = '10000';

const options = {
  create: true,
  sync: 'none',
  walBytes: 262144,
  segmentBytes: 1048576,
  graphRows: 300,
  cacheBytes: 1048576,
  autoWork: false,
};
const schema = {
  v: vector(24, { metric: 'cosine' }),
  tag: keyword(),
  year: number(),
  draft: bool(),
  at: time(),
  note: text(),
};

/** Documents of an operation, with the vectors that came beside them. */
const documentsOf = ({ documents, vectors }) =>
  vectors ? documents.map((d, i) => (vectors[i] ? { ...d, v: vectors[i] } : d)) : documents;

/** Runs the operations of a script; returns how many answers were compared. */
async function replay(lines, location) {
  let db = await open(location, options);
  let docs = await db.collection('docs', schema);
  let compared = 0;
  for (const [i, line] of lines.entries()) {
    const op = JSON.parse(line);
    switch (op.op) {
      case 'upsert':
        await docs.upsert(documentsOf(op));
        break;
      case 'delete':
        await docs.delete(op.documents);
        break;
      case 'deleteWhere':
        await docs.delete({ filter: op.filter });
        break;
      case 'get':
        await docs.get(op.documents);
        break;
      case 'search': {
        const { hits } = await docs.search({
          vector: Float32Array.from(op.vectors[0]),
          k: op.k,
          exact: op.exact,
          filter: op.filter,
          select: false,
        });
        const where = `operation ${i}: ${line.slice(0, 200)}`;
        assert.deepEqual(
          hits.map((hit) => hit.id),
          op.ids,
          where,
        );
        assert.deepEqual(
          hits.map((hit) => Math.fround(hit.distance)),
          op.distances.map(Math.fround),
          where,
        );
        compared++;
        break;
      }
      case 'count':
        assert.equal(await docs.count(op.filter), op.count, `operation ${i}`);
        compared++;
        break;
      case 'work':
        while (await db.work(1000));
        break;
      case 'checkpoint':
        await db.checkpoint();
        break;
      case 'compact':
        await db.compact();
        break;
      case 'reopen':
        await db.close();
        db = await open(location, options);
        docs = await db.collection('docs');
        break;
      default: // scan and backup change nothing, and the package's own tests check them
    }
  }
  await db.close();
  return compared;
}

test('WebAssembly answers what the native build answers', async () => {
  assert.ok(existsSync(program), `${program} is built before this test: npm run build, or ctest`);
  const script = path('script.jsonl');
  execFileSync(program, ['--script', script, OPERATIONS, '11']);
  const lines = readFileSync(script, 'utf8').trim().split('\n');
  assert.equal(lines.length, Number(OPERATIONS));
  const compared = await replay(lines, path('database'));
  assert.ok(compared > 3000, `${compared} answers were compared`);
});
