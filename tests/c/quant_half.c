/* 16-bit floats: every one of them, what lies between each two, and the processor's own. */
#include "support/testing.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "quant/half.h"

#define INFINITE 0x7c00u

/* What the bits say, in f64. */
static double meaning(uint16_t half)
{
    double fraction = half & 0x3ff;
    int exponent = half >> 10 & 31;
    double size = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -size : size;
}

static uint16_t encoded(float value)
{
    uint16_t half;
    half_encode(&value, 1, &half);
    return half;
}

static float decoded(uint16_t half)
{
    float value;
    half_decode(&half, 1, &value);
    return value;
}

static void test_every_half(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) {
        uint16_t half = (uint16_t)i;
        float value = decoded(half);
        if ((half & 0x7fff) > INFINITE) {
            assert_true(isnan(value) && isnan(decoded(encoded(value))));
            continue;
        }
        if ((half & 0x7fff) == INFINITE) {
            assert_true(isinf(value) && (value < 0) == (half >> 15));
        } else {
            assert_true((double)value == meaning(half));
        }
        assert_true((signbit(value) != 0) == (half >> 15));
        assert_int_equal(encoded(value), half);
    }
}

/* Around the middle between neighbours, with both signs: nearest, ties to even. */
static void test_between(void **state)
{
    (void)state;
    for (uint16_t low = 0; low < INFINITE; low++) {
        /* Behind the last one comes what would follow it. */
        double next = low + 1 < (int)INFINITE ? meaning((uint16_t)(low + 1)) : 65536;
        float middle = (float)((meaning(low) + next) / 2); /* exact */
        uint16_t high = (uint16_t)(low + 1), even = low % 2 == 0 ? low : high;
        assert_int_equal(encoded(middle), even);
        assert_int_equal(encoded(nextafterf(middle, 0)), low);
        assert_int_equal(encoded(nextafterf(middle, INFINITY)), high);
        assert_int_equal(encoded(-middle), even | 0x8000);
    }
    assert_int_equal(encoded(3.4e38f), INFINITE);
    assert_int_equal(encoded(1e-45f), 0);
    assert_int_equal(encoded(-1e-45f), 0x8000);
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

__attribute__((target("f16c"))) static uint16_t by_processor(float value)
{
    return (uint16_t)_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static void test_processor(void **state)
{
    (void)state;
    /* clang 14 does not know "f16c" here, which came before AVX2. */
    if (!__builtin_cpu_supports("avx2")) skip();
    rng random;
    rng_init(&random, 1);
    for (int i = 0; i < 3000000; i++) {
        uint32_t bits = (uint32_t)rng_next(&random);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isnan(value)) continue;
        if (encoded(value) != by_processor(value)) fail_msg("%a", (double)value);
    }
}
#else
static void test_processor(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half),
        cmocka_unit_test(test_between),
        cmocka_unit_test(test_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
