// Writing packed files: backups, and exports as a stream.

import type { LongCall } from '../types/options.d.ts';
import type { LocalEngine } from './engine.ts';
import { long } from './engine_turns.ts';
import { closed } from './errors.ts';
import type { Handle } from './ffi.ts';
import type { PackedTarget } from './platform.ts';

/** Writes the database to a new file, which is whole and synced then, or gone. */
export async function writePacked(
  engine: LocalEngine,
  target: PackedTarget,
  options: LongCall,
): Promise<void> {
  const storage = engine.attach(target.backend);
  let table: Handle | undefined;
  let isWhole = false;
  try {
    engine.ffi.call('wasm_table_new', storage);
    table = engine.ffi.replyHandle('the table');
    await long(engine, 'wasm_backup', [engine.database, target.name, table], options);
    await target.backend.flush();
    isWhole = true;
  } finally {
    if (table) engine.ffi.free('wasm_table_free', table);
    engine.detach(storage);
    await target.backend.close();
    if (!isWhole) await target.discard();
  }
}

interface Export {
  readonly target: PackedTarget;
  readonly pieces: AsyncIterator<Uint8Array<ArrayBuffer>> | Iterator<Uint8Array<ArrayBuffer>>;
}

/** Exports under way, by engine: its handles are of the C side, these are not. */
const exportsOf = new WeakMap<LocalEngine, Map<number, Export>>();
let nextExport = 1;

export async function openExport(engine: LocalEngine, options: LongCall): Promise<number> {
  const { platform, location } = engine;
  const target = await platform.openScratch(location ?? { kind: 'memory', text: '', name: '' });
  await writePacked(engine, target, options);
  const written = target.read();
  const pieces =
    Symbol.asyncIterator in written ? written[Symbol.asyncIterator]() : written[Symbol.iterator]();
  const handle = nextExport++;
  const open = exportsOf.get(engine) ?? new Map<number, Export>();
  exportsOf.set(engine, open.set(handle, { target, pieces }));
  return handle;
}

export async function nextOfExport(
  engine: LocalEngine,
  handle: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const open = exportsOf.get(engine)?.get(handle);
  if (!open) throw closed('the export');
  const { done, value } = await open.pieces.next();
  return done ? undefined : value;
}

export async function closeExport(engine: LocalEngine, handle: number): Promise<void> {
  const open = exportsOf.get(engine)?.get(handle);
  exportsOf.get(engine)?.delete(handle);
  await open?.pieces.return?.();
  await open?.target.discard();
}

/** Ends every export of an engine that is closed. */
export async function closeExports(engine: LocalEngine): Promise<void> {
  for (const handle of exportsOf.get(engine)?.keys() ?? []) await closeExport(engine, handle);
}
