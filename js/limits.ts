// The limits of veer.h that are checked here too, so that an argument error names its argument.
// tests/node/errors.test.mjs holds them against veer_describe().

export const DIMS_MAX = 8192;
export const K_MAX = 10_000;
export const EFFORT_MAX = 100_000;
export const ID_BYTES_MAX = 512;
export const BATCH_BYTES_MAX = 64 * 1024 * 1024;

/**
 * A bulk write is cut into transactions of about this many bytes: large enough that a sync is
 * cheap beside it, small enough to answer a signal soon (some tens of milliseconds each).
 */
export const BATCH_BYTES = 4 * 1024 * 1024;
/** ... and of at most this many documents. Arbitrary. */
export const BATCH_DOCUMENTS = 8192;
