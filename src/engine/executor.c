/* Running a request: masks, plan, one search after the other, then ids and documents.
 *
 * A run allocates nothing that depends on the number of rows but the masks that it needs (none
 * without a filter and without dead rows), and keeps its arenas between runs, so that a prepared
 * query costs little beyond the comparison of vectors. Memory grows with the number of queries
 * only by their results.
 *
 * Threads: one a query handle.
 */
#include "engine/executor.h"

#include "base/bitset.h"
#include "platform/clock.h"

static double now_ms(const executor *run)
{
    return run->is_timed ? clock_monotonic_ms() : 0;
}

/* ---------------------------------------------------------------- without vectors */

/* Matches in storage order, behind the offset, at most k. */
static veer_status list_matches(executor *run, veer_error *error)
{
    uint64_t skip = run->offset < run->matches ? run->offset : run->matches;
    uint64_t wanted = run->matches - skip < run->k ? run->matches - skip : run->k;
    run->is_exact = true;
    if (memory_grow(run->database->allocator, (void **)&run->hits, &run->hits_capacity,
                    (size_t)wanted, sizeof *run->hits) != VEER_OK)
        return error_nomem(error, "results", wanted * sizeof *run->hits);
    for (uint32_t i = 0; i < run->collection->segments_count && run->hits_count < wanted; i++) {
        const search_part *part = &run->parts[i];
        if (part->rows_count <= skip) {
            skip -= part->rows_count;
            continue;
        }
        size_t rows = part->ref->rows;
        size_t row = part->rows ? bitset_next(part->rows, rows, 0) : 0;
        while (row < rows && run->hits_count < wanted) {
            if (skip > 0)
                skip--;
            else
                run->hits[run->hits_count++] = (hit){.segment = i, .row = (uint32_t)row};
            row = part->rows ? bitset_next(part->rows, rows, row + 1) : row + 1;
        }
    }
    return VEER_OK;
}

/* ---------------------------------------------------------------- with vectors */

static veer_status prepare_vectors(executor *run, veer_error *error)
{
    VEER_TRY(executor_mask_vectors(run, error));
    VEER_TRY(executor_plan(run, error));
    run->batch = arena_new(run->prepared, sizeof *run->batch);
    run->entries = arena_array(run->prepared, run->wanted, sizeof *run->entries);
    if (!run->batch || !run->entries) return error_nomem(error, "a search", sizeof *run->batch);
    size_t work_bytes = flat_stored_work_bytes(run->space);
    run->batch->work = arena_array(run->prepared, work_bytes, 1);
    if (!run->batch->work) return error_nomem(error, "a search", work_bytes);
    run->batch->count = 0;
    return VEER_OK;
}

/* All queries; `offsets` receives where the hits of each end. */
static veer_status search_all(executor *run, const float *vectors, size_t n, uint32_t *offsets,
                              veer_error *error)
{
    veer_status status = VEER_OK;
    for (size_t i = 0; i < n; i++) {
        veer_status one = executor_search(run, vectors + i * run->field->dims, error);
        if (one == VEER_PENDING)
            status = one;
        else if (one != VEER_OK)
            return one;
        if (run->hits_count >= UINT32_MAX)
            VEER_FAIL(error, VEER_E_LIMIT, "%zu queries have more than %u result rows", n,
                      UINT32_MAX - 1);
        offsets[i + 1] = (uint32_t)run->hits_count;
    }
    return status;
}

/* ---------------------------------------------------------------- results */

static void fill_distances(const executor *run, veer_results *results)
{
    bool is_cosine = run->field->metric == VEER_METRIC_COSINE;
    for (size_t i = 0; i < run->hits_count; i++) {
        float distance = run->hits[i].distance;
        results->distances[i] = distance;
        results->scores[i] = (is_cosine ? 1.0f : 0.0f) - distance;
    }
}

static veer_status make_results(executor *run, size_t queries, const uint32_t *offsets,
                                const select_spec *select, bool wants_explain, veer_results **out,
                                veer_error *error)
{
    double began = now_ms(run);
    veer_results *results = NULL;
    VEER_TRY(results_new(run->database, queries, run->hits_count, run->field != NULL, select,
                         &results, error));
    memcpy(results->offsets, offsets, (queries + 1) * sizeof *offsets);
    if (run->field) fill_distances(run, results);
    results->is_exact = run->is_exact;
    results->visited =
        run->is_exact ? run->compared : run->scanned + run->walked + run->compared - run->reranked;
    arena_reset(run->scratch);
    veer_status status =
        results_fill(results, run->collection, select, run->hits, run->scratch, error);
    run->fetch_ms = now_ms(run) - began;
    if (status == VEER_OK && wants_explain) status = executor_explain(run, results, error);
    if (status != VEER_OK) {
        veer_results_free(results);
        return status;
    }
    *out = results;
    return VEER_OK;
}

static veer_status run_all(executor *run, const float *vectors, size_t n, const select_spec *select,
                           bool wants_explain, veer_results **out, veer_error *error)
{
    size_t queries = run->field ? n : 1;
    double began = now_ms(run);
    VEER_TRY(executor_mask_rows(run, error));
    if (run->field) VEER_TRY(prepare_vectors(run, error));
    run->mask_ms = now_ms(run) - began;
    uint32_t *offsets = arena_array(run->prepared, queries + 1, sizeof *offsets);
    if (!offsets) return error_nomem(error, "results", (uint64_t)queries * sizeof *offsets);
    offsets[0] = 0;
    if (run->field) {
        VEER_TRY(search_all(run, vectors, n, offsets, error));
        if (run->wants_verify && !run->is_exact)
            VEER_TRY(executor_verify(run, vectors, n, offsets, error));
    } else {
        VEER_TRY(list_matches(run, error));
        offsets[1] = (uint32_t)run->hits_count;
    }
    return make_results(run, queries, offsets, select, wants_explain, out, error);
}

veer_status executor_run(executor *run, const float *vectors, size_t n, const select_spec *select,
                         bool wants_explain, veer_results **out, veer_error *error)
{
    *out = NULL;
    run->is_timed = wants_explain;
    veer_status status = run_all(run, vectors, n, select, wants_explain, out, error);
    memory_array_free(run->database->allocator, run->hits, run->hits_capacity, sizeof *run->hits);
    run->hits = NULL;
    run->hits_count = run->hits_capacity = 0;
    return status;
}
