/* 8-bit codes, the AVX2 tier: bytes widen to 16 bits, whose products add up pairwise in 32.
 *
 * A node is a random place in memory, and a search waits for memory more than it computes: the
 * lines of nodes to come are fetched while the present one is summed up.
 *
 * Functions carry the target themselves. Threads: pure functions.
 */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/sq8.h"

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((target("avx2"), always_inline))

/* How far ahead, and how much of a code; the hardware's prefetcher follows a longer one. */
#define PREFETCH_NODES 8u
#define PREFETCH_BYTES 512u

AVX2_INLINE void prefetch_code(const int8_t *code, size_t padded)
{
    size_t bytes = padded < PREFETCH_BYTES ? padded : PREFETCH_BYTES;
    for (size_t at = 0; at < bytes; at += 64)
        _mm_prefetch((const char *)code + at, _MM_HINT_T0);
}

AVX2_INLINE __m256i load_16(const int8_t *code)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)code));
}

AVX2_INLINE int32_t add_lanes(__m256i eight)
{
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

AVX2 int32_t sq8_encode_avx2(const float *r, size_t padded, float inverse_step, int8_t *code)
{
    const __m256 by = _mm256_set1_ps(inverse_step);
    const __m256 lowest = _mm256_set1_ps(-KERNEL_SQ8_MAX);
    const __m256 highest = _mm256_set1_ps(KERNEL_SQ8_MAX);
    __m256i squares = _mm256_setzero_si256();
    for (size_t i = 0; i < padded; i += 16) {
        __m256i eights[2];
        for (size_t half = 0; half < 2; half++) {
            __m256 value = _mm256_mul_ps(_mm256_loadu_ps(r + i + 8 * half), by);
            value = _mm256_min_ps(_mm256_max_ps(value, lowest), highest);
            eights[half] = _mm256_cvtps_epi32(value);
        }
        __m256i words = _mm256_packs_epi32(eights[0], eights[1]);
        words = _mm256_permute4x64_epi64(words, 0xd8);
        squares = _mm256_add_epi32(squares, _mm256_madd_epi16(words, words));
        __m128i bytes =
            _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(void *)(code + i), bytes);
    }
    return add_lanes(squares);
}

AVX2_INLINE int32_t one_l2(const int8_t *a, const int8_t *b, size_t padded)
{
    __m256i even = _mm256_setzero_si256();
    __m256i odd = even;
    for (size_t i = 0; i < padded; i += 32) {
        __m256i first = _mm256_sub_epi16(load_16(a + i), load_16(b + i));
        __m256i second = _mm256_sub_epi16(load_16(a + i + 16), load_16(b + i + 16));
        even = _mm256_add_epi32(even, _mm256_madd_epi16(first, first));
        odd = _mm256_add_epi32(odd, _mm256_madd_epi16(second, second));
    }
    return add_lanes(_mm256_add_epi32(even, odd));
}

AVX2 void sq8_l2_avx2(const int8_t *code, const int8_t *codes, size_t padded, const uint32_t *nodes,
                      size_t count, int32_t *distances)
{
    for (size_t n = 0; n < PREFETCH_NODES && n < count; n++)
        prefetch_code(codes + nodes[n] * padded, padded);
    for (size_t n = 0; n < count; n++) {
        if (n + PREFETCH_NODES < count)
            prefetch_code(codes + nodes[n + PREFETCH_NODES] * padded, padded);
        distances[n] = one_l2(code, codes + nodes[n] * padded, padded);
    }
}

AVX2_INLINE __m256i load_query(const int16_t *query)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)query);
}

AVX2_INLINE int32_t one_dot(const int16_t *query, const int8_t *code, size_t padded)
{
    __m256i even = _mm256_setzero_si256();
    __m256i odd = even;
    for (size_t i = 0; i < padded; i += 32) {
        even = _mm256_add_epi32(even, _mm256_madd_epi16(load_query(query + i), load_16(code + i)));
        odd = _mm256_add_epi32(
            odd, _mm256_madd_epi16(load_query(query + i + 16), load_16(code + i + 16)));
    }
    return add_lanes(_mm256_add_epi32(even, odd));
}

AVX2 void sq8_dot_avx2(const int16_t *query, const int8_t *codes, size_t padded,
                       const uint32_t *nodes, size_t count, int32_t *dots)
{
    for (size_t n = 0; n < PREFETCH_NODES && n < count; n++)
        prefetch_code(codes + nodes[n] * padded, padded);
    for (size_t n = 0; n < count; n++) {
        if (n + PREFETCH_NODES < count)
            prefetch_code(codes + nodes[n + PREFETCH_NODES] * padded, padded);
        dots[n] = one_dot(query, codes + nodes[n] * padded, padded);
    }
}
