/* Bytes of sealed columns: opening, evaluating, visiting, writing again.
 *
 * Input: the type, u16 rows, then the column, whose checksum is made right. What opens must hold
 * together: EXISTS marks as many rows as it says, visiting stays within the rows and gives as many
 * values as visiting the column that is written from it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "filter/column_inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) abort();
}

typedef struct visited {
    size_t rows;
    bool is_keyword, is_bool;
    size_t values;
    uint64_t hash;
} visited;

/* A sum over rows and values: visiting in another order of a row's keywords gives the same. */
static void visit(void *context, uint32_t row, const column_value *value)
{
    visited *seen = context;
    expect(row < seen->rows);
    seen->values++;
    const void *bytes = seen->is_keyword ? value->as.keyword.text : (const void *)value;
    size_t count = seen->is_keyword ? value->as.keyword.bytes : seen->is_bool ? 1 : 8;
    seen->hash += crc32c(row, bytes, count);
}

static void check(const column *opened, size_t rows)
{
    uint64_t *bits = malloc((bitset_words(rows) + 1) * sizeof *bits);
    expect(bits != NULL);
    const sealed_column *sealed = (const sealed_column *)opened;
    column_query query = {.kind = COLUMN_HAS_VALUE};
    expect(sealed_match(sealed, &query, rows, memory_default(), bits) == VEER_OK);
    expect(bitset_count(bits, rows) == sealed->present);
    query.kind = COLUMN_BETWEEN; /* keywords: without bounds; others: above 0 */
    if (opened->type == COLUMN_NUMBER) query.upper.as.number = 1e300;
    if (opened->type == COLUMN_TIME) query.upper.as.time = INT64_MAX;
    if (opened->type != COLUMN_BOOL) {
        expect(sealed_match(sealed, &query, rows, memory_default(), bits) == VEER_OK);
        expect(bitset_count(bits, rows) <= sealed->present);
        expect(sealed_match(sealed, &query, rows / 2, memory_default(), bits) == VEER_OK);
    }
    column_value value = {.as.keyword = {"a", 1}};
    if (opened->type != COLUMN_KEYWORD) memset(&value, 0, sizeof value);
    query = (column_query){.kind = COLUMN_IN, .values = &value, .count = 1};
    expect(sealed_match(sealed, &query, rows, memory_default(), bits) == VEER_OK);
    expect(bitset_count(bits, rows) <= sealed_estimate(sealed, &query));
    free(bits);
}

static void write_again(const column *opened, size_t rows, const visited *seen)
{
    byte_writer bytes;
    column *again = NULL;
    visited seen_again = {.rows = rows, .is_keyword = seen->is_keyword, .is_bool = seen->is_bool};
    byte_writer_init(&bytes, memory_default());
    expect(column_write(opened->type, &opened, NULL, &rows, 1, rows, memory_default(), &bytes,
                        NULL) == VEER_OK);
    expect(column_open(memory_default(), opened->type, bytes.data, bytes.bytes, rows, &again,
                       NULL) == VEER_OK);
    expect(column_visit(again, rows, memory_default(), visit, &seen_again) == VEER_OK);
    expect(seen_again.values == seen->values && seen_again.hash == seen->hash);
    column_free(again);
    byte_writer_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) return 0;
    column_type type = (column_type)(COLUMN_KEYWORD + data[0] % 4);
    size_t rows = load_u16(data + 1), bytes = size - 3;
    uint8_t *column_bytes = malloc(bytes + (bytes == 0)); /* ends where the allocation does */
    column *opened = NULL;
    veer_error error = {0};
    expect(column_bytes != NULL);
    memcpy(column_bytes, data + 3, bytes);
    if (bytes >= SEALED_HEADER_BYTES) {
        uint32_t crc = crc32c(0, column_bytes, SEALED_HEADER_BYTES - 4);
        crc = crc32c(crc, column_bytes + SEALED_HEADER_BYTES, bytes - SEALED_HEADER_BYTES);
        store_u32(column_bytes + SEALED_HEADER_BYTES - 4, crc);
    }
    veer_status status =
        column_open(memory_default(), type, column_bytes, bytes, rows, &opened, &error);
    expect((status == VEER_OK) == (opened != NULL));
    if (status == VEER_OK) {
        visited seen = {
            .rows = rows, .is_keyword = type == COLUMN_KEYWORD, .is_bool = type == COLUMN_BOOL};
        check(opened, rows);
        expect(column_visit(opened, rows, memory_default(), visit, &seen) == VEER_OK);
        write_again(opened, rows, &seen);
        column_free(opened);
    } else {
        expect(error.status == status);
    }
    free(column_bytes);
    return 0;
}
