/* 16-bit floats, the AVX2 tier, by F16C. */
#include <immintrin.h>

#define HALF_TARGET __attribute__((target("avx2,f16c")))
#define WIDTH 8u
#define GROUP 4u

#include "kernels/half_rows.h"

/* How much of a row: as in avx2.c. */
#define FETCH_BYTES 1024u

INLINE vec widen(const uint16_t *from)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from));
}

INLINE void narrow(vec from, uint16_t *to)
{
    _mm_storeu_si128((__m128i *)(void *)to, _mm256_cvtps_ph(from, _MM_FROUND_TO_NEAREST_INT));
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

HALF_ROWS(avx2)
HALF_CONVERSIONS(avx2)
