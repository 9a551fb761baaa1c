/* cli_import.c: `veer import`: a file becomes documents, many transactions long.
 *
 * Each batch is one transaction, durable when it is counted. A failure ends the import at the
 * batch that has it: what was written before stays, and the message says how much that is. A
 * signal lets the present batch finish. At the end a checkpoint seals the log, so that the next
 * opening replays nothing.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli_importer.h"
#include "cli_options.h"
#include "cli_output.h"

enum { SCHEMA_BYTES_MAX = 1 << 20 /* arbitrary: 256 fields take a few KB */ };

typedef struct import_options {
    const char *format;
    const char *collection;
    const char *field;
    const char *vectors;
    const char *id_field;
    bool row_ids;
    uint64_t batch;
    uint64_t limit;
    bool insert;
    bool create;
    uint64_t dims;
    const char *metric;
    const char *storage;
    const char *schema;
    bool no_checkpoint;
    bool json;
} import_options;

#define FORMATS "jsonl|csv|fvecs|bvecs|npy"

static const cli_option options_table[] = {
    {"format", 0, CLI_CHOICE, offsetof(import_options, format), FORMATS, 0, 0,
     "format of FILE (default: by the end of its name; - is jsonl)"},
    {"collection", 'c', CLI_TEXT, offsetof(import_options, collection), "NAME", 0, 0,
     "collection to import into (default: the only one)"},
    {"field", 'f', CLI_TEXT, offsetof(import_options, field), "NAME", 0, 0,
     "vector field for vectors from a file (default: the only one)"},
    {"vectors", 0, CLI_TEXT, offsetof(import_options, vectors), "FILE", 0, 0,
     "fvecs, bvecs or npy file with a row for each document of FILE, in the same order"},
    {"id-field", 0, CLI_TEXT, offsetof(import_options, id_field), "KEY", 0, 0,
     "key or column that holds the id (default id); it takes the place of an \"id\" that is "
     "there, integers become strings"},
    {"row-ids", 0, CLI_FLAG, offsetof(import_options, row_ids), NULL, 0, 0,
     "take the row number, from 0, as id"},
    {"batch", 'b', CLI_INTEGER, offsetof(import_options, batch), "ROWS", 1, 10000000,
     "most rows of a transaction (default: about 4 MiB)"},
    {"limit", 'n', CLI_INTEGER, offsetof(import_options, limit), "ROWS", 1, 1e15,
     "stop after so many rows"},
    {"insert", 0, CLI_FLAG, offsetof(import_options, insert), NULL, 0, 0,
     "an id that is there already is an error, not replaced"},
    {"create", 0, CLI_FLAG, offsetof(import_options, create), NULL, 0, 0,
     "make the database and the collection where they are missing"},
    {"dims", 'd', CLI_INTEGER, offsetof(import_options, dims), "N", 1, VEER_DIMS_MAX,
     "with --create: dimensions (vector files say them)"},
    {"metric", 'm', CLI_CHOICE, offsetof(import_options, metric), CLI_METRICS, 0, 0,
     "with --create: how vectors are compared (default cosine)"},
    {"storage", 0, CLI_CHOICE, offsetof(import_options, storage), CLI_STORAGES, 0, 0,
     "with --create: how vectors are kept (default f32)"},
    {"schema", 0, CLI_TEXT, offsetof(import_options, schema), "FILE", 0, 0,
     "with --create: schema as JSON, as in veer create"},
    {"no-checkpoint", 0, CLI_FLAG, offsetof(import_options, no_checkpoint), NULL, 0, 0,
     "leave the rows in the log; they are durable there too"},
    {"json", 0, CLI_FLAG, offsetof(import_options, json), NULL, 0, 0, "print the summary as JSON"},
};

static int check(const cli_context *cli, const import_options *options)
{
    bool describes = options->dims != 0 || options->metric != NULL || options->storage != NULL;
    if ((describes || options->schema != NULL) && !options->create) {
        return cli_usage(cli, "--dims, --metric, --storage and --schema go with --create");
    }
    if (options->schema != NULL && describes) {
        return cli_usage(cli, "--schema says the fields; leave out --dims, --metric and --storage");
    }
    if (options->row_ids && options->id_field != NULL) {
        return cli_usage(cli, "--row-ids and --id-field exclude each other");
    }
    return CLI_OK;
}

static int find_format(const cli_context *cli, const char *path, const import_options *options,
                       import_format *format, vector_format *vectors)
{
    const char *dot = strrchr(path, '.');
    const char *word = options->format;
    char as_name[16];
    if (word == NULL && strcmp(path, "-") == 0) {
        word = "jsonl";
    }
    if (word == NULL && dot != NULL) {
        word = strcasecmp(dot, ".ndjson") == 0 ? "jsonl" : dot + 1;
    }
    (void)snprintf(as_name, sizeof as_name, ".%s", word != NULL ? word : "");
    if (strcasecmp(as_name, ".jsonl") == 0) {
        *format = IMPORT_JSONL;
    } else if (strcasecmp(as_name, ".csv") == 0) {
        *format = IMPORT_CSV;
    } else if (vectors_format_of(as_name, vectors) && *vectors != VECTORS_IVECS) {
        *format = IMPORT_VECTORS;
    } else {
        return cli_usage(cli, "the name of %s does not say its format, give --format " FORMATS,
                         path);
    }
    if (options->vectors != NULL && *format == IMPORT_VECTORS) {
        return cli_usage(cli, "--vectors goes with documents (jsonl or csv); %s holds vectors",
                         path);
    }
    if (options->vectors != NULL &&
        (!vectors_format_of(options->vectors, vectors) || *vectors == VECTORS_IVECS)) {
        return cli_usage(cli, "--vectors %s: the name must end in .fvecs, .bvecs or .npy",
                         options->vectors);
    }
    return CLI_OK;
}

/* The schema of --create, or nothing where the collection exists and none was described. */
static int make_schema(const cli_context *cli, const import_options *options,
                       const cli_importer *importer, bool exists, cli_text *schema)
{
    veer_error error = {0};
    if (!options->create || (exists && options->dims == 0 && options->metric == NULL &&
                             options->storage == NULL && options->schema == NULL)) {
        return CLI_OK;
    }
    if (options->schema != NULL) {
        veer_status status = source_read_all(options->schema, SCHEMA_BYTES_MAX, schema, &error);
        return status == VEER_OK ? CLI_OK : cli_fail(cli, &error);
    }
    uint32_t dims = importer->has_vectors ? importer->vectors.dims : (uint32_t)options->dims;
    if (dims == 0) {
        return cli_usage(cli, "--create needs --dims N or --schema FILE: documents do not say the "
                              "dimensions before they are read");
    }
    cli_simple_schema(schema, options->field != NULL ? options->field : CLI_DEFAULT_FIELD, dims,
                      options->metric != NULL ? options->metric : "cosine", options->storage);
    return schema->failed ? cli_fail_text(cli, VEER_E_NOMEM, "out of memory") : CLI_OK;
}

static int open_database(const cli_context *cli, const char *path, const import_options *options,
                         cli_importer *importer, cli_database *database)
{
    const char *name = options->collection;
    cli_text schema = {0};
    veer_error error = {0};
    if (options->dims != 0 && importer->has_vectors && options->dims != importer->vectors.dims) {
        return cli_fail_text(cli, VEER_E_DIMENSION, "%s: row 0 has %u dimensions, --dims says %llu",
                             importer->vectors.source.name, importer->vectors.dims,
                             (unsigned long long)options->dims);
    }
    bool is_new = options->create && cli_is_missing(path);
    int code = CLI_OK;
    if (is_new) {
        name = name != NULL ? name : CLI_DEFAULT_COLLECTION;
        code = make_schema(cli, options, importer, false, &schema);
        if (code == CLI_OK) {
            code = cli_try_collection(cli, name, schema.data);
        }
    }
    if (code == CLI_OK) {
        code = cli_open(cli, path, options->create ? CLI_CREATE : CLI_WRITE, database);
    }
    if (code == CLI_OK && !is_new) {
        if (name == NULL && options->create && cli_collections_count(database) == 0) {
            name = CLI_DEFAULT_COLLECTION;
        }
        bool exists = name == NULL || cli_collection_exists(database, name);
        code = make_schema(cli, options, importer, exists, &schema);
    }
    if (code == CLI_OK) {
        code = cli_use_collection(cli, path, name, schema.data, database);
    }
    cli_text_free(&schema);
    if (code != CLI_OK) {
        return code;
    }
    const cli_field *field = NULL;
    if (importer->has_vectors) {
        code = cli_vector_field(cli, database, options->field, &field);
        if (code != CLI_OK) {
            return code;
        }
    }
    return importer_bind(importer, database, field, &error) == VEER_OK ? CLI_OK
                                                                       : cli_fail(cli, &error);
}

static veer_status write_batch(const cli_importer *importer, bool insert, veer_error *error)
{
    veer_vectors vectors = {
        .data = importer->block.data,
        .stride_bytes = importer->block.stride_bytes,
    };
    if (importer->has_vectors) {
        vectors.field = importer->vector_field->name;
        vectors.dims = importer->vector_field->dims;
    }
    veer_operation operation = {
        .collection = importer->database->collection,
        .kind = insert ? VEER_WRITE_INSERT : VEER_WRITE_UPSERT,
        .documents = importer->documents.data,
        .documents_bytes = importer->documents.bytes,
        .count = importer->count,
        .vectors = importer->has_vectors ? &vectors : NULL,
        .vectors_count = importer->has_vectors ? 1 : 0,
    };
    return veer_write(importer->database->database, &operation, 1, NULL, error);
}

/* Why a batch was refused, with the rows that it holds. */
static int fail_batch(const cli_context *cli, const cli_importer *importer, const veer_error *error)
{
    const char *unit = importer->format == IMPORT_JSONL ? "lines" : "rows";
    return cli_fail_text(cli, error->status, "%s: %s %llu to %llu: %s", importer->path, unit,
                         (unsigned long long)importer->first, (unsigned long long)importer->last,
                         error->message);
}

/* All batches; *written counts the rows that are in. */
static int write_all(const cli_context *cli, const import_options *options, cli_importer *importer,
                     uint64_t *written)
{
    cli_progress progress;
    veer_error error = {0};
    int code = CLI_OK;
    progress_begin(&progress, cli, "import", "rows");
    while (code == CLI_OK && !cli_interrupted()) {
        veer_status status = importer_next(importer, &error);
        if (status != VEER_OK) {
            progress_end(&progress);
            code = status == VEER_E_ABORTED ? CLI_INTERRUPTED : cli_fail(cli, &error);
            break;
        }
        if (importer->count == 0) {
            break;
        }
        status = write_batch(importer, options->insert, &error);
        if (status != VEER_OK) {
            progress_end(&progress);
            code = fail_batch(cli, importer, &error);
            break;
        }
        *written += importer->count;
        progress_show(&progress, *written, 0, importer_share(importer));
    }
    if (code == CLI_OK && cli_interrupted()) {
        code = CLI_INTERRUPTED;
    }
    if (code == CLI_OK && !options->no_checkpoint) {
        cli_progress sealing;
        progress_begin(&sealing, cli, "checkpoint", NULL);
        if (veer_checkpoint(importer->database->database, progress_call, &sealing, &error) !=
            VEER_OK) {
            /* Cancelled by a signal: the rows are in the log, all of them. */
            code = error.status == VEER_E_ABORTED ? CLI_INTERRUPTED : cli_fail(cli, &error);
        }
        progress_end(&sealing);
    }
    progress_end(&progress);
    return code;
}

static void print_summary(const cli_context *cli, const import_options *options, uint64_t rows,
                          double seconds, int code)
{
    cli_text line = {0};
    if (options->json) {
        cli_text_format(&line, "{\"rows\":%llu,\"seconds\":%.6f,\"complete\":%s}\n",
                        (unsigned long long)rows, seconds, code == CLI_OK ? "true" : "false");
        fputs(line.failed ? "" : line.data, stdout);
        cli_text_free(&line);
        return;
    }
    cli_text_grouped(&line, rows);
    cli_text_string(&line, rows == 1 ? " row" : " rows");
    if (code == CLI_OK) {
        cli_text_format(&line, " in %.3g s (", seconds);
        cli_text_grouped(&line, seconds > 0 ? (uint64_t)((double)rows / seconds) : 0);
        cli_text_string(&line, " rows/s)");
    } else {
        cli_text_string(&line, code == CLI_INTERRUPTED ? " are in; interrupted, the rest is not"
                                                       : " were imported before this and stay");
    }
    if (line.failed) {
        cli_text_free(&line);
        return;
    }
    if (code == CLI_OK) {
        printf("%s\n", line.data);
    } else {
        cli_hint(cli, "%s", line.data);
    }
    cli_text_free(&line);
}

static int run(cli_context *cli, int argc, char **argv)
{
    import_options options = {0};
    cli_importer importer = {0};
    cli_database database = {0};
    import_format format = IMPORT_JSONL;
    vector_format vectors = VECTORS_FVECS;
    veer_error error = {0};
    int positionals = 0;
    uint64_t written = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    code = check(cli, &options);
    if (code == CLI_OK) {
        code = find_format(cli, argv[1], &options, &format, &vectors);
    }
    if (code != CLI_OK) {
        return code;
    }
    double started = cli_seconds();
    importer.id_field = options.id_field != NULL ? options.id_field : "id";
    importer.row_ids = options.row_ids;
    importer.batch_rows = options.batch != 0 ? options.batch : UINT64_MAX;
    importer.limited = options.limit != 0;
    importer.rows_left = options.limit;
    if (importer_open(&importer, argv[1], format, vectors, options.vectors, &error) != VEER_OK) {
        code = cli_fail(cli, &error);
    } else {
        cli_catch_interrupts();
        code = open_database(cli, argv[0], &options, &importer, &database);
    }
    if (code == CLI_OK) {
        code = write_all(cli, &options, &importer, &written);
        print_summary(cli, &options, written, cli_seconds() - started, code);
    }
    importer_close(&importer);
    return cli_finish(cli, cli_close(cli, &database, code));
}

const cli_command command_import = {
    .name = "import",
    .summary = "read documents or vectors from a file into a collection",
    .usage = "DB FILE [options]\n"
             "DB - --format FORMAT [options]",
    .description =
        "Reads FILE (- is standard input) and writes its documents, batch by batch; each batch is "
        "one transaction. An id that is there already is replaced.\n\n"
        "jsonl: one JSON object a line, with its id in \"id\" or in the key that --id-field "
        "names. Vectors are arrays in the objects, or rows of --vectors FILE.\n\n"
        "csv: RFC 4180 with a header line that names the fields; the schema says what a cell "
        "means. Columns that are not in the schema are stored as text.\n\n"
        "fvecs, bvecs, npy: vectors only; the row number is the id (\"0\", \"1\", ...). npy: "
        "two-dimensional, C order, <f4, <f8, <f2, |u1 or |i1.\n\n"
        "An error names file, row or line, and byte. The batches before it stay, the batch that "
        "has it changes nothing. Ctrl-C finishes the batch and says how many rows are in (exit "
        "status 130).",
    .examples = "veer import pages.veer pages.jsonl\n"
                "veer import pages.veer pages.jsonl --vectors pages.npy --create\n"
                "veer import sift.veer sift_base.fvecs --create --metric l2\n"
                "zcat pages.jsonl.gz | veer import pages.veer - --id-field url",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 2,
    .positionals_max = 2,
    .run = run,
};
