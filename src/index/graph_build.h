/* What the files that build a graph share. */
#ifndef VEER_INDEX_GRAPH_BUILD_H
#define VEER_INDEX_GRAPH_BUILD_H

#include "base/rng.h"
#include "base/topk.h"
#include "index/flat_internal.h"
#include "index/graph_walk.h"

/* Links may outgrow the degree by half before a list is pruned: pruning takes time by the list,
 * not by the link. */
#define GRAPH_SLACK_PER_DEGREE_HALVES 3u

/* The largest k that recall is measured for, and queries that are measured together. */
#define GRAPH_MEASURED_K 100u
#define GRAPH_MEASURED_TOGETHER 8u

typedef enum graph_phase {
    GRAPH_LIFT,    /* under dot: see graph_build.c */
    GRAPH_NUMBER,  /* with a former graph: see graph_seed.c */
    GRAPH_LISTS,   /* its links are taken over */
    GRAPH_ORDER,   /* what is in it comes first */
    GRAPH_OTHERS,  /* and the others behind that */
    GRAPH_FIND,    /* the batch's nodes find and choose their neighbours */
    GRAPH_REVERSE, /* the neighbours get links back */
    GRAPH_TRIM,    /* lists to their degree, and together */
    GRAPH_REACH,   /* what no entry leads to is linked */
    GRAPH_STARTS,  /* short codes of the entries */
    GRAPH_MEASURE, /* what it finds for which effort; then the nodes held back come in */
    GRAPH_DONE,
} graph_phase;

/* A link back: `from` has chosen the node in whose chain this is. */
typedef struct graph_reverse {
    uint32_t from, next;
} graph_reverse;

/* What a further thread needs of its own. */
typedef struct graph_helper {
    graph_walk walk;
    graph_near *near;
} graph_helper;

typedef struct graph_point {
    float recall, compared;
} graph_point;

/* Where graph_measure.c is. */
typedef struct graph_measured {
    topk_entry *nearest; /* GRAPH_MEASURED_K places for each query of the present group */
    size_t nearest_count;
    /* Of the group's queries: codes that are compared with 8-bit codes, under dot, else NULL; and with
     * 4-bit ones, else NULL, and the queries. */
    int16_t *codes, *nibbles;
    graph_query queries[GRAPH_MEASURED_TOGETHER];
    uint32_t starts[GRAPH_MEASURED_TOGETHER][GRAPH_STARTS_MAX]; /* where they begin */
    size_t starts_counts[GRAPH_MEASURED_TOGETHER];              /* 0: at all entries */
    graph graph;                                                /* as they see it */
    uint32_t first;                                             /* the group's first query */
    uint32_t query;                                             /* in the group */
    uint32_t stop, curve, point;
    uint32_t points[GRAPH_STOPS][GRAPH_CURVES];    /* that all queries go to */
    graph_point judged[GRAPH_STOPS][GRAPH_CURVES]; /* the last of them, by the first queries */
    bool is_walking;
} graph_measured;

struct graph_builder {
    const veer_allocator *allocator;
    const flat_space *space;
    graph_options options;
    uint32_t count;
    size_t padded;

    float *centre; /* padded */
    float *work;   /* 3 x padded */
    double measured_squares, measured_max;
    uint64_t measured_values;
    float step;
    uint32_t coded;
    int8_t *codes;
    int32_t *norms;
    int32_t largest_norm;
    uint8_t *nibbles;       /* 4 bits: what searches use; else NULL */
    graph_factors *factors; /* of them */
    float square;           /* the largest of the factors' */
    int32_t *lifts;         /* under dot: see graph_build.c; else NULL */
    topk_entry longest[GRAPH_ENTRIES_MIN / 2];
    size_t longest_count;
    uint32_t longest_place; /* where the next one goes in the order */

    uint32_t places; /* in a list, as allocated */
    uint32_t stride; /* the same, but the degree from GRAPH_REACH on */
    uint32_t *links;
    rng random;      /* of the order */
    uint32_t *order; /* in which nodes come in */
    uint32_t *entries;
    uint32_t entries_count, entries_capacity;
    uint8_t *starts;
    size_t starts_bytes;
    graph_walk walk;
    size_t pool_capacity, near_capacity;
    graph_near *near; /* candidates of a list */
    graph_helper *helpers;
    size_t helpers_count, helpers_capacity;

    const graph *former; /* NULL: there is none; the caller's */
    const uint32_t *former_nodes;
    uint32_t kept, kept_entries; /* of its nodes, and of those among the entries */

    graph_phase phase;
    uint32_t linked;         /* nodes of `order` that are in the graph */
    uint32_t goal;           /* nodes to link before the lists are trimmed: at first not those held
                              * back to be queries, then all */
    uint32_t batch_end;      /* the present batch is [linked, batch_end) */
    uint32_t position;       /* done in this phase */
    uint32_t *heads;         /* chains of links back, by node; GRAPH_NONE: none */
    uint32_t *targets;       /* nodes with a chain */
    graph_reverse *reverses; /* of the batch */
    uint32_t targets_count, reverses_count, reverses_capacity;

    uint32_t queue_head, queue_tail; /* of graph_reach.c */

    graph_measured measured;
    graph_curve curves[GRAPH_STOPS][GRAPH_CURVES];
};

/* Memory of a walk over the builder's nodes, and candidates of a list; false: there is none. */
bool graph_walk_allocate(const graph_builder *builder, graph_walk *walk, graph_near **near);
void graph_walk_release(const graph_builder *builder, graph_walk *walk, graph_near *near);

/* graph_share.c: handles items [first, end), each once, in no order and by all threads of the pool;
 * NULL: by this one. `handle` writes only what is the item's, the walk and `near` being its thread's. */
typedef void graph_handle(graph_builder *builder, graph_walk *walk, graph_near *near,
                          uint32_t item);
void graph_share(graph_builder *builder, const veer_pool *pool, uint32_t first, uint32_t end,
                 graph_handle *handle);
void graph_helpers_free(graph_builder *builder);
/* How many of `most` are left from `position` on, more with a pool. */
uint32_t graph_items(const graph_builder *builder, const veer_pool *pool, uint32_t left,
                     uint32_t most);

/* graph_build.c: some of the lifts; the first batch afterwards. */
void graph_lift_step(graph_builder *builder);

/* graph_seed.c: takes over the former graph; the first batch afterwards. */
void graph_seed_begin(graph_builder *builder);
void graph_number_step(graph_builder *builder);
void graph_lists_step(graph_builder *builder, const veer_pool *pool);
void graph_order_step(graph_builder *builder);
void graph_others_step(graph_builder *builder);

/* graph_batch.c: the first batch of those that are not among the `kept`. */
void graph_batch_begin(graph_builder *builder);
/* The next batch, or GRAPH_TRIM when the goal is reached. */
void graph_batch_next(graph_builder *builder);
uint32_t graph_batch_max(uint32_t count);

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

/* Nodes that are held back have no links yet. */
static inline bool graph_is_linked(const graph_builder *builder, uint32_t node)
{
    return builder->linked == builder->count || node == builder->order[0] ||
           graph_list(builder, node)[0] != GRAPH_NONE;
}

/* Sets the ranks of candidates to their distances from a node. */
void graph_rank(const graph_builder *builder, uint32_t node, graph_near *near, size_t count);

/* graph_prune.c: of ordered candidates (graph_sort) writes at most the degree of well spread
 * ones to the node's list, and `fill`s it with the nearest of the others. Candidates are unique,
 * and the node is not among them. Those that were chosen lose their node number. */
void graph_prune(graph_builder *builder, uint32_t node, graph_near *near, size_t count, bool fill);

/* graph_reach.c: a part of the check; GRAPH_STARTS afterwards. */
void graph_reach_begin(graph_builder *builder);
veer_status graph_reach_step(graph_builder *builder);

/* graph_measure.c: how many nodes are held back; a part of a query, the next batch afterwards.
 * Without nodes to measure with, GRAPH_DONE begins at once. */
uint32_t graph_measure_queries(uint32_t count);
size_t graph_measure_effort_max(void);
void graph_measure_begin(graph_builder *builder);
void graph_measure_step(graph_builder *builder);

#endif
