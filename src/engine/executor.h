/* The executor: runs one prepared request over one version of its collection.
 *
 *   masks    once a run: which rows may be results (visible, alive, matching), as bits by row and,
 *            where a field is not in every row, by vector ordinal
 *   plan     once a run: compare originals, or scan codes and rerank
 *   search   once a query vector: the nearest, as hits
 *   fetch    once a run: ids and documents
 *
 * Everything restarts from the beginning after VEER_PENDING; each step first asks for all that it
 * can tell it will need.
 */
#ifndef VEER_ENGINE_EXECUTOR_H
#define VEER_ENGINE_EXECUTOR_H

#include "engine/results.h"
#include "index/graph.h"

/* One segment as this run sees it. */
typedef struct search_part {
    const segment_ref *ref;
    const uint64_t *rows; /* bits: rows that may be results; NULL: all visible ones */
    uint32_t rows_count;
    segment_vectors vectors;
    const uint64_t *live; /* the same by ordinal; NULL: all of vectors.count */
    uint32_t live_count;
    uint64_t true_count, found_count; /* of the exact answers, where they are verified */
} search_part;

/* Codes that lie together and share a centre. */
typedef struct search_run {
    const void *blocks;   /* NULL: not loaded; nothing but a scan needs them */
    const float *centre;  /* set where blocks are */
    const uint64_t *live; /* bit 0 is ordinal `first`; NULL: all */
    uint32_t part, first, count;
    const graph *graph;  /* answers instead of a scan; NULL: none, or it would cost more */
    graph_aim aim;       /* how: where every row may be a result */
    graph_choice choice; /* else */
    size_t walks;        /* queries that it answered */
} search_run;

/* Ordinals without codes. */
typedef struct search_gap {
    uint32_t part, first, end;
} search_gap;

#define EXECUTOR_BATCH 256u /* originals compared in one go; arbitrary, as long as it is small */

/* Places for one batch. */
typedef struct search_batch {
    void *work; /* flat_stored_work_bytes */
    union {     /* by the field's storage */
        const float *f32[EXECUTOR_BATCH];
        const uint16_t *f16[EXECUTOR_BATCH];
        const uint8_t *bits[EXECUTOR_BATCH];
    } vectors;
    float norms[EXECUTOR_BATCH];
    float distances[EXECUTOR_BATCH];
    uint64_t keys[EXECUTOR_BATCH]; /* segment << 32 | row */
    size_t count;
} search_batch;

static inline void search_batch_vector(search_batch *batch, flat_storage storage,
                                       const void *stored)
{
    if (storage == FLAT_F16)
        batch->vectors.f16[batch->count] = stored;
    else if (storage == FLAT_BITS)
        batch->vectors.bits[batch->count] = stored;
    else
        batch->vectors.f32[batch->count] = stored;
}

typedef struct executor {
    veer_database *database;
    const collection_version *collection;
    const filter *filter; /* bound; NULL: none */
    const field *field;   /* NULL: no vectors are asked about */
    const flat_space *space;
    uint64_t k, offset;
    bool wants_exact, wants_verify;
    double recall;
    size_t effort;   /* of walks; 0: by recall */
    float sigmas;    /* flat_sigmas(recall) */
    arena *prepared; /* lives for the run */
    arena *scratch;  /* reset for every query */

    search_part *parts; /* one a segment */
    search_run *runs;
    size_t runs_count, runs_capacity;
    search_gap *gaps;
    size_t gaps_count, gaps_capacity;
    search_batch *batch;
    topk_entry *entries; /* k + offset, or fewer where fewer match */
    uint64_t matches;    /* rows, or vectors of the field, that may be results */
    size_t wanted;       /* min(k + offset, matches) */
    bool is_exact;       /* the plan */

    hit *hits;
    size_t hits_count, hits_capacity;

    /* What really happened. */
    bool is_timed;
    uint64_t scanned, walked, compared, reranked, candidates;
    double mask_ms, scan_ms, rerank_ms, verify_ms, fetch_ms;
    uint64_t verified; /* originals compared to know the exact answers */
} executor;

/* executor_mask.c */

/* Fills parts[i].rows and rows_count for every segment. */
veer_status executor_mask_rows(executor *run, veer_error *error);
/* Opens the field's vectors and fills the rest of the parts. */
veer_status executor_mask_vectors(executor *run, veer_error *error);
/* The rows of one segment that match: NULL bits when all visible ones do. For those that only count
 * or walk. */
veer_status executor_rows(veer_database *database, const collection_version *collection,
                          const segment_ref *ref, const filter *filter, arena *memory,
                          const uint64_t **bits, uint32_t *count, veer_error *error);

/* executor_scan.c */

/* Finds code runs and gaps, and decides between exact comparison and codes. */
veer_status executor_plan(executor *run, veer_error *error);
/* Rows that the plan expects to scan, to meet in graphs and to rerank for one query. */
uint64_t executor_scan_estimate(const executor *run);
uint64_t executor_walk_estimate(const executor *run);
uint64_t executor_rerank_estimate(const executor *run);
/* What a scan of these codes costs, in codes. */
uint64_t executor_scan_cost(const executor *run, const search_run *codes);
/* Compares every live ordinal in [first, end) of a part; `known` (may be NULL) learns the
 * distances. */
veer_status executor_compare(executor *run, const flat_query *query, uint32_t part, uint32_t first,
                             uint32_t end, topk *heap, flat_candidates *known, veer_error *error);
/* Every original: the nearest into the heap. */
veer_status executor_search_exact(executor *run, const flat_query *query, topk *heap,
                                  veer_error *error);
/* The query of one vector and an empty heap, in scratch memory, which is emptied before. */
veer_status executor_begin(executor *run, const float *vector, flat_query **query, topk *heap,
                           veer_error *error);
/* The nearest of one vector: appends to hits. */
veer_status executor_search(executor *run, const float *vector, veer_error *error);

/* executor_rerank.c */

/* Adds one original to the batch; a full batch has to be flushed first. */
veer_status executor_fetch(executor *run, uint32_t part, uint32_t ordinal, veer_error *error);
/* Distances of the batch, into the heap; empties it. */
void executor_flush(executor *run, const flat_query *query, topk *heap, flat_candidates *known);
/* Distances of so many items into the heap, which `known` (may be NULL) learns too. */
veer_status executor_rerank_items(executor *run, const flat_query *query,
                                  const flat_candidate *items, size_t count, topk *heap,
                                  flat_candidates *known, veer_error *error);
veer_status executor_rerank(executor *run, const flat_query *query, flat_candidates *candidates,
                            topk *heap, veer_error *error);

/* executor_walk.c */

/* Gives the run the graph of its segment if walking it costs less than scanning. */
veer_status executor_plan_walk(executor *run, search_run *codes, veer_error *error);
/* Gives it the graph for the effort that was asked for, whatever it costs. */
veer_status executor_plan_effort(executor *run, search_run *codes, veer_error *error);
/* Walks the graph of run number `index` and reranks what it finds; has_walked false: too little. */
veer_status executor_walk(executor *run, const flat_query *query, size_t index, topk *heap,
                          flat_candidates *candidates, bool *has_walked, veer_error *error);

/* executor_verify.c: answers the queries exactly too and counts, by segment, what was found. The
 * hits of query i are offsets[i] <= hit < offsets[i + 1]. */
veer_status executor_verify(executor *run, const float *vectors, size_t n, const uint32_t *offsets,
                            veer_error *error);

/* executor.c */

/* Everything: `vectors` are n x dims, validated; n 0: matches in storage order. */
veer_status executor_run(executor *run, const float *vectors, size_t n, const select_spec *select,
                         bool wants_explain, veer_results **out, veer_error *error);

/* executor_explain.c: the plan as JSON in the results' memory. */
veer_status executor_explain(const executor *run, veer_results *results, veer_error *error);

#endif
