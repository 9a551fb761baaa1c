/* Segment files: what is written comes back, over tables that map and that do not, with caches
 * of any size; damage is found where it is and nowhere else; strings in blocks. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "storage/blob_format.h"
#include "storage/segment.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/testing.h"

#define SECTIONS 9

static void ok(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) print_message("status %d: %s\n", (int)status, error->message);
    assert_int_equal(status, VEER_OK);
}

#define AGAIN(status, call)                   \
    while ((status = (call)) == VEER_PENDING) \
    continue

static store *open_store(const veer_allocator *allocator, const veer_io *io, size_t cache)
{
    store *opened = NULL;
    veer_error error;
    veer_status status;
    store_options options = {.create = true, .wal_bytes = 1 << 20, .cache_bytes = cache};
    AGAIN(status, store_open(allocator, io, &options, 1, &opened, &error));
    ok(status, &error);
    return opened;
}

static void close_store(store *opened)
{
    veer_error error;
    ok(store_close(opened, &error), &error);
}

static uint8_t byte_of(uint32_t section, uint64_t i)
{
    return (uint8_t)((i * 2654435761u + section * 97u) >> 7);
}

/* ---- sections */

typedef struct shape {
    uint16_t kind;
    uint32_t field;
    uint64_t bytes;
    uint32_t block_bytes;
} shape;

static void make_shapes(shape *shapes, rng *random)
{
    static const uint32_t blocks[] = {4096, 16384, 65536, 1 << 20};
    for (uint32_t i = 0; i < SECTIONS; i++) {
        uint32_t block = blocks[rng_below(random, 4)];
        uint64_t bytes = rng_below(random, 70000);
        if (i == 0) bytes = 0;
        if (i == 1) bytes = block;
        if (i == 2) bytes = (uint64_t)block * 3 - 1;
        if (i == 3) bytes = (uint64_t)block * 2 + 1;
        if (i == 4) bytes = 1;
        if (i == 5) bytes = 700001;
        shapes[i] = (shape){(uint16_t)(i % 3), i / 3 * 1000, bytes, block};
    }
}

static veer_status write_section(segment_writer *writer, uint32_t number, const shape *s,
                                 rng *random, veer_error *error)
{
    veer_status status;
    static uint8_t buffer[400000];
    AGAIN(status, segment_writer_begin(writer, s->kind, s->field, s->block_bytes, error));
    if (status != VEER_OK) return status;
    for (uint64_t at = 0; at < s->bytes;) {
        uint64_t most = rng_below(random, 8) == 0 ? sizeof buffer : 5000;
        size_t n = (size_t)rng_below(random, most);
        if (n > s->bytes - at) n = (size_t)(s->bytes - at);
        for (size_t i = 0; i < n; i++)
            buffer[i] = byte_of(number, at + i);
        AGAIN(status, segment_writer_put(writer, buffer, n, error));
        if (status != VEER_OK) return status;
        at += n;
    }
    AGAIN(status, segment_writer_end(writer, error));
    return status;
}

static veer_status write_segment(store *opened, const char *name, const shape *shapes, size_t count,
                                 uint64_t seed, store_stream *stream, veer_error *error)
{
    segment_writer *writer = NULL;
    rng random;
    veer_status status;
    rng_init(&random, seed);
    AGAIN(status, segment_writer_new(opened, name, 3, &writer, error));
    for (uint32_t i = 0; i < count && status == VEER_OK; i++)
        status = write_section(writer, i, &shapes[i], &random, error);
    if (status == VEER_OK)
        AGAIN(status, segment_writer_finish(writer, "information", 11, stream, error));
    if (status != VEER_OK) segment_writer_abort(writer);
    return status;
}

static void compare(const uint8_t *data, uint32_t section, uint64_t offset, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] != byte_of(section, offset + i)) {
            print_message("section %u byte %llu\n", section, (unsigned long long)(offset + i));
            fail();
        }
    }
}

static void read_back(store *opened, const store_stream *stream, const shape *shapes, size_t count,
                      uint64_t seed)
{
    segment *s = NULL;
    rng random;
    arena scratch;
    veer_error error;
    veer_status status;
    const void *info;
    size_t info_bytes;
    rng_init(&random, seed);
    arena_init(&scratch, memory_default());
    AGAIN(status, segment_open(opened, stream, &s, &error));
    ok(status, &error);
    segment_info(s, &info, &info_bytes);
    assert_int_equal(info_bytes, 11);
    assert_memory_equal(info, "information", 11);
    assert_int_equal(segment_sections(s), count);
    for (int round = 0; round < 400; round++) {
        uint32_t i = (uint32_t)rng_below(&random, count);
        segment_section section;
        const void *data;
        assert_true(segment_find(s, shapes[i].kind, shapes[i].field, &section));
        assert_int_equal(section.index, i);
        assert_int_equal(section.bytes, shapes[i].bytes);
        uint64_t offset = rng_below(&random, shapes[i].bytes + 1);
        uint64_t most = shapes[i].bytes - offset;
        size_t bytes = (size_t)rng_below(&random, most + 1);
        if (round % 4 != 0 && bytes > 600) bytes = 600;
        AGAIN(status, segment_read(s, i, offset, bytes, &scratch, &data, &error));
        ok(status, &error);
        assert_non_null(data);
        compare(data, i, offset, bytes);
        assert_int_equal(segment_read(s, i, shapes[i].bytes, 1, &scratch, &data, &error),
                         VEER_E_CORRUPT);
        assert_int_equal(segment_read(s, i, 1, SIZE_MAX, &scratch, &data, &error), VEER_E_CORRUPT);
        if (round % 50 == 49) {
            AGAIN(status, segment_load(s, i, &data, &error));
            ok(status, &error);
            assert_int_equal((uintptr_t)data % 64, 0);
            compare(data, i, 0, (size_t)shapes[i].bytes);
        }
        if (round % 100 == 99) arena_reset(&scratch);
    }
    assert_true(segment_memory(s) > 0);
    assert_int_equal(segment_mapped(s) != 0, segment_is_mapped(s));
    segment_close(s);
    arena_fini(&scratch);
}

static void sections_round_trip(void **state)
{
    (void)state;
    static const size_t caches[] = {0, 5000, 40000, 1 << 20, 8 << 20};
    for (int kind = 0; kind < TABLE_KINDS; kind++) {
        for (uint64_t seed = 0; seed < TEST_COUNT(caches); seed++) {
            io_table table;
            rng random;
            shape shapes[SECTIONS];
            store_stream stream;
            veer_error error;
            store_usage usage;
            rng_init(&random, seed * 100 + (uint64_t)kind);
            make_shapes(shapes, &random);
            io_table_make(&table, (io_table_kind)kind);
            store *opened = open_store(memory_default(), table.io, caches[seed]);
            ok(write_segment(opened, "seg.1", shapes, SECTIONS, seed, &stream, &error), &error);
            assert_string_equal(stream.name, "seg.1");
            assert_int_equal(stream.kind, 3);
            read_back(opened, &stream, shapes, SECTIONS, seed);
            store_get_usage(opened, &usage);
            assert_true(usage.cache_bytes <= caches[seed] + caches[seed] / 8 + 40000);
            assert_int_equal(usage.resident_bytes, 0);
            assert_int_equal(usage.mapped_bytes, 0);
            close_store(opened);
            io_table_end(&table);
        }
    }
}

static void many_sections(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 61, 62, 500, SEGMENT_SECTIONS_MAX};
    static shape shapes[SEGMENT_SECTIONS_MAX];
    io_table table;
    veer_error error;
    io_table_make(&table, TABLE_MEMORY_UNMAPPED);
    store *opened = open_store(memory_default(), table.io, 100000);
    for (uint32_t i = 0; i < SEGMENT_SECTIONS_MAX; i++)
        shapes[i] = (shape){(uint16_t)i, 7, i % 13, 4096};
    for (size_t i = 0; i < TEST_COUNT(counts); i++) {
        store_stream stream;
        char name[65];
        snprintf(name, sizeof name, "seg.%zu", i);
        ok(write_segment(opened, name, shapes, counts[i], i, &stream, &error), &error);
        if (counts[i] != 0) read_back(opened, &stream, shapes, counts[i], i);
    }
    segment_writer *writer;
    ok(segment_writer_new(opened, "seg.99", 0, &writer, &error), &error);
    for (uint32_t i = 0; i < SEGMENT_SECTIONS_MAX; i++) {
        ok(segment_writer_begin(writer, 1, i, 4096, &error), &error);
        ok(segment_writer_end(writer, &error), &error);
    }
    assert_int_equal(segment_writer_begin(writer, 2, 1, 4096, &error), VEER_E_LIMIT);
    segment_writer_abort(writer);
    close_store(opened);
    io_table_end(&table);
}

static void writer_misuse(void **state)
{
    (void)state;
    io_table table;
    veer_error error;
    segment_writer *writer = NULL;
    segment_writer *second = NULL;
    store_stream stream;
    uint8_t info[1025] = {0};
    io_table_make(&table, TABLE_FAULT_MEMORY);
    store *opened = open_store(memory_default(), table.io, 0);
    assert_int_equal(segment_writer_new(opened, "meta", 0, &writer, &error), VEER_E_INVALID);
    assert_int_equal(segment_writer_new(opened, "seg.A", 0, &writer, &error), VEER_E_INVALID);
    ok(segment_writer_new(opened, "seg.1", 0, &writer, &error), &error);
    assert_int_equal(segment_writer_new(opened, "seg.1", 0, &second, &error), VEER_E_EXISTS);
    assert_int_equal(segment_writer_put(writer, "x", 1, &error), VEER_E_INVALID);
    assert_int_equal(segment_writer_end(writer, &error), VEER_E_INVALID);
    assert_int_equal(segment_writer_begin(writer, 1, 1, 5000, &error), VEER_E_INVALID);
    assert_int_equal(segment_writer_begin(writer, 1, 1, 2048, &error), VEER_E_INVALID);
    ok(segment_writer_begin(writer, 1, 1, 4096, &error), &error);
    assert_int_equal(segment_writer_begin(writer, 1, 2, 4096, &error), VEER_E_INVALID);
    assert_int_equal(segment_writer_finish(writer, NULL, 0, &stream, &error), VEER_E_INVALID);
    ok(segment_writer_end(writer, &error), &error);
    assert_int_equal(segment_writer_begin(writer, 1, 1, 4096, &error), VEER_E_EXISTS);
    assert_int_equal(segment_writer_finish(writer, info, 1025, &stream, &error), VEER_E_LIMIT);
    /* After a failed sync it can only be aborted. */
    io_fault_plan plan = {.kinds = IO_CALL_BIT(IO_CALL_SYNC), .status = VEER_E_IO};
    io_fault_fail(table.fault, &plan);
    assert_int_equal(segment_writer_finish(writer, NULL, 0, &stream, &error), VEER_E_IO);
    assert_int_equal(segment_writer_finish(writer, NULL, 0, &stream, &error), VEER_E_IO);
    segment_writer_abort(writer);
    assert_false(store_is_readonly(opened));
    ok(segment_writer_new(opened, "seg.1", 0, &writer, &error), &error);
    ok(segment_writer_finish(writer, info, 1024, &stream, &error), &error);
    ok(store_commit(opened, "", 0, &stream, 1, false, &error), &error);
    assert_int_equal(segment_writer_new(opened, "seg.1", 0, &writer, &error), VEER_E_EXISTS);
    store_remove(opened, "seg.1"); /* attached: nothing happens */
    segment *s;
    ok(segment_open(opened, &stream, &s, &error), &error);
    segment_close(s);
    close_store(opened);
    assert_int_equal(io_fault_open_files(table.fault), 0);
    io_table_end(&table);
}

/* ---- damage */

typedef struct findings {
    size_t count;
    char last[500];
} findings;

static void take_finding(void *context, const char *text)
{
    findings *f = context;
    f->count++;
    snprintf(f->last, sizeof f->last, "%s", text);
}

/* A damaged block is refused, its neighbours are not, and verifying names it. */
static void damaged_blocks(void **state)
{
    (void)state;
    for (int mapped = 0; mapped < 2; mapped++) {
        io_table table;
        veer_error error;
        store_stream stream;
        shape shapes[2] = {{1, 1, 50000, 4096}, {2, 1, 100000, 16384}};
        io_table_make(&table, mapped ? TABLE_MEMORY : TABLE_MEMORY_UNMAPPED);
        const veer_io *io = table.io;
        store *opened = open_store(memory_default(), io, 30000);
        ok(write_segment(opened, "seg.1", shapes, 2, 1, &stream, &error), &error);
        for (uint64_t block = 0; block < 7; block++) {
            void *file;
            segment *s;
            arena scratch;
            const void *data;
            uint8_t byte;
            uint64_t place = 4096 + 53248 + block * 16384 + (block * 2341) % 1696;
            assert_int_equal(io->open(io->context, "seg.1", VEER_IO_WRITE, &file, &error), 0);
            assert_int_equal(io->read(io->context, file, place, &byte, 1, &error), VEER_OK);
            byte ^= 0x10;
            assert_int_equal(io->write(io->context, file, place, &byte, 1, &error), VEER_OK);
            arena_init(&scratch, memory_default());
            ok(segment_open(opened, &stream, &s, &error), &error);
            assert_int_equal(mapped, segment_is_mapped(s));
            for (int twice = 0; twice < 2; twice++) {
                for (uint64_t other = 0; other < 7; other++) {
                    veer_status expected = other == block ? VEER_E_CORRUPT : VEER_OK;
                    assert_int_equal(
                        segment_read(s, 1, other * 16384, 100, &scratch, &data, &error), expected);
                    if (expected == VEER_OK) compare(data, 1, other * 16384, 100);
                }
                assert_int_equal(segment_read(s, 1, 0, 100000, &scratch, &data, &error),
                                 VEER_E_CORRUPT);
                assert_int_equal(segment_load(s, 1, &data, &error), VEER_E_CORRUPT);
                ok(segment_load(s, 0, &data, &error), &error);
                compare(data, 0, 0, 50000);
            }
            findings found = {0};
            ok(segment_verify(s, take_finding, &found, &error), &error);
            assert_int_equal(found.count, 1);
            assert_non_null(strstr(found.last, "section 2 of field 1, block "));
            segment_close(s);
            arena_fini(&scratch);
            byte ^= 0x10;
            assert_int_equal(io->write(io->context, file, place, &byte, 1, &error), VEER_OK);
            io->close(io->context, file);
        }
        close_store(opened);
        io_table_end(&table);
    }
}

/* ---- strings */

static size_t string_of(uint64_t i, uint8_t *to)
{
    rng random;
    rng_init(&random, i * 31 + 1);
    uint64_t kind = rng_below(&random, 200);
    size_t bytes = (size_t)(kind == 0   ? 20000 + rng_below(&random, 400000)
                            : kind < 20 ? 0
                            : kind < 40 ? rng_below(&random, 9000)
                                        : rng_below(&random, 60));
    uint64_t noise = rng_below(&random, 3);
    for (size_t j = 0; j < bytes; j++)
        to[j] = noise == 0 ? (uint8_t)rng_next(&random)
                           : (uint8_t)((uint64_t) "the house of "[j % 13] + i % 3);
    return bytes;
}

static veer_status write_strings(store *opened, const char *name, uint64_t n, bool compress,
                                 store_stream *stream, veer_error *error)
{
    static uint8_t text[500000];
    segment_writer *writer = NULL;
    blob_writer *strings = NULL;
    veer_status status;
    AGAIN(status, segment_writer_new(opened, name, 0, &writer, error));
    if (status == VEER_OK) AGAIN(status, blob_writer_new(writer, 5, 6, compress, &strings, error));
    for (uint64_t i = 0; i < n && status == VEER_OK; i++) {
        size_t bytes = string_of(i, text);
        AGAIN(status, blob_writer_put(strings, text, bytes, error));
    }
    if (status != VEER_OK) {
        blob_writer_abort(strings);
    } else {
        AGAIN(status, blob_writer_end(strings, error));
    }
    if (status == VEER_OK) AGAIN(status, segment_writer_finish(writer, NULL, 0, stream, error));
    if (status != VEER_OK) segment_writer_abort(writer);
    return status;
}

static veer_status read_strings(store *opened, const store_stream *stream, uint64_t n,
                                const veer_allocator *allocator, veer_error *error)
{
    static uint8_t text[500000];
    segment *s = NULL;
    blobs *strings = NULL;
    arena scratch;
    rng random;
    blob_cursor cursor = {0};
    veer_status status;
    rng_init(&random, n);
    arena_init(&scratch, allocator);
    AGAIN(status, segment_open(opened, stream, &s, error));
    if (status == VEER_OK) AGAIN(status, blobs_open(s, 5, 6, &strings, error));
    if (status == VEER_OK) assert_int_equal(blobs_count(strings), n);
    for (uint64_t round = 0; round < 2 * n && status == VEER_OK; round++) {
        const void *data;
        size_t bytes;
        uint64_t i = round < n ? round : rng_below(&random, n);
        bool with_cursor = round < n || round % 2 == 0;
        AGAIN(status,
              blobs_get(strings, i, with_cursor ? &cursor : NULL, &scratch, &data, &bytes, error));
        if (status != VEER_OK) break;
        assert_int_equal(bytes, string_of(i, text));
        assert_memory_equal(data, text, bytes);
        if (round % 64 == 63) {
            arena_reset(&scratch);
            memset(&cursor, 0, sizeof cursor);
        }
    }
    if (status == VEER_OK) {
        const void *data;
        size_t bytes;
        veer_error ignored;
        assert_int_equal(blobs_get(strings, n, NULL, &scratch, &data, &bytes, &ignored),
                         VEER_E_RANGE);
    }
    blobs_close(strings);
    segment_close(s);
    arena_fini(&scratch);
    return status;
}

static void strings_round_trip(void **state)
{
    (void)state;
    static const uint64_t counts[] = {0, 1, 2, 500, 3000};
    for (int kind = 0; kind < TABLE_KINDS; kind++) {
        io_table table;
        veer_error error;
        io_table_make(&table, (io_table_kind)kind);
        store *opened = open_store(memory_default(), table.io, 50000);
        for (size_t i = 0; i < TEST_COUNT(counts); i++) {
            for (int compress = 0; compress < 2; compress++) {
                store_stream stream;
                char name[65];
                if (kind > TABLE_POSIX && counts[i] > 500) continue;
                snprintf(name, sizeof name, "seg.%zu.%d", i, compress);
                ok(write_strings(opened, name, counts[i], compress != 0, &stream, &error), &error);
                ok(read_strings(opened, &stream, counts[i], memory_default(), &error), &error);
            }
        }
        close_store(opened);
        io_table_end(&table);
    }
}

static void strings_compress_and_limits(void **state)
{
    (void)state;
    io_table table;
    veer_error error;
    store_stream plain, compressed;
    segment_writer *writer;
    blob_writer *strings;
    io_table_make(&table, TABLE_MEMORY);
    store *opened = open_store(memory_default(), table.io, 0);
    ok(write_strings(opened, "seg.1", 2000, false, &plain, &error), &error);
    ok(write_strings(opened, "seg.2", 2000, true, &compressed, &error), &error);
    assert_true(compressed.bytes < plain.bytes * 3 / 4);
    ok(segment_writer_new(opened, "seg.3", 0, &writer, &error), &error);
    ok(blob_writer_new(writer, 1, 1, true, &strings, &error), &error);
    assert_int_equal(blob_writer_put(strings, "", BLOB_STRING_BYTES_MAX + 1, &error), VEER_E_LIMIT);
    blob_writer_abort(strings);
    segment_writer_abort(writer);
    segment *s;
    blobs *found = (blobs *)(uintptr_t)1;
    ok(segment_open(opened, &plain, &s, &error), &error);
    assert_int_equal(blobs_open(s, 1, 6, &found, &error), VEER_E_NOTFOUND);
    assert_null(found);
    segment_close(s);
    close_store(opened);
    io_table_end(&table);
}

/* ---- memory */

static void allocations_fail(void **state)
{
    (void)state;
    shape shapes[3] = {{1, 1, 50000, 4096}, {2, 1, 100, 16384}, {2, 2, 0, 4096}};
    for (int mapped = 0; mapped < 2; mapped++) {
        for (uint64_t number = 0;; number++) {
            io_table table;
            fault_allocator faults;
            veer_error error = {VEER_OK, ""};
            store_stream stream;
            segment *s = NULL;
            arena scratch;
            const void *data;
            io_table_make(&table, mapped ? TABLE_MEMORY : TABLE_MEMORY_UNMAPPED);
            fault_allocator_init(&faults);
            store *opened = open_store(&faults.allocator, table.io, 30000);
            arena_init(&scratch, &faults.allocator);
            fault_allocator_fail(&faults, number, false);
            veer_status status = write_segment(opened, "seg.1", shapes, 3, 1, &stream, &error);
            if (status == VEER_OK) status = segment_open(opened, &stream, &s, &error);
            for (uint64_t at = 0; at < 49000 && status == VEER_OK; at += 7000)
                status = segment_read(s, 0, at, 1000, &scratch, &data, &error);
            if (status == VEER_OK) status = segment_load(s, 0, &data, &error);
            if (status == VEER_OK) compare(data, 0, 0, 50000);
            segment_close(s);
            if (status == VEER_OK)
                status = write_strings(opened, "seg.2", 60, true, &stream, &error);
            if (status == VEER_OK)
                status = read_strings(opened, &stream, 60, &faults.allocator, &error);
            arena_fini(&scratch);
            close_store(opened);
            bool fired = fault_allocator_fired(&faults);
            assert_true(status == VEER_OK || (fired && status == VEER_E_NOMEM));
            assert_null(fault_allocator_fini(&faults));
            io_table_end(&table);
            if (!fired) break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_round_trip), cmocka_unit_test(many_sections),
        cmocka_unit_test(writer_misuse),       cmocka_unit_test(damaged_blocks),
        cmocka_unit_test(strings_round_trip),  cmocka_unit_test(strings_compress_and_limits),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
