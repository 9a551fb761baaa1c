/* cli_info.c: `veer info`: what is in a database, and where its bytes are.
 *
 * A table of collections with their fields, then the engine's figures (veer_stats) in words, and
 * what opening found (veer_recovery_report). --json has every figure by its own name.
 */
#include <stdio.h>
#include <string.h>

#include "cli_database.h"
#include "cli_options.h"
#include "cli_output.h"

typedef struct info_options {
    bool json;
} info_options;

static const cli_option options_table[] = {
    {"json", 0, CLI_FLAG, offsetof(info_options, json), NULL, 0, 0,
     "print {\"collections\", \"stats\", \"recovery\"} as JSON"},
};

static void append_plain(cli_text *text, json_slice value)
{
    if (cli_json_kind_of(value) == JSON_STRING) {
        cli_json_string(value, text);
    } else {
        cli_text_append(text, value.text, value.bytes);
    }
}

/* "vector 128 cosine", "vector 128 cosine f16" or "keyword". */
static void field_summary(json_slice field, cli_text *text)
{
    json_slice dims = cli_json_get(field, "dims");
    json_slice storage = cli_json_get(field, "storage");
    append_plain(text, cli_json_get(field, "type"));
    if (dims.bytes > 0) {
        cli_text_byte(text, ' ');
        cli_text_append(text, dims.text, dims.bytes);
        cli_text_byte(text, ' ');
        append_plain(text, cli_json_get(field, "metric"));
    }
    if (storage.bytes > 0) {
        cli_text_byte(text, ' ');
        append_plain(text, storage);
    }
}

static veer_status print_collections(const cli_context *cli, json_slice collections)
{
    static const cli_column columns[] = {
        {"collection", false}, {"documents", true}, {"fields", false}};
    cli_table table = {.columns = columns, .columns_count = 3};
    json_iterator iterator;
    json_iterator fields;
    json_slice entry;
    json_slice name;
    json_slice field;
    cli_text cell = {0};
    cli_json_begin(&iterator, collections.text, collections.bytes);
    while (cli_json_element(&iterator, &entry)) {
        cli_text_clear(&cell);
        append_plain(&cell, cli_json_get(entry, "name"));
        table_cell(&table, cell.data, cell.bytes);
        table_cell_grouped(&table, (uint64_t)cli_json_number(cli_json_get(entry, "count")));
        cli_text_clear(&cell);
        json_slice all = cli_json_get(cli_json_get(entry, "schema"), "fields");
        cli_json_begin(&fields, all.text, all.bytes);
        while (cli_json_member(&fields, &name, &field)) {
            cli_text_string(&cell, cell.bytes > 0 ? ", " : "");
            cli_text_append(&cell, name.text, name.bytes);
            cli_text_string(&cell, " (");
            field_summary(field, &cell);
            cli_text_byte(&cell, ')');
        }
        table_cell(&table, cell.data != NULL ? cell.data : "", cell.bytes);
    }
    table.cells.failed = table.cells.failed || cell.failed;
    cli_text_free(&cell);
    if (table.count == 0) {
        printf("no collections\n");
        cli_text_free(&table.cells);
        return VEER_OK;
    }
    return table_print(cli, &table);
}

/* ---- figures: where they are in veer_stats, and what people call them */

typedef struct figure {
    const char *part; /* NULL: at the top */
    const char *key;
    const char *label;
} figure;

static const figure counts[] = {
    {NULL, "rows", "rows stored"},
    {NULL, "tombstones", "of them replaced or deleted, until compaction"},
    {NULL, "segments", "segments"},
    {NULL, "lsn", "number of the last record written (LSN)"},
};
static const figure on_storage[] = {
    {"storage", "segments", "segments: documents, vectors, indexes"},
    {"storage", "wal", "log: the latest writes"},
    {"storage", "catalogue", "catalogue: which segments there are"},
    {"storage", "meta", "superblocks"},
    {"storage", "total", "in all"},
};
static const figure in_memory[] = {
    {"memory", "active", "rows not yet in segments"},
    {"memory", "sealed", "opened segments"},
    {"memory", "cache", "cache of blocks and documents"},
    {"memory", "used", "in all"},
    {"memory", "peak", "at most since opening"},
    {"memory", "mapped", "mapped files, which the system lends"},
};

typedef struct figure_table {
    const char *heading, *unit;
    const figure *figures;
    size_t count;
    bool are_bytes;
} figure_table;

#define FIGURES(list) (list), sizeof(list) / sizeof((list)[0])

static veer_status print_figures(const cli_context *cli, json_slice stats)
{
    static const figure_table tables[] = {
        {"rows", "count", FIGURES(counts), false},
        {"on storage", "size", FIGURES(on_storage), true},
        {"in memory", "size", FIGURES(in_memory), true},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        const cli_column columns[] = {{tables[i].heading, false}, {tables[i].unit, true}};
        cli_table table = {.columns = columns, .columns_count = 2};
        for (size_t j = 0; j < tables[i].count; j++) {
            const figure *from = &tables[i].figures[j];
            json_slice part = from->part != NULL ? cli_json_get(stats, from->part) : stats;
            uint64_t number = (uint64_t)cli_json_number(cli_json_get(part, from->key));
            table_cell(&table, from->label, strlen(from->label));
            if (tables[i].are_bytes) {
                table_cell_size(&table, number);
            } else {
                table_cell_grouped(&table, number);
            }
        }
        printf("\n");
        veer_status status = table_print(cli, &table);
        if (status != VEER_OK) {
            return status;
        }
    }
    return VEER_OK;
}

static void print_engine(json_slice stats)
{
    cli_text text = {0};
    cli_text_string(&text, "veer ");
    append_plain(&text, cli_json_get(stats, "version"));
    cli_text_string(&text, ", compares with ");
    append_plain(&text, cli_json_get(stats, "tier"));
    printf("\n%s\n", text.failed ? "" : text.data);
    cli_text_free(&text);
}

static void print_messages(json_slice recovery)
{
    json_iterator iterator;
    json_slice message;
    json_slice messages = cli_json_get(recovery, "messages");
    cli_text text = {0};
    cli_text safe = {0};
    cli_json_begin(&iterator, messages.text, messages.bytes);
    while (cli_json_kind_of(messages) == JSON_ARRAY && cli_json_element(&iterator, &message)) {
        cli_text_clear(&text);
        cli_text_clear(&safe);
        append_plain(&text, message);
        cli_text_printable(&safe, text.data != NULL ? text.data : "", text.bytes);
        printf("note: %s\n", safe.data != NULL ? safe.data : "");
    }
    cli_text_free(&text);
    cli_text_free(&safe);
}

static int run(cli_context *cli, int argc, char **argv)
{
    info_options options = {0};
    cli_database database = {0};
    veer_buffer collections = {0};
    veer_buffer stats = {0};
    veer_buffer recovery = {0};
    veer_error error = {0};
    int positionals = 0;
    int code = cli_parse(cli, argc, argv, &options, &positionals);
    if (code != CLI_GO) {
        return code;
    }
    code = cli_open(cli, argv[0], CLI_READ, &database);
    if (code != CLI_OK) {
        return code;
    }
    if (veer_collections(database.database, &collections, &error) != VEER_OK ||
        veer_stats(database.database, &stats, &error) != VEER_OK ||
        veer_recovery_report(database.database, &recovery, &error) != VEER_OK) {
        code = cli_fail(cli, &error);
    } else if (options.json) {
        printf("{\"collections\":%s,\"stats\":%s,\"recovery\":%s}\n", collections.data, stats.data,
               recovery.data);
    } else {
        veer_status status =
            print_collections(cli, (json_slice){collections.data, collections.bytes});
        if (status == VEER_OK) {
            status = print_figures(cli, (json_slice){stats.data, stats.bytes});
        }
        if (status == VEER_OK) {
            print_engine((json_slice){stats.data, stats.bytes});
        }
        print_messages((json_slice){recovery.data, recovery.bytes});
        code = status == VEER_OK ? CLI_OK : cli_fail_text(cli, status, "out of memory");
    }
    veer_buffer_free(&collections);
    veer_buffer_free(&stats);
    veer_buffer_free(&recovery);
    return cli_finish(cli, cli_close(cli, &database, code));
}

const cli_command command_info = {
    .name = "info",
    .summary = "show collections, fields, rows and where the bytes are",
    .usage = "DB [--json]",
    .description =
        "Prints the collections with their fields and numbers of documents, then rows and "
        "segments, bytes on storage and in memory by part, the version and its kernels, and what "
        "opening had to repair. --json has every figure, by collection and segment too.",
    .examples = "veer info pages.veer\n"
                "veer info pages.veer --json",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
