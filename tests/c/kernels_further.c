/* The kernels of the further metrics: every tier against scalar bit for bit, at all lengths, with
 * the last element before an inaccessible page, on values that float finds hard; scalar against the
 * formulas in double precision; and what the formulas leave open, by hand.
 */
#define _GNU_SOURCE
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "support/guarded.h"
#include "support/hard_floats.h"
#include "support/tiers.h"
#include "support/true_distance.h"

#define ROWS 11u

static const kernels *tiers[TIERS_MAX];
static size_t tiers_count;

static const char *const *const names = true_metric_names + VEER_METRIC_MANHATTAN;

static int find_tiers(void **state)
{
    (void)state;
    tiers_count = tiers_find(tiers);
    return 0;
}

static float one(const kernels *tier, size_t metric, const float *a, const float *b, size_t n)
{
    float result = NAN;
    tier->further[metric](a, &b, 1, n, &result);
    return result;
}

/* ---------------------------------------------------------------- formulas */

/* What f32 may make of a distance: each term is rounded three times at most, every sum n / 16 + 8
 * times more. */
static double bound_of(size_t metric, double distance, size_t n)
{
    double roundings = ((double)n / 16 + 12) * 0x1p-24;
    if (metric == KERNEL_HAMMING) return 0;
    if (metric == KERNEL_BRAYCURTIS) roundings *= 2; /* two sums */
    return roundings * distance;
}

/* Some of b's elements are a's and some are zero, so that there is something to count. */
static void mix(const float *a, float *b, size_t n, rng *random)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t choice = rng_below(random, 6);
        if (choice < 2) b[i] = a[i];
        if (choice == 2) b[i] = 0;
    }
}

static void test_formulas(void **state)
{
    (void)state;
    static float a[LENGTH_MAX], b[LENGTH_MAX];
    rng random;
    rng_init(&random, 1);
    for (size_t n = 0; n != SIZE_MAX; n = next_length(n)) {
        for (value_kind kind = PLAIN; kind <= ZEROS; kind++) {
            if (kind == TINY) continue; /* quotients of denormals have few digits */
            fill(a, n, kind, &random);
            fill(b, n, kind, &random);
            mix(b, a, n, &random);
            for (size_t metric = 0; metric < KERNEL_FURTHER; metric++) {
                veer_metric by = (veer_metric)(VEER_METRIC_MANHATTAN + metric);
                double wanted = true_distance(by, a, b, n);
                double found = (double)one(&kernels_scalar, metric, a, b, n);
                if (!(fabs(found - wanted) <= bound_of(metric, wanted, n)))
                    fail_msg("%s, length %zu: %a, must be %a", names[metric], n, found, wanted);
                /* a - b and b - a differ in their sign alone */
                assert_same(one(&kernels_scalar, metric, b, a, n), (float)found, names[metric], n);
            }
        }
    }
}

typedef struct known {
    float a[4], b[4];
    float distances[KERNEL_FURTHER];
} known;

static void test_what_formulas_leave_open(void **state)
{
    (void)state;
    static const known all[] = {
        {{1, 2, 0, 4}, {1, 0, 0, -4}, {10, 8, 2, 10.0f / 4, 2, 1.0f / 3}},
        {{0, 0, 0, 0}, {0, -0.0f, 0, 0}, {0, 0, 0, 0, 0, 0}},      /* 0 / 0, and -0 is 0 */
        {{1, 0, 2, 0}, {-1, 0, -2, 0}, {6, 4, 2, INFINITY, 2, 0}}, /* 6 / 0 */
        {{0, 0, 0, 0}, {3, 0, 0, 1}, {4, 3, 2, 1, 2, 1}},
        {{1, 1, 0, 0}, {0, 1, 1, 0}, {2, 1, 2, 0.5f, 2, 2.0f / 3}},                  /* bits */
        {{5, 7, 9, 2}, {5, 8, 9, 3}, {2, 1, 1.0f / 15 + 1.0f / 5, 2.0f / 48, 2, 0}}, /* labels */
    };
    for (size_t t = 0; t < tiers_count; t++) {
        for (size_t i = 0; i < TEST_COUNT(all); i++) {
            for (size_t metric = 0; metric < KERNEL_FURTHER; metric++) {
                float found = one(tiers[t], metric, all[i].a, all[i].b, 4);
                assert_same(found, all[i].distances[metric], names[metric], i);
            }
        }
    }
}

/* ---------------------------------------------------------------- tiers */

static void test_same_on_every_tier(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 2);
    guarded left = guarded_new((LENGTH_MAX + 8) * sizeof(float));
    guarded right = guarded_new((LENGTH_MAX + 8) * sizeof(float));
    for (size_t n = 0; n != SIZE_MAX; n = next_length(n)) {
        for (value_kind kind = PLAIN; kind < KINDS; kind++) {
            for (size_t offset = 0; offset < 3; offset++) {
                float *a = guarded_end(&left, (n + offset) * sizeof *a);
                float *b = guarded_end(&right, n * sizeof *b);
                fill(a, n, kind, &random);
                fill(b, n, kind, &random);
                mix(a, b, n, &random);
                for (size_t metric = 0; metric < KERNEL_FURTHER; metric++) {
                    float wanted = one(&kernels_scalar, metric, a, b, n);
                    for (size_t t = 1; t < tiers_count; t++)
                        assert_same(one(tiers[t], metric, a, b, n), wanted, names[metric], n);
                }
            }
        }
    }
    guarded_free(&left);
    guarded_free(&right);
}

/* Rows anywhere, each before a page of its own; and rows of one array, which are a stream. */
static void test_rows(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 3);
    guarded array = guarded_new((ROWS + 1) * LENGTH_MAX * sizeof(float));
    guarded memory[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        memory[i] = guarded_new(LENGTH_MAX * sizeof(float));
    for (size_t n = 0; n != SIZE_MAX; n = next_length(n)) {
        float *query = guarded_end(&array, (ROWS + 1) * n * sizeof *query);
        const float *orders[2][ROWS];
        fill(query, (ROWS + 1) * n, PLAIN, &random);
        for (size_t i = 0; i < ROWS; i++) {
            float *row = guarded_end(&memory[i], n * sizeof *row);
            fill(row, n, i == 5 ? SPECIAL : PLAIN, &random);
            orders[0][i] = row;
            orders[1][i] = query + (i + 1) * n;
        }
        for (size_t order = 0; order < 2; order++) {
            const float *const *rows = orders[order];
            for (size_t metric = 0; metric < KERNEL_FURTHER; metric++) {
                float wanted[ROWS];
                for (size_t i = 0; i < ROWS; i++)
                    wanted[i] = one(&kernels_scalar, metric, query, rows[i], n);
                for (size_t t = 0; t < tiers_count; t++) {
                    float found[ROWS + 1];
                    size_t count = n % (ROWS + 1);
                    for (size_t i = 0; i <= ROWS; i++)
                        found[i] = 77;
                    tiers[t]->further[metric](query, rows, count, n, found);
                    for (size_t i = 0; i < count; i++)
                        assert_same(found[i], wanted[i], names[metric], n);
                    assert_true(found[count] == 77);
                    tiers[t]->further[metric](query, rows, ROWS, n, found);
                    for (size_t i = 0; i < ROWS; i++)
                        assert_same(found[i], wanted[i], names[metric], n);
                }
            }
        }
    }
    for (size_t i = 0; i < ROWS; i++)
        guarded_free(&memory[i]);
    guarded_free(&array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_what_formulas_leave_open),
        cmocka_unit_test(test_same_on_every_tier),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, find_tiers, NULL);
}
