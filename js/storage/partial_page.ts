// A page that is being written, of which perhaps only some ranges are known.

export class PartialPage {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Known ranges [from, to), ascending, apart; undefined: all of it. */
  #known: [number, number][] | undefined = [];

  constructor(bytes: number) {
    this.bytes = new Uint8Array(bytes);
  }

  get isWhole(): boolean {
    return this.#known === undefined;
  }

  write(at: number, data: Uint8Array): void {
    this.bytes.set(data, at);
    if (!this.#known) return;
    let [from, to] = [at, at + data.length];
    const apart: [number, number][] = [];
    for (const range of this.#known) {
      if (range[1] < from || range[0] > to) {
        apart.push(range);
      } else {
        from = Math.min(from, range[0]);
        to = Math.max(to, range[1]);
      }
    }
    apart.push([from, to]);
    this.#known = apart.sort((a, b) => a[0] - b[0]);
    if (from === 0 && to === this.bytes.length) this.#known = undefined;
  }

  /** Fills what is not known from the page beneath (undefined: zeros). */
  complete(beneath: Uint8Array | undefined): void {
    if (!this.#known) return;
    const known = this.#known.map(([from, to]) => ({ from, data: this.bytes.slice(from, to) }));
    if (beneath) this.bytes.set(beneath);
    else this.bytes.fill(0);
    for (const { from, data } of known) this.bytes.set(data, from);
    this.#known = undefined;
  }
}
