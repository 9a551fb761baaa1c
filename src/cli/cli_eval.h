/* cli_eval.h: the state of `veer eval`, shared by its measuring and its scoring half. */
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
    bool ties;
    const char *collection;
    const char *field;
    bool json;
} eval_options;

typedef struct evaluation {
    const cli_context *cli;
    const eval_options *options;
    cli_database database;
    const cli_field *field;
    veer_snapshot *snapshot;
    veer_query *query;
    veer_query *exact_query; /* with --ties */
    float *queries;
    int32_t *truth;
    uint64_t queries_count;
    uint32_t dims;
    uint32_t truth_length;
    double *latencies; /* seconds, queries_count * rounds */
    /* Results. */
    uint64_t found;
    uint64_t wanted;
    uint64_t visited;
    uint64_t rows;
    bool all_exact;
    double seconds;
} evaluation;

/* Counts the true neighbours among the results of query `number` into found and wanted. */
veer_status eval_score(evaluation *eval, uint64_t number, const veer_results *results,
                       veer_error *error);

#endif
