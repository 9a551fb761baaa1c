/* Call number N fails, for N = 0, 1, ... until none does: I/O calls in several ways, and
 * allocations. The program goes on as far as it can. Afterwards every acknowledged number is
 * there, nobody leaks, and a power cut at the end changes nothing of that. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "storage_mini.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/testing.h"

typedef struct outcome {
    uint64_t safe;  /* acknowledged */
    uint64_t tried; /* the most that can be there */
    size_t failures;
    veer_status first; /* failure */
} outcome;

static bool step(outcome *out, mini *m, veer_status status)
{
    if (status == VEER_OK) return true;
    if (m->error.message[0] == 0 || mini_is_wrong(&m->error)) {
        print_message("status %d: '%s'\n", (int)status, m->error.message);
        fail();
    }
    if (out->failures++ == 0) out->first = status;
    return false;
}

static bool append(outcome *out, mini *m, size_t count)
{
    if (m->n + count > out->tried) out->tried = m->n + count;
    if (!step(out, m, mini_append(m, count))) return false;
    if (m->n > out->safe) out->safe = m->n; /* what was only found when opening is no promise */
    return true;
}

/* Open, write, checkpoint, merge, close, reopen, write. Goes on after failures while it can. */
static outcome scenario(const veer_allocator *allocator, const veer_io *io, store_sync sync)
{
    outcome out = {0};
    mini m;
    store_options options = mini_options(sync);
    if (!step(&out, &m, mini_open(&m, allocator, io, &options))) return out;
    (void)append(&out, &m, 3);
    (void)append(&out, &m, 12);
    (void)step(&out, &m, mini_checkpoint(&m, true));
    (void)append(&out, &m, 2);
    (void)step(&out, &m, mini_switch(&m));
    (void)append(&out, &m, 2);
    (void)step(&out, &m, mini_checkpoint(&m, false));
    (void)step(&out, &m, mini_merge(&m));
    (void)append(&out, &m, 1);
    (void)step(&out, &m, store_sync_log(m.store, &m.error));
    veer_status closed = mini_close(&m);
    (void)step(&out, &m, closed);
    if (!step(&out, &m, mini_open(&m, allocator, io, &options))) return out;
    (void)append(&out, &m, 2);
    (void)step(&out, &m, mini_checkpoint(&m, false));
    (void)append(&out, &m, 1);
    closed = mini_close(&m);
    (void)step(&out, &m, closed);
    return out;
}

static void count_between(const veer_io *io, const outcome *out, const char *what, uint64_t number)
{
    uint64_t n;
    veer_error error;
    veer_status status = mini_count(memory_default(), io, &n, &error);
    if (status == VEER_E_NOTFOUND && out->safe == 0) return;
    if (status == VEER_OK && n >= out->safe && n <= out->tried) return;
    print_message("%s, number %llu: status %d, %llu numbers of %llu to %llu: %s\n", what,
                  (unsigned long long)number, (int)status, (unsigned long long)n,
                  (unsigned long long)out->safe, (unsigned long long)out->tried,
                  status == VEER_OK ? "" : error.message);
    fail();
}

/* ---- I/O */

static void fail_each_call(const char *what, io_fault_plan plan, store_sync sync)
{
    for (plan.number = 0;; plan.number++) {
        io_table table;
        veer_error error;
        io_table_make(&table, TABLE_FAULT_MEMORY);
        assert_int_equal(io_fault_journal(table.fault, &error), VEER_OK);
        io_fault_fail(table.fault, &plan);
        outcome out = scenario(memory_default(), table.io, sync);
        bool fired = io_fault_fired(table.fault);
        io_fault_fail(table.fault, NULL);
        assert_int_equal(io_fault_open_files(table.fault), 0);
        assert_int_equal(io_fault_maps(table.fault), 0);
        if (!fired) assert_int_equal(out.failures, 0);
        count_between(table.io, &out, what, plan.number);
        /* A power cut now. In the weaker modes the end may be lost. */
        for (uint64_t seed = 0; seed < 3; seed++) {
            veer_io cut;
            outcome kept = out;
            if (sync != STORE_SYNC_FULL) kept.safe = 0;
            assert_int_equal(io_fault_materialise(table.fault, io_fault_events(table.fault),
                                                  seed == 0 ? IO_CUT_NOTHING : IO_CUT_RANDOM, seed,
                                                  memory_default(), &cut, &error),
                             VEER_OK);
            count_between(&cut, &kept, what, plan.number);
            io_memory_free(&cut);
        }
        /* And it can be written again, whatever the failure has left half-safe. */
        mini m;
        store_options options = mini_options(sync);
        size_t first = io_fault_events(table.fault);
        veer_status status = mini_open(&m, memory_default(), table.io, &options);
        assert_int_equal(status, VEER_OK);
        assert_int_equal(mini_append(&m, 1), VEER_OK);
        assert_int_equal(mini_checkpoint(&m, false), VEER_OK);
        out.tried = m.n > out.tried ? m.n : out.tried;
        assert_int_equal(mini_close(&m), VEER_OK);
        if (sync != STORE_SYNC_FULL) out.safe = 0;
        for (size_t event = first; event <= io_fault_events(table.fault); event++) {
            veer_io cut;
            assert_int_equal(io_fault_materialise(table.fault, event,
                                                  event % 2 == 0 ? IO_CUT_NOTHING : IO_CUT_RANDOM,
                                                  plan.number + event, memory_default(), &cut,
                                                  &error),
                             VEER_OK);
            if (event == io_fault_events(table.fault)) out.safe = m.n; /* a checkpoint is safe */
            count_between(&cut, &out, what, plan.number);
            io_memory_free(&cut);
        }
        io_table_end(&table);
        if (!fired) break;
    }
    assert_true(plan.number > 3);
}

static void io_calls_fail(void **state)
{
    (void)state;
    for (int sync = STORE_SYNC_FULL; sync <= STORE_SYNC_NONE; sync += 2) {
        for (int forever = 0; forever < 2; forever++) {
            io_fault_plan plan = {.forever = forever != 0};
            /* A name that no sync made safe, and that cannot be removed either, is beyond help. */
            plan.kinds = IO_CALLS_ALL & ~(forever ? IO_CALL_BIT(IO_CALL_REMOVE) : 0);
            plan.status = VEER_E_IO;
            fail_each_call("every call", plan, (store_sync)sync);
            plan.kinds = IO_CALL_BIT(IO_CALL_WRITE) | IO_CALL_BIT(IO_CALL_OPEN);
            plan.status = VEER_E_FULL;
            fail_each_call("full", plan, (store_sync)sync);
            plan.kinds = IO_CALL_BIT(IO_CALL_WRITE);
            plan.partial = true;
            fail_each_call("short write, full", plan, (store_sync)sync);
            plan.status = VEER_E_IO;
            fail_each_call("short write, error", plan, (store_sync)sync);
            plan.partial = false;
            plan.kinds = IO_CALL_BIT(IO_CALL_SYNC) | IO_CALL_BIT(IO_CALL_SYNC_NAMES);
            fail_each_call("sync", plan, (store_sync)sync);
            plan.kinds = IO_CALL_BIT(IO_CALL_TRUNCATE) | IO_CALL_BIT(IO_CALL_WRITE);
            fail_each_call("write, then cutting off", plan, (store_sync)sync);
        }
    }
}

/* ---- memory */

static void allocations_fail(void **state)
{
    (void)state;
    for (int mapped = 0; mapped < 2; mapped++) {
        for (int forever = 0; forever < 2; forever++) {
            for (uint64_t number = 0;; number++) {
                io_table table;
                fault_allocator faults;
                io_table_make(&table, mapped ? TABLE_MEMORY : TABLE_MEMORY_UNMAPPED);
                fault_allocator_init(&faults);
                fault_allocator_fail(&faults, number, forever != 0);
                outcome out = scenario(&faults.allocator, table.io, STORE_SYNC_FULL);
                bool fired = fault_allocator_fired(&faults);
                const char *problem = fault_allocator_fini(&faults);
                if (problem != NULL) print_message("number %d: %s\n", (int)number, problem);
                assert_null(problem);
                if (out.failures > 0) assert_int_equal(out.first, VEER_E_NOMEM);
                if (!fired) assert_int_equal(out.failures, 0);
                count_between(table.io, &out, "allocation", number);
                io_table_end(&table);
                if (!fired) break;
            }
        }
    }
}

/* ---- waiting: the same result, whatever waits */

static void waiting_changes_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        io_table table;
        io_table_make(&table, TABLE_FAULT_WAITING);
        io_wait wait = seed == 0 ? IO_WAIT_FIRST : IO_WAIT_RANDOM;
        io_fault_wait(table.fault, wait,
                      IO_CALL_BIT(IO_CALL_OPEN) | IO_CALL_BIT(IO_CALL_READ) |
                          IO_CALL_BIT(IO_CALL_WRITE) | IO_CALL_BIT(IO_CALL_REMOVE),
                      seed);
        outcome out = scenario(memory_default(), table.io, (store_sync)(seed % 3));
        assert_int_equal(out.failures, 0);
        assert_int_equal(out.safe, 23);
        assert_int_equal(io_fault_open_files(table.fault), 0);
        io_fault_wait(table.fault, IO_WAIT_NEVER, 0, 0);
        uint64_t n;
        veer_error error;
        assert_int_equal(mini_count(memory_default(), table.io, &n, &error), VEER_OK);
        assert_int_equal(n, 23);
        io_table_end(&table);
    }
}

/* An append that waits in the middle, and then another one in its place: only that one is there. */
static void abandoned_append(void **state)
{
    (void)state;
    static uint8_t large[600000];
    for (int longer = 0; longer < 2; longer++) {
        io_table table;
        store *opened = NULL;
        veer_error error;
        uint64_t lsn;
        store_options options = mini_options(STORE_SYNC_FULL);
        io_table_make(&table, TABLE_FAULT_WAITING);
        io_fault_wait(table.fault, IO_WAIT_NEVER, 0, 0);
        assert_int_equal(store_open(memory_default(), table.io, &options, 3, &opened, &error), 0);
        memset(large, 1, sizeof large);
        store_part parts[2] = {{large, 300000}, {large, 200000}};
        store_append_record record = {.parts = parts, .parts_count = 2};
        io_fault_wait(table.fault, IO_WAIT_FIRST, IO_CALL_BIT(IO_CALL_WRITE), 1);
        int waits = 0;
        while (waits < 2) {
            assert_int_equal(store_append(opened, &record, 1, &lsn, &error), VEER_PENDING);
            waits++;
        }
        memset(large, 2, sizeof large);
        parts[0].bytes = longer ? 600000 : 100;
        parts[1].bytes = 7;
        veer_status status;
        while ((status = store_append(opened, &record, 1, &lsn, &error)) == VEER_PENDING)
            waits++;
        assert_int_equal(status, VEER_OK);
        assert_int_equal(lsn, 1);
        io_fault_wait(table.fault, IO_WAIT_NEVER, 0, 0);
        assert_int_equal(store_close(opened, &error), VEER_OK);
        options.readonly = true;
        assert_int_equal(store_open(memory_default(), table.io, &options, 3, &opened, &error), 0);
        assert_int_equal(store_recovery(opened)->dropped_bytes, 0);
        assert_int_equal(store_recovery(opened)->wal_records, 1);
        uint64_t expected = 4096 + 40 + ((longer ? 600007 : 107) + 7) / 8 * 8;
        assert_int_equal(store_wal_bytes(opened), expected);
        assert_int_equal(store_close(opened, &error), VEER_OK);
        io_table_end(&table);
    }
}

/* A commit that waits, and then another one: whichever step it waited at, the other one stands. */
static void abandoned_commit(void **state)
{
    (void)state;
    bool finished = false;
    for (int calls = 1; !finished; calls++) {
        io_table table;
        store *opened = NULL;
        veer_error error;
        uint64_t lsn;
        store_options options = mini_options(STORE_SYNC_FULL);
        io_table_make(&table, TABLE_FAULT_WAITING);
        io_fault_wait(table.fault, IO_WAIT_NEVER, 0, 0);
        assert_int_equal(store_open(memory_default(), table.io, &options, 3, &opened, &error), 0);
        store_append_record record = {0};
        assert_int_equal(store_append(opened, &record, 1, &lsn, &error), VEER_OK);
        assert_int_equal(store_switch_log(opened, &lsn, &error), VEER_OK);
        io_fault_wait(table.fault, IO_WAIT_FIRST,
                      IO_CALL_BIT(IO_CALL_WRITE) | IO_CALL_BIT(IO_CALL_OPEN), 1);
        veer_status status = VEER_PENDING;
        for (int i = 0; i < calls && status == VEER_PENDING; i++)
            status = store_commit(opened, "one", 3, NULL, 0, true, &error);
        finished = status == VEER_OK;
        bool recycle = store_checkpoint_under_way(opened);
        while ((status = store_commit(opened, "other", 5, NULL, 0, recycle, &error)) ==
               VEER_PENDING)
            continue;
        assert_int_equal(status, VEER_OK);
        assert_false(store_checkpoint_under_way(opened));
        io_fault_wait(table.fault, IO_WAIT_NEVER, 0, 0);
        uint64_t generation = store_generation(opened);
        assert_int_equal(store_close(opened, &error), VEER_OK);
        assert_int_equal(store_open(memory_default(), table.io, &options, 3, &opened, &error), 0);
        const void *payload;
        size_t bytes;
        store_catalogue(opened, &payload, &bytes);
        assert_int_equal(bytes, 5);
        assert_memory_equal(payload, "other", 5);
        assert_int_equal(store_generation(opened), generation);
        assert_int_equal(store_recovery(opened)->checkpoint_lsn, 1);
        assert_int_equal(store_recovery(opened)->messages_count, 0);
        assert_int_equal(store_close(opened, &error), VEER_OK);
        io_table_end(&table);
        assert_true(calls < 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abandoned_append),        cmocka_unit_test(abandoned_commit),
        cmocka_unit_test(waiting_changes_nothing), cmocka_unit_test(allocations_fail),
        cmocka_unit_test(io_calls_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
