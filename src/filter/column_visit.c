/* Visiting every value of a column in row order: for tests, check and export, not for speed. */
#include "base/bitset.h"
#include "base/memory.h"
#include "base/status.h"
#include "filter/column_inner.h"

typedef struct visit {
    size_t rows;
    column_each each;
    void *context;
} visit;

static void each_keyword(const visit *to, uint32_t row, const char *text, uint32_t bytes)
{
    column_value value = {.as.keyword = {text, bytes}};
    to->each(to->context, row, &value);
}

static void visit_code(const growing_column *growing, const visit *to, uint32_t row, uint32_t code)
{
    if (code == 0) return;
    uint32_t one = code - 1;
    const uint32_t *numbers = &one;
    uint32_t count = 1;
    if ((code & GROWING_SEVERAL) != 0) {
        const keyword_list *list = growing_list(growing, code);
        count = list->count;
        numbers = list->numbers;
    }
    for (uint32_t i = 0; i < count; i++) {
        const keyword *known = dictionary_keyword(&growing->keywords, numbers[i]);
        each_keyword(to, row, known->text, known->bytes);
    }
}

static void visit_growing(const growing_column *growing, const visit *to)
{
    for (size_t i = 0; i < to->rows; i++) {
        const void *place = stable_at(&growing->rows, i);
        column_value value = {0};
        bool there = false;
        switch (growing->base.type) {
        case COLUMN_NUMBER:
            value.as.number = *(const double *)place;
            there = value.as.number == value.as.number;
            break;
        case COLUMN_TIME:
            value.as.time = *(const int64_t *)place;
            there = value.as.time != GROWING_MISSING_TIME;
            break;
        case COLUMN_BOOL:
            value.as.boolean = *(const uint8_t *)place == 1;
            there = *(const uint8_t *)place != GROWING_MISSING_BOOL;
            break;
        case COLUMN_KEYWORD:
            visit_code(growing, to, (uint32_t)i, *(const uint32_t *)place);
            break;
        case COLUMN_NONE:
            break;
        }
        if (there) to->each(to->context, (uint32_t)i, &value);
    }
}

static veer_status visit_sealed_bool(const sealed_column *sealed, const visit *to,
                                     const veer_allocator *allocator)
{
    size_t words = bitset_words(sealed->rows) + 1;
    uint64_t *bits = memory_array(allocator, 2 * words, sizeof *bits);
    if (bits == NULL) return VEER_E_NOMEM;
    bitmap_view_or(&sealed->presence, bits, sealed->rows);
    bitmap_view_or(&sealed->trues, bits + words, sealed->rows);
    for (size_t i = 0; i < to->rows; i++) {
        if (!bitset_get(bits, i)) continue;
        column_value value = {.as.boolean = bitset_get(bits + words, i)};
        to->each(to->context, (uint32_t)i, &value);
    }
    memory_array_free(allocator, bits, 2 * words, sizeof *bits);
    return VEER_OK;
}

static veer_status visit_sealed_ordered(const sealed_column *sealed, const visit *to,
                                        const veer_allocator *allocator)
{
    uint32_t *values = memory_array(allocator, sealed->rows + 1, sizeof *values);
    if (values == NULL) return VEER_E_NOMEM;
    for (uint32_t i = 0; i < sealed->distinct; i++) {
        uint32_t first, end;
        sealed_value_rows(sealed, i, &first, &end);
        for (size_t j = first; j < end; j++)
            values[load_u32(sealed->sorted + 4 * j)] = i + 1;
    }
    for (size_t i = 0; i < to->rows; i++) {
        if (values[i] == 0) continue;
        const uint8_t *at = sealed->values + 8 * ((size_t)values[i] - 1);
        column_value value = {0};
        if (sealed->base.type == COLUMN_NUMBER) {
            value.as.number = load_f64(at);
        } else {
            value.as.time = (int64_t)load_u64(at);
        }
        to->each(to->context, (uint32_t)i, &value);
    }
    memory_array_free(allocator, values, sealed->rows + 1, sizeof *values);
    return VEER_OK;
}

/* Turns the rows of each keyword into the keywords of each row by a counting sort. */
static veer_status visit_sealed_keywords(const sealed_column *sealed, const visit *to,
                                         const veer_allocator *allocator)
{
    veer_status status = VEER_OK;
    size_t total = 0;
    for (size_t i = 0; i < sealed->distinct; i++)
        total += load_u32(sealed->counts + 4 * i);
    uint32_t *rows = memory_array(allocator, (size_t)sealed->present + 1, sizeof *rows);
    size_t *places = memory_array(allocator, sealed->rows + 1, sizeof *places);
    uint32_t *keywords = memory_array(allocator, total + 1, sizeof *keywords);
    if (rows == NULL || places == NULL || keywords == NULL) VEER_GOTO(VEER_E_NOMEM);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < sealed->distinct; i++) {
            bitmap_view view;
            sealed_keyword(sealed, i, &view);
            bitmap_view_rows(&view, rows);
            for (uint32_t j = 0; j < view.count; j++) {
                if (pass == 0) {
                    places[rows[j] + 1]++;
                } else {
                    keywords[places[rows[j]]++] = i;
                }
            }
        }
        for (size_t i = 0; i < sealed->rows && pass == 0; i++)
            places[i + 1] += places[i];
    }
    size_t at = 0; /* places[i] is now the end of row i */
    for (size_t i = 0; i < to->rows; i++) {
        for (; at < places[i]; at++) {
            uint32_t bytes;
            const char *text = sealed_text(sealed, keywords[at], &bytes);
            each_keyword(to, (uint32_t)i, text, bytes);
        }
    }
done:
    memory_array_free(allocator, keywords, total + 1, sizeof *keywords);
    memory_array_free(allocator, places, sealed->rows + 1, sizeof *places);
    memory_array_free(allocator, rows, (size_t)sealed->present + 1, sizeof *rows);
    return status;
}

veer_status column_visit(const column *source, size_t rows, const veer_allocator *allocator,
                         column_each each, void *context)
{
    size_t there = column_rows(source);
    visit to = {rows < there ? rows : there, each, context};
    if (!source->is_sealed) {
        visit_growing((const growing_column *)source, &to);
        return VEER_OK;
    }
    const sealed_column *sealed = (const sealed_column *)source;
    if (source->type == COLUMN_BOOL) return visit_sealed_bool(sealed, &to, allocator);
    if (source->type == COLUMN_KEYWORD) return visit_sealed_keywords(sealed, &to, allocator);
    return visit_sealed_ordered(sealed, &to, allocator);
}
