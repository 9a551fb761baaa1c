/* import_fvecs.c: libFuzzer target: the readers of fvecs, bvecs and ivecs over arbitrary files.
 *
 * The first byte picks the format, the rest is the file. Reading ends, stays inside its buffers,
 * and either fails with a message or has accounted for every byte of the file.
 */
#include <stdint.h>
#include <stdlib.h>

#include "cli/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const vector_format formats[] = {VECTORS_FVECS, VECTORS_BVECS, VECTORS_IVECS};
    vector_reader reader = {0};
    vector_block block = {0};
    veer_error error = {0};
    uint64_t rows = 0;
    volatile float sum = 0;
    if (size == 0) return 0;
    source_memory(&reader.source, "input", data + 1, size - 1);
    veer_status status = vectors_open(&reader, NULL, formats[data[0] % 3], &error);
    while (status == VEER_OK) {
        demand(reader.dims >= 1 && reader.dims <= VEER_DIMS_MAX);
        status = vectors_next(&reader, 5, &block, &error);
        if (status != VEER_OK || block.rows == 0) break;
        demand(block.first_row == rows && block.rows <= 5);
        for (size_t i = 0; i < block.rows; i++) {
            const char *row = (const char *)block.data + i * block.stride_bytes;
            for (size_t j = 0; j < reader.dims; j++)
                sum += ((const float *)(const void *)row)[j];
        }
        rows += block.rows;
    }
    if (status == VEER_OK) {
        demand(rows == reader.row && rows * reader.row_bytes == size - 1);
    } else {
        demand(error.status == status && error.message[0] != '\0');
    }
    (void)sum;
    vectors_close(&reader);
    return 0;
}
