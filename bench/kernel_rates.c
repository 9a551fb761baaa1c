/* The kernels' inner loops on synthetic rows. The f32 scan goes through dot_rows, as the engine's does. */
#include "kernel_rates.h"

#include <stdlib.h>

#include "base/rng.h"
#include "quant/rabitq.h"

/* f32 rows lie on cache lines, blocks on two of them, as in use. */
#define ALIGNMENT 128u

struct rates {
    const kernels *kernels;
    size_t dims, rows;
    float *values, *results;
    const float **places;
    uint8_t *blocks, *tables;
    float *minima, *residual;
    rabitq_query query;
};

static void *aligned(size_t bytes)
{
    return aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

rates *rates_new(const char *tier, size_t dims, size_t rows)
{
    rates *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    size_t blocks = kernel_blocks(rows);
    r->kernels = tier != NULL ? kernels_find(tier) : kernels_get();
    r->dims = dims;
    r->rows = rows;
    r->values = aligned(rows * dims * sizeof(float));
    r->results = aligned(rows * sizeof(float));
    r->places = aligned(rows * sizeof *r->places);
    r->blocks = aligned(blocks * kernel_block_bytes(dims));
    r->minima = aligned((blocks + 1) * sizeof(float));
    r->tables = aligned(4 * dims);
    r->residual = aligned(dims * sizeof(float));
    if (!r->values || !r->results || !r->places || !r->blocks || !r->minima || !r->tables ||
        !r->residual) {
        rates_free(r);
        return NULL;
    }
    rng random;
    rng_init(&random, 1);
    for (size_t i = 0; i < rows * dims; i++)
        r->values[i] = (float)rng_unit(&random) - 0.5f;
    rabitq quantizer = {r->kernels, VEER_METRIC_L2, (uint32_t)dims};
    const float *centre = r->values;
    for (size_t i = 0; i < blocks; i++)
        rabitq_clear_block(&quantizer, r->blocks + i * kernel_block_bytes(dims));
    for (size_t i = 0; i < rows; i++) {
        r->places[i] = r->values + i * dims;
        rabitq_encode(&quantizer, r->places[i], centre, r->residual, (unsigned)(i % 32),
                      r->blocks + i / 32 * kernel_block_bytes(dims));
    }
    rabitq_query_init(&quantizer, r->places[rows / 2], centre, 2.0f, r->residual, r->tables,
                      &r->query);
    return r;
}

float rates_f32(rates *r)
{
    r->kernels->dot_rows(r->places[r->rows / 2], r->places, r->rows, r->dims, r->results);
    return r->results[0] + r->results[r->rows - 1];
}

size_t rates_codes(rates *r, size_t rows, int repeats)
{
    kernel_hits hits;
    size_t pairs = 0;
    for (int i = 0; i < repeats; i++) {
        pairs +=
            r->kernels->scan(&r->query.probe, r->blocks, rows, NULL, 0, -1e30f, r->minima, &hits);
    }
    return pairs;
}

float rates_read(const rates *r)
{
    /* Enough chains that additions do not wait for each other. */
    float sums[64] = {0};
    size_t n = r->rows * r->dims;
    for (size_t i = 0; i + 64 <= n; i += 64) {
        for (size_t j = 0; j < 64; j++)
            sums[j] += r->values[i + j];
    }
    float sum = 0;
    for (size_t j = 0; j < 64; j++)
        sum += sums[j];
    return sum;
}

void rates_free(rates *r)
{
    if (r == NULL) return;
    free(r->values);
    free(r->results);
    free(r->places);
    free(r->blocks);
    free(r->minima);
    free(r->tables);
    free(r->residual);
    free(r);
}
