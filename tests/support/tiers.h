/* The kernel tiers that a test runs on: all that this machine has. */
#ifndef VEER_TESTS_SUPPORT_TIERS_H
#define VEER_TESTS_SUPPORT_TIERS_H

#include <stddef.h>

#include "kernels/kernels.h"

#define TIERS_MAX 8u

/* Fills tiers[0] with scalar and the rest with the others, says on the test's output which they
 * are, and exits where one is not found that the machine has by an account that is not ours:
 * /proc/cpuinfo, or VEER_EXPECTED_TIERS (names with a space between) where that is another
 * machine's. NEON is part of every aarch64. */
size_t tiers_find(const kernels *tiers[TIERS_MAX]);

#endif
