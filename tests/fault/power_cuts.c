/* Simulated power cuts after every event of a database's life: what was acknowledged is there (sync full), or at least a
 * prefix of what was begun (interval, none), never anything else. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "fault/scenario.h"
#include "platform/io_fault.h"
#include "support/testing.h"

typedef struct timeline {
    io_fault *fault;
    size_t begun[SCENARIO_TRANSACTIONS + 1];
    size_t acknowledged[SCENARIO_TRANSACTIONS + 1];
} timeline;

static void note_begun(void *context, int j)
{
    timeline *timeline = context;
    timeline->begun[j] = io_fault_events(timeline->fault);
}

static void note_acknowledged(void *context, int j)
{
    timeline *timeline = context;
    timeline->acknowledged[j] = io_fault_events(timeline->fault);
}

static void check_cut(timeline *timeline, size_t event, io_cut cut, uint64_t seed, bool full)
{
    veer_io table;
    veer_error error;
    assert_int_equal(
        io_fault_materialise(timeline->fault, event, cut, seed, memory_default(), &table, &error),
        VEER_OK);
    int least = 0, most = 0;
    for (int j = 1; j <= SCENARIO_TRANSACTIONS; j++) {
        if (full && timeline->acknowledged[j] <= event) least = j;
        if (timeline->begun[j] < event) most = j;
    }
    int state = scenario_state(&table, &error);
    /* Before the first acknowledgement the database itself may not be there yet. */
    bool unborn = state == -1 && timeline->acknowledged[1] > event &&
                  (error.status == VEER_E_NOTFOUND || error.status == VEER_E_FORMAT);
    if (!unborn && (state < least || state > most))
        fail_msg("cut %d (seed %llu) after event %zu (%d on %s): state %d, not in %d ... %d: %s",
                 (int)cut, (unsigned long long)seed, event,
                 (int)io_fault_event_call(timeline->fault, event ? event - 1 : 0),
                 io_fault_event_name(timeline->fault, event ? event - 1 : 0), state, least, most,
                 error.message);
    if (state >= 0) {
        assert_int_equal(scenario_settle(&table, &error), VEER_OK);
        int settled = scenario_state(&table, &error);
        if (settled != state)
            fail_msg("after event %zu, seed %llu: state %d became %d by a checkpoint: %s", event,
                     (unsigned long long)seed, state, settled, error.message);
    }
    io_memory_free(&table);
}

static void cuts(const char *sync, int seeds)
{
    veer_io io;
    veer_error error;
    timeline timeline = {0};
    assert_int_equal(io_memory_new(memory_default(), &io, &error), VEER_OK);
    assert_int_equal(io_fault_new(memory_default(), &io, &timeline.fault, &error), VEER_OK);
    assert_int_equal(io_fault_journal(timeline.fault, &error), VEER_OK);
    scenario run = {.io = io_fault_table(timeline.fault),
                    .sync = sync,
                    .begun = note_begun,
                    .acknowledged = note_acknowledged,
                    .context = &timeline};
    scenario_run(&run);
    assert_int_equal(run.acknowledged_count, SCENARIO_TRANSACTIONS);
    assert_false(io_fault_journal_failed(timeline.fault));
    size_t events = io_fault_events(timeline.fault), states = 0;
    bool full = sync[0] == 'f';
    for (size_t event = 0; event <= events; event++) {
        check_cut(&timeline, event, IO_CUT_NOTHING, 0, full);
        check_cut(&timeline, event, IO_CUT_EVERYTHING, 0, full);
        for (int seed = 0; seed < seeds; seed++)
            check_cut(&timeline, event, IO_CUT_RANDOM, (uint64_t)seed * 1000003u + event, full);
        states += 2 + (size_t)seeds;
    }
    print_message("power cuts, sync %s: %zu events, %zu states\n", sync, events, states);
    io_fault_free(timeline.fault);
    io_memory_free(&io);
}

static int seeds_wanted;

static void test_full(void **state)
{
    (void)state;
    cuts("full", seeds_wanted);
}

static void test_interval(void **state)
{
    (void)state;
    cuts("interval", seeds_wanted / 2);
}

static void test_none(void **state)
{
    (void)state;
    cuts("none", seeds_wanted / 2);
}

int main(int argc, char **argv)
{
    seeds_wanted = argc > 1 ? atoi(argv[1]) : 4;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
