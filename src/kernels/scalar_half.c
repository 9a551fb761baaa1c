/* 16-bit floats by whole numbers, the scalar tier: the definition. Threads: pure functions. */
#include <string.h>

#include "kernels/half.h"
#include "kernels/lanes.h"

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

/* The bits of the size where f32 has its own are the half times 2^-112, as normal or as denormal:
 * one exact product makes it right, but for infinity and NaN, whose exponent is put there. */
static float decode(uint16_t half)
{
    uint32_t size = (uint32_t)(half & 0x7fff) << FRACTION_SHIFT;
    float value;
    memcpy(&value, &size, sizeof value);
    value *= 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits |= (uint32_t)(half & 0x8000) << 16;
    if (size >= 0x7c00u << FRACTION_SHIFT) bits |= 0x7f800000;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void half_encode_scalar(const float *values, size_t n, uint16_t *halves)
{
    for (size_t i = 0; i < n; i++)
        halves[i] = encode(values[i]);
}

void half_decode_scalar(const uint16_t *halves, size_t n, float *values)
{
    for (size_t i = 0; i < n; i++)
        values[i] = decode(halves[i]);
}

static float one_row(const float *query, const uint16_t *row, size_t n, bool squared)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i += LANES) {
        float widened[LANES];
        size_t count = n - i < LANES ? n - i : LANES;
        half_decode_scalar(row + i, count, widened);
        for (size_t j = 0; j < count; j++) {
            float difference = query[i + j] - widened[j];
            lane[j] += squared ? difference * difference : query[i + j] * widened[j];
        }
    }
    return add_lanes(lane);
}

void half_dot_rows_scalar(const float *query, const uint16_t *const *rows, size_t count, size_t n,
                          float *results)
{
    for (size_t row = 0; row < count; row++)
        results[row] = one_row(query, rows[row], n, false);
}

void half_l2_rows_scalar(const float *query, const uint16_t *const *rows, size_t count, size_t n,
                         float *results)
{
    for (size_t row = 0; row < count; row++)
        results[row] = one_row(query, rows[row], n, true);
}
