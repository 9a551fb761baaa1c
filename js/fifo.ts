// One thing at a time, in the order in which they came.

export class Fifo {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `act` when everything before it has ended, however that ended. */
  run<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#last.then(act);
    this.#last = done.catch(() => {});
    return done;
  }
}
