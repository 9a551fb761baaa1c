/* cli_info.c: `veer info`: what is in a database, and where its bytes are.
 *
 * A table of collections with their fields, then the engine's figures (veer_stats) and what
 * opening found (veer_recovery_report). The figures are printed by their own names, so that a
 * figure that the engine adds appears here without a change.
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

/* "vector 128 cosine" or "keyword". */
static void field_summary(json_slice field, cli_text *text)
{
    json_slice dims = cli_json_get(field, "dims");
    append_plain(text, cli_json_get(field, "type"));
    if (dims.bytes > 0) {
        cli_text_byte(text, ' ');
        cli_text_append(text, dims.text, dims.bytes);
        cli_text_byte(text, ' ');
        append_plain(text, cli_json_get(field, "metric"));
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

/* A count of bytes is shown as a size: the figures of memory and storage, and what says so. */
static bool is_bytes(const cli_text *name)
{
    const char *text = name->data != NULL ? name->data : "";
    return strncmp(text, "memory.", 7) == 0 || strncmp(text, "storage.", 8) == 0 ||
           strstr(text, "ytes") != NULL;
}

/* Leaves of a JSON object as "part.part  value" lines. */
static void add_leaves(cli_table *table, const cli_text *prefix, json_slice value)
{
    json_iterator iterator;
    json_slice key;
    json_slice member;
    cli_text name = {0};
    cli_text cell = {0};
    cli_json_begin(&iterator, value.text, value.bytes);
    while (cli_json_member(&iterator, &key, &member)) {
        cli_text_clear(&name);
        cli_text_append(&name, prefix->data != NULL ? prefix->data : "", prefix->bytes);
        cli_text_string(&name, prefix->bytes > 0 ? "." : "");
        cli_text_append(&name, key.text, key.bytes);
        json_kind kind = cli_json_kind_of(member);
        if (kind == JSON_OBJECT) {
            add_leaves(table, &name, member);
            continue;
        }
        if (kind == JSON_ARRAY) {
            continue;
        }
        table_cell(table, name.data != NULL ? name.data : "", name.bytes);
        double number = cli_json_number(member);
        cli_text_clear(&cell);
        if (kind == JSON_NUMBER && number >= 0 && is_bytes(&name)) {
            cli_text_size(&cell, (uint64_t)number);
        } else if (kind == JSON_NUMBER && number >= 0 && number < 1e15 &&
                   number == (double)(uint64_t)number) {
            cli_text_grouped(&cell, (uint64_t)number);
        } else {
            append_plain(&cell, member);
        }
        table_cell(table, cell.data != NULL ? cell.data : "", cell.bytes);
    }
    table->cells.failed = table->cells.failed || name.failed || cell.failed;
    cli_text_free(&name);
    cli_text_free(&cell);
}

static veer_status print_figures(const cli_context *cli, json_slice stats)
{
    cli_table table = {0};
    cli_text prefix = {0};
    add_leaves(&table, &prefix, stats);
    if (table.count == 0) {
        cli_text_free(&table.cells);
        return VEER_OK;
    }
    printf("\n");
    return table_print_pairs(cli, &table);
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
        "Prints the collections with their fields and numbers of documents, then the engine's "
        "figures: rows, segments, deleted rows, bytes on disk and in memory by part, the log, the "
        "kernel tier, and what opening had to repair.",
    .examples = "veer info pages.veer\n"
                "veer info pages.veer --json",
    .options = options_table,
    .options_count = sizeof options_table / sizeof options_table[0],
    .positionals_min = 1,
    .positionals_max = 1,
    .run = run,
};
