/* Stored sets of rows: bytes that hold a set whose size is known, checked before use.
 *
 * A set of n rows is stored in the form that takes fewer bytes:
 *
 *   rows     n times u32, ascending: exactly 4 n bytes
 *   bitmap   the portable Roaring format, fewer than 4 n bytes
 *
 * so its number of bytes says which one it is. bitmap_view_open is the only way from bytes to a
 * view. It checks every length, key, order, cardinality, run and offset, so that everything that
 * takes a view trusts it, CRoaring's loader included (bitmap.c). It reads no byte outside of the
 * ones it is given and allocates nothing.
 *
 * The Roaring format (https://github.com/RoaringBitmap/RoaringFormatSpec) is narrowed where it
 * leaves room: no empty container, containers with keys in ascending order, an array for up to
 * 4096 rows and a bitset above, a run container of at most 2047 runs that neither touch nor
 * overlap, offsets that are the real ones, nothing behind the last container.
 *
 * A view borrows its bytes. Any number of threads may use it.
 */
#ifndef VEER_FILTER_BITMAP_VIEW_H
#define VEER_FILTER_BITMAP_VIEW_H

#include "veer.h"

#define BITMAP_ROWS_MAX ((size_t)1 << 26) /* of a segment */
#define BITMAP_RUNS_MAX 2047u             /* more would be larger than a bitset */

typedef struct bitmap_view {
    const uint8_t *bytes;
    size_t size;
    uint32_t count;      /* rows in the set */
    uint32_t containers; /* of a bitmap */
    bool is_rows;
} bitmap_view;

/* True where the bytes are exactly one valid set of `count` rows below `rows` (<=
 * BITMAP_ROWS_MAX). */
bool bitmap_view_open(const void *bytes, size_t size, size_t rows, uint32_t count,
                      bitmap_view *view);
/* The same for bytes that bitmap_view_open has accepted before. */
void bitmap_view_reopen(const void *bytes, size_t size, uint32_t count, bitmap_view *view);

/* Set operations on words[bitset_words(rows)]; rows of the view at or above `rows` are ignored. */
void bitmap_view_or(const bitmap_view *view, uint64_t *words, size_t rows);
void bitmap_view_and_not(const bitmap_view *view, uint64_t *words, size_t rows);
/* Its rows in ascending order into rows[view->count]. */
void bitmap_view_rows(const bitmap_view *view, uint32_t *rows);

#endif
