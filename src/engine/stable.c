#include "engine/stable.h"

#include <string.h>

#include "base/memory.h"
#include "base/status.h"

void stable_init(stable *array, const veer_allocator *allocator, size_t element_bytes,
                 size_t chunk_shift)
{
    memset(array, 0, sizeof *array);
    array->allocator = allocator;
    array->element_bytes = element_bytes;
    array->chunk_shift = chunk_shift;
    atomic_init(&array->directory, NULL);
}

void stable_fini(stable *array)
{
    void **directory = atomic_load_explicit(&array->directory, memory_order_relaxed);
    for (size_t i = 0; i < array->count; i++)
        memory_array_free(array->allocator, directory[i], (size_t)1 << array->chunk_shift,
                          array->element_bytes);
    memory_array_free(array->allocator, directory, array->directory_capacity, sizeof *directory);
    for (size_t i = 0; i < array->retired_count; i++)
        memory_array_free(array->allocator, array->retired[i].directory, array->retired[i].capacity,
                          sizeof *directory);
    memset(array, 0, sizeof *array);
}

static veer_status grow_directory(stable *array, size_t wanted)
{
    if (wanted <= array->directory_capacity) return VEER_OK;
    size_t capacity = array->directory_capacity ? array->directory_capacity : 8;
    while (capacity < wanted)
        capacity *= 2;
    if (array->retired_count == STABLE_RETIRED_MAX) return VEER_E_NOMEM;
    void **old = atomic_load_explicit(&array->directory, memory_order_relaxed);
    void **directory = memory_array(array->allocator, capacity, sizeof *directory);
    if (!directory) return VEER_E_NOMEM;
    if (old) {
        memcpy(directory, old, array->count * sizeof *directory);
        array->retired[array->retired_count].directory = old;
        array->retired[array->retired_count].capacity = array->directory_capacity;
        array->retired_count++;
    }
    array->directory_capacity = capacity;
    atomic_store_explicit(&array->directory, directory, memory_order_release);
    return VEER_OK;
}

veer_status stable_reserve(stable *array, size_t elements)
{
    size_t per_chunk = (size_t)1 << array->chunk_shift;
    size_t wanted = elements / per_chunk + (elements % per_chunk != 0);
    VEER_TRY(grow_directory(array, wanted));
    void **directory = atomic_load_explicit(&array->directory, memory_order_relaxed);
    while (array->count < wanted) {
        void *chunk = memory_array(array->allocator, per_chunk, array->element_bytes);
        if (!chunk) return VEER_E_NOMEM;
        directory[array->count++] = chunk;
    }
    return VEER_OK;
}

size_t stable_bytes(const stable *array)
{
    size_t bytes = array->directory_capacity * sizeof(void *);
    for (size_t i = 0; i < array->retired_count; i++)
        bytes += array->retired[i].capacity * sizeof(void *);
    return bytes + ((array->count << array->chunk_shift) * array->element_bytes);
}
