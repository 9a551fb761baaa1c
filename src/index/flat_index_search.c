/* The growing index, a search: every chunk is a part of a flat search, or all rows are compared.
 *
 * Rows are compared one by one where that was asked for, where there are no codes yet, and where
 * so few are live that most of them would be reranked anyway. Rows are numbered by age, so row
 * numbers are the keys of the heap and order equal distances.
 *
 * The caller's filter is asked about rows whose codes pass, before they count for the threshold:
 * so a search gives min(k, accepted rows), and asks about a small part of the rows.
 *
 * Threads: the index is only read; scratch belongs to the call.
 */
#include "base/bitset.h"
#include "base/status.h"
#include "index/flat_index_internal.h"

/* Originals compared in one go: their prefetch runs ahead within it. */
#define BATCH_ROWS 256u

/* Live rows for each result below which codes do not pay. Arbitrary: of 8 rows, most are reranked. */
#define EXACT_ROWS_PER_RESULT 8u

/* Rows of the first and of the following reranks: each one lowers the threshold for the next. */
#define FIRST_RERANK 32u
#define NEXT_RERANK 64u

typedef struct row_batch {
    const float *vectors[BATCH_ROWS];
    float inverse[BATCH_ROWS];
    float distances[BATCH_ROWS];
    uint32_t rows[BATCH_ROWS];
    size_t count;
} row_batch;

typedef struct run {
    const flat_index *index;
    const flat_index_search *search;
    flat_query *query;
    row_batch *batch;
    topk nearest;
} run;

static void compare_batch(run *r)
{
    row_batch *batch = r->batch;
    flat_distances(r->index->space, r->query, batch->vectors, batch->inverse, batch->count,
                   batch->distances);
    for (size_t i = 0; i < batch->count; i++) {
        topk_push(&r->nearest, batch->distances[i], batch->rows[i]);
    }
    batch->count = 0;
}

static void add_to_batch(run *r, size_t row)
{
    row_batch *batch = r->batch;
    batch->vectors[batch->count] = flat_row(r->index, row);
    batch->inverse[batch->count] = flat_row_inverse(r->index, row);
    batch->rows[batch->count++] = (uint32_t)row;
    if (batch->count == BATCH_ROWS) compare_batch(r);
}

static bool accepts(const flat_index_search *search, const flat_index *index, size_t row)
{
    return search->accept == NULL ||
           search->accept(search->accept_context, *flat_row_key(index, row));
}

static void compare_all(run *r)
{
    const flat_index *index = r->index;
    for (size_t row = bitset_next(index->live, index->rows, 0); row < index->rows;
         row = bitset_next(index->live, index->rows, row + 1)) {
        if (accepts(r->search, index, row)) add_to_batch(r, row);
    }
    compare_batch(r);
}

static bool accept_row(void *context, uint32_t chunk, uint32_t row)
{
    const run *r = context;
    return accepts(r->search, r->index, chunk * r->index->chunk_rows + row);
}

static veer_status scan_chunks(run *r, flat_candidates *candidates, arena *scratch)
{
    const flat_index *index = r->index;
    const flat_chunk *former = NULL;
    VEER_TRY(flat_candidates_init(candidates, r->nearest.k, scratch));
    if (r->search->accept != NULL) candidates->accept = accept_row;
    candidates->accept_context = r;
    for (size_t i = 0; i * index->chunk_rows < index->rows; i++) {
        const flat_chunk *chunk = &index->chunks[i];
        if (former == NULL || former->centre != chunk->centre) {
            flat_query_centre(r->query, index->centres[chunk->centre].values);
        }
        former = chunk;
        bool has_holes = index->first_hole < index->rows;
        const uint64_t *live = has_holes ? index->live + i * index->chunk_rows / 64 : NULL;
        VEER_TRY(flat_scan(index->space, r->query, chunk->blocks, flat_chunk_used(index, i), live,
                           (uint32_t)i, candidates));
    }
    return VEER_OK;
}

static void rerank(run *r, flat_candidates *candidates)
{
    const flat_candidate *items;
    size_t limit = r->nearest.k > FIRST_RERANK ? r->nearest.k : FIRST_RERANK;
    for (;;) {
        float threshold = topk_threshold(&r->nearest);
        size_t n = flat_candidates_next(candidates, threshold, limit, &items);
        if (n == 0) return;
        for (size_t i = 0; i < n; i++) {
            add_to_batch(r, items[i].part * r->index->chunk_rows + items[i].row);
        }
        compare_batch(r);
        limit = NEXT_RERANK;
    }
}

veer_status flat_index_run(const flat_index *index, const float *vector,
                           const flat_index_search *search, arena *scratch, uint64_t *keys,
                           float *distances, size_t *found, veer_error *error)
{
    *found = 0;
    if (index->live_count == 0 || search->k == 0) return VEER_OK;
    arena_reset(scratch);
    size_t k = search->k < index->live_count ? search->k : index->live_count;
    bool is_exact = search->is_exact || index->newest == NO_CENTRE ||
                    index->live_count <= EXACT_ROWS_PER_RESULT * k;
    run r = {.index = index, .search = search};
    flat_candidates candidates;
    topk_entry *entries = arena_array(scratch, k, sizeof *entries);
    r.batch = arena_new(scratch, sizeof *r.batch);
    veer_status status = entries != NULL && r.batch != NULL ? VEER_OK : VEER_E_NOMEM;
    if (status == VEER_OK) {
        r.batch->count = 0;
        topk_init(&r.nearest, entries, k);
        status = flat_query_new(index->space, vector, search->sigmas, scratch, &r.query);
    }
    if (status == VEER_OK && !is_exact) status = scan_chunks(&r, &candidates, scratch);
    if (status != VEER_OK) return error_nomem(error, "a search", arena_bytes(scratch));
    if (is_exact) {
        compare_all(&r);
    } else {
        rerank(&r, &candidates);
    }
    topk_sort(&r.nearest);
    for (size_t i = 0; i < r.nearest.count; i++) {
        keys[i] = *flat_row_key(index, (size_t)r.nearest.entries[i].key);
        distances[i] = r.nearest.entries[i].distance;
    }
    *found = r.nearest.count;
    return VEER_OK;
}
