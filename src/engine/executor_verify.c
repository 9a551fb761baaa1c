/* What exact answers say of those that were given, for "verify".
 *
 * A hit is a true one where it is as near as the last row of the exact answer: of rows equally far
 * any will do. A query's hits lie no nearer than the rows that its offset leaves out, because those
 * were the nearest that were found; so the one bound is enough with an offset too.
 */
#include "engine/executor.h"
#include "platform/clock.h"

static void count_found(executor *run, const topk *truth, const hit *hits, size_t count)
{
    float bound = truth->entries[truth->count - 1].distance;
    for (size_t i = (size_t)run->offset; i < truth->count; i++)
        run->parts[truth->entries[i].key >> 32].true_count++;
    for (size_t i = 0; i < count; i++)
        if (hits[i].distance <= bound) run->parts[hits[i].segment].found_count++;
}

static veer_status verify_one(executor *run, const float *vector, const hit *hits, size_t count,
                              veer_error *error)
{
    flat_query *query = NULL;
    topk heap;
    VEER_TRY(executor_begin(run, vector, &query, &heap, error));
    VEER_TRY(executor_search_exact(run, query, &heap, error));
    topk_sort(&heap);
    if (heap.count > 0) count_found(run, &heap, hits, count);
    return VEER_OK;
}

veer_status executor_verify(executor *run, const float *vectors, size_t n, const uint32_t *offsets,
                            veer_error *error)
{
    double began = clock_monotonic_ms();
    uint64_t compared = run->compared;
    veer_status status = VEER_OK;
    for (size_t i = 0; i < n && run->wanted > 0; i++) {
        veer_status one = verify_one(run, vectors + i * run->field->dims, run->hits + offsets[i],
                                     offsets[i + 1] - offsets[i], error);
        if (one == VEER_PENDING)
            status = one;
        else if (one != VEER_OK)
            return one;
    }
    run->verified = run->compared - compared;
    run->compared = compared;
    run->verify_ms = clock_monotonic_ms() - began;
    return status;
}
