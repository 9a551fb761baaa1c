/* Graphs instead of scans, where that costs less for the recall that was asked: graph_plan where
 * every node may be a result, else graph_choose.
 *
 * The nearest nodes by their codes are compared by their originals. Should a walk find fewer than the
 * segment has matches, or see that the filter excludes just what is near, all matches are compared by
 * their codes, or the segment is scanned after all, whichever costs less.
 */
#include "engine/executor.h"

veer_status executor_plan_walk(executor *run, search_run *codes, veer_error *error)
{
    const search_part *part = &run->parts[codes->part];
    const graph *graph = NULL;
    if (run->recall > GRAPH_RECALL_MAX || codes->count < part->vectors.count) return VEER_OK;
    VEER_TRY(segment_graph(&part->vectors, &graph, error));
    if (!graph) return VEER_OK;
    if (!codes->live) {
        if (graph_plan(run->space, graph, run->wanted, run->recall, 1, codes->count, &codes->aim))
            codes->graph = graph;
    } else {
        double scan = (double)executor_scan_cost(run, codes);
        if (graph_choose(run->space, graph, run->wanted, run->recall, part->live_count, scan,
                         &codes->choice))
            codes->graph = graph;
    }
    return VEER_OK;
}

veer_status executor_plan_effort(executor *run, search_run *codes, veer_error *error)
{
    const search_part *part = &run->parts[codes->part];
    if (codes->count < part->vectors.count) return VEER_OK;
    VEER_TRY(segment_graph(&part->vectors, &codes->graph, error));
    size_t effort = run->effort > run->wanted ? run->effort : run->wanted;
    if (effort > codes->count) effort = codes->count;
    codes->choice = (graph_choice){.way = GRAPH_WALK_ALLOWED, .effort = effort, .compares = true};
    if (codes->graph) graph_aim_effort(codes->graph, run->wanted, 1, effort, &codes->aim);
    return VEER_OK;
}

uint64_t executor_walk_estimate(const executor *run)
{
    double nodes = 0;
    for (size_t i = 0; i < run->runs_count; i++) {
        const search_run *codes = &run->runs[i];
        const graph *graph = codes->graph;
        if (!graph) continue;
        bool compares = codes->live && codes->choice.way == GRAPH_COMPARE_ALLOWED;
        nodes += compares      ? (double)run->parts[codes->part].live_count
                 : codes->live ? (double)(codes->choice.effort * graph->degree / 2)
                               : codes->aim.compared;
    }
    return (uint64_t)(nodes + 0.5);
}

veer_status executor_walk(executor *run, const flat_query *query, size_t index, topk *heap,
                          flat_candidates *candidates, bool *has_walked, veer_error *error)
{
    const search_run *codes = &run->runs[index];
    const graph_allowed allowed = {codes->live, run->parts[codes->part].live_count};
    const graph *graph = codes->graph;
    *has_walked = false;
    graph_result result = {0};
    veer_status status =
        codes->live ? graph_find_allowed(run->space, graph, query, &allowed, &codes->choice,
                                         run->wanted, run->scratch, &result)
                    : graph_search(run->space, graph, query, &codes->aim, run->scratch, &result);
    if (status != VEER_OK) return error_nomem(error, "a search", graph->count);
    if (result.count == 0) return VEER_OK;
    run->walked += result.compared;
    size_t count =
        graph_to_compare(run->space, graph, query, result.nearest, result.count, run->wanted);
    flat_candidate *items = arena_array(run->scratch, count, sizeof *items);
    if (!items) return error_nomem(error, "a search", count);
    for (size_t i = 0; i < count; i++)
        items[i] = (flat_candidate){.part = (uint32_t)index, .row = result.nearest[i].node};
    *has_walked = true;
    run->runs[index].walks++;
    run->candidates += count;
    return executor_rerank_items(run, query, items, count, heap, candidates, error);
}
