/* cli_export.c: `veer export`: documents as JSON lines, from one snapshot.
 *
 * A whole document comes without its vectors, because they are stored apart; so an export reads
 * with two cursors over the same snapshot, which see the same rows in the same order: one gives
 * the documents, one the vectors, and each line is spliced from both:
 *
 *     {"id":"7","title":"..."}  +  {"id":"7","vector":[...]}  =  {"id":"7","title":"...","vector":[...]}
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
     "keys of the documents, separated by commas (default: all, vectors included)"},
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
    veer_snapshot *snapshot;
    veer_cursor *documents;
    veer_cursor *vectors; /* NULL: nothing to splice */
} exporter;

static veer_status open_cursor(exporter *out, const char *filter, const char *select,
                               veer_cursor **cursor, veer_error *error)
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
        status = veer_scan(out->database.collection, out->snapshot, request.data,
                           out->options->params, cursor, error);
    }
    cli_text_free(&request);
    return status;
}

/* ["vector", ...] of all vector fields; empty text where there are none. */
static void vector_fields(const cli_database *database, cli_text *json)
{
    for (size_t i = 0; i < database->fields_count; i++) {
        if (database->fields[i].type == TYPE_VECTOR) {
            cli_text_byte(json, json->bytes == 0 ? '[' : ',');
            cli_text_json_string(json, database->fields[i].name, strlen(database->fields[i].name));
        }
    }
    if (json->bytes > 0) {
        cli_text_byte(json, ']');
    }
}

static int open_cursors(exporter *out)
{
    cli_text filter = {0};
    cli_text select = {0};
    cli_text fields = {0};
    veer_error error = {0};
    const export_options *options = out->options;
    bool ids_only = options->format != NULL && strcmp(options->format, "ids") == 0;
    if (options->filter != NULL && !cli_filter_json(out->cli, options->filter, &filter)) {
        return CLI_FAILED;
    }
    cli_select_json(ids_only ? "false" : options->select, &select);
    if (options->select == NULL && !options->no_vectors && !ids_only) {
        vector_fields(&out->database, &fields);
    }
    veer_status status = veer_snapshot_open(out->database.database, &out->snapshot, &error);
    if (status == VEER_OK && (select.failed || fields.failed)) {
        status = cli_error(&error, VEER_E_NOMEM, "out of memory for the request");
    }
    if (status == VEER_OK) {
        status = open_cursor(out, filter.data, select.data, &out->documents, &error);
    }
    if (status == VEER_OK && fields.bytes > 0) {
        status = open_cursor(out, filter.data, fields.data, &out->vectors, &error);
    }
    cli_text_free(&filter);
    cli_text_free(&select);
    cli_text_free(&fields);
    return status == VEER_OK ? CLI_OK : cli_fail(out->cli, &error);
}

/* Appends the vector members of `vectors`, an object, to the object `document`. */
static void print_spliced(const cli_database *database, json_slice document, json_slice vectors)
{
    json_iterator iterator;
    json_slice key;
    json_slice value;
    size_t bytes = document.bytes;
    while (bytes > 0 && document.text[bytes - 1] != '}') {
        bytes--;
    }
    (void)fwrite(document.text, 1, bytes > 0 ? bytes - 1 : 0, stdout);
    cli_json_begin(&iterator, vectors.text, vectors.bytes);
    while (cli_json_member(&iterator, &key, &value)) {
        const cli_field *field = cli_find_field(database, key.text, key.bytes);
        if (field != NULL && field->type == TYPE_VECTOR && cli_json_kind_of(value) == JSON_ARRAY) {
            (void)fputs(",\"", stdout);
            (void)fwrite(key.text, 1, key.bytes, stdout);
            (void)fputs("\":", stdout);
            (void)fwrite(value.text, 1, value.bytes, stdout);
        }
    }
    (void)fputs("}\n", stdout);
}

static void print_page(const exporter *out, const veer_results *page, const veer_results *vectors)
{
    const uint32_t *offsets = NULL;
    const uint32_t *vector_offsets = NULL;
    const char *documents = veer_results_documents(page, &offsets);
    const char *vector_documents =
        vectors != NULL ? veer_results_documents(vectors, &vector_offsets) : NULL;
    bool plain = documents == NULL;
    if (plain) {
        documents = veer_results_ids(page, &offsets);
    }
    for (size_t i = 0; i < veer_results_rows(page); i++) {
        json_slice document = {documents + offsets[i], offsets[i + 1] - offsets[i]};
        if (plain || vector_documents == NULL) {
            (void)fwrite(document.text, 1, document.bytes, stdout);
            (void)fputc('\n', stdout);
        } else {
            json_slice more = {vector_documents + vector_offsets[i],
                               vector_offsets[i + 1] - vector_offsets[i]};
            print_spliced(&out->database, document, more);
        }
    }
}

static int export_pages(exporter *out)
{
    cli_progress progress;
    veer_error error = {0};
    veer_results *page = NULL;
    veer_results *vectors = NULL;
    uint64_t total = 0;
    uint64_t done = 0;
    veer_status status = VEER_OK;
    if (out->cli->stderr_terminal && out->options->filter == NULL) {
        (void)veer_count(out->database.collection, out->snapshot, NULL, NULL, &total, NULL);
    }
    progress_begin(&progress, out->cli, "export", "documents");
    for (;;) {
        status = veer_cursor_next(out->documents, PAGE_ROWS, &page, &error);
        if (status == VEER_OK && out->vectors != NULL) {
            status = veer_cursor_next(out->vectors, PAGE_ROWS, &vectors, &error);
        }
        size_t rows = status == VEER_OK ? veer_results_rows(page) : 0;
        if (status == VEER_OK && vectors != NULL && veer_results_rows(vectors) != rows) {
            status = cli_error(&error, VEER_E_INTERNAL,
                               "two cursors over one snapshot gave %zu and %zu rows", rows,
                               veer_results_rows(vectors));
        }
        if (status == VEER_OK) {
            print_page(out, page, vectors);
        }
        veer_results_free(page);
        veer_results_free(vectors);
        page = NULL;
        vectors = NULL;
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
        code = open_cursors(&out);
    }
    if (code == CLI_OK) {
        code = export_pages(&out);
    }
    veer_cursor_close(out.documents);
    veer_cursor_close(out.vectors);
    veer_snapshot_close(out.snapshot);
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
