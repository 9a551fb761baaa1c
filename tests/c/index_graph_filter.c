/* Searching a graph where only some nodes may be results: what is given is allowed, enough and, on
 * the mean, what was promised, wherever the allowed nodes lie; and the same on every kernel tier. */
#define _GNU_SOURCE
#include "support/testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/topk.h"
#include "index/flat_internal.h"
#include "index/graph.h"
#include "kernels/kernels.h"
#include "support/fault_allocator.h"
#include "support/tiers.h"

#define DIMS 40u
#define ROWS 4007u /* the last word of a bitset has room */
#define K 10u
#define QUERIES 30u

/* Of codes; every test runs with both. */
static uint32_t code_bits;

typedef enum place { AT_RANDOM, NEAR, FAR, PLACES } place;
static const char *const place_names[] = {"at random", "near", "far"};

typedef struct world {
    flat_space *space;
    float *vectors, *inverse;
    graph_builder *builder;
    graph graph;
    arena memory, scratch;
    uint64_t bits[(ROWS + 63) / 64];
    graph_allowed allowed;
} world;

static float *row_of(const world *w, size_t row)
{
    return w->vectors + row * DIMS;
}

static void build(world *w, const float *centre)
{
    const graph_options options = {.seed = 9, .bits = code_bits};
    assert_int_equal(
        graph_builder_new(memory_default(), w->space, centre, ROWS, &options, &w->builder),
        VEER_OK);
    for (uint32_t row = 0; row < ROWS; row++)
        graph_builder_measure(w->builder, row_of(w, row));
    for (uint32_t row = 0; row < ROWS; row++)
        graph_builder_add(w->builder, row_of(w, row));
    for (bool left = true; left;)
        assert_int_equal(graph_builder_step(w->builder, NULL, &left), VEER_OK);
    graph_builder_result(w->builder, &w->graph);
}

static void world_new(world *w, veer_metric metric)
{
    memset(w, 0, sizeof *w);
    rng random;
    rng_init(&random, 5);
    arena_init(&w->memory, memory_default());
    arena_init(&w->scratch, memory_default());
    assert_int_equal(flat_space_new(memory_default(), DIMS, metric, 42, &w->space, NULL), VEER_OK);
    w->vectors = arena_array(&w->memory, (size_t)ROWS * DIMS, sizeof *w->vectors);
    w->inverse = arena_array(&w->memory, ROWS, sizeof *w->inverse);
    float *centre = arena_array(&w->memory, flat_padded_dims(w->space), sizeof *centre);
    float middles[16][DIMS];
    double sum[DIMS] = {0};
    for (size_t i = 0; i < 16 * DIMS; i++)
        middles[i / DIMS][i % DIMS] = (float)rng_normal(&random);
    for (size_t row = 0; row < ROWS; row++) {
        const float *middle = middles[rng_below(&random, 16)];
        for (size_t i = 0; i < DIMS; i++)
            row_of(w, row)[i] = middle[i] + 0.6f * (float)rng_normal(&random);
        w->inverse[row] = flat_inverse_norm(w->space, row_of(w, row));
        flat_sum_add(w->space, row_of(w, row), sum);
    }
    assert_int_equal(flat_centre(w->space, sum, ROWS, &w->memory, centre), VEER_OK);
    build(w, centre);
}

static void world_free(world *w)
{
    graph_builder_free(w->builder);
    arena_fini(&w->memory);
    arena_fini(&w->scratch);
    flat_space_free(w->space);
}

static void make_query(rng *random, const world *w, float *vector)
{
    const float *row = row_of(w, rng_below(random, ROWS));
    for (size_t i = 0; i < DIMS; i++)
        vector[i] = row[i] + 0.4f * (float)rng_normal(random);
}

static const float *sort_keys;

static int by_key(const void *a, const void *b)
{
    float x = sort_keys[*(const uint32_t *)a], y = sort_keys[*(const uint32_t *)b];
    return (x > y) - (x < y);
}

/* So many rows: any, or those on the query's side along some direction, or those opposite. */
static void allow(world *w, place where, uint32_t count, const float *vector, rng *random)
{
    static float keys[ROWS];
    static uint32_t order[ROWS];
    float direction[DIMS], side = 0;
    for (size_t i = 0; i < DIMS; i++) {
        direction[i] = (float)rng_normal(random);
        side += direction[i] * vector[i];
    }
    for (uint32_t row = 0; row < ROWS; row++) {
        order[row] = row;
        keys[row] = where == AT_RANDOM ? (float)rng_unit(random) : 0;
        for (size_t i = 0; i < DIMS && where != AT_RANDOM; i++)
            keys[row] += (where == NEAR) == (side > 0) ? -direction[i] * row_of(w, row)[i]
                                                       : direction[i] * row_of(w, row)[i];
    }
    sort_keys = keys;
    qsort(order, ROWS, sizeof *order, by_key);
    memset(w->bits, 0, sizeof w->bits);
    for (uint32_t i = 0; i < count; i++)
        bitset_set(w->bits, order[i]);
    w->allowed = (graph_allowed){w->bits, count};
}

static flat_query *query_of(world *w, const float *vector)
{
    flat_query *query = NULL;
    arena_reset(&w->scratch);
    assert_int_equal(flat_query_new(w->space, vector, 1, &w->scratch, &query), VEER_OK);
    return query;
}

static float distance_to(const world *w, const flat_query *query, uint32_t row)
{
    const float *vector = row_of(w, row);
    float distance = 0;
    flat_distances(w->space, query, &vector, &w->inverse[row], 1, &distance);
    return distance;
}

/* Results are allowed, in order, and none is there twice. */
static void check_nodes(const world *w, const graph_result *result)
{
    uint64_t seen[(ROWS + 63) / 64] = {0};
    for (size_t i = 0; i < result->count; i++) {
        uint32_t node = result->nearest[i].node;
        assert_true(node < ROWS);
        assert_true(i == 0 || result->nearest[i - 1].rank <= result->nearest[i].rank);
        assert_true(bitset_get(w->bits, node));
        assert_false(bitset_get(seen, node));
        bitset_set(seen, node);
    }
}

/* The part of the k nearest allowed rows that is among the results. */
static double recall_of(const world *w, const flat_query *query, const graph_result *result)
{
    topk_entry truth[K];
    topk nearest;
    size_t wanted = w->allowed.count < K ? w->allowed.count : K, hits = 0;
    topk_init(&nearest, truth, wanted);
    for (size_t row = bitset_next(w->bits, ROWS, 0); row < ROWS;
         row = bitset_next(w->bits, ROWS, row + 1))
        (void)topk_push(&nearest, distance_to(w, query, (uint32_t)row), row);
    for (size_t i = 0; i < result->count; i++)
        hits += distance_to(w, query, result->nearest[i].node) <= topk_threshold(&nearest);
    return (double)(hits < wanted ? hits : wanted) / (double)wanted;
}

/* ---------------------------------------------------------------- each way */

static const graph_choice choices[] = {
    {.way = GRAPH_COMPARE_ALLOWED, .effort = 3 * K, .compares = true},
    {.way = GRAPH_WALK_ALLOWED,
     .effort = 20,
     .most = 100,
     .k = K,
     .patience = 20,
     .compares = true},
    {.way = GRAPH_WALK_ALLOWED, .effort = 20, .most = 20, .compares = true},
    {.way = GRAPH_WALK_ALLOWED, .effort = 60},
    {.way = GRAPH_WALK,
     .past = 40,
     .effort = 20,
     .most = 100,
     .k = K,
     .patience = 20,
     .compares = true},
};

/* Mean recall; every answer is checked, and is none only where the choice leaves it to a scan. */
static double mean_recall(world *w, const graph_choice *choice, place where, uint32_t count,
                          uint32_t queries)
{
    rng random;
    rng_init(&random, 1000 + count);
    double sum = 0;
    for (uint32_t i = 0; i < queries; i++) {
        float vector[DIMS];
        make_query(&random, w, vector);
        allow(w, where, count, vector, &random);
        flat_query *query = query_of(w, vector);
        graph_result result;
        assert_int_equal(graph_find_allowed(w->space, &w->graph, query, &w->allowed, choice, K,
                                            &w->scratch, &result),
                         VEER_OK);
        check_nodes(w, &result);
        assert_true(result.count <= 3 * K);
        assert_true(result.count >= (count < K ? count : K) ||
                    (!choice->compares && result.count == 0));
        sum += result.count > 0 ? recall_of(w, query, &result) : 1;
    }
    return sum / queries;
}

static void test_every_way(void **state)
{
    (void)state;
    static const uint32_t counts[] = {ROWS, 3800, 2000, 1000, 400, 250, 64, 9, 1};
    for (int metric = 0; metric < 3; metric++) {
        world w;
        world_new(&w, (veer_metric)metric);
        for (size_t c = 0; c < TEST_COUNT(choices); c++) {
            for (place where = AT_RANDOM; where < PLACES; where++) {
                for (size_t i = 0; i < TEST_COUNT(counts); i++) {
                    double recall = mean_recall(&w, &choices[c], where, counts[i], 10);
                    bool compares = choices[c].way == GRAPH_COMPARE_ALLOWED;
                    double floor = compares ? 0.99 : 0;
                    if (!compares && counts[i] >= 250) floor = where == FAR ? 0.7 : 0.85;
                    if (metric == VEER_METRIC_DOT && !compares) floor -= 0.1;
                    if (recall < floor)
                        fail_msg("metric %d, choice %zu, %u %s: recall %.3f", metric, c, counts[i],
                                 place_names[where], recall);
                }
            }
        }
        world_free(&w);
    }
}

/* ---------------------------------------------------------------- as planned */

static void test_promise(void **state)
{
    (void)state;
    static const uint32_t counts[] = {3950, 3200, 2000, 800, 400, 200, 70};
    static const double recalls[] = {0.8, 0.95, 0.99};
    uint32_t ways[3] = {0};
    world w;
    world_new(&w, VEER_METRIC_L2);
    for (size_t r = 0; r < TEST_COUNT(recalls); r++) {
        for (size_t i = 0; i < TEST_COUNT(counts); i++) {
            graph_choice choice;
            if (!graph_choose(w.space, &w.graph, K, recalls[r], counts[i], 1e9, &choice))
                fail_msg("no choice for %u", counts[i]);
            assert_true(graph_choice_recall(&w.graph, &choice, K) >= recalls[r] - 0.005);
            ways[choice.way]++;
            for (place where = AT_RANDOM; where < PLACES; where++) {
                double recall = mean_recall(&w, &choice, where, counts[i], QUERIES);
                if (recall < recalls[r] - (where == FAR ? 0.05 : 0.03))
                    fail_msg("%u %s: recall %.3f of %.2f", counts[i], place_names[where], recall,
                             recalls[r]);
            }
        }
    }
    for (size_t i = 0; i < TEST_COUNT(ways); i++)
        assert_true(ways[i] > 0);
    graph_choice choice;
    assert_false(graph_choose(w.space, &w.graph, K, 0.95, 2000, 100, &choice)); /* scan at once */
    assert_false(graph_choose(w.space, &w.graph, K, 1, 2000, 1e9, &choice));
    assert_false(graph_choose(w.space, &w.graph, K, 0.95, 0, 1e9, &choice));
    world_free(&w);
}

/* Only where the filter takes what is near away does a walk say so; then it goes on. */
static void test_deprived(void **state)
{
    (void)state;
    static const double most[PLACES] = {0.1, 0.4, 1};
    world w;
    world_new(&w, VEER_METRIC_L2);
    for (place where = AT_RANDOM; where < PLACES; where++) {
        rng random;
        rng_init(&random, 3);
        uint32_t deprived = 0;
        for (uint32_t i = 0; i < QUERIES; i++) {
            float vector[DIMS];
            make_query(&random, &w, vector);
            allow(&w, where, ROWS / 4, vector, &random);
            flat_query *query = query_of(&w, vector);
            const graph_choice stops = {.effort = 20, .most = 20, .k = K, .patience = 30};
            const graph_choice goes_on = {.effort = 20, .most = 90, .k = K, .patience = 30};
            graph_result short_one, long_one;
            assert_int_equal(graph_search_allowed(w.space, &w.graph, query, &w.allowed, &stops,
                                                  &w.scratch, &short_one),
                             VEER_OK);
            assert_int_equal(graph_search_allowed(w.space, &w.graph, query, &w.allowed, &goes_on,
                                                  &w.scratch, &long_one),
                             VEER_OK);
            assert_int_equal(short_one.is_deprived, long_one.is_deprived);
            uint32_t kept = code_bits == 4 ? GRAPH_RERANK_PER_RESULT * K : 20;
            assert_int_equal(short_one.count, kept);
            assert_int_equal(long_one.count, long_one.is_deprived ? 90 : kept);
            /* What is met on the way towards the query may be expanded in either. */
            assert_true(!long_one.is_deprived || long_one.expanded >= 20 + 30);
            assert_true(long_one.expanded >= short_one.expanded);
            deprived += short_one.is_deprived;
        }
        print_message("%u of %u see it, %s\n", deprived, QUERIES, place_names[where]);
        assert_true(deprived <= most[where] * QUERIES);
        assert_true(where != FAR || deprived > 0.3 * QUERIES);
    }
    world_free(&w);
}

/* No entry may be a result, and what may lies in few places. */
static void test_entries_are_excluded(void **state)
{
    (void)state;
    world w;
    rng random;
    rng_init(&random, 8);
    world_new(&w, VEER_METRIC_COSINE);
    for (uint32_t first = 0; first < ROWS; first += 701) {
        memset(w.bits, 0, sizeof w.bits);
        bitset_set_range(w.bits, first, first + 64 < ROWS ? first + 64 : ROWS);
        for (size_t i = 0; i < w.graph.entries_count; i++)
            bitset_clear(w.bits, w.graph.entries[i]);
        w.allowed = (graph_allowed){w.bits, (uint32_t)bitset_count(w.bits, ROWS)};
        float vector[DIMS];
        make_query(&random, &w, vector);
        graph_result result;
        assert_int_equal(graph_search_allowed(w.space, &w.graph, query_of(&w, vector), &w.allowed,
                                              &choices[1], &w.scratch, &result),
                         VEER_OK);
        check_nodes(&w, &result);
        assert_true(result.count > 0);
    }
    world_free(&w);
}

/* ---------------------------------------------------------------- tiers, shortage */

static void test_same_on_every_tier(void **state)
{
    (void)state;
    const kernels *tiers[TIERS_MAX];
    size_t tiers_count = tiers_find(tiers);
    graph_near expected[TEST_COUNT(choices)][3 * K];
    size_t counts[TEST_COUNT(choices)];
    for (size_t t = 0; t < tiers_count; t++) {
        kernels_force(tiers[t]);
        world w;
        rng random;
        rng_init(&random, 12);
        world_new(&w, VEER_METRIC_L2);
        for (size_t c = 0; c < TEST_COUNT(choices); c++) {
            float vector[DIMS];
            graph_result result;
            make_query(&random, &w, vector);
            allow(&w, AT_RANDOM, 900, vector, &random);
            assert_int_equal(graph_find_allowed(w.space, &w.graph, query_of(&w, vector), &w.allowed,
                                                &choices[c], K, &w.scratch, &result),
                             VEER_OK);
            if (t == 0) {
                counts[c] = result.count;
                memcpy(expected[c], result.nearest, result.count * sizeof *result.nearest);
            }
            assert_int_equal(result.count, counts[c]);
            assert_memory_equal(result.nearest, expected[c], counts[c] * sizeof *expected[c]);
        }
        world_free(&w);
    }
    kernels_force(NULL);
}

static void test_shortage(void **state)
{
    (void)state;
    world w;
    rng random;
    rng_init(&random, 2);
    world_new(&w, VEER_METRIC_L2);
    float vector[DIMS];
    make_query(&random, &w, vector);
    allow(&w, FAR, 900, vector, &random);
    flat_query *query = query_of(&w, vector);
    for (size_t c = 0; c < TEST_COUNT(choices); c++) {
        bool has_fired = true;
        for (uint64_t n = 0; has_fired; n++) {
            fault_allocator faults;
            arena scratch;
            graph_result result;
            fault_allocator_init(&faults);
            fault_allocator_fail(&faults, n, false);
            arena_init(&scratch, &faults.allocator);
            veer_status status = graph_find_allowed(w.space, &w.graph, query, &w.allowed,
                                                    &choices[c], K, &scratch, &result);
            has_fired = fault_allocator_fired(&faults);
            assert_int_equal(status, has_fired ? VEER_E_NOMEM : VEER_OK);
            arena_fini(&scratch);
            assert_null(fault_allocator_fini(&faults));
        }
    }
    world_free(&w);
}

/* The argument is a pattern of the tests to run: all take long under emulation. */
int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way),          cmocka_unit_test(test_promise),
        cmocka_unit_test(test_deprived),           cmocka_unit_test(test_entries_are_excluded),
        cmocka_unit_test(test_same_on_every_tier), cmocka_unit_test(test_shortage),
    };
    int failed = 0;
    for (code_bits = 8; code_bits >= 4; code_bits -= 4)
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    return failed;
}
