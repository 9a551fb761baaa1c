// What every runtime does alike, told as plain values: run in Node and in another runtime, the two
// accounts must be the same. `veer` is the package as that runtime imports it.

import { random } from './rng.mjs';

const DIMS = 24;
const ROWS = 1200;

const dice = random(1789);
const documents = Array.from({ length: ROWS }, (_, i) => ({
  id: `d${i}`,
  v: dice.vector(DIMS),
  tag: `t${i % 5}`,
  year: 1900 + (i % 120),
  isKept: i % 3 !== 0,
  at: new Date(Date.UTC(2020, 0, 1 + (i % 365))),
  title: `Dokument ${i} — “ž”`,
}));
const queries = Array.from({ length: 4 }, () => dice.vector(DIMS));

const codeOf = async (act) => {
  try {
    await act();
    return 'nothing was thrown';
  } catch (error) {
    return typeof error.code === 'string' ? error.code : error.name;
  }
};

const pairs = ({ hits }) => hits.map(({ id, distance }) => [id, distance]);

/** The answers of a database that `tell` has written. */
export async function answers(db) {
  const notes = await db.collection('notes');
  const found = { count: await notes.count(), old: await notes.count('year < 1910') };
  for (const [i, vector] of queries.entries()) {
    const filter = { $and: [{ tag: { $in: ['t1', 't4'] } }, { year: { $gte: 1950 } }] };
    found[`scan ${i}`] = pairs(await notes.search({ vector, k: 10 }));
    found[`exact ${i}`] = pairs(await notes.search({ vector, k: 10, exact: true }));
    found[`filtered ${i}`] = pairs(await notes.search({ vector, k: 10, filter }));
    const by = { vector, k: 5, filter: 'isKept = ? AND year < ?', parameters: [true, 1930] };
    found[`by parameters ${i}`] = pairs(await notes.search(by));
  }
  found.document = JSON.stringify(await notes.get('d777'));
  found.vector = [...(await notes.get('d777', { select: ['v'] })).v];
  found.scanned = 0;
  for await (const { id } of notes.scan({ filter: { tag: 't2' } })) found.scanned += id.length;
  await notes.close();
  return found;
}

/** Makes the database and fills it: some of it sealed, some of it in the log. */
export async function fill(veer, db) {
  const { bool, keyword, number, text, time, vector } = veer;
  const notes = await db.collection('notes', {
    v: vector(DIMS),
    tag: keyword(),
    year: number(),
    isKept: bool(),
    at: time(),
    title: text(),
  });
  const steps = [];
  await notes.upsert(documents.slice(0, 800), { onProgress: (done) => steps.push(done) });
  await db.checkpoint();
  await notes.upsert(documents.slice(800));
  const { deleted } = await notes.delete({ filter: { tag: 't3', year: { $lt: 1920 } } });
  const refused = await codeOf(() => notes.upsert({ id: 'x', v: new Float32Array(3) }));
  const unknown = await codeOf(() => notes.count('nowhere = 1'));
  const repeated = await codeOf(() => notes.insert(documents[1]));
  const asked = new AbortController();
  asked.abort();
  const aborted = await codeOf(() => notes.upsert(documents, { signal: asked.signal }));
  await notes.close();
  return { progress: steps.at(-1), deleted, refused, unknown, repeated, aborted };
}

/** A database in `location`, from its making to its end; `worker` as `open` takes it. */
export async function tell(veer, { location, worker = false }) {
  const { deleteDatabase, open } = veer;
  const account = {};
  const isLasting = location !== 'memory:';
  if (isLasting) account.missing = await codeOf(() => open(location, { worker }));
  const db = await open(location, { create: true, worker });
  account.filled = await fill(veer, db);
  account.first = await answers(db);
  account.snapshot = await snapshotStays(db);
  const packed = new Uint8Array(await new Response(await db.export()).arrayBuffer());
  if (isLasting) {
    const again = { worker, storage: { lockTimeoutMs: 50 } };
    account.twice = await codeOf(() => open(location, again));
    await db.backup(`${location}.packed`);
    account.backupTwice = await codeOf(() => db.backup(`${location}.packed`));
  }
  await db.close();
  account.closed = await codeOf(() => db.collections());

  for (const [name, source] of Object.entries({
    bytes: packed,
    ...(isLasting && { directory: location, readonly: location, packed: `${location}.packed` }),
  })) {
    const mode = name === 'readonly' ? 'readonly' : 'readwrite';
    const opened = await open(source, { worker, mode });
    account[name] = await answers(opened);
    await opened.close();
  }
  const imported = isLasting ? `${location}.imported` : location;
  const copy = await veer.importDatabase(imported, packed, { worker });
  account.imported = await answers(copy);
  await copy.close();
  if (isLasting) {
    await deleteDatabase(imported);
    account.removed = await codeOf(() => open(imported, { worker }));
  }
  account.elsewhere = await codeOf(() => open('opfs://notes', { create: true, worker }));
  return account;
}

async function snapshotStays(db) {
  const notes = await db.collection('notes');
  const snapshot = await db.snapshot();
  await notes.upsert({ id: 'late', v: documents[0].v });
  const counts = [await notes.count(undefined, { snapshot }), await notes.count()];
  await snapshot.close();
  await notes.delete('late');
  await notes.close();
  return counts;
}

/** The index level. */
export async function tellIndex({ VectorIndex }) {
  const index = await VectorIndex.create({ dims: DIMS, metric: 'l2' });
  const vectors = documents.map(({ v }) => v);
  index.add(
    documents.map((_, i) => BigInt(i) << 32n),
    vectors,
  );
  const removed = index.remove([0n, 5n << 32n, 7n]);
  const look = (one, options) => {
    const { keys, distances, found } = one.search(queries, 6, options);
    return [[...keys].map(String), [...distances], [...found]];
  };
  const even = { accept: (key) => (key >> 32n) % 2n === 0n };
  const account = { removed, found: look(index), exact: look(index, { exact: true }) };
  account.accepted = look(index, even);
  account.dims = await codeOf(() => index.search([1, 2, 3], 1));
  const copy = await VectorIndex.load(index.save());
  index.close();
  account.loaded = look(copy);
  account.count = copy.count;
  copy.close();
  account.closed = await codeOf(() => copy.search(queries, 1));
  return account;
}
