/* What the writers of the column types share: the parts, where their rows go, and the output.
 * For column_write.c and column_write_keyword.c.
 */
#ifndef VEER_FILTER_COLUMN_MERGE_H
#define VEER_FILTER_COLUMN_MERGE_H

#include "filter/bitmap.h"
#include "filter/column_inner.h"

#define MERGE_DROPPED UINT32_MAX

typedef struct column_merge {
    column_type type;
    const column *const *parts;
    const uint32_t *const *maps;
    const size_t *rows;
    size_t parts_count;
    size_t total;
    const veer_allocator *allocator;
    size_t *bases;      /* where rows of a part without map begin */
    uint64_t *presence; /* bitset of the output's rows that have a value */
    bitmap_memory memory;
    byte_writer *out;
    size_t start; /* of the column within out */
    veer_error *error;
} column_merge;

/* Where row `row` of part `part` goes, or MERGE_DROPPED. */
static inline uint32_t merge_row(const column_merge *merge, size_t part, size_t row)
{
    if (row >= merge->rows[part]) return MERGE_DROPPED;
    const uint32_t *map = merge->maps == NULL ? NULL : merge->maps[part];
    return map == NULL ? (uint32_t)(merge->bases[part] + row) : map[row];
}

/* Rows of a part that may be read. */
static inline size_t merge_rows(const column_merge *merge, size_t part)
{
    size_t there = column_rows(merge->parts[part]);
    return there < merge->rows[part] ? there : merge->rows[part];
}

/* Zeros up to where the next section begins. */
void merge_align(const column_merge *merge);
veer_status merge_nomem(const column_merge *merge, size_t bytes);
/* Appends rows[count] as a stored set. */
veer_status merge_rows_set(column_merge *merge, const uint32_t *rows, size_t count);
/* Appends the set of present rows and a header with the counts of this column. */
veer_status merge_begin(column_merge *merge, uint32_t distinct, uint8_t flags);
/* The header's two sizes of sections that only some types have. */
void merge_set_sizes(const column_merge *merge, uint64_t texts, uint64_t data);

veer_status merge_keywords(column_merge *merge);

#endif
