/* A random rotation in O(n log n): signs, fast Hadamard transforms and Givens rotations.
 *
 * One round multiplies every element by a random sign, transforms the largest power of two that fits
 * (Hadamard, scaled to be orthonormal), and, where that is not everything, turns every pair
 * (x[i], x[i + n / 2]) by 45 degrees. Rounds take the leading and the trailing window in turns; the two overlap,
 * since a window is more than half of the vector:
 *
 *     round 0, 2   [======== window ========]------
 *     round 1, 3   ------[======== window ========]
 *
 * The construction is that of fast Johnson-Lindenstrauss transforms (Ailon and Chazelle, 2009) with
 * the steps of Kac's walk that the RaBitQ library's notes propose for other lengths. It is exactly
 * orthonormal but for f32 rounding, and behaves like a uniformly random rotation for what codes
 * need: each coordinate of a rotated unit vector is nearly normal with variance 1 / n, whatever the
 * vector. tests/c/quant_estimator.c measures that on dense, sparse and constant vectors; two
 * rounds fail there on sparse ones.
 *
 * The seed alone decides the rotation, on every platform. Threads: immutable after init.
 */
#include "math/rotation.h"

#include <math.h>

#include "base/memory.h"
#include "base/rng.h"
#include "base/sizes.h"

/* Lengths that are a power of two mix everything in each round. */
#define ROUNDS_POWER_OF_TWO 3u
#define ROUNDS_OTHER 4u

static uint32_t window_start(const rotation *r, uint32_t round)
{
    return round % 2 == 0 ? 0 : r->padded - r->window;
}

veer_status rotation_init(rotation *r, const veer_allocator *allocator, uint32_t dims,
                          uint64_t seed)
{
    r->allocator = allocator;
    r->dims = dims;
    r->padded = (uint32_t)size_round_up(dims, ROTATION_UNIT_DIMS);
    r->window = ROTATION_UNIT_DIMS;
    while (r->window * 2 <= r->padded)
        r->window *= 2;
    r->rounds = r->window == r->padded ? ROUNDS_POWER_OF_TWO : ROUNDS_OTHER;
    r->factors = memory_array(allocator, (size_t)r->rounds * r->padded, sizeof *r->factors);
    if (r->factors == NULL) return VEER_E_NOMEM;

    rng random;
    rng_init(&random, seed);
    float norm = (float)(1 / sqrt((double)r->window));
    float *factor = r->factors;
    for (uint32_t round = 0; round < r->rounds; round++) {
        uint32_t start = window_start(r, round);
        uint64_t signs = 0;
        for (uint32_t i = 0; i < r->padded; i++) {
            if (i % 64 == 0) signs = rng_next(&random);
            float size = i >= start && i - start < r->window ? norm : 1;
            *factor++ = signs >> (i % 64) & 1 ? -size : size;
        }
    }
    return VEER_OK;
}

void rotation_fini(rotation *r)
{
    memory_array_free(r->allocator, r->factors, (size_t)r->rounds * r->padded, sizeof *r->factors);
    r->factors = NULL;
}

void rotation_apply(const rotation *r, const kernels *k, float *x)
{
    for (uint32_t round = 0; round < r->rounds; round++) {
        k->multiply(x, r->factors + (size_t)round * r->padded, r->padded);
        k->hadamard(x + window_start(r, round), r->window);
        if (r->window != r->padded) k->mix_halves(x, r->padded);
    }
}

size_t rotation_bytes(const rotation *r)
{
    return (size_t)r->rounds * r->padded * sizeof *r->factors;
}
