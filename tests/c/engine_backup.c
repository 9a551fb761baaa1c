/* Backups are the state of the moment, complete, and databases of their own; check finds nothing in
 * them, and finds what is damaged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/rng.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/testing.h"

static const char json_schema[] =
    "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":3,\"metric\":\"l2\"},"
    "\"w\":{\"type\":\"vector\",\"dims\":2,\"metric\":\"cosine\"},\"tag\":{\"type\":\"keyword\"},"
    "\"year\":{\"type\":\"number\"},\"draft\":{\"type\":\"bool\"},\"at\":{\"type\":\"time\"},"
    "\"title\":{\"type\":\"text\"}}}";

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", status, error->message);
}

typedef struct fixture {
    veer_database *database;
    veer_collection *collection;
} fixture;

static void fixture_open(fixture *f, const char *location, const veer_io *io)
{
    veer_error error;
    check(veer_open(location, io, "{\"create\":true}", NULL, &f->database, &error), &error);
    check(veer_collection_open(f->database, "notes", json_schema, &f->collection, &error), &error);
}

static void fixture_close(fixture *f)
{
    veer_error error;
    veer_collection_close(f->collection);
    check(veer_close(f->database, &error), &error);
}

static veer_status upsert(const fixture *f, const char *documents, veer_error *error)
{
    const veer_operation operation = {
        .collection = f->collection, .documents = documents, .documents_bytes = strlen(documents)};
    veer_status status = VEER_PENDING;
    for (int round = 0; status == VEER_PENDING && round < 100; round++)
        status = veer_write(f->database, &operation, 1, NULL, error); /* may look an id up */
    return status;
}

static void put(const fixture *f, const char *documents)
{
    veer_error error;
    check(upsert(f, documents, &error), &error);
}

static const char three[] =
    "{\"id\":\"a\",\"v\":[1,0,0.1],\"w\":[1,-0.0],\"tag\":[\"x\",\"y\"],\"year\":1990,"
    "\"more\":{\"deep\":[1.50,2e3,\"\\u00e9\"]},\"n\":12345678901234567}\n"
    "{\"id\":\"b\",\"v\":[0,1,3.4028235e38],\"tag\":\"x\",\"draft\":true,\"at\":\"2024-05-17\"}\n"
    "{\"id\":\"c\",\"year\":2000,\"title\":\"no vector\",\"more\":null}\n";

static void put_numbered(const fixture *f, int first, int end)
{
    byte_writer json;
    byte_writer_init(&json, memory_default());
    for (int i = first; i < end; i++) {
        char text[128];
        int bytes = snprintf(text, sizeof text,
                             "{\"id\":\"%05d\",\"year\":%d,\"v\":[%d,1,%d],\"tag\":\"t%d\"}\n", i,
                             i % 10, i, i % 7, i % 3);
        byte_writer_put(&json, text, (size_t)bytes);
    }
    byte_writer_u8(&json, 0);
    put(f, (const char *)json.data);
    byte_writer_fini(&json);
}

static yyjson_doc *parse(const char *text, size_t bytes)
{
    yyjson_doc *doc = yyjson_read(text, bytes, 0);
    if (!doc) fail_msg("not JSON: %s", text);
    return doc;
}

/* ---------------------------------------------------------------- backup and check */

/* Ids, documents and vectors of a whole collection as one text. */
static void dump(veer_collection *collection, veer_snapshot *snapshot, byte_writer *to)
{
    veer_cursor *cursor = NULL;
    veer_error error;
    check(veer_scan(collection, snapshot,
                    "{\"select\":[\"v\",\"w\",\"year\",\"tag\",\"more\",\"draft\",\"at\"]}", NULL,
                    &cursor, &error),
          &error);
    for (;;) {
        veer_results *results = NULL;
        check(veer_cursor_next(cursor, 333, &results, &error), &error);
        size_t rows = veer_results_rows(results);
        const uint32_t *ends = NULL;
        const char *documents = veer_results_documents(results, &ends);
        byte_writer_put(to, documents, ends[rows]);
        veer_results_free(results);
        if (rows == 0) break;
    }
    veer_cursor_close(cursor);
}

static void delete_ids(const fixture *f, const char *ids)
{
    const veer_operation operation = {.collection = f->collection,
                                      .kind = VEER_WRITE_DELETE,
                                      .documents = ids,
                                      .documents_bytes = strlen(ids)};
    veer_error error;
    check(veer_write(f->database, &operation, 1, NULL, &error), &error);
}

static void check_location(const char *location, bool is_ok)
{
    veer_buffer report = {0};
    veer_error error = {0};
    veer_status status = veer_check(location, NULL, NULL, NULL, NULL, &report, &error);
    if (is_ok && status != VEER_OK)
        fail_msg("%s: %s", error.message, report.data ? report.data : "no report");
    yyjson_doc *doc = parse(report.data, report.bytes);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_int_equal(yyjson_get_bool(yyjson_obj_get(root, "ok")), is_ok);
    assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "problems")) == 0, is_ok);
    if (!is_ok) assert_int_equal(status, VEER_E_CORRUPT);
    yyjson_doc_free(doc);
    veer_buffer_free(&report);
}

static void test_backup(void **state)
{
    (void)state;
    char directory[64], source[96], copy[96];
    veer_error error;
    test_directory_make(directory);
    (void)snprintf(source, sizeof source, "%s/source", directory);
    for (int turn = 0; turn < 4; turn++) {
        (void)snprintf(copy, sizeof copy, "%s/copy%d.veer", directory, turn);
        fixture f, g;
        fixture_open(&f, source, NULL);
        if (turn == 0) put(&f, three);
        if (turn == 1) put_numbered(&f, 0, 900);
        if (turn == 2) check(veer_checkpoint(f.database, NULL, NULL, &error), &error);
        if (turn == 3) {
            put_numbered(&f, 700, 6000); /* several records */
            delete_ids(&f, "[\"00005\",\"00750\",\"05999\",\"b\"]");
        }
        byte_writer before, after;
        byte_writer_init(&before, memory_default());
        byte_writer_init(&after, memory_default());
        dump(f.collection, NULL, &before);
        check(veer_backup(f.database, copy, NULL, NULL, NULL, &error), &error);
        assert_int_equal(veer_backup(f.database, copy, NULL, NULL, NULL, &error), VEER_E_EXISTS);
        put_numbered(&f, 0, 10); /* goes on afterwards */
        fixture_close(&f);
        check_location(copy, true);
        check_location(source, true);
        check(veer_open(copy, NULL, NULL, NULL, &g.database, &error), &error);
        check(veer_collection_open(g.database, "notes", NULL, &g.collection, &error), &error);
        dump(g.collection, NULL, &after);
        assert_int_equal(before.bytes, after.bytes);
        assert_memory_equal(before.data, after.data, before.bytes);
        assert_int_equal(upsert(&g, "{\"id\":\"x\"}", &error), VEER_E_READONLY);
        fixture_close(&g);
        byte_writer_fini(&before);
        byte_writer_fini(&after);
    }
    assert_int_equal(veer_check("memory:", NULL, NULL, NULL, NULL, &(veer_buffer){0}, &error),
                     VEER_E_INVALID);
    assert_int_equal(veer_check("/nowhere/at/all", NULL, NULL, NULL, NULL, &(veer_buffer){0}, NULL),
                     VEER_E_NOTFOUND);
    test_directory_remove(source);
    test_directory_remove(directory);
}

/* A table in memory without map behind one that makes callers wait. */
static io_fault *waiting_table(veer_io *base, unsigned kinds)
{
    veer_error error;
    check(io_memory_new(memory_default(), base, &error), &error);
    io_memory_set_mapping(base, false);
    io_fault *fault = NULL;
    check(io_fault_new(memory_default(), base, &fault, &error), &error);
    io_fault_wait(fault, IO_WAIT_FIRST, kinds, 1);
    return fault;
}

static void save_stream(const veer_io *io, const char *name, const char *path)
{
    void *file = NULL;
    uint64_t bytes = 0;
    veer_error error;
    check(io->open(io->context, name, VEER_IO_READ, &file, &error), &error);
    check(io->size(io->context, file, &bytes, &error), &error);
    uint8_t *data = malloc((size_t)bytes);
    assert_non_null(data);
    check(io->read(io->context, file, 0, data, (size_t)bytes, &error), &error);
    io->close(io->context, file);
    FILE *to = fopen(path, "wb");
    assert_non_null(to);
    assert_int_equal(fwrite(data, 1, (size_t)bytes, to), bytes);
    assert_int_equal(fclose(to), 0);
    free(data);
}

/* Over storage that waits a backup is called again until it is done, also while the database is written;
 * one that is never called again goes with the database. */
static void test_waiting_backup(void **state)
{
    (void)state;
    char directory[64], copy[96];
    veer_error error = {0};
    veer_io base = {0}, target_base = {0};
    test_directory_make(directory);
    (void)snprintf(copy, sizeof copy, "%s/copy", directory);
    io_fault *fault = waiting_table(&base, 0);
    io_fault *target =
        waiting_table(&target_base, IO_CALL_BIT(IO_CALL_OPEN) | IO_CALL_BIT(IO_CALL_WRITE));
    fixture f;
    fixture_open(&f, NULL, io_fault_table(fault));
    put_numbered(&f, 0, 4000);
    check(veer_compact(f.database, NULL, NULL, &error), &error);
    put_numbered(&f, 3900, 4100);
    io_fault_wait(fault, IO_WAIT_FIRST, IO_CALL_BIT(IO_CALL_READ), 2);
    int waited = 0;
    veer_status status;
    while ((status = veer_backup(f.database, "copy.veer", io_fault_table(target), NULL, NULL,
                                 &error)) == VEER_PENDING) {
        assert_true(++waited < 10000);
        if (waited == 3) put_numbered(&f, 5000, 5010); /* is not in the copy */
        if (waited == 5)
            assert_int_equal(
                veer_backup(f.database, "other.veer", io_fault_table(target), NULL, NULL, &error),
                VEER_PENDING);
    }
    check(status, &error);
    assert_true(waited > 10);
    fixture_close(&f);
    save_stream(&target_base, "copy.veer", copy);
    check_location(copy, true);
    fixture g;
    check(veer_open(copy, NULL, NULL, NULL, &g.database, &error), &error);
    check(veer_collection_open(g.database, "notes", NULL, &g.collection, &error), &error);
    uint64_t count = 0;
    check(veer_count(g.collection, NULL, NULL, NULL, &count, &error), &error);
    assert_int_equal(count, 4100);
    fixture_close(&g);
    assert_int_equal(io_fault_open_files(fault), 0);
    assert_int_equal(io_fault_open_files(target), 0);
    io_fault_free(fault);
    io_fault_free(target);
    io_memory_free(&base);
    io_memory_free(&target_base);
    test_directory_remove(directory);
}

/* Every allocation of a backup and of a check fails once: they say so, leave no file, and succeed
 * when they are called again. */
static void test_without_memory(void **state)
{
    (void)state;
    fault_allocator fault;
    veer_io io = {0}, target = {0};
    veer_error error = {0};
    check(io_memory_new(memory_default(), &io, &error), &error);
    check(io_memory_new(memory_default(), &target, &error), &error);
    fixture f;
    fixture_open(&f, NULL, &io);
    put_numbered(&f, 0, 300);
    check(veer_compact(f.database, NULL, NULL, &error), &error);
    put_numbered(&f, 250, 400);
    fixture_close(&f);
    fault_allocator_init(&fault);
    bool fired[2] = {true, true};
    for (uint64_t n = 0; fired[0] || fired[1]; n++) {
        check(veer_open(NULL, &io, NULL, &fault.allocator, &f.database, &error), &error);
        fault_allocator_fail(&fault, n, false);
        veer_status status = veer_backup(f.database, "copy", &target, NULL, NULL, &error);
        fired[0] = fault_allocator_fired(&fault);
        assert_true(status == VEER_OK || (fired[0] && status == VEER_E_NOMEM));
        fault_allocator_fail(&fault, UINT64_MAX, false);
        if (status != VEER_OK)
            check(veer_backup(f.database, "copy", &target, NULL, NULL, &error), &error);
        check(target.remove(target.context, "copy", &error), &error);
        check(veer_close(f.database, &error), &error);

        veer_buffer report = {0};
        fault_allocator_fail(&fault, n, n % 2 == 1);
        status = veer_check(NULL, &io, &fault.allocator, NULL, NULL, &report, &error);
        fired[1] = fault_allocator_fired(&fault);
        if (status != VEER_OK && !(fired[1] && status == VEER_E_NOMEM))
            fail_msg("allocation %u: %d %s %s", (unsigned)n, status, error.message,
                     report.data ? report.data : "");
        veer_buffer_free(&report);
        fault_allocator_fail(&fault, UINT64_MAX, false);
        assert_int_equal(fault_allocator_live(&fault), 0);
    }
    const char *problem = fault_allocator_fini(&fault);
    if (problem) fail_msg("%s", problem);
    io_memory_free(&io);
    io_memory_free(&target);
}

static bool stop_at_once(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return false;
}

/* A cancelled backup leaves no file; a check can be cancelled too. */
static void test_cancelled(void **state)
{
    (void)state;
    char directory[64], source[96], copy[96];
    veer_error error;
    test_directory_make(directory);
    (void)snprintf(source, sizeof source, "%s/source", directory);
    (void)snprintf(copy, sizeof copy, "%s/copy", directory);
    fixture f;
    fixture_open(&f, source, NULL);
    put_numbered(&f, 0, 100);
    assert_int_equal(veer_backup(f.database, copy, NULL, stop_at_once, NULL, &error),
                     VEER_E_ABORTED);
    assert_int_equal(access(copy, F_OK), -1);
    fixture_close(&f);
    veer_buffer report = {0};
    assert_int_equal(veer_check(source, NULL, NULL, stop_at_once, NULL, &report, &error),
                     VEER_E_ABORTED);
    assert_null(report.data);
    test_directory_remove(source);
    test_directory_remove(directory);
}

/* A flipped byte in any stream is found. */
#define PLACES_MAX 60u

static uint64_t number_at(FILE *file, uint64_t offset)
{
    uint8_t bytes[8];
    assert_int_equal(fseek(file, (long)offset, SEEK_SET), 0);
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), sizeof bytes);
    return load_u64(bytes);
}

/* The last byte of the padding before each stream that has some; docs/FORMAT.md has the offsets. */
static size_t find_padding(FILE *file, long places[PLACES_MAX])
{
    size_t found = 0;
    uint64_t table = number_at(file, 48), end = 4096;
    size_t streams = (uint32_t)number_at(file, 20);
    for (size_t i = 0; i < streams && found < PLACES_MAX; i++) {
        uint64_t offset = number_at(file, table + i * 96 + 64);
        if (offset > end) places[found++] = (long)offset - 1;
        end = offset + number_at(file, table + i * 96 + 72);
    }
    return found;
}

/* One byte anywhere behind the header, and in every padding. */
static void test_check_finds_damage(void **state)
{
    (void)state;
    char directory[64], source[96], copy[96];
    veer_error error;
    test_directory_make(directory);
    (void)snprintf(source, sizeof source, "%s/source", directory);
    (void)snprintf(copy, sizeof copy, "%s/copy", directory);
    fixture f;
    fixture_open(&f, source, NULL);
    put_numbered(&f, 0, 3000);
    check(veer_compact(f.database, NULL, NULL, &error), &error);
    check(veer_backup(f.database, copy, NULL, NULL, NULL, &error), &error);
    fixture_close(&f);
    FILE *file = fopen(copy, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    rng random;
    rng_init(&random, 5);
    long places[PLACES_MAX];
    size_t padding = find_padding(file, places);
    assert_true(padding > 0);
    for (size_t i = padding; i < PLACES_MAX; i++)
        places[i] = 4096 + (long)rng_below(&random, (uint64_t)size - 4096);
    for (size_t i = 0; i < PLACES_MAX; i++) {
        long at = places[i];
        int byte = 0;
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        byte = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fputc(byte ^ 0x40, file), byte ^ 0x40);
        assert_int_equal(fflush(file), 0);
        veer_buffer report = {0};
        veer_status status = veer_check(copy, NULL, NULL, NULL, NULL, &report, &error);
        if (status != VEER_OK)
            assert_true(status == VEER_E_CORRUPT || status == VEER_E_FORMAT ||
                        status == VEER_E_VERSION);
        else
            fail_msg("damage at %ld of %ld is not found, byte %d", at, size, byte);
        veer_buffer_free(&report);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fputc(byte, file), byte);
        assert_int_equal(fflush(file), 0);
    }
    assert_int_equal(fclose(file), 0);
    check_location(copy, true);
    test_directory_remove(source);
    test_directory_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backup),
        cmocka_unit_test(test_waiting_backup),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_check_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
