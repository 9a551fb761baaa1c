// info, compact, backup and check: a backup answers the same, damage is found wherever it is.

import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  fails,
  misused,
  folder,
  fvecs,
  ok,
  okJson,
  okLines,
  random,
  randomVectors,
  run,
} from './harness.mjs';

const vectors = randomVectors(500, 16, 31);

function database(t) {
  const files = folder(t);
  const db = files.path('db');
  const file = files.write('v.fvecs', fvecs(vectors));
  ok(['import', db, file, '--create', '--metric', 'l2']);
  ok(['delete', db, '3', '4']);
  ok(['import', db, '-'], { input: `{"id":"late","vector":${JSON.stringify([...vectors[9]])}}\n` });
  return { ...files, db };
}

const answers = (db, queries) =>
  okLines(['search', db, '--queries', queries, '-k', '20', '--json']).map(({ rows, exact }) => ({
    rows,
    exact,
  }));

test('a backup is one file that opens and answers the same', (t) => {
  const { db, path } = database(t);
  const queries = join(path('v.fvecs'));
  assert.match(ok(['backup', db, path('b.pack')]), /b\.pack written, [\d.]+ KiB/);
  assert.equal(ok(['count', path('b.pack')]), '499\n');
  assert.deepEqual(answers(path('b.pack'), queries), answers(db, queries));
  assert.equal(ok(['export', path('b.pack')]), ok(['export', db]));
  assert.match(ok(['check', path('b.pack')]), /: ok/);
  fails(['backup', db, path('b.pack')], 'EXISTS', /b\.pack/);
  fails(['delete', path('b.pack'), '7'], 'READONLY', /./);
  fails(['import', path('b.pack'), queries], 'READONLY', /./);
  ok(['backup', path('b.pack'), path('c.pack')]);
  assert.equal(ok(['export', path('c.pack')]), ok(['export', db]));
});

test('compact keeps every document and its order of neighbours', (t) => {
  const { db, path } = database(t);
  const before = new Set(ok(['export', db]).split('\n'));
  const found = okLines(['search', db, '-q', path('v.fvecs'), '--exact', '--json']);
  assert.match(ok(['compact', db]), /compacted in/);
  assert.deepEqual(new Set(ok(['export', db]).split('\n')), before);
  const again = okLines(['search', db, '-q', path('v.fvecs'), '--exact', '--json']);
  assert.deepEqual(
    again.map(({ rows }) => rows),
    found.map(({ rows }) => rows),
  );
  assert.match(ok(['check', db]), /: ok/);
  assert.match(ok(['compact', db, '--checkpoint']), /sealed in/);
});

test('optimize seals, builds the graph that is due, and says so; then nothing is left', (t) => {
  const { path, write } = folder(t);
  const db = path('db');
  const many = write('v.fvecs', fvecs(randomVectors(20_000, 4, 33)));
  ok(['import', db, many, '--create', '--metric', 'l2', '--no-checkpoint']);
  const query = ['search', db, '--like', '17', '--json', '--explain'];
  assert.equal(okJson(query).explain.method, 'scan');
  assert.match(
    ok(['optimize', db]),
    /db optimized in [\d.e-]+ s: 20,000 rows of the log sealed, 1 sealed segment instead of 0, 1 graph built\n$/,
  );
  assert.equal(ok(['optimize', db]), `${db}: nothing was left to do\n`);
  assert.equal(okJson(query).explain.method, 'graph');
  assert.equal(ok(['count', db]), '20000\n');
  assert.match(ok(['check', db]), /: ok/);
  ok(['backup', db, path('b.pack')]);
  fails(['optimize', path('b.pack')], 'READONLY', /./);
  fails(['optimize', path('none')], 'NOTFOUND', /none/);
});

test('optimize gives the same graph by any number of threads', (t) => {
  const { path, write } = folder(t);
  const many = write('v.fvecs', fvecs(randomVectors(20_000, 8, 34)));
  const walks = ['1', '3'].map((threads) => {
    const db = path(`db${threads}`);
    ok(['import', db, many, '--create', '--metric', 'l2', '--no-checkpoint']);
    assert.match(ok(['optimize', db, '--threads', threads]), /1 graph built/);
    const found = okLines([
      'search',
      db,
      '-q',
      many,
      '-n',
      '300',
      '--recall',
      '0.5',
      '-k',
      '5',
      '--json',
    ]);
    return found.map(({ rows }) => rows);
  });
  assert.deepEqual(walks[1], walks[0]);
  misused(['optimize', path('db1'), '--threads', '0'], /threads/);
});

test('info: a table for people, everything as JSON', (t) => {
  const { db } = database(t);
  const info = okJson(['info', db, '--json']);
  assert.equal(info.collections[0].count, 499);
  assert.equal(info.collections[0].schema.fields.vector.dims, 16);
  assert.equal(typeof info.stats, 'object');
  assert.equal(typeof info.recovery, 'object');
  const table = ok(['info', db]);
  assert.match(table, /^collection +documents +fields$/m);
  assert.match(table, /^documents +499 +vector \(vector 16 l2\)$/m);
  const figure = (label) => new RegExp(`^${label} +([\\d,. ]+(B|[KMG]iB)?)$`, 'm').exec(table)?.[1];
  assert.equal(figure('rows stored'), String(info.stats.rows));
  assert.equal(
    figure('of them replaced or deleted, until compaction'),
    String(info.stats.tombstones),
  );
  for (const label of ['log: the latest writes', 'superblocks', 'in all', 'opened segments']) {
    assert.match(figure(label) ?? label, / ([KM]i)?B$/);
  }
  assert.match(table, new RegExp(`^veer [\\d.]+, compares with ${info.stats.tier}$`, 'm'));
  assert.doesNotMatch(table, /memory\.|storage\.|tombstones/); // the engine's names are for --json
});

test('check: ok on what is whole, in words and as JSON', (t) => {
  const { db } = database(t);
  assert.match(ok(['check', db]), /db: ok, \d+ streams read/);
  const report = okJson(['check', db, '--json']);
  assert.equal(report.ok, true);
  assert.deepEqual(report.problems, []);
});

test('check finds one flipped bit in any stream of a folder, and the count is never wrong', (t) => {
  const { db, path } = database(t);
  ok(['compact', db]);
  const next = random(32);
  const streams = readdirSync(db).filter(
    (name) => name.startsWith('seg.') || name.startsWith('cat.'),
  );
  assert.ok(streams.length > 1, streams.join());
  streams.forEach((stream, i) => {
    const copy = path(`copy-${i}`);
    cpSync(db, copy, { recursive: true });
    const bytes = readFileSync(join(copy, stream));
    let at = 0;
    do at = Math.floor(next() * bytes.length);
    while (bytes[at] === 0); // not in padding
    bytes[at] ^= 1 << Math.floor(next() * 8);
    writeFileSync(join(copy, stream), bytes);
    const { stdout } = fails(['check', copy], 'CORRUPT', /./);
    assert.match(stdout, /\d+ problems? in/, `${stream} at ${at}`);
    const counted = run(['count', copy]);
    assert.ok(counted.status === 1 || counted.stdout === '499\n', `${stream} at ${at}`);
  });
});

test('one flipped bit in a packed file: check finds it, or it is padding and changes nothing', (t) => {
  const { db, path } = database(t);
  ok(['backup', db, path('b.pack')]);
  const whole = readFileSync(path('b.pack'));
  const documents = ok(['export', db]);
  const next = random(33);
  let found = 0;
  for (let i = 0; i < 40; i++) {
    const bytes = Buffer.from(whole);
    const at = Math.floor(next() * bytes.length);
    bytes[at] ^= 1 << Math.floor(next() * 8);
    writeFileSync(path('d.pack'), bytes);
    const { status, stderr } = run(['check', path('d.pack')]);
    if (status === 0) {
      assert.equal(whole[at], 0, `byte ${at}`);
      assert.equal(ok(['export', path('d.pack')]), documents, `byte ${at}`);
    } else {
      found++;
      assert.match(stderr, /\[(CORRUPT|FORMAT|VERSION)\]/, `byte ${at}`);
      const copy = run(['export', path('d.pack')]);
      if (copy.status === 0) assert.equal(copy.stdout, documents, `byte ${at}`);
    }
  }
  assert.ok(found >= 20, `${found} of 40`);
  writeFileSync(path('cut.pack'), whole.subarray(0, whole.length >> 1));
  assert.equal(run(['count', path('cut.pack')]).status, 1);
  assert.equal(run(['check', path('cut.pack')]).status, 1);
});

test('a log that was cut loses its last batch only, and info says so', (t) => {
  const { db } = database(t);
  const input = (id) => `{"id":"${id}","title":"of the log"}\n`;
  ok(['import', db, '-', '--no-checkpoint'], { input: input('kept') });
  ok(['import', db, '-', '--no-checkpoint'], { input: input('last-of-all') });
  assert.equal(ok(['count', db]), '501\n');
  const log = readdirSync(db)
    .filter((name) => name.startsWith('wal.'))
    .map((name) => join(db, name))
    .find((file) => readFileSync(file).includes('last-of-all'));
  const bytes = readFileSync(log);
  writeFileSync(log, bytes.subarray(0, bytes.indexOf('last-of-all') + 4));
  const { recovery } = okJson(['info', db, '--json']);
  assert.ok(recovery.wal.droppedBytes > 0, JSON.stringify(recovery));
  assert.equal(ok(['count', db]), '500\n');
  assert.deepEqual(okJson(['get', db, 'kept']), { id: 'kept', title: 'of the log' });
  fails(['get', db, 'last-of-all'], 'NOTFOUND', /last-of-all/);
  ok(['import', db, '-'], { input: input('last-of-all') });
  assert.equal(ok(['count', db]), '501\n');
  assert.match(ok(['check', db]), /: ok/);
});

test('an interrupted or failed backup leaves nothing that opens', (t) => {
  const { db, path } = database(t);
  fails(['backup', db, path('no/such/file.pack')], 'NOTFOUND', /no\/such/);
  assert.equal(existsSync(path('no')), false);
});
