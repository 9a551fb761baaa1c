/* Checked arithmetic on sizes: false on overflow, and *result is then untouched. */
#ifndef VEER_BASE_SIZES_H
#define VEER_BASE_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool size_add(size_t a, size_t b, size_t *result)
{
    if (a > SIZE_MAX - b) return false;
    *result = a + b;
    return true;
}

static inline bool size_mul(size_t a, size_t b, size_t *result)
{
    if (b != 0 && a > SIZE_MAX / b) return false;
    *result = a * b;
    return true;
}

static inline bool u64_add(uint64_t a, uint64_t b, uint64_t *result)
{
    if (a > UINT64_MAX - b) return false;
    *result = a + b;
    return true;
}

static inline bool u64_mul(uint64_t a, uint64_t b, uint64_t *result)
{
    if (b != 0 && a > UINT64_MAX / b) return false;
    *result = a * b;
    return true;
}

/* `value` rounded up to a multiple of `alignment` (a power of two); the caller knows that it
 * does not overflow. */
static inline uint64_t u64_round_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static inline size_t size_round_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

#endif
