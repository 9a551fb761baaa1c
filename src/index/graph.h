/* The graph index: a proximity graph over the vectors of one segment, walked on codes.
 *
 * Nodes are the segment's vector ordinals. Each has a code of its rotated vector around a centre, of
 * 8 or 4 bits a dimension, and the numbers of at most `degree` neighbours. A search starts at the
 * nearest of a fixed sample of nodes, the entries (graph_starts.c), and repeatedly looks at the neighbours of the
 * nearest node that it has not expanded yet; it ends when all of the `effort` nearest nodes found
 * are expanded. What it gives is ordered by code distances and is to be reranked with originals.
 *
 * Walks wait for memory, so that shorter codes are faster. 4 bits are as good as 8 where many
 * dimensions share the error (graph_code_bits); graphs are built on 8 bits all the same.
 *
 * Every sum of codes is an exact integer, so the graph and the order of what a search finds are the
 * same on every kernel tier and in WebAssembly.
 *
 * Anchors: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
 * Hierarchical Navigable Small World graphs" (2016), for the walk; Subramanya et al., "DiskANN"
 * (NeurIPS 2019), for the pruning with slack; Dobson et al., "ParlayANN" (PPoPP 2024), for building
 * in batches; building on codes: Wang et al., "Flash" (SIGMOD 2025); codes of 4 bits: quant/
 * rabitq_wide.h.
 *
 * Threads: a graph is immutable, any number may search it; a builder belongs to one thread.
 */
#ifndef VEER_INDEX_GRAPH_H
#define VEER_INDEX_GRAPH_H

#include "base/arena.h"
#include "index/flat.h"

#define GRAPH_NONE UINT32_MAX
#define GRAPH_DEGREE_MAX 64u
/* On 30,000 rows of apt-lsa-384 a recall of 0.98 takes 1150 codes with 16, 900 with 32 and 1000 with
 * 64, which cost twice the time to build; 0.995 takes 2000 with 32, 1800 with 64. */
#define GRAPH_DEGREE 32u
/* Nearest nodes that are found for a new one before its neighbours are chosen. On 60,000 rows of
 * apt-lsa-384 0.99 of the nearest take 1200 codes with 100, 910 with 150 and 970 with 200, which cost
 * 1.4 and 1.9 times the time to build. */
#define GRAPH_BUILD_EFFORT 150u

/* What was measured of a graph (graph_measure.c): for two ways to end a walk and two numbers of
 * results the mean recall, and the mean number of codes compared, by how far walks go. */
#define GRAPH_STOPS 2u
#define GRAPH_CURVES 2u
#define GRAPH_POINTS 16u

typedef struct graph_curve {
    float recalls[GRAPH_POINTS];  /* never falling */
    float compared[GRAPH_POINTS]; /* codes, entries included */
} graph_curve;

/* Of a rotated vector's difference from the centre, r: |r|^2, and what the sum of products with the
 * levels of its 4-bit code, less 7.5 each, is multiplied with (rabitq_wide.h). */
typedef struct graph_factors {
    float square, scale;
} graph_factors;

/* A finished graph. All memory is its owner's. */
typedef struct graph {
    uint32_t count;  /* nodes, at least 1 */
    uint32_t degree; /* places for neighbours, at most GRAPH_DEGREE_MAX */
    uint32_t entries_count;
    uint32_t bits;         /* of a code and dimension: 8 or 4 */
    float step;            /* 8 bits: one unit of a code */
    float square;          /* the largest of the norms, or of the factors' squares */
    const float *centre;   /* padded dims */
    const void *codes;     /* count x graph_code_bytes: int8_t, or as kernel_pack_sq4 packs them */
    const void *norms;     /* count: int32_t sum of the code's squares, or graph_factors */
    const uint32_t *links; /* count x degree; what follows a node's last one is GRAPH_NONE */
    const uint32_t *entries; /* nodes */
    const void *starts;      /* 1-bit codes of the first graph_starts_rows of them, in blocks */
    graph_curve curves[GRAPH_STOPS][GRAPH_CURVES];
} graph;

/* The width of codes for vectors of so many padded dimensions. */
static inline uint32_t graph_code_bits(uint32_t padded)
{
    return padded >= 256 ? 4 : 8;
}

static inline size_t graph_code_bytes(const graph *graph, uint32_t padded)
{
    return (size_t)padded * graph->bits / 8;
}

/* Bytes a node of `norms`. */
static inline size_t graph_norm_bytes(const graph *graph)
{
    return graph->bits == 8 ? sizeof(int32_t) : sizeof(graph_factors);
}

/* graph_starts.c: entries of a graph of so many nodes, beside those that nothing else leads to; and
 * bytes of `starts`, which begin where an f32 may. */
uint32_t graph_entries(uint32_t count);
uint32_t graph_starts_rows(const graph *graph);
size_t graph_starts_bytes(const graph *graph, uint32_t padded);

/* Whether every number in it is one that a search may follow. */
bool graph_is_valid(const flat_space *space, const graph *graph);

/* graph_check.c: what a search does not need to be safe. *problem NULL: every node is reached from an
 * entry, and lists are as they should be; else a text. VEER_E_NOMEM. */
veer_status graph_check(const flat_space *space, const graph *graph, arena *scratch,
                        const char **problem);
/* Whether the node's code and norm are those of the original. VEER_E_NOMEM. */
veer_status graph_check_node(const flat_space *space, const graph *graph, uint32_t node,
                             const float *vector, arena *scratch, bool *is_same);

/* What describes a graph in storage: docs/FORMAT.md, "Graph". Reading gives its counts, step and
 * curves; false: they are impossible, or of other vectors. */
#define GRAPH_HEAD_BYTES 544u
void graph_head_store(uint8_t head[GRAPH_HEAD_BYTES], const graph *graph, uint32_t padded);
bool graph_head_load(const uint8_t head[GRAPH_HEAD_BYTES], uint32_t padded, graph *graph);

typedef struct graph_near {
    int32_t rank; /* orders nodes by their distance */
    uint32_t node;
} graph_near;

/* How far a walk goes. */
typedef struct graph_aim {
    size_t effort;   /* it ends when so many of the nearest nodes found are expanded */
    size_t kept;     /* nodes that it finds at least, as far as there are as many */
    size_t results;  /* with it, it also ends before a node that is more than 1 + reach times */
    double reach;    /* as far as the results-th; 0: it does not */
    double recall;   /* predicted: the mean of the k nearest */
    double compared; /* codes, predicted */
} graph_aim;

typedef struct graph_result {
    const graph_near *nearest; /* nearest first, equal ranks in no order; in the arena */
    size_t count;              /* 0: the query is too far out for codes */
    uint64_t compared;         /* codes */
    uint64_t expanded;         /* nodes whose neighbours were looked at */
    bool is_deprived;          /* graph_search_allowed looked: the filter excludes what is near */
} graph_result;

/* Of the aim, predictions are not read. VEER_E_NOMEM is the only failure. */
veer_status graph_search(const flat_space *space, const graph *graph, const flat_query *query,
                         const graph_aim *aim, arena *scratch, graph_result *result);
/* Of the k nearest by an effort, as measured, with as many nodes kept. A `share` of the nodes may be
 * results. */
void graph_aim_effort(const graph *graph, size_t k, double share, size_t effort, graph_aim *aim);
/* At a mean recall (0 < recall <= 1) of the k nearest, whichever way of ending compares fewer codes;
 * false: nothing that was measured is enough. */
bool graph_aim_recall(const graph *graph, size_t k, double share, double recall, graph_aim *aim);
/* The least effort, k and 10 or more, for a mean recall of the k nearest; SIZE_MAX: none that was
 * measured is enough. */
size_t graph_effort(const graph *graph, size_t k, double recall);
/* A mean of measured queries says nothing about the last thousandth: above it nothing is walked. */
#define GRAPH_RECALL_MAX 0.999
/* graph_filter.c: where only some nodes may be results. */

/* Which: bits by node, those behind the last one 0, and how many are 1. */
typedef struct graph_allowed {
    const uint64_t *bits;
    uint32_t count;
} graph_allowed;

typedef enum graph_way {
    GRAPH_WALK,            /* graph_search; others are left out of what it finds */
    GRAPH_WALK_ALLOWED,    /* graph_search_allowed */
    GRAPH_COMPARE_ALLOWED, /* graph_compare_allowed */
} graph_way;

/* How to find the nearest allowed nodes, and what to do where too few are found. */
typedef struct graph_choice {
    graph_way way;
    size_t past;   /* effort of GRAPH_WALK */
    size_t effort; /* of graph_search_allowed: after GRAPH_WALK too, where that meets too few */
    /* Above `effort`, graph_search_allowed looks whether the filter excludes what is near; where it
     * does, it goes on until `patience` expansions in a row have changed nothing among the k nearest,
     * with a pool of so many at most; the same: it looks, and stops; 0: it does not look. */
    size_t most;
    size_t k, patience;
    bool compares; /* where walks give too little, comparing costs less than a scan of all codes */
    double cost;   /* in codes of a scan */
} graph_choice;

/* A walk that keeps allowed nodes alone and crosses the others: result->count is at most the effort,
 * or `most`, or with 4-bit codes as many as are to be compared for k results. */
veer_status graph_search_allowed(const flat_space *space, const graph *graph,
                                 const flat_query *query, const graph_allowed *allowed,
                                 const graph_choice *choice, arena *scratch, graph_result *result);
/* The nearest min(wanted, allowed) by their codes, all allowed ones being compared. */
veer_status graph_compare_allowed(const flat_space *space, const graph *graph,
                                  const flat_query *query, const graph_allowed *allowed,
                                  size_t wanted, arena *scratch, graph_result *result);
/* Allowed nodes for the k nearest by originals, in the way that was chosen: at least min(k, allowed)
 * and no more than are to be compared, nearest first, or none: a scan is to be done. */
veer_status graph_find_allowed(const flat_space *space, const graph *graph, const flat_query *query,
                               const graph_allowed *allowed, const graph_choice *choice, size_t k,
                               arena *scratch, graph_result *result);
/* graph_plan.c: the cheapest way to a mean recall of the k nearest of the `allowed` nodes; false:
 * a scan of codes that costs as much as `scan` codes is cheaper. */
bool graph_choose(const flat_space *space, const graph *graph, size_t k, double recall,
                  size_t allowed, double scan, graph_choice *choice);

/* The mean recall of the k nearest allowed nodes that a choice promises. */
double graph_choice_recall(const graph *graph, const graph_choice *choice, size_t k);

/* graph_aim_recall, if a walk costs less than the scan of `codes` codes. */
bool graph_plan(const flat_space *space, const graph *graph, size_t k, double recall, double share,
                size_t codes, graph_aim *aim);
/* Nodes to compare by their originals for each result, at most. */
#define GRAPH_RERANK_PER_RESULT 3u
/* How many of the nearest nodes, in order, are worth comparing for the k nearest originals: behind the
 * k-th, those that codes may mistake for it (graph_query.c). */
size_t graph_to_compare(const flat_space *space, const graph *graph, const flat_query *query,
                        const graph_near *nearest, size_t count, size_t k);
/* The distance (veer.h, "Distance") that a rank stands for, as far as codes tell. */
float graph_estimate(const flat_space *space, const graph *graph, const flat_query *query,
                     int32_t rank);

/* Building: first every vector is measured, which decides the step of codes; then every one is added,
 * in order of the ordinals; then graph_builder_step is called until nothing is left. The same
 * vectors, options and seed give the same graph, however the steps are cut and by however many
 * threads. Memory is touched as it is filled, so that making a builder takes no time. */
typedef struct graph_builder graph_builder;

typedef struct graph_options {
    uint32_t degree; /* 0: GRAPH_DEGREE */
    uint32_t effort; /* 0: GRAPH_BUILD_EFFORT */
    uint32_t bits;   /* 0: graph_code_bits */
    uint64_t seed;
} graph_options;

/* `space` must outlive the builder; `centre` is copied. count at least 1. */
veer_status graph_builder_new(const veer_allocator *allocator, const flat_space *space,
                              const float *centre, uint32_t count, const graph_options *options,
                              graph_builder **builder);
void graph_builder_free(graph_builder *builder);
/* Begins with the links of a former graph over vectors of which many are the same: nodes[its count]
 * has the new number of each, GRAPH_NONE for what is gone; no number twice. NULL: all are there under
 * their numbers. Both stay until the steps are done. Only nodes that are not in it are searched for. Before the last vector is added. */
void graph_builder_seed(graph_builder *builder, const graph *former, const uint32_t *nodes);
/* Originals as given. */
void graph_builder_measure(graph_builder *builder, const float *vector);
void graph_builder_add(graph_builder *builder, const float *vector);
/* Some hundred microseconds of work, with a pool (NULL, or run NULL: none) some milliseconds of it by each of its
 * threads; `left` is false when the graph is complete. */
veer_status graph_builder_step(graph_builder *builder, const veer_pool *pool, bool *left);
/* 0 to 1: the part of the work that is done. */
double graph_builder_progress(const graph_builder *builder);
/* The graph, valid as long as the builder; all steps are done. */
void graph_builder_result(const graph_builder *builder, graph *graph);
size_t graph_builder_bytes(const graph_builder *builder);

#endif
