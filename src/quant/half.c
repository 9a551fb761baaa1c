/* 16-bit floats by whole numbers (half.h). Threads: pure functions. */
#include "quant/half.h"

#include <string.h>

#define FRACTION_SHIFT 13u         /* 23 bits of a fraction to 10 */
#define LEAST_NORMAL 0x38800000u   /* 2^-14 */
#define LEAST_INFINITE 0x477ff000u /* 65520: the tie between 65504 and what would follow */
#define BIAS_CHANGE ((127u - 15u) << 23)

static uint16_t encode(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t size = bits & 0x7fffffff;
    if (size > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (size >> FRACTION_SHIFT & 0x3ff));
    if (size >= LEAST_INFINITE) return (uint16_t)(sign | 0x7c00);
    uint32_t kept, shift = FRACTION_SHIFT;
    if (size >= LEAST_NORMAL) {
        kept = size - BIAS_CHANGE;
    } else {
        /* A denormal: the fraction, with its leading one, in units of 2^-24. */
        uint32_t exponent = size >> 23;
        if (exponent < 127 - 25) return (uint16_t)sign; /* below half a unit */
        kept = (size & 0x7fffff) | 0x800000;
        shift = 126 - exponent;
    }
    uint32_t half_unit = 1u << (shift - 1);
    uint32_t rounded = kept + (half_unit - 1) + (kept >> shift & 1);
    return (uint16_t)(sign | rounded >> shift);
}

static float decode(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t size = (uint32_t)(half & 0x7fff) << FRACTION_SHIFT;
    uint32_t bits;
    if (size >= 0x7c00u << FRACTION_SHIFT) {
        bits = size | 0x7f800000; /* infinity, NaN */
    } else if (half & 0x7c00) {
        bits = size + BIAS_CHANGE;
    } else {
        float denormal = (float)(half & 0x3ff) * 0x1p-24f;
        memcpy(&bits, &denormal, sizeof bits);
    }
    bits |= sign;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void half_encode(const float *values, size_t n, uint16_t *halves)
{
    for (size_t i = 0; i < n; i++)
        halves[i] = encode(values[i]);
}

void half_decode(const uint16_t *halves, size_t n, float *values)
{
    for (size_t i = 0; i < n; i++)
        values[i] = decode(halves[i]);
}
