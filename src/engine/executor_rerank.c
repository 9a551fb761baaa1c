/* Exact distances, in batches.
 *
 * Originals are collected first and compared together, so that the kernel can prefetch and the
 * storage hears of a whole batch before anybody waits. Reranking takes the candidates in order of
 * their estimates: the first batch settles a threshold, what follows is only what it leaves open.
 * The batches stay small, because each one lowers the threshold for the next; once an original has
 * to be waited for, all the rest are asked for with it.
 */
#include "engine/executor.h"

/* The best of 16 to 256 for k = 10 (bench/flat_search.c). */
#define BATCH_ROWS 64u

/* Items whose originals are asked for before any is looked at. */
#define FETCHED_ITEMS 32u

veer_status executor_fetch(executor *run, uint32_t index, uint32_t ordinal, veer_error *error)
{
    const segment_vectors *vectors = &run->parts[index].vectors;
    search_batch *batch = run->batch;
    const uint8_t *original = NULL;
    uint32_t given = 0;
    VEER_TRY(segment_vector_range(vectors, ordinal, 1, run->scratch, &original, &given, error));
    uint32_t row = vectors->dense ? ordinal : segment_vector_row(vectors, ordinal);
    search_batch_vector(batch, vectors->field->storage, original);
    batch->norms[batch->count] = vectors->inverse_norms
                                     ? vectors->inverse_norms[ordinal]
                                     : segment_vector_inverse_norm(vectors, ordinal);
    batch->keys[batch->count] = (uint64_t)index << 32 | row;
    batch->count++;
    return VEER_OK;
}

void executor_flush(executor *run, const flat_query *query, topk *heap, flat_candidates *known)
{
    search_batch *batch = run->batch;
    const float *norms = run->field->metric == VEER_METRIC_COSINE ? batch->norms : NULL;
    flat_stored_distances(run->space, query, &batch->vectors, norms, batch->count, batch->work,
                          batch->distances);
    for (size_t i = 0; i < batch->count; i++) {
        float distance = batch->distances[i];
        if (known) flat_candidates_known(known, distance);
        if (distance <= topk_threshold(heap)) (void)topk_push(heap, distance, batch->keys[i]);
    }
    run->compared += batch->count;
    batch->count = 0;
}

/* One round: all of `items`. After the first VEER_PENDING, and with `heap` NULL, nothing is
 * compared, only asked for. */
veer_status executor_rerank_items(executor *run, const flat_query *query,
                                  const flat_candidate *items, size_t count, topk *heap,
                                  flat_candidates *known, veer_error *error)
{
    veer_status status = VEER_OK;
    arena_mark mark = arena_save(run->scratch);
    run->batch->count = 0;
    for (size_t i = 0; i < count && i < FETCHED_ITEMS; i++) {
        const search_run *codes = &run->runs[items[i].part];
        segment_vector_fetch(&run->parts[codes->part].vectors, codes->first + items[i].row);
    }
    for (size_t i = 0; i < count; i++) {
        const search_run *codes = &run->runs[items[i].part];
        veer_status one = executor_fetch(run, codes->part, codes->first + items[i].row, error);
        if (one == VEER_PENDING) status = one;
        if (one != VEER_OK && one != VEER_PENDING) return one;
        if (run->batch->count < EXECUTOR_BATCH && i + 1 < count) continue;
        if (status == VEER_OK && heap) executor_flush(run, query, heap, known);
        run->batch->count = 0;
        arena_restore(run->scratch, mark);
    }
    run->reranked += count;
    return status;
}

veer_status executor_rerank(executor *run, const flat_query *query, flat_candidates *candidates,
                            topk *heap, veer_error *error)
{
    veer_status status = VEER_OK;
    for (size_t round = 0;; round++) {
        const flat_candidate *items = NULL;
        size_t count = flat_candidates_next(candidates, topk_threshold(heap), BATCH_ROWS, &items);
        if (count == 0) return status;
        veer_status one = executor_rerank_items(run, query, items, count,
                                                status == VEER_OK ? heap : NULL, NULL, error);
        if (one != VEER_OK && one != VEER_PENDING) return one;
        if (one == VEER_PENDING) status = one;
        /* Before the threshold has settled the rest is not known. */
        if (status == VEER_PENDING && round == 0) return status;
    }
}
