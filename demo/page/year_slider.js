// Two native range inputs on one track: their keyboard, touch and screen reader behaviour is the
// browser's. Above them a bar for every few years shows where the paragraphs are.

import { $, el, fill } from './dom.js';
import { countOf } from './format.js';

const BARS = 58;

export class YearSlider {
  #from = $('year-from');
  #to = $('year-to');
  #years = { first: -Infinity, last: Infinity };
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    this.#from.addEventListener('input', () => this.#moved(this.#from));
    this.#to.addEventListener('input', () => this.#moved(this.#to));
  }

  /** The chosen years; a handle at its end leaves that side open. */
  get chosen() {
    const { from, to } = this.range;
    const { first, last } = this.#years;
    return { from: from > first ? from : -Infinity, to: to < last ? to : Infinity };
  }

  /** The chosen years for counting and showing. */
  get range() {
    return { from: Number(this.#from.value), to: Number(this.#to.value) };
  }

  /** Sets the ends of the scale; handles that were at an end stay there. */
  setYears({ first, last }) {
    const isFirst = !Number.isFinite(this.#years.first);
    const chosen = isFirst ? { from: -Infinity, to: Infinity } : this.chosen;
    this.#years = { first, last };
    for (const input of [this.#from, this.#to]) {
      input.min = first;
      input.max = last;
    }
    this.#from.value = Number.isFinite(chosen.from) ? chosen.from : first;
    this.#to.value = Number.isFinite(chosen.to) ? chosen.to : last;
    this.#show();
  }

  reset() {
    this.#from.value = this.#years.first;
    this.#to.value = this.#years.last;
    this.#show();
  }

  /** A bar for every few years. */
  showCounts(byYear) {
    const { first, last } = this.#years;
    const span = Math.max(1, (last - first + 1) / BARS);
    const sums = new Array(BARS).fill(0);
    for (const [year, count] of byYear) {
      sums[Math.min(BARS - 1, Math.floor((year - first) / span))] += count;
    }
    const highest = Math.max(1, ...sums);
    const bars = sums.map((sum, i) => {
      const bar = el('span', { className: 'bar' });
      bar.style.blockSize = `${sum > 0 ? Math.max(4, (100 * sum) / highest) : 0}%`;
      bar.dataset.from = Math.round(first + i * span);
      bar.title = `from ${bar.dataset.from}: ${countOf(sum, 'paragraph')}`;
      return bar;
    });
    fill($('histogram'), bars);
    this.#show();
  }

  /** Neither handle passes the other. */
  #moved(moved) {
    if (Number(this.#from.value) > Number(this.#to.value)) {
      moved.value = moved === this.#from ? this.#to.value : this.#from.value;
    }
    this.#show();
    this.#onChange();
  }

  #show() {
    const { from, to } = this.range;
    const { first, last } = this.#years;
    const share = (year) => (year - first) / Math.max(1, last - first);
    $('slider').style.setProperty('--from', share(from));
    $('slider').style.setProperty('--to', share(to));
    $('years-text').textContent = from === to ? String(from) : `${from} to ${to}`;
    this.#from.setAttribute('aria-valuetext', `from ${from}`);
    this.#to.setAttribute('aria-valuetext', `to ${to}`);
    for (const bar of $('histogram').children) {
      const year = Number(bar.dataset.from);
      bar.classList.toggle('out', year < from || year > to);
    }
    // Where both handles meet at the right end, the left one must be on top to be reachable.
    this.#from.classList.toggle('on-top', share(from) > 0.5);
  }
}
