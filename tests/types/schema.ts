// What a schema allows in documents, filters and requests, and what it does not: a line that is
// expected not to compile and does compile is an error as well.

import {
  VectorIndex,
  bool,
  json,
  keyword,
  number,
  open,
  text,
  time,
  vector,
  type Collection,
  type Database,
  type SearchResult,
} from '../../types/index.js';

declare const db: Database;

const schema = {
  embedding: vector(384, { metric: 'cosine' }),
  tag: keyword(),
  year: number(),
  draft: bool(),
  published: time(),
  title: text(),
  source: json<{ page: number }>(),
};
declare const notes: Collection<typeof schema>;

/** Compiles only where A and B are the same type. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isSame = <A, B>(same: Same<A, B>): boolean => same;

export async function opening(): Promise<void> {
  await open('./notes', { create: true, mode: 'readwrite', sync: 'full', worker: false });
  await open(new Uint8Array(8));
  // @ts-expect-error an option that there is not
  await open('./notes', { made: true });
  // @ts-expect-error a mode that there is not
  await open('./notes', { mode: 'append' });
  // @ts-expect-error a location is no number
  await open(7);
  // @ts-expect-error a metric that there is not
  vector(3, { metric: 'minkowski' });
  vector(3, { storage: 'f16' });
  vector(3, { metric: 'jaccard', storage: 'bits' });
  // @ts-expect-error a storage that there is not
  vector(3, { storage: 'f8' });
  const typed = await db.collection('notes', schema, { orderBy: 'published' });
  isSame<typeof typed, Collection<typeof schema>>(true);
  // @ts-expect-error a field that there is not
  await db.collection('notes', schema, { orderBy: 'publisht' });
  // @ts-expect-error not a field
  await db.collection('notes', { tag: 'keyword' });
}

export async function workers(
  ofBrowser: Worker,
  ofNode: import('node:worker_threads').Worker,
): Promise<void> {
  await open('idb://notes', { worker: ofBrowser });
  await open('./notes', { worker: ofNode });
  await open('./notes', { worker: new URL('file:///worker.js') });
  // @ts-expect-error not a worker
  await open('./notes', { worker: 7 });
  // @ts-expect-error not a worker either
  await open('./notes', { worker: { send: () => 1 } });
}

export async function documents(): Promise<void> {
  await notes.upsert({ id: 'a' });
  await notes.upsert({
    id: 'a',
    embedding: new Float32Array(384),
    tag: ['x', 'y'],
    year: 2020,
    draft: false,
    published: new Date(),
    title: 'A title',
    source: { page: 3 },
  });
  await notes.upsert([{ id: 'a', embedding: [1, 2], tag: 'x', published: '2020-01-01' }]);
  await notes.insert([{ id: 'a', tag: null, year: undefined }]);
  await notes.upsert({ ids: ['a'], vectors: new Float32Array(384), fields: { year: [1] } });
  // @ts-expect-error without an id
  await notes.upsert({ tag: 'x' });
  // @ts-expect-error an id that is a number
  await notes.upsert({ id: 7 });
  // @ts-expect-error a field that the schema does not have
  await notes.upsert({ id: 'a', tga: 'x' });
  // @ts-expect-error in an array, too
  await notes.upsert([{ id: 'a', tga: 'x' }]);
  // @ts-expect-error a keyword is no number
  await notes.upsert({ id: 'a', tag: 3 });
  // @ts-expect-error a number is no string
  await notes.upsert({ id: 'a', year: '2020' });
  // @ts-expect-error a bool is no number
  await notes.upsert({ id: 'a', draft: 0 });
  // @ts-expect-error a vector is no string
  await notes.upsert({ id: 'a', embedding: 'x' });
  // @ts-expect-error a text is one string
  await notes.upsert({ id: 'a', title: ['x'] });
  // @ts-expect-error of the wrong form
  await notes.upsert({ id: 'a', source: { page: 'three' } });
  // @ts-expect-error a column that there is not
  await notes.upsert({ ids: ['a'], fields: { tga: ['x'] } });
  // @ts-expect-error a column of the wrong type
  await notes.upsert({ ids: ['a'], fields: { year: ['x'] } });
}

export async function filters(): Promise<void> {
  await notes.count("tag = 'x' AND year > ?", { parameters: [2020] });
  await notes.count({ tag: 'x', year: { $gte: 2020, $lt: 2030 }, draft: false });
  await notes.count({ $or: [{ tag: { $in: ['x'] } }, { $not: { year: 3 } }] });
  await notes.count({ tag: { $containsAll: ['x', 'y'] }, published: { $lt: new Date() } });
  // @ts-expect-error a field that there is not
  await notes.count({ tga: 'x' });
  // @ts-expect-error a field that cannot be filtered by
  await notes.count({ embedding: [1, 2] });
  // @ts-expect-error texts are not filtered by
  await notes.count({ title: 'x' });
  // @ts-expect-error a keyword is no number
  await notes.count({ tag: 3 });
  // @ts-expect-error in an operator, too
  await notes.count({ year: { $gte: '2020' } });
  // @ts-expect-error an operator that there is not
  await notes.count({ year: { $near: 2020 } });
  // @ts-expect-error one value, where a list is needed
  await notes.count({ tag: { $in: 'x' } });
  // @ts-expect-error numbers have one value
  await notes.count({ year: { $contains: 3 } });
  // @ts-expect-error inside of $or
  await notes.count({ $or: [{ tga: 'x' }] });
  // @ts-expect-error a function is no parameter
  await notes.count('year = ?', { parameters: [() => 1] });
  await notes.delete({ filter: { tag: 'x' } });
  // @ts-expect-error a field that there is not
  await notes.delete({ filter: { tga: 'x' } });
}

export async function searches(): Promise<void> {
  const vector384 = new Float32Array(384);
  const whole = await notes.search({ vector: vector384, k: 3, filter: { tag: 'x' } });
  const document = whole.hits[0]!.document;
  isSame<typeof document.year, number | null | undefined>(true);
  isSame<typeof document.embedding, Float32Array | null | undefined>(true);
  isSame<typeof document.published, string | number | null | undefined>(true);
  // @ts-expect-error a field that there is not
  void document.tga;

  const some = await notes.search({ vector: vector384, select: ['tag', 'id'] });
  void some.hits[0]!.document.tag;
  // @ts-expect-error not selected
  void some.hits[0]!.document.year;

  const all = await notes.get('a', { select: '*' });
  isSame<NonNullable<typeof all>['embedding'], Float32Array | null | undefined>(true);
  // @ts-expect-error a text that is not '*'
  await notes.get('a', { select: 'all' });

  const none = await notes.search({ vector: vector384, select: false });
  isSame<typeof none, SearchResult<undefined>>(true);

  const many = await notes.searchMany({ vectors: [vector384], select: ['year'] });
  void many.hits[0]![0]!.document.year;

  const query = await notes.prepare({ filter: 'year > ?', select: ['tag'] });
  void (await query.run(vector384, [2020])).hits[0]!.document.tag;

  const one = await notes.get('a', { select: ['title'] });
  void one?.title;
  const several = await notes.get(['a', 'b']);
  void several[0]?.year;
  for await (const { document: scanned } of notes.scan({ select: ['year'] })) void scanned.year;

  // @ts-expect-error a vector is needed
  await notes.search({ k: 3 });
  // @ts-expect-error select names a field that there is not
  await notes.search({ vector: vector384, select: ['tga'] });
  // @ts-expect-error an option that there is not
  await notes.search({ vector: vector384, limit: 3 });
  // @ts-expect-error a field that has no vectors
  await notes.search({ vector: vector384, field: 'tag' });
  // @ts-expect-error k is a number
  await notes.search({ vector: vector384, k: '3' });
  // @ts-expect-error what db.snapshot() gives
  await notes.search({ vector: vector384, snapshot: {} });
}

export async function otherKeys(): Promise<void> {
  const loose = await db.collection('loose', { tag: keyword(), '*': json() });
  await loose.upsert({ id: 'a', tag: 'x', anything: { at: ['all'] } });
  // @ts-expect-error declared fields keep their types
  await loose.upsert({ id: 'a', tag: 3 });
  const found = await loose.get('a');
  isSame<typeof found extends undefined ? never : unknown, unknown>(true);
  void found?.['anything'];

  const unknown = await db.collection('unknown');
  await unknown.upsert({ id: 'a', whatever: 1 });
  await unknown.count({ whatever: { $gt: 3 } });
  // @ts-expect-error an id all the same
  await unknown.upsert({ whatever: 1 });
}

export async function transactions(): Promise<void> {
  const tags = await db.collection('tags', { name: keyword() });
  await db.transaction([
    { collection: notes, upsert: [{ id: 'a', tag: 'x' }] },
    { collection: tags, insert: [{ id: 'x', name: 'x' }] },
    { collection: notes, delete: ['b'] },
    { collection: notes, delete: { filter: { year: { $lt: 2000 } } } },
  ]);
  // @ts-expect-error a field of another collection
  await db.transaction([{ collection: notes, upsert: [{ id: 'a', name: 'x' }] }]);
  // @ts-expect-error nothing to do
  await db.transaction([{ collection: notes }]);
}

export async function indexes(): Promise<void> {
  const index = await VectorIndex.create({ dims: 3, metric: 'l2' });
  index.add([1, 2], new Float32Array(6));
  index.add(new BigUint64Array(1), [[1, 2, 3]]);
  const { keys, distances } = index.search([1, 2, 3], 10, { accept: (key) => key > 3n });
  isSame<typeof keys, BigUint64Array<ArrayBufferLike>>(true);
  void distances;
  // @ts-expect-error dims are needed
  await VectorIndex.create({ metric: 'l2' });
  // @ts-expect-error keys are numbers
  index.add(['a'], new Float32Array(3));
}
