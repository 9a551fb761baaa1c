/* RaBitQ with several bits: planes and levels, unbiased estimates whose deviation is the factor's,
 * codes beside the best ones there are, and vectors that have none.
 */
#include "support/testing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "math/rotation.h"
#include "quant/rabitq.h"
#include "quant/rabitq_wide.h"

#define DIMS_MAX 256u

static void fill_normal(float *x, size_t n, rng *random)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(random);
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void test_levels(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 1);
    for (size_t n = 64; n <= DIMS_MAX; n += 64) {
        for (unsigned bits = 1; bits <= RABITQ_WIDE_BITS; bits++) {
            float r[DIMS_MAX], levels[DIMS_MAX];
            uint8_t code[DIMS_MAX / 8 * RABITQ_WIDE_BITS + 1];
            size_t bytes = rabitq_wide_bytes(n, bits);
            float step = rabitq_wide_normal_step(bits), end = (float)((1 << bits) - 1) / 2;
            fill_normal(r, n, &random);
            r[0] = -0.0f;
            r[1] = 1e30f;
            r[2] = -INFINITY;
            code[bytes] = 77;
            rabitq_wide_round(r, n, bits, step, code);
            assert_int_equal(code[bytes], 77);
            rabitq_wide_levels(code, n, bits, levels);
            for (size_t i = 0; i < n; i++) {
                float exact = r[i] / step;
                assert_true(signbit(levels[i]) == signbit(r[i]));
                assert_true(fabsf(levels[i]) <= end && fabsf(levels[i]) >= 0.5f);
                if (fabsf(exact) <= end) assert_true(fabsf(levels[i] - exact) <= 0.5001f);
                if (fabsf(exact) > end) assert_true(fabsf(levels[i]) == end);
            }
            /* The first plane is the 1-bit code: row 0 of a block has every 32nd byte. */
            uint8_t block[4 * DIMS_MAX];
            memset(block, 0, sizeof block);
            kernels_scalar.place_code(r, n, 0, block);
            for (size_t i = 0; i < n / 8; i++)
                assert_int_equal(code[i], block[i * KERNEL_BLOCK_ROWS]);
        }
    }
}

/* r and p are turned by many rotations: the mean of the errors is nothing, their deviation what the
 * factors say, for every number of bits. */
static void test_unbiased(void **state)
{
    (void)state;
    enum { DIMS = 128, ROTATIONS = 4000 };
    float r[DIMS], p[DIMS], levels[DIMS];
    uint8_t code[DIMS / 8 * RABITQ_WIDE_BITS];
    rng random;
    rng_init(&random, 2);
    double last = INFINITY;
    for (unsigned bits = 1; bits <= RABITQ_WIDE_BITS; bits++) {
        double sum = 0, square = 0, predicted = 0;
        for (int i = 0; i < ROTATIONS; i++) {
            rotation rotation;
            assert_int_equal(rotation_init(&rotation, memory_default(), DIMS, (uint64_t)i),
                             VEER_OK);
            for (size_t j = 0; j < DIMS; j++) {
                r[j] = j < 5 ? 1 : 0.1f * (float)(j % 7);
                p[j] = j % 3 == 0 ? 2 : -0.3f * (float)(j % 5);
            }
            double product = dot(r, p, DIMS), pp = dot(p, p, DIMS), rr = dot(r, r, DIMS);
            double sine = 1 - product * product / (pp * rr);
            rotation_apply(&rotation, &kernels_scalar, r);
            rotation_apply(&rotation, &kernels_scalar, p);
            rabitq_wide factors = rabitq_wide_encode(r, DIMS, bits, code);
            rabitq_wide_levels(code, DIMS, bits, levels);
            double error = (double)factors.scale * dot(levels, p, DIMS) - product;
            sum += error;
            square += error * error;
            predicted += (double)factors.error * (double)factors.error * pp * sine;
            rotation_fini(&rotation);
        }
        double deviation = sqrt(square / ROTATIONS), wanted = sqrt(predicted / ROTATIONS);
        print_message("%u bits: deviation %.5f, by the factors %.5f\n", bits, deviation, wanted);
        assert_true(fabs(sum / ROTATIONS) < 4 * deviation / sqrt(ROTATIONS));
        assert_true(fabs(deviation / wanted - 1) < 0.06);
        assert_true(deviation < 0.62 * last);
        last = deviation;
    }
}

static void test_one_bit(void **state)
{
    (void)state;
    enum { DIMS = 192 };
    float r[DIMS], residual[DIMS], zero[DIMS] = {0};
    static uint8_t block[4 * DIMS + 3 * 4 * KERNEL_BLOCK_ROWS], code[DIMS / 8];
    rng random;
    rng_init(&random, 3);
    fill_normal(r, DIMS, &random);
    rabitq quantizer = {&kernels_scalar, VEER_METRIC_DOT, DIMS};
    rabitq_clear_block(&quantizer, block);
    rabitq_encode(&quantizer, r, zero, residual, 0, block);
    float scale;
    memcpy(&scale, block + 4 * DIMS + 4 * KERNEL_BLOCK_ROWS, sizeof scale);
    rabitq_wide factors = rabitq_wide_encode(r, DIMS, 1, code);
    /* There a sign is 1, here half a step. */
    assert_true(fabsf(-2 * scale / factors.scale - 1) < 1e-6f);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* 1 / u^2 - 1 of the best y: the inverse steps at which an element is rounded otherwise, in order. */
static double best_variance(const float *r, size_t n, unsigned bits)
{
    unsigned most = (1u << (bits - 1)) - 1;
    size_t count = 0;
    static double turns[DIMS_MAX << (RABITQ_WIDE_BITS - 1)];
    for (size_t i = 0; i < n; i++) {
        for (unsigned level = 1; level <= most; level++)
            turns[count++] = level / fabs((double)r[i]);
    }
    qsort(turns, count, sizeof *turns, ascending);
    double best = 0, squares = dot(r, r, n);
    for (size_t turn = 0; turn < count; turn++) {
        double inverse = turns[turn] * (1 + 1e-12), product = 0, square = 0;
        for (size_t i = 0; i < n; i++) {
            double size = fabs((double)r[i]), steps = floor(size * inverse);
            double level = (steps < most ? steps : most) + 0.5;
            product += size * level;
            square += level * level;
        }
        double cosine = product * product / (square * squares);
        if (cosine > best) best = cosine;
    }
    return 1 / best - 1;
}

static void test_beside_the_best(void **state)
{
    (void)state;
    enum { DIMS = 64, VECTORS = 40 };
    rng random;
    rng_init(&random, 4);
    for (unsigned bits = 2; bits <= 5; bits++) {
        double found = 0, best = 0;
        for (int v = 0; v < VECTORS; v++) {
            float r[DIMS], levels[DIMS];
            uint8_t code[DIMS / 8 * RABITQ_WIDE_BITS];
            fill_normal(r, DIMS, &random);
            rabitq_wide factors = rabitq_wide_encode(r, DIMS, bits, code);
            rabitq_wide_levels(code, DIMS, bits, levels);
            double product = dot(r, levels, DIMS), rr = dot(r, r, DIMS);
            double mine = rr * dot(levels, levels, DIMS) / (product * product) - 1;
            assert_true(fabs((double)factors.scale * product / rr - 1) < 1e-5);
            assert_true(fabs((double)factors.error / sqrt(rr * mine / (DIMS - 1)) - 1) < 1e-2);
            double least = best_variance(r, DIMS, bits);
            assert_true(mine > least * (1 - 1e-6));
            found += sqrt(mine);
            best += sqrt(least);
        }
        print_message("%u bits: deviation %.4f of the best one's\n", bits, found / best);
        assert_true(found <= 1.015 * best);
    }
}

static void test_degenerate(void **state)
{
    (void)state;
    float r[64] = {0};
    uint8_t code[64];
    for (unsigned bits = 1; bits <= RABITQ_WIDE_BITS; bits++) {
        for (float size = 0; size < 2e38f; size = size == 0 ? 1e-30f : size * 1e34f) {
            for (size_t i = 0; i < 64; i++)
                r[i] = i % 3 == 0 ? size : -size;
            rabitq_wide factors = rabitq_wide_encode(r, 64, bits, code);
            assert_true(isfinite(factors.scale) || size > 1);
            assert_true(!isnan(factors.scale) && !isnan(factors.error));
            bool has_code = size > 1e-9f && size < 1e18f;
            assert_int_equal(factors.scale > 0, has_code);
        }
    }
    /* All elements alike: every number of bits has that direction. */
    for (size_t i = 0; i < 64; i++)
        r[i] = 0.25f;
    for (unsigned bits = 1; bits <= RABITQ_WIDE_BITS; bits++)
        assert_true(rabitq_wide_encode(r, 64, bits, code).error < 1e-4f);
}

/* Levels of 4 bits, a byte each, are those of the planes. */
static void test_nibbles(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 5);
    for (int round = 0; round < 200; round++) {
        size_t n = 64 * (1 + rng_below(&random, DIMS_MAX / 64));
        float r[DIMS_MAX], levels[DIMS_MAX], size = round % 10 == 0 ? 1e-12f : 3;
        uint8_t code[DIMS_MAX / 2], nibbles[DIMS_MAX + 1];
        double square = 0;
        fill_normal(r, n, &random);
        for (size_t i = 0; i < n; i++) {
            r[i] = round % 7 == 0 && i > 3 ? -0.0f : r[i] * size;
            square += (double)r[i] * (double)r[i];
        }
        nibbles[n] = 77;
        rabitq_wide planes = rabitq_wide_encode(r, n, 4, code);
        rabitq_wide made = rabitq_wide_nibbles(r, n, nibbles);
        assert_memory_equal(&planes, &made, sizeof made);
        assert_true(fabs((double)made.square - square) <= 1e-5 * square);
        assert_int_equal(nibbles[n], 77);
        rabitq_wide_levels(code, n, 4, levels);
        for (size_t i = 0; i < n; i++)
            assert_true((float)nibbles[i] - 7.5f == levels[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),     cmocka_unit_test(test_unbiased),
        cmocka_unit_test(test_one_bit),    cmocka_unit_test(test_beside_the_best),
        cmocka_unit_test(test_degenerate), cmocka_unit_test(test_nibbles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
