/* The growing index, its graph: building it in pieces, its memory, when it is built anew.
 *
 * A graph is built over all rows at a time without holes; node numbers are row numbers. Until it is
 * finished nothing moves rows, and searches go on without it, or with the former one. Rows that are
 * removed meanwhile keep their vectors, since nothing writes over a hole but closing it: they
 * become nodes that are passed through. Rows that come are not among the nodes.
 *
 * A former graph whose rows have holes has to go before its holes can be closed: between that and
 * the next one's completion codes are scanned. Where it has none, the next one begins with its links.
 */
#include "base/bitset.h"
#include "base/memory.h"
#include "base/status.h"
#include "index/flat_index_internal.h"

/* Rotated and encoded in one step: some hundred microseconds. */
#define FLOATS_A_STEP (32u << 10)
/* Copied in one step, with the first touch of its pages. */
#define BYTES_A_STEP ((size_t)512 << 10)

/* Holes and rows beside the graph, together, from which it is built anew: 1 / so many of its rows.
 * Until then at most a fifth of the rows is scanned. */
#define STALE_SHARE 4u

uint64_t flat_graph_layout(const flat_index *index, const graph *graph, uint64_t bytes[GRAPH_PARTS])
{
    uint64_t rows = graph->count, sum = 0;
    uint32_t padded = flat_padded_dims(index->space);
    bytes[GRAPH_CODES] = rows * graph_code_bytes(graph, padded);
    bytes[GRAPH_LINKS] = rows * graph->degree * sizeof *graph->links;
    bytes[GRAPH_CENTRE] = rows > 0 ? padded * (uint64_t)sizeof *graph->centre : 0;
    bytes[GRAPH_NORMS] = rows * graph_norm_bytes(graph);
    bytes[GRAPH_ENTRIES] = graph->entries_count * (uint64_t)sizeof *graph->entries;
    bytes[GRAPH_STARTS] = rows > 0 ? graph_starts_bytes(graph, padded) : 0;
    for (size_t i = 0; i < GRAPH_PARTS; i++)
        sum += bytes[i];
    return sum;
}

void flat_graph_drop(flat_index *index)
{
    flat_graph *g = &index->graph;
    memory_array_free(index->allocator, g->slab, g->bytes, 1);
    g->slab = NULL;
    g->bytes = g->holes = 0;
    memset(&g->graph, 0, sizeof g->graph);
}

void flat_graph_install(flat_index *index, const graph *head, uint8_t *slab, size_t bytes)
{
    flat_graph *g = &index->graph;
    uint64_t parts[GRAPH_PARTS];
    flat_graph_drop(index);
    flat_graph_layout(index, head, parts);
    g->graph = *head;
    if (index->graph_degree == 0) index->graph_degree = head->degree;
    g->slab = slab;
    g->bytes = bytes;
    g->holes = head->count - bitset_count(index->live, head->count);
    g->graph.codes = slab;
    slab += parts[GRAPH_CODES];
    g->graph.links = (const uint32_t *)(const void *)slab;
    slab += parts[GRAPH_LINKS];
    g->graph.centre = (const float *)(const void *)slab;
    slab += parts[GRAPH_CENTRE];
    g->graph.norms = slab;
    slab += parts[GRAPH_NORMS];
    g->graph.entries = (const uint32_t *)(const void *)slab;
    slab += parts[GRAPH_ENTRIES];
    g->graph.starts = slab;
}

static void end_building(flat_index *index)
{
    flat_graph *g = &index->graph;
    graph_builder_free(g->builder);
    g->builder = NULL;
    memory_array_free(index->allocator, g->room, g->room_bytes, 1);
    g->room = NULL;
    g->room_bytes = g->copied = 0;
}

void flat_graph_free(flat_index *index)
{
    end_building(index);
    flat_graph_drop(index);
}

size_t flat_graph_bytes(const flat_index *index)
{
    const flat_graph *g = &index->graph;
    return g->bytes + g->room_bytes + (g->builder != NULL ? graph_builder_bytes(g->builder) : 0);
}

bool flat_graph_is_stale(const flat_index *index)
{
    size_t count = index->graph.graph.count;
    return index->graph.holes + (index->rows - count) > count / STALE_SHARE;
}

bool flat_graph_wanted(const flat_index *index)
{
    return index->graph_rows > 0 && index->live_count >= index->graph_rows &&
           index->newest != NO_CENTRE && flat_graph_is_stale(index);
}

/* ---------------------------------------------------------------- building */

static veer_status begin(flat_index *index)
{
    flat_graph *g = &index->graph;
    graph_options options = {.seed = index->seed, .degree = index->graph_degree};
    VEER_TRY(graph_builder_new(index->allocator, index->space, index->centres[index->newest].values,
                               (uint32_t)index->rows, &options, &g->builder));
    /* A graph that is stale has no holes here: upkeep drops it first where it has. */
    if (g->graph.count > 0) graph_builder_seed(g->builder, &g->graph, NULL);
    g->building = (uint32_t)index->rows;
    g->shown = 0;
    return VEER_OK;
}

/* Every row is measured, then every one is added. */
static void show_rows(flat_index *index)
{
    flat_graph *g = &index->graph;
    size_t end = g->shown + FLOATS_A_STEP / flat_padded_dims(index->space);
    for (; g->shown < end && g->shown < g->building; g->shown++)
        graph_builder_measure(g->builder, flat_row(index, g->shown));
    for (; g->shown < end && g->shown < 2 * (size_t)g->building; g->shown++)
        graph_builder_add(g->builder, flat_row(index, g->shown - g->building));
}

/* Bytes [from, end) of the parts, which lie one after the other. */
static void copy_parts(uint8_t *to, const void *const parts[GRAPH_PARTS],
                       const uint64_t bytes[GRAPH_PARTS], size_t from, size_t end)
{
    size_t first = 0; /* of the part */
    for (size_t i = 0; i < GRAPH_PARTS; first += (size_t)bytes[i++]) {
        size_t low = from > first ? from : first;
        size_t high = end < first + (size_t)bytes[i] ? end : first + (size_t)bytes[i];
        if (low < high) memcpy(to + low, (const uint8_t *)parts[i] + (low - first), high - low);
    }
}

/* From the builder's memory, of which much is only for building, to a slab. */
static veer_status finish_some(flat_index *index)
{
    flat_graph *g = &index->graph;
    graph built;
    uint64_t bytes[GRAPH_PARTS];
    graph_builder_result(g->builder, &built);
    uint64_t all = flat_graph_layout(index, &built, bytes);
    if (g->room == NULL) {
        g->room = all <= SIZE_MAX ? memory_room(index->allocator, (size_t)all, 1) : NULL;
        if (g->room == NULL) return VEER_E_NOMEM;
        g->room_bytes = (size_t)all;
    }
    const void *const parts[GRAPH_PARTS] = {built.codes, built.links,   built.centre,
                                            built.norms, built.entries, built.starts};
    size_t left = g->room_bytes - g->copied;
    size_t end = g->copied + (left < BYTES_A_STEP ? left : BYTES_A_STEP);
    copy_parts(g->room, parts, bytes, g->copied, end);
    g->copied = end;
    if (end < g->room_bytes) return VEER_OK;
    flat_graph_install(index, &built, g->room, g->room_bytes);
    g->room = NULL;
    g->room_bytes = 0;
    end_building(index);
    return VEER_OK;
}

veer_status flat_graph_step(flat_index *index)
{
    flat_graph *g = &index->graph;
    bool left = true;
    if (g->builder == NULL) return begin(index);
    if (g->shown < 2 * (size_t)g->building) {
        show_rows(index);
        return VEER_OK;
    }
    VEER_TRY(graph_builder_step(g->builder, &index->pool, &left));
    return left ? VEER_OK : finish_some(index);
}
