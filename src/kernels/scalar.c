/* The scalar tier: the definition of every kernel.
 *
 * Plain C, written so that the order of every rounding is plain to see: 16 lanes, one tree, no
 * fused multiply-add (the build sets -ffp-contract=off). Compilers may vectorise it, which does
 * not change a bit, and it is the tier of machines that have no other.
 *
 * It prefetches nothing and unrolls nothing. Threads: pure functions.
 */
#include <math.h>
#include <string.h>

#include "kernels/bits.h"
#include "kernels/further.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "kernels/lanes.h"
#include "kernels/sq.h"

/* A vector that ends within the 16 lanes counts as padded with zeros: they change no lane, since
 * a lane is never -0. */
static float dot(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++)
            lane[j] += a[i + j] * b[i + j];
    }
    for (size_t j = 0; i + j < n; j++)
        lane[j] += a[i + j] * b[i + j];
    return add_lanes(lane);
}

static float l2(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            float difference = a[i + j] - b[i + j];
            lane[j] += difference * difference;
        }
    }
    for (size_t j = 0; i + j < n; j++) {
        float difference = a[i + j] - b[i + j];
        lane[j] += difference * difference;
    }
    return add_lanes(lane);
}

static void dot_rows(const float *query, const float *const *rows, size_t count, size_t n,
                     float *results)
{
    for (size_t row = 0; row < count; row++)
        results[row] = dot(query, rows[row], n);
}

static void l2_rows(const float *query, const float *const *rows, size_t count, size_t n,
                    float *results)
{
    for (size_t row = 0; row < count; row++)
        results[row] = l2(query, rows[row], n);
}

static void multiply(float *x, const float *by, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= by[i];
}

static void hadamard(float *x, size_t n)
{
    for (size_t h = 1; h < n; h *= 2) {
        for (size_t start = 0; start < n; start += 2 * h) {
            for (size_t i = start; i < start + h; i++) {
                float a = x[i];
                float b = x[i + h];
                x[i] = a + b;
                x[i + h] = a - b;
            }
        }
    }
}

static void mix_mirrored(float *x, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        float a = x[i];
        float b = x[n - 1 - i];
        x[i] = (a + b) * KERNEL_HALF_ROOT;
        x[n - 1 - i] = (a - b) * KERNEL_HALF_ROOT;
    }
}

static void residual(const float *x, const float *centre, size_t padded, float *r,
                     kernel_sums *sums)
{
    float l1[LANES] = {0};
    float squares[LANES] = {0};
    float product[LANES] = {0};
    for (size_t i = 0; i < padded; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            float value = x[i + j] - centre[i + j];
            r[i + j] = value;
            l1[j] += fabsf(value);
            squares[j] += value * value;
            product[j] += value * centre[i + j];
        }
    }
    sums->l1 = add_lanes(l1);
    sums->squares = add_lanes(squares);
    sums->dot = add_lanes(product);
}

static unsigned sign_is_clear(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return 1 - (bits >> 31);
}

static void place_code(const float *r, size_t padded, unsigned row, uint8_t *codes)
{
    uint8_t *byte = codes + kernel_row_byte(row);
    for (size_t i = 0; i < padded; i += 8) {
        unsigned bits = 0;
        for (unsigned j = 0; j < 8; j++)
            bits |= sign_is_clear(r[i + j]) << j;
        *byte = (uint8_t)bits;
        byte += KERNEL_BLOCK_ROWS;
    }
}

static float group_max(const float *r, size_t padded)
{
    float largest = 0;
    for (size_t i = 0; i < padded; i += KERNEL_TABLE_DIMS) {
        float sum = (fabsf(r[i]) + fabsf(r[i + 1])) + (fabsf(r[i + 2]) + fabsf(r[i + 3]));
        if (sum > largest) largest = sum;
    }
    return largest;
}

/* What a value contributes to an entry whose bit is `bit`. */
static float agreeing(float value, unsigned bit)
{
    if (bit) return value > 0 ? value : 0;
    return value < 0 ? -value : 0;
}

static void make_tables(const float *r, size_t padded, float scale, uint8_t *tables)
{
    for (size_t i = 0; i < padded; i += KERNEL_TABLE_DIMS) {
        for (unsigned m = 0; m < 16; m++) {
            float v0 = agreeing(r[i], m & 1);
            float v1 = agreeing(r[i + 1], m >> 1 & 1);
            float v2 = agreeing(r[i + 2], m >> 2 & 1);
            float v3 = agreeing(r[i + 3], m >> 3 & 1);
            float entry = ((v0 + v1) + (v2 + v3)) * scale + 0.5f;
            *tables++ = (uint8_t)entry;
        }
    }
}

static void sum_rows(const kernel_probe *probe, const uint8_t *codes, uint32_t *sums)
{
    const uint8_t *table = probe->tables;
    memset(sums, 0, KERNEL_BLOCK_ROWS * sizeof *sums);
    for (size_t i = 0; i < probe->padded; i += 8) {
        for (unsigned row = 0; row < KERNEL_BLOCK_ROWS; row++) {
            unsigned byte = codes[kernel_row_byte(row)];
            sums[row] += (uint32_t)table[byte & 15] + table[KERNEL_TABLE_BYTES + (byte >> 4)];
        }
        codes += KERNEL_BLOCK_ROWS;
        table += 2 * KERNEL_TABLE_BYTES;
    }
}

typedef struct block_bounds {
    float upper[KERNEL_BLOCK_ROWS];
    float lower[KERNEL_BLOCK_ROWS];
} block_bounds;

static void bound_rows(const kernel_probe *probe, const uint8_t *codes, float *centred,
                       block_bounds *bounds)
{
    const uint8_t *factors = codes + 4 * probe->padded;
    uint32_t sums[KERNEL_BLOCK_ROWS];
    float add[KERNEL_BLOCK_ROWS];
    float scale[KERNEL_BLOCK_ROWS];
    float error[KERNEL_BLOCK_ROWS];
    sum_rows(probe, codes, sums);
    memcpy(add, factors, sizeof add);
    memcpy(scale, factors + sizeof add, sizeof scale);
    memcpy(error, factors + 2 * sizeof add, sizeof error);
    for (unsigned row = 0; row < KERNEL_BLOCK_ROWS; row++) {
        centred[row] = (float)sums[row] - probe->middle;
        float estimate = add[row] + scale[row] * (centred[row] * probe->step);
        bounds->upper[row] = estimate + error[row] * probe->reach;
        bounds->lower[row] = estimate - error[row] * probe->width;
    }
}

/* Values that are not above the limit. */
static uint32_t pass_mask(const float *values, float limit)
{
    uint32_t mask = 0;
    for (unsigned row = 0; row < KERNEL_BLOCK_ROWS; row++) {
        mask |= (uint32_t) !(values[row] > limit) << row;
    }
    return mask;
}

static float least_of(const float *values)
{
    float least = values[0];
    for (unsigned row = 1; row < KERNEL_BLOCK_ROWS; row++) {
        if (values[row] < least) least = values[row];
    }
    return least;
}

static size_t scan(const kernel_probe *probe, const void *blocks, size_t rows, const uint64_t *live,
                   size_t first, float limit, float *minima, kernel_hits *hits)
{
    const uint8_t *codes = blocks;
    size_t block_bytes = kernel_block_bytes(probe->padded);
    size_t count = kernel_blocks(rows);
    for (size_t pair = first; pair < kernel_pairs(rows); pair++) {
        uint64_t wanted = kernel_live_rows(live, pair, rows);
        uint64_t passes = 0;
        for (size_t block = 2 * pair; block < 2 * pair + 2 && block < count; block++) {
            block_bounds bounds;
            minima[block] = INFINITY;
            if (wanted == 0) continue;
            unsigned half = block % 2 * KERNEL_BLOCK_ROWS;
            bound_rows(probe, codes + block * block_bytes, hits->centred + half, &bounds);
            minima[block] = least_of(bounds.lower);
            passes |= (uint64_t)pass_mask(bounds.upper, limit) << half;
        }
        hits->mask = wanted & passes;
        if (hits->mask != 0) return pair;
    }
    return kernel_pairs(rows);
}

static size_t find_block(const float *minima, size_t first, size_t count, float limit)
{
    size_t block = first;
    while (block < count && minima[block] > limit)
        block++;
    return block;
}

static void test_block(const kernel_probe *probe, const void *block, float limit, kernel_hits *hits)
{
    block_bounds bounds;
    bound_rows(probe, block, hits->centred, &bounds);
    hits->mask = pass_mask(bounds.lower, limit);
}

const kernels kernels_scalar = {
    .name = "scalar",
    .dot = dot,
    .l2 = l2,
    .dot_rows = dot_rows,
    .l2_rows = l2_rows,
    .further = further_scalar,
    .multiply = multiply,
    .hadamard = hadamard,
    .mix_mirrored = mix_mirrored,
    .residual = residual,
    .place_code = place_code,
    .group_max = group_max,
    .make_tables = make_tables,
    .scan = scan,
    .find_block = find_block,
    .test_block = test_block,
    .encode_sq8 = sq8_encode_scalar,
    .l2_sq8 = sq8_l2_scalar,
    .dot_sq8 = sq8_dot_scalar,
    .dot_sq4 = sq4_dot_scalar,
    HALF_TABLE(scalar),
    BITS_TABLE(scalar),
};
