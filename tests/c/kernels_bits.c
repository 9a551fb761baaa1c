/* Rows of bits: on every tier the distances that the further metrics' kernels give for the same
 * zeros and ones as f32, at all lengths, with the last byte before an inaccessible page, of sparse,
 * dense, equal and empty rows.
 */
#define _GNU_SOURCE
#include "support/testing.h"

#include <string.h>

#include "kernels/kernels.h"
#include "support/guarded.h"
#include "support/hard_floats.h"
#include "support/tiers.h"

#define ROWS 19u

static const kernels *tiers[TIERS_MAX];
static size_t tiers_count;

static int find_tiers(void **state)
{
    (void)state;
    tiers_count = tiers_find(tiers);
    return 0;
}

/* One element in `sparsity` + 1 is 1; 0: all are, 9: none is. */
static void fill_bits(float *values, size_t n, uint64_t sparsity, rng *random)
{
    for (size_t i = 0; i < n; i++)
        values[i] = sparsity < 9 && rng_below(random, sparsity + 1) == 0;
}

static void pack(const float *values, size_t n, uint8_t *bits)
{
    memset(bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        bits[i / 8] |= (uint8_t)((values[i] != 0) << (i % 8));
}

static void check_rows(const float *query, const uint8_t *query_bits, const float *const *values,
                       const uint8_t *const *rows, size_t count, size_t n)
{
    float hamming[ROWS], jaccard[ROWS], found[ROWS + 1];
    kernels_scalar.further[KERNEL_HAMMING](query, values, count, n, hamming);
    kernels_scalar.further[KERNEL_JACCARD](query, values, count, n, jaccard);
    for (size_t t = 0; t < tiers_count; t++) {
        found[count] = 77;
        tiers[t]->hamming_bits(query_bits, rows, count, (n + 7) / 8, found);
        for (size_t i = 0; i < count; i++)
            assert_same(found[i], hamming[i], tiers[t]->name, n);
        tiers[t]->jaccard_bits(query_bits, rows, count, (n + 7) / 8, found);
        for (size_t i = 0; i < count; i++)
            assert_same(found[i], jaccard[i], tiers[t]->name, n);
        assert_true(found[count] == 77);
    }
}

static void test_same_as_floats(void **state)
{
    (void)state;
    static float query[LENGTH_MAX], values[ROWS][LENGTH_MAX];
    rng random;
    rng_init(&random, 1);
    guarded query_memory = guarded_new(LENGTH_MAX / 8);
    guarded array = guarded_new(ROWS * (LENGTH_MAX / 8));
    guarded memory[ROWS];
    const float *floats[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        memory[i] = guarded_new(LENGTH_MAX / 8);
        floats[i] = values[i];
    }
    for (size_t n = 0; n != SIZE_MAX; n = next_length(n)) {
        for (uint64_t sparsity = 0; sparsity < 10; sparsity++) {
            size_t bytes = (n + 7) / 8;
            uint8_t *query_bits = guarded_end(&query_memory, bytes);
            uint8_t *stream = guarded_end(&array, ROWS * bytes);
            const uint8_t *orders[2][ROWS];
            fill_bits(query, n, sparsity, &random);
            pack(query, n, query_bits);
            for (size_t i = 0; i < ROWS; i++) {
                uint8_t *row = guarded_end(&memory[i], bytes);
                fill_bits(values[i], n, i % 10, &random);
                if (i == 11) memcpy(values[i], query, n * sizeof *query);
                pack(values[i], n, row);
                if (bytes > 0) memcpy(stream + i * bytes, row, bytes);
                orders[0][i] = row;
                orders[1][i] = stream + i * bytes;
            }
            for (size_t order = 0; order < 2; order++) {
                check_rows(query, query_bits, floats, orders[order], n % (ROWS + 1), n);
                check_rows(query, query_bits, floats, orders[order], ROWS, n);
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
        cmocka_unit_test(test_same_as_floats),
    };
    return cmocka_run_group_tests(tests, find_tiers, NULL);
}
