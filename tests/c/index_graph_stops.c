/* Where walks of a graph end, and what a graph predicts of it.
 *
 * A walk is compared with a naive one that keeps everything and looks for the nearest node anew each
 * time. Predictions are compared with what queries find that the graph has never seen.
 */
#include "support/testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/topk.h"
#include "graph_built.h"
#include "index/graph_walk.h"

#define DIMS 24u
#define MIDDLES 40u
#define QUERIES 400u

static const char *const metric_names[] = {"cosine", "dot", "l2"};

static graph_built w;

static void begin(veer_metric metric, uint32_t bits, uint32_t rows)
{
    w = (graph_built){.dims = DIMS,
                      .middles_count = MIDDLES,
                      .rows = rows,
                      .spread = 0.6f,
                      .options = {.seed = 3, .bits = bits},
                      .seed = 31 + rows + (uint64_t)metric};
    graph_built_begin(&w, metric);
}

/* ---------------------------------------------------------------- a naive walk */

typedef struct found {
    int64_t rank;
    uint32_t node;
    bool is_expanded;
} found;

static int by_rank(const void *a, const void *b)
{
    const found *left = a;
    const found *right = b;
    if (left->rank != right->rank) return left->rank < right->rank ? -1 : 1;
    return 0;
}

/* Ranks as graph_query.c says, in plain arithmetic. */
static int64_t rank_of(const graph_query *query, uint32_t node)
{
    const graph *g = &w.graph;
    uint32_t padded = w.space->padded;
    int64_t sum = 0;
    if (g->bits == 8) {
        const int8_t *code = (const int8_t *)g->codes + (size_t)node * padded;
        for (uint32_t i = 0; i < padded; i++)
            sum += query->code[i] * code[i];
        bool is_dot = flat_space_metric(w.space) == VEER_METRIC_DOT;
        return is_dot ? -sum : 4 * (int64_t)((const int32_t *)g->norms)[node] - sum;
    }
    const uint8_t *code = (const uint8_t *)g->codes + (size_t)node * (padded / 2);
    const graph_factors *of = (const graph_factors *)g->norms + node;
    for (uint32_t i = 0; i < padded; i++) {
        /* A byte of 32 has dimension j of 64 and j + 32. */
        uint8_t byte = code[i / 64 * 32 + i % 32];
        int level = i % 64 < 32 ? byte & 15 : byte >> 4;
        sum += query->nibbles[i] * (2 * level - 15);
    }
    return (int64_t)(query->square_weight * of->square - query->gain * of->scale * (float)sum);
}

typedef struct naive {
    found *all;
    size_t count, expanded;
} naive;

static void look_at(naive *n, const graph_query *query, bool *seen, uint32_t node)
{
    if (seen[node]) return;
    seen[node] = true;
    n->all[n->count++] = (found){rank_of(query, node), node, false};
}

/* False: `aim` says that it ends. */
static bool may_expand(const naive *n, const graph_aim *aim, size_t at, double origin)
{
    if (at >= n->count || at >= aim->effort) return false;
    if (aim->results == 0 || n->count < aim->results) return true;
    double kth = (double)n->all[aim->results - 1].rank + origin;
    return (double)n->all[at].rank <= kth * (1 + aim->reach) - origin;
}

static void walk_naively(const flat_query *query, const graph_aim *aim, naive *n)
{
    const graph *g = &w.graph;
    int16_t code[64];
    assert_true(w.space->padded <= 64);
    graph_query made;
    assert_true(graph_query_set(w.space, g, query->rotated, code, &made));
    double origin = made.origin;
    bool *seen = calloc(g->count, sizeof *seen);
    n->count = n->expanded = 0;
    uint32_t starts[GRAPH_STARTS_MAX];
    const uint32_t *first = g->entries;
    size_t count = g->entries_count;
    if (graph_has_starts(g)) {
        float work[128];
        first = starts;
        count = graph_starts_choose(w.space, g, query->rotated, NULL, work, starts);
    }
    for (size_t i = 0; i < count; i++)
        look_at(n, &made, seen, first[i]);
    for (;;) {
        qsort(n->all, n->count, sizeof *n->all, by_rank);
        size_t at = 0;
        while (at < n->count && n->all[at].is_expanded)
            at++;
        if (!may_expand(n, aim, at, origin)) break;
        n->all[at].is_expanded = true;
        n->expanded++;
        const uint32_t *links = g->links + (size_t)n->all[at].node * g->degree;
        for (uint32_t i = 0; i < g->degree && links[i] != GRAPH_NONE; i++)
            look_at(n, &made, seen, links[i]);
    }
    free(seen);
}

static bool has_ties(const naive *n)
{
    for (size_t i = 1; i < n->count; i++)
        if (n->all[i].rank == n->all[i - 1].rank) return true;
    return false;
}

/* The same nodes compared and expanded, and the same nearest ones, as by the naive walk. */
static void test_like_a_naive_walk(void **state)
{
    (void)state;
    size_t compared = 0;
    for (int run = 0; run < 7; run++) {
        /* The last one chooses where to begin. */
        begin((veer_metric)(run % 3), run < 3 ? 8 : 4, run < 6 ? 1500 : 10400);
        naive n = {.all = malloc(w.rows * sizeof *n.all)};
        for (int round = 0; round < 120; round++) {
            const flat_query *query = graph_built_query(&w);
            graph_aim aim = {.effort = 1 + rng_below(&w.random, 60), .kept = 30};
            if (round % 2 == 0) {
                aim.results = 1 + rng_below(&w.random, 20);
                aim.reach = (double)rng_below(&w.random, 300) / 1000;
                if (round % 4 == 0) aim.effort = w.rows;
            }
            walk_naively(query, &aim, &n);
            if (has_ties(&n)) continue; /* whose order is not told */
            graph_result result;
            assert_int_equal(graph_search(w.space, &w.graph, query, &aim, &w.scratch, &result),
                             VEER_OK);
            assert_int_equal(result.compared, n.count);
            assert_int_equal(result.expanded, n.expanded);
            size_t least = aim.kept < n.count ? aim.kept : n.count;
            assert_true(result.count >= least);
            for (size_t i = 0; i < least; i++) {
                assert_int_equal(result.nearest[i].node, n.all[i].node);
                assert_int_equal(result.nearest[i].rank, n.all[i].rank);
            }
            compared++;
        }
        free(n.all);
        graph_built_end(&w);
    }
    assert_true(compared > 200);
}

/* ---------------------------------------------------------------- predictions */

static float distance_of(const flat_query *query, uint32_t node)
{
    const float *vector = w.vectors + (size_t)node * DIMS;
    float inverse = flat_inverse_norm(w.space, vector), distance = 0;
    flat_distances(w.space, query, &vector, &inverse, 1, &distance);
    return distance;
}

/* Of the true k nearest: by 8-bit codes, or by originals, which the nearest found are compared by. */
static double recall_of(const flat_query *query, size_t k, const graph_result *result)
{
    int16_t code[64];
    topk_entry entries[100];
    topk heap;
    graph_query made;
    bool by_codes = w.graph.bits == 8;
    if (!graph_query_set(w.space, &w.graph, query->rotated, code, &made)) return 0;
    topk_init(&heap, entries, k);
    for (uint32_t node = 0; node < w.rows; node++) {
        float rank = by_codes ? (float)rank_of(&made, node) : distance_of(query, node);
        (void)topk_push(&heap, rank, node);
    }
    size_t hits = 0, most = by_codes ? k : 3 * k;
    for (size_t i = 0; i < result->count && i < most; i++) {
        uint32_t node = result->nearest[i].node;
        float rank = by_codes ? (float)result->nearest[i].rank : distance_of(query, node);
        hits += rank <= topk_threshold(&heap);
    }
    return (double)(hits < k ? hits : k) / (double)k;
}

static void run_queries(size_t k, const graph_aim *aim, double *recall, double *compared)
{
    *recall = *compared = 0;
    for (uint32_t i = 0; i < QUERIES; i++) {
        const flat_query *query = graph_built_query(&w);
        graph_result result;
        assert_int_equal(graph_search(w.space, &w.graph, query, aim, &w.scratch, &result), VEER_OK);
        *recall += recall_of(query, k, &result) / QUERIES;
        *compared += (double)result.compared / QUERIES;
    }
}

/* By recall and by effort: what is predicted comes true, and more recall costs more. */
static void test_predictions(void **state)
{
    (void)state;
    static const double recalls[] = {0.85, 0.9, 0.95, 0.99};
    static const size_t ks[] = {1, 10, 40, 100};
    for (int run = 0; run < 6; run++) {
        int metric = run % 3;
        begin((veer_metric)metric, run < 3 ? 8 : 4, 6000);
        for (size_t i = 0; i < TEST_COUNT(ks); i++) {
            double before = 0;
            for (size_t j = 0; j < TEST_COUNT(recalls); j++) {
                graph_aim aim;
                double recall, compared;
                assert_true(graph_aim_recall(&w.graph, ks[i], 1, recalls[j], &aim));
                assert_true(aim.kept >= 3 * ks[i] && aim.recall >= recalls[j]);
                assert_true(aim.compared >= before);
                before = aim.compared;
                run_queries(ks[i], &aim, &recall, &compared);
                print_message(
                    "%u bits, %s k %zu: %.2f asked, %.3f found; %.0f codes, %.0f predicted%s\n",
                    w.graph.bits, metric_names[metric], ks[i], recalls[j], recall, compared,
                    aim.compared, aim.results > 0 ? ", by reach" : "");
                assert_true(recall >= recalls[j] - 0.03);
                /* Between 10 and 100 results it is interpolated; a single one is treated like 10. */
                bool is_measured = ks[i] == 10 || ks[i] == 100;
                if (is_measured && recalls[j] >= 0.9) assert_true(recall <= aim.recall + 0.03);
                assert_true(compared > 0.85 * aim.compared && compared < 1.15 * aim.compared);
            }
        }
        for (size_t effort = 10; effort <= 160; effort *= 2) {
            graph_aim aim;
            double recall, compared;
            graph_aim_effort(&w.graph, 10, 1, effort, &aim);
            assert_true(aim.effort == effort && aim.results == 0);
            run_queries(10, &aim, &recall, &compared);
            assert_true(recall > aim.recall - 0.03 && recall < aim.recall + 0.03);
            assert_true(compared > 0.9 * aim.compared && compared < 1.1 * aim.compared);
        }
        graph_built_end(&w);
    }
}

/* Curves that are made up: what is read of them. */
static void test_reading(void **state)
{
    (void)state;
    static graph g;
    for (size_t s = 0; s < GRAPH_STOPS; s++) {
        for (size_t c = 0; c < GRAPH_CURVES; c++) {
            for (size_t i = 0; i < GRAPH_POINTS; i++) {
                g.curves[s][c].recalls[i] = 0.5f + 0.03f * (float)i;
                g.curves[s][c].compared[i] = (float)(100 * (1 + i) * (1 + 9 * c));
            }
        }
    }
    graph_aim place, reach, aim;
    assert_false(graph_aim_recall(&g, 10, 1, 0.96, &aim));
    assert_true(graph_aim_recall(&g, 10, 1, 0.9, &place));
    assert_int_equal(place.results, 0); /* as dear as reach: the simpler one */
    for (size_t c = 0; c < GRAPH_CURVES; c++)
        for (size_t i = 0; i < GRAPH_POINTS; i++)
            g.curves[1][c].compared[i] *= 0.85f;
    assert_true(graph_aim_recall(&g, 10, 1, 0.9, &reach));
    assert_int_equal(reach.results, 10);
    assert_true(reach.reach > 0 && reach.compared < place.compared);
    /* With half of the nodes dead, 10 results are looked for among 20. */
    assert_true(graph_aim_recall(&g, 10, 0.5, 0.9, &aim));
    assert_true(aim.results == 20 && aim.kept == 60 && aim.compared > reach.compared);
    assert_true(aim.reach == reach.reach);
    /* Beyond the last curve in proportion. */
    assert_true(graph_aim_recall(&g, 100, 1, 0.9, &reach));
    assert_true(graph_aim_recall(&g, 1000, 1, 0.9, &aim));
    assert_true(aim.results == 1000 && aim.reach == reach.reach);
    assert_true(aim.compared > 9.9 * reach.compared && aim.compared < 10.1 * reach.compared);
    /* One way that does not reach it leaves the other. */
    memset(g.curves[1], 0, sizeof g.curves[1]);
    assert_true(graph_aim_recall(&g, 10, 1, 0.9, &aim));
    assert_memory_equal(&aim, &place, sizeof aim);
    double before = 0;
    for (size_t effort = 1; effort < 1000; effort += 7) {
        graph_aim_effort(&g, 10, 1, effort, &aim);
        assert_true(aim.recall >= before && aim.recall <= 1);
        before = aim.recall;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_a_naive_walk),
        cmocka_unit_test(test_predictions),
        cmocka_unit_test(test_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
