/* What is read again and again: originals in rooms, handed out in place; strings out of decompressed
 * blocks. Over storage that does not map, whose reads are counted. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "storage/segment.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/testing.h"

#define BYTES 300001u /* of a section */
#define ORIGINALS 4096u
#define OTHERS 16384u
#define STRINGS 600u

/* Sections 0 ... 3: two of originals, one of others, one of originals; then strings. */
static const uint32_t block_bytes[] = {ORIGINALS, ORIGINALS, OTHERS, ORIGINALS};
enum { SECTIONS = 4, STRINGS_KIND = 9 };

typedef struct fixture {
    veer_io base;
    io_fault *fault;
    store *store;
    store_stream stream;
    arena scratch;
} fixture;

static void ok(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", (int)status, error->message);
}

static uint8_t byte_of(uint32_t section, uint64_t i)
{
    return (uint8_t)((i * 2654435761u + section * 97u) >> 7);
}

static size_t string_of(uint64_t i, char text[200])
{
    return (size_t)snprintf(text, 200, "string number %llu of %u, %0*d", (unsigned long long)i,
                            STRINGS, (int)(i % 120) + 1, 7);
}

static void open_store(fixture *f, const veer_allocator *allocator, size_t cache)
{
    veer_error error;
    store_options options = {.create = true, .wal_bytes = 1 << 20, .cache_bytes = cache};
    ok(store_open(allocator, io_fault_table(f->fault), &options, 1, &f->store, &error), &error);
}

static void write_segment(fixture *f)
{
    static uint8_t data[BYTES];
    segment_writer *writer;
    blob_writer *strings;
    veer_error error;
    ok(segment_writer_new(f->store, "seg.1", 0, &writer, &error), &error);
    for (uint32_t i = 0; i < SECTIONS; i++) {
        for (size_t j = 0; j < BYTES; j++)
            data[j] = byte_of(i, j);
        ok(segment_writer_begin(writer, (uint16_t)i, 0, block_bytes[i], &error), &error);
        ok(segment_writer_put(writer, data, BYTES, &error), &error);
        ok(segment_writer_end(writer, &error), &error);
    }
    ok(blob_writer_new(writer, STRINGS_KIND, 0, true, &strings, &error), &error);
    for (uint64_t i = 0; i < STRINGS; i++) {
        char text[200];
        size_t bytes = string_of(i, text);
        ok(blob_writer_put(strings, text, bytes, &error), &error);
    }
    ok(blob_writer_end(strings, &error), &error);
    ok(segment_writer_finish(writer, NULL, 0, &f->stream, &error), &error);
    ok(store_commit(f->store, "", 0, &f->stream, 1, false, &error), &error);
}

static void fixture_make(fixture *f, size_t cache)
{
    veer_error error;
    memset(f, 0, sizeof *f);
    ok(io_memory_new(memory_default(), &f->base, &error), &error);
    io_memory_set_mapping(&f->base, false);
    ok(io_fault_new(memory_default(), &f->base, &f->fault, &error), &error);
    arena_init(&f->scratch, memory_default());
    open_store(f, memory_default(), cache);
    write_segment(f);
}

static void fixture_end(fixture *f)
{
    veer_error error;
    arena_fini(&f->scratch);
    ok(store_close(f->store, &error), &error);
    io_fault_free(f->fault);
    io_memory_free(&f->base);
}

static segment *open_segment(fixture *f)
{
    segment *s = NULL;
    veer_error error;
    ok(segment_open(f->store, &f->stream, &s, &error), &error);
    return s;
}

static const uint8_t *read_right(fixture *f, segment *s, uint32_t section, uint64_t offset,
                                 size_t bytes)
{
    const void *data = NULL;
    veer_error error;
    ok(segment_read(s, section, offset, bytes, &f->scratch, &data, &error), &error);
    for (size_t i = 0; i < bytes; i++)
        if (((const uint8_t *)data)[i] != byte_of(section, offset + i))
            fail_msg("section %u, byte %u", section, (unsigned)(offset + i));
    return data;
}

/* Where the section would begin if what is read lay in one piece. */
static const uint8_t *place_of(fixture *f, segment *s, uint32_t section, uint64_t offset)
{
    return read_right(f, s, section, offset, 5000) - offset;
}

static bool has_room(fixture *f, segment *s, uint32_t section)
{
    const uint8_t *place = place_of(f, s, section, 20000);
    return place_of(f, s, section, 20000) == place && place_of(f, s, section, 7) == place;
}

static size_t cache_bytes(fixture *f)
{
    store_usage usage;
    store_get_usage(f->store, &usage);
    return usage.cache_bytes;
}

/* ---- rooms */

static void originals_are_handed_out_in_place(void **state)
{
    (void)state;
    fixture f;
    rng random;
    fixture_make(&f, 4 << 20);
    segment *s = open_segment(&f);
    rng_init(&random, 1);
    assert_true(has_room(&f, s, 0));
    assert_false(has_room(&f, s, 2));
    const uint8_t *place = place_of(&f, s, 0, 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t offset = rng_below(&random, BYTES);
        size_t bytes = (size_t)rng_below(&random, i % 100 == 0 ? BYTES - offset : 3000) + 1;
        if (bytes > BYTES - offset) bytes = (size_t)(BYTES - offset);
        assert_ptr_equal(read_right(&f, s, 0, offset, bytes), place + offset);
    }
    (void)read_right(&f, s, 0, 0, BYTES);
    io_fault_fail(f.fault, NULL);
    (void)read_right(&f, s, 0, 0, BYTES);
    assert_int_equal(io_fault_calls(f.fault), 0); /* each block is read once */
    segment_close(s);
    fixture_end(&f);
}

static void rooms_stay_within_the_cache(void **state)
{
    (void)state;
    fixture f;
    size_t limit = 900000; /* of which three quarters may be rooms: two of them */
    fixture_make(&f, limit);
    segment *s = open_segment(&f);
    assert_true(has_room(&f, s, 0));
    assert_true(has_room(&f, s, 1));
    assert_false(has_room(&f, s, 3));
    for (uint32_t i = 0; i < SECTIONS; i++)
        (void)read_right(&f, s, i, 0, BYTES);
    assert_in_range(cache_bytes(&f), 2 * BYTES, limit + 40000);
    /* Another opening has to wait until this one is closed. */
    segment *second = open_segment(&f);
    assert_false(has_room(&f, second, 0));
    segment_close(s);
    assert_in_range(cache_bytes(&f), 0, limit - 2 * BYTES + 40000);
    assert_true(has_room(&f, second, 0));
    segment_close(second);
    fixture_end(&f);
}

static void without_a_cache_there_are_no_rooms(void **state)
{
    (void)state;
    static const size_t limits[] = {0, 1000, BYTES, BYTES * 4 / 3 - 10};
    for (size_t i = 0; i < TEST_COUNT(limits); i++) {
        fixture f;
        fixture_make(&f, limits[i]);
        segment *s = open_segment(&f);
        for (uint32_t j = 0; j < SECTIONS; j++)
            assert_false(has_room(&f, s, j));
        segment_close(s);
        fixture_end(&f);
    }
}

static void damage_in_a_room_is_found_where_it_is(void **state)
{
    (void)state;
    fixture f;
    fixture_make(&f, 4 << 20);
    segment *s = open_segment(&f);
    veer_error error;
    const void *data;
    void *file = NULL;
    /* Section 0 begins somewhere at a multiple of 4096: where its first bytes are. */
    uint8_t page[ORIGINALS];
    uint64_t begin = 0, size = 0;
    ok(f.base.open(f.base.context, "seg.1", VEER_IO_WRITE, &file, &error), &error);
    ok(f.base.size(f.base.context, file, &size, &error), &error);
    for (bool found = false; !found; begin += found ? 0 : ORIGINALS) {
        assert_true(begin + ORIGINALS <= size);
        ok(f.base.read(f.base.context, file, begin, page, sizeof page, &error), &error);
        found = true;
        for (size_t i = 0; i < sizeof page; i++)
            found = found && page[i] == byte_of(0, i);
    }
    uint8_t byte = (uint8_t)(byte_of(0, 5 * ORIGINALS + 77) ^ 4);
    ok(f.base.write(f.base.context, file, begin + 5 * ORIGINALS + 77, &byte, 1, &error), &error);
    for (int round = 0; round < 3; round++) {
        (void)read_right(&f, s, 0, 4 * ORIGINALS, ORIGINALS);
        (void)read_right(&f, s, 0, 6 * ORIGINALS, 2 * ORIGINALS);
        assert_int_equal(segment_read(s, 0, 5 * ORIGINALS + 4000, 50, &f.scratch, &data, &error),
                         VEER_E_CORRUPT);
        assert_non_null(strstr(error.message, "block 5"));
        assert_int_equal(segment_read(s, 0, 0, BYTES, &f.scratch, &data, &error), VEER_E_CORRUPT);
        assert_null(data);
    }
    byte ^= 4;
    ok(f.base.write(f.base.context, file, begin + 5 * ORIGINALS + 77, &byte, 1, &error), &error);
    (void)read_right(&f, s, 0, 0, BYTES);
    f.base.close(f.base.context, file);
    segment_close(s);
    fixture_end(&f);
}

/* ---- strings */

static veer_status get(fixture *f, blobs *strings, uint64_t i, bool keeps, veer_error *error)
{
    const void *data;
    size_t bytes;
    char text[200];
    blob_cursor cursor = {.keeps = keeps};
    arena_reset(&f->scratch);
    VEER_TRY(blobs_get(strings, i, &cursor, &f->scratch, &data, &bytes, error));
    assert_int_equal(bytes, string_of(i, text));
    assert_memory_equal(data, text, bytes);
    return VEER_OK;
}

static void kept_strings_stay_decompressed(void **state)
{
    (void)state;
    for (int keeps = 0; keeps < 2; keeps++) {
        fixture f;
        veer_error error;
        fixture_make(&f, 4 << 20);
        segment *s = open_segment(&f);
        blobs *strings = NULL;
        ok(blobs_open(s, STRINGS_KIND, 0, &strings, &error), &error);
        size_t before = cache_bytes(&f);
        for (uint64_t i = 0; i < STRINGS; i++)
            ok(get(&f, strings, i, keeps != 0, &error), &error);
        size_t decompressed = 0;
        char text[200];
        for (uint64_t i = 0; i < STRINGS; i++)
            decompressed += string_of(i, text) + 4;
        size_t grown = cache_bytes(&f) - before;
        assert_int_equal(keeps, grown > decompressed);
        blobs_close(strings);
        segment_close(s); /* blocks of a closed segment are gone */
        assert_in_range(cache_bytes(&f), 0, before + 40000);
        fixture_end(&f);
    }
}

static void everything_without_memory(void **state)
{
    (void)state;
    fixture f;
    fault_allocator fault;
    veer_error error;
    fixture_make(&f, 4 << 20);
    ok(store_close(f.store, &error), &error);
    fault_allocator_init(&fault);
    for (uint64_t n = 0;; n++) {
        open_store(&f, &fault.allocator, 4 << 20);
        segment *s = NULL;
        blobs *strings = NULL;
        arena_fini(&f.scratch);
        arena_init(&f.scratch, memory_default());
        ok(segment_open(f.store, &f.stream, &s, &error), &error);
        ok(blobs_open(s, STRINGS_KIND, 0, &strings, &error), &error);
        fault_allocator_fail(&fault, n, n % 2 == 1);
        bool fired = false;
        for (int i = 0; i < 40; i++) {
            const void *data = NULL;
            uint32_t section = (uint32_t)i % SECTIONS;
            uint64_t offset = (uint64_t)i * 5000;
            veer_status status = segment_read(s, section, offset, 700, &f.scratch, &data, &error);
            if (status == VEER_OK && ((const uint8_t *)data)[699] != byte_of(section, offset + 699))
                fail_msg("allocation %u: wrong bytes", (unsigned)n);
            fired = fault_allocator_fired(&fault);
            assert_true(status == VEER_OK || (fired && status == VEER_E_NOMEM));
            status = get(&f, strings, (uint64_t)i * 15, true, &error);
            fired = fault_allocator_fired(&fault);
            assert_true(status == VEER_OK || (fired && status == VEER_E_NOMEM));
        }
        fault_allocator_fail(&fault, UINT64_MAX, false);
        for (uint32_t i = 0; i < SECTIONS; i++)
            (void)read_right(&f, s, i, 0, BYTES);
        blobs_close(strings);
        segment_close(s);
        ok(store_close(f.store, &error), &error);
        assert_int_equal(fault_allocator_live(&fault), 0);
        if (!fired) break;
    }
    const char *problem = fault_allocator_fini(&fault);
    if (problem) fail_msg("%s", problem);
    open_store(&f, memory_default(), 0);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(originals_are_handed_out_in_place),
        cmocka_unit_test(rooms_stay_within_the_cache),
        cmocka_unit_test(without_a_cache_there_are_no_rooms),
        cmocka_unit_test(damage_in_a_room_is_found_where_it_is),
        cmocka_unit_test(kept_strings_stay_decompressed),
        cmocka_unit_test(everything_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
