/* Growth of a chunked array: whole chunks are added, nothing is copied. See chunks.h. */
#include "filter/chunks.h"

#include <string.h>

#include "base/memory.h"

void chunks_init(chunk_array *chunks, const veer_allocator *allocator, size_t item_bytes)
{
    memset(chunks, 0, sizeof *chunks);
    chunks->allocator = allocator;
    chunks->item_bytes = item_bytes;
}

void chunks_fini(chunk_array *chunks)
{
    for (size_t i = 0; i < chunks->count; i++) {
        size_t items = chunks_first(i + 1) - chunks_first(i);
        memory_array_free(chunks->allocator, chunks_data(chunks, i), items, chunks->item_bytes);
    }
    for (size_t i = 0; i < CHUNKS_BLOCKS; i++) {
        memory_array_free(chunks->allocator, chunks->blocks[i], CHUNKS_IN_BLOCK, sizeof(void *));
    }
    memset(chunks->blocks, 0, sizeof chunks->blocks);
    chunks->count = 0;
    chunks->capacity = 0;
}

veer_status chunks_reserve(chunk_array *chunks, size_t items)
{
    if (items > CHUNKS_ITEMS_MAX) return VEER_E_LIMIT;
    while (chunks->capacity < items) {
        size_t next = chunks->count;
        void ***block = &chunks->blocks[next / CHUNKS_IN_BLOCK];
        if (*block == NULL) {
            *block = memory_array(chunks->allocator, CHUNKS_IN_BLOCK, sizeof(void *));
            if (*block == NULL) return VEER_E_NOMEM;
        }
        size_t room = chunks_first(next + 1) - chunks_first(next);
        void *data = memory_array(chunks->allocator, room, chunks->item_bytes);
        if (data == NULL) return VEER_E_NOMEM;
        (*block)[next % CHUNKS_IN_BLOCK] = data;
        chunks->count++;
        chunks->capacity += room;
    }
    return VEER_OK;
}

size_t chunks_bytes(const chunk_array *chunks)
{
    size_t blocks = (chunks->count + CHUNKS_IN_BLOCK - 1) / CHUNKS_IN_BLOCK;
    return chunks->capacity * chunks->item_bytes + blocks * CHUNKS_IN_BLOCK * sizeof(void *);
}
