/* Keywords of a growing column. See column_dictionary.h for the protocol between the writer and
 * readers; the order of the writer's stores in dictionary_add is what it rests on.
 */
#include "filter/column_dictionary.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/sizes.h"

#define TABLE_SLOTS_MIN 64u                /* arbitrary */
#define TEXT_BLOCK_BYTES ((size_t)4 << 10) /* the first one; later ones double up to the next */
#define TEXT_BLOCK_BYTES_MAX ((size_t)256 << 10)

typedef struct dictionary_table {
    struct dictionary_table *older;
    size_t slots_count; /* a power of two; at most half of them are taken */
    _Atomic uint32_t slots[];
} dictionary_table;

typedef struct text_block {
    struct text_block *older;
    size_t bytes; /* of data */
    size_t used;
    _Alignas(8) uint8_t data[];
} text_block;

void text_pool_init(text_pool *pool, const veer_allocator *allocator)
{
    pool->allocator = allocator;
    pool->blocks = NULL;
    pool->bytes = 0;
}

void text_pool_fini(text_pool *pool)
{
    while (pool->blocks != NULL) {
        text_block *older = pool->blocks->older;
        memory_free(pool->allocator, pool->blocks, sizeof(text_block) + pool->blocks->bytes);
        pool->blocks = older;
    }
}

veer_status text_pool_reserve(text_pool *pool, size_t bytes)
{
    text_block *newest = pool->blocks;
    if (newest != NULL && newest->bytes - newest->used >= bytes) return VEER_OK;
    if (bytes == 0) return VEER_OK;
    size_t room = newest == NULL ? TEXT_BLOCK_BYTES : 2 * newest->bytes;
    if (room > TEXT_BLOCK_BYTES_MAX) room = TEXT_BLOCK_BYTES_MAX;
    if (room < bytes) room = bytes;
    size_t whole;
    if (!size_add(room, sizeof(text_block), &whole)) return VEER_E_NOMEM;
    text_block *added = memory_new(pool->allocator, whole);
    if (added == NULL) return VEER_E_NOMEM;
    added->older = newest;
    added->bytes = room;
    pool->blocks = added;
    pool->bytes += whole;
    return VEER_OK;
}

void *text_pool_take(text_pool *pool, size_t bytes)
{
    if (bytes == 0) return "";
    text_block *newest = pool->blocks;
    void *taken = newest->data + newest->used;
    newest->used += bytes;
    return taken;
}

void dictionary_init(keyword_dictionary *dictionary, const veer_allocator *allocator)
{
    dictionary->allocator = allocator;
    atomic_init(&dictionary->table, NULL);
    atomic_init(&dictionary->count, 0);
    stable_init(&dictionary->keywords, allocator, sizeof(keyword), GROWING_CHUNK_SHIFT);
    text_pool_init(&dictionary->texts, allocator);
    dictionary->tables_bytes = 0;
    dictionary->seed = (uint64_t)(uintptr_t)dictionary;
}

static size_t table_bytes(size_t slots)
{
    return sizeof(dictionary_table) + slots * sizeof(uint32_t);
}

void dictionary_fini(keyword_dictionary *dictionary)
{
    dictionary_table *table = atomic_load_explicit(&dictionary->table, memory_order_relaxed);
    while (table != NULL) {
        dictionary_table *older = table->older;
        memory_free(dictionary->allocator, table, table_bytes(table->slots_count));
        table = older;
    }
    atomic_store_explicit(&dictionary->table, NULL, memory_order_relaxed);
    stable_fini(&dictionary->keywords);
    text_pool_fini(&dictionary->texts);
}

/* The slot of the keyword, or the empty one where it belongs. */
static size_t probe(const keyword_dictionary *dictionary, const dictionary_table *table,
                    uint32_t hash, const char *text, uint32_t bytes, uint32_t *number)
{
    size_t mask = table->slots_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t slot = atomic_load_explicit(&table->slots[i], memory_order_acquire);
        if (slot == 0) {
            *number = DICTIONARY_NONE;
            return i;
        }
        const keyword *found = dictionary_keyword(dictionary, slot - 1);
        if (found->hash == hash && found->bytes == bytes &&
            (bytes == 0 || memcmp(found->text, text, bytes) == 0)) {
            *number = slot - 1;
            return i;
        }
    }
}

static veer_status grow_table(keyword_dictionary *dictionary, size_t keywords)
{
    dictionary_table *old = atomic_load_explicit(&dictionary->table, memory_order_relaxed);
    size_t slots = old == NULL ? TABLE_SLOTS_MIN : old->slots_count;
    while (slots / 2 < keywords)
        slots *= 2; /* keywords <= DICTIONARY_KEYWORDS_MAX: at most 2^27 */
    if (old != NULL && slots == old->slots_count) return VEER_OK;
    dictionary_table *table = memory_new(dictionary->allocator, table_bytes(slots));
    if (table == NULL) return VEER_E_NOMEM;
    table->older = old;
    table->slots_count = slots;
    dictionary->tables_bytes += table_bytes(slots);
    uint32_t count = atomic_load_explicit(&dictionary->count, memory_order_relaxed);
    for (uint32_t number = 0; number < count; number++) {
        size_t i = dictionary_keyword(dictionary, number)->hash & (slots - 1);
        while (atomic_load_explicit(&table->slots[i], memory_order_relaxed) != 0) {
            i = (i + 1) & (slots - 1);
        }
        atomic_store_explicit(&table->slots[i], number + 1, memory_order_relaxed);
    }
    atomic_store_explicit(&dictionary->table, table, memory_order_release);
    return VEER_OK;
}

veer_status dictionary_reserve(keyword_dictionary *dictionary, size_t more, size_t text_bytes)
{
    size_t count = atomic_load_explicit(&dictionary->count, memory_order_relaxed);
    if (more > DICTIONARY_KEYWORDS_MAX - count) return VEER_E_LIMIT;
    if (more == 0) return VEER_OK;
    veer_status status = stable_reserve(&dictionary->keywords, count + more);
    if (status != VEER_OK) return status;
    status = text_pool_reserve(&dictionary->texts, text_bytes);
    if (status != VEER_OK) return status;
    return grow_table(dictionary, count + more);
}

static uint32_t hash_of(const keyword_dictionary *dictionary, const char *text, uint32_t bytes)
{
    uint64_t hash = hash_bytes(dictionary->seed, text, bytes);
    return (uint32_t)(hash ^ hash >> 32);
}

uint32_t dictionary_add(keyword_dictionary *dictionary, const char *text, uint32_t bytes)
{
    dictionary_table *table = atomic_load_explicit(&dictionary->table, memory_order_relaxed);
    uint32_t hash = hash_of(dictionary, text, bytes);
    uint32_t number;
    size_t slot = probe(dictionary, table, hash, text, bytes, &number);
    if (number != DICTIONARY_NONE) return number;

    number = atomic_load_explicit(&dictionary->count, memory_order_relaxed);
    char *copy = text_pool_take(&dictionary->texts, bytes);
    if (bytes > 0) memcpy(copy, text, bytes);
    keyword *added = stable_at(&dictionary->keywords, number);
    added->text = copy;
    added->bytes = bytes;
    added->hash = hash;
    atomic_store_explicit(&table->slots[slot], number + 1, memory_order_release);
    atomic_store_explicit(&dictionary->count, number + 1, memory_order_release);
    return number;
}

uint32_t dictionary_find(const keyword_dictionary *dictionary, const char *text, uint32_t bytes)
{
    const dictionary_table *table = atomic_load_explicit(&dictionary->table, memory_order_acquire);
    if (table == NULL) return DICTIONARY_NONE;
    uint32_t number;
    probe(dictionary, table, hash_of(dictionary, text, bytes), text, bytes, &number);
    return number;
}

uint32_t dictionary_count(const keyword_dictionary *dictionary)
{
    return atomic_load_explicit(&dictionary->count, memory_order_acquire);
}

size_t dictionary_bytes(const keyword_dictionary *dictionary)
{
    return stable_bytes(&dictionary->keywords) + dictionary->texts.bytes + dictionary->tables_bytes;
}
