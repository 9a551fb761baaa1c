// The IndexedDB database of a location: its object stores, opening, and transactions.

import { StorageFault, browserFault, noDatabase } from './backend.ts';

export const STREAMS = 'streams';
export const PAGES = 'pages';

export interface StreamRecord {
  readonly id: number;
  readonly size: number;
}

export const pageKey = (id: number, page: number): [number, number] => [id, page];
/** The pages of a stream from `first` on. */
export const pagesOf = (id: number, first: number): IDBKeyRange =>
  IDBKeyRange.bound([id, first], [id, Infinity]);

export function asPromise<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed without a reason'));
  });
}

/** Opens the database; where there is none, makes it or says NOTFOUND. */
export function openIdb(name: string, create: boolean): Promise<IDBDatabase> {
  const factory = globalThis.indexedDB as IDBFactory | undefined;
  const location = `idb://${name}`;
  return new Promise((resolve, reject) => {
    if (!factory) throw new StorageFault('UNSUPPORTED', `${location}: there is no IndexedDB here`);
    const request = factory.open(`veer:${name}`, 1);
    let isMissing = false;
    request.onupgradeneeded = () => {
      if (create) {
        request.result.createObjectStore(STREAMS);
        request.result.createObjectStore(PAGES);
      } else {
        isMissing = true;
        request.transaction!.abort();
      }
    };
    request.onsuccess = () => {
      // Somebody wants to remove the database: that is not prevented.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () =>
      reject(isMissing ? noDatabase(location) : browserFault(`open ${location}`, request.error));
    request.onblocked = () =>
      reject(new StorageFault('BUSY', `${location}: another tab holds it in an older form`));
  });
}

export function deleteIdb(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(`veer:${name}`);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(browserFault(`remove idb://${name}`, request.error));
    request.onblocked = () =>
      reject(new StorageFault('BUSY', `idb://${name}: another tab has it open`));
  });
}

/** All streams; pages that no stream owns (a death while one was being removed) are deleted. */
export async function loadStreams(
  database: IDBDatabase,
  isReadonly: boolean,
): Promise<{ records: Map<string, StreamRecord>; nextId: number }> {
  const transaction = database.transaction([STREAMS, PAGES], isReadonly ? 'readonly' : 'readwrite');
  const streams = transaction.objectStore(STREAMS);
  const pages = transaction.objectStore(PAGES);
  const [names, values] = await Promise.all([
    asPromise(streams.getAllKeys()),
    asPromise(streams.getAll()),
  ]);
  const records = new Map<string, StreamRecord>();
  names.forEach((name, i) => {
    const value: unknown = values[i];
    const { id, size } = (value ?? {}) as Partial<StreamRecord>;
    if (!Number.isSafeInteger(id) || !Number.isSafeInteger(size) || size! < 0) {
      throw new StorageFault('CORRUPT', `stream ${String(name)}: its record is damaged`);
    }
    records.set(String(name), { id: id!, size: size! });
  });

  const ids = new Set([...records.values()].map(({ id }) => id));
  let last = Math.max(0, ...ids);
  // One look a stream: from each stream's first page to what comes after its last.
  for (let from: IDBValidKey = [0]; ;) {
    const [key]: IDBValidKey[] = await asPromise(pages.getAllKeys(IDBKeyRange.lowerBound(from), 1));
    if (key === undefined) break;
    const id: number = (key as [number, number])[0];
    if (!ids.has(id) && !isReadonly) pages.delete(pagesOf(id, 0));
    last = Math.max(last, id);
    from = [id, Infinity];
  }
  return { records, nextId: last + 1 };
}

/** One transaction over both stores, durable when this resolves. */
export function transact(
  database: IDBDatabase,
  act: (stores: { streams: IDBObjectStore; pages: IDBObjectStore }) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction([STREAMS, PAGES], 'readwrite', {
      durability: 'strict',
    });
    transaction.oncomplete = () => resolve();
    transaction.onabort = () =>
      reject(transaction.error ?? new StorageFault('IO', 'IndexedDB ended the transaction'));
    try {
      act({
        streams: transaction.objectStore(STREAMS),
        pages: transaction.objectStore(PAGES),
      });
    } catch (cause) {
      reject(cause);
      transaction.abort();
    }
  });
}
