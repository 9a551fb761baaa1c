/* Log records whose checksums are right and whose content is not: of a newer version, cut, changed,
 * of another type. Opening says so and changes nothing, or what it accepts is sound; it never ends
 * with an empty database. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "storage/store.h"
#include "support/io_tables.h"
#include "support/testing.h"
#include "veer.h"

enum { RECORDS_MAX = 16, ROUNDS = 150, NEWER_TYPE = 99 };

static const char schema[] =
    "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":3,\"metric\":\"cosine\"},"
    "\"tag\":{\"type\":\"keyword\"},\"n\":{\"type\":\"number\"}}}";

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", status, error->message);
}

static void write_text(veer_database *database, veer_collection *collection, int kind,
                       const char *text)
{
    const veer_operation operation = {
        .collection = collection, .kind = kind, .documents = text, .documents_bytes = strlen(text)};
    veer_error error;
    check(veer_write(database, &operation, 1, NULL, &error), &error);
}

static void make_database(const veer_io *io, bool is_whole)
{
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    veer_error error;
    check(veer_open(NULL, io, "{\"create\":true}", NULL, &database, &error), &error);
    check(veer_collection_open(database, "c", schema, &collection, &error), &error);
    write_text(database, collection, VEER_WRITE_UPSERT,
               "{\"id\":\"a\",\"v\":[1,2,3],\"tag\":[\"x\",\"y\"],\"n\":1}");
    if (is_whole) {
        write_text(database, collection, VEER_WRITE_UPSERT,
                   "{\"id\":\"b\",\"v\":[3,2,1],\"tag\":\"y\",\"more\":{\"deep\":[1,null]}}\n"
                   "{\"id\":\"c\",\"n\":-2.5}");
        write_text(database, collection, VEER_WRITE_DELETE, "[\"b\",\"nobody\"]");
        veer_collection_close(collection);
        check(veer_collection_open(database, "d", schema, &collection, &error), &error);
        veer_collection_close(collection);
        collection = NULL;
        check(veer_collection_drop(database, "d", &error), &error);
    }
    veer_collection_close(collection);
    check(veer_close(database, &error), &error);
}

typedef struct kept_record {
    store_record record;
    uint8_t *data;
} kept_record;

typedef struct kept_records {
    kept_record list[RECORDS_MAX];
    size_t count;
} kept_records;

static veer_status keep(void *context, const store_record *record, veer_error *error)
{
    kept_records *kept = context;
    (void)error;
    assert_true(kept->count < RECORDS_MAX);
    kept_record *to = &kept->list[kept->count++];
    to->record = *record;
    to->data = malloc(record->bytes + 1);
    assert_non_null(to->data);
    memcpy(to->data, record->data, record->bytes);
    return VEER_OK;
}

static store *open_store(const veer_io *io)
{
    const store_options options = {.wal_bytes = 1 << 20, .cache_bytes = 1 << 20};
    store *self = NULL;
    veer_error error;
    check(store_open(memory_default(), io, &options, 0, &self, &error), &error);
    return self;
}

/* Opens a database behind whose log stands one more record. */
static veer_status open_with(const store_record *record, const uint8_t *data, size_t bytes)
{
    io_table table;
    io_table_make(&table, TABLE_MEMORY);
    make_database(table.io, false);
    veer_error error;
    store *self = open_store(table.io);
    const store_part part = {.data = data, .bytes = bytes};
    const store_append_record appended = {.collection = record->collection,
                                          .type = record->type,
                                          .flags = record->flags,
                                          .parts = &part,
                                          .parts_count = 1};
    uint64_t lsn = 0;
    check(store_append(self, &appended, 1, &lsn, &error), &error);
    check(store_close(self, &error), &error);

    veer_status first = VEER_OK;
    for (int i = 0; i < 2; i++) {
        veer_database *database = NULL;
        veer_status status = veer_open(NULL, table.io, NULL, NULL, &database, &error);
        if (i == 0) first = status;
        assert_int_equal(status, first);
        if (status != VEER_OK) {
            assert_null(database);
            assert_non_null(strchr(error.message, ' '));
            continue;
        }
        /* What was there before is there, but for what the record may have replaced or dropped. */
        check(veer_checkpoint(database, NULL, NULL, &error), &error);
        check(veer_close(database, &error), &error);
        veer_buffer report = {0};
        check(veer_check(NULL, table.io, NULL, NULL, NULL, &report, &error), &error);
        veer_buffer_free(&report);
    }
    io_table_end(&table);
    return first;
}

static void test_records(void **state)
{
    (void)state;
    io_table table;
    io_table_make(&table, TABLE_MEMORY);
    make_database(table.io, true);
    kept_records kept = {.count = 0};
    store *self = open_store(table.io);
    veer_error error;
    check(store_replay(self, keep, &kept, &error), &error);
    check(store_close(self, &error), &error);
    io_table_end(&table);
    assert_true(kept.count >= 6);

    rng random;
    rng_init(&random, 3);
    size_t refused = 0;
    for (size_t i = 0; i < kept.count; i++) {
        store_record record = kept.list[i].record;
        uint8_t *copy = malloc(record.bytes + 1);
        assert_non_null(copy);
        for (int round = 0; round < ROUNDS; round++) {
            size_t bytes = record.bytes;
            memcpy(copy, kept.list[i].data, bytes);
            if (round % 3 == 0 && bytes > 0) bytes = rng_below(&random, bytes);
            for (uint64_t n = 1 + rng_below(&random, 3); round % 3 == 1 && n > 0 && bytes > 0; n--)
                copy[rng_below(&random, bytes)] = (uint8_t)rng_next(&random);
            store_record changed = record;
            if (round % 3 == 2) changed.type = (uint16_t)(1 + rng_below(&random, 6));
            if (round % 5 == 4) changed.collection += 1 + (uint32_t)rng_below(&random, 3);
            veer_status status = open_with(&changed, copy, bytes);
            refused += status != VEER_OK;
            if (status != VEER_OK && status != VEER_E_CORRUPT && status != VEER_E_VERSION) {
                fail_msg("record %zu of type %u, round %d: status %d", i, changed.type, round,
                         status);
            }
        }
        record.type = NEWER_TYPE;
        assert_int_equal(open_with(&record, copy, record.bytes), VEER_E_VERSION);
        free(copy);
        free(kept.list[i].data);
    }
    assert_true(refused > kept.count * ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
