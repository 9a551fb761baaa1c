/* A database of numbers over the store, for tests: the smallest engine that uses all of it.
 *
 * Its content is the set {0, 1, ..., n - 1}; each number has bytes that follow from it alone. A
 * transaction adds the next numbers. A checkpoint seals numbers into a segment (section 1, field
 * 0: byte strings) or logs them again; a merge makes one segment of all. So after any crash the
 * content must be a prefix {0..m-1} with m between what was acknowledged and what was tried,
 * whatever lies where.
 */
#ifndef VEER_TESTS_STORAGE_MINI_H
#define VEER_TESTS_STORAGE_MINI_H

#include "base/rng.h"
#include "storage/segment.h"
#include "storage/store.h"

#define MINI_SEGMENTS_MAX 64
#define MINI_VALUES_MAX 8192

typedef struct mini {
    const veer_allocator *allocator;
    store *store;
    veer_error error;
    uint64_t n;      /* numbers 0..n-1 are in it, as far as this program was told */
    uint64_t frozen; /* numbers below are in segments or in the older log */
    bool relogged;   /* odd ones of the unsealed were logged again for the present checkpoint */
    uint8_t *sealed; /* MINI_VALUES_MAX flags */
    store_stream streams[MINI_SEGMENTS_MAX];
    size_t streams_count;
    uint64_t next_segment;
    uint64_t waits;         /* calls that answered VEER_PENDING */
    uint32_t payload_limit; /* of a number's bytes */
} mini;

/* The bytes of a number, into `to` (at least 70000 bytes). */
size_t mini_payload(uint64_t value, uint8_t *to);

store_options mini_options(store_sync sync);
/* Opens and reads everything into `m`. VEER_E_CORRUPT also when what is there is wrong in itself
 * (the message then begins with "MINI:"). */
veer_status mini_open(mini *m, const veer_allocator *allocator, const veer_io *io,
                      const store_options *options);
veer_status mini_close(mini *m);
/* One transaction of `count` more numbers. */
veer_status mini_append(mini *m, size_t count);
/* Steps of a checkpoint: begin (switch), relog the odd ones (or not), seal the rest and commit. */
veer_status mini_switch(mini *m);
veer_status mini_relog(mini *m);
veer_status mini_seal(mini *m);
veer_status mini_checkpoint(mini *m, bool relog);
/* One segment of all that is sealed, in place of the others. */
veer_status mini_merge(mini *m);

/* Opens for reading, compares everything, closes: *n numbers. */
veer_status mini_count(const veer_allocator *allocator, const veer_io *io, uint64_t *n,
                       veer_error *error);
bool mini_is_wrong(const veer_error *error); /* "MINI:" */

#endif
