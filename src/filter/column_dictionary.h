/* The keywords of a growing column: text to number and back, one writer, any number of readers.
 *
 * A keyword gets the next number when it first appears. Readers find it without a lock: the table
 * is open addressing over slots that are written once, from empty to number + 1, with release
 * order after the entry and its text are complete. A table that gets full is replaced by one of
 * twice the size; readers that still probe the old one see what was there before, and it is freed
 * with the dictionary (all old tables together are smaller than the current one).
 *
 * A reader may see a keyword that no row published to it has. Hashes are seeded by an address, so
 * that a writer of documents cannot know which keywords collide.
 */
#ifndef VEER_FILTER_COLUMN_DICTIONARY_H
#define VEER_FILTER_COLUMN_DICTIONARY_H

#include <stdatomic.h>

#include "base/stable.h"

#define DICTIONARY_NONE UINT32_MAX
#define DICTIONARY_KEYWORDS_MAX ((size_t)1 << 26)
#define GROWING_CHUNK_SHIFT 10u /* rows, lists and keywords: a small column is small */

typedef struct keyword {
    const char *text;
    uint32_t bytes;
    uint32_t hash;
} keyword;

/* Memory for texts that stays where it is: blocks, newest first. The writer's. */
typedef struct text_pool {
    const veer_allocator *allocator;
    struct text_block *blocks;
    size_t bytes; /* of all blocks */
} text_pool;

void text_pool_init(text_pool *pool, const veer_allocator *allocator);
void text_pool_fini(text_pool *pool);
/* Room for `bytes` more in takes of any size, each a multiple of `unit` where they have one. */
veer_status text_pool_reserve(text_pool *pool, size_t bytes);
/* Never fails within what was reserved. */
void *text_pool_take(text_pool *pool, size_t bytes);

typedef struct keyword_dictionary {
    const veer_allocator *allocator;
    _Atomic(struct dictionary_table *) table; /* NULL: empty */
    _Atomic uint32_t count;
    stable keywords; /* of struct keyword */
    text_pool texts;
    size_t tables_bytes;
    uint64_t seed;
} keyword_dictionary;

void dictionary_init(keyword_dictionary *dictionary, const veer_allocator *allocator);
void dictionary_fini(keyword_dictionary *dictionary);
/* Makes sure that `more` new keywords with `text_bytes` in all can be added. */
veer_status dictionary_reserve(keyword_dictionary *dictionary, size_t more, size_t text_bytes);
/* The number of a keyword, which is added where it is new. The writer's. */
uint32_t dictionary_add(keyword_dictionary *dictionary, const char *text, uint32_t bytes);
/* The number, or DICTIONARY_NONE. */
uint32_t dictionary_find(const keyword_dictionary *dictionary, const char *text, uint32_t bytes);
/* Keywords that may be read: numbers below it. */
uint32_t dictionary_count(const keyword_dictionary *dictionary);
static inline const keyword *dictionary_keyword(const keyword_dictionary *dictionary,
                                                uint32_t number)
{
    return stable_at(&dictionary->keywords, number);
}
/* The writer's. */
size_t dictionary_bytes(const keyword_dictionary *dictionary);

#endif
