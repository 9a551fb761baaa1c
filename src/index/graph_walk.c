/* Best-first search with a bounded pool.
 *
 * The pool holds the nearest nodes so far in order. A node in it is either expanded (its
 * neighbours were looked at) or not; the first one that is not is next, and when there is none the
 * walk is over. Neighbours of one node are measured together, so that their codes can be fetched
 * while others are summed up: memory is what a walk waits for.
 *
 *     pool    [ e  e  e  -  e  -  -  -  - ]      e: expanded
 *                        ^ next
 *
 * Threads: a walk belongs to one.
 */
#include <string.h>

#include "index/graph_walk.h"

/* Set in a pool's node numbers; nodes are fewer than 2^31. */
#define EXPANDED 0x80000000u

static inline bool is_too_far(const graph_walk *walk, int32_t rank)
{
    return walk->count == walk->capacity && rank >= walk->pool[walk->count - 1].rank;
}

/* Puts a node that is not too far where it belongs; returns its place. */
static size_t insert(graph_walk *walk, int32_t rank, uint32_t node)
{
    graph_near *pool = walk->pool;
    size_t low = 0;
    size_t high = walk->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (pool[middle].rank <= rank)
            low = middle + 1;
        else
            high = middle;
    }
    if (walk->count < walk->capacity) walk->count++;
    memmove(pool + low + 1, pool + low, (walk->count - 1 - low) * sizeof *pool);
    pool[low] = (graph_near){rank, node};
    return low;
}

static void enter(graph_walk *walk)
{
    int32_t ranks[GRAPH_DEGREE_MAX];
    for (size_t first = 0; first < walk->entries_count; first += GRAPH_DEGREE_MAX) {
        const uint32_t *entries = walk->entries + first;
        size_t count = walk->entries_count - first;
        if (count > GRAPH_DEGREE_MAX) count = GRAPH_DEGREE_MAX;
        walk->measure(walk->context, entries, count, ranks);
        for (size_t i = 0; i < count; i++) {
            if (!is_too_far(walk, ranks[i])) (void)insert(walk, ranks[i], entries[i]);
        }
    }
    walk->compared += walk->entries_count;
    /* What is marked before the walk, or was an entry twice in storage, is left out. */
    size_t kept = 0;
    for (size_t i = 0; i < walk->count; i++) {
        if (graph_visit(walk, walk->pool[i].node)) walk->pool[kept++] = walk->pool[i];
    }
    walk->count = kept;
}

/* The list of a node that will probably be expanded. WebAssembly has no such thing. */
static inline void fetch_links(const graph_walk *walk, uint32_t node)
{
    const char *list = (const char *)(walk->links + node * walk->stride);
    __builtin_prefetch(list);
    if (walk->stride > 16) __builtin_prefetch(list + 64);
}

/* Looks at a node's neighbours; returns the least place that one of them took. */
static size_t expand(graph_walk *walk, uint32_t node)
{
    uint32_t nodes[GRAPH_DEGREE_MAX];
    int32_t ranks[GRAPH_DEGREE_MAX];
    size_t count = 0;
    const uint32_t *links = walk->links + node * walk->stride;
    for (size_t i = 0; i < walk->stride && links[i] != GRAPH_NONE; i++) {
        if (graph_visit(walk, links[i])) nodes[count++] = links[i];
    }
    walk->expanded++;
    if (count == 0) return walk->capacity;
    walk->compared += count;
    walk->measure(walk->context, nodes, count, ranks);
    size_t least = walk->capacity;
    for (size_t i = 0; i < count; i++) {
        if (is_too_far(walk, ranks[i])) continue;
        size_t place = insert(walk, ranks[i], nodes[i]);
        fetch_links(walk, nodes[i]);
        if (place < least) least = place;
    }
    return least;
}

/* Expands all of the pool. */
static void walk_on(graph_walk *walk)
{
    for (size_t at = 0; at < walk->count;) {
        uint32_t node = walk->pool[at].node;
        if (node & EXPANDED) {
            at++;
            continue;
        }
        walk->pool[at].node = node | EXPANDED;
        size_t least = expand(walk, node);
        at = least <= at ? least : at + 1;
    }
}

void graph_walk_run(graph_walk *walk)
{
    walk->count = 0;
    enter(walk);
    walk_on(walk);
    for (size_t i = 0; i < walk->count; i++)
        walk->pool[i].node &= ~EXPANDED;
    graph_forget(walk);
}
