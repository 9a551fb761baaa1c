/* Bitsets over 64-bit words. Bits behind the last row stay zero in everything that these functions
 * write, which is what lets counts and unions run over whole words.
 *
 * Threads: pure functions over the caller's memory.
 */
#include "base/bitset.h"

/* Ones in the lowest `bits` bits, 0 < bits <= 64. */
static uint64_t low_mask(size_t bits)
{
    return ~(uint64_t)0 >> (64 - bits);
}

void bitset_set_range(uint64_t *words, size_t first, size_t end)
{
    if (first >= end) return;
    size_t first_word = first / 64;
    size_t last_word = (end - 1) / 64;
    uint64_t head = ~(uint64_t)0 << (first % 64);
    uint64_t tail = low_mask((end - 1) % 64 + 1);
    if (first_word == last_word) {
        words[first_word] |= head & tail;
        return;
    }
    words[first_word] |= head;
    for (size_t i = first_word + 1; i < last_word; i++)
        words[i] = ~(uint64_t)0;
    words[last_word] |= tail;
}

size_t bitset_count(const uint64_t *words, size_t bits)
{
    size_t count = 0;
    for (size_t i = 0; i < bits / 64; i++)
        count += bitset_ones(words[i]);
    if (bits % 64 != 0) count += bitset_ones(words[bits / 64] & low_mask(bits % 64));
    return count;
}

void bitset_and(uint64_t *to, const uint64_t *from, size_t words)
{
    for (size_t i = 0; i < words; i++)
        to[i] &= from[i];
}

void bitset_and_not(uint64_t *to, const uint64_t *from, size_t words)
{
    for (size_t i = 0; i < words; i++)
        to[i] &= ~from[i];
}

void bitset_or(uint64_t *to, const uint64_t *from, size_t words)
{
    for (size_t i = 0; i < words; i++)
        to[i] |= from[i];
}

void bitset_not(uint64_t *words, size_t bits)
{
    for (size_t i = 0; i < bits / 64; i++)
        words[i] = ~words[i];
    if (bits % 64 != 0) words[bits / 64] ^= low_mask(bits % 64);
}

size_t bitset_next(const uint64_t *words, size_t bits, size_t from)
{
    if (from >= bits) return bits;
    size_t last = bitset_words(bits) - 1;
    size_t i = from / 64;
    uint64_t word = words[i] & ~(uint64_t)0 << (from % 64);
    while (word == 0) {
        if (i == last) return bits;
        word = words[++i];
    }
    size_t bit = i * 64 + (size_t)__builtin_ctzll(word);
    return bit < bits ? bit : bits;
}
