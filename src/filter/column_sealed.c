/* Sealed columns: their bytes, and opening them.
 *
 * All integers little-endian. Every section begins at a multiple of 8 bytes; gaps are zero.
 *
 *    0  u32  magic "VCOL"
 *    4  u16  version, 1
 *    6  u8   type (column.h)
 *    7  u8   flags: 1 where every value of a number or time column has exactly one row
 *    8  u32  rows of the segment
 *   12  u32  rows that have a value
 *   16  u32  distinct values n (bool: rows that are true)
 *   20  u32  0
 *   24  u64  bytes of the set of present rows
 *   32  u64  keyword: bytes of all texts; bool: bytes of the set of true rows; else 0
 *   40  u64  keyword: bytes of the rows of all values; else 0
 *   48  12 bytes of 0
 *   60  u32  CRC-32C of all bytes but these four, in every version
 *   64  the set of present rows, those that have a value (sets: bitmap_view.h)
 *
 * then for bool        the set of rows that are true
 *      number, time    n values, f64 or i64, strictly ascending (no NaN, no -0, no INT64_MIN)
 *                      unless flag 1: n times u32, rows that have this or a smaller value
 *                      u32 rows, by value, equal values by row
 *      keyword         n times u64, end of each text in the texts
 *                      n times u64, end of each value's rows in the rows
 *                      n times u32, rows that have the value (at least 1)
 *                      texts, strictly ascending by bytes, UTF-8, at most 1024 bytes each
 *                      the set of rows of each value
 *
 * There is nothing behind the last section. Opening checks every statement above, and that the
 * rows of all values together are exactly the present ones. So evaluation reads without checks,
 * and damage that passes the checksum of its block and this one still cannot make it read or
 * write out of bounds.
 *
 * Threads: an open column is immutable.
 */
#include "base/bitset.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"
#include "base/utf8.h"
#include "filter/column_inner.h"

#define CORRUPT(error, ...) VEER_FAIL(error, VEER_E_CORRUPT, "column: " __VA_ARGS__)

/* Cuts sections off the bytes from the front. After a failure it stays failed. */
typedef struct section_reader {
    const uint8_t *bytes;
    uint64_t size;
    uint64_t position;
    bool failed;
} section_reader;

static const uint8_t *section(section_reader *reader, uint64_t count, uint64_t bytes_each)
{
    uint64_t bytes;
    if (reader->failed || !u64_mul(count, bytes_each, &bytes) ||
        bytes > reader->size - reader->position) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *found = reader->bytes + reader->position;
    reader->position += bytes;
    uint64_t padding = u64_round_up(reader->position, SEALED_ALIGNMENT) - reader->position;
    if (padding > reader->size - reader->position) {
        reader->failed = true;
        return NULL;
    }
    for (uint64_t i = 0; i < padding; i++) {
        reader->failed = reader->failed || reader->bytes[reader->position + i] != 0;
    }
    reader->position += padding;
    return found;
}

static veer_status read_header(sealed_column *sealed, const uint8_t *bytes, size_t size,
                               veer_error *error)
{
    if (size < SEALED_HEADER_BYTES) {
        CORRUPT(error, "%zu bytes are less than a header", size);
    }
    if (load_u32(bytes) != SEALED_MAGIC) CORRUPT(error, "the header has another magic number");
    uint32_t crc = crc32c(0, bytes, SEALED_HEADER_BYTES - 4);
    crc = crc32c(crc, bytes + SEALED_HEADER_BYTES, size - SEALED_HEADER_BYTES);
    if (crc != load_u32(bytes + 60)) CORRUPT(error, "the checksum does not match");
    if (load_u16(bytes + 4) != SEALED_VERSION) {
        VEER_FAIL(error, VEER_E_VERSION, "column: version %u, this Veer knows %u",
                  load_u16(bytes + 4), SEALED_VERSION);
    }
    if (bytes[6] != (uint8_t)sealed->base.type) {
        CORRUPT(error, "type %u where the schema says %d", bytes[6], (int)sealed->base.type);
    }
    if (load_u32(bytes + 8) != sealed->rows) {
        CORRUPT(error, "%u rows where the segment has %zu", load_u32(bytes + 8), sealed->rows);
    }
    sealed->present = load_u32(bytes + 12);
    sealed->distinct = load_u32(bytes + 16);
    bool is_ordered = sealed->base.type == COLUMN_NUMBER || sealed->base.type == COLUMN_TIME;
    sealed->is_unique = bytes[7] == SEALED_FLAG_UNIQUE;
    bool valid = bytes[7] <= (is_ordered ? SEALED_FLAG_UNIQUE : 0u) && load_u32(bytes + 20) == 0;
    for (size_t i = 48; i < 60; i++)
        valid = valid && bytes[i] == 0;
    valid = valid && (load_u64(bytes + 40) == 0 || sealed->base.type == COLUMN_KEYWORD);
    valid = valid && (load_u64(bytes + 32) == 0 || !is_ordered);
    if (!valid) CORRUPT(error, "the header contradicts itself");
    return VEER_OK;
}

static veer_status cut_sections(sealed_column *sealed, const uint8_t *bytes, size_t size,
                                veer_error *error)
{
    section_reader reader = {bytes, size, SEALED_HEADER_BYTES, false};
    uint64_t presence_bytes = load_u64(bytes + 24);
    uint64_t text_bytes = load_u64(bytes + 32);
    uint64_t data_bytes = load_u64(bytes + 40);
    uint64_t distinct = sealed->distinct;
    const uint8_t *presence = section(&reader, presence_bytes, 1);
    const uint8_t *trues = NULL;
    switch (sealed->base.type) {
    case COLUMN_BOOL:
        trues = section(&reader, text_bytes, 1);
        break;
    case COLUMN_NUMBER:
    case COLUMN_TIME:
        sealed->values = section(&reader, distinct, 8);
        sealed->ends = sealed->is_unique ? NULL : section(&reader, distinct, 4);
        sealed->sorted = section(&reader, sealed->present, 4);
        break;
    case COLUMN_KEYWORD:
        sealed->text_ends = section(&reader, distinct, 8);
        sealed->data_ends = section(&reader, distinct, 8);
        sealed->counts = section(&reader, distinct, 4);
        sealed->texts = section(&reader, text_bytes, 1);
        sealed->data = section(&reader, data_bytes, 1);
        break;
    case COLUMN_NONE:
        break;
    }
    if (reader.failed || reader.position != size) {
        CORRUPT(error, "%zu bytes do not hold the sections of its header", size);
    }
    if (!bitmap_view_open(presence, (size_t)presence_bytes, sealed->rows, sealed->present,
                          &sealed->presence)) {
        CORRUPT(error, "the set of present rows is damaged");
    }
    if (trues != NULL && !bitmap_view_open(trues, (size_t)text_bytes, sealed->rows,
                                           sealed->distinct, &sealed->trues)) {
        CORRUPT(error, "the set of true rows is damaged");
    }
    return VEER_OK;
}

static veer_status check_values(const sealed_column *sealed, veer_error *error)
{
    bool is_number = sealed->base.type == COLUMN_NUMBER;
    for (size_t i = 0; i < sealed->distinct; i++) {
        const uint8_t *at = sealed->values + 8 * i;
        bool valid = load_u64(at) != 0x8000000000000000u; /* -0, INT64_MIN */
        if (is_number) {
            double value = load_f64(at);
            valid = valid && value == value && (i == 0 || load_f64(at - 8) < value);
        } else {
            valid = valid && (i == 0 || (int64_t)load_u64(at - 8) < (int64_t)load_u64(at));
        }
        if (!valid) CORRUPT(error, "value %zu is out of order", i);
    }
    return VEER_OK;
}

static veer_status check_ordered(const sealed_column *sealed, uint64_t *rows, veer_error *error)
{
    VEER_TRY(check_values(sealed, error));
    uint32_t former_end = 0;
    if (sealed->is_unique ? sealed->distinct != sealed->present
                          : (sealed->distinct == 0) != (sealed->present == 0)) {
        CORRUPT(error, "%u values for %u rows", sealed->distinct, sealed->present);
    }
    for (uint32_t i = 0; i < sealed->distinct; i++) {
        uint32_t first, end;
        sealed_value_rows(sealed, i, &first, &end);
        if (end <= former_end || end > sealed->present) {
            CORRUPT(error, "the rows of value %u end at %u of %u", i, end, sealed->present);
        }
        former_end = end;
        for (uint32_t j = first; j < end; j++) {
            uint32_t row = load_u32(sealed->sorted + 4 * (size_t)j);
            if (row >= sealed->rows ||
                (j > first && row <= load_u32(sealed->sorted + 4 * ((size_t)j - 1)))) {
                CORRUPT(error, "row %u of value %u is out of order", row, i);
            }
            bitset_set(rows, row);
        }
    }
    if (former_end != sealed->present) {
        CORRUPT(error, "values have %u rows of %u", former_end, sealed->present);
    }
    return VEER_OK;
}

static veer_status check_keyword_text(const sealed_column *sealed, uint32_t i, veer_error *error)
{
    uint64_t first = i == 0 ? 0 : load_u64(sealed->text_ends + 8 * ((size_t)i - 1));
    uint64_t end = load_u64(sealed->text_ends + 8 * (size_t)i);
    uint64_t limit = (uint64_t)(sealed->data - sealed->texts);
    if (end < first || end > limit || end - first > COLUMN_KEYWORD_BYTES_MAX) {
        CORRUPT(error, "the text of keyword %u ends at %llu", i, (unsigned long long)end);
    }
    uint32_t bytes, former_bytes;
    const char *text = sealed_text(sealed, i, &bytes);
    if (!utf8_valid(text, bytes)) CORRUPT(error, "keyword %u is not UTF-8", i);
    if (i == 0) return VEER_OK;
    const char *former = sealed_text(sealed, i - 1, &former_bytes);
    if (keyword_compare(former, former_bytes, text, bytes) >= 0) {
        CORRUPT(error, "keyword %u is out of order", i);
    }
    return VEER_OK;
}

static veer_status check_keyword_rows(const sealed_column *sealed, uint32_t i, uint64_t *rows,
                                      uint64_t data_bytes, veer_error *error)
{
    uint64_t first = i == 0 ? 0 : load_u64(sealed->data_ends + 8 * ((size_t)i - 1));
    uint64_t end = load_u64(sealed->data_ends + 8 * (size_t)i);
    uint32_t count = load_u32(sealed->counts + 4 * (size_t)i);
    if (end < first || end > data_bytes || count == 0) {
        CORRUPT(error, "the rows of keyword %u end at %llu", i, (unsigned long long)end);
    }
    bitmap_view view;
    if (!bitmap_view_open(sealed->data + first, (size_t)(end - first), sealed->rows, count,
                          &view)) {
        CORRUPT(error, "the rows of keyword %u are damaged", i);
    }
    bitmap_view_or(&view, rows, sealed->rows);
    return VEER_OK;
}

static veer_status check_keywords(const sealed_column *sealed, const uint8_t *header,
                                  uint64_t *rows, veer_error *error)
{
    uint64_t data_bytes = load_u64(header + 40);
    for (uint32_t i = 0; i < sealed->distinct; i++) {
        VEER_TRY(check_keyword_text(sealed, i, error));
        VEER_TRY(check_keyword_rows(sealed, i, rows, data_bytes, error));
    }
    uint64_t texts = 0, data = 0;
    if (sealed->distinct > 0) {
        texts = load_u64(sealed->text_ends + 8 * ((size_t)sealed->distinct - 1));
        data = load_u64(sealed->data_ends + 8 * ((size_t)sealed->distinct - 1));
    }
    if (texts != load_u64(header + 32) || data != data_bytes) {
        CORRUPT(error, "keywords end before their sections do");
    }
    return VEER_OK;
}

/* `rows` collects the rows of all values; they must be the present ones. */
static veer_status check_rows(const sealed_column *sealed, const uint8_t *header, uint64_t *rows,
                              veer_error *error)
{
    size_t words = bitset_words(sealed->rows);
    switch (sealed->base.type) {
    case COLUMN_NUMBER:
    case COLUMN_TIME:
        VEER_TRY(check_ordered(sealed, rows, error));
        break;
    case COLUMN_KEYWORD:
        VEER_TRY(check_keywords(sealed, header, rows, error));
        break;
    case COLUMN_BOOL:
        bitmap_view_or(&sealed->trues, rows, sealed->rows);
        break;
    case COLUMN_NONE:
        break;
    }
    bool is_bool = sealed->base.type == COLUMN_BOOL;
    size_t count = bitset_count(rows, sealed->rows);
    bitmap_view_and_not(&sealed->presence, rows, sealed->rows);
    bool within = true;
    for (size_t i = 0; i < words; i++)
        within = within && rows[i] == 0;
    if (!within || (!is_bool && count != sealed->present)) {
        CORRUPT(error, "the rows of its values are not the present ones");
    }
    return VEER_OK;
}

veer_status column_open(const veer_allocator *allocator, column_type type, const void *bytes,
                        size_t size, size_t rows, column **out, veer_error *error)
{
    *out = NULL;
    if (type < COLUMN_KEYWORD || type > COLUMN_TIME || rows > BITMAP_ROWS_MAX) {
        VEER_FAIL(error, VEER_E_INVALID, "column: no sealed column of type %d with %zu rows",
                  (int)type, rows);
    }
    sealed_column *sealed = memory_new(allocator, sizeof *sealed);
    if (sealed == NULL) return error_nomem(error, "a column", sizeof *sealed);
    sealed->base.type = type;
    sealed->base.is_sealed = true;
    sealed->base.allocator = allocator;
    sealed->rows = rows;
    veer_status status = VEER_OK;
    size_t words = bitset_words(rows);
    uint64_t *seen = NULL;
    VEER_GOTO(read_header(sealed, bytes, size, error));
    VEER_GOTO(cut_sections(sealed, bytes, size, error));
    seen = memory_array(allocator, words + 1, sizeof *seen); /* not nothing for no rows */
    if (seen == NULL) VEER_GOTO(error_nomem(error, "checking a column", words * sizeof *seen));
    VEER_GOTO(check_rows(sealed, bytes, seen, error));
    if (!sealed_steps_new(sealed)) VEER_GOTO(error_nomem(error, "a column", rows / 4));
    *out = &sealed->base;
    sealed = NULL;
done:
    memory_array_free(allocator, seen, words + 1, sizeof *seen);
    memory_free(allocator, sealed, sizeof(sealed_column));
    return status;
}
