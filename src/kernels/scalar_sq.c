/* 8-bit and 4-bit codes, the scalar tier: the definition. Threads: pure functions. */
#include "kernels/kernels.h"
#include "kernels/sq.h"

/* Adding 1.5 * 2^23 leaves no room for a fraction: the sum is rounded to a whole number. */
#define ROUNDER 12582912.0f

int32_t sq8_encode_scalar(const float *r, size_t padded, float inverse_step, int8_t *code)
{
    int32_t squares = 0;
    for (size_t i = 0; i < padded; i++) {
        float value = r[i] * inverse_step;
        if (!(value > -KERNEL_SQ8_MAX)) value = -KERNEL_SQ8_MAX;
        if (value > KERNEL_SQ8_MAX) value = KERNEL_SQ8_MAX;
        float shifted = value + ROUNDER;
        int32_t whole = (int32_t)(shifted - ROUNDER);
        code[i] = (int8_t)whole;
        squares += whole * whole;
    }
    return squares;
}

void sq8_l2_scalar(const int8_t *code, const int8_t *codes, size_t padded, const uint32_t *nodes,
                   size_t count, int32_t *distances)
{
    for (size_t n = 0; n < count; n++) {
        const int8_t *other = codes + nodes[n] * padded;
        int32_t sum = 0;
        for (size_t i = 0; i < padded; i++) {
            int32_t difference = code[i] - other[i];
            sum += difference * difference;
        }
        distances[n] = sum;
    }
}

void sq8_dot_scalar(const int16_t *query, const int8_t *codes, size_t padded, const uint32_t *nodes,
                    size_t count, int32_t *dots)
{
    for (size_t n = 0; n < count; n++) {
        const int8_t *code = codes + nodes[n] * padded;
        int32_t sum = 0;
        for (size_t i = 0; i < padded; i++)
            sum += query[i] * code[i];
        dots[n] = sum;
    }
}

void sq4_dot_scalar(const int8_t *query, const uint8_t *codes, size_t padded, const uint32_t *nodes,
                    size_t count, int32_t *dots)
{
    for (size_t n = 0; n < count; n++) {
        const uint8_t *code = codes + nodes[n] * (padded / 2);
        int32_t sum = 0;
        for (size_t group = 0; group < padded; group += 64) {
            for (size_t j = 0; j < 32; j++) {
                uint8_t byte = code[group / 2 + j];
                sum += query[group + j] * (byte & 15) + query[group + 32 + j] * (byte >> 4);
            }
        }
        dots[n] = sum;
    }
}
