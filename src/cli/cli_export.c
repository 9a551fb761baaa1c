/* cli_export.c: `veer export`: documents as JSON lines, from one snapshot.
 *
 * Floats are written so that they read back to the same bits; import makes the same database.
 */
#include <stdio.h>
#include <string.h>

#include "cli_database.h"
#include "cli_options.h"
#include "cli_output.h"

enum { PAGE_ROWS = 256 }; /* arbitrary: a page of 8192-dimension vectors as text is about 25 MB */

typedef struct export_options {
    const char *format;
    const char *collection;
    const char *select;
    const char *filter;
    const char *params;
    uint64_t limit;
    bool no_vectors;
} export_options;

static const cli_option options_table[] = {
    {"format", 0, CLI_CHOICE, offsetof(export_options, format), "jsonl|ids", 0, 0,
     "a document a line (default), or an id a line"},
    {"collection", 'c', CLI_TEXT, offsetof(export_options, collection), "NAME", 0, 0,
     "collection to export (default: the only one)"},
    {"select", 0, CLI_TEXT, offsetof(export_options, select), "KEYS", 0, 0,
     "keys of the documents, separated by commas (default: '*', all fields)"},
    {"filter", 0, CLI_TEXT, offsetof(export_options, filter), "FILTER", 0, 0,
     "only documents that match, see veer help search"},
    {"params", 0, CLI_TEXT, offsetof(export_options, params), "JSON", 0, 0,
     "array with values for the filter's ?"},
    {"limit", 'n', CLI_INTEGER, offsetof(export_options, limit), "ROWS", 1, 1e15,
     "stop after so many documents"},
    {"no-vectors", 0, CLI_FLAG, offsetof(export_options, no_vectors), NULL, 0, 0,
     "leave vectors out"},
};

typedef struct exporter {
    const cli_context *cli;
    const export_options *options;
    cli_database database;
    veer_cursor *cursor;
} exporter;

static veer_status scan(exporter *out, const char *filter, const char *select, veer_error *error)
{
    cli_text request = {0};
    cli_text_format(&request, "{\"limit\":%llu,\"select\":%s",
                    (unsigned long long)out->options->limit, select);
    if (filter != NULL) {
        cli_text_format(&request, ",\"filter\":%s", filter);
    }
    cli_text_byte(&request, '}');
    veer_status status = VEER_OK;
    if (request.failed) {
        status = cli_error(error, VEER_E_NOMEM, "out of memory for the request");
    } else {
        status = veer_scan(out->database.collection, NULL, request.data, out->options->params,
                           &out->cursor, error);
    }
    cli_text_free(&request);
    return status;
}

static int open_cursor(exporter *out)
{
    cli_text filter = {0};
    cli_text select = {0};
    veer_error error = {0};
    const export_options *options = out->options;
    bool ids_only = options->format != NULL && strcmp(options->format, "ids") == 0;
    const char *all = options->no_vectors ? "true" : "*";
    if (options->filter != NULL && !cli_filter_json(out->cli, options->filter, &filter)) {
        return CLI_FAILED;
    }
    cli_select_json(ids_only ? "false" : options->select != NULL ? options->select : all, &select);
    veer_status status = select.failed
                             ? cli_error(&error, VEER_E_NOMEM, "out of memory for the request")
                             : scan(out, filter.data, select.data, &error);
    cli_text_free(&filter);
    cli_text_free(&select);
    return status == VEER_OK ? CLI_OK : cli_fail(out->cli, &error);
}

static void print_page(const veer_results *page)
{
    const uint32_t *offsets = NULL;
    const char *lines = veer_results_documents(page, &offsets);
    if (lines == NULL) {
        lines = veer_results_ids(page, &offsets);
    }
    for (size_t i = 0; i < veer_results_rows(page); i++) {
        (void)fwrite(lines + offsets[i], 1, offsets[i + 1] - offsets[i], stdout);
        (void)fputc('\n', stdout);
    }
}

static int export_pages(exporter *out)
{
    cli_progress progress;
    veer_error error = {0};
    veer_results *page = NULL;
    uint64_t total = 0;
    uint64_t done = 0;
    veer_status status = VEER_OK;
    if (out->cli->stderr_terminal && out->options->filter == NULL) {
        (void)veer_count(out->database.collection, NULL, NULL, NULL, &total, NULL);
    }
    progress_begin(&progress, out->cli, "export", "documents");
    for (;;) {
        status = veer_cursor_next(out->cursor, PAGE_ROWS, &page, &error);
        size_t rows = status == VEER_OK ? veer_results_rows(page) : 0;
        if (status == VEER_OK) {
            print_page(page);
        }
        veer_results_free(page);
        page = NULL;
        done += rows;
        if (status != VEER_OK || rows == 0 || ferror(stdout) != 0) {
            break;
        }
        if (!out->cli->stdout_terminal) {
            progress_show(&progress, done, total, -1);
        }
    }
    progress_end(&progress);
    return status == VEER_OK ? CLI_OK : cli_fail(out->cli, &error);
}

static int run(cli_context *cli, int argc, char **argv)
{
    export_options options = {0};
    exporter out = {.cli = cli, .options = &options};
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    if (!cli_check_params(cli, options.params)) {
        return CLI_FAILED;
    }
    code = cli_open_collection(cli, argv[0], CLI_READ, options.collection, &out.database);
    if (code == CLI_OK) {
        code = open_cursor(&out);
    }
    if (code == CLI_OK) {
        code = export_pages(&out);
    }
    veer_cursor_close(out.cursor);
    return cli_finish(cli, cli_close(cli, &out.database, code));
}

const cli_command command_export = {
    .name = "export",
    .summary = "write documents as JSON lines",
    .usage = "DB [--select KEYS] [--filter FILTER] [options]",
    .description =
        "Writes every document of a collection, one JSON object a line, to standard output, in "
        "the order in which they are stored. All lines are of one state of the database, and "
        "vectors are written so that veer import reads back the same bits.",
    .examples = "veer export pages.veer > pages.jsonl\n"
                "veer export pages.veer --filter \"year >= 2020\" --select id,title,year\n"
                "veer export old.veer | veer import new.veer - --create --schema schema.json",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
