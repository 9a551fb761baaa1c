// Snapshots.

/**
 * A fixed state of the whole database: what was committed when it was opened. Reads with the same
 * snapshot see the same documents. Close it: storage of removed segments is kept until then.
 */
export interface Snapshot {
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
