/* The tiers' kernels of 8-bit and 4-bit codes, for their tables (kernels.h says what they do). */
#ifndef VEER_KERNELS_SQ_H
#define VEER_KERNELS_SQ_H

#include <stddef.h>
#include <stdint.h>

#define SQ_KERNELS(tier)                                                                        \
    int32_t sq8_encode_##tier(const float *r, size_t padded, float inverse_step, int8_t *code); \
    void sq8_l2_##tier(const int8_t *code, const int8_t *codes, size_t padded,                  \
                       const uint32_t *nodes, size_t count, int32_t *distances);                \
    void sq8_dot_##tier(const int16_t *query, const int8_t *codes, size_t padded,               \
                        const uint32_t *nodes, size_t count, int32_t *dots);                    \
    void sq4_dot_##tier(const int8_t *query, const uint8_t *codes, size_t padded,               \
                        const uint32_t *nodes, size_t count, int32_t *dots)

SQ_KERNELS(scalar);
SQ_KERNELS(avx2);
SQ_KERNELS(avx512);
SQ_KERNELS(neon);
SQ_KERNELS(neon_dot);
SQ_KERNELS(simd128);

#endif
