// Sealing, merging and removing in idle slices, between other calls.

/** Time of a slice: short enough to be unnoticed in a page that draws 60 times a second. */
const SLICE_MS = 8;

/** Runs `act` when there is time; keeps no process alive. */
function whenIdle(act: () => void, waitMs: number): () => void {
  if (waitMs === 0 && typeof requestIdleCallback === 'function') {
    // Pages that are not seen give no idle time by themselves.
    const id = requestIdleCallback(act, { timeout: 1000 });
    return () => cancelIdleCallback(id);
  }
  const id: unknown = setTimeout(act, waitMs);
  (id as { unref?: () => void }).unref?.();
  return () => clearTimeout(id as number);
}

export class BackgroundWork {
  readonly #work: (budgetMs: number) => Promise<boolean>;
  readonly #syncIntervalMs: number;
  readonly #onError: (error: Error) => void;
  #cancel: (() => void) | undefined;
  #cancelSync: (() => void) | undefined;
  #isStopped = false;
  #lastError = '';

  /** `syncIntervalMs` > 0: the engine also wants to be called that long after a write, to sync. */
  constructor(
    work: (budgetMs: number) => Promise<boolean>,
    syncIntervalMs: number,
    onError: (error: Error) => void,
  ) {
    this.#work = work;
    this.#syncIntervalMs = syncIntervalMs;
    this.#onError = onError;
  }

  /** There may be something to do. */
  schedule(): void {
    if (this.#isStopped || this.#cancel) return;
    this.#cancel = whenIdle(() => void this.#slice(), 0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
    this.#cancelSync?.();
  }

  async #slice(): Promise<void> {
    try {
      const isMoreLeft = await this.#work(SLICE_MS);
      this.#cancel = undefined;
      this.#lastError = '';
      if (isMoreLeft) this.schedule();
      else if (this.#syncIntervalMs > 0) this.#syncLater();
    } catch (cause) {
      // It is tried again after the next write; an error that repeats is told once.
      this.#cancel = undefined;
      const error = cause instanceof Error ? cause : new Error(String(cause));
      if (this.#isStopped || error.message === this.#lastError) return;
      this.#lastError = error.message;
      this.#onError(error);
    }
  }

  #syncLater(): void {
    if (this.#isStopped || this.#cancelSync) return;
    this.#cancelSync = whenIdle(() => {
      this.#cancelSync = undefined;
      this.#work(0).catch(this.#onError);
    }, this.#syncIntervalMs);
  }
}
