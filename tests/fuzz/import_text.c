/* import_text.c: libFuzzer target: the readers of JSON lines and of CSV over arbitrary files.
 *
 * The first byte picks the format, the rest is the file. JSON: every line goes through the strict
 * reader; a value that it passes must read the same when its members are walked, its strings
 * decode, and its layout for people must be the same value again. CSV: every record has as many
 * cells as the header, and cells lie inside the record.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_json.h"
#include "cli/readers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(int holds)
{
    if (!holds) abort();
}

/* Walks a checked value; the iterator must agree with the check. */
static void walk(json_slice value, int depth)
{
    json_iterator each;
    json_slice key = {0};
    json_slice element;
    json_kind kind = cli_json_kind_of(value);
    cli_text text = {0};
    if (kind == JSON_STRING) cli_json_string(value, &text);
    if (kind == JSON_NUMBER) (void)cli_json_number(value);
    cli_text_free(&text);
    if ((kind != JSON_OBJECT && kind != JSON_ARRAY) || depth > 12) return;
    size_t count = 0;
    cli_json_begin(&each, value.text, value.bytes);
    while (kind == JSON_OBJECT ? cli_json_member(&each, &key, &element)
                               : cli_json_element(&each, &element)) {
        demand(kind == JSON_ARRAY || key.text[-1] == '"');
        walk(element, depth + 1);
        count++;
    }
    demand(each.problem == NULL && cli_json_end(&each) && count == cli_json_count(value));
}

static void check_line(const char *line, size_t bytes)
{
    json_slice value;
    json_slice again;
    const char *problem = NULL;
    size_t position = 0;
    if (!cli_json_value(line, bytes, &value, &problem, &position)) {
        demand(problem != NULL && position <= bytes);
        return;
    }
    walk(value, 0);
    cli_text pretty = {0};
    cli_json_pretty(value, 0, &pretty);
    demand(cli_json_value(pretty.data, pretty.bytes, &again, &problem, &position));
    demand(cli_json_kind_of(again) == cli_json_kind_of(value));
    cli_text_free(&pretty);
}

static void read_lines(const uint8_t *data, size_t size)
{
    jsonl_reader reader = {0};
    veer_error error = {0};
    const char *line = NULL;
    size_t bytes = 0;
    uint64_t last = 0;
    source_memory(&reader.source, "input", data, size);
    veer_status status = jsonl_open(&reader, NULL, &error);
    while (status == VEER_OK) {
        status = jsonl_next(&reader, &line, &bytes, &error);
        if (line == NULL) break;
        demand(reader.line > last && memchr(line, '\n', bytes) == NULL);
        last = reader.line;
        check_line(line, bytes);
    }
    demand(status != VEER_OK || reader.next_offset == size);
    jsonl_close(&reader);
}

static void read_records(const uint8_t *data, size_t size)
{
    csv_reader reader = {0};
    veer_error error = {0};
    const csv_cell *cells = NULL;
    source_memory(&reader.source, "input", data, size);
    veer_status status = csv_open(&reader, NULL, &error);
    while (status == VEER_OK) {
        status = csv_next(&reader, &cells, &error);
        if (cells == NULL) break;
        demand(reader.cells_count == reader.columns && reader.columns > 0);
        for (size_t i = 0; i < reader.columns; i++) {
            demand(cells[i].start + cells[i].bytes < reader.record.bytes);
            demand(reader.record.data[cells[i].start + cells[i].bytes] == '\0');
        }
    }
    demand(status == VEER_OK ? reader.offset == size : error.message[0] != '\0');
    csv_close(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    if (data[0] % 2 == 0) {
        read_lines(data + 1, size - 1);
    } else {
        read_records(data + 1, size - 1);
    }
    return 0;
}
