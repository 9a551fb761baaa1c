// The Web Lock of a database: one writer or several readers of an origin's storage.

import { StorageFault, browserFault } from './backend.ts';

export interface HeldLock {
  release(): void;
}

/**
 * Takes the lock of a location. A page that reloads, or a worker that was ended, holds its lock for
 * a moment longer, so that others are given `timeoutMs` to let go before the answer is BUSY.
 */
export async function takeWebLock(
  location: string,
  isReadonly: boolean,
  timeoutMs: number,
): Promise<HeldLock> {
  const locks = globalThis.navigator?.locks;
  if (!locks) {
    throw new StorageFault(
      'UNSUPPORTED',
      `${location}: there are no Web Locks here; the page must come from https or localhost`,
    );
  }
  return new Promise((resolve, reject) => {
    const held = (): Promise<void> => new Promise((release) => resolve({ release }));
    const mode = isReadonly ? 'shared' : 'exclusive';
    const timeout = AbortSignal.timeout(Math.max(1, timeoutMs));
    locks.request(`veer:${location}`, { mode, signal: timeout }, held).catch((cause: unknown) => {
      const text = `${location}: another tab or worker of this site has it open; close it there`;
      reject(
        timeout.aborted
          ? new StorageFault('BUSY', text, { cause })
          : browserFault(`lock ${location}`, cause),
      );
    });
  });
}
