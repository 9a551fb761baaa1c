/* Rows of bits, the scalar tier: the definition. Threads: pure functions. */
#include "kernels/bits.h"

static uint32_t count_ones(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (uint32_t)(bits * 0x0101010101010101 >> 56);
}

static void count_row(const uint8_t *query, const uint8_t *row, size_t bytes, uint32_t *apart,
                      uint32_t *either)
{
    *apart = *either = 0;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t a = bits_word(query, i, bytes), b = bits_word(row, i, bytes);
        *apart += count_ones(a ^ b);
        *either += count_ones(a | b);
    }
}

void bits_hamming_scalar(const uint8_t *query, const uint8_t *const *rows, size_t count,
                         size_t bytes, float *results)
{
    for (size_t row = 0; row < count; row++) {
        uint32_t apart, either;
        count_row(query, rows[row], bytes, &apart, &either);
        results[row] = (float)apart;
    }
}

void bits_jaccard_scalar(const uint8_t *query, const uint8_t *const *rows, size_t count,
                         size_t bytes, float *results)
{
    for (size_t row = 0; row < count; row++) {
        uint32_t apart, either;
        count_row(query, rows[row], bytes, &apart, &either);
        results[row] = either != 0 ? (float)apart / (float)either : 0;
    }
}
