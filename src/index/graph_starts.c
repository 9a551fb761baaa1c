/* Where a walk begins: at the entries that are nearest to its query, as far as 1-bit codes tell.
 *
 * More entries mean fewer hops until a walk is among what it looks for, and fewer queries that end in
 * a wrong cluster; but to compare more than some hundred by a graph's codes costs more than the hops
 * that it saves. 1-bit codes (quant/rabitq.h) in blocks of 32 are compared much faster. A scan gives the least distance in each block; the median of these, or the NEAREST_BLOCKS-th of many,
 * is a limit that few more rows are within than blocks:
 *
 *     least of each block    0.61  0.40  0.73  0.52  0.66  0.48      half of the blocks have a
 *                                   *           *           *        row that is at most 0.52
 *     begins at              all rows up to 0.52, of whichever block
 *
 * Which entries these are decides nothing but how soon a walk arrives; where it finds nothing more
 * to expand while its pool has room, it goes on from all other entries (graph_walk.c).
 *
 * The 1-bit codes are those of what the graph's codes stand for, so that whoever has a graph can make
 * them, and compare them.
 */
#include <math.h>
#include <string.h>

#include "base/bitset.h"
#include "base/status.h"
#include "index/flat_internal.h"
#include "index/graph_walk.h"

/* Blocks whose nearest row a walk begins at, with all that are nearer, at the most; and nodes to an
 * entry. Measured with 16,000 to 100,000 nodes of 128 to 768 dimensions at recall 0.95: 1.1 to 1.25
 * times the speed of 128 entries that are all compared. 4 and 16 blocks are slower by 1 to 10 %, 32
 * nodes are not faster, 128 are slower by up to a tenth. */
#define NEAREST_BLOCKS 8u
#define NODES_PER_ENTRY 64u

uint32_t graph_entries(uint32_t count)
{
    uint32_t entries = count / NODES_PER_ENTRY / KERNEL_BLOCK_ROWS * KERNEL_BLOCK_ROWS;
    if (entries > GRAPH_ENTRIES_MAX) entries = GRAPH_ENTRIES_MAX;
    if (entries < GRAPH_ENTRIES_MIN) entries = GRAPH_ENTRIES_MIN;
    return entries < count ? entries : count;
}

uint32_t graph_starts_rows(const graph *graph)
{
    uint32_t planned = graph_entries(graph->count);
    return graph->entries_count < planned ? graph->entries_count : planned;
}

size_t graph_starts_bytes(const graph *graph, uint32_t padded)
{
    return kernel_blocks(graph_starts_rows(graph)) * kernel_block_bytes(padded);
}

/* ---------------------------------------------------------------- making them */

/* The vector that a node's code stands for. */
static void decode(const flat_space *space, const graph *graph, uint32_t node, float *vector)
{
    size_t padded = space->padded;
    if (graph->bits == 8) {
        const int8_t *code = (const int8_t *)graph->codes + node * padded;
        for (size_t i = 0; i < padded; i++)
            vector[i] = graph->centre[i] + graph->step * (float)code[i];
        return;
    }
    const uint8_t *packed = (const uint8_t *)graph->codes + node * (padded / 2);
    float half_scale = ((const graph_factors *)graph->norms)[node].scale / 2;
    for (size_t group = 0; group < padded; group += 64) {
        for (size_t j = 0; j < 32; j++) {
            int both = packed[group / 2 + j];
            size_t low = group + j, high = low + 32;
            vector[low] = graph->centre[low] + half_scale * (float)(2 * (both & 15) - 15);
            vector[high] = graph->centre[high] + half_scale * (float)(2 * (both >> 4) - 15);
        }
    }
}

void graph_starts_make(const flat_space *space, const graph *graph, uint32_t first, float *work,
                       void *block)
{
    rabitq_clear_block(&space->quantizer, block);
    uint32_t rows = graph_starts_rows(graph);
    for (uint32_t row = 0; row < KERNEL_BLOCK_ROWS && first + row < rows; row++) {
        decode(space, graph, graph->entries[first + row], work);
        rabitq_encode(&space->quantizer, work, graph->centre, work + space->padded, row, block);
    }
}

/* ---------------------------------------------------------------- choosing among them */

/* The wanted-th smallest of the minima; `wanted` is 1 to NEAREST_BLOCKS, at most `count`. */
static float nearest_blocks(const float *minima, size_t count, size_t wanted)
{
    float nearest[NEAREST_BLOCKS];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == wanted && !(minima[i] < nearest[kept - 1])) continue;
        size_t place = kept < wanted ? kept++ : kept - 1;
        for (; place > 0 && minima[i] < nearest[place - 1]; place--)
            nearest[place] = nearest[place - 1];
        nearest[place] = minima[i];
    }
    return nearest[kept - 1];
}

size_t graph_starts_choose(const flat_space *space, const graph *graph, const float *rotated,
                           const uint64_t *live, float *work, uint32_t nodes[GRAPH_STARTS_MAX])
{
    const kernels *kernels = space->kernels;
    float minima[GRAPH_ENTRIES_MAX / KERNEL_BLOCK_ROWS];
    kernel_hits hits;
    rabitq_query query;
    uint8_t *tables = (uint8_t *)(work + space->padded);
    size_t rows = graph_starts_rows(graph), blocks = kernel_blocks(rows), count = 0;
    rabitq_query_init(&space->quantizer, rotated, graph->centre, 0, work, tables, &query);
    for (size_t i = 0; i < blocks; i++)
        minima[i] = INFINITY; /* a scan ends where bounds from storage are no numbers */
    (void)kernels->scan(&query.probe, graph->starts, rows, NULL, 0, -INFINITY, minima, &hits);
    size_t wanted = 0;
    for (size_t i = 0; i < blocks; i++)
        wanted += minima[i] < INFINITY;
    if (wanted == 0) return 0;
    wanted -= wanted / 2;
    float limit = nearest_blocks(minima, blocks, wanted < NEAREST_BLOCKS ? wanted : NEAREST_BLOCKS);
    for (size_t i = 0; (i = kernels->find_block(minima, i, blocks, limit)) < blocks; i++) {
        size_t first = i * KERNEL_BLOCK_ROWS;
        const char *block = (const char *)graph->starts + i * kernel_block_bytes(space->padded);
        kernels->test_block(&query.probe, block, limit, &hits);
        uint32_t mask = (uint32_t)hits.mask;
        if (live) mask &= (uint32_t)(live[first / 64] >> first % 64);
        for (; mask != 0 && count < GRAPH_STARTS_MAX; mask &= mask - 1) {
            size_t row = first + (size_t)__builtin_ctz(mask);
            if (row < rows) nodes[count++] = graph->entries[row];
        }
    }
    return count;
}

veer_status graph_walk_start(const flat_space *space, const flat_query *query, arena *scratch,
                             graph_walk *walk)
{
    const graph *graph = ((const graph_query *)walk->context)->graph;
    if (!graph_has_starts(graph)) return VEER_OK;
    float *work = arena_array(scratch, space->padded, 2 * sizeof *work);
    uint32_t *nodes = arena_array(scratch, GRAPH_STARTS_MAX, sizeof *nodes);
    if (!work || !nodes) return VEER_E_NOMEM;
    size_t count = graph_starts_choose(space, graph, query->rotated, NULL, work, nodes);
    if (count == 0) return VEER_OK;
    walk->entries = nodes;
    walk->entries_count = count;
    return VEER_OK;
}
