// The filters beside the results: presidents, years, how many, exact or by codes.

import { $, el, fill } from './dom.js';
import { count } from './format.js';
import { YearSlider } from './year_slider.js';

export class Filters {
  #search;
  #catalog;
  #slider;
  #onChange;

  constructor(search, catalog, onChange) {
    this.#search = search;
    this.#catalog = catalog;
    this.#onChange = onChange;
    this.#slider = new YearSlider(() => this.#changed());
    $('presidents').addEventListener('change', ({ target }) => {
      if (target.checked) search.presidents.add(target.value);
      else search.presidents.delete(target.value);
      this.#changed();
    });
    $('filters').addEventListener('submit', (event) => event.preventDefault());
    $('clear').addEventListener('click', () => this.clear());
    $('clear-too').addEventListener('click', () => this.clear());
    $('k').addEventListener('input', () => {
      const k = Number($('k').value);
      if (!$('k').validity.valid || !Number.isInteger(k)) return;
      search.k = k;
      onChange();
    });
    // What is shown is what is searched with.
    $('k').addEventListener('change', () => ($('k').value = search.k));
    // On a phone the filters are folded until they are wanted.
    const isWide = matchMedia('(min-width: 60rem)');
    const fold = () => ($('filters-box').open = isWide.matches);
    isWide.addEventListener('change', fold);
    fold();
    for (const mode of document.getElementsByName('mode')) {
      mode.addEventListener('change', () => {
        search.exact = mode.value === 'exact' && mode.checked;
        onChange();
      });
    }
  }

  /** After paragraphs came or went. */
  refresh() {
    this.#slider.setYears(this.#catalog.years);
    this.#search.years = this.#slider.chosen;
    this.#show();
  }

  clear() {
    this.#search.presidents.clear();
    this.#slider.reset();
    this.#changed();
  }

  #changed() {
    this.#search.years = this.#slider.chosen;
    this.#show();
    this.#onChange();
  }

  #show() {
    const { presidents } = this.#search;
    const all = this.#catalog.presidents(this.#slider.range);
    const known = new Set(all.map(({ name }) => name));
    for (const name of presidents) if (!known.has(name)) presidents.delete(name);
    this.#showPresidents(all);
    this.#slider.showCounts(this.#catalog.byYear(presidents));
    const matches = this.#catalog.count(presidents, this.#slider.range);
    const isFiltered = this.#search.filter !== undefined;
    $('matches').textContent = isFiltered
      ? `${count(matches)} of ${count(this.#catalog.size)}`
      : `${count(matches)} paragraphs`;
    $('filters-text').textContent = $('matches').textContent;
    $('chosen-presidents').textContent = presidents.size > 0 ? `${presidents.size} chosen` : 'all';
    $('clear').disabled = !isFiltered;
  }

  /** Keeps the rows where the same presidents are shown, and with them focus and scrolling. */
  #showPresidents(all) {
    const list = $('presidents');
    const names = all.map(({ name }) => name).join('\n');
    if (list.dataset.names !== names) {
      list.dataset.names = names;
      fill(
        list,
        all.map(({ name, first }) =>
          el(
            'label',
            {},
            el('input', { type: 'checkbox', value: name }),
            el('span', {}, name, ' ', el('span', { className: 'quiet-text' }, String(first))),
            el('span', { className: 'count' }),
          ),
        ),
      );
    }
    all.forEach(({ name, count: matching }, i) => {
      const row = list.children[i];
      row.firstElementChild.checked = this.#search.presidents.has(name);
      row.lastElementChild.textContent = count(matching);
      row.classList.toggle('none', matching === 0);
    });
  }
}
