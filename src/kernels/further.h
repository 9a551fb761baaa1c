/* Distances of the further metrics, which are compared over originals alone (veer.h, veer_metric).
 *
 *   manhattan    sum |a - b|
 *   chebyshev    max |a - b|; differences that are NaN do not count
 *   canberra     sum |a - b| / (|a| + |b|), where 0 / 0 is 0
 *   braycurtis   sum |a - b| / sum |a + b|, where 0 / 0 is 0; more than that / 0 is infinite
 *   hamming      how many elements differ: a != b
 *   jaccard      of the elements that are not zero in a or in b, the share that is zero in one of
 *                them; of none, 0
 *
 * Sums have the lanes and the tree of kernels.h, those of braycurtis 16 lanes each; hamming and
 * jaccard count in whole numbers and divide at the end. So every tier gives the same bits.
 */
#ifndef VEER_KERNELS_FURTHER_H
#define VEER_KERNELS_FURTHER_H

#include "kernels/kernels.h"

/* A tier's kernels in the order of kernel_further: what its table points to. */
#define FURTHER_KERNELS                                                           \
    {                                                                             \
        [KERNEL_MANHATTAN] = manhattan_rows, [KERNEL_CHEBYSHEV] = chebyshev_rows, \
        [KERNEL_CANBERRA] = canberra_rows, [KERNEL_BRAYCURTIS] = braycurtis_rows, \
        [KERNEL_HAMMING] = hamming_rows, [KERNEL_JACCARD] = jaccard_rows,         \
    }

extern const kernel_rows further_scalar[KERNEL_FURTHER];
extern const kernel_rows further_avx2[KERNEL_FURTHER];
extern const kernel_rows further_neon[KERNEL_FURTHER];
extern const kernel_rows further_simd128[KERNEL_FURTHER];

#endif
