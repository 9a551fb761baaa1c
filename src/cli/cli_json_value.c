/* cli_json_value.c: what a checked JSON value says: strings, numbers, members (cli_json.h has the
 * contract), and JSON laid out for people.
 *
 * Everything here takes slices that the grammar has passed, so escapes are complete and brackets
 * match. Numbers are converted by strtod and strtof, which round correctly; the process never
 * leaves the "C" locale, so the decimal point is a point.
 */
#include <stdlib.h>
#include <string.h>

#include "cli_json.h"

static unsigned hex4(const char *digits)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = digits[i];
        unsigned digit = c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
        value = value << 4 | digit;
    }
    return value;
}

static void append_utf8(cli_text *text, unsigned point)
{
    if (point < 0x80) {
        cli_text_byte(text, (char)point);
    } else if (point < 0x800) {
        cli_text_byte(text, (char)(0xC0 | point >> 6));
        cli_text_byte(text, (char)(0x80 | (point & 0x3F)));
    } else if (point < 0x10000) {
        cli_text_byte(text, (char)(0xE0 | point >> 12));
        cli_text_byte(text, (char)(0x80 | (point >> 6 & 0x3F)));
        cli_text_byte(text, (char)(0x80 | (point & 0x3F)));
    } else {
        cli_text_byte(text, (char)(0xF0 | point >> 18));
        cli_text_byte(text, (char)(0x80 | (point >> 12 & 0x3F)));
        cli_text_byte(text, (char)(0x80 | (point >> 6 & 0x3F)));
        cli_text_byte(text, (char)(0x80 | (point & 0x3F)));
    }
}

/* The character of the \uXXXX at `at`, with the low surrogate that follows a high one; one that
 * is alone becomes U+FFFD. Returns the bytes that it takes. */
static size_t escaped_point(const char *at, const char *end, unsigned *point)
{
    unsigned high = hex4(at + 2);
    *point = high;
    if (high < 0xD800 || high > 0xDFFF) {
        return 6;
    }
    *point = 0xFFFD;
    if (high <= 0xDBFF && end - at >= 12 && at[6] == '\\' && at[7] == 'u') {
        unsigned low = hex4(at + 8);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *point = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            return 12;
        }
    }
    return 6;
}

void cli_json_string(json_slice string, cli_text *text)
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (cli_json_kind_of(string) != JSON_STRING) {
        return;
    }
    const char *at = string.text + 1;
    const char *end = string.text + string.bytes - 1;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *stop = escape != NULL ? escape : end;
        cli_text_append(text, at, (size_t)(stop - at));
        if (escape == NULL) {
            return;
        }
        if (escape[1] == 'u') {
            unsigned point = 0;
            at = escape + escaped_point(escape, end, &point);
            append_utf8(text, point);
        } else {
            const char *found = strchr(escapes, escape[1]);
            cli_text_byte(text, meanings[found - escapes]);
            at = escape + 2;
        }
    }
}

bool cli_json_key_is(json_slice key, const char *name)
{
    if (memchr(key.text, '\\', key.bytes) == NULL) {
        return strlen(name) == key.bytes && memcmp(name, key.text, key.bytes) == 0;
    }
    cli_text plain = {0};
    cli_json_string((json_slice){key.text - 1, key.bytes + 2}, &plain);
    bool is = plain.data != NULL && strlen(name) == plain.bytes &&
              memcmp(name, plain.data, plain.bytes) == 0;
    cli_text_free(&plain);
    return is;
}

json_slice cli_json_get(json_slice object, const char *key)
{
    json_iterator iterator;
    json_slice name;
    json_slice value;
    if (cli_json_kind_of(object) != JSON_OBJECT) {
        return (json_slice){0};
    }
    cli_json_begin(&iterator, object.text, object.bytes);
    while (cli_json_member(&iterator, &name, &value)) {
        if (cli_json_key_is(name, key)) {
            return value;
        }
    }
    return (json_slice){0};
}

size_t cli_json_count(json_slice container)
{
    json_iterator iterator;
    json_slice key;
    json_slice value;
    size_t count = 0;
    bool object = cli_json_kind_of(container) == JSON_OBJECT;
    cli_json_begin(&iterator, container.text, container.bytes);
    while (object ? cli_json_member(&iterator, &key, &value)
                  : cli_json_element(&iterator, &value)) {
        count++;
    }
    return count;
}

double cli_json_number(json_slice number)
{
    return cli_json_kind_of(number) == JSON_NUMBER ? strtod(number.text, NULL) : 0;
}

bool cli_json_floats(json_slice array, float *values, size_t capacity, size_t *count)
{
    json_iterator iterator;
    json_slice value;
    *count = 0;
    cli_json_begin(&iterator, array.text, array.bytes);
    while (cli_json_element(&iterator, &value)) {
        if (cli_json_kind_of(value) != JSON_NUMBER) {
            return false;
        }
        if (*count < capacity) {
            values[*count] = strtof(value.text, NULL);
        }
        *count += 1;
    }
    return iterator.problem == NULL;
}

/* A container whose text is shorter than this stays on one line: arbitrary, about half a line. */
enum { PRETTY_LINE_BYTES = 60 };

void cli_json_pretty(json_slice value, int indent, cli_text *text)
{
    json_iterator iterator;
    json_slice key;
    json_slice element;
    json_kind kind = cli_json_kind_of(value);
    bool container = kind == JSON_OBJECT || kind == JSON_ARRAY;
    if (!container || value.bytes < PRETTY_LINE_BYTES || indent > JSON_DEPTH_MAX) {
        cli_text_append(text, value.text, value.bytes);
        return;
    }
    bool first = true;
    bool object = kind == JSON_OBJECT;
    cli_text_string(text, object ? "{" : "[");
    cli_json_begin(&iterator, value.text, value.bytes);
    while (object ? cli_json_member(&iterator, &key, &element)
                  : cli_json_element(&iterator, &element)) {
        cli_text_format(text, "%s\n%*s", first ? "" : ",", indent + 2, "");
        if (object) {
            cli_text_byte(text, '"');
            cli_text_append(text, key.text, key.bytes);
            cli_text_string(text, "\": ");
        }
        cli_json_pretty(element, indent + 2, text);
        first = false;
    }
    cli_text_format(text, "\n%*s%s", indent, "", object ? "}" : "]");
}
