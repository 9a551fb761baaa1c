/* Writing the sealed form of keyword columns.
 *
 * Two passes over the parts. The first counts the kept rows of every keyword of every part, so
 * that keywords without rows disappear; the used ones are sorted and equal ones get one number.
 * The second puts the rows of each into its place of one array (a counting sort). Rows that do
 * not ascend yet, because a map reorders them, are sorted, and each keyword's rows are encoded.
 */
#include "base/bitset.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"
#include "filter/column_merge.h"
#include "filter/column_sort.h"

typedef struct used_keyword {
    uint64_t prefix; /* first 8 bytes, big-endian: decides most comparisons */
    const char *text;
    uint32_t bytes;
    uint32_t part;
    uint32_t local; /* number within the part */
    uint32_t count; /* rows */
} used_keyword;

typedef struct keyword_merge {
    column_merge *merge;
    uint32_t **numbers; /* of each part: first rows by local number, then the output's number */
    size_t *numbers_counts;
    uint32_t *scratch; /* rows of one sealed keyword */
    size_t scratch_count;
    used_keyword *used;
    size_t used_count;
    uint64_t *places; /* of each output keyword: where its next row goes */
    size_t distinct;
    uint32_t *rows; /* by output keyword */
    size_t rows_count;
} keyword_merge;

/* What a pass does with one row of a keyword. `number` is its entry in numbers[part]. */
typedef void (*keyword_pass)(keyword_merge *state, uint32_t *number, uint32_t row);

static void count_row(keyword_merge *state, uint32_t *number, uint32_t row)
{
    (*number)++;
    state->rows_count++;
    bitset_set(state->merge->presence, row);
}

static void place_row(keyword_merge *state, uint32_t *number, uint32_t row)
{
    state->rows[state->places[*number]++] = row;
}

static void pass_growing(keyword_merge *state, size_t part, keyword_pass pass)
{
    const column_merge *merge = state->merge;
    const growing_column *growing = (const growing_column *)merge->parts[part];
    uint32_t *numbers = state->numbers[part];
    size_t rows = merge_rows(merge, part);
    for (size_t i = 0; i < rows; i++) {
        uint32_t code = *(const uint32_t *)stable_at(&growing->rows, i);
        uint32_t row = merge_row(merge, part, i);
        if (code == 0 || row == MERGE_DROPPED) continue;
        if ((code & GROWING_SEVERAL) == 0) {
            pass(state, &numbers[code - 1], row);
            continue;
        }
        const keyword_list *list = growing_list(growing, code);
        for (uint32_t j = 0; j < list->count; j++)
            pass(state, &numbers[list->numbers[j]], row);
    }
}

static void pass_sealed(keyword_merge *state, size_t part, keyword_pass pass)
{
    const column_merge *merge = state->merge;
    const sealed_column *sealed = (const sealed_column *)merge->parts[part];
    for (uint32_t i = 0; i < sealed->distinct; i++) {
        bitmap_view view;
        sealed_keyword(sealed, i, &view);
        bitmap_view_rows(&view, state->scratch);
        for (uint32_t j = 0; j < view.count; j++) {
            uint32_t row = merge_row(merge, part, state->scratch[j]);
            if (row != MERGE_DROPPED) pass(state, &state->numbers[part][i], row);
        }
    }
}

static void pass_all(keyword_merge *state, keyword_pass pass)
{
    for (size_t part = 0; part < state->merge->parts_count; part++) {
        const column *source = state->merge->parts[part];
        if (source == NULL) continue;
        if (source->is_sealed) {
            pass_sealed(state, part, pass);
        } else {
            pass_growing(state, part, pass);
        }
    }
}

static veer_status prepare(keyword_merge *state)
{
    column_merge *merge = state->merge;
    state->scratch_count = 1;
    state->numbers = memory_array(merge->allocator, merge->parts_count + 1, sizeof(uint32_t *));
    state->numbers_counts = memory_array(merge->allocator, merge->parts_count + 1, sizeof(size_t));
    if (state->numbers == NULL || state->numbers_counts == NULL) {
        return merge_nomem(merge, merge->parts_count * sizeof(size_t));
    }
    for (size_t part = 0; part < merge->parts_count; part++) {
        const column *source = merge->parts[part];
        if (source == NULL) continue;
        size_t known;
        if (source->is_sealed) {
            const sealed_column *sealed = (const sealed_column *)source;
            known = sealed->distinct;
            if (sealed->present > state->scratch_count) state->scratch_count = sealed->present;
        } else {
            known = dictionary_count(&((const growing_column *)source)->keywords);
        }
        uint32_t *numbers = memory_array(merge->allocator, known + 1, sizeof *numbers);
        if (numbers == NULL) return merge_nomem(merge, known * sizeof *numbers);
        state->numbers[part] = numbers;
        state->numbers_counts[part] = known + 1;
    }
    state->scratch = memory_array(merge->allocator, state->scratch_count, sizeof(uint32_t));
    if (state->scratch == NULL) return merge_nomem(merge, state->scratch_count * 4);
    return VEER_OK;
}

static uint64_t prefix_of(const char *text, uint32_t bytes)
{
    uint64_t prefix = 0;
    for (uint32_t i = 0; i < 8; i++)
        prefix = prefix << 8 | (i < bytes ? (uint8_t)text[i] : 0u);
    return prefix;
}

static int compare_used(const void *context, const void *a, const void *b)
{
    (void)context;
    const used_keyword *left = a, *right = b;
    if (left->prefix != right->prefix) return left->prefix < right->prefix ? -1 : 1;
    return keyword_compare(left->text, left->bytes, right->text, right->bytes);
}

/* Lists the keywords that have rows, sorts them and gives every distinct one its number. */
static veer_status number_keywords(keyword_merge *state)
{
    column_merge *merge = state->merge;
    size_t count = 0;
    for (size_t part = 0; part < merge->parts_count; part++) {
        for (size_t i = 0; i < state->numbers_counts[part]; i++) {
            count += state->numbers[part][i] != 0;
        }
    }
    state->used_count = count + 1;
    state->used = memory_array(merge->allocator, state->used_count, sizeof *state->used);
    used_keyword *other = memory_array(merge->allocator, state->used_count, sizeof *other);
    if (state->used == NULL || other == NULL) {
        memory_array_free(merge->allocator, other, state->used_count, sizeof *other);
        return merge_nomem(merge, 2 * count * sizeof *other);
    }
    size_t used = 0;
    for (size_t part = 0; part < merge->parts_count; part++) {
        const column *source = merge->parts[part];
        for (size_t i = 0; i < state->numbers_counts[part]; i++) {
            if (state->numbers[part][i] == 0) continue;
            used_keyword *added = &state->used[used++];
            if (source->is_sealed) {
                added->text =
                    sealed_text((const sealed_column *)source, (uint32_t)i, &added->bytes);
            } else {
                const keyword *known =
                    dictionary_keyword(&((const growing_column *)source)->keywords, (uint32_t)i);
                added->text = known->text;
                added->bytes = known->bytes;
            }
            added->prefix = prefix_of(added->text, added->bytes);
            added->part = (uint32_t)part;
            added->local = (uint32_t)i;
            added->count = state->numbers[part][i];
        }
    }
    sort_items(state->used, other, used, sizeof *other, compare_used, NULL);
    memory_array_free(merge->allocator, other, state->used_count, sizeof *other);
    size_t distinct = 0;
    for (size_t i = 0; i < used; i++) {
        const used_keyword *item = &state->used[i];
        if (i == 0 || compare_used(NULL, item - 1, item) != 0) distinct++;
        state->numbers[item->part][item->local] = (uint32_t)(distinct - 1);
    }
    state->distinct = distinct;
    return VEER_OK;
}

/* Makes one entry of each keyword's entries, with the sum of their counts, and their places. */
static veer_status place_keywords(keyword_merge *state)
{
    column_merge *merge = state->merge;
    state->places = memory_array(merge->allocator, state->distinct + 1, sizeof *state->places);
    state->rows = memory_array(merge->allocator, state->rows_count + 1, sizeof *state->rows);
    if (state->places == NULL || state->rows == NULL) {
        return merge_nomem(merge, state->rows_count * sizeof *state->rows);
    }
    size_t merged = 0;
    for (size_t i = 0; i + 1 < state->used_count; i++) {
        const used_keyword item = state->used[i];
        if (state->numbers[item.part][item.local] == merged) {
            state->used[merged++] = item;
        } else {
            state->used[merged - 1].count += item.count;
        }
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < state->distinct; i++) {
        state->places[i] = sum;
        sum += state->used[i].count;
    }
    return VEER_OK;
}

static veer_status append_rows(keyword_merge *state, uint32_t *rows, size_t count)
{
    bool ascending = true;
    for (size_t i = 1; i < count && ascending; i++)
        ascending = rows[i - 1] < rows[i];
    if (!ascending) sort_u32(rows, count);
    return merge_rows_set(state->merge, rows, count);
}

static veer_status write_keywords(keyword_merge *state)
{
    column_merge *merge = state->merge;
    byte_writer *out = merge->out;
    VEER_TRY(merge_begin(merge, (uint32_t)state->distinct, 0));
    uint64_t texts = 0;
    for (size_t i = 0; i < state->distinct; i++) {
        texts += state->used[i].bytes;
        byte_writer_u64(out, texts);
    }
    size_t data_ends = out->bytes;
    byte_writer_zeros(out, state->distinct * 8);
    for (size_t i = 0; i < state->distinct; i++)
        byte_writer_u32(out, state->used[i].count);
    merge_align(merge);
    for (size_t i = 0; i < state->distinct; i++) {
        byte_writer_put(out, state->used[i].text, state->used[i].bytes);
    }
    merge_align(merge);
    size_t data = out->bytes;
    uint32_t *rows = state->rows;
    for (size_t i = 0; i < state->distinct; i++) {
        VEER_TRY(append_rows(state, rows, state->used[i].count));
        if (out->failed) return merge_nomem(merge, out->bytes);
        store_u64(out->data + data_ends + 8 * i, out->bytes - data);
        rows += state->used[i].count;
    }
    merge_set_sizes(merge, texts, out->bytes - data);
    merge_align(merge);
    return VEER_OK;
}

static void fini(keyword_merge *state)
{
    const column_merge *merge = state->merge;
    bool has_numbers = state->numbers != NULL && state->numbers_counts != NULL;
    for (size_t part = 0; part < merge->parts_count && has_numbers; part++) {
        memory_array_free(merge->allocator, state->numbers[part], state->numbers_counts[part],
                          sizeof(uint32_t));
    }
    memory_array_free(merge->allocator, state->numbers, merge->parts_count + 1, sizeof(uint32_t *));
    memory_array_free(merge->allocator, state->numbers_counts, merge->parts_count + 1,
                      sizeof(size_t));
    memory_array_free(merge->allocator, state->scratch, state->scratch_count, sizeof(uint32_t));
    memory_array_free(merge->allocator, state->used, state->used_count, sizeof *state->used);
    memory_array_free(merge->allocator, state->places, state->distinct + 1, sizeof *state->places);
    memory_array_free(merge->allocator, state->rows, state->rows_count + 1, sizeof *state->rows);
}

veer_status merge_keywords(column_merge *merge)
{
    keyword_merge state = {.merge = merge};
    veer_status status = VEER_OK;
    VEER_GOTO(prepare(&state));
    pass_all(&state, count_row);
    VEER_GOTO(number_keywords(&state));
    VEER_GOTO(place_keywords(&state));
    pass_all(&state, place_row);
    VEER_GOTO(write_keywords(&state));
done:
    fini(&state);
    return status;
}
