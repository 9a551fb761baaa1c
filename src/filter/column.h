/* Columns: the values of one filterable field over the rows of one segment, and how a filter asks
 * them. Two forms behind one type:
 *
 *   growing   of an active segment: append-only typed arrays in chunks whose addresses never
 *             change. One writer reserves and appends while readers evaluate, visit and seal rows
 *             that were published to them before (the engine publishes a row count with release
 *             order). Readers take no lock; column_growing.c says why that holds.
 *   sealed    of a sealed segment, over bytes that column_write made. Keyword: a dictionary sorted
 *             by bytes with a set of rows for each value (a Roaring bitmap, or plain rows where
 *             those are fewer bytes); number and time: the distinct values, sorted, with their
 *             rows; bool: the set of true rows; every type: the set of rows that have a value.
 *             Opening checks a checksum and everything that evaluation relies on: damage is
 *             VEER_E_CORRUPT. column_sealed.c has the format. Immutable: any number of readers.
 *
 * A row without the field, or with null, has no value. A keyword row may have several values (an
 * array of strings, duplicates dropped), each 0-1024 bytes of UTF-8. Numbers are f64 (no NaN; -0
 * becomes 0), times int64 milliseconds (base/timestamp.h; not INT64_MIN).
 */
#ifndef VEER_FILTER_COLUMN_H
#define VEER_FILTER_COLUMN_H

#include "base/arena.h"
#include "base/bytes.h"
#include "veer.h"

typedef enum column_type {
    COLUMN_NONE = 0, /* a field that cannot be filtered by: vector, text */
    COLUMN_KEYWORD = 1,
    COLUMN_NUMBER = 2,
    COLUMN_BOOL = 3,
    COLUMN_TIME = 4,
} column_type;

#define COLUMN_KEYWORD_BYTES_MAX 1024u
#define COLUMN_KEYWORD_VALUES_MAX 1024u /* a row */

typedef struct column_value {
    union {
        double number;
        int64_t time;
        bool boolean;
        struct {
            const char *text;
            uint32_t bytes;
        } keyword;
    } as;
} column_value;

typedef struct column column;

veer_status column_new(const veer_allocator *allocator, column_type type, column **out);
/* After this, appending `rows` rows with in all `values` values and `text_bytes` of keywords cannot
 * fail. VEER_E_NOMEM; VEER_E_LIMIT above 2^26 rows or distinct keywords. Either appends nothing. */
veer_status column_reserve(column *growing, size_t rows, size_t values, size_t text_bytes);
/* The next row's values: 0 or 1, or any number for a keyword. Room must be reserved. */
void column_append(column *growing, const column_value *values, size_t count);
size_t column_rows(const column *column);

/* A sealed column over `bytes`, which must outlive it. */
veer_status column_open(const veer_allocator *allocator, column_type type, const void *bytes,
                        size_t size, size_t rows, column **out, veer_error *error);
void column_free(column *column);
/* Bytes, but for those that column_open was given. From any thread, like column_rows. */
size_t column_memory(const column *column);

/* Writes a sealed column made of parts one after the other: row r of part p becomes row
 * maps[p][r], or is dropped where that is UINT32_MAX. maps NULL, or maps[p] NULL: its rows follow
 * the kept ones of the parts before it. Two rows into one place, or a place that is not below
 * `total`, is VEER_E_INTERNAL. Only the first rows[p] rows of a part are read. `total` rows come
 * out. Parts may be growing, sealed or NULL (all rows without a value). The same values give the
 * same bytes, whatever they came from.
 *
 * In steps of some thousand rows each: parts, maps and rows must stay until column_writer_free. */
typedef struct column_writer column_writer;
veer_status column_writer_new(column_type type, const column *const *parts,
                              const uint32_t *const *maps, const size_t *rows, size_t parts_count,
                              size_t total, const veer_allocator *allocator, column_writer **out,
                              veer_error *error);
void column_writer_free(column_writer *writer);
/* *done: all bytes are there. After a failure the writer can only be freed. */
veer_status column_writer_step(column_writer *writer, bool *done, veer_error *error);
/* After done: the column's bytes, and as many of them from `offset` as lie together. */
size_t column_writer_bytes(const column_writer *writer);
const void *column_writer_piece(const column_writer *writer, size_t offset, size_t *bytes);
/* Instead of column_writer_step, for a number or time column: sorts only. */
veer_status column_writer_sort_step(column_writer *writer, bool *done, veer_error *error);
/* After that, until the writer is freed: the output's rows that have a value, by value and then
 * row, and the same as a bitset over `total`. */
const uint32_t *column_writer_sorted(const column_writer *writer, size_t *count,
                                     const uint64_t **presence);
/* All of it in one call. On failure `out` is as long as it was. */
veer_status column_write(column_type type, const column *const *parts, const uint32_t *const *maps,
                         const size_t *rows, size_t parts_count, size_t total,
                         const veer_allocator *allocator, byte_writer *out, veer_error *error);

/* Every (row, value) of the first `rows` rows in ascending row order, the keywords of a row in any
 * order: for tests, check and export. Texts are valid during the call of `each` only. */
typedef void (*column_each)(void *context, uint32_t row, const column_value *value);
veer_status column_visit(const column *column, size_t rows, const veer_allocator *allocator,
                         column_each each, void *context);

#endif
