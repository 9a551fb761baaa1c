/* Numbers as text and back, formatted texts: the libc in the C locale is the model. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/rng.h"
#include "base/text.h"
#include "support/testing.h"

static double of_bits(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Everything that a double can be: all exponents, few bits, fractions of whole numbers. */
static double random_number(rng *r)
{
    switch (rng_below(r, 5)) {
    case 0:
        return (double)rng_below(r, 1000000) / 1000;
    case 1:
        return (double)(int64_t)rng_next(r) / (double)((uint64_t)1 << rng_below(r, 64));
    case 2:
        return (double)((float)rng_below(r, 100000) / 77.0f);
    case 3:
        return of_bits(rng_next(r) >> (11 + rng_below(r, 50))); /* mostly subnormal */
    default:
        for (;;) {
            double number = of_bits(rng_next(r));
            if (isfinite(number)) return number;
        }
    }
}

/* ---- reading */

static void expect_read(const char *text)
{
    const char *end;
    char *model_end;
    double number = number_read(text, &end);
    double model = strtod(text, &model_end);
    assert_ptr_equal(end, model_end);
    assert_memory_equal(&number, &model, sizeof number);
}

static void test_odd_texts(void **state)
{
    static const char *const texts[] = {
        "",
        "-",
        ".",
        "-.",
        "x",
        "1.",
        "-.5",
        "1.5.2",
        "1e",
        "1e+",
        "1e-x",
        "1E5",
        "1e+05",
        "00012",
        "0",
        "-0",
        "-0.0",
        "0e99999999999999999999",
        "1e99999999999999999999",
        "1e308",
        "1e309",
        "1e-99999999999999999999",
        "12345678901234567890123",
        "9007199254740993",
        /* half of the smallest, a little more; the largest, half a unit more, a little less */
        "2.4703282292062327208e-324",
        "2.4703282292062328e-324",
        "1.7976931348623158079e308",
        "1.797693134862315808e308",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(texts); i++)
        expect_read(texts[i]);
}

static void test_random_texts(void **state)
{
    rng r;
    (void)state;
    rng_init(&r, 1);
    for (int round = 0; round < 300000; round++) {
        char text[64], *to = text;
        size_t digits = 1 + (size_t)rng_below(&r, 25), point = (size_t)rng_below(&r, digits + 1);
        if (rng_below(&r, 2)) *to++ = '-';
        if (point == 0) *to++ = '0';
        for (size_t i = 0; i < digits; i++) {
            if (i == point) *to++ = '.';
            *to++ = (char)('0' + rng_below(&r, 10));
        }
        *to = 0;
        if (rng_below(&r, 2)) sprintf(to, "e%d", (int)rng_below(&r, 700) - 350);
        expect_read(text);
    }
}

/* The decimal digits of the exact middle between two neighbours, and numbers just beside it. */
static void test_middles(void **state)
{
    rng r;
    (void)state;
    rng_init(&r, 2);
    for (int round = 0; round < 3000; round++) {
        double low = fabs(random_number(&r)) / 2;
        int exponent;
        (void)frexp(low, &exponent);
        if (low == 0 || exponent < -1000) continue;
        /* The last bit of a double a quarter as small: its half is a double too. */
        double unit = ldexp(1, exponent - 53);
        char text[1500];
        int bytes = snprintf(text, sizeof text, "%.1100f", low);
        assert_in_range(bytes, 1100, 1499);
        /* Adds unit / 2 in decimal: both are exact in 1100 places. */
        char half[1500];
        int half_bytes = snprintf(half, sizeof half, "%.1100f", unit / 2);
        int carry = 0;
        for (int i = bytes - 1, j = half_bytes - 1; i >= 0; i--, j--) {
            if (text[i] == '.') continue;
            int sum = text[i] - '0' + (j >= 0 ? half[j] - '0' : 0) + carry;
            text[i] = (char)('0' + sum % 10);
            carry = sum / 10;
        }
        if (carry) continue;
        expect_read(text);
        text[bytes - 1] = '1';
        expect_read(text);
        char *last = text + bytes - 1;
        *last = '0';
        while (*last == '0' || *last == '.')
            last--;
        *last = (char)(*last - 1);
        last[last[1] == '.' ? 2 : 1] = '9';
        expect_read(text);
    }
}

static void test_long_texts(void **state)
{
    const size_t zeros = 100000;
    char *text = malloc(zeros + 64);
    (void)state;
    assert_non_null(text);
    memset(text, '0', zeros);
    memcpy(text, "0.", 2);
    sprintf(text + zeros, "25e%zu", zeros);
    expect_read(text);
    memset(text, '9', zeros);
    sprintf(text + zeros, "e-%zu", zeros);
    expect_read(text);
    /* The middle of 1 and the next, decided by a digit that stands far behind. */
    int bytes = sprintf(text, "1.00000000000000011102230246251565404236316680908203125");
    memset(text + bytes, '0', zeros - (size_t)bytes);
    text[zeros] = 0;
    assert_true(number_read(text, &(const char *){NULL}) == 1);
    text[zeros - 1] = '1';
    assert_true(number_read(text, &(const char *){NULL}) == 1 + 0x1p-52);
    free(text);
}

/* ---- writing */

static void test_rounding(void **state)
{
    rng r;
    (void)state;
    rng_init(&r, 3);
    for (int round = 0; round < 60000; round++) {
        double number = random_number(&r);
        if (round < 2098) number = ldexp(1, round - 1074);
        int digits = 1 + (int)rng_below(&r, NUMBER_DIGITS_MAX);
        char text[NUMBER_TEXT_BYTES], model[64];
        size_t bytes = number_round(number, digits, text);
        snprintf(model, sizeof model, "%.*g", digits, number);
        assert_string_equal(text, model);
        assert_int_equal(bytes, strlen(text));
    }
    static const double others[] = {0,   -0.0, 0.5,     1.5,      2.5,
                                    9.5, 99.5, 0.00001, INFINITY, -INFINITY};
    for (size_t i = 0; i < TEST_COUNT(others); i++) {
        char text[NUMBER_TEXT_BYTES], model[64];
        (void)number_round(others[i], 1, text);
        snprintf(model, sizeof model, "%.1g", others[i]);
        assert_string_equal(text, model);
    }
}

/* Reads back to the same bits; no shorter count of digits from 15 on does. */
static void test_writing_reads_back(void **state)
{
    rng r;
    (void)state;
    rng_init(&r, 4);
    for (int round = 0; round < 60000; round++) {
        double number = random_number(&r);
        char text[NUMBER_TEXT_BYTES], shorter[64];
        size_t bytes = number_write(number, text);
        assert_int_equal(bytes, strlen(text));
        double back = strtod(text, NULL);
        assert_memory_equal(&back, &number, sizeof number);
        bool is_json = strpbrk(text, ".e") != NULL && !strchr(text, '+');
        assert_true(is_json);
        bytes = number_print(number, text);
        assert_int_equal(bytes, strlen(text));
        back = strtod(text, NULL);
        assert_memory_equal(&back, &number, sizeof number);
        for (int digits = 15; digits < NUMBER_DIGITS_MAX; digits++) {
            snprintf(shorter, sizeof shorter, "%.*g", digits, number);
            if (strtod(shorter, NULL) != number) continue;
            assert_string_equal(text, shorter);
            break;
        }
    }
}

static void test_json_layout(void **state)
{
    static const struct {
        double number;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-12.5, "-12.5"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {0.000001, "0.000001"},
        {0.0000001, "1e-7"},
        {1.5e-7, "1.5e-7"},
        {123456789012345680.0, "123456789012345680.0"},
        {1e20, "100000000000000000000.0"},
        {1e21, "1e21"},
        {-1.7976931348623157e308, "-1.7976931348623157e308"},
        {5e-324, "5e-324"},
        {0x1p-1022, "2.2250738585072014e-308"},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        char text[NUMBER_TEXT_BYTES];
        (void)number_write(cases[i].number, text);
        assert_string_equal(text, cases[i].text);
    }
}

/* ---- formatted text */

/* By address, because the compilers would warn of texts that are cut, which is what is tested. */
static int (*const model_print)(char *, size_t, const char *, ...) = snprintf;

/* The same format and arguments to both, into every size. */
#define EXPECT_TEXT(...)                                                    \
    do {                                                                    \
        for (size_t size = 1; size < 64; size++) {                          \
            char text[64], model[64];                                       \
            memset(text, '#', sizeof text);                                 \
            memset(model, '#', sizeof model);                               \
            size_t bytes = text_print(text, size, __VA_ARGS__);             \
            assert_int_equal(bytes, model_print(model, size, __VA_ARGS__)); \
            assert_memory_equal(text, model, sizeof text);                  \
        }                                                                   \
    } while (0)

static void test_formats(void **state)
{
    const char unended[3] = {'a', 'b', 'c'};
    (void)state;
    EXPECT_TEXT("%s", "");
    EXPECT_TEXT("100%%, %s and '%.3s' and '%.40s'", "a text", "long", "short");
    EXPECT_TEXT("%.*s|%.*s|%.*s", 3, unended, 0, unended, -1, "all of it");
    EXPECT_TEXT("%d %d %d %u", 0, -1, INT32_MIN, UINT32_MAX);
    EXPECT_TEXT("%ld %lu %zu", -1L, 1UL, SIZE_MAX);
    EXPECT_TEXT("%lld %llu %lld", (long long)INT64_MIN, (unsigned long long)UINT64_MAX, 7LL);
    EXPECT_TEXT("%x %X %02X%02x%02X", 0xBEEFu, 0xBEEFu, 5u, 0xABu, 0xABCu);
    EXPECT_TEXT("%llx%c%c", 0x123456789ABCDEFull, 'x', 'y');
    EXPECT_TEXT("%g %.3g %.17g %.*g %.0g", 1e100, 2.0 / 3, 0.1, 5, 1234567.0, 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_texts),   cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_middles),     cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_rounding),    cmocka_unit_test(test_writing_reads_back),
        cmocka_unit_test(test_json_layout), cmocka_unit_test(test_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
