/* 8-bit and 4-bit codes, the AVX-512 tier: bytes widen to 16 bits, whose products VNNI adds up in 32;
 * nibbles are bytes without a sign, as VNNI takes them.
 *
 * A node is a random place in memory, and a search waits for memory more than it computes. Four
 * nodes are summed up at a time, which share the loads of the query and the last additions; with
 * each line of theirs, the same line of nodes behind them is fetched. (Whole nodes fetched at once
 * fill the queue of open misses: 10 % slower from 384 dimensions on, on Zen 4.)
 *
 * Functions carry the target themselves. Threads: pure functions.
 */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/sq.h"

#define AVX512_TARGET "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
#define AVX512 __attribute__((target(AVX512_TARGET)))
#define AVX512_INLINE static inline __attribute__((target(AVX512_TARGET), always_inline))

/* A line of a code, and the nodes of a group. */
#define LINE 64u
#define GROUP 4u
/* How many nodes further on those are that are fetched; of 8-bit codes, GROUP. Shorter ones leave room
 * for more open misses: 18 % faster from memory at 128 dimensions, 7 % at 384, 3 % at 768, on Zen 4. */
#define AHEAD_SQ4 8u

AVX512_INLINE __m512i load_32(const void *code)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)code));
}

/* The sum of the lanes of each of four vectors. */
AVX512_INLINE __m128i add_lanes(const __m512i sums[GROUP])
{
    __m256i half[GROUP];
    for (size_t i = 0; i < GROUP; i++) {
        half[i] = _mm256_add_epi32(_mm512_castsi512_si256(sums[i]),
                                   _mm512_extracti64x4_epi64(sums[i], 1));
    }
    __m256i first = _mm256_add_epi32(_mm256_unpacklo_epi32(half[0], half[1]),
                                     _mm256_unpackhi_epi32(half[0], half[1]));
    __m256i second = _mm256_add_epi32(_mm256_unpacklo_epi32(half[2], half[3]),
                                      _mm256_unpackhi_epi32(half[2], half[3]));
    __m256i all = _mm256_add_epi32(_mm256_unpacklo_epi64(first, second),
                                   _mm256_unpackhi_epi64(first, second));
    return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

AVX512 int32_t sq8_encode_avx512(const float *r, size_t padded, float inverse_step, int8_t *code)
{
    const __m512 by = _mm512_set1_ps(inverse_step);
    const __m512 lowest = _mm512_set1_ps(-KERNEL_SQ8_MAX);
    const __m512 highest = _mm512_set1_ps(KERNEL_SQ8_MAX);
    const __m512i low_words = _mm512_set1_epi32(0xffff);
    __m512i squares = _mm512_setzero_si512();
    for (size_t i = 0; i < padded; i += 16) {
        __m512 value = _mm512_mul_ps(_mm512_loadu_ps(r + i), by);
        /* The maximum of NaN and a number is the second operand. */
        value = _mm512_min_ps(_mm512_max_ps(value, lowest), highest);
        __m512i whole = _mm512_cvtps_epi32(value);
        squares = _mm512_dpwssd_epi32(squares, whole, _mm512_and_si512(whole, low_words));
        _mm_storeu_si128((__m128i *)(void *)(code + i), _mm512_cvtepi32_epi8(whole));
    }
    return _mm512_reduce_add_epi32(squares);
}

/* What a call compares codes with: a code of 8 bits, a query for those, or one for codes of 4 bits.
 * The kind is known when compiled. */
typedef enum kind { L2_SQ8, DOT_SQ8, DOT_SQ4 } kind;

typedef struct origin {
    kind kind;
    const void *elements; /* int8_t, of DOT_SQ8 int16_t */
} origin;

AVX512_INLINE __m512i load_origin(origin from, size_t i)
{
    return from.kind == DOT_SQ8 ? _mm512_loadu_si512((const int16_t *)from.elements + i)
                                : load_32((const int8_t *)from.elements + i);
}

AVX512_INLINE __m512i step(origin from, __m512i sum, __m512i own, const uint8_t *code)
{
    __m512i other = load_32(code);
    if (from.kind == DOT_SQ8) return _mm512_dpwssd_epi32(sum, own, other);
    __m512i difference = _mm512_sub_epi16(own, other);
    return _mm512_dpwssd_epi32(sum, difference, difference);
}

/* The sums of `count` nodes (known when compiled) in lanes, while `later` ones are fetched. */
AVX512_INLINE void sum_bytes(origin from, size_t padded, const uint8_t *const *nodes,
                             const uint8_t *const *later, size_t count, __m512i *sums)
{
    for (size_t j = 0; j < count; j++)
        sums[j] = _mm512_setzero_si512();
    for (size_t i = 0; i < padded; i += LINE) {
        __m512i low = load_origin(from, i);
        __m512i high = load_origin(from, i + LINE / 2);
        for (size_t j = 0; j < count; j++) {
            _mm_prefetch((const char *)later[j] + i, _MM_HINT_T0);
            sums[j] = step(from, sums[j], low, nodes[j] + i);
            sums[j] = step(from, sums[j], high, nodes[j] + i + LINE / 2);
        }
    }
}

/* The products of two groups of 64 dimensions of a 4-bit code. High nibbles stay where they are. */
AVX512_INLINE void add_nibbles(__m512i bytes, __m512i low, __m512i high, __m512i *sum,
                               __m512i *high_sum)
{
    const __m512i low_nibbles = _mm512_set1_epi8(0x0f);
    *sum = _mm512_dpbusd_epi32(*sum, _mm512_and_si512(bytes, low_nibbles), low);
    *high_sum = _mm512_dpbusd_epi32(*high_sum, _mm512_andnot_si512(low_nibbles, bytes), high);
}

/* The same of 4-bit codes, two groups of 64 dimensions at a time, and a last one alone. The sums of
 * high nibbles, sixteen times as much, are below 2^27. (Groups of 128 dimensions would spare the
 * shuffles of the query: 4 % in cache, nothing that can be measured from memory, on Zen 4.) */
AVX512_INLINE void sum_nibbles(const int8_t *query, size_t padded, const uint8_t *const *nodes,
                               const uint8_t *const *later, size_t count, __m512i *sums)
{
    __m512i high_sums[GROUP];
    for (size_t j = 0; j < count; j++)
        sums[j] = high_sums[j] = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 128 <= padded; i += 128) {
        __m512i first = _mm512_loadu_si512(query + i);
        __m512i second = _mm512_loadu_si512(query + i + 64);
        __m512i low = _mm512_shuffle_i64x2(first, second, 0x44);
        __m512i high = _mm512_shuffle_i64x2(first, second, 0xee);
        for (size_t j = 0; j < count; j++) {
            _mm_prefetch((const char *)later[j] + i / 2, _MM_HINT_T0);
            add_nibbles(_mm512_loadu_si512(nodes[j] + i / 2), low, high, &sums[j], &high_sums[j]);
        }
    }
    if (i < padded) {
        __m512i low = _mm512_loadu_si512(query + i);
        __m512i high = _mm512_shuffle_i64x2(low, low, 0xee);
        for (size_t j = 0; j < count; j++) {
            _mm_prefetch((const char *)later[j] + i / 2, _MM_HINT_T0);
            __m512i bytes = _mm512_maskz_loadu_epi32(0xff, nodes[j] + i / 2);
            add_nibbles(bytes, low, high, &sums[j], &high_sums[j]);
        }
    }
    for (size_t j = 0; j < count; j++)
        sums[j] = _mm512_add_epi32(sums[j], _mm512_srai_epi32(high_sums[j], 4));
}

AVX512_INLINE void sum_nodes(origin from, size_t padded, const uint8_t *const *nodes,
                             const uint8_t *const *later, size_t count, __m512i *sums)
{
    if (from.kind == DOT_SQ4) {
        sum_nibbles(from.elements, padded, nodes, later, count, sums);
    } else {
        sum_bytes(from, padded, nodes, later, count, sums);
    }
}

AVX512_INLINE void many_nodes(origin from, const void *codes, size_t padded, const uint32_t *nodes,
                              size_t count, int32_t *results)
{
    const uint8_t *start = codes;
    size_t bytes = from.kind == DOT_SQ4 ? padded / 2 : padded;
    size_t ahead = from.kind == DOT_SQ4 ? AHEAD_SQ4 : GROUP;
    for (size_t n = 0; n < ahead && n < count; n++) {
        for (size_t i = 0; i < bytes; i += LINE)
            _mm_prefetch((const char *)start + nodes[n] * bytes + i, _MM_HINT_T0);
    }
    size_t n = 0;
    for (; n + GROUP <= count; n += GROUP) {
        const uint8_t *group[GROUP];
        const uint8_t *later[GROUP];
        __m512i sums[GROUP];
        for (size_t j = 0; j < GROUP; j++) {
            size_t next = n + j + ahead < count ? n + j + ahead : n + j;
            group[j] = start + nodes[n + j] * bytes;
            later[j] = start + nodes[next] * bytes;
        }
        sum_nodes(from, padded, group, later, GROUP, sums);
        _mm_storeu_si128((__m128i *)(void *)(results + n), add_lanes(sums));
    }
    for (; n < count; n++) {
        const uint8_t *node = start + nodes[n] * bytes;
        __m512i sum;
        sum_nodes(from, padded, &node, &node, 1, &sum);
        results[n] = _mm512_reduce_add_epi32(sum);
    }
}

AVX512 void sq8_l2_avx512(const int8_t *code, const int8_t *codes, size_t padded,
                          const uint32_t *nodes, size_t count, int32_t *distances)
{
    many_nodes((origin){L2_SQ8, code}, codes, padded, nodes, count, distances);
}

AVX512 void sq8_dot_avx512(const int16_t *query, const int8_t *codes, size_t padded,
                           const uint32_t *nodes, size_t count, int32_t *dots)
{
    many_nodes((origin){DOT_SQ8, query}, codes, padded, nodes, count, dots);
}

AVX512 void sq4_dot_avx512(const int8_t *query, const uint8_t *codes, size_t padded,
                           const uint32_t *nodes, size_t count, int32_t *dots)
{
    many_nodes((origin){DOT_SQ4, query}, codes, padded, nodes, count, dots);
}
