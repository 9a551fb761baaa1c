/* 16-bit floats, the SIMD128 tier of WebAssembly, which has no conversion of them.
 *
 * The bits of a half, moved to where f32 has its sign, exponent and fraction, are the half times
 * 2^-112, as normal or as denormal; one exact product makes it right. Only infinity and NaN, which
 * become 65536 and more, have to be given their exponent, where they may be.
 */
#include <wasm_simd128.h>

#define HALF_TARGET
#define WIDTH 4u
#define GROUP 1u /* of two rows, the engine spills the sums (Node 20) */

#include "kernels/half_rows.h"

INLINE vec widen(const uint16_t *from)
{
    v128_t half = wasm_i32x4_load16x4((const int16_t *)from);
    v128_t bits = wasm_v128_and(wasm_i32x4_shl(half, 13), wasm_i32x4_const_splat(~0x70001fff));
    return (vec)wasm_f32x4_mul(bits, wasm_f32x4_const_splat(0x1p112f));
}

/* Of rows that are fetched together: half of a small cache of the first level. */
#define FETCH_BYTES 16384u

/* Reads a word of each cache line, for want of a prefetch: these loads wait for memory together, those
 * of the sums would one after the other. */
INLINE size_t fetch_rows(const uint16_t *const *rows, size_t count, size_t n)
{
    size_t batch = 1 + FETCH_BYTES / sizeof **rows / (n + 1);
    if (batch > count) batch = count;
    for (size_t row = 0; row < batch; row++) {
        for (size_t i = 0; i < n; i += 64 / sizeof **rows)
            (void)*(const volatile uint16_t *)(rows[row] + i);
    }
    return batch;
}

HALF_ROWS(simd128)

void half_decode_simd128(const uint16_t *halves, size_t n, float *values)
{
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        v128_t value = (v128_t)widen(halves + i);
        v128_t is_endless = wasm_f32x4_ge(wasm_f32x4_abs(value), wasm_f32x4_const_splat(65536));
        v128_t exponent = wasm_v128_and(is_endless, wasm_i32x4_const_splat(0x7f800000));
        wasm_v128_store(values + i, wasm_v128_or(value, exponent));
    }
    half_decode_scalar(halves + i, n - i, values + i);
}

/* The compiler makes vectors of it. */
void half_encode_simd128(const float *values, size_t n, uint16_t *halves)
{
    half_encode_scalar(values, n, halves);
}
