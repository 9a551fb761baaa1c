/* Searching a graph where only some of the nodes may be results.
 *
 * graph_search_allowed walks, but measures and keeps allowed nodes alone. A neighbour that is not
 * allowed is a bridge: its own neighbours take its place.
 *
 *     node ---- allowed                 measured
 *         \--- bridge ---- allowed      measured
 *                     \--- bridge       left out
 *
 * A list is read at most once as a bridge's, and an expansion crosses no more bridges when it has as
 * many nodes to measure as a list has places. So the same effort finds about as much as in a graph
 * of the allowed nodes alone, down to a share of them (GRAPH_SHARE_MIN) at which two hops meet too
 * few. The walk begins at the allowed ones among the entries and at nodes that are spread over all
 * that are allowed: there is always one.
 *
 * Where the filter excludes just what is near the query, the nearest allowed nodes lie on the rim of
 * an empty region, all about as far, and the same effort finds less of them. How many nodes are nearer
 * to the query than the second result tells: were the filter independent of the distance, x / share
 * of them would be there with a probability of about (1 + x) e^-x. They are counted after the walk,
 * from the nearest results towards the query, until there are too many; allowed nodes that are met on
 * the way join the pool. If there are, the walk goes on.
 *
 * graph_compare_allowed measures every allowed node: for few, and where a walk fails.
 *
 * Anchor: Patel et al., "ACORN" (SIGMOD 2024), neighbours of neighbours in predicate subgraphs.
 */
#include <string.h>

#include "base/bitset.h"
#include "base/status.h"
#include "index/flat_internal.h"
#include "index/graph_walk.h"

/* Nodes to begin with that are spread over the allowed ones. Arbitrary. */
#define SPREAD 64u

/* Lists of bridges that are fetched ahead; codes are fetched while others are looked for, which is a
 * tenth faster at 128 dimensions. */
#define FETCHED_LISTS 8u

/* Results from which nodes that are nearer to the query are looked for, the result they are to be
 * nearer than, and the x from which on there are too many of them: 4 of 100 queries see that
 * by chance. Measured on three sets: from one result alone the way towards the query is often not
 * found, and the nearest result alone, whose place is a matter of chance, tells less. */
#define LOOKOUTS 8u
#define NEARER_THAN 2u
#define NEARER_MAX 5.0

typedef struct filtered_walk {
    graph_query query;
    graph_walk walk;
    const uint64_t *allowed;
    arena *scratch;
} filtered_walk;

/* ---------------------------------------------------------------- the walk */

/* The nodes of a list that are not marked. Without branches: which they are is a toss-up. */
static size_t unmarked(const uint32_t *list, size_t stride, const uint64_t *marks, uint32_t *nodes)
{
    size_t count = 0;
    for (size_t i = 0; i < stride && list[i] != GRAPH_NONE; i++) {
        nodes[count] = list[i];
        count += !bitset_get(marks, list[i]);
    }
    return count;
}

size_t graph_cross(graph_walk *walk, uint32_t node, uint32_t nodes[GRAPH_DEGREE_MAX], size_t count)
{
    uint32_t bridges[GRAPH_DEGREE_MAX], found[GRAPH_DEGREE_MAX];
    const uint32_t *links = walk->links;
    const size_t stride = walk->stride, bytes = stride * sizeof *links;
    for (size_t i = 0; i < count; i++)
        graph_fetch_code(walk->context, nodes[i]);
    size_t n = unmarked(links + node * stride, stride, walk->crossed, bridges);
    for (size_t i = 0; i < n && i < FETCHED_LISTS; i++)
        graph_fetch(links + bridges[i] * stride, bytes);
    for (size_t i = 0; i < n && count < stride; i++) {
        if (i + FETCHED_LISTS < n) graph_fetch(links + bridges[i + FETCHED_LISTS] * stride, bytes);
        bitset_set(walk->crossed, bridges[i]);
        size_t more = unmarked(links + bridges[i] * stride, stride, walk->visited, found);
        for (size_t j = 0; j < more && count < stride; j++) {
            if (!graph_visit(walk, found[j])) continue;
            graph_fetch_code(walk->context, found[j]);
            nodes[count++] = found[j];
        }
    }
    return count;
}

/* Allowed ones among the entries near the query, or among few entries. */
static size_t first_entries(filtered_walk *run, const flat_query *query, float *work,
                            uint32_t nodes[GRAPH_STARTS_MAX])
{
    const graph *graph = run->query.graph;
    uint64_t live[GRAPH_ENTRIES_MAX / 64] = {0};
    size_t rows = graph_starts_rows(graph), count = 0;
    bool chooses = graph_has_starts(graph);
    for (size_t i = 0; i < rows; i++) {
        if (!bitset_get(run->allowed, graph->entries[i])) continue;
        if (chooses)
            bitset_set(live, i);
        else
            nodes[count++] = graph->entries[i];
    }
    return chooses ? graph_starts_choose(query->space, graph, query->rotated, live, work, nodes)
                   : count;
}

/* And allowed nodes that are spread over all of them; returns how many. */
static size_t first_nodes(const graph *graph, const uint64_t *allowed, size_t count,
                          uint32_t *nodes)
{
    size_t next = 0;
    for (size_t i = 0; i < SPREAD; i++) {
        size_t from = (size_t)((uint64_t)graph->count * i / SPREAD);
        if (from < next) continue;
        from = bitset_next(allowed, graph->count, from);
        if (from >= graph->count) break;
        nodes[count++] = (uint32_t)from;
        next = from + 1;
    }
    return count;
}

/* Everything that is not allowed is marked, and is a bridge. */
static veer_status begin(filtered_walk *run, const flat_query *query, size_t capacity)
{
    const graph *graph = run->query.graph;
    graph_walk *walk = &run->walk;
    size_t words = bitset_words(graph->count);
    VEER_TRY(graph_walk_init(&run->query, capacity, run->scratch, walk));
    uint32_t *nodes = arena_array(run->scratch, GRAPH_STARTS_MAX + SPREAD, sizeof *nodes);
    float *work = arena_array(run->scratch, run->query.padded, 2 * sizeof *work);
    walk->crossed = arena_array(run->scratch, words, sizeof *walk->crossed);
    if (!nodes || !work || !walk->crossed) return VEER_E_NOMEM;
    for (size_t i = 0; i < words; i++) {
        walk->visited[i] = ~run->allowed[i];
        walk->crossed[i] = run->allowed[i];
    }
    walk->entries = nodes;
    walk->entries_count = first_entries(run, query, work, nodes);
    walk->entries_count = first_nodes(graph, run->allowed, walk->entries_count, nodes);
    graph_walk_begin(walk);
    return VEER_OK;
}

/* ---------------------------------------------------------------- what is nearer */

/* Counts nodes that are nearer than the NEARER_THAN-th result, up to about `enough`. Allowed nodes that it
 * meets join the pool. */
static veer_status count_nearer(filtered_walk *run, size_t enough, double *count)
{
    const graph *graph = run->query.graph;
    graph_walk *walk = &run->walk;
    if (enough > graph->count) enough = graph->count;
    uint32_t fresh[GRAPH_DEGREE_MAX];
    int32_t ranks[GRAPH_DEGREE_MAX];
    size_t words = bitset_words(graph->count), depth = 0;
    uint64_t *met = arena_array(run->scratch, words, sizeof *met);
    uint32_t *stack = arena_array(run->scratch, enough + GRAPH_DEGREE_MAX + LOOKOUTS, 4);
    if (!met || !stack) return VEER_E_NOMEM;
    memset(met, 0, words * sizeof *met);
    size_t nearer = 0;
    *count = 0;
    if (walk->count == 0) return VEER_OK;
    int32_t rim = walk->pool[walk->count < NEARER_THAN ? 0 : NEARER_THAN - 1].rank;
    for (size_t i = walk->count < LOOKOUTS ? walk->count : LOOKOUTS; i-- > 0;) {
        stack[depth] = walk->pool[i].node & ~GRAPH_EXPANDED;
        bitset_set(met, stack[depth++]);
    }
    while (depth > 0 && nearer < enough) {
        const uint32_t *links = graph->links + (size_t)stack[--depth] * graph->degree;
        size_t n = unmarked(links, graph->degree, met, fresh);
        run->walk.measure(&run->query, fresh, n, ranks);
        walk->compared += n;
        for (size_t i = 0; i < n; i++) {
            bitset_set(met, fresh[i]);
            if (graph_visit(walk, fresh[i])) graph_walk_put(walk, ranks[i], fresh[i]);
            if (ranks[i] >= rim) continue;
            stack[depth++] = fresh[i];
            nearer++;
        }
    }
    *count = (double)nearer;
    return VEER_OK;
}

/* ---------------------------------------------------------------- searching */

/* 4-bit codes need as many nodes to compare by originals as they were measured with, however few an
 * effort expands. */
static size_t kept_for(const graph *graph, const graph_choice *choice)
{
    size_t most = graph->count / GRAPH_RERANK_PER_RESULT;
    size_t k = choice->k < most ? choice->k : most;
    return graph->bits == 4 ? GRAPH_RERANK_PER_RESULT * k : 0;
}

veer_status graph_search_allowed(const flat_space *space, const graph *graph,
                                 const flat_query *query, const graph_allowed *allowed,
                                 const graph_choice *choice, arena *scratch, graph_result *result)
{
    filtered_walk run = {.allowed = allowed->bits, .scratch = scratch};
    graph_walk *walk = &run.walk;
    bool has_no_code;
    *result = (graph_result){0};
    VEER_TRY(graph_query_init(space, graph, query, scratch, &run.query, &has_no_code));
    if (has_no_code) return VEER_OK;
    size_t limit = choice->effort, kept = kept_for(graph, choice);
    size_t capacity = choice->most > limit ? choice->most : limit;
    VEER_TRY(begin(&run, query, capacity > kept ? capacity : kept));
    walk->top = choice->k;
    (void)graph_walk_on(walk, limit);
    if (choice->most > 0) {
        /* What is geometrically distributed has a mean of 1 / share - 1, and 1 / share - 1/2 comes
         * close to -1 / log(1 - share), which differs between C libraries. */
        double many = NEARER_MAX * ((double)graph->count / (double)allowed->count - 0.5), nearer;
        VEER_TRY(count_nearer(&run, (size_t)many + 1, &nearer));
        result->is_deprived = nearer > many;
        bool goes_on = result->is_deprived && choice->most > limit;
        if (goes_on) walk->patience = choice->patience;
        (void)graph_walk_on(walk, limit);
        if (goes_on) limit = walk->count;
    }
    graph_walk_end(walk);
    if (limit < kept) limit = kept;
    result->nearest = walk->pool;
    result->count = walk->count < limit ? walk->count : limit;
    result->compared = walk->compared;
    result->expanded = walk->expanded;
    return VEER_OK;
}

/* ---------------------------------------------------------------- all of them */

/* A heap, the farthest at the top: `moving` sinks from the place `hole`. */
static void sink(graph_near *heap, size_t count, size_t hole, graph_near moving)
{
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= count) break;
        if (child + 1 < count && heap[child + 1].rank > heap[child].rank) child++;
        if (heap[child].rank <= moving.rank) break;
        heap[hole] = heap[child];
        hole = child;
    }
    heap[hole] = moving;
}

typedef struct nearest_nodes {
    graph_near *heap; /* in order of arrival until it is full */
    size_t capacity, count;
} nearest_nodes;

static void keep(nearest_nodes *kept, graph_near near)
{
    if (kept->count == kept->capacity) {
        if (near.rank < kept->heap[0].rank) sink(kept->heap, kept->count, 0, near);
        return;
    }
    kept->heap[kept->count++] = near;
    if (kept->count < kept->capacity) return;
    for (size_t i = kept->count / 2; i-- > 0;)
        sink(kept->heap, kept->count, i, kept->heap[i]);
}

static void measure_some(const graph_query *query, const uint32_t *nodes, size_t count,
                         nearest_nodes *kept)
{
    int32_t ranks[GRAPH_DEGREE_MAX];
    graph_query_measure(query, nodes, count, ranks);
    for (size_t i = 0; i < count; i++)
        keep(kept, (graph_near){ranks[i], nodes[i]});
}

veer_status graph_compare_allowed(const flat_space *space, const graph *graph,
                                  const flat_query *query, const graph_allowed *allowed,
                                  size_t wanted, arena *scratch, graph_result *result)
{
    uint32_t nodes[GRAPH_DEGREE_MAX];
    graph_query made;
    bool has_no_code;
    *result = (graph_result){0};
    VEER_TRY(graph_query_init(space, graph, query, scratch, &made, &has_no_code));
    if (has_no_code) return VEER_OK;
    nearest_nodes kept = {.capacity = wanted < allowed->count ? wanted : allowed->count};
    kept.heap = arena_array(scratch, kept.capacity, sizeof *kept.heap);
    if (!kept.heap) return VEER_E_NOMEM;
    size_t words = bitset_words(graph->count), count = 0;
    for (size_t word = 0; word < words && kept.capacity > 0; word++) {
        for (uint64_t left = allowed->bits[word]; left != 0; left &= left - 1) {
            nodes[count++] = (uint32_t)(64 * word) + (uint32_t)__builtin_ctzll(left);
            if (count < GRAPH_DEGREE_MAX) continue;
            measure_some(&made, nodes, count, &kept);
            count = 0;
        }
    }
    if (kept.capacity > 0) measure_some(&made, nodes, count, &kept);
    graph_sort(kept.heap, kept.count);
    result->nearest = kept.heap;
    result->count = kept.count;
    result->compared = allowed->count;
    return VEER_OK;
}

/* ---------------------------------------------------------------- as was chosen */

/* A walk that ignores what is allowed; false: of what it kept too little is. */
static veer_status walk_past(const flat_space *space, const graph *graph, const flat_query *query,
                             const graph_allowed *allowed, const graph_choice *choice,
                             arena *scratch, graph_result *result, bool *is_enough)
{
    size_t wanted = kept_for(graph, choice);
    const graph_aim aim = {
        .effort = choice->past,
        .kept = (size_t)((double)wanted * (double)choice->past / (double)choice->effort)};
    VEER_TRY(graph_search(space, graph, query, &aim, scratch, result));
    graph_near *kept = arena_array(scratch, result->count, sizeof *kept);
    if (!kept) return VEER_E_NOMEM;
    size_t count = 0;
    for (size_t i = 0; i < result->count; i++) {
        if (bitset_get(allowed->bits, result->nearest[i].node)) kept[count++] = result->nearest[i];
    }
    result->nearest = kept;
    result->count = count;
    *is_enough = count >= choice->effort;
    return VEER_OK;
}

veer_status graph_find_allowed(const flat_space *space, const graph *graph, const flat_query *query,
                               const graph_allowed *allowed, const graph_choice *choice, size_t k,
                               arena *scratch, graph_result *result)
{
    size_t wanted = k > SIZE_MAX / GRAPH_RERANK_PER_RESULT ? SIZE_MAX : k * GRAPH_RERANK_PER_RESULT;
    size_t needed = k < allowed->count ? k : allowed->count;
    uint64_t compared = 0;
    bool is_enough = false;
    if (choice->way == GRAPH_WALK) {
        VEER_TRY(walk_past(space, graph, query, allowed, choice, scratch, result, &is_enough));
        compared = result->compared;
    }
    if (!is_enough && choice->way != GRAPH_COMPARE_ALLOWED) {
        VEER_TRY(graph_search_allowed(space, graph, query, allowed, choice, scratch, result));
        is_enough = !result->is_deprived || choice->most > choice->effort;
        result->compared = compared += result->compared;
    }
    is_enough = is_enough && result->count >= needed;
    if (!is_enough && choice->compares) {
        VEER_TRY(graph_compare_allowed(space, graph, query, allowed, wanted, scratch, result));
        result->compared += compared;
    } else if (!is_enough) {
        result->count = 0;
    }
    if (result->count > wanted) result->count = wanted;
    return VEER_OK;
}
