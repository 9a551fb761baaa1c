#include "support/hard_floats.h"

#include <math.h>
#include <string.h>

#include "support/testing.h"

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void assert_same(float a, float b, const char *what, size_t n)
{
    if (isnan(a) && isnan(b)) return;
    if (bits_of(a) != bits_of(b))
        fail_msg("%s, length %zu: %a and %a", what, n, (double)a, (double)b);
}

static float value_of(value_kind kind, rng *random, size_t i)
{
    float unit = (float)(2 * rng_unit(random) - 1);
    switch (kind) {
    case PLAIN:
        return unit;
    case WIDE:
        return ldexpf(unit, (int)rng_below(random, 60) - 30);
    case TINY:
        return ldexpf(unit, -130 - (int)rng_below(random, 20)); /* denormals */
    case HUGE_VALUES:
        return ldexpf(unit, 60);
    case CANCELLING:
        return i % 2 == 0 ? 1e6f + unit : -1e6f;
    case ZEROS:
        return i % 3 == 0 ? -0.0f : 0.0f;
    case SPECIAL:
        switch (rng_below(random, 40)) {
        case 0:
            return INFINITY;
        case 1:
            return -INFINITY;
        case 2:
            return NAN;
        default:
            return unit;
        }
    case KINDS:
        break;
    }
    return 0;
}

void fill(float *values, size_t n, value_kind kind, rng *random)
{
    for (size_t i = 0; i < n; i++)
        values[i] = value_of(kind, random, i);
}

size_t next_length(size_t n)
{
    static const size_t lengths[] = {47,   48,   49,   63,   64,   65,   100,  127,  128,
                                     129,  255,  256,  257,  300,  383,  384,  385,  511,
                                     512,  513,  767,  768,  769,  1023, 1024, 1025, 1536,
                                     2047, 2048, 2049, 4096, 4097, 8191, 8192};
    if (n < 33) return n + 1;
    for (size_t i = 0; i < TEST_COUNT(lengths); i++) {
        if (lengths[i] > n) return lengths[i];
    }
    return SIZE_MAX;
}
