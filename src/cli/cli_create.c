/* cli_create.c: `veer create`: a database with a collection, or one more collection in it.
 *
 * An existing collection is never touched: it is an error, even where the schema is the same, so
 * that a script that creates twice hears of it.
 */
#include <stdio.h>

#include "cli_database.h"
#include "cli_options.h"
#include "cli_output.h"
#include "readers.h"

enum { SCHEMA_BYTES_MAX = 1 << 20 }; /* arbitrary: 256 fields take a few KB */

typedef struct create_options {
    uint64_t dims;
    const char *metric;
    const char *storage;
    const char *collection;
    const char *field;
    const char *schema;
    bool json;
} create_options;

static const cli_option options_table[] = {
    {"dims", 'd', CLI_INTEGER, offsetof(create_options, dims), "N", 1, VEER_DIMS_MAX,
     "dimensions of the vector field"},
    {"metric", 'm', CLI_CHOICE, offsetof(create_options, metric), CLI_METRICS, 0, 0,
     "how vectors are compared (default cosine)"},
    {"storage", 0, CLI_CHOICE, offsetof(create_options, storage), CLI_STORAGES, 0, 0,
     "how vectors are kept (default f32)"},
    {"collection", 'c', CLI_TEXT, offsetof(create_options, collection), "NAME", 0, 0,
     "name of the collection (default " CLI_DEFAULT_COLLECTION ")"},
    {"field", 'f', CLI_TEXT, offsetof(create_options, field), "NAME", 0, 0,
     "name of the vector field (default " CLI_DEFAULT_FIELD ")"},
    {"schema", 0, CLI_TEXT, offsetof(create_options, schema), "FILE", 0, 0,
     "schema as JSON, for more fields than one; - reads standard input"},
    {"json", 0, CLI_FLAG, offsetof(create_options, json), NULL, 0, 0, "print the schema as JSON"},
};

static int check(const cli_context *cli, const create_options *options)
{
    if (options->schema == NULL && options->dims == 0) {
        return cli_usage(cli, "give --dims N, or --schema FILE for more fields than one");
    }
    if (options->schema != NULL && (options->dims != 0 || options->metric != NULL ||
                                    options->storage != NULL || options->field != NULL)) {
        return cli_usage(
            cli, "--schema says the fields; leave out --dims, --metric, --storage and --field");
    }
    return CLI_OK;
}

static int print_created(const cli_context *cli, const char *path, const cli_database *database,
                         bool as_json)
{
    veer_buffer schema = {0};
    veer_error error = {0};
    if (!as_json) {
        printf("%s: collection \"%s\" is ready\n", path, database->name);
        return CLI_OK;
    }
    if (veer_collection_schema(database->collection, &schema, &error) != VEER_OK) {
        return cli_fail(cli, &error);
    }
    printf("%s\n", schema.data);
    veer_buffer_free(&schema);
    return CLI_OK;
}

static int run(cli_context *cli, int argc, char **argv)
{
    create_options options = {0};
    cli_database database = {0};
    cli_text schema = {0};
    veer_error error = {0};
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    code = check(cli, &options);
    if (code != CLI_OK) {
        return code;
    }
    if (options.schema == NULL) {
        cli_simple_schema(&schema, options.field != NULL ? options.field : CLI_DEFAULT_FIELD,
                          (uint32_t)options.dims,
                          options.metric != NULL ? options.metric : "cosine", options.storage);
    } else if (source_read_all(options.schema, SCHEMA_BYTES_MAX, &schema, &error) != VEER_OK) {
        code = cli_fail(cli, &error);
    }
    if (code == CLI_OK && schema.failed) {
        code = cli_fail_text(cli, VEER_E_NOMEM, "out of memory");
    }
    const char *name = options.collection != NULL ? options.collection : CLI_DEFAULT_COLLECTION;
    if (code == CLI_OK) {
        code = cli_try_collection(cli, name, schema.data);
    }
    if (code == CLI_OK) {
        code = cli_open(cli, argv[0], CLI_CREATE, &database);
    }
    if (code == CLI_OK && cli_collection_exists(&database, name)) {
        code =
            cli_fail_text(cli, VEER_E_EXISTS, "%s has a collection \"%s\" already", argv[0], name);
    }
    if (code == CLI_OK) {
        code = cli_use_collection(cli, argv[0], name, schema.data, &database);
    }
    if (code == CLI_OK) {
        code = print_created(cli, argv[0], &database, options.json);
    }
    cli_text_free(&schema);
    return cli_finish(cli, cli_close(cli, &database, code));
}

const cli_command command_create = {
    .name = "create",
    .summary = "make a database, or one more collection in it",
    .usage = "DB --dims N [--metric METRIC] [--storage STORAGE] [--field NAME]\n"
             "DB --schema FILE [--collection NAME]",
    .description =
        "Makes the database DB (a folder) where there is none, and in it a collection of "
        "documents. With --dims the collection has one vector field; documents may have any "
        "other keys, which are stored and returned but not indexed.\n\n"
        "With --schema, a JSON file names every field and its type: vector (dims, metric, "
        "storage), text, keyword, number, bool, time. Filters work on keyword, number, bool and "
        "time fields.\n\n"
        "Metrics: cosine, dot and l2 (squared Euclidean) are searched by codes and graphs. "
        "manhattan (sum of |a - b|), chebyshev (the largest |a - b|), canberra (sum of "
        "|a - b| / (|a| + |b|)), braycurtis (sum of |a - b| / sum of |a + b|), hamming (elements "
        "that differ) and jaccard (of the elements that are not 0, the share that only one of the "
        "two has) are always searched exactly, by comparing every vector.\n\n"
        "Storage: f32 keeps vectors as they are given. f16 rounds each element to the nearest "
        "16-bit float when it is written: half of the bytes on storage and half of what a search "
        "reads of originals, 11 bits of precision, elements up to 65504. bits, under hamming and "
        "jaccard, keeps elements that are all 0 or 1 as one bit each.\n\n"
        "A collection that exists already is an error [EXISTS] and stays as it is.",
    .examples =
        "veer create pages.veer --dims 384 --metric cosine\n"
        "veer create pages.veer --collection papers --schema papers.json\n"
        "  papers.json: {\"fields\": {\"embedding\": {\"type\": \"vector\", \"dims\": 384,\n"
        "                                           \"metric\": \"cosine\"},\n"
        "                           \"year\": {\"type\": \"number\"},\n"
        "                           \"tag\": {\"type\": \"keyword\"}}}",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
