/* An array that grows and never moves: what one writer appends to while readers read.
 *
 * Items lie in chunks of 1024, 1024, 2048, 4096, ... 32768 items, then of 65536 each, so a small
 * column is small and the first items of all chunks are multiples of 1024. The chunks' addresses
 * are in blocks of 32, and the blocks' addresses in the object itself: nothing that was written
 * is written again when the array grows, up to 2^26 items.
 *
 * Threads: the writer alone calls chunks_reserve. A reader may touch an item that was written
 * before something was published to it with release order (a row count, a dictionary slot): the
 * directory entries on the way to it were written before as well.
 */
#ifndef VEER_FILTER_CHUNKS_H
#define VEER_FILTER_CHUNKS_H

#include "veer.h"

#define CHUNKS_ITEMS_MAX ((size_t)1 << 26)
#define CHUNKS_COUNT 1030u /* 7 chunks up to item 65536, then one for each further 65536 */
#define CHUNKS_IN_BLOCK 32u
#define CHUNKS_BLOCKS ((CHUNKS_COUNT + CHUNKS_IN_BLOCK - 1) / CHUNKS_IN_BLOCK)

typedef struct chunk_array {
    const veer_allocator *allocator;
    size_t item_bytes;
    size_t capacity; /* items; the writer's */
    size_t count;    /* chunks; the writer's */
    void **blocks[CHUNKS_BLOCKS];
} chunk_array;

void chunks_init(chunk_array *chunks, const veer_allocator *allocator, size_t item_bytes);
void chunks_fini(chunk_array *chunks);
/* Room for `items` items in all. New items are zero. VEER_E_LIMIT above CHUNKS_ITEMS_MAX. */
veer_status chunks_reserve(chunk_array *chunks, size_t items);
size_t chunks_bytes(const chunk_array *chunks);

static inline size_t chunks_index(size_t item)
{
    if (item >= 65536) return item / 65536 + 6;
    if (item < 1024) return 0;
    return 54 - (size_t)__builtin_clzll((unsigned long long)item);
}

/* First item of a chunk, which is also the end of the chunk before it. */
static inline size_t chunks_first(size_t chunk)
{
    if (chunk == 0) return 0;
    return chunk < 7 ? (size_t)512 << chunk : (chunk - 6) * 65536;
}

static inline void *chunks_data(const chunk_array *chunks, size_t chunk)
{
    return chunks->blocks[chunk / CHUNKS_IN_BLOCK][chunk % CHUNKS_IN_BLOCK];
}

static inline void *chunks_item(const chunk_array *chunks, size_t item)
{
    size_t chunk = chunks_index(item);
    return (uint8_t *)chunks_data(chunks, chunk) +
           (item - chunks_first(chunk)) * chunks->item_bytes;
}

#endif
