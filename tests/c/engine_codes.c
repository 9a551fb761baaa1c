/* The scan codes of sealed segments are read when a scan needs them, and by nothing else; and a walk that
 * finds too little is answered by a scan in the middle of a search: over storage that waits, with damaged or
 * lost codes, without memory, with reads that fail, by several threads at once.
 *
 * A query that lies far outside of what a graph's codes reach makes its walk find nothing. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "engine/sealed.h"
#include "graph_world.h"
#include "platform/io_fault.h"
#include "storage_image.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"

#define ROWS 2400u /* of the first segment: more than are compared at once */
#define MORE 1200u /* of the second */
#define ROUNDS_MOST 40

static const char build_options[] = "{\"create\":true,\"sync\":\"none\",\"graphRows\":500}";
static const char plain_options[] = "{\"sync\":\"none\",\"graphRows\":0}";
static const char small_options[] = "{\"sync\":\"none\",\"graphRows\":0,\"cacheBytes\":65536}";

/* ---------------------------------------------------------------- databases */

static void new_memory(veer_io *io, bool mapping)
{
    veer_error error;
    check_status(io_memory_new(memory_default(), io, &error), &error);
    io_memory_set_mapping(io, mapping);
}

/* Sealed segments with graphs, as many as there are steps in `rows`, as bytes; w is closed. */
static void build(world *w, image *made, const uint32_t *rows, size_t count)
{
    veer_io io;
    uint32_t ids = 0;
    for (size_t i = 0; i < count; i++)
        ids += rows[i];
    new_memory(&io, true);
    world_new(w, &io, build_options, VEER_METRIC_L2, ids);
    for (size_t i = 0, first = 0; i < count; first += rows[i++]) {
        world_put(w, (uint32_t)first, (uint32_t)first + rows[i], 0);
        world_settle(w);
    }
    assert_int_equal(world_graphs(&io), 2 * count);
    world_close(w);
    image_read(made, &io);
    io_memory_free(&io);
    w->io = NULL;
}

static const uint32_t two_segments[] = {ROWS, MORE};

/* The image in a new table, opened. */
static void open_image(world *w, const image *from, veer_io *io, bool mapping, const char *options)
{
    veer_error error;
    new_memory(io, mapping);
    image_write(from, io);
    w->io = io;
    check_status(world_open(w, options, &error), &error);
}

static void close_image(world *w, veer_io *io)
{
    world_close(w);
    io_memory_free(io);
    w->io = NULL;
}

/* Segments of which the codes of vector field number `slot` are in memory. */
static uint32_t loaded(const world *w, uint32_t slot)
{
    uint32_t count = 0;
    version *seen = version_acquire(w->database);
    const collection_version *held = seen->collections[0];
    for (size_t i = 0; i < held->segments_count; i++) {
        if (!held->segments[i].core->is_sealed) continue;
        const sealed_vectors *vectors =
            atomic_load(&held->segments[i].core->as.sealed->vectors[slot]);
        count += vectors && atomic_load(&vectors->blocks);
    }
    version_release(seen);
    return count;
}

static uint64_t sealed_memory(const world *w)
{
    veer_buffer json;
    veer_error error;
    check_status(veer_stats(w->database, &json, &error), &error);
    const char *at = strstr(json.data, "\"memory\":{\"used\"");
    at = at ? strstr(at, "\"sealed\":") : NULL;
    assert_non_null(at);
    uint64_t bytes = strtoull(at + 9, NULL, 10);
    veer_buffer_free(&json);
    return bytes;
}

/* ---------------------------------------------------------------- searches */

#define QUERIES 3u
#define K 10u

/* A near query, a far one, a near one. */
static void make_queries(world *w, float *vectors)
{
    for (size_t q = 0; q < QUERIES; q++)
        world_vector(w, vectors + q * WORLD_V);
    for (uint32_t i = 0; i < WORLD_V; i++)
        vectors[WORLD_V + i] += 400.0f;
}

typedef struct answer {
    uint32_t rows;
    float distances[QUERIES * K];
    char ids[QUERIES * K * 8];
    uint64_t walked;
    char method[8];
} answer;

static const char *const requests[] = {
    "{\"k\":10,\"vector\":\"v\",\"effort\":60,\"select\":false,\"explain\":true}",
    "{\"k\":10,\"vector\":\"v\",\"effort\":60,\"select\":false,\"explain\":true,"
    "\"filter\":\"chance < 600\"}",
};

static void keep(const veer_results *results, answer *out)
{
    const uint32_t *ends;
    const char *ids = veer_results_ids(results, &ends);
    memset(out, 0, sizeof *out);
    out->rows = (uint32_t)veer_results_rows(results);
    assert_true(out->rows <= QUERIES * K);
    memcpy(out->distances, veer_results_distances(results), out->rows * sizeof(float));
    assert_true(ends[out->rows] <= sizeof out->ids);
    memcpy(out->ids, ids, ends[out->rows]);
    const char *explain = veer_results_explain(results);
    if (!explain) return;
    const char *walk = strstr(explain, "\"operator\":\"walk\"");
    if (walk) out->walked = strtoull(strstr(walk, "\"actual\":") + 9, NULL, 10);
    const char *method = strstr(explain, "\"method\":\"") + 10;
    (void)snprintf(out->method, sizeof out->method, "%.*s", (int)strcspn(method, "\""), method);
}

/* `n` queries in one call; *rounds: how often it waited. */
static veer_status search(const world *w, const char *request, const float *vectors, size_t n,
                          answer *out, int *rounds, veer_error *error)
{
    veer_results *results = NULL;
    veer_status status;
    *rounds = 0;
    while ((status = veer_search(w->collection, NULL, request, vectors, n, WORLD_V, NULL, &results,
                                 error)) == VEER_PENDING) {
        assert_null(results);
        if (++*rounds > ROUNDS_MOST) fail_msg("it waits for ever");
    }
    if (status != VEER_OK) assert_null(results);
    if (status == VEER_OK) keep(results, out);
    veer_results_free(results);
    return status;
}

static void must_search(const world *w, const char *request, const float *vectors, size_t n,
                        answer *out)
{
    veer_error error;
    int rounds;
    check_status(search(w, request, vectors, n, out, &rounds, &error), &error);
}

static void same_hits(const answer *a, const answer *b)
{
    assert_int_equal(a->rows, b->rows);
    assert_memory_equal(a->distances, b->distances, sizeof a->distances);
    assert_memory_equal(a->ids, b->ids, sizeof a->ids);
}

/* ---------------------------------------------------------------- what is read */

static uint64_t wanted_bytes(const io_fault *fault, const char *part)
{
    const io_fault_want *wants = NULL;
    uint64_t bytes = 0;
    size_t count = io_fault_wants(fault, &wants);
    for (size_t i = 0; i < count; i++)
        if (wants[i].call == IO_CALL_READ && strstr(wants[i].name, part)) bytes += wants[i].bytes;
    return bytes;
}

/* Plans and walks want nothing of the codes; the first write wants their centres; a scan wants all
 * of them, once. */
static void test_who_reads(void **state)
{
    (void)state;
    static const world_query walks[] = {
        {.k = 1, .recall = 0.8},
        {.k = 10, .effort = 50},
        {.k = 5, .effort = 50, .by = "chance", .below = 700},
        {.k = 5, .effort = 50, .by = "first", .below = 500},
        {.k = 3, .effort = 40, .on_w = true},
    };
    const uint32_t rows[] = {6000};
    const uint64_t blocks = (6000 / 32 + 1) * 32 * (64 / 8 + 12), centre = 64 * sizeof(float);
    for (int mapped = 0; mapped < 2; mapped++) {
        world w;
        image sound;
        veer_io base;
        veer_error error;
        io_fault *fault = NULL;
        build(&w, &sound, rows, 1);
        new_memory(&base, mapped);
        image_write(&sound, &base);
        check_status(io_fault_new(memory_default(), &base, &fault, &error), &error);
        w.io = io_fault_table(fault);
        check_status(world_open(&w, plain_options, &error), &error);
        /* Whatever is read from here on waits once, and leaves its name. */
        if (!mapped) io_fault_wait(fault, IO_WAIT_FIRST, IO_CALL_BIT(IO_CALL_READ), 1);
        for (size_t i = 0; i < TEST_COUNT(walks); i++) {
            uint32_t graphs = 0;
            (void)world_recall(&w, &walks[i], 4, &graphs);
            if (graphs != 4) fail_msg("search %zu does not walk", i);
        }
        const world_query exact = {.k = 5, .is_exact = true};
        (void)world_recall(&w, &exact, 2, NULL);
        assert_int_equal(loaded(&w, 0) + loaded(&w, 1), 0);
        assert_int_equal(wanted_bytes(fault, ".codes."), 0);
        if (!mapped) assert_true(wanted_bytes(fault, ".graph.") > 6000 * 64);
        world_put(&w, 0, 10, 0);
        assert_int_equal(loaded(&w, 0) + loaded(&w, 1), 0);
        assert_true(wanted_bytes(fault, ".codes.") <= 2 * (centre + 4));
        uint64_t memory = sealed_memory(&w);
        const world_query scan = {.k = 10, .recall = 1};
        assert_true(world_recall(&w, &scan, 4, NULL) > 0.99);
        assert_int_equal(loaded(&w, 0), 1);
        assert_int_equal(loaded(&w, 1), 0);
        uint64_t more = sealed_memory(&w) - memory;
        if (mapped)
            assert_true(more > 0 && more < 4096); /* of bits that say what was verified */
        else
            assert_true(more >= blocks && more < blocks + 4096);
        if (!mapped) assert_true(wanted_bytes(fault, ".codes.") >= blocks);
        io_fault_clear_wants(fault);
        (void)world_recall(&w, &scan, 2, NULL);
        assert_int_equal(wanted_bytes(fault, ".codes."), 0);
        world_free(&w);
        io_fault_free(fault);
        io_memory_free(&base);
        image_free(&sound);
    }
}

/* ---------------------------------------------------------------- walks that find nothing */

/* The same answers over storage that waits: each round brings the search on, and what was loaded
 * stays. */
static void test_fallback_waits(void **state)
{
    (void)state;
    world w;
    image sound;
    veer_error error;
    build(&w, &sound, two_segments, 2);
    uint64_t waited = 0;
    for (size_t r = 0; r < TEST_COUNT(requests); r++) {
        float vectors[QUERIES * WORLD_V];
        answer plain, found;
        veer_io io;
        make_queries(&w, vectors);
        open_image(&w, &sound, &io, true, plain_options);
        must_search(&w, requests[r], vectors, 1, &plain);
        assert_string_equal(plain.method, "graph");
        assert_true(plain.walked > 0);
        assert_int_equal(loaded(&w, 0), 0);
        must_search(&w, requests[r], vectors + WORLD_V, 1, &plain);
        assert_string_equal(plain.method, "graph");
        assert_int_equal(plain.walked, 0);
        assert_int_equal(loaded(&w, 0), 2);
        must_search(&w, requests[r], vectors, QUERIES, &plain);
        close_image(&w, &io);
        for (uint64_t seed = 0; seed < 8; seed++) {
            io_fault *fault = NULL;
            int rounds = 0;
            new_memory(&io, false);
            image_write(&sound, &io);
            check_status(io_fault_new(memory_default(), &io, &fault, &error), &error);
            w.io = io_fault_table(fault);
            check_status(world_open(&w, seed % 4 < 2 ? plain_options : small_options, &error),
                         &error);
            io_fault_wait(fault, seed % 2 ? IO_WAIT_RANDOM : IO_WAIT_FIRST,
                          IO_CALL_BIT(IO_CALL_READ), seed);
            check_status(search(&w, requests[r], vectors, QUERIES, &found, &rounds, &error),
                         &error);
            same_hits(&plain, &found);
            assert_int_equal(loaded(&w, 0), 2);
            assert_true(seed % 2 || wanted_bytes(fault, ".codes.") > (ROWS + MORE) * 20);
            waited += (uint64_t)rounds;
            io_fault_forget(fault);
            io_fault_clear_wants(fault);
            check_status(search(&w, requests[r], vectors, QUERIES, &found, &rounds, &error),
                         &error);
            same_hits(&plain, &found);
            assert_int_equal(wanted_bytes(fault, ".codes."), 0);
            world_close(&w);
            io_fault_free(fault);
            io_memory_free(&io);
        }
    }
    assert_true(waited >= 32);
    image_free(&sound);
    world_free(&w);
}

/* ---------------------------------------------------------------- damage */

typedef enum damage { FLIP_BLOCKS, FLIP_CENTRE, EMPTY, CUT, LOST, DAMAGES } damage;

/* Of the first segment's codes of v. `name` gets the stream's. */
static void spoil(image *image, damage how, char name[65])
{
    image_stream *stream = NULL;
    for (size_t i = 0; i < image->count; i++)
        if (strncmp(image->streams[i].name, "seg.1.codes.1.", 14) == 0) stream = &image->streams[i];
    assert_non_null(stream);
    memcpy(name, stream->name, sizeof stream->name);
    if (how == EMPTY) stream->bytes = 0;
    if (how == CUT) stream->bytes /= 2;
    if (how == LOST) strcpy(stream->name, "seg.999");
    if (how >= EMPTY) return;
    bool is_done = false;
    for (uint32_t i = 0; i < load_u32(stream->data + 32); i++) {
        const uint8_t *entry = stream->data + load_u64(stream->data + 40) + (size_t)i * 48;
        if (load_u16(entry) != (how == FLIP_CENTRE ? SECTION_CENTRE : SECTION_CODES)) continue;
        stream->data[load_u64(entry + 8) + load_u64(entry + 16) - 1] ^= 4;
        is_done = true;
    }
    assert_true(is_done);
}

static bool has_stream(const veer_io *io, const char *name)
{
    void *file = NULL;
    veer_error error;
    veer_status status = io->open(io->context, name, VEER_IO_READ, &file, &error);
    if (status == VEER_OK) io->close(io->context, file);
    return status == VEER_OK;
}

static veer_status check_io(const veer_io *io)
{
    veer_buffer report = {0};
    veer_error error;
    veer_status status = veer_check(NULL, io, NULL, NULL, NULL, &report, &error);
    veer_buffer_free(&report);
    return status;
}

/* No search fails: graphs are walked as before, and where codes were to be scanned, rows are compared
 * instead. Background work makes the stream again. */
static void test_damage(void **state)
{
    (void)state;
    for (size_t segments = 1; segments <= 2; segments++) {
        world w;
        image sound;
        veer_io io;
        veer_error error;
        build(&w, &sound, two_segments, segments);
        for (unsigned round = 0; round < 2 * DAMAGES; round++) {
            damage how = (damage)(round / 2);
            image damaged;
            char name[65];
            float vectors[QUERIES * WORLD_V];
            answer walked, found, exact;
            make_queries(&w, vectors);
            open_image(&w, &sound, &io, round % 2, plain_options);
            must_search(&w, requests[0], vectors, 1, &walked);
            must_search(&w, "{\"k\":10,\"vector\":\"v\",\"exact\":true}", vectors + WORLD_V, 1,
                        &exact);
            image_read(&damaged, &io);
            close_image(&w, &io);
            spoil(&damaged, how, name);
            new_memory(&io, round % 2);
            image_write(&damaged, &io);
            assert_int_equal(check_io(&io), VEER_E_CORRUPT);
            w.io = &io;
            check_status(world_open(&w, plain_options, &error), &error);
            for (int twice = 0; twice < 2; twice++) {
                must_search(&w, requests[0], vectors, 1, &found);
                assert_string_equal(found.method, "graph");
                same_hits(&walked, &found);
                must_search(&w, requests[0], vectors + WORLD_V, 1, &found);
                assert_int_equal(found.walked, 0);
                same_hits(&exact, &found);
            }
            const world_query scan = {.k = 10, .recall = 1};
            world_answer answer;
            world_search(&w, &scan, vectors, &answer);
            assert_string_equal(answer.method, segments == 1 ? "exact" : "scan");
            assert_true(answer.recall > 0.99);
            assert_int_equal(loaded(&w, 0), segments - 1);
            check_status(world_work(&w, &error), &error);
            must_search(&w, requests[0], vectors + WORLD_V, 1, &found);
            same_hits(&exact, &found);
            assert_int_equal(loaded(&w, 0), segments);
            must_search(&w, requests[0], vectors, 1, &found);
            same_hits(&walked, &found);
            world_close(&w);
            assert_false(has_stream(&io, name));
            assert_int_equal(check_io(&io), VEER_OK);
            io_memory_free(&io);
            image_free(&damaged);
        }
        image_free(&sound);
        world_free(&w);
    }
}

/* Before anything was searched, the damage is only in the plan of the first scan. */
static void test_damage_planned(void **state)
{
    (void)state;
    static const char *const methods[] = {"exact", "scan"};
    for (size_t segments = 1; segments <= 2; segments++) {
        world w;
        image damaged;
        veer_io io;
        char name[65];
        build(&w, &damaged, two_segments, segments);
        spoil(&damaged, FLIP_BLOCKS, name);
        open_image(&w, &damaged, &io, true, plain_options);
        const world_query scan = {.k = 10, .recall = 1};
        for (int i = 0; i < 5; i++) {
            float vector[WORLD_V];
            world_answer answer;
            world_vector(&w, vector);
            world_search(&w, &scan, vector, &answer);
            assert_string_equal(answer.method, methods[segments - 1]);
            assert_true(answer.recall > 0.99);
        }
        close_image(&w, &io);
        image_free(&damaged);
        world_free(&w);
    }
}

/* ---------------------------------------------------------------- shortage and failures */

/* Every allocation of a search that falls back to a scan fails once: VEER_E_NOMEM, and the next one
 * is right. Storage without map, so that codes need memory too. */
static void test_without_memory(void **state)
{
    (void)state;
    world w;
    image sound;
    veer_io io;
    veer_error error;
    fault_allocator fault;
    float vectors[QUERIES * WORLD_V];
    answer right, found;
    int rounds;
    build(&w, &sound, two_segments, 2);
    make_queries(&w, vectors);
    open_image(&w, &sound, &io, false, plain_options);
    must_search(&w, requests[1], vectors, QUERIES, &right);
    world_close(&w);
    fault_allocator_init(&fault);
    uint64_t failures = 0;
    bool fired = true;
    for (uint64_t n = 0; fired; n++) {
        check_status(veer_open(NULL, &io, plain_options, &fault.allocator, &w.database, &error),
                     &error);
        check_status(veer_collection_open(w.database, "c", NULL, &w.collection, &error), &error);
        fault_allocator_fail(&fault, n, n % 2 == 1);
        veer_status status = search(&w, requests[1], vectors, QUERIES, &found, &rounds, &error);
        fired = fault_allocator_fired(&fault);
        fault_allocator_fail(&fault, UINT64_MAX, false);
        if (status != VEER_OK && !(fired && status == VEER_E_NOMEM))
            fail_msg("allocation %u: status %d: %s", (unsigned)n, status, error.message);
        /* A graph that there was no memory for is done without. */
        check_status(search(&w, requests[1], vectors, QUERIES, &found, &rounds, &error), &error);
        same_hits(&right, &found);
        world_close(&w);
        assert_int_equal(fault_allocator_live(&fault), 0);
        failures += status == VEER_E_NOMEM;
    }
    assert_true(failures > 20);
    const char *problem = fault_allocator_fini(&fault);
    if (problem) fail_msg("%s", problem);
    io_memory_free(&io);
    image_free(&sound);
    w.io = NULL;
    world_free(&w);
}

/* Every read fails once: told as it is, never taken for damage, and the next search is right. */
static void test_reads_fail(void **state)
{
    (void)state;
    world w;
    image sound;
    veer_io io;
    veer_error error;
    io_fault *fault = NULL;
    float vectors[QUERIES * WORLD_V];
    answer right, found;
    int rounds;
    build(&w, &sound, two_segments, 2);
    make_queries(&w, vectors);
    open_image(&w, &sound, &io, false, plain_options);
    must_search(&w, requests[0], vectors, QUERIES, &right);
    world_close(&w);
    check_status(io_fault_new(memory_default(), &io, &fault, &error), &error);
    w.io = io_fault_table(fault);
    uint64_t failures = 0;
    bool fired = true;
    for (uint64_t n = 0; fired; n++) {
        check_status(world_open(&w, plain_options, &error), &error);
        const io_fault_plan plan = {
            .kinds = IO_CALL_BIT(IO_CALL_READ), .number = n, .status = VEER_E_IO};
        io_fault_fail(fault, &plan);
        veer_status status = search(&w, requests[0], vectors, QUERIES, &found, &rounds, &error);
        fired = io_fault_fired(fault);
        io_fault_fail(fault, NULL);
        assert_int_equal(status, fired ? VEER_E_IO : VEER_OK);
        must_search(&w, requests[0], vectors, QUERIES, &found);
        same_hits(&right, &found);
        assert_int_equal(loaded(&w, 0), 2);
        world_close(&w);
        failures += fired;
    }
    assert_true(failures > 10);
    io_fault_free(fault);
    io_memory_free(&io);
    image_free(&sound);
    world_free(&w);
}

/* ---------------------------------------------------------------- threads */

#define THREADS 4

typedef struct searcher {
    const world *w;
    const float *vectors;
    const answer *right;
    bool is_right;
} searcher;

static void *search_all(void *argument)
{
    searcher *self = argument;
    self->is_right = true;
    for (int i = 0; i < 4; i++) {
        answer found;
        veer_results *results = NULL;
        veer_error error;
        /* The first is a walk that falls back or not, the others too, by turns. */
        size_t r = (size_t)i % 2;
        if (veer_search(self->w->collection, NULL, requests[r], self->vectors, QUERIES, WORLD_V,
                        NULL, &results, &error) != VEER_OK) {
            self->is_right = false;
            break;
        }
        keep(results, &found);
        veer_results_free(results);
        self->is_right = self->is_right && found.rows == self->right[r].rows &&
                         memcmp(found.ids, self->right[r].ids, sizeof found.ids) == 0;
    }
    return NULL;
}

/* Several threads find the codes missing at once, sound ones and damaged ones. */
static void test_threads(void **state)
{
    (void)state;
    world w;
    image sound, damaged;
    veer_io io;
    char name[65];
    float vectors[QUERIES * WORLD_V];
    answer right[2];
    build(&w, &sound, two_segments, 2);
    make_queries(&w, vectors);
    open_image(&w, &sound, &io, false, plain_options);
    image_read(&damaged, &io);
    close_image(&w, &io);
    spoil(&damaged, FLIP_BLOCKS, name);
    for (int round = 0; round < 8; round++) {
        const image *from = round % 2 ? &damaged : &sound;
        searcher searchers[THREADS];
        pthread_t threads[THREADS];
        for (size_t r = 0; r < 2; r++) {
            open_image(&w, from, &io, round < 4, plain_options);
            must_search(&w, requests[r], vectors, QUERIES, &right[r]);
            close_image(&w, &io);
        }
        open_image(&w, from, &io, round < 4, plain_options);
        for (int i = 0; i < THREADS; i++) {
            searchers[i] = (searcher){&w, vectors, right, false};
            assert_int_equal(pthread_create(&threads[i], NULL, search_all, &searchers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            assert_true(searchers[i].is_right);
        }
        assert_int_equal(loaded(&w, 0), from == &sound ? 2 : 1);
        close_image(&w, &io);
    }
    image_free(&sound);
    image_free(&damaged);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_reads),      cmocka_unit_test(test_fallback_waits),
        cmocka_unit_test(test_damage),         cmocka_unit_test(test_damage_planned),
        cmocka_unit_test(test_without_memory), cmocka_unit_test(test_reads_fail),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
