/* JSON in and out.
 *
 * Parsing is yyjson's, with all its memory from an arena, so that a parsed text costs no frees and
 * counts against the database's budget. yyjson is iterative in reading and writing: depth is
 * bounded by memory, not by the stack. Errors name the text ("request", "schema", ...) and the
 * place, in characters from 1 as an editor counts them, with line and column where the text has
 * several lines.
 *
 * Writing is a handful of functions over byte_writer, without recursion either. Doubles and floats
 * are written with the fewest digits that read back to the same bits (doubles: number.h).
 *
 * Threads: nothing is shared.
 */
#include <math.h>
#include <yyjson.h>

#include "base/number.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "engine/json_write.h"

/* ---------------------------------------------------------------- reading */

static void *arena_allocate(void *context, size_t bytes)
{
    return arena_new(context, bytes);
}

static void *arena_reallocate(void *context, void *memory, size_t old_bytes, size_t bytes)
{
    if (bytes <= old_bytes) return memory;
    void *grown = arena_new(context, bytes);
    if (grown && old_bytes > 0) memcpy(grown, memory, old_bytes);
    return grown;
}

static void arena_release(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

void json_arena(struct yyjson_alc *alc, arena *memory)
{
    alc->malloc = arena_allocate;
    alc->realloc = arena_reallocate;
    alc->free = arena_release;
    alc->ctx = memory;
}

/* Where byte `position` is, in characters from 1. */
static void locate(const char *text, size_t position, size_t *character, size_t *line,
                   size_t *in_line)
{
    *character = *line = *in_line = 1;
    for (size_t i = 0; i < position; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte & 0xC0) == 0x80) continue;
        ++*character;
        ++*in_line;
        if (byte == '\n') {
            ++*line;
            *in_line = 1;
        }
    }
}

static veer_status syntax_error(const char *text, size_t bytes, const char *what,
                                const yyjson_read_err *problem, veer_error *error)
{
    if (problem->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return error_nomem(error, what, bytes);
    if (bytes == 0) VEER_FAIL(error, VEER_E_SYNTAX, "%s: the JSON text is empty", what);
    size_t position = problem->pos < bytes ? problem->pos : bytes;
    size_t character, line, in_line;
    locate(text, position, &character, &line, &in_line);
    if (line > 1)
        VEER_FAIL(error, VEER_E_SYNTAX, "%s: bad JSON at position %zu (line %zu, column %zu): %s",
                  what, character, line, in_line, problem->msg);
    VEER_FAIL(error, VEER_E_SYNTAX, "%s: bad JSON at position %zu: %s", what, character,
              problem->msg);
}

static veer_status parse(const char *text, size_t bytes, const char *what, yyjson_read_flag flags,
                         arena *memory, struct yyjson_doc **out, veer_error *error)
{
    *out = NULL;
    yyjson_alc alc;
    json_arena(&alc, memory);
    yyjson_read_err problem = {0};
    /* Without YYJSON_READ_INSITU the text is only read. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, bytes, flags, &alc, &problem);
    if (!doc) return syntax_error(text, bytes, what, &problem, error);
    *out = doc;
    return VEER_OK;
}

veer_status json_parse(const char *text, size_t bytes, const char *what, arena *memory,
                       struct yyjson_doc **out, veer_error *error)
{
    return parse(text, bytes, what, 0, memory, out, error);
}

veer_status json_parse_exact(const char *text, size_t bytes, const char *what, arena *memory,
                             struct yyjson_doc **out, veer_error *error)
{
    return parse(text, bytes, what, YYJSON_READ_BIGNUM_AS_RAW, memory, out, error);
}

const char *json_kind(const struct yyjson_val *value)
{
    switch (yyjson_get_type((yyjson_val *)(uintptr_t)value)) {
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return yyjson_get_bool((yyjson_val *)(uintptr_t)value) ? "true" : "false";
    case YYJSON_TYPE_NUM:
        return "a number";
    case YYJSON_TYPE_RAW:
        return "a number that 64 bits do not hold";
    case YYJSON_TYPE_STR:
        return "a string";
    case YYJSON_TYPE_ARR:
        return "an array";
    case YYJSON_TYPE_OBJ:
        return "an object";
    default:
        return "nothing";
    }
}

/* ---------------------------------------------------------------- writing */

static void put_comma(byte_writer *to)
{
    if (to->failed || to->bytes == 0) return;
    uint8_t last = to->data[to->bytes - 1];
    if (last != '{' && last != '[' && last != ':') byte_writer_u8(to, ',');
}

static void put_key(byte_writer *to, const char *key)
{
    put_comma(to);
    if (!key) return;
    byte_writer_u8(to, '"');
    byte_writer_put(to, key, strlen(key));
    byte_writer_put(to, "\":", 2);
}

void json_open(byte_writer *to, const char *key, char bracket)
{
    put_key(to, key);
    byte_writer_u8(to, (uint8_t)bracket);
}

void json_close(byte_writer *to, char bracket)
{
    byte_writer_u8(to, (uint8_t)bracket);
}

static void put_escaped(byte_writer *to, const char *text, size_t bytes)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char short_codes[] = "btn\0fr"; /* of 8 ... 13 */
    bool is_valid = utf8_valid(text, bytes);
    byte_writer_u8(to, '"');
    size_t plain = 0; /* [plain, i) needs no escaping */
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool is_bad = byte >= 0x80 && !is_valid;
        if (byte >= 0x20 && byte != '"' && byte != '\\' && !is_bad) continue;
        byte_writer_put(to, text + plain, i - plain);
        plain = i + 1;
        if (is_bad) {
            byte_writer_u8(to, '?');
        } else if (byte == '"' || byte == '\\') {
            byte_writer_u8(to, '\\');
            byte_writer_u8(to, byte);
        } else if (byte >= 8 && byte <= 13 && byte != 11) {
            byte_writer_u8(to, '\\');
            byte_writer_u8(to, (uint8_t)short_codes[byte - 8]);
        } else {
            const char code[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
            byte_writer_put(to, code, sizeof code);
        }
    }
    byte_writer_put(to, text + plain, bytes - plain);
    byte_writer_u8(to, '"');
}

void json_text(byte_writer *to, const char *key, const char *text, size_t bytes)
{
    put_key(to, key);
    put_escaped(to, text, bytes);
}

void json_key_text(byte_writer *to, const char *key, size_t bytes)
{
    put_comma(to);
    put_escaped(to, key, bytes);
    byte_writer_u8(to, ':');
}

void json_raw(byte_writer *to, const char *key, const void *json, size_t bytes)
{
    put_key(to, key);
    byte_writer_put(to, json, bytes);
}

void json_string(byte_writer *to, const char *key, const char *text)
{
    if (text)
        json_text(to, key, text, strlen(text));
    else
        json_raw(to, key, "null", 4);
}

void json_bool(byte_writer *to, const char *key, bool value)
{
    if (value)
        json_raw(to, key, "true", 4);
    else
        json_raw(to, key, "false", 5);
}

void json_unsigned(byte_writer *to, const char *key, uint64_t value)
{
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    json_raw(to, key, digits + first, sizeof digits - first);
}

void json_signed(byte_writer *to, const char *key, int64_t value)
{
    if (value >= 0) {
        json_unsigned(to, key, (uint64_t)value);
        return;
    }
    put_key(to, key);
    byte_writer_u8(to, '-');
    char digits[20];
    size_t first = sizeof digits;
    uint64_t rest = 0 - (uint64_t)value;
    do {
        digits[--first] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    byte_writer_put(to, digits + first, sizeof digits - first);
}

static void put_double(byte_writer *to, double value)
{
    char text[NUMBER_TEXT_BYTES];
    byte_writer_put(to, text, number_write(value, text));
}

void json_real(byte_writer *to, const char *key, double value)
{
    put_key(to, key);
    if (isfinite(value))
        put_double(to, value);
    else
        byte_writer_put(to, "null", 4);
}

#define FLOAT_DIGITS 9u /* are enough for any float */

/* 10^0 ... 10^22: all powers of ten that a double holds exactly. */
static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define POWER_MAX 22

/* Finds digits and exponent, the fewest digits, with which a reader that rounds correctly gets
 * `value` (> 0): digits * 10^exponent. Product and quotient of two exact doubles are what such a
 * reader computes. False outside of the range in which they are exact. */
static bool float_digits(double value, uint64_t *digits, int *exponent)
{
    int first = 0; /* value < 10^first */
    if (!(value >= 1e-9 && value < 1e17)) return false;
    while (value >= powers[first])
        first++;
    if (first == 0)
        while (value * powers[1 - first] < 1)
            first--;
    for (int count = 1; count <= (int)FLOAT_DIGITS; count++) {
        int power = first - count;
        if (power < -POWER_MAX) return false;
        double scaled = power < 0 ? value * powers[-power] : value / powers[power];
        uint64_t rounded = (uint64_t)(scaled + 0.5);
        double back =
            power < 0 ? (double)rounded / powers[-power] : (double)rounded * powers[power];
        if ((float)back != (float)value) continue;
        /* Rounding up may have made a ten. */
        for (; rounded % 10 == 0 && power < 0; power++)
            rounded /= 10;
        *digits = rounded;
        *exponent = power;
        return true;
    }
    return false;
}

static void put_decimal(byte_writer *to, uint64_t digits, int exponent)
{
    char text[48];
    size_t first = sizeof text;
    int written = 0;
    for (; exponent > 0; exponent--)
        text[--first] = '0';
    do {
        if (exponent < 0 && written == -exponent) text[--first] = '.';
        text[--first] = (char)('0' + digits % 10);
        digits /= 10;
        written++;
    } while (digits > 0 || written <= -exponent);
    byte_writer_put(to, text + first, sizeof text - first);
}

void json_float(byte_writer *to, const char *key, float value)
{
    uint64_t digits = 0;
    int exponent = 0;
    put_key(to, key);
    if (!isfinite(value)) {
        byte_writer_put(to, "null", 4);
        return;
    }
    if (signbit(value)) byte_writer_u8(to, '-');
    double magnitude = fabs((double)value);
    if (value == 0.0f) /* -0 is read as a whole number, which has no sign */
        byte_writer_put(to, signbit(value) ? "0.0" : "0", signbit(value) ? 3 : 1);
    else if (float_digits(magnitude, &digits, &exponent))
        put_decimal(to, digits, exponent);
    else
        put_double(to, magnitude);
}

static void put_scalar(byte_writer *to, yyjson_val *value)
{
    if (yyjson_is_str(value))
        json_text(to, NULL, yyjson_get_str(value), yyjson_get_len(value));
    else if (yyjson_is_raw(value))
        json_raw(to, NULL, yyjson_get_raw(value), yyjson_get_len(value));
    else if (yyjson_is_real(value))
        json_real(to, NULL, yyjson_get_real(value));
    else if (yyjson_is_sint(value))
        json_signed(to, NULL, yyjson_get_sint(value));
    else if (yyjson_is_uint(value))
        json_unsigned(to, NULL, yyjson_get_uint(value));
    else if (yyjson_is_bool(value))
        json_bool(to, NULL, yyjson_get_bool(value));
    else
        json_string(to, NULL, NULL);
}

/* A container that is being written: where its values end, and its closing bracket. */
typedef struct level {
    yyjson_val *end;
    char bracket; /* 0: around all */
} level;

/* The values of a document lie one behind the other, those of a container behind it. */
void json_value(byte_writer *to, struct yyjson_val *value)
{
    byte_writer outer; /* levels */
    byte_writer_init(&outer, to->allocator);
    level now = {unsafe_yyjson_get_next(value), 0};
    bool is_key = false;
    while (value != now.end || now.bracket != 0) {
        if (value == now.end) {
            json_close(to, now.bracket);
            outer.bytes -= sizeof now;
            memcpy(&now, outer.data + outer.bytes, sizeof now);
            is_key = now.bracket == '}';
            continue;
        }
        if (is_key) {
            json_key_text(to, yyjson_get_str(value), yyjson_get_len(value));
            is_key = false;
        } else if (yyjson_is_ctn(value)) {
            byte_writer_put(&outer, &now, sizeof now);
            if (outer.failed) {
                to->failed = true;
                break;
            }
            is_key = yyjson_is_obj(value);
            json_open(to, NULL, is_key ? '{' : '[');
            now = (level){unsafe_yyjson_get_next(value), is_key ? '}' : ']'};
        } else {
            put_scalar(to, value);
            is_key = now.bracket == '}';
        }
        value++;
    }
    byte_writer_fini(&outer);
}

veer_status json_take(const byte_writer *from, const veer_allocator *allocator, veer_buffer *buffer,
                      const char *what, veer_error *error)
{
    if (byte_writer_to_buffer(from, allocator, buffer) != VEER_OK)
        return error_nomem(error, what, (uint64_t)from->bytes + 1);
    return VEER_OK;
}
