/* 16-bit floats, the SIMD128 tier of WebAssembly, which has no conversion of them.
 *
 * The bits of a half's size, moved to where f32 has its exponent, are the half times 2^-112, as
 * normal or as denormal; one exact multiplication makes it right. Only infinity and NaN have to be
 * given their exponent. (In f32 those products are of denormals only for denormal halves, below
 * 6e-5: some engines' processors are slow with them.)
 */
#include <wasm_simd128.h>

#define HALF_TARGET
#define WIDTH 4u
#define GROUP 1u /* of two rows, the engine spills the sums (Node 20) */

#include "kernels/half_rows.h"

INLINE vec widen(const uint16_t *from)
{
    v128_t half = wasm_u32x4_load16x4(from);
    v128_t size = wasm_i32x4_shl(wasm_v128_and(half, wasm_i32x4_const_splat(0x7fff)), 13);
    v128_t value = wasm_f32x4_mul(size, wasm_f32x4_const_splat(0x1p112f));
    v128_t has_no_end = wasm_i32x4_gt(size, wasm_i32x4_const_splat(0x0f7fffff));
    value = wasm_v128_or(value, wasm_v128_and(has_no_end, wasm_i32x4_const_splat(0x7f800000)));
    v128_t sign = wasm_v128_and(wasm_i32x4_shl(half, 16), wasm_i32x4_const_splat(INT32_MIN));
    return (vec)wasm_v128_or(value, sign);
}

/* Writing costs more elsewhere. */
INLINE void narrow(vec from, uint16_t *to)
{
    half_encode_scalar((const float *)&from, WIDTH, to);
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
