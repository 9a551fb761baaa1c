/* Distances to random 8-bit and 4-bit codes. */
#include "code_rates.h"

#include <stdlib.h>

#include "base/rng.h"

#define BATCH 32u
#define LINE 64u

struct code_rates {
    size_t dims;
    int8_t *codes; /* as 4-bit ones, half of it */
    int16_t *query;
    int8_t *query_sq4;
    uint32_t nodes[CODE_RATES_VISITS];
    rng random;
};

code_rates *code_rates_new(size_t dims)
{
    code_rates *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->dims = dims;
    r->codes = aligned_alloc(LINE, CODE_RATES_NODES * dims);
    r->query = aligned_alloc(LINE, dims * sizeof *r->query);
    r->query_sq4 = aligned_alloc(LINE, dims);
    if (r->codes == NULL || r->query == NULL || r->query_sq4 == NULL) {
        code_rates_free(r);
        return NULL;
    }
    rng_init(&r->random, 1);
    for (size_t i = 0; i < CODE_RATES_NODES * dims; i++)
        r->codes[i] = (int8_t)((int)rng_below(&r->random, 255) - 127);
    for (size_t i = 0; i < dims; i++) {
        int range = 2 * KERNEL_SQ8_QUERY_MAX + 1;
        r->query[i] = (int16_t)((int)rng_below(&r->random, range) - KERNEL_SQ8_QUERY_MAX);
        r->query_sq4[i] = r->codes[i];
    }
    return r;
}

void code_rates_draw(code_rates *r, size_t count)
{
    for (size_t i = 0; i < CODE_RATES_VISITS; i++)
        r->nodes[i] = (uint32_t)rng_below(&r->random, count);
}

int32_t code_rates_visit(const code_rates *r, const kernels *k, code_rates_kind kind)
{
    int32_t results[BATCH];
    uint32_t sum = 0;
    if (k == NULL) k = kernels_get();
    for (size_t i = 0; i < CODE_RATES_VISITS; i += BATCH) {
        const uint32_t *nodes = r->nodes + i;
        if (kind == CODE_RATES_DOT_SQ8) {
            k->dot_sq8(r->query, r->codes, r->dims, nodes, BATCH, results);
        } else if (kind == CODE_RATES_L2_SQ8) {
            k->l2_sq8(r->codes, r->codes, r->dims, nodes, BATCH, results);
        } else {
            const uint8_t *codes = (const uint8_t *)r->codes;
            k->dot_sq4(r->query_sq4, codes, r->dims, nodes, BATCH, results);
        }
        sum += (uint32_t)results[0];
    }
    return (int32_t)sum;
}

void code_rates_free(code_rates *r)
{
    if (r == NULL) return;
    free(r->codes);
    free(r->query);
    free(r->query_sq4);
    free(r);
}
