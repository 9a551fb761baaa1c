/* Every node shall be reached from some entry: a breadth-first walk marks what is, each node that
 * is left is linked from a neighbour that is marked, and the walk goes on from there.
 *
 * A neighbour whose list is full gives up its last link, and the new node takes that over:
 *
 *     neighbour -> last          becomes          neighbour -> node -> last
 *
 * Nothing has been reached through the new node's own list yet, so what is marked stays reached and
 * one pass is enough. A node without a marked neighbour becomes an entry.
 *
 * The queue lies in the builder's `targets`, the marks in its walk's.
 */
#include "base/bitset.h"
#include "base/memory.h"
#include "index/graph_build.h"

#define REACH_A_STEP 512u

static void reach(graph_builder *b, uint32_t node)
{
    if (graph_visit(&b->walk, node)) b->targets[b->queue_tail++] = node;
}

void graph_reach_begin(graph_builder *b)
{
    b->phase = GRAPH_REACH;
    b->position = b->queue_head = b->queue_tail = 0;
    for (uint32_t i = 0; i < b->entries_count; i++)
        reach(b, b->entries[i]);
}

/* Makes sure that the list has the node, which may cost its last one. */
static void put_link(graph_builder *b, uint32_t *list, uint32_t node)
{
    uint32_t place = 0;
    while (place + 1 < b->options.degree && list[place] != GRAPH_NONE && list[place] != node)
        place++;
    list[place] = node;
}

static veer_status attach(graph_builder *b, uint32_t node)
{
    uint32_t *list = graph_list(b, node);
    uint32_t length = graph_list_length(b, node);
    uint32_t degree = b->options.degree;
    uint32_t *full = NULL;
    for (uint32_t i = 0; i < length; i++) {
        if (!bitset_get(b->walk.visited, list[i])) continue;
        uint32_t *other = graph_list(b, list[i]);
        if (other[degree - 1] == GRAPH_NONE) {
            put_link(b, other, node);
            return VEER_OK;
        }
        if (!full) full = other;
    }
    if (full) {
        put_link(b, list, full[degree - 1]);
        full[degree - 1] = node;
        return VEER_OK;
    }
    size_t capacity = b->entries_capacity;
    veer_status status = memory_grow(b->allocator, (void **)&b->entries, &capacity,
                                     b->entries_count + (size_t)1, sizeof *b->entries);
    if (status != VEER_OK) return status;
    b->entries_capacity = (uint32_t)capacity;
    b->entries[b->entries_count++] = node;
    return VEER_OK;
}

veer_status graph_reach_step(graph_builder *b)
{
    for (uint32_t i = 0; i < REACH_A_STEP; i++) {
        if (b->queue_head < b->queue_tail) {
            uint32_t node = b->targets[b->queue_head++];
            uint32_t length = graph_list_length(b, node);
            const uint32_t *list = graph_list(b, node);
            for (uint32_t j = 0; j < length; j++)
                reach(b, list[j]);
        } else if (b->position == b->count) {
            graph_forget(&b->walk);
            b->phase = GRAPH_STARTS;
            b->position = 0;
            return VEER_OK;
        } else {
            if (!bitset_get(b->walk.visited, b->position) && graph_is_linked(b, b->position)) {
                veer_status status = attach(b, b->position);
                if (status != VEER_OK) return status;
                reach(b, b->position);
            }
            b->position++;
        }
    }
    return VEER_OK;
}
