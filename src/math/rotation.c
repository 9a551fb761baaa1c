/* A random rotation in O(n log n): signs, fast Hadamard transforms and a Givens step.
 *
 * One round multiplies every element by a random sign and transforms the largest power of two that
 * fits (Hadamard, scaled to be orthonormal). Where that is not everything, rounds take the leading
 * and the trailing window in turns, and between the second and the third one the two ends are
 * mixed: every pair (x[i], x[n - 1 - i]) is turned by 45 degrees.
 *
 *     round 0   [======== window ========]------
 *     round 1   ------[======== window ========]
 *     mix       0<->n-1, 1<->n-2, ...
 *     round 2   [======== window ========]------
 *     round 3   ------[======== window ========]
 *
 * After two rounds every element has been spread over a window; the step in between is for lengths whose
 * windows hardly overlap, such as 448, where little would pass from one end to the other.
 *
 * The construction is that of fast Johnson-Lindenstrauss transforms (Ailon and Chazelle, 2009), with
 * overlapping windows and a step of Kac's walk as in the RaBitQ library's notes. It is exactly
 * orthonormal but for f32 rounding, and behaves like a uniformly random rotation for what codes
 * need: each coordinate of a rotated unit vector is nearly normal with variance 1 / n, whatever the
 * vector. Measured (tests/c/math_rotation.c) on dense, sparse, constant and periodic vectors, the
 * kurtosis stays below 3.04. A Givens step after each round, or between halves instead of ends, or fewer
 * rounds, leave some sparse vectors recognisable (kurtosis 3.5 to 7).
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
#define MIX_AFTER_ROUND 1u

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
        if (r->window != r->padded && round == MIX_AFTER_ROUND) k->mix_mirrored(x, r->padded);
    }
}

size_t rotation_bytes(const rotation *r)
{
    return (size_t)r->rounds * r->padded * sizeof *r->factors;
}
