/* An allocator for tests: fails where it is told to, counts, and finds what is released wrongly.
 *
 * Every block is checked when it is released: that it is one of this allocator's and still live,
 * that size and alignment are those it was allocated with, and that the bytes before and behind
 * it are untouched. New memory holds 0xA5, released memory 0xDD, so that nobody profits from zeros by
 * accident. The first finding is kept as a text; the block in question is then left alone.
 *
 * Threads: any, under one mutex.
 *
 * The usual loop:
 *     for (uint64_t n = 0;; n++) {
 *         fault_allocator_init(&f);
 *         fault_allocator_fail(&f, n, false);
 *         ... the scenario with &f.allocator: every failure must be VEER_E_NOMEM ...
 *         bool done = !fault_allocator_fired(&f);
 *         assert_null(fault_allocator_fini(&f));
 *         if (done) break;
 *     }
 */
#ifndef VEER_TESTS_SUPPORT_FAULT_ALLOCATOR_H
#define VEER_TESTS_SUPPORT_FAULT_ALLOCATOR_H

#include <pthread.h>

#include "veer.h"

struct fault_block;
typedef struct fault_allocator {
    veer_allocator allocator; /* hand this out; the struct must not move */
    pthread_mutex_t mutex;
    struct fault_block *blocks; /* live ones */
    uint64_t calls;             /* of allocate, since init or the last fault_allocator_fail */
    uint64_t fail_at;
    bool fail_forever;
    bool fired;
    size_t live_blocks;
    size_t live_bytes;
    size_t peak_bytes;
    char problem[200];
} fault_allocator;

void fault_allocator_init(fault_allocator *f);
/* Checks that nothing is left and frees what is. NULL, or a text that says what is wrong; it lies
 * in `f`. */
const char *fault_allocator_fini(fault_allocator *f);
/* Allocation number `number` from now (0 is the next) fails, and with `forever` all after it.
 * UINT64_MAX: none. */
void fault_allocator_fail(fault_allocator *f, uint64_t number, bool forever);
/* Whether an allocation has failed since the last fault_allocator_fail. */
bool fault_allocator_fired(fault_allocator *f);
uint64_t fault_allocator_calls(fault_allocator *f);
size_t fault_allocator_live(fault_allocator *f); /* blocks */
/* NULL, or the first wrong release. */
const char *fault_allocator_problem(fault_allocator *f);

#endif
