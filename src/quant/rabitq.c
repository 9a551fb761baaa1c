/* RaBitQ (Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound",
 * SIGMOD 2024): one bit per dimension, an unbiased estimate, a bound.
 *
 * For a vector x, a query q and a centre c, all rotated, with D padded dimensions, let r = x - c,
 * p = q - c, n = |r| and b the signs (+1, -1) of r. Then
 *
 *     <r, p>  is estimated by  n^2 / |r|_1 * <b, p>                 (unbiased over rotations)
 *     |error| / (n |p| sin(r, p))  has deviation  A = sqrt((1 / u^2 - 1) / (D - 1))
 *                                  where u = |r|_1 / (n sqrt(D)) is the cosine of r and b
 *
 * since b is u times r's direction plus a part that is orthogonal to it and, over rotations,
 * uniform on the sphere of D - 1 dimensions. Distances (m is 2 under l2, else 1):
 *
 *     l2          |x - q|^2  = n^2 + |p|^2 - 2 <r, p>
 *     dot         -<x, q>    = -<r, c> - <c, q> - <r, p>            cosine: 1 more
 *
 * Per row three factors:   add   = n^2, or -<r, c>
 *                          scale = -m n^2 / |r|_1
 *                          error = m n sqrt(A^2 + R^2)
 * and per query a constant, and lookup tables of p: entry m of table t counts |p[i]| of the dimensions
 * whose sign agrees with bit i of m, in steps of w. With S the sum of a row's entries,
 * <b, p> = 2 w S - |p|_1 = 2 w (S - middle), where w is chosen so that middle is whole. A rounding error of an entry is uniform in a step, that of <b, p> has the deviation
 * 2 w sqrt(D / 48). R^2 is that for the widest usual step, w = 8 / 31 * |p| / sqrt(D) (rotated values are nearly
 * normal; the largest of 2048 sums of four is rarely above 8 deviations of one), and where a
 * query's step is wider, its bound is widened in proportion. R adds 0.8 % to the bound.
 *
 * The scan's bound is  add + scale * <b, p> -+ error * sigmas * |p|. For rows that pass, it is then
 * made to know the angle: the deviation carries sin(r, p), which depends on <r, p> itself; solving
 * (<r,p> - estimate)^2 <= a^2 (N^2 - <r,p>^2), N = n |p|, a = sigmas * A, gives
 *
 *     <r, p>  in  estimate / (1 + a^2)  +-  a N sqrt(1 + a^2 - (estimate / N)^2) / (1 + a^2)
 *
 * (the tables' rounding, which knows no angle, is added to that in squares),
 * which is much narrower for the near rows, on which the threshold of a search depends. n is found again from
 * scale and error.
 *
 * Rounding: f32 distances, rotations and factors have errors of a few 1e-7 of the lengths involved,
 * |c| included. SLACK and SLACK_WIDTH (both chosen well above what was measured) keep a row whose bound has
 * no width of its own (r or p is zero) from being lost to them.
 *
 * Degenerate rows. r = 0: scale and error are 0, the estimate is exact. Sums that leave f32's range
 * are taken again in f64. Rows further than 2^56 from their centre get the factors (0, 0,
 * infinity): the lower bound is -infinity and the row is always a candidate; so are all rows for
 * a query that is that long, or too short for tables, whose constant is NaN. Order and rounding of all sums are fixed by kernels.h, the rest is scalar f64
 * rounded to f32 once, so codes and factors are the same bits everywhere.
 *
 * Threads: pure functions.
 */
#include "quant/rabitq.h"

#include <math.h>
#include <string.h>

/* Deviation of the usual table rounding for |p| = 1, squared: (2 * 8 / 31)^2 / 48. */
#define USUAL_STEP (8.0 / KERNEL_TABLE_MAX)
#define ROUNDING_SQUARE (4 * USUAL_STEP * USUAL_STEP / 48)

#define SLACK 0x1p-18
#define SLACK_WIDTH 0x1p-10
/* Keeps rows whose distances are denormal. */
#define SLACK_LEAST 0x1p-133

/* Sums of squares in this range lost nothing to overflow or underflow in f32. */
#define SQUARES_MIN 0x1p-60f
#define SQUARES_MAX 0x1p120f

/* Lengths up to this keep all products of factors and widths finite. */
#define NORM_MAX 0x1p56
#define ADD_MAX 0x1p113
#define WIDTH_MAX 0x1p64

/* Group sums from here on give finite table scales. */
#define GROUP_MIN 0x1p-120f

/* Below it a product of two squares has lost digits in f32, and the plain bound is kept. */
#define SQUARE_MIN 0x1p-90f
#define SQUARE_MAX 0x1p120f

/* Share of the plain bound within which the narrower upper bounds of near rows lie. It decides how
 * often a scan stops, not what it finds: measured with bench/flat_search, 0.5 stops half as often
 * as 0 and settles nearly the same threshold. */
#define REACH 0.5f

typedef struct wide_sums {
    double l1, squares, dot;
} wide_sums;

static wide_sums residual_sums(const rabitq *quantizer, const float *vector, const float *centre,
                               float *residual)
{
    kernel_sums sums;
    quantizer->kernels->residual(vector, centre, quantizer->padded, residual, &sums);
    if (sums.squares >= SQUARES_MIN && sums.squares <= SQUARES_MAX && isfinite(sums.dot)) {
        return (wide_sums){(double)sums.l1, (double)sums.squares, (double)sums.dot};
    }
    wide_sums wide = {0, 0, 0};
    for (uint32_t i = 0; i < quantizer->padded; i++) {
        double value = (double)residual[i];
        wide.l1 += fabs(value);
        wide.squares += value * value;
        wide.dot += value * (double)centre[i];
    }
    return wide;
}

/* m in the formulas above. */
static double metric_factor(const rabitq *quantizer)
{
    return quantizer->metric == VEER_METRIC_L2 ? 2 : 1;
}

/* ---------------------------------------------------------------- rows */

static void place_factors(const rabitq *quantizer, unsigned row, float add, float scale,
                          float error, void *block)
{
    uint8_t *factors = (uint8_t *)block + 4 * (size_t)quantizer->padded;
    const size_t each = KERNEL_BLOCK_ROWS * sizeof(float);
    memcpy(factors + row * sizeof add, &add, sizeof add);
    memcpy(factors + each + row * sizeof scale, &scale, sizeof scale);
    memcpy(factors + 2 * each + row * sizeof error, &error, sizeof error);
}

void rabitq_clear_block(const rabitq *quantizer, void *block)
{
    memset(block, 0, 4 * (size_t)quantizer->padded);
    for (unsigned row = 0; row < KERNEL_BLOCK_ROWS; row++) {
        place_factors(quantizer, row, INFINITY, 0, 0, block);
    }
}

void rabitq_encode(const rabitq *quantizer, const float *vector, const float *centre,
                   float *residual, unsigned row, void *block)
{
    wide_sums sums = residual_sums(quantizer, vector, centre, residual);
    quantizer->kernels->place_code(residual, quantizer->padded, row, block);

    double factor = metric_factor(quantizer);
    double dims = (double)quantizer->padded;
    double scale = 0;
    double error = 0;
    if (sums.l1 > 0) {
        double flatness = sums.squares * dims / (sums.l1 * sums.l1); /* 1 / u^2 */
        double variance = (flatness > 1 ? flatness - 1 : 0) / (dims - 1);
        variance += ROUNDING_SQUARE * flatness / dims;
        scale = -factor * sums.squares / sums.l1;
        error = factor * sqrt(sums.squares * variance);
    }
    float add_f32 = (float)(quantizer->metric == VEER_METRIC_L2 ? sums.squares : -sums.dot);
    float scale_f32 = (float)scale;
    float error_f32 = (float)error;
    if (!(sums.squares <= NORM_MAX * NORM_MAX) || !(fabsf(add_f32) <= (float)ADD_MAX)) {
        add_f32 = scale_f32 = 0;
        error_f32 = INFINITY;
    }
    place_factors(quantizer, row, add_f32, scale_f32, error_f32, block);
}

/* ---------------------------------------------------------------- queries */

/* Tables that say nothing: every row of this centre is a candidate. */
static void give_up(rabitq_query *result)
{
    memset((void *)(uintptr_t)result->probe.tables, 0, 4 * result->probe.padded);
    result->constant = NAN;
    result->probe.middle = result->probe.step = 0;
    result->probe.width = result->probe.reach = 1;
}

void rabitq_query_init(const rabitq *quantizer, const float *query, const float *centre,
                       float sigmas, float *residual, uint8_t *tables, rabitq_query *result)
{
    const kernels *k = quantizer->kernels;
    size_t padded = quantizer->padded;
    double dims = (double)padded;
    wide_sums sums = residual_sums(quantizer, query, centre, residual);
    double norm = sqrt(sums.squares);
    double centre_norm = sqrt((double)k->dot(centre, centre, padded));
    double length = norm + centre_norm;

    double constant, slack;
    if (quantizer->metric == VEER_METRIC_L2) {
        constant = sums.squares;
        slack = norm * length;
    } else {
        constant = -(double)k->dot(centre, query, padded);
        if (quantizer->metric == VEER_METRIC_COSINE) constant += 1;
        slack = centre_norm * length;
    }
    result->constant = (float)constant;
    result->slack = (float)(SLACK * (slack + fabs(constant)) + SLACK_LEAST);
    result->norm = (float)norm;
    result->norm_square = (float)(dims * (1 + ROUNDING_SQUARE * (dims - 1) / dims));
    result->norm_error = (float)(dims - 1);
    result->probe.tables = tables;
    result->probe.padded = padded;

    float group = k->group_max(residual, padded);
    bool is_zero = group == 0;
    if (!(length <= NORM_MAX) || (!is_zero && group < GROUP_MIN)) {
        give_up(result);
        return;
    }
    /* The narrowest step for which -|p|_1 is a whole number of double steps. */
    double middle = is_zero ? 0 : floor(sums.l1 * KERNEL_TABLE_MAX / (2 * (double)group));
    double step = is_zero ? 0 : sums.l1 / (2 * middle);
    double usual = USUAL_STEP * norm / sqrt(dims);
    double sigma_width = (double)sigmas * norm * (step > usual ? step / usual : 1);
    result->sigma_width = (float)(sigma_width < WIDTH_MAX ? sigma_width : WIDTH_MAX);
    result->rounding_width = (float)(result->sigma_width * sqrt(ROUNDING_SQUARE));
    result->slack_width = (float)(SLACK_WIDTH * length + SLACK_LEAST);
    result->probe.middle = (float)middle;
    result->probe.step = (float)(2 * step);
    result->probe.width = result->sigma_width + result->slack_width;
    result->probe.reach = result->probe.width * REACH;
    k->make_tables(residual, padded, is_zero ? 0 : (float)(1 / step), tables);
}

static rabitq_bounds bound_row(const rabitq_query *query, float add, float scale, float error,
                               float centred)
{
    float base = add + query->constant;
    float product = scale * (centred * query->probe.step);
    float middle = product;
    float half = error * query->sigma_width;

    /* square is (m n |p|)^2 = (m N)^2, spread its share a^2: half^2 without the tables' rounding. */
    float row_square = query->norm_square * (scale * scale) - query->norm_error * (error * error);
    float square = row_square * query->norm * query->norm;
    float rounding = scale * query->rounding_width;
    float spread = half * half - rounding * rounding;
    float total = square + spread;
    float inside = total - product * product;
    if (row_square > SQUARE_MIN && square > SQUARE_MIN && total < SQUARE_MAX && inside > 0) {
        float inverse = 1 / total;
        float narrow = square * inverse; /* 1 / (1 + a^2) */
        middle = product * narrow;
        half = sqrtf((spread * inverse) * (inside * narrow) + rounding * rounding);
    }
    half += error * query->slack_width + query->slack;
    return (rabitq_bounds){
        .estimate = base + product,
        .lower = base + middle - half,
        .upper = base + middle + half,
    };
}

void rabitq_bound_rows(const rabitq_query *query, const void *block, uint32_t mask,
                       const float *centred, rabitq_bounds *bounds)
{
    const uint8_t *factors = (const uint8_t *)block + 4 * query->probe.padded;
    const size_t each = KERNEL_BLOCK_ROWS * sizeof(float);
    for (; mask != 0; mask &= mask - 1) {
        unsigned row = (unsigned)__builtin_ctz(mask);
        float add, scale, error;
        memcpy(&add, factors + row * sizeof add, sizeof add);
        memcpy(&scale, factors + each + row * sizeof scale, sizeof scale);
        memcpy(&error, factors + 2 * each + row * sizeof error, sizeof error);
        *bounds++ = bound_row(query, add, scale, error, centred[row]);
    }
}
