/* The grid of dot_sq4 in WebAssembly. In turn, each of its arrays lies at the end of the memory, where
 * reading or writing a byte too far is a trap. */
#include <string.h>

#include "support/sq4_grid.h"

#define PAGE 65536u

/* Memory of its own up to the end, which is returned; NULL where there is none. */
static uint8_t *grow(size_t bytes)
{
    size_t pages = (bytes + PAGE - 1) / PAGE;
    size_t old = __builtin_wasm_memory_grow(0, pages);
    return old == SIZE_MAX ? NULL : (uint8_t *)((old + pages) * PAGE);
}

/* How many results of this module's tier or of the scalar one are wrong: 0. Below 0: the tier is not
 * this one, there is no memory, or there were hardly any results. */
int32_t wrong_sq4_dots(int32_t is_relaxed)
{
    const kernels *best = kernels_get();
    if (strcmp(best->name, is_relaxed ? "relaxed" : "simd128") != 0) return -1;
    static const size_t rooms[] = {SQ4_GRID_CODES, SQ4_GRID_QUERY, SQ4_GRID_DOTS};
    size_t wrong = 0;
    uint8_t *ends[3];
    for (size_t last = 0; last < 3; last++) {
        for (size_t i = 1; i <= 3; i++) {
            size_t array = (last + i) % 3;
            ends[array] = grow(rooms[array]);
            if (ends[array] == NULL) return -1;
        }
        const sq4_ends places = {ends[0], ends[1], ends[2]};
        const kernels *tiers[] = {best, &kernels_scalar};
        for (size_t t = 0; t < 2; t++) {
            size_t results;
            wrong += sq4_grid(tiers[t], places, &results);
            if (results < 10000) return -1;
        }
    }
    return (int32_t)wrong;
}
