/* Choosing neighbours: of the candidates, nearest first, each that no chosen one is much nearer to
 * than the node itself (the relative neighbourhood rule of HNSW and DiskANN). Links then lead in
 * all directions instead of into one crowd.
 */
#include <stdlib.h>

#include "index/graph_build.h"

/* A candidate goes when SLACK_OVER * d(candidate, chosen) < SLACK_UNDER * d(candidate, node), in
 * squared distances: 1.2 keeps some longer links. Measured on apt-lsa-128 and clustered vectors of
 * 128 and 768 dimensions: 1.0 and 1.3 take more comparisons for the same recall. */
#define SLACK_OVER 6u
#define SLACK_UNDER 5u

/* Links to rows with the very same code, which lead nowhere new. Arbitrary. */
#define TWINS_MAX 4u

/* Chosen ones compared in one call; most candidates go in the first. */
#define TOGETHER 8u

static int by_rank(const void *a, const void *b)
{
    const graph_near *left = a;
    const graph_near *right = b;
    if (left->rank != right->rank) return left->rank < right->rank ? -1 : 1;
    return left->node < right->node ? -1 : left->node > right->node;
}

void graph_sort(graph_near *near, size_t count)
{
    if (count > GRAPH_DEGREE_MAX * 2) {
        qsort(near, count, sizeof *near, by_rank);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        graph_near moving = near[i];
        size_t place = i;
        for (; place > 0 && by_rank(&near[place - 1], &moving) > 0; place--)
            near[place] = near[place - 1];
        near[place] = moving;
    }
}

static bool is_hidden(const graph_builder *builder, const graph_near *candidate,
                      const uint32_t *chosen, uint32_t count)
{
    if (candidate->rank == 0) return count >= TWINS_MAX;
    int32_t distances[TOGETHER];
    uint64_t limit = (uint64_t)SLACK_UNDER * (uint32_t)candidate->rank;
    for (uint32_t first = 0; first < count; first += TOGETHER) {
        uint32_t n = count - first < TOGETHER ? count - first : TOGETHER;
        graph_node_distances(builder, candidate->node, chosen + first, n, distances);
        for (uint32_t i = 0; i < n; i++) {
            if ((uint64_t)SLACK_OVER * (uint32_t)distances[i] < limit) return true;
        }
    }
    return false;
}

void graph_prune(graph_builder *builder, uint32_t node, graph_near *near, size_t count, bool fill)
{
    uint32_t *list = graph_list(builder, node);
    uint32_t degree = builder->options.degree;
    uint32_t chosen = 0;
    for (size_t i = 0; i < count && chosen < degree; i++) {
        if (is_hidden(builder, &near[i], list, chosen)) continue;
        list[chosen++] = near[i].node;
        near[i].node = GRAPH_NONE;
    }
    for (size_t i = 0; i < count && fill && chosen < degree; i++) {
        if (near[i].node != GRAPH_NONE) list[chosen++] = near[i].node;
    }
    while (chosen < builder->stride)
        list[chosen++] = GRAPH_NONE;
}
