/* read_csv.c: comma-separated values by RFC 4180: a header line, then records of as many cells.
 *
 *     a cell is plain up to the next comma or line end, or is in double quotes, where commas and
 *     line ends belong to it and "" is one quote; lines end in CR LF or LF
 *
 * The parser walks over a buffer and decodes a record into one text, so that a record may be
 * longer than the buffer; it may have at most LINE_BYTES_MAX bytes. Errors name the
 * line where the record starts (quoted cells may span lines), the row and the byte. Stricter than
 * the RFC: text after a closing quote and a quote inside a plain cell are errors, because both
 * come from writers that do not quote, and their next comma would shift the cells.
 */
#include <stdlib.h>
#include <string.h>

#include "readers.h"

enum { BUFFER_BYTES = 1 << 20, END = -1, BROKEN = -2 };

static int peek(csv_reader *reader, veer_error *error)
{
    if (reader->start == reader->end) {
        if (reader->ended) {
            return END;
        }
        size_t got = 0;
        if (source_read_some(&reader->source, reader->buffer, BUFFER_BYTES, &got, error) !=
            VEER_OK) {
            return BROKEN;
        }
        reader->start = 0;
        reader->end = got;
        reader->ended = got == 0;
        if (got == 0) {
            return END;
        }
    }
    return (unsigned char)reader->buffer[reader->start];
}

static void take(csv_reader *reader)
{
    reader->line += reader->buffer[reader->start] == '\n';
    reader->start++;
    reader->offset++;
}

static veer_status bad_record(const csv_reader *reader, const char *what, veer_error *error)
{
    return cli_error(error, VEER_E_SYNTAX,
                     "%s: row %llu (line %llu at byte %llu): at byte %llu: %s", reader->source.name,
                     (unsigned long long)reader->row, (unsigned long long)reader->record_line,
                     (unsigned long long)reader->record_offset, (unsigned long long)reader->offset,
                     what);
}

static veer_status too_long(const csv_reader *reader, veer_error *error)
{
    if (reader->record.failed) {
        return cli_error(error, VEER_E_NOMEM, "out of memory for row %llu of %s",
                         (unsigned long long)reader->row, reader->source.name);
    }
    return cli_error(error, VEER_E_LIMIT, "%s: row %llu (line %llu) has more than %d bytes",
                     reader->source.name, (unsigned long long)reader->row,
                     (unsigned long long)reader->record_line, LINE_BYTES_MAX);
}

/* Appends what the buffer holds up to one of the `stops` to the record. */
static veer_status take_run(csv_reader *reader, const char *stops, veer_error *error)
{
    size_t start = reader->start;
    while (reader->start < reader->end) {
        char c = reader->buffer[reader->start];
        if (c != '\0' && strchr(stops, c) != NULL) {
            break;
        }
        reader->line += c == '\n';
        reader->start++;
    }
    reader->offset += reader->start - start;
    cli_text_append(&reader->record, reader->buffer + start, reader->start - start);
    bool fits = !reader->record.failed && reader->record.bytes <= LINE_BYTES_MAX;
    return fits ? VEER_OK : too_long(reader, error);
}

/* A quoted cell, from its opening quote to behind its closing one. */
static veer_status quoted_cell(csv_reader *reader, veer_error *error)
{
    take(reader);
    for (;;) {
        int c = peek(reader, error);
        if (c == BROKEN) {
            return error->status;
        }
        if (c == END) {
            return bad_record(reader, "the file ends inside a quoted cell", error);
        }
        if (c != '"') {
            veer_status status = take_run(reader, "\"", error);
            if (status != VEER_OK) {
                return status;
            }
            continue;
        }
        take(reader);
        int next = peek(reader, error);
        if (next == BROKEN) {
            return error->status;
        }
        if (next != '"') {
            break;
        }
        take(reader);
        cli_text_byte(&reader->record, '"');
    }
    int c = peek(reader, error);
    if (c == BROKEN) {
        return error->status;
    }
    if (c != ',' && c != '\n' && c != '\r' && c != END) {
        return bad_record(reader, "text after a closing quote, expected a comma or the line's end",
                          error);
    }
    return VEER_OK;
}

static veer_status plain_cell(csv_reader *reader, veer_error *error)
{
    for (;;) {
        int c = peek(reader, error);
        if (c == BROKEN) {
            return error->status;
        }
        if (c == ',' || c == '\n' || c == '\r' || c == END) {
            return VEER_OK;
        }
        if (c == '"') {
            return bad_record(reader, "a quote inside a cell that is not quoted", error);
        }
        veer_status status = take_run(reader, ",\r\n\"", error);
        if (status != VEER_OK) {
            return status;
        }
    }
}

static veer_status add_cell(csv_reader *reader, csv_cell cell, veer_error *error)
{
    if (reader->cells_count == CSV_COLUMNS_MAX) {
        return bad_record(reader, "more than 4096 cells", error);
    }
    if (reader->cells_count == reader->cells_capacity) {
        size_t capacity = reader->cells_capacity == 0 ? 32 : reader->cells_capacity * 2;
        csv_cell *cells = realloc(reader->cells, capacity * sizeof *cells);
        if (cells == NULL) {
            reader->record.failed = true;
            return too_long(reader, error);
        }
        reader->cells = cells;
        reader->cells_capacity = capacity;
    }
    reader->cells[reader->cells_count] = cell;
    reader->cells_count++;
    return VEER_OK;
}

/* One record into `record` and `cells`; no cells at the end of the file. Blank lines are not
 * records. */
static veer_status read_record(csv_reader *reader, veer_error *error)
{
    cli_text_clear(&reader->record);
    reader->cells_count = 0;
    int c = peek(reader, error);
    while (c == '\n' || c == '\r') {
        take(reader);
        c = peek(reader, error);
    }
    if (c == BROKEN) {
        return error->status;
    }
    if (c == END) {
        return VEER_OK;
    }
    reader->record_line = reader->line;
    reader->record_offset = reader->offset;
    for (;;) {
        csv_cell cell = {.start = reader->record.bytes, .quoted = c == '"'};
        veer_status status = cell.quoted ? quoted_cell(reader, error) : plain_cell(reader, error);
        cell.bytes = reader->record.bytes - cell.start;
        cli_text_append(&reader->record, "", 1);
        if (status == VEER_OK) {
            status = add_cell(reader, cell, error);
        }
        if (status != VEER_OK) {
            return status;
        }
        c = peek(reader, error);
        if (c == ',') {
            take(reader);
            c = peek(reader, error);
            if (c != BROKEN) {
                continue;
            }
        }
        if (c == '\r') {
            take(reader);
            c = peek(reader, error);
            if (c != '\n' && c != END && c != BROKEN) {
                return bad_record(reader, "a carriage return without a line feed", error);
            }
        }
        if (c == BROKEN) {
            return error->status;
        }
        if (c == '\n') {
            take(reader);
        }
        return VEER_OK;
    }
}

static veer_status check_header(csv_reader *reader, veer_error *error)
{
    reader->header = reader->record;
    reader->header_cells = reader->cells;
    reader->columns = reader->cells_count;
    reader->record = (cli_text){0};
    reader->cells = NULL;
    reader->cells_capacity = 0;
    for (size_t i = 0; i < reader->columns; i++) {
        const char *heading = csv_heading(reader, i);
        if (heading[0] == '\0' || strlen(heading) != reader->header_cells[i].bytes) {
            return cli_error(error, VEER_E_SYNTAX, "%s: header: column %zu has no name",
                             reader->source.name, i + 1);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(heading, csv_heading(reader, j)) == 0) {
                return cli_error(error, VEER_E_SYNTAX,
                                 "%s: header: two columns are named \"%.64s\"", reader->source.name,
                                 heading);
            }
        }
    }
    return VEER_OK;
}

veer_status csv_open(csv_reader *reader, const char *path, veer_error *error)
{
    if (path != NULL) {
        *reader = (csv_reader){0};
        veer_status status = source_open(&reader->source, path, error);
        if (status != VEER_OK) {
            return status;
        }
    }
    reader->line = 1;
    reader->buffer = malloc(BUFFER_BYTES);
    if (reader->buffer == NULL) {
        return cli_error(error, VEER_E_NOMEM, "out of memory for reading %s", reader->source.name);
    }
    if (peek(reader, error) == 0xEF && reader->end >= 3 &&
        memcmp(reader->buffer, "\xEF\xBB\xBF", 3) == 0) {
        reader->start = 3;
        reader->offset = 3;
    }
    veer_status status = read_record(reader, error);
    if (status != VEER_OK) {
        return status;
    }
    if (reader->cells_count == 0) {
        return cli_error(error, VEER_E_SYNTAX, "%s is empty: the header line is missing",
                         reader->source.name);
    }
    return check_header(reader, error);
}

const char *csv_heading(const csv_reader *reader, size_t column)
{
    return reader->header.data + reader->header_cells[column].start;
}

veer_status csv_next(csv_reader *reader, const csv_cell **cells, veer_error *error)
{
    *cells = NULL;
    reader->row++;
    veer_status status = read_record(reader, error);
    if (status != VEER_OK || reader->cells_count == 0) {
        return status;
    }
    if (reader->cells_count != reader->columns) {
        return cli_error(error, VEER_E_SYNTAX,
                         "%s: row %llu (line %llu at byte %llu): %zu cells, the header has %zu",
                         reader->source.name, (unsigned long long)reader->row,
                         (unsigned long long)reader->record_line,
                         (unsigned long long)reader->record_offset, reader->cells_count,
                         reader->columns);
    }
    *cells = reader->cells;
    return VEER_OK;
}

void csv_close(csv_reader *reader)
{
    source_close(&reader->source);
    free(reader->buffer);
    free(reader->header_cells);
    free(reader->cells);
    cli_text_free(&reader->header);
    cli_text_free(&reader->record);
    *reader = (csv_reader){.source.file = -1};
}
