/* What a graph finds for which effort, measured at the end of building.
 *
 * Queries are vectors that are there, each taken out for its own search: a walk never visits it.
 * What is left is the graph without it, and a query of the same distribution. The true nearest
 * nodes are found by comparing all codes, then the graph is walked with growing efforts. The mean
 * recall by effort is kept with the graph; graph_effort reads it backwards.
 *
 * Under dot the graph is that of lifted vectors, but queries are not lifted: there ranks are
 * products, as in a search.
 *
 * Recall is that of code distances. Codes of 8 bits lose next to nothing that three times as many
 * candidates as results do not bring back.
 */
#include <math.h>
#include <string.h>

#include "base/topk.h"
#include "index/graph_build.h"

/* Codes compared in one step, where they are short. */
#define COMPARE_A_STEP 8192u
/* Places of the pool whose nodes are expanded in one step. */
#define PLACES_A_STEP 256u
#define QUERIES 128u

/* Results that are asked for: what lies between is interpolated. */
static const uint32_t curve_k[GRAPH_CURVES] = {10, GRAPH_MEASURED_K};

static size_t effort_of(size_t curve, size_t place)
{
    /* Steps of sqrt(2), from k on. */
    static const double factors[GRAPH_EFFORTS] = {1, 1.42, 2,  2.83, 4,  5.66,
                                                  8, 11.3, 16, 22.6, 32, 45.3};
    return (size_t)(curve_k[curve] * factors[place]);
}

size_t graph_measure_effort_max(void)
{
    return effort_of(GRAPH_CURVES - 1, GRAPH_EFFORTS - 1);
}

typedef struct query_context {
    const graph_builder *builder;
    uint32_t node;
    const int16_t *code; /* under dot */
} query_context;

static void measure(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks)
{
    const query_context *query = context;
    const graph_builder *b = query->builder;
    if (!query->code) {
        graph_node_distances(b, query->node, nodes, count, ranks);
        return;
    }
    b->space->kernels->dot_sq8(query->code, b->codes, b->padded, nodes, count, ranks);
    for (size_t i = 0; i < count; i++)
        ranks[i] = -ranks[i];
}

/* Spread over the order, so that nodes that a former graph had and those that came in later have
 * their shares. */
static query_context choose_query(graph_builder *b)
{
    uint32_t place = (uint32_t)((uint64_t)b->measured_queries * b->count / QUERIES);
    query_context query = {b, b->order[b->count - 1 - place], NULL};
    if (!b->lifts) return query;
    const int8_t *code = b->codes + (size_t)query.node * b->padded;
    int16_t *made = (int16_t *)(void *)(b->work + b->padded);
    for (size_t i = 0; i < b->padded; i++)
        b->work[i] = b->centre[i] + b->step * (float)code[i];
    graph_query_code(b->space, b->step, b->centre, b->work, made);
    query.code = made;
    return query;
}

/* Compares the next nodes; the nearest so far are in b->nearest. */
static void compare_some(graph_builder *b, const query_context *query)
{
    uint32_t nodes[GRAPH_DEGREE_MAX];
    int32_t ranks[GRAPH_DEGREE_MAX];
    topk heap = {b->nearest, GRAPH_MEASURED_K, b->nearest_count};
    uint32_t end = b->position + graph_items(b, NULL, b->count - b->position, COMPARE_A_STEP);
    while (b->position < end) {
        uint32_t n = 0;
        for (; n < GRAPH_DEGREE_MAX && b->position < end; b->position++) {
            if (b->position != query->node) nodes[n++] = b->position;
        }
        measure(query, nodes, n, ranks);
        for (uint32_t i = 0; i < n; i++) {
            /* A rank has 30 bits, f32 24: the key keeps it whole. */
            uint64_t key = (uint64_t)(uint32_t)ranks[i] << 32 | nodes[i];
            if ((float)ranks[i] <= topk_threshold(&heap))
                (void)topk_push(&heap, (float)ranks[i], key);
        }
    }
    b->nearest_count = heap.count;
    if (b->position == b->count) topk_sort(&heap);
}

static int32_t rank_of(const topk_entry *entry)
{
    return (int32_t)(uint32_t)(entry->key >> 32);
}

static size_t results_of(const graph_builder *b, size_t curve)
{
    return curve_k[curve] < b->nearest_count ? curve_k[curve] : b->nearest_count;
}

/* Some of the walk with one effort: it goes on where it was. True: it is over. */
static bool walk_some(graph_builder *b, const query_context *query, size_t effort)
{
    graph_walk *walk = &b->walk;
    walk->measure = measure;
    walk->context = query;
    if (b->walk_limit == 0) {
        walk->links = b->links;
        walk->stride = b->stride;
        walk->entries = b->entries;
        walk->entries_count = b->entries_count;
        walk->capacity = effort < b->count ? effort : b->count;
        (void)graph_visit(walk, query->node);
        graph_walk_begin(walk);
    }
    b->walk_limit += PLACES_A_STEP;
    bool is_over = b->walk_limit >= walk->capacity;
    graph_walk_on(walk, is_over ? walk->capacity : b->walk_limit);
    if (!is_over && b->walk_limit < walk->count) return false;
    graph_walk_end(walk);
    b->walk_limit = 0;
    return true;
}

/* After a walk: a node as near as the k-th true one is found. True: all are. */
static bool count_found(graph_builder *b, const query_context *query, size_t curve, size_t place)
{
    size_t found = 0, k = results_of(b, curve);
    for (size_t i = 0; i < b->walk.count && found < k; i++) {
        const graph_near *near = &b->walk.pool[i];
        found += near->node != query->node && near->rank <= rank_of(&b->nearest[k - 1]);
    }
    b->recalls[curve][place] += k > 0 ? (float)found / (float)k / QUERIES : 1.0f / QUERIES;
    return found == k;
}

void graph_measure_begin(graph_builder *b)
{
    b->phase = GRAPH_MEASURE;
    b->position = b->measured_queries = b->measured_walks = 0;
    b->nearest_count = 0;
}

void graph_measure_step(graph_builder *b)
{
    query_context query = choose_query(b);
    if (b->position < b->count) {
        compare_some(b, &query);
        return;
    }
    uint32_t curve = b->measured_walks / GRAPH_EFFORTS;
    size_t place = b->measured_walks % GRAPH_EFFORTS;
    if (!walk_some(b, &query, effort_of(curve, place))) return;
    bool finds_all = count_found(b, &query, curve, place);
    b->measured_walks++;
    /* What one effort finds a larger one does. */
    for (; finds_all && b->measured_walks < (curve + 1) * GRAPH_EFFORTS; b->measured_walks++)
        b->recalls[curve][b->measured_walks % GRAPH_EFFORTS] += 1.0f / QUERIES;
    if (b->measured_walks < GRAPH_CURVES * GRAPH_EFFORTS) return;
    b->position = b->measured_walks = 0;
    b->nearest_count = 0;
    if (++b->measured_queries == QUERIES) b->phase = GRAPH_DONE;
}

/* ---------------------------------------------------------------- reading the curves
 *
 * Straight lines between what was measured: logarithms and powers differ in their last bit between
 * C libraries, and an effort decides which rows are found. */

/* The effort, in multiples of k, at which a curve reaches the recall; 0: it does not. */
static double ratio_at(const float *recalls, size_t curve, double recall)
{
    double k = curve_k[curve];
    for (size_t i = 0; i < GRAPH_EFFORTS; i++) {
        double here = (double)recalls[i];
        if (here < recall) continue;
        double effort = (double)effort_of(curve, i) / k;
        if (i == 0) return effort;
        double before = (double)recalls[i - 1];
        double former = (double)effort_of(curve, i - 1) / k;
        double share = here > before ? (recall - before) / (here - before) : 1;
        return former + share * (effort - former);
    }
    return 0;
}

size_t graph_effort(const graph *graph, size_t k, double recall)
{
    double few = ratio_at(graph->recalls[0], 0, recall);
    double many = ratio_at(graph->recalls[1], 1, recall);
    if (few == 0 || many == 0) return SIZE_MAX;
    if (k <= curve_k[0]) return (size_t)ceil(few * curve_k[0]);
    if (k >= curve_k[1]) return (size_t)ceil(many * (double)k);
    double share = (double)(k - curve_k[0]) / (curve_k[1] - curve_k[0]);
    return (size_t)ceil((few + share * (many - few)) * (double)k);
}

double graph_recall(const graph *graph, size_t k, size_t effort)
{
    size_t least = graph_effort(graph, k, 0);
    size_t within = effort < least ? least : effort;
    double low = 0, high = 1;
    for (int i = 0; i < 24; i++) {
        double middle = (low + high) / 2;
        if (graph_effort(graph, k, middle) <= within)
            low = middle;
        else
            high = middle;
    }
    return effort < least ? low * (double)effort / (double)least : low;
}
