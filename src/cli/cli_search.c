/* cli_search.c: `veer search`: the nearest documents of a vector, of a document, of many queries.
 *
 * Queries run one at a time over one prepared query and one snapshot. --like asks for one row
 * more than k and leaves the document itself out, so that k others come back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_database.h"
#include "cli_options.h"
#include "cli_output.h"
#include "cli_search.h"
#include "readers.h"

enum { VECTOR_TEXT_BYTES_MAX = 1 << 20 }; /* 8192 numbers of up to 128 characters */

typedef struct search_options {
    const char *vector;
    const char *like;
    const char *queries;
    uint64_t k;
    uint64_t offset;
    uint64_t limit;
    const char *filter;
    const char *params;
    bool exact;
    double recall;
    uint64_t effort;
    const char *select;
    const char *collection;
    const char *field;
    bool explain;
    bool verify;
    bool json;
} search_options;

static const cli_option options_table[] = {
    {"vector", 'v', CLI_TEXT, offsetof(search_options, vector), "JSON", 0, 0,
     "query as an array of numbers; - reads it from standard input"},
    {"like", 'l', CLI_TEXT, offsetof(search_options, like), "ID", 0, 0,
     "take the vector of this document, and leave it out of the results"},
    {"queries", 'q', CLI_TEXT, offsetof(search_options, queries), "FILE", 0, 0,
     "fvecs, bvecs or npy file, a query a row"},
    {"k", 'k', CLI_INTEGER, offsetof(search_options, k), "N", 1, VEER_K_MAX,
     "results a query (default 10)"},
    {"offset", 0, CLI_INTEGER, offsetof(search_options, offset), "N", 0, 10000,
     "leave out the first N results"},
    {"limit", 'n', CLI_INTEGER, offsetof(search_options, limit), "N", 1, 1e15,
     "only the first N queries of the file"},
    {"filter", 0, CLI_TEXT, offsetof(search_options, filter), "FILTER", 0, 0,
     "only documents that match, see below"},
    {"params", 0, CLI_TEXT, offsetof(search_options, params), "JSON", 0, 0,
     "array with values for the filter's ?"},
    {"exact", 0, CLI_FLAG, offsetof(search_options, exact), NULL, 0, 0,
     "compare every vector: the true nearest"},
    {"recall", 'r', CLI_REAL, offsetof(search_options, recall), "R", 0, 1,
     "expected share of the true nearest that is found (default 0.95)"},
    {"effort", 0, CLI_INTEGER, offsetof(search_options, effort), "E", 1, CLI_EFFORT_MAX,
     "walk graphs keeping E nodes, whatever recall and cost say"},
    {"select", 0, CLI_TEXT, offsetof(search_options, select), "KEYS", 0, 0,
     "keys of the documents, separated by commas; '*': all, vectors too; false: none (default: all "
     "but vectors)"},
    {"collection", 'c', CLI_TEXT, offsetof(search_options, collection), "NAME", 0, 0,
     "collection to search (default: the only one)"},
    {"field", 'f', CLI_TEXT, offsetof(search_options, field), "NAME", 0, 0,
     "vector field to search (default: the only one)"},
    {"explain", 0, CLI_FLAG, offsetof(search_options, explain), NULL, 0, 0,
     "print the plan and its figures too"},
    {"verify", 0, CLI_FLAG, offsetof(search_options, verify), NULL, 0, 0,
     "with --explain: answer exactly as well, and say how much of it was found"},
    {"json", 0, CLI_FLAG, offsetof(search_options, json), NULL, 0, 0,
     "print a JSON object a query"},
};

typedef struct searcher {
    const cli_context *cli;
    const search_options *options;
    cli_database database;
    const cli_field *field;
    veer_snapshot *snapshot;
    veer_query *query;
    uint64_t k; /* asked of the engine */
    cli_text vector_text;
} searcher;

/* An array of numbers as floats[dims]. `what` names it in messages. */
static float *parse_vector(const cli_context *cli, const char *what, json_slice array,
                           uint32_t dims)
{
    size_t count = 0;
    float *vector = calloc(dims, sizeof *vector);
    if (vector == NULL) {
        (void)cli_fail_text(cli, VEER_E_NOMEM, "out of memory");
        return NULL;
    }
    if (cli_json_kind_of(array) != JSON_ARRAY || !cli_json_floats(array, vector, dims, &count)) {
        (void)cli_fail_text(cli, VEER_E_TYPE, "%s: expected an array of numbers", what);
    } else if (count != dims) {
        (void)cli_fail_text(cli, VEER_E_DIMENSION, "%s has %zu values, the field has %u dimensions",
                            what, count, dims);
    } else {
        return vector;
    }
    free(vector);
    return NULL;
}

static float *vector_of_option(searcher *search)
{
    const char *text = search->options->vector;
    veer_error error = {0};
    json_slice value;
    const char *problem = NULL;
    size_t position = 0;
    if (strcmp(text, "-") == 0) {
        if (source_read_all("-", VECTOR_TEXT_BYTES_MAX, &search->vector_text, &error) != VEER_OK) {
            (void)cli_fail(search->cli, &error);
            return NULL;
        }
        text = search->vector_text.data;
    }
    if (!cli_json_value(text, strlen(text), &value, &problem, &position)) {
        (void)cli_fail_text(search->cli, VEER_E_SYNTAX,
                            "--vector: not JSON at byte %zu: expected %s", position, problem);
        return NULL;
    }
    return parse_vector(search->cli, "--vector", value, search->field->dims);
}

static float *vector_of_document(searcher *search)
{
    const cli_context *cli = search->cli;
    const char *id = search->options->like;
    cli_text ids = {0};
    cli_text select = {0};
    veer_results *results = NULL;
    veer_error error = {0};
    float *vector = NULL;
    cli_text_byte(&ids, '[');
    cli_text_json_string(&ids, id, strlen(id));
    cli_text_byte(&ids, ']');
    cli_select_json(search->field->name, &select);
    veer_status status = VEER_OK;
    if (ids.failed || select.failed) {
        status = cli_error(&error, VEER_E_NOMEM, "out of memory");
    } else {
        status = veer_get(search->database.collection, search->snapshot, ids.data, select.data,
                          &results, &error);
    }
    if (status != VEER_OK) {
        (void)cli_fail(cli, &error);
    } else if (veer_results_rows(results) == 0) {
        (void)cli_fail_text(cli, VEER_E_NOTFOUND, "--like: there is no document \"%s\"", id);
    } else {
        const uint32_t *offsets = NULL;
        const char *document = veer_results_documents(results, &offsets);
        json_slice value =
            cli_json_get((json_slice){document, offsets[1] - offsets[0]}, search->field->name);
        if (cli_json_kind_of(value) == JSON_NONE || cli_json_kind_of(value) == JSON_NULL) {
            (void)cli_fail_text(cli, VEER_E_NOTFOUND, "--like: document \"%s\" has no \"%s\"", id,
                                search->field->name);
        } else {
            vector = parse_vector(cli, "--like", value, search->field->dims);
        }
    }
    veer_results_free(results);
    cli_text_free(&ids);
    cli_text_free(&select);
    return vector;
}

static int prepare(searcher *search)
{
    const search_options *options = search->options;
    cli_text filter = {0};
    cli_text select = {0};
    cli_text json = {0};
    veer_error error = {0};
    if (options->filter != NULL && !cli_filter_json(search->cli, options->filter, &filter)) {
        return CLI_FAILED;
    }
    cli_select_json(options->select, &select);
    search_request request = {
        .k = search->k,
        .offset = options->offset,
        .field = search->field->name,
        .filter = filter.data,
        .recall = options->recall,
        .effort = options->effort,
        .exact = options->exact,
        .select = select.failed ? "false" : select.data,
        .explain = options->explain,
        .verify = options->verify,
    };
    search_request_json(&request, &json);
    veer_status status = VEER_OK;
    if (json.failed || select.failed) {
        status = cli_error(&error, VEER_E_NOMEM, "out of memory for the request");
    } else {
        status = veer_query_prepare(search->database.collection, json.data, &search->query, &error);
    }
    cli_text_free(&filter);
    cli_text_free(&select);
    cli_text_free(&json);
    return status == VEER_OK ? CLI_OK : cli_fail(search->cli, &error);
}

static int search_one(searcher *search, const float *vector, uint64_t number)
{
    veer_results *results = NULL;
    veer_error error = {0};
    const search_options *options = search->options;
    double started = cli_seconds();
    if (veer_query_run(search->query, search->snapshot, vector, 1, search->field->dims,
                       options->params, &results, &error) != VEER_OK) {
        return cli_fail(search->cli, &error);
    }
    search_answer answer = {
        .results = results,
        .skip_id = options->like,
        .k = options->k,
        .numbered = options->queries != NULL,
        .query = number,
        .seconds = cli_seconds() - started,
    };
    veer_status status =
        options->json ? search_print_json(&answer) : search_print_table(search->cli, &answer);
    veer_results_free(results);
    if (status != VEER_OK) {
        return cli_fail_text(search->cli, status, "out of memory for the results");
    }
    return CLI_OK;
}

static int search_file(searcher *search)
{
    vector_reader reader = {0};
    vector_block block = {0};
    vector_format format = VECTORS_FVECS;
    veer_error error = {0};
    uint64_t limit = search->options->limit != 0 ? search->options->limit : UINT64_MAX;
    const char *path = search->options->queries;
    int code = CLI_OK;
    if (!vectors_format_of(path, &format) || format == VECTORS_IVECS) {
        return cli_usage(search->cli, "--queries %s: the name must end in .fvecs, .bvecs or .npy",
                         path);
    }
    veer_status status = vectors_open(&reader, path, format, &error);
    if (status == VEER_OK && reader.dims != search->field->dims) {
        status =
            cli_error(&error, VEER_E_DIMENSION, "%s: row 0 has %u dimensions, field \"%s\" has %u",
                      path, reader.dims, search->field->name, search->field->dims);
    }
    while (status == VEER_OK && code == CLI_OK && reader.row < limit) {
        uint64_t left = limit - reader.row;
        status = vectors_next(&reader, left < SIZE_MAX ? (size_t)left : SIZE_MAX, &block, &error);
        if (status != VEER_OK || block.rows == 0) {
            break;
        }
        for (size_t i = 0; i < block.rows && code == CLI_OK; i++) {
            const char *row = (const char *)block.data + i * block.stride_bytes;
            code = search_one(search, (const float *)(const void *)row, block.first_row + i);
        }
    }
    vectors_close(&reader);
    return status == VEER_OK ? code : cli_fail(search->cli, &error);
}

static int search_all(searcher *search)
{
    veer_error error = {0};
    const search_options *options = search->options;
    int code = cli_vector_field(search->cli, &search->database, options->field, &search->field);
    if (code != CLI_OK) {
        return code;
    }
    if (veer_snapshot_open(search->database.database, &search->snapshot, &error) != VEER_OK) {
        return cli_fail(search->cli, &error);
    }
    code = prepare(search);
    if (code != CLI_OK) {
        return code;
    }
    if (options->queries != NULL) {
        return search_file(search);
    }
    float *vector = options->like != NULL ? vector_of_document(search) : vector_of_option(search);
    code = vector != NULL ? search_one(search, vector, 0) : CLI_FAILED;
    free(vector);
    return code;
}

static int check(const cli_context *cli, const search_options *options)
{
    int ways = (options->vector != NULL) + (options->like != NULL) + (options->queries != NULL);
    if (ways != 1) {
        return cli_usage(cli, "give one of --vector JSON, --like ID, --queries FILE");
    }
    if (options->exact && options->recall > 0) {
        return cli_usage(cli, "--exact finds all there are; leave out --recall");
    }
    if (options->exact && options->effort > 0) {
        return cli_usage(cli, "--exact walks no graph; leave out --effort");
    }
    if (options->verify && !options->explain) {
        return cli_usage(cli, "--verify puts its figures into the plan; give --explain too");
    }
    if (options->limit != 0 && options->queries == NULL) {
        return cli_usage(cli, "--limit counts the queries of --queries; -k says how many results");
    }
    return cli_check_params(cli, options->params) ? CLI_OK : CLI_FAILED;
}

static int run(cli_context *cli, int argc, char **argv)
{
    search_options options = {.k = 10};
    searcher search = {.cli = cli, .options = &options};
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    code = check(cli, &options);
    if (code != CLI_OK) {
        return code;
    }
    search.k = options.like != NULL && options.k < VEER_K_MAX ? options.k + 1 : options.k;
    code = cli_open_collection(cli, argv[0], CLI_READ, options.collection, &search.database);
    if (code == CLI_OK) {
        code = search_all(&search);
    }
    veer_query_free(search.query);
    veer_snapshot_close(search.snapshot);
    cli_text_free(&search.vector_text);
    return cli_finish(cli, cli_close(cli, &search.database, code));
}

const cli_command command_search = {
    .name = "search",
    .summary = "find the nearest documents of a vector",
    .usage = "DB --vector '[...]' [-k N] [--filter FILTER] [options]\n"
             "DB --like ID [options]\n"
             "DB --queries FILE [options]",
    .description =
        "Prints the k nearest documents, nearest first. Score: higher is better. Distance: lower "
        "is nearer (cosine: 1 - cos; dot: minus the product; l2: squared; veer create --help has the "
        "others).\n\n"
        "A filter is a text: tag = 'x' AND year >= 2020 AND NOT (draft = true), with =, !=, <, "
        "<=, >, >=, IN (...), NOT IN (...), EXISTS, CONTAINS, AND, OR, NOT and parentheses, and ? "
        "for values of --params; or a JSON object: {\"tag\": \"x\", \"year\": {\"$gte\": 2020}}. "
        "A filter never makes results disappear: there are k of them, or all that match.\n\n"
        "--json prints one object a query: {\"exact\", \"visited\" (rows compared), \"us\" "
        "(microseconds), \"rows\": [{\"id\", \"score\", \"distance\", \"document\"}]}.",
    .examples = "veer search pages.veer --like intro -k 5\n"
                "veer search pages.veer --vector '[0.1, 0.7]' --filter \"year >= 2020\" --json\n"
                "veer search sift.veer --queries sift_query.fvecs -k 100 --select false --json",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
