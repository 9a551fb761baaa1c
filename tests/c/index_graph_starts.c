/* Where walks begin: entries that are near, the same ones on every tier, whatever a file has in their
 * place; and every node is found all the same. */
#include "support/testing.h"
#include "support/tiers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "graph_built.h"
#include "index/graph_walk.h"

#define DIMS 40u
#define ROWS 10500u /* from 10,240 on entries are chosen among */
#define MIDDLES 60u
#define QUERIES 200u

static graph_built w;
static float work[2 * GRAPH_BUILT_DIMS_MAX];

static void begin(veer_metric metric, uint32_t bits)
{
    w = (graph_built){.dims = DIMS,
                      .middles_count = MIDDLES,
                      .rows = ROWS,
                      .offset = 1,
                      .spread = 0.7f,
                      .options = {.seed = 3, .bits = bits, .degree = 16, .effort = 40},
                      .seed = 17 + (uint64_t)metric};
    graph_built_begin(&w, metric);
    assert_true(graph_has_starts(&w.graph));
}

/* ---------------------------------------------------------------- choosing */

static size_t choose(const flat_query *query, const uint64_t *live, uint32_t *nodes)
{
    return graph_starts_choose(w.space, &w.graph, query->rotated, live, work, nodes);
}

/* The place of a node among the entries that 1-bit codes tell apart. */
static uint32_t place_of(uint32_t node)
{
    uint32_t place = 0, rows = graph_starts_rows(&w.graph);
    while (place < rows && w.graph.entries[place] != node)
        place++;
    return place;
}

/* Entries nearer to the query than this one, by the graph's codes. */
static uint32_t nearer_than(const flat_query *query, uint32_t node)
{
    uint32_t rows = graph_starts_rows(&w.graph), nearer = 0;
    int32_t own, ranks[GRAPH_ENTRIES_MAX];
    graph_query made;
    int16_t code[64];
    assert_true(graph_query_set(w.space, &w.graph, query->rotated, code, &made));
    graph_query_measure(&made, &node, 1, &own);
    for (uint32_t i = 0; i < rows; i++) {
        graph_query_measure(&made, &w.graph.entries[i], 1, &ranks[i]);
        nearer += ranks[i] < own;
    }
    return nearer;
}

/* A few, each an entry, once, and the nearest one is nearly always among them. */
static void test_are_near(void **state)
{
    (void)state;
    for (int run = 0; run < 6; run++) {
        uint32_t nodes[GRAPH_STARTS_MAX];
        size_t all = 0, found = 0;
        begin((veer_metric)(run % 3), run < 3 ? 8 : 4);
        uint32_t rows = graph_starts_rows(&w.graph);
        assert_int_equal(rows, ROWS / 64 / 32 * 32);
        const int32_t *norms = w.graph.norms;
        int32_t largest = 0;
        for (uint32_t node = 0; node < ROWS && w.graph.bits == 8; node++)
            largest = norms[node] > largest ? norms[node] : largest;
        if (w.graph.bits == 8) assert_true(w.graph.square == (float)largest);
        for (uint32_t i = 0; i < QUERIES; i++) {
            const flat_query *query = graph_built_query(&w);
            size_t count = choose(query, NULL, nodes);
            uint32_t nearest = rows;
            assert_in_range(count, 1, GRAPH_STARTS_MAX);
            for (size_t j = 0; j < count; j++) {
                assert_true(place_of(nodes[j]) < rows);
                for (size_t other = 0; other < j; other++)
                    assert_true(nodes[other] != nodes[j]);
                uint32_t nearer = nearer_than(query, nodes[j]);
                if (nearer < nearest) nearest = nearer;
            }
            found += nearest == 0;
            all += count;
        }
        print_message("metric %d, %u bits: %.1f of %u, with the nearest in %.2f\n", run % 3,
                      w.graph.bits, (double)all / QUERIES, rows, (double)found / QUERIES);
        assert_true(all < QUERIES * rows / 8);
        assert_true((double)found > 0.75 * QUERIES);
        graph_built_end(&w);
    }
}

/* Of the same ones, those that are live. */
static void test_live(void **state)
{
    (void)state;
    begin(VEER_METRIC_L2, 8);
    uint32_t rows = graph_starts_rows(&w.graph), nodes[GRAPH_STARTS_MAX];
    for (uint32_t i = 0; i < QUERIES; i++) {
        uint64_t live[GRAPH_ENTRIES_MAX / 64] = {0};
        for (uint32_t place = 0; place < rows; place++)
            if (rng_below(&w.random, QUERIES) < i) bitset_set(live, place);
        const flat_query *query = graph_built_query(&w);
        uint32_t all[GRAPH_STARTS_MAX];
        size_t all_count = choose(query, NULL, all), wanted = 0;
        size_t count = choose(query, live, nodes);
        for (size_t j = 0; j < all_count; j++) {
            if (!bitset_get(live, place_of(all[j]))) continue;
            assert_true(wanted < count);
            assert_int_equal(nodes[wanted++], all[j]);
        }
        assert_int_equal(count, wanted);
    }
    graph_built_end(&w);
}

static void test_same_on_every_tier(void **state)
{
    (void)state;
    const kernels *tiers[TIERS_MAX];
    size_t tiers_count = tiers_find(tiers);
    begin(VEER_METRIC_COSINE, 4);
    const kernels *own = w.space->kernels;
    for (uint32_t i = 0; i < QUERIES; i++) {
        uint32_t first[GRAPH_STARTS_MAX], nodes[GRAPH_STARTS_MAX];
        const flat_query *query = graph_built_query(&w);
        size_t count = choose(query, NULL, first);
        for (size_t tier = 0; tier < tiers_count; tier++) {
            w.space->kernels = w.space->quantizer.kernels = tiers[tier];
            assert_int_equal(choose(query, NULL, nodes), count);
            assert_memory_equal(nodes, first, count * sizeof *nodes);
        }
        w.space->kernels = w.space->quantizer.kernels = own;
    }
    graph_built_end(&w);
}

/* ---------------------------------------------------------------- walks */

static void search(const flat_query *query, size_t effort, graph_result *result)
{
    graph_aim aim = {.effort = effort};
    assert_int_equal(graph_search(w.space, &w.graph, query, &aim, &w.scratch, result), VEER_OK);
}

/* The graph was measured with walks that begin like those of searches. */
static void test_is_predicted(void **state)
{
    (void)state;
    for (int run = 0; run < 2; run++) {
        graph_aim aim;
        double compared = 0;
        begin(VEER_METRIC_COSINE, run == 0 ? 8 : 4);
        assert_true(graph_aim_recall(&w.graph, 10, 1, 0.9, &aim));
        for (uint32_t i = 0; i < QUERIES; i++) {
            graph_result result;
            const flat_query *query = graph_built_query(&w);
            assert_int_equal(graph_search(w.space, &w.graph, query, &aim, &w.scratch, &result),
                             VEER_OK);
            compared += (double)result.compared / QUERIES;
        }
        print_message("%u bits: %.0f codes, %.0f predicted\n", w.graph.bits, compared,
                      aim.compared);
        assert_true(compared > 0.88 * aim.compared && compared < 1.12 * aim.compared);
        graph_built_end(&w);
    }
}

/* Nodes that only entries lead to, which no walk begins at, are found by those that go on. */
static void test_all_is_found(void **state)
{
    (void)state;
    begin(VEER_METRIC_L2, 8);
    uint32_t *links = (uint32_t *)(uintptr_t)w.graph.links;
    for (uint32_t node = 0; node < ROWS; node++) {
        uint32_t *list = links + (size_t)node * w.graph.degree;
        /* Islands: each node is linked with those of its block of 50. */
        for (uint32_t i = 0; i < w.graph.degree; i++)
            list[i] = i < 2 ? node / 50 * 50 + (node + i + 1) % 50 : GRAPH_NONE;
    }
    uint32_t *entries = calloc(ROWS / 50, sizeof *entries);
    for (uint32_t i = 0; i < ROWS / 50; i++)
        entries[i] = i * 50 + i % 50;
    w.graph.entries = entries;
    w.graph.entries_count = ROWS / 50;
    for (uint32_t i = 0; i < 20; i++) {
        graph_result result;
        const flat_query *query = graph_built_query(&w);
        search(query, ROWS, &result);
        assert_int_equal(result.count, ROWS);
        search(query, 3000, &result);
        assert_int_equal(result.count, 3000);
        /* With a filter that excludes one. */
        uint64_t bits[ROWS / 64 + 1];
        const graph_allowed allowed = {bits, ROWS - 1};
        const graph_choice choice = {
            .way = GRAPH_WALK_ALLOWED, .effort = ROWS, .most = ROWS, .k = 10};
        memset(bits, 0xff, sizeof bits);
        bits[ROWS / 64] = ((uint64_t)1 << ROWS % 64) - 1;
        bitset_clear(bits, i);
        assert_int_equal(
            graph_search_allowed(w.space, &w.graph, query, &allowed, &choice, &w.scratch, &result),
            VEER_OK);
        assert_int_equal(result.count, ROWS - 1);
        /* By reach: until there are as many as results. */
        graph_aim aim = {.effort = ROWS, .kept = 400, .results = 400, .reach = 0.01};
        assert_int_equal(graph_search(w.space, &w.graph, query, &aim, &w.scratch, &result),
                         VEER_OK);
        assert_true(result.count >= 400);
    }
    free(entries);
    graph_built_end(&w);
}

/* Anything in place of the codes: as many results, those of a walk from elsewhere. */
static void test_wrong_codes(void **state)
{
    (void)state;
    begin(VEER_METRIC_COSINE, 8);
    const uint8_t *right = w.graph.starts;
    size_t bytes = graph_starts_bytes(&w.graph, w.space->padded);
    uint8_t *wrong = malloc(bytes);
    const char *problem = NULL;
    assert_non_null(wrong);
    assert_int_equal(graph_check(w.space, &w.graph, &w.memory, &problem), VEER_OK);
    assert_null(problem);
    static const float values[] = {NAN, INFINITY, -INFINITY, 0, -1e38f, 1e-40f};
    for (size_t run = 0; run < 2 * TEST_COUNT(values); run++) {
        memcpy(wrong, right, bytes);
        for (size_t at = 0; at + 4 <= bytes; at += 4)
            if (run % 2 == 0 || rng_below(&w.random, 3) == 0)
                memcpy(wrong + at, &values[run / 2], sizeof(float));
        w.graph.starts = wrong;
        assert_true(graph_is_valid(w.space, &w.graph));
        assert_int_equal(graph_check(w.space, &w.graph, &w.memory, &problem), VEER_OK);
        assert_non_null(problem);
        for (uint32_t i = 0; i < 20; i++) {
            graph_result result;
            search(graph_built_query(&w), 200, &result);
            assert_int_equal(result.count, 200);
        }
    }
    free(wrong);
    graph_built_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_are_near),           cmocka_unit_test(test_live),
        cmocka_unit_test(test_same_on_every_tier), cmocka_unit_test(test_all_is_found),
        cmocka_unit_test(test_is_predicted),       cmocka_unit_test(test_wrong_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
