/* 16-bit floats by whole numbers, the scalar tier: the definition. Threads: pure functions. */
#include <string.h>

#include "kernels/half.h"
#include "kernels/lanes.h"

#define FRACTION_SHIFT 13u          /* 23 bits of a fraction to 10 */
#define LEAST_NORMAL 0x38800000u    /* 2^-14 */
#define LEAST_TOO_LARGE 0x47800000u /* 65536; what is rounded up to it becomes infinite by itself */
#define BIAS_CHANGE ((127u - 15u) << 23)
#define DENORMAL_ROUNDER 0.5f /* whose last place is the least denormal half, 2^-24 */
#define ROUNDER_BITS 0x3f000000u

/* Every case at once, so that compilers make vectors of it. */
static uint16_t encode(float value)
{
    uint32_t bits, denormal;
    memcpy(&bits, &value, sizeof bits);
    uint32_t size = bits & 0x7fffffff;
    float magnitude;
    memcpy(&magnitude, &size, sizeof magnitude);
    magnitude += DENORMAL_ROUNDER;
    memcpy(&denormal, &magnitude, sizeof denormal);
    uint32_t odd = size >> FRACTION_SHIFT & 1;
    uint32_t normal = (size - BIAS_CHANGE + 0xfff + odd) >> FRACTION_SHIFT;
    uint32_t half = size < LEAST_NORMAL ? denormal - ROUNDER_BITS : normal;
    uint32_t endless = size > 0x7f800000 ? 0x7e00 | (size >> FRACTION_SHIFT & 0x3ff) : 0x7c00;
    half = size < LEAST_TOO_LARGE ? half : endless;
    return (uint16_t)((bits >> 16 & 0x8000) | half);
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
