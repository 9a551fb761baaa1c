/* Answers over sealed columns: a binary search, then the stored rows.
 *
 * Numbers and times: the matching values are one slice, and so are their rows; where it is wide,
 * most of them are known as sets (column_steps.c).
 * Keywords: the matching values' sets, read from their bytes straight into the words.
 *
 * Reads only what column_open has checked. Threads: any number of readers.
 */
#include "base/bitset.h"
#include "base/memory.h"
#include "base/status.h"
#include "filter/column_inner.h"

void sealed_keyword(const sealed_column *sealed, uint32_t index, bitmap_view *view)
{
    uint64_t first = index == 0 ? 0 : load_u64(sealed->data_ends + 8 * ((size_t)index - 1));
    uint64_t end = load_u64(sealed->data_ends + 8 * (size_t)index);
    uint32_t count = load_u32(sealed->counts + 4 * (size_t)index);
    bitmap_view_reopen(sealed->data + first, (size_t)(end - first), count, view);
}

/* The first value that is not below `value` (or, with `after`, that is above it). */
static uint32_t number_bound(const sealed_column *sealed, double value, bool after)
{
    uint32_t first = 0, count = sealed->distinct;
    while (count > 0) {
        uint32_t half = count / 2;
        double middle = load_f64(sealed->values + 8 * (size_t)(first + half));
        bool below = after ? middle <= value : middle < value;
        first = below ? first + half + 1 : first;
        count = below ? count - half - 1 : half;
    }
    return first;
}

static uint32_t time_bound(const sealed_column *sealed, int64_t value, bool after)
{
    uint32_t first = 0, count = sealed->distinct;
    while (count > 0) {
        uint32_t half = count / 2;
        int64_t middle = (int64_t)load_u64(sealed->values + 8 * (size_t)(first + half));
        bool below = after ? middle <= value : middle < value;
        first = below ? first + half + 1 : first;
        count = below ? count - half - 1 : half;
    }
    return first;
}

static uint32_t keyword_bound(const sealed_column *sealed, const column_value *value, bool after)
{
    uint32_t first = 0, count = sealed->distinct;
    while (count > 0) {
        uint32_t half = count / 2, bytes;
        const char *text = sealed_text(sealed, first + half, &bytes);
        int order = keyword_compare(text, bytes, value->as.keyword.text, value->as.keyword.bytes);
        bool below = after ? order <= 0 : order < 0;
        first = below ? first + half + 1 : first;
        count = below ? count - half - 1 : half;
    }
    return first;
}

static uint32_t bound(const sealed_column *sealed, const column_value *value, bool after)
{
    if (sealed->base.type == COLUMN_NUMBER) return number_bound(sealed, value->as.number, after);
    if (sealed->base.type == COLUMN_TIME) return time_bound(sealed, value->as.time, after);
    return keyword_bound(sealed, value, after);
}

/* Values [first, end) that lie within the bounds of the query. */
static void values_between(const sealed_column *sealed, const column_query *query, uint32_t *first,
                           uint32_t *end)
{
    bool is_keyword = sealed->base.type == COLUMN_KEYWORD;
    *first = 0;
    *end = sealed->distinct;
    if (!is_keyword || query->has_lower) {
        *first = bound(sealed, &query->lower, is_keyword && query->lower_open);
    }
    if (!is_keyword || query->has_upper) {
        *end = bound(sealed, &query->upper, !is_keyword || !query->upper_open);
    }
    if (*end < *first) *end = *first;
}

/* Rows of values [first, end), as a slice of the sorted rows. */
static void slice_of(const sealed_column *sealed, uint32_t first_value, uint32_t end_value,
                     uint32_t *first, uint32_t *end)
{
    uint32_t ignored;
    *first = 0;
    *end = 0;
    if (first_value >= end_value) return;
    sealed_value_rows(sealed, first_value, first, &ignored);
    sealed_value_rows(sealed, end_value - 1, &ignored, end);
}

static void set_slice(const sealed_column *sealed, uint32_t first, uint32_t end, size_t rows,
                      uint64_t *words)
{
    const uint8_t *sorted = sealed->sorted;
    if (rows >= sealed->rows) {
        for (size_t i = first; i < end; i++)
            bitset_set(words, load_u32(sorted + 4 * i));
        return;
    }
    for (size_t i = first; i < end; i++) {
        uint32_t row = load_u32(sorted + 4 * i);
        if (row < rows) bitset_set(words, row);
    }
}

static void or_keyword(const sealed_column *sealed, uint32_t index, size_t rows, uint64_t *words)
{
    bitmap_view view;
    sealed_keyword(sealed, index, &view);
    bitmap_view_or(&view, words, rows);
}

static void match_between(const sealed_column *sealed, const column_query *query, size_t rows,
                          uint64_t *words)
{
    uint32_t first_value, end_value, first, end;
    values_between(sealed, query, &first_value, &end_value);
    if (sealed->base.type == COLUMN_KEYWORD) {
        for (uint32_t i = first_value; i < end_value; i++)
            or_keyword(sealed, i, rows, words);
        return;
    }
    slice_of(sealed, first_value, end_value, &first, &end);
    if (!sealed_steps_between(sealed, first, end, rows, words))
        set_slice(sealed, first, end, rows, words);
}

/* The index of a value, or UINT32_MAX. */
static uint32_t find_value(const sealed_column *sealed, const column_value *value)
{
    uint32_t first = bound(sealed, value, false);
    if (first == sealed->distinct) return UINT32_MAX;
    column_value found = {0};
    if (sealed->base.type == COLUMN_KEYWORD) {
        found.as.keyword.text = sealed_text(sealed, first, &found.as.keyword.bytes);
    } else if (sealed->base.type == COLUMN_NUMBER) {
        found.as.number = load_f64(sealed->values + 8 * (size_t)first);
    } else {
        found.as.time = (int64_t)load_u64(sealed->values + 8 * (size_t)first);
    }
    return column_value_compare(sealed->base.type, &found, value) == 0 ? first : UINT32_MAX;
}

static void match_bool(const sealed_column *sealed, const column_query *query, size_t rows,
                       uint64_t *words)
{
    bool wanted[2] = {false, false};
    for (size_t i = 0; i < query->count; i++)
        wanted[query->values[i].as.boolean] = true;
    if (wanted[false]) bitmap_view_or(&sealed->presence, words, rows);
    if (wanted[false] && !wanted[true]) bitmap_view_and_not(&sealed->trues, words, rows);
    if (wanted[true] && !wanted[false]) bitmap_view_or(&sealed->trues, words, rows);
}

static void match_in(const sealed_column *sealed, const column_query *query, size_t rows,
                     uint64_t *words)
{
    if (sealed->base.type == COLUMN_BOOL) {
        match_bool(sealed, query, rows, words);
        return;
    }
    for (size_t i = 0; i < query->count; i++) {
        uint32_t index = find_value(sealed, &query->values[i]);
        if (index == UINT32_MAX) continue;
        if (sealed->base.type == COLUMN_KEYWORD) {
            or_keyword(sealed, index, rows, words);
        } else {
            uint32_t first, end;
            sealed_value_rows(sealed, index, &first, &end);
            set_slice(sealed, first, end, rows, words);
        }
    }
}

/* Rows that have every one of several keywords. `words` are 0. */
static veer_status match_all(const sealed_column *sealed, const column_query *query, size_t rows,
                             const veer_allocator *allocator, uint64_t *words)
{
    size_t words_count = bitset_words(rows);
    for (size_t i = 0; i < query->count; i++) {
        if (find_value(sealed, &query->values[i]) == UINT32_MAX) return VEER_OK;
    }
    if (query->count == 0) return VEER_OK;
    uint64_t *other = NULL;
    if (query->count > 1) {
        other = memory_array(allocator, words_count + 1, sizeof *other);
        if (other == NULL) return VEER_E_NOMEM;
    }
    or_keyword(sealed, find_value(sealed, &query->values[0]), rows, words);
    for (size_t i = 1; i < query->count; i++) {
        memset(other, 0, words_count * sizeof *other);
        or_keyword(sealed, find_value(sealed, &query->values[i]), rows, other);
        bitset_and(words, other, words_count);
    }
    memory_array_free(allocator, other, words_count + 1, sizeof *other);
    return VEER_OK;
}

veer_status sealed_match(const sealed_column *sealed, const column_query *query, size_t rows,
                         const veer_allocator *allocator, uint64_t *words)
{
    memset(words, 0, bitset_words(rows) * sizeof *words);
    switch (query->kind) {
    case COLUMN_HAS_VALUE:
        bitmap_view_or(&sealed->presence, words, rows);
        return VEER_OK;
    case COLUMN_IN:
        match_in(sealed, query, rows, words);
        return VEER_OK;
    case COLUMN_HAS_ALL:
        return match_all(sealed, query, rows, allocator, words);
    case COLUMN_BETWEEN:
        match_between(sealed, query, rows, words);
        return VEER_OK;
    }
    return VEER_E_INTERNAL;
}

static size_t estimate_value(const sealed_column *sealed, const column_value *value)
{
    if (sealed->base.type == COLUMN_BOOL) {
        return value->as.boolean ? sealed->trues.count : sealed->present - sealed->trues.count;
    }
    uint32_t index = find_value(sealed, value);
    if (index == UINT32_MAX) return 0;
    if (sealed->base.type == COLUMN_KEYWORD) return load_u32(sealed->counts + 4 * (size_t)index);
    uint32_t first, end;
    sealed_value_rows(sealed, index, &first, &end);
    return end - first;
}

size_t sealed_estimate(const sealed_column *sealed, const column_query *query)
{
    const size_t values_max = 64; /* arbitrary: longer lists are not worth a look */
    size_t sum = 0, least = sealed->present;
    uint32_t first_value, end_value, first, end;
    switch (query->kind) {
    case COLUMN_HAS_VALUE:
        break;
    case COLUMN_IN:
    case COLUMN_HAS_ALL:
        if (query->count > values_max) break;
        for (size_t i = 0; i < query->count; i++) {
            size_t rows = estimate_value(sealed, &query->values[i]);
            sum += rows;
            least = rows < least ? rows : least;
        }
        if (query->kind == COLUMN_HAS_ALL) return least;
        return sum < sealed->present ? sum : sealed->present;
    case COLUMN_BETWEEN:
        if (sealed->base.type == COLUMN_KEYWORD) break;
        values_between(sealed, query, &first_value, &end_value);
        slice_of(sealed, first_value, end_value, &first, &end);
        return end - first;
    }
    return sealed->present;
}

bool sealed_view(const sealed_column *sealed, const column_query *query, size_t i,
                 bitmap_view *view)
{
    if (query->kind == COLUMN_HAS_VALUE) {
        *view = sealed->presence;
        return true;
    }
    if (query->kind == COLUMN_BETWEEN) return false;
    const column_value *value = &query->values[i];
    memset(view, 0, sizeof *view);
    if (sealed->base.type == COLUMN_BOOL) {
        *view = sealed->trues;
        return value->as.boolean;
    }
    if (sealed->base.type != COLUMN_KEYWORD) return false;
    uint32_t index = find_value(sealed, value);
    if (index != UINT32_MAX) sealed_keyword(sealed, index, view);
    return true;
}
