/* cli_json.h: a strict reader of JSON (RFC 8259) for what the command line must look at itself.
 *
 * The reader makes no tree. A value is a slice of the text that it came from; members and
 * elements are walked with an iterator, which checks the grammar of what it passes. So a document
 * is checked once, while its keys are looked at, and everything else of it goes on to the engine
 * byte for byte. Nesting is limited to JSON_DEPTH_MAX. Escapes in strings are checked; that their
 * bytes are UTF-8 is left to the engine, which gets them unchanged.
 *
 * A text must be followed by a byte that continues no number (a 0, a line feed): numbers are
 * converted where they lie.
 */
#ifndef VEER_CLI_JSON_H
#define VEER_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli_text.h"

enum { JSON_DEPTH_MAX = 256 };

typedef enum json_kind {
    JSON_NONE = 0, /* an empty slice: there is no value */
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} json_kind;

typedef struct json_slice {
    const char *text;
    size_t bytes;
} json_slice;

typedef struct json_iterator {
    const char *start; /* of the whole text, for positions in messages */
    const char *at;
    const char *end;
    const char *problem; /* NULL: none; else what was expected at `at` */
    char closing;        /* ']' or '}' */
    bool begun;
} json_iterator;

/* Checks that the text is one value and nothing but blanks around it. On failure *problem says
 * what was expected at byte *position. */
bool cli_json_value(const char *text, size_t bytes, json_slice *value, const char **problem,
                    size_t *position);
json_kind cli_json_kind_of(json_slice value);

/* Starts at an array or object. A text that is neither sets `problem`. The slice need not have
 * been checked before; then what follows the closing bracket is left to cli_json_end. */
void cli_json_begin(json_iterator *iterator, const char *text, size_t bytes);
/* The next member or element; false at the end or at a problem. Keys are raw: between their
 * quotes, escapes not decoded. */
bool cli_json_member(json_iterator *iterator, json_slice *key, json_slice *value);
bool cli_json_element(json_iterator *iterator, json_slice *value);
/* After the last one: true where nothing but blanks follows; else sets `problem`. */
bool cli_json_end(json_iterator *iterator);
size_t cli_json_position(const json_iterator *iterator);

/* A member of an object that has been checked, by its plain key; the slice is empty where there
 * is none. */
json_slice cli_json_get(json_slice object, const char *key);
bool cli_json_key_is(json_slice key, const char *name);
/* Number of elements or members of a checked container. */
size_t cli_json_count(json_slice container);
/* Appends the decoded text of a checked string. */
void cli_json_string(json_slice string, cli_text *text);
/* Value of a checked number; 0 for anything else. */
double cli_json_number(json_slice number);
/* The elements of an array of numbers, at most `capacity` of them; *count receives how many there
 * are. False where one is something else. */
bool cli_json_floats(json_slice array, float *values, size_t capacity, size_t *count);

/* Appends a checked value laid out over lines, behind `indent` blanks. */
void cli_json_pretty(json_slice value, int indent, cli_text *text);

#endif
