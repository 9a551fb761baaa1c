/* Growth of an array that never moves: whole chunks are added, elements are not copied. See
 * stable.h. */
#include "base/stable.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"

#define DIRECTORY_SLOTS_MIN 8u /* and twice as many with each growth */

void stable_init(stable *array, const veer_allocator *allocator, size_t element_bytes,
                 size_t chunk_shift)
{
    memset(array, 0, sizeof *array);
    array->allocator = allocator;
    array->element_bytes = element_bytes;
    array->chunk_shift = chunk_shift;
    atomic_init(&array->directory, NULL);
}

static void **present_directory(const stable *array)
{
    return atomic_load_explicit(&((stable *)(uintptr_t)array)->directory, memory_order_relaxed);
}

void stable_fini(stable *array)
{
    void **directory = present_directory(array);
    for (size_t i = 0; i < array->chunks; i++)
        memory_array_free(array->allocator, directory[i + 1], stable_chunk_elements(array),
                          array->element_bytes);
    for (size_t slots = array->directory_capacity; directory != NULL; slots /= 2) {
        void **older = directory[0];
        memory_array_free(array->allocator, directory, slots, sizeof *directory);
        directory = older;
    }
    stable_init(array, array->allocator, array->element_bytes, array->chunk_shift);
}

static veer_status grow_directory(stable *array, size_t chunks)
{
    if (chunks < array->directory_capacity) return VEER_OK;
    size_t slots =
        array->directory_capacity == 0 ? DIRECTORY_SLOTS_MIN : array->directory_capacity * 2;
    void **directory = memory_array(array->allocator, slots, sizeof *directory);
    if (directory == NULL) return VEER_E_NOMEM;
    void **old = present_directory(array);
    if (old != NULL) memcpy(directory, old, array->directory_capacity * sizeof *directory);
    directory[0] = old;
    array->directory_capacity = slots;
    atomic_store_explicit(&array->directory, directory, memory_order_release);
    return VEER_OK;
}

veer_status stable_reserve(stable *array, size_t elements)
{
    while (array->chunks << array->chunk_shift < elements) {
        VEER_TRY(grow_directory(array, array->chunks + 1));
        void *chunk =
            memory_array(array->allocator, stable_chunk_elements(array), array->element_bytes);
        if (chunk == NULL) return VEER_E_NOMEM;
        present_directory(array)[++array->chunks] = chunk;
    }
    return VEER_OK;
}

size_t stable_bytes(const stable *array)
{
    size_t slots = 0;
    for (size_t each = array->directory_capacity; each >= DIRECTORY_SLOTS_MIN; each /= 2)
        slots += each;
    return slots * sizeof(void *) + (array->chunks << array->chunk_shift) * array->element_bytes;
}
