/* 8-bit and 4-bit codes, the SIMD128 tier: as avx2_sq.c, 8 dimensions at a time. A load of 8 bytes
 * widens them in the same instruction. Nodes are fetched together by reading a byte of each cache line.
 *
 * The tier `relaxed` has its own products with 4-bit codes alone. With 8-bit ones, relaxed products
 * are exact where a query is split (q + 1024 = 128 high + low) and the sum of the code taken off
 * again; three of them for two of these were 0-50 % slower in Chromium and Node on x86-64 without
 * AVX-VNNI (128 to 768 dimensions), where engines make each of two or three instructions.
 *
 * Compiled with -msimd128, or with -mrelaxed-simd. Threads: pure functions.
 */
#include <wasm_simd128.h>

#include "kernels/kernels.h"
#include "kernels/sq.h"

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

/* How many nodes, from `first` on, are in the cache after this; their codes have so many bytes. */
static __attribute__((noinline)) size_t
fetch_codes(const void *codes, size_t bytes, const uint32_t *nodes, size_t first, size_t count)
{
    size_t end = first + 1 + FETCH_BYTES / bytes;
    if (end > count) end = count;
    for (size_t n = first; n < end; n++) {
        const uint8_t *code = (const uint8_t *)codes + nodes[n] * bytes;
        for (size_t at = 0; at < bytes; at += 64)
            (void)*(const volatile uint8_t *)(code + at);
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

/* Nodes whose 4-bit codes share what is made of the query. For four the 16 registers of x86-64 do
 * not suffice: 30-45 % slower in cache, 10 % from memory (SIMD128, Node 20). */
#define GROUP 2u

#if defined(__wasm_relaxed_simd__)

/* Products of a byte with a sign and of one below 128, two added up in 16 bits: exact as long as
 * these do not saturate. (Those that add up four in 32 bits are 20 % slower on x86-64, and the
 * baseline compiler of Node 20 gets them wrong.) */
#define SCALE_BITS 0
_Static_assert(8 * KERNEL_SQ4_MAX * KERNEL_SQ8_MAX <= INT16_MAX, "a word holds eight products");

INLINE v128_t products(v128_t low, v128_t high, v128_t bytes)
{
    /* In shifting single bytes engines make the mask anew. */
    const v128_t low_nibbles = wasm_i8x16_const_splat(15);
    v128_t shifted = wasm_v128_and(wasm_u16x8_shr(bytes, 4), low_nibbles);
    return wasm_i16x8_add(
        wasm_i16x8_relaxed_dot_i8x16_i7x16(low, wasm_v128_and(bytes, low_nibbles)),
        wasm_i16x8_relaxed_dot_i8x16_i7x16(high, shifted));
}

/* The sums of `count` nodes (known when compiled) in lanes. */
INLINE void sum_nibbles(const int8_t *query, size_t padded, const uint8_t *const *nodes,
                        size_t count, v128_t *sums)
{
    for (size_t j = 0; j < count; j++)
        sums[j] = wasm_i32x4_splat(0);
    for (size_t i = 0; i < padded; i += 64) {
        v128_t own[4];
        for (size_t j = 0; j < 4; j++)
            own[j] = wasm_v128_load(query + i + 16 * j);
        for (size_t j = 0; j < count; j++) {
            const uint8_t *code = nodes[j] + i / 2;
            v128_t words = wasm_i16x8_add(products(own[0], own[2], wasm_v128_load(code)),
                                          products(own[1], own[3], wasm_v128_load(code + 16)));
            sums[j] = wasm_i32x4_add(sums[j], wasm_i32x4_extadd_pairwise_i16x8(words));
        }
    }
}

#else

/* A word of two bytes has four nibbles. Masked where they are, three of them are 1, 16 and 256 times
 * their value; the highest, whose bit would be a sign, is shifted down. Scaled as much the other way,
 * the query's elements make all products 256-fold: sums in four lanes are below 2^30. */
#define SCALE_BITS 8

/* What 32 dimensions of a query are multiplied with: `low` and `high` those of 16 bytes' nibbles. */
typedef struct scaled_query {
    v128_t by[4];
} scaled_query;

INLINE scaled_query scale_query(v128_t low, v128_t high)
{
    return (scaled_query){{
        wasm_i16x8_shl(low, 8),
        wasm_i16x8_shr(wasm_i16x8_shl(high, 8), 4),
        wasm_i16x8_shr(low, 8),
        wasm_v128_and(high, wasm_i16x8_const_splat((int16_t)0xff00)),
    }};
}

INLINE v128_t products(const scaled_query *query, v128_t words)
{
    v128_t first = wasm_v128_and(words, wasm_i16x8_const_splat(0x000f));
    v128_t second = wasm_v128_and(words, wasm_i16x8_const_splat(0x00f0));
    v128_t third = wasm_v128_and(words, wasm_i16x8_const_splat(0x0f00));
    v128_t fourth = wasm_u16x8_shr(words, 12);
    return wasm_i32x4_add(wasm_i32x4_add(wasm_i32x4_dot_i16x8(first, query->by[0]),
                                         wasm_i32x4_dot_i16x8(second, query->by[1])),
                          wasm_i32x4_add(wasm_i32x4_dot_i16x8(third, query->by[2]),
                                         wasm_i32x4_dot_i16x8(fourth, query->by[3])));
}

/* The sums of `count` nodes (known when compiled) in lanes. */
INLINE void sum_nibbles(const int8_t *query, size_t padded, const uint8_t *const *nodes,
                        size_t count, v128_t *sums)
{
    for (size_t j = 0; j < count; j++)
        sums[j] = wasm_i32x4_splat(0);
    for (size_t i = 0; i < padded; i += 64) {
        for (size_t half = 0; half < 32; half += 16) {
            scaled_query own = scale_query(wasm_v128_load(query + i + half),
                                           wasm_v128_load(query + i + 32 + half));
            for (size_t j = 0; j < count; j++) {
                v128_t words = wasm_v128_load(nodes[j] + i / 2 + half);
                sums[j] = wasm_i32x4_add(sums[j], products(&own, words));
            }
        }
    }
}

#endif

void sq4_dot_simd128(const int8_t *query, const uint8_t *codes, size_t padded,
                     const uint32_t *nodes, size_t count, int32_t *dots)
{
    size_t bytes = padded / 2;
    size_t fetched = 0;
    for (size_t n = 0; n < count; n += GROUP) {
        size_t last = n + 1 < count ? n + 1 : n;
        if (last >= fetched) fetched = fetch_codes(codes, bytes, nodes, n, count);
        const uint8_t *group[GROUP] = {codes + nodes[n] * bytes, codes + nodes[last] * bytes};
        v128_t sums[GROUP];
        sum_nibbles(query, padded, group, GROUP, sums);
        dots[n] = add_lanes(wasm_i32x4_shr(sums[0], SCALE_BITS));
        if (last > n) dots[last] = add_lanes(wasm_i32x4_shr(sums[1], SCALE_BITS));
    }
}
