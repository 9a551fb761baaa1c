/* Taking over the links of a former graph.
 *
 * Nodes that are in it keep their neighbours under new numbers. Where neighbours are gone, those
 * that they led to are candidates in their place, and the list is chosen anew among these and what
 * is left of it: what was reached through a node that is gone is reached without it (Singh et al.,
 * "FreshDiskANN", 2021). All other nodes come in afterwards in batches, as ever.
 *
 *     number   new nodes learn what they were
 *     lists    each takes over or chooses its list: nothing that others change, so threads share it
 *     order    nodes that are in the graph come first, in an order as random as before
 *
 * Entries are the first of the random order all the same, so that they are a sample of all nodes:
 * those that come in later are the first that do. The last of the order, which are held back to
 * measure the graph with (graph_measure.c), count as gone and come in anew. While lists are taken over, `heads` has the
 * numbers in the former graph.
 */
#include "index/graph_build.h"

#define NUMBER_A_STEP 16384u
#define LISTS_A_STEP 32u
#define ORDER_A_STEP 8192u

/* Nodes that are gone and looked through for one list: all neighbours, and beyond them where nothing
 * else is left. */
#define GONE_MAX 64u

void graph_builder_seed(graph_builder *b, const graph *former, const uint32_t *nodes)
{
    b->former = former;
    b->former_nodes = nodes;
}

static uint32_t new_number(const graph_builder *b, uint32_t former)
{
    return b->former_nodes ? b->former_nodes[former] : former;
}

/* The same while lists are taken over: without those that are held back. */
static uint32_t taken_number(const graph_builder *b, uint32_t former)
{
    uint32_t node = new_number(b, former);
    return node == GRAPH_NONE || b->heads[node] == GRAPH_NONE ? GRAPH_NONE : node;
}

void graph_seed_begin(graph_builder *b)
{
    b->phase = GRAPH_NUMBER;
    b->position = 0;
}

void graph_number_step(graph_builder *b)
{
    uint32_t left = b->former->count - b->position;
    uint32_t end = b->position + (left < NUMBER_A_STEP ? left : NUMBER_A_STEP);
    for (; b->position < end; b->position++) {
        uint32_t node = new_number(b, b->position);
        if (node != GRAPH_NONE) b->heads[node] = b->position;
    }
    if (b->position < b->former->count) return;
    for (uint32_t place = b->goal; place < b->count; place++)
        b->heads[b->order[place]] = GRAPH_NONE;
    b->phase = GRAPH_LISTS;
    b->position = 0;
}

/* What a list is chosen from. */
typedef struct candidates {
    const graph_builder *builder;
    graph_walk *walk; /* marks them */
    graph_near *near;
    size_t count;
    uint32_t gone[GONE_MAX];
    size_t gone_count;
} candidates;

static void add_gone(candidates *c, uint32_t node)
{
    for (size_t i = 0; i < c->gone_count; i++)
        if (c->gone[i] == node) return;
    if (c->gone_count < GONE_MAX) c->gone[c->gone_count++] = node;
}

static void add_candidates(candidates *c, const uint32_t *nodes, size_t count)
{
    for (size_t i = 0; i < count && nodes[i] != GRAPH_NONE; i++) {
        uint32_t node = taken_number(c->builder, nodes[i]);
        if (node == GRAPH_NONE)
            add_gone(c, nodes[i]);
        else if (c->count < c->builder->near_capacity && graph_visit(c->walk, node))
            c->near[c->count++].node = node;
    }
}

static void add_list(candidates *c, uint32_t former)
{
    const graph *graph = c->builder->former;
    add_candidates(c, graph->links + (size_t)former * graph->degree, graph->degree);
}

static void look_through_gone(candidates *c)
{
    size_t neighbours = c->gone_count;
    for (size_t i = 0; i < c->gone_count && (i < neighbours || c->count == 0); i++)
        add_list(c, c->gone[i]);
    const graph *graph = c->builder->former;
    uint32_t entries = graph->entries_count;
    if (entries > GRAPH_ENTRIES_MIN) entries = GRAPH_ENTRIES_MIN;
    if (c->count == 0) add_candidates(c, graph->entries, entries);
}

static void take_over(graph_builder *b, graph_walk *walk, graph_near *near, uint32_t node)
{
    if (b->heads[node] == GRAPH_NONE) return;
    candidates c = {.builder = b, .walk = walk, .near = near};
    (void)graph_visit(walk, node);
    add_list(&c, b->heads[node]);
    bool is_whole = c.gone_count == 0 && c.count > 0 && c.count <= b->stride;
    if (!is_whole) look_through_gone(&c);
    graph_forget(walk);
    uint32_t *list = graph_list(b, node);
    for (size_t i = 0; is_whole && i < c.count; i++)
        list[i] = near[i].node;
    if (is_whole) return;
    graph_rank(b, node, near, c.count);
    graph_sort(near, c.count);
    graph_prune(b, node, near, c.count, true);
}

void graph_lists_step(graph_builder *b, const veer_pool *pool)
{
    uint32_t n = graph_items(b, pool, b->count - b->position, LISTS_A_STEP);
    graph_share(b, pool, b->position, b->position + n, take_over);
    b->position += n;
    if (b->position < b->count) return;
    b->phase = GRAPH_ORDER;
    b->position = b->kept = b->kept_entries = 0;
}

/* Those that are in the graph move to the front, the others wait in `targets`. */
void graph_order_step(graph_builder *b)
{
    uint32_t left = b->count - b->position;
    uint32_t end = b->position + (left < ORDER_A_STEP ? left : ORDER_A_STEP);
    for (; b->position < end; b->position++) {
        uint32_t node = b->order[b->position];
        if (b->heads[node] == GRAPH_NONE) {
            b->targets[b->position - b->kept] = node;
            continue;
        }
        b->heads[node] = GRAPH_NONE;
        b->order[b->kept++] = node;
        if (b->position < b->entries_count) b->kept_entries++;
    }
    if (b->position < b->count) return;
    if (b->kept > 0 && b->kept_entries == 0) b->kept_entries = 1;
    b->phase = GRAPH_OTHERS;
    b->position = b->kept;
}

void graph_others_step(graph_builder *b)
{
    uint32_t left = b->count - b->position;
    uint32_t end = b->position + (left < ORDER_A_STEP ? left : ORDER_A_STEP);
    for (; b->position < end; b->position++)
        b->order[b->position] = b->targets[b->position - b->kept];
    if (b->position == b->count) graph_batch_begin(b);
}
