/* 8-bit codes, the SIMD128 tier: as avx2_sq8.c, 8 dimensions at a time. A load of 8 bytes widens
 * them in the same instruction. Nodes are fetched together by reading a byte of each cache line.
 *
 * The tier `relaxed` has these too. Relaxed products of 8-bit and 7-bit integers are exact where a
 * query is split (q + 1024 = 128 high + low) and the sum of the code taken off again; three of them
 * for two of these were 0-50 % slower in Chromium and Node on x86-64 without AVX-VNNI (128 to 768
 * dimensions), where engines make each of two or three instructions.
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

/* Of codes that are fetched together: half of a small cache of the first level. */
#define FETCH_BYTES 16384u

/* How many nodes, from `first` on, are in the cache after this. */
static __attribute__((noinline)) size_t
fetch_codes(const int8_t *codes, size_t padded, const uint32_t *nodes, size_t first, size_t count)
{
    size_t end = first + 1 + FETCH_BYTES / padded;
    if (end > count) end = count;
    for (size_t n = first; n < end; n++) {
        const int8_t *code = codes + nodes[n] * padded;
        for (size_t at = 0; at < padded; at += 64)
            (void)*(const volatile int8_t *)(code + at);
    }
    return end;
}

void sq8_l2_simd128(const int8_t *code, const int8_t *codes, size_t padded, const uint32_t *nodes,
                    size_t count, int32_t *distances)
{
    size_t fetched = 0;
    for (size_t n = 0; n < count; n++) {
        if (n == fetched) fetched = fetch_codes(codes, padded, nodes, n, count);
        const int8_t *other = codes + nodes[n] * padded;
        v128_t even = wasm_i32x4_splat(0);
        v128_t odd = even;
        for (size_t i = 0; i < padded; i += 16) {
            even = wasm_i32x4_add(
                even, squared(wasm_i16x8_load8x8(code + i), wasm_i16x8_load8x8(other + i)));
            odd = wasm_i32x4_add(
                odd, squared(wasm_i16x8_load8x8(code + i + 8), wasm_i16x8_load8x8(other + i + 8)));
        }
        distances[n] = add_lanes(wasm_i32x4_add(even, odd));
    }
}

void sq8_dot_simd128(const int16_t *query, const int8_t *codes, size_t padded,
                     const uint32_t *nodes, size_t count, int32_t *dots)
{
    size_t fetched = 0;
    for (size_t n = 0; n < count; n++) {
        if (n == fetched) fetched = fetch_codes(codes, padded, nodes, n, count);
        const int8_t *code = codes + nodes[n] * padded;
        v128_t even = wasm_i32x4_splat(0);
        v128_t odd = even;
        for (size_t i = 0; i < padded; i += 16) {
            even = wasm_i32x4_add(even, wasm_i32x4_dot_i16x8(wasm_v128_load(query + i),
                                                             wasm_i16x8_load8x8(code + i)));
            odd = wasm_i32x4_add(odd, wasm_i32x4_dot_i16x8(wasm_v128_load(query + i + 8),
                                                           wasm_i16x8_load8x8(code + i + 8)));
        }
        dots[n] = add_lanes(wasm_i32x4_add(even, odd));
    }
}
