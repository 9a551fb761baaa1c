/* What a graph promises beyond numbers that a search may follow: veer_check looks at it. */
#include <string.h>

#include "base/bitset.h"
#include "index/flat_internal.h"
#include "index/graph.h"

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

veer_status graph_check(const graph *graph, arena *scratch, const char **problem)
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
    return VEER_OK;
}

veer_status graph_check_node(const flat_space *space, const graph *graph, uint32_t node,
                             const float *vector, arena *scratch, bool *is_same)
{
    *is_same = false;
    float *residual = arena_array(scratch, space->padded, sizeof *residual);
    int8_t *code = arena_array(scratch, space->padded, sizeof *code);
    if (!residual || !code) return VEER_E_NOMEM;
    flat_prepare(space, vector, residual);
    rotation_apply(&space->rotation, space->kernels, residual);
    for (size_t i = 0; i < space->padded; i++)
        residual[i] -= graph->centre[i];
    int32_t norm = space->kernels->encode_sq8(residual, space->padded, 1 / graph->step, code);
    *is_same = norm == graph->norms[node] &&
               memcmp(code, graph->codes + (size_t)node * space->padded, space->padded) == 0;
    return VEER_OK;
}
