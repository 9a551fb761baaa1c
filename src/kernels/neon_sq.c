/* 8-bit and 4-bit codes, the NEON tier. Differences of bytes fit a byte without a sign, whose square
 * fits 16 bits; products with a query widen to 16 bits first; those with nibbles add up there for a
 * while. neon_dot_sq.c is for processors with dot products of bytes.
 *
 * A node is a random place in memory, so the lines of nodes to come are fetched while the present
 * one is summed up. Threads: pure functions.
 */
#include <arm_neon.h>

#include "kernels/kernels.h"
#include "kernels/sq.h"

#define INLINE static inline __attribute__((always_inline))

/* How far ahead: not measured on this architecture. */
#define PREFETCH_NODES 4u

INLINE void prefetch_code(const void *code, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch((const uint8_t *)code + at);
}

int32_t sq8_encode_neon(const float *r, size_t padded, float inverse_step, int8_t *code)
{
    const float32x4_t by = vdupq_n_f32(inverse_step);
    const float32x4_t lowest = vdupq_n_f32(-KERNEL_SQ8_MAX);
    const float32x4_t highest = vdupq_n_f32(KERNEL_SQ8_MAX);
    int32x4_t squares = vdupq_n_s32(0);
    for (size_t i = 0; i < padded; i += 8) {
        int16x4_t fours[2];
        for (size_t half = 0; half < 2; half++) {
            float32x4_t value = vmulq_f32(vld1q_f32(r + i + 4 * half), by);
            /* NaN is not above the lowest. */
            value = vbslq_f32(vcgtq_f32(value, lowest), value, lowest);
            fours[half] = vmovn_s32(vcvtnq_s32_f32(vminq_f32(value, highest)));
            squares = vmlal_s16(squares, fours[half], fours[half]);
        }
        vst1_s8(code + i, vmovn_s16(vcombine_s16(fours[0], fours[1])));
    }
    return vaddvq_s32(squares);
}

INLINE int32_t one_l2(const int8_t *a, const int8_t *b, size_t padded)
{
    uint32x4_t low = vdupq_n_u32(0);
    uint32x4_t high = low;
    for (size_t i = 0; i < padded; i += 16) {
        uint8x16_t difference = vreinterpretq_u8_s8(vabdq_s8(vld1q_s8(a + i), vld1q_s8(b + i)));
        low = vpadalq_u16(low, vmull_u8(vget_low_u8(difference), vget_low_u8(difference)));
        high = vpadalq_u16(high, vmull_high_u8(difference, difference));
    }
    return (int32_t)vaddvq_u32(vaddq_u32(low, high));
}

void sq8_l2_neon(const int8_t *code, const int8_t *codes, size_t padded, const uint32_t *nodes,
                 size_t count, int32_t *distances)
{
    for (size_t n = 0; n < PREFETCH_NODES && n < count; n++)
        prefetch_code(codes + nodes[n] * padded, padded);
    for (size_t n = 0; n < count; n++) {
        if (n + PREFETCH_NODES < count)
            prefetch_code(codes + nodes[n + PREFETCH_NODES] * padded, padded);
        distances[n] = one_l2(code, codes + nodes[n] * padded, padded);
    }
}

INLINE int32_t one_dot(const int16_t *query, const int8_t *code, size_t padded)
{
    int32x4_t sums[4];
    for (int j = 0; j < 4; j++)
        sums[j] = vdupq_n_s32(0);
    for (size_t i = 0; i < padded; i += 16) {
        int8x16_t bytes = vld1q_s8(code + i);
        int16x8_t low = vmovl_s8(vget_low_s8(bytes));
        int16x8_t high = vmovl_high_s8(bytes);
        int16x8_t query_low = vld1q_s16(query + i);
        int16x8_t query_high = vld1q_s16(query + i + 8);
        sums[0] = vmlal_s16(sums[0], vget_low_s16(low), vget_low_s16(query_low));
        sums[1] = vmlal_high_s16(sums[1], low, query_low);
        sums[2] = vmlal_s16(sums[2], vget_low_s16(high), vget_low_s16(query_high));
        sums[3] = vmlal_high_s16(sums[3], high, query_high);
    }
    return vaddvq_s32(vaddq_s32(vaddq_s32(sums[0], sums[1]), vaddq_s32(sums[2], sums[3])));
}

void sq8_dot_neon(const int16_t *query, const int8_t *codes, size_t padded, const uint32_t *nodes,
                  size_t count, int32_t *dots)
{
    for (size_t n = 0; n < PREFETCH_NODES && n < count; n++)
        prefetch_code(codes + nodes[n] * padded, padded);
    for (size_t n = 0; n < count; n++) {
        if (n + PREFETCH_NODES < count)
            prefetch_code(codes + nodes[n + PREFETCH_NODES] * padded, padded);
        dots[n] = one_dot(query, codes + nodes[n] * padded, padded);
    }
}

/* Dimensions of a 4-bit code whose sums fit 16 bits: of each 64, a word receives four products. */
#define WORD_DIMS 256u
_Static_assert(WORD_DIMS / 64 * 4 * KERNEL_SQ4_MAX * KERNEL_SQ8_MAX <= INT16_MAX,
               "sums in words do not overflow");

INLINE int16x8_t add_products(int16x8_t words, uint8x16_t nibbles, const int8_t *query)
{
    int8x16_t other = vreinterpretq_s8_u8(nibbles);
    int8x16_t own = vld1q_s8(query);
    words = vmlal_s8(words, vget_low_s8(other), vget_low_s8(own));
    return vmlal_high_s8(words, other, own);
}

INLINE int32_t one_dot_sq4(const int8_t *query, const uint8_t *code, size_t padded)
{
    int32x4_t sum = vdupq_n_s32(0);
    for (size_t i = 0; i < padded; i += WORD_DIMS) {
        size_t end = padded - i < WORD_DIMS ? padded : i + WORD_DIMS;
        int16x8_t low = vdupq_n_s16(0);
        int16x8_t high = low;
        for (size_t group = i; group < end; group += 64) {
            for (size_t half = 0; half < 32; half += 16) {
                const int8_t *own = query + group + half;
                uint8x16_t bytes = vld1q_u8(code + group / 2 + half);
                low = add_products(low, vandq_u8(bytes, vdupq_n_u8(15)), own);
                high = add_products(high, vshrq_n_u8(bytes, 4), own + 32);
            }
        }
        sum = vpadalq_s16(vpadalq_s16(sum, low), high);
    }
    return vaddvq_s32(sum);
}

void sq4_dot_neon(const int8_t *query, const uint8_t *codes, size_t padded, const uint32_t *nodes,
                  size_t count, int32_t *dots)
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
