/* The further metrics, the SIMD128 tier of WebAssembly. */
#include <wasm_simd128.h>

#define FURTHER_TARGET
#define WIDTH 4u

#include "kernels/further_rows.h"

INLINE vec load_part(const float *from, size_t count)
{
    vec v = {0};
    memcpy(&v, from, count * sizeof *from);
    return v;
}

INLINE vec larger(vec a, vec b)
{
    return (vec)wasm_f32x4_pmax((v128_t)b, (v128_t)a);
}

/* Reads a word of each cache line, for want of a prefetch: nothing waits for them but the sums of
 * this row. */
INLINE void fetch_row(const float *row, size_t n)
{
    for (size_t i = 0; i < n; i += 64 / sizeof *row)
        (void)*(const volatile float *)(row + i);
}

const kernel_rows further_simd128[KERNEL_FURTHER] = FURTHER_KERNELS;
