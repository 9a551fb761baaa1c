// Where the bytes are: what the engine says of its storage and memory, and what the browser does.

import { $, el, fill } from './dom.js';
import { guarded } from './errors.js';
import { bytes, count, countOf } from './format.js';

/** What a part is for, in the order in which parts are shown. */
const streamNames = {
  base: 'documents and vectors',
  codes: '1-bit codes',
  columns: 'filter columns',
};

/** Bytes of storage by part: [name, bytes]. */
function storageParts(stats) {
  const parts = new Map();
  const add = (name, size) => parts.set(name, (parts.get(name) ?? 0) + size);
  for (const { segments } of stats.collections) {
    for (const { streams = [] } of segments) {
      for (const { kind, bytes: size } of streams) add(streamNames[kind] ?? 'other parts', size);
    }
  }
  add('write-ahead log', stats.storage.wal);
  add('catalogue', stats.storage.meta + stats.storage.catalogue);
  return [...parts];
}

function memoryParts({ memory }) {
  const { used, active, sealed, cache } = memory;
  const parts = [
    ['sealed segments: codes, columns', sealed],
    ['active segment: newest rows', active],
    ['cache of verified blocks', cache],
  ];
  const rest = used - parts.reduce((sum, [, size]) => sum + size, 0);
  return [...parts, ['all else', Math.max(0, rest)]];
}

function bars(parts) {
  const largest = Math.max(1, ...parts.map(([, size]) => size));
  return parts
    .filter(([, size]) => size > 0)
    .map(([name, size]) => {
      const bar = el('span', { className: 'fill' });
      bar.style.inlineSize = `${Math.max(0.5, (100 * size) / largest)}%`;
      return el(
        'li',
        {},
        el('span', {}, name),
        el('b', {}, bytes(size)),
        el('span', { className: 'track', ariaHidden: 'true' }, bar),
      );
    });
}

const fact = (name, value) => [el('dt', {}, name), el('dd', {}, value)];

async function browserFacts() {
  const { usage, quota } = (await navigator.storage?.estimate?.()) ?? {};
  return usage === undefined
    ? []
    : fact('Browser counts', `${bytes(usage)}, at most ${bytes(quota)}`);
}

export class Bytes {
  #library;

  constructor(library) {
    this.#library = library;
    $('keep').addEventListener(
      'click',
      guarded('Asking the browser to keep the data', async () => {
        const isKept = await navigator.storage.persist();
        $('keep-text').textContent = isKept
          ? 'The browser keeps the data until you remove it.'
          : 'The browser did not agree: it may remove the data when space gets short.';
        $('keep').hidden = isKept;
      }),
    );
    $('compact').addEventListener(
      'click',
      guarded('Compacting', async () => {
        $('compact').disabled = true;
        try {
          await this.#library.compact();
          await this.refresh();
        } finally {
          $('compact').disabled = false;
        }
      }),
    );
  }

  async refresh() {
    const stats = await this.#library.stats();
    const kinds = { opfs: 'origin private file system', idb: 'IndexedDB' };
    $('storage-total').textContent = bytes(stats.storage.total);
    $('memory-total').textContent = bytes(stats.memory.used);
    fill($('storage-parts'), bars(storageParts(stats)));
    fill($('memory-parts'), bars(memoryParts(stats)));
    const sealed = stats.collections.flatMap(({ segments }) => segments.filter((s) => s.sealed));
    fill(
      $('facts'),
      fact('Rows', count(stats.rows)),
      fact('Deleted, not yet dropped', countOf(stats.tombstones, 'tombstone')),
      fact('Segments', `${stats.segments}, ${sealed.length} of them sealed`),
      fact('Kept in', kinds[this.#library.kind]),
      fact('Kernels', stats.tier),
      fact('Generation, LSN', `${stats.generation}, ${stats.lsn}`),
      await browserFacts(),
    );
    const isKept = await navigator.storage?.persisted?.();
    $('keep').hidden = isKept !== false;
    if (isKept) $('keep-text').textContent = 'The browser keeps the data until you remove it.';
  }
}
