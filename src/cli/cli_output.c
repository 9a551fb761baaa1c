/* cli_output.c: tables, the progress line, the clock (cli_output.h has the contract).
 *
 * Widths are counted in code points, wide East Asian characters and emoji as two, which is what
 * terminals do. Combining marks count as one; a table may be a little wide for them, never
 * narrow.
 */
#define _GNU_SOURCE
#include "cli_output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { COLUMN_GAP = 2, BAR_CELLS = 24 };

static const double REDRAW_SECONDS = 0.1;
static const double FIRST_DRAW_SECONDS = 0.25; /* what is quicker needs no bar */

double cli_seconds(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The code point at `at` (well-formed UTF-8: cli_text_printable made it) and its length. */
static size_t code_point(const char *at, uint32_t *point)
{
    const unsigned char *bytes = (const unsigned char *)at;
    if (bytes[0] < 0x80) {
        *point = bytes[0];
        return 1;
    }
    if (bytes[0] < 0xE0) {
        *point = (uint32_t)(bytes[0] & 0x1F) << 6 | (bytes[1] & 0x3F);
        return 2;
    }
    if (bytes[0] < 0xF0) {
        *point = (uint32_t)(bytes[0] & 0x0F) << 12 | (uint32_t)(bytes[1] & 0x3F) << 6 |
                 (bytes[2] & 0x3F);
        return 3;
    }
    *point = (uint32_t)(bytes[0] & 0x07) << 18 | (uint32_t)(bytes[1] & 0x3F) << 12 |
             (uint32_t)(bytes[2] & 0x3F) << 6 | (bytes[3] & 0x3F);
    return 4;
}

/* Terminal cells of a code point: two in the wide blocks of Unicode's EastAsianWidth, joined to
 * whole ranges. */
static size_t cells_of(uint32_t point)
{
    bool wide = (point >= 0x1100 && point <= 0x115F) || (point >= 0x2E80 && point <= 0xA4CF) ||
                (point >= 0xAC00 && point <= 0xD7A3) || (point >= 0xF900 && point <= 0xFAFF) ||
                (point >= 0xFE30 && point <= 0xFE6F) || (point >= 0xFF00 && point <= 0xFF60) ||
                (point >= 0xFFE0 && point <= 0xFFE6) || (point >= 0x1F300 && point <= 0x1FAFF) ||
                (point >= 0x20000 && point <= 0x3FFFD);
    return wide ? 2 : 1;
}

/* Width of a text in cells; *cut receives the bytes that fit into `limit` cells. */
static size_t width_of(const char *text, size_t limit, size_t *cut)
{
    size_t width = 0;
    size_t at = 0;
    *cut = 0;
    while (text[at] != '\0') {
        uint32_t point = 0;
        size_t bytes = code_point(text + at, &point);
        width += cells_of(point);
        at += bytes;
        if (width <= limit) {
            *cut = at;
        }
    }
    return width;
}

void table_cell(cli_table *table, const char *data, size_t bytes)
{
    cli_text_printable(&table->cells, data, bytes);
    cli_text_append(&table->cells, "", 1);
    table->count++;
}

void table_cell_format(cli_table *table, const char *format, ...)
{
    char cell[200];
    va_list arguments;
    va_start(arguments, format);
    int bytes = vsnprintf(cell, sizeof cell, format, arguments);
    va_end(arguments);
    size_t most = sizeof cell - 1;
    table_cell(table, cell, bytes < 0 ? 0 : (size_t)bytes < most ? (size_t)bytes : most);
}

void table_cell_grouped(cli_table *table, uint64_t number)
{
    cli_text_grouped(&table->cells, number);
    cli_text_append(&table->cells, "", 1);
    table->count++;
}

void table_cell_size(cli_table *table, uint64_t bytes)
{
    cli_text_size(&table->cells, bytes);
    cli_text_append(&table->cells, "", 1);
    table->count++;
}

static void print_cell(const cli_context *cli, const char *text, size_t width, bool right,
                       bool last, size_t room)
{
    size_t cut = 0;
    size_t own = width_of(text, SIZE_MAX, &cut);
    if (last && cli->stdout_terminal && own > room && room > 1) {
        (void)width_of(text, room - 1, &cut);
        printf("%.*s\xE2\x80\xA6", (int)cut, text);
        return;
    }
    size_t padding = own < width ? width - own : 0;
    if (right) {
        printf("%*s%s", (int)padding, "", text);
    } else {
        printf("%s%*s", text, last ? 0 : (int)padding, "");
    }
}

static veer_status print_rows(const cli_context *cli, cli_table *table, bool headings)
{
    size_t columns = table->columns_count;
    size_t widths[CLI_TABLE_COLUMNS_MAX] = {0};
    size_t cut = 0;
    if (table->cells.failed || columns > CLI_TABLE_COLUMNS_MAX) {
        cli_text_free(&table->cells);
        return VEER_E_NOMEM;
    }
    for (size_t i = 0; i < columns && headings; i++) {
        widths[i] = width_of(table->columns[i].heading, SIZE_MAX, &cut);
    }
    const char *at = table->cells.data;
    for (size_t i = 0; i < table->count; i++) {
        size_t width = width_of(at, SIZE_MAX, &cut);
        widths[i % columns] = width > widths[i % columns] ? width : widths[i % columns];
        at += strlen(at) + 1;
    }
    size_t before_last = 0;
    for (size_t i = 0; i + 1 < columns; i++) {
        before_last += widths[i] + COLUMN_GAP;
    }
    size_t room = cli->columns > before_last ? cli->columns - before_last : 0;
    for (size_t i = 0; i < columns && headings; i++) {
        fputs(cli->stdout_colours ? "\033[1m" : "", stdout);
        print_cell(cli, table->columns[i].heading, widths[i], table->columns[i].right,
                   i + 1 == columns, room);
        fputs(cli->stdout_colours ? "\033[0m" : "", stdout);
        fputs(i + 1 == columns ? "\n" : "  ", stdout);
    }
    at = table->cells.data;
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % columns;
        bool bold = !headings && column == 0 && cli->stdout_colours;
        fputs(bold ? "\033[1m" : "", stdout);
        print_cell(cli, at, widths[column], table->columns[column].right, column + 1 == columns,
                   room);
        fputs(bold ? "\033[0m" : "", stdout);
        fputs(column + 1 == columns ? "\n" : "  ", stdout);
        at += strlen(at) + 1;
    }
    cli_text_free(&table->cells);
    table->count = 0;
    return VEER_OK;
}

veer_status table_print(const cli_context *cli, cli_table *table)
{
    return print_rows(cli, table, true);
}

veer_status table_print_pairs(const cli_context *cli, cli_table *table)
{
    static const cli_column pairs[] = {{"", false}, {"", false}};
    table->columns = pairs;
    table->columns_count = 2;
    return print_rows(cli, table, false);
}

void progress_begin(cli_progress *progress, const cli_context *cli, const char *label,
                    const char *unit)
{
    *progress = (cli_progress){.cli = cli, .label = label, .unit = unit, .started = cli_seconds()};
}

static void put_duration(cli_text *line, double seconds)
{
    uint64_t whole = seconds < 0 ? 0 : (uint64_t)(seconds + 0.5);
    if (whole >= 3600) {
        cli_text_format(line, "%" PRIu64 ":%02u:%02u", whole / 3600, (unsigned)(whole / 60 % 60),
                        (unsigned)(whole % 60));
    } else {
        cli_text_format(line, "%u:%02u", (unsigned)(whole / 60), (unsigned)(whole % 60));
    }
}

void progress_show(cli_progress *progress, uint64_t done, uint64_t total, double share)
{
    if (!progress->cli->stderr_terminal) {
        return;
    }
    double now = cli_seconds();
    double elapsed = now - progress->started;
    if (elapsed < FIRST_DRAW_SECONDS || now - progress->drawn < REDRAW_SECONDS) {
        return;
    }
    progress->drawn = now;
    progress->shown = true;
    if (share < 0 && total > 0) {
        share = (double)done / (double)total;
    }
    share = share > 1 ? 1 : share;
    cli_text line = {0};
    cli_text_format(&line, "\r\033[K%s ", progress->label);
    if (share >= 0) {
        int filled = (int)(share * BAR_CELLS);
        cli_text_byte(&line, '[');
        for (int i = 0; i < BAR_CELLS; i++) {
            cli_text_byte(&line, i < filled ? '=' : i == filled ? '>' : ' ');
        }
        cli_text_format(&line, "] %3.0f %%", share * 100);
    }
    if (progress->unit != NULL) {
        cli_text_string(&line, "  ");
        cli_text_grouped(&line, done);
        cli_text_format(&line, " %s, ", progress->unit);
        cli_text_grouped(&line, (uint64_t)((double)done / elapsed));
        cli_text_string(&line, "/s");
    }
    if (share > 0.01) {
        cli_text_string(&line, "  ");
        put_duration(&line, elapsed * (1 - share) / share);
        cli_text_string(&line, " left");
    }
    if (!line.failed) {
        fputs(line.data, stderr);
        (void)fflush(stderr);
    }
    cli_text_free(&line);
}

void progress_end(cli_progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        (void)fflush(stderr);
        progress->shown = false;
    }
}

bool progress_call(void *progress, uint64_t done, uint64_t total)
{
    progress_show(progress, done, total, -1);
    return !cli_interrupted();
}
