/* cli_get.c: `veer get`: documents by their ids, as JSON lines in the order that was asked.
 *
 * What is there is printed even where something is missing; each missing id is named on standard
 * error and the exit code is 1.
 */
#include <stdio.h>
#include <string.h>

#include "cli_database.h"
#include "cli_options.h"

typedef struct get_options {
    const char *collection;
    const char *select;
} get_options;

static const cli_option options_table[] = {
    {"collection", 'c', CLI_TEXT, offsetof(get_options, collection), "NAME", 0, 0,
     "collection to read (default: the only one)"},
    {"select", 0, CLI_TEXT, offsetof(get_options, select), "KEYS", 0, 0,
     "keys of the documents, separated by commas; '*': all, vectors too (default: all but vectors)"},
};

/* The results are a subsequence of the ids, so one walk over both finds what is missing. */
static int print_documents(const cli_context *cli, const veer_results *results, json_slice ids)
{
    const uint32_t *id_offsets = NULL;
    const uint32_t *offsets = NULL;
    const char *found = veer_results_ids(results, &id_offsets);
    const char *documents = veer_results_documents(results, &offsets);
    size_t rows = veer_results_rows(results);
    size_t row = 0;
    int code = CLI_OK;
    json_iterator iterator;
    json_slice asked;
    cli_text id = {0};
    cli_json_begin(&iterator, ids.text, ids.bytes);
    while (cli_json_element(&iterator, &asked)) {
        cli_text_clear(&id);
        cli_json_string(asked, &id);
        if (id.failed) {
            code = cli_fail_text(cli, VEER_E_NOMEM, "out of memory");
            break;
        }
        size_t bytes = row < rows ? id_offsets[row + 1] - id_offsets[row] : 0;
        if (row == rows || bytes != id.bytes ||
            memcmp(found + id_offsets[row], id.data, bytes) != 0) {
            code = cli_fail_text(cli, VEER_E_NOTFOUND, "there is no document \"%s\"",
                                 id.data != NULL ? id.data : "");
            continue;
        }
        const char *text = documents != NULL ? documents + offsets[row] : id.data;
        size_t length = documents != NULL ? offsets[row + 1] - offsets[row] : bytes;
        (void)fwrite(text, 1, length, stdout);
        (void)fputc('\n', stdout);
        row++;
    }
    cli_text_free(&id);
    return code;
}

static int run(cli_context *cli, int argc, char **argv)
{
    get_options options = {0};
    cli_database database = {0};
    cli_text ids = {0};
    cli_text select = {0};
    veer_results *results = NULL;
    veer_error error = {0};
    size_t count = 0;
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    code = cli_open_collection(cli, argv[0], CLI_READ, options.collection, &database);
    if (code == CLI_OK) {
        veer_status status = cli_ids_json(argv + 1, positionals - 1, &ids, &count, &error);
        cli_select_json(options.select, &select);
        if (status == VEER_OK && select.failed) {
            status = cli_error(&error, VEER_E_NOMEM, "out of memory");
        }
        if (status == VEER_OK) {
            status = veer_get(database.collection, NULL, ids.data, select.data, &results, &error);
        }
        code = status == VEER_OK ? print_documents(cli, results, (json_slice){ids.data, ids.bytes})
                                 : cli_fail(cli, &error);
    }
    veer_results_free(results);
    cli_text_free(&ids);
    cli_text_free(&select);
    return cli_finish(cli, cli_close(cli, &database, code));
}

const cli_command command_get = {
    .name = "get",
    .summary = "print documents by their ids",
    .usage = "DB ID... [--select KEYS]\n"
             "DB - < ids.txt",
    .description =
        "Prints the documents of the ids as JSON lines, in the order of the ids; - reads ids from "
        "standard input, one a line. Vectors are printed where --select names their field, or is '*'.\n\n"
        "An id that is not there is named on standard error [NOTFOUND]; the others are printed, "
        "and the exit status is 1.",
    .examples = "veer get pages.veer intro\n"
                "veer get pages.veer 17 18 19 --select id,vector",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 2,
    .positionals_max = CLI_POSITIONALS_MAX,
    .run = run,
};
