/* A growing array whose elements never move: one writer appends while readers look at elements
 * that were published to them before.
 *
 * Elements lie in chunks of a fixed number; a directory points to the chunks. When the directory grows, the
 * old one is kept until the end, since a reader may still hold it (all retired ones together are
 * smaller than the present one).
 */
#ifndef VEER_ENGINE_STABLE_H
#define VEER_ENGINE_STABLE_H

#include <stdatomic.h>

#include "veer.h"

#define STABLE_RETIRED_MAX 32 /* the directory doubles: never reached */

typedef struct stable {
    const veer_allocator *allocator;
    size_t element_bytes;
    size_t chunk_shift; /* elements a chunk: 1 << chunk_shift */
    _Atomic(void **) directory;
    size_t directory_capacity;
    size_t count; /* chunks, the writer's view */
    struct {
        void **directory;
        size_t capacity;
    } retired[STABLE_RETIRED_MAX];
    size_t retired_count;
} stable;

void stable_init(stable *array, const veer_allocator *allocator, size_t element_bytes,
                 size_t chunk_shift);
void stable_fini(stable *array);
/* Makes room for `elements` in all. */
veer_status stable_reserve(stable *array, size_t elements);
size_t stable_bytes(const stable *array);

/* The element's place; reserved before. */
static inline void *stable_at(const stable *array, size_t i)
{
    void **directory =
        atomic_load_explicit(&((struct stable *)(uintptr_t)array)->directory, memory_order_acquire);
    char *chunk = directory[i >> array->chunk_shift];
    return chunk + (i & (((size_t)1 << array->chunk_shift) - 1)) * array->element_bytes;
}

#endif
