/* 16-bit floats: every one of them, what lies between each two, and rows of them, on every tier:
 * conversions are scalar's bit for bit, distances those of f32 rows that were widened first; at all
 * lengths, with the last element before an inaccessible page, and on values that float finds hard.
 */
#define _GNU_SOURCE
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "kernels/half.h"
#include "kernels/kernels.h"
#include "support/guarded.h"
#include "support/hard_floats.h"
#include "support/tiers.h"

#define INFINITE 0x7c00u
#define ROWS 11u

static const kernels *tiers[TIERS_MAX];
static size_t tiers_count;

static int find_tiers(void **state)
{
    (void)state;
    tiers_count = tiers_find(tiers);
    return 0;
}

/* What the bits say, in f64. */
static double meaning(uint16_t half)
{
    double fraction = half & 0x3ff;
    int exponent = half >> 10 & 31;
    double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -size : size;
}

static uint16_t encoded(float value)
{
    uint16_t half;
    half_encode_scalar(&value, 1, &half);
    return half;
}

static float decoded(uint16_t half)
{
    float value;
    half_decode_scalar(&half, 1, &value);
    return value;
}

static void test_every_half(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) {
        uint16_t half = (uint16_t)i;
        float value = decoded(half);
        if ((half & 0x7fff) > INFINITE) {
            assert_true(isnan(value) && isnan(decoded(encoded(value))));
            continue;
        }
        if ((half & 0x7fff) == INFINITE) {
            assert_true(isinf(value) && (value < 0) == (half >> 15));
        } else {
            assert_true((double)value == meaning(half));
        }
        assert_true((signbit(value) != 0) == (half >> 15));
        assert_int_equal(encoded(value), half);
    }
}

/* Around the middle between neighbours, with both signs: nearest, ties to even. */
static void test_between(void **state)
{
    (void)state;
    for (uint16_t low = 0; low < INFINITE; low++) {
        /* Behind the last one comes what would follow it. */
        double next = low + 1 < (int)INFINITE ? meaning((uint16_t)(low + 1)) : 65536;
        float middle = (float)((meaning(low) + next) / 2); /* exact */
        uint16_t high = (uint16_t)(low + 1), even = low % 2 == 0 ? low : high;
        assert_int_equal(encoded(middle), even);
        assert_int_equal(encoded(nextafterf(middle, 0)), low);
        assert_int_equal(encoded(nextafterf(middle, INFINITY)), high);
        assert_int_equal(encoded(-middle), even | 0x8000);
    }
    assert_int_equal(encoded(3.4e38f), INFINITE);
    assert_int_equal(encoded(1e-45f), 0);
    assert_int_equal(encoded(-1e-45f), 0x8000);
}

/* ---------------------------------------------------------------- tiers */

/* Values whose halves are of every kind: denormal, normal, infinite, zero, NaN. */
static void fill_halves(float *values, size_t n, value_kind kind, rng *random)
{
    fill(values, n, kind, random);
    for (size_t i = 0; i < n; i++)
        if (rng_below(random, 3) == 0)
            values[i] *= (float)ldexp(1, (int)rng_below(random, 60) - 30);
}

static bool is_half_nan(uint16_t half)
{
    return (half & 0x7fff) > INFINITE;
}

static void check_conversions(const float *values, const uint16_t *halves, size_t n,
                              const guarded *memory)
{
    float *decoded_here = guarded_end(memory, n * sizeof *decoded_here);
    for (size_t t = 1; t < tiers_count; t++) {
        tiers[t]->decode_half(halves, n, decoded_here);
        for (size_t i = 0; i < n; i++)
            assert_same(decoded_here[i], decoded(halves[i]), tiers[t]->name, n);
        uint16_t *encoded_here = guarded_end(memory, n * sizeof *encoded_here);
        tiers[t]->encode_half(values, n, encoded_here);
        for (size_t i = 0; i < n; i++) {
            if (is_half_nan(halves[i]) && is_half_nan(encoded_here[i])) continue;
            if (encoded_here[i] != halves[i])
                fail_msg("%s, length %zu: %a is %x, must be %x", tiers[t]->name, n,
                         (double)values[i], encoded_here[i], halves[i]);
        }
    }
}

static void test_conversions(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 1);
    guarded from = guarded_new(LENGTH_MAX * sizeof(float));
    guarded to = guarded_new(LENGTH_MAX * sizeof(uint16_t));
    guarded memory = guarded_new(LENGTH_MAX * sizeof(float));
    for (size_t n = 0; n != SIZE_MAX; n = next_length(n)) {
        for (value_kind kind = PLAIN; kind < KINDS; kind++) {
            float *values = guarded_end(&from, n * sizeof *values);
            uint16_t *halves = guarded_end(&to, n * sizeof *halves);
            fill_halves(values, n, kind, &random);
            half_encode_scalar(values, n, halves);
            check_conversions(values, halves, n, &memory);
        }
    }
    /* Every half, and any bits. */
    static uint16_t all[0x10000];
    static float bits[0x10000];
    for (uint32_t i = 0; i < 0x10000; i++) {
        uint32_t any = (uint32_t)rng_next(&random);
        memcpy(&bits[i], &any, sizeof any);
        all[i] = (uint16_t)i;
    }
    for (size_t t = 1; t < tiers_count; t++) {
        static float widened[0x10000];
        static uint16_t narrowed[0x10000];
        tiers[t]->decode_half(all, 0x10000, widened);
        for (uint32_t i = 0; i < 0x10000; i++)
            assert_same(widened[i], decoded((uint16_t)i), tiers[t]->name, i);
        tiers[t]->encode_half(bits, 0x10000, narrowed);
        for (uint32_t i = 0; i < 0x10000; i++)
            assert_true(narrowed[i] == encoded(bits[i]) || isnan(bits[i]));
    }
    guarded_free(&from);
    guarded_free(&to);
    guarded_free(&memory);
}

/* Distances of `count` rows are those of the rows widened first; nothing else is written. */
static void check_rows(const float *query, const uint16_t *const *rows, size_t count, size_t n)
{
    static float widened[LENGTH_MAX];
    float dots[ROWS], squares[ROWS];
    for (size_t i = 0; i < count; i++) {
        half_decode_scalar(rows[i], n, widened);
        dots[i] = kernels_scalar.dot(query, widened, n);
        squares[i] = kernels_scalar.l2(query, widened, n);
    }
    for (size_t t = 0; t < tiers_count; t++) {
        float found[ROWS + 1];
        found[count] = 77;
        tiers[t]->dot_half_rows(query, rows, count, n, found);
        for (size_t i = 0; i < count; i++)
            assert_same(found[i], dots[i], tiers[t]->name, n);
        tiers[t]->l2_half_rows(query, rows, count, n, found);
        for (size_t i = 0; i < count; i++)
            assert_same(found[i], squares[i], tiers[t]->name, n);
        assert_true(found[count] == 77);
    }
}

static void make_finite(uint16_t *halves, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((halves[i] & 0x7fff) >= INFINITE) halves[i] &= 0xbfff;
}

/* Rows anywhere, each before a page of its own, and at odd places; and rows of one array, which are
 * a stream. */
static void test_rows(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 3);
    guarded query_memory = guarded_new(LENGTH_MAX * sizeof(float));
    guarded array = guarded_new(ROWS * LENGTH_MAX * sizeof(uint16_t));
    guarded memory[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        memory[i] = guarded_new((LENGTH_MAX + 1) * sizeof(uint16_t));
    for (size_t n = 0; n != SIZE_MAX; n = next_length(n)) {
        for (value_kind kind = PLAIN; kind < KINDS; kind++) {
            static float values[LENGTH_MAX];
            float *query = guarded_end(&query_memory, n * sizeof *query);
            uint16_t *stream = guarded_end(&array, ROWS * n * sizeof *stream);
            const uint16_t *orders[2][ROWS];
            fill(query, n, kind, &random);
            for (size_t i = 0; i < ROWS; i++) {
                uint16_t *row = guarded_end(&memory[i], (n + i % 2) * sizeof *row);
                fill_halves(values, n, i == 5 ? SPECIAL : kind, &random);
                half_encode_scalar(values, n, row);
                make_finite(row, n);
                if (n > 0) memcpy(stream + i * n, row, n * sizeof *row);
                orders[0][i] = row;
                orders[1][i] = stream + i * n;
            }
            size_t count = n % (ROWS + 1);
            for (size_t order = 0; order < 2; order++) {
                check_rows(query, orders[order], count, n);
                check_rows(query, orders[order], ROWS, n);
            }
        }
    }
    for (size_t i = 0; i < ROWS; i++)
        guarded_free(&memory[i]);
    guarded_free(&array);
    guarded_free(&query_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_between),
        cmocka_unit_test(test_conversions),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, find_tiers, NULL);
}
