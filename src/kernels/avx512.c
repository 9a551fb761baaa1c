/* The AVX-512 tier (F, BW, DQ, VL, VNNI, VPOPCNTDQ); the rest is the AVX2 tier's. */
#include "kernels/kernels.h"
#include "kernels/sq8.h"

static float dot(const float *a, const float *b, size_t n)
{
    return kernels_avx2.dot(a, b, n);
}

static float l2(const float *a, const float *b, size_t n)
{
    return kernels_avx2.l2(a, b, n);
}

static void dot_rows(const float *query, const float *const *rows, size_t count, size_t n,
                     float *results)
{
    kernels_avx2.dot_rows(query, rows, count, n, results);
}

static void l2_rows(const float *query, const float *const *rows, size_t count, size_t n,
                    float *results)
{
    kernels_avx2.l2_rows(query, rows, count, n, results);
}

static void multiply(float *x, const float *by, size_t n)
{
    kernels_avx2.multiply(x, by, n);
}

static void hadamard(float *x, size_t n)
{
    kernels_avx2.hadamard(x, n);
}

static void mix_mirrored(float *x, size_t n)
{
    kernels_avx2.mix_mirrored(x, n);
}

static void residual(const float *x, const float *centre, size_t padded, float *r,
                     kernel_sums *sums)
{
    kernels_avx2.residual(x, centre, padded, r, sums);
}

static void place_code(const float *r, size_t padded, unsigned row, uint8_t *codes)
{
    kernels_avx2.place_code(r, padded, row, codes);
}

static float group_max(const float *r, size_t padded)
{
    return kernels_avx2.group_max(r, padded);
}

static void make_tables(const float *r, size_t padded, float scale, uint8_t *tables)
{
    kernels_avx2.make_tables(r, padded, scale, tables);
}

static size_t scan(const kernel_probe *probe, const void *blocks, size_t rows, const uint64_t *live,
                   size_t first, float limit, float *minima, kernel_hits *hits)
{
    return kernels_avx2.scan(probe, blocks, rows, live, first, limit, minima, hits);
}

static size_t find_block(const float *minima, size_t first, size_t count, float limit)
{
    return kernels_avx2.find_block(minima, first, count, limit);
}

static void test_block(const kernel_probe *probe, const void *block, float limit, kernel_hits *hits)
{
    kernels_avx2.test_block(probe, block, limit, hits);
}

const kernels kernels_avx512 = {
    .name = "avx512",
    .dot = dot,
    .l2 = l2,
    .dot_rows = dot_rows,
    .l2_rows = l2_rows,
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
    .encode_sq8 = sq8_encode_avx512,
    .l2_sq8 = sq8_l2_avx512,
    .dot_sq8 = sq8_dot_avx512,
};
