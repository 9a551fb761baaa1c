/* CRoaring's memory: power-of-two blocks cut from reserved chunks. See bitmap_memory.h for why.
 *
 *   chunk   | chunk header | block header | block ... | block header | block ... |    left    |
 *
 * A block's header holds its order while it is in use, and the list pointer once it is freed. A
 * block never moves to another order, so cutting and freeing need no search. A realloc that fits
 * into the block it has keeps it.
 *
 * Threads: an arena belongs to one thread at a time.
 */
#include "filter/bitmap_memory.h"

#include <string.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"

#define BLOCK_BYTES_MIN 32u
#define CHUNK_HEADER 64u
#define CHUNK_BYTES_MIN ((size_t)16 << 10) /* arbitrary: small filters take one chunk */

typedef struct bitmap_memory_chunk {
    struct bitmap_memory_chunk *older;
    size_t bytes; /* of the whole allocation */
} chunk;

typedef struct bitmap_memory_block {
    struct bitmap_memory_block *next_unused;
    uint32_t order;
} block;

_Static_assert(sizeof(chunk) <= CHUNK_HEADER, "a chunk's header has its own cache line");
_Static_assert(sizeof(block) <= BITMAP_MEMORY_HEADER, "a block's header fits");

static _Thread_local bitmap_memory *entered;

/* The order of a block of `bytes`, or BITMAP_MEMORY_ORDERS where there is none. */
static uint32_t order_of(size_t bytes)
{
    uint32_t order = 0;
    while (order < BITMAP_MEMORY_ORDERS && ((size_t)BLOCK_BYTES_MIN << order) < bytes)
        order++;
    return order;
}

static size_t order_cost(uint32_t order)
{
    return BITMAP_MEMORY_HEADER + ((size_t)BLOCK_BYTES_MIN << order);
}

size_t bitmap_memory_cost(size_t bytes)
{
    uint32_t order = order_of(bytes);
    return order < BITMAP_MEMORY_ORDERS ? order_cost(order) : SIZE_MAX;
}

void bitmap_memory_init(bitmap_memory *memory, const veer_allocator *allocator)
{
    memset(memory, 0, sizeof *memory);
    memory->allocator = allocator;
}

static void release_chunks(bitmap_memory *memory, chunk *newest)
{
    while (newest != NULL) {
        chunk *older = newest->older;
        memory->allocator->release(memory->allocator->context, newest, newest->bytes, 64);
        newest = older;
    }
}

void bitmap_memory_fini(bitmap_memory *memory)
{
    release_chunks(memory, memory->chunks);
    memory->chunks = NULL;
    memory->next = NULL;
    memory->left = 0;
    memset(memory->unused, 0, sizeof memory->unused);
}

void bitmap_memory_reset(bitmap_memory *memory)
{
    memset(memory->unused, 0, sizeof memory->unused);
    if (memory->chunks == NULL) return;
    release_chunks(memory, memory->chunks->older);
    memory->chunks->older = NULL;
    memory->next = (uint8_t *)memory->chunks + CHUNK_HEADER;
    memory->left = memory->chunks->bytes - CHUNK_HEADER;
}

veer_status bitmap_memory_reserve(bitmap_memory *memory, size_t bytes)
{
    memory->promised = bytes;
    if (memory->left >= bytes) return VEER_OK;
    size_t wanted = bytes < CHUNK_BYTES_MIN ? CHUNK_BYTES_MIN : bytes;
    if (!size_add(wanted, CHUNK_HEADER, &wanted)) return VEER_E_NOMEM;
    chunk *added = memory->allocator->allocate(memory->allocator->context, wanted, 64);
    if (added == NULL) return VEER_E_NOMEM;
    added->older = memory->chunks;
    added->bytes = wanted;
    memory->chunks = added;
    memory->next = (uint8_t *)added + CHUNK_HEADER;
    memory->left = wanted - CHUNK_HEADER;
    return VEER_OK;
}

bitmap_memory *bitmap_memory_enter(bitmap_memory *memory)
{
    bitmap_memory *former = entered;
    entered = memory;
    return former;
}

void *veer_roaring_malloc(size_t size)
{
    bitmap_memory *memory = entered;
    uint32_t order = order_of(size);
    if (memory == NULL || order >= BITMAP_MEMORY_ORDERS) return NULL;
    block *found = memory->unused[order];
    if (found != NULL) {
        memory->unused[order] = found->next_unused;
    } else {
        size_t cost = order_cost(order);
        if (memory->promised < cost) {
            memory->shortfalls++;
            if (bitmap_memory_reserve(memory, cost) != VEER_OK) return NULL;
        }
        found = (block *)(void *)memory->next;
        memory->next += cost;
        memory->left -= cost;
        memory->promised -= cost;
    }
    found->order = order;
    return (uint8_t *)found + BITMAP_MEMORY_HEADER;
}

void *veer_roaring_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!size_mul(count, size, &bytes)) return NULL;
    void *memory = veer_roaring_malloc(bytes);
    if (memory != NULL) memset(memory, 0, bytes);
    return memory;
}

void *veer_roaring_realloc(void *memory, size_t size)
{
    if (memory == NULL) return veer_roaring_malloc(size);
    block *old = (block *)(void *)((uint8_t *)memory - BITMAP_MEMORY_HEADER);
    size_t room = (size_t)BLOCK_BYTES_MIN << old->order;
    if (size <= room) return memory;
    void *grown = veer_roaring_malloc(size);
    if (grown == NULL) return NULL;
    memcpy(grown, memory, room);
    veer_roaring_free(memory);
    return grown;
}

void veer_roaring_free(void *memory)
{
    if (memory == NULL || entered == NULL) return;
    block *freed = (block *)(void *)((uint8_t *)memory - BITMAP_MEMORY_HEADER);
    freed->next_unused = entered->unused[freed->order];
    entered->unused[freed->order] = freed;
}

int veer_roaring_posix_memalign(void **memory, size_t alignment, size_t size)
{
    /* Chunks are aligned to 64 and every cost is a multiple of 32, so blocks are aligned to 32. */
    if (alignment > 32) return 22; /* EINVAL */
    void *aligned = veer_roaring_malloc(size);
    if (aligned == NULL) return 12; /* ENOMEM */
    *memory = aligned;
    return 0;
}
