/* The code kernels: encoding, tables and scans of every tier against scalar bit for bit, and scalar
 * against a naive model that knows rows and bits but no blocks.
 */
#define _GNU_SOURCE
#include "support/testing.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "support/guarded.h"
#include "support/tiers.h"

#define DIMS_MAX 8192u

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

static void fill(float *values, size_t n, rng *random)
{
    for (size_t i = 0; i < n; i++) {
        values[i] = (float)rng_normal(random);
        if (rng_below(random, 50) == 0) values[i] = rng_below(random, 2) ? 0.0f : -0.0f;
    }
}

static const size_t dims_list[] = {64, 128, 192, 384, 768, 1536, 4096, 4160, 8192};

static void test_residual(void **state)
{
    (void)state;
    guarded memory[4];
    rng random;
    rng_init(&random, 1);
    for (size_t i = 0; i < 4; i++)
        memory[i] = guarded_new(DIMS_MAX * sizeof(float));
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        size_t n = dims_list[d];
        float *x = guarded_floats(&memory[0], n);
        float *centre = guarded_floats(&memory[1], n);
        float *r = guarded_floats(&memory[2], n);
        float *other = guarded_floats(&memory[3], n);
        fill(x, n, &random);
        fill(centre, n, &random);
        kernel_sums sums;
        kernels_scalar.residual(x, centre, n, r, &sums);
        double l1 = 0, squares = 0, dot = 0, dot_size = 0;
        for (size_t i = 0; i < n; i++) {
            assert_true(r[i] == x[i] - centre[i]);
            l1 += fabs((double)r[i]);
            squares += (double)r[i] * (double)r[i];
            dot += (double)r[i] * (double)centre[i];
            dot_size += fabs((double)r[i] * (double)centre[i]);
        }
        double rounding = ((double)n / 16 + 8) * 0x1p-24;
        assert_true(fabs(l1 - (double)sums.l1) <= rounding * l1);
        assert_true(fabs(squares - (double)sums.squares) <= rounding * squares);
        assert_true(fabs(dot - (double)sums.dot) <= rounding * dot_size);
        for (size_t t = 1; t < tiers_count; t++) {
            kernel_sums found;
            memset(other, 0xEE, n * sizeof *other);
            tiers[t]->residual(x, centre, n, other, &found);
            assert_memory_equal(other, r, n * sizeof *r);
            assert_memory_equal(&found, &sums, sizeof sums);
        }
    }
    for (size_t i = 0; i < 4; i++)
        guarded_free(&memory[i]);
}

/* The bit of a row's dimension, by the layout that kernels.h draws. */
static unsigned bit_of(const uint8_t *codes, unsigned row, size_t dim)
{
    static const unsigned rows_of_bytes[32] = {0,  16, 1,  17, 2,  18, 3,  19, 8,  24, 9,
                                               25, 10, 26, 11, 27, 4,  20, 5,  21, 6,  22,
                                               7,  23, 12, 28, 13, 29, 14, 30, 15, 31};
    for (size_t byte = 0; byte < 32; byte++) {
        if (rows_of_bytes[byte] == row) return codes[dim / 8 * 32 + byte] >> (dim % 8) & 1;
    }
    return 2;
}

static void test_place_code(void **state)
{
    (void)state;
    static float r[32][1536];
    static uint8_t codes[4 * 1536], other[4 * 1536];
    rng random;
    rng_init(&random, 2);
    size_t n = 1536;
    memset(codes, 0x5A, sizeof codes);
    for (unsigned row = 0; row < 32; row++) {
        fill(r[row], n, &random);
        kernels_scalar.place_code(r[row], n, row, codes);
    }
    for (unsigned row = 0; row < 32; row++) {
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(bit_of(codes, row, i), signbit(r[row][i]) ? 0 : 1);
        }
    }
    for (size_t t = 1; t < tiers_count; t++) {
        memset(other, 0xA5, sizeof other);
        for (unsigned row = 32; row-- > 0;)
            tiers[t]->place_code(r[row], n, row, other);
        assert_memory_equal(codes, other, sizeof codes);
    }
}

static void test_tables(void **state)
{
    (void)state;
    static uint8_t tables[4 * DIMS_MAX];
    guarded values_memory = guarded_new(DIMS_MAX * sizeof(float));
    guarded tables_memory = guarded_new(4 * DIMS_MAX);
    rng random;
    rng_init(&random, 3);
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        size_t n = dims_list[d];
        float *r = guarded_floats(&values_memory, n);
        uint8_t *other = guarded_end(&tables_memory, 4 * n);
        fill(r, n, &random);
        float group = kernels_scalar.group_max(r, n);
        float naive = 0;
        for (size_t i = 0; i < n; i += 4) {
            float sum = (fabsf(r[i]) + fabsf(r[i + 1])) + (fabsf(r[i + 2]) + fabsf(r[i + 3]));
            if (sum > naive) naive = sum;
        }
        assert_true(group == naive && group > 0);
        float scale = (float)((double)KERNEL_TABLE_MAX / (double)group);
        kernels_scalar.make_tables(r, n, scale, tables);
        unsigned largest = 0;
        for (size_t i = 0; i < n; i += 4) {
            for (unsigned m = 0; m < 16; m++) {
                double sum = 0;
                for (unsigned j = 0; j < 4; j++) {
                    bool agrees = (m >> j & 1) == (r[i + j] >= 0);
                    if (agrees) sum += fabs((double)r[i + j]);
                }
                unsigned entry = tables[4 * i + m];
                assert_true(fabs(sum * (double)scale - entry) <= 0.5 + 1e-4);
                if (entry > largest) largest = entry;
            }
        }
        assert_int_equal(largest, KERNEL_TABLE_MAX);
        for (size_t t = 1; t < tiers_count; t++) {
            assert_true(tiers[t]->group_max(r, n) == group);
            memset(other, 0xEE, 4 * n);
            tiers[t]->make_tables(r, n, scale, other);
            assert_memory_equal(tables, other, 4 * n);
        }
    }
    float *r = guarded_floats(&values_memory, 64);
    memset(r, 0, 64 * sizeof *r);
    for (size_t t = 0; t < tiers_count; t++) {
        assert_true(tiers[t]->group_max(r, 64) == 0);
        tiers[t]->make_tables(r, 64, 0, tables);
        for (size_t i = 0; i < 256; i++)
            assert_int_equal(tables[i], 0);
    }
    guarded_free(&values_memory);
    guarded_free(&tables_memory);
}

/* ---------------------------------------------------------------- scans */

typedef struct scan_case {
    size_t padded, rows, bytes;
    uint8_t *map, *blocks; /* blocks end at an inaccessible page */
    uint8_t tables[4 * DIMS_MAX];
    kernel_probe probe;
    uint64_t live[8];
    float upper[512], lower[512];
} scan_case;

static void scan_case_new(scan_case *c, size_t padded, size_t rows, bool is_extreme, rng *random)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t blocks = kernel_blocks(rows);
    size_t needed = blocks * kernel_block_bytes(padded);
    size_t room = (needed + page - 1) / page * page;
    c->padded = padded;
    c->rows = rows;
    c->bytes = room + page;
    c->map = mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(c->map, MAP_FAILED);
    assert_int_equal(mprotect(c->map + room, page, PROT_NONE), 0);
    c->blocks = c->map + room - needed;
    for (size_t i = 0; i < 4 * padded; i++) {
        c->tables[i] =
            is_extreme ? KERNEL_TABLE_MAX : (uint8_t)rng_below(random, KERNEL_TABLE_MAX + 1);
    }
    for (size_t i = 0; i < 8; i++)
        c->live[i] = rng_next(random) & rng_next(random);
    c->live[1] = 0;
    c->probe = (kernel_probe){
        .tables = c->tables,
        .padded = padded,
        .middle = (float)(padded / 4 * KERNEL_TABLE_MAX / 2),
        .step = 0.01f,
        .width = 0.5f,
        .reach = 0.3f,
    };
    for (size_t b = 0; b < blocks; b++) {
        uint8_t *codes = c->blocks + b * kernel_block_bytes(padded);
        for (size_t i = 0; i < 4 * padded; i++)
            codes[i] = (uint8_t)rng_next(random);
        for (unsigned row = 0; row < 32; row++) {
            float factors[3] = {(float)rng_normal(random), -(float)rng_unit(random),
                                (float)rng_unit(random)};
            if (rng_below(random, 100) == 0) factors[2] = INFINITY;
            for (size_t f = 0; f < 3; f++) {
                memcpy(codes + 4 * padded + f * 128 + row * 4, &factors[f], 4);
            }
            uint32_t sum = 0;
            for (size_t i = 0; i < padded; i += 4) {
                unsigned m = 0;
                for (unsigned j = 0; j < 4; j++)
                    m |= bit_of(codes, row, i + j) << j;
                sum += c->tables[4 * i + m];
            }
            float centred = (float)sum - c->probe.middle;
            float estimate = factors[0] + factors[1] * (centred * c->probe.step);
            c->upper[b * 32 + row] = estimate + factors[2] * c->probe.reach;
            c->lower[b * 32 + row] = estimate - factors[2] * c->probe.width;
        }
    }
}

static void scan_case_free(scan_case *c)
{
    munmap(c->map, c->bytes);
}

/* One whole scan by a tier against the naive bounds. */
static void check_scan(const scan_case *c, const kernels *k, const uint64_t *live, float limit)
{
    float minima[16];
    kernel_hits hits;
    size_t pairs = kernel_pairs(c->rows);
    for (size_t i = 0; i < 16; i++)
        minima[i] = -77;
    size_t expected = 0;
    for (size_t pair = 0;; pair++) {
        pair = k->scan(&c->probe, c->blocks, c->rows, live, pair, limit, minima, &hits);
        for (; expected < pair || (expected == pair && pair < pairs); expected++) {
            uint64_t mask = 0;
            for (unsigned i = 0; i < 64; i++) {
                size_t row = 64 * expected + i;
                if (row >= c->rows) break;
                if (live != NULL && !(live[expected] >> i & 1)) continue;
                if (!(c->upper[row] > limit)) mask |= (uint64_t)1 << i;
            }
            if (expected < pair) {
                assert_true(mask == 0);
            } else {
                assert_true(hits.mask == mask && mask != 0);
                for (uint64_t m = mask; m != 0; m &= m - 1) {
                    unsigned i = (unsigned)__builtin_ctzll(m);
                    kernel_hits one;
                    const uint8_t *block =
                        c->blocks + (2 * pair + i / 32) * kernel_block_bytes(c->padded);
                    k->test_block(&c->probe, block, INFINITY, &one);
                    assert_true(one.centred[i % 32] == hits.centred[i]);
                    assert_true(one.mask == UINT32_MAX);
                }
            }
        }
        if (pair == pairs) break;
    }
    for (size_t block = 0; block < kernel_blocks(c->rows); block++) {
        float least = INFINITY;
        size_t left = c->rows - block / 2 * 64;
        uint64_t there = left >= 64 ? UINT64_MAX : ((uint64_t)1 << left) - 1;
        if (live == NULL || (live[block / 2] & there) != 0) {
            for (unsigned i = 0; i < 32; i++)
                least = fminf(least, c->lower[block * 32 + i]);
        }
        assert_true(minima[block] == least);
        kernel_hits hits_below;
        k->test_block(&c->probe, c->blocks + block * kernel_block_bytes(c->padded), limit,
                      &hits_below);
        for (unsigned i = 0; i < 32; i++) {
            assert_int_equal(hits_below.mask >> i & 1, !(c->lower[block * 32 + i] > limit));
        }
    }
    assert_true(minima[kernel_blocks(c->rows)] == -77);
}

static void test_scan(void **state)
{
    (void)state;
    static scan_case c;
    static const size_t rows_list[] = {1, 31, 32, 33, 64, 65, 95, 96, 97, 200, 320, 383};
    rng random;
    rng_init(&random, 4);
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        for (size_t r = 0; r < TEST_COUNT(rows_list); r++) {
            if (dims_list[d] > 1536 && rows_list[r] > 97) continue;
            scan_case_new(&c, dims_list[d], rows_list[r], r % 4 == 3, &random);
            float limits[] = {-INFINITY, c.upper[0], c.lower[rows_list[r] - 1], 0, INFINITY, NAN};
            for (size_t l = 0; l < TEST_COUNT(limits); l++) {
                for (size_t t = 0; t < tiers_count; t++) {
                    check_scan(&c, tiers[t], NULL, limits[l]);
                    check_scan(&c, tiers[t], c.live, limits[l]);
                }
            }
            scan_case_free(&c);
        }
    }
}

static void test_find_block(void **state)
{
    (void)state;
    float minima[70];
    rng random;
    rng_init(&random, 5);
    for (int round = 0; round < 2000; round++) {
        size_t count = rng_below(&random, 70);
        for (size_t i = 0; i < 70; i++)
            minima[i] = rng_below(&random, 20) ? 5 : 1;
        if (count > 0 && round % 5 == 0) minima[rng_below(&random, count)] = -INFINITY;
        size_t first = rng_below(&random, count + 1);
        float limit = round % 7 == 0 ? NAN : round % 2 ? 1 : 0.5f;
        size_t expected = first;
        while (expected < count && minima[expected] > limit)
            expected++;
        for (size_t t = 0; t < tiers_count; t++) {
            assert_int_equal(tiers[t]->find_block(minima, first, count, limit), expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_residual),   cmocka_unit_test(test_place_code),
        cmocka_unit_test(test_tables),     cmocka_unit_test(test_scan),
        cmocka_unit_test(test_find_block),
    };
    return cmocka_run_group_tests(tests, find_tiers, NULL);
}
