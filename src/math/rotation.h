/* A random rotation of vectors of any length, padded to a multiple of 64 (rotation.c). */
#ifndef VEER_MATH_ROTATION_H
#define VEER_MATH_ROTATION_H

#include "kernels/kernels.h"
#include "veer.h"

#define ROTATION_UNIT_DIMS 64u

typedef struct rotation {
    const veer_allocator *allocator;
    uint32_t dims;
    uint32_t padded; /* dims rounded up to a multiple of 64 */
    uint32_t window; /* the largest power of two that is not above padded */
    uint32_t rounds;
    float *factors; /* rounds * padded: signs, with 1 / sqrt(window) inside the round's window */
} rotation;

/* dims 1 to VEER_DIMS_MAX. VEER_E_NOMEM leaves nothing to free. */
veer_status rotation_init(rotation *rotation, const veer_allocator *allocator, uint32_t dims,
                          uint64_t seed);
void rotation_fini(rotation *rotation);
/* Rotates x[padded] in place; its elements from dims on are zero. */
void rotation_apply(const rotation *rotation, const kernels *kernels, float *x);
size_t rotation_bytes(const rotation *rotation);

#endif
