/* Rows of bits, the NEON tier. Its speed was not measured. */
#include <arm_neon.h>

#define BITS_TARGET
#define BLOCK 16
#define counter uint16_t

#include "kernels/bits_rows.h"

/* A lane counts 16 a block, 64 blocks at most: 1024. */
INLINE counts count_ones(block bits)
{
    return (counts)vpaddlq_u8(vcntq_u8((uint8x16_t)bits));
}

BITS_ROWS(neon)
