/* The sum of 16 lanes, in the one order that all tiers have (kernels.h). */
#ifndef VEER_KERNELS_LANES_H
#define VEER_KERNELS_LANES_H

#include <stddef.h>

#define LANES 16u

/* Leaves partial sums in the lanes. */
static inline float add_lanes(float *lane)
{
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    }
    return lane[0];
}

#endif
