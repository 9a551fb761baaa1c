/* Rows of bits, the SIMD128 tier of WebAssembly. */
#include <wasm_simd128.h>

#define BITS_TARGET
#define BLOCK 16
#define counter uint16_t

#include "kernels/bits_rows.h"

/* A lane counts 16 a block, 64 blocks at most: 1024. */
INLINE counts count_ones(block bits)
{
    return (counts)wasm_u16x8_extadd_pairwise_u8x16(wasm_i8x16_popcnt((v128_t)bits));
}

BITS_ROWS(simd128)
