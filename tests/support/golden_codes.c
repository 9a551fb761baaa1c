/* Vectors come from integers, so that no library function's rounding is involved. */
#include "support/golden_codes.h"

#include <math.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "base/rng.h"
#include "index/flat.h"

#define ROWS 150u /* four full blocks and a part of one */

static const uint32_t dims_list[] = {1, 17, 64, 100, 128, 200, 384, 768, 1000, 1536, 8192};

typedef struct golden {
    flat_space *space;
    arena scratch;
    float *vectors; /* ROWS + 1; the last one is the query */
    float *centre;
    uint8_t *blocks;
    uint32_t crc;
} golden;

static void add(golden *g, const void *data, size_t bytes)
{
    g->crc = crc32c(g->crc, data, bytes);
}

/* Around a mean, in several sizes; later rows are near the query. */
static void make_vectors(golden *g, uint32_t dims, rng *random)
{
    float *query = g->vectors + (size_t)ROWS * dims;
    for (uint32_t i = 0; i < dims; i++)
        query[i] = (float)rng_below(random, 2001) / 1000 - 0.9f;
    for (unsigned row = 0; row < ROWS; row++) {
        float size = row % 10 == 9 ? 1e4f : 1;
        float share = row > 100 ? 0.75f : 0;
        for (uint32_t i = 0; i < dims; i++) {
            float noise = (float)rng_below(random, 2001) / 1000 - 0.9f;
            g->vectors[(size_t)row * dims + i] = (share * query[i] + noise) * size;
        }
    }
}

static veer_status encode(golden *g, uint32_t dims)
{
    double *sum = arena_array(&g->scratch, dims, sizeof *sum);
    if (sum == NULL) return VEER_E_NOMEM;
    for (uint32_t i = 0; i < dims; i++)
        sum[i] = 0;
    for (unsigned row = 0; row < ROWS; row++) {
        const float *vector = g->vectors + (size_t)row * dims;
        float inverse = flat_inverse_norm(g->space, vector);
        add(g, &inverse, sizeof inverse);
        flat_sum_add(g->space, vector, sum);
    }
    veer_status status = flat_centre(g->space, sum, ROWS, &g->scratch, g->centre);
    for (unsigned first = 0; first < ROWS && status == VEER_OK; first += FLAT_BLOCK_ROWS) {
        const float *rows[FLAT_BLOCK_ROWS];
        unsigned count = 0;
        for (; count < FLAT_BLOCK_ROWS && first + count < ROWS; count++) {
            rows[count] = g->vectors + (size_t)(first + count) * dims;
        }
        void *block = g->blocks + first / FLAT_BLOCK_ROWS * flat_block_bytes(g->space);
        status = flat_encode(g->space, g->centre, rows, count, &g->scratch, block);
        add(g, block, flat_block_bytes(g->space));
    }
    add(g, g->centre, flat_padded_dims(g->space) * sizeof *g->centre);
    return status;
}

static veer_status search(golden *g, uint32_t dims, float sigmas)
{
    flat_query *query;
    flat_candidates found;
    const flat_candidate *items;
    const float *vector = g->vectors + (size_t)ROWS * dims;
    veer_status status = flat_query_new(g->space, vector, sigmas, &g->scratch, &query);
    if (status == VEER_OK) status = flat_candidates_init(&found, 5, &g->scratch);
    if (status != VEER_OK) return status;
    flat_query_centre(query, g->centre);
    status = flat_scan(g->space, query, g->blocks, ROWS, NULL, 0, &found);
    if (status != VEER_OK) return status;
    size_t n;
    while ((n = flat_candidates_next(&found, INFINITY, 7, &items)) > 0) {
        for (size_t i = 0; i < n; i++) {
            const float *row = g->vectors + (size_t)items[i].row * dims;
            float inverse = flat_inverse_norm(g->space, row);
            float distance;
            flat_distances(g->space, query, &row, &inverse, 1, &distance);
            add(g, &items[i].row, sizeof items[i].row);
            add(g, &items[i].lower, sizeof items[i].lower);
            add(g, &items[i].estimate, sizeof items[i].estimate);
            add(g, &distance, sizeof distance);
        }
    }
    return VEER_OK;
}

static veer_status run(golden *g, uint32_t dims, veer_metric metric, rng *random)
{
    veer_status status = flat_space_new(memory_default(), dims, metric, dims, &g->space, NULL);
    if (status != VEER_OK) return status;
    arena_init(&g->scratch, memory_default());
    size_t blocks = (ROWS + FLAT_BLOCK_ROWS - 1) / FLAT_BLOCK_ROWS;
    g->vectors = arena_array(&g->scratch, (size_t)(ROWS + 1) * dims, sizeof *g->vectors);
    g->centre = arena_array(&g->scratch, flat_padded_dims(g->space), sizeof *g->centre);
    g->blocks = arena_array(&g->scratch, blocks, flat_block_bytes(g->space));
    if (g->vectors == NULL || g->centre == NULL || g->blocks == NULL) {
        status = VEER_E_NOMEM;
    } else {
        make_vectors(g, dims, random);
        status = encode(g, dims);
    }
    if (status == VEER_OK) status = search(g, dims, 1);
    if (status == VEER_OK) status = search(g, dims, FLAT_SIGMAS_SURE);
    arena_fini(&g->scratch);
    flat_space_free(g->space);
    return status;
}

uint32_t golden_codes(void)
{
    golden g = {.crc = 0};
    rng random;
    rng_init(&random, 2026);
    for (size_t d = 0; d < sizeof dims_list / sizeof dims_list[0]; d++) {
        for (int metric = 0; metric < 3; metric++) {
            if (run(&g, dims_list[d], (veer_metric)metric, &random) != VEER_OK) return 0;
        }
    }
    return g.crc;
}
