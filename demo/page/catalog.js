// Who spoke when: president, party and year of every paragraph, read once by a scan. Counts beside
// the filters come from here, and starting points by president or title.

export class Catalog {
  /** id -> {id, title, president, party, year} */
  #entries = new Map();

  async read(library) {
    this.#entries.clear();
    for await (const { id, document } of library.scan(['president', 'party', 'year', 'title'])) {
      this.#entries.set(id, { ...document, id });
    }
  }

  get size() {
    return this.#entries.size;
  }
  get(id) {
    return this.#entries.get(id);
  }
  put({ id, title, president, party, year }) {
    this.#entries.set(id, { id, title, president, party, year });
  }
  delete(id) {
    this.#entries.delete(id);
  }

  ids() {
    return this.#entries.keys();
  }
  /** Some paragraph's id; undefined where there is none. */
  get any() {
    return this.#entries.keys().next().value;
  }
  /** A paragraph of this president, or undefined. */
  of(president) {
    for (const entry of this.#entries.values()) if (entry.president === president) return entry;
    return undefined;
  }

  /** First and last year. */
  get years() {
    let [first, last] = [Infinity, -Infinity];
    for (const { year } of this.#entries.values()) {
      first = Math.min(first, year);
      last = Math.max(last, year);
    }
    return this.#entries.size > 0 ? { first, last } : { first: 1790, last: 2020 };
  }

  /** Presidents by their first year: {name, first, total, count}; `count` lies in the years. */
  presidents({ from, to }) {
    const byName = new Map();
    for (const { president, year } of this.#entries.values()) {
      let known = byName.get(president);
      if (!known)
        byName.set(president, (known = { name: president, first: year, total: 0, count: 0 }));
      known.first = Math.min(known.first, year);
      known.total++;
      if (year >= from && year <= to) known.count++;
    }
    return [...byName.values()].sort((a, b) => a.first - b.first || (a.name < b.name ? -1 : 1));
  }

  /** Paragraphs of these presidents (an empty set: of all) by year: a Map. */
  byYear(presidents) {
    const counts = new Map();
    for (const { president, year } of this.#entries.values()) {
      if (presidents.size > 0 && !presidents.has(president)) continue;
      counts.set(year, (counts.get(year) ?? 0) + 1);
    }
    return counts;
  }

  /** How many lie in the years and are of these presidents. */
  count(presidents, { from, to }) {
    let sum = 0;
    for (const [year, count] of this.byYear(presidents)) {
      if (year >= from && year <= to) sum += count;
    }
    return sum;
  }

  /** Ids whose title (president, year, part) contains the text. */
  *byTitle(text) {
    for (const { id, title } of this.#entries.values()) {
      if (title?.toLowerCase().includes(text)) yield id;
    }
  }
}
