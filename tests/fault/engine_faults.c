/* Allocations and I/O calls of a database's life fail in turn: an error or success, never a crash, a leak or a
 * lost acknowledged transaction. And the life is the same when storage has to wait.
 *
 * Every I/O call fails once. Allocations are many and come from few places: a first life notes the stack of each,
 * and of those with the same stack the first, the last and some between fail. */
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "fault/scenario.h"
#include "platform/io_fault.h"
#include "support/fault_allocator.h"
#include "support/testing.h"

static void new_memory(veer_io *io)
{
    veer_error error;
    assert_int_equal(io_memory_new(memory_default(), io, &error), VEER_OK);
}

/* The state must be what was acknowledged; where the failing transaction may have reached storage, it may be there too. */
static void check_state(const veer_io *io, const scenario *run, bool maybe_more, uint64_t n)
{
    veer_error error;
    int state = scenario_state(io, &error);
    if (!run->opened && state == -1) return; /* creating it failed: nothing was acknowledged */
    int most = maybe_more ? run->begun_count : run->acknowledged_count;
    if (state < run->acknowledged_count || state > most)
        fail_msg("fault %llu: state %d, acknowledged %d, begun %d: %s", (unsigned long long)n,
                 state, run->acknowledged_count, run->begun_count, error.message);
}

/* ---- which allocations */

#define STACK_FRAMES 30
#define CALLS_MAX 20000u
#define BETWEEN 3u /* of those with one stack, besides the first and the last */

typedef struct stacks {
    veer_allocator allocator; /* notes the stack of each call and passes it on */
    veer_allocator base;
    uint64_t hashes[CALLS_MAX];
    size_t count;
} stacks;

static uint64_t stack_hash(void)
{
    void *frames[STACK_FRAMES];
    int count = backtrace(frames, STACK_FRAMES);
    uint64_t hash = (uint64_t)count;
    for (int i = 0; i < count; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)frames[i]) * 0x9E3779B97F4A7C15u;
    return hash;
}

static void *noting_allocate(void *context, size_t bytes, size_t alignment)
{
    stacks *self = context;
    assert_true(self->count < CALLS_MAX);
    self->hashes[self->count++] = stack_hash();
    return self->base.allocate(self->base.context, bytes, alignment);
}

static void noting_release(void *context, void *memory, size_t bytes, size_t alignment)
{
    stacks *self = context;
    self->base.release(self->base.context, memory, bytes, alignment);
}

static void note_stacks(stacks *self)
{
    veer_io io;
    self->base = *memory_default();
    self->allocator = (veer_allocator){noting_allocate, noting_release, self};
    self->count = 0;
    new_memory(&io);
    scenario run = {.allocator = &self->allocator, .io = &io, .sync = "full", .retry = true};
    scenario_run(&run);
    assert_int_equal(run.failed, VEER_OK);
    io_memory_free(&io);
}

/* Whether call n is chosen, by its place among those with its stack. */
static bool is_chosen(const stacks *self, size_t n)
{
    size_t before = 0, behind = 0;
    for (size_t i = 0; i < n; i++)
        before += self->hashes[i] == self->hashes[n];
    for (size_t i = n + 1; i < self->count; i++)
        behind += self->hashes[i] == self->hashes[n];
    size_t step = (before + behind) / (BETWEEN + 1) + 1;
    return before % step == 0 || behind == 0;
}

static void allocations(bool forever)
{
    static stacks noted;
    uint64_t n = 0, points = 0;
    note_stacks(&noted);
    for (;; n++) {
        /* Calls behind the noted ones, if any, all fail. */
        if (n < noted.count && !is_chosen(&noted, n)) continue;
        points++;
        fault_allocator allocator;
        veer_io io;
        new_memory(&io);
        fault_allocator_init(&allocator);
        fault_allocator_fail(&allocator, n, forever);
        scenario run = {
            .allocator = &allocator.allocator, .io = &io, .sync = "full", .retry = !forever};
        scenario_run(&run);
        bool fired = fault_allocator_fired(&allocator);
        const char *problem = fault_allocator_fini(&allocator);
        if (problem) fail_msg("allocation %llu: %s", (unsigned long long)n, problem);
        if (run.failed != VEER_OK && run.failed != VEER_E_NOMEM)
            fail_msg("allocation %llu: the status is %s", (unsigned long long)n,
                     veer_status_name(run.failed));
        /* A single failure is over when the transaction is tried again. */
        if (!forever && run.opened) assert_int_equal(run.failed, VEER_OK);
        check_state(&io, &run, false, n);
        io_memory_free(&io);
        if (!fired) break;
    }
    print_message("allocations: %llu points of %llu\n", (unsigned long long)points,
                  (unsigned long long)n);
}

static void test_allocations_once(void **state)
{
    (void)state;
    allocations(false);
}

static void test_allocations_forever(void **state)
{
    (void)state;
    allocations(true);
}

static void io_calls(unsigned kinds, bool forever, bool partial, veer_status status)
{
    uint64_t n = 0;
    for (;; n++) {
        veer_io io;
        io_fault *fault = NULL;
        veer_error error;
        new_memory(&io);
        assert_int_equal(io_fault_new(memory_default(), &io, &fault, &error), VEER_OK);
        io_fault_plan plan = {
            .kinds = kinds, .number = n, .forever = forever, .partial = partial, .status = status};
        io_fault_fail(fault, &plan);
        scenario run = {.io = io_fault_table(fault), .sync = "full"};
        scenario_run(&run);
        bool fired = io_fault_fired(fault);
        assert_int_equal(io_fault_open_files(fault), 0);
        assert_int_equal(io_fault_maps(fault), 0);
        assert_false(io_fault_is_locked(fault));
        io_fault_fail(fault, NULL);
        check_state(io_fault_table(fault), &run, true, n);
        io_fault_free(fault);
        io_memory_free(&io);
        if (!fired) break;
    }
    print_message("I/O calls %x, %s%s%s: %llu points\n", kinds, veer_status_name(status),
                  forever ? ", from then on" : "", partial ? ", partial" : "",
                  (unsigned long long)n);
}

static void test_io_error(void **state)
{
    (void)state;
    io_calls(IO_CALLS_ALL, false, false, VEER_E_IO);
}

static void test_io_error_forever(void **state)
{
    (void)state;
    io_calls(IO_CALLS_ALL, true, false, VEER_E_IO);
}

static void test_io_full(void **state)
{
    (void)state;
    io_calls(IO_CALL_BIT(IO_CALL_WRITE) | IO_CALL_BIT(IO_CALL_OPEN), false, true, VEER_E_FULL);
    io_calls(IO_CALL_BIT(IO_CALL_WRITE) | IO_CALL_BIT(IO_CALL_OPEN), true, true, VEER_E_FULL);
}

static void test_io_sync(void **state)
{
    (void)state;
    io_calls(IO_CALL_BIT(IO_CALL_SYNC) | IO_CALL_BIT(IO_CALL_SYNC_NAMES), false, false, VEER_E_IO);
}

/* The same life where storage has to wait: every transaction is acknowledged, the last state is shown. */
static void waits(io_wait wait, uint64_t seed, bool mapped)
{
    veer_io io;
    io_fault *fault = NULL;
    veer_error error;
    new_memory(&io);
    io_memory_set_mapping(&io, mapped);
    assert_int_equal(io_fault_new(memory_default(), &io, &fault, &error), VEER_OK);
    io_fault_wait(
        fault, wait,
        IO_CALL_BIT(IO_CALL_OPEN) | IO_CALL_BIT(IO_CALL_READ) | IO_CALL_BIT(IO_CALL_REMOVE), seed);
    scenario run = {.io = io_fault_table(fault), .sync = "full"};
    scenario_run(&run);
    assert_int_equal(run.failed, VEER_OK);
    assert_int_equal(run.acknowledged_count, SCENARIO_TRANSACTIONS);
    io_fault_wait(fault, IO_WAIT_NEVER, 0, 0);
    int shown = scenario_state(io_fault_table(fault), &error);
    if (shown != SCENARIO_TRANSACTIONS) fail_msg("state %d: %s", shown, error.message);
    io_fault_free(fault);
    io_memory_free(&io);
}

static void test_waiting(void **state)
{
    (void)state;
    waits(IO_WAIT_NEVER, 0, true);
    waits(IO_WAIT_NEVER, 0, false);
    waits(IO_WAIT_FIRST, 0, false);
    for (uint64_t seed = 0; seed < 5; seed++)
        waits(IO_WAIT_RANDOM, seed, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_io_error),
        cmocka_unit_test(test_io_error_forever),
        cmocka_unit_test(test_io_full),
        cmocka_unit_test(test_io_sync),
        cmocka_unit_test(test_allocations_once),
        cmocka_unit_test(test_allocations_forever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
