/* cli_eval.h: the state of `veer eval`, shared by its measuring, scoring and printing. */
#ifndef VEER_CLI_EVAL_H
#define VEER_CLI_EVAL_H

#include "cli_database.h"

typedef struct eval_options {
    const char *queries;
    const char *truth;
    uint64_t k;
    uint64_t limit;
    uint64_t rounds;
    bool exact;
    double recall;
    uint64_t effort;
    const char *filter;
    const char *sweep; /* NULL: none; "effort"; else by recall */
    bool ties;
    const char *collection;
    const char *field;
    bool json;
} eval_options;

/* What one request found and took. */
typedef struct eval_figures {
    double asked_recall;   /* 0: the default */
    uint64_t asked_effort; /* 0: by recall */
    double recall;
    double qps;
    double p50_us;
    double p99_us;
    double visited; /* rows a query */
    bool all_exact;
} eval_figures;

typedef struct evaluation {
    const cli_context *cli;
    const eval_options *options;
    cli_database database;
    const cli_field *field;
    veer_snapshot *snapshot;
    veer_query *query;
    cli_text filter; /* as JSON */
    float *queries;
    int32_t *truth; /* NULL: what exact searches find */
    uint64_t queries_count;
    uint32_t dims;
    uint32_t truth_length;
    double *latencies; /* seconds, queries_count * rounds */
    /* By query, of exact searches; NULL where they are not asked. */
    double *bounds; /* of the k-th nearest; infinite where there are fewer */
    uint64_t *true_counts;
    /* Of the request that is measured. */
    uint64_t found;
    uint64_t wanted;
    uint64_t visited;
    bool all_exact;
    double seconds;
    uint64_t rows;
} evaluation;

/* Searches exactly for every query: fills bounds and true_counts. CLI_OK or an exit code. */
int eval_find_bounds(evaluation *eval, veer_query *exact);
/* Counts the true neighbours among the results of query `number` into found and wanted. */
veer_status eval_score(evaluation *eval, uint64_t number, const veer_results *results,
                       veer_error *error);

/* One request's figures; `count` of them as a curve. */
int eval_print_report(const evaluation *eval, const eval_figures *figures);
int eval_print_curve(const evaluation *eval, const eval_figures *figures, size_t count);

#endif
