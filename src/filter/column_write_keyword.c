/* Writing the sealed form of keyword columns.
 *
 * Two passes over the parts. The first counts the kept rows of every keyword of every part, so
 * that keywords without rows disappear; the used ones are sorted and equal ones get one number.
 * The second puts the rows of each into its place of one array (a counting sort). Rows need not
 * ascend, because a map may reorder them: few are sorted, many go through a bitset.
 */
#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"
#include "filter/column_merge.h"

/* More rows of one keyword than this and a 1024th of all rows are put in order by a bitset; both
 * arbitrary: a bitset is looked at whole. */
#define SORTED_ROWS_MAX 4096u
#define SORTED_ROWS_SHARE 1024u

typedef struct used_keyword {
    uint64_t prefix; /* first 8 bytes, big-endian: decides most comparisons */
    const char *text;
    uint32_t bytes;
    uint32_t part;
    uint32_t local; /* number within the part */
    uint32_t count; /* rows */
} used_keyword;

/* What a pass does with one row of a keyword. `number` is its entry in numbers[part]. */
typedef void (*keyword_pass)(column_writer *writer, uint32_t *number, uint32_t row);

typedef struct keyword_merge {
    uint32_t **numbers; /* of each part: first rows by local number, then the output's number */
    size_t *numbers_counts;
    size_t numbers_in_all;
    uint32_t *scratch; /* rows of the sealed keyword that a pass is at */
    size_t scratch_count;
    bitmap_view view;
    uint32_t view_at;  /* of its rows: how far the pass is; 0: not yet there */
    size_t used_count; /* distinct (part, keyword) with rows */
    size_t used_capacity;
    used_keyword *used[2]; /* the second is scratch of the sort */
    merge_sort sort;
    used_keyword *sorted; /* one of both */
    size_t merged;        /* entries of `sorted` that are done */
    uint64_t *places;     /* of each output keyword: where its next row goes */
    size_t places_count;
    uint32_t *rows; /* by output keyword */
    size_t rows_count, rows_capacity;
    size_t row;             /* of `rows`: how far they are written */
    uint32_t set_at;        /* of one keyword's rows: how far they are in the bitset */
    size_t data_ends, data; /* offsets in the output */
} keyword_merge;

void keyword_merge_free(column_writer *writer)
{
    const veer_allocator *allocator = writer->allocator;
    keyword_merge *merge = writer->keywords;
    if (merge == NULL) return;
    size_t parts = writer->parts_count + 1;
    for (size_t part = 0; part < parts && merge->numbers != NULL && merge->numbers_counts != NULL;
         part++) {
        memory_array_free(allocator, merge->numbers[part], merge->numbers_counts[part],
                          sizeof(uint32_t));
    }
    memory_array_free(allocator, merge->numbers, parts, sizeof *merge->numbers);
    memory_array_free(allocator, merge->numbers_counts, parts, sizeof *merge->numbers_counts);
    memory_array_free(allocator, merge->scratch, merge->scratch_count, sizeof *merge->scratch);
    for (size_t i = 0; i < 2; i++)
        memory_array_free(allocator, merge->used[i], merge->used_capacity, sizeof(used_keyword));
    memory_array_free(allocator, merge->places, merge->places_count, sizeof *merge->places);
    memory_array_free(allocator, merge->rows, merge->rows_capacity, sizeof *merge->rows);
    memory_free(allocator, merge, sizeof *merge);
    writer->keywords = NULL;
}

/* ---- the two passes */

static void count_row(column_writer *writer, uint32_t *number, uint32_t row)
{
    (*number)++;
    writer->keywords->rows_count++;
    bitset_set(writer->presence, row);
}

static void place_row(column_writer *writer, uint32_t *number, uint32_t row)
{
    keyword_merge *merge = writer->keywords;
    merge->rows[merge->places[*number]++] = row;
}

static void pass_growing(column_writer *writer, keyword_pass pass)
{
    size_t part = writer->part, rows = merge_rows(writer, part);
    const growing_column *growing = (const growing_column *)writer->parts[part];
    uint32_t *numbers = writer->keywords->numbers[part];
    for (size_t end = merge_end(writer, rows); writer->at < end; writer->at++) {
        uint32_t code = *(const uint32_t *)stable_at(&growing->rows, writer->at);
        uint32_t row = merge_row(writer, part, writer->at);
        if (code == 0 || row == MERGE_DROPPED) continue;
        if ((code & GROWING_SEVERAL) == 0) {
            pass(writer, &numbers[code - 1], row);
            continue;
        }
        const keyword_list *list = growing_list(growing, code);
        for (uint32_t j = 0; j < list->count; j++)
            pass(writer, &numbers[list->numbers[j]], row);
    }
    if (writer->at == rows) merge_next_part(writer);
}

/* `at` is a keyword of the part, view_at a place in its rows. */
static void pass_sealed(column_writer *writer, keyword_pass pass)
{
    size_t part = writer->part;
    keyword_merge *merge = writer->keywords;
    const sealed_column *sealed = (const sealed_column *)writer->parts[part];
    for (size_t done = 0; writer->at < sealed->distinct && done < MERGE_STEP_ROWS; writer->at++) {
        if (merge->view_at == 0) {
            sealed_keyword(sealed, (uint32_t)writer->at, &merge->view);
            bitmap_view_rows(&merge->view, merge->scratch);
        }
        uint32_t left = merge->view.count - merge->view_at;
        uint32_t end =
            left < MERGE_STEP_ROWS ? merge->view.count : merge->view_at + (uint32_t)MERGE_STEP_ROWS;
        done += end - merge->view_at + 1;
        for (; merge->view_at < end; merge->view_at++) {
            uint32_t row = merge_row(writer, part, merge->scratch[merge->view_at]);
            if (row != MERGE_DROPPED) pass(writer, &merge->numbers[part][writer->at], row);
        }
        if (merge->view_at < merge->view.count) return;
        merge->view_at = 0;
    }
    if (writer->at == sealed->distinct) merge_next_part(writer);
}

static bool pass_step(column_writer *writer, keyword_pass pass)
{
    if (!merge_part(writer)) return true;
    if (writer->parts[writer->part]->is_sealed)
        pass_sealed(writer, pass);
    else
        pass_growing(writer, pass);
    return false;
}

static veer_status prepare(column_writer *writer, bool *done)
{
    const veer_allocator *allocator = writer->allocator;
    size_t parts = writer->parts_count + 1;
    if (writer->keywords == NULL) {
        keyword_merge *made = memory_new(allocator, sizeof *made);
        if (made == NULL) return merge_nomem(writer, sizeof *made);
        writer->keywords = made;
        made->scratch_count = 1;
        made->numbers = memory_array(allocator, parts, sizeof *made->numbers);
        made->numbers_counts = memory_array(allocator, parts, sizeof *made->numbers_counts);
        if (made->numbers == NULL || made->numbers_counts == NULL) {
            return merge_nomem(writer, parts * sizeof *made->numbers);
        }
    }
    keyword_merge *merge = writer->keywords;
    if (merge_part(writer)) {
        const column *source = writer->parts[writer->part];
        size_t known;
        if (source->is_sealed) {
            const sealed_column *sealed = (const sealed_column *)source;
            known = sealed->distinct;
            if (sealed->present > merge->scratch_count) merge->scratch_count = sealed->present;
        } else {
            known = dictionary_count(&((const growing_column *)source)->keywords);
        }
        uint32_t *numbers = memory_array(allocator, known + 1, sizeof *numbers);
        if (numbers == NULL) return merge_nomem(writer, known * sizeof *numbers);
        merge->numbers[writer->part] = numbers;
        merge->numbers_counts[writer->part] = known + 1;
        merge->numbers_in_all += known + 1;
        merge_next_part(writer);
        return VEER_OK;
    }
    merge->scratch = memory_room(allocator, merge->scratch_count, sizeof *merge->scratch);
    if (merge->scratch == NULL) return merge_nomem(writer, merge->scratch_count * 4);
    *done = true;
    return VEER_OK;
}

static veer_status count_rows(column_writer *writer, bool *done)
{
    *done = pass_step(writer, count_row);
    return VEER_OK;
}

static veer_status place_rows(column_writer *writer, bool *done)
{
    *done = pass_step(writer, place_row);
    return VEER_OK;
}

/* ---- the keywords */

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

/* `at` is a local number. */
static veer_status list_keywords(column_writer *writer, bool *done)
{
    keyword_merge *merge = writer->keywords;
    if (merge->used[1] == NULL) {
        merge->used_capacity = merge->numbers_in_all + 1;
        for (size_t i = 0; i < 2; i++) {
            merge->used[i] =
                memory_room(writer->allocator, merge->used_capacity, sizeof(used_keyword));
            if (merge->used[i] == NULL) {
                return merge_nomem(writer, merge->used_capacity * sizeof(used_keyword));
            }
        }
    }
    if (!merge_part(writer)) {
        merge_sort_init(&merge->sort, merge->used[0], merge->used[1], merge->used_count,
                        sizeof(used_keyword), compare_used, NULL);
        *done = true;
        return VEER_OK;
    }
    size_t part = writer->part, count = merge->numbers_counts[part];
    const column *source = writer->parts[part];
    for (size_t end = merge_end(writer, count); writer->at < end; writer->at++) {
        uint32_t local = (uint32_t)writer->at;
        if (merge->numbers[part][local] == 0) continue;
        used_keyword *added = &merge->used[0][merge->used_count++];
        if (source->is_sealed) {
            added->text = sealed_text((const sealed_column *)source, local, &added->bytes);
        } else {
            const keyword *known =
                dictionary_keyword(&((const growing_column *)source)->keywords, local);
            added->text = known->text;
            added->bytes = known->bytes;
        }
        added->prefix = prefix_of(added->text, added->bytes);
        added->part = (uint32_t)part;
        added->local = local;
        added->count = merge->numbers[part][local];
    }
    if (writer->at == count) merge_next_part(writer);
    return VEER_OK;
}

static veer_status sort_keywords(column_writer *writer, bool *done)
{
    keyword_merge *merge = writer->keywords;
    *done = merge_sort_step(&merge->sort, MERGE_STEP_ROWS / 2);
    if (*done) merge->sorted = (used_keyword *)(void *)merge->sort.from;
    return VEER_OK;
}

/* Gives every distinct keyword its number and makes one entry of its entries: the first, with
 * the sum of their counts. `merged` entries are made; the last may still grow. */
static veer_status number_keywords(column_writer *writer, bool *done)
{
    keyword_merge *merge = writer->keywords;
    for (size_t end = merge_end(writer, merge->used_count); writer->at < end; writer->at++) {
        const used_keyword item = merge->sorted[writer->at];
        used_keyword *last = merge->merged == 0 ? NULL : &merge->sorted[merge->merged - 1];
        if (last != NULL && compare_used(NULL, last, &item) == 0)
            last->count += item.count;
        else
            merge->sorted[merge->merged++] = item;
        merge->numbers[item.part][item.local] = (uint32_t)(merge->merged - 1);
    }
    *done = writer->at == merge->used_count;
    writer->distinct = merge->merged;
    return VEER_OK;
}

static veer_status find_places(column_writer *writer, bool *done)
{
    keyword_merge *merge = writer->keywords;
    if (merge->rows == NULL) {
        merge->places_count = writer->distinct + 1;
        merge->rows_capacity = merge->rows_count + 1;
        if (merge->places == NULL)
            merge->places =
                memory_room(writer->allocator, merge->places_count, sizeof *merge->places);
        merge->rows = memory_room(writer->allocator, merge->rows_capacity, sizeof *merge->rows);
        if (merge->places == NULL || merge->rows == NULL)
            return merge_nomem(writer, merge->rows_capacity * sizeof *merge->rows);
        merge->places[0] = 0;
    }
    for (size_t end = merge_end(writer, writer->distinct); writer->at < end; writer->at++)
        merge->places[writer->at + 1] = merge->places[writer->at] + merge->sorted[writer->at].count;
    *done = writer->at == writer->distinct;
    return VEER_OK;
}

/* ---- output */

static veer_status put_text_ends(column_writer *writer, bool *done)
{
    uint64_t texts = writer->at == 0 ? 0 : load_u64(merge_at(writer, writer->bytes - 8));
    for (size_t end = merge_end(writer, writer->distinct); writer->at < end; writer->at++) {
        texts += writer->keywords->sorted[writer->at].bytes;
        VEER_TRY(merge_u64(writer, texts));
    }
    if (writer->at < writer->distinct) return VEER_OK;
    store_u64(merge_at(writer, 32), texts);
    writer->keywords->data_ends = writer->bytes;
    *done = true;
    return VEER_OK;
}

/* Room for the ends of each keyword's rows, which are known as they are written. */
static veer_status leave_data_ends(column_writer *writer, bool *done)
{
    size_t end = merge_end(writer, writer->distinct);
    VEER_TRY(merge_zeros(writer, (end - writer->at) * 8));
    writer->at = end;
    *done = end == writer->distinct;
    return VEER_OK;
}

static veer_status put_counts(column_writer *writer, bool *done)
{
    for (size_t end = merge_end(writer, writer->distinct); writer->at < end; writer->at++)
        VEER_TRY(merge_u32(writer, writer->keywords->sorted[writer->at].count));
    *done = writer->at == writer->distinct;
    return *done ? merge_align(writer) : VEER_OK;
}

static veer_status put_texts(column_writer *writer, bool *done)
{
    for (size_t end = merge_end(writer, writer->distinct); writer->at < end; writer->at++) {
        const used_keyword *item = &writer->keywords->sorted[writer->at];
        VEER_TRY(merge_put(writer, item->text, item->bytes));
    }
    *done = writer->at == writer->distinct;
    if (!*done) return VEER_OK;
    VEER_TRY(merge_align(writer));
    writer->keywords->data = writer->bytes;
    return VEER_OK;
}

/* The set of one keyword's rows; *done false: many rows, and not all are in the bitset yet. */
static veer_status put_set(column_writer *writer, uint32_t *rows, uint32_t count, bool *done)
{
    keyword_merge *merge = writer->keywords;
    *done = true;
    if (count <= SORTED_ROWS_MAX || count <= writer->total / SORTED_ROWS_SHARE) {
        bool ascends = true;
        for (uint32_t i = 1; i < count && ascends; i++)
            ascends = rows[i - 1] < rows[i];
        if (!ascends) sort_u32(rows, count);
        return bitmap_encode(writer->encoder, rows, count, merge_put_set, writer);
    }
    uint32_t end =
        count - merge->set_at < MERGE_STEP_ROWS ? count : merge->set_at + (uint32_t)MERGE_STEP_ROWS;
    for (; merge->set_at < end; merge->set_at++)
        bitset_set(writer->bits, rows[merge->set_at]);
    *done = end == count;
    if (!*done) return VEER_OK;
    merge->set_at = 0;
    VEER_TRY(
        bitmap_encode_bits(writer->encoder, writer->bits, writer->total, merge_put_set, writer));
    memset(writer->bits, 0, bitset_words(writer->total) * sizeof *writer->bits);
    return VEER_OK;
}

static veer_status put_sets(column_writer *writer, bool *done)
{
    keyword_merge *merge = writer->keywords;
    for (size_t handled = 0; writer->at < writer->distinct && handled < MERGE_STEP_ROWS / 2;
         writer->at++) {
        uint32_t count = merge->sorted[writer->at].count;
        bool is_put;
        VEER_TRY(put_set(writer, merge->rows + merge->row, count, &is_put));
        if (!is_put) return VEER_OK;
        store_u64(merge_at(writer, merge->data_ends + 8 * writer->at), writer->bytes - merge->data);
        merge->row += count;
        handled += (size_t)count + 1;
    }
    *done = writer->at == writer->distinct;
    if (!*done) return VEER_OK;
    store_u64(merge_at(writer, 40), writer->bytes - merge->data);
    return merge_align(writer);
}

const merge_phase column_keyword_phases[] = {
    prepare,     count_rows, list_keywords, sort_keywords, number_keywords,
    find_places, place_rows, merge_head,    put_text_ends, leave_data_ends,
    put_counts,  put_texts,  put_sets,      NULL,
};
