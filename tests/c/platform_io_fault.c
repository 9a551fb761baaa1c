/* io_fault itself: that it fails, waits and keeps its journal as it says. What it makes of power cuts
 * is in platform_power_cuts.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "platform/io_fault.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/testing.h"

/* ---- failing */

static void ignore_name(void *argument, const char *name)
{
    (void)argument;
    (void)name;
}

/* One call of each kind; what changed nothing may be called again. */
static veer_status call_kind(const veer_io *io, void *file, io_call call, veer_error *error)
{
    char byte;
    uint64_t size;
    const void *memory;
    void *other = NULL;
    veer_status status;
    switch (call) {
    case IO_CALL_OPEN:
        status = io->open(io->context, "a", VEER_IO_READ, &other, error);
        assert_true((status == VEER_OK) == (other != NULL));
        io->close(io->context, other);
        return status;
    case IO_CALL_READ:
        return io->read(io->context, file, 0, &byte, 1, error);
    case IO_CALL_WRITE:
        return io->write(io->context, file, 0, "x", 1, error);
    case IO_CALL_SIZE:
        return io->size(io->context, file, &size, error);
    case IO_CALL_TRUNCATE:
        return io->truncate(io->context, file, 1, error);
    case IO_CALL_SYNC:
        return io->sync(io->context, file, error);
    case IO_CALL_SYNC_NAMES:
        return io->sync_names(io->context, error);
    case IO_CALL_MAP:
        status = io->map(io->context, file, 1, &memory, error);
        assert_true((status == VEER_OK) == (memory != NULL));
        if (status == VEER_OK) io->unmap(io->context, file, memory, 1);
        return status;
    case IO_CALL_REMOVE:
        status = io->remove(io->context, "b", error);
        return status == VEER_E_NOTFOUND ? VEER_OK : status;
    case IO_CALL_LIST:
        return io->list(io->context, ignore_name, NULL, error);
    default:
        status = io->lock(io->context, true, error);
        if (status == VEER_OK) io->unlock(io->context);
        return status;
    }
}

static void test_plans(void **state)
{
    veer_io base;
    io_fault *fault = test_fault_new(&base);
    const veer_io *io = io_fault_table(fault);
    void *file = test_open(io, "a", VEER_IO_CREATE);
    veer_error error = {0};
    (void)state;
    test_write_text(io, file, 0, "0");
    assert_int_equal(io_fault_open_files(fault), 1);
    for (int kind = 0; kind < IO_CALLS; kind++) {
        for (uint64_t number = 0; number < 4; number++) {
            for (int forever = 0; forever < 2; forever++) {
                io_fault_plan plan = {IO_CALL_BIT(kind), number, forever != 0, false,
                                      number % 2 ? VEER_E_IO : VEER_E_FULL};
                io_fault_fail(fault, &plan);
                for (uint64_t i = 0; i < 8; i++) {
                    bool fails = i == number || (forever && i > number);
                    /* Another kind in between is not counted. */
                    io_call other = kind == IO_CALL_SIZE ? IO_CALL_READ : IO_CALL_SIZE;
                    assert_int_equal(call_kind(io, file, other, &error), VEER_OK);
                    assert_int_equal(call_kind(io, file, (io_call)kind, &error),
                                     fails ? plan.status : VEER_OK);
                    if (fails) assert_int_equal(error.status, plan.status);
                    assert_int_equal(io_fault_fired(fault), i >= number);
                    assert_int_equal(io_fault_calls(fault), i + 1);
                }
            }
        }
    }
    io_fault_fail(fault, NULL);
    assert_int_equal(call_kind(io, file, IO_CALL_SYNC, &error), VEER_OK);
    assert_int_equal(call_kind(io, file, IO_CALL_WRITE, &error), VEER_OK);
    assert_int_equal(io_fault_calls(fault), 2);
    assert_false(io_fault_is_locked(fault));
    assert_int_equal(io->lock(io->context, false, &error), VEER_OK);
    assert_true(io_fault_is_locked(fault));
    io->unlock(io->context);
    io->close(io->context, file);
    assert_int_equal(io_fault_open_files(fault), 0);
    io_fault_free(fault);
    io_fault_free(NULL);
    io_memory_free(&base);
}

/* A failing write leaves a prefix of its bytes, never all of them, and nothing without `partial`. */
static void test_partial_writes(void **state)
{
    (void)state;
    size_t longest = 0;
    for (uint64_t number = 0; number < 40; number++) {
        veer_io base;
        io_fault *fault = test_fault_new(&base);
        const veer_io *io = io_fault_table(fault);
        void *file = test_open(io, "a", VEER_IO_CREATE);
        veer_error error;
        io_fault_plan plan = {IO_CALL_BIT(IO_CALL_WRITE), number, false, number % 4 != 0,
                              VEER_E_FULL};
        uint8_t data[100];
        uint8_t back[100] = {0};
        uint64_t size;
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)(i + 1);
        io_fault_fail(fault, &plan);
        for (uint64_t i = 0; i < number; i++) {
            assert_int_equal(io->write(io->context, file, 0, data, 0, &error), VEER_OK);
        }
        assert_int_equal(io->write(io->context, file, 0, data, sizeof data, &error), VEER_E_FULL);
        assert_int_equal(io->size(io->context, file, &size, &error), VEER_OK);
        assert_true(size < sizeof data);
        if (!plan.partial) assert_int_equal(size, 0);
        assert_int_equal(io->read(io->context, file, 0, back, (size_t)size, &error), VEER_OK);
        assert_memory_equal(back, data, (size_t)size);
        if (size > longest) longest = (size_t)size;
        io->close(io->context, file);
        io_fault_free(fault);
        io_memory_free(&base);
    }
    assert_true(longest > 50);
}

/* ---- waiting */

static void test_waiting(void **state)
{
    veer_io base;
    io_fault *fault = test_fault_new(&base);
    const veer_io *io = io_fault_table(fault);
    const io_fault_want *wants;
    veer_error error;
    void *file = &error;
    static uint8_t data[5000];
    (void)state;
    io_fault_wait(fault, IO_WAIT_FIRST, IO_CALLS_ALL, 0);

    assert_int_equal(io->open(io->context, "a", VEER_IO_CREATE, &file, &error), VEER_PENDING);
    assert_null(file);
    /* Another call is not what was waited for. */
    assert_int_equal(io->open(io->context, "b", VEER_IO_CREATE, &file, &error), VEER_PENDING);
    assert_int_equal(io->open(io->context, "a", VEER_IO_READ, &file, &error), VEER_PENDING);
    assert_int_equal(io->open(io->context, "a", VEER_IO_CREATE, &file, &error), VEER_OK);
    assert_int_equal(io->write(io->context, file, 0, data, 5000, &error), VEER_PENDING);
    uint64_t size = 1;
    assert_int_equal(io->size(io->context, file, &size, &error), VEER_OK);
    assert_int_equal(size, 0);
    assert_int_equal(io->write(io->context, file, 0, data, 5000, &error), VEER_OK);

    io_fault_wait(fault, IO_WAIT_FIRST, IO_CALL_BIT(IO_CALL_READ), 0);
    assert_int_equal(io->write(io->context, file, 5000, data, 5000, &error), VEER_OK);
    assert_int_equal(io->read(io->context, file, 10, data, 10, &error), VEER_PENDING);
    assert_int_equal(io->read(io->context, file, 10, data, 10, &error), VEER_OK);
    assert_int_equal(io->read(io->context, file, 4090, data, 6, &error), VEER_OK);
    assert_int_equal(io->read(io->context, file, 4090, data, 7, &error), VEER_PENDING);
    assert_int_equal(io->read(io->context, file, 4090, data, 7, &error), VEER_OK);
    io_fault_forget(fault);
    assert_int_equal(io->read(io->context, file, 4090, data, 7, &error), VEER_PENDING);

    size_t count = io_fault_wants(fault, &wants);
    assert_int_equal(count, 7);
    assert_int_equal(wants[0].call, IO_CALL_OPEN);
    assert_string_equal(wants[1].name, "b");
    assert_int_equal(wants[3].call, IO_CALL_WRITE);
    assert_int_equal(wants[3].bytes, 5000);
    assert_int_equal(wants[5].call, IO_CALL_READ);
    assert_int_equal(wants[5].offset, 4090);
    assert_int_equal(wants[5].bytes, 7);
    assert_string_equal(wants[5].name, "a");
    io_fault_clear_wants(fault);
    assert_int_equal(io_fault_wants(fault, &wants), 0);

    /* A new stream of an old name is not there. */
    assert_int_equal(io->read(io->context, file, 0, data, 10, &error), VEER_OK);
    io->close(io->context, file);
    io_fault_wait(fault, IO_WAIT_FIRST, IO_CALL_BIT(IO_CALL_READ) | IO_CALL_BIT(IO_CALL_REMOVE), 0);
    assert_int_equal(io->remove(io->context, "a", &error), VEER_PENDING);
    assert_int_equal(io->remove(io->context, "a", &error), VEER_OK);
    assert_int_equal(io->remove(io->context, "a", &error), VEER_PENDING);
    assert_int_equal(io->remove(io->context, "a", &error), VEER_E_NOTFOUND);
    file = test_open(io, "a", VEER_IO_CREATE);
    test_write_text(io, file, 0, "0123456789");
    assert_int_equal(io->read(io->context, file, 0, data, 10, &error), VEER_PENDING);
    assert_int_equal(io->read(io->context, file, 0, data, 10, &error), VEER_OK);
    /* A waiting call is not counted and does not fail. */
    io_fault_plan plan = {IO_CALLS_ALL, 0, false, false, VEER_E_IO};
    io_fault_forget(fault);
    io_fault_fail(fault, &plan);
    assert_int_equal(io->read(io->context, file, 0, data, 10, &error), VEER_PENDING);
    assert_false(io_fault_fired(fault));
    assert_int_equal(io->read(io->context, file, 0, data, 10, &error), VEER_E_IO);
    io->close(io->context, file);
    io_fault_free(fault);
    io_memory_free(&base);
}

/* ---- the journal */

static bool state_shows(io_fault *fault, io_cut cut, uint64_t seed, const char *name,
                        uint64_t offset, const char *text)
{
    veer_io table;
    veer_error error;
    void *file = NULL;
    char data[16] = "";
    assert_int_equal(io_fault_materialise(fault, io_fault_events(fault), cut, seed,
                                          memory_default(), &table, &error),
                     VEER_OK);
    bool shows = table.open(table.context, name, VEER_IO_READ, &file, &error) == VEER_OK &&
                 table.read(table.context, file, offset, data, strlen(text), &error) == VEER_OK &&
                 strcmp(data, text) == 0;
    table.close(table.context, file);
    io_memory_free(&table);
    return shows;
}

/* After a failed sync no later sync makes the earlier data safe, unless it is written again. */
static void test_failed_syncs(void **state)
{
    veer_io base;
    io_fault *fault = test_fault_new(&base);
    const veer_io *io = io_fault_table(fault);
    veer_error error;
    io_fault_plan sync_fails = {IO_CALL_BIT(IO_CALL_SYNC) | IO_CALL_BIT(IO_CALL_SYNC_NAMES), 0,
                                false, false, VEER_E_IO};
    (void)state;
    assert_int_equal(io_fault_journal(fault, &error), VEER_OK);
    void *file = test_open(io, "a", VEER_IO_CREATE);
    /* The name before: a failing sync_names is as bad. */
    io_fault_fail(fault, &sync_fails);
    assert_int_equal(io->sync_names(io->context, &error), VEER_E_IO);
    assert_int_equal(io->sync_names(io->context, &error), VEER_OK);
    test_write_text(io, file, 0, "first");
    assert_int_equal(io->sync(io->context, file, &error), VEER_OK);
    assert_false(state_shows(fault, IO_CUT_NOTHING, 0, "a", 0, "first"));
    assert_true(state_shows(fault, IO_CUT_EVERYTHING, 0, "a", 0, "first"));
    io->close(io->context, file);
    assert_int_equal(io->remove(io->context, "a", &error), VEER_OK);
    file = test_open(io, "a", VEER_IO_CREATE);
    assert_int_equal(io->sync_names(io->context, &error), VEER_OK);
    test_write_text(io, file, 0, "first");
    assert_int_equal(io->sync(io->context, file, &error), VEER_OK);
    assert_true(state_shows(fault, IO_CUT_NOTHING, 0, "a", 0, "first"));

    test_write_text(io, file, 0, "other");
    test_write_text(io, file, 1024, "third");
    io_fault_fail(fault, &sync_fails);
    assert_int_equal(io->sync(io->context, file, &error), VEER_E_IO);
    assert_int_equal(io->sync(io->context, file, &error), VEER_OK);
    assert_true(state_shows(fault, IO_CUT_NOTHING, 0, "a", 0, "first"));
    assert_true(state_shows(fault, IO_CUT_EVERYTHING, 0, "a", 0, "other"));
    assert_true(state_shows(fault, IO_CUT_EVERYTHING, 0, "a", 1024, "third"));
    size_t others = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        bool first = state_shows(fault, IO_CUT_RANDOM, seed, "a", 0, "first");
        bool other = state_shows(fault, IO_CUT_RANDOM, seed, "a", 0, "other");
        assert_true(first != other);
        others += other;
    }
    assert_true(others > 20 && others < 180);
    /* Written again and synced: safe. A whole sector comes with it, as from a page cache. */
    test_write_text(io, file, 1024, "third");
    assert_int_equal(io->sync(io->context, file, &error), VEER_OK);
    for (uint64_t seed = 0; seed < 50; seed++) {
        assert_true(state_shows(fault, IO_CUT_RANDOM, seed, "a", 1024, "third"));
    }
    assert_true(state_shows(fault, IO_CUT_NOTHING, 0, "a", 0, "first"));
    test_write_text(io, file, 8, "+");
    assert_int_equal(io->sync(io->context, file, &error), VEER_OK);
    assert_true(state_shows(fault, IO_CUT_NOTHING, 0, "a", 0, "other"));
    io->close(io->context, file);
    io_fault_free(fault);
    io_memory_free(&base);
}

static void test_journal_rules(void **state)
{
    veer_io base;
    veer_io table;
    io_fault *fault = test_fault_new(&base);
    const veer_io *io = io_fault_table(fault);
    veer_error error;
    (void)state;
    assert_int_equal(
        io_fault_materialise(fault, 0, IO_CUT_NOTHING, 0, memory_default(), &table, &error),
        VEER_E_INVALID);
    void *file = test_open(io, "wal.0", VEER_IO_CREATE);
    assert_int_equal(io_fault_journal(fault, &error), VEER_E_BUSY);
    io->close(io->context, file);
    assert_int_equal(io_fault_journal(fault, &error), VEER_OK);
    file = test_open(io, "wal.0", VEER_IO_WRITE);
    test_write_text(io, file, 0, "x");
    assert_int_equal(io->write(io->context, file, 0, "", 0, &error), VEER_OK);
    assert_int_equal(io->sync(io->context, file, &error), VEER_OK);
    assert_int_equal(io->truncate(io->context, file, 9, &error), VEER_OK);
    assert_int_equal(io->sync_names(io->context, &error), VEER_OK);
    assert_int_equal(io->remove(io->context, "wal.0", &error), VEER_OK);
    assert_int_equal(io->remove(io->context, "wal.0", &error), VEER_E_NOTFOUND);
    static const io_call calls[] = {IO_CALL_WRITE, IO_CALL_SYNC, IO_CALL_TRUNCATE,
                                    IO_CALL_SYNC_NAMES, IO_CALL_REMOVE};
    assert_int_equal(io_fault_events(fault), TEST_COUNT(calls));
    for (size_t i = 0; i < TEST_COUNT(calls); i++) {
        assert_int_equal(io_fault_event_call(fault, i), calls[i]);
        assert_string_equal(io_fault_event_name(fault, i),
                            calls[i] == IO_CALL_SYNC_NAMES ? "" : "wal.0");
    }
    /* A removed stream that is still open may be written; nothing of it survives. */
    test_write_text(io, file, 0, "y");
    io->close(io->context, file);
    assert_false(io_fault_journal_failed(fault));
    io_fault_free(fault);
    io_memory_free(&base);
}

/* Shortage of memory for the journal itself: said, never half a journal, no leak. */
static void test_journal_without_memory(void **state)
{
    bool fired = true;
    (void)state;
    for (uint64_t n = 0; fired; n++) {
        fault_allocator memory;
        veer_io base;
        veer_io table;
        io_fault *fault = NULL;
        void *file = NULL;
        veer_error error;
        veer_status status;
        fault_allocator_init(&memory);
        assert_int_equal(io_memory_new(memory_default(), &base, &error), VEER_OK);
        file = test_open(&base, "old", VEER_IO_CREATE);
        test_write_text(&base, file, 0, "old");
        base.close(base.context, file);
        file = NULL;
        fault_allocator_fail(&memory, n, true);
        VEER_GOTO(io_fault_new(&memory.allocator, &base, &fault, &error));
        VEER_GOTO(io_fault_journal(fault, &error));
        const veer_io *io = io_fault_table(fault);
        VEER_GOTO(io->open(io->context, "a", VEER_IO_CREATE, &file, &error));
        for (uint64_t i = 0; i < 6; i++) {
            VEER_GOTO(io->write(io->context, file, i * 500, "data", 4, &error));
            if (i == 3) VEER_GOTO(io->sync(io->context, file, &error));
        }
        VEER_GOTO(io->sync_names(io->context, &error));
        status = io_fault_materialise(fault, io_fault_events(fault), IO_CUT_RANDOM, 1,
                                      memory_default(), &table, &error);
        /* A journal that is not whole is of no use, and refuses. */
        if (io_fault_journal_failed(fault)) {
            assert_int_equal(status, VEER_E_INVALID);
            status = VEER_E_NOMEM;
        }
        if (status == VEER_OK) io_memory_free(&table);
    done:
        fired = fault_allocator_fired(&memory);
        assert_int_equal(status, fired ? VEER_E_NOMEM : VEER_OK);
        if (file != NULL) io_fault_table(fault)->close(io_fault_table(fault)->context, file);
        io_fault_free(fault);
        io_memory_free(&base);
        assert_null(fault_allocator_fini(&memory));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),         cmocka_unit_test(test_partial_writes),
        cmocka_unit_test(test_waiting),       cmocka_unit_test(test_failed_syncs),
        cmocka_unit_test(test_journal_rules), cmocka_unit_test(test_journal_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
