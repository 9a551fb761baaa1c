/* The flat index, a query: its vector, rotated, and exact distances from it.
 *
 * Distances are computed from the originals as they were given. Under cosine the query is
 * normalised first, and a row's product with it is multiplied by the row's inverse norm, so that
 * no intermediate result leaves f32's range while the vectors are valid.
 *
 * A query lives in the caller's arena; flat_query_centre changes it: one thread at a time.
 */
#include <string.h>

#include "index/flat_internal.h"

_Static_assert(VEER_METRIC_JACCARD - VEER_METRIC_MANHATTAN == KERNEL_JACCARD &&
                   KERNEL_MANHATTAN == 0 && KERNEL_FURTHER == KERNEL_JACCARD + 1,
               "kernels of the further metrics are in veer_metric's order");

/* Width of the bound in standard deviations by recall target. A row is lost only where its own
 * lower bound and the k-th best row's distance conspire, so that widths are narrower than the
 * normal quantiles: measured at k = 1, 10 and 100 with bench/flat_search (apt-lsa-128 and -384,
 * sift-128) and over 8,000 normal rows of 48 dimensions in loose clusters (tests/c/engine_search.c),
 * which with k = 1 need the widest. At the last one bounds hold in all but 1e-3 of cases. */
typedef struct recall_width {
    double recall;
    double sigmas;
} recall_width;

static const recall_width recall_widths[] = {
    {0.50, 0.0},  {0.80, 0.72},  {0.90, 1.0},
    {0.95, 1.35}, {0.98, 1.8},   {0.99, 2.0},
    {0.995, 2.3}, {0.999, 2.75}, {1.0, FLAT_SIGMAS_SURE},
};

float flat_sigmas(double recall)
{
    const recall_width *at = recall_widths;
    const recall_width *last = recall_widths + sizeof recall_widths / sizeof recall_widths[0] - 1;
    if (!(recall < last->recall)) return (float)last->sigmas;
    if (!(recall > at->recall)) return (float)at->sigmas;
    while (recall > at[1].recall)
        at++;
    double share = (recall - at[0].recall) / (at[1].recall - at[0].recall);
    return (float)(at[0].sigmas + share * (at[1].sigmas - at[0].sigmas));
}

veer_status flat_query_new(const flat_space *s, const float *vector, float sigmas, arena *scratch,
                           flat_query **query)
{
    *query = NULL;
    bool has_codes = flat_has_codes(s->metric);
    flat_query *q = arena_new(scratch, sizeof *q);
    float *vectors = arena_array(scratch, (has_codes ? 3 : 1) * (size_t)s->padded, sizeof *vectors);
    uint8_t *tables = has_codes ? arena_array(scratch, s->padded, 4) : NULL;
    if (q == NULL || vectors == NULL || (has_codes && tables == NULL)) return VEER_E_NOMEM;
    memset(q, 0, sizeof *q);
    q->space = s;
    q->sigmas = sigmas;
    q->original = vectors;
    flat_prepare_query(s, vector, q->original);
    if (has_codes) {
        q->rotated = vectors + s->padded;
        q->residual = vectors + 2 * (size_t)s->padded;
        q->tables = tables;
        memcpy(q->rotated, q->original, s->padded * sizeof *vectors);
        rotation_apply(&s->rotation, s->kernels, q->rotated);
    }
    *query = q;
    return VEER_OK;
}

void flat_query_centre(flat_query *q, const float *centre)
{
    rabitq_query_init(&q->space->quantizer, q->rotated, centre, q->sigmas, q->residual, q->tables,
                      &q->codes);
    q->centres++;
}

void flat_finish_products(const flat_space *s, const float *inverse_norms, size_t n,
                          float *distances)
{
    for (size_t i = 0; i < n; i++) {
        distances[i] =
            s->metric == VEER_METRIC_DOT ? -distances[i] : 1 - distances[i] * inverse_norms[i];
    }
}

void flat_distances(const flat_space *s, const flat_query *q, const float *const *vectors,
                    const float *inverse_norms, size_t n, float *distances)
{
    if (s->metric == VEER_METRIC_L2) {
        s->kernels->l2_rows(q->original, vectors, n, s->dims, distances);
        return;
    }
    if (!flat_has_codes(s->metric)) {
        kernel_rows rows = s->kernels->further[s->metric - VEER_METRIC_MANHATTAN];
        rows(q->original, vectors, n, s->dims, distances);
        return;
    }
    s->kernels->dot_rows(q->original, vectors, n, s->dims, distances);
    flat_finish_products(s, inverse_norms, n, distances);
}
