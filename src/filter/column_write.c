/* Writing sealed columns out of any mixture of growing and sealed ones, in steps.
 *
 * The bytes (column_sealed.c has the format) depend on the set of (row, value) alone: values are
 * sorted, rows within a value ascend, and a set's form follows from its rows.
 *
 * A writer goes through the phases of its type, each phase through its items, a few thousand a
 * step; between two steps nothing but the writer knows how far it is. Numbers and times are
 * gathered as (sortable bits, row) and radix sorted (column_write_ordered.c); bools are gathered
 * into bitsets; column_write_keyword.c has the keywords. The output lies in chunks, so that no
 * step has to move what the others have made.
 *
 * Memory: the output; 24 bytes a row with a value for numbers and times, 4 bytes a (row, keyword)
 * and about 90 a distinct keyword. After a failure a writer can only be freed.
 *
 * Threads: growing parts may be written to meanwhile; only rows published to the caller are read.
 */
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"
#include "filter/column_merge.h"

veer_status merge_nomem(const column_writer *writer, size_t bytes)
{
    return error_nomem(writer->error, "writing a column", bytes);
}

bool merge_part(column_writer *writer)
{
    while (writer->part < writer->parts_count && writer->parts[writer->part] == NULL)
        merge_next_part(writer);
    return writer->part < writer->parts_count;
}

/* ---- output */

/* Makes room for `bytes` more and returns how many of them lie together. */
static veer_status reserve(column_writer *writer, size_t bytes, size_t *together)
{
    size_t end;
    if (!size_add(writer->bytes, bytes, &end) || stable_reserve(&writer->chunks, end) != VEER_OK) {
        return merge_nomem(writer, bytes);
    }
    size_t chunk = stable_chunk_elements(&writer->chunks);
    size_t room = chunk - (writer->bytes & (chunk - 1));
    *together = bytes < room ? bytes : room;
    return VEER_OK;
}

veer_status merge_put(column_writer *writer, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    while (bytes > 0) {
        size_t n = 0;
        VEER_TRY(reserve(writer, bytes, &n));
        memcpy(stable_at(&writer->chunks, writer->bytes), from, n);
        writer->bytes += n;
        from += n;
        bytes -= n;
    }
    return VEER_OK;
}

veer_status merge_zeros(column_writer *writer, size_t bytes)
{
    size_t n = 0;
    VEER_TRY(reserve(writer, bytes, &n)); /* new chunks are zero */
    writer->bytes += bytes;
    return VEER_OK;
}

veer_status merge_align(column_writer *writer)
{
    return merge_zeros(writer, size_round_up(writer->bytes, SEALED_ALIGNMENT) - writer->bytes);
}

veer_status merge_put_set(void *writer, const void *data, size_t bytes)
{
    return merge_put(writer, data, bytes);
}

/* ---- phases of all types */

/* Every row goes to a place of its own below `total`; parts are of the type. */
static veer_status check_maps(column_writer *writer, bool *done)
{
    uint64_t *taken = writer->presence; /* not in use yet */
    if (writer->part == writer->parts_count) {
        memset(taken, 0, bitset_words(writer->total) * sizeof *taken);
        *done = true;
        return VEER_OK;
    }
    size_t part = writer->part;
    const column *source = writer->parts[part];
    if (source != NULL && source->type != writer->type) {
        VEER_FAIL(writer->error, VEER_E_INTERNAL, "column: part %zu has type %d, not %d", part,
                  (int)source->type, (int)writer->type);
    }
    if (writer->rows[part] > BITMAP_ROWS_MAX) {
        VEER_FAIL(writer->error, VEER_E_LIMIT, "column: part %zu has %zu rows", part,
                  writer->rows[part]);
    }
    if (writer->at == 0) writer->bases[part] = writer->kept;
    for (size_t end = merge_end(writer, writer->rows[part]); writer->at < end; writer->at++) {
        uint32_t row = merge_row(writer, part, writer->at);
        if (row == MERGE_DROPPED) continue;
        if (row >= writer->total || bitset_get(taken, row)) {
            VEER_FAIL(writer->error, VEER_E_INTERNAL,
                      "column: row %zu of part %zu goes to %u, which is taken or not below %zu",
                      writer->at, part, row, writer->total);
        }
        bitset_set(taken, row);
        writer->kept++;
    }
    if (writer->at == writer->rows[part]) merge_next_part(writer);
    return VEER_OK;
}

veer_status merge_head(column_writer *writer, bool *done)
{
    VEER_TRY(merge_zeros(writer, SEALED_HEADER_BYTES));
    VEER_TRY(bitmap_encode_bits(writer->encoder, writer->presence, writer->total, merge_put_set,
                                writer));
    uint8_t *header = merge_at(writer, 0);
    store_u32(header, SEALED_MAGIC);
    store_u16(header + 4, SEALED_VERSION);
    header[6] = (uint8_t)writer->type;
    store_u32(header + 8, (uint32_t)writer->total);
    store_u32(header + 12, (uint32_t)writer->encoder->count);
    store_u32(header + 16, (uint32_t)writer->distinct);
    store_u64(header + 24, writer->bytes - SEALED_HEADER_BYTES);
    *done = true;
    return merge_align(writer);
}

/* Over all bytes but the last four of the header, which it fills; a chunk a step. */
static veer_status finish(column_writer *writer, bool *done)
{
    const size_t chunk = stable_chunk_elements(&writer->chunks);
    if (writer->at == 0) writer->crc = crc32c(0, merge_at(writer, 0), SEALED_HEADER_BYTES - 4);
    size_t first = writer->at == 0 ? SEALED_HEADER_BYTES : writer->at;
    size_t end = writer->bytes - writer->at < chunk ? writer->bytes : writer->at + chunk;
    if (first < end) writer->crc = crc32c(writer->crc, merge_at(writer, first), end - first);
    writer->at = end;
    *done = end == writer->bytes;
    if (*done) store_u32(merge_at(writer, SEALED_HEADER_BYTES - 8) + 4, writer->crc);
    return VEER_OK;
}

/* ---- bools */

/* Sealed ones are looked at through their bits: first those that are present, then the true. */
static veer_status gather_bools(column_writer *writer, bool *done)
{
    if (!merge_part(writer)) {
        writer->distinct = bitset_count(writer->bits, writer->total);
        *done = true;
        return VEER_OK;
    }
    const column *source = writer->parts[writer->part];
    const growing_column *growing = (const growing_column *)source;
    size_t words = bitset_words(source->is_sealed ? ((const sealed_column *)source)->rows : 0) + 1;
    uint64_t *known = NULL;
    if (source->is_sealed) {
        const sealed_column *sealed = (const sealed_column *)source;
        known = memory_array(writer->allocator, 2 * words, sizeof *known);
        if (known == NULL) return merge_nomem(writer, 2 * words * sizeof *known);
        bitmap_view_or(&sealed->presence, known, sealed->rows);
        bitmap_view_or(&sealed->trues, known + words, sealed->rows);
    }
    /* A part at a time where it is sealed: its bits are not kept. */
    size_t rows = merge_rows(writer, writer->part);
    size_t end = source->is_sealed ? rows : merge_end(writer, rows);
    for (; writer->at < end; writer->at++) {
        uint8_t value;
        if (known == NULL) {
            value = *(const uint8_t *)stable_at(&growing->rows, writer->at);
        } else {
            value = bitset_get(known, writer->at) ? bitset_get(known + words, writer->at)
                                                  : GROWING_MISSING_BOOL;
        }
        uint32_t row = merge_row(writer, writer->part, writer->at);
        if (value == GROWING_MISSING_BOOL || row == MERGE_DROPPED) continue;
        bitset_set(writer->presence, row);
        if (value == 1) bitset_set(writer->bits, row);
    }
    memory_array_free(writer->allocator, known, 2 * words, sizeof *known);
    if (writer->at == rows) merge_next_part(writer);
    return VEER_OK;
}

static veer_status put_trues(column_writer *writer, bool *done)
{
    size_t before = writer->bytes;
    VEER_TRY(
        bitmap_encode_bits(writer->encoder, writer->bits, writer->total, merge_put_set, writer));
    store_u64(merge_at(writer, 32), writer->bytes - before);
    *done = true;
    return merge_align(writer);
}

static const merge_phase bool_phases[] = {gather_bools, merge_head, put_trues, NULL};

/* ---- life */

static const merge_phase *phases_of(column_type type)
{
    if (type == COLUMN_BOOL) return bool_phases;
    return type == COLUMN_KEYWORD ? column_keyword_phases : column_ordered_phases;
}

veer_status column_writer_new(column_type type, const column *const *parts,
                              const uint32_t *const *maps, const size_t *rows, size_t parts_count,
                              size_t total, const veer_allocator *allocator, column_writer **out,
                              veer_error *error)
{
    *out = NULL;
    if (type < COLUMN_KEYWORD || type > COLUMN_TIME || total > BITMAP_ROWS_MAX) {
        VEER_FAIL(error, VEER_E_INVALID, "column: no column of type %d with %zu rows", (int)type,
                  total);
    }
    column_writer *made = memory_new(allocator, sizeof *made);
    if (made == NULL) return error_nomem(error, "writing a column", sizeof *made);
    made->type = type;
    made->parts = parts;
    made->maps = maps;
    made->rows = rows;
    made->parts_count = parts_count;
    made->total = total;
    made->allocator = allocator;
    made->phases = phases_of(type);
    stable_init(&made->chunks, allocator, 1, MERGE_CHUNK_SHIFT);
    size_t words = bitset_words(total) + 1;
    made->bases = memory_array(allocator, parts_count + 1, sizeof *made->bases);
    made->presence = memory_array(allocator, words, sizeof *made->presence);
    made->bits = memory_array(allocator, words, sizeof *made->bits);
    made->encoder = memory_new(allocator, sizeof *made->encoder);
    if (made->bases == NULL || made->presence == NULL || made->bits == NULL ||
        made->encoder == NULL) {
        column_writer_free(made);
        return error_nomem(error, "writing a column", 2 * words * sizeof *made->presence);
    }
    *out = made;
    return VEER_OK;
}

void column_writer_free(column_writer *writer)
{
    if (writer == NULL) return;
    const veer_allocator *allocator = writer->allocator;
    size_t words = bitset_words(writer->total) + 1;
    keyword_merge_free(writer);
    pair_sort_fini(&writer->sorted);
    stable_fini(&writer->chunks);
    memory_free(allocator, writer->encoder, sizeof *writer->encoder);
    memory_array_free(allocator, writer->presence, words, sizeof *writer->presence);
    memory_array_free(allocator, writer->bits, words, sizeof *writer->bits);
    memory_array_free(allocator, writer->bases, writer->parts_count + 1, sizeof *writer->bases);
    memory_free(allocator, writer, sizeof *writer);
}

/* The type's phases stand between checking and finishing. */
static merge_phase phase_of(const column_writer *writer, bool *is_last)
{
    if (writer->phase == 0) return check_maps;
    merge_phase own = writer->phases[writer->phase - 1];
    *is_last = own == NULL;
    return own == NULL ? finish : own;
}

veer_status column_writer_step(column_writer *writer, bool *done, veer_error *error)
{
    bool is_last = false, phase_done = false;
    *done = false;
    writer->error = error;
    VEER_TRY(phase_of(writer, &is_last)(writer, &phase_done));
    if (!phase_done) return VEER_OK;
    *done = is_last;
    writer->part = writer->at = 0;
    writer->phase += !is_last;
    return VEER_OK;
}

size_t column_writer_bytes(const column_writer *writer)
{
    return writer->bytes;
}

const void *column_writer_piece(const column_writer *writer, size_t offset, size_t *bytes)
{
    size_t chunk = stable_chunk_elements(&writer->chunks);
    size_t room = chunk - (offset & (chunk - 1)), left = writer->bytes - offset;
    *bytes = left < room ? left : room;
    return stable_at(&writer->chunks, offset);
}

veer_status column_write(column_type type, const column *const *parts, const uint32_t *const *maps,
                         const size_t *rows, size_t parts_count, size_t total,
                         const veer_allocator *allocator, byte_writer *out, veer_error *error)
{
    column_writer *writer = NULL;
    size_t start = out->bytes;
    veer_status status =
        column_writer_new(type, parts, maps, rows, parts_count, total, allocator, &writer, error);
    for (bool done = false; status == VEER_OK && !done;)
        status = column_writer_step(writer, &done, error);
    for (size_t at = 0, n = 0; status == VEER_OK && at < writer->bytes; at += n) {
        const void *piece = column_writer_piece(writer, at, &n);
        byte_writer_put(out, piece, n);
    }
    if (status == VEER_OK && out->failed) status = merge_nomem(writer, writer->bytes);
    if (status != VEER_OK) out->bytes = start;
    column_writer_free(writer);
    return status;
}
