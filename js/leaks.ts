// A net below those who forget to close: it tells once, and frees. Not every runtime has one.

export class LeakNet<T> {
  readonly #registry: FinalizationRegistry<T> | undefined;
  #hasWarned = false;

  /** `free` must not lead back to what was forgotten. */
  constructor(warning: string, free: (held: T) => void) {
    if (typeof FinalizationRegistry === 'undefined') return;
    this.#registry = new FinalizationRegistry((held) => {
      if (!this.#hasWarned) console.warn(`veerdb: ${warning}`);
      this.#hasWarned = true;
      free(held);
    });
  }

  watch(object: object, held: T): void {
    this.#registry?.register(object, held, object);
  }

  /** It was closed. Before freeing, so that nothing is freed twice. */
  forget(object: object): void {
    this.#registry?.unregister(object);
  }
}
