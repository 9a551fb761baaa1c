/* Sorting without libc's qsort, which allocates behind our back, knows no context and cannot stop
 * in the middle. The two large sorts go on where they stopped: a step handles about as many items
 * as it is told and takes time in proportion. */
#ifndef VEER_FILTER_COLUMN_SORT_H
#define VEER_FILTER_COLUMN_SORT_H

#include "veer.h"

/* In place, ascending; insertion for few, heap sort for many. */
void sort_u32(uint32_t *items, size_t count);

/* Pairs by (key, row), both ascending: a radix sort of the bytes in which keys or rows differ. */
typedef struct pair_sort {
    const veer_allocator *allocator;
    size_t capacity, count;
    uint64_t *keys; /* the caller fills the first `count` of both, and finds them sorted */
    uint32_t *rows;
    uint64_t *other_keys;
    uint32_t *other_rows;
    uint64_t keys_differ; /* bits */
    uint32_t rows_differ;
    bool rows_ascend;
    unsigned pass;   /* 0: looking; then a byte of the rows or keys each */
    bool is_placing; /* of the pass: else counting */
    size_t at;
    size_t starts[256];
} pair_sort;

/* Memory for `capacity` pairs, 24 bytes each. VEER_E_NOMEM leaves it for pair_sort_fini. */
veer_status pair_sort_init(pair_sort *sort, const veer_allocator *allocator, size_t capacity);
void pair_sort_fini(pair_sort *sort);
/* True when all is sorted. */
bool pair_sort_step(pair_sort *sort, size_t items);

/* Sorts count items of `bytes` each, stably; `other` is scratch of the same size. */
typedef int (*sort_compare)(const void *context, const void *a, const void *b);
void sort_items(void *items, void *other, size_t count, size_t bytes, sort_compare compare,
                const void *context);
/* The same in steps. */
typedef struct merge_sort {
    uint8_t *from, *to;
    size_t count, bytes;
    sort_compare compare;
    const void *context;
    size_t width;       /* of sorted runs in `from` */
    size_t first;       /* of the two runs that are being merged */
    size_t left, right; /* taken of each */
} merge_sort;
void merge_sort_init(merge_sort *sort, void *items, void *other, size_t count, size_t bytes,
                     sort_compare compare, const void *context);
/* True when all is sorted: the items are in `from`, one of the two arrays. */
bool merge_sort_step(merge_sort *sort, size_t items);

#endif
