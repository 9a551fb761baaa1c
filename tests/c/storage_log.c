/* The store as a whole: random transactions, checkpoints and merges against a model, over every
 * kind of table and in every sync mode, reopened at random points; creation; what recovery
 * reports. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "storage_mini.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/testing.h"

static void ok(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) print_message("status %d: %s\n", (int)status, error->message);
    assert_int_equal(status, VEER_OK);
}

/* ---- random operations */

static void random_run(io_table *table, store_sync sync, uint64_t seed, size_t operations)
{
    mini m;
    rng random;
    store_options options = mini_options(sync);
    options.sync_interval_ms = seed % 2 == 0 ? 0 : 1e9;
    rng_init(&random, seed);
    uint64_t n = 0;
    ok(mini_open(&m, memory_default(), table->io, &options), &m.error);
    for (size_t i = 0; i < operations; i++) {
        uint64_t kind = rng_below(&random, 100);
        veer_status status = VEER_OK;
        if (kind < 70) {
            size_t count = 1 + (size_t)rng_below(&random, kind < 3 ? 40 : 4);
            status = mini_append(&m, count);
            n += count;
        } else if (kind < 76) {
            status = mini_switch(&m);
        } else if (kind < 82) {
            status = mini_checkpoint(&m, kind % 2 == 0);
        } else if (kind < 86) {
            status = mini_merge(&m);
        } else if (kind < 90) {
            while ((status = store_sync_log(m.store, &m.error)) == VEER_PENDING)
                m.waits++;
        } else {
            ok(mini_close(&m), &m.error);
            status = mini_open(&m, memory_default(), table->io, &options);
            if (status == VEER_OK) {
                assert_int_equal(store_recovery(m.store)->dropped_bytes, 0);
                assert_false(store_recovery(m.store)->superblock_repaired);
                assert_int_equal(store_recovery(m.store)->messages_count, 0);
            }
        }
        ok(status, &m.error);
        assert_int_equal(m.n, n);
    }
    store_usage usage;
    store_get_usage(m.store, &usage);
    assert_int_equal(usage.meta_bytes, 8192);
    assert_true(usage.wal_bytes >= 4096);
    ok(mini_close(&m), &m.error);
    uint64_t found;
    veer_error error;
    ok(mini_count(memory_default(), table->io, &found, &error), &error);
    assert_int_equal(found, n);
}

static void random_operations(void **state)
{
    (void)state;
    for (int kind = 0; kind < TABLE_KINDS; kind++) {
        for (int sync = STORE_SYNC_FULL; sync <= STORE_SYNC_NONE; sync++) {
            io_table table;
            io_table_make(&table, (io_table_kind)kind);
            random_run(&table, (store_sync)sync, (uint64_t)(kind * 3 + sync + 1), 120);
            if (table.fault != NULL) {
                assert_int_equal(io_fault_open_files(table.fault), 0);
                assert_int_equal(io_fault_maps(table.fault), 0);
            }
            io_table_end(&table);
        }
    }
}

/* ---- creation and what is no database */

static veer_status try_open(const veer_io *io, bool create, bool readonly, veer_error *error)
{
    store *opened = NULL;
    store_options options = mini_options(STORE_SYNC_FULL);
    options.create = create;
    options.readonly = readonly;
    veer_status status = store_open(memory_default(), io, &options, 7, &opened, error);
    assert_true((status == VEER_OK) == (opened != NULL));
    veer_error ignored;
    (void)store_close(opened, &ignored);
    return status;
}

static void put_stream(const veer_io *io, const char *name, const void *data, size_t bytes)
{
    void *file;
    veer_error error;
    assert_int_equal(io->open(io->context, name, VEER_IO_WRITE | VEER_IO_CREATE, &file, &error), 0);
    assert_int_equal(io->write(io->context, file, 0, data, bytes, &error), 0);
    io->close(io->context, file);
}

static void creation(void **state)
{
    (void)state;
    io_table table;
    veer_error error;
    io_table_make(&table, TABLE_MEMORY);
    assert_int_equal(try_open(table.io, false, false, &error), VEER_E_NOTFOUND);
    assert_int_equal(try_open(table.io, true, true, &error), VEER_E_NOTFOUND);
    assert_int_equal(try_open(table.io, true, false, &error), VEER_OK);
    assert_int_equal(try_open(table.io, false, false, &error), VEER_OK);
    assert_int_equal(try_open(table.io, false, true, &error), VEER_OK);
    /* Without meta: nothing to lose as long as nothing was written. */
    assert_int_equal(table.io->remove(table.io->context, "meta", &error), VEER_OK);
    assert_int_equal(try_open(table.io, false, false, &error), VEER_E_NOTFOUND);
    assert_non_null(strstr(error.message, "never finished"));
    assert_int_equal(try_open(table.io, true, false, &error), VEER_OK);
    io_table_end(&table);
}

static void damaged_meta_never_opens_empty(void **state)
{
    (void)state;
    static const uint8_t zeros[8192];
    for (int what = 0; what < 4; what++) {
        io_table table;
        veer_error error;
        mini m;
        void *file;
        store_options options = mini_options(STORE_SYNC_FULL);
        io_table_make(&table, TABLE_MEMORY);
        const veer_io *io = table.io;
        ok(mini_open(&m, memory_default(), io, &options), &m.error);
        ok(mini_append(&m, 3), &m.error);
        if (what >= 2) ok(mini_checkpoint(&m, false), &m.error);
        ok(mini_close(&m), &m.error);
        if (what % 2 == 0) {
            assert_int_equal(io->remove(io->context, "meta", &error), VEER_OK);
        } else {
            assert_int_equal(io->open(io->context, "meta", VEER_IO_WRITE, &file, &error), VEER_OK);
            assert_int_equal(io->write(io->context, file, 0, zeros, sizeof zeros, &error), 0);
            io->close(io->context, file);
        }
        assert_int_equal(try_open(io, true, false, &error), VEER_E_CORRUPT);
        assert_int_equal(try_open(io, false, true, &error), VEER_E_CORRUPT);
        io_table_end(&table);
    }
}

static void foreign_tables(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
    } cases[] = {
        {"notes.txt", "hello"},          {"meta", "hello, this is mine"}, {"wal.0", "my own wal"},
        {"cat.1", "a picture of a cat"}, {"seg.1", "whatever"},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        io_table table;
        veer_error error;
        io_table_make(&table, TABLE_MEMORY);
        put_stream(table.io, cases[i].name, cases[i].text, strlen(cases[i].text));
        veer_status status = try_open(table.io, true, false, &error);
        assert_true(status == VEER_E_FORMAT || status == VEER_E_CORRUPT);
        assert_true(error.message[0] != 0);
        /* Nothing was touched. */
        void *file;
        char read[64] = {0};
        assert_int_equal(
            table.io->open(table.io->context, cases[i].name, VEER_IO_READ, &file, &error), VEER_OK);
        assert_int_equal(
            table.io->read(table.io->context, file, 0, read, strlen(cases[i].text), &error),
            VEER_OK);
        assert_string_equal(read, cases[i].text);
        table.io->close(table.io->context, file);
        io_table_end(&table);
    }
}

/* A half-written creation, at every event of it, is created when asked and is no database else. */
static void creation_at_every_cut(void **state)
{
    (void)state;
    veer_io base;
    io_fault *fault;
    veer_error error;
    assert_int_equal(io_memory_new(memory_default(), &base, &error), VEER_OK);
    assert_int_equal(io_fault_new(memory_default(), &base, &fault, &error), VEER_OK);
    assert_int_equal(io_fault_journal(fault, &error), VEER_OK);
    assert_int_equal(try_open(io_fault_table(fault), true, false, &error), VEER_OK);
    size_t events = io_fault_events(fault);
    bool opened_last = false;
    for (size_t event = 0; event <= events; event++) {
        for (uint64_t seed = 0; seed < 40; seed++) {
            veer_io cut;
            io_cut how = seed == 0 ? IO_CUT_NOTHING : seed == 1 ? IO_CUT_EVERYTHING : IO_CUT_RANDOM;
            assert_int_equal(
                io_fault_materialise(fault, event, how, seed, memory_default(), &cut, &error),
                VEER_OK);
            veer_status status = try_open(&cut, false, false, &error);
            assert_true(status == VEER_OK || status == VEER_E_NOTFOUND);
            assert_int_equal(try_open(&cut, true, false, &error), VEER_OK);
            assert_int_equal(try_open(&cut, false, false, &error), VEER_OK);
            opened_last = status == VEER_OK;
            if (event == events) assert_true(opened_last);
            io_memory_free(&cut);
        }
    }
    io_fault_free(fault);
    io_memory_free(&base);
}

/* ---- appending */

static void limits_of_append(void **state)
{
    (void)state;
    io_table table;
    mini m;
    uint64_t lsn = 99;
    store_options options = mini_options(STORE_SYNC_NONE);
    io_table_make(&table, TABLE_MEMORY);
    ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
    store_part part = {"x", (size_t)66 << 20};
    store_append_record record = {.parts = &part, .parts_count = 1};
    assert_int_equal(store_append(m.store, &record, 1, &lsn, &m.error), VEER_E_LIMIT);
    assert_int_equal(lsn, 0);
    part.bytes = 1;
    record.flags = 0x4000;
    assert_int_equal(store_append(m.store, &record, 1, &lsn, &m.error), VEER_E_INVALID);
    record.flags = 0x0fff;
    assert_int_equal(store_append(m.store, &record, 0, &lsn, &m.error), VEER_E_INVALID);
    assert_int_equal(store_append(m.store, &record, 1, &lsn, &m.error), VEER_OK);
    assert_int_equal(lsn, 1);
    record.parts_count = 0;
    assert_int_equal(store_append(m.store, &record, 1, &lsn, &m.error), VEER_OK);
    assert_int_equal(lsn, 2);
    assert_int_equal(store_commit(m.store, "", 0, NULL, 0, true, &m.error), VEER_OK);
    assert_int_equal(store_recovery(m.store)->checkpoint_lsn, 0);
    assert_int_equal(store_switch_log(m.store, &lsn, &m.error), VEER_OK);
    assert_int_equal(lsn, 2);
    assert_int_equal(store_switch_log(m.store, &lsn, &m.error), VEER_E_BUSY);
    ok(mini_close(&m), &m.error);
    options.readonly = true;
    store *opened = NULL;
    ok(store_open(memory_default(), table.io, &options, 1, &opened, &m.error), &m.error);
    assert_true(store_checkpoint_under_way(opened));
    assert_int_equal(store_boundary(opened), 2);
    assert_int_equal(store_append(opened, &record, 1, &lsn, &m.error), VEER_E_READONLY);
    ok(store_close(opened, &m.error), &m.error);
    io_table_end(&table);
}

/* A full disk is undone and leaves the store writable; a failed sync does not. */
static void full_and_failed_sync(void **state)
{
    (void)state;
    io_table table;
    mini m;
    store_options options = mini_options(STORE_SYNC_FULL);
    io_table_make(&table, TABLE_FAULT_MEMORY);
    ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
    ok(mini_append(&m, 5), &m.error);
    for (uint64_t number = 0; number < 3; number++) {
        io_fault_plan full = {.kinds = IO_CALL_BIT(IO_CALL_WRITE),
                              .number = number,
                              .partial = number % 2 == 0,
                              .status = VEER_E_FULL};
        io_fault_fail(table.fault, &full);
        veer_status status = mini_append(&m, 30);
        assert_int_equal(status, io_fault_fired(table.fault) ? VEER_E_FULL : VEER_OK);
        io_fault_fail(table.fault, NULL);
        assert_false(store_is_readonly(m.store));
        ok(mini_append(&m, 2), &m.error);
    }
    uint64_t n = m.n;
    io_fault_plan sync = {.kinds = IO_CALL_BIT(IO_CALL_SYNC), .status = VEER_E_IO};
    io_fault_fail(table.fault, &sync);
    assert_int_equal(mini_append(&m, 1), VEER_E_IO);
    io_fault_fail(table.fault, NULL);
    assert_true(store_is_readonly(m.store));
    assert_int_equal(mini_append(&m, 1), VEER_E_READONLY);
    assert_int_equal(mini_checkpoint(&m, false), VEER_E_READONLY);
    ok(mini_close(&m), &m.error);
    uint64_t found;
    ok(mini_count(memory_default(), table.io, &found, &m.error), &m.error);
    assert_true(found == n || found == n + 1);
    io_table_end(&table);
}

/* When undoing fails too, or a superblock may be half written, the store is read-only. */
static void unknown_states_poison(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        io_table table;
        mini m;
        veer_status status;
        store_options options = mini_options(STORE_SYNC_FULL);
        io_table_make(&table, TABLE_FAULT_MEMORY);
        ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
        ok(mini_append(&m, 5), &m.error);
        ok(mini_checkpoint(&m, false), &m.error);
        ok(mini_append(&m, 5), &m.error);
        io_fault_plan plan = {.forever = true, .status = VEER_E_FULL};
        plan.kinds = IO_CALL_BIT(IO_CALL_WRITE);
        if (what == 0) {
            plan.kinds |= IO_CALL_BIT(IO_CALL_TRUNCATE);
            io_fault_fail(table.fault, &plan);
            status = mini_append(&m, 1);
        } else {
            /* The writes of a commit without streams: the catalogue, then two slots. */
            plan.number = (uint64_t)what;
            io_fault_fail(table.fault, &plan);
            status = store_commit(m.store, "", 0, NULL, 0, false, &m.error);
        }
        assert_int_equal(status, VEER_E_FULL);
        assert_true(store_is_readonly(m.store));
        io_fault_fail(table.fault, NULL);
        assert_int_equal(mini_append(&m, 1), VEER_E_READONLY);
        assert_non_null(strstr(m.error.message, "after a failure"));
        assert_int_equal(store_commit(m.store, "", 0, NULL, 0, false, &m.error), VEER_E_READONLY);
        ok(mini_close(&m), &m.error);
        io_table_end(&table);
    }
}

/* How many syncs a mode costs. */
static void sync_modes(void **state)
{
    (void)state;
    static const struct {
        store_sync mode;
        double interval;
        uint64_t syncs;
    } cases[] = {
        {STORE_SYNC_FULL, 0, 10},
        {STORE_SYNC_INTERVAL, 1e9, 0},
        {STORE_SYNC_INTERVAL, 0, 10},
        {STORE_SYNC_NONE, 0, 0},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        io_table table;
        mini m;
        store_options options = mini_options(cases[i].mode);
        options.sync_interval_ms = cases[i].interval;
        io_table_make(&table, TABLE_FAULT_MEMORY);
        ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
        io_fault_plan count = {.kinds = IO_CALL_BIT(IO_CALL_SYNC), .number = UINT64_MAX};
        io_fault_fail(table.fault, &count);
        for (int j = 0; j < 10; j++)
            ok(mini_append(&m, 1), &m.error);
        assert_int_equal(io_fault_calls(table.fault), cases[i].syncs);
        ok(store_sync_log(m.store, &m.error), &m.error);
        uint64_t due = cases[i].syncs == 0 ? 1 : 0;
        assert_int_equal(io_fault_calls(table.fault), cases[i].syncs + due);
        ok(mini_append(&m, 1), &m.error);
        ok(mini_close(&m), &m.error);
        io_table_end(&table);
    }
}

/* ---- reports */

static uint64_t stream_bytes(const veer_io *io, const char *name)
{
    void *file;
    uint64_t bytes;
    veer_error error;
    assert_int_equal(io->open(io->context, name, VEER_IO_READ, &file, &error), VEER_OK);
    assert_int_equal(io->size(io->context, file, &bytes, &error), VEER_OK);
    io->close(io->context, file);
    return bytes;
}

static void cut_stream(const veer_io *io, const char *name, uint64_t bytes)
{
    void *file;
    veer_error error;
    assert_int_equal(io->open(io->context, name, VEER_IO_WRITE, &file, &error), VEER_OK);
    assert_int_equal(io->truncate(io->context, file, bytes, &error), VEER_OK);
    io->close(io->context, file);
}

static void torn_tail_is_reported_and_cut(void **state)
{
    (void)state;
    io_table table;
    mini m;
    store_options options = mini_options(STORE_SYNC_FULL);
    io_table_make(&table, TABLE_MEMORY);
    ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
    ok(mini_append(&m, 1), &m.error);
    uint64_t before = stream_bytes(table.io, "wal.0");
    ok(mini_append(&m, 3), &m.error);
    ok(mini_close(&m), &m.error);
    uint64_t after = stream_bytes(table.io, "wal.0");
    cut_stream(table.io, "wal.0", after - 1);
    ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
    const store_report *report = store_recovery(m.store);
    assert_int_equal(m.n, 1);
    assert_int_equal(report->dropped_bytes, after - 1 - before);
    assert_int_equal(report->dropped_records, 2);
    assert_int_equal(report->messages_count, 1);
    assert_int_equal(report->last_lsn, 1);
    /* Reading left it as it was; writing cuts it. */
    assert_int_equal(stream_bytes(table.io, "wal.0"), after - 1);
    ok(mini_append(&m, 1), &m.error);
    ok(mini_close(&m), &m.error);
    ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
    assert_int_equal(m.n, 2);
    assert_int_equal(store_recovery(m.store)->dropped_bytes, 0);
    ok(mini_close(&m), &m.error);
    io_table_end(&table);
}

/* Bytes of an earlier use of the file are never taken for records. */
static void recycled_log(void **state)
{
    (void)state;
    io_table table;
    mini m;
    veer_error error;
    store_options options = mini_options(STORE_SYNC_FULL);
    io_table_make(&table, TABLE_MEMORY);
    const veer_io *io = table.io;
    ok(mini_open(&m, memory_default(), io, &options), &m.error);
    ok(mini_append(&m, 20), &m.error);
    uint64_t bytes = stream_bytes(io, "wal.0");
    uint8_t *old = memory_array(memory_default(), bytes, 1);
    void *file;
    assert_int_equal(io->open(io->context, "wal.0", VEER_IO_WRITE, &file, &error), VEER_OK);
    assert_int_equal(io->read(io->context, file, 0, old, bytes, &error), VEER_OK);
    ok(mini_checkpoint(&m, false), &m.error); /* wal.1 */
    ok(mini_append(&m, 2), &m.error);
    ok(mini_checkpoint(&m, false), &m.error); /* wal.0 again */
    ok(mini_append(&m, 2), &m.error);
    uint64_t now = stream_bytes(io, "wal.0");
    ok(mini_close(&m), &m.error);
    /* As if the cut had been lost: old records behind the new ones. */
    assert_true(now < bytes);
    assert_int_equal(io->write(io->context, file, now, old + now, bytes - now, &error), VEER_OK);
    ok(mini_open(&m, memory_default(), io, &options), &m.error);
    assert_int_equal(m.n, 24);
    assert_int_equal(store_recovery(m.store)->dropped_bytes, bytes - now);
    ok(mini_close(&m), &m.error);
    /* The whole old file in place of the new one is not the superblock's. */
    assert_int_equal(io->write(io->context, file, 0, old, bytes, &error), VEER_OK);
    assert_int_equal(try_open(io, false, false, &error), VEER_E_CORRUPT);
    io->close(io->context, file);
    memory_array_free(memory_default(), old, bytes, 1);
    io_table_end(&table);
}

static void append_text(store *to, const char *text)
{
    uint64_t lsn;
    veer_error error;
    store_part part = {text, strlen(text)};
    store_append_record record = {.parts = &part, .parts_count = 1};
    ok(store_append(to, &record, 1, &lsn, &error), &error);
}

static veer_status join_text(void *context, const store_record *record, veer_error *error)
{
    (void)error;
    strncat(context, (const char *)record->data, record->bytes);
    return VEER_OK;
}

/* A record of an abandoned end of the log, in the place of the one that was written over it, is
 * valid by itself; what follows it belongs to the other history and must not be joined to it. */
static void two_histories(void **state)
{
    (void)state;
    io_table table;
    store *opened;
    veer_error error;
    uint8_t old[48];
    void *file;
    char texts[100] = "";
    store_options options = mini_options(STORE_SYNC_NONE);
    io_table_make(&table, TABLE_MEMORY);
    const veer_io *io = table.io;
    ok(store_open(memory_default(), io, &options, 5, &opened, &error), &error);
    append_text(opened, "first---");
    append_text(opened, "old-----");
    ok(store_close(opened, &error), &error);
    assert_int_equal(io->open(io->context, "wal.0", VEER_IO_WRITE, &file, &error), VEER_OK);
    assert_int_equal(io->read(io->context, file, 4096 + 48, old, sizeof old, &error), VEER_OK);
    assert_int_equal(io->truncate(io->context, file, 4096 + 48, &error), VEER_OK);
    ok(store_open(memory_default(), io, &options, 5, &opened, &error), &error);
    append_text(opened, "new-----");
    append_text(opened, "newer---");
    ok(store_close(opened, &error), &error);
    assert_int_equal(io->write(io->context, file, 4096 + 48, old, sizeof old, &error), VEER_OK);
    io->close(io->context, file);
    options.readonly = true;
    ok(store_open(memory_default(), io, &options, 5, &opened, &error), &error);
    ok(store_replay(opened, join_text, texts, &error), &error);
    assert_string_equal(texts, "first---old-----");
    assert_int_equal(store_recovery(opened)->dropped_bytes, 48);
    ok(store_close(opened, &error), &error);
    io_table_end(&table);
}

/* A log that belongs to a later generation than the superblock. */
static void log_newer_than_superblock(void **state)
{
    (void)state;
    io_table table;
    mini m;
    veer_error error;
    uint8_t meta[8192];
    void *file;
    store_options options = mini_options(STORE_SYNC_FULL);
    io_table_make(&table, TABLE_MEMORY);
    const veer_io *io = table.io;
    ok(mini_open(&m, memory_default(), io, &options), &m.error);
    ok(mini_append(&m, 4), &m.error);
    ok(mini_merge(&m), &m.error);
    assert_int_equal(io->open(io->context, "meta", VEER_IO_WRITE, &file, &error), VEER_OK);
    assert_int_equal(io->read(io->context, file, 0, meta, sizeof meta, &error), VEER_OK);
    char name[65];
    snprintf(name, sizeof name, "cat.%llu", (unsigned long long)store_generation(m.store));
    uint8_t *kept = memory_array(memory_default(), 4096, 1);
    uint64_t kept_bytes = stream_bytes(io, name);
    void *cat;
    assert_int_equal(io->open(io->context, name, VEER_IO_READ, &cat, &error), VEER_OK);
    assert_int_equal(io->read(io->context, cat, 0, kept, kept_bytes, &error), VEER_OK);
    io->close(io->context, cat);
    for (int i = 0; i < 2; i++) {
        ok(mini_append(&m, 4), &m.error);
        ok(mini_checkpoint(&m, false), &m.error);
    }
    ok(mini_append(&m, 4), &m.error);
    ok(mini_close(&m), &m.error);
    /* An old meta, and the catalogue that it names, copied back. */
    assert_int_equal(io->write(io->context, file, 0, meta, sizeof meta, &error), VEER_OK);
    io->close(io->context, file);
    put_stream(io, name, kept, kept_bytes);
    assert_int_equal(try_open(io, false, false, &error), VEER_E_CORRUPT);
    assert_non_null(strstr(error.message, "newer than the superblock"));
    memory_array_free(memory_default(), kept, 4096, 1);
    io_table_end(&table);
}

/* RELOG records count only when the older file is gone. */
static void relog_records(void **state)
{
    (void)state;
    io_table table;
    mini m;
    store_options options = mini_options(STORE_SYNC_FULL);
    io_table_make(&table, TABLE_MEMORY);
    ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
    ok(mini_append(&m, 10), &m.error);
    ok(mini_switch(&m), &m.error);
    ok(mini_relog(&m), &m.error);
    ok(mini_append(&m, 1), &m.error);
    ok(mini_close(&m), &m.error);
    ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
    assert_int_equal(store_recovery(m.store)->wal_records, 11);
    assert_int_equal(store_boundary(m.store), 10);
    assert_int_equal(store_last_lsn(m.store), 16);
    m.relogged = true; /* they still are, in the newer file */
    ok(mini_seal(&m), &m.error);
    ok(mini_close(&m), &m.error);
    ok(mini_open(&m, memory_default(), table.io, &options), &m.error);
    assert_int_equal(m.n, 11);
    assert_int_equal(store_recovery(m.store)->wal_records, 6);
    assert_int_equal(store_recovery(m.store)->checkpoint_lsn, 10);
    ok(mini_close(&m), &m.error);
    io_table_end(&table);
}

static void take_problem(void *context, const char *stream, const char *text)
{
    size_t *problems = context;
    assert_non_null(stream);
    assert_true(strlen(text) > 10 && text[strlen(text) - 1] == '.');
    (*problems)++;
}

static bool count_progress(void *context, uint64_t done, uint64_t total)
{
    assert_true(done <= total);
    (*(size_t *)context)++;
    return true;
}

static void check_and_orphans(void **state)
{
    (void)state;
    io_table table;
    mini m;
    size_t problems = 0;
    size_t steps = 0;
    veer_error error;
    store_options options = mini_options(STORE_SYNC_FULL);
    io_table_make(&table, TABLE_MEMORY);
    const veer_io *io = table.io;
    ok(mini_open(&m, memory_default(), io, &options), &m.error);
    for (int i = 0; i < 3; i++) {
        ok(mini_append(&m, 40), &m.error);
        ok(mini_checkpoint(&m, false), &m.error);
    }
    ok(mini_close(&m), &m.error);
    ok(store_check(memory_default(), io, take_problem, &problems, count_progress, &steps, &error),
       &error);
    assert_int_equal(problems, 0);
    assert_int_equal(steps, 3);
    put_stream(io, "seg.77", "left over", 9);
    put_stream(io, "cat.99", "left over", 9);
    put_stream(io, "holiday.jpg", "mine", 4);
    ok(store_check(memory_default(), io, take_problem, &problems, NULL, NULL, &error), &error);
    assert_int_equal(problems, 1);
    ok(mini_open(&m, memory_default(), io, &options), &m.error);
    ok(mini_close(&m), &m.error);
    problems = 0;
    ok(store_check(memory_default(), io, take_problem, &problems, NULL, NULL, &error), &error);
    assert_int_equal(problems, 1); /* the picture stays */
    assert_int_equal(stream_bytes(io, "holiday.jpg"), 4);
    io_table_end(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation),
        cmocka_unit_test(damaged_meta_never_opens_empty),
        cmocka_unit_test(foreign_tables),
        cmocka_unit_test(creation_at_every_cut),
        cmocka_unit_test(limits_of_append),
        cmocka_unit_test(full_and_failed_sync),
        cmocka_unit_test(unknown_states_poison),
        cmocka_unit_test(two_histories),
        cmocka_unit_test(sync_modes),
        cmocka_unit_test(torn_tail_is_reported_and_cut),
        cmocka_unit_test(recycled_log),
        cmocka_unit_test(log_newer_than_superblock),
        cmocka_unit_test(relog_records),
        cmocka_unit_test(check_and_orphans),
        cmocka_unit_test(random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
