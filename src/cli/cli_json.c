/* cli_json.c: the grammar of the JSON reader (cli_json.h has the contract).
 *
 * `skip` is the grammar: one loop with a bit a level for "object or array" instead of recursion,
 * so that hostile nesting costs neither stack nor time. A problem keeps the place where it was
 * found: `at` of the iterator stays there.
 */
#include "cli_json.h"

#include <string.h>

typedef struct json_scan {
    const char *at;
    const char *end;
    const char *problem;
} json_scan;

static bool fail(json_scan *scan, const char *problem)
{
    scan->problem = problem;
    return false;
}

static void blanks(json_scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r')) {
        scan->at++;
    }
}

static bool is_digit(const json_scan *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool skip_string(json_scan *scan)
{
    scan->at++;
    while (scan->at < scan->end) {
        unsigned char c = (unsigned char)*scan->at;
        if (c == '"') {
            scan->at++;
            return true;
        }
        if (c < 0x20) {
            return fail(scan, "no control character inside a string");
        }
        if (c != '\\') {
            scan->at++;
            continue;
        }
        size_t left = (size_t)(scan->end - scan->at);
        if (left >= 2 && memchr("\"\\/bfnrt", scan->at[1], 8) != NULL) {
            scan->at += 2;
            continue;
        }
        if (left < 6 || scan->at[1] != 'u' || !is_hex(scan->at[2]) || !is_hex(scan->at[3]) ||
            !is_hex(scan->at[4]) || !is_hex(scan->at[5])) {
            return fail(scan, "an escape sequence");
        }
        scan->at += 6;
    }
    return fail(scan, "the closing quote of a string");
}

static bool skip_number(json_scan *scan)
{
    if (scan->at < scan->end && *scan->at == '-') {
        scan->at++;
    }
    if (!is_digit(scan)) {
        return fail(scan, "a digit");
    }
    if (*scan->at == '0') {
        scan->at++;
        if (is_digit(scan)) {
            return fail(scan, "no digit after a leading 0");
        }
    }
    while (is_digit(scan)) {
        scan->at++;
    }
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if (!is_digit(scan)) {
            return fail(scan, "a digit after the decimal point");
        }
        while (is_digit(scan)) {
            scan->at++;
        }
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
        scan->at++;
        if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-')) {
            scan->at++;
        }
        if (!is_digit(scan)) {
            return fail(scan, "a digit of the exponent");
        }
        while (is_digit(scan)) {
            scan->at++;
        }
    }
    return true;
}

static bool skip_word(json_scan *scan, const char *word)
{
    size_t bytes = strlen(word);
    if ((size_t)(scan->end - scan->at) < bytes || memcmp(scan->at, word, bytes) != 0) {
        return fail(scan, "a value");
    }
    scan->at += bytes;
    return true;
}

static bool skip_scalar(json_scan *scan)
{
    if (scan->at == scan->end) {
        return fail(scan, "a value");
    }
    switch (*scan->at) {
    case '"':
        return skip_string(scan);
    case 't':
        return skip_word(scan, "true");
    case 'f':
        return skip_word(scan, "false");
    case 'n':
        return skip_word(scan, "null");
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return skip_number(scan);
    default:
        return fail(scan, "a value");
    }
}

static bool skip_key(json_scan *scan)
{
    blanks(scan);
    if (scan->at == scan->end || *scan->at != '"') {
        return fail(scan, "a key in quotes");
    }
    if (!skip_string(scan)) {
        return false;
    }
    blanks(scan);
    if (scan->at == scan->end || *scan->at != ':') {
        return fail(scan, "a colon after the key");
    }
    scan->at++;
    return true;
}

/* Passes one value; `at` is behind it, or at the problem. */
static bool skip(json_scan *scan)
{
    uint64_t objects[JSON_DEPTH_MAX / 64] = {0};
    size_t depth = 0;
    for (;;) {
        blanks(scan);
        if (scan->at < scan->end && (*scan->at == '{' || *scan->at == '[')) {
            bool object = *scan->at == '{';
            if (depth == JSON_DEPTH_MAX) {
                return fail(scan, "at most 256 levels of nesting");
            }
            uint64_t bit = UINT64_C(1) << (depth % 64);
            objects[depth / 64] = object ? objects[depth / 64] | bit : objects[depth / 64] & ~bit;
            depth++;
            scan->at++;
            blanks(scan);
            if (scan->at == scan->end || *scan->at != (object ? '}' : ']')) {
                if (object && !skip_key(scan)) {
                    return false;
                }
                continue;
            }
        } else if (!skip_scalar(scan)) {
            return false;
        }
        /* A value has ended: close what ends with it, then step to the next one. */
        for (;;) {
            if (depth == 0) {
                return true;
            }
            bool object = (objects[(depth - 1) / 64] >> ((depth - 1) % 64) & 1) != 0;
            blanks(scan);
            if (scan->at < scan->end && *scan->at == ',') {
                scan->at++;
                if (object && !skip_key(scan)) {
                    return false;
                }
                break;
            }
            if (scan->at == scan->end || *scan->at != (object ? '}' : ']')) {
                return fail(scan, object ? "a comma or }" : "a comma or ]");
            }
            scan->at++;
            depth--;
        }
    }
}

bool cli_json_value(const char *text, size_t bytes, json_slice *value, const char **problem,
                    size_t *position)
{
    json_scan scan = {.at = text, .end = text + bytes};
    *value = (json_slice){0};
    *problem = NULL;
    blanks(&scan);
    const char *start = scan.at;
    if (skip(&scan)) {
        const char *end = scan.at;
        blanks(&scan);
        if (scan.at == scan.end) {
            *value = (json_slice){start, (size_t)(end - start)};
            return true;
        }
        scan.problem = "the end of the text";
    }
    *problem = scan.problem;
    *position = (size_t)(scan.at - text);
    return false;
}

json_kind cli_json_kind_of(json_slice value)
{
    if (value.bytes == 0) {
        return JSON_NONE;
    }
    switch (value.text[0]) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

void cli_json_begin(json_iterator *iterator, const char *text, size_t bytes)
{
    json_scan scan = {.at = text, .end = text + bytes};
    blanks(&scan);
    *iterator = (json_iterator){.start = text, .at = scan.at, .end = scan.end};
    if (scan.at < scan.end && (*scan.at == '{' || *scan.at == '[')) {
        iterator->closing = *scan.at == '{' ? '}' : ']';
        iterator->at++;
    } else {
        iterator->problem = "an object or an array";
    }
}

/* Steps over a comma or the closing bracket; true where a value must follow. */
static bool step(json_iterator *iterator, json_scan *scan)
{
    if (iterator->problem != NULL || iterator->closing == 0) {
        return false;
    }
    *scan = (json_scan){.at = iterator->at, .end = iterator->end};
    blanks(scan);
    bool closes = scan->at < scan->end && *scan->at == iterator->closing;
    if (closes) {
        iterator->at = scan->at + 1;
        iterator->closing = 0;
        return false;
    }
    if (iterator->begun) {
        if (scan->at == scan->end || *scan->at != ',') {
            iterator->at = scan->at;
            iterator->problem = iterator->closing == '}' ? "a comma or }" : "a comma or ]";
            return false;
        }
        scan->at++;
    }
    iterator->begun = true;
    return true;
}

static bool take_value(json_iterator *iterator, json_scan *scan, json_slice *value)
{
    blanks(scan);
    const char *start = scan->at;
    bool taken = skip(scan);
    iterator->at = scan->at;
    iterator->problem = taken ? NULL : scan->problem;
    *value = taken ? (json_slice){start, (size_t)(scan->at - start)} : (json_slice){0};
    return taken;
}

bool cli_json_member(json_iterator *iterator, json_slice *key, json_slice *value)
{
    json_scan scan;
    *key = (json_slice){0};
    *value = (json_slice){0};
    if (!step(iterator, &scan)) {
        return false;
    }
    blanks(&scan);
    const char *start = scan.at + 1;
    if (!skip_key(&scan)) {
        iterator->at = scan.at;
        iterator->problem = scan.problem;
        return false;
    }
    const char *end = scan.at - 1;
    while (*end != '"') {
        end--;
    }
    *key = (json_slice){start, (size_t)(end - start)};
    return take_value(iterator, &scan, value);
}

bool cli_json_element(json_iterator *iterator, json_slice *value)
{
    json_scan scan;
    *value = (json_slice){0};
    return step(iterator, &scan) && take_value(iterator, &scan, value);
}

bool cli_json_end(json_iterator *iterator)
{
    json_scan scan = {.at = iterator->at, .end = iterator->end};
    if (iterator->problem != NULL) {
        return false;
    }
    blanks(&scan);
    iterator->at = scan.at;
    if (scan.at != scan.end) {
        iterator->problem = "the end of the text";
    }
    return scan.at == scan.end;
}

size_t cli_json_position(const json_iterator *iterator)
{
    return (size_t)(iterator->at - iterator->start);
}
