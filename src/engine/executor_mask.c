/* Which rows may be results.
 *
 * By row: visible, not dead, matching the filter. Where all visible rows may, there are no bits at
 * all, and nothing is allocated or copied. By vector ordinal: the same where the field is in every
 * row; else translated, from the side that has less to walk.
 *
 * Bits past the last row or ordinal are zero, as base/bitset.h wants it.
 */
#include "base/bitset.h"
#include "engine/executor.h"

/* A filter match is translated row by row where fewer than one row in TRANSLATE_SHARE matches:
 * finding an ordinal is a search in an array, passing one over is a load and a test. */
#define TRANSLATE_SHARE 16u

typedef struct column_finder {
    segment_core *core;
    const schema *schema;
} column_finder;

static veer_status find_column(void *context, uint32_t field_id, const column **found,
                               veer_error *error)
{
    const column_finder *finder = context;
    return segment_column(finder->core, finder->schema, field_id, found, error);
}

veer_status executor_rows(veer_database *database, const collection_version *collection,
                          const segment_ref *ref, const filter *wanted, arena *memory,
                          const uint64_t **bits, uint32_t *count, veer_error *error)
{
    *bits = NULL;
    *count = segment_ref_live(ref);
    if (*count == 0 || (!wanted && *count == ref->rows)) return VEER_OK;
    size_t words = bitset_words(ref->rows), matches = ref->rows;
    uint64_t *made = arena_array(memory, words, sizeof *made);
    if (!made) return error_nomem(error, "a row mask", words * sizeof *made);
    if (wanted) {
        column_finder finder = {ref->core, collection->schema};
        const filter_columns columns = {&finder, find_column, ref->rows};
        VEER_TRY(filter_evaluate(wanted, &columns, database->allocator, made, &matches, error));
    } else {
        memset(made, 0, words * sizeof *made);
        bitset_set_range(made, 0, ref->rows);
    }
    if (ref->dead && matches > 0) {
        tombstones_clear(ref->dead, made, ref->rows);
        matches = bitset_count(made, ref->rows);
    }
    *count = (uint32_t)matches;
    if (matches < ref->rows) *bits = made;
    return VEER_OK;
}

veer_status executor_mask_rows(executor *run, veer_error *error)
{
    size_t count = run->collection->segments_count;
    run->parts = arena_array(run->prepared, count, sizeof *run->parts);
    if (!run->parts) return error_nomem(error, "a search", count * sizeof *run->parts);
    veer_status status = VEER_OK;
    run->matches = 0;
    for (size_t i = 0; i < count; i++) {
        search_part *part = &run->parts[i];
        memset(part, 0, sizeof *part);
        part->ref = &run->collection->segments[i];
        veer_status one = executor_rows(run->database, run->collection, part->ref, run->filter,
                                        run->prepared, &part->rows, &part->rows_count, error);
        if (one == VEER_PENDING)
            status = one;
        else if (one != VEER_OK)
            return one;
        run->matches += part->rows_count;
    }
    return status;
}

/* Bits by ordinal where the field is not in every row. */
static void translate(const search_part *part, uint64_t *bits)
{
    const segment_vectors *vectors = &part->vectors;
    size_t rows = part->ref->rows;
    if (part->rows_count < vectors->count / TRANSLATE_SHARE) {
        for (size_t row = bitset_next(part->rows, rows, 0); row < rows;
             row = bitset_next(part->rows, rows, row + 1)) {
            uint32_t ordinal = segment_vector_ordinal(vectors, (uint32_t)row);
            if (ordinal < vectors->count) bitset_set(bits, ordinal);
        }
        return;
    }
    for (uint32_t i = 0; i < vectors->count; i++) {
        uint32_t row = vectors->rows ? vectors->rows[i] : segment_vector_row(vectors, i);
        if (bitset_get(part->rows, row)) bitset_set(bits, i);
    }
}

static veer_status mask_ordinals(executor *run, search_part *part, veer_error *error)
{
    uint32_t count = part->vectors.count;
    part->live_count = count;
    if (!part->rows || count == 0) return VEER_OK;
    if (part->vectors.dense) {
        part->live = part->rows;
        part->live_count = (uint32_t)bitset_count(part->rows, count);
    } else {
        size_t words = bitset_words(count);
        uint64_t *bits = arena_array(run->prepared, words, sizeof *bits);
        if (!bits) return error_nomem(error, "a row mask", words * sizeof *bits);
        memset(bits, 0, words * sizeof *bits);
        translate(part, bits);
        part->live = bits;
        part->live_count = (uint32_t)bitset_count(bits, count);
    }
    if (part->live_count == count) part->live = NULL;
    return VEER_OK;
}

veer_status executor_mask_vectors(executor *run, veer_error *error)
{
    veer_status status = VEER_OK;
    run->matches = 0;
    for (size_t i = 0; i < run->collection->segments_count; i++) {
        search_part *part = &run->parts[i];
        if (part->rows_count == 0) continue;
        veer_status one = segment_vectors_open(part->ref, run->field, &part->vectors, error);
        if (one == VEER_OK) one = mask_ordinals(run, part, error);
        if (one == VEER_PENDING)
            status = one;
        else if (one != VEER_OK)
            return one;
        run->matches += part->live_count;
    }
    return status;
}
