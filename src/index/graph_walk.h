/* The walk through a graph, shared by searching and building: graph_walk.c. */
#ifndef VEER_INDEX_GRAPH_WALK_H
#define VEER_INDEX_GRAPH_WALK_H

#include "index/graph.h"
#include "kernels/kernels.h"

typedef struct graph_walk {
    const uint32_t *links; /* `stride` places a node, the first GRAPH_NONE ends its list */
    size_t stride;
    const uint32_t *entries; /* where it begins */
    size_t entries_count;
    /* And where it goes on, once, when nothing is left to expand while there is room for more. */
    const uint32_t *others;
    size_t others_count;
    /* Ranks of nodes. */
    void (*measure)(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks);
    const void *context;
    /* Where only some nodes may be results (graph_filter.c), the others are marked as visited before
     * the walk. Bits by node: 1 for what is no bridge, or was crossed. NULL: there are no bridges. */
    uint64_t *crossed;

    uint64_t *visited; /* bits by node: zero before and after a walk */
    uint32_t *touched; /* words of it that are not: a place for each word, and one */
    size_t touched_count;
    graph_near *pool; /* capacity + 1 places */
    size_t capacity, count;
    /* graph_walk_on goes on behind its limit until so many expansions in a row have changed nothing
     * among the first `top` of the pool. */
    size_t top, patience;
    size_t at; /* the places before it are expanded */
    /* With `results` a walk ends before a node whose distance is more than 1 + reach times that of
     * the results-th nearest, and beyond 1 + keep_reach of it, not less, keeps no more than `kept`
     * nodes. A distance is a rank plus the origin: graph_query. */
    size_t results, kept;
    double reach, keep_reach, origin;
    uint64_t compared, expanded;
} graph_walk;

/* Fills the pool with the nearest nodes, nearest first. */
void graph_walk_run(graph_walk *walk);

/* The same in steps. From begin to end what is expanded is marked in the pool. */
#define GRAPH_EXPANDED 0x80000000u /* in a pool's node numbers; nodes are fewer than 2^31 */
void graph_walk_begin(graph_walk *walk);
/* Expands until all of the pool's first `limit` places are. True: there is no more to expand, or it
 * is beyond reach. */
bool graph_walk_on(graph_walk *walk, size_t limit);
/* Offers a node to the pool that was not there. */
void graph_walk_put(graph_walk *walk, int32_t rank, uint32_t node);
void graph_walk_end(graph_walk *walk);

/* graph_query.c: a query as its graph's codes are compared with it. */
typedef struct graph_query {
    const graph *graph;
    const kernels *kernels;
    size_t padded, code_bytes;
    /* 8 bits: rank = norm_weight * norm - <code, node's code> */
    const int16_t *code;
    int32_t norm_weight;
    /* 4 bits: rank = square_weight * square - gain * scale * (2 <nibbles, levels> - 15 sum) */
    const int8_t *nibbles;
    int32_t sum;
    float square_weight, gain;
    double origin; /* see graph_walk */
} graph_query;

/* Asks for memory ahead. WebAssembly has no such thing. */
static inline void graph_fetch(const void *memory, size_t bytes)
{
    for (size_t line = 0; line < bytes; line += 64)
        __builtin_prefetch((const char *)memory + line);
}

/* Longer codes, fetched all at once, would fill the queue of open misses. */
#define GRAPH_FETCHED_CODE 128u
static inline void graph_fetch_code(const graph_query *query, uint32_t node)
{
    if (query->code_bytes <= GRAPH_FETCHED_CODE)
        graph_fetch((const char *)query->graph->codes + node * query->code_bytes,
                    query->code_bytes);
}

/* graph_filter.c: puts what the bridges around a node lead to behind the `count` nodes to measure;
 * returns how many there are then. The context is a graph_query. */
size_t graph_cross(graph_walk *walk, uint32_t node, uint32_t nodes[GRAPH_DEGREE_MAX], size_t count);

/* VEER_E_NOMEM. has_no_code: it lies beyond all that codes reach. */
veer_status graph_query_init(const flat_space *space, const graph *graph, const flat_query *query,
                             arena *scratch, graph_query *made, bool *has_no_code);
/* The same of a rotated vector, its code in `code`, 2 * padded bytes; false: it has none. */
bool graph_query_set(const flat_space *space, const graph *graph, const float *rotated,
                     int16_t *code, graph_query *made);
/* Of a graph_query: graph_walk's `measure`. */
void graph_query_measure(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks);
/* Places for a walk with a pool of this capacity, from the graph's entries; VEER_E_NOMEM. */
veer_status graph_walk_init(const graph_query *query, size_t capacity, arena *scratch,
                            graph_walk *walk);

/* graph_starts.c. Entries, at least and at most; and the most that a walk begins at. */
#define GRAPH_ENTRIES_MIN 128u
#define GRAPH_ENTRIES_MAX 2048u
#define GRAPH_STARTS_MAX 128u
/* Few entries are all compared. */
static inline bool graph_has_starts(const graph *graph)
{
    return graph_starts_rows(graph) > GRAPH_ENTRIES_MIN;
}
/* The block of 1-bit codes of the entries from `first` on, a multiple of 32. `work`: 2 * padded. */
void graph_starts_make(const flat_space *space, const graph *graph, uint32_t first, float *work,
                       void *block);
/* The entries where a walk for a rotated query begins, or how many of them are `live` (bits by place
 * among the entries; NULL: all are); 0 too where 1-bit codes say nothing. `work`: 2 * padded. */
size_t graph_starts_choose(const flat_space *space, const graph *graph, const float *rotated,
                           const uint64_t *live, float *work, uint32_t nodes[GRAPH_STARTS_MAX]);
/* After graph_walk_init: lets the walk begin there, if not at all entries. VEER_E_NOMEM. */
veer_status graph_walk_start(const flat_space *space, const flat_query *query, arena *scratch,
                             graph_walk *walk);

/* graph_prune.c: orders nodes by (rank, node). */
void graph_sort(graph_near *near, size_t count);

/* graph_query.c: the code of a rotated query, for nodes' 8-bit codes of this step around this centre. */
void graph_query_code(const flat_space *space, float step, const float *centre,
                      const float *rotated, int16_t *code);
/* What makes a distance of a rank, of 8-bit codes: under l2 and cosine |q - c|^2 in units of ranks.
 * Under dot it is the product of the query's length and the longest vector's, so that the farthest
 * direction from it is twice that. */
double graph_origin(bool is_dot, const int16_t *code, size_t padded, double largest_norm);

/* Marks a node; false if it was marked. Without branches: half of the nodes that a walk meets are
 * new, which no processor foresees. graph_mark's `touched` is where the next word's number goes:
 * whoever marks many keeps it in a register. */
static inline bool graph_mark(uint64_t *visited, uint32_t **touched, uint32_t node)
{
    uint64_t before = visited[node / 64];
    visited[node / 64] = before | (uint64_t)1 << (node % 64);
    **touched = node / 64;
    *touched += before == 0;
    return (before >> (node % 64) & 1) == 0;
}

static inline bool graph_visit(graph_walk *walk, uint32_t node)
{
    uint32_t *touched = walk->touched + walk->touched_count;
    bool is_new = graph_mark(walk->visited, &touched, node);
    walk->touched_count = (size_t)(touched - walk->touched);
    return is_new;
}

/* Forgets all marks. */
static inline void graph_forget(graph_walk *walk)
{
    for (size_t i = 0; i < walk->touched_count; i++)
        walk->visited[walk->touched[i]] = 0;
    walk->touched_count = 0;
}

#endif
