/* bitset, topk and rng against plain models and known numbers. */
#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/rng.h"
#include "base/topk.h"
#include "support/testing.h"

#define BITS_MAX 400

static void check_bits(const uint64_t *words, const bool *model, size_t bits)
{
    size_t count = 0;
    for (size_t i = 0; i < bits; i++) {
        assert_int_equal(bitset_get(words, i), model[i]);
        count += model[i];
    }
    /* Bits behind the last row are zero. */
    for (size_t i = bits; i < 64 * bitset_words(bits); i++)
        assert_false(bitset_get(words, i));
    assert_int_equal(bitset_count(words, bits), count);
    size_t next = bits;
    assert_int_equal(bitset_next(words, bits, bits), bits);
    assert_int_equal(bitset_next(words, bits, bits + 100), bits);
    for (size_t i = bits; i-- > 0;) {
        if (model[i]) next = i;
        assert_int_equal(bitset_next(words, bits, i), next);
    }
    /* A count of fewer bits ignores the others. */
    for (size_t end = 0, some = 0; end <= bits; end++) {
        assert_int_equal(bitset_count(words, end), some);
        if (end < bits) some += model[end];
    }
}

static void test_bitset_random(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        rng r;
        rng_init(&r, seed);
        size_t bits = (size_t)rng_below(&r, BITS_MAX + 1);
        if (seed < 10) bits = seed % 5 * 64;
        size_t words = bitset_words(bits);
        assert_int_equal(words, (bits + 63) / 64);
        /* Exactly as many words as are allowed, for the sanitizer. */
        uint64_t *a = calloc(words + 1, sizeof *a);
        uint64_t *b = calloc(words + 1, sizeof *b);
        bool model_a[BITS_MAX] = {false};
        bool model_b[BITS_MAX] = {false};
        assert_non_null(a);
        assert_non_null(b);
        a[words] = b[words] = 0x5555;
        for (int step = 0; step < 60; step++) {
            size_t first = bits == 0 ? 0 : (size_t)rng_below(&r, bits + 1);
            size_t end = bits == 0 ? 0 : (size_t)rng_below(&r, bits + 1);
            switch (rng_below(&r, 8)) {
            case 0:
                if (bits == 0) break;
                bitset_set(b, first % bits);
                model_b[first % bits] = true;
                break;
            case 1:
                if (bits == 0) break;
                bitset_clear(a, first % bits);
                model_a[first % bits] = false;
                break;
            case 2:
                bitset_set_range(a, first, end);
                for (size_t i = first; i < end; i++)
                    model_a[i] = true;
                break;
            case 3:
                bitset_set_range(b, first, end);
                for (size_t i = first; i < end; i++)
                    model_b[i] = true;
                break;
            case 4:
                bitset_and(a, b, words);
                for (size_t i = 0; i < bits; i++)
                    model_a[i] = model_a[i] && model_b[i];
                break;
            case 5:
                bitset_and_not(a, b, words);
                for (size_t i = 0; i < bits; i++)
                    model_a[i] = model_a[i] && !model_b[i];
                break;
            case 6:
                bitset_or(a, b, words);
                for (size_t i = 0; i < bits; i++)
                    model_a[i] = model_a[i] || model_b[i];
                break;
            default:
                bitset_not(b, bits);
                for (size_t i = 0; i < bits; i++)
                    model_b[i] = !model_b[i];
                break;
            }
        }
        check_bits(a, model_a, bits);
        check_bits(b, model_b, bits);
        assert_int_equal(a[words], 0x5555);
        assert_int_equal(b[words], 0x5555);
        free(a);
        free(b);
    }
}

/* ---- topk */

static int nearer_first(const void *a, const void *b)
{
    const topk_entry *x = a;
    const topk_entry *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

static void test_topk_random(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        enum { N = 90 };
        topk_entry all[N];
        topk_entry kept[N + 10];
        rng r;
        rng_init(&r, seed);
        size_t k = (size_t)rng_below(&r, 99) + 1;
        size_t n = (size_t)rng_below(&r, N + 1);
        /* Few distinct distances: many ties. */
        uint64_t distinct = 1 + rng_below(&r, seed % 2 == 0 ? 5 : 1000);
        size_t numbers = 0;
        topk heap;
        topk_init(&heap, kept, k);
        for (size_t i = 0; i < n; i++) {
            float distance = (float)rng_below(&r, distinct) - 2;
            if (rng_below(&r, 10) == 0) distance = rng_below(&r, 2) ? INFINITY : -INFINITY;
            if (rng_below(&r, 10) == 0) distance = NAN;
            uint64_t key = rng_below(&r, 1000) << 40 | i;
            float threshold = topk_threshold(&heap);
            bool entered = topk_push(&heap, distance, key);
            assert_false(entered && isnan(distance));
            assert_false(entered && distance > threshold);
            assert_false(!entered && distance < threshold);
            if (!isnan(distance)) all[numbers++] = (topk_entry){distance, key};
        }
        qsort(all, numbers, sizeof *all, nearer_first);
        size_t expected = numbers < k ? numbers : k;
        assert_int_equal(heap.count, expected);
        if (expected == k) {
            assert_true(topk_threshold(&heap) == all[k - 1].distance);
        } else {
            assert_true(topk_threshold(&heap) == INFINITY);
        }
        topk_sort(&heap);
        for (size_t i = 0; i < expected; i++) {
            assert_true(kept[i].distance == all[i].distance);
            assert_true(kept[i].key == all[i].key);
        }
    }
}

static void test_topk_of_none(void **state)
{
    topk heap;
    (void)state;
    topk_init(&heap, NULL, 0);
    assert_false(topk_push(&heap, 1, 1));
    topk_sort(&heap);
    assert_int_equal(heap.count, 0);
}

/* ---- rng */

static void test_rng_known_numbers(void **state)
{
    rng r;
    (void)state;
    /* SplitMix64 from 1234567, as published with its reference code. */
    rng_init(&r, 1234567);
    assert_true(r.state[0] == 6457827717110365317u);
    assert_true(r.state[1] == 3203168211198807973u);
    assert_true(r.state[2] == 9817491932198370423u);
    assert_true(r.state[3] == 4593380528125082431u);
    /* xoshiro256** from the state 1, 2, 3, 4. */
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240u};
    r = (rng){{1, 2, 3, 4}};
    for (size_t i = 0; i < TEST_COUNT(expected); i++)
        assert_true(rng_next(&r) == expected[i]);
}

static void test_rng_distributions(void **state)
{
    rng r;
    double sum = 0;
    double squares = 0;
    size_t counts[7] = {0};
    size_t upper = 0;
    const int n = 200000;
    (void)state;
    rng_init(&r, 5);
    for (int i = 0; i < n; i++) {
        double unit = rng_unit(&r);
        assert_true(unit >= 0 && unit < 1);
        double normal = rng_normal(&r);
        sum += normal;
        squares += normal * normal;
        counts[rng_below(&r, 7)]++;
        /* A bound of 3/4 of the range: a plain remainder would give the lower third twice as
         * often. */
        upper += rng_below(&r, (uint64_t)3 << 62) >= (uint64_t)1 << 62;
        assert_true(rng_below(&r, 1) == 0);
    }
    /* Five standard deviations each. */
    assert_true(fabs(sum / n) < 5 / sqrt(n));
    assert_true(fabs(squares / n - 1) < 5 * sqrt(2.0 / n));
    assert_true(fabs((double)upper / n - 2.0 / 3) < 5 * sqrt(2.0 / 9 / n));
    for (int i = 0; i < 7; i++) {
        assert_true(fabs((double)counts[i] / n - 1.0 / 7) < 5 * sqrt(6.0 / 49 / n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bitset_random),     cmocka_unit_test(test_topk_random),
        cmocka_unit_test(test_topk_of_none),      cmocka_unit_test(test_rng_known_numbers),
        cmocka_unit_test(test_rng_distributions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
