/* cli_delete.c: `veer delete`: documents by ids or by a filter, in one transaction.
 *
 * Deleting what is not there is no error: the command says how many there were. Everything at
 * once is deleted only by a filter that says so; neither ids nor a filter is a usage error.
 */
#include <stdio.h>

#include "cli_database.h"
#include "cli_options.h"

typedef struct delete_options {
    const char *collection;
    const char *filter;
    const char *params;
    bool json;
} delete_options;

static const cli_option options_table[] = {
    {"collection", 'c', CLI_TEXT, offsetof(delete_options, collection), "NAME", 0, 0,
     "collection to delete from (default: the only one)"},
    {"filter", 0, CLI_TEXT, offsetof(delete_options, filter), "FILTER", 0, 0,
     "delete all documents that match, see veer help search"},
    {"params", 0, CLI_TEXT, offsetof(delete_options, params), "JSON", 0, 0,
     "array with values for the filter's ?"},
    {"json", 0, CLI_FLAG, offsetof(delete_options, json), NULL, 0, 0, "print {\"deleted\": n}"},
};

static void print_deleted(const delete_options *options, uint64_t deleted, size_t asked)
{
    cli_text line = {0};
    if (options->json) {
        cli_text_format(&line, "{\"deleted\":%llu}", (unsigned long long)deleted);
    } else {
        cli_text_grouped(&line, deleted);
        cli_text_string(&line, deleted == 1 ? " document deleted" : " documents deleted");
        if (options->filter == NULL && deleted < asked) {
            cli_text_string(&line, ", ");
            cli_text_grouped(&line, asked - deleted);
            cli_text_string(&line, " not found");
        }
    }
    if (!line.failed) {
        printf("%s\n", line.data);
    }
    cli_text_free(&line);
}

static int run(cli_context *cli, int argc, char **argv)
{
    delete_options options = {0};
    cli_database database = {0};
    cli_text ids = {0};
    cli_text filter = {0};
    veer_write_result result = {0};
    veer_error error = {0};
    size_t asked = 0;
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    if ((options.filter == NULL) == (positionals == 1)) {
        return cli_usage(cli, "give either ids or --filter FILTER");
    }
    if (!cli_check_params(cli, options.params) ||
        (options.filter != NULL && !cli_filter_json(cli, options.filter, &filter))) {
        cli_text_free(&filter);
        return CLI_FAILED;
    }
    code = cli_open_collection(cli, argv[0], CLI_WRITE, options.collection, &database);
    if (code == CLI_OK) {
        veer_status status = VEER_OK;
        if (options.filter == NULL) {
            status = cli_ids_json(argv + 1, positionals - 1, &ids, &asked, &error);
        }
        veer_operation operation = {
            .collection = database.collection,
            .kind = VEER_WRITE_DELETE,
            .documents = ids.data,
            .documents_bytes = ids.bytes,
            .filter = filter.data,
            .parameters = options.params,
        };
        if (status == VEER_OK) {
            status = veer_write(database.database, &operation, 1, &result, &error);
        }
        if (status == VEER_OK) {
            print_deleted(&options, result.deleted, asked);
        } else {
            code = cli_fail(cli, &error);
        }
    }
    cli_text_free(&ids);
    cli_text_free(&filter);
    return cli_finish(cli, cli_close(cli, &database, code));
}

const cli_command command_delete = {
    .name = "delete",
    .summary = "delete documents by ids or by a filter",
    .usage = "DB ID...\n"
             "DB - < ids.txt\n"
             "DB --filter FILTER [--params JSON]",
    .description =
        "Deletes documents in one transaction and says how many there were; - reads ids from "
        "standard input, one a line. They are gone for every later search; their space is "
        "reclaimed by merging, at the latest by veer compact.",
    .examples = "veer delete pages.veer intro outro\n"
                "veer delete pages.veer --filter \"year < ?\" --params '[1990]'",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = CLI_POSITIONALS_MAX,
    .run = run,
};
