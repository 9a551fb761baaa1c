/* Memory that ends at an inaccessible page: reading or writing a byte too far ends the test. */
#ifndef VEER_TESTS_SUPPORT_GUARDED_H
#define VEER_TESTS_SUPPORT_GUARDED_H

#include <stddef.h>
#include <stdint.h>

typedef struct guarded {
    uint8_t *map;
    size_t bytes, room;
} guarded;

/* Room for `bytes`, zeroed; the test fails where there is none. */
guarded guarded_new(size_t bytes);
void guarded_free(guarded *g);
/* The last `bytes` before the page. */
void *guarded_end(const guarded *g, size_t bytes);

#endif
