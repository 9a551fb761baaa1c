/* An I/O table for tests: passes everything to another table, and on the way
 *
 *   fails      call number N of chosen kinds, once or from then on, also after a part of a write
 *   waits      answers VEER_PENDING as browser storage or HTTP ranges would
 *   remembers  a journal of what was done and what was synced, from which it makes the contents
 *              that storage may have after the power was cut at any moment
 *
 * Linked into tests only. Threads: any; all calls go one after the other.
 */
#ifndef VEER_PLATFORM_IO_FAULT_H
#define VEER_PLATFORM_IO_FAULT_H

#include "platform/io.h"

typedef enum io_call {
    IO_CALL_OPEN, /* creating included */
    IO_CALL_READ,
    IO_CALL_WRITE,
    IO_CALL_SIZE,
    IO_CALL_TRUNCATE,
    IO_CALL_SYNC,
    IO_CALL_SYNC_NAMES,
    IO_CALL_MAP,
    IO_CALL_REMOVE,
    IO_CALL_LIST,
    IO_CALL_LOCK,
    IO_CALLS
} io_call;
#define IO_CALL_BIT(call) (1u << (call))
#define IO_CALLS_ALL ((1u << IO_CALLS) - 1)
#define IO_CALLS_CHANGING                                                                     \
    (IO_CALL_BIT(IO_CALL_OPEN) | IO_CALL_BIT(IO_CALL_WRITE) | IO_CALL_BIT(IO_CALL_TRUNCATE) | \
     IO_CALL_BIT(IO_CALL_SYNC) | IO_CALL_BIT(IO_CALL_SYNC_NAMES) | IO_CALL_BIT(IO_CALL_REMOVE))

typedef struct io_fault io_fault;

/* `base` is copied and must outlive the fault; its own `free` is the caller's. A base without map
 * gives a table without map. `allocator` holds the journal: give memory_default(), not one that
 * fails. */
veer_status io_fault_new(const veer_allocator *allocator, const veer_io *base, io_fault **fault,
                         veer_error *error);
/* Every file must be closed. */
void io_fault_free(io_fault *fault);
/* The table to hand out; valid until io_fault_free. */
const veer_io *io_fault_table(const io_fault *fault);
/* Files that are open now: a test's check for leaks. */
size_t io_fault_open_files(const io_fault *fault);
/* Whether the lock is held, and maps that are not unmapped. */
bool io_fault_is_locked(const io_fault *fault);
size_t io_fault_maps(const io_fault *fault);

/* ---- failing */

typedef struct io_fault_plan {
    unsigned kinds;     /* of IO_CALL_BIT: only these are counted and fail */
    uint64_t number;    /* the call that fails; 0 is the next */
    bool forever;       /* and all counted calls after it */
    bool partial;       /* a failing write first writes a part, of a length that `number` chooses */
    veer_status status; /* VEER_E_IO, VEER_E_FULL, ... */
} io_fault_plan;

/* Counting starts anew. NULL: nothing fails, every call is counted. A failing sync does not sync,
 * and what was written before it stays unsafe for ever, also when a later sync succeeds (unless it
 * is written again): as Linux drops dirty pages after an error. A failing create, remove, truncate or
 * lock does nothing. */
void io_fault_fail(io_fault *fault, const io_fault_plan *plan);
/* Calls counted since then, and whether one has failed. */
uint64_t io_fault_calls(const io_fault *fault);
bool io_fault_fired(const io_fault *fault);

/* ---- waiting */

typedef enum io_wait {
    IO_WAIT_NEVER,
    IO_WAIT_FIRST,  /* whatever is not there yet waits once */
    IO_WAIT_RANDOM, /* whatever is not there yet waits once or is there by chance */
} io_wait;

/* `kinds`: of OPEN, READ, WRITE, REMOVE. What is read is "there" in pages of 4096 bytes, which stay
 * (until io_fault_forget); written pages are not there by that. An open that waited works from
 * then on, a create, write or remove once, when it is called again with the same arguments. */
void io_fault_wait(io_fault *fault, io_wait wait, unsigned kinds, uint64_t seed);
/* All pages are gone, all waiting calls are forgotten. */
void io_fault_forget(io_fault *fault);

/* What waiting calls asked for, in order; of open and remove offset and bytes are 0. */
typedef struct io_fault_want {
    io_call call;
    char name[IO_NAME_BYTES_MAX + 1];
    uint64_t offset;
    uint64_t bytes;
} io_fault_want;
size_t io_fault_wants(const io_fault *fault, const io_fault_want **wants);
void io_fault_clear_wants(io_fault *fault);

/* ---- power cuts */

/* Begins a journal. What the base holds now counts as synced. No file may be open (VEER_E_BUSY). */
veer_status io_fault_journal(io_fault *fault, veer_error *error);
/* Events so far: every create, write, truncate, sync, sync_names and remove that had an effect.
 * "After event E" below means that the first E events have happened. A test keeps the count at which
 * a batch was acknowledged: every cut from there on must show the batch. */
size_t io_fault_events(const io_fault *fault);
/* What event `event` was, 0 <= event < io_fault_events. */
io_call io_fault_event_call(const io_fault *fault, size_t event);
const char *io_fault_event_name(const io_fault *fault, size_t event);
/* Shortage of memory for the journal, if there was one: the journal is then of no use. */
bool io_fault_journal_failed(const io_fault *fault);

typedef enum io_cut {
    IO_CUT_NOTHING,    /* of what was not synced, nothing survives */
    IO_CUT_EVERYTHING, /* all of it survives */
    IO_CUT_RANDOM,     /* some of it does, by `seed` */
} io_cut;

/* Makes `table` (a new one of io_memory; the caller frees it) hold what storage may hold after a
 * power cut after event `event`. Synced data is there. Of each stream's data that was not synced every
 * sector of 512 bytes is as the last sync left it or as any later write left it, independently of
 * other sectors and of the stream's size, which is likewise any that it had since. Each name means
 * what it meant at the last sync_names or at any later time, independently of other names and of
 * the data. The seed chooses also how much of this happens: in order or not, whole writes or
 * sectors, few losses or many. Cheapest in the order of rising `event`. */
veer_status io_fault_materialise(io_fault *fault, size_t event, io_cut cut, uint64_t seed,
                                 const veer_allocator *allocator, veer_io *table,
                                 veer_error *error);

#endif
