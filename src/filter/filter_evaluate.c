/* Evaluating a filter over the columns of one segment.
 *
 * Every node becomes a set of rows in the cheapest of four forms: none, all, sparse (a bitmap of
 * CRoaring, where the stored bitmaps are small against a bitset of the segment) or a bitset.
 * Sparse sets are combined by CRoaring, bitsets word by word, and a sparse set is put into or
 * taken out of a bitset through its portable bytes. An AND takes its terms in the order of how
 * many rows they may have, NOT terms last, as a difference, and stops when nothing is left. Scans
 * of growing columns pass over the rows that it has excluded already.
 *
 * All columns are found before any is read, so that a storage which has to wait is asked for
 * everything at once. The caller's bits are written at the end and on success only.
 *
 * Memory: a bitset for each level of the tree (kept for reuse), and the bitmaps. Depth: the
 * recursion is as deep as the tree, which the parsers bound.
 *
 * Threads: any number, over columns that may be growing (only the first `rows` rows are read).
 */
#include <math.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "base/status.h"
#include "filter/bitmap.h"
#include "filter/column_sort.h"
#include "filter/filter_tree.h"

/* Sparse is below 1/16 of a bitset's bytes, measured: there CRoaring's objects win over words. */
#define SPARSE_SHARE 16u
#define SPARSE_VALUES_MAX 8u /* arbitrary: longer lists go into a bitset */

typedef enum row_set_kind { SET_NONE, SET_ALL, SET_SPARSE, SET_BITS } row_set_kind;

typedef struct row_set {
    row_set_kind kind;
    bitmap sparse;
    uint64_t *bits;
} row_set;

typedef struct spare_bits {
    struct spare_bits *next;
} spare_bits;

typedef struct known_column {
    uint32_t field;
    const column *column;
} known_column;

typedef struct evaluation {
    const filter_columns *columns;
    const veer_allocator *allocator;
    size_t rows;
    size_t words; /* of a bitset */
    /* What the present AND has left so far: answers are right for these rows, and anything for the
     * others, which it takes away in the end. NULL: all rows. */
    const uint64_t *within;
    bitmap_memory memory;
    spare_bits *spare;
    known_column *known;
    size_t known_count;
    size_t known_capacity;
    veer_error *error;
} evaluation;

typedef struct ordered_term {
    const filter_node *node;
    size_t rows; /* at most; SIZE_MAX for what is taken away */
} ordered_term;

static veer_status evaluate(evaluation *run, const filter_node *node, bool in_group, row_set *out);

static veer_status nomem(const evaluation *run)
{
    return error_nomem(run->error, "evaluating a filter", run->words * sizeof(uint64_t));
}

/* ---- columns */

static veer_status find_column(evaluation *run, uint32_t field)
{
    for (size_t i = 0; i < run->known_count; i++) {
        if (run->known[i].field == field) return VEER_OK;
    }
    void *known = run->known;
    veer_status status = memory_grow(run->allocator, &known, &run->known_capacity,
                                     run->known_count + 1, sizeof *run->known);
    run->known = known;
    if (status != VEER_OK) return nomem(run);
    const column *found = NULL;
    status = run->columns->find(run->columns->context, field, &found, run->error);
    if (status != VEER_OK && status != VEER_PENDING) return status;
    run->known[run->known_count].field = field;
    run->known[run->known_count++].column = found;
    return status;
}

/* Finds the columns of all fields below; VEER_PENDING after asking for all. */
static veer_status find_columns(evaluation *run, const filter_node *node)
{
    if (node->children_count == 0) {
        return node->kind == FILTER_ALL ? VEER_OK : find_column(run, node->field.id);
    }
    veer_status result = VEER_OK;
    for (size_t i = 0; i < node->children_count; i++) {
        veer_status status = find_columns(run, node->children[i]);
        if (status != VEER_OK && status != VEER_PENDING) return status;
        if (status == VEER_PENDING) result = VEER_PENDING;
    }
    return result;
}

static const column *column_of(const evaluation *run, const filter_node *node)
{
    for (size_t i = 0; i < run->known_count; i++) {
        if (run->known[i].field == node->field.id) return run->known[i].column;
    }
    return NULL;
}

static column_query query_of(const filter_node *node)
{
    const filter_bounds *bounds = &node->bounds;
    column_query query = {
        .kind = COLUMN_HAS_VALUE, .values = node->values, .count = node->values_count};
    if (node->kind == FILTER_IN) query.kind = COLUMN_IN;
    if (node->kind == FILTER_HAS_ALL) query.kind = COLUMN_HAS_ALL;
    if (node->kind != FILTER_BETWEEN) return query;

    query.kind = COLUMN_BETWEEN;
    query.has_lower = bounds->has_lower;
    query.has_upper = bounds->has_upper;
    query.lower_open = bounds->lower_open;
    query.upper_open = bounds->upper_open;
    query.lower = bounds->lower.value;
    query.upper = bounds->upper.value;
    if (node->field.type == COLUMN_NUMBER) {
        if (!bounds->has_lower) query.lower.as.number = -INFINITY;
        if (!bounds->has_upper) query.upper.as.number = INFINITY;
        if (bounds->lower_open) query.lower.as.number = nextafter(query.lower.as.number, INFINITY);
        if (bounds->upper_open) {
            query.upper.as.number = nextafter(query.upper.as.number, -INFINITY);
        }
    } else if (node->field.type == COLUMN_TIME) {
        /* Values of filters are within TIMESTAMP_MIN and _MAX: a step neither way overflows. */
        if (!bounds->has_lower) query.lower.as.time = GROWING_MISSING_TIME + 1;
        if (!bounds->has_upper) query.upper.as.time = INT64_MAX;
        query.lower.as.time += bounds->lower_open;
        query.upper.as.time -= bounds->upper_open;
    }
    return query;
}

/* ---- sets */

static uint64_t *take_bits(evaluation *run)
{
    spare_bits *spare = run->spare;
    if (spare == NULL) return memory_array(run->allocator, run->words, sizeof(uint64_t));
    run->spare = spare->next;
    return (uint64_t *)(void *)spare;
}

static void give_bits(evaluation *run, uint64_t *bits)
{
    spare_bits *spare = (spare_bits *)(void *)bits;
    spare->next = run->spare;
    run->spare = spare;
}

static void drop(evaluation *run, row_set *set)
{
    if (set->kind == SET_SPARSE) bitmap_free(&run->memory, &set->sparse);
    if (set->kind == SET_BITS) give_bits(run, set->bits);
    memset(set, 0, sizeof *set);
}

static bool is_sparse_size(const evaluation *run, size_t bytes)
{
    return bytes <= run->words * sizeof(uint64_t) / SPARSE_SHARE;
}

static veer_status view_of(evaluation *run, const bitmap *sparse, bitmap_view *view)
{
    veer_status status = bitmap_to_view(&run->memory, sparse, view);
    return status == VEER_E_NOMEM ? nomem(run) : status;
}

/* Makes a bitset of any set. */
static veer_status to_bits(evaluation *run, row_set *set)
{
    if (set->kind == SET_BITS) return VEER_OK;
    uint64_t *bits = take_bits(run);
    if (bits == NULL) return nomem(run);
    memset(bits, 0, run->words * sizeof *bits);
    if (set->kind == SET_ALL) bitset_set_range(bits, 0, run->rows);
    if (set->kind == SET_SPARSE) {
        bitmap_view view;
        veer_status status = view_of(run, &set->sparse, &view);
        if (status != VEER_OK) {
            give_bits(run, bits);
            return status;
        }
        bitmap_view_or(&view, bits, run->rows);
        drop(run, set);
    }
    set->kind = SET_BITS;
    set->bits = bits;
    return VEER_OK;
}

static void drop_if_empty(evaluation *run, row_set *set)
{
    uint64_t any = 0;
    if (set->kind == SET_SPARSE) any = set->sparse.count;
    for (size_t i = 0; set->kind == SET_BITS && i < run->words && any == 0; i++) {
        any = set->bits[i];
    }
    if (any == 0 && set->kind != SET_ALL) drop(run, set);
}

typedef veer_status (*bitmap_operation)(bitmap_memory *memory, const bitmap *a, const bitmap *b,
                                        bitmap *out);

static veer_status operate(evaluation *run, bitmap_operation operation, row_set *set,
                           const row_set *by)
{
    bitmap result;
    veer_status status = operation(&run->memory, &set->sparse, &by->sparse, &result);
    if (status != VEER_OK) return nomem(run);
    drop(run, set);
    set->kind = SET_SPARSE;
    set->sparse = result;
    return VEER_OK;
}

/* The three combinations change `set` and leave `by` to the caller to drop. */
static veer_status intersect(evaluation *run, row_set *set, row_set *by)
{
    if (set->kind == SET_ALL || by->kind == SET_NONE) {
        row_set former = *set;
        *set = *by;
        *by = former;
        return VEER_OK;
    }
    if (set->kind == SET_NONE || by->kind == SET_ALL) return VEER_OK;
    if (set->kind == SET_SPARSE && by->kind == SET_SPARSE) {
        return operate(run, bitmap_and, set, by);
    }
    VEER_TRY(to_bits(run, set));
    VEER_TRY(to_bits(run, by));
    bitset_and(set->bits, by->bits, run->words);
    return VEER_OK;
}

static veer_status subtract(evaluation *run, row_set *set, row_set *by)
{
    if (set->kind == SET_NONE || by->kind == SET_NONE) return VEER_OK;
    if (by->kind == SET_ALL) {
        drop(run, set);
        return VEER_OK;
    }
    if (set->kind == SET_SPARSE && by->kind == SET_SPARSE) {
        return operate(run, bitmap_and_not, set, by);
    }
    VEER_TRY(to_bits(run, set));
    if (by->kind == SET_SPARSE) {
        bitmap_view view;
        VEER_TRY(view_of(run, &by->sparse, &view));
        bitmap_view_and_not(&view, set->bits, run->rows);
    } else {
        bitset_and_not(set->bits, by->bits, run->words);
    }
    return VEER_OK;
}

static veer_status unite(evaluation *run, row_set *set, row_set *by)
{
    bool swapped = set->kind == SET_NONE || by->kind == SET_ALL ||
                   (set->kind == SET_SPARSE && by->kind == SET_BITS);
    if (swapped) {
        row_set former = *set;
        *set = *by;
        *by = former;
    }
    if (set->kind == SET_ALL || by->kind == SET_NONE) return VEER_OK;
    if (set->kind == SET_SPARSE && is_sparse_size(run, set->sparse.bytes + by->sparse.bytes)) {
        return operate(run, bitmap_or, set, by);
    }
    VEER_TRY(to_bits(run, set));
    if (by->kind == SET_SPARSE) {
        bitmap_view view;
        VEER_TRY(view_of(run, &by->sparse, &view));
        bitmap_view_or(&view, set->bits, run->rows);
    } else {
        bitset_or(set->bits, by->bits, run->words);
    }
    return VEER_OK;
}

static veer_status complement(evaluation *run, row_set *set)
{
    if (set->kind == SET_NONE) {
        set->kind = SET_ALL;
        return VEER_OK;
    }
    if (set->kind == SET_ALL) {
        set->kind = SET_NONE;
        return VEER_OK;
    }
    VEER_TRY(to_bits(run, set));
    bitset_not(set->bits, run->rows);
    return VEER_OK;
}

/* ---- leaves */

static veer_status sparse_value(evaluation *run, const bitmap_view *view, row_set *out)
{
    if (view->count == 0) return VEER_OK;
    if (bitmap_decode(&run->memory, view, &out->sparse) != VEER_OK) return nomem(run);
    out->kind = SET_SPARSE;
    return VEER_OK;
}

/* Tries to answer from small stored bitmaps. *done: it did. */
static veer_status sparse_leaf(evaluation *run, const sealed_column *sealed,
                               const column_query *query, row_set *out, bool *done)
{
    size_t count = query->kind == COLUMN_HAS_VALUE ? 1 : query->count;
    bitmap_view views[SPARSE_VALUES_MAX];
    size_t bytes = 0;
    *done = false;
    if (query->kind == COLUMN_BETWEEN || count > SPARSE_VALUES_MAX) return VEER_OK;
    for (size_t i = 0; i < count; i++) {
        if (!sealed_view(sealed, query, i, &views[i])) return VEER_OK;
        bytes += views[i].size;
        if (!is_sparse_size(run, bytes)) return VEER_OK;
    }
    *done = true;
    for (size_t i = 0; i < count; i++) {
        row_set value = {0};
        VEER_TRY(sparse_value(run, &views[i], &value));
        bool is_first = i == 0;
        veer_status status = is_first                        ? VEER_OK
                             : query->kind == COLUMN_HAS_ALL ? intersect(run, out, &value)
                                                             : unite(run, out, &value);
        if (is_first) {
            *out = value;
        } else {
            drop(run, &value);
        }
        if (status != VEER_OK) return status;
    }
    return VEER_OK;
}

static veer_status evaluate_leaf(evaluation *run, const filter_node *node, bool in_group,
                                 row_set *out)
{
    const column *asked = column_of(run, node);
    if (asked == NULL) return VEER_OK;
    if (asked->type != node->field.type) {
        VEER_FAIL(run->error, VEER_E_INTERNAL, "filter: the column of '%s' has type %d, not %d",
                  node->field.name, (int)asked->type, (int)node->field.type);
    }
    column_query query = query_of(node);
    query.within = run->within;
    if (asked->is_sealed && in_group) {
        bool done;
        veer_status status = sparse_leaf(run, (const sealed_column *)asked, &query, out, &done);
        if (done || status != VEER_OK) return status;
    }
    uint64_t *bits = take_bits(run);
    if (bits == NULL) return nomem(run);
    out->kind = SET_BITS;
    out->bits = bits;
    veer_status status =
        asked->is_sealed
            ? sealed_match((const sealed_column *)asked, &query, run->rows, run->allocator, bits)
            : growing_match((const growing_column *)asked, &query, run->rows, run->allocator, bits);
    if (status == VEER_E_NOMEM) return nomem(run);
    return status;
}

/* ---- groups */

static size_t estimate(const evaluation *run, const filter_node *node)
{
    if (node->kind == FILTER_NOT) return SIZE_MAX;
    if (node->children_count > 0 || node->kind == FILTER_ALL) return run->rows;
    const column *asked = column_of(run, node);
    if (asked == NULL) return 0;
    if (!asked->is_sealed || asked->type != node->field.type) return run->rows;
    column_query query = query_of(node);
    return sealed_estimate((const sealed_column *)asked, &query);
}

static int compare_terms(const void *context, const void *a, const void *b)
{
    (void)context;
    const ordered_term *left = a, *right = b;
    return (left->rows > right->rows) - (left->rows < right->rows);
}

static veer_status evaluate_terms(evaluation *run, const ordered_term *terms, size_t count,
                                  row_set *out)
{
    const uint64_t *outer = run->within;
    out->kind = SET_ALL;
    for (size_t i = 0; i < count && out->kind != SET_NONE; i++) {
        bool is_not = terms[i].node->kind == FILTER_NOT;
        row_set term = {0};
        if (out->kind == SET_BITS) run->within = out->bits;
        veer_status status =
            evaluate(run, is_not ? terms[i].node->children[0] : terms[i].node, true, &term);
        run->within = outer;
        if (status == VEER_OK) {
            status = is_not ? subtract(run, out, &term) : intersect(run, out, &term);
        }
        drop(run, &term);
        if (status != VEER_OK) return status;
        drop_if_empty(run, out);
    }
    return VEER_OK;
}

static veer_status evaluate_and(evaluation *run, const filter_node *node, row_set *out)
{
    size_t count = node->children_count;
    ordered_term *terms = memory_array(run->allocator, 2 * count, sizeof *terms);
    if (terms == NULL) return nomem(run);
    for (size_t i = 0; i < count; i++) {
        terms[i].node = node->children[i];
        terms[i].rows = estimate(run, node->children[i]);
    }
    sort_items(terms, terms + count, count, sizeof *terms, compare_terms, NULL);
    veer_status status = evaluate_terms(run, terms, count, out);
    memory_array_free(run->allocator, terms, 2 * count, sizeof *terms);
    return status;
}

static veer_status evaluate_or(evaluation *run, const filter_node *node, row_set *out)
{
    for (size_t i = 0; i < node->children_count && out->kind != SET_ALL; i++) {
        row_set term = {0};
        veer_status status = evaluate(run, node->children[i], true, &term);
        if (status == VEER_OK) status = unite(run, out, &term);
        drop(run, &term);
        if (status != VEER_OK) return status;
    }
    return VEER_OK;
}

/* `out` is SET_NONE on entry; on failure it holds what its caller drops. */
static veer_status evaluate(evaluation *run, const filter_node *node, bool in_group, row_set *out)
{
    switch (node->kind) {
    case FILTER_ALL:
        out->kind = SET_ALL;
        return VEER_OK;
    case FILTER_AND:
        return evaluate_and(run, node, out);
    case FILTER_OR:
        return evaluate_or(run, node, out);
    case FILTER_NOT:
        VEER_TRY(evaluate(run, node->children[0], false, out));
        return complement(run, out);
    case FILTER_EXISTS:
    case FILTER_IN:
    case FILTER_HAS_ALL:
    case FILTER_BETWEEN:
        return evaluate_leaf(run, node, in_group, out);
    }
    return VEER_E_INTERNAL;
}

static void finish(evaluation *run)
{
    while (run->spare != NULL) {
        spare_bits *next = run->spare->next;
        memory_array_free(run->allocator, run->spare, run->words, sizeof(uint64_t));
        run->spare = next;
    }
    memory_array_free(run->allocator, run->known, run->known_capacity, sizeof *run->known);
    bitmap_memory_fini(&run->memory);
}

veer_status filter_evaluate(const filter *evaluated, const filter_columns *columns,
                            const veer_allocator *allocator, uint64_t *bits, size_t *matches,
                            veer_error *error)
{
    *matches = 0;
    if (!evaluated->root->is_bound) {
        VEER_FAIL(error, VEER_E_INVALID, "filter: its %zu parameters (?) have no values yet",
                  evaluated->parameters);
    }
    if (columns->rows > BITMAP_ROWS_MAX) {
        VEER_FAIL(error, VEER_E_LIMIT, "filter: %zu rows, a segment has at most %zu", columns->rows,
                  BITMAP_ROWS_MAX);
    }
    size_t words = bitset_words(columns->rows);
    evaluation run = {.columns = columns,
                      .allocator = allocator,
                      .rows = columns->rows,
                      .words = words,
                      .error = error};
    row_set result = {0};
    veer_status status = VEER_OK;
    bitmap_memory_init(&run.memory, allocator);
    VEER_GOTO(find_columns(&run, evaluated->root));
    if (words == 0) goto done;
    VEER_GOTO(evaluate(&run, evaluated->root, false, &result));
    VEER_GOTO(to_bits(&run, &result));
    memcpy(bits, result.bits, words * sizeof *bits);
    *matches = bitset_count(result.bits, columns->rows);
done:
    drop(&run, &result);
    finish(&run);
    return status;
}
