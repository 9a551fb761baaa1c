/* read_fvecs.c: fvecs, bvecs and ivecs, the row formats of the TEXMEX corpora.
 *
 *     int32 dims | dims values | int32 dims | dims values | ...      little-endian
 *
 * Every row repeats its dimensions; each is compared with the first row's, so a file that is of
 * another format, cut, or shifted by a byte is found at its first wrong row. A row that is not
 * complete at the end of the file is an error, not a shorter file.
 */
#include <string.h>

#include "readers.h"

static int32_t load_dims(const uint8_t *bytes)
{
    uint32_t value = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                     (uint32_t)bytes[3] << 24;
    int32_t dims = 0;
    memcpy(&dims, &value, sizeof dims);
    return dims;
}

veer_status fvecs_begin(vector_reader *reader, veer_error *error)
{
    const char *name = reader->source.name;
    size_t got = 0;
    veer_status status =
        source_read(&reader->source, reader->carried, sizeof reader->carried, &got, error);
    if (status != VEER_OK) {
        return status;
    }
    if (got == 0) {
        return cli_error(error, VEER_E_INVALID, "%s is empty: row 0 is missing", name);
    }
    if (got < sizeof reader->carried) {
        return cli_error(error, VEER_E_INVALID,
                         "%s: row 0 at byte 0: the file ends after %zu of the 4 bytes that hold "
                         "the dimensions",
                         name, got);
    }
    int32_t dims = load_dims(reader->carried);
    if (dims < 1 || dims > (int32_t)VEER_DIMS_MAX) {
        return cli_error(error, VEER_E_INVALID,
                         "%s: row 0 at byte 0: %ld dimensions, expected 1 to %u; is it a%s file?",
                         name, (long)dims, VEER_DIMS_MAX,
                         reader->format == VECTORS_BVECS   ? " bvecs"
                         : reader->format == VECTORS_IVECS ? "n ivecs"
                                                           : "n fvecs");
    }
    reader->dims = (uint32_t)dims;
    reader->row_bytes = 4 + (size_t)dims * (reader->format == VECTORS_BVECS ? 1 : 4);
    reader->is_carried = true;
    return VEER_OK;
}

static veer_status check_rows(const vector_reader *reader, size_t rows, veer_error *error)
{
    for (size_t i = 0; i < rows; i++) {
        int32_t dims = load_dims(reader->buffer + i * reader->row_bytes);
        if (dims != (int32_t)reader->dims) {
            uint64_t row = reader->row + i;
            return cli_error(error, VEER_E_DIMENSION,
                             "%s: row %llu at byte %llu: %ld dimensions, the rows before have %u",
                             reader->source.name, (unsigned long long)row,
                             (unsigned long long)(row * reader->row_bytes), (long)dims,
                             reader->dims);
        }
    }
    return VEER_OK;
}

veer_status fvecs_next(vector_reader *reader, size_t rows, vector_block *block, veer_error *error)
{
    size_t carried = reader->is_carried ? sizeof reader->carried : 0;
    size_t got = 0;
    memcpy(reader->buffer, reader->carried, carried);
    veer_status status = source_read(&reader->source, reader->buffer + carried,
                                     rows * reader->row_bytes - carried, &got, error);
    if (status != VEER_OK) {
        return status;
    }
    reader->is_carried = false;
    got += carried;
    size_t whole = got / reader->row_bytes;
    size_t rest = got - whole * reader->row_bytes;
    /* Of a row that is cut, the dimensions say more than its length. */
    status = check_rows(reader, whole + (rest >= 4), error);
    if (status != VEER_OK) {
        return status;
    }
    if (rest > 0) {
        uint64_t row = reader->row + whole;
        return cli_error(error, VEER_E_INVALID,
                         "%s: row %llu at byte %llu: the file ends after %zu of the row's %zu "
                         "bytes",
                         reader->source.name, (unsigned long long)row,
                         (unsigned long long)(row * reader->row_bytes), rest, reader->row_bytes);
    }
    block->rows = whole;
    reader->row += whole;
    if (reader->format != VECTORS_BVECS) {
        for (size_t i = 0; i < whole; i++) {
            vectors_from_little(reader->buffer + i * reader->row_bytes + 4, reader->dims);
        }
        block->data = (const float *)(const void *)(reader->buffer + 4);
        block->stride_bytes = reader->row_bytes;
        return VEER_OK;
    }
    for (size_t i = 0; i < whole; i++) {
        const uint8_t *from = reader->buffer + i * reader->row_bytes + 4;
        float *to = reader->floats + i * reader->dims;
        for (size_t j = 0; j < reader->dims; j++) {
            to[j] = (float)from[j];
        }
    }
    block->data = reader->floats;
    block->stride_bytes = (size_t)reader->dims * sizeof(float);
    return VEER_OK;
}
