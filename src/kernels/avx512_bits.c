/* Rows of bits, the AVX-512 tier: registers of 256 bits, because rows are short. */
#include <immintrin.h>

#define BITS_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vpopcntdq,popcnt")))
#define BLOCK 32
#define counter int64_t

#include "kernels/bits_rows.h"

INLINE counts count_ones(block bits)
{
    return (counts)_mm256_popcnt_epi64((__m256i)bits);
}

BITS_ROWS(avx512)
