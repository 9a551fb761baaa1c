// The database behind the page: where it is, how it is opened, filled, changed and replaced.
//
// It lies in the origin private file system, or, where there is none, in IndexedDB; which of them
// is shown to the reader. The engine runs in a worker of the package's own. An import is made
// beside the present database and takes its place only when it is complete and fits.

import {
  deleteDatabase,
  importDatabase,
  keyword,
  number,
  open,
  text,
  time,
  vector,
} from '../dist/index.js';
import { PageError } from './errors.js';

const COLLECTION = 'paragraphs';
/** As data/schema.json has it. */
const schema = {
  embedding: vector(128, { metric: 'cosine' }),
  president: keyword(),
  party: keyword(),
  form: keyword(),
  year: number(),
  date: time(),
  title: text(),
  text: text(),
};
/** What is shown of a paragraph. */
const shown = ['president', 'party', 'form', 'year', 'title', 'text'];

/** What this page remembers beside the database: its location, and that it is complete. */
const memo = {
  read() {
    try {
      return JSON.parse(localStorage.getItem('veer-demo') ?? '{}');
    } catch {
      return {};
    }
  },
  write(change) {
    try {
      localStorage.setItem('veer-demo', JSON.stringify({ ...memo.read(), ...change }));
    } catch {
      // Without it, a visit begins by comparing the database with the corpus.
    }
  },
};

const hasOpfs = () =>
  typeof navigator.storage?.getDirectory === 'function' && 'FileSystemFileHandle' in globalThis;

export class Library {
  #database;
  #paragraphs;
  #location;

  get isOpen() {
    return this.#database !== undefined;
  }
  /** `opfs` or `idb`. */
  get kind() {
    return this.#location.split(':')[0];
  }

  /** Opens what an earlier visit has left, or makes an empty database. */
  async open() {
    const kind = hasOpfs() ? 'opfs' : 'idb';
    const known = memo.read().location;
    const location = known?.startsWith(kind) ? known : `${kind}://sotu`;
    try {
      await this.#attach(location);
    } catch (error) {
      // A browser may have OPFS for reading only, without sync handles in workers.
      if (kind !== 'opfs' || error.code !== 'UNSUPPORTED') throw error;
      await this.#attach('idb://sotu');
    }
  }

  async #attach(location) {
    this.#location = location;
    const database = await open(location, { create: true, storage: { lockTimeoutMs: 3000 } });
    try {
      this.#paragraphs = await database.collection(COLLECTION, schema);
    } catch (error) {
      await database.close();
      throw error;
    }
    this.#database = database;
  }

  /** False until every paragraph of the corpus has been stored once. */
  get isComplete() {
    const { complete, location } = memo.read();
    return complete === true && location === this.#location;
  }

  /** Stores the corpus; goes on where an interrupted visit has stopped. */
  async load({ total, documents }, { signal, onProgress }) {
    const there = await this.count();
    async function* missing() {
      let row = 0;
      for await (const document of documents) if (row++ >= there) yield document;
    }
    const told = (written) => onProgress(there + written, total, there);
    told(0);
    await this.#paragraphs.upsert(missing(), { signal, onProgress: told });
    await this.#database.checkpoint();
    memo.write({ complete: true, location: this.#location });
  }

  // ---- reading

  search(request) {
    return this.#paragraphs.search({ select: shown, explain: true, ...request });
  }
  searchMany(request) {
    return this.#paragraphs.searchMany({ select: false, ...request });
  }
  /** Paragraphs with their vectors; undefined in the place of one that is not there. */
  get(ids) {
    return this.#paragraphs.get(ids, { select: ['date', ...shown, 'embedding'] });
  }
  count(filter) {
    return this.#paragraphs.count(filter);
  }
  scan(select, signal) {
    return this.#paragraphs.scan({ select, signal });
  }
  stats() {
    return this.#database.stats();
  }

  // ---- changing

  async put(document) {
    await this.#paragraphs.upsert(document);
  }
  async delete(id) {
    await this.#paragraphs.delete(id);
  }
  /** Merges segments and drops what was deleted. */
  async compact(onProgress) {
    await this.#database.compact({ onProgress });
  }

  // ---- the file

  /** The database as one file. */
  async export(onProgress) {
    const stream = await this.#database.export({ onProgress });
    return new Response(stream, { headers: { 'content-type': 'application/octet-stream' } }).blob();
  }

  /**
   * Puts the database of a file in the place of the present one. Returns why the former one could
   * not be removed, where that failed: the import has worked all the same.
   */
  async import(file, onProgress) {
    const location = this.#location.endsWith('-2')
      ? this.#location.slice(0, -2)
      : `${this.#location}-2`;
    await deleteDatabase(location);
    try {
      const imported = await importDatabase(location, file, { onProgress });
      try {
        await this.#expectParagraphs(imported);
        await imported.checkpoint();
      } finally {
        await imported.close();
      }
    } catch (error) {
      await deleteDatabase(location).catch(() => {});
      throw error;
    }
    const former = this.#location;
    await this.close();
    await this.#attach(location);
    memo.write({ complete: true, location });
    return deleteDatabase(former).catch((error) => error);
  }

  async #expectParagraphs(database) {
    const names = (await database.collections()).map(({ name }) => name);
    if (!names.includes(COLLECTION)) {
      const there = names.length > 0 ? `; it has ${names.join(', ')}` : '';
      throw new PageError(
        `The file has no collection “${COLLECTION}”${there}. Choose a file that this page has written.`,
      );
    }
    // Another dimension or type of a field that the page works with is an error.
    await (await database.collection(COLLECTION, schema)).close();
  }

  /** Removes the database, so that the next opening begins anew. */
  async remove() {
    await this.close();
    memo.write({ complete: false });
    await deleteDatabase(this.#location);
  }

  async close() {
    const database = this.#database;
    this.#database = undefined;
    await database?.close();
  }
}
