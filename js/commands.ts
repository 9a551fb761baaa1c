// What an engine can be asked: the same in this thread and in a worker, so that all of it can be
// posted. Handles are numbers of the engine's table; requests are JSON texts; vectors are binary.

import type { LongCall } from '../types/options.d.ts';
import type { ResultColumns } from './ffi.ts';

export const WRITE_UPSERT = 0;
export const WRITE_INSERT = 1;
export const WRITE_DELETE = 2;

/** Vectors of one field for the documents of an operation; see veer_vectors in veer.h. */
export interface WireVectors {
  readonly field: string;
  readonly data: Float32Array<ArrayBuffer>;
  readonly dims: number;
  /** Bit i: document i has one; undefined: all have. */
  readonly present: Uint8Array<ArrayBuffer> | undefined;
}

/** One part of a transaction; see veer_operation in veer.h. */
export interface WireOperation {
  readonly collection: number;
  readonly kind: number;
  /** JSON, one object a line; or an array of ids. */
  readonly documents?: Uint8Array<ArrayBuffer> | undefined;
  readonly count: number;
  readonly vectors: readonly WireVectors[];
  readonly filter?: string | undefined;
  readonly parameters?: string | undefined;
}

export interface WriteReply {
  readonly written: number;
  readonly deleted: number;
  readonly lsn: number;
}

interface Queries {
  readonly vectors: Float32Array<ArrayBuffer>;
  readonly n: number;
  readonly dims: number;
  readonly parameters: string | undefined;
  readonly snapshot: number | undefined;
}

interface Filtered {
  readonly collection: number;
  readonly snapshot: number | undefined;
  readonly parameters: string | undefined;
}

/** Every command: its arguments and its result. */
export interface Commands {
  collectionOpen: [
    { readonly name: string; readonly schema: string | undefined },
    { handle: number; schema: string },
  ];
  collectionSchema: [{ readonly collection: number }, string];
  collectionDrop: [{ readonly name: string }, void];
  collections: [Record<never, never>, string];
  snapshotOpen: [Record<never, never>, number];
  prepare: [{ readonly collection: number; readonly request: string }, number];
  /** Lets go of any handle; twice is fine. */
  release: [{ readonly handle: number }, void];

  write: [{ readonly operations: readonly WireOperation[] }, WriteReply];

  search: [Queries & { readonly collection: number; readonly request: string }, ResultColumns];
  run: [Queries & { readonly query: number }, ResultColumns];
  get: [
    {
      readonly collection: number;
      readonly snapshot: number | undefined;
      readonly ids: string;
      readonly select: string | undefined;
    },
    ResultColumns,
  ];
  count: [Filtered & { readonly filter: string | undefined }, number];
  scan: [Filtered & { readonly request: string }, number];
  next: [{ readonly cursor: number; readonly rows: number }, ResultColumns];

  work: [{ readonly budgetMs: number }, boolean];
  checkpoint: [Record<never, never>, void];
  optimize: [Record<never, never>, void];
  compact: [Record<never, never>, void];
  stats: [Record<never, never>, string];
  recovery: [Record<never, never>, string];
  backup: [{ readonly location: string }, void];
  exportOpen: [Record<never, never>, number];
  /** undefined: that was all. */
  exportNext: [{ readonly handle: number }, Uint8Array<ArrayBuffer> | undefined];
  exportClose: [{ readonly handle: number }, void];
}

export type CommandName = keyof Commands;
export type CommandArguments<K extends CommandName> = Commands[K][0];
export type CommandResult<K extends CommandName> = Commands[K][1];

/** An engine with one open database. */
export interface Engine {
  call<K extends CommandName>(
    command: K,
    args: CommandArguments<K>,
    options?: LongCall,
  ): Promise<CommandResult<K>>;
  /** Ends everything; later calls fail with CLOSED. Twice is fine. */
  close(): Promise<void>;
}

/** What an engine is opened with: the part of OpenOptions that can be posted. */
export interface EngineOptions {
  readonly create: boolean;
  readonly readonly: boolean;
  readonly lockTimeoutMs: number;
  readonly autoWork: boolean;
  /** The engine's own options, as JSON. */
  readonly engine: string;
  /** Of sync mode `interval`, else 0. */
  readonly syncIntervalMs: number;
}

/** Text of a location, or a packed file. */
export type Source = string | Uint8Array<ArrayBuffer> | Blob;
