/* One number that says whether codes, factors, estimates, bounds and distances are the same bits as
 * everywhere else: on every kernel tier, every compiler, and in WebAssembly. */
#ifndef VEER_TESTS_SUPPORT_GOLDEN_CODES_H
#define VEER_TESTS_SUPPORT_GOLDEN_CODES_H

#include <stdint.h>

/* The expected value of golden_codes(). It may change only with the format of codes. */
#define GOLDEN_CODES 0x15fd1583u

/* CRC-32C over seeded vectors of many lengths under all metrics: centres, blocks, candidates and
 * distances. Uses the tier that kernels_get chooses and the platform's allocator; 0 where memory
 * is short. Takes some milliseconds. */
uint32_t golden_codes(void);

#endif
