/* Graphs instead of scans, where that costs less for the recall that was asked (graph_plan).
 *
 * The walk: the nearest nodes by their codes are compared by their originals. Should there be fewer
 * results than the segment has matches (the filter excludes just what is near), the segment is
 * scanned after all.
 */
#include "base/bitset.h"
#include "engine/executor.h"

veer_status executor_plan_walk(executor *run, search_run *codes, veer_error *error)
{
    const search_part *part = &run->parts[codes->part];
    const graph *graph = NULL;
    if (run->recall > GRAPH_RECALL_MAX || codes->count < part->vectors.count) return VEER_OK;
    VEER_TRY(segment_graph(&part->vectors, &graph, error));
    double share = (double)part->live_count / codes->count;
    if (graph && graph_plan(graph, run->wanted, run->recall, share, codes->count, &codes->effort))
        codes->graph = graph;
    return VEER_OK;
}

veer_status executor_plan_effort(executor *run, search_run *codes, veer_error *error)
{
    const search_part *part = &run->parts[codes->part];
    if (codes->count < part->vectors.count) return VEER_OK;
    VEER_TRY(segment_graph(&part->vectors, &codes->graph, error));
    codes->effort = run->effort > run->wanted ? run->effort : run->wanted;
    if (codes->effort > codes->count) codes->effort = codes->count;
    return VEER_OK;
}

uint64_t executor_walk_estimate(const executor *run)
{
    uint64_t nodes = 0;
    for (size_t i = 0; i < run->runs_count; i++) {
        const search_run *codes = &run->runs[i];
        if (codes->graph)
            nodes += codes->graph->entries_count + codes->effort * codes->graph->degree / 2;
    }
    return nodes;
}

static bool is_live(const search_run *codes, uint32_t node)
{
    return !codes->live || bitset_get(codes->live, node);
}

veer_status executor_walk(executor *run, const flat_query *query, size_t index, topk *heap,
                          flat_candidates *candidates, bool *has_walked, veer_error *error)
{
    const search_run *codes = &run->runs[index];
    *has_walked = false;
    graph_result result;
    size_t most = GRAPH_RERANK_PER_RESULT * run->wanted;
    if (graph_search(run->space, codes->graph, query, codes->effort, run->scratch, &result) !=
        VEER_OK)
        return error_nomem(error, "a search", codes->effort);
    if (result.count == 0) return VEER_OK;
    run->walked += result.compared;
    if (most > result.count) most = result.count;
    flat_candidate *items = arena_array(run->scratch, most, sizeof *items);
    if (!items) return error_nomem(error, "a search", most);
    size_t count = 0;
    int32_t limit = INT32_MAX;
    for (size_t i = 0; i < result.count && count < most; i++) {
        uint32_t node = result.nearest[i].node;
        if (result.nearest[i].rank > limit) break;
        if (!is_live(codes, node)) continue;
        items[count++] = (flat_candidate){.part = (uint32_t)index, .row = node};
        if (count == run->wanted)
            limit = graph_rank_limit(run->space, codes->graph, query, result.nearest[i].rank);
    }
    uint32_t matches = run->parts[codes->part].live_count;
    if (count < (run->wanted < matches ? run->wanted : matches)) return VEER_OK;
    *has_walked = true;
    run->runs[index].walks++;
    run->candidates += count;
    return executor_rerank_items(run, query, items, count, heap, candidates, error);
}
