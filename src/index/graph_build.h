/* What the files that build a graph share. */
#ifndef VEER_INDEX_GRAPH_BUILD_H
#define VEER_INDEX_GRAPH_BUILD_H

#include "base/topk.h"
#include "index/flat_internal.h"
#include "index/graph_walk.h"

/* Links may outgrow the degree by half before a list is pruned: pruning takes time by the list,
 * not by the link. */
#define GRAPH_SLACK_PER_DEGREE_HALVES 3u

/* The largest k that recall is measured for. */
#define GRAPH_MEASURED_K 100u

typedef enum graph_phase {
    GRAPH_FIND,    /* the batch's nodes find and choose their neighbours */
    GRAPH_REVERSE, /* the neighbours get links back */
    GRAPH_TRIM,    /* lists to their degree */
    GRAPH_REACH,   /* what no entry leads to is linked */
    GRAPH_MEASURE, /* what it finds for which effort */
    GRAPH_DONE,
} graph_phase;

/* A link back: `from` has chosen the node in whose chain this is. */
typedef struct graph_reverse {
    uint32_t from, next;
} graph_reverse;

struct graph_builder {
    const veer_allocator *allocator;
    const flat_space *space;
    graph_options options;
    uint32_t count;
    size_t padded;

    float *centre; /* padded */
    float *work;   /* 2 x padded */
    double measured_squares, measured_max;
    uint64_t measured_values;
    float step;
    uint32_t coded;
    int8_t *codes;
    int32_t *norms;
    int32_t *lifts; /* under dot: see graph_build.c; else NULL */

    uint32_t places; /* in a list, as allocated */
    uint32_t stride; /* the same, but the degree when all is done */
    uint32_t *links;
    uint32_t *order; /* in which nodes come in */
    uint32_t *entries;
    uint32_t entries_count, entries_capacity;
    graph_walk walk;
    size_t pool_capacity, near_capacity;
    graph_near *near; /* candidates of a list */

    graph_phase phase;
    uint32_t linked;         /* nodes of `order` that are in the graph */
    uint32_t batch_end;      /* the present batch is [linked, batch_end) */
    uint32_t position;       /* done in this phase */
    uint32_t *heads;         /* chains of links back, by node; GRAPH_NONE: none */
    uint32_t *targets;       /* nodes with a chain */
    graph_reverse *reverses; /* of the batch */
    uint32_t targets_count, reverses_count, reverses_capacity;

    uint32_t queue_head, queue_tail; /* of graph_reach.c */

    topk_entry *nearest; /* of graph_measure.c: to its present query */
    size_t nearest_count;
    uint32_t measured_queries, measured_walks;
    float recalls[GRAPH_CURVES][GRAPH_EFFORTS];
};

/* Squared code distances of a node to others, lifts included. */
void graph_node_distances(const graph_builder *builder, uint32_t node, const uint32_t *others,
                          size_t count, int32_t *distances);

static inline uint32_t *graph_list(const graph_builder *builder, uint32_t node)
{
    return builder->links + (size_t)node * builder->stride;
}

static inline uint32_t graph_list_length(const graph_builder *builder, uint32_t node)
{
    const uint32_t *list = graph_list(builder, node);
    uint32_t length = 0;
    while (length < builder->stride && list[length] != GRAPH_NONE)
        length++;
    return length;
}

/* graph_prune.c: orders candidates by (rank, node); then writes at most the degree of well spread
 * ones to the node's list, and `fill`s it with the nearest of the others. Candidates are unique,
 * and the node is not among them. Those that were chosen lose their node number. */
void graph_sort(graph_near *near, size_t count);
void graph_prune(graph_builder *builder, uint32_t node, graph_near *near, size_t count, bool fill);

/* graph_reach.c: a part of the check; GRAPH_MEASURE afterwards. */
void graph_reach_begin(graph_builder *builder);
veer_status graph_reach_step(graph_builder *builder);

/* graph_measure.c: a part of a query; GRAPH_DONE afterwards. */
size_t graph_measure_effort_max(void);
void graph_measure_begin(graph_builder *builder);
void graph_measure_step(graph_builder *builder);

#endif
