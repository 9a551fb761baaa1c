/* Growing columns: append-only arrays of an active segment.
 *
 *   number    f64 a row, NaN where there is none
 *   time      i64 a row, INT64_MIN where there is none
 *   bool      u8 a row: 0, 1, or 2 where there is none
 *   keyword   u32 a row: 0 where there is none, keyword + 1, or a list (top bit and its number)
 *             where a row has several; numbers of keywords come from the dictionary
 *
 * A missing value compares with nothing in its array's own terms, so the scans have no second
 * array to look at. -0 is stored as 0, so that equal numbers are the same bytes when sealed.
 *
 * Threads: one writer (column_reserve, column_append), any number of readers of rows that were
 * published to them with release order after column_append. Every row is a memory location of
 * its own, written once before it is published; chunks and lists never move; the dictionary has
 * its own protocol. So readers take no lock and see no race. column_rows and column_memory may
 * be called from any thread.
 */
#include <math.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"
#include "filter/column_inner.h"
#include "filter/column_sort.h"

static size_t row_bytes(column_type type)
{
    switch (type) {
    case COLUMN_NUMBER:
    case COLUMN_TIME:
        return 8;
    case COLUMN_KEYWORD:
        return 4;
    case COLUMN_BOOL:
        return 1;
    case COLUMN_NONE:
        break;
    }
    return 0;
}

static void count_bytes(growing_column *growing)
{
    size_t bytes = sizeof *growing + stable_bytes(&growing->rows);
    if (growing->base.type == COLUMN_KEYWORD) {
        bytes += stable_bytes(&growing->lists) + growing->list_memory.bytes +
                 dictionary_bytes(&growing->keywords);
    }
    atomic_store_explicit(&growing->bytes, bytes, memory_order_relaxed);
}

veer_status column_new(const veer_allocator *allocator, column_type type, column **out)
{
    *out = NULL;
    if (row_bytes(type) == 0) return VEER_E_INVALID;
    growing_column *made = memory_new(allocator, sizeof *made);
    if (made == NULL) return VEER_E_NOMEM;
    made->base.type = type;
    made->base.allocator = allocator;
    stable_init(&made->rows, allocator, row_bytes(type), GROWING_CHUNK_SHIFT);
    stable_init(&made->lists, allocator, sizeof(keyword_list), GROWING_CHUNK_SHIFT);
    text_pool_init(&made->list_memory, allocator);
    dictionary_init(&made->keywords, allocator);
    atomic_init(&made->rows_count, 0);
    atomic_init(&made->bytes, 0);
    count_bytes(made);
    *out = &made->base;
    return VEER_OK;
}

static void growing_free(growing_column *growing)
{
    stable_fini(&growing->rows);
    stable_fini(&growing->lists);
    text_pool_fini(&growing->list_memory);
    dictionary_fini(&growing->keywords);
    memory_free(growing->base.allocator, growing, sizeof *growing);
}

void column_free(column *freed)
{
    if (freed == NULL) return;
    if (freed->is_sealed) {
        sealed_steps_free((sealed_column *)freed);
        memory_free(freed->allocator, freed, sizeof(sealed_column));
    } else {
        growing_free((growing_column *)freed);
    }
}

/* A row of several keywords takes a list, and memory for its keywords. */
static veer_status reserve_keywords(growing_column *growing, size_t rows, size_t values,
                                    size_t text_bytes)
{
    VEER_TRY(dictionary_reserve(&growing->keywords, values, text_bytes));
    size_t several = values / 2 < rows ? values / 2 : rows;
    if (several == 0) return VEER_OK;
    size_t lists, bytes;
    if (!size_add(growing->lists_count, several, &lists)) return VEER_E_NOMEM;
    if (!size_mul(values, sizeof(uint32_t), &bytes)) return VEER_E_NOMEM;
    VEER_TRY(stable_reserve(&growing->lists, lists));
    return text_pool_reserve(&growing->list_memory, bytes);
}

veer_status column_reserve(column *target, size_t rows, size_t values, size_t text_bytes)
{
    growing_column *growing = (growing_column *)target;
    if (target->is_sealed) return VEER_E_INVALID;
    size_t count = atomic_load_explicit(&growing->rows_count, memory_order_relaxed);
    if (rows > BITMAP_ROWS_MAX - count) return VEER_E_LIMIT;
    veer_status status = stable_reserve(&growing->rows, count + rows);
    if (status == VEER_OK && target->type == COLUMN_KEYWORD) {
        status = reserve_keywords(growing, rows, values, text_bytes);
    }
    count_bytes(growing);
    return status;
}

static uint32_t code_of(growing_column *growing, const column_value *values, size_t count)
{
    if (count == 0) return 0;
    if (count == 1) {
        return dictionary_add(&growing->keywords, values->as.keyword.text,
                              values->as.keyword.bytes) +
               1;
    }
    uint32_t *numbers = text_pool_take(&growing->list_memory, count * sizeof *numbers);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = dictionary_add(&growing->keywords, values[i].as.keyword.text,
                                    values[i].as.keyword.bytes);
    }
    sort_u32(numbers, count);
    uint32_t distinct = 1;
    for (size_t i = 1; i < count; i++) {
        if (numbers[i] != numbers[distinct - 1]) numbers[distinct++] = numbers[i];
    }
    if (distinct == 1) return numbers[0] + 1;
    keyword_list *list = stable_at(&growing->lists, growing->lists_count);
    list->numbers = numbers;
    list->count = distinct;
    list->signature = 0;
    for (size_t i = 0; i < distinct; i++)
        list->signature |= keyword_signature(numbers[i]);
    return GROWING_SEVERAL | growing->lists_count++;
}

void column_append(column *target, const column_value *values, size_t count)
{
    growing_column *growing = (growing_column *)target;
    size_t row = atomic_load_explicit(&growing->rows_count, memory_order_relaxed);
    void *place = stable_at(&growing->rows, row);
    switch (target->type) {
    case COLUMN_NUMBER:
        *(double *)place = count == 0 ? GROWING_MISSING_NUMBER : values->as.number + 0.0;
        break;
    case COLUMN_TIME:
        *(int64_t *)place = count == 0 ? GROWING_MISSING_TIME : values->as.time;
        break;
    case COLUMN_BOOL:
        *(uint8_t *)place = count == 0 ? GROWING_MISSING_BOOL : values->as.boolean;
        break;
    case COLUMN_KEYWORD:
        *(uint32_t *)place = code_of(growing, values, count);
        break;
    case COLUMN_NONE:
        break;
    }
    atomic_store_explicit(&growing->rows_count, row + 1, memory_order_release);
}

size_t column_rows(const column *asked)
{
    if (asked->is_sealed) return ((const sealed_column *)asked)->rows;
    return atomic_load_explicit(&((const growing_column *)asked)->rows_count, memory_order_acquire);
}

size_t column_memory(const column *asked)
{
    if (asked->is_sealed)
        return sizeof(sealed_column) + sealed_steps_bytes((const sealed_column *)asked);
    return atomic_load_explicit(&((const growing_column *)asked)->bytes, memory_order_relaxed);
}

int keyword_compare(const char *a, uint32_t a_bytes, const char *b, uint32_t b_bytes)
{
    uint32_t common = a_bytes < b_bytes ? a_bytes : b_bytes;
    int order = common == 0 ? 0 : memcmp(a, b, common);
    if (order != 0) return order;
    return (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

int column_value_compare(column_type type, const column_value *a, const column_value *b)
{
    switch (type) {
    case COLUMN_NUMBER:
        return (a->as.number > b->as.number) - (a->as.number < b->as.number);
    case COLUMN_TIME:
        return (a->as.time > b->as.time) - (a->as.time < b->as.time);
    case COLUMN_BOOL:
        return a->as.boolean - b->as.boolean;
    case COLUMN_KEYWORD:
        return keyword_compare(a->as.keyword.text, a->as.keyword.bytes, b->as.keyword.text,
                               b->as.keyword.bytes);
    case COLUMN_NONE:
        break;
    }
    return 0;
}

bool keyword_is_between(const column_query *query, const char *text, uint32_t bytes)
{
    if (query->has_lower) {
        int order = keyword_compare(text, bytes, query->lower.as.keyword.text,
                                    query->lower.as.keyword.bytes);
        if (order < 0 || (order == 0 && query->lower_open)) return false;
    }
    if (query->has_upper) {
        int order = keyword_compare(text, bytes, query->upper.as.keyword.text,
                                    query->upper.as.keyword.bytes);
        if (order > 0 || (order == 0 && query->upper_open)) return false;
    }
    return true;
}
