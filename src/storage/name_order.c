/* Heapsort and binary search over elements that begin with their name.
 *
 * Heapsort because it is in place, n log n at worst (the names may come from hostile files), and,
 * unlike some qsort, allocates nothing behind the allocator's back.
 *
 * Threads: pure functions over the caller's memory.
 */
#include "storage/name_order.h"

#include <stdint.h>
#include <string.h>

#define ELEMENT_BYTES_MAX 128u

typedef struct element_array {
    uint8_t *bytes;
    size_t each;
} element_array;

static char *name_at(const element_array *array, size_t i)
{
    return (char *)array->bytes + i * array->each;
}

static void swap_elements(const element_array *array, size_t i, size_t j)
{
    uint8_t held[ELEMENT_BYTES_MAX];
    memcpy(held, name_at(array, i), array->each);
    memcpy(name_at(array, i), name_at(array, j), array->each);
    memcpy(name_at(array, j), held, array->each);
}

static void sift_down(const element_array *array, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n) return;
        if (child + 1 < n && strcmp(name_at(array, child), name_at(array, child + 1)) < 0) child++;
        if (strcmp(name_at(array, root), name_at(array, child)) >= 0) return;
        swap_elements(array, root, child);
        root = child;
    }
}

void names_sort(void *elements, size_t n, size_t bytes_each)
{
    element_array array = {elements, bytes_each};
    if (bytes_each > ELEMENT_BYTES_MAX) return;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(&array, i, n);
    for (size_t end = n; end-- > 1;) {
        swap_elements(&array, 0, end);
        sift_down(&array, 0, end);
    }
}

bool names_distinct(const void *elements, size_t n, size_t bytes_each)
{
    const char *name = elements;
    for (size_t i = 1; i < n; i++, name += bytes_each) {
        if (strcmp(name, name + bytes_each) == 0) return false;
    }
    return true;
}

size_t names_find(const void *elements, size_t n, size_t bytes_each, const char *name)
{
    const char *first = elements;
    size_t low = 0;
    size_t high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(first + middle * bytes_each, name);
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return n;
}
