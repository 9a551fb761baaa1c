/* cli_output.h: tables for people, a progress line for terminals, the clock.
 *
 * What goes to standard output is complete and plain in a pipe; on a terminal headings have a
 * colour and the last column is cut at the edge. The progress line goes to standard error, only
 * where that is a terminal, and is wiped when the work ends: a log never contains one.
 */
#ifndef VEER_CLI_OUTPUT_H
#define VEER_CLI_OUTPUT_H

#include "cli.h"
#include "cli_text.h"

/* ---- tables */

typedef struct cli_column {
    const char *heading;
    bool right; /* numbers are aligned to the right */
} cli_column;

/* Cells are gathered first, because widths come from all of them. */
typedef struct cli_table {
    const cli_column *columns;
    size_t columns_count;
    cli_text cells; /* every cell's text, one after the other, each ending in 0 */
    size_t count;   /* cells so far */
} cli_table;

enum { CLI_TABLE_COLUMNS_MAX = 16 };

void table_cell(cli_table *table, const char *data, size_t bytes);
__attribute__((format(printf, 2, 3))) void table_cell_format(cli_table *table, const char *format,
                                                             ...);
void table_cell_grouped(cli_table *table, uint64_t number);
void table_cell_size(cli_table *table, uint64_t bytes);
/* Prints and frees it; VEER_E_NOMEM where cells are missing for want of memory. */
veer_status table_print(const cli_context *cli, cli_table *table);
/* "heading   value" lines: a table of two columns without a heading. */
veer_status table_print_pairs(const cli_context *cli, cli_table *table);

/* ---- progress */

typedef struct cli_progress {
    const cli_context *cli;
    const char *label; /* "import" */
    const char *unit;  /* "rows"; NULL: done and total are of no unit, show only the share */
    double started;    /* seconds */
    double drawn;
    bool shown;
} cli_progress;

void progress_begin(cli_progress *progress, const cli_context *cli, const char *label,
                    const char *unit);
/* `done` of `total` units (0: unknown); `share` is the part that is done where it is known better
 * than by done / total, else < 0. Draws at most ten times a second. */
void progress_show(cli_progress *progress, uint64_t done, uint64_t total, double share);
/* Wipes the line. */
void progress_end(cli_progress *progress);
/* As a veer_progress with the cli_progress as context: also cancels after a signal. */
bool progress_call(void *progress, uint64_t done, uint64_t total);

/* Seconds of a monotonic clock, with no fixed zero. */
double cli_seconds(void);

#endif
