// The search: from which examples, among which paragraphs, how many, exactly or by codes. One
// search runs at a time; whatever changes meanwhile is one more search after it.

/** Mean of vectors of unit length; of one vector, that vector. */
export function meanOf(vectors) {
  if (vectors.length === 1) return vectors[0];
  const mean = new Float32Array(vectors[0].length);
  for (const vector of vectors) {
    const scale = 1 / (Math.hypot(...vector) * vectors.length);
    for (let i = 0; i < mean.length; i++) mean[i] += vector[i] * scale;
  }
  return mean;
}

export class Search {
  /** Whole paragraphs, with `embedding`. */
  examples = [];
  presidents = new Set();
  years = { from: -Infinity, to: Infinity };
  k = 10;
  exact = false;

  #library;
  #onResult;
  #onError;
  #onBusy;
  #isFirst = true;
  #isRunning = false;
  #isStale = false;

  constructor(library, { onResult, onError, onBusy }) {
    this.#library = library;
    this.#onResult = onResult;
    this.#onError = onError;
    this.#onBusy = onBusy;
  }

  /** The engine's filter, or undefined where all paragraphs are asked for. */
  get filter() {
    const filter = {};
    if (this.presidents.size > 0) filter.president = { $in: [...this.presidents] };
    const year = {};
    if (Number.isFinite(this.years.from)) year.$gte = this.years.from;
    if (Number.isFinite(this.years.to)) year.$lte = this.years.to;
    if (Object.keys(year).length > 0) filter.year = year;
    return Object.keys(filter).length > 0 ? filter : undefined;
  }

  get vector() {
    return meanOf(this.examples.map(({ embedding }) => embedding));
  }

  /** Searches from these paragraphs. */
  async from(ids) {
    this.#onBusy(true);
    const found = (await this.#library.get(ids)).filter(Boolean);
    if (found.length > 0) this.examples = found;
    this.run();
    return found.length > 0;
  }

  async run() {
    this.#isStale = true;
    this.#onBusy(true);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#isStale && this.examples.length > 0) {
        this.#isStale = false;
        const result = await this.#once();
        if (!this.#isStale) this.#onResult(result);
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#isRunning = false;
      this.#onBusy(false);
    }
  }

  async #once() {
    const { k, exact, filter, examples } = this;
    const own = new Set(examples.map(({ id }) => id));
    // The examples are their own nearest neighbours and are left out of what is shown.
    const request = { vector: this.vector, k: k + own.size, exact, filter };
    const ask = async () => {
      const started = performance.now();
      const result = await this.#library.search(request);
      return { ...result, pageMs: performance.now() - started };
    };
    // The first search of a visit reads from storage; it is told apart from what comes after.
    const firstMs = this.#isFirst ? (await ask()).pageMs : undefined;
    this.#isFirst = false;
    const result = await ask();
    const hits = result.hits.filter(({ id }) => !own.has(id)).slice(0, k);
    return { ...result, hits, firstMs };
  }
}
