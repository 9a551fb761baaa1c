/* Writing sealed columns out of any mixture of growing and sealed ones.
 *
 * The bytes (column_sealed.c has the format) depend on the set of (row, value) alone: values are
 * sorted, rows within a value ascend, and CRoaring chooses containers by their contents. Numbers
 * and times are gathered as (sortable bits, row) and radix sorted; bools are gathered into
 * bitsets; column_write_keyword.c has the keywords.
 *
 * Memory: 24 bytes a row with a value for numbers and times, 8 bytes a (row, keyword) and about
 * 100 a distinct keyword. On failure `out` is as long as it was.
 *
 * Threads: growing parts may be written to meanwhile; only rows published to the caller are read.
 */
#include "base/bitset.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"
#include "filter/column_merge.h"
#include "filter/column_sort.h"

void merge_align(const column_merge *merge)
{
    size_t bytes = merge->out->bytes - merge->start;
    byte_writer_zeros(merge->out, size_round_up(bytes, SEALED_ALIGNMENT) - bytes);
}

veer_status merge_nomem(const column_merge *merge, size_t bytes)
{
    return error_nomem(merge->error, "writing a column", bytes);
}

veer_status merge_rows_set(column_merge *merge, const uint32_t *rows, size_t count)
{
    veer_status status = bitmap_encode(&merge->memory, rows, count, merge->out);
    return status == VEER_OK ? VEER_OK : merge_nomem(merge, count * sizeof *rows);
}

/* Appends a bitset's rows as a stored set. */
static veer_status append_bits(column_merge *merge, const uint64_t *bits, size_t *count)
{
    *count = bitset_count(bits, merge->total);
    uint32_t *rows = memory_array(merge->allocator, *count + 1, sizeof *rows);
    if (rows == NULL) return merge_nomem(merge, *count * sizeof *rows);
    size_t used = 0;
    for (size_t i = 0; i < bitset_words(merge->total); i++) {
        for (uint64_t word = bits[i]; word != 0; word &= word - 1) {
            rows[used++] = (uint32_t)(i * 64 + (size_t)__builtin_ctzll(word));
        }
    }
    veer_status status = merge_rows_set(merge, rows, *count);
    memory_array_free(merge->allocator, rows, *count + 1, sizeof *rows);
    return status;
}

veer_status merge_begin(column_merge *merge, uint32_t distinct, uint8_t flags)
{
    byte_writer_zeros(merge->out, SEALED_HEADER_BYTES);
    size_t before = merge->out->bytes;
    size_t present;
    VEER_TRY(append_bits(merge, merge->presence, &present));
    size_t presence_bytes = merge->out->bytes - before;
    merge_align(merge);
    if (merge->out->failed) return merge_nomem(merge, presence_bytes);
    uint8_t *header = merge->out->data + merge->start;
    store_u32(header, SEALED_MAGIC);
    store_u16(header + 4, SEALED_VERSION);
    header[6] = (uint8_t)merge->type;
    header[7] = flags;
    store_u32(header + 8, (uint32_t)merge->total);
    store_u32(header + 12, (uint32_t)present);
    store_u32(header + 16, distinct);
    store_u64(header + 24, presence_bytes);
    return VEER_OK;
}

void merge_set_sizes(const column_merge *merge, uint64_t texts, uint64_t data)
{
    if (merge->out->failed) return;
    store_u64(merge->out->data + merge->start + 32, texts);
    store_u64(merge->out->data + merge->start + 40, data);
}

/* ---- numbers and times */

/* Bits that sort as unsigned like the values do; and back. */
static uint64_t number_key(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits >> 63 != 0 ? ~bits : bits | (uint64_t)1 << 63;
}

static uint64_t number_bits_of(uint64_t key)
{
    return key >> 63 != 0 ? key & ~((uint64_t)1 << 63) : ~key;
}

static uint64_t time_key(uint64_t time)
{
    return time ^ (uint64_t)1 << 63;
}

typedef struct ordered_rows {
    uint64_t *keys;
    uint32_t *rows;
    size_t count;
} ordered_rows;

static void gather(column_merge *merge, ordered_rows *to, uint64_t key, uint32_t row)
{
    if (row == MERGE_DROPPED) return;
    bitset_set(merge->presence, row);
    to->keys[to->count] = key;
    to->rows[to->count++] = row;
}

static void gather_growing(column_merge *merge, size_t part, ordered_rows *to)
{
    const growing_column *growing = (const growing_column *)merge->parts[part];
    size_t rows = merge_rows(merge, part);
    size_t per_chunk = stable_chunk_elements(&growing->rows);
    for (size_t first = 0; first < rows; first += per_chunk) {
        size_t count = rows - first < per_chunk ? rows - first : per_chunk;
        const double *numbers = stable_at(&growing->rows, first);
        const int64_t *times = stable_at(&growing->rows, first);
        for (size_t i = 0; i < count; i++) {
            if (merge->type == COLUMN_NUMBER) {
                if (numbers[i] != numbers[i]) continue;
                gather(merge, to, number_key(numbers[i]), merge_row(merge, part, first + i));
            } else if (times[i] != GROWING_MISSING_TIME) {
                gather(merge, to, time_key((uint64_t)times[i]), merge_row(merge, part, first + i));
            }
        }
    }
}

static void gather_sealed(column_merge *merge, size_t part, ordered_rows *to)
{
    const sealed_column *sealed = (const sealed_column *)merge->parts[part];
    for (uint32_t i = 0; i < sealed->distinct; i++) {
        const uint8_t *at = sealed->values + 8 * (size_t)i;
        uint64_t key =
            merge->type == COLUMN_NUMBER ? number_key(load_f64(at)) : time_key(load_u64(at));
        uint32_t first, end;
        sealed_value_rows(sealed, i, &first, &end);
        for (uint32_t j = first; j < end; j++) {
            uint32_t row = load_u32(sealed->sorted + 4 * (size_t)j);
            gather(merge, to, key, merge_row(merge, part, row));
        }
    }
}

static void write_sorted(column_merge *merge, const ordered_rows *sorted, size_t distinct)
{
    bool is_number = merge->type == COLUMN_NUMBER;
    for (size_t i = 0; i < sorted->count; i++) {
        uint64_t key = sorted->keys[i];
        if (i > 0 && sorted->keys[i - 1] == key) continue;
        byte_writer_u64(merge->out, is_number ? number_bits_of(key) : time_key(key));
    }
    if (distinct < sorted->count) {
        for (size_t i = 1; i <= sorted->count; i++) {
            if (i < sorted->count && sorted->keys[i] == sorted->keys[i - 1]) continue;
            byte_writer_u32(merge->out, (uint32_t)i);
        }
        merge_align(merge);
    }
    for (size_t i = 0; i < sorted->count; i++)
        byte_writer_u32(merge->out, sorted->rows[i]);
    merge_align(merge);
}

static veer_status merge_ordered(column_merge *merge)
{
    veer_status status = VEER_OK;
    size_t room = merge->total + 1;
    ordered_rows sorted = {0}, other = {0};
    sorted.keys = memory_array(merge->allocator, room, sizeof *sorted.keys);
    sorted.rows = memory_array(merge->allocator, room, sizeof *sorted.rows);
    other.keys = memory_array(merge->allocator, room, sizeof *other.keys);
    other.rows = memory_array(merge->allocator, room, sizeof *other.rows);
    if (sorted.keys == NULL || sorted.rows == NULL || other.keys == NULL || other.rows == NULL) {
        VEER_GOTO(merge_nomem(merge, room * 24));
    }
    for (size_t part = 0; part < merge->parts_count; part++) {
        if (merge->parts[part] == NULL) continue;
        if (merge->parts[part]->is_sealed) {
            gather_sealed(merge, part, &sorted);
        } else {
            gather_growing(merge, part, &sorted);
        }
    }
    sort_pairs(sorted.keys, sorted.rows, other.keys, other.rows, sorted.count);
    size_t distinct = 0;
    for (size_t i = 0; i < sorted.count; i++) {
        distinct += i == 0 || sorted.keys[i - 1] != sorted.keys[i];
    }
    uint8_t flags = distinct == sorted.count ? SEALED_FLAG_UNIQUE : 0;
    VEER_GOTO(merge_begin(merge, (uint32_t)distinct, flags));
    write_sorted(merge, &sorted, distinct);
done:
    memory_array_free(merge->allocator, sorted.keys, room, sizeof *sorted.keys);
    memory_array_free(merge->allocator, sorted.rows, room, sizeof *sorted.rows);
    memory_array_free(merge->allocator, other.keys, room, sizeof *other.keys);
    memory_array_free(merge->allocator, other.rows, room, sizeof *other.rows);
    return status;
}

/* ---- bools */

static void gather_bool(column_merge *merge, size_t part, uint64_t *trues, const uint64_t *known,
                        const uint64_t *known_trues)
{
    size_t rows = merge_rows(merge, part);
    for (size_t i = 0; i < rows; i++) {
        uint8_t value;
        if (known == NULL) {
            const growing_column *growing = (const growing_column *)merge->parts[part];
            value = *(const uint8_t *)stable_at(&growing->rows, i);
        } else {
            value = bitset_get(known, i) ? bitset_get(known_trues, i) : GROWING_MISSING_BOOL;
        }
        uint32_t row = merge_row(merge, part, i);
        if (value == GROWING_MISSING_BOOL || row == MERGE_DROPPED) continue;
        bitset_set(merge->presence, row);
        if (value == 1) bitset_set(trues, row);
    }
}

static veer_status gather_sealed_bool(column_merge *merge, size_t part, uint64_t *trues)
{
    const sealed_column *sealed = (const sealed_column *)merge->parts[part];
    size_t words = bitset_words(sealed->rows) + 1;
    uint64_t *known = memory_array(merge->allocator, 2 * words, sizeof *known);
    if (known == NULL) return merge_nomem(merge, 2 * words * sizeof *known);
    bitmap_view_or(&sealed->presence, known, sealed->rows);
    bitmap_view_or(&sealed->trues, known + words, sealed->rows);
    gather_bool(merge, part, trues, known, known + words);
    memory_array_free(merge->allocator, known, 2 * words, sizeof *known);
    return VEER_OK;
}

static veer_status merge_bools(column_merge *merge)
{
    veer_status status = VEER_OK;
    size_t words = bitset_words(merge->total) + 1;
    uint64_t *trues = memory_array(merge->allocator, words, sizeof *trues);
    if (trues == NULL) return merge_nomem(merge, words * sizeof *trues);
    for (size_t part = 0; part < merge->parts_count; part++) {
        if (merge->parts[part] == NULL) continue;
        if (merge->parts[part]->is_sealed) {
            VEER_GOTO(gather_sealed_bool(merge, part, trues));
        } else {
            gather_bool(merge, part, trues, NULL, NULL);
        }
    }
    VEER_GOTO(merge_begin(merge, (uint32_t)bitset_count(trues, merge->total), 0));
    size_t before = merge->out->bytes;
    size_t count;
    VEER_GOTO(append_bits(merge, trues, &count));
    merge_set_sizes(merge, merge->out->bytes - before, 0);
    merge_align(merge);
done:
    memory_array_free(merge->allocator, trues, words, sizeof *trues);
    return status;
}

/* ---- all */

/* Every row goes to a place of its own below `total`; parts are of the type. */
static veer_status check_maps(column_merge *merge)
{
    uint64_t *taken = merge->presence; /* not in use yet */
    size_t kept = 0;
    for (size_t part = 0; part < merge->parts_count; part++) {
        const column *source = merge->parts[part];
        if (source != NULL && source->type != merge->type) {
            VEER_FAIL(merge->error, VEER_E_INTERNAL, "column: part %zu has type %d, not %d", part,
                      (int)source->type, (int)merge->type);
        }
        merge->bases[part] = kept;
        if (merge->rows[part] > BITMAP_ROWS_MAX) {
            VEER_FAIL(merge->error, VEER_E_LIMIT, "column: part %zu has %zu rows", part,
                      merge->rows[part]);
        }
        for (size_t i = 0; i < merge->rows[part]; i++) {
            uint32_t row = merge_row(merge, part, i);
            if (row == MERGE_DROPPED) continue;
            if (row >= merge->total || bitset_get(taken, row)) {
                VEER_FAIL(merge->error, VEER_E_INTERNAL,
                          "column: row %zu of part %zu goes to %u, which is taken or not below %zu",
                          i, part, row, merge->total);
            }
            bitset_set(taken, row);
            kept++;
        }
    }
    memset(taken, 0, bitset_words(merge->total) * sizeof *taken);
    return VEER_OK;
}

static veer_status write_type(column_merge *merge)
{
    switch (merge->type) {
    case COLUMN_NUMBER:
    case COLUMN_TIME:
        return merge_ordered(merge);
    case COLUMN_BOOL:
        return merge_bools(merge);
    case COLUMN_KEYWORD:
        return merge_keywords(merge);
    case COLUMN_NONE:
        break;
    }
    return VEER_E_INTERNAL;
}

veer_status column_write(column_type type, const column *const *parts, const uint32_t *const *maps,
                         const size_t *rows, size_t parts_count, size_t total,
                         const veer_allocator *allocator, byte_writer *out, veer_error *error)
{
    if (type < COLUMN_KEYWORD || type > COLUMN_TIME || total > BITMAP_ROWS_MAX) {
        VEER_FAIL(error, VEER_E_INVALID, "column: no column of type %d with %zu rows", (int)type,
                  total);
    }
    column_merge merge = {.type = type,
                          .parts = parts,
                          .maps = maps,
                          .rows = rows,
                          .parts_count = parts_count,
                          .total = total,
                          .allocator = allocator,
                          .out = out,
                          .start = out->bytes,
                          .error = error};
    veer_status status = VEER_OK;
    size_t words = bitset_words(total) + 1;
    bitmap_memory_init(&merge.memory, allocator);
    merge.bases = memory_array(allocator, parts_count + 1, sizeof *merge.bases);
    merge.presence = memory_array(allocator, words, sizeof *merge.presence);
    if (merge.bases == NULL || merge.presence == NULL) {
        VEER_GOTO(merge_nomem(&merge, words * sizeof *merge.presence));
    }
    VEER_GOTO(check_maps(&merge));
    VEER_GOTO(write_type(&merge));
    if (out->failed) VEER_GOTO(merge_nomem(&merge, out->bytes));
    uint8_t *header = out->data + merge.start;
    uint32_t crc = crc32c(0, header, SEALED_HEADER_BYTES - 4);
    crc = crc32c(crc, header + SEALED_HEADER_BYTES, out->bytes - merge.start - SEALED_HEADER_BYTES);
    store_u32(header + 60, crc);
done:
    if (status != VEER_OK) out->bytes = merge.start;
    memory_array_free(allocator, merge.presence, words, sizeof *merge.presence);
    memory_array_free(allocator, merge.bases, parts_count + 1, sizeof *merge.bases);
    bitmap_memory_fini(&merge.memory);
    return status;
}
