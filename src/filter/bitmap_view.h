/* Stored bitmaps: sets of rows as bytes in the portable Roaring format, checked before use.
 *
 * bitmap_view_open is the only way from bytes to a view. It checks every length, key, order,
 * cardinality, run and offset, so that everything that takes a view trusts it, CRoaring's loader
 * included (bitmap.c). It reads no byte outside of the ones it is given and allocates nothing.
 *
 * The format (https://github.com/RoaringBitmap/RoaringFormatSpec), narrowed where it leaves room:
 * no empty container, containers with keys in ascending order, an array for up to 4096 rows and
 * a bitset above, a run container of at most 2047 runs that neither touch nor overlap, offsets
 * that are the real ones, nothing behind the last container.
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
    uint32_t containers;
    uint32_t count; /* rows in the set */
} bitmap_view;

/* True where the bytes are exactly one valid bitmap of rows below `rows` (<= BITMAP_ROWS_MAX). */
bool bitmap_view_open(const void *bytes, size_t size, size_t rows, bitmap_view *view);

/* The same for bytes that bitmap_view_open has accepted and found to hold `count` rows. */
void bitmap_view_reopen(const void *bytes, size_t size, uint32_t count, bitmap_view *view);

/* Set operations on words[bitset_words(rows)]; rows of the view at or above `rows` are ignored. */
void bitmap_view_or(const bitmap_view *view, uint64_t *words, size_t rows);
void bitmap_view_and_not(const bitmap_view *view, uint64_t *words, size_t rows);
/* Its rows in ascending order into rows[view->count]. */
void bitmap_view_rows(const bitmap_view *view, uint32_t *rows);

#endif
