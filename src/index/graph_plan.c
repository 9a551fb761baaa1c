/* When a graph is walked, and what describes it in storage.
 *
 * The plan: a graph knows how many codes walks compare for which recall (graph_measure.c). Nodes that
 * may not be results are passed through but not counted, so a walk goes further by their share; where
 * most nodes are excluded, scanning what is left costs less anyway.
 */
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "index/graph.h"

/* Nanoseconds: of a scan C + D * padded dims a code and more for each result, of which it compares
 * more originals; of a walk C + D * padded dims a code. Measured a code, k = 10, over 5,000 to 60,000
 * rows of 128, 384 and 768 dimensions; the lesser figure of walks is that of codes in a cache:
 *
 *                 scan                  walk
 *     AVX-512     1.2   1.9   3.0       36-53  50-56  98-109
 *     AVX2        1.4   2.7   4.3       40-56  58-60  114-127
 *     SIMD128     1.8   4.6   7.6       54-80  64-100 95-145
 *
 * Those walks were on codes of 8 bits; on 4 bits AVX-512 takes 52 at 384 and 80 at 768 dimensions.
 * One formula for all: platforms that chose differently would give different answers. */
#define SCAN_NS 0.8
#define SCAN_NS_A_DIMENSION 0.0045
#define SCAN_NS_AT_FIRST 2000.0
#define SCAN_NS_A_RESULT 300.0
#define WALK_NS 25.0
#define WALK_NS_A_DIMENSION 0.1
#define NIBBLE_NS_A_DIMENSION 0.07
/* Below this share of nodes that may be results a scan is sure to cost less. Arbitrary. */
#define SHARE_MIN 0.2

bool graph_plan(const flat_space *space, const graph *graph, size_t k, double recall, double share,
                size_t codes, graph_aim *aim)
{
    if (recall > GRAPH_RECALL_MAX || !(share >= SHARE_MIN)) return false;
    if (!graph_aim_recall(graph, k, share, recall, aim)) return false;
    double dims = flat_padded_dims(space);
    double a_dimension = graph->bits == 4 ? NIBBLE_NS_A_DIMENSION : WALK_NS_A_DIMENSION;
    double walk = aim->compared * (WALK_NS + a_dimension * dims);
    double scan = (double)codes * (SCAN_NS + SCAN_NS_A_DIMENSION * dims) + SCAN_NS_AT_FIRST +
                  (double)k * SCAN_NS_A_RESULT;
    return walk < scan;
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
#define HOP_CODES 400.0    /* an expanded node where all are allowed */
#define CROSS_CODES 5000.0 /* of one dimension */
/* Expanded nodes that beginning, and looking for what is nearer, cost as much as. */
#define BEGIN_EFFORT 4.0
#define LOOK_EFFORT 5.0
/* What is near the threshold is more where the filter excludes what is near the query. */
#define DEPRIVED_SCAN 1.5

/* Effort against that of a walk without a filter, for the same recall: every expansion is filled up.
 * Where 0.95 is asked for, 0.75 finds 0.94 to 0.99 and 0.9 0.96 and more (60,000 and 100,000 rows of
 * 128 and 768 dimensions, filters of 50 and 10 %, independent of the query and correlated with it). */
#define USUAL_EFFORT 0.9
/* Where the filter excludes what is near, all nodes that remain are about as far, and what is missed
 * falls as 1 / effort: measured on three sets, 2 to 4 of k = 10 times k / effort. So far a walk goes
 * as a rule, which its patience decides, and at most. All of it times k / (1 - recall). */
#define DEPRIVED_EFFORT 0.4
#define DEPRIVED_PATIENCE 0.17
#define DEPRIVED_PATIENCE_NIBBLES 0.22 /* with codes of 4 bits, whose order is rougher */
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
    double patience = graph->bits == 4 ? DEPRIVED_PATIENCE_NIBBLES : DEPRIVED_PATIENCE;
    compares = compare < scan * DEPRIVED_SCAN;
    double least = compares ? compare : scan * DEPRIVED_SCAN;
    if ((double)typical * hop > least) most = effort;
    *choice = (graph_choice){.way = GRAPH_WALK_ALLOWED,
                             .effort = effort,
                             .most = most,
                             .k = k,
                             .patience = (size_t)(patience * (double)k / miss),
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
    graph_aim aim;
    graph_aim_effort(graph, k, 1, (size_t)((double)choice->effort / USUAL_EFFORT), &aim);
    return aim.recall < GRAPH_RECALL_MAX ? aim.recall : GRAPH_RECALL_MAX;
}

/* ---------------------------------------------------------------- in storage */

#define GRAPH_VERSION 4u
#define CURVES_AT 32u
#define RECALL_ROUNDED 1.001f /* sums of shares */

_Static_assert(CURVES_AT + sizeof((graph *)0)->curves == GRAPH_HEAD_BYTES, "docs/FORMAT.md, GRAPH");

void graph_head_store(uint8_t head[GRAPH_HEAD_BYTES], const graph *graph, uint32_t padded)
{
    memset(head, 0, GRAPH_HEAD_BYTES);
    store_u32(head, GRAPH_VERSION);
    store_u32(head + 4, graph->count);
    store_u32(head + 8, graph->degree);
    store_u32(head + 12, graph->entries_count);
    memcpy(head + 16, &graph->step, sizeof graph->step);
    store_u32(head + 20, padded);
    store_u32(head + 24, graph->bits);
    memcpy(head + 28, &graph->square, sizeof graph->square);
    memcpy(head + CURVES_AT, graph->curves, sizeof graph->curves);
}

static bool curve_is_valid(const graph_curve *curve)
{
    float before = 0;
    bool is_valid = true;
    for (size_t i = 0; i < GRAPH_POINTS; i++) {
        float recall = curve->recalls[i], compared = curve->compared[i];
        is_valid &= recall >= before && recall <= RECALL_ROUNDED;
        is_valid &= compared >= 0 && compared < INFINITY;
        before = recall;
    }
    return is_valid;
}

bool graph_head_load(const uint8_t head[GRAPH_HEAD_BYTES], uint32_t padded, graph *graph)
{
    graph->count = load_u32(head + 4);
    graph->degree = load_u32(head + 8);
    graph->entries_count = load_u32(head + 12);
    memcpy(&graph->step, head + 16, sizeof graph->step);
    graph->bits = load_u32(head + 24);
    memcpy(&graph->square, head + 28, sizeof graph->square);
    memcpy(graph->curves, head + CURVES_AT, sizeof graph->curves);
    bool is_valid = load_u32(head) == GRAPH_VERSION && graph->degree >= 1 &&
                    graph->degree <= GRAPH_DEGREE_MAX && graph->entries_count >= 1 &&
                    graph->entries_count <= graph->count && load_u32(head + 20) == padded &&
                    (graph->bits == 8 || graph->bits == 4);
    for (size_t i = 0; i < GRAPH_STOPS * GRAPH_CURVES; i++)
        is_valid = is_valid && curve_is_valid(&graph->curves[i / GRAPH_CURVES][i % GRAPH_CURVES]);
    return is_valid;
}
