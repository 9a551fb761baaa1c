/* Codes, factors, bounds and distances are the same bits on every tier of this machine, and those
 * that are written down in golden_codes.h.
 */
#include "support/testing.h"

#include "kernels/kernels.h"
#include "support/golden_codes.h"
#include "support/tiers.h"

static void test_golden(void **state)
{
    (void)state;
    const kernels *tiers[TIERS_MAX];
    size_t tiers_count = tiers_find(tiers);
    for (size_t i = 0; i < tiers_count; i++) {
        const kernels *tier = tiers[i];
        kernels_force(tier);
        uint32_t crc = golden_codes();
        print_message("%s: 0x%08x\n", tier->name, crc);
        assert_int_equal(crc, GOLDEN_CODES);
    }
    kernels_force(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
