// Bad input by name: each kind has its own code and a text that names field, document and bound,
// and the batch that contains it changes nothing. The tables of js/ are those of the engine.
// budget: 5 s

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import {
  VeerError,
  VectorIndex,
  bool,
  keyword,
  number,
  open,
  text,
  time,
  vector,
  version,
} from 'veerdb';

import { statusOf } from '../../dist/errors.js';
import { Ffi } from '../../dist/ffi.js';
import * as limits from '../../dist/limits.js';
import { temporary } from './support/temporary.mjs';

const { path } = temporary('errors');
const packageUrl = new URL('../../package.json', import.meta.url);

let db;
let notes;

before(async () => {
  db = await open('memory:', { create: true });
  notes = await db.collection('notes', {
    v: vector(4),
    tag: keyword(),
    year: number(),
    draft: bool(),
    published: time(),
    title: text(),
  });
  await notes.upsert({ id: 'there', v: [1, 2, 3, 4], tag: 'x', year: 2020 });
});
after(() => db.close());

/** Rejects with the code and every part of the text; nothing has been written. */
async function refuses(code, parts, act) {
  await assert.rejects(act(), (error) => {
    assert.ok(error instanceof VeerError, `${error.name}: ${error.message}`);
    assert.equal(error.code, code, error.message);
    assert.equal(error.status, statusOf[code]);
    for (const part of parts) assert.match(error.message, part);
    return true;
  });
  assert.equal(await notes.count(), 1);
}

/** Throws TypeError or RangeError with the field and the value. */
async function refusesArgument(type, field, act) {
  const check = (error) => {
    assert.ok(error instanceof type && !(error instanceof VeerError), `${error}`);
    assert.match(error.field, field);
    assert.ok('value' in error);
    return true;
  };
  await assert.rejects(async () => act(), check);
}

test('codes, limits and the version are the engine’s', async () => {
  const module = await WebAssembly.compile(
    readFileSync(new URL('../../dist/veer.wasm', import.meta.url)),
  );
  const ffi = await Ffi.create(module);
  const described = JSON.parse(ffi.constant('wasm_describe'));
  const failures = described.statuses.filter(({ number: n }) => n < 0);
  assert.deepEqual(Object.fromEntries(failures.map(({ code, number: n }) => [code, n])), statusOf);
  const bounds = described.limits;
  assert.equal(bounds.dims, limits.DIMS_MAX);
  assert.equal(bounds.k, limits.K_MAX);
  assert.equal(described.options.request.effort.max, limits.EFFORT_MAX);
  assert.equal(bounds.idBytes, limits.ID_BYTES_MAX);
  assert.equal(bounds.batchBytes, limits.BATCH_BYTES_MAX);
  assert.equal(ffi.constant('wasm_version'), version);
  assert.equal(JSON.parse(readFileSync(packageUrl, 'utf8')).version, version);
});

describe('documents', () => {
  const write = (document) => () => notes.upsert([{ id: 'good', year: 1 }, document]);
  const cases = [
    ['DIMENSION', [/'bad'/, /'v'/, /3 dimensions/, /4/], { id: 'bad', v: [1, 2, 3] }],
    ['VECTOR', [/bad/, /'v'/, /NaN/], { id: 'bad', v: [1, NaN, 3, 4] }],
    ['VECTOR', [/bad/, /'v'/, /infin/i], { id: 'bad', v: [1, Infinity, 3, 4] }],
    ['VECTOR', [/bad/, /'v'/, /zero/], { id: 'bad', v: [0, 0, 0, 0] }],
    ['ID', [], { id: '' }],
    ['ID', [/512/], { id: 'x'.repeat(513) }],
    ['ID', [], { id: 'half \ud800' }],
    ['TYPE', [/bad/, /'tag'/], { id: 'bad', tag: 3 }],
    ['TYPE', [/bad/, /'year'/], { id: 'bad', year: '2020' }],
    ['TYPE', [/bad/, /'draft'/], { id: 'bad', draft: 'yes' }],
    ['TYPE', [/bad/, /'published'/], { id: 'bad', published: 'yesterday' }],
    ['TYPE', [/bad/, /'title'/], { id: 'bad', title: 7 }],
  ];
  for (const [code, parts, document] of cases) {
    test(`${code}: ${JSON.stringify(document).slice(0, 50)}`, () =>
      refuses(code, parts, write(document)));
  }

  const wrong = [
    [TypeError, /document/, 'text'],
    [TypeError, /id/, {}],
    [TypeError, /id/, { id: 7 }],
    [TypeError, /'v'/, { id: 'bad', v: 'text' }],
    [TypeError, /'v'/, { id: 'bad', v: [1, 'two', 3, 4] }],
    [RangeError, /'year'/, { id: 'bad', year: NaN }],
    [RangeError, /'published'/, { id: 'bad', published: new Date(NaN) }],
    [TypeError, /'year'/, { id: 'bad', year: 3n }],
    [TypeError, /'w'/, { id: 'bad', w: new Float32Array(3) }],
  ];
  for (const [type, field, document] of wrong) {
    test(`${type.name}: ${field}`, () => refusesArgument(type, field, write(document)));
  }

  test('EXISTS: inserting what is there', () =>
    refuses('EXISTS', [/'there'/], () => notes.insert([{ id: 'new' }, { id: 'there' }])));

  test('columns of different lengths', () =>
    refusesArgument(RangeError, /vectors/, () =>
      notes.upsert({ ids: ['a', 'b'], vectors: new Float32Array(4) }),
    ));

  test('earlier batches of a failing bulk write are counted', async () => {
    const many = await db.collection('many', { v: vector(4) });
    const good = Array.from({ length: 20_000 }, (_, i) => ({ id: `${i}`, v: [1, 2, 3, 4] }));
    await assert.rejects(many.upsert([...good, { id: 'bad', v: [1, 2] }]), (error) => {
      assert.equal(error.code, 'DIMENSION');
      assert.ok(error.written > 0 && error.written < 20_001);
      return true;
    });
    await db.drop('many');
  });
});

describe('requests', () => {
  const search = (request) => () => notes.search({ vector: [1, 2, 3, 4], ...request });
  test('DIMENSION of a query', () =>
    refuses('DIMENSION', [/3/, /4/], () => notes.search({ vector: [1, 2, 3] })));
  test('VECTOR of a query', () =>
    refuses('VECTOR', [/NaN/], () => notes.search({ vector: [1, 2, 3, NaN] })));
  test('OPTION: unknown', () => refuses('OPTION', [/limit/], search({ limit: 3 })));
  test('OPTION: verify without explain', () =>
    refuses('OPTION', [/verify/, /explain/], search({ verify: true })));
  test('FIELD in a filter', () =>
    refuses('FIELD', [/'?tga'?/, /tag/], search({ filter: { tga: 'x' } })));
  test('FIELD of a vector', () => refuses('FIELD', [/nowhere/], search({ field: 'nowhere' })));
  test('SYNTAX with its position', () =>
    refuses('SYNTAX', [/\d/, /expected/i], search({ filter: 'tag = ' })));
  test('TYPE in a filter', () => refuses('TYPE', [/year/], search({ filter: { year: 'x' } })));

  test('arguments', async () => {
    await refusesArgument(RangeError, /^k$/, search({ k: 0 }));
    await refusesArgument(RangeError, /^k$/, search({ k: 10_001 }));
    await refusesArgument(RangeError, /^k$/, search({ k: 1.5 }));
    await refusesArgument(TypeError, /^k$/, search({ k: '3' }));
    await refusesArgument(RangeError, /recall/, search({ recall: 0 }));
    await refusesArgument(RangeError, /recall/, search({ recall: 1.1 }));
    await refusesArgument(RangeError, /^effort$/, search({ effort: 100_001 }));
    await refusesArgument(TypeError, /^verify$/, search({ verify: 1 }));
    await refusesArgument(TypeError, /exact/, search({ exact: 1 }));
    await refusesArgument(TypeError, /vector/, () => notes.search({ vector: 'x' }));
    await refusesArgument(RangeError, /filter/, search({ filter: { year: NaN } }));
    await refusesArgument(TypeError, /filter/, search({ filter: 7 }));
    await refusesArgument(TypeError, /snapshot/, search({ snapshot: {} }));
    await refusesArgument(TypeError, /ids/, () => notes.get(7));
    await refusesArgument(RangeError, /vectors/, () =>
      notes.searchMany({ vectors: new Float32Array(7) }),
    );
  });
});

describe('opening', () => {
  const fails = (code, parts, location, options) =>
    assert.rejects(open(location, options), (error) => {
      assert.equal(error.code, code, `${error}`);
      for (const part of parts) assert.match(error.message, part);
      return true;
    });

  test('what is not there is made only when it is asked for', async () => {
    const none = path();
    const says = [new RegExp(none), /no database/, /"create": true/];
    await fails('NOTFOUND', says, none);
    await fails('NOTFOUND', says, none, { create: false });
    await fails('NOTFOUND', says, none, { create: true, mode: 'readonly' });
    assert.equal(existsSync(none), false);
    mkdirSync(none);
    await fails('NOTFOUND', says, none);
  });
  test('an unknown option', () => fails('OPTION', [/colour/], 'memory:', { colour: 'red' }));
  test('an option out of its range', () =>
    fails('OPTION', [/walBytes/], 'memory:', { walBytes: 1 }));
  test('an unknown kind of location', () => fails('UNSUPPORTED', [/s3/], 's3://bucket/x'));
  test('a browser’s storage', async () => {
    await fails('UNSUPPORTED', [/browser/], 'opfs://notes', { create: true });
    await fails('UNSUPPORTED', [/browser/], 'idb://notes', { create: true });
  });
  test('arguments', async () => {
    await refusesArgument(TypeError, /location/, () => open(7));
    await refusesArgument(RangeError, /location/, () => open(''));
    await refusesArgument(TypeError, /worker/, () => open('memory:', { worker: 7 }));
    await refusesArgument(RangeError, /location/, () => open('idb://../up'));
    assert.throws(() => vector(0), RangeError);
    assert.throws(() => vector(9000), RangeError);
    assert.throws(() => vector('3'), TypeError);
    assert.throws(() => vector(3, { metric: 'minkowski' }), RangeError);
    assert.throws(() => vector(3, { storage: 'f8' }), /storage .*'f32', 'f16', 'bits'/);
    await refusesArgument(TypeError, /schema field 'x'/, () =>
      db.collection('y', { x: 'keyword' }),
    );
  });

  test('a foreign directory, a foreign file, nothing in a file', async () => {
    const folder = path();
    mkdirSync(folder);
    writeFileSync(join(folder, 'meta'), 'something else');
    await fails('FORMAT', [new RegExp(folder)], folder, { create: true });
    const file = path('file');
    writeFileSync(file, Buffer.alloc(20_000, 7));
    await fails('FORMAT', [new RegExp(file), /not a Veer database/], file);
    await fails('FORMAT', [/given bytes/], new Uint8Array(0));
    const named = Object.defineProperty(new Blob(['x']), 'name', { value: 'letter.txt' });
    await fails('FORMAT', [/letter\.txt/], named);
  });

  test('a second time', async () => {
    const location = path();
    const first = await open(location, { create: true });
    const options = { storage: { lockTimeoutMs: 0 } };
    await fails('BUSY', [new RegExp(`${process.pid}`)], location, options);
    await first.close();
  });

  test('memoryLimit is NOMEM, and the database goes on', async () => {
    const small = await open('memory:', { create: true, memoryLimit: 4 << 20, autoWork: false });
    const things = await small.collection('things', { v: vector(512) });
    const documents = Array.from({ length: 10_000 }, (_, i) => ({
      id: `${i}`,
      v: new Float32Array(512).fill(i + 1),
    }));
    await assert.rejects(things.upsert(documents), { code: 'NOMEM' });
    assert.ok((await things.count()) < 10_000);
    await small.close();
  });
});

test('every index argument', async () => {
  await refusesArgument(RangeError, /dims/, () => VectorIndex.create({ dims: 0 }));
  await refusesArgument(TypeError, /dims/, () => VectorIndex.create({}));
  await refusesArgument(TypeError, /bytes/, () => VectorIndex.load('x'));
});
