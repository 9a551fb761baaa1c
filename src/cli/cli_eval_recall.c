/* cli_eval_recall.c: how many of the true neighbours a search has found.
 *
 * recall@k = found true neighbours / (queries * k), where the true neighbours of a query are the
 * first k rows of its truth list. With --ties a returned row that is not in the list also counts
 * where its distance is at most that of the k-th neighbour of an exact search by this engine
 * (within TIE_TOLERANCE of it, relative): the list had to cut between equal rows somewhere.
 * Never more than k of a query count. Without a list (--filter) the exact search is the truth.
 */
#include <math.h>
#include <stdlib.h>

#include "cli_eval.h"
#include "cli_output.h"

static const double TIE_TOLERANCE = 1e-6; /* float32 sums of a few hundred products */

int eval_find_bounds(evaluation *eval, veer_query *exact)
{
    cli_progress progress;
    veer_error error = {0};
    eval->bounds = calloc(eval->queries_count, sizeof *eval->bounds);
    eval->true_counts = calloc(eval->queries_count, sizeof *eval->true_counts);
    if (eval->bounds == NULL || eval->true_counts == NULL) {
        return cli_fail_text(eval->cli, VEER_E_NOMEM, "out of memory for the exact distances");
    }
    progress_begin(&progress, eval->cli, "truth", "queries");
    for (uint64_t i = 0; i < eval->queries_count; i++) {
        veer_results *results = NULL;
        if (veer_query_run(exact, eval->snapshot, eval->queries + i * eval->dims, 1, eval->dims,
                           NULL, &results, &error) != VEER_OK) {
            progress_end(&progress);
            return cli_fail(eval->cli, &error);
        }
        size_t rows = veer_results_rows(results);
        double last = rows > 0 ? (double)veer_results_distances(results)[rows - 1] : 0;
        eval->true_counts[i] = rows;
        eval->bounds[i] = rows < eval->options->k ? INFINITY : last + fabs(last) * TIE_TOLERANCE;
        veer_results_free(results);
        progress_show(&progress, i + 1, eval->queries_count, -1);
        if (cli_interrupted()) {
            progress_end(&progress);
            return CLI_INTERRUPTED;
        }
    }
    progress_end(&progress);
    return CLI_OK;
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

/* Without a list: every row that is as near as the k-th of the exact search. */
static void score_by_distance(evaluation *eval, uint64_t number, const veer_results *results)
{
    const float *distances = veer_results_distances(results);
    uint64_t wanted = eval->true_counts[number];
    uint64_t found = 0;
    for (size_t i = 0; i < veer_results_rows(results); i++) {
        found += (double)distances[i] <= eval->bounds[number];
    }
    eval->wanted += wanted;
    eval->found += found < wanted ? found : wanted;
}

veer_status eval_score(evaluation *eval, uint64_t number, const veer_results *results,
                       veer_error *error)
{
    if (eval->truth == NULL) {
        score_by_distance(eval, number, results);
        return VEER_OK;
    }
    uint64_t k = eval->options->k;
    const int32_t *list = eval->truth + number * eval->truth_length;
    const uint32_t *offsets = NULL;
    const char *ids = veer_results_ids(results, &offsets);
    const float *distances = veer_results_distances(results);
    double bound = eval->bounds != NULL ? eval->bounds[number] : -INFINITY;
    uint64_t wanted = 0;
    uint64_t found = 0;
    for (uint64_t i = 0; i < k; i++) {
        wanted += list[i] >= 0; /* shorter lists are filled up with -1 */
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
