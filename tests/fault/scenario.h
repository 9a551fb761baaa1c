/* A short life of a database, for fault tests: transactions whose states are known in advance, with checkpoints, merges,
 * background work and a reopening between them.
 *
 * State j is what the first j transactions leave. After any fault a database must show a state of that list: at least as
 * far as acknowledged, at most as far as begun.
 */
#ifndef VEER_TESTS_FAULT_SCENARIO_H
#define VEER_TESTS_FAULT_SCENARIO_H

#include "veer.h"

#define SCENARIO_TRANSACTIONS 24
#define SCENARIO_IDS 40

typedef struct scenario {
    const veer_allocator *allocator; /* NULL: the platform's */
    const veer_io *io;
    const char *sync; /* "full", "interval", "none" */
    /* Called when transaction j has been begun and when it has been acknowledged. */
    void (*begun)(void *context, int j);
    void (*acknowledged)(void *context, int j);
    void *context;
    int acknowledged_count; /* out: transactions that returned VEER_OK, in order from the first */
    int begun_count;        /* out */
    veer_status failed;     /* out: of the first transaction that failed, or VEER_OK */
    bool retry;             /* a transaction that failed is tried once more */
    bool opened;            /* out: the database was opened at least once */
} scenario;

/* Runs until the end or the first transaction that (after its retry) fails. Everything that it opened is closed.
 * A call that answers VEER_PENDING is made again. */
void scenario_run(scenario *scenario);
/* Opens the database of `io` and says which state it shows: 0 ... SCENARIO_TRANSACTIONS; -1: it does
 * not open, or -3: it opens and a read fails (`error` says why); -2: none of the states (the message
 * says what differs). Also searches and filters, so that every part is touched. */
int scenario_state(const veer_io *io, veer_error *error);
/* Opens it, ends what was under way, seals and merges everything, closes it: its state must not change by that. */
veer_status scenario_settle(const veer_io *io, veer_error *error);

#endif
