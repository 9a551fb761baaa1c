// One set of rows, two builds of the engine: the native one and WebAssembly make the same streams and
// the same saved index, byte for byte, and give the same answers, whichever of them wrote.
// budget: 60 s

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { VectorIndex, keyword, number, open, vector } from 'veerdb';

import { random } from './support/rng.mjs';
import { temporary } from './support/temporary.mjs';

const built = (path) => fileURLToPath(new URL(`../../build/${path}`, import.meta.url));
const cli = process.env.VEER_CLI ?? built('veer');
const twin = built('tests/model/test_index_native');
const { path } = temporary('same-bits');
/** Of the module that is loaded: that of the stage `relaxed`, or what everybody has. */
const tier = process.env.VEER_EXPECT_TIER ?? 'simd128';

/** Rows around some middles, as embeddings are; every tenth has a twin, and ties with it. */
function clustered(dice, rows, dims) {
  const middles = Array.from({ length: 60 }, () => dice.vector(dims));
  const made = Array.from({ length: rows }, () => {
    const middle = dice.pick(middles);
    return dice.vector(dims).map((value, i) => middle[i] + 0.6 * value);
  });
  for (let i = 10; i < rows; i += 10) made[i] = made[i - 10 + dice.below(10)];
  return made;
}

const raw = (rows) => Buffer.concat(rows.map((row) => Buffer.from(row.buffer)));

function fvecs(rows) {
  const head = Buffer.from(Int32Array.of(rows[0].length).buffer);
  return Buffer.concat(rows.flatMap((row) => [head, Buffer.from(row.buffer)]));
}

function veer(...args) {
  return execFileSync(cli, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
}

// ---- databases: as many rows as a graph needs by default, more behind it, some of them dead

const SEALED = 20_000;
const ROWS = SEALED + 1200;
const QUERIES = 12;
const PAGE = 4096; // of a segment's header, docs/FORMAT.md
const LAST_LSN = 152;
const fields = {
  cosine: { type: 'vector', dims: 24, metric: 'cosine' },
  dot: { type: 'vector', dims: 9, metric: 'dot' },
  l2: { type: 'vector', dims: 16, metric: 'l2' },
};
const names = Object.keys(fields);
const dead = Array.from({ length: 700 }, (_, i) => `d${i * 29}`);
// By graph (plain and with a filter that it answers on the way), by scan, and what the engine chooses.
const requests = [
  { effort: 60 },
  { effort: 200, k: 40 },
  { effort: 80, filter: 'part < 60' },
  { filter: 'part < 2' },
  { filter: "tag = 't1' AND part >= 50" },
  { recall: 1 },
  { exact: true },
  { recall: 0.9 },
  {},
];

describe('databases', { skip: existsSync(cli) ? false : `${cli} is not built` }, () => {
  const [natively, here] = [path('natively'), path('here')];
  const packed = path('packed');
  const streams = []; // of both, as soon as there are graphs: kind and field, bytes
  /**
   * Derived streams by kind and field. Generations and the last LSN differ, for how many transactions
   * an import makes is its own affair: without both, and the checksum of the page that has the latter.
   */
  const derived = (folder) => {
    const names = readdirSync(folder).filter((n) => /^seg\.\d+\.(graph|codes|columns)\./.test(n));
    return names.map((name) => {
      const bytes = readFileSync(join(folder, name));
      bytes.fill(0, LAST_LSN, LAST_LSN + 8).fill(0, PAGE - 4, PAGE);
      return [name.replace(/^seg\.\d+\.(.*)\.\d+$/, '$1'), bytes];
    });
  };
  const queryFiles = {};
  const queries = {};

  before(async () => {
    const dice = random(51);
    const columns = names.map((name) => clustered(dice, ROWS, fields[name].dims));
    const documents = Array.from({ length: ROWS }, (_, i) => ({
      id: `d${i}`,
      part: dice.below(100),
      tag: `t${i % 7}`,
      ...Object.fromEntries(names.map((name, at) => [name, columns[at][i]])),
    }));
    names.forEach((name, at) => {
      queries[name] = Array.from({ length: QUERIES }, () => {
        const [a, b] = [dice.pick(columns[at]), dice.pick(columns[at])];
        return a.map((value, i) => 0.7 * value + 0.3 * b[i]);
      });
      queryFiles[name] = `${path(name)}.fvecs`;
      writeFileSync(queryFiles[name], fvecs(queries[name]));
    });

    const [schema, sealed, more] = [path('schema'), path('sealed'), path('more')];
    const others = { part: { type: 'number' }, tag: { type: 'keyword' } };
    writeFileSync(schema, JSON.stringify({ fields: { ...fields, ...others } }));
    const lines = (some) =>
      some
        .map((d) => {
          const vectors = Object.fromEntries(names.map((name) => [name, [...d[name]]]));
          return `${JSON.stringify({ ...d, ...vectors })}\n`;
        })
        .join('');
    writeFileSync(sealed, lines(documents.slice(0, SEALED)));
    writeFileSync(more, lines(documents.slice(SEALED)));
    veer('create', natively, '--schema', schema);
    veer('import', natively, sealed, '--format', 'jsonl');
    veer('optimize', natively);
    streams.push(derived(natively));
    veer('import', natively, more, '--format', 'jsonl');
    veer('delete', natively, ...dead);
    veer('backup', natively, packed);

    const db = await open(here, { create: true, autoWork: false });
    const notes = await db.collection('documents', {
      ...Object.fromEntries(
        names.map((name) => [name, vector(fields[name].dims, { metric: fields[name].metric })]),
      ),
      part: number(),
      tag: keyword(),
    });
    await notes.upsert(documents.slice(0, SEALED));
    await db.optimize();
    streams.push(derived(here));
    await notes.upsert(documents.slice(SEALED));
    await notes.delete(dead);
    await db.close();
  });

  test('derived streams are the same bytes', () => {
    const [natives, others] = streams.map((list) => new Map(list));
    const kinds = [...names.flatMap((_, i) => [`codes.${i + 1}`, `graph.${i + 1}`]), 'columns.0'];
    assert.deepEqual([...natives.keys()].sort(), kinds.sort());
    assert.deepEqual([...others.keys()].sort(), kinds);
    for (const [kind, bytes] of natives) assert.ok(bytes.equals(others.get(kind)), kind);
  });

  for (const name of names) {
    test(`${name}: the same answers from both engines over each other's databases`, async () => {
      for (const location of [natively, here, packed]) {
        const db = await open(location, { mode: 'readonly' });
        const [{ name: collection }] = await db.collections();
        const notes = await db.collection(collection);
        let walks = 0;
        for (const request of requests) {
          const text = `${location}: ${JSON.stringify(request)}`;
          const { k = 10, effort, filter, recall, exact } = request;
          const flags = [
            ...(effort ? ['--effort', `${effort}`] : []),
            ...(filter ? ['--filter', filter] : []),
            ...(recall ? ['--recall', `${recall}`] : []),
            ...(exact ? ['--exact'] : []),
          ];
          const lines = veer(
            ...['search', location, '--queries', queryFiles[name], '--field', name],
            ...['-k', `${k}`, '--select', 'false', '--json', '--explain', ...flags],
          );
          const expected = lines
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line));
          assert.equal(expected.length, QUERIES, text);
          for (const [q, { rows, visited, explain }] of expected.entries()) {
            const answer = await notes.search({
              vector: queries[name][q],
              field: name,
              select: false,
              explain: true,
              ...request,
              k,
            });
            assert.deepEqual(
              answer.hits.map(({ id, distance }) => [id, distance]),
              rows.map(({ id, distance }) => [id, Math.fround(distance)]),
              text,
            );
            assert.equal(answer.visited, visited, text);
            assert.equal(answer.explain.method, explain.method, text);
            assert.equal(answer.explain.tier, tier, text);
            walks += answer.explain.method === 'graph';
          }
        }
        assert.ok(walks >= 3 * QUERIES, `${walks} walks`);
        await db.close();
      }
    });
  }
});

// ---- the index level

describe('an index', { skip: existsSync(twin) ? false : `${twin} is not built` }, () => {
  const K = 12;
  for (const [metric, dims] of [
    ['cosine', 48],
    ['dot', 33],
    ['l2', 130],
    // Graphs of 4-bit codes.
    ['cosine', 256],
    ['dot', 300],
    ['l2', 384],
  ]) {
    test(`${metric}, ${dims} dimensions: saved and searched natively and here`, async () => {
      const dice = random(dims);
      const rows = clustered(dice, 2500, dims);
      const queries = clustered(dice, 20, dims);
      const options = { dims, metric, seed: 7, graphRows: 1000 };
      const files = ['rows', 'queries', 'out'].map(path);
      writeFileSync(files[0], raw(rows));
      writeFileSync(files[1], raw(queries));
      execFileSync(twin, [JSON.stringify(options), files[0], files[1], `${K}`, files[2]]);
      const saved = readFileSync(files[2]);
      const hits = readFileSync(`${files[2]}.hits`);

      const built = await VectorIndex.create(options);
      built.add(
        rows.map((_, i) => 7 * i),
        rows,
      );
      while (built.optimize(3));
      assert.ok(Buffer.from(built.save()).equals(saved), 'the saved bytes differ');

      const places = queries.length * K;
      const ways = [
        { recall: 0.9 },
        { exact: true },
        { recall: 0.9, accept: (k) => k % 3n === 0n },
      ];
      for (const index of [built, await VectorIndex.load(saved)]) {
        let at = 0;
        for (const way of ways) {
          const { keys, distances } = index.search(queries, K, way);
          const expected = hits.subarray(at, at + places * 12);
          assert.ok(
            Buffer.concat([Buffer.from(keys.buffer), Buffer.from(distances.buffer)]).equals(
              expected,
            ),
            `${metric}: ${Object.keys(way)}`,
          );
          at += places * 12;
        }
        assert.equal(at, hits.length);
        assert.ok(Buffer.from(index.save()).equals(saved), 'saved again, it is the same');
        index.close();
      }
    });
  }
});
