/* import_npy.c: libFuzzer target: the npy reader over arbitrary files.
 *
 * Whatever the bytes are, reading ends, stays inside its buffers, and either fails with a message
 * or hands out exactly the rows that the header promised, of dimensions within the limit.
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
    vector_reader reader = {0};
    vector_block block = {0};
    veer_error error = {0};
    uint64_t rows = 0;
    volatile float sum = 0;
    source_memory(&reader.source, "input", data, size);
    veer_status status = vectors_open(&reader, NULL, VECTORS_NPY, &error);
    while (status == VEER_OK) {
        demand(reader.dims >= 1 && reader.dims <= VEER_DIMS_MAX);
        status = vectors_next(&reader, 7, &block, &error);
        if (status != VEER_OK || block.rows == 0) break;
        demand(block.first_row == rows && block.rows <= 7);
        demand(block.stride_bytes == reader.dims * sizeof(float));
        for (size_t i = 0; i < block.rows * reader.dims; i++)
            sum += block.data[i];
        rows += block.rows;
    }
    if (status == VEER_OK) {
        demand(rows == reader.rows_known && rows == reader.row);
    } else {
        demand(error.status == status && error.message[0] != '\0');
    }
    (void)sum;
    vectors_close(&reader);
    return 0;
}
