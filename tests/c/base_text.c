/* status and error texts, utf8, timestamps. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "base/status.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "support/testing.h"

/* ---- status */

static void test_status_names(void **state)
{
    static const int numbers[] = {
#define NUMBER(name, number, code, text) number,
        VEER_STATUS_MAP(NUMBER)
#undef NUMBER
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(numbers); i++) {
        const char *name = veer_status_name((veer_status)numbers[i]);
        assert_string_not_equal(name, "UNKNOWN");
        assert_string_not_equal(veer_status_text((veer_status)numbers[i]), "UNKNOWN");
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(numbers[i], numbers[j]);
            assert_string_not_equal(name, veer_status_name((veer_status)numbers[j]));
        }
    }
    assert_string_equal(veer_status_name(VEER_E_DIMENSION), "DIMENSION");
    assert_string_equal(veer_status_name((veer_status)-1000), "UNKNOWN");
    assert_string_equal(veer_status_text((veer_status)2), "UNKNOWN");
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", VEER_VERSION_MAJOR, VEER_VERSION_MINOR,
             VEER_VERSION_PATCH);
    assert_string_equal(veer_version(), version);
}

static void test_error_texts(void **state)
{
    veer_error error;
    (void)state;
    assert_int_equal(error_set(&error, VEER_E_RANGE, "k is %d, at most %u", 20000, VEER_K_MAX),
                     VEER_E_RANGE);
    assert_int_equal(error.status, VEER_E_RANGE);
    assert_string_equal(error.message, "k is 20000, at most 10000");
    error_append(&error, " in request %s", "'x'");
    assert_string_equal(error.message, "k is 20000, at most 10000 in request 'x'");
    /* The message may be an argument of its own successor. */
    error_set(&error, VEER_E_IO, "again: %s", error.message);
    assert_string_equal(error.message, "again: k is 20000, at most 10000 in request 'x'");
    assert_int_equal(error_nomem(&error, "rows", 123), VEER_E_NOMEM);
    assert_non_null(strstr(error.message, "123"));
    assert_non_null(strstr(error.message, "rows"));
    assert_non_null(strstr(error.message, "memoryLimit"));
    assert_int_equal(error_set(NULL, VEER_E_IO, "%s", "x"), VEER_E_IO);
    assert_int_equal(error_nomem(NULL, "rows", 1), VEER_E_NOMEM);
    error_append(NULL, "x");
}

/* Characters of 1 to 4 bytes, cut at every place: the text stays valid and as long as it can. */
static void test_error_cut(void **state)
{
    static const char *const characters[] = {"x", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    (void)state;
    for (size_t c = 0; c < 4; c++) {
        for (size_t shift = 0; shift < 8; shift++) {
            size_t unit = strlen(characters[c]);
            char text[1200] = {0};
            memset(text, 'a', shift);
            while (strlen(text) + unit < sizeof text)
                strcat(text, characters[c]);
            struct {
                veer_error error;
                char behind[8];
            } box = {.behind = "behind!"};
            error_set(&box.error, VEER_E_IO, "%s", text);
            size_t length = strlen(box.error.message);
            size_t most = sizeof box.error.message - 1;
            assert_int_equal(length, shift + (most - shift) / unit * unit);
            assert_true(utf8_valid(box.error.message, length));
            error_append(&box.error, "%s", text);
            length = strlen(box.error.message);
            assert_true(length <= most && utf8_valid(box.error.message, length));
            assert_string_equal(box.behind, "behind!");
        }
    }
}

/* ---- utf8 */

/* Decodes by the definition: the value, then whether it may be written so. */
static bool naive_valid(const uint8_t *p, size_t bytes)
{
    for (size_t i = 0; i < bytes;) {
        uint32_t value;
        size_t length;
        if ((p[i] & 0x80) == 0) {
            value = p[i];
            length = 1;
        } else if ((p[i] & 0xE0) == 0xC0) {
            value = p[i] & 0x1F;
            length = 2;
        } else if ((p[i] & 0xF0) == 0xE0) {
            value = p[i] & 0x0F;
            length = 3;
        } else if ((p[i] & 0xF8) == 0xF0) {
            value = p[i] & 0x07;
            length = 4;
        } else {
            return false;
        }
        if (bytes - i < length) return false;
        for (size_t j = 1; j < length; j++) {
            if ((p[i + j] & 0xC0) != 0x80) return false;
            value = value << 6 | (p[i + j] & 0x3F);
        }
        size_t shortest = value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
        if (length != shortest || value > 0x10FFFF) return false;
        if (value >= 0xD800 && value <= 0xDFFF) return false;
        i += length;
    }
    return true;
}

static void check_sequence(const uint8_t *sequence, size_t bytes)
{
    bool expected = naive_valid(sequence, bytes);
    assert_int_equal(utf8_valid((const char *)sequence, bytes), expected);
    /* Between ASCII, so that it falls anywhere into the steps of eight. */
    uint8_t inside[32];
    size_t before = ((size_t)sequence[0] + sequence[bytes - 1]) % 17;
    memset(inside, 'a', sizeof inside);
    memcpy(inside + before, sequence, bytes);
    assert_int_equal(utf8_valid((const char *)inside, sizeof inside), expected);
    assert_int_equal(utf8_valid((const char *)inside, before + bytes), expected);
}

static void test_utf8_sequences(void **state)
{
    static const uint8_t edges[] = {0x00, 0x41, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                    0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
                                    0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFF};
    const size_t n = TEST_COUNT(edges);
    uint8_t s[4];
    (void)state;
    assert_true(utf8_valid(NULL, 0));
    for (unsigned a = 0; a < 256; a++) {
        s[0] = (uint8_t)a;
        check_sequence(s, 1);
        for (unsigned b = 0; b < 256; b++) {
            s[1] = (uint8_t)b;
            check_sequence(s, 2);
        }
    }
    for (size_t i = 0; i < n * n * n * n; i++) {
        s[0] = edges[i % n];
        s[1] = edges[i / n % n];
        s[2] = edges[i / n / n % n];
        s[3] = edges[i / n / n / n];
        check_sequence(s, 4);
        if (i < n * n * n) check_sequence(s, 3);
    }
}

static size_t encode(uint32_t value, uint8_t *to)
{
    if (value < 0x80) {
        to[0] = (uint8_t)value;
        return 1;
    }
    size_t length = value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        to[i] = (uint8_t)(0x80 | (value & 0x3F));
        value >>= 6;
    }
    to[0] = (uint8_t)((0xF00u >> length & 0xFF) | value);
    return length;
}

/* Every character is valid, every surrogate is not, and cutting one anywhere leaves nothing. */
static void test_utf8_all_characters(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 0x110000; value++) {
        uint8_t text[8] = {'a'};
        size_t length = encode(value, text + 1);
        bool surrogate = value >= 0xD800 && value <= 0xDFFF;
        if (utf8_valid((char *)text, 1 + length) == surrogate) fail_msg("U+%04X", value);
        if (surrogate) continue;
        for (size_t cut = 0; cut <= length; cut++) {
            size_t kept = utf8_cut((char *)text, 1 + cut);
            if (kept != (cut == length ? 1 + length : 1)) fail_msg("U+%04X cut", value);
        }
    }
    assert_int_equal(utf8_cut("", 0), 0);
    assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80", 5), 5);
    assert_int_equal(utf8_cut("\x80\x80", 2), 2);
}

/* ---- timestamps */

static int64_t parsed(const char *text)
{
    int64_t milliseconds = 12345;
    if (!timestamp_parse(text, strlen(text), &milliseconds)) fail_msg("'%s' did not parse", text);
    return milliseconds;
}

static void test_known_dates(void **state)
{
    static const struct {
        const char *text;
        int64_t milliseconds;
    } known[] = {
        {"1970", 0},
        {"1970-01-01", 0},
        {"1970-01-01T00:00Z", 0},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2000-02-29", 951782400000},
        {"2024-05", 1714521600000},
        {"2024-05-17T12:30:15.250Z", 1715949015250},
        {"2024-05-17 12:30:15.25", 1715949015250},
        {"2024-05-17T14:30:15.250+02:00", 1715949015250},
        {"2024-05-17T07:00:15.250999999-05:30", 1715949015250},
        {"2024-05-17T12:30", 1715949000000},
        {"2024-05-17T24:00", 1715990400000},
        {"0000-01-01", -62167219200000},
        {"0001-01-01T00:00:00Z", -62135596800000},
        {"1582-10-15", -12219292800000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"+010000-01-01", 253402300800000},
        {"-000001-12-31T23:59:59.999Z", -62167219200001},
        {"+275760-09-13", TIMESTAMP_MAX},
        {"-271821-04-20", TIMESTAMP_MIN},
        {"-271821-04-20T02:00+02:00", TIMESTAMP_MIN},
        {"+002024-05", 1714521600000},
        {"1900-02-28T23:59:59Z", -2203891201000},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(known); i++) {
        assert_true(parsed(known[i].text) == known[i].milliseconds);
    }
}

static void test_refused_texts(void **state)
{
    static const char *const refused[] = {
        "",
        "x",
        "2",
        "202",
        "20245",
        "2024-",
        "2024-1",
        "2024-00",
        "2024-13",
        "2024-05-",
        "2024-05-0",
        "2024-05-00",
        "2024-05-32",
        "2023-02-29",
        "1900-02-29",
        "2024-04-31",
        "2024-05-17T",
        "2024-05-17T1",
        "2024-05-17T12",
        "2024-05-17T12:",
        "2024-05-17T12:3",
        "2024-05-17T25:00",
        "2024-05-17T24:01",
        "2024-05-17T24:00:00.001",
        "2024-05-17T12:60",
        "2024-05-17T12:30:",
        "2024-05-17T12:30:60",
        "2024-05-17T12:30:15.",
        "2024-05-17T12:30:15,5",
        "2024-05-17T12:30z",
        "2024-05-17t12:30",
        "2024-05-17T12:30+",
        "2024-05-17T12:30+0200",
        "2024-05-17T12:30+2:00",
        "2024-05-17T12:30+24:00",
        "2024-05-17T12:30+02:60",
        "2024-05-17T12:30ZZ",
        "2024-05-17T12:30 Z",
        "2024-05-17  12:30",
        " 2024",
        "2024 ",
        "2024Z",
        "2024-05-17Z",
        "-2024",
        "+2024",
        "-000000",
        "-000000-01-01",
        "+275760-09-14",
        "+275760-09-13T00:00:00.001Z",
        "-271821-04-19",
        "-271821-04-19T23:59:59.999Z",
        "+999999",
        "-999999",
        "+2757600-01-01",
        "1970-01-01T00:00:00.000Z\n",
        "NaN",
        "\xD9\xA1\xD9\xA9\xD9\xA7\xD9\xA0",
        "1970-01-0a",
        "1970:01:01",
        "12:30",
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(refused); i++) {
        int64_t milliseconds = 777;
        if (timestamp_parse(refused[i], strlen(refused[i]), &milliseconds)) {
            fail_msg("'%s' was taken", refused[i]);
        }
        assert_true(milliseconds == 777);
    }
    /* Only the given bytes count: the text need not end in 0, and a 0 inside is no digit. */
    int64_t milliseconds;
    assert_true(timestamp_parse("2024-05-17xyz", 10, &milliseconds));
    assert_false(timestamp_parse("2024\0", 5, &milliseconds));
    assert_false(timestamp_parse(NULL, 0, &milliseconds));
}

static void check_round_trip(int64_t milliseconds)
{
    char text[40];
    int64_t back = 0;
    size_t length = timestamp_format(milliseconds, text);
    assert_int_equal(length, strlen(text));
    if (!timestamp_parse(text, length, &back) || back != milliseconds) {
        fail_msg("%lld is '%s' is %lld", (long long)milliseconds, text, (long long)back);
    }
    /* The C library's calendar is another implementation. */
    int64_t seconds = milliseconds / 1000 - (milliseconds % 1000 < 0);
    time_t as_time = (time_t)seconds;
    struct tm parts;
    assert_non_null(gmtime_r(&as_time, &parts));
    long year = parts.tm_year + 1900L;
    char expected[80];
    snprintf(expected, sizeof expected,
             year < 0      ? "-%06ld-%02d-%02dT%02d:%02d:%02d.%03dZ"
             : year > 9999 ? "+%06ld-%02d-%02dT%02d:%02d:%02d.%03dZ"
                           : "%04ld-%02d-%02dT%02d:%02d:%02d.%03dZ",
             labs(year), parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
             (int)(milliseconds - seconds * 1000));
    assert_string_equal(text, expected);
}

static void test_round_trips(void **state)
{
    rng r;
    (void)state;
    rng_init(&r, 3);
    for (int i = 0; i < 200000; i++) {
        uint64_t span = (uint64_t)TIMESTAMP_MAX - (uint64_t)TIMESTAMP_MIN + 1;
        check_round_trip((int64_t)((uint64_t)TIMESTAMP_MIN + rng_below(&r, span)));
        /* Nearer to now, and near the ends of years. */
        check_round_trip((int64_t)rng_below(&r, 8000000000000u) - 4000000000000);
    }
    for (int64_t edge = -3; edge <= 3; edge++) {
        check_round_trip(edge);
        if (edge <= 0) check_round_trip(TIMESTAMP_MAX + edge);
        if (edge >= 0) check_round_trip(TIMESTAMP_MIN + edge);
    }
    /* Every day of 1200 years around 2000, first and last millisecond. */
    for (int64_t day = -220000; day <= 220000; day++) {
        check_round_trip(day * 86400000);
        check_round_trip(day * 86400000 - 1);
    }
}

/* Formatting is defined for every number; outside the range the text is refused by parsing. */
static void test_format_everything(void **state)
{
    char text[40];
    int64_t unused;
    (void)state;
    size_t length = timestamp_format(INT64_MAX, text);
    assert_int_equal(length, strlen(text));
    assert_string_equal(text, "+292278994-08-17T07:12:55.807Z");
    length = timestamp_format(INT64_MIN, text);
    assert_int_equal(length, strlen(text));
    assert_string_equal(text, "-292275055-05-16T16:47:04.192Z");
    length = timestamp_format(TIMESTAMP_MAX + 1, text);
    assert_false(timestamp_parse(text, length, &unused));
}

/* Random damage to good texts: taken or refused, never read outside. */
static void test_damaged_texts(void **state)
{
    static const char good[] = "+012024-05-17T12:30:15.250+02:00";
    static const char bytes[] = "0123456789-+:.TZ \0x";
    rng r;
    (void)state;
    rng_init(&r, 11);
    for (int i = 0; i < 200000; i++) {
        size_t length = (size_t)rng_below(&r, sizeof good);
        char *text = malloc(length == 0 ? 1 : length);
        assert_non_null(text);
        memcpy(text, good, length);
        for (uint64_t n = rng_below(&r, 4); n > 0 && length > 0; n--) {
            text[rng_below(&r, length)] = bytes[rng_below(&r, sizeof bytes)];
        }
        int64_t milliseconds;
        if (timestamp_parse(text, length, &milliseconds)) {
            assert_true(milliseconds >= TIMESTAMP_MIN && milliseconds <= TIMESTAMP_MAX);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_names),        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_error_cut),           cmocka_unit_test(test_utf8_sequences),
        cmocka_unit_test(test_utf8_all_characters), cmocka_unit_test(test_known_dates),
        cmocka_unit_test(test_refused_texts),       cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_format_everything),   cmocka_unit_test(test_damaged_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
