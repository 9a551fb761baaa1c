/* The walk through a graph, shared by searching and building: graph_walk.c. */
#ifndef VEER_INDEX_GRAPH_WALK_H
#define VEER_INDEX_GRAPH_WALK_H

#include "index/graph.h"

typedef struct graph_walk {
    const uint32_t *links; /* `stride` places a node, the first GRAPH_NONE ends its list */
    size_t stride;
    const uint32_t *entries;
    size_t entries_count;
    /* Ranks of nodes. */
    void (*measure)(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks);
    const void *context;

    uint64_t *visited; /* bits by node: zero before and after a walk */
    uint32_t *touched; /* words of it that are not: a place for each word, and one */
    size_t touched_count;
    graph_near *pool; /* capacity + 1 places */
    size_t capacity, count;
    uint64_t compared, expanded;
} graph_walk;

/* Fills the pool with the nearest nodes, nearest first. */
void graph_walk_run(graph_walk *walk);

/* graph_search.c: the code of a rotated query, for nodes' codes of this step around this centre. */
void graph_query_code(const flat_space *space, float step, const float *centre,
                      const float *rotated, int16_t *code);

/* Marks a node; false if it was marked. Without branches: half of the nodes that a walk meets are
 * new, which no processor foresees. */
static inline bool graph_visit(graph_walk *walk, uint32_t node)
{
    uint64_t *word = &walk->visited[node / 64];
    uint64_t before = *word;
    walk->touched[walk->touched_count] = node / 64;
    walk->touched_count += before == 0;
    *word = before | (uint64_t)1 << (node % 64);
    return (before >> (node % 64) & 1) == 0;
}

/* Forgets all marks. */
static inline void graph_forget(graph_walk *walk)
{
    for (size_t i = 0; i < walk->touched_count; i++)
        walk->visited[walk->touched[i]] = 0;
    walk->touched_count = 0;
}

#endif
