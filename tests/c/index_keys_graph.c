/* The graph of a growing index: random adds, replacements, removals, upkeep cut anywhere, saving and
 * loading, with walks compared to brute force; what rebuilding keeps; damage; shortage; files of
 * version 1. Walks are forced where a scan of so few rows would cost less.
 */
#include "support/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/rng.h"
#include "index/flat_index_internal.h"
#include "support/fault_allocator.h"

#define KEYS 4000u
#define DIMS 20u
#define K 10u
#define GRAPH_ROWS 1500u

typedef struct world {
    flat_index *index;
    bool present[KEYS];
    float vectors[KEYS][DIMS];
    size_t count;
    rng random;
    arena scratch;
    uint8_t asked[KEYS];
    size_t asked_count;
    unsigned taken_of_ten;
} world;

static world w;

static flat_index *new_index(const veer_allocator *allocator, veer_metric metric, uint64_t rows)
{
    flat_index *index = NULL;
    assert_int_equal(flat_index_new(allocator, DIMS, metric, 7, rows, &index, NULL), VEER_OK);
    return index;
}

static void begin(veer_metric metric, uint64_t seed)
{
    memset(&w, 0, sizeof w);
    rng_init(&w.random, seed);
    arena_init(&w.scratch, memory_default());
    w.index = new_index(memory_default(), metric, GRAPH_ROWS);
}

static void end(void)
{
    flat_index_free(w.index);
    arena_fini(&w.scratch);
}

static void make_vector(float *vector, rng *random)
{
    uint64_t cluster = rng_below(random, 20);
    for (uint32_t i = 0; i < DIMS; i++) {
        uint64_t place = (cluster * 977 + i * 131) % 101;
        vector[i] = (float)place / 50 - 0.5f + 0.4f * (float)rng_normal(random);
    }
}

static void add_keys(size_t n)
{
    uint64_t keys[500];
    float vectors[500][DIMS];
    for (size_t i = 0; i < n; i++) {
        keys[i] = rng_below(&w.random, KEYS);
        make_vector(vectors[i], &w.random);
        w.count += !w.present[keys[i]];
        w.present[keys[i]] = true;
        memcpy(w.vectors[keys[i]], vectors[i], sizeof vectors[i]);
    }
    assert_int_equal(flat_index_add(w.index, keys, vectors[0], n, NULL), VEER_OK);
}

static void remove_keys(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t key = rng_below(&w.random, KEYS);
        assert_int_equal(flat_index_remove(w.index, &key, 1), w.present[key]);
        w.count -= w.present[key];
        w.present[key] = false;
    }
}

static void optimize(size_t steps)
{
    bool left = true;
    for (size_t i = 0; left && i < steps; i++)
        assert_int_equal(flat_index_step(w.index, &left, NULL), VEER_OK);
}

static uint32_t nodes(void)
{
    return w.index->graph.graph.count;
}

static bool takes(uint64_t key)
{
    return key * 7919 % 10 < w.taken_of_ten;
}

static bool accept_key(void *context, uint64_t key)
{
    (void)context;
    assert_true(key < KEYS && w.present[key]);
    assert_int_equal(w.asked[key]++, 0);
    w.asked_count++;
    return takes(key);
}

static double distance_to(const float *query, const float *vector)
{
    double dot = 0, square = 0, a = 0, b = 0;
    for (uint32_t i = 0; i < DIMS; i++) {
        double x = (double)query[i], y = (double)vector[i];
        dot += x * y;
        square += (x - y) * (x - y);
        a += x * x;
        b += y * y;
    }
    veer_metric metric = flat_space_metric(w.index->space);
    if (metric == VEER_METRIC_DOT) return -dot;
    return metric == VEER_METRIC_L2 ? square : 1 - dot / sqrt(a * b);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct totals {
    size_t expected, found, walks;
} totals;

/* One search, forced to walk, against brute force; taken_of_ten 10: without a filter. */
static void search(unsigned taken_of_ten, size_t k, double recall, totals *t)
{
    static double truth[KEYS];
    float query[DIMS], distances[100];
    uint64_t keys[100];
    size_t matches = 0, found = 0;
    make_vector(query, &w.random);
    w.taken_of_ten = taken_of_ten;
    memset(w.asked, 0, sizeof w.asked);
    flat_index_search search = {
        .k = k, .recall = recall, .is_walk = true, .accept = taken_of_ten < 10 ? accept_key : NULL};
    assert_int_equal(
        flat_index_run(w.index, query, &search, &w.scratch, keys, distances, &found, NULL),
        VEER_OK);
    for (uint64_t key = 0; key < KEYS; key++) {
        if (w.present[key] && takes(key)) truth[matches++] = distance_to(query, w.vectors[key]);
    }
    qsort(truth, matches, sizeof *truth, by_size);
    size_t expected = k < matches ? k : matches;
    assert_int_equal(found, expected);
    for (size_t i = 0; i < found; i++) {
        assert_true(keys[i] < KEYS && w.present[keys[i]] && takes(keys[i]));
        double distance = distance_to(query, w.vectors[keys[i]]);
        assert_true(fabs(distance - (double)distances[i]) < 1e-4);
        assert_true(i == 0 || distances[i] >= distances[i - 1]);
        for (size_t j = 0; j < i; j++)
            assert_true(keys[i] != keys[j]);
        t->found += distance <= truth[expected - 1] + 1e-4;
    }
    t->expected += expected;
    t->walks += nodes() > 0;
}

static void reload(void)
{
    veer_buffer file, again;
    flat_index *copy;
    assert_int_equal(flat_index_save(w.index, &file, NULL), VEER_OK);
    assert_int_equal(flat_index_load(file.data, file.bytes, memory_default(), &copy, NULL),
                     VEER_OK);
    assert_int_equal(flat_index_save(copy, &again, NULL), VEER_OK);
    assert_int_equal(file.bytes, again.bytes);
    assert_memory_equal(file.data, again.data, file.bytes);
    assert_int_equal(copy->graph.graph.count, nodes());
    assert_int_equal(copy->graph.holes, w.index->graph.holes);
    veer_buffer_free(&file);
    veer_buffer_free(&again);
    flat_index_free(w.index);
    w.index = copy;
}

static void test_random_streams(void **state)
{
    (void)state;
    totals t = {0, 0, 0};
    size_t builds = 0;
    for (int metric = 0; metric < 3; metric++) {
        begin((veer_metric)metric, 100 + (uint64_t)metric);
        while (w.count < 1900)
            add_keys(500);
        for (int step = 0; step < 60; step++) {
            uint64_t what = rng_below(&w.random, 12);
            uint32_t before = nodes();
            if (what < 4) add_keys(1 + rng_below(&w.random, 200));
            if (what >= 4 && what < 8) remove_keys(rng_below(&w.random, 120));
            if (what >= 8 && what < 11) optimize(rng_below(&w.random, 2000));
            if (what == 11) reload();
            if (step == 20) optimize(SIZE_MAX);
            builds += nodes() != before && nodes() > 0;
            assert_int_equal(flat_index_count(w.index), w.count);
            for (int i = 0; i < 4; i++) {
                unsigned taken = rng_below(&w.random, 2) == 0 ? 10 : rng_below(&w.random, 10) & 15;
                search(taken, 1 + rng_below(&w.random, 40), 0.95, &t);
            }
        }
        optimize(SIZE_MAX);
        assert_true(flat_index_count(w.index) < GRAPH_ROWS || nodes() > 0);
        end();
    }
    print_message("%zu graphs, %zu of %zu searches have one, found %zu of %zu\n", builds, t.walks,
                  (size_t)3 * 60 * 4, t.found, t.expected);
    assert_true(builds >= 3 && t.walks > 200);
    assert_true((double)t.found > 0.94 * (double)t.expected);
}

/* The recall that was asked, with a graph and without, with holes, later rows and filters; a walk
 * asks the filter about few rows. */
static void test_recall(void **state)
{
    (void)state;
    static const double recalls[] = {0.8, 0.9, 0.95, 0.99};
    for (int metric = 0; metric < 3; metric++) {
        begin((veer_metric)metric, 200 + (uint64_t)metric);
        while (w.count < 3000)
            add_keys(500);
        for (int has_graph = 0; has_graph < 2; has_graph++) {
            if (has_graph) {
                optimize(SIZE_MAX);
                assert_int_equal(nodes(), w.count);
                remove_keys(200);
                add_keys(200);
            }
            for (size_t i = 0; i < TEST_COUNT(recalls); i++) {
                totals all = {0, 0, 0}, some = {0, 0, 0};
                w.asked_count = 0;
                for (int q = 0; q < 100; q++) {
                    search(10, K, recalls[i], &all);
                    search(7, K, recalls[i], &some);
                }
                print_message("graph %d: asked for %g, found %g, filtered %g\n", has_graph,
                              recalls[i], (double)all.found / (double)all.expected,
                              (double)some.found / (double)some.expected);
                assert_true((double)all.found >= (recalls[i] - 0.03) * (double)all.expected);
                assert_true((double)some.found >= (recalls[i] - 0.03) * (double)some.expected);
                if (i == 0) print_message("asked about %zu rows\n", w.asked_count / 100);
            }
        }
        end();
    }
}

/* A finished graph stays where little changes, and is built anew where much does; while that goes
 * on, one whose rows have no holes still serves. */
static void test_rebuilding(void **state)
{
    (void)state;
    begin(VEER_METRIC_L2, 300);
    while (w.count < 2000)
        add_keys(100);
    optimize(SIZE_MAX);
    uint32_t first = nodes();
    assert_int_equal(first, w.count);
    size_t rows = w.index->rows;
    assert_int_equal(rows, first);

    remove_keys(150);
    size_t holes = w.index->graph.holes;
    assert_true(holes > 0 && holes < first / 4);
    optimize(SIZE_MAX);
    assert_int_equal(nodes(), first); /* a few holes stay */
    assert_int_equal(w.index->rows, first);
    add_keys(100);
    remove_keys(100);
    optimize(SIZE_MAX);
    assert_int_equal(nodes(), first);
    assert_int_equal(w.index->rows - first, w.count + w.index->graph.holes - first);

    remove_keys(1000); /* too many */
    add_keys(400);
    add_keys(400);
    bool left = true;
    assert_int_equal(flat_index_step(w.index, &left, NULL), VEER_OK);
    assert_true(left && nodes() == 0);
    optimize(SIZE_MAX);
    assert_int_equal(nodes(), w.count);
    assert_int_equal(w.index->rows, w.count);
    assert_int_equal(w.index->graph.holes, 0);

    uint32_t second = nodes();
    for (uint64_t key = 0; key < KEYS && w.count < second + second / 3; key++) {
        if (w.present[key]) continue;
        w.present[key] = true;
        w.count++;
        make_vector(w.vectors[key], &w.random);
        assert_int_equal(flat_index_add(w.index, &key, w.vectors[key], 1, NULL), VEER_OK);
    }
    size_t bytes = flat_index_bytes(w.index);
    uint32_t rows_then = (uint32_t)w.index->rows;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(flat_index_step(w.index, &left, NULL), VEER_OK);
        assert_true(left && nodes() == second);
    }
    assert_true(flat_index_bytes(w.index) > bytes);
    add_keys(50); /* while it is built */
    remove_keys(50);
    optimize(SIZE_MAX);
    assert_int_equal(nodes(), rows_then);
    assert_true(w.index->graph.holes > 0 && w.index->rows > rows_then);
    totals t = {0, 0, 0};
    for (int i = 0; i < 50; i++)
        search(10, K, 0.95, &t);
    assert_true(t.found >= t.expected * 92 / 100);

    for (uint64_t key = 0; key < KEYS; key++) {
        w.present[key] = false;
        flat_index_remove(w.index, &key, 1);
    }
    w.count = 0;
    optimize(SIZE_MAX);
    assert_int_equal(w.index->rows, 0);
    assert_int_equal(nodes(), 0);
    search(10, K, 0.95, &t);
    end();
}

/* ---------------------------------------------------------------- files */

static size_t graph_section(const veer_buffer *file)
{
    uint64_t parts[GRAPH_PARTS];
    uint64_t bytes = flat_graph_layout(w.index, &w.index->graph.graph, parts);
    return file->bytes - (size_t)(bytes + 4 + 7) / 8 * 8;
}

static void repair(char *file, size_t bytes, size_t section)
{
    size_t length = w.index->graph.bytes;
    assert_true(section + length + 4 <= bytes);
    store_u32(file + 60, crc32c(0, file, 60));
    store_u32(file + 612, crc32c(0, file + 64, 548));
    store_u32(file + section + length, crc32c(0, file + section, length));
}

static void test_damage(void **state)
{
    (void)state;
    begin(VEER_METRIC_COSINE, 400);
    while (w.count < GRAPH_ROWS)
        add_keys(100);
    optimize(SIZE_MAX);
    assert_true(nodes() > 0);
    veer_buffer file;
    assert_int_equal(flat_index_save(w.index, &file, NULL), VEER_OK);
    size_t section = graph_section(&file), loaded = 0, refused = 0;
    char *copy = malloc(file.bytes);
    for (int round = 0; round < 600; round++) {
        memcpy(copy, file.data, file.bytes);
        bool is_repaired = round >= 100;
        int flips = 1 + (int)rng_below(&w.random, 3);
        for (int i = 0; i < flips; i++) {
            size_t at = rng_below(&w.random, 2) == 0
                            ? 64 + rng_below(&w.random, 548)
                            : section + rng_below(&w.random, w.index->graph.bytes);
            copy[at] = (char)(copy[at] ^ (char)(1 + rng_below(&w.random, 255)));
        }
        if (is_repaired) repair(copy, file.bytes, section);
        flat_index *index = NULL;
        veer_error error = {0};
        veer_status status = flat_index_load(copy, file.bytes, memory_default(), &index, &error);
        if (status != VEER_OK) {
            assert_int_equal(status, VEER_E_CORRUPT);
            assert_null(index);
            refused++;
            continue;
        }
        assert_true(is_repaired);
        loaded++;
        uint64_t keys[K];
        float query[DIMS], distances[K];
        size_t found;
        make_vector(query, &w.random);
        flat_index_search search = {.k = K, .recall = 0.9, .is_walk = true};
        assert_int_equal(
            flat_index_run(index, query, &search, &w.scratch, keys, distances, &found, NULL),
            VEER_OK);
        assert_int_equal(found, K);
        bool left;
        assert_int_equal(flat_index_step(index, &left, NULL), VEER_OK);
        flat_index_free(index);
    }
    assert_true(loaded > 50 && refused > 150);
    free(copy);
    veer_buffer_free(&file);
    end();
}

/* Version 1 had a header of 64 bytes and no graph. */
static void test_version_1(void **state)
{
    (void)state;
    begin(VEER_METRIC_DOT, 500);
    add_keys(500);
    add_keys(500);
    add_keys(500);
    remove_keys(50);
    veer_buffer file;
    assert_int_equal(flat_index_save(w.index, &file, NULL), VEER_OK);
    size_t bytes = file.bytes - 552 - 8; /* and the graph's section: a checksum of nothing */
    char *former = malloc(bytes);
    memcpy(former, file.data, 64);
    memcpy(former + 64, file.data + 616, bytes - 64);
    store_u32(former + 8, 1);
    store_u32(former + 60, crc32c(0, former, 60));
    flat_index *copy = NULL;
    assert_int_equal(flat_index_load(former, bytes, memory_default(), &copy, NULL), VEER_OK);
    assert_int_equal(copy->graph_rows, 20000);
    copy->graph_rows = GRAPH_ROWS;
    veer_buffer again;
    assert_int_equal(flat_index_save(copy, &again, NULL), VEER_OK);
    assert_int_equal(again.bytes, file.bytes);
    assert_memory_equal(again.data, file.data, file.bytes);
    flat_index_free(copy);
    for (uint32_t version = 0; version <= 4; version += 2) {
        store_u32(former + 8, version);
        store_u32(former + 60, crc32c(0, former, 60));
        assert_int_equal(flat_index_load(former, bytes, memory_default(), &copy, NULL),
                         VEER_E_VERSION);
    }
    free(former);
    veer_buffer_free(&again);
    veer_buffer_free(&file);
    end();
}

/* ---------------------------------------------------------------- shortage */

static fault_allocator short_of;

/* Until the builder has its memory. */
static bool begin_short(uint64_t n)
{
    static const char *problem;
    flat_index *index = NULL;
    fault_allocator_init(&short_of);
    fault_allocator_fail(&short_of, n, false);
    veer_status status =
        flat_index_new(&short_of.allocator, DIMS, VEER_METRIC_DOT, 7, 1200, &index, NULL);
    uint64_t keys[1200];
    for (uint64_t i = 0; i < 1200; i++)
        keys[i] = i;
    bool left = true;
    if (status == VEER_OK) status = flat_index_add(index, keys, w.vectors[0], 1200, NULL);
    for (int i = 0; i < 8 && status == VEER_OK; i++) {
        size_t bytes = flat_index_bytes(index);
        status = flat_index_step(index, &left, NULL);
        if (status != VEER_OK) {
            assert_int_equal(flat_index_bytes(index), bytes);
            assert_int_equal(flat_index_step(index, &left, NULL), VEER_OK); /* goes on */
        }
    }
    assert_true(status == VEER_OK || status == VEER_E_NOMEM);
    flat_index_free(index);
    bool fired = fault_allocator_fired(&short_of);
    problem = fault_allocator_fini(&short_of);
    if (problem != NULL) fail_msg("allocation %llu: %s", (unsigned long long)n, problem);
    return fired;
}

static veer_status use_short(const flat_index *index)
{
    uint64_t keys[K];
    float distances[K];
    size_t found;
    veer_buffer file = {0};
    flat_index *copy = NULL;
    arena scratch;
    arena_init(&scratch, &short_of.allocator);
    flat_index_search search = {.k = K, .recall = 0.9, .is_walk = true, .accept = accept_key};
    memset(w.asked, 0, sizeof w.asked);
    veer_status status =
        flat_index_run(index, w.vectors[5], &search, &scratch, keys, distances, &found, NULL);
    if (status == VEER_OK) status = flat_index_save(index, &file, NULL);
    if (status == VEER_OK)
        status = flat_index_load(file.data, file.bytes, &short_of.allocator, &copy, NULL);
    flat_index_free(copy);
    veer_buffer_free(&file);
    arena_fini(&scratch);
    return status;
}

static void test_shortage(void **state)
{
    (void)state;
    begin(VEER_METRIC_DOT, 600);
    for (size_t key = 0; key < KEYS; key++) {
        w.present[key] = true;
        make_vector(w.vectors[key], &w.random);
    }
    uint64_t n = 0;
    while (begin_short(n))
        n++;
    assert_true(n > 30);

    fault_allocator_init(&short_of);
    flat_index *index = new_index(&short_of.allocator, VEER_METRIC_DOT, 1200);
    for (uint64_t key = 0; key < 1200; key++)
        assert_int_equal(flat_index_add(index, &key, w.vectors[key], 1, NULL), VEER_OK);
    bool left = true;
    size_t refused = 0;
    while (left) { /* every step fails first, if it allocates at all */
        fault_allocator_fail(&short_of, 0, false);
        veer_status status = flat_index_step(index, &left, NULL);
        if (status == VEER_OK) continue;
        assert_int_equal(status, VEER_E_NOMEM);
        fault_allocator_fail(&short_of, UINT64_MAX, false);
        assert_int_equal(flat_index_step(index, &left, NULL), VEER_OK);
        refused++;
    }
    assert_true(refused >= 2); /* the builder, and the graph that it gives */
    assert_int_equal(index->graph.graph.count, 1200);
    w.taken_of_ten = 5;
    for (n = 0;; n++) {
        fault_allocator_fail(&short_of, n, false);
        veer_status status = use_short(index);
        if (!fault_allocator_fired(&short_of)) break;
        assert_int_equal(status, VEER_E_NOMEM);
    }
    assert_true(n > 10);
    flat_index_free(index);
    const char *problem = fault_allocator_fini(&short_of);
    if (problem != NULL) fail_msg("%s", problem);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_streams), cmocka_unit_test(test_recall),
        cmocka_unit_test(test_rebuilding),     cmocka_unit_test(test_damage),
        cmocka_unit_test(test_version_1),      cmocka_unit_test(test_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
