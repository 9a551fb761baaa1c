/* RaBitQ codes with one bit per dimension (rabitq.c has the formulas).
 *
 * All vectors here are rotated ones of `padded` elements; under cosine they are rotated unit vectors.
 * Blocks are those of kernels.h. */
#ifndef VEER_QUANT_RABITQ_H
#define VEER_QUANT_RABITQ_H

#include "kernels/kernels.h"
#include "veer.h"

typedef struct rabitq {
    const kernels *kernels;
    veer_metric metric;
    uint32_t padded;
} rabitq;

/* Fills the 32 places of a block with nothing: their lower bound is +infinity. */
void rabitq_clear_block(const rabitq *quantizer, void *block);
/* Encodes one vector as row `row` of a block; the other rows stay as they are. `residual`: scratch
 * of padded elements. */
void rabitq_encode(const rabitq *quantizer, const float *vector, const float *centre,
                   float *residual, unsigned row, void *block);

/* A query against the codes around one centre. */
typedef struct rabitq_query {
    kernel_probe probe;
    float constant;    /* of the distance, beside what the row adds; NaN: bounds say nothing */
    float slack;       /* rounding of the constant */
    float norm;        /* |query - centre| */
    float sigma_width; /* a bound is error * (sigma_width + slack_width) to either side */
    float slack_width;
    float rounding_width; /* the tables' rounding has its share of that: scale * rounding_width */
    float norm_square, norm_error; /* (m n)^2 = norm_square * scale^2 - norm_error * error^2 */
} rabitq_query;

/* Prepares the lookup tables (tables: 4 * padded bytes of the caller's, residual: padded floats of
 * scratch). `query` is the rotated vector; `sigmas` standard deviations are the bound. */
void rabitq_query_init(const rabitq *quantizer, const float *query, const float *centre,
                       float sigmas, float *residual, uint8_t *tables, rabitq_query *result);

/* What the kernels compare a row's part with, so that no row whose estimate or lower bound is at or
 * below `threshold` (a distance) fails. */
static inline float rabitq_limit(const rabitq_query *query, float threshold)
{
    return threshold - (query->constant - query->slack);
}

typedef struct rabitq_bounds {
    float estimate, lower, upper; /* of the distance; any of them may be NaN or infinite */
} rabitq_bounds;
/* The narrower bounds of the rows of a block that are in `mask`, lowest first, to bounds[0], ...;
 * `centred` is what the kernels gave for the 32 rows. */
void rabitq_bound_rows(const rabitq_query *query, const void *block, uint32_t mask,
                       const float *centred, rabitq_bounds *bounds);

#endif
