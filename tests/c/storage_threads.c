/* Eight readers of one segment at once, with a cache that is much too small, and with one that has
 * room for originals; and while streams are removed. For the thread sanitizer. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "storage/segment.h"
#include "support/io_tables.h"
#include "support/testing.h"

#define THREADS 8
#define BYTES 300000u
#define STRINGS 2000u

typedef struct reader {
    store *store;
    segment *segment;
    blobs *strings;
    uint64_t seed;
    atomic_size_t *wrong;
} reader;

static uint8_t byte_of(uint64_t i)
{
    return (uint8_t)((i * 2654435761u) >> 9);
}

static size_t string_of(uint64_t i, char *text)
{
    return (size_t)snprintf(text, 100, "string number %llu of %u, %0*d", (unsigned long long)i,
                            STRINGS, (int)(i % 40) + 1, 7);
}

static void *read_on(void *argument)
{
    reader *r = argument;
    rng random;
    arena scratch;
    blob_cursor cursor = {.keeps = r->seed % 2 == 0};
    rng_init(&random, r->seed);
    arena_init(&scratch, memory_default());
    for (int round = 0; round < 1500; round++) {
        veer_error error;
        const void *data;
        size_t bytes = 0;
        char text[100];
        uint64_t kind = rng_below(&random, 10);
        if (kind < 5) {
            uint64_t offset = rng_below(&random, BYTES);
            bytes = (size_t)rng_below(&random, kind == 0 ? BYTES - offset : 200);
            if (bytes > BYTES - offset) bytes = (size_t)(BYTES - offset);
            if (segment_read(r->segment, 0, offset, bytes, &scratch, &data, &error) != VEER_OK) {
                atomic_fetch_add(r->wrong, 1);
                continue;
            }
            for (size_t i = 0; i < bytes; i++)
                if (((const uint8_t *)data)[i] != byte_of(offset + i))
                    atomic_fetch_add(r->wrong, 1);
        } else if (kind < 9) {
            uint64_t i = rng_below(&random, STRINGS);
            if (blobs_get(r->strings, i, kind == 5 ? &cursor : NULL, &scratch, &data, &bytes,
                          &error) != VEER_OK ||
                bytes != string_of(i, text) || memcmp(data, text, bytes) != 0)
                atomic_fetch_add(r->wrong, 1);
        } else if (round > 1000) {
            if (segment_load(r->segment, 1, &data, &error) != VEER_OK ||
                ((const uint8_t *)data)[BYTES - 1] != byte_of(BYTES - 1))
                atomic_fetch_add(r->wrong, 1);
        } else {
            char name[65];
            snprintf(name, sizeof name, "seg.%llu",
                     100 + (unsigned long long)rng_below(&random, 9));
            store_remove(r->store, name);
            (void)store_remove_pending(r->store);
        }
        if (round % 32 == 31) {
            arena_reset(&scratch);
            blob_cursor_reset(&cursor);
        }
    }
    arena_fini(&scratch);
    return NULL;
}

static void write_it(store *opened, store_stream *stream)
{
    static uint8_t data[BYTES];
    segment_writer *writer;
    blob_writer *strings;
    veer_error error;
    for (size_t i = 0; i < BYTES; i++)
        data[i] = byte_of(i);
    assert_int_equal(segment_writer_new(opened, "seg.1", 0, &writer, &error), VEER_OK);
    for (uint16_t kind = 0; kind < 2; kind++) {
        assert_int_equal(segment_writer_begin(writer, kind, 0, 4096, &error), VEER_OK);
        assert_int_equal(segment_writer_put(writer, data, BYTES, &error), VEER_OK);
        assert_int_equal(segment_writer_end(writer, &error), VEER_OK);
    }
    assert_int_equal(blob_writer_new(writer, 9, 0, true, &strings, &error), VEER_OK);
    for (uint64_t i = 0; i < STRINGS; i++) {
        char text[100];
        size_t bytes = string_of(i, text);
        assert_int_equal(blob_writer_put(strings, text, bytes, &error), VEER_OK);
    }
    assert_int_equal(blob_writer_end(strings, &error), VEER_OK);
    assert_int_equal(segment_writer_finish(writer, NULL, 0, stream, &error), VEER_OK);
}

static void many_readers(void **state)
{
    (void)state;
    static const struct {
        io_table_kind kind;
        size_t cache;
    } cases[] = {{TABLE_MEMORY, 60000},
                 {TABLE_MEMORY_UNMAPPED, 60000},
                 {TABLE_MEMORY_UNMAPPED, 2 << 20},
                 {TABLE_POSIX, 60000}};
    for (size_t k = 0; k < TEST_COUNT(cases); k++) {
        io_table table;
        store *opened = NULL;
        segment *s = NULL;
        blobs *strings = NULL;
        store_stream stream;
        veer_error error;
        pthread_t threads[THREADS];
        reader readers[THREADS];
        atomic_size_t wrong;
        store_options options = {
            .create = true, .wal_bytes = 1 << 20, .cache_bytes = cases[k].cache};
        atomic_init(&wrong, 0);
        io_table_make(&table, cases[k].kind);
        assert_int_equal(store_open(memory_default(), table.io, &options, 1, &opened, &error), 0);
        write_it(opened, &stream);
        assert_int_equal(segment_open(opened, &stream, &s, &error), VEER_OK);
        assert_int_equal(blobs_open(s, 9, 0, &strings, &error), VEER_OK);
        for (size_t i = 0; i < THREADS; i++) {
            readers[i] = (reader){opened, s, strings, i + 1, &wrong};
            assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
        }
        /* Meanwhile the writer writes. */
        for (int i = 0; i < 50; i++) {
            store_part part = {"hello", 5};
            store_append_record record = {.parts = &part, .parts_count = 1};
            uint64_t lsn;
            assert_int_equal(store_append(opened, &record, 1, &lsn, &error), VEER_OK);
            if (i % 10 == 9)
                assert_int_equal(store_commit(opened, "", 0, &stream, 1, false, &error), VEER_OK);
        }
        for (size_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(atomic_load(&wrong), 0);
        blobs_close(strings);
        segment_close(s);
        assert_int_equal(store_close(opened, &error), VEER_OK);
        io_table_end(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(many_readers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
