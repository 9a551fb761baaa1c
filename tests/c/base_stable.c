/* The array that grows and never moves: contents, addresses, memory, shortage, readers. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "base/stable.h"
#include "support/fault_allocator.h"
#include "support/testing.h"

#define ELEMENTS_MAX 3000

static void fill(stable *array, size_t i)
{
    uint8_t *at = stable_at(array, i);
    for (size_t b = 0; b < array->element_bytes; b++) {
        assert_int_equal(at[b], 0);
        at[b] = (uint8_t)(i * 7 + b);
    }
}

static void check(const stable *array, size_t count, void *const *places)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = stable_at(array, i);
        assert_ptr_equal(at, places[i]);
        for (size_t b = 0; b < array->element_bytes; b++)
            assert_int_equal(at[b], (uint8_t)(i * 7 + b));
        size_t in_chunk = i % stable_chunk_elements(array);
        assert_ptr_equal(at, (uint8_t *)stable_chunk(array, i >> array->chunk_shift) +
                                 in_chunk * array->element_bytes);
    }
}

static void test_growth(void **state)
{
    (void)state;
    static void *places[ELEMENTS_MAX];
    for (uint64_t seed = 0; seed < 60; seed++) {
        rng r;
        rng_init(&r, seed);
        memory_budget budget;
        memory_budget_init(&budget, memory_default(), SIZE_MAX);
        stable array;
        stable_init(&array, &budget.allocator, 1 + (size_t)rng_below(&r, 24),
                    (size_t)rng_below(&r, 8));
        size_t count = 0;
        while (count < ELEMENTS_MAX) {
            size_t more = (size_t)rng_below(&r, seed % 2 ? 700 : 20);
            if (count + more > ELEMENTS_MAX) more = ELEMENTS_MAX - count;
            assert_int_equal(stable_reserve(&array, count + more), VEER_OK);
            assert_int_equal(stable_bytes(&array), atomic_load(&budget.used));
            for (size_t i = 0; i < more; i++) {
                places[count + i] = stable_at(&array, count + i);
                fill(&array, count + i);
            }
            count += more;
        }
        assert_int_equal(stable_reserve(&array, 1), VEER_OK); /* never fewer */
        check(&array, count, places);
        stable_fini(&array);
        assert_int_equal(atomic_load(&budget.used), 0);
        assert_int_equal(stable_bytes(&array), 0);
    }
}

/* A failed reservation keeps what there is, and can be tried again. */
static void test_shortage(void **state)
{
    (void)state;
    void *places[100];
    for (uint64_t n = 0;; n++) {
        fault_allocator allocator;
        fault_allocator_init(&allocator);
        fault_allocator_fail(&allocator, n, false);
        stable array;
        stable_init(&array, &allocator.allocator, 8, 1);
        size_t count = 0;
        for (; count < 100; count++) {
            veer_status status = stable_reserve(&array, count + 1);
            if (status != VEER_OK) {
                assert_int_equal(status, VEER_E_NOMEM);
                check(&array, count, places);
                assert_int_equal(stable_reserve(&array, count + 1), VEER_OK);
            }
            places[count] = stable_at(&array, count);
            fill(&array, count);
        }
        check(&array, count, places);
        stable_fini(&array);
        bool fired = fault_allocator_fired(&allocator);
        assert_null(fault_allocator_fini(&allocator));
        if (!fired) break;
    }
}

typedef struct shared {
    stable array;
    atomic_size_t published;
} shared;

static void *read_all(void *context)
{
    shared *with = context;
    size_t seen = 0;
    while (seen < ELEMENTS_MAX * 10) {
        seen = atomic_load_explicit(&with->published, memory_order_acquire);
        for (size_t i = 0; i < seen; i += 1 + seen / 50) {
            size_t value = *(const size_t *)stable_at(&with->array, i);
            if (value != i) abort();
        }
    }
    return NULL;
}

static void test_readers(void **state)
{
    (void)state;
    static shared with;
    stable_init(&with.array, memory_default(), sizeof(size_t), 4);
    atomic_init(&with.published, 0);
    pthread_t readers[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, &with), 0);
    for (size_t i = 0; i < ELEMENTS_MAX * 10; i++) {
        assert_int_equal(stable_reserve(&with.array, i + 1), VEER_OK);
        *(size_t *)stable_at(&with.array, i) = i;
        atomic_store_explicit(&with.published, i + 1, memory_order_release);
    }
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    stable_fini(&with.array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_shortage),
        cmocka_unit_test(test_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
