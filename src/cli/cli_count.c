/* cli_count.c: `veer count`: how many documents there are, or match a filter. Exact.
 *
 * The number alone, so that a script can read it; nothing else is ever printed to standard output.
 */
#include <stdio.h>

#include "cli_database.h"
#include "cli_options.h"

typedef struct count_options {
    const char *collection;
    const char *filter;
    const char *params;
    bool json;
} count_options;

static const cli_option options_table[] = {
    {"collection", 'c', CLI_TEXT, offsetof(count_options, collection), "NAME", 0, 0,
     "collection to count (default: the only one)"},
    {"filter", 0, CLI_TEXT, offsetof(count_options, filter), "FILTER", 0, 0,
     "count documents that match, see veer help search"},
    {"params", 0, CLI_TEXT, offsetof(count_options, params), "JSON", 0, 0,
     "array with values for the filter's ?"},
    {"json", 0, CLI_FLAG, offsetof(count_options, json), NULL, 0, 0, "print {\"count\": n}"},
};

static int run(cli_context *cli, int argc, char **argv)
{
    count_options options = {0};
    cli_database database = {0};
    cli_text filter = {0};
    veer_error error = {0};
    uint64_t count = 0;
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    if (!cli_check_params(cli, options.params) ||
        (options.filter != NULL && !cli_filter_json(cli, options.filter, &filter))) {
        cli_text_free(&filter);
        return CLI_FAILED;
    }
    code = cli_open_collection(cli, argv[0], CLI_READ, options.collection, &database);
    if (code == CLI_OK && veer_count(database.collection, NULL, filter.data, options.params, &count,
                                     &error) != VEER_OK) {
        code = cli_fail(cli, &error);
    }
    if (code == CLI_OK) {
        printf(options.json ? "{\"count\":%llu}\n" : "%llu\n", (unsigned long long)count);
    }
    cli_text_free(&filter);
    return cli_finish(cli, cli_close(cli, &database, code));
}

const cli_command command_count = {
    .name = "count",
    .summary = "count documents, all or those that match a filter",
    .usage = "DB [--filter FILTER] [--params JSON]",
    .description = "Prints the number of documents in a collection, or of those that match. The "
                   "number is exact.",
    .examples = "veer count pages.veer\n"
                "veer count pages.veer --filter \"tag IN ('a', 'b') AND draft = false\"",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
