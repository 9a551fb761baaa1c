/* Codes of 1 to 8 bits a dimension over rotated residuals r = x - centre (rabitq_wide.c has the
 * formulas). A level u of 0 to 2^bits - 1 stands for u - (2^bits - 1) / 2 steps.
 *
 * A code is `bits` planes of padded / 8 bytes, the highest bit first; bit i % 8 of byte i / 8 of a
 * plane belongs to dimension i. The first plane has the signs: it is the 1-bit code of rabitq.h, and
 * the others are what may stand beside it.
 *
 * Everything is scalar, in an order that is fixed: the same bits everywhere. Graphs use 4 bits
 * (index/graph_query.c); the suite `quant` of bench/ compares all of them. */
#ifndef VEER_QUANT_RABITQ_WIDE_H
#define VEER_QUANT_RABITQ_WIDE_H

#include <stddef.h>
#include <stdint.h>

#define RABITQ_WIDE_BITS 8u

static inline size_t rabitq_wide_bytes(size_t padded, unsigned bits)
{
    return padded / 8 * bits;
}

typedef struct rabitq_wide {
    float scale;  /* <r, p> is estimated by scale * <levels, p> */
    float error;  /* standard deviation of that, for |p| = 1 and r and p at right angles */
    float square; /* |r|^2, finite */
} rabitq_wide;

/* The code nearest to r in angle, as far as a few steps tell; padded a multiple of 64. r of zeros, or
 * too long or too short for f32's squares: scale 0, error |r|. */
rabitq_wide rabitq_wide_encode(const float *r, size_t padded, unsigned bits, uint8_t *code);
/* The levels of the code of 4 bits, 0 to 15, a byte each: levels[padded]. */
rabitq_wide rabitq_wide_nibbles(const float *r, size_t padded, uint8_t *levels);
/* The code for a given step, with levels cut off at the ends: plain rounding, no factors. */
void rabitq_wide_round(const float *r, size_t padded, unsigned bits, float step, uint8_t *code);
/* The levels of a code as multiples of the step: levels[padded]. */
void rabitq_wide_levels(const uint8_t *code, size_t padded, unsigned bits, float *levels);
/* The step that rounds normal values of deviation 1 with the least squared error. */
float rabitq_wide_normal_step(unsigned bits);

#endif
