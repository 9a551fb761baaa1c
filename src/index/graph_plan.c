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
