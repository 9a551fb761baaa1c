/* Inputs of the storage targets: streams in few bytes. Pages are mostly zeros, so bytes come in
 * runs: u16 literal bytes, u16 zeros, then the literal bytes. */
#ifndef VEER_TESTS_FUZZ_STORAGE_INPUT_H
#define VEER_TESTS_FUZZ_STORAGE_INPUT_H

#include "platform/io.h"
#include "support/storage_repair.h"

typedef struct storage_input {
    const uint8_t *data;
    size_t left;
} storage_input;

uint8_t input_byte(storage_input *input);
/* The next runs, up to one of nothing at all, as a stream of at most `limit` bytes; free with
 * input_free. */
void input_stream(storage_input *input, size_t limit, const char *name, image_stream *stream);
void input_free(image_stream *stream);
/* A table of memory with these streams; frees them. */
void input_table(image *streams, bool mapping, veer_io *io);
void demand(bool holds);
/* Every failure has a text. */
void demand_error(veer_status status, const veer_error *error);

#endif
