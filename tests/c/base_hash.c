/* hash_bytes against a SipHash written from the paper, which itself must give the paper's test
 * vector for SipHash-2-4; the table against a plain array. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/rng.h"
#include "support/fault_allocator.h"
#include "support/testing.h"

/* v[0..3] as in figure 2.1 of the paper. */
static void paper_round(uint64_t v[4])
{
    static const int turns[2][2] = {{13, 16}, {17, 21}};
    for (int half = 0; half < 2; half++) {
        int a = half == 0 ? 0 : 2;
        int c = half == 0 ? 2 : 0;
        v[a] += v[1];
        v[c] += v[3];
        v[1] = v[1] << turns[half][0] | v[1] >> (64 - turns[half][0]);
        v[3] = v[3] << turns[half][1] | v[3] >> (64 - turns[half][1]);
        v[1] ^= v[a];
        v[3] ^= v[c];
        v[a] = v[a] << 32 | v[a] >> 32;
    }
}

static uint64_t paper_siphash(int c, int d, uint64_t k0, uint64_t k1, const uint8_t *data,
                              size_t bytes)
{
    uint64_t v[4];
    v[0] = k0 ^ load_u64("uespemos");
    v[1] = k1 ^ load_u64("modnarod");
    v[2] = k0 ^ load_u64("arenegyl");
    v[3] = k1 ^ load_u64("setybdet");
    size_t padded = bytes / 8 * 8 + 8;
    uint8_t *message = calloc(1, padded);
    assert_non_null(message);
    if (bytes != 0) memcpy(message, data, bytes);
    message[padded - 1] = (uint8_t)bytes;
    for (size_t i = 0; i < padded; i += 8) {
        uint64_t word = load_u64(message + i);
        v[3] ^= word;
        for (int j = 0; j < c; j++)
            paper_round(v);
        v[0] ^= word;
    }
    free(message);
    v[2] ^= 0xFF;
    for (int j = 0; j < d; j++)
        paper_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static void test_paper_vector(void **state)
{
    uint8_t bytes[16];
    (void)state;
    for (int i = 0; i < 16; i++)
        bytes[i] = (uint8_t)i;
    uint64_t hash = paper_siphash(2, 4, load_u64(bytes), load_u64(bytes + 8), bytes, 15);
    assert_true(hash == 0xA129CA6149BE45E5u);
}

static void test_hash_is_siphash_1_3(void **state)
{
    uint8_t data[80];
    rng r;
    (void)state;
    rng_init(&r, 7);
    for (int round = 0; round < 20; round++) {
        uint64_t seed = round == 0 ? 0 : rng_next(&r);
        /* SplitMix64 seeded with `seed` is what fills rng's state: its first two words. */
        rng keys;
        rng_init(&keys, seed);
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)rng_next(&r);
        for (size_t bytes = 0; bytes <= 70; bytes++) {
            size_t offset = bytes % 8;
            uint64_t expected =
                paper_siphash(1, 3, keys.state[0], keys.state[1], data + offset, bytes);
            assert_true(hash_bytes(seed, data + offset, bytes) == expected);
        }
    }
    assert_true(hash_bytes(3, NULL, 0) == hash_bytes(3, "", 0));
}

/* ---- the table */

#define KEYS 600

typedef struct keys {
    uint64_t hash[KEYS];
    uint32_t value[KEYS]; /* UINT32_MAX: not in the table */
} keys;

typedef struct wanted {
    uint32_t key;
} wanted;

/* Values are key + KEYS * version. */
static bool same_key(const void *context, uint32_t value)
{
    const wanted *w = context;
    return value % KEYS == w->key;
}

static void check_all(const hash_table *table, const keys *model)
{
    size_t live = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        wanted w = {i};
        assert_int_equal(hash_table_find(table, model->hash[i], same_key, &w), model->value[i]);
        if (model->value[i] != UINT32_MAX) live++;
    }
    assert_int_equal(table->live, live);
}

/* Few distinct hashes make long runs and shared hashes; hashes near the table's end make runs that
 * wrap around. */
static void random_operations(uint64_t seed, uint64_t distinct, uint64_t high_bits)
{
    fault_allocator memory;
    hash_table table;
    keys *model = malloc(sizeof *model);
    rng r;
    assert_non_null(model);
    rng_init(&r, seed);
    fault_allocator_init(&memory);
    hash_table_init(&table, &memory.allocator);
    for (int i = 0; i < KEYS; i++) {
        model->hash[i] = rng_below(&r, distinct) | high_bits;
        model->value[i] = UINT32_MAX;
    }
    for (int step = 0; step < 20000; step++) {
        uint32_t key = (uint32_t)rng_below(&r, KEYS);
        wanted w = {key};
        /* Phases of growth and of shrinking. */
        bool adds = rng_below(&r, 10) < (step / 2000 % 2 == 0 ? 7u : 3u);
        if (adds) {
            uint32_t value = key + KEYS * (uint32_t)rng_below(&r, 1000);
            assert_int_equal(hash_table_reserve(&table, 1), VEER_OK);
            assert_int_equal(hash_table_put(&table, model->hash[key], value, same_key, &w),
                             model->value[key]);
            model->value[key] = value;
        } else {
            assert_int_equal(hash_table_remove(&table, model->hash[key], same_key, &w),
                             model->value[key]);
            model->value[key] = UINT32_MAX;
        }
        if (step % 500 == 0) check_all(&table, model);
    }
    check_all(&table, model);
    assert_true(table.live <= table.capacity - table.capacity / 4);
    assert_int_equal(hash_table_bytes(&table), memory.live_bytes);
    hash_table_fini(&table);
    assert_null(fault_allocator_fini(&memory));
    free(model);
}

static void test_random_operations(void **state)
{
    (void)state;
    random_operations(1, UINT64_MAX, 0);
    random_operations(2, 40, 0);
    random_operations(3, 7, 1020); /* homes at the end of a table of 1024 */
    random_operations(4, 1, 0);
}

static void test_values_at_the_edge(void **state)
{
    hash_table table;
    (void)state;
    hash_table_init(&table, memory_default());
    wanted w = {(UINT32_MAX - 1) % KEYS};
    assert_int_equal(hash_table_find(&table, 5, same_key, &w), UINT32_MAX);
    assert_int_equal(hash_table_remove(&table, 5, same_key, &w), UINT32_MAX);
    assert_int_equal(hash_table_reserve(&table, 1), VEER_OK);
    assert_int_equal(hash_table_put(&table, 5, UINT32_MAX - 1, same_key, &w), UINT32_MAX);
    assert_int_equal(hash_table_find(&table, 5, same_key, &w), UINT32_MAX - 1);
    assert_int_equal(hash_table_find(&table, 6, same_key, &w), UINT32_MAX);
    assert_int_equal(hash_table_remove(&table, 5, same_key, &w), UINT32_MAX - 1);
    assert_int_equal(hash_table_find(&table, 5, same_key, &w), UINT32_MAX);
    assert_int_equal(hash_table_reserve(&table, SIZE_MAX), VEER_E_NOMEM);
    assert_int_equal(hash_table_reserve(&table, SIZE_MAX / 2), VEER_E_NOMEM);
    hash_table_fini(&table);
}

/* Puts never fail within what was reserved; a failed reserve changes nothing. */
static void test_reserve(void **state)
{
    (void)state;
    for (uint64_t n = 0;; n++) {
        fault_allocator memory;
        hash_table table;
        keys *model = malloc(sizeof *model);
        assert_non_null(model);
        fault_allocator_init(&memory);
        hash_table_init(&table, &memory.allocator);
        for (uint32_t i = 0; i < KEYS; i++) {
            model->hash[i] = hash_bytes(9, &i, sizeof i);
            model->value[i] = UINT32_MAX;
        }
        fault_allocator_fail(&memory, n, n % 2 == 1);
        veer_status status = VEER_OK;
        for (uint32_t i = 0; i < KEYS && status == VEER_OK; i += 50) {
            status = hash_table_reserve(&table, 50);
            if (status != VEER_OK) break;
            uint64_t calls = fault_allocator_calls(&memory);
            for (uint32_t key = i; key < i + 50; key++) {
                wanted w = {key};
                hash_table_put(&table, model->hash[key], key, same_key, &w);
                model->value[key] = key;
            }
            assert_true(fault_allocator_calls(&memory) == calls);
        }
        bool fired = fault_allocator_fired(&memory);
        assert_int_equal(status, fired ? VEER_E_NOMEM : VEER_OK);
        check_all(&table, model);
        hash_table_fini(&table);
        free(model);
        assert_null(fault_allocator_fini(&memory));
        if (!fired) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paper_vector),      cmocka_unit_test(test_hash_is_siphash_1_3),
        cmocka_unit_test(test_random_operations), cmocka_unit_test(test_values_at_the_edge),
        cmocka_unit_test(test_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
