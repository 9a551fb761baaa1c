/* veer_check finds damage that every checksum has been made to agree with: in any section of any
 * segment. What opens in spite of it answers or says that it is damaged, and never more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/rng.h"
#include "engine/sealed.h"
#include "storage_image.h"
#include "support/testing.h"

#define ROWS 1500

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", status, error->message);
}

static void build(const veer_io *io)
{
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    veer_error error;
    check(veer_open(NULL, io, "{\"create\":true}", NULL, &database, &error), &error);
    check(
        veer_collection_open(
            database, "c",
            "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":20},\"w\":{\"type\":"
            "\"vector\",\"dims\":5,\"metric\":\"l2\",\"storage\":\"f16\"},\"z\":{\"type\":"
            "\"vector\",\"dims\":5,\"metric\":\"hamming\",\"storage\":\"bits\"},"
            "\"tag\":{\"type\":\"keyword\"},\"n\":{\"type\":\"number\"},\"b\":{\"type\":\"bool\"},"
            "\"t\":{\"type\":\"time\"}}}",
            &collection, &error),
        &error);
    rng random;
    rng_init(&random, 1);
    byte_writer json;
    byte_writer_init(&json, memory_default());
    static float v[ROWS * 20], w[ROWS * 5], z[ROWS * 5];
    uint8_t has_w[ROWS / 8 + 1];

    for (size_t i = 0; i < TEST_COUNT(v); i++)
        v[i] = (float)rng_normal(&random);
    for (size_t i = 0; i < TEST_COUNT(w); i++)
        w[i] = (float)rng_normal(&random);
    for (size_t i = 0; i < TEST_COUNT(z); i++)
        z[i] = w[i] > 0;
    for (size_t i = 0; i < TEST_COUNT(has_w); i++)
        has_w[i] = (uint8_t)rng_next(&random);
    for (int i = 0; i < ROWS; i++) {
        char text[160];
        int bytes =
            snprintf(text, sizeof text,
                     "{\"id\":\"row-%d\",\"tag\":[\"t%d\",\"u%d\"],\"n\":%d.5,\"b\":%s,\"t\":%d,"
                     "\"x\":\"%llu\"}\n",
                     i, i % 7, i, i, i % 2 ? "true" : "false", i * 1000,
                     (unsigned long long)rng_next(&random));
        byte_writer_put(&json, text, (size_t)bytes);
    }
    const veer_vectors vectors[] = {{.field = "v", .data = v, .dims = 20},
                                    {.field = "w", .data = w, .dims = 5, .present = has_w},
                                    {.field = "z", .data = z, .dims = 5}};
    const veer_operation operation = {.collection = collection,
                                      .documents = (const char *)json.data,
                                      .documents_bytes = json.bytes,
                                      .count = ROWS,
                                      .vectors = vectors,
                                      .vectors_count = TEST_COUNT(vectors)};
    check(veer_write(database, &operation, 1, NULL, &error), &error);
    check(veer_compact(database, NULL, NULL, &error), &error);
    byte_writer_fini(&json);
    veer_collection_close(collection);
    check(veer_close(database, &error), &error);
}

static veer_status check_image(const image *from, char *report_text, size_t room)
{
    veer_io io = {0};
    veer_error error = {0};
    veer_buffer report = {0};
    check(io_memory_new(memory_default(), &io, &error), &error);
    image_write(from, &io);
    veer_status status = veer_check(NULL, &io, NULL, NULL, NULL, &report, &error);
    if (status != VEER_OK && status != VEER_E_CORRUPT)
        fail_msg("status %d: %s", status, error.message);
    assert_int_equal(status == VEER_OK, strncmp(report.data, "{\"ok\":true", 10) == 0);
    (void)snprintf(report_text, room, "%s", report.data);
    veer_buffer_free(&report);
    io_memory_free(&io);
    return status;
}

/* Searches, reads and counts: any answer or error will do, a crash will not. */
static void use_image(const image *from)
{
    veer_io io = {0};
    veer_error error = {0};
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    check(io_memory_new(memory_default(), &io, &error), &error);
    image_write(from, &io);
    if (veer_open(NULL, &io, "{\"mode\":\"readonly\"}", NULL, &database, &error) == VEER_OK) {
        if (veer_collection_open(database, "c", NULL, &collection, &error) == VEER_OK) {
            static const char *const requests[] = {
                "{\"vector\":\"v\",\"filter\":\"n > 100 AND tag != 't1'\"}",
                "{\"vector\":\"v\",\"exact\":true,\"select\":[\"v\",\"w\",\"x\",\"z\"]}",
                "{\"vector\":\"v\",\"filter\":\"t < 900000 OR b = true\",\"k\":3}"};
            float query[20] = {1};
            veer_results *results = NULL;
            uint64_t count = 0;
            for (size_t i = 0; i < TEST_COUNT(requests); i++) {
                (void)veer_search(collection, NULL, requests[i], query, 1, 20, NULL, &results,
                                  &error);
                veer_results_free(results);
            }
            (void)veer_get(collection, NULL, "[\"row-3\",\"row-1400\",\"x\"]", NULL, &results,
                           &error);
            veer_results_free(results);
            (void)veer_count(collection, NULL, "\"tag = 'u77'\"", NULL, &count, &error);
            veer_collection_close(collection);
        }
        check(veer_close(database, &error), &error);
    }
    io_memory_free(&io);
}

static void test_sound(void **state)
{
    (void)state;
    veer_io io = {0};
    veer_error error;
    image sound;
    char report[4000];
    check(io_memory_new(memory_default(), &io, &error), &error);
    build(&io);
    image_read(&sound, &io);
    if (check_image(&sound, report, sizeof report) != VEER_OK) fail_msg("%s", report);
    image_repair_database(&sound); /* changes nothing where nothing is wrong */
    if (check_image(&sound, report, sizeof report) != VEER_OK) fail_msg("%s", report);
    image_free(&sound);
    io_memory_free(&io);
}

/* In every section, one after the other, about one byte in forty is changed. When a row was written
 * has nothing that it could contradict. */
static void test_damaged_sections(void **state)
{
    (void)state;
    veer_io io = {0};
    veer_error error;
    image sound;
    unsigned kinds = 0;
    check(io_memory_new(memory_default(), &io, &error), &error);
    build(&io);
    image_read(&sound, &io);
    rng random;
    rng_init(&random, 2);
    for (size_t s = 0; s < sound.count; s++) {
        image_stream *stream = &sound.streams[s];
        if (strncmp(stream->name, "seg.", 4) != 0) continue;
        uint32_t sections = load_u32(stream->data + 32);
        const uint8_t *table = stream->data + load_u64(stream->data + 40);
        for (uint32_t i = 0; i < sections; i++) {
            uint16_t kind = load_u16(table + i * 48);
            uint64_t offset = load_u64(table + i * 48 + 8), bytes = load_u64(table + i * 48 + 16);
            if (bytes == 0 || kind == SECTION_TIMES) continue;
            image damaged;
            image_read(&damaged, &io);
            image_stream *to = image_find(&damaged, stream->name);
            to->data[offset + rng_below(&random, bytes)] ^= 0x41;
            for (uint64_t at = rng_below(&random, 40); at < bytes; at += 1 + rng_below(&random, 80))
                to->data[offset + at] ^= (uint8_t)(1 + rng_below(&random, 255));
            image_repair_database(&damaged);
            char report[4000];
            if (check_image(&damaged, report, sizeof report) == VEER_OK)
                fail_msg("%s, section of kind %u: damage is not found", stream->name, kind);
            use_image(&damaged);
            image_free(&damaged);
            if (kind < 32) kinds |= 1u << kind;
        }
    }
    /* All kinds that a segment has were there. */
    static const unsigned expected[] = {SECTION_ID_TEXTS,    SECTION_ID_OFFSETS,  SECTION_DOCUMENTS,
                                        SECTION_ID_MAP_ROWS, SECTION_ID_MAP_TAGS, SECTION_LSNS,
                                        SECTION_ORIGINALS,   SECTION_NORMS,       SECTION_PRESENCE,
                                        SECTION_CENTRE,      SECTION_CODES,       SECTION_COLUMN};
    for (size_t i = 0; i < TEST_COUNT(expected); i++)
        if (!(kinds & 1u << expected[i])) fail_msg("no section of kind %u", expected[i]);
    image_free(&sound);
    io_memory_free(&io);
}

/* The stored schema says that vectors are kept in another way, or in one that there is not. */
static void test_another_storage(void **state)
{
    static const struct {
        const char *from, *to;
        bool opens;
    } cases[] = {
        {"\"storage\":\"f16\"", "\"storage\":\"f17\"", false},
        {"\"storage\":\"f16\"", "\"storage\":\"f32\"", true},
        {"\"storage\":\"f16\"", "\"storagf\":\"f16\"", false},
        {"\"storage\":\"bits\"", "\"storage\":\"Bits\"", false},
        {"\"metric\":\"hamming\"", "\"metric\":\"jaccard\"", true},
        {"\"metric\":\"hamming\"", "\"metric\":\"cosine\" ", false},
    };
    (void)state;
    veer_io io = {0};
    veer_error error;
    check(io_memory_new(memory_default(), &io, &error), &error);
    build(&io);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        image damaged;
        unsigned changes = 0;
        image_read(&damaged, &io);
        size_t bytes = strlen(cases[i].from);
        for (size_t s = 0; s < damaged.count; s++) {
            image_stream *to = &damaged.streams[s];
            if (strncmp(to->name, "cat.", 4) != 0) continue;
            for (size_t at = 0; at + bytes <= to->bytes; at++) {
                if (memcmp(to->data + at, cases[i].from, bytes) != 0) continue;
                memcpy(to->data + at, cases[i].to, bytes);
                changes++;
            }
        }
        assert_true(changes > 0);
        image_repair_database(&damaged);
        veer_io changed = {0};
        veer_database *database = NULL;
        check(io_memory_new(memory_default(), &changed, &error), &error);
        image_write(&damaged, &changed);
        veer_status status =
            veer_open(NULL, &changed, "{\"mode\":\"readonly\"}", NULL, &database, &error);
        if (cases[i].opens) check(status, &error);
        if (!cases[i].opens) {
            assert_int_equal(status, VEER_E_CORRUPT);
            assert_non_null(strstr(error.message, "stored schema"));
        }
        check(veer_close(database, &error), &error);
        io_memory_free(&changed);
        char report[4000];
        bool is_sound = check_image(&damaged, report, sizeof report) == VEER_OK;
        assert_int_equal(is_sound, strstr(cases[i].to, "jaccard") != NULL);
        use_image(&damaged);
        image_free(&damaged);
    }
    io_memory_free(&io);
}

/* A column that is sound in itself but says something else than the documents. */
static void test_wrong_column(void **state)
{
    (void)state;
    veer_io io = {0};
    veer_error error;
    unsigned differs = 0;
    check(io_memory_new(memory_default(), &io, &error), &error);
    build(&io);
    rng random;
    rng_init(&random, 4);
    for (int round = 0; round < 60; round++) {
        image damaged;
        image_read(&damaged, &io);
        for (size_t s = 0; s < damaged.count; s++) {
            image_stream *to = &damaged.streams[s];
            if (!strstr(to->name, ".columns.")) continue;
            uint32_t sections = load_u32(to->data + 32);
            const uint8_t *entry =
                to->data + load_u64(to->data + 40) + 48 * (size_t)rng_below(&random, sections);
            uint64_t offset = load_u64(entry + 8), bytes = load_u64(entry + 16);
            uint8_t *column = to->data + offset; /* with a checksum of its own at 60 */
            column[64 + rng_below(&random, bytes - 64)] ^= (uint8_t)(1 + rng_below(&random, 255));
            store_u32(column + 60, crc32c(crc32c(0, column, 60), column + 64, bytes - 64));
        }
        image_repair_database(&damaged);
        char report[4000];
        (void)check_image(&damaged, report, sizeof report);
        differs += strstr(report, "differs from the document") != NULL;
        use_image(&damaged);
        image_free(&damaged);
    }
    assert_true(differs > 0);
    io_memory_free(&io);
}

static void add_field(const veer_io *io)
{
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    veer_error error;
    check(veer_open(NULL, io, "{}", NULL, &database, &error), &error);
    check(veer_collection_open(database, "c", "{\"fields\":{\"later\":{\"type\":\"bool\"}}}",
                               &collection, &error),
          &error);
    veer_collection_close(collection);
    check(veer_close(database, &error), &error);
}

/* A sound column in which row 0 has no value although its document has one; also where a field
 * came later. The set of present rows is one run here: key, rows - 1, runs, first, rows - 1. */
static void test_missing_value(void **state)
{
    (void)state;
    for (int changed = 0; changed < 2; changed++) {
        veer_io io = {0};
        veer_error error;
        image damaged;
        char report[4000];
        bool found = false;
        check(io_memory_new(memory_default(), &io, &error), &error);
        build(&io);
        if (changed) add_field(&io);
        image_read(&damaged, &io);
        if (check_image(&damaged, report, sizeof report) != VEER_OK) fail_msg("%s", report);
        for (size_t s = 0; s < damaged.count; s++) {
            image_stream *to = &damaged.streams[s];
            if (!strstr(to->name, ".columns.")) continue;
            uint8_t *table = to->data + load_u64(to->data + 40);
            for (uint32_t i = 0; i < load_u32(to->data + 32); i++) {
                uint8_t *column = to->data + load_u64(table + i * 48 + 8);
                uint64_t bytes = load_u64(table + i * 48 + 16);
                if (column[6] != COLUMN_BOOL) continue;
                assert_int_equal(load_u32(column + 12), ROWS);
                assert_int_equal(load_u16(column + 73), 1);
                store_u32(column + 12, ROWS - 1);
                store_u16(column + 71, ROWS - 2);
                store_u16(column + 75, 1);
                store_u16(column + 77, ROWS - 2);
                store_u32(column + 60, crc32c(crc32c(0, column, 60), column + 64, bytes - 64));
                found = true;
            }
        }
        assert_true(found);
        image_repair_database(&damaged);
        assert_int_equal(check_image(&damaged, report, sizeof report), VEER_E_CORRUPT);
        assert_non_null(strstr(report, "field 'b' differs from the document of row 0"));
        image_free(&damaged);
        io_memory_free(&io);
    }
}

/* Single bytes anywhere, with right checksums: never more than a wrong answer or an error. */
static void test_damaged_bytes(void **state)
{
    (void)state;
    veer_io io = {0};
    veer_error error;
    check(io_memory_new(memory_default(), &io, &error), &error);
    build(&io);
    rng random;
    rng_init(&random, 3);
    for (int round = 0; round < 150; round++) {
        image damaged;
        image_read(&damaged, &io);
        image_stream *to = &damaged.streams[rng_below(&random, damaged.count)];
        for (uint64_t i = 0; to->bytes > 0 && i <= rng_below(&random, 4); i++)
            to->data[rng_below(&random, to->bytes)] ^= (uint8_t)(1 + rng_below(&random, 255));
        image_repair_database(&damaged);
        use_image(&damaged);
        image_free(&damaged);
    }
    io_memory_free(&io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),           cmocka_unit_test(test_damaged_sections),
        cmocka_unit_test(test_another_storage), cmocka_unit_test(test_wrong_column),
        cmocka_unit_test(test_missing_value),   cmocka_unit_test(test_damaged_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
