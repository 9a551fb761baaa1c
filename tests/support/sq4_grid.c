/* The grid of dot_sq4. */
#include "support/sq4_grid.h"

#include <stdbool.h>
#include <string.h>

#include "base/rng.h"

#define UNTOUCHED 0x77777777

typedef enum values {
    ANYTHING,
    LARGEST,  /* every product */
    SMALLEST, /* the same below 0 */
    MIXED,    /* of both signs in runs: sums of neighbours are largest, those of all are not */
    ONE,      /* the query asks for one dimension */
    VALUES,   /* how many */
} values;

static int8_t element(rng *random, values kind, size_t i, size_t only)
{
    switch (kind) {
    case LARGEST:
        return KERNEL_SQ8_MAX;
    case SMALLEST:
        return -KERNEL_SQ8_MAX;
    case MIXED:
        return i / 16 % 2 ? KERNEL_SQ8_MAX : -KERNEL_SQ8_MAX;
    case ONE:
        return i == only ? 1 : 0;
    default:
        return (int8_t)((int)rng_below(random, 2 * KERNEL_SQ8_MAX + 1) - KERNEL_SQ8_MAX);
    }
}

/* The codes of all nodes, a number a byte. */
static uint8_t plain[SQ4_GRID_NODES * SQ4_GRID_DIMS];

static void fill(rng *random, values kind, size_t padded, int8_t *query, uint8_t *codes)
{
    bool is_any = kind == ANYTHING || kind == ONE;
    size_t only = (size_t)rng_below(random, padded);
    for (size_t i = 0; i < padded; i++)
        query[i] = element(random, kind, i, only);
    for (size_t i = 0; i < SQ4_GRID_NODES * padded; i++) {
        plain[i] = is_any ? (uint8_t)rng_below(random, KERNEL_SQ4_MAX + 1) : KERNEL_SQ4_MAX;
    }
    for (size_t node = 0; node < SQ4_GRID_NODES; node++)
        kernel_pack_sq4(plain + node * padded, padded, codes + node * (padded / 2));
}

/* One call for `count` nodes. */
static size_t count_wrong(const kernels *tier, const int8_t *query, const uint8_t *codes,
                          size_t padded, const uint32_t *nodes, size_t count, uint8_t *dots_end)
{
    int32_t *dots = (int32_t *)(void *)(dots_end - count * sizeof *dots);
    size_t wrong = 0;
    for (int32_t *dot = dots - 1; dot < dots + count; dot++)
        *dot = UNTOUCHED;
    tier->dot_sq4(query, codes, padded, nodes, count, dots);
    wrong += dots[-1] != UNTOUCHED;
    for (size_t i = 0; i < count; i++) {
        int64_t sum = 0;
        for (size_t j = 0; j < padded; j++)
            sum += query[j] * plain[nodes[i] * padded + j];
        wrong += dots[i] != sum;
    }
    return wrong;
}

size_t sq4_grid(const kernels *tier, sq4_ends ends, size_t *results)
{
    static const size_t dims[] = {64, 128, 192, 256, 320, 384, 448, 768, 832, 1536, 8128, 8192};
    static const size_t shifts[] = {0, 1, 31, SQ4_GRID_SHIFT};
    rng random;
    rng_init(&random, 11);
    *results = 0;
    size_t wrong = 0;
    for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++) {
        size_t padded = dims[d];
        for (values kind = 0; kind < VALUES; kind++) {
            size_t shift = shifts[(d + kind) % (sizeof shifts / sizeof shifts[0])];
            int8_t *query = (int8_t *)ends.query - padded - shift;
            uint8_t *codes = ends.codes - SQ4_GRID_NODES * (padded / 2) - shift;
            fill(&random, kind, padded, query, codes);
            size_t step = padded <= 448 ? 1 : padded < 8000 ? 4 : 11;
            for (size_t count = 0; count <= SQ4_GRID_NODES; count += step) {
                uint32_t nodes[SQ4_GRID_NODES];
                for (size_t i = 0; i < count; i++)
                    nodes[i] = (uint32_t)rng_below(&random, SQ4_GRID_NODES);
                if (count > 0) nodes[(size_t)rng_below(&random, count)] = SQ4_GRID_NODES - 1;
                wrong += count_wrong(tier, query, codes, padded, nodes, count, ends.dots);
                *results += count;
            }
        }
    }
    return wrong;
}
