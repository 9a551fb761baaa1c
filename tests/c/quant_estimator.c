/* RaBitQ's promises, measured: the estimate is unbiased over rotations, the bound at 3.3 deviations
 * fails in at most 1e-3 of cases, nothing overflows, codes and factors are the same on every tier.
 *
 * Sums are made here from codes and tables, row by row; the kernels' scans have their own test.
 */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "math/rotation.h"
#include "quant/rabitq.h"
#include "support/tiers.h"

#define DIMS_MAX 8192u
#define ROWS 32u

static const char *const metric_names[] = {"cosine", "dot", "l2"};

typedef struct setting {
    rotation rotation;
    rabitq quantizer;
    float centre[DIMS_MAX];
    float query[DIMS_MAX];
    float rows[ROWS][DIMS_MAX];
    double truth[ROWS];
    float residual[DIMS_MAX];
    uint8_t block[4 * DIMS_MAX + 384];
    uint8_t tables[4 * DIMS_MAX];
    rabitq_query prepared;
    rabitq_bounds bounds[ROWS];
} setting;

static setting s;

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void normalise(float *x, size_t n)
{
    double norm = sqrt(dot(x, x, n));
    if (norm == 0) return;
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)x[i] / norm);
}

static double distance(veer_metric metric, const float *a, const float *b, size_t n)
{
    double sum = 0;
    if (metric == VEER_METRIC_DOT) return -dot(a, b, n);
    if (metric == VEER_METRIC_COSINE) return 1 - dot(a, b, n);
    for (size_t i = 0; i < n; i++) {
        double difference = (double)a[i] - (double)b[i];
        sum += difference * difference;
    }
    return sum;
}

/* Encodes s.rows around s.centre and bounds their distances from s.query; all are unrotated. */
static void estimate(veer_metric metric, uint32_t dims, uint64_t seed, float sigmas)
{
    static float centre[DIMS_MAX], query[DIMS_MAX], row[DIMS_MAX];
    assert_int_equal(rotation_init(&s.rotation, memory_default(), dims, seed), VEER_OK);
    const kernels *k = kernels_get();
    uint32_t padded = s.rotation.padded;
    s.quantizer = (rabitq){k, metric, padded};
    memset(centre, 0, sizeof centre);
    memset(query, 0, sizeof query);
    memcpy(centre, s.centre, dims * sizeof *centre);
    memcpy(query, s.query, dims * sizeof *query);
    rotation_apply(&s.rotation, k, centre);
    rotation_apply(&s.rotation, k, query);
    rabitq_clear_block(&s.quantizer, s.block);
    for (unsigned i = 0; i < ROWS; i++) {
        memset(row, 0, sizeof row);
        memcpy(row, s.rows[i], dims * sizeof *row);
        rotation_apply(&s.rotation, k, row);
        rabitq_encode(&s.quantizer, row, centre, s.residual, i, s.block);
        s.truth[i] = distance(metric, s.rows[i], s.query, dims);
    }
    rabitq_query_init(&s.quantizer, query, centre, sigmas, s.residual, s.tables, &s.prepared);
    kernel_hits hits;
    k->test_block(&s.prepared.probe, s.block, INFINITY, &hits);
    rabitq_bound_rows(&s.prepared, s.block, UINT32_MAX, hits.centred, s.bounds);
    rotation_fini(&s.rotation);
}

/* Vectors as they come: around a mean, some sparse, some near the query, some far from everything. */
static void make_vectors(veer_metric metric, uint32_t dims, rng *random)
{
    float spread[DIMS_MAX / 64];
    for (size_t i = 0; i < TEST_COUNT(spread); i++)
        spread[i] = (float)exp(-0.1 * (double)i);
    for (uint32_t i = 0; i < dims; i++) {
        s.centre[i] = 0.3f * (float)rng_normal(random);
        s.query[i] = s.centre[i] + (float)rng_normal(random) * spread[i * 8 / dims];
    }
    for (unsigned r = 0; r < ROWS; r++) {
        float share = r % 4 == 0 ? 0.9f : r % 4 == 1 ? 0.5f : 0.0f; /* of the query */
        float size = r % 8 == 7 ? 5.0f : 1.0f;
        for (uint32_t i = 0; i < dims; i++) {
            float noise = (float)rng_normal(random) * spread[i * 8 / dims] * size;
            if (r % 8 == 3 && i % 16 != 0) noise = 0;
            s.rows[r][i] = s.centre[i] + share * (s.query[i] - s.centre[i]) + (1 - share) * noise;
        }
    }
    if (metric != VEER_METRIC_COSINE) return;
    normalise(s.query, dims);
    for (unsigned r = 0; r < ROWS; r++)
        normalise(s.rows[r], dims);
    for (uint32_t i = 0; i < dims; i++)
        s.centre[i] *= 0.1f;
}

/* For each metric and length, fixed vectors under 256 rotations: the mean over rotations of the mean
 * error is within 3 of its standard errors. */
static void test_unbiased(void **state)
{
    (void)state;
    enum { ROTATIONS = 256 };
    static const uint32_t list[] = {20, 64, 128, 150, 384};
    rng random;
    rng_init(&random, 11);
    for (int metric = 0; metric < 3; metric++) {
        for (size_t d = 0; d < TEST_COUNT(list); d++) {
            make_vectors((veer_metric)metric, list[d], &random);
            double sum = 0, square = 0, scale = 0;
            for (uint64_t seed = 0; seed < ROTATIONS; seed++) {
                estimate((veer_metric)metric, list[d], seed, 3.3f);
                double mean = 0;
                for (unsigned r = 0; r < ROWS; r++) {
                    mean += ((double)s.bounds[r].estimate - s.truth[r]) / ROWS;
                    scale += fabs((double)s.bounds[r].estimate - s.truth[r]) / (ROWS * ROTATIONS);
                }
                sum += mean;
                square += mean * mean;
            }
            double mean = sum / ROTATIONS;
            double error = sqrt((square / ROTATIONS - mean * mean) / (ROTATIONS - 1));
            if (fabs(mean) > 3 * error) {
                fail_msg("%s, %u dims: mean error %.3g, standard error %.3g", metric_names[metric],
                         list[d], mean, error);
            }
            /* The errors themselves are far larger, or the test would say nothing. */
            assert_true(error > 0 && scale > 3 * error);
        }
    }
}

static void test_bound(void **state)
{
    (void)state;
    static const uint32_t list[] = {20, 64, 128, 192, 300, 768};
    rng random;
    rng_init(&random, 12);
    uint64_t all_cases = 0, all_outside = 0;
    for (int metric = 0; metric < 3; metric++) {
        for (size_t d = 0; d < TEST_COUNT(list); d++) {
            uint64_t cases = 0, outside = 0;
            for (uint64_t seed = 0; seed < 400; seed++) {
                make_vectors((veer_metric)metric, list[d], &random);
                estimate((veer_metric)metric, list[d], seed, 3.3f);
                for (unsigned r = 0; r < ROWS; r++) {
                    cases++;
                    outside += (double)s.bounds[r].lower > s.truth[r];
                    outside += (double)s.bounds[r].upper < s.truth[r];
                }
            }
            all_cases += cases;
            all_outside += outside;
            /* 12,800 cases: 1e-3 and four of its deviations. */
            if ((double)outside > 1e-3 * (double)cases + 4 * sqrt(1e-3 * (double)cases)) {
                fail_msg("%s, %u dims: %llu of %llu outside", metric_names[metric], list[d],
                         (unsigned long long)outside, (unsigned long long)cases);
            }
        }
    }
    print_message("bound at 3.3 deviations fails in %.2e of %llu cases\n",
                  (double)all_outside / (double)all_cases, (unsigned long long)all_cases);
    assert_true((double)all_outside <= 1e-3 * (double)all_cases);
}

/* The bounds are not merely wide: at 1 deviation they fail in about a third of the cases. */
static void test_bound_is_tight(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 13);
    uint64_t cases = 0, outside = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        make_vectors(VEER_METRIC_L2, 128, &random);
        estimate(VEER_METRIC_L2, 128, seed, 1);
        for (unsigned r = 0; r < ROWS; r++) {
            cases++;
            outside += (double)s.bounds[r].lower > s.truth[r];
            outside += (double)s.bounds[r].upper < s.truth[r];
        }
    }
    double share = (double)outside / (double)cases;
    if (share < 0.26 || share > 0.34) fail_msg("outside one deviation: %.3f", share);
}

/* ---------------------------------------------------------------- extremes */

static float factor_of(unsigned row, unsigned which)
{
    float value;
    memcpy(&value, s.block + 4 * (size_t)s.quantizer.padded + which * 128 + row * 4, 4);
    return value;
}

static void check_extremes(veer_metric metric, uint32_t dims, const char *what)
{
    estimate(metric, dims, 5, 6); /* so wide that only rounding could go beyond */
    for (unsigned r = 0; r < ROWS; r++) {
        for (unsigned f = 0; f < 3; f++) {
            float value = factor_of(r, f);
            if (isnan(value) || (f < 2 && !isfinite(value))) {
                fail_msg("%s, %u dims, %s, row %u: factor %u is %g", metric_names[metric], dims,
                         what, r, f, (double)value);
            }
        }
        /* A row may be lost only where a lower bound is above the distance. */
        double exact = s.truth[r];
        double slack = 1e-5 * fabs(exact) + 1e-37;
        if (metric == VEER_METRIC_COSINE) slack += 1e-6;
        if (metric == VEER_METRIC_DOT) {
            slack += 1e-5 * sqrt(dot(s.rows[r], s.rows[r], dims) * dot(s.query, s.query, dims));
        }
        if ((double)s.bounds[r].lower > exact + slack) {
            fail_msg("%s, %u dims, %s, row %u: lower bound %g above %g", metric_names[metric], dims,
                     what, r, (double)s.bounds[r].lower, exact);
        }
    }
    for (unsigned r = 0; r < ROWS; r++) {
        bool has_order = s.bounds[r].lower <= s.bounds[r].upper;
        assert_true(has_order || isnan(s.prepared.constant) != 0);
    }
    /* The scan's own bound says the same: no row fails a threshold at the very distance that
     * reranking computes. */
    const kernels *k = kernels_get();
    kernel_hits hits;
    for (unsigned r = 0; r < ROWS; r++) {
        float threshold = metric == VEER_METRIC_L2 ? k->l2(s.rows[r], s.query, dims)
                                                   : -k->dot(s.rows[r], s.query, dims);
        if (metric == VEER_METRIC_COSINE) threshold += 1;
        if (!isfinite(threshold)) continue;
        k->test_block(&s.prepared.probe, s.block, rabitq_limit(&s.prepared, threshold), &hits);
        if (!(hits.mask >> r & 1)) {
            fail_msg("%s, %u dims, %s, row %u: lost at its distance %.9g (bounds %.9g to %.9g)",
                     metric_names[metric], dims, what, r, (double)threshold,
                     (double)s.bounds[r].lower, (double)s.bounds[r].upper);
        }
    }
}

static void scale_all(uint32_t dims, float by)
{
    for (uint32_t i = 0; i < dims; i++) {
        s.centre[i] *= by;
        s.query[i] *= by;
        for (unsigned r = 0; r < ROWS; r++)
            s.rows[r][i] *= by;
    }
}

static void test_extremes(void **state)
{
    (void)state;
    static const uint32_t list[] = {1, 64, 1536, 8192};
    static const float sizes[] = {1e18f, 1e17f, 1e-15f, 1e-30f, 1e-38f, 1e-44f};
    rng random;
    rng_init(&random, 14);
    for (size_t d = 0; d < TEST_COUNT(list); d++) {
        uint32_t dims = list[d];
        for (int metric = 0; metric < 3; metric++) {
            bool is_cosine = metric == VEER_METRIC_COSINE;
            for (size_t i = 0; i < TEST_COUNT(sizes) && !is_cosine; i++) {
                make_vectors((veer_metric)metric, dims, &random);
                scale_all(dims, sizes[i]);
                check_extremes((veer_metric)metric, dims, "scaled");
                /* One huge row among small ones. */
                make_vectors((veer_metric)metric, dims, &random);
                for (uint32_t j = 0; j < dims; j++)
                    s.rows[3][j] = sizes[i];
                check_extremes((veer_metric)metric, dims, "one scaled");
            }
            make_vectors((veer_metric)metric, dims, &random);
            for (unsigned r = 0; r < 8; r++)
                memcpy(s.rows[r], s.centre, dims * sizeof(float));
            if (is_cosine) {
                for (unsigned r = 0; r < 8; r++)
                    normalise(s.rows[r], dims);
            }
            check_extremes((veer_metric)metric, dims, "rows at the centre");
            for (unsigned r = 0; r < ROWS; r++)
                memcpy(s.rows[r], s.query, dims * sizeof(float));
            check_extremes((veer_metric)metric, dims, "rows at the query");
            memcpy(s.centre, s.query, sizeof s.centre);
            check_extremes((veer_metric)metric, dims, "all the same");
            make_vectors((veer_metric)metric, dims, &random);
            memcpy(s.centre, s.query, sizeof s.centre);
            check_extremes((veer_metric)metric, dims, "query at the centre");
            memset(s.centre, 0, sizeof s.centre);
            if (!is_cosine) memset(s.rows[0], 0, sizeof s.rows[0]);
            check_extremes((veer_metric)metric, dims, "no centre");
            for (uint32_t i = 0; i < dims; i++)
                s.centre[i] = 1000;
            for (uint32_t i = 0; i < dims; i++) {
                s.query[i] = is_cosine ? s.query[i] : 1000 + s.query[i];
                for (unsigned r = 0; r < ROWS && !is_cosine; r++)
                    s.rows[r][i] += 1000;
            }
            check_extremes((veer_metric)metric, dims, "far from the origin");
        }
    }
}

static void test_same_on_every_tier(void **state)
{
    (void)state;
    const kernels *tiers[TIERS_MAX];
    size_t tiers_count = tiers_find(tiers);
    static const uint32_t list[] = {1, 20, 100, 128, 384, 768, 1536, 8192};
    static uint8_t block[sizeof s.block], tables[sizeof s.tables];
    static rabitq_bounds bounds[ROWS];
    rng random;
    rng_init(&random, 15);
    for (size_t d = 0; d < TEST_COUNT(list); d++) {
        for (int metric = 0; metric < 3; metric++) {
            make_vectors((veer_metric)metric, list[d], &random);
            kernels_force(&kernels_scalar);
            estimate((veer_metric)metric, list[d], d, 2);
            memcpy(block, s.block, sizeof block);
            memcpy(tables, s.tables, sizeof tables);
            memcpy(bounds, s.bounds, sizeof bounds);
            for (size_t t = 0; t < tiers_count; t++) {
                kernels_force(tiers[t]);
                estimate((veer_metric)metric, list[d], d, 2);
                assert_memory_equal(block, s.block, kernel_block_bytes(s.quantizer.padded));
                assert_memory_equal(tables, s.tables, 4 * (size_t)s.quantizer.padded);
                assert_memory_equal(bounds, s.bounds, sizeof bounds);
            }
            kernels_force(NULL);
        }
    }
}

/* The argument is a pattern of the tests to run: all take long under emulation. */
int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unbiased),           cmocka_unit_test(test_bound),
        cmocka_unit_test(test_bound_is_tight),     cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_same_on_every_tier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
