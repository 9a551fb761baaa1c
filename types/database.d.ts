// A database: a named set of collections in one storage location.

import type { Collection, DocumentsInput, Where } from './collection.js';
import type { LongCall, OpenOptions } from './options.js';
import type { AnySchema, DocumentInput, FieldName, Schema } from './schema.js';
import type { Snapshot } from './snapshot.js';

export interface CollectionOptions<S> {
  /** A time field in whose order sealed rows lie; default: insertion order. */
  readonly orderBy?: FieldName<S> | undefined;
}

export interface CollectionInfo {
  readonly name: string;
  readonly schema: unknown;
  readonly count: number;
}

/**
 * One part of a transaction: what to do in which collection. The filter of a `delete` sees the state
 * before the transaction, not what earlier parts write; the ids that match there are deleted.
 */
export type TransactionPart<S extends Schema> =
  | { readonly collection: Collection<S>; readonly upsert: readonly DocumentInput<S>[] }
  | { readonly collection: Collection<S>; readonly insert: readonly DocumentInput<S>[] }
  | { readonly collection: Collection<S>; readonly delete: readonly string[] | Where<S> };

export interface TransactionResult {
  /** Documents added or replaced. */
  readonly written: number;
  readonly deleted: number;
  readonly lsn: number;
}

/** Bytes by part (on storage and in memory), rows, tombstones, segments. */
export interface Stats {
  readonly [part: string]: unknown;
}

/** What opening found: which log records were replayed, what a torn write had left. */
export interface RecoveryReport {
  readonly generation: number;
  readonly lsn: number;
  readonly wal: {
    readonly records: number;
    readonly droppedBytes: number;
    readonly droppedRecords: number;
  };
  readonly rebuilt: readonly unknown[];
  readonly messages: readonly string[];
}

export interface Database {
  /** The location that it was opened with. */
  readonly location: string;

  /**
   * Opens a collection and makes it where it does not exist; where it does, the schema must be the
   * stored one or add fields to it, else `SCHEMA`.
   */
  collection<const S extends Schema>(
    name: string,
    schema: S,
    options?: CollectionOptions<S>,
  ): Promise<Collection<S>>;
  /** Opens an existing collection, else `NOTFOUND`. */
  collection(name: string): Promise<Collection<AnySchema>>;
  /** Every collection, by name. */
  collections(): Promise<CollectionInfo[]>;
  /** Removes a collection and its documents, in one transaction. */
  drop(name: string): Promise<void>;

  /** Writes to one or several collections: all of it or nothing. At most 64 MiB of log. */
  transaction<const T extends readonly Schema[]>(
    parts: readonly [...{ [I in keyof T]: TransactionPart<T[I]> }],
  ): Promise<TransactionResult>;

  /** Fixes the present state for reading. */
  snapshot(): Promise<Snapshot>;

  /** Background work (sealing, merging, removing) for about `budgetMs`; true: some is left. */
  work(budgetMs?: number): Promise<boolean>;
  /** Seals what the log covers and recycles the log: after it, opening replays nothing. */
  checkpoint(options?: LongCall): Promise<void>;
  /**
   * Checkpoints, then does all the background work that is left: merges that are due, graphs,
   * repairs. After it searches are as fast as they get.
   */
  optimize(options?: LongCall): Promise<void>;
  /** Checkpoints, then merges every collection and drops deleted rows. */
  compact(options?: LongCall): Promise<void>;
  stats(): Promise<Stats>;
  recovery(): Promise<RecoveryReport>;

  /** Writes the present state as one packed file to `location` (which must not exist). */
  backup(location: string, options?: LongCall): Promise<void>;
  /** The packed file as a stream of bytes. */
  export(options?: LongCall): Promise<ReadableStream<Uint8Array>>;

  /** Syncs and closes, with everything that was opened from it. Closing twice is fine. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a database, or makes one with `create`.
 *
 * `location`: `memory:` (gone when closed); `opfs://name` or `idb://name` in a browser; a path
 * (a directory, or a packed file, which opens read-only) in Node, Deno and Bun; or the bytes of a
 * packed file, which open read-only. Where a kind of storage is not there, opening fails with
 * `UNSUPPORTED`; it never turns to another one. A damaged database never opens as an empty one.
 */
export declare function open(
  location: string | Uint8Array | ArrayBuffer | Blob,
  options?: OpenOptions,
): Promise<Database>;

/** Makes a new database at `location` from a packed file, and opens it. */
export declare function importDatabase(
  location: string,
  packed: Uint8Array | ArrayBuffer | Blob,
  options?: OpenOptions & LongCall,
): Promise<Database>;

/** Removes a database that nobody has open. Removing one that is not there is fine. */
export declare function deleteDatabase(location: string): Promise<void>;

export type { DocumentsInput };
