/* read_vectors.c: what fvecs and npy have in common: opening, blocks, byte order, reading all.
 *
 * A block is as many whole rows as fit into VECTORS_BLOCK_BYTES, at least one. Rows that are
 * float32 in the file are handed out where they were read, with the file's stride, so that an
 * import copies them once: from the page cache into the buffer that veer_write reads.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "readers.h"

bool vectors_format_of(const char *path, vector_format *format)
{
    static const struct {
        const char *ending;
        vector_format format;
    } endings[] = {
        {".fvecs", VECTORS_FVECS},
        {".bvecs", VECTORS_BVECS},
        {".ivecs", VECTORS_IVECS},
        {".npy", VECTORS_NPY},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof endings[0]; i++) {
        if (strcasecmp(dot, endings[i].ending) == 0) {
            *format = endings[i].format;
            return true;
        }
    }
    return false;
}

void vectors_from_little(void *values, size_t count)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    unsigned char *bytes = values;
    for (size_t i = 0; i < count; i++, bytes += 4) {
        unsigned char first = bytes[0];
        unsigned char second = bytes[1];
        bytes[0] = bytes[3];
        bytes[1] = bytes[2];
        bytes[2] = second;
        bytes[3] = first;
    }
#else
    (void)values;
    (void)count;
#endif
}

veer_status vectors_open(vector_reader *reader, const char *path, vector_format format,
                         veer_error *error)
{
    if (path != NULL) {
        *reader = (vector_reader){0};
        veer_status status = source_open(&reader->source, path, error);
        if (status != VEER_OK) {
            return status;
        }
    }
    reader->format = format;
    reader->rows_known = UINT64_MAX;
    veer_status status =
        format == VECTORS_NPY ? npy_begin(reader, error) : fvecs_begin(reader, error);
    if (status != VEER_OK) {
        return status;
    }
    size_t in_memory = (size_t)reader->dims * sizeof(float);
    size_t larger = reader->row_bytes > in_memory ? reader->row_bytes : in_memory;
    reader->buffer_rows = larger < VECTORS_BLOCK_BYTES ? VECTORS_BLOCK_BYTES / larger : 1;
    if (reader->source.size > 0 && reader->source.size / reader->row_bytes < reader->buffer_rows) {
        /* A small file: one row more than it can hold, so that a cut row is seen. */
        reader->buffer_rows = (size_t)(reader->source.size / reader->row_bytes) + 1;
    }
    reader->buffer = malloc(reader->buffer_rows * reader->row_bytes);
    bool as_is = format == VECTORS_FVECS || format == VECTORS_IVECS ||
                 (format == VECTORS_NPY && reader->type == NPY_F4);
    if (!as_is) {
        reader->floats = malloc(reader->buffer_rows * in_memory);
    }
    if (reader->buffer == NULL || (!as_is && reader->floats == NULL)) {
        return cli_error(error, VEER_E_NOMEM, "out of memory for a block of %s",
                         reader->source.name);
    }
    return VEER_OK;
}

veer_status vectors_next(vector_reader *reader, size_t rows_max, vector_block *block,
                         veer_error *error)
{
    *block = (vector_block){.first_row = reader->row};
    size_t rows = rows_max < reader->buffer_rows ? rows_max : reader->buffer_rows;
    if (rows == 0) {
        return VEER_OK;
    }
    return reader->format == VECTORS_NPY ? npy_next(reader, rows, block, error)
                                         : fvecs_next(reader, rows, block, error);
}

void vectors_close(vector_reader *reader)
{
    source_close(&reader->source);
    free(reader->buffer);
    free(reader->floats);
    reader->buffer = NULL;
    reader->floats = NULL;
}

veer_status vectors_read_all(const char *path, vector_format format, uint64_t rows_max,
                             float **data, uint64_t *rows, uint32_t *dims, veer_error *error)
{
    vector_reader reader = {0};
    vector_block block = {0};
    cli_text all = {0};
    *data = NULL;
    *rows = 0;
    *dims = 0;
    veer_status status = vectors_open(&reader, path, format, error);
    while (status == VEER_OK && reader.row < rows_max) {
        uint64_t left = rows_max - reader.row;
        status = vectors_next(&reader, left < SIZE_MAX ? (size_t)left : SIZE_MAX, &block, error);
        if (status != VEER_OK || block.rows == 0) {
            break;
        }
        size_t row_bytes = (size_t)reader.dims * sizeof(float);
        for (size_t i = 0; i < block.rows; i++) {
            cli_text_append(&all, (const char *)block.data + i * block.stride_bytes, row_bytes);
        }
        if (all.failed) {
            status = cli_error(error, VEER_E_NOMEM, "out of memory for the rows of %s",
                               reader.source.name);
        }
    }
    if (status == VEER_OK) {
        *data = (float *)(void *)all.data;
        *rows = reader.row;
        *dims = reader.dims;
    } else {
        cli_text_free(&all);
    }
    vectors_close(&reader);
    return status;
}
