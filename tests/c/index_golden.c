/* Codes, factors, bounds and distances are the same bits on every tier of this machine, and those
 * that are written down in golden_codes.h.
 */
#include "support/testing.h"

#include "kernels/kernels.h"
#include "support/golden_codes.h"

static void test_golden(void **state)
{
    (void)state;
    static const char *const names[] = {"scalar", "avx2", "avx512", "neon"};
    for (size_t i = 0; i < TEST_COUNT(names); i++) {
        const kernels *tier = kernels_find(names[i]);
        if (tier == NULL) continue;
        kernels_force(tier);
        uint32_t crc = golden_codes();
        print_message("%s: 0x%08x\n", names[i], crc);
        assert_int_equal(crc, GOLDEN_CODES);
    }
    kernels_force(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
