/* 16-bit floats, the AVX-512 tier: the 16 lanes are one register. */
#include <immintrin.h>

#define HALF_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,f16c")))
#define WIDTH 16u
#define GROUP 4u

#include "kernels/half_rows.h"

#define FETCH_BYTES 1024u

INLINE vec widen(const uint16_t *from)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)from));
}

INLINE void narrow(vec from, uint16_t *to)
{
    _mm256_storeu_si256((__m256i *)(void *)to, _mm512_cvtps_ph(from, _MM_FROUND_TO_NEAREST_INT));
}

INLINE size_t fetch_rows(const uint16_t *const *rows, size_t count, size_t n)
{
    (void)count;
    size_t bytes = n * sizeof **rows;
    if (bytes > FETCH_BYTES) bytes = FETCH_BYTES;
    for (size_t at = 0; at < bytes; at += 64)
        _mm_prefetch((const char *)rows[0] + at, _MM_HINT_T0);
    return 1;
}

HALF_ROWS(avx512)
HALF_CONVERSIONS(avx512)
