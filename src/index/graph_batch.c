/* The batches of a graph's building.
 *
 * A batch, at most a fiftieth of the nodes and at first no more than are there, works on the graph
 * as it was before it:
 *
 *     find      each of its nodes walks the graph and chooses neighbours among the nearest found
 *     reverse   each chosen one gets a link back; a list that outgrows its slack is pruned
 *
 * In either part a node's list depends on nothing that the part changes, and is written by that
 * node's handling alone: the order does not matter, and threads share the nodes (graph_share.c). In
 * the end lists are trimmed to the degree and move together, and what no entry reaches is linked
 * (graph_reach.c). All of this is done first without a few nodes, which are then the queries that
 * the graph is measured with (graph_measure.c), and once more to bring these in.
 */
#include <string.h>

#include "index/graph_build.h"

#define BATCHES_MIN 50u
#define BATCH_MAX 4096u
/* Nodes handled in one step, where codes are short: some hundred microseconds each. */
#define FIND_A_STEP 3u
#define REVERSE_A_STEP 64u
#define TRIM_A_STEP 64u

uint32_t graph_batch_max(uint32_t count)
{
    uint32_t most = count / BATCHES_MIN;
    if (most < 1) most = 1;
    return most < BATCH_MAX ? most : BATCH_MAX;
}

typedef struct node_context {
    const graph_builder *builder;
    uint32_t node;
} node_context;

static void measure_node(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks)
{
    const node_context *from = context;
    graph_node_distances(from->builder, from->node, nodes, count, ranks);
}

void graph_rank(const graph_builder *b, uint32_t node, graph_near *near, size_t count)
{
    uint32_t nodes[GRAPH_DEGREE_MAX];
    int32_t ranks[GRAPH_DEGREE_MAX];
    for (size_t first = 0; first < count; first += GRAPH_DEGREE_MAX) {
        size_t n = count - first < GRAPH_DEGREE_MAX ? count - first : GRAPH_DEGREE_MAX;
        for (size_t i = 0; i < n; i++)
            nodes[i] = near[first + i].node;
        graph_node_distances(b, node, nodes, n, ranks);
        for (size_t i = 0; i < n; i++)
            near[first + i].rank = ranks[i];
    }
}

/* Entries that are in the graph, those that were from the beginning first, as far as each node is
 * compared with them. */
static uint32_t entries_linked(const graph_builder *b)
{
    uint32_t linked = b->kept_entries + (b->linked - b->kept);
    if (linked > b->entries_count) linked = b->entries_count;
    return linked < GRAPH_ENTRIES_MIN ? linked : GRAPH_ENTRIES_MIN;
}

/* Lists have no slack any more: those that come in now are filled at once. */
static bool is_trimmed(const graph_builder *b)
{
    return b->stride == b->options.degree;
}

/* The node's choice. */
static void choose(graph_builder *b, graph_walk *walk, graph_near *near, uint32_t item)
{
    (void)near;
    uint32_t node = b->order[item];
    node_context context = {b, node};
    walk->links = b->links;
    walk->stride = b->stride;
    walk->entries = b->entries;
    walk->entries_count = entries_linked(b);
    walk->measure = measure_node;
    walk->context = &context;
    walk->capacity = b->options.effort;
    graph_walk_run(walk);
    graph_sort(walk->pool, walk->count);
    graph_prune(b, node, walk->pool, walk->count, is_trimmed(b));
}

/* A link back for each that the node has chosen. */
static void note_links(graph_builder *b, uint32_t node)
{
    const uint32_t *list = graph_list(b, node);
    for (uint32_t i = 0; i < b->options.degree && list[i] != GRAPH_NONE; i++) {
        uint32_t target = list[i];
        if (b->heads[target] == GRAPH_NONE) b->targets[b->targets_count++] = target;
        b->reverses[b->reverses_count] = (graph_reverse){node, b->heads[target]};
        b->heads[target] = b->reverses_count++;
    }
}

static void find_step(graph_builder *b, const veer_pool *pool)
{
    uint32_t first = b->linked + b->position;
    uint32_t n = graph_items(b, pool, b->batch_end - first, FIND_A_STEP);
    graph_share(b, pool, first, first + n, choose);
    for (uint32_t i = first; i < first + n; i++)
        note_links(b, b->order[i]);
    b->position += n;
    if (first + n < b->batch_end) return;
    b->phase = GRAPH_REVERSE;
    b->position = 0;
}

/* Adds the node's chain to its list. */
static void link_back(graph_builder *b, graph_walk *walk, graph_near *near, uint32_t item)
{
    (void)walk;
    uint32_t node = b->targets[item];
    uint32_t *list = graph_list(b, node);
    uint32_t length = graph_list_length(b, node);
    size_t more = 0;
    for (uint32_t at = b->heads[node]; at != GRAPH_NONE; at = b->reverses[at].next)
        near[more++].node = b->reverses[at].from;
    b->heads[node] = GRAPH_NONE;
    if (length + more <= b->stride) {
        /* In order of the nodes, whatever order the batch was done in. */
        for (size_t i = 0; i < more; i++)
            near[i].rank = 0;
        graph_sort(near, more);
        for (size_t i = 0; i < more; i++)
            list[length + i] = near[i].node;
        return;
    }
    for (uint32_t i = 0; i < length; i++)
        near[more + i].node = list[i];
    size_t count = more + length;
    graph_rank(b, node, near, count);
    graph_sort(near, count);
    graph_prune(b, node, near, count, is_trimmed(b));
}

void graph_batch_next(graph_builder *b)
{
    uint32_t size = b->linked / 4 < 1 ? 1 : b->linked / 4;
    uint32_t most = graph_batch_max(b->count);
    if (size > most) size = most;
    if (size > b->goal - b->linked) size = b->goal - b->linked;
    b->batch_end = b->linked + size;
    b->targets_count = b->reverses_count = b->position = 0;
    b->phase = size > 0 ? GRAPH_FIND : GRAPH_TRIM;
}

void graph_batch_begin(graph_builder *b)
{
    memcpy(b->entries, b->order, b->kept_entries * sizeof *b->entries);
    memcpy(b->entries + b->kept_entries, b->order + b->kept,
           (b->entries_count - b->kept_entries) * sizeof *b->entries);
    b->linked = b->kept > 0 ? b->kept : 1;
    graph_batch_next(b);
}

static void reverse_step(graph_builder *b, const veer_pool *pool)
{
    uint32_t n = graph_items(b, pool, b->targets_count - b->position, REVERSE_A_STEP);
    graph_share(b, pool, b->position, b->position + n, link_back);
    b->position += n;
    if (b->position < b->targets_count) return;
    b->linked = b->batch_end;
    graph_batch_next(b);
}

static void trim(graph_builder *b, graph_walk *walk, graph_near *near, uint32_t node)
{
    (void)walk;
    uint32_t length = graph_list_length(b, node);
    if (length <= b->options.degree) return;
    const uint32_t *list = graph_list(b, node);
    for (uint32_t i = 0; i < length; i++)
        near[i].node = list[i];
    graph_rank(b, node, near, length);
    graph_sort(near, length);
    graph_prune(b, node, near, length, true);
}

/* A list goes to where it will lie; those that have not gone yet lie behind that. */
static void pack(graph_builder *b, uint32_t node)
{
    uint32_t *to = b->links + (size_t)node * b->options.degree;
    memmove(to, graph_list(b, node), b->options.degree * sizeof *to);
}

static void trim_step(graph_builder *b, const veer_pool *pool)
{
    uint32_t first = b->position;
    uint32_t n = graph_items(b, pool, b->count - first, TRIM_A_STEP);
    graph_share(b, pool, first, first + n, trim);
    for (uint32_t node = first; node < first + n; node++)
        pack(b, node);
    b->position += n;
    if (b->position < b->count) return;
    b->stride = b->options.degree;
    graph_reach_begin(b);
}

static void starts_step(graph_builder *b)
{
    graph graph;
    graph_builder_result(b, &graph);
    if (b->position < graph_starts_rows(&graph)) {
        size_t block = b->position / KERNEL_BLOCK_ROWS;
        graph_starts_make(b->space, &graph, b->position, b->work,
                          b->starts + block * kernel_block_bytes(b->padded));
        b->position += KERNEL_BLOCK_ROWS;
    } else {
        graph_measure_begin(b);
    }
}

veer_status graph_builder_step(graph_builder *b, const veer_pool *threads, bool *left)
{
    const veer_pool *pool = threads && threads->run && threads->threads > 1 ? threads : NULL;
    veer_status status = VEER_OK;
    switch (b->phase) {
    case GRAPH_LIFT:
        graph_lift_step(b);
        break;
    case GRAPH_NUMBER:
        graph_number_step(b);
        break;
    case GRAPH_LISTS:
        graph_lists_step(b, pool);
        break;
    case GRAPH_ORDER:
        graph_order_step(b);
        break;
    case GRAPH_OTHERS:
        graph_others_step(b);
        break;
    case GRAPH_FIND:
        find_step(b, pool);
        break;
    case GRAPH_REVERSE:
        reverse_step(b, pool);
        break;
    case GRAPH_TRIM:
        trim_step(b, pool);
        break;
    case GRAPH_REACH:
        status = graph_reach_step(b);
        break;
    case GRAPH_STARTS:
        starts_step(b);
        break;
    case GRAPH_MEASURE:
        graph_measure_step(b);
        break;
    case GRAPH_DONE:
        break;
    }
    *left = b->phase != GRAPH_DONE;
    return status;
}
