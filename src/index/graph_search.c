/* Searching a graph, and checking one that comes from storage.
 *
 * With codes of step s around a centre c, a query q of finer steps (f to a unit), x a node's code:
 *
 *     |q - x|^2  =  s^2 (norm(x) - 2 <q - c, x> / f) + |q - c|^2    l2, and twice cosine's distance
 *     <q, x>     =  s^2 <q, x> / f + <q, c>                         dot
 *
 * so that  f / 2 * norm(x) - <q - c, x>  orders nodes under l2 and cosine, and -<q, x> under dot,
 * where the length of a query says nothing and f is as large as its largest value allows.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/bitset.h"
#include "base/status.h"
#include "index/flat_internal.h"
#include "index/graph_walk.h"

/* Steps of a query to one of a code under l2: as many as keep every rank in 31 bits (kernels.h). */
#define QUERY_STEPS 8
/* A code's error in one dimension is uniform within a step: its standard deviation, in steps. */
#define CODE_DEVIATION 0.28867513459481287
/* Deviations of a distance within which codes may mistake the order of two nodes. */
#define MARGIN_DEVIATIONS 4.0

void graph_query_measure(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks)
{
    const graph_query *query = context;
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(query->graph->norms + nodes[i]);
        graph_fetch_code(query, nodes[i]);
    }
    query->kernels->dot_sq8(query->code, query->graph->codes, query->padded, nodes, count, ranks);
    for (size_t i = 0; i < count; i++)
        ranks[i] = query->norm_weight * query->graph->norms[nodes[i]] - ranks[i];
}

/* Steps of a query's code to 1. */
static float query_fineness(const flat_space *space, float step, const float *rotated)
{
    if (space->metric != VEER_METRIC_DOT) return QUERY_STEPS / step;
    float largest = FLT_MIN;
    for (uint32_t i = 0; i < space->padded; i++)
        largest = fabsf(rotated[i]) > largest ? fabsf(rotated[i]) : largest;
    return KERNEL_SQ8_QUERY_MAX / largest;
}

/* Rounded to the nearest (ties away from 0) and clamped, NaN to the least. */
static int16_t query_code(float value)
{
    value = value > -KERNEL_SQ8_QUERY_MAX ? value : -KERNEL_SQ8_QUERY_MAX;
    value = value < KERNEL_SQ8_QUERY_MAX ? value : KERNEL_SQ8_QUERY_MAX;
    return (int16_t)(value + copysignf(0.5f, value));
}

void graph_query_code(const flat_space *space, float step, const float *centre,
                      const float *rotated, int16_t *code)
{
    float fine = query_fineness(space, step, rotated);
    uint32_t padded = space->padded;
    if (space->metric == VEER_METRIC_DOT) {
        for (uint32_t i = 0; i < padded; i++)
            code[i] = query_code(rotated[i] * fine);
    } else {
        for (uint32_t i = 0; i < padded; i++)
            code[i] = query_code((rotated[i] - centre[i]) * fine);
    }
}

double graph_origin(bool is_dot, const int16_t *code, size_t padded, const int32_t *norms,
                    const uint32_t *entries, size_t entries_count)
{
    int64_t whole = 0;
    for (size_t i = 0; i < padded; i++)
        whole += (int32_t)code[i] * code[i];
    double squares = (double)whole;
    if (!is_dot) return squares / (2 * QUERY_STEPS);
    int32_t longest = 0;
    for (size_t i = 0; i < entries_count; i++)
        longest = norms[entries[i]] > longest ? norms[entries[i]] : longest;
    return sqrt(squares) * sqrt((double)longest);
}

/* Whether codes cannot tell where the query is: it lies beyond all that they reach. */
static bool is_too_far(const flat_space *space, const graph *graph, const flat_query *query)
{
    if (space->metric == VEER_METRIC_DOT) return false;
    float reach = graph->step * (KERNEL_SQ8_QUERY_MAX / (float)QUERY_STEPS);
    uint32_t inside = 0;
    for (uint32_t i = 0; i < space->padded; i++)
        inside += fabsf(query->rotated[i] - graph->centre[i]) <= reach;
    return inside < space->padded;
}

veer_status graph_query_init(const flat_space *space, const graph *graph, const flat_query *query,
                             arena *scratch, graph_query *made, bool *has_no_code)
{
    *has_no_code = is_too_far(space, graph, query);
    if (*has_no_code) return VEER_OK;
    int16_t *code = arena_array(scratch, space->padded, sizeof *code);
    if (!code) return VEER_E_NOMEM;
    graph_query_code(space, graph->step, graph->centre, query->rotated, code);
    *made = (graph_query){graph, space->kernels, code, space->padded,
                          space->metric == VEER_METRIC_DOT ? 0 : QUERY_STEPS / 2};
    return VEER_OK;
}

veer_status graph_walk_init(const graph_query *query, size_t capacity, arena *scratch,
                            graph_walk *walk)
{
    const graph *graph = query->graph;
    size_t words = bitset_words(graph->count);
    if (capacity > graph->count) capacity = graph->count;
    *walk = (graph_walk){
        .links = graph->links,
        .stride = graph->degree,
        .entries = graph->entries,
        .entries_count = graph->entries_count,
        .measure = graph_query_measure,
        .context = query,
        .visited = arena_array(scratch, words, sizeof *walk->visited),
        .touched = arena_array(scratch, words + 1, sizeof *walk->touched),
        .pool = arena_array(scratch, capacity + 1, sizeof *walk->pool),
        .capacity = capacity,
    };
    if (!walk->visited || !walk->touched || !walk->pool) return VEER_E_NOMEM;
    memset(walk->visited, 0, words * sizeof *walk->visited);
    return VEER_OK;
}

veer_status graph_search(const flat_space *space, const graph *graph, const flat_query *query,
                         const graph_aim *aim, arena *scratch, graph_result *result)
{
    size_t capacity = aim->effort > aim->kept ? aim->effort : aim->kept;
    graph_query made;
    graph_walk walk;
    bool has_no_code;
    *result = (graph_result){0};
    VEER_TRY(graph_query_init(space, graph, query, scratch, &made, &has_no_code));
    if (has_no_code) return VEER_OK;
    VEER_TRY(graph_walk_init(&made, capacity, scratch, &walk));
    walk.results = aim->results;
    walk.kept = aim->kept;
    walk.reach = walk.keep_reach = aim->reach;
    if (walk.results > 0) {
        walk.origin = graph_origin(space->metric == VEER_METRIC_DOT, made.code, made.padded,
                                   graph->norms, graph->entries, graph->entries_count);
    }
    graph_walk_begin(&walk);
    (void)graph_walk_on(&walk, aim->effort);
    graph_walk_end(&walk);
    *result = (graph_result){.nearest = walk.pool,
                             .count = walk.count,
                             .compared = walk.compared,
                             .expanded = walk.expanded};
    return VEER_OK;
}

/* |q - c|^2, or <q, c> under dot. */
static double constant_of(const flat_space *space, const graph *graph, const flat_query *query)
{
    const kernels *kernels = space->kernels;
    bool is_dot = space->metric == VEER_METRIC_DOT;
    return (double)(is_dot ? kernels->dot : kernels->l2)(query->rotated, graph->centre,
                                                         space->padded);
}

/* The largest rank of a node that codes may mistake for one of this rank. */
static int32_t rank_limit(const flat_space *space, const graph *graph, const flat_query *query,
                          int32_t rank)
{
    double unit = (double)graph->step / (double)query_fineness(space, graph->step, query->rotated);
    double squared = 2 * unit * rank + constant_of(space, graph, query);
    if (space->metric == VEER_METRIC_DOT)
        squared = (double)space->kernels->dot(query->rotated, query->rotated, space->padded);
    double margin = sqrt(squared > 0 ? squared : 0);
    margin *= MARGIN_DEVIATIONS * CODE_DEVIATION * (double)graph->step / unit;
    double limit = rank + ceil(margin);
    return limit < INT32_MAX ? (int32_t)limit : INT32_MAX;
}

size_t graph_to_compare(const flat_space *space, const graph *graph, const flat_query *query,
                        const graph_near *nearest, size_t count, size_t k)
{
    size_t most = k > SIZE_MAX / GRAPH_RERANK_PER_RESULT ? SIZE_MAX : k * GRAPH_RERANK_PER_RESULT;
    if (most > count) most = count;
    if (k == 0 || most <= k) return most;
    int32_t limit = rank_limit(space, graph, query, nearest[k - 1].rank);
    size_t kept = k;
    while (kept < most && nearest[kept].rank <= limit)
        kept++;
    return kept;
}

float graph_estimate(const flat_space *space, const graph *graph, const flat_query *query,
                     int32_t rank)
{
    double unit = (double)graph->step / (double)query_fineness(space, graph->step, query->rotated);
    double constant = constant_of(space, graph, query);
    if (space->metric == VEER_METRIC_DOT) return (float)(unit * rank - constant);
    double squared = 2 * unit * rank + constant;
    return (float)(space->metric == VEER_METRIC_COSINE ? squared / 2 : squared);
}

bool graph_is_valid(const flat_space *space, const graph *graph)
{
    const int32_t norm_max = KERNEL_SQ8_MAX * KERNEL_SQ8_MAX * (int32_t)space->padded;
    if (graph->count < 1 || graph->degree < 1 || graph->degree > GRAPH_DEGREE_MAX) return false;
    if (graph->entries_count < 1 || graph->entries_count > graph->count) return false;
    if (!(graph->step > 0 && graph->step < INFINITY)) return false;
    for (size_t i = 0; i < graph->entries_count; i++) {
        if (graph->entries[i] >= graph->count) return false;
    }
    size_t places = (size_t)graph->count * graph->degree;
    bool is_valid = true;
    for (size_t i = 0; i < places; i++)
        is_valid &= graph->links[i] < graph->count || graph->links[i] == GRAPH_NONE;
    for (size_t i = 0; i < graph->count; i++)
        is_valid &= graph->norms[i] >= 0 && graph->norms[i] <= norm_max;
    return is_valid;
}
