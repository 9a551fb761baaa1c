/* The further metrics, the AVX2 tier, which AVX-512 uses as well: rows that follow each other come as
 * fast as memory gives them in both; only rows that lie scattered took up to a quarter less time with
 * registers of 512 bits (128 and 768 dimensions, Zen 4), which is not worth one more copy. */
#include <immintrin.h>

#define FURTHER_TARGET __attribute__((target("avx2")))
#define WIDTH 8u

#include "kernels/further_rows.h"

/* How much of a row: as in avx2.c. */
#define FETCH_BYTES 1024u

/* Masks of the first `count` of 8 elements, by a load at 8 - count. */
static const int32_t part_masks[2 * WIDTH] = {-1, -1, -1, -1, -1, -1, -1, -1};

INLINE vec load_part(const float *from, size_t count)
{
    return _mm256_maskload_ps(
        from, _mm256_loadu_si256((const __m256i *)(const void *)(part_masks + WIDTH - count)));
}

INLINE vec larger(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

INLINE void fetch_row(const float *row, size_t n)
{
    size_t bytes = n * sizeof(float);
    if (bytes > FETCH_BYTES) bytes = FETCH_BYTES;
    for (size_t at = 0; at < bytes; at += 64)
        _mm_prefetch((const char *)row + at, _MM_HINT_T0);
}

const kernel_rows further_avx2[KERNEL_FURTHER] = FURTHER_KERNELS;
