/* Bitmaps in memory: set operations, by CRoaring.
 *
 * A bitmap lives in a bitmap_memory from the call that makes it to bitmap_free, or to the reset
 * of its memory. Every call here reserves its worst case first (the proof is in bitmap.c), so it
 * either fails with VEER_E_NOMEM before CRoaring is entered, or succeeds.
 *
 * For one thread at a time, like the memory.
 */
#ifndef VEER_FILTER_BITMAP_H
#define VEER_FILTER_BITMAP_H

#include "base/bytes.h"
#include "filter/bitmap_memory.h"
#include "filter/bitmap_view.h"

struct roaring_bitmap_s;

typedef struct bitmap {
    struct roaring_bitmap_s *roaring;
    size_t bytes;      /* in the portable Roaring format */
    size_t containers; /* at most */
    uint64_t count;    /* rows in the set */
} bitmap;

veer_status bitmap_decode(bitmap_memory *memory, const bitmap_view *view, bitmap *out);
veer_status bitmap_and(bitmap_memory *memory, const bitmap *a, const bitmap *b, bitmap *out);
veer_status bitmap_and_not(bitmap_memory *memory, const bitmap *a, const bitmap *b, bitmap *out);
veer_status bitmap_or(bitmap_memory *memory, const bitmap *a, const bitmap *b, bitmap *out);
/* A view of its own bytes, in `memory`: until the reset of it. */
veer_status bitmap_to_view(bitmap_memory *memory, const bitmap *from, bitmap_view *view);
void bitmap_free(bitmap_memory *memory, bitmap *freed);

#endif
