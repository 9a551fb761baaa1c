/* What a graph promises beyond numbers that a search may follow: veer_check looks at it. */
#include <string.h>

#include "base/bitset.h"
#include "index/flat_internal.h"
#include "index/graph_walk.h"
#include "quant/rabitq_wide.h"

static bool list_is_sound(const graph *graph, uint32_t node)
{
    const uint32_t *list = graph->links + (size_t)node * graph->degree;
    uint32_t length = 0;
    while (length < graph->degree && list[length] != GRAPH_NONE)
        length++;
    for (uint32_t i = 0; i < graph->degree; i++) {
        if (i >= length ? list[i] != GRAPH_NONE : list[i] == node) return false;
        for (uint32_t j = 0; j < i && i < length; j++)
            if (list[j] == list[i]) return false;
    }
    return true;
}

/* Whether the 1-bit codes of the entries are those of their codes. VEER_E_NOMEM. */
static veer_status check_starts(const flat_space *space, const graph *graph, arena *scratch,
                                const char **problem)
{
    size_t bytes = kernel_block_bytes(space->padded);
    float *work = arena_array(scratch, space->padded, 2 * sizeof *work);
    uint8_t *block = arena_array(scratch, bytes, 1);
    if (!work || !block) return VEER_E_NOMEM;
    const uint8_t *starts = graph->starts;
    uint32_t rows = graph_starts_rows(graph);
    for (uint32_t first = 0; first < rows; first += KERNEL_BLOCK_ROWS, starts += bytes) {
        graph_starts_make(space, graph, first, work, block);
        if (memcmp(block, starts, bytes) != 0) *problem = "has wrong codes of where it begins";
    }
    return VEER_OK;
}

veer_status graph_check(const flat_space *space, const graph *graph, arena *scratch,
                        const char **problem)
{
    *problem = NULL;
    uint32_t count = graph->count, head = 0, tail = 0;
    uint64_t *reached = arena_array(scratch, bitset_words(count), sizeof *reached);
    uint32_t *queue = arena_array(scratch, count, sizeof *queue);
    if (!reached || !queue) return VEER_E_NOMEM;
    memset(reached, 0, bitset_words(count) * sizeof *reached);
    for (uint32_t i = 0; i < graph->entries_count; i++) {
        if (bitset_get(reached, graph->entries[i])) *problem = "has an entry twice";
        if (*problem) return VEER_OK;
        bitset_set(reached, graph->entries[i]);
        queue[tail++] = graph->entries[i];
    }
    for (uint32_t node = 0; node < count; node++) {
        if (!list_is_sound(graph, node)) *problem = "has a link twice, or one of a node to itself";
        if (*problem) return VEER_OK;
    }
    while (head < tail) {
        const uint32_t *list = graph->links + (size_t)queue[head++] * graph->degree;
        for (uint32_t i = 0; i < graph->degree && list[i] != GRAPH_NONE; i++) {
            if (bitset_get(reached, list[i])) continue;
            bitset_set(reached, list[i]);
            queue[tail++] = list[i];
        }
    }
    if (tail < count) *problem = "does not lead to all of its nodes";
    return *problem ? VEER_OK : check_starts(space, graph, scratch, problem);
}

static bool bytes_are_same(const flat_space *space, const graph *graph, uint32_t node,
                           const float *residual, uint8_t *code)
{
    int32_t norm =
        space->kernels->encode_sq8(residual, space->padded, 1 / graph->step, (int8_t *)code);
    const int8_t *codes = graph->codes;
    const int32_t *norms = graph->norms;
    return norm == norms[node] &&
           memcmp(code, codes + (size_t)node * space->padded, space->padded) == 0;
}

static bool nibbles_are_same(const flat_space *space, const graph *graph, uint32_t node,
                             const float *residual, uint8_t *code)
{
    size_t bytes = graph_code_bytes(graph, space->padded);
    uint8_t *packed = code + space->padded;
    rabitq_wide made = rabitq_wide_nibbles(residual, space->padded, code);
    kernel_pack_sq4(code, space->padded, packed);
    const uint8_t *codes = graph->codes;
    const graph_factors *of = (const graph_factors *)graph->norms + node;
    return made.square == of->square && made.scale == of->scale &&
           memcmp(packed, codes + node * bytes, bytes) == 0;
}

veer_status graph_check_node(const flat_space *space, const graph *graph, uint32_t node,
                             const float *vector, arena *scratch, bool *is_same)
{
    *is_same = false;
    float *residual = arena_array(scratch, space->padded, sizeof *residual);
    uint8_t *code = arena_array(scratch, space->padded, 2);
    if (!residual || !code) return VEER_E_NOMEM;
    flat_prepare(space, vector, residual);
    rotation_apply(&space->rotation, space->kernels, residual);
    for (size_t i = 0; i < space->padded; i++)
        residual[i] -= graph->centre[i];
    *is_same = graph->bits == 8 ? bytes_are_same(space, graph, node, residual, code)
                                : nibbles_are_same(space, graph, node, residual, code);
    return VEER_OK;
}
