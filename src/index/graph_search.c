/* Searching a graph, and checking one that comes from storage. */
#include <math.h>
#include <string.h>

#include "base/bitset.h"
#include "base/status.h"
#include "index/flat_internal.h"
#include "index/graph_walk.h"

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
        .others = graph->entries,
        .others_count = graph->entries_count,
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
    walk.origin = made.origin;
    VEER_TRY(graph_walk_start(space, query, scratch, &walk));
    graph_walk_begin(&walk);
    (void)graph_walk_on(&walk, aim->effort);
    graph_walk_end(&walk);
    *result = (graph_result){.nearest = walk.pool,
                             .count = walk.count,
                             .compared = walk.compared,
                             .expanded = walk.expanded};
    return VEER_OK;
}

/* The codes' norms, and that the step or the largest square is theirs. */
static bool norms_are_valid(const flat_space *space, const graph *graph)
{
    bool is_valid = true;
    if (!(graph->square >= 0 && graph->square < INFINITY)) return false;
    if (graph->bits == 8) {
        const int32_t *norms = graph->norms;
        const int32_t norm_max = KERNEL_SQ8_MAX * KERNEL_SQ8_MAX * (int32_t)space->padded;
        if (!(graph->step > 0 && graph->step < INFINITY)) return false;
        for (size_t i = 0; i < graph->count; i++) {
            is_valid &= norms[i] >= 0 && norms[i] <= norm_max;
            is_valid &= (float)norms[i] <= graph->square;
        }
        return is_valid;
    }
    const graph_factors *factors = graph->norms;
    for (size_t i = 0; i < graph->count; i++) {
        is_valid &= factors[i].square >= 0 && factors[i].square <= graph->square;
        is_valid &= factors[i].scale >= 0 && factors[i].scale < INFINITY;
    }
    return is_valid;
}

bool graph_is_valid(const flat_space *space, const graph *graph)
{
    if (graph->count < 1 || graph->degree < 1 || graph->degree > GRAPH_DEGREE_MAX) return false;
    if (graph->entries_count < 1 || graph->entries_count > graph->count) return false;
    if (graph->bits != 8 && graph->bits != 4) return false;
    for (size_t i = 0; i < graph->entries_count; i++) {
        if (graph->entries[i] >= graph->count) return false;
    }
    size_t places = (size_t)graph->count * graph->degree;
    bool is_valid = true;
    for (size_t i = 0; i < places; i++)
        is_valid &= graph->links[i] < graph->count || graph->links[i] == GRAPH_NONE;
    return is_valid && norms_are_valid(space, graph);
}
