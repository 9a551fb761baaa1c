/* When a graph is walked, and what describes it in storage.
 *
 * The plan: a graph knows which effort gives which recall (graph_measure.c). Nodes that may not be
 * results are passed through but not counted, so the effort grows by their share; where most nodes
 * are excluded, scanning what is left costs less anyway. A walk costs HOP_CODES codes of a scan for
 * each node of its effort.
 */
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "index/graph.h"

/* Measured with AVX2 at 128 and 768 dimensions: 0.3 and 1.5 us an expanded node against 0.8 and 3.5
 * ns a code. */
#define HOP_CODES 400u
/* Below this share of nodes that may be results a scan is sure to cost less. Arbitrary. */
#define SHARE_MIN 0.2

bool graph_plan(const graph *graph, size_t k, double recall, double share, size_t codes,
                size_t *effort)
{
    if (recall > GRAPH_RECALL_MAX || !(share >= SHARE_MIN)) return false;
    size_t least = graph_effort(graph, k, recall);
    if (least == SIZE_MAX) return false;
    *effort = (size_t)ceil((double)least / share);
    return (double)*effort * HOP_CODES < (double)codes;
}

/* ---------------------------------------------------------------- with a filter */

/* Below this share of allowed nodes two hops meet too few of them for a walk to find its way. */
#define GRAPH_SHARE_MIN 0.04

/* From this share on, a walk leaves out what is not allowed afterwards: it is simpler, and what it
 * loses is less than looking for what is nearer costs. */
#define PAST_SHARE_MIN 0.8

/* Costs in codes of a scan. Measured with AVX-512 at 128 and 768 dimensions, 60,000 and 100,000 rows:
 * 1.2 and 4.5 ns a code; 20 and 110 ns a node that is compared; 70 and 390 ns an original; 0.9 to 1.1
 * and 4.5 us an expanded node where half of the nodes are allowed; 0.05 us a bridge. */
#define COMPARE_CODES 18.0
#define ORIGINAL_CODES 64.0
#define EXPAND_CODES 600.0
#define CROSS_CODES 5000.0 /* of one dimension */
/* Expanded nodes that beginning, and looking for what is nearer, cost as much as. */
#define BEGIN_EFFORT 4.0
#define LOOK_EFFORT 5.0
/* What is near the threshold is more where the filter excludes what is near the query. */
#define DEPRIVED_SCAN 1.5

/* Effort against that of a walk without a filter, for the same recall: every expansion is filled up. */
#define USUAL_EFFORT 0.75
/* Where the filter excludes what is near, all nodes that remain are about as far, and what is missed
 * falls as 1 / effort: measured on three sets, 2 to 4 of k = 10 times k / effort. So far a walk goes
 * as a rule, which its patience decides, and at most. All of it times k / (1 - recall). */
#define DEPRIVED_EFFORT 0.4
#define DEPRIVED_PATIENCE 0.2
#define DEPRIVED_MOST 1.0
#define DEPRIVED_RECALL_MIN 0.9

bool graph_choose(const flat_space *space, const graph *graph, size_t k, double recall,
                  size_t allowed, double scan, graph_choice *choice)
{
    if (recall > GRAPH_RECALL_MAX || allowed == 0) return false;
    size_t kept = k > SIZE_MAX / GRAPH_RERANK_PER_RESULT ? SIZE_MAX : k * GRAPH_RERANK_PER_RESULT;
    double rerank = (double)(kept < allowed ? kept : allowed) * ORIGINAL_CODES;
    double compare = (double)allowed * COMPARE_CODES + rerank;
    bool compares = compare < scan;
    double share = (double)allowed / graph->count;
    size_t unfiltered = graph_effort(graph, k, recall);
    *choice = (graph_choice){
        .way = GRAPH_COMPARE_ALLOWED, .effort = kept, .compares = true, .cost = compare};
    if (share < GRAPH_SHARE_MIN || unfiltered == SIZE_MAX) return compares;
    size_t effort = (size_t)ceil(USUAL_EFFORT * (double)unfiltered);
    if (effort < k) effort = k;
    double hop = EXPAND_CODES + CROSS_CODES / flat_padded_dims(space) / share;
    double cost = ((double)effort + BEGIN_EFFORT + LOOK_EFFORT) * hop;
    if (cost >= (compares ? compare : scan)) return compares;
    double miss = 1 - (recall > DEPRIVED_RECALL_MIN ? recall : DEPRIVED_RECALL_MIN);
    size_t typical = (size_t)(DEPRIVED_EFFORT * (double)k / miss);
    size_t most = (size_t)(DEPRIVED_MOST * (double)k / miss);
    if (most < 2 * effort) most = 2 * effort;
    compares = compare < scan * DEPRIVED_SCAN;
    double least = compares ? compare : scan * DEPRIVED_SCAN;
    if ((double)typical * hop > least) most = effort;
    *choice = (graph_choice){.way = GRAPH_WALK_ALLOWED,
                             .effort = effort,
                             .most = most,
                             .k = k,
                             .patience = (size_t)(DEPRIVED_PATIENCE * (double)k / miss),
                             .compares = compares,
                             .cost = cost};
    if (share < PAST_SHARE_MIN) return true;
    choice->way = GRAPH_WALK;
    choice->past = (size_t)ceil((double)unfiltered / share);
    choice->cost = (double)choice->past * HOP_CODES;
    return true;
}

double graph_choice_recall(const graph *graph, const graph_choice *choice, size_t k)
{
    if (choice->way == GRAPH_COMPARE_ALLOWED) return GRAPH_RECALL_MAX;
    double recall = graph_recall(graph, k, (size_t)((double)choice->effort / USUAL_EFFORT));
    return recall < GRAPH_RECALL_MAX ? recall : GRAPH_RECALL_MAX;
}

/* ---------------------------------------------------------------- in storage */

#define GRAPH_VERSION 1u
#define RECALLS_AT 32u
#define RECALL_ROUNDED 1.001f /* sums of shares */

_Static_assert(RECALLS_AT + sizeof((graph *)0)->recalls == GRAPH_HEAD_BYTES,
               "docs/FORMAT.md, GRAPH");

void graph_head_store(uint8_t head[GRAPH_HEAD_BYTES], const graph *graph, uint32_t padded)
{
    memset(head, 0, GRAPH_HEAD_BYTES);
    store_u32(head, GRAPH_VERSION);
    store_u32(head + 4, graph->count);
    store_u32(head + 8, graph->degree);
    store_u32(head + 12, graph->entries_count);
    memcpy(head + 16, &graph->step, sizeof graph->step);
    store_u32(head + 20, padded);
    memcpy(head + RECALLS_AT, graph->recalls, sizeof graph->recalls);
}

bool graph_head_load(const uint8_t head[GRAPH_HEAD_BYTES], uint32_t padded, graph *graph)
{
    graph->count = load_u32(head + 4);
    graph->degree = load_u32(head + 8);
    graph->entries_count = load_u32(head + 12);
    memcpy(&graph->step, head + 16, sizeof graph->step);
    memcpy(graph->recalls, head + RECALLS_AT, sizeof graph->recalls);
    bool is_valid = load_u32(head) == GRAPH_VERSION && graph->degree >= 1 &&
                    graph->degree <= GRAPH_DEGREE_MAX && graph->entries_count >= 1 &&
                    graph->entries_count <= graph->count && load_u32(head + 20) == padded &&
                    load_u64(head + 24) == 0;
    const float *recalls = graph->recalls[0];
    for (size_t i = 0; i < GRAPH_CURVES * GRAPH_EFFORTS; i++)
        is_valid = is_valid && recalls[i] >= 0 && recalls[i] <= RECALL_ROUNDED;
    return is_valid;
}
