/* 16-bit floats, the NEON tier. Its speed was not measured. */
#include <arm_neon.h>

#define HALF_TARGET
#define WIDTH 4u
#define GROUP 4u

#include "kernels/half_rows.h"

INLINE vec widen(const uint16_t *from)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)));
}

INLINE void narrow(vec from, uint16_t *to)
{
    vst1_u16(to, vreinterpret_u16_f16(vcvt_f16_f32(from)));
}

INLINE size_t fetch_rows(const uint16_t *const *rows, size_t count, size_t n)
{
    (void)count;
    for (size_t i = 0; i < n; i += 64 / sizeof **rows)
        __builtin_prefetch(rows[0] + i);
    return 1;
}

HALF_ROWS(neon)
HALF_CONVERSIONS(neon)
