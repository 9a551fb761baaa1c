/* cli_eval_recall.c: how many of the true neighbours a search has found.
 *
 * recall@k = found true neighbours / (queries * k), where the true neighbours of a query are the
 * first k rows of its truth list. With --ties a returned row that is not in the list also counts
 * where its distance is at most that of the k-th neighbour of an exact search by this engine
 * (within TIE_TOLERANCE of it, relative): the list had to cut between equal rows somewhere.
 * Never more than k of a query count.
 */
#include <math.h>

#include "cli_eval.h"

static const double TIE_TOLERANCE = 1e-6; /* float32 sums of a few hundred products */

/* Distance of the k-th nearest row, or infinity where there are fewer. */
static veer_status kth_distance(const evaluation *eval, const float *query, double *distance,
                                veer_error *error)
{
    veer_results *results = NULL;
    veer_status status = veer_query_run(eval->exact_query, eval->snapshot, query, 1, eval->dims,
                                        NULL, &results, error);
    if (status == VEER_OK) {
        size_t rows = veer_results_rows(results);
        *distance =
            rows < eval->options->k ? INFINITY : (double)veer_results_distances(results)[rows - 1];
    }
    veer_results_free(results);
    return status;
}

/* The row number that an id is; -1 where it is none. */
static int64_t row_of(const char *id, size_t bytes)
{
    int64_t row = 0;
    if (bytes == 0 || bytes > 18 || (id[0] == '0' && bytes > 1)) {
        return -1;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (id[i] < '0' || id[i] > '9') {
            return -1;
        }
        row = row * 10 + (id[i] - '0');
    }
    return row;
}

static bool is_listed(const int32_t *list, uint64_t k, int64_t row)
{
    for (uint64_t i = 0; i < k; i++) {
        if ((int64_t)list[i] == row) {
            return true;
        }
    }
    return false;
}

veer_status eval_score(evaluation *eval, uint64_t number, const veer_results *results,
                       veer_error *error)
{
    uint64_t k = eval->options->k;
    const int32_t *list = eval->truth + number * eval->truth_length;
    const uint32_t *offsets = NULL;
    const char *ids = veer_results_ids(results, &offsets);
    const float *distances = veer_results_distances(results);
    double bound = -INFINITY;
    uint64_t wanted = 0;
    uint64_t found = 0;
    for (uint64_t i = 0; i < k; i++) {
        wanted += list[i] >= 0; /* shorter lists are filled up with -1 */
    }
    if (eval->options->ties) {
        veer_status status = kth_distance(eval, eval->queries + number * eval->dims, &bound, error);
        if (status != VEER_OK) {
            return status;
        }
        bound += fabs(bound) * TIE_TOLERANCE;
    }
    for (size_t i = 0; i < veer_results_rows(results); i++) {
        int64_t row = row_of(ids + offsets[i], offsets[i + 1] - offsets[i]);
        if (row < 0) {
            return cli_error(error, VEER_E_ID,
                             "id \"%.*s\" is not a row number; eval needs ids as veer import gives "
                             "them to vector files (or --row-ids)",
                             (int)(offsets[i + 1] - offsets[i]), ids + offsets[i]);
        }
        found += is_listed(list, k, row) || (double)distances[i] <= bound;
    }
    eval->wanted += wanted;
    eval->found += found < wanted ? found : wanted;
    return VEER_OK;
}
