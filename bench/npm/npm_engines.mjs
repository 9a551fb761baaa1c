// Vector search as it comes from npm: each engine makes an index of the same unit vectors by the API
// that its own documentation shows, and gives its settings. M 16, efConstruction 200 where there is
// such a thing; else what it does by itself. Keys are row numbers.
//
// Of a set: {unit, rows, dims, k, row(i), work}. Returns [{setting, search(query) -> keys}], where
// search may be asynchronous; throws where the engine is not installed or does not work here.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { VectorIndex, open, vector } from '../../dist/index_node.js';

const efs = [10, 20, 40, 80, 160];
const recalls = [0.8, 0.9, 0.95, 0.99];
const M = 16;
const EF_CONSTRUCTION = 200;

const resolved = (name) => fileURLToPath(import.meta.resolve(name));
const textOf = (values) => `[${values.join(',')}]`;

/** Of rows [first, first + step) and so on. */
function* batches(rows, step) {
  for (let first = 0; first < rows; first += step) yield [first, Math.min(first + step, rows)];
}

function veerCollection(graphRows) {
  return async ({ unit, rows, dims, k }) => {
    const database = await open('memory:', { graphRows });
    const documents = await database.collection('documents', { v: vector(dims) });
    for (const [first, end] of batches(rows, 1000)) {
      const ids = Array.from({ length: end - first }, (_, i) => `${first + i}`);
      await documents.upsert({ ids, vectors: unit.subarray(first * dims, end * dims) });
    }
    await database.optimize();
    const settings = [];
    for (const recall of recalls) {
      const query = await documents.prepare({ k, recall, select: false });
      const search = async (asked) => (await query.run(asked)).hits.map(({ id }) => Number(id));
      settings.push({ setting: `recall=${recall}`, search });
    }
    return settings;
  };
}

async function veerIndex({ unit, rows, dims, k }) {
  const index = await VectorIndex.create({ dims, graphRows: 1 });
  index.add(
    BigUint64Array.from({ length: rows }, (_, i) => BigInt(i)),
    unit,
  );
  index.optimize();
  return recalls.map((recall) => ({
    setting: `recall=${recall}`,
    search: (query) => Array.from(index.search(query, k, { recall }).keys, Number),
  }));
}

async function hnswlibWasm({ rows, dims, k, row }) {
  globalThis.window ??= globalThis; // it looks for a browser's
  const { loadHnswlib } = await import('hnswlib-wasm/dist/hnswlib.js');
  const library = await loadHnswlib();
  const index = new library.HierarchicalNSW('ip', dims, '');
  index.initIndex(rows, M, EF_CONSTRUCTION, 100);
  for (let i = 0; i < rows; i++) index.addPoint(row(i), i, false);
  return efs.map((ef) => ({
    setting: `ef=${ef}`,
    search(query) {
      index.setEfSearch(ef);
      return index.searchKnn(query, k, undefined).neighbors;
    },
  }));
}

async function orama({ rows, dims, k, row }) {
  const { create, insertMultiple, search } = await import('@orama/orama');
  const index = create({ schema: { v: `vector[${dims}]` } });
  const documents = Array.from({ length: rows }, (_, i) => ({ id: `${i}`, v: Array.from(row(i)) }));
  await insertMultiple(index, documents, 1000);
  const options = { mode: 'vector', similarity: 0, limit: k, includeVectors: false };
  return [
    {
      setting: 'scan',
      async search(query) {
        const { hits } = await search(index, {
          ...options,
          vector: { value: query, property: 'v' },
        });
        return hits.map(({ id }) => Number(id));
      },
    },
  ];
}

/** Its module is made for bundlers: here it is put together by hand. */
async function voy({ rows, k, row }) {
  const home = dirname(createRequire(import.meta.url).resolve('voy-search/package.json'));
  const glue = await import(join(home, 'voy_search_bg.js'));
  const bytes = readFileSync(join(home, 'voy_search_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './voy_search_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  const embeddings = Array.from({ length: rows }, (_, i) => ({
    id: `${i}`,
    title: '',
    url: '',
    embeddings: Array.from(row(i)),
  }));
  const index = new glue.Voy({ embeddings });
  const search = (query) => index.search(query, k).neighbors.map(({ id }) => Number(id));
  return [{ setting: 'as it is', search }];
}

async function edgevec({ unit, rows, dims, k }) {
  const library = await import('edgevec/edgevec.js');
  await library.default(readFileSync(resolved('edgevec/edgevec.js').replace(/\.js$/, '_bg.wasm')));
  const make = () => {
    const config = new library.EdgeVecConfig(dims);
    config.metric = 'l2'; // of unit vectors the same order as cosine's
    config.m = M;
    config.m0 = 2 * M;
    config.ef_construction = EF_CONSTRUCTION;
    config.ef_search = 64; // it cannot be changed later
    return new library.EdgeVec(config);
  };
  const index = make();
  const ids = new Map();
  for (const [first, end] of batches(rows, 500)) {
    index
      .insertBatchFlat(unit.subarray(first * dims, end * dims), end - first)
      .forEach((id, i) => ids.set(id, first + i));
  }
  const search = (query) => index.search(query, k).map(({ id }) => ids.get(id));
  return [{ setting: 'ef=64', search }];
}

async function pglite({ rows, k, row, dims }) {
  const { PGlite } = await import('@electric-sql/pglite');
  const { vector: pgvector } = await import('@electric-sql/pglite-pgvector');
  const database = await PGlite.create({ extensions: { vector: pgvector } });
  await database.exec(
    `CREATE EXTENSION vector; CREATE TABLE documents (id integer, v vector(${dims}));`,
  );
  for (const [first, end] of batches(rows, 250)) {
    const values = [];
    for (let i = first; i < end; i++) values.push(`(${i}, '${textOf(row(i))}')`);
    await database.exec(`INSERT INTO documents VALUES ${values.join(',')};`);
  }
  await database.exec(
    `SET maintenance_work_mem = '256MB';
     CREATE INDEX ON documents USING hnsw (v vector_cosine_ops)
       WITH (m = ${M}, ef_construction = ${EF_CONSTRUCTION});`,
  );
  let present = 0;
  return efs.map((ef) => ({
    setting: `ef=${ef}`,
    async search(query) {
      if (present !== ef) await database.exec(`SET hnsw.ef_search = ${ef};`);
      present = ef;
      const sql = `SELECT id FROM documents ORDER BY v <=> $1 LIMIT ${k}`;
      const { rows: found } = await database.query(sql, [textOf(query)]);
      return found.map(({ id }) => id);
    },
  }));
}

async function sqliteVec({ rows, dims, k, row }) {
  const require = createRequire(import.meta.url);
  const database = new (require('better-sqlite3'))(':memory:');
  require('sqlite-vec').load(database);
  database.exec(
    `CREATE VIRTUAL TABLE documents USING vec0(v float[${dims}] distance_metric=cosine)`,
  );
  const insert = database.prepare('INSERT INTO documents(rowid, v) VALUES (?, ?)');
  database.transaction(() => {
    for (let i = 0; i < rows; i++) insert.run(BigInt(i), row(i));
  })();
  const query = database.prepare('SELECT rowid FROM documents WHERE v MATCH ? AND k = ?');
  const search = (asked) => query.all(asked, k).map(({ rowid }) => Number(rowid));
  return [{ setting: 'scan', search }];
}

async function lancedb({ rows, k, row, work }) {
  const { connect, Index, makeArrowTable } = await import('@lancedb/lancedb');
  const database = await connect(`${work}/lancedb`);
  const data = Array.from({ length: rows }, (_, i) => ({ id: i, vector: Array.from(row(i)) }));
  const table = await database.createTable('documents', makeArrowTable(data), {
    mode: 'overwrite',
  });
  const options = {
    distanceType: 'cosine',
    numPartitions: 1,
    m: M,
    efConstruction: EF_CONSTRUCTION,
  };
  await table.createIndex('vector', { config: Index.hnswSq(options) });
  // An effort must be at least as large as what is refined.
  const settings = efs.slice(2).map((ef) => ({
    setting: `ef=${ef}, refined`,
    ask: (query) => query.ef(ef).refineFactor(3),
  }));
  settings.push({ setting: 'scan', ask: (query) => query.bypassVectorIndex() });
  return settings.map(({ setting, ask }) => ({
    setting,
    async search(asked) {
      const query = ask(table.vectorSearch(Array.from(asked)).distanceType('cosine'));
      const found = await query.select(['id', '_distance']).limit(k).toArray();
      return found.map(({ id }) => Number(id));
    },
  }));
}

/** By the name under which results are shown. `packages`: whose versions are shown beside it. */
export const engines = {
  'veer-collection (graph)': { make: veerCollection(1), kind: 'wasm' },
  'veer-collection (scan)': { make: veerCollection(0), kind: 'wasm' },
  'veer-index (graph)': { make: veerIndex, kind: 'wasm' },
  'hnswlib-wasm': { make: hnswlibWasm, kind: 'wasm', packages: ['hnswlib-wasm'] },
  Orama: { make: orama, kind: 'JavaScript', packages: ['@orama/orama'] },
  voy: { make: voy, kind: 'wasm', packages: ['voy-search'] },
  edgevec: { make: edgevec, kind: 'wasm', packages: ['edgevec'] },
  'PGlite + pgvector': {
    make: pglite,
    kind: 'wasm',
    packages: ['@electric-sql/pglite', '@electric-sql/pglite-pgvector'],
  },
  'sqlite-vec': { make: sqliteVec, kind: 'native', packages: ['better-sqlite3', 'sqlite-vec'] },
  LanceDB: { make: lancedb, kind: 'native', packages: ['@lancedb/lancedb'] },
};
