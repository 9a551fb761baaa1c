/* A small database as bytes, for tests that damage it. */
#ifndef VEER_TESTS_STORAGE_IMAGE_H
#define VEER_TESTS_STORAGE_IMAGE_H

#include "storage_mini.h"
#include "support/storage_repair.h"

/* Kinds of states: a log only; segments and a log; a checkpoint under way, relogged. */
enum { IMAGE_LOG, IMAGE_SEGMENTS, IMAGE_BOTH_LOGS, IMAGE_KINDS };

/* Fills an empty table. *n numbers are in it, all but the last transaction are below
 * *before_last. */
void image_build(const veer_io *io, int kind, uint64_t *n, uint64_t *before_last);
/* Copies of all streams of a table. */
void image_read(image *image, const veer_io *io);
/* Into an empty table. */
void image_write(const image *image, const veer_io *io);
void image_free(image *image);

#endif
