/* cli_search.h: parts of a search that `veer search` and `veer eval` share, and its output. */
#ifndef VEER_CLI_SEARCH_H
#define VEER_CLI_SEARCH_H

#include "cli_database.h"

#define CLI_EFFORT_MAX 100000 /* the engine's; veer_describe has it */

/* A search request as JSON. */
typedef struct search_request {
    uint64_t k;
    uint64_t offset;
    const char *field;  /* NULL: the only one */
    const char *filter; /* as JSON; NULL: none */
    double recall;      /* 0: the default */
    uint64_t effort;    /* 0: by recall */
    bool exact;
    const char *select; /* as JSON */
    bool explain;
    bool verify;
} search_request;
void search_request_json(const search_request *request, cli_text *json);

/* The one query's rows of `results`. */
typedef struct search_answer {
    const veer_results *results;
    const char *skip_id; /* NULL, or the id of the row to leave out (its own neighbour) */
    uint64_t k;          /* print at most so many */
    bool numbered;       /* one of several queries: say its number */
    uint64_t query;
    double seconds;
} search_answer;

/* One line of JSON. */
veer_status search_print_json(const search_answer *answer);
/* A table, and below it on a terminal what the search cost. */
veer_status search_print_table(const cli_context *cli, const search_answer *answer);

#endif
