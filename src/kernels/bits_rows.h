/* Distances of rows of bits over registers of a tier's width, in the compilers' vector types: what
 * the files *_bits.c have in common. Each includes this once, after it has defined BITS_TARGET (the
 * functions' target attribute, or nothing), BLOCK (the bytes of a register) and `counter` (the type
 * of the lanes that ones are counted in), and then defines the function that is declared here.
 */
#ifndef VEER_KERNELS_BITS_ROWS_H
#define VEER_KERNELS_BITS_ROWS_H

#include <stdbool.h>
#include <string.h>

#include "kernels/bits.h"

#define INLINE BITS_TARGET static inline __attribute__((always_inline))

typedef uint8_t block __attribute__((vector_size(BLOCK)));
typedef counter counts __attribute__((vector_size(BLOCK)));

/* How many bits of each lane are 1. */
INLINE counts count_ones(block bits);

INLINE block load(const uint8_t *from)
{
    block v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE uint32_t total(counts from)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < BLOCK / sizeof(counter); i++)
        sum += (uint32_t)from[i];
    return sum;
}

INLINE float one_row(const uint8_t *query, const uint8_t *row, size_t bytes, bool is_jaccard)
{
    counts apart_lanes = {0}, either_lanes = {0};
    size_t i = 0;
    for (; i + BLOCK <= bytes; i += BLOCK) {
        block a = load(query + i), b = load(row + i);
        apart_lanes += count_ones(a ^ b);
        if (is_jaccard) either_lanes += count_ones(a | b);
    }
    uint32_t apart = total(apart_lanes), either = total(either_lanes);
    for (; i < bytes; i += 8) {
        uint64_t a = bits_word(query, i, bytes), b = bits_word(row, i, bytes);
        apart += (uint32_t)__builtin_popcountll(a ^ b);
        if (is_jaccard) either += (uint32_t)__builtin_popcountll(a | b);
    }
    if (!is_jaccard) return (float)apart;
    return either != 0 ? (float)apart / (float)either : 0;
}

/* How far ahead memory is asked for (in WebAssembly nothing is); rows have 1024 bytes at most. */
#define FETCH_ROWS 8u

INLINE void many_rows(const uint8_t *query, const uint8_t *const *rows, size_t count, size_t bytes,
                      bool is_jaccard, float *results)
{
    for (size_t row = 0; row < count; row++) {
        for (size_t at = 0; row + FETCH_ROWS < count && at < bytes; at += 64)
            __builtin_prefetch(rows[row + FETCH_ROWS] + at);
        results[row] = one_row(query, rows[row], bytes, is_jaccard);
    }
}

#define BITS_ROWS(tier)                                                                    \
    BITS_TARGET void bits_hamming_##tier(const uint8_t *query, const uint8_t *const *rows, \
                                         size_t count, size_t bytes, float *results)       \
    {                                                                                      \
        many_rows(query, rows, count, bytes, false, results);                              \
    }                                                                                      \
    BITS_TARGET void bits_jaccard_##tier(const uint8_t *query, const uint8_t *const *rows, \
                                         size_t count, size_t bytes, float *results)       \
    {                                                                                      \
        many_rows(query, rows, count, bytes, true, results);                               \
    }

#endif
