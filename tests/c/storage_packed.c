/* The packed form: a backup holds what the database held, opens in place over any table, is
 * refused when it is damaged, never carries damage on, and leaves nothing when it fails. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "storage/packed.h"
#include "storage_mini.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/testing.h"

#define NAME "backup.veer"

static const uint8_t new_id[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6};

static void ok(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) print_message("status %d: %s\n", (int)status, error->message);
    assert_int_equal(status, VEER_OK);
}

/* A database with segments and a log. */
static void fill(mini *m, const veer_io *io, const veer_allocator *allocator)
{
    store_options options = mini_options(STORE_SYNC_FULL);
    ok(mini_open(m, allocator, io, &options), &m->error);
    ok(mini_append(m, 30), &m->error);
    ok(mini_checkpoint(m, false), &m->error);
    ok(mini_append(m, 10), &m->error);
    ok(mini_checkpoint(m, true), &m->error);
    ok(mini_append(m, 9), &m->error);
}

/* The unsealed numbers, in transactions of a few. */
static veer_status append_unsealed(mini *m, packed_writer *writer, veer_error *error)
{
    static uint8_t bytes[8][70000];
    store_part parts[8];
    store_append_record records[8];
    size_t n = 0;
    veer_status status = VEER_OK;
    for (uint64_t value = 0; value <= m->n && status == VEER_OK; value++) {
        if (value < m->n && !m->sealed[value]) {
            parts[n] = (store_part){bytes[n], mini_payload(value, bytes[n])};
            records[n] =
                (store_append_record){.flags = STORE_RELOG, .parts = &parts[n], .parts_count = 1};
            n++;
        }
        if (n == 0 || (n < 5 && value < m->n)) continue;
        while ((status = packed_writer_append(writer, records, n, error)) == VEER_PENDING)
            m->waits++;
        n = 0;
    }
    return status;
}

static veer_status backup(mini *m, const veer_allocator *allocator, const veer_io *to,
                          uint64_t checkpoint_lsn, veer_error *error)
{
    packed_writer *writer = NULL;
    uint8_t payload[16];
    veer_status status;
    while ((status = packed_writer_new(allocator, to, NAME, new_id, &writer, error)) ==
           VEER_PENDING)
        m->waits++;
    for (size_t i = 0; i < m->streams_count && status == VEER_OK; i++) {
        while ((status = packed_writer_copy(writer, m->store, &m->streams[i], NULL, NULL, error)) ==
               VEER_PENDING)
            m->waits++;
    }
    if (status == VEER_OK) status = append_unsealed(m, writer, error);
    store_u64(payload, m->next_segment);
    store_u64(payload + 8, m->streams_count);
    if (status == VEER_OK) {
        while ((status = packed_writer_finish(writer, payload, sizeof payload, checkpoint_lsn,
                                              error)) == VEER_PENDING)
            m->waits++;
    }
    if (status != VEER_OK) packed_writer_abort(writer);
    return status;
}

/* Opens the packed file and compares its content. */
static veer_status count_packed(const veer_allocator *allocator, const veer_io *parent, uint64_t *n,
                                uint64_t *checkpoint_lsn, veer_error *error)
{
    veer_io io;
    veer_status status;
    *n = 0;
    while ((status = packed_io_new(allocator, parent, NAME, &io, error)) == VEER_PENDING)
        continue;
    if (status != VEER_OK) return status;
    mini m;
    store_options options = mini_options(STORE_SYNC_FULL);
    options.create = false;
    options.readonly = true;
    status = mini_open(&m, allocator, &io, &options);
    *error = m.error;
    if (status == VEER_OK) {
        *n = m.n;
        if (checkpoint_lsn != NULL) {
            *checkpoint_lsn = store_recovery(m.store)->checkpoint_lsn;
            assert_int_equal(store_recovery(m.store)->messages_count, 0);
            assert_memory_equal(store_id(m.store), new_id, 16);
        }
        status = mini_close(&m);
    }
    packed_io_free(&io);
    return status;
}

static void ignore_problem(void *context, const char *stream, const char *text)
{
    (void)stream;
    (void)text;
    (*(size_t *)context)++;
}

static void round_trip(void **state)
{
    (void)state;
    for (int from = 0; from < TABLE_KINDS; from++) {
        for (int to = 0; to < TABLE_KINDS; to++) {
            mini m;
            io_table source, target;
            veer_error error;
            uint64_t n, checkpoint_lsn;
            uint64_t lsn = to % 2 == 0 ? 0 : 1000 + (uint64_t)to;
            io_table_make(&source, (io_table_kind)from);
            io_table_make(&target, (io_table_kind)to);
            fill(&m, source.io, memory_default());
            ok(backup(&m, memory_default(), target.io, lsn, &error), &error);
            ok(count_packed(memory_default(), target.io, &n, &checkpoint_lsn, &error), &error);
            assert_int_equal(n, m.n);
            assert_int_equal(checkpoint_lsn, lsn);
            packed_writer *again;
            veer_status status;
            while ((status = packed_writer_new(memory_default(), target.io, NAME, new_id, &again,
                                               &error)) == VEER_PENDING)
                continue;
            assert_int_equal(status, VEER_E_EXISTS);
            ok(mini_close(&m), &m.error);
            if (target.fault != NULL) assert_int_equal(io_fault_open_files(target.fault), 0);
            if (target.fault != NULL) assert_int_equal(io_fault_maps(target.fault), 0);
            io_table_end(&source);
            io_table_end(&target);
        }
    }
}

/* The table is read-only in every respect, and check finds nothing. */
static void read_only_table(void **state)
{
    (void)state;
    mini m;
    io_table table;
    veer_io io;
    veer_error error;
    void *file;
    const veer_allocator *allocator = memory_default();
    size_t problems = 0;
    io_table_make(&table, TABLE_MEMORY);
    fill(&m, table.io, allocator);
    ok(backup(&m, allocator, table.io, 5, &error), &error);
    ok(mini_close(&m), &m.error);
    ok(packed_io_new(allocator, table.io, NAME, &io, &error), &error);
    assert_int_equal(io.open(io.context, "wal.0", VEER_IO_WRITE, &file, &error), VEER_E_READONLY);
    assert_int_equal(io.open(io.context, "new", VEER_IO_CREATE, &file, &error), VEER_E_READONLY);
    assert_int_equal(io.open(io.context, "wal.1", VEER_IO_READ, &file, &error), VEER_E_NOTFOUND);
    assert_int_equal(io.remove(io.context, "wal.0", &error), VEER_E_READONLY);
    assert_int_equal(io.lock(io.context, true, &error), VEER_E_READONLY);
    assert_int_equal(io.lock(io.context, false, &error), VEER_OK);
    io.unlock(io.context);
    assert_int_equal(io.open(io.context, "meta", VEER_IO_READ, &file, &error), VEER_OK);
    uint8_t byte;
    assert_int_equal(io.read(io.context, file, 8192, &byte, 1, &error), VEER_E_CORRUPT);
    assert_int_equal(io.write(io.context, file, 0, &byte, 1, &error), VEER_E_READONLY);
    assert_int_equal(io.truncate(io.context, file, 0, &error), VEER_E_READONLY);
    io.close(io.context, file);
    ok(store_check(allocator, &io, ignore_problem, &problems, NULL, NULL, &error), &error);
    assert_int_equal(problems, 0);
    store_options options = mini_options(STORE_SYNC_FULL);
    store *opened = NULL;
    assert_int_equal(store_open(allocator, &io, &options, 1, &opened, &error), VEER_E_READONLY);
    packed_io_free(&io);
    io_table_end(&table);
}

static void foreign_files(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 10, 4095, 4096, 10000};
    static uint8_t zeros[10000];
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        io_table table;
        veer_io io;
        veer_error error;
        void *file;
        io_table_make(&table, TABLE_MEMORY);
        const veer_io *parent = table.io;
        assert_int_equal(packed_io_new(memory_default(), parent, NAME, &io, &error),
                         VEER_E_NOTFOUND);
        assert_int_equal(
            parent->open(parent->context, NAME, VEER_IO_WRITE | VEER_IO_CREATE, &file, &error), 0);
        assert_int_equal(parent->write(parent->context, file, 0, zeros, sizes[i], &error), 0);
        parent->close(parent->context, file);
        assert_int_equal(packed_io_new(memory_default(), parent, NAME, &io, &error), VEER_E_FORMAT);
        io_table_end(&table);
    }
}

/* Records larger than any buffer, renumbered. */
static void large_records(void **state)
{
    (void)state;
    const veer_allocator *allocator = memory_default();
    io_table table;
    veer_io io;
    veer_error error;
    packed_writer *writer;
    uint8_t *large = memory_array(allocator, 3000000, 1);
    io_table_make(&table, TABLE_MEMORY_UNMAPPED);
    ok(packed_writer_new(allocator, table.io, NAME, new_id, &writer, &error), &error);
    for (size_t i = 0; i < 5; i++) {
        store_part parts[2] = {{"small", 5}, {large, 700000 * i}};
        store_append_record records[2] = {{.parts = parts, .parts_count = 1},
                                          {.parts = parts, .parts_count = 2}};
        ok(packed_writer_append(writer, records, 2, &error), &error);
    }
    ok(packed_writer_finish(writer, NULL, 0, 77, &error), &error);
    ok(packed_io_new(allocator, table.io, NAME, &io, &error), &error);
    store *opened = NULL;
    store_options options = {.readonly = true};
    ok(store_open(allocator, &io, &options, 1, &opened, &error), &error);
    assert_int_equal(store_recovery(opened)->wal_records, 10);
    assert_int_equal(store_recovery(opened)->last_lsn, 87);
    assert_int_equal(store_recovery(opened)->dropped_bytes, 0);
    ok(store_close(opened, &error), &error);
    packed_io_free(&io);
    memory_array_free(allocator, large, 3000000, 1);
    io_table_end(&table);
}

/* Every byte and every length of a packed file. */
static void damage(void **state)
{
    (void)state;
    mini m;
    io_table table;
    veer_error error;
    void *file;
    uint64_t size, n;
    size_t refused = 0;
    io_table_make(&table, TABLE_MEMORY);
    const veer_io *io = table.io;
    fill(&m, io, memory_default());
    ok(backup(&m, memory_default(), io, 5, &error), &error);
    uint64_t whole = m.n;
    ok(mini_close(&m), &m.error);
    assert_int_equal(io->open(io->context, NAME, VEER_IO_WRITE, &file, &error), VEER_OK);
    assert_int_equal(io->size(io->context, file, &size, &error), VEER_OK);
    uint8_t *data = memory_new(memory_default(), (size_t)size);
    assert_int_equal(io->read(io->context, file, 0, data, (size_t)size, &error), VEER_OK);
    for (uint64_t at = 0; at < size; at++) {
        bool dull = at > 200 && at + 200 < size && data[at] == 0 && data[at - 100] == 0 &&
                    data[at + 100] == 0;
        if (dull && at % 16 != 0) continue;
        uint8_t byte = data[at] ^ (uint8_t)(1u << (at % 8));
        assert_int_equal(io->write(io->context, file, at, &byte, 1, &error), VEER_OK);
        veer_status status = count_packed(memory_default(), io, &n, NULL, &error);
        assert_false(status != VEER_OK && mini_is_wrong(&error));
        /* The last transaction of the log cannot be told from one that was never finished. */
        assert_true(status != VEER_OK || n == whole || n >= whole - 5);
        refused += status != VEER_OK;
        assert_int_equal(io->write(io->context, file, at, &data[at], 1, &error), VEER_OK);
    }
    assert_true(refused > 5000);
    for (uint64_t bytes = size; bytes-- > 0;) {
        if (bytes > 9000 && bytes % 997 != 0) continue;
        assert_int_equal(io->truncate(io->context, file, bytes, &error), VEER_OK);
        assert_int_not_equal(count_packed(memory_default(), io, &n, NULL, &error), VEER_OK);
    }
    io->close(io->context, file);
    memory_free(memory_default(), data, (size_t)size);
    io_table_end(&table);
}

/* A damaged stream is not copied. */
static void damaged_source(void **state)
{
    (void)state;
    io_table table;
    mini m;
    veer_error error;
    void *file;
    io_table_make(&table, TABLE_MEMORY_UNMAPPED);
    const veer_io *io = table.io;
    fill(&m, io, memory_default());
    const store_stream *stream = &m.streams[0];
    assert_int_equal(io->open(io->context, stream->name, VEER_IO_WRITE, &file, &error), VEER_OK);
    size_t refused = 0;
    for (uint64_t at = 0; at < stream->bytes; at += 37) {
        uint8_t byte;
        packed_writer *writer;
        assert_int_equal(io->read(io->context, file, at, &byte, 1, &error), VEER_OK);
        byte ^= 4;
        assert_int_equal(io->write(io->context, file, at, &byte, 1, &error), VEER_OK);
        ok(packed_writer_new(memory_default(), io, NAME, new_id, &writer, &error), &error);
        veer_status status = packed_writer_copy(writer, m.store, stream, NULL, NULL, &error);
        assert_true(status == VEER_OK || status == VEER_E_CORRUPT);
        refused += status == VEER_E_CORRUPT;
        if (status != VEER_OK)
            assert_int_equal(packed_writer_finish(writer, "", 0, 0, &error), VEER_E_CORRUPT);
        packed_writer_abort(writer);
        byte ^= 4;
        assert_int_equal(io->write(io->context, file, at, &byte, 1, &error), VEER_OK);
    }
    assert_true(refused > 100);
    io->close(io->context, file);
    ok(mini_close(&m), &m.error);
    io_table_end(&table);
}

static bool cancel(void *context, uint64_t done, uint64_t total)
{
    (void)done;
    (void)total;
    return (*(int *)context)-- > 0;
}

static void order_and_cancelling(void **state)
{
    (void)state;
    io_table table;
    mini m;
    veer_error error;
    packed_writer *writer;
    int steps = 0;
    io_table_make(&table, TABLE_MEMORY);
    fill(&m, table.io, memory_default());
    ok(packed_writer_new(memory_default(), table.io, NAME, new_id, &writer, &error), &error);
    assert_int_equal(packed_writer_copy(writer, m.store, &m.streams[0], cancel, &steps, &error),
                     VEER_E_ABORTED);
    packed_writer_abort(writer);
    ok(packed_writer_new(memory_default(), table.io, NAME, new_id, &writer, &error), &error);
    store_append_record record = {0};
    ok(packed_writer_append(writer, &record, 1, &error), &error);
    assert_int_equal(packed_writer_copy(writer, m.store, &m.streams[0], NULL, NULL, &error),
                     VEER_E_INVALID);
    packed_writer_abort(writer);
    ok(mini_close(&m), &m.error);
    io_table_end(&table);
}

/* ---- failing */

static bool exists(const veer_io *io)
{
    void *file;
    veer_error error;
    if (io->open(io->context, NAME, VEER_IO_READ, &file, &error) != VEER_OK) return false;
    io->close(io->context, file);
    return true;
}

static void everything_fails(void **state)
{
    (void)state;
    for (int memory = 0; memory < 2; memory++) {
        for (uint64_t number = 0;; number++) {
            mini m;
            io_table source, target;
            fault_allocator faults;
            veer_error error;
            uint64_t n = 0;
            io_fault_plan plan = {
                .kinds = IO_CALLS_ALL, .number = number, .partial = true, .status = VEER_E_FULL};
            io_table_make(&source, TABLE_MEMORY);
            io_table_make(&target, TABLE_FAULT_MEMORY);
            fault_allocator_init(&faults);
            fill(&m, source.io, memory_default());
            if (memory)
                fault_allocator_fail(&faults, number, false);
            else
                io_fault_fail(target.fault, &plan);
            veer_status status = backup(&m, &faults.allocator, target.io, 9, &error);
            bool fired = memory ? fault_allocator_fired(&faults) : io_fault_fired(target.fault);
            assert_true(status == VEER_OK || fired);
            if (status == VEER_OK && memory)
                status = count_packed(&faults.allocator, target.io, &n, NULL, &error);
            fired = memory ? fault_allocator_fired(&faults) : fired;
            veer_status expected = memory ? VEER_E_NOMEM : VEER_E_FULL;
            if (!fired) expected = VEER_OK;
            assert_true(status == VEER_OK || status == expected);
            io_fault_fail(target.fault, NULL);
            fault_allocator_fail(&faults, UINT64_MAX, false);
            if (status == VEER_OK) {
                ok(count_packed(memory_default(), target.io, &n, NULL, &error), &error);
                assert_int_equal(n, m.n);
            } else if (!memory) {
                assert_false(exists(target.io));
            }
            ok(mini_close(&m), &m.error);
            assert_int_equal(io_fault_open_files(target.fault), 0);
            assert_int_equal(io_fault_maps(target.fault), 0);
            assert_null(fault_allocator_fini(&faults));
            io_table_end(&source);
            io_table_end(&target);
            if (!fired) break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(read_only_table),
        cmocka_unit_test(foreign_files),
        cmocka_unit_test(large_records),
        cmocka_unit_test(damage),
        cmocka_unit_test(damaged_source),
        cmocka_unit_test(order_and_cancelling),
        cmocka_unit_test(everything_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
