/* A growing array whose elements never move: one writer appends while readers look at elements
 * that were published to them before.
 *
 * Elements lie in chunks of 1 << chunk_shift; a directory points to the chunks:
 *
 *   directory   [ the directory before it, or NULL | chunk 0 | chunk 1 | ... ]
 *
 * When the directory doubles, the old one is kept until the end, since a reader may still hold it
 * (all old ones together are smaller than the present one).
 *
 * Threads: stable_reserve is the writer's alone. A reader may touch an element that was written
 * before something was published to it with release order (a row count, a dictionary slot).
 */
#ifndef VEER_BASE_STABLE_H
#define VEER_BASE_STABLE_H

#include <stdatomic.h>

#include "veer.h"

typedef struct stable {
    const veer_allocator *allocator;
    size_t element_bytes;
    size_t chunk_shift;
    size_t chunks;             /* the writer's */
    size_t directory_capacity; /* slots, the first one included; the writer's */
    _Atomic(void **) directory;
} stable;

void stable_init(stable *array, const veer_allocator *allocator, size_t element_bytes,
                 size_t chunk_shift);
void stable_fini(stable *array);
/* Makes room for `elements` in all. New ones are zero. VEER_E_NOMEM keeps what there is. */
veer_status stable_reserve(stable *array, size_t elements);
/* Memory, the directories included; the writer's. */
size_t stable_bytes(const stable *array);

static inline size_t stable_chunk_elements(const stable *array)
{
    return (size_t)1 << array->chunk_shift;
}

/* The first element of a chunk that was reserved. */
static inline void *stable_chunk(const stable *array, size_t chunk)
{
    void **directory =
        atomic_load_explicit(&((stable *)(uintptr_t)array)->directory, memory_order_acquire);
    return directory[chunk + 1];
}

/* The element's place; reserved before. */
static inline void *stable_at(const stable *array, size_t i)
{
    uint8_t *chunk = stable_chunk(array, i >> array->chunk_shift);
    return chunk + (i & (stable_chunk_elements(array) - 1)) * array->element_bytes;
}

#endif
