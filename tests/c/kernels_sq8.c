/* 8-bit codes: every tier against plain sums, at any length, whatever the values. */
#define _GNU_SOURCE
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "support/guarded.h"
#include "support/tiers.h"

#define DIMS_MAX 8192u
#define NODES 40u

static const kernels *tiers[TIERS_MAX];
static size_t tiers_count;

static int find_tiers(void **state)
{
    (void)state;
    tiers_count = tiers_find(tiers);
    return 0;
}

static const size_t dims_list[] = {64, 128, 192, 384, 448, 768, 1536, 8192};

static int8_t *codes;
static int16_t *query;
static int8_t *own; /* a code beside the others */

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
        own[i] = (int8_t)(is_extreme ? -codes[i] : codes[rng_below(random, NODES * padded)]);
    }
}

/* One tier's distances to the first `count` nodes; the results end at the page. */
static void check_distances(const kernels *tier, const guarded *memory, size_t padded,
                            const uint32_t *nodes, size_t count)
{
    int32_t *distances = guarded_end(&memory[3], count * sizeof *distances);
    int32_t *dots = guarded_end(&memory[4], count * sizeof *dots);
    memset(distances, 0x77, count * sizeof *distances);
    memset(dots, 0x77, count * sizeof *dots);
    tier->l2_sq8(own, codes, padded, nodes, count, distances);
    tier->dot_sq8(query, codes, padded, nodes, count, dots);
    for (size_t i = 0; i < count; i++) {
        int64_t distance = 0, dot = 0;
        for (size_t j = 0; j < padded; j++) {
            int other = codes[nodes[i] * padded + j];
            distance += (own[j] - other) * (own[j] - other);
            dot += query[j] * other;
        }
        assert_true(distances[i] == distance);
        assert_true(dots[i] == dot);
    }
}

static void test_distances(void **state)
{
    (void)state;
    static const size_t rooms[] = {NODES * DIMS_MAX, DIMS_MAX * sizeof *query, DIMS_MAX,
                                   NODES * sizeof(int32_t), NODES * sizeof(int32_t)};
    guarded memory[TEST_COUNT(rooms)];
    rng random;
    rng_init(&random, 7);
    for (size_t i = 0; i < TEST_COUNT(rooms); i++)
        memory[i] = guarded_new(rooms[i]);
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        size_t padded = dims_list[d];
        codes = guarded_end(&memory[0], NODES * padded);
        query = guarded_end(&memory[1], padded * sizeof *query);
        own = guarded_end(&memory[2], padded);
        make_codes(&random, padded);
        for (size_t count = 0; count <= NODES; count += padded > 768 ? 13 : 1) {
            uint32_t nodes[NODES];
            for (size_t i = 0; i < count; i++)
                nodes[i] = (uint32_t)rng_below(&random, NODES);
            if (count > 0) nodes[rng_below(&random, count)] = NODES - 1;
            for (size_t t = 0; t < tiers_count; t++)
                check_distances(tiers[t], memory, padded, nodes, count);
        }
    }
    for (size_t i = 0; i < TEST_COUNT(rooms); i++)
        guarded_free(&memory[i]);
}

static void test_encoding(void **state)
{
    (void)state;
    static int8_t expected[DIMS_MAX];
    guarded values_memory = guarded_new(DIMS_MAX * sizeof(float));
    guarded found_memory = guarded_new(DIMS_MAX);
    const float odd[] = {0.5f,  1.5f,   2.5f,     -0.5f,     -1.5f, 126.5f, 127.5f, -127.5f,
                         1e30f, -1e30f, INFINITY, -INFINITY, NAN,   0.0f,   -0.0f,  1e-40f};
    rng random;
    rng_init(&random, 8);
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        size_t padded = dims_list[d];
        float inverse = d % 2 ? 1.0f : 37.3f;
        float *values = guarded_end(&values_memory, padded * sizeof *values);
        int8_t *found = guarded_end(&found_memory, padded);
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
        for (size_t t = 0; t < tiers_count; t++) {
            const kernels *tier = tiers[t];
            memset(found, 0x77, padded);
            assert_true(tier->encode_sq8(values, padded, inverse, found) == squares);
            assert_memory_equal(found, expected, padded);
        }
    }
    guarded_free(&values_memory);
    guarded_free(&found_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_encoding),
    };
    return cmocka_run_group_tests(tests, find_tiers, NULL);
}
