/* cli_import_text.c: one JSON line or one CSV record becomes one document of a batch.
 *
 * JSON: a line is checked from end to end and copied as it is. Only its id may be rewritten: a
 * number becomes a string, a key named by --id-field becomes "id" as well, --row-ids puts the row
 * number there. Arrays of vector fields are counted against the schema's dimensions.
 *
 * CSV: the schema decides what a cell means. Number: a JSON number. Bool: true/false, yes/no,
 * 1/0. Time: an integer (milliseconds since 1970) or an ISO 8601 text. Vector: a JSON array or
 * numbers between blanks. Everything else is text. An empty cell that is not quoted is left out
 * of the document.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli_importer.h"

static veer_status line_error(const cli_importer *importer, veer_status status, size_t at,
                              veer_error *error, const char *what)
{
    const jsonl_reader *lines = &importer->lines;
    return cli_error(error, status, "%s: line %llu at byte %llu: %s", lines->source.name,
                     (unsigned long long)lines->line, (unsigned long long)(lines->line_offset + at),
                     what);
}

/* Elements of a flat array of numbers by its commas; exact for every array that is one. */
static size_t commas_plus_one(json_slice array)
{
    size_t count = 1;
    for (size_t i = 0; i < array.bytes; i++) {
        count += array.text[i] == ',';
    }
    return count;
}

static veer_status check_vector(const cli_importer *importer, json_slice key, json_slice value,
                                size_t at, veer_error *error)
{
    const cli_field *field = cli_find_field(importer->database, key.text, key.bytes);
    if (field == NULL || field->type != TYPE_VECTOR || cli_json_kind_of(value) != JSON_ARRAY ||
        commas_plus_one(value) == field->dims) {
        return VEER_OK;
    }
    size_t count = cli_json_count(value);
    if (count == field->dims) {
        return VEER_OK;
    }
    char what[200];
    (void)snprintf(what, sizeof what, "field \"%s\" has %zu values, its dimensions are %u",
                   field->name, count, field->dims);
    return line_error(importer, VEER_E_DIMENSION, at, error, what);
}

/* The id as JSON text: a string stays, an integer is put into quotes. */
static bool append_id(cli_text *documents, json_slice id)
{
    if (cli_json_kind_of(id) == JSON_STRING) {
        cli_text_append(documents, id.text, id.bytes);
        return true;
    }
    if (cli_json_kind_of(id) != JSON_NUMBER || strcspn(id.text, ".eE") < id.bytes) {
        return false;
    }
    cli_text_byte(documents, '"');
    cli_text_append(documents, id.text, id.bytes);
    cli_text_byte(documents, '"');
    return true;
}

/* The line again with its id first, and without the "id" that it had. */
static veer_status compose_line(cli_importer *importer, const char *line, size_t bytes,
                                json_slice id, veer_error *error)
{
    cli_text *documents = &importer->documents;
    json_iterator iterator;
    json_slice key;
    json_slice value;
    cli_text_string(documents, "{\"id\":");
    if (importer->row_ids) {
        cli_text_format(documents, "\"%llu\"", (unsigned long long)importer->rows);
    } else if (!append_id(documents, id)) {
        char what[120];
        (void)snprintf(what, sizeof what, "\"%.64s\" must be a string or an integer",
                       importer->id_field);
        return line_error(importer, VEER_E_ID, (size_t)(id.text - line), error, what);
    }
    cli_json_begin(&iterator, line, bytes);
    while (cli_json_member(&iterator, &key, &value)) {
        if (cli_json_key_is(key, "id")) {
            continue;
        }
        cli_text_append(documents, ",\"", 2);
        cli_text_append(documents, key.text, key.bytes);
        cli_text_append(documents, "\":", 2);
        cli_text_append(documents, value.text, value.bytes);
    }
    cli_text_append(documents, "}\n", 2);
    return VEER_OK;
}

veer_status import_line(cli_importer *importer, const char *line, size_t bytes, veer_error *error)
{
    json_iterator iterator;
    json_slice key;
    json_slice value;
    json_slice id = {0};
    bool id_is_plain = false;
    cli_json_begin(&iterator, line, bytes);
    if (iterator.problem != NULL || iterator.closing != '}') {
        return line_error(importer, VEER_E_SYNTAX, 0, error, "expected an object, { ... }");
    }
    while (cli_json_member(&iterator, &key, &value)) {
        if (cli_json_key_is(key, importer->id_field)) {
            id = value;
            id_is_plain =
                cli_json_kind_of(value) == JSON_STRING && strcmp(importer->id_field, "id") == 0;
        }
        veer_status status = check_vector(importer, key, value, (size_t)(value.text - line), error);
        if (status != VEER_OK) {
            return status;
        }
    }
    if (!cli_json_end(&iterator)) {
        char what[120];
        (void)snprintf(what, sizeof what, "not JSON: expected %s", iterator.problem);
        return line_error(importer, VEER_E_SYNTAX, cli_json_position(&iterator), error, what);
    }
    if (importer->row_ids || (id.bytes > 0 && !id_is_plain)) {
        return compose_line(importer, line, bytes, id, error);
    }
    if (id.bytes == 0) {
        char what[240];
        (void)snprintf(what, sizeof what,
                       "there is no \"%.64s\"; name the key with the ids by --id-field, or take "
                       "row numbers with --row-ids",
                       importer->id_field);
        return line_error(importer, VEER_E_ID, 0, error, what);
    }
    cli_text_append(&importer->documents, line, bytes);
    cli_text_byte(&importer->documents, '\n');
    return VEER_OK;
}

/* ---- CSV */

static veer_status cell_error(const cli_importer *importer, veer_status status, size_t column,
                              const char *cell, const char *expected, veer_error *error)
{
    const csv_reader *cells = &importer->cells;
    return cli_error(
        error, status, "%s: row %llu (line %llu): column \"%.64s\": \"%.40s\" is not %s",
        cells->source.name, (unsigned long long)cells->row, (unsigned long long)cells->record_line,
        csv_heading(cells, column), cell, expected);
}

static bool is_number(const char *text, size_t bytes)
{
    json_slice value;
    const char *problem = NULL;
    size_t position = 0;
    return cli_json_value(text, bytes, &value, &problem, &position) &&
           cli_json_kind_of(value) == JSON_NUMBER;
}

static const char *bool_word(const char *cell)
{
    static const char *const words[][2] = {
        {"true", "true"}, {"false", "false"}, {"1", "true"}, {"0", "false"},
        {"yes", "true"},  {"no", "false"},    {"t", "true"}, {"f", "false"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(words[i][0], cell) == 0) {
            return words[i][1];
        }
    }
    return NULL;
}

/* "[1, 2]" as it is, "1 2" with brackets and commas; each element must be a JSON number. */
static veer_status vector_cell(cli_importer *importer, size_t column, const char *cell,
                               size_t bytes, veer_error *error)
{
    cli_text *documents = &importer->documents;
    const cli_field *field = importer->columns[column].field;
    size_t start = documents->bytes;
    if (cell[strspn(cell, " \t")] == '[') {
        cli_text_append(documents, cell, bytes);
    } else {
        cli_text_byte(documents, '[');
        for (const char *at = cell + strspn(cell, " \t\r\n"); *at != '\0';) {
            size_t length = strcspn(at, " \t\r\n");
            cli_text_append(documents, at, length);
            at += length;
            at += strspn(at, " \t\r\n");
            cli_text_string(documents, *at != '\0' ? "," : "");
        }
        cli_text_byte(documents, ']');
    }
    if (documents->failed) {
        return cli_error(error, VEER_E_NOMEM, "out of memory for a batch");
    }
    json_slice value;
    const char *problem = NULL;
    size_t position = 0;
    if (!cli_json_value(documents->data + start, documents->bytes - start, &value, &problem,
                        &position) ||
        cli_json_kind_of(value) != JSON_ARRAY) {
        return cell_error(importer, VEER_E_SYNTAX, column, cell, "a vector ([1, 2] or 1 2)", error);
    }
    size_t count = cli_json_count(value);
    if (count != field->dims) {
        return cli_error(error, VEER_E_DIMENSION,
                         "%s: row %llu (line %llu): field \"%s\" has %zu values, its dimensions "
                         "are %u",
                         importer->cells.source.name, (unsigned long long)importer->cells.row,
                         (unsigned long long)importer->cells.record_line, field->name, count,
                         field->dims);
    }
    return VEER_OK;
}

static veer_status typed_cell(cli_importer *importer, size_t column, const char *cell, size_t bytes,
                              veer_error *error)
{
    cli_text *documents = &importer->documents;
    const cli_field *field = importer->columns[column].field;
    switch (field != NULL ? field->type : TYPE_TEXT) {
    case TYPE_VECTOR:
        return vector_cell(importer, column, cell, bytes, error);
    case TYPE_NUMBER:
        if (!is_number(cell, bytes)) {
            return cell_error(importer, VEER_E_TYPE, column, cell, "a number", error);
        }
        cli_text_append(documents, cell, bytes);
        return VEER_OK;
    case TYPE_BOOL:
        if (bool_word(cell) == NULL) {
            return cell_error(importer, VEER_E_TYPE, column, cell, "a bool (true or false)", error);
        }
        cli_text_string(documents, bool_word(cell));
        return VEER_OK;
    case TYPE_TIME:
        if (is_number(cell, bytes)) {
            cli_text_append(documents, cell, bytes);
            return VEER_OK;
        }
        break;
    case TYPE_TEXT:
    case TYPE_KEYWORD:
    case TYPE_OTHER:
        break;
    }
    cli_text_json_string(documents, cell, bytes);
    return VEER_OK;
}

static bool is_textual(const cli_field *field)
{
    return field == NULL || field->type == TYPE_TEXT || field->type == TYPE_KEYWORD ||
           field->type == TYPE_OTHER;
}

veer_status import_record(cli_importer *importer, const csv_cell *cells, veer_error *error)
{
    cli_text *documents = &importer->documents;
    const csv_reader *reader = &importer->cells;
    cli_text_string(documents, "{\"id\":");
    if (importer->row_ids) {
        cli_text_format(documents, "\"%llu\"", (unsigned long long)importer->rows);
    }
    for (size_t i = 0; i < reader->columns; i++) {
        if (importer->columns[i].is_id) {
            cli_text_json_string(documents, reader->record.data + cells[i].start, cells[i].bytes);
        }
    }
    for (size_t i = 0; i < reader->columns; i++) {
        const char *heading = csv_heading(reader, i);
        const char *cell = reader->record.data + cells[i].start;
        bool nothing =
            cells[i].bytes == 0 && (!cells[i].quoted || !is_textual(importer->columns[i].field));
        if (nothing || strcmp(heading, "id") == 0) {
            continue;
        }
        cli_text_byte(documents, ',');
        cli_text_json_string(documents, heading, strlen(heading));
        cli_text_byte(documents, ':');
        veer_status status = typed_cell(importer, i, cell, cells[i].bytes, error);
        if (status != VEER_OK) {
            return status;
        }
    }
    cli_text_append(documents, "}\n", 2);
    return VEER_OK;
}
