/* Allocation: always through an allocator that was handed in, always checked.
 *
 * Sizes are multiplied with checks: an impossible size is a NULL, like any other shortage.
 * memory_budget wraps an allocator with a limit and a count; a database gives its budget's
 * allocator to everything that it makes, so that `memoryLimit` holds and stats can tell.
 */
#ifndef VEER_BASE_MEMORY_H
#define VEER_BASE_MEMORY_H

#include <stdatomic.h>

#include "veer.h"

/* The platform's malloc and free. */
const veer_allocator *memory_default(void);

/* Alignment 16. Contents are zero. NULL when there is none (never for 0 bytes alone). */
void *memory_new(const veer_allocator *allocator, size_t bytes);
void memory_free(const veer_allocator *allocator, void *memory, size_t bytes);

/* count * bytes_each, zeroed, aligned to 64: for arrays. count 0 gives NULL too. Blocks of 4 MiB
 * and more of the default allocator ask for huge pages. */
void *memory_array(const veer_allocator *allocator, size_t count, size_t bytes_each);
void memory_array_free(const veer_allocator *allocator, void *memory, size_t count,
                       size_t bytes_each);
/* The same with undefined contents, for large arrays that are filled piece by piece: nothing is
 * touched here, so it takes no time. Freed by memory_array_free. */
void *memory_room(const veer_allocator *allocator, size_t count, size_t bytes_each);
/* Grows *memory (an array of memory_array, or NULL) from *capacity to at least `wanted` elements,
 * by doubling; contents are kept, new elements are zero. VEER_E_NOMEM changes nothing. */
veer_status memory_grow(const veer_allocator *allocator, void **memory, size_t *capacity,
                        size_t wanted, size_t bytes_each);

/* A buffer of `bytes` zeros (and the 0 behind them) for the caller of the library; freed by
 * veer_buffer_free. The one way to make a veer_buffer: its memory is memory_new's. */
veer_status memory_buffer(const veer_allocator *allocator, size_t bytes, veer_buffer *buffer);

/* `used` never exceeds `limit`, over all threads. Must not move while its allocator is in use. */
typedef struct memory_budget {
    veer_allocator base;      /* where the memory comes from */
    veer_allocator allocator; /* what users of the budget allocate with */
    _Atomic size_t used;      /* bytes */
    _Atomic size_t peak;
    size_t limit; /* bytes; SIZE_MAX: none */
} memory_budget;
void memory_budget_init(memory_budget *budget, const veer_allocator *base, size_t limit);

#endif
