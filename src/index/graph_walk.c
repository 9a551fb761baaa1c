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
 * A walk may be told to end earlier: when so many of the nearest are expanded, or when the next one
 * is so much farther away than what was found that it will hardly lead to a result. Both only cut
 * the same sequence of expansions shorter, so a walk can be taken up again where it ended.
 *
 * Threads: a walk belongs to one.
 */
#include <string.h>

#include "index/graph_walk.h"

/* Entries measured in one call: what is nearest among the first leaves less of the next to sort. */
#define ENTRIES_AT_ONCE 32u
/* Of the nodes that enter the pool together the nearest are expanded soon, most others never. */
#define FETCHED_LISTS 4u

/* The list of a node that will probably be expanded. WebAssembly has no such thing. */
static inline void fetch_links(const graph_walk *walk, uint32_t node)
{
    const char *list = (const char *)(walk->links + node * walk->stride);
    __builtin_prefetch(list);
    if (walk->stride > 16) __builtin_prefetch(list + 64);
}

/* Nodes in order of their ranks; equal ones as they were. Each one's place is the number of those
 * before it: that takes more comparisons than inserting, none of which is a branch. */
static void sort_few(const uint32_t *nodes, const int32_t *ranks, size_t count, graph_near *near)
{
    for (size_t i = 0; i < count; i++) {
        int32_t own = ranks[i];
        uint32_t place = 0;
        for (size_t j = 0; j < i; j++)
            place += ranks[j] <= own;
        for (size_t j = i + 1; j < count; j++)
            place += ranks[j] < own;
        near[place] = (graph_near){own, nodes[i]};
    }
}

/* Merges ordered nodes into the pool from its end; of equal ranks those that were there come first,
 * and what has no room is dropped. Returns the least place that one of them took. */
static size_t merge(graph_walk *walk, const graph_near *near, size_t count)
{
    graph_near *pool = walk->pool;
    size_t old = walk->count;
    while (old + count > walk->capacity) {
        if (count > 0 && (old == 0 || near[count - 1].rank >= pool[old - 1].rank))
            count--;
        else
            old--;
    }
    size_t place = walk->count = old + count;
    while (count > 0 && old > 0) {
        graph_near last = pool[old - 1], added = near[count - 1];
        bool is_old = last.rank > added.rank;
        pool[--place] = is_old ? last : added;
        old -= is_old;
        count -= !is_old;
    }
    while (count > 0)
        pool[--place] = near[--count];
    return place;
}

/* The largest rank that is within a reach. Additions and products only: the same everywhere. */
static int32_t bar_of(const graph_walk *walk, double reach)
{
    if (walk->results == 0 || walk->count < walk->results) return INT32_MAX;
    double result = (double)walk->pool[walk->results - 1].rank + walk->origin;
    double bar = result * (1 + reach) - walk->origin;
    if (!(bar > INT32_MIN)) return INT32_MIN;
    if (!(bar < INT32_MAX)) return INT32_MAX;
    int32_t whole = (int32_t)bar;
    return (double)whole > bar ? whole - 1 : whole;
}

/* The least rank of nodes that do not come into the pool any more; `bar` is that of keep_reach. */
static int32_t limit_of(const graph_walk *walk, int32_t bar)
{
    bool is_full = walk->count == walk->capacity;
    int32_t limit = is_full ? walk->pool[walk->count - 1].rank : INT32_MAX;
    if (bar >= limit || walk->count < walk->kept) return limit;
    int32_t wanted = walk->kept > 0 ? walk->pool[walk->kept - 1].rank : INT32_MIN;
    return bar < wanted ? wanted : bar + 1;
}

/* Puts the measured nodes that are near enough into the pool; returns the least place that one of
 * them took, or the capacity. */
static size_t take(graph_walk *walk, const uint32_t *nodes, const int32_t *ranks, size_t count,
                   int32_t bar)
{
    uint32_t kept_nodes[GRAPH_DEGREE_MAX];
    int32_t kept_ranks[GRAPH_DEGREE_MAX];
    graph_near near[GRAPH_DEGREE_MAX];
    int32_t limit = limit_of(walk, bar);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        kept_nodes[kept] = nodes[i];
        kept_ranks[kept] = ranks[i];
        kept += ranks[i] < limit;
    }
    if (kept == 0) return walk->capacity;
    sort_few(kept_nodes, kept_ranks, kept, near);
    for (size_t i = 0; i < kept && i < FETCHED_LISTS; i++)
        fetch_links(walk, near[i].node);
    return merge(walk, near, kept);
}

static void offer(graph_walk *walk, const uint32_t *entries, size_t entries_count)
{
    uint32_t nodes[GRAPH_DEGREE_MAX];
    int32_t ranks[GRAPH_DEGREE_MAX];
    for (size_t next = 0; next < entries_count;) {
        size_t count = 0;
        for (; count < ENTRIES_AT_ONCE && next < entries_count; next++) {
            /* What is marked before the walk, or was an entry twice in storage, is left out. */
            nodes[count] = entries[next];
            count += graph_visit(walk, entries[next]);
        }
        if (count == 0) continue;
        walk->measure(walk->context, nodes, count, ranks);
        walk->compared += count;
        (void)take(walk, nodes, ranks, count, INT32_MAX);
    }
}

void graph_walk_begin(graph_walk *walk)
{
    walk->count = walk->at = 0;
    offer(walk, walk->entries, walk->entries_count);
}

/* Everything that was found is expanded: the entries that the walk has not begun at are offered where
 * there is room for more. */
static bool goes_on(graph_walk *walk, size_t *at)
{
    size_t wanted = walk->results > 0 ? walk->kept : walk->capacity;
    if (walk->others_count == 0 || walk->count >= wanted) return false;
    offer(walk, walk->others, walk->others_count);
    walk->others_count = 0;
    *at = 0;
    return walk->count > 0;
}

/* Looks at a node's neighbours; returns the least place that one of them took. */
static size_t expand(graph_walk *walk, uint32_t node, int32_t bar)
{
    uint32_t nodes[GRAPH_DEGREE_MAX];
    int32_t ranks[GRAPH_DEGREE_MAX];
    size_t count = 0, stride = walk->stride;
    const uint32_t *links = walk->links + node * stride;
    uint64_t *visited = walk->visited;
    uint32_t *touched = walk->touched + walk->touched_count;
    for (size_t i = 0; i < stride && links[i] != GRAPH_NONE; i++) {
        nodes[count] = links[i];
        count += graph_mark(visited, &touched, links[i]);
    }
    walk->touched_count = (size_t)(touched - walk->touched);
    if (walk->crossed && count < walk->stride) count = graph_cross(walk, node, nodes, count);
    walk->expanded++;
    if (count == 0) return walk->capacity;
    walk->compared += count;
    walk->measure(walk->context, nodes, count, ranks);
    return take(walk, nodes, ranks, count, bar);
}

/* Bars only come nearer: what lies behind one is not missed, and merging has less to move. */
static void drop_far(graph_walk *walk, int32_t bar)
{
    while (walk->count > walk->kept && walk->pool[walk->count - 1].rank > bar)
        walk->count--;
}

bool graph_walk_on(graph_walk *walk, size_t limit)
{
    int32_t bar = bar_of(walk, walk->reach);
    int32_t keep_bar = bar_of(walk, walk->keep_reach);
    uint64_t changed = walk->expanded;
    size_t at = walk->at;
    bool is_within = true;
    while (at < walk->count || goes_on(walk, &at)) {
        if (at >= limit && walk->expanded >= changed + walk->patience) break;
        uint32_t node = walk->pool[at].node;
        if (node & GRAPH_EXPANDED) {
            at++;
            continue;
        }
        is_within = walk->pool[at].rank <= bar;
        if (!is_within) break;
        walk->pool[at].node = node | GRAPH_EXPANDED;
        size_t least = expand(walk, node, keep_bar);
        if (least < walk->top) changed = walk->expanded;
        at = least <= at ? least : at + 1;
        if (least >= walk->results) continue;
        bar = bar_of(walk, walk->reach);
        keep_bar = bar_of(walk, walk->keep_reach);
        drop_far(walk, keep_bar);
    }
    walk->at = at;
    return at == walk->count || !is_within;
}

void graph_walk_put(graph_walk *walk, int32_t rank, uint32_t node)
{
    const graph_near near = {rank, node};
    size_t place = merge(walk, &near, 1);
    if (place < walk->at) walk->at = place;
}

void graph_walk_end(graph_walk *walk)
{
    for (size_t i = 0; i < walk->count; i++)
        walk->pool[i].node &= ~GRAPH_EXPANDED;
    graph_forget(walk);
}

void graph_walk_run(graph_walk *walk)
{
    graph_walk_begin(walk);
    (void)graph_walk_on(walk, walk->capacity);
    graph_walk_end(walk);
}
