/* The f32 kernels: every tier against scalar bit for bit, and against double precision within the
 * bound of their summation; at all lengths and offsets, with the last element before an
 * inaccessible page, and on values that float finds hard.
 */
#define _GNU_SOURCE
#include "support/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "support/guarded.h"
#include "support/hard_floats.h"
#include "support/tiers.h"

#define ROWS 11u

static const kernels *tiers[TIERS_MAX];
static size_t tiers_count;

static int find_tiers(void **state)
{
    (void)state;
    tiers_count = tiers_find(tiers);
    return 0;
}

/* n floats that end at the page. */
static float *guarded_floats(const guarded *g, size_t n)
{
    return guarded_end(g, n * sizeof(float));
}

/* ---------------------------------------------------------------- distances */

/* f32 sums of n terms in 16 lanes: an error of at most (n / 16 + 8) roundings of the terms' sum. */
static void check_against_double(const float *a, const float *b, size_t n, float dot, float l2)
{
    double sum = 0, size = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)a[i], y = (double)b[i];
        sum += x * y;
        size += fabs(x * y);
        square += (x - y) * (x - y);
    }
    double roundings = ((double)n / 16 + 8) * 0x1p-24;
    double denormals = (double)n * 0x1p-149;
    if (size < 1e37) assert_true(fabs((double)dot - sum) <= roundings * size + denormals);
    /* A difference is rounded before it is squared. */
    if (square < 1e37) {
        assert_true(fabs((double)l2 - square) <= (roundings + 0x1p-22) * square + denormals);
    }
}

static void test_pairs(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 1);
    guarded left = guarded_new((LENGTH_MAX + 8) * sizeof(float));
    guarded right = guarded_new((LENGTH_MAX + 8) * sizeof(float));
    for (size_t n = 0; n != SIZE_MAX; n = next_length(n)) {
        for (value_kind kind = PLAIN; kind < KINDS; kind++) {
            for (size_t offset = 0; offset < 3; offset++) {
                float *a = guarded_floats(&left, n + offset);
                float *b = guarded_floats(&right, n);
                fill(a, n, kind, &random);
                fill(b, n, kind, &random);
                if (kind == CANCELLING && n > 0) memcpy(b, a, (n - 1) * sizeof *a);
                float dot = kernels_scalar.dot(a, b, n);
                float l2 = kernels_scalar.l2(a, b, n);
                if (kind != SPECIAL) check_against_double(a, b, n, dot, l2);
                for (size_t t = 1; t < tiers_count; t++) {
                    assert_same(tiers[t]->dot(a, b, n), dot, "dot", n);
                    assert_same(tiers[t]->l2(a, b, n), l2, "l2", n);
                }
            }
        }
    }
    guarded_free(&left);
    guarded_free(&right);
}

static void test_definition(void **state)
{
    (void)state;
    float a[33], b[33];
    rng random;
    rng_init(&random, 2);
    fill(a, 33, PLAIN, &random);
    fill(b, 33, PLAIN, &random);
    volatile float lane[16];
    for (int i = 0; i < 16; i++)
        lane[i] = 0;
    for (int i = 0; i < 33; i++) {
        volatile float product = a[i] * b[i];
        lane[i % 16] = lane[i % 16] + product;
    }
    for (int half = 8; half > 0; half /= 2) {
        for (int i = 0; i < half; i++)
            lane[i] = lane[i] + lane[i + half];
    }
    for (size_t t = 0; t < tiers_count; t++)
        assert_same(tiers[t]->dot(a, b, 33), lane[0], "dot", 33);
}

static void test_rows(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 3);
    guarded query_memory = guarded_new(LENGTH_MAX * sizeof(float));
    guarded memory[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        memory[i] = guarded_new(LENGTH_MAX * sizeof(float));
    for (size_t n = 0; n != SIZE_MAX; n = next_length(n)) {
        float *query = guarded_floats(&query_memory, n);
        const float *rows[ROWS];
        fill(query, n, PLAIN, &random);
        for (size_t i = 0; i < ROWS; i++) {
            float *row = guarded_floats(&memory[i], n);
            fill(row, n, i == 5 ? SPECIAL : PLAIN, &random);
            rows[i] = row;
        }
        for (size_t t = 0; t < tiers_count; t++) {
            for (size_t count = 0; count <= ROWS; count++) {
                float dots[ROWS + 1], squares[ROWS + 1];
                for (size_t i = 0; i <= count; i++)
                    dots[i] = squares[i] = 77;
                tiers[t]->dot_rows(query, rows, count, n, dots);
                tiers[t]->l2_rows(query, rows, count, n, squares);
                for (size_t i = 0; i < count; i++) {
                    assert_same(dots[i], kernels_scalar.dot(query, rows[i], n), "dot_rows", n);
                    assert_same(squares[i], kernels_scalar.l2(query, rows[i], n), "l2_rows", n);
                }
                assert_true(dots[count] == 77 && squares[count] == 77);
            }
        }
    }
    for (size_t i = 0; i < ROWS; i++)
        guarded_free(&memory[i]);
    guarded_free(&query_memory);
}

/* Rows of one array, as a stream that ends at the page, backwards, and one of them again and again. */
static void test_streams(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 4);
    guarded memory = guarded_new((ROWS + 1) * LENGTH_MAX * sizeof(float));
    for (size_t n = 1; n != SIZE_MAX; n = next_length(n)) {
        float *array = guarded_floats(&memory, (ROWS + 1) * n);
        const float *query = array;
        fill(array, (ROWS + 1) * n, PLAIN, &random);
        const float *orders[3][ROWS];
        for (size_t i = 0; i < ROWS; i++) {
            orders[0][i] = array + (i + 1) * n;
            orders[1][i] = array + (ROWS - i) * n;
            orders[2][i] = array + ROWS * n;
        }
        for (size_t t = 0; t < tiers_count; t++) {
            for (size_t order = 0; order < 3; order++) {
                const float *const *rows = orders[order];
                float dots[ROWS], squares[ROWS];
                tiers[t]->dot_rows(query, rows, ROWS, n, dots);
                tiers[t]->l2_rows(query, rows, ROWS, n, squares);
                for (size_t i = 0; i < ROWS; i++) {
                    assert_same(dots[i], kernels_scalar.dot(query, rows[i], n), "dot_rows", n);
                    assert_same(squares[i], kernels_scalar.l2(query, rows[i], n), "l2_rows", n);
                }
            }
        }
    }
    guarded_free(&memory);
}

/* ---------------------------------------------------------------- rotation */

static void naive_hadamard(const double *from, double *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = 0;
        for (size_t j = 0; j < n; j++) {
            to[i] += __builtin_parityll(i & j) ? -from[j] : from[j];
        }
    }
}

static void test_hadamard(void **state)
{
    (void)state;
    static double exact[1024], transformed[1024];
    rng random;
    rng_init(&random, 4);
    guarded memory = guarded_new(LENGTH_MAX * sizeof(float));
    guarded other = guarded_new(LENGTH_MAX * sizeof(float));
    for (size_t n = 64; n <= LENGTH_MAX; n *= 2) {
        for (value_kind kind = PLAIN; kind <= TINY; kind++) {
            float *x = guarded_floats(&memory, n);
            float *y = guarded_floats(&other, n);
            static float from[LENGTH_MAX];
            fill(from, n, kind, &random);
            memcpy(x, from, n * sizeof *x);
            kernels_scalar.hadamard(x, n);
            for (size_t t = 1; t < tiers_count; t++) {
                memcpy(y, from, n * sizeof *y);
                tiers[t]->hadamard(y, n);
                for (size_t i = 0; i < n; i++)
                    assert_same(x[i], y[i], "hadamard", n);
            }
            if (n > 1024 || kind != PLAIN) continue;
            double norm = 0;
            for (size_t i = 0; i < n; i++) {
                exact[i] = (double)from[i];
                norm += exact[i] * exact[i];
            }
            naive_hadamard(exact, transformed, n);
            for (size_t i = 0; i < n; i++) {
                double error = fabs(transformed[i] - (double)x[i]);
                assert_true(error <= 1e-6 * sqrt(norm * (double)n));
            }
        }
    }
    guarded_free(&memory);
    guarded_free(&other);
}

static void test_elementwise(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 5);
    guarded memory[4];
    for (size_t i = 0; i < 4; i++)
        memory[i] = guarded_new(LENGTH_MAX * sizeof(float));
    for (size_t n = 64; n <= LENGTH_MAX; n += n < 1024 ? 64 : 1024) {
        float *x[4];
        for (size_t i = 0; i < 4; i++)
            x[i] = guarded_floats(&memory[i], n);
        static float from[LENGTH_MAX], by[LENGTH_MAX];
        fill(from, n, PLAIN, &random);
        fill(by, n, WIDE, &random);
        memcpy(x[3], by, n * sizeof *by);
        memcpy(x[0], from, n * sizeof *from);
        kernels_scalar.multiply(x[0], x[3], n);
        memcpy(x[1], from, n * sizeof *from);
        kernels_scalar.mix_mirrored(x[1], n);
        for (size_t i = 0; i < n; i++)
            assert_same(x[0][i], from[i] * by[i], "multiply", n);
        for (size_t i = 0; i < n / 2; i++) {
            double a = (double)from[i], b = (double)from[n - 1 - i];
            assert_true(fabs((double)x[1][i] - (a + b) * sqrt(0.5)) < 3e-7);
            assert_true(fabs((double)x[1][n - 1 - i] - (a - b) * sqrt(0.5)) < 3e-7);
        }
        for (size_t t = 1; t < tiers_count; t++) {
            memcpy(x[2], from, n * sizeof *from);
            tiers[t]->multiply(x[2], x[3], n);
            for (size_t i = 0; i < n; i++)
                assert_same(x[0][i], x[2][i], "multiply", n);
            memcpy(x[2], from, n * sizeof *from);
            tiers[t]->mix_mirrored(x[2], n);
            for (size_t i = 0; i < n; i++)
                assert_same(x[1][i], x[2][i], "mix_mirrored", n);
        }
    }
    for (size_t i = 0; i < 4; i++)
        guarded_free(&memory[i]);
}

/* ---------------------------------------------------------------- tiers */

static void test_dispatch(void **state)
{
    (void)state;
    assert_ptr_equal(kernels_find("scalar"), &kernels_scalar);
    assert_null(kernels_find("no such tier"));
    for (size_t t = 0; t < tiers_count; t++) {
        assert_ptr_equal(kernels_find(tiers[t]->name), tiers[t]);
        kernels_force(tiers[t]);
        assert_ptr_equal(kernels_get(), tiers[t]);
    }
    setenv("VEER_FORCE_TIER", "scalar", 1);
    kernels_force(NULL);
    assert_ptr_equal(kernels_get(), &kernels_scalar);
    setenv("VEER_FORCE_TIER", "no such tier", 1);
    kernels_force(NULL);
    const kernels *best = kernels_get();
    unsetenv("VEER_FORCE_TIER");
    kernels_force(NULL);
    assert_ptr_equal(kernels_get(), best);
    for (size_t t = 0; t < tiers_count; t++) {
        assert_true(tiers[t]->dot && tiers[t]->l2 && tiers[t]->dot_rows && tiers[t]->l2_rows);
        assert_true(tiers[t]->multiply && tiers[t]->hadamard && tiers[t]->mix_mirrored);
        assert_true(tiers[t]->residual && tiers[t]->place_code && tiers[t]->group_max);
        assert_true(tiers[t]->make_tables && tiers[t]->scan && tiers[t]->find_block);
        assert_true(tiers[t]->test_block && tiers[t]->further);
        assert_true(tiers[t]->encode_sq8 && tiers[t]->l2_sq8 && tiers[t]->dot_sq8);
        assert_true(tiers[t]->dot_sq4);
        assert_true(tiers[t]->encode_half && tiers[t]->decode_half);
        assert_true(tiers[t]->dot_half_rows && tiers[t]->l2_half_rows);
        assert_true(tiers[t]->hamming_bits && tiers[t]->jaccard_bits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),    cmocka_unit_test(test_definition),
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_streams),
        cmocka_unit_test(test_hadamard), cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_dispatch),
    };
    return cmocka_run_group_tests(tests, find_tiers, NULL);
}
