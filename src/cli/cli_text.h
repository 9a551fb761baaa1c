/* cli_text.h: a growable text, and the few ways in which the command line writes into one.
 *
 * Running out of memory sets `failed` and leaves what was written; every later append does
 * nothing. So a caller may append many times and look once, before it uses the text.
 * `data` ends in 0 after each successful append (not counted in `bytes`).
 */
#ifndef VEER_CLI_TEXT_H
#define VEER_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "veer.h"

typedef struct cli_text {
    char *data;
    size_t bytes;
    size_t capacity;
    bool failed;
} cli_text;

/* Room for `bytes` more (and the 0); false where there is no memory. */
bool cli_text_reserve(cli_text *text, size_t bytes);
void cli_text_append(cli_text *text, const char *data, size_t bytes);
void cli_text_string(cli_text *text, const char *string);
void cli_text_byte(cli_text *text, char byte);
__attribute__((format(printf, 2, 3))) void cli_text_format(cli_text *text, const char *format, ...);
void cli_text_number(cli_text *text, uint64_t number);
/* `bytes` of UTF-8 as a JSON string, quotes included. Bytes that are not UTF-8 pass through;
 * whoever reads the JSON refuses them. */
void cli_text_json_string(cli_text *text, const char *data, size_t bytes);
/* Shortest decimal that reads back as the same double; null for NaN and infinities. */
void cli_text_json_number(cli_text *text, double number);
void cli_text_json_float(cli_text *text, float number); /* the same for a float */
/* `number` with separators between thousands, as people read it: 60,000. */
void cli_text_grouped(cli_text *text, uint64_t number);
/* Bytes as people read them: 812 B, 4.2 MiB. */
void cli_text_size(cli_text *text, uint64_t bytes);
/* Text of unknown origin for a terminal: control characters become visible escapes, and bytes
 * that are not UTF-8 become U+FFFD, so that no document can move the cursor. */
void cli_text_printable(cli_text *text, const char *data, size_t bytes);
/* Empties it and keeps the memory. */
void cli_text_clear(cli_text *text);
void cli_text_free(cli_text *text);

/* Fills an error and returns its status: for functions that report the way veer.h does. */
__attribute__((format(printf, 3, 4))) veer_status cli_error(veer_error *error, veer_status status,
                                                            const char *format, ...);

#endif
