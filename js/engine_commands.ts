// What each command does with the engine: one entry a command.

import type { LongCall } from '../types/options.d.ts';
import type {
  CommandArguments,
  CommandName,
  CommandResult,
  WireOperation,
  WireVectors,
} from './commands.ts';
import type { LocalEngine } from './engine.ts';
import { columns, isAborted, long, report } from './engine_turns.ts';
import { Words, type Argument, type Handle } from './ffi.ts';
import { parseLocation } from './locations.ts';
import { closeExport, nextOfExport, openExport, writePacked } from './packed.ts';

export interface Handler<K extends CommandName> {
  /** Storage may have changed: flush. */
  readonly writes?: boolean;
  /** Background work may follow. */
  readonly makesWork?: boolean;
  act(
    engine: LocalEngine,
    args: CommandArguments<K>,
    options: LongCall,
  ): Promise<CommandResult<K>> | CommandResult<K>;
}

/** How long a part of a long call may take before signals are looked at. */
const SLICE_MS = 50;

const text = (value: string | undefined): string | null => value ?? null;

function snapshotOf(engine: LocalEngine, number: number | undefined): Handle | null {
  return number === undefined ? null : engine.held(number, 'the snapshot');
}
function collectionOf(engine: LocalEngine, number: number): Handle {
  return engine.held(number, 'the collection');
}

/** veer_vectors: field, data, stride_bytes, dims, present. */
const vectorWords = (vectors: WireVectors): Argument[] => [
  vectors.field,
  vectors.data,
  0,
  vectors.dims,
  vectors.present ?? null,
];

/** veer_operation: nine words. */
function operationWords(engine: LocalEngine, operation: WireOperation): Argument[] {
  const { documents, vectors } = operation;
  return [
    collectionOf(engine, operation.collection),
    operation.kind,
    documents ?? null,
    documents?.length ?? 0,
    operation.count,
    vectors.length === 0 ? null : new Words(vectors.flatMap(vectorWords)),
    vectors.length,
    text(operation.filter),
    text(operation.parameters),
  ];
}

/** Lets timers, messages and signals come in between. */
const breathe = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/**
 * Long work in parts, so that signals are heard: the engine's call is cancelled when a part has
 * taken long enough, and the next call goes on from there.
 */
async function inParts(engine: LocalEngine, name: string, options: LongCall): Promise<void> {
  for (;;) {
    const started = performance.now();
    const inTime = (): boolean => performance.now() - started < SLICE_MS;
    try {
      return await long(engine, name, [engine.database], options, inTime);
    } catch (cause) {
      if (!isAborted(cause)) throw cause;
    }
    await engine.flush();
    await breathe();
    options.signal?.throwIfAborted();
  }
}

export const handlers: { readonly [K in CommandName]: Handler<K> } = {
  collectionOpen: {
    writes: true,
    async act(engine, { name, schema }) {
      const args = [engine.database, name, text(schema)];
      const handle = await engine.turn('wasm_collection_open', args, () =>
        engine.ffi.replyHandle(`the collection '${name}'`),
      );
      try {
        const stored = await engine.turn('wasm_collection_schema', [handle], () =>
          engine.ffi.replyText(),
        );
        return { handle: engine.hold(handle, 'wasm_collection_close'), schema: stored };
      } catch (cause) {
        engine.ffi.free('wasm_collection_close', handle);
        throw cause;
      }
    },
  },
  collectionSchema: {
    act: (engine, { collection }) =>
      engine.turn('wasm_collection_schema', [collectionOf(engine, collection)], () =>
        engine.ffi.replyText(),
      ),
  },
  collectionDrop: {
    writes: true,
    makesWork: true,
    act: (engine, { name }) =>
      engine.turn('wasm_collection_drop', [engine.database, name], () => {}),
  },
  collections: { act: (engine) => report(engine, 'wasm_collections') },

  snapshotOpen: {
    act: (engine) =>
      engine.turn('wasm_snapshot_open', [engine.database], () =>
        engine.hold(engine.ffi.replyHandle('the snapshot'), 'wasm_snapshot_close'),
      ),
  },
  prepare: {
    act: (engine, { collection, request }) =>
      engine.turn('wasm_query_prepare', [collectionOf(engine, collection), request], () =>
        engine.hold(engine.ffi.replyHandle('the query'), 'wasm_query_free'),
      ),
  },
  release: { act: (engine, { handle }) => engine.release(handle) },

  write: {
    writes: true,
    makesWork: true,
    act(engine, { operations }) {
      const words = new Words(operations.flatMap((part) => operationWords(engine, part)));
      return engine.turn('wasm_write', [engine.database, words, operations.length], () => ({
        written: engine.ffi.replyCount(),
        deleted: engine.ffi.replyOther(),
        lsn: engine.ffi.replyLsn(),
      }));
    },
  },

  search: {
    act: (engine, { collection, snapshot, request, vectors, n, dims, parameters }) =>
      columns(engine, 'wasm_search', [
        collectionOf(engine, collection),
        snapshotOf(engine, snapshot),
        request,
        vectors,
        n,
        dims,
        text(parameters),
      ]),
  },
  run: {
    act: (engine, { query, snapshot, vectors, n, dims, parameters }) =>
      columns(engine, 'wasm_query_run', [
        engine.held(query, 'the query'),
        snapshotOf(engine, snapshot),
        vectors,
        n,
        dims,
        text(parameters),
      ]),
  },
  get: {
    act: (engine, { collection, snapshot, ids, select }) =>
      columns(engine, 'wasm_get', [
        collectionOf(engine, collection),
        snapshotOf(engine, snapshot),
        ids,
        text(select),
      ]),
  },
  count: {
    act: (engine, { collection, snapshot, filter, parameters }) =>
      engine.turn(
        'wasm_count',
        [
          collectionOf(engine, collection),
          snapshotOf(engine, snapshot),
          text(filter),
          text(parameters),
        ],
        () => engine.ffi.replyCount(),
      ),
  },
  scan: {
    act: (engine, { collection, snapshot, request, parameters }) =>
      engine.turn(
        'wasm_scan',
        [collectionOf(engine, collection), snapshotOf(engine, snapshot), request, text(parameters)],
        () => engine.hold(engine.ffi.replyHandle('the cursor'), 'wasm_cursor_close'),
      ),
  },
  next: {
    act: (engine, { cursor, rows }) =>
      columns(engine, 'wasm_cursor_next', [engine.held(cursor, 'the cursor'), rows]),
  },

  work: {
    writes: true,
    act: (engine, { budgetMs }) =>
      engine.turn('wasm_work', [engine.database, budgetMs], () => engine.ffi.replyFlag()),
  },
  checkpoint: {
    writes: true,
    act: (engine, _args, options) => long(engine, 'wasm_checkpoint', [engine.database], options),
  },
  optimize: {
    writes: true,
    act: (engine, _args, options) => inParts(engine, 'wasm_optimize', options),
  },
  compact: {
    writes: true,
    act: (engine, _args, options) => inParts(engine, 'wasm_compact', options),
  },
  stats: { act: (engine) => report(engine, 'wasm_stats') },
  recovery: { act: (engine) => report(engine, 'wasm_recovery_report') },

  backup: {
    writes: true,
    async act(engine, { location }, options) {
      const target = await engine.platform.openTarget(parseLocation(location));
      await writePacked(engine, target, options);
    },
  },
  exportOpen: {
    writes: true,
    act: (engine, _args, options) => openExport(engine, options),
  },
  exportNext: { act: (engine, { handle }) => nextOfExport(engine, handle) },
  exportClose: { act: (engine, { handle }) => closeExport(engine, handle) },
};
