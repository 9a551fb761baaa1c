/* Kernels of avx2.c that avx512.c has in its table too (kernels.h says what they do). */
#ifndef VEER_KERNELS_AVX2_H
#define VEER_KERNELS_AVX2_H

#include <stddef.h>

#include "kernels/kernels.h"

void multiply_avx2(float *x, const float *by, size_t n);
void hadamard_avx2(float *x, size_t n);
void mix_mirrored_avx2(float *x, size_t n);
void residual_avx2(const float *x, const float *centre, size_t padded, float *r, kernel_sums *sums);
float group_max_avx2(const float *r, size_t padded);

#endif
