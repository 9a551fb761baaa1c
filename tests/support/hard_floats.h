/* Floats that arithmetic finds hard, and the lengths of vectors at which loops change their course:
 * what tests of the f32 kernels run over. */
#ifndef VEER_TESTS_SUPPORT_HARD_FLOATS_H
#define VEER_TESTS_SUPPORT_HARD_FLOATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

#define LENGTH_MAX 8192u

typedef enum value_kind {
    PLAIN,
    WIDE,
    TINY,
    HUGE_VALUES,
    CANCELLING,
    ZEROS,
    SPECIAL, /* infinities and NaN among them */
    KINDS,
} value_kind;

/* n values of a kind. */
void fill(float *values, size_t n, value_kind kind, rng *random);
/* From 0 on 0 to 33, then around every power of two up to LENGTH_MAX; SIZE_MAX behind it. */
size_t next_length(size_t n);
/* The same bits, or both NaN; else the test fails and names `what`. */
void assert_same(float a, float b, const char *what, size_t n);

#endif
