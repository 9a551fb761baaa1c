/* xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021),
 * its state filled by SplitMix64. Same numbers on every platform; not for secrets.
 *
 * Threads: one at a time each.
 */
#include "base/rng.h"

#include <math.h>

static uint64_t rotate_left(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

void rng_init(rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9E3779B97F4A7C15u;
        uint64_t value = seed;
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
        value = (value ^ value >> 27) * 0x94D049BB133111EBu;
        r->state[i] = value ^ value >> 31;
    }
}

uint64_t rng_next(rng *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rng_below(rng *r, uint64_t bound)
{
    /* 2^64 mod bound numbers at the low end are one too many: drawn again. */
    uint64_t surplus = (0 - bound) % bound;
    uint64_t value;
    do {
        value = rng_next(r);
    } while (value < surplus);
    return value % bound;
}

double rng_unit(rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

double rng_normal(rng *r)
{
    double u;
    double v;
    double s;
    do {
        u = 2 * rng_unit(r) - 1;
        v = 2 * rng_unit(r) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    return u * sqrt(-2 * log(s) / s);
}
