/* The further metrics, the NEON tier. Its speed was not measured. */
#include <arm_neon.h>

#define FURTHER_TARGET
#define WIDTH 4u

#include "kernels/further_rows.h"

INLINE vec load_part(const float *from, size_t count)
{
    vec v = {0};
    memcpy(&v, from, count * sizeof *from);
    return v;
}

/* vmaxq_f32 would prefer NaN. */
INLINE vec larger(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

INLINE void fetch_row(const float *row, size_t n)
{
    for (size_t i = 0; i < n; i += 64 / sizeof *row)
        __builtin_prefetch(row + i);
}

const kernel_rows further_neon[KERNEL_FURTHER] = FURTHER_KERNELS;
