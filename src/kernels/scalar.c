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

#include "kernels/kernels.h"

#define LANES 16u

static float add_lanes(float *lane)
{
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    }
    return lane[0];
}

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

static void mix_halves(float *x, size_t n)
{
    size_t half = n / 2;
    for (size_t i = 0; i < half; i++) {
        float a = x[i];
        float b = x[i + half];
        x[i] = (a + b) * KERNEL_HALF_ROOT;
        x[i + half] = (a - b) * KERNEL_HALF_ROOT;
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
    unsigned shift = kernel_nibble_shift(row);
    uint8_t *byte = codes + kernel_nibble_byte(row);
    for (size_t i = 0; i < padded; i += KERNEL_TABLE_DIMS) {
        unsigned nibble = sign_is_clear(r[i]) | sign_is_clear(r[i + 1]) << 1 |
                          sign_is_clear(r[i + 2]) << 2 | sign_is_clear(r[i + 3]) << 3;
        *byte = (uint8_t)((*byte & ~(15u << shift)) | nibble << shift);
        byte += KERNEL_TABLE_BYTES;
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

static void sum_block(const uint8_t *codes, const kernel_probe *probe, uint32_t *sums)
{
    memset(sums, 0, KERNEL_BLOCK_ROWS * sizeof *sums);
    const uint8_t *table = probe->tables;
    for (size_t t = 0; t < probe->padded / KERNEL_TABLE_DIMS; t++) {
        for (unsigned row = 0; row < KERNEL_BLOCK_ROWS; row++) {
            unsigned byte = codes[kernel_nibble_byte(row)];
            sums[row] += table[byte >> kernel_nibble_shift(row) & 15];
        }
        codes += KERNEL_TABLE_BYTES;
        table += KERNEL_TABLE_BYTES;
    }
}

/* The rows whose lower bound is not above the limit: NaN passes. */
static uint32_t test_block(const uint8_t *factors, const kernel_probe *probe, const uint32_t *sums,
                           float limit)
{
    float add[KERNEL_BLOCK_ROWS];
    float scale[KERNEL_BLOCK_ROWS];
    float error[KERNEL_BLOCK_ROWS];
    memcpy(add, factors, sizeof add);
    memcpy(scale, factors + sizeof add, sizeof scale);
    memcpy(error, factors + 2 * sizeof add, sizeof error);
    uint32_t mask = 0;
    for (unsigned row = 0; row < KERNEL_BLOCK_ROWS; row++) {
        float product = (float)sums[row] * probe->step + probe->shift;
        float lower = (add[row] + scale[row] * product) - error[row] * probe->width;
        mask |= (uint32_t) !(lower > limit) << row;
    }
    return mask;
}

static size_t scan(const kernel_probe *probe, const void *blocks, size_t rows, const uint64_t *live,
                   size_t first, float limit, kernel_hits *hits)
{
    size_t block_bytes = kernel_block_bytes(probe->padded);
    size_t count = rows / KERNEL_BLOCK_ROWS + (rows % KERNEL_BLOCK_ROWS != 0);
    for (size_t block = first; block < count; block++) {
        uint32_t wanted = kernel_live_rows(live, block, rows);
        if (wanted == 0) continue;
        const uint8_t *codes = (const uint8_t *)blocks + block * block_bytes;
        sum_block(codes, probe, hits->sums);
        wanted &= test_block(codes + 4 * probe->padded, probe, hits->sums, limit);
        if (wanted == 0) continue;
        hits->mask = wanted;
        return block;
    }
    return count;
}

const kernels kernels_scalar = {
    .name = "scalar",
    .dot = dot,
    .l2 = l2,
    .dot_rows = dot_rows,
    .l2_rows = l2_rows,
    .multiply = multiply,
    .hadamard = hadamard,
    .mix_halves = mix_halves,
    .residual = residual,
    .place_code = place_code,
    .group_max = group_max,
    .make_tables = make_tables,
    .scan = scan,
};
