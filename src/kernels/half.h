/* 16-bit floats (IEEE 754 binary16): conversions, and distances of an f32 query and rows of them.
 *
 * Encoding rounds to the nearest, ties to even, and keeps denormals; above 65504 and a half step
 * (from 65520 on) it gives infinity, of NaN a quiet one. Decoding is exact. Distances of finite
 * rows are what decoding and then dot_rows or l2_rows give, bit for bit.
 */
#ifndef VEER_KERNELS_HALF_H
#define VEER_KERNELS_HALF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HALF_KERNELS(tier)                                                                   \
    void half_encode_##tier(const float *values, size_t n, uint16_t *halves);                \
    void half_decode_##tier(const uint16_t *halves, size_t n, float *values);                \
    void half_dot_rows_##tier(const float *query, const uint16_t *const *rows, size_t count, \
                              size_t n, float *results);                                     \
    void half_l2_rows_##tier(const float *query, const uint16_t *const *rows, size_t count,  \
                             size_t n, float *results)

HALF_KERNELS(scalar);
HALF_KERNELS(avx2);
HALF_KERNELS(avx512);
HALF_KERNELS(neon);
HALF_KERNELS(simd128);

/* A tier's place in its table. */
#define HALF_TABLE(tier)                                                  \
    .encode_half = half_encode_##tier, .decode_half = half_decode_##tier, \
    .dot_half_rows = half_dot_rows_##tier, .l2_half_rows = half_l2_rows_##tier

/* kernel_is_stream, of rows of halves. */
static inline bool half_is_stream(const uint16_t *const *rows, size_t count, size_t n)
{
    if (count == 0) return false;
    uintptr_t span = (uintptr_t)rows[count - 1] - (uintptr_t)rows[0];
    return span <= (count + count / 8) * n * sizeof(uint16_t);
}

#endif
