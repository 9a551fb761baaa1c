/* Hamming and Jaccard distances of rows of bits: what the kernels of further.h give for the same
 * zeros and ones as f32, bit for bit, because both count in whole numbers.
 *
 * Element i of a row is bit i % 8 (lowest first) of byte i / 8; bits behind the last element are 0.
 */
#ifndef VEER_KERNELS_BITS_H
#define VEER_KERNELS_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BITS_KERNELS(tier)                                                                   \
    void bits_hamming_##tier(const uint8_t *query, const uint8_t *const *rows, size_t count, \
                             size_t bytes, float *results);                                  \
    void bits_jaccard_##tier(const uint8_t *query, const uint8_t *const *rows, size_t count, \
                             size_t bytes, float *results)

BITS_KERNELS(scalar);
BITS_KERNELS(avx2);
BITS_KERNELS(avx512);
BITS_KERNELS(neon);
BITS_KERNELS(simd128);

/* The next 8 bytes of a row from `at` on, and zeros behind its end, where nothing is read. */
static inline uint64_t bits_word(const uint8_t *row, size_t at, size_t bytes)
{
    uint64_t word = 0;
    if (at + 8 <= bytes) {
        memcpy(&word, row + at, 8);
    } else if (bytes >= 8) {
        memcpy(&word, row + bytes - 8, 8);
        word >>= 8 * (at + 8 - bytes);
    } else {
        for (size_t i = at; i < bytes; i++)
            word |= (uint64_t)row[i] << (8 * (i - at));
    }
    return word;
}

/* A tier's place in its table. */
#define BITS_TABLE(tier) .hamming_bits = bits_hamming_##tier, .jaccard_bits = bits_jaccard_##tier

#endif
