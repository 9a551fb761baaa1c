/* xoshiro256** seeded by SplitMix64 (Blackman and Vigna): reproducible on every platform. */
#ifndef VEER_BASE_RNG_H
#define VEER_BASE_RNG_H

#include <stdint.h>

typedef struct rng {
    uint64_t state[4];
} rng;

void rng_init(rng *r, uint64_t seed);
uint64_t rng_next(rng *r);
/* Uniform in [0, bound), without bias. bound > 0. */
uint64_t rng_below(rng *r, uint64_t bound);
/* Uniform in [0, 1) with 53 bits. */
double rng_unit(rng *r);
/* Standard normal (polar method, no libm differences but log and sqrt: tests and data only). */
double rng_normal(rng *r);

#endif
