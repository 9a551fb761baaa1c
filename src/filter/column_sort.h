/* Sorting without libc's qsort, which allocates behind our back and knows no context. */
#ifndef VEER_FILTER_COLUMN_SORT_H
#define VEER_FILTER_COLUMN_SORT_H

#include <stddef.h>
#include <stdint.h>

/* In place, ascending; insertion for few, heap sort for many. */
void sort_u32(uint32_t *items, size_t count);

/* Sorts pairs by (key, row), both ascending: a radix sort that skips bytes in which all keys
 * agree. The other two arrays are scratch of the same length. */
void sort_pairs(uint64_t *keys, uint32_t *rows, uint64_t *other_keys, uint32_t *other_rows,
                size_t count);

/* Sorts count items of `bytes` each, stably; `other` is scratch of the same size. */
typedef int (*sort_compare)(const void *context, const void *a, const void *b);
void sort_items(void *items, void *other, size_t count, size_t bytes, sort_compare compare,
                const void *context);

#endif
