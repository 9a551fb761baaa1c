/* 8-bit codes: every tier against plain sums, at any length, whatever the values. */
#define _GNU_SOURCE
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"

#define DIMS_MAX 8192u
#define NODES 40u

static const char *const tier_names[] = {"scalar", "avx2", "avx512", "neon"};
static const size_t dims_list[] = {64, 128, 192, 384, 448, 768, 1536, 8192};

static int8_t codes[NODES * DIMS_MAX];
static int16_t query[DIMS_MAX];

/* Mostly anything; sometimes all at the ends, where sums are largest. */
static void make_codes(rng *random, size_t padded)
{
    bool is_extreme = rng_below(random, 3) == 0;
    for (size_t i = 0; i < NODES * padded; i++) {
        int value = (int)rng_below(random, 255) - 127;
        if (is_extreme) value = value < 0 ? -127 : 127;
        codes[i] = (int8_t)value;
    }
    for (size_t i = 0; i < padded; i++) {
        int value = (int)rng_below(random, 2 * KERNEL_SQ8_QUERY_MAX + 1) - KERNEL_SQ8_QUERY_MAX;
        if (is_extreme) value = codes[i] < 0 ? -KERNEL_SQ8_QUERY_MAX : KERNEL_SQ8_QUERY_MAX;
        query[i] = (int16_t)value;
    }
}

static void test_distances(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 7);
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        size_t padded = dims_list[d];
        make_codes(&random, padded);
        size_t count = rng_below(&random, NODES + 1);
        uint32_t nodes[NODES];
        for (size_t i = 0; i < count; i++)
            nodes[i] = (uint32_t)rng_below(&random, NODES);
        for (size_t t = 0; t < TEST_COUNT(tier_names); t++) {
            const kernels *tier = kernels_find(tier_names[t]);
            if (tier == NULL) continue;
            int32_t distances[NODES], dots[NODES];
            tier->l2_sq8(codes, codes, padded, nodes, count, distances);
            tier->dot_sq8(query, codes, padded, nodes, count, dots);
            for (size_t i = 0; i < count; i++) {
                int64_t distance = 0, dot = 0;
                for (size_t j = 0; j < padded; j++) {
                    int other = codes[nodes[i] * padded + j];
                    distance += (codes[j] - other) * (codes[j] - other);
                    dot += query[j] * other;
                }
                assert_true(distances[i] == distance);
                assert_true(dots[i] == dot);
            }
        }
    }
}

static void test_encoding(void **state)
{
    (void)state;
    static float values[DIMS_MAX];
    static int8_t expected[DIMS_MAX], found[DIMS_MAX];
    const float odd[] = {0.5f,  1.5f,   2.5f,     -0.5f,     -1.5f, 126.5f, 127.5f, -127.5f,
                         1e30f, -1e30f, INFINITY, -INFINITY, NAN,   0.0f,   -0.0f,  1e-40f};
    rng random;
    rng_init(&random, 8);
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        size_t padded = dims_list[d];
        float inverse = d % 2 ? 1.0f : 37.3f;
        for (size_t i = 0; i < padded; i++)
            values[i] = (float)rng_normal(&random) * 50 / inverse;
        for (size_t i = 0; i < TEST_COUNT(odd); i++)
            values[rng_below(&random, padded)] = odd[i];
        int64_t squares = 0;
        for (size_t i = 0; i < padded; i++) {
            double value = (double)(values[i] * inverse);
            if (!(value > -127)) value = -127;
            if (value > 127) value = 127;
            expected[i] = (int8_t)nearbyint(value);
            squares += expected[i] * expected[i];
        }
        for (size_t t = 0; t < TEST_COUNT(tier_names); t++) {
            const kernels *tier = kernels_find(tier_names[t]);
            if (tier == NULL) continue;
            assert_true(tier->encode_sq8(values, padded, inverse, found) == squares);
            assert_memory_equal(found, expected, padded);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
