/* What the writers of the column types share: the parts, where their rows go, how far the writing
 * is, and the output. For column_write.c, column_write_ordered.c and column_write_keyword.c.
 */
#ifndef VEER_FILTER_COLUMN_MERGE_H
#define VEER_FILTER_COLUMN_MERGE_H

#include "base/bitset.h"
#include "filter/bitmap_encode.h"
#include "filter/column_inner.h"
#include "filter/column_sort.h"

#define MERGE_DROPPED UINT32_MAX
#define MERGE_STEP_ROWS ((size_t)8 << 10) /* of a step, about: well below a millisecond */
#define MERGE_CHUNK_SHIFT 16u             /* of the output: 64 KiB */

/* One step of a phase; *done: the next phase is due. */
typedef veer_status (*merge_phase)(column_writer *writer, bool *done);

struct keyword_merge;

struct column_writer {
    column_type type;
    const column *const *parts;
    const uint32_t *const *maps;
    const size_t *rows;
    size_t parts_count;
    size_t total;
    const veer_allocator *allocator;
    veer_error *error; /* of the present step */

    const merge_phase *phases; /* up to NULL */
    size_t phase;
    size_t part, at; /* how far the phase is; what `at` counts is the phase's business */

    size_t *bases;      /* where rows of a part without map begin */
    size_t kept;        /* rows that are not dropped */
    uint64_t *presence; /* bitset of the output's rows that have a value */
    uint64_t *bits;     /* another one: true rows, or those of one keyword */
    pair_sort sorted;   /* number and time */
    size_t distinct;
    struct keyword_merge *keywords;
    bitmap_encoder *encoder;

    stable chunks; /* the output */
    size_t bytes;
    uint32_t crc;
};

/* Where row `row` of part `part` goes, or MERGE_DROPPED. */
static inline uint32_t merge_row(const column_writer *writer, size_t part, size_t row)
{
    if (row >= writer->rows[part]) return MERGE_DROPPED;
    const uint32_t *map = writer->maps == NULL ? NULL : writer->maps[part];
    return map == NULL ? (uint32_t)(writer->bases[part] + row) : map[row];
}

/* Rows of a part that may be read. */
static inline size_t merge_rows(const column_writer *writer, size_t part)
{
    size_t there = column_rows(writer->parts[part]);
    return there < writer->rows[part] ? there : writer->rows[part];
}

/* The next part that is not NULL, from the present one on; false behind the last. */
bool merge_part(column_writer *writer);
static inline void merge_next_part(column_writer *writer)
{
    writer->part++;
    writer->at = 0;
}

/* The end of one step from `at` over `count` items. */
static inline size_t merge_end(const column_writer *writer, size_t count)
{
    size_t left = count - writer->at;
    return writer->at + (left < MERGE_STEP_ROWS ? left : MERGE_STEP_ROWS);
}

veer_status merge_nomem(const column_writer *writer, size_t bytes);

/* ---- output */

veer_status merge_put(column_writer *writer, const void *data, size_t bytes);
veer_status merge_zeros(column_writer *writer, size_t bytes);
/* Zeros up to where the next section begins. */
veer_status merge_align(column_writer *writer);
/* merge_put for the set encoder. */
veer_status merge_put_set(void *writer, const void *data, size_t bytes);

static inline veer_status merge_u32(column_writer *writer, uint32_t value)
{
    uint8_t bytes[4];
    store_u32(bytes, value);
    return merge_put(writer, bytes, sizeof bytes);
}

static inline veer_status merge_u64(column_writer *writer, uint64_t value)
{
    uint8_t bytes[8];
    store_u64(bytes, value);
    return merge_put(writer, bytes, sizeof bytes);
}

/* Bytes that were put: `offset` is a multiple of 8, and as many are there as lie in one chunk. */
static inline uint8_t *merge_at(const column_writer *writer, size_t offset)
{
    return stable_at(&writer->chunks, offset);
}

/* Phase: the header, with `distinct`, and the set of present rows. */
veer_status merge_head(column_writer *writer, bool *done);

extern const merge_phase column_ordered_phases[];
extern const merge_phase column_keyword_phases[];
void keyword_merge_free(column_writer *writer);

#endif
