/* Plain bitsets over u64 words: bit i is bit i % 64 of word i / 64. Bits past the last row in the
 * last word are always zero. */
#ifndef VEER_BASE_BITSET_H
#define VEER_BASE_BITSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t bitset_words(size_t bits)
{
    return bits / 64 + (bits % 64 != 0);
}

static inline bool bitset_get(const uint64_t *words, size_t bit)
{
    return (words[bit / 64] >> (bit % 64)) & 1;
}

static inline void bitset_set(uint64_t *words, size_t bit)
{
    words[bit / 64] |= (uint64_t)1 << (bit % 64);
}

static inline void bitset_clear(uint64_t *words, size_t bit)
{
    words[bit / 64] &= ~((uint64_t)1 << (bit % 64));
}

/* Ones in a word. Where the least machine of the build has no instruction for it, compilers call a
 * function with a table; these sums are inlined and take half the time. */
static inline unsigned bitset_ones(uint64_t word)
{
#if defined(__POPCNT__) || defined(__aarch64__) || defined(__wasm__)
    return (unsigned)__builtin_popcountll(word);
#else
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
    return (unsigned)(word * 0x0101010101010101u >> 56);
#endif
}

/* Sets bits [first, end). */
void bitset_set_range(uint64_t *words, size_t first, size_t end);
/* Number of ones in the first `bits` bits. */
size_t bitset_count(const uint64_t *words, size_t bits);
/* to &= from, to &= ~from, to |= from, over `words` words. */
void bitset_and(uint64_t *to, const uint64_t *from, size_t words);
void bitset_and_not(uint64_t *to, const uint64_t *from, size_t words);
void bitset_or(uint64_t *to, const uint64_t *from, size_t words);
/* Inverts the first `bits` bits. */
void bitset_not(uint64_t *words, size_t bits);
/* The first one at or after `from` among the first `bits` bits, or `bits`. */
size_t bitset_next(const uint64_t *words, size_t bits, size_t from);

#endif
