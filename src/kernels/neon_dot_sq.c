/* 8-bit and 4-bit codes on processors with dot products of bytes (SDOT, UDOT); the encoder is
 * neon_sq.c's.
 *
 * An element of a query for 8-bit codes is 8 h + l with h and l in a byte, so that its products are
 * two dot products.
 * Functions carry the target themselves. Threads: pure functions.
 */
#include "kernels/kernels.h"

#if defined(KERNELS_NEON_DOT)
#include <arm_neon.h>

#include "kernels/sq.h"

#if defined(__ARM_FEATURE_DOTPROD)
#define DOT
#else
#define DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#define DOT_INLINE DOT static inline __attribute__((always_inline))

/* How far ahead: not measured on this architecture. */
#define PREFETCH_NODES 4u
/* Dimensions of a query that are split at a time; frames stay under 4 KB. */
#define PART 1536u

_Static_assert(KERNEL_SQ8_QUERY_MAX < 1024, "an eighth of a query's element fits a byte");

DOT_INLINE void prefetch_code(const void *code, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch((const uint8_t *)code + at);
}

DOT_INLINE int32_t one_l2(const int8_t *a, const int8_t *b, size_t padded)
{
    uint32x4_t sums[4];
    for (int j = 0; j < 4; j++)
        sums[j] = vdupq_n_u32(0);
    for (size_t i = 0; i < padded; i += 64) {
        for (size_t j = 0; j < 4; j++) {
            int8x16_t own = vld1q_s8(a + i + 16 * j);
            int8x16_t other = vld1q_s8(b + i + 16 * j);
            uint8x16_t difference = vreinterpretq_u8_s8(vabdq_s8(own, other));
            sums[j] = vdotq_u32(sums[j], difference, difference);
        }
    }
    return (int32_t)vaddvq_u32(vaddq_u32(vaddq_u32(sums[0], sums[1]), vaddq_u32(sums[2], sums[3])));
}

DOT void sq8_l2_neon_dot(const int8_t *code, const int8_t *codes, size_t padded,
                         const uint32_t *nodes, size_t count, int32_t *distances)
{
    for (size_t n = 0; n < PREFETCH_NODES && n < count; n++)
        prefetch_code(codes + nodes[n] * padded, padded);
    for (size_t n = 0; n < count; n++) {
        if (n + PREFETCH_NODES < count)
            prefetch_code(codes + nodes[n + PREFETCH_NODES] * padded, padded);
        distances[n] = one_l2(code, codes + nodes[n] * padded, padded);
    }
}

typedef struct split_query {
    int8_t eighths[PART];
    int8_t rests[PART]; /* 0 to 7 */
} split_query;

DOT_INLINE void split(const int16_t *query, size_t dims, split_query *parts)
{
    for (size_t i = 0; i < dims; i += 8) {
        int16x8_t eight = vld1q_s16(query + i);
        vst1_s8(parts->eighths + i, vshrn_n_s16(eight, 3));
        vst1_s8(parts->rests + i, vmovn_s16(vandq_s16(eight, vdupq_n_s16(7))));
    }
}

DOT_INLINE int32_t one_dot(const split_query *query, const int8_t *code, size_t dims)
{
    int32x4_t eighths[2], rests[2];
    for (int j = 0; j < 2; j++)
        eighths[j] = rests[j] = vdupq_n_s32(0);
    for (size_t i = 0; i < dims; i += 32) {
        for (size_t j = 0; j < 2; j++) {
            int8x16_t own = vld1q_s8(code + i + 16 * j);
            eighths[j] = vdotq_s32(eighths[j], own, vld1q_s8(query->eighths + i + 16 * j));
            rests[j] = vdotq_s32(rests[j], own, vld1q_s8(query->rests + i + 16 * j));
        }
    }
    int32x4_t high = vshlq_n_s32(vaddq_s32(eighths[0], eighths[1]), 3);
    return vaddvq_s32(vaddq_s32(high, vaddq_s32(rests[0], rests[1])));
}

DOT void sq8_dot_neon_dot(const int16_t *query, const int8_t *codes, size_t padded,
                          const uint32_t *nodes, size_t count, int32_t *dots)
{
    split_query parts;
    for (size_t at = 0; at < padded; at += PART) {
        size_t dims = padded - at < PART ? padded - at : PART;
        split(query + at, dims, &parts);
        for (size_t n = 0; n < PREFETCH_NODES && n < count; n++)
            prefetch_code(codes + nodes[n] * padded + at, dims);
        for (size_t n = 0; n < count; n++) {
            if (n + PREFETCH_NODES < count)
                prefetch_code(codes + nodes[n + PREFETCH_NODES] * padded + at, dims);
            int32_t sum = one_dot(&parts, codes + nodes[n] * padded + at, dims);
            dots[n] = at == 0 ? sum : dots[n] + sum;
        }
    }
}

DOT_INLINE int32_t one_dot_sq4(const int8_t *query, const uint8_t *code, size_t padded)
{
    int32x4_t low[2], high[2];
    for (int j = 0; j < 2; j++)
        low[j] = high[j] = vdupq_n_s32(0);
    for (size_t i = 0; i < padded; i += 64) {
        for (size_t j = 0; j < 2; j++) {
            const int8_t *own = query + i + 16 * j;
            uint8x16_t both = vld1q_u8(code + i / 2 + 16 * j);
            int8x16_t low_nibbles = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
            int8x16_t high_nibbles = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
            low[j] = vdotq_s32(low[j], low_nibbles, vld1q_s8(own));
            high[j] = vdotq_s32(high[j], high_nibbles, vld1q_s8(own + 32));
        }
    }
    return vaddvq_s32(vaddq_s32(vaddq_s32(low[0], low[1]), vaddq_s32(high[0], high[1])));
}

DOT void sq4_dot_neon_dot(const int8_t *query, const uint8_t *codes, size_t padded,
                          const uint32_t *nodes, size_t count, int32_t *dots)
{
    size_t bytes = padded / 2;
    for (size_t n = 0; n < PREFETCH_NODES && n < count; n++)
        prefetch_code(codes + nodes[n] * bytes, bytes);
    for (size_t n = 0; n < count; n++) {
        if (n + PREFETCH_NODES < count)
            prefetch_code(codes + nodes[n + PREFETCH_NODES] * bytes, bytes);
        dots[n] = one_dot_sq4(query, codes + nodes[n] * bytes, padded);
    }
}

#endif
