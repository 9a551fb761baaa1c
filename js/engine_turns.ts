// Kinds of turns that several commands share; see engine.ts.

import type { LongCall } from '../types/options.d.ts';
import type { LocalEngine } from './engine.ts';
import { VeerError } from './errors.ts';
import type { Argument, ResultColumns } from './ffi.ts';

/** A turn that makes results: they are copied and freed. */
export function columns(
  engine: LocalEngine,
  name: string,
  args: readonly Argument[],
): Promise<ResultColumns> {
  return engine.turn(name, args, () => {
    const results = engine.ffi.replyHandle('the results');
    try {
      return engine.ffi.results(results);
    } finally {
      engine.ffi.free('wasm_results_free', results);
    }
  });
}

/** A turn that makes a JSON text about the database. */
export function report(engine: LocalEngine, name: string): Promise<string> {
  return engine.turn(name, [engine.database], () => engine.ffi.replyText());
}

/** A turn with a caller's progress function, which also hears of the signal. */
export async function long(
  engine: LocalEngine,
  name: string,
  args: readonly Argument[],
  { signal, onProgress }: LongCall,
  mayGoOn: () => boolean = () => true,
): Promise<void> {
  const { callbacks } = engine.ffi;
  callbacks.progress = (done, total) => {
    onProgress?.(done, total);
    return !signal?.aborted && mayGoOn();
  };
  try {
    await engine.turn(name, args, () => {});
  } catch (cause) {
    if (isAborted(cause)) signal?.throwIfAborted();
    throw cause;
  } finally {
    callbacks.progress = undefined;
  }
}

export const isAborted = (cause: unknown): boolean =>
  cause instanceof VeerError && cause.code === 'ABORTED';
