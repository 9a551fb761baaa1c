// Where a search starts: a few well-known paragraphs, or one that the reader finds. Finding is a
// plain substring over titles and texts, read by a scan; it does not rank. Searching texts is
// a thing of its own that this version of Veer does not have.

import { $, debounced, el, fill } from './dom.js';
import { guarded } from './errors.js';

/** Paragraphs that many know, with neighbours worth reading. */
const wellKnown = [
  ['sotu-1901-113-049', 'Forest reserves', 1901],
  ['sotu-1941-152-038', 'Four Freedoms', 1941],
  ['sotu-1862-074-059', '“We cannot escape history”', 1862],
  ['sotu-2002-222-014', 'Axis of evil', 2002],
  ['sotu-1964-179-011', 'War on poverty', 1964],
  ['sotu-1790-001-003', 'The common defense', 1790],
  ['sotu-1996-216-004', 'The era of big government', 1996],
];

const FOUND_MAX = 8;
/** Characters of a snippet, and of them before the match: arbitrary. */
const SNIPPET = 110;
const BEFORE = 40;

/** The text around a match, cut between words. */
function snippet(text, at, length) {
  const from = at > BEFORE ? text.indexOf(' ', at - BEFORE) + 1 : 0;
  const begin = Math.min(from, at);
  const end = text.lastIndexOf(' ', begin + SNIPPET);
  const stop = begin + SNIPPET >= text.length ? text.length : Math.max(end, at + length);
  return [
    begin > 0 ? '… ' : '',
    text.slice(begin, at),
    el('mark', {}, text.slice(at, at + length)),
    text.slice(at + length, stop),
    stop < text.length ? ' …' : '',
  ];
}

export class StartPoints {
  #library;
  #catalog;
  #onStart;
  #searching = new AbortController();

  constructor(library, catalog, onStart) {
    this.#library = library;
    this.#catalog = catalog;
    this.#onStart = onStart;
    const find = debounced(
      guarded('Finding a paragraph', () => this.#find()),
      200,
    );
    $('find').addEventListener('input', find);
    $('find').addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#close();
      if (event.key === 'ArrowDown') $('found').querySelector('button')?.focus();
    });
    $('found').addEventListener('keydown', (event) => this.#key(event));
  }

  /** Those of the well-known ones that are in this database. */
  refresh() {
    const there = wellKnown.filter(([id]) => this.#catalog.get(id));
    fill(
      $('well-known'),
      there.map(([id, label, year]) =>
        el(
          'button',
          { type: 'button', className: 'chip', value: id, onclick: () => this.#onStart(id) },
          label,
          ' ',
          el('span', { className: 'quiet-text' }, String(year)),
        ),
      ),
    );
  }

  /** Shows which of them is the example. */
  mark(ids) {
    for (const chip of $('well-known').children) {
      chip.ariaPressed = String(ids.length === 1 && ids[0] === chip.value);
    }
  }

  /** A paragraph to begin with. */
  get first() {
    const known = wellKnown.find(([id]) => this.#catalog.get(id));
    return known?.[0] ?? this.#catalog.any;
  }

  async #find() {
    this.#searching.abort();
    const { signal } = (this.#searching = new AbortController());
    const text = $('find').value.trim().toLowerCase();
    if (text.length < 3) return this.#close();
    const found = [];
    for (const id of this.#catalog.byTitle(text)) {
      if (found.push({ id, words: [] }) === FOUND_MAX / 2) break;
    }
    const ids = new Set(found.map(({ id }) => id));
    try {
      for await (const { id, document } of this.#library.scan(['text'], signal)) {
        const at = document.text?.toLowerCase().indexOf(text) ?? -1;
        if (at < 0 || ids.has(id)) continue;
        if (found.push({ id, words: snippet(document.text, at, text.length) }) === FOUND_MAX) break;
      }
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
    return signal.aborted ? undefined : this.#show(found);
  }

  #show(found) {
    const rows = found.map(({ id, words }) => {
      const { title } = this.#catalog.get(id) ?? { title: id };
      const onclick = () => {
        this.#close();
        $('find').value = '';
        this.#onStart(id);
      };
      return el(
        'li',
        {},
        el(
          'button',
          { type: 'button', onclick },
          el('b', {}, title),
          words.length > 0 ? el('span', {}, words) : null,
        ),
      );
    });
    const nothing = el('li', { className: 'quiet-text' }, 'No title or text contains this.');
    fill($('found'), rows.length > 0 ? rows : nothing);
    $('found').hidden = false;
    $('found-text').textContent =
      found.length === FOUND_MAX ? `the first ${FOUND_MAX} are shown` : `${found.length} found`;
  }

  #close() {
    this.#searching.abort();
    $('found').hidden = true;
    $('found-text').textContent = '';
  }

  #key(event) {
    const buttons = [...$('found').querySelectorAll('button')];
    const at = buttons.indexOf(document.activeElement);
    if (event.key === 'Escape') {
      this.#close();
      $('find').focus();
    } else if (event.key === 'ArrowDown') {
      buttons[Math.min(at + 1, buttons.length - 1)]?.focus();
    } else if (event.key === 'ArrowUp') {
      (at > 0 ? buttons[at - 1] : $('find')).focus();
    } else {
      return;
    }
    event.preventDefault();
  }
}
