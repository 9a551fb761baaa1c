/* Formatted text. See text.h. Threads: nothing is shared. */
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/number.h"

typedef struct output {
    char *to;
    size_t room;  /* without the 0 */
    size_t bytes; /* asked for, which may be more */
} output;

static void put(output *out, const char *text, size_t bytes)
{
    if (out->bytes < out->room) {
        size_t left = out->room - out->bytes;
        memcpy(out->to + out->bytes, text, bytes < left ? bytes : left);
    }
    out->bytes += bytes;
}

static void put_whole(output *out, uint64_t value, unsigned base, const char *digits, size_t least)
{
    char text[20];
    size_t first = sizeof text;
    for (; value > 0 || sizeof text - first < least; value /= base)
        text[--first] = digits[value % base];
    put(out, text + first, sizeof text - first);
}

static void put_signed(output *out, int64_t value)
{
    if (value < 0) put(out, "-", 1);
    put_whole(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, "0123456789", 1);
}

static void put_text(output *out, const char *text, int limit)
{
    if (text == NULL) text = "(null)";
    const char *end = limit < 0 ? NULL : memchr(text, 0, (size_t)limit);
    put(out, text, limit < 0 ? strlen(text) : end ? (size_t)(end - text) : (size_t)limit);
}

/* What stands between '%' and the letter. */
typedef struct directive {
    int precision; /* -1: none */
    size_t least;  /* digits */
    bool is_long;  /* 64 bits */
} directive;

/* Reads one; *at moves to the letter. */
static directive read_directive(const char **at, va_list *arguments)
{
    directive how = {.precision = -1, .least = 1};
    const char *p = *at;
    if (p[0] == '0' && p[1] == '2') {
        how.least = 2;
        p += 2;
    }
    if (*p == '.') {
        how.precision = 0;
        for (p++; *p >= '0' && *p <= '9'; p++)
            how.precision = how.precision * 10 + (*p - '0');
        if (*p == '*') {
            how.precision = va_arg(*arguments, int);
            p++;
        }
    }
    if (p[0] == 'l' && p[1] == 'l') {
        how.is_long = true;
        p += 2;
    } else if (*p == 'l' || *p == 'z') {
        how.is_long = (*p == 'l' ? sizeof(long) : sizeof(size_t)) == sizeof(uint64_t);
        p++;
    }
    *at = p;
    return how;
}

static void put_number(output *out, double value, int precision)
{
    char text[NUMBER_TEXT_BYTES];
    int digits = precision < 0 ? 6 : precision < 1 ? 1 : precision;
    if (digits > NUMBER_DIGITS_MAX) digits = NUMBER_DIGITS_MAX;
    put(out, text, number_round(value, digits, text));
}

/* False for a letter that is not known. */
static bool put_argument(output *out, char letter, directive how, va_list *arguments)
{
    switch (letter) {
    case 's':
        put_text(out, va_arg(*arguments, const char *), how.precision);
        return true;
    case 'd':
        put_signed(out, how.is_long ? va_arg(*arguments, int64_t) : va_arg(*arguments, int));
        return true;
    case 'u':
    case 'x':
    case 'X':
        put_whole(out, how.is_long ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned),
                  letter == 'u' ? 10 : 16, letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef",
                  how.least);
        return true;
    case 'g':
        put_number(out, va_arg(*arguments, double), how.precision);
        return true;
    case 'c':
        letter = (char)va_arg(*arguments, int);
        put(out, &letter, 1);
        return true;
    case '%':
        put(out, "%", 1);
        return true;
    default:
        return false;
    }
}

size_t text_print_arguments(char *to, size_t size, const char *format, va_list arguments)
{
    output out = {to, size - 1, 0};
    va_list rest; /* a parameter may be an array's address, of which no pointer can be made */
    va_copy(rest, arguments);
    for (const char *at = format;;) {
        size_t plain = strcspn(at, "%");
        put(&out, at, plain);
        at += plain;
        if (*at == 0) break;
        const char *start = at++;
        directive how = read_directive(&at, &rest);
        if (put_argument(&out, *at, how, &rest))
            at++;
        else
            put(&out, start, (size_t)(at - start));
    }
    va_end(rest);
    to[out.bytes < out.room ? out.bytes : out.room] = 0;
    return out.bytes;
}

size_t text_print(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t bytes = text_print_arguments(to, size, format, arguments);
    va_end(arguments);
    return bytes;
}
