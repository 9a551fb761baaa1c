/* Graph streams that are lost, damaged, half written or too large: searches stay right, veer_check
 * tells, background work makes them again and leaves nothing behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "engine/sealed.h"
#include "graph_world.h"
#include "platform/io_fault.h"
#include "storage_image.h"
#include "support/io_tables.h"

#define ROWS 6000u

static const char plain[] = "{\"create\":true,\"sync\":\"none\",\"graphRows\":0}";
static const char options[] = "{\"create\":true,\"sync\":\"none\",\"graphRows\":500}";
static const world_query easy = {.k = 1, .recall = 0.8};

static void new_memory(veer_io *io)
{
    veer_error error;
    check_status(io_memory_new(memory_default(), io, &error), &error);
}

/* A sealed segment; the table holds all of it when this returns. */
static void build(world *w, veer_io *io, const char *with, uint32_t rows)
{
    new_memory(io);
    world_new(w, io, with, VEER_METRIC_L2, rows);
    world_put(w, 0, rows, 0);
    world_settle(w);
    world_close(w);
}

static void count_name(void *context, const char *name)
{
    *(uint32_t *)context += strncmp(name, "seg.", 4) == 0 || strncmp(name, "cat.", 4) == 0;
}

/* Streams that a segment or a catalogue might have left behind. */
static uint32_t streams(const veer_io *io)
{
    uint32_t count = 0;
    veer_error error;
    check_status(io->list(io->context, count_name, &count, &error), &error);
    return count;
}

static veer_status check_io(const veer_io *io, char *text, size_t room)
{
    veer_buffer report = {0};
    veer_error error;
    veer_status status = veer_check(NULL, io, NULL, NULL, NULL, &report, &error);
    (void)snprintf(text, room, "%s", report.data ? report.data : error.message);
    veer_buffer_free(&report);
    return status;
}

/* Opens what the image holds, searches, and lets background work mend it. Returns whether the first
 * searches walked a graph. */
static bool use(const world *like, const image *from, bool must_mend, const char *lost)
{
    veer_io io;
    veer_error error;
    char text[2000];
    uint32_t graphs = 0, again = 0;
    new_memory(&io);
    image_write(from, &io);
    world w = *like;
    w.io = &io;
    check_status(world_open(&w, must_mend ? options : plain, &error), &error);
    (void)world_recall(&w, &easy, 5, &graphs);
    const world_query filtered = {.k = 50, .recall = 0.8, .by = "chance", .below = 600};
    (void)world_recall(&w, &filtered, 3, NULL);
    check_status(world_work(&w, &error), &error);
    (void)world_recall(&w, &easy, 5, &again);
    world_close(&w);
    if (must_mend) {
        void *file = NULL;
        assert_int_equal(again, 5);
        assert_int_equal(world_graphs(&io), 2);
        if (lost)
            assert_int_equal(io.open(io.context, lost, VEER_IO_READ, &file, &error),
                             VEER_E_NOTFOUND);
        if (check_io(&io, text, sizeof text) != VEER_OK) fail_msg("mended, but: %s", text);
    }
    io_memory_free(&io);
    return graphs > 0;
}

static image_stream *graph_stream(image *image)
{
    image_stream *found = NULL;
    for (size_t i = 0; i < image->count; i++)
        if (strstr(image->streams[i].name, ".graph.1.")) found = &image->streams[i];
    assert_non_null(found);
    return found;
}

static veer_status check_image(const image *from, char *text, size_t room)
{
    veer_io io;
    new_memory(&io);
    image_write(from, &io);
    veer_status status = check_io(&io, text, room);
    io_memory_free(&io);
    return status;
}

/* One bit of each section, and of the first page: not seen as a graph, seen by veer_check, made
 * again. With right checksums: still seen, but for the recalls, which nothing tells from others. */
static void test_flips(void **state)
{
    (void)state;
    world w;
    veer_io io;
    image sound;
    char text[2000];
    build(&w, &io, options, ROWS);
    image_read(&sound, &io);
    assert_int_equal(world_graphs(&io), 2);
    assert_true(use(&w, &sound, true, NULL));
    const image_stream *stream = graph_stream(&sound);
    uint32_t sections = load_u32(stream->data + 32);
    assert_int_equal(sections, 7);
    for (uint32_t i = 0; i <= sections; i++) {
        const uint8_t *entry = stream->data + load_u64(stream->data + 40) + (size_t)i * 48;
        uint16_t kind = i < sections ? load_u16(entry) : 0;
        uint64_t offset = i < sections ? load_u64(entry + 8) : 0;
        uint64_t bytes = i < sections ? load_u64(entry + 16) : 4096;
        for (int repaired = 0; repaired < (i < sections ? 2 : 1); repaired++) {
            for (int place = 0; place < 2; place++) {
                image damaged;
                uint64_t at =
                    kind == SECTION_GRAPH ? (uint64_t)place * 8 : rng_below(&w.random, bytes);
                image_read(&damaged, &io);
                uint8_t mask = (uint8_t)(1u << rng_below(&w.random, 8));
                /* Low bits of a centre change no code, those of a link lead elsewhere. */
                if (repaired && (kind == SECTION_CENTRE || kind == SECTION_GRAPH_LINKS ||
                                 kind == SECTION_GRAPH_ENTRIES)) {
                    at |= 3;
                    mask = 0x40;
                }
                graph_stream(&damaged)->data[offset + at] ^= mask;
                if (repaired) image_repair_database(&damaged);
                veer_status status = check_image(&damaged, text, sizeof text);
                if (status != VEER_E_CORRUPT)
                    fail_msg("section %u, byte %llu, %s: not found", kind, (unsigned long long)at,
                             repaired ? "repaired" : "as it is");
                /* Entries, links and codes that may be followed are followed. */
                bool walks = use(&w, &damaged, !repaired, repaired ? NULL : stream->name);
                if (walks && !repaired) fail_msg("section %u is used in spite of its damage", kind);
                image_free(&damaged);
            }
        }
    }
    image_free(&sound);
    world_free(&w);
    io_memory_free(&io);
}

/* The stream is lost, empty or cut. */
static void test_cuts(void **state)
{
    (void)state;
    world w;
    veer_io io;
    char text[2000];
    build(&w, &io, options, ROWS);
    for (int i = 0; i < 6; i++) {
        image damaged;
        image_read(&damaged, &io);
        image_stream *stream = graph_stream(&damaged);
        char name[65];
        memcpy(name, stream->name, sizeof name);
        size_t whole = stream->bytes;
        const size_t sizes[] = {0, 0, 100, 4096, whole / 2, whole - 1};
        stream->bytes = sizes[i];
        if (i == 0) strcpy(stream->name, "seg.999"); /* an orphan, which goes */
        assert_int_equal(check_image(&damaged, text, sizeof text), VEER_E_CORRUPT);
        assert_false(use(&w, &damaged, true, name));
        stream->bytes = whole;
        image_free(&damaged);
    }
    world_free(&w);
    io_memory_free(&io);
}

/* The entry of its only section of a kind in a stream's table. */
static uint8_t *section_entry(image_stream *stream, uint16_t kind)
{
    uint8_t *entry = stream->data + load_u64(stream->data + 40), *found = NULL;
    for (uint32_t i = 0; i < load_u32(stream->data + 32); i++, entry += 48) {
        if (load_u16(entry) != kind) continue;
        assert_null(found);
        found = entry;
    }
    assert_non_null(found);
    return found;
}

/* A graph of an older form, which has no section of where walks begin: as if there were none. */
static void test_older_form(void **state)
{
    (void)state;
    world w;
    veer_io io;
    image older;
    char text[2000];
    build(&w, &io, options, ROWS);
    image_read(&older, &io);
    image_stream *stream = graph_stream(&older);
    store_u16(section_entry(stream, SECTION_GRAPH_STARTS), 99);
    image_repair_database(&older);
    if (check_image(&older, text, sizeof text) != VEER_OK) fail_msg("an older form: %s", text);
    assert_false(use(&w, &older, true, stream->name));
    image_free(&older);
    world_free(&w);
    io_memory_free(&io);
}

/* An entry twice under right checksums: no result twice. */
static void test_doubled_entries(void **state)
{
    (void)state;
    world w;
    veer_io io;
    image damaged;
    char text[2000];
    build(&w, &io, options, ROWS);
    image_read(&damaged, &io);
    image_stream *stream = graph_stream(&damaged);
    const uint8_t *entry = section_entry(stream, SECTION_GRAPH_ENTRIES);
    uint8_t *entries = stream->data + load_u64(entry + 8);
    for (uint64_t at = 4; at < load_u64(entry + 16); at += 4)
        memcpy(entries + at, entries, 4);
    image_repair_database(&damaged);
    assert_int_equal(check_image(&damaged, text, sizeof text), VEER_E_CORRUPT);
    assert_true(use(&w, &damaged, false, NULL));
    image_free(&damaged);
    world_free(&w);
    io_memory_free(&io);
}

/* The process ends after any slice: what opens then is whole, and nothing is left over. */
static void test_killed(void **state)
{
    (void)state;
    world w;
    veer_io io, left_io;
    veer_error error;
    bool left = true;
    build(&w, &io, plain, 2000);
    check_status(world_open(&w, options, &error), &error);
    uint32_t kills = 0;
    for (uint32_t slice = 0; left; slice++) {
        check_status(veer_work(w.database, 0, &left, &error), &error);
        bool writes = world_graphs(&io) > kills % 3;
        if (slice % 60 != 0 && !writes && left) continue;
        image rest;
        image_read(&rest, &io);
        new_memory(&left_io);
        image_write(&rest, &left_io);
        image_free(&rest);
        world after = w;
        after.io = &left_io;
        check_status(world_open(&after, plain, &error), &error);
        (void)world_recall(&after, &easy, 3, NULL);
        uint64_t count = 0;
        check_status(veer_count(after.collection, NULL, NULL, NULL, &count, &error), &error);
        assert_int_equal(count, w.ids);
        check_status(world_work(&after, &error), &error);
        world_close(&after);
        assert_true(world_graphs(&left_io) == (left ? 0 : 2));
        assert_int_equal(streams(&left_io),
                         left ? 5 : 7); /* base, codes, codes, columns, catalogue */
        io_memory_free(&left_io);
        kills++;
    }
    assert_true(kills > 10);
    world_free(&w);
    io_memory_free(&io);
}

static bool can_search(const world *w)
{
    veer_results *results = NULL;
    veer_error error;
    float vector[WORLD_V] = {1};
    veer_status status =
        veer_search(w->collection, NULL, "{\"k\":1,\"vector\":\"v\",\"recall\":0.8}", vector, 1,
                    WORLD_V, NULL, &results, &error);
    veer_results_free(results);
    assert_true(status == VEER_OK || status == VEER_E_NOMEM);
    return status == VEER_OK;
}

/* Whatever memory there is: the work ends, searches are right, and it is not tried for ever. */
static void test_memory(void **state)
{
    (void)state;
    world w;
    veer_io io;
    veer_error error;
    uint32_t with = 0, without = 0;
    build(&w, &io, plain, ROWS);
    for (uint32_t limit = 200; limit < 12000; limit += limit / 3) {
        char limited[200];
        image copy;
        veer_io own;
        image_read(&copy, &io);
        new_memory(&own);
        image_write(&copy, &own);
        image_free(&copy);
        (void)snprintf(limited, sizeof limited,
                       "{\"sync\":\"none\",\"graphRows\":500,\"memoryLimit\":%u}", limit * 1024);
        world now = w;
        now.io = &own;
        veer_status status = world_open(&now, limited, &error);
        if (status != VEER_OK) {
            assert_int_equal(status, VEER_E_NOMEM);
            if (now.database) (void)veer_close(now.database, &error);
            io_memory_free(&own);
            continue;
        }
        bool left = true, could = can_search(&now);
        for (int calls = 0; left && calls < 3; calls++)
            check_status(veer_work(now.database, -1, &left, &error), &error);
        assert_false(left);
        if (could) (void)world_recall(&now, &easy, 3, NULL);
        if (world_graphs(&own) == 2)
            with++;
        else
            without++;
        world_close(&now);
        assert_int_equal(streams(&own), 5 + world_graphs(&own));
        io_memory_free(&own);
    }
    print_message("%u limits with graphs, %u without\n", with, without);
    assert_true(with > 0 && without > 0);
    world_free(&w);
    io_memory_free(&io);
}

/* Each write fails once, or it and all that follow: told once, then the work is over; the next
 * opening makes the graphs. */
static void test_storage_fails(void **state)
{
    (void)state;
    static const veer_status kinds[] = {VEER_E_FULL, VEER_E_IO};
    world w;
    veer_io io;
    veer_error error;
    uint32_t points = 0;
    build(&w, &io, plain, 900);
    uint32_t clean = streams(&io);
    for (int forever = 0; forever < 2; forever++) {
        bool fired = true;
        for (uint64_t n = 0; fired; n++, points++) {
            image copy;
            veer_io own;
            io_fault *fault = NULL;
            image_read(&copy, &io);
            new_memory(&own);
            image_write(&copy, &own);
            image_free(&copy);
            check_status(io_fault_new(memory_default(), &own, &fault, &error), &error);
            world now = w;
            now.io = io_fault_table(fault);
            check_status(world_open(&now, options, &error), &error);
            const io_fault_plan plan = {.kinds =
                                            IO_CALL_BIT(IO_CALL_WRITE) | IO_CALL_BIT(IO_CALL_OPEN) |
                                            IO_CALL_BIT(IO_CALL_SYNC) | IO_CALL_BIT(IO_CALL_REMOVE),
                                        .number = n,
                                        .forever = forever,
                                        .partial = true,
                                        .status = kinds[n % 2]};
            io_fault_fail(fault, &plan);
            bool left = true;
            int failures = 0;
            for (int calls = 0; left && calls < 4; calls++)
                failures += veer_work(now.database, -1, &left, &error) != VEER_OK;
            fired = io_fault_fired(fault);
            (void)world_recall(&now, &easy, 3, NULL);
            io_fault_fail(fault, NULL);
            /* A commit that failed stops writing for good: only opening helps. */
            veer_collection_close(now.collection);
            (void)veer_close(now.database, &error);
            assert_int_equal(io_fault_open_files(fault), 0);
            check_status(world_open(&now, options, &error), &error);
            check_status(world_work(&now, &error), &error);
            (void)world_recall(&now, &easy, 3, NULL);
            world_close(&now);
            assert_int_equal(world_graphs(&own), 2);
            if (streams(&own) != clean + 2) fail_msg("call %d: stray streams", (int)n);
            io_fault_free(fault);
            io_memory_free(&own);
            if (failures > 3) fail_msg("call %d: the work does not end", (int)n);
        }
    }
    print_message("%u points\n", points);
    assert_true(points > 20);
    world_free(&w);
    io_memory_free(&io);
}

/* The same answers, bit for bit: built over storage that waits, opened again, from a packed file. */
static void test_same_answers(void **state)
{
    (void)state;
    enum { QUERIES = 20 };
    static world_answer first[QUERIES], second;
    static float vectors[QUERIES][WORLD_V];
    io_table table;
    veer_error error;
    world w;
    char packed[100];
    for (int round = 0; round < 2; round++) {
        io_table_make(&table, round ? TABLE_FAULT_WAITING : TABLE_POSIX);
        world_new(&w, table.io, options, VEER_METRIC_L2, ROWS);
        if (round)
            io_fault_wait(table.fault, IO_WAIT_RANDOM,
                          IO_CALL_BIT(IO_CALL_OPEN) | IO_CALL_BIT(IO_CALL_READ) |
                              IO_CALL_BIT(IO_CALL_REMOVE),
                          3);
        world_put(&w, 0, w.ids, 0);
        world_settle(&w);
        for (int open = 0; open < 3; open++) {
            for (int q = 0; q < QUERIES; q++) {
                if (round == 0 && open == 0) world_vector(&w, vectors[q]);
                const world_query query = {.k = q % 2 ? 1 : 3, .recall = 0.8};
                world_search(&w, &query, vectors[q], &second);
                assert_string_equal(second.method, "graph");
                if (round == 0 && open == 0) first[q] = second;
                assert_int_equal(first[q].count, second.count);
                assert_memory_equal(first[q].ids, second.ids, sizeof second.ids);
                assert_memory_equal(first[q].distances, second.distances, sizeof second.distances);
            }
            if (open == 1 && round == 0) {
                (void)snprintf(packed, sizeof packed, "%s/packed", table.directory);
                check_status(veer_backup(w.database, packed, NULL, NULL, NULL, &error), &error);
                world_close(&w);
                w.io = NULL;
                w.location = packed;
                check_status(world_open(&w, "{\"mode\":\"readonly\"}", &error), &error);
            } else if (open < 2) {
                world_close(&w);
                check_status(world_open(&w, options, &error), &error);
            }
        }
        world_free(&w);
        io_table_end(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flips),         cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_older_form),    cmocka_unit_test(test_doubled_entries),
        cmocka_unit_test(test_killed),        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_storage_fails), cmocka_unit_test(test_same_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
