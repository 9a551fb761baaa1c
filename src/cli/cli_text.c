/* cli_text.c: growable texts (cli_text.h has the contract).
 *
 * Capacity doubles, so that n appends copy O(n) bytes. Sizes are checked before they are added;
 * one text holds at most SIZE_MAX / 4 bytes, far above what any command makes.
 */
#include "cli_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cli_text_reserve(cli_text *text, size_t bytes)
{
    if (text->failed) {
        return false;
    }
    if (bytes > SIZE_MAX / 4 - text->bytes) {
        text->failed = true;
        return false;
    }
    size_t needed = text->bytes + bytes + 1;
    if (needed <= text->capacity) {
        return true;
    }
    size_t capacity = text->capacity < 64 ? 64 : text->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void cli_text_append(cli_text *text, const char *data, size_t bytes)
{
    if (!cli_text_reserve(text, bytes)) {
        return;
    }
    if (bytes > 0) {
        memcpy(text->data + text->bytes, data, bytes);
    }
    text->bytes += bytes;
    text->data[text->bytes] = '\0';
}

void cli_text_string(cli_text *text, const char *string)
{
    cli_text_append(text, string, strlen(string));
}

void cli_text_byte(cli_text *text, char byte)
{
    cli_text_append(text, &byte, 1);
}

void cli_text_format(cli_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int bytes = vsnprintf(NULL, 0, format, arguments);
    if (bytes < 0) {
        text->failed = true;
    } else if (cli_text_reserve(text, (size_t)bytes)) {
        (void)vsnprintf(text->data + text->bytes, (size_t)bytes + 1, format, again);
        text->bytes += (size_t)bytes;
    }
    va_end(again);
    va_end(arguments);
}

void cli_text_number(cli_text *text, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        at--;
        digits[at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    cli_text_append(text, digits + at, sizeof digits - at);
}

void cli_text_json_string(cli_text *text, const char *data, size_t bytes)
{
    cli_text_byte(text, '"');
    size_t plain = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        cli_text_append(text, data + plain, i - plain);
        plain = i + 1;
        switch (byte) {
        case '"':
            cli_text_string(text, "\\\"");
            break;
        case '\\':
            cli_text_string(text, "\\\\");
            break;
        case '\n':
            cli_text_string(text, "\\n");
            break;
        case '\r':
            cli_text_string(text, "\\r");
            break;
        case '\t':
            cli_text_string(text, "\\t");
            break;
        default:
            cli_text_format(text, "\\u%04x", byte);
            break;
        }
    }
    cli_text_append(text, data + plain, bytes - plain);
    cli_text_byte(text, '"');
}

void cli_text_json_number(cli_text *text, double number)
{
    if (!isfinite(number)) {
        cli_text_string(text, "null");
        return;
    }
    char digits[40];
    for (int precision = 6; precision <= 17; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number) {
            break;
        }
    }
    cli_text_string(text, digits);
}

void cli_text_json_float(cli_text *text, float number)
{
    char digits[40];
    if (!isfinite(number)) {
        cli_text_string(text, "null");
        return;
    }
    for (int precision = 6; precision <= 9; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, (double)number);
        if (strtof(digits, NULL) == number) {
            break;
        }
    }
    cli_text_string(text, digits);
}

void cli_text_grouped(cli_text *text, uint64_t number)
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%" PRIu64, number);
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) {
            cli_text_byte(text, ',');
        }
        cli_text_byte(text, digits[i]);
    }
}

void cli_text_size(cli_text *text, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024) {
        cli_text_format(text, "%" PRIu64 " B", bytes);
        return;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    cli_text_format(text, value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* Length of the well-formed UTF-8 sequence at `data`, 0 where there is none. Table 3-7 of the
 * Unicode standard: no surrogates, nothing overlong, nothing above U+10FFFF. */
static size_t sequence_bytes(const unsigned char *data, size_t bytes)
{
    if (data[0] < 0x80) {
        return 1;
    }
    size_t length = data[0] >= 0xF0 ? 4 : data[0] >= 0xE0 ? 3 : 2;
    if (data[0] < 0xC2 || data[0] > 0xF4 || length > bytes) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((data[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (data[0] == 0xE0 && data[1] < 0xA0) || (data[0] == 0xF0 && data[1] < 0x90);
    bool surrogate = data[0] == 0xED && data[1] > 0x9F;
    bool beyond = data[0] == 0xF4 && data[1] > 0x8F;
    return overlong || surrogate || beyond ? 0 : length;
}

void cli_text_printable(cli_text *text, const char *data, size_t bytes)
{
    const unsigned char *at = (const unsigned char *)data;
    for (size_t i = 0; i < bytes;) {
        size_t length = sequence_bytes(at + i, bytes - i);
        if (length == 0) {
            cli_text_string(text, "\xEF\xBF\xBD");
            i++;
            continue;
        }
        bool c1 = length == 2 && at[i] == 0xC2 && at[i + 1] < 0xA0;
        if (at[i] < 0x20 || at[i] == 0x7F || c1) {
            cli_text_format(text, "\\x%02x", c1 ? at[i + 1] : at[i]);
        } else {
            cli_text_append(text, data + i, length);
        }
        i += length;
    }
}

void cli_text_clear(cli_text *text)
{
    text->bytes = 0;
    if (text->data != NULL) {
        text->data[0] = '\0';
    }
}

void cli_text_free(cli_text *text)
{
    free(text->data);
    *text = (cli_text){0};
}

veer_status cli_error(veer_error *error, veer_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error->status = status;
    (void)vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}
