/* Writing the sealed form of number and time columns: gathered, sorted, written; and the sort
 * alone, which gives the order of a segment's rows by a time field. */
#include "base/status.h"
#include "filter/column_merge.h"

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

static veer_status begin(column_writer *writer, bool *done)
{
    *done = true;
    /* `kept` rows have a place; each of them has at most one value. */
    if (pair_sort_init(&writer->sorted, writer->allocator, writer->kept) != VEER_OK) {
        return merge_nomem(writer, writer->kept * 24);
    }
    return VEER_OK;
}

static void gather(column_writer *writer, uint64_t key, uint32_t row)
{
    pair_sort *to = &writer->sorted;
    if (row == MERGE_DROPPED) return;
    bitset_set(writer->presence, row);
    to->keys[to->count] = key;
    to->rows[to->count++] = row;
}

static void gather_growing(column_writer *writer, const growing_column *growing)
{
    size_t rows = merge_rows(writer, writer->part);
    for (size_t end = merge_end(writer, rows); writer->at < end; writer->at++) {
        const void *place = stable_at(&growing->rows, writer->at);
        uint64_t key;
        if (writer->type == COLUMN_NUMBER) {
            double number = *(const double *)place;
            if (number != number) continue;
            key = number_key(number);
        } else {
            int64_t time = *(const int64_t *)place;
            if (time == GROWING_MISSING_TIME) continue;
            key = time_key((uint64_t)time);
        }
        gather(writer, key, merge_row(writer, writer->part, writer->at));
    }
    if (writer->at == rows) merge_next_part(writer);
}

/* The value that place `at` of the sorted rows belongs to: the first whose rows end behind it. */
static uint32_t value_at(const sealed_column *sealed, size_t at)
{
    uint32_t low = 0, high = sealed->distinct;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2, first, end;
        sealed_value_rows(sealed, middle, &first, &end);
        if (end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* `at` is a place in the column's rows, which are sorted by value. */
static void gather_sealed(column_writer *writer, const sealed_column *sealed)
{
    uint32_t value = value_at(sealed, writer->at), first, value_end = 0;
    uint64_t key = 0;
    bool is_new = true;
    for (size_t end = merge_end(writer, sealed->present); writer->at < end; writer->at++) {
        if (is_new) {
            const uint8_t *at = sealed->values + 8 * (size_t)value;
            key = writer->type == COLUMN_NUMBER ? number_key(load_f64(at)) : time_key(load_u64(at));
            sealed_value_rows(sealed, value, &first, &value_end);
        }
        gather(writer, key,
               merge_row(writer, writer->part, load_u32(sealed->sorted + 4 * writer->at)));
        is_new = writer->at + 1 == value_end;
        value += is_new;
    }
    if (writer->at == sealed->present) merge_next_part(writer);
}

static veer_status gather_step(column_writer *writer, bool *done)
{
    *done = !merge_part(writer);
    if (*done) return VEER_OK;
    const column *source = writer->parts[writer->part];
    if (source->is_sealed)
        gather_sealed(writer, (const sealed_column *)source);
    else
        gather_growing(writer, (const growing_column *)source);
    return VEER_OK;
}

static veer_status sort_step(column_writer *writer, bool *done)
{
    *done = pair_sort_step(&writer->sorted, MERGE_STEP_ROWS);
    return VEER_OK;
}

static veer_status count_step(column_writer *writer, bool *done)
{
    const pair_sort *sorted = &writer->sorted;
    for (size_t end = merge_end(writer, sorted->count); writer->at < end; writer->at++)
        writer->distinct +=
            writer->at == 0 || sorted->keys[writer->at - 1] != sorted->keys[writer->at];
    *done = writer->at == sorted->count;
    return VEER_OK;
}

static veer_status put_values(column_writer *writer, bool *done)
{
    const pair_sort *sorted = &writer->sorted;
    bool is_number = writer->type == COLUMN_NUMBER;
    if (writer->distinct == sorted->count) merge_at(writer, 0)[7] = SEALED_FLAG_UNIQUE;
    for (size_t end = merge_end(writer, sorted->count); writer->at < end; writer->at++) {
        uint64_t key = sorted->keys[writer->at];
        if (writer->at > 0 && sorted->keys[writer->at - 1] == key) continue;
        VEER_TRY(merge_u64(writer, is_number ? number_bits_of(key) : time_key(key)));
    }
    *done = writer->at == sorted->count;
    return VEER_OK;
}

static veer_status put_ends(column_writer *writer, bool *done)
{
    const pair_sort *sorted = &writer->sorted;
    if (writer->distinct == sorted->count) {
        *done = true;
        return VEER_OK;
    }
    for (size_t end = merge_end(writer, sorted->count); writer->at < end;) {
        size_t i = ++writer->at;
        if (i < sorted->count && sorted->keys[i] == sorted->keys[i - 1]) continue;
        VEER_TRY(merge_u32(writer, (uint32_t)i));
    }
    *done = writer->at == sorted->count;
    return *done ? merge_align(writer) : VEER_OK;
}

static veer_status put_rows(column_writer *writer, bool *done)
{
    const pair_sort *sorted = &writer->sorted;
    for (size_t end = merge_end(writer, sorted->count); writer->at < end; writer->at++)
        VEER_TRY(merge_u32(writer, sorted->rows[writer->at]));
    *done = writer->at == sorted->count;
    return *done ? merge_align(writer) : VEER_OK;
}

const merge_phase column_ordered_phases[] = {
    begin, gather_step, sort_step, count_step, merge_head, put_values, put_ends, put_rows, NULL};

/* ---- the sort alone */

#define SORT_PHASES 3u /* begin, gather, sort */

veer_status column_writer_sort_step(column_writer *writer, bool *done, veer_error *error)
{
    bool ignored;
    *done = writer->phase == 1 + SORT_PHASES;
    if (*done) return VEER_OK;
    VEER_TRY(column_writer_step(writer, &ignored, error));
    *done = writer->phase == 1 + SORT_PHASES;
    return VEER_OK;
}

const uint32_t *column_writer_sorted(const column_writer *writer, size_t *count,
                                     const uint64_t **presence)
{
    *count = writer->sorted.count;
    *presence = writer->presence;
    return writer->sorted.rows;
}
