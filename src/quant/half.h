/* 16-bit floats (IEEE 754 binary16), made with whole numbers: the same bits everywhere. Nothing is
 * stored in them; the suite `quant` of bench/ compares them with codes. */
#ifndef VEER_QUANT_HALF_H
#define VEER_QUANT_HALF_H

#include <stddef.h>
#include <stdint.h>

/* Rounded to the nearest, ties to even; above 65504 (and a half step) infinity, NaN quiet. */
void half_encode(const float *values, size_t n, uint16_t *halves);
/* Exact. */
void half_decode(const uint16_t *halves, size_t n, float *values);

#endif
