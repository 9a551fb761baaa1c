/* Power cuts: after every event of random runs, what may be on storage is opened again. In mode
 * `full` every acknowledged number is there; in the others everything up to the last sync; in
 * all of them the content is a prefix, and the database goes on from it. Cuts during the
 * recovery from cuts are among them. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "platform/io_fault.h"
#include "storage_mini.h"
#include "support/testing.h"

#define MARKS_MAX 4096

/* What the program knew after how many events. */
typedef struct mark {
    size_t events;
    uint64_t safe;  /* numbers that must be there from now on */
    uint64_t tried; /* numbers that may be there */
} mark;

typedef struct run {
    veer_io base;
    io_fault *fault;
    mark marks[MARKS_MAX];
    size_t marks_count;
    store_sync sync;
    uint64_t safe;
} run;

static void set_mark(run *r, uint64_t safe, uint64_t tried)
{
    assert_true(r->marks_count < MARKS_MAX);
    r->marks[r->marks_count++] = (mark){io_fault_events(r->fault), safe, tried};
    r->safe = safe;
}

static void must(veer_status status, const mini *m)
{
    if (status != VEER_OK) print_message("status %d: %s\n", (int)status, m->error.message);
    assert_int_equal(status, VEER_OK);
}

/* Random operations on an open database; marks before and after each. */
static void work(run *r, mini *m, rng *random, size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        uint64_t kind = rng_below(random, 100);
        if (kind < 60) {
            size_t count = 1 + (size_t)rng_below(random, kind < 4 ? 30 : 3);
            set_mark(r, r->safe, m->n + count);
            must(mini_append(m, count), m);
            set_mark(r, r->sync == STORE_SYNC_FULL ? m->n : r->safe, m->n);
        } else if (kind < 70) {
            bool was_under_way = store_checkpoint_under_way(m->store);
            must(mini_switch(m), m);
            if (!was_under_way) set_mark(r, m->n, m->n); /* else it did nothing */
        } else if (kind < 82) {
            must(mini_checkpoint(m, kind % 2 == 0), m);
            set_mark(r, m->n, m->n);
        } else if (kind < 90) {
            must(mini_merge(m), m);
            set_mark(r, m->n, m->n); /* a commit syncs the log */
        } else if (kind < 95) {
            must(store_sync_log(m->store, &m->error), m);
            set_mark(r, m->n, m->n);
        } else {
            store_options options = mini_options(r->sync);
            must(mini_close(m), m);
            must(mini_open(m, memory_default(), io_fault_table(r->fault), &options), m);
        }
    }
}

static void bounds_at(const run *r, size_t event, uint64_t *safe, uint64_t *tried)
{
    *safe = 0;
    *tried = 0;
    for (size_t i = 0; i < r->marks_count; i++) {
        if (r->marks[i].events > event) break;
        *safe = r->marks[i].safe;
        *tried = r->marks[i].tried;
    }
}

static void start(run *r, store_sync sync, const veer_io *base)
{
    veer_error error;
    memset(r, 0, sizeof *r);
    r->sync = sync;
    r->base = *base;
    assert_int_equal(io_fault_new(memory_default(), base, &r->fault, &error), VEER_OK);
    assert_int_equal(io_fault_journal(r->fault, &error), VEER_OK);
}

static void end(run *r)
{
    assert_int_equal(io_fault_open_files(r->fault), 0);
    assert_false(io_fault_journal_failed(r->fault));
    io_fault_free(r->fault);
}

/* Opens what a cut left, for reading and then for writing; returns how many numbers there are. */
static uint64_t reopen(const veer_io *cut, uint64_t safe, uint64_t tried, const char *what)
{
    uint64_t n = 0;
    veer_error error;
    veer_status status = mini_count(memory_default(), cut, &n, &error);
    if (status == VEER_E_NOTFOUND && safe == 0) return 0; /* cut while it was created */
    if (status != VEER_OK || n < safe || n > tried) {
        print_message("%s: status %d, %llu numbers, %llu safe, %llu tried: %s\n", what, (int)status,
                      (unsigned long long)n, (unsigned long long)safe, (unsigned long long)tried,
                      status == VEER_OK ? "" : error.message);
        fail();
    }
    return n;
}

/* Goes on from a cut: a few operations, read back. With `nested`, cuts at every event of these. */
static size_t go_on(const veer_io *cut, uint64_t n, uint64_t seed, store_sync sync, bool nested)
{
    run second;
    rng random;
    mini m;
    size_t states = 0;
    store_options options = mini_options(sync);
    rng_init(&random, seed);
    start(&second, sync, cut);
    second.safe = 0; /* what the first program was told may have been lost in the weaker modes */
    uint64_t before = n;
    must(mini_open(&m, memory_default(), io_fault_table(second.fault), &options), &m);
    assert_true(m.n >= before);
    set_mark(&second, sync == STORE_SYNC_FULL ? before : 0, m.n);
    work(&second, &m, &random, 4);
    uint64_t now = m.n;
    must(mini_close(&m), &m);
    size_t events = io_fault_events(second.fault);
    for (size_t event = 0; nested && event <= events; event++) {
        uint64_t safe, tried;
        veer_io again;
        veer_error error;
        bounds_at(&second, event, &safe, &tried);
        assert_int_equal(io_fault_materialise(second.fault, event, IO_CUT_RANDOM, seed + event,
                                              memory_default(), &again, &error),
                         VEER_OK);
        (void)reopen(&again, safe, tried > before ? tried : before, "cut after a cut");
        io_memory_free(&again);
        states++;
    }
    assert_int_equal(reopen(io_fault_table(second.fault), now, now, "after a cut"), now);
    end(&second);
    return states;
}

static size_t cuts(store_sync sync, uint64_t seed, size_t operations, size_t seeds_each)
{
    static run r;
    rng random;
    mini m;
    veer_io base;
    veer_error error;
    size_t states = 0;
    store_options options = mini_options(sync);
    assert_int_equal(io_memory_new(memory_default(), &base, &error), VEER_OK);
    rng_init(&random, seed);
    start(&r, sync, &base);
    set_mark(&r, 0, 0);
    must(mini_open(&m, memory_default(), io_fault_table(r.fault), &options), &m);
    work(&r, &m, &random, operations);
    must(mini_close(&m), &m);
    size_t events = io_fault_events(r.fault);
    for (size_t event = 0; event <= events; event++) {
        uint64_t safe, tried;
        bounds_at(&r, event, &safe, &tried);
        for (uint64_t cut_seed = 0; cut_seed < seeds_each; cut_seed++) {
            veer_io cut;
            char what[100];
            io_cut how = cut_seed == 0   ? IO_CUT_NOTHING
                         : cut_seed == 1 ? IO_CUT_EVERYTHING
                                         : IO_CUT_RANDOM;
            assert_int_equal(io_fault_materialise(r.fault, event, how, cut_seed * 7919 + event,
                                                  memory_default(), &cut, &error),
                             VEER_OK);
            snprintf(what, sizeof what, "mode %d seed %llu event %zu of %zu cut %llu", (int)sync,
                     (unsigned long long)seed, event, events, (unsigned long long)cut_seed);
            uint64_t n = reopen(&cut, safe, tried, what);
            states++;
            if (cut_seed >= 2)
                states += go_on(&cut, n, seed + event, sync, (event + cut_seed) % 16 == 0);
            io_memory_free(&cut);
        }
    }
    end(&r);
    io_memory_free(&base);
    return states;
}

static void every_cut(store_sync sync)
{
    size_t states = 0;
    for (uint64_t seed = 1; seed <= 6; seed++)
        states += cuts(sync, seed, 25, 4);
    print_message("%zu states\n", states);
    assert_true(states > 2000);
}

static void mode_full(void **state)
{
    (void)state;
    every_cut(STORE_SYNC_FULL);
}

static void mode_interval(void **state)
{
    (void)state;
    every_cut(STORE_SYNC_INTERVAL);
}

static void mode_none(void **state)
{
    (void)state;
    every_cut(STORE_SYNC_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mode_full),
        cmocka_unit_test(mode_interval),
        cmocka_unit_test(mode_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
