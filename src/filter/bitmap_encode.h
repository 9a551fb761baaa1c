/* Encoding of stored sets of rows (bitmap_view.h says what they look like), in time that the
 * caller can foresee and without memory of its own. */
#ifndef VEER_FILTER_BITMAP_ENCODE_H
#define VEER_FILTER_BITMAP_ENCODE_H

#include "filter/bitmap_view.h"

#define BITMAP_CONTAINER_ROWS 65536u
#define BITMAP_CONTAINERS_MAX (BITMAP_ROWS_MAX / BITMAP_CONTAINER_ROWS)
#define BITMAP_BITSET_BYTES (BITMAP_CONTAINER_ROWS / 8)

/* Takes the next bytes of a set; VEER_E_NOMEM ends the encoding. */
typedef veer_status (*bitmap_put)(void *context, const void *bytes, size_t count);

/* Scratch of one encoding: 29 KB, so not on a stack. Need not be cleared. */
typedef struct bitmap_encoder {
    struct bitmap_container {
        uint32_t key;   /* row / BITMAP_CONTAINER_ROWS */
        uint32_t count; /* rows */
        uint32_t runs;  /* of neighbouring rows */
    } containers[BITMAP_CONTAINERS_MAX];
    size_t containers_count;
    size_t count; /* rows */
    bitmap_put put;
    void *context;
    uint64_t words[BITMAP_CONTAINER_ROWS / 64];
    uint8_t bytes[BITMAP_BITSET_BYTES];
    size_t bytes_used;
} bitmap_encoder;

/* rows[count], ascending and distinct, below BITMAP_ROWS_MAX; or the ones of a bitset over `rows`
 * rows. Puts the smaller of the two stored forms. The same rows give the same bytes. A bitset is
 * looked at whole: a thousand rows for the price of one in the other form. */
veer_status bitmap_encode(bitmap_encoder *scratch, const uint32_t *rows, size_t count,
                          bitmap_put put, void *context);
veer_status bitmap_encode_bits(bitmap_encoder *scratch, const uint64_t *bits, size_t rows,
                               bitmap_put put, void *context);

#endif
