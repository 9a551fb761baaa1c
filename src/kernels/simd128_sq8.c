/* 8-bit codes, the SIMD128 tier: as avx2_sq8.c, 8 dimensions at a time. A load of 8 bytes widens
 * them in the same instruction; two nodes share the loads of the query.
 *
 * Compiled with -msimd128. Threads: pure functions.
 */
#include <wasm_simd128.h>

#include "kernels/kernels.h"
#include "kernels/sq8.h"

#define INLINE static inline __attribute__((always_inline))

INLINE int32_t add_lanes(v128_t four)
{
    v128_t two = wasm_i32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
    return wasm_i32x4_extract_lane(two, 0) + wasm_i32x4_extract_lane(two, 1);
}

int32_t sq8_encode_simd128(const float *r, size_t padded, float inverse_step, int8_t *code)
{
    const v128_t by = wasm_f32x4_splat(inverse_step);
    const v128_t lowest = wasm_f32x4_splat(-KERNEL_SQ8_MAX);
    const v128_t highest = wasm_f32x4_splat(KERNEL_SQ8_MAX);
    v128_t squares = wasm_i32x4_splat(0);
    for (size_t i = 0; i < padded; i += 8) {
        v128_t fours[2];
        for (size_t half = 0; half < 2; half++) {
            v128_t value = wasm_f32x4_mul(wasm_v128_load(r + i + 4 * half), by);
            value = wasm_f32x4_pmin(highest, wasm_f32x4_pmax(lowest, value));
            fours[half] = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(value));
        }
        v128_t words = wasm_i16x8_narrow_i32x4(fours[0], fours[1]);
        squares = wasm_i32x4_add(squares, wasm_i32x4_dot_i16x8(words, words));
        wasm_v128_store64_lane(code + i, wasm_i8x16_narrow_i16x8(words, words), 0);
    }
    return add_lanes(squares);
}

INLINE v128_t squared(v128_t a, v128_t b)
{
    v128_t difference = wasm_i16x8_sub(a, b);
    return wasm_i32x4_dot_i16x8(difference, difference);
}

void sq8_l2_simd128(const int8_t *code, const int8_t *codes, size_t padded, const uint32_t *nodes,
                    size_t count, int32_t *distances)
{
    for (size_t n = 0; n < count; n += 2) {
        const int8_t *first = codes + nodes[n] * padded;
        const int8_t *second = n + 1 < count ? codes + nodes[n + 1] * padded : first;
        v128_t sums[2] = {wasm_i32x4_splat(0), wasm_i32x4_splat(0)};
        for (size_t i = 0; i < padded; i += 8) {
            v128_t own = wasm_i16x8_load8x8(code + i);
            sums[0] = wasm_i32x4_add(sums[0], squared(own, wasm_i16x8_load8x8(first + i)));
            sums[1] = wasm_i32x4_add(sums[1], squared(own, wasm_i16x8_load8x8(second + i)));
        }
        distances[n] = add_lanes(sums[0]);
        if (n + 1 < count) distances[n + 1] = add_lanes(sums[1]);
    }
}

void sq8_dot_simd128(const int16_t *query, const int8_t *codes, size_t padded,
                     const uint32_t *nodes, size_t count, int32_t *dots)
{
    for (size_t n = 0; n < count; n += 2) {
        const int8_t *first = codes + nodes[n] * padded;
        const int8_t *second = n + 1 < count ? codes + nodes[n + 1] * padded : first;
        v128_t sums[2] = {wasm_i32x4_splat(0), wasm_i32x4_splat(0)};
        for (size_t i = 0; i < padded; i += 8) {
            v128_t own = wasm_v128_load(query + i);
            sums[0] =
                wasm_i32x4_add(sums[0], wasm_i32x4_dot_i16x8(own, wasm_i16x8_load8x8(first + i)));
            sums[1] =
                wasm_i32x4_add(sums[1], wasm_i32x4_dot_i16x8(own, wasm_i16x8_load8x8(second + i)));
        }
        dots[n] = add_lanes(sums[0]);
        if (n + 1 < count) dots[n + 1] = add_lanes(sums[1]);
    }
}
