/* cli_eval.c: `veer eval`: recall and speed on queries whose true neighbours are known.
 *
 * One thread, queries one at a time, one prepared query without documents, one snapshot; before
 * the clock starts every query runs once (at most WARM_UP_SECONDS). A query's time is that of
 * veer_query_run and of freeing its results: what a program pays for a search.
 *
 * Ids must be row numbers, as `veer import` gives them to vector files; with --filter exact searches
 * are the truth, and ids may be anything.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_eval.h"
#include "cli_options.h"
#include "cli_output.h"
#include "cli_search.h"
#include "readers.h"

static const double WARM_UP_SECONDS = 1.0;

/* Points of --sweep. Efforts are in halves of k, so that they fit any k. */
static const double sweep_recalls[] = {0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999};
static const uint64_t sweep_half_ks[] = {2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96};
enum { SWEEP_MAX = sizeof sweep_half_ks / sizeof sweep_half_ks[0] };

static const cli_option options_table[] = {
    {"queries", 'q', CLI_TEXT, offsetof(eval_options, queries), "FILE", 0, 0,
     "fvecs, bvecs or npy file, a query a row"},
    {"truth", 't', CLI_TEXT, offsetof(eval_options, truth), "FILE", 0, 0,
     "ivecs file: for each query the row numbers of its nearest rows, nearest first"},
    {"k", 'k', CLI_INTEGER, offsetof(eval_options, k), "N", 1, VEER_K_MAX,
     "results a query (default 10); truth lists must be as long"},
    {"limit", 'n', CLI_INTEGER, offsetof(eval_options, limit), "N", 1, 1e15,
     "only the first N queries"},
    {"rounds", 0, CLI_INTEGER, offsetof(eval_options, rounds), "N", 1, 1000,
     "time all queries N times (default 1)"},
    {"exact", 0, CLI_FLAG, offsetof(eval_options, exact), NULL, 0, 0, "compare every vector"},
    {"recall", 'r', CLI_REAL, offsetof(eval_options, recall), "R", 0, 1,
     "ask the engine for this recall (default 0.95)"},
    {"effort", 0, CLI_INTEGER, offsetof(eval_options, effort), "E", 1, CLI_EFFORT_MAX,
     "walk graphs keeping E nodes, whatever recall and cost say"},
    {"filter", 0, CLI_TEXT, offsetof(eval_options, filter), "FILTER", 0, 0,
     "only documents that match, as in veer search; exact searches are the truth"},
    {"sweep", 0, CLI_MAYBE, offsetof(eval_options, sweep), "recall|effort", 0, 0,
     "a curve: a row for each recall asked for (0.5 to 0.999), or for each effort (k to 48 k)"},
    {"ties", 0, CLI_FLAG, offsetof(eval_options, ties), NULL, 0, 0,
     "rows as near as the k-th count too (one more exact search a query)"},
    {"collection", 'c', CLI_TEXT, offsetof(eval_options, collection), "NAME", 0, 0,
     "collection to search (default: the only one)"},
    {"field", 'f', CLI_TEXT, offsetof(eval_options, field), "NAME", 0, 0,
     "vector field to search (default: the only one)"},
    {"json", 0, CLI_FLAG, offsetof(eval_options, json), NULL, 0, 0,
     "print one JSON object (with --sweep an array, with target or effort): recall, qps, p50_us, p99_us, visited (rows a query), rows, dims, "
     "tier, k, queries, exact"},
};

static veer_status load_files(evaluation *eval, veer_error *error)
{
    const eval_options *options = eval->options;
    vector_format format = VECTORS_FVECS;
    uint64_t limit = options->limit != 0 ? options->limit : UINT64_MAX;
    uint64_t lists = 0;
    float *truth = NULL;
    if (!vectors_format_of(options->queries, &format) || format == VECTORS_IVECS) {
        return cli_error(error, VEER_E_INVALID,
                         "--queries %s: the name must end in .fvecs, .bvecs or .npy",
                         options->queries);
    }
    veer_status status = vectors_read_all(options->queries, format, limit, &eval->queries,
                                          &eval->queries_count, &eval->dims, error);
    if (status != VEER_OK || options->truth == NULL) {
        return status;
    }
    status = vectors_read_all(options->truth, VECTORS_IVECS, limit, &truth, &lists,
                              &eval->truth_length, error);
    eval->truth = (int32_t *)(void *)truth;
    if (status == VEER_OK && lists != eval->queries_count) {
        status = cli_error(error, VEER_E_INVALID, "%s has %llu lists, %s has %llu queries",
                           options->truth, (unsigned long long)lists, options->queries,
                           (unsigned long long)eval->queries_count);
    }
    if (status == VEER_OK && eval->truth_length < options->k) {
        status = cli_error(error, VEER_E_RANGE, "%s: row 0 lists %u neighbours, -k asks for %llu",
                           options->truth, eval->truth_length, (unsigned long long)options->k);
    }
    return status;
}

static int prepare_query(const evaluation *eval, double recall, uint64_t effort, bool exact,
                         veer_query **query)
{
    cli_text json = {0};
    veer_error error = {0};
    search_request request = {
        .k = eval->options->k,
        .field = eval->field->name,
        .filter = eval->filter.data,
        .recall = recall,
        .effort = effort,
        .exact = exact,
        .select = "false",
    };
    search_request_json(&request, &json);
    veer_status status =
        json.failed ? cli_error(&error, VEER_E_NOMEM, "out of memory for the request")
                    : veer_query_prepare(eval->database.collection, json.data, query, &error);
    cli_text_free(&json);
    return status == VEER_OK ? CLI_OK : cli_fail(eval->cli, &error);
}

/* A snapshot, what its exact searches find where they are needed, and its rows. */
static int prepare(evaluation *eval)
{
    veer_error error = {0};
    veer_query *exact = NULL;
    if (eval->options->filter != NULL &&
        !cli_filter_json(eval->cli, eval->options->filter, &eval->filter)) {
        return CLI_FAILED;
    }
    if (veer_snapshot_open(eval->database.database, &eval->snapshot, &error) != VEER_OK ||
        veer_count(eval->database.collection, eval->snapshot, NULL, NULL, &eval->rows, &error) !=
            VEER_OK) {
        return cli_fail(eval->cli, &error);
    }
    if (!eval->options->ties && eval->truth != NULL) {
        return CLI_OK;
    }
    int code = prepare_query(eval, 0, 0, true, &exact);
    if (code == CLI_OK) {
        code = eval_find_bounds(eval, exact);
    }
    veer_query_free(exact);
    return code;
}

/* Runs one query; *seconds receives its time. The results are scored where `scored`. */
static veer_status run_query(evaluation *eval, uint64_t number, bool scored, double *seconds,
                             veer_error *error)
{
    veer_results *results = NULL;
    double started = cli_seconds();
    veer_status status =
        veer_query_run(eval->query, eval->snapshot, eval->queries + number * eval->dims, 1,
                       eval->dims, NULL, &results, error);
    double searched = cli_seconds() - started;
    if (status == VEER_OK && scored) {
        eval->visited += veer_results_visited(results);
        eval->all_exact = eval->all_exact && veer_results_exact(results);
        status = eval_score(eval, number, results, error);
    }
    started = cli_seconds();
    veer_results_free(results);
    *seconds = searched + cli_seconds() - started;
    return status;
}

static int measure(evaluation *eval)
{
    cli_progress progress;
    veer_error error = {0};
    veer_status status = VEER_OK;
    double seconds = 0;
    uint64_t rounds = eval->options->rounds;
    uint64_t done = 0;
    double started = cli_seconds();
    for (uint64_t i = 0; i < eval->queries_count && status == VEER_OK; i++) {
        status = run_query(eval, i, false, &seconds, &error);
        if (cli_seconds() - started > WARM_UP_SECONDS) {
            break;
        }
    }
    eval->found = eval->wanted = eval->visited = 0;
    eval->seconds = 0;
    eval->all_exact = true;
    progress_begin(&progress, eval->cli, "eval", "queries");
    for (uint64_t round = 0; round < rounds && status == VEER_OK; round++) {
        for (uint64_t i = 0; i < eval->queries_count && status == VEER_OK; i++) {
            status = run_query(eval, i, round == 0, &seconds, &error);
            eval->latencies[done] = seconds;
            eval->seconds += seconds;
            done++;
            progress_show(&progress, done, rounds * eval->queries_count, -1);
            if (cli_interrupted()) {
                progress_end(&progress);
                return CLI_INTERRUPTED;
            }
        }
    }
    progress_end(&progress);
    return status == VEER_OK ? CLI_OK : cli_fail(eval->cli, &error);
}

static int compare_seconds(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Nearest-rank percentile of sorted values, in microseconds. */
static double percentile_us(const double *sorted, uint64_t count, double share)
{
    double rank = ceil(share * (double)count);
    uint64_t place = rank < 1 ? 0 : (uint64_t)rank - 1;
    return sorted[place < count ? place : count - 1] * 1e6;
}

static int measure_request(evaluation *eval, eval_figures *figures)
{
    uint64_t runs = eval->queries_count * eval->options->rounds;
    veer_query_free(eval->query);
    eval->query = NULL;
    int code = prepare_query(eval, figures->asked_recall, figures->asked_effort,
                             eval->options->exact, &eval->query);
    if (code == CLI_OK) {
        code = measure(eval);
    }
    if (code != CLI_OK) {
        return code;
    }
    qsort(eval->latencies, runs, sizeof *eval->latencies, compare_seconds);
    figures->recall = eval->wanted > 0 ? (double)eval->found / (double)eval->wanted : 1;
    figures->qps = eval->seconds > 0 ? (double)runs / eval->seconds : 0;
    figures->p50_us = percentile_us(eval->latencies, runs, 0.5);
    figures->p99_us = percentile_us(eval->latencies, runs, 0.99);
    figures->visited = (double)eval->visited / (double)eval->queries_count;
    figures->all_exact = eval->all_exact;
    return CLI_OK;
}

/* The requests of a sweep; their number. */
static size_t plan_sweep(const eval_options *options, eval_figures *points)
{
    size_t count = 0;
    if (strcmp(options->sweep, "effort") != 0) {
        for (; count < sizeof sweep_recalls / sizeof sweep_recalls[0]; count++) {
            points[count] = (eval_figures){.asked_recall = sweep_recalls[count]};
        }
        return count;
    }
    for (; count < SWEEP_MAX; count++) {
        uint64_t effort = (options->k * sweep_half_ks[count] + 1) / 2;
        if (effort > CLI_EFFORT_MAX) {
            break;
        }
        points[count] = (eval_figures){.asked_effort = effort};
    }
    return count;
}

static int measure_all(evaluation *eval)
{
    const eval_options *options = eval->options;
    eval_figures points[SWEEP_MAX] = {
        {.asked_recall = options->recall, .asked_effort = options->effort}};
    size_t count = options->sweep != NULL ? plan_sweep(options, points) : 1;
    for (size_t i = 0; i < count; i++) {
        int code = measure_request(eval, &points[i]);
        if (code != CLI_OK) {
            return code;
        }
    }
    return options->sweep != NULL ? eval_print_curve(eval, points, count)
                                  : eval_print_report(eval, &points[0]);
}

static int evaluate(evaluation *eval)
{
    veer_error error = {0};
    if (load_files(eval, &error) != VEER_OK) {
        return cli_fail(eval->cli, &error);
    }
    eval->latencies = calloc(eval->queries_count, eval->options->rounds * sizeof(double));
    if (eval->latencies == NULL) {
        return cli_fail_text(eval->cli, VEER_E_NOMEM, "out of memory for the times");
    }
    int code = cli_vector_field(eval->cli, &eval->database, eval->options->field, &eval->field);
    if (code != CLI_OK) {
        return code;
    }
    if (eval->field->dims != eval->dims) {
        return cli_fail_text(
            eval->cli, VEER_E_DIMENSION, "%s: row 0 has %u dimensions, field \"%s\" has %u",
            eval->options->queries, eval->dims, eval->field->name, eval->field->dims);
    }
    code = prepare(eval);
    return code == CLI_OK ? measure_all(eval) : code;
}

static int check(const cli_context *cli, const eval_options *options)
{
    if (options->queries == NULL || (options->truth == NULL && options->filter == NULL)) {
        return cli_usage(cli, "give --queries FILE and --truth FILE, or --filter FILTER");
    }
    if (options->truth != NULL && options->filter != NULL) {
        return cli_usage(cli, "with --filter exact searches are the truth; leave out --truth");
    }
    if (options->exact && options->recall > 0) {
        return cli_usage(cli, "--exact finds all there are; leave out --recall");
    }
    if (options->exact && options->effort > 0) {
        return cli_usage(cli, "--exact walks no graph; leave out --effort");
    }
    if (options->sweep != NULL && (options->exact || options->recall > 0 || options->effort > 0)) {
        return cli_usage(cli, "--sweep asks for one after the other; leave out %s",
                         options->exact        ? "--exact"
                         : options->recall > 0 ? "--recall"
                                               : "--effort");
    }
    return CLI_OK;
}

static int run(cli_context *cli, int argc, char **argv)
{
    eval_options options = {.k = 10, .rounds = 1};
    evaluation eval = {.cli = cli, .options = &options};
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    code = check(cli, &options);
    if (code != CLI_OK) {
        return code;
    }
    cli_catch_interrupts();
    code = cli_open_collection(cli, argv[0], CLI_READ, options.collection, &eval.database);
    if (code == CLI_OK) {
        code = evaluate(&eval);
    }
    veer_query_free(eval.query);
    veer_snapshot_close(eval.snapshot);
    free(eval.queries);
    free(eval.truth);
    free(eval.latencies);
    free(eval.bounds);
    free(eval.true_counts);
    cli_text_free(&eval.filter);
    return cli_finish(cli, cli_close(cli, &eval.database, code));
}

const cli_command command_eval = {
    .name = "eval",
    .summary = "measure recall and speed on queries with known neighbours",
    .usage = "DB --queries FILE --truth FILE [-k N] [--recall R] [options]\n"
             "DB --queries FILE --filter FILTER [options]",
    .description =
        "Runs every query once to warm up, then again under the clock: one thread, one query at a "
        "time, without documents. Prints recall@k against the first k of each truth list, queries "
        "a second, the median and the 99th percentile of a query's time, and the rows visited.\n\n"
        "The database must have row numbers as ids, as veer import gives them to vector files; "
        "with --filter they may be anything.",
    .examples = "veer import sift.veer sift_base.fvecs --create --metric l2\n"
                "veer eval sift.veer --queries sift_query.fvecs --truth sift_truth.ivecs\n"
                "veer eval sift.veer -q sift_query.fvecs -t sift_truth.ivecs -r 0.99 --json\n"
                "veer eval sift.veer -q sift_query.fvecs -t sift_truth.ivecs --sweep",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
