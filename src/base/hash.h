/* Seeded hashing, and a table of u32 values under hashed keys.
 *
 * hash_bytes is SipHash-1-3 with a 128-bit key made from the seed: ids come from outside, and
 * must not be able to choose their place.
 */
#ifndef VEER_BASE_HASH_H
#define VEER_BASE_HASH_H

#include "veer.h"

uint64_t hash_bytes(uint64_t seed, const void *data, size_t bytes);

/* Open addressing of (hash, value) with linear probing. Several entries may share a hash; the
 * caller compares keys: `same(context, value)` says whether the entry's value is the key looked
 * for. Values are any u32 but UINT32_MAX. */
typedef struct hash_table {
    const veer_allocator *allocator;
    uint64_t *hashes;
    uint32_t *values;
    size_t capacity; /* a power of two, or 0 */
    size_t live;     /* entries */
} hash_table;

typedef bool (*hash_same)(const void *context, uint32_t value);

void hash_table_init(hash_table *table, const veer_allocator *allocator);
void hash_table_fini(hash_table *table);
/* Makes sure that `more` further puts cannot fail. */
veer_status hash_table_reserve(hash_table *table, size_t more);
/* UINT32_MAX where there is none. */
uint32_t hash_table_find(const hash_table *table, uint64_t hash, hash_same same,
                         const void *context);
/* Adds or replaces. Room must be reserved. Returns the former value, or UINT32_MAX. */
uint32_t hash_table_put(hash_table *table, uint64_t hash, uint32_t value, hash_same same,
                        const void *context);
/* Returns the removed value, or UINT32_MAX. */
uint32_t hash_table_remove(hash_table *table, uint64_t hash, hash_same same, const void *context);
size_t hash_table_bytes(const hash_table *table);

#endif
