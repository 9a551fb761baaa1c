/* The plan and the scan: original by original where few rows may be results, codes first otherwise.
 *
 * Exact, as always under a metric without codes: the live bits are walked, neighbours are read as one
 * range, and nothing else is touched.
 * Codes: ordinals without codes (the newest rows of an active segment) are compared exactly first,
 * which gives the code scan a threshold to begin with; then the runs of codes, the tables being
 * made anew only where the centre changes; then the candidates are reranked.
 *
 * The choice is by cost, counted in codes: comparing one original costs as much as scanning
 * EXACT_CODES of them.
 *
 * Threads: one a run.
 */
#include "base/bitset.h"
#include "engine/executor.h"
#include "platform/clock.h"

/* Measured with AVX2, filtered searches at k = 10: 40 ns a vector against 1.9 ns a code at 128
 * dimensions (60,000 rows), 62 ns against 4 ns at 384 (16,000 rows). */
#define EXACT_CODES 24u
/* Comparing this few always wins over anything, and over making tables for a scan. */
#define EXACT_ROWS_MIN 256u
#define TABLES_ROWS_MIN 2048u
/* Candidates that a scan leaves to rerank, for each result that is wanted. */
#define RERANK_PER_RESULT 8u
#define RERANK_MIN 128u

/* ---------------------------------------------------------------- plan */

static veer_status grow(arena *memory, void **items, size_t *capacity, size_t count,
                        size_t bytes_each, veer_error *error)
{
    if (count < *capacity) return VEER_OK;
    size_t wanted = *capacity < 8 ? 16 : *capacity * 2;
    void *grown = arena_array(memory, wanted, bytes_each);
    if (!grown) return error_nomem(error, "a search", (uint64_t)wanted * bytes_each);
    if (count > 0) memcpy(grown, *items, count * bytes_each);
    *items = grown;
    *capacity = wanted;
    return VEER_OK;
}

static veer_status add_gap(executor *run, uint32_t part, uint32_t first, uint32_t end,
                           veer_error *error)
{
    if (first >= end) return VEER_OK;
    const uint64_t *live = run->parts[part].live;
    if (live && bitset_next(live, end, first) >= end) return VEER_OK;
    VEER_TRY(grow(run->prepared, (void **)&run->gaps, &run->gaps_capacity, run->gaps_count,
                  sizeof *run->gaps, error));
    run->gaps[run->gaps_count++] = (search_gap){part, first, end};
    return VEER_OK;
}

static bool same_centre(const executor *run, const float *a, const float *b)
{
    return a == b || memcmp(a, b, flat_padded_dims(run->space) * sizeof *a) == 0;
}

static veer_status add_run(executor *run, uint32_t part, const segment_codes *codes, uint32_t end,
                           veer_error *error)
{
    const uint64_t *live = run->parts[part].live;
    VEER_TRY(grow(run->prepared, (void **)&run->runs, &run->runs_capacity, run->runs_count,
                  sizeof *run->runs, error));
    run->runs[run->runs_count++] = (search_run){
        .blocks = codes->blocks,
        .centre = codes->centre,
        .live = live ? live + codes->first / 64 : NULL,
        .part = part,
        .first = codes->first,
        .count = end - codes->first,
    };
    search_run *added = &run->runs[run->runs_count - 1];
    return run->effort > 0 ? executor_plan_effort(run, added, error)
                           : executor_plan_walk(run, added, error);
}

static veer_status plan_part(executor *run, uint32_t index, veer_error *error)
{
    const segment_vectors *vectors = &run->parts[index].vectors;
    uint32_t next = 0; /* ordinals below are in a run or a gap */
    for (size_t number = 0; next < vectors->count; number++) {
        segment_codes codes;
        if (!segment_codes_run(vectors, number, &codes) || codes.first >= vectors->count) break;
        if (codes.first < next)
            VEER_FAIL(error, VEER_E_INTERNAL, "code runs of field '%s' overlap", run->field->name);
        VEER_TRY(add_gap(run, index, next, codes.first, error));
        uint32_t left = vectors->count - codes.first;
        next = codes.first + (codes.count < left ? codes.count : left);
        if (next > codes.first) VEER_TRY(add_run(run, index, &codes, next, error));
    }
    return add_gap(run, index, next, vectors->count, error);
}

/* VEER_E_CORRUPT: lost or damaged. */
static veer_status load_codes(const executor *run, search_run *codes, veer_error *error)
{
    if (codes->blocks) return VEER_OK;
    return segment_codes_load(&run->parts[codes->part].vectors, &codes->blocks, &codes->centre,
                              error);
}

/* Loads the codes that the plan scans. What is lost or damaged becomes a gap. */
static veer_status load_scanned(executor *run, veer_error *error)
{
    bool waits = false;
    size_t kept = 0;
    for (size_t i = 0; i < run->runs_count; i++) {
        search_run *codes = &run->runs[i];
        veer_status status = codes->graph ? VEER_OK : load_codes(run, codes, error);
        if (status == VEER_E_CORRUPT) {
            VEER_TRY(add_gap(run, codes->part, codes->first, codes->first + codes->count, error));
            continue;
        }
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
        run->runs[kept++] = *codes;
    }
    run->runs_count = kept;
    return waits ? VEER_PENDING : VEER_OK;
}

/* A block is scanned when any of its rows may be a result. */
uint64_t executor_scan_estimate(const executor *run)
{
    uint64_t codes = 0;
    for (size_t i = 0; i < run->runs_count; i++)
        codes += run->runs[i].graph ? 0 : run->runs[i].count;
    uint64_t in_blocks = run->matches * FLAT_BLOCK_ROWS;
    return in_blocks < codes ? in_blocks : codes;
}

uint64_t executor_scan_cost(const executor *run, const search_run *codes)
{
    uint64_t in_blocks = (uint64_t)run->parts[codes->part].live_count * FLAT_BLOCK_ROWS;
    return (in_blocks < codes->count ? in_blocks : codes->count) +
           executor_rerank_estimate(run) * EXACT_CODES;
}

uint64_t executor_rerank_estimate(const executor *run)
{
    uint64_t reranked = RERANK_PER_RESULT * (uint64_t)run->wanted;
    return reranked > RERANK_MIN ? reranked : RERANK_MIN;
}

/* So few rows that comparing their originals always wins over making tables, or over coding the
 * query for a graph. */
static bool are_few(const executor *run, uint64_t few)
{
    uint64_t least = 8 * (uint64_t)run->wanted;
    return run->matches <= (few > least ? few : least);
}

/* What the plan costs, in codes. Walks without a filter were taken because they cost little. */
static double planned_cost(const executor *run)
{
    double cost = 0;
    bool scans = false;
    for (size_t i = 0; i < run->runs_count; i++) {
        const search_run *codes = &run->runs[i];
        cost += codes->graph ? codes->choice.cost : 0;
        scans |= codes->graph == NULL;
    }
    if (scans)
        cost += (double)(executor_scan_estimate(run) + executor_rerank_estimate(run) * EXACT_CODES);
    return cost;
}

static bool is_exact_better(const executor *run)
{
    bool has_graph = executor_walk_estimate(run) > 0;
    bool must_walk = run->effort > 0 && has_graph;
    bool is_cheaper = (double)run->matches * EXACT_CODES <= planned_cost(run);
    bool are_too_few = !has_graph && are_few(run, TABLES_ROWS_MIN);
    return run->runs_count == 0 || (!must_walk && (are_too_few || is_cheaper));
}

veer_status executor_plan(executor *run, veer_error *error)
{
    uint64_t wanted = run->k + run->offset;
    run->wanted = (size_t)(wanted < run->matches ? wanted : run->matches);
    run->is_exact = run->wants_exact || !field_has_codes(run->field) ||
                    (run->effort == 0 && are_few(run, EXACT_ROWS_MIN));
    if (run->is_exact) return VEER_OK;
    veer_status status = VEER_OK;
    for (uint32_t i = 0; i < run->collection->segments_count; i++) {
        if (run->parts[i].live_count == 0) continue;
        veer_status one = plan_part(run, i, error);
        if (one == VEER_PENDING)
            status = one;
        else if (one != VEER_OK)
            return one;
    }
    VEER_TRY(status);
    size_t found = run->runs_count;
    run->is_exact = is_exact_better(run);
    if (!run->is_exact) VEER_TRY(load_scanned(run, error));
    if (run->runs_count < found) run->is_exact = is_exact_better(run);
    return VEER_OK;
}

/* ---------------------------------------------------------------- exact */

/* The end of the ones that begin at `first`. */
static uint32_t ones_end(const uint64_t *live, uint32_t first, uint32_t end)
{
    uint32_t at = first;
    while (at < end) {
        uint64_t zeros = ~live[at / 64] >> (at % 64);
        if (zeros != 0) {
            at += (uint32_t)__builtin_ctzll(zeros);
            return at < end ? at : end;
        }
        at += 64 - at % 64;
    }
    return end;
}

static void add_to_batch(executor *run, uint32_t part, uint32_t first, const uint8_t *originals,
                         uint32_t count)
{
    const segment_vectors *vectors = &run->parts[part].vectors;
    search_batch *batch = run->batch;
    flat_storage storage = run->field->storage;
    size_t row_bytes = field_row_bytes(run->field);
    bool has_norms = run->field->metric == VEER_METRIC_COSINE;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t ordinal = first + i;
        uint32_t row = vectors->dense ? ordinal : segment_vector_row(vectors, ordinal);
        search_batch_vector(batch, storage, originals + i * row_bytes);
        batch->keys[batch->count] = (uint64_t)part << 32 | row;
        if (has_norms)
            batch->norms[batch->count] = vectors->inverse_norms
                                             ? vectors->inverse_norms[ordinal]
                                             : segment_vector_inverse_norm(vectors, ordinal);
        batch->count++;
    }
}

/* Reads [first, end), all of them live, flushing whenever the batch is full. */
static veer_status compare_ones(executor *run, const flat_query *query, uint32_t part,
                                uint32_t first, uint32_t end, topk *heap, flat_candidates *known,
                                arena_mark mark, veer_error *error)
{
    while (first < end) {
        uint32_t room = EXECUTOR_BATCH - (uint32_t)run->batch->count, given = 0;
        uint32_t count = end - first < room ? end - first : room;
        const uint8_t *originals = NULL;
        VEER_TRY(segment_vector_range(&run->parts[part].vectors, first, count, run->scratch,
                                      &originals, &given, error));
        add_to_batch(run, part, first, originals, given);
        first += given;
        if (run->batch->count < EXECUTOR_BATCH) continue;
        executor_flush(run, query, heap, known);
        arena_restore(run->scratch, mark);
    }
    return VEER_OK;
}

/* Asks for [first, end) and waits for nothing. */
static veer_status ask_for(executor *run, uint32_t part, uint32_t first, uint32_t end,
                           arena_mark mark, veer_error *error)
{
    while (first < end) {
        uint32_t given = end - first < EXECUTOR_BATCH ? end - first : EXECUTOR_BATCH;
        const uint8_t *originals = NULL;
        veer_status status = segment_vector_range(&run->parts[part].vectors, first, given,
                                                  run->scratch, &originals, &given, error);
        if (status != VEER_OK && status != VEER_PENDING) return status;
        first += given > 0 ? given : 1;
        arena_restore(run->scratch, mark);
    }
    return VEER_OK;
}

veer_status executor_compare(executor *run, const flat_query *query, uint32_t part, uint32_t first,
                             uint32_t end, topk *heap, flat_candidates *known, veer_error *error)
{
    const uint64_t *live = run->parts[part].live;
    arena_mark mark = arena_save(run->scratch);
    veer_status status = VEER_OK;
    run->batch->count = 0;
    while (first < end) {
        if (live) first = (uint32_t)bitset_next(live, end, first);
        if (first >= end) break;
        uint32_t stop = live ? ones_end(live, first, end) : end;
        if (status == VEER_OK)
            status = compare_ones(run, query, part, first, stop, heap, known, mark, error);
        if (status != VEER_OK && status != VEER_PENDING) return status;
        /* What compare_ones read of this stretch is asked for again, which costs nothing. */
        if (status == VEER_PENDING) VEER_TRY(ask_for(run, part, first, stop, mark, error));
        first = stop;
    }
    if (status == VEER_OK && run->batch->count > 0) executor_flush(run, query, heap, known);
    run->batch->count = 0;
    arena_restore(run->scratch, mark);
    return status;
}

veer_status executor_search_exact(executor *run, const flat_query *query, topk *heap,
                                  veer_error *error)
{
    veer_status status = VEER_OK;
    for (uint32_t i = 0; i < run->collection->segments_count; i++) {
        const search_part *part = &run->parts[i];
        if (part->live_count == 0) continue;
        veer_status one =
            executor_compare(run, query, i, 0, part->vectors.count, heap, NULL, error);
        if (one == VEER_PENDING)
            status = one;
        else if (one != VEER_OK)
            return one;
    }
    return status;
}

/* ---------------------------------------------------------------- codes */

static veer_status search_gaps(executor *run, const flat_query *query, topk *heap,
                               flat_candidates *candidates, veer_error *error)
{
    veer_status status = VEER_OK;
    for (size_t i = 0; i < run->gaps_count; i++) {
        const search_gap *gap = &run->gaps[i];
        veer_status one =
            executor_compare(run, query, gap->part, gap->first, gap->end, heap, candidates, error);
        if (one == VEER_PENDING)
            status = one;
        else if (one != VEER_OK)
            return one;
    }
    return status;
}

/* Scans one run. Where its graph was to answer and has found too little, its codes may not be loaded
 * yet, and lost or damaged: then its rows are compared exactly. `centre`: of the query's tables. */
static veer_status scan_run(executor *run, flat_query *query, size_t index, const float **centre,
                            topk *heap, flat_candidates *candidates, veer_error *error)
{
    search_run *codes = &run->runs[index];
    veer_status status = load_codes(run, codes, error);
    if (status == VEER_E_CORRUPT)
        return executor_compare(run, query, codes->part, codes->first, codes->first + codes->count,
                                heap, candidates, error);
    VEER_TRY(status);
    if (!*centre || !same_centre(run, *centre, codes->centre))
        flat_query_centre(query, codes->centre);
    *centre = codes->centre;
    if (flat_scan(run->space, query, codes->blocks, codes->count, codes->live, (uint32_t)index,
                  candidates) != VEER_OK)
        return error_nomem(error, "the candidates of a search", candidates->count);
    return VEER_OK;
}

static veer_status search_codes(executor *run, flat_query *query, topk *heap, veer_error *error)
{
    double began = run->is_timed ? clock_monotonic_ms() : 0;
    flat_candidates candidates;
    if (flat_candidates_init(&candidates, run->wanted, run->scratch) != VEER_OK)
        return error_nomem(error, "a search", run->wanted * sizeof(float));
    VEER_TRY(search_gaps(run, query, heap, &candidates, error));
    bool waits = false;
    const float *centre = NULL;
    for (size_t i = 0; i < run->runs_count; i++) {
        bool has_walked = false;
        veer_status status = VEER_OK;
        if (run->runs[i].graph)
            status = executor_walk(run, query, i, heap, &candidates, &has_walked, error);
        if (status == VEER_OK && !has_walked)
            status = scan_run(run, query, i, &centre, heap, &candidates, error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
    }
    if (waits) return VEER_PENDING;
    run->scanned += candidates.seen;
    run->candidates += candidates.count;
    double scanned = run->is_timed ? clock_monotonic_ms() : 0;
    VEER_TRY(executor_rerank(run, query, &candidates, heap, error));
    if (run->is_timed) {
        run->scan_ms += scanned - began;
        run->rerank_ms += clock_monotonic_ms() - scanned;
    }
    return VEER_OK;
}

/* ---------------------------------------------------------------- one query */

static veer_status keep_hits(executor *run, topk *heap, veer_error *error)
{
    topk_sort(heap);
    size_t first = heap->count < run->offset ? heap->count : (size_t)run->offset;
    size_t count = heap->count - first;
    if (memory_grow(run->database->allocator, (void **)&run->hits, &run->hits_capacity,
                    run->hits_count + count, sizeof *run->hits) != VEER_OK)
        return error_nomem(error, "results", (run->hits_count + count) * sizeof *run->hits);
    for (size_t i = 0; i < count; i++) {
        const topk_entry *entry = &heap->entries[first + i];
        run->hits[run->hits_count++] = (hit){.segment = (uint32_t)(entry->key >> 32),
                                             .row = (uint32_t)entry->key,
                                             .distance = entry->distance};
    }
    return VEER_OK;
}

veer_status executor_begin(executor *run, const float *vector, flat_query **query, topk *heap,
                           veer_error *error)
{
    arena_reset(run->scratch);
    if (flat_query_new(run->space, vector, run->sigmas, run->scratch, query) != VEER_OK)
        return error_nomem(error, "a query", run->field->dims * sizeof *vector);
    flat_stored_begin(run->space, vector, run->batch->work);
    topk_init(heap, run->entries, run->wanted);
    return VEER_OK;
}

veer_status executor_search(executor *run, const float *vector, veer_error *error)
{
    flat_query *query = NULL;
    topk heap;
    if (run->wanted == 0) return VEER_OK;
    VEER_TRY(executor_begin(run, vector, &query, &heap, error));
    if (run->is_exact) {
        double began = run->is_timed ? clock_monotonic_ms() : 0;
        VEER_TRY(executor_search_exact(run, query, &heap, error));
        if (run->is_timed) run->scan_ms += clock_monotonic_ms() - began;
    } else {
        VEER_TRY(search_codes(run, query, &heap, error));
    }
    return keep_hits(run, &heap, error);
}
