/* 4-bit codes: every tier against plain sums; the layout of a code; nodes far apart. */
#define _GNU_SOURCE
#include "support/testing.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "support/guarded.h"
#include "support/sq4_grid.h"
#include "support/tiers.h"

static const kernels *tiers[TIERS_MAX];
static size_t tiers_count;

static int find_tiers(void **state)
{
    (void)state;
    tiers_count = tiers_find(tiers);
    return 0;
}

/* What kernels.h says about where a dimension is. */
static unsigned nibble(const uint8_t *packed, size_t dimension)
{
    uint8_t byte = packed[dimension / 64 * 32 + dimension % 32];
    return dimension % 64 < 32 ? byte & 15u : byte >> 4;
}

static void test_layout(void **state)
{
    (void)state;
    static uint8_t code[SQ4_GRID_DIMS];
    guarded memory = guarded_new(SQ4_GRID_DIMS / 2);
    rng random;
    rng_init(&random, 12);
    for (size_t padded = 64; padded <= SQ4_GRID_DIMS; padded += 64) {
        uint8_t *packed = guarded_end(&memory, padded / 2);
        for (size_t i = 0; i < padded; i++)
            code[i] = (uint8_t)rng_below(&random, KERNEL_SQ4_MAX + 1);
        kernel_pack_sq4(code, padded, packed);
        for (size_t i = 0; i < padded; i++)
            assert_int_equal(nibble(packed, i), code[i]);
    }
    guarded_free(&memory);
}

static void test_grid(void **state)
{
    (void)state;
    guarded codes = guarded_new(SQ4_GRID_CODES);
    guarded query = guarded_new(SQ4_GRID_QUERY);
    guarded dots = guarded_new(SQ4_GRID_DOTS);
    sq4_ends ends = {guarded_end(&codes, 0), guarded_end(&query, 0), guarded_end(&dots, 0)};
    for (size_t t = 0; t < tiers_count; t++) {
        size_t results;
        size_t wrong = sq4_grid(tiers[t], ends, &results);
        if (wrong > 0) print_error("%s: %zu of %zu\n", tiers[t]->name, wrong, results);
        assert_int_equal(wrong, 0);
        assert_true(results > 10000);
    }
    guarded_free(&codes);
    guarded_free(&query);
    guarded_free(&dots);
}

/* Of 2^31 nodes the first and the last are there; what is between them cannot be read. */
static void test_far_nodes(void **state)
{
    (void)state;
    enum { PADDED = 128, BYTES = PADDED / 2 };
    const uint32_t last = UINT32_MAX / 2;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = ((size_t)last + 1) * BYTES;
    uint8_t *codes =
        mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(codes, MAP_FAILED);
    assert_int_equal(mprotect(codes, page, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(mprotect(codes + room - page, page, PROT_READ | PROT_WRITE), 0);
    int8_t query[PADDED];
    memset(query, 1, sizeof query);
    memset(codes, 0x11, BYTES);
    memset(codes + room - BYTES, 0x32, BYTES);
    uint32_t nodes[9];
    int32_t dots[9];
    for (size_t i = 0; i < TEST_COUNT(nodes); i++)
        nodes[i] = i % 2 ? 0 : last;
    for (size_t t = 0; t < tiers_count; t++) {
        memset(dots, 0, sizeof dots);
        tiers[t]->dot_sq4(query, codes, PADDED, nodes, TEST_COUNT(nodes), dots);
        for (size_t i = 0; i < TEST_COUNT(nodes); i++)
            assert_int_equal(dots[i], BYTES * (i % 2 ? 1 + 1 : 3 + 2));
    }
    munmap(codes, room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_far_nodes),
    };
    return cmocka_run_group_tests(tests, find_tiers, NULL);
}
