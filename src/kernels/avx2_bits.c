/* Rows of bits, the AVX2 tier: each nibble's ones by a byte shuffle. */
#include <immintrin.h>

#define BITS_TARGET __attribute__((target("avx2,popcnt")))
#define BLOCK 32
#define counter int64_t

#include "kernels/bits_rows.h"

INLINE counts count_ones(block bits)
{
    const __m256i ones = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                          2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low = _mm256_and_si256((__m256i)bits, nibble);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16((__m256i)bits, 4), nibble);
    __m256i bytes =
        _mm256_add_epi8(_mm256_shuffle_epi8(ones, low), _mm256_shuffle_epi8(ones, high));
    return (counts)_mm256_sad_epu8(bytes, _mm256_setzero_si256());
}

BITS_ROWS(avx2)
