/* SipHash-1-3 and the open-addressing table.
 *
 * SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) with one compression
 * and three finalisation rounds. Its 128-bit key is made from the 64-bit seed by two steps of
 * SplitMix64: k0 = mix(seed + G), k1 = mix(seed + 2 G), G = 0x9E3779B97F4A7C15. Hashes are stored
 * (docs/FORMAT.md, "idmap"): neither the function nor the key's making may change.
 *
 * The table keeps the whole hash beside each value, so that growing and removing need no keys.
 * Invariants: capacity is 0 or a power of two; at most 3/4 of it is taken, so that every probe
 * ends at an empty place (value UINT32_MAX); no empty place lies between an entry's home
 * (hash % capacity) and the entry. Removing keeps the last one by moving later entries of the run
 * back (Knuth, TAOCP 3, 6.4, algorithm R), so there are no grave marks and a table that is
 * written for ever does not slow down.
 *
 * Threads: reads together, a change alone.
 */
#include "base/hash.h"

#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/sizes.h"

#define TABLE_CAPACITY_MIN 16u /* arbitrary */

static uint64_t rotate_left(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

static uint64_t split_mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
}

typedef struct sip_state {
    uint64_t v0, v1, v2, v3;
} sip_state;

static inline void sip_round(sip_state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static inline void sip_word(sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

uint64_t hash_bytes(uint64_t seed, const void *data, size_t bytes)
{
    const uint64_t step = 0x9E3779B97F4A7C15u;
    uint64_t k0 = split_mix(seed + step);
    uint64_t k1 = split_mix(seed + 2 * step);
    sip_state s = {k0 ^ 0x736F6D6570736575u, k1 ^ 0x646F72616E646F6Du, k0 ^ 0x6C7967656E657261u,
                   k1 ^ 0x7465646279746573u};

    const uint8_t *p = data;
    size_t words = bytes / 8;
    for (size_t i = 0; i < words; i++)
        sip_word(&s, load_u64(p + 8 * i));

    uint64_t last = (uint64_t)bytes << 56;
    for (size_t i = 0; i < bytes % 8; i++)
        last |= (uint64_t)p[8 * words + i] << (8 * i);
    sip_word(&s, last);

    s.v2 ^= 0xFF;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* ---- the table */

#define NO_VALUE UINT32_MAX

void hash_table_init(hash_table *table, const veer_allocator *allocator)
{
    memset(table, 0, sizeof *table);
    table->allocator = allocator;
}

void hash_table_fini(hash_table *table)
{
    memory_array_free(table->allocator, table->hashes, table->capacity, sizeof *table->hashes);
    memory_array_free(table->allocator, table->values, table->capacity, sizeof *table->values);
    hash_table_init(table, table->allocator);
}

static size_t home_of(const hash_table *table, uint64_t hash)
{
    return (size_t)hash & (table->capacity - 1);
}

static size_t next_place(const hash_table *table, size_t place)
{
    return (place + 1) & (table->capacity - 1);
}

veer_status hash_table_reserve(hash_table *table, size_t more)
{
    size_t wanted;
    if (!size_add(table->live, more, &wanted)) return VEER_E_NOMEM;
    if (wanted <= table->capacity - table->capacity / 4) return VEER_OK;

    hash_table grown;
    hash_table_init(&grown, table->allocator);
    grown.capacity = TABLE_CAPACITY_MIN;
    while (grown.capacity - grown.capacity / 4 < wanted) {
        if (grown.capacity > SIZE_MAX / 2 / sizeof *grown.hashes) return VEER_E_NOMEM;
        grown.capacity *= 2;
    }
    grown.hashes = memory_array(grown.allocator, grown.capacity, sizeof *grown.hashes);
    grown.values = memory_array(grown.allocator, grown.capacity, sizeof *grown.values);
    if (grown.hashes == NULL || grown.values == NULL) {
        hash_table_fini(&grown);
        return VEER_E_NOMEM;
    }
    memset(grown.values, 0xFF, grown.capacity * sizeof *grown.values);
    grown.live = table->live;
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->values[i] == NO_VALUE) continue;
        size_t place = home_of(&grown, table->hashes[i]);
        while (grown.values[place] != NO_VALUE)
            place = next_place(&grown, place);
        grown.hashes[place] = table->hashes[i];
        grown.values[place] = table->values[i];
    }
    hash_table_fini(table);
    *table = grown;
    return VEER_OK;
}

/* The entry's place, or the empty one where the search ended. The table has places. */
static size_t find_place(const hash_table *table, uint64_t hash, hash_same same,
                         const void *context)
{
    size_t place = home_of(table, hash);
    while (table->values[place] != NO_VALUE) {
        if (table->hashes[place] == hash && same(context, table->values[place])) break;
        place = next_place(table, place);
    }
    return place;
}

uint32_t hash_table_find(const hash_table *table, uint64_t hash, hash_same same,
                         const void *context)
{
    if (table->live == 0) return NO_VALUE;
    return table->values[find_place(table, hash, same, context)];
}

uint32_t hash_table_put(hash_table *table, uint64_t hash, uint32_t value, hash_same same,
                        const void *context)
{
    size_t place = find_place(table, hash, same, context);
    uint32_t former = table->values[place];
    if (former == NO_VALUE) table->live++;
    table->hashes[place] = hash;
    table->values[place] = value;
    return former;
}

uint32_t hash_table_remove(hash_table *table, uint64_t hash, hash_same same, const void *context)
{
    if (table->live == 0) return NO_VALUE;
    size_t hole = find_place(table, hash, same, context);
    uint32_t former = table->values[hole];
    if (former == NO_VALUE) return NO_VALUE;

    for (size_t place = next_place(table, hole); table->values[place] != NO_VALUE;
         place = next_place(table, place)) {
        /* An entry may move back to the hole unless its home lies behind the hole. */
        size_t from_home = (place - home_of(table, table->hashes[place])) & (table->capacity - 1);
        size_t from_hole = (place - hole) & (table->capacity - 1);
        if (from_home < from_hole) continue;
        table->hashes[hole] = table->hashes[place];
        table->values[hole] = table->values[place];
        hole = place;
    }
    table->values[hole] = NO_VALUE;
    table->live--;
    return former;
}

size_t hash_table_bytes(const hash_table *table)
{
    return table->capacity * (sizeof *table->hashes + sizeof *table->values);
}
