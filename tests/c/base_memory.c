/* memory, budgets, arena, byte writer and reader. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/sizes.h"
#include "support/fault_allocator.h"
#include "support/testing.h"

static bool is_aligned(const void *memory, size_t alignment)
{
    return (uintptr_t)memory % alignment == 0;
}

static bool is_zero(const void *memory, size_t bytes)
{
    const uint8_t *p = memory;
    for (size_t i = 0; i < bytes; i++) {
        if (p[i] != 0) return false;
    }
    return true;
}

/* ---- memory */

static void test_sizes(void **state)
{
    size_t size = 7;
    uint64_t wide = 7;
    (void)state;
    assert_true(size_add(SIZE_MAX - 1, 1, &size) && size == SIZE_MAX);
    assert_false(size_add(SIZE_MAX, 1, &size));
    assert_true(size == SIZE_MAX);
    assert_true(size_mul(SIZE_MAX / 2, 2, &size) && size == SIZE_MAX - 1);
    assert_false(size_mul(SIZE_MAX / 2 + 1, 2, &size));
    assert_true(size_mul(SIZE_MAX, 0, &size) && size == 0);
    assert_true(u64_add(UINT64_MAX - 5, 5, &wide) && wide == UINT64_MAX);
    assert_false(u64_add(UINT64_MAX, 1, &wide));
    assert_false(u64_mul(UINT64_MAX / 3 + 1, 3, &wide));
    assert_true(u64_mul(UINT64_MAX / 3, 3, &wide) && wide == UINT64_MAX);
    assert_int_equal(size_round_up(0, 64), 0);
    assert_int_equal(size_round_up(1, 64), 64);
    assert_int_equal(size_round_up(64, 64), 64);
    assert_int_equal(u64_round_up(4097, 4096), 8192);
}

static void test_default_allocator(void **state)
{
    const veer_allocator *a = memory_default();
    (void)state;
    for (size_t bytes = 0; bytes < 200; bytes++) {
        void *object = memory_new(a, bytes);
        assert_non_null(object);
        assert_true(is_aligned(object, 16) && is_zero(object, bytes));
        memory_free(a, object, bytes);
    }
    for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        void *memory = a->allocate(a->context, 3 * alignment + 1, alignment);
        assert_non_null(memory);
        assert_true(is_aligned(memory, alignment));
        memset(memory, 1, 3 * alignment + 1);
        a->release(a->context, memory, 3 * alignment + 1, alignment);
    }
    /* Blocks that ask for huge pages, with ends that are no multiple of one. */
    for (size_t bytes = ((size_t)4 << 20) - 1; bytes < (size_t)9 << 20; bytes += 777777) {
        uint8_t *array = memory_array(a, bytes, 1);
        assert_non_null(array);
        assert_true(is_aligned(array, 64) && is_zero(array, bytes));
        array[bytes - 1] = 1;
        memory_array_free(a, array, bytes, 1);
    }
    assert_null(memory_array(a, 0, 8));
    assert_null(memory_array(a, 8, 0));
    assert_null(memory_array(a, SIZE_MAX / 4, 8));
    assert_null(memory_array(a, SIZE_MAX - 3, 1));
    assert_null(memory_array(a, SIZE_MAX - 64, 1));
    assert_null(a->allocate(a->context, SIZE_MAX - 10, 64));
    memory_free(a, NULL, 10);
    memory_array_free(a, NULL, 10, 10);
}

static void test_grow(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 40; n++) {
        fault_allocator memory;
        fault_allocator_init(&memory);
        fault_allocator_fail(&memory, n, true);
        void *array = NULL;
        size_t capacity = 0;
        rng r;
        rng_init(&r, n);
        for (int step = 0; step < 20; step++) {
            size_t before = capacity;
            void *former = array;
            size_t wanted = (size_t)rng_below(&r, capacity * 2 + 4);
            veer_status status = memory_grow(&memory.allocator, &array, &capacity, wanted, 4);
            uint32_t *values = array;
            if (status != VEER_OK) {
                assert_int_equal(status, VEER_E_NOMEM);
                assert_true(fault_allocator_fired(&memory));
                assert_ptr_equal(array, former);
                assert_int_equal(capacity, before);
            }
            if (status == VEER_OK && wanted > before) assert_true(capacity >= wanted);
            for (size_t i = 0; i < capacity; i++) {
                if (values[i] != (i < before ? i + 1 : 0)) fail_msg("element %zu", i);
                values[i] = (uint32_t)i + 1;
            }
        }
        memory_array_free(&memory.allocator, array, capacity, 4);
        assert_null(fault_allocator_fini(&memory));
    }
    void *array = NULL;
    size_t capacity = 0;
    assert_int_equal(memory_grow(memory_default(), &array, &capacity, SIZE_MAX / 2, 4),
                     VEER_E_NOMEM);
    assert_null(array);
    assert_int_equal(memory_grow(memory_default(), &array, &capacity, 0, 4), VEER_OK);
    assert_null(array);
}

/* Twice the capacity does not fit the budget, the wanted size does. */
static void test_grow_near_a_limit(void **state)
{
    memory_budget budget;
    void *array = NULL;
    size_t capacity = 0;
    (void)state;
    memory_budget_init(&budget, memory_default(), 100);
    assert_int_equal(memory_grow(&budget.allocator, &array, &capacity, 40, 1), VEER_OK);
    assert_int_equal(memory_grow(&budget.allocator, &array, &capacity, 60, 1), VEER_OK);
    assert_int_equal(capacity, 60);
    assert_int_equal(memory_grow(&budget.allocator, &array, &capacity, 61, 1), VEER_E_NOMEM);
    assert_int_equal(capacity, 60);
    memory_array_free(&budget.allocator, array, capacity, 1);
    assert_int_equal(budget.used, 0);
    assert_int_equal(budget.peak, 100);
}

static void test_budget(void **state)
{
    fault_allocator memory;
    memory_budget budget;
    (void)state;
    fault_allocator_init(&memory);
    memory_budget_init(&budget, &memory.allocator, 1000);
    void *a = memory_new(&budget.allocator, 600);
    assert_non_null(a);
    assert_int_equal(budget.used, 600);
    assert_null(memory_new(&budget.allocator, 401));
    assert_null(memory_new(&budget.allocator, SIZE_MAX));
    void *b = memory_new(&budget.allocator, 400);
    assert_non_null(b);
    assert_int_equal(budget.used, 1000);
    assert_null(memory_new(&budget.allocator, 0)); /* nothing takes one byte */
    memory_free(&budget.allocator, a, 600);
    assert_int_equal(budget.used, 400);
    /* Shortage below is not charged. */
    fault_allocator_fail(&memory, 0, false);
    assert_null(memory_new(&budget.allocator, 100));
    assert_int_equal(budget.used, 400);
    memory_free(&budget.allocator, b, 400);
    assert_int_equal(budget.used, 0);
    assert_int_equal(budget.peak, 1000);
    assert_null(fault_allocator_fini(&memory));
}

static void test_buffer(void **state)
{
    fault_allocator memory;
    veer_buffer buffer;
    byte_writer writer;
    (void)state;
    fault_allocator_init(&memory);
    assert_int_equal(memory_buffer(&memory.allocator, 10, &buffer), VEER_OK);
    assert_int_equal(buffer.bytes, 10);
    assert_true(is_zero(buffer.data, 11));
    veer_buffer_free(&buffer);
    assert_null(buffer.data);
    veer_buffer_free(&buffer);
    veer_buffer_free(NULL);
    assert_int_equal(memory_buffer(&memory.allocator, SIZE_MAX, &buffer), VEER_E_NOMEM);
    assert_null(buffer.data);

    byte_writer_init(&writer, &memory.allocator);
    assert_int_equal(byte_writer_to_buffer(&writer, &memory.allocator, &buffer), VEER_OK);
    assert_string_equal(buffer.data, "");
    veer_buffer_free(&buffer);
    byte_writer_put(&writer, "text", 4);
    fault_allocator_fail(&memory, 0, false);
    assert_int_equal(byte_writer_to_buffer(&writer, &memory.allocator, &buffer), VEER_E_NOMEM);
    assert_null(buffer.data);
    assert_int_equal(byte_writer_to_buffer(&writer, &memory.allocator, &buffer), VEER_OK);
    assert_string_equal(buffer.data, "text");
    assert_int_equal(buffer.bytes, 4);
    byte_writer_fini(&writer);
    veer_buffer_free(&buffer);
    assert_null(fault_allocator_fini(&memory));
}

/* ---- the tool itself: what it must find */

static void test_fault_allocator(void **state)
{
    fault_allocator f;
    (void)state;
    fault_allocator_init(&f);
    void *a = memory_new(&f.allocator, 10);
    assert_non_null(a);
    fault_allocator_fail(&f, 1, true);
    void *b = memory_new(&f.allocator, 10);
    assert_non_null(b);
    assert_false(fault_allocator_fired(&f));
    assert_null(memory_new(&f.allocator, 10));
    assert_null(memory_new(&f.allocator, 10));
    assert_true(fault_allocator_fired(&f));
    assert_int_equal(fault_allocator_live(&f), 2);
    memory_free(&f.allocator, a, 10);
    assert_null(fault_allocator_problem(&f));
    assert_non_null(strstr(fault_allocator_fini(&f), "leak: 1 block"));

    fault_allocator_init(&f);
    a = memory_new(&f.allocator, 10);
    memory_free(&f.allocator, a, 11);
    assert_non_null(strstr(fault_allocator_fini(&f), "wrong size"));

    fault_allocator_init(&f);
    a = memory_new(&f.allocator, 10);
    f.allocator.release(&f, a, 10, 64);
    assert_non_null(strstr(fault_allocator_fini(&f), "wrong size or alignment"));

    fault_allocator_init(&f);
    uint8_t *bytes = f.allocator.allocate(&f, 10, 1);
    assert_int_equal(bytes[9], 0xA5);
    bytes[10] = 0;
    f.allocator.release(&f, bytes, 10, 1);
    assert_non_null(strstr(fault_allocator_fini(&f), "overrun"));
}

/* ---- arena */

typedef struct piece {
    uint8_t *memory;
    size_t bytes;
    uint8_t fill;
} piece;

static void check_pieces(const piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < pieces[i].bytes; j++) {
            if (pieces[i].memory[j] != pieces[i].fill) fail_msg("piece %zu byte %zu", i, j);
        }
    }
}

/* Nothing that is live overlaps anything else, over random takes, marks and resets; and the same
 * while allocations fail. */
static void arena_operations(uint64_t seed, uint64_t fail_at, bool *fired)
{
    enum { PIECES = 400, MARKS = 8 };
    static piece pieces[PIECES];
    struct {
        arena_mark mark;
        size_t pieces;
    } marks[MARKS];
    size_t count = 0;
    size_t marks_count = 0;
    fault_allocator memory;
    arena a;
    rng r;
    rng_init(&r, seed);
    fault_allocator_init(&memory);
    fault_allocator_fail(&memory, fail_at, false);
    arena_init(&a, &memory.allocator);
    for (int step = 0; step < 800; step++) {
        uint64_t what = rng_below(&r, 100);
        if (what < 85 && count < PIECES) {
            piece p = {NULL, (size_t)rng_below(&r, 300), (uint8_t)rng_next(&r)};
            if (rng_below(&r, 20) == 0) p.bytes = (size_t)rng_below(&r, 50000);
            size_t alignment = 1;
            if (what < 30) {
                alignment = 16;
                p.memory = arena_new(&a, p.bytes);
            } else if (what < 60) {
                alignment = 64;
                p.bytes = p.bytes / 8 * 8;
                p.memory = arena_array(&a, p.bytes / 8, 8);
            } else {
                static char text[50000];
                memset(text, p.fill, p.bytes);
                p.memory = (uint8_t *)arena_text(&a, text, p.bytes);
                if (p.memory != NULL) assert_int_equal(p.memory[p.bytes], 0);
            }
            if (p.memory == NULL) {
                assert_true(fault_allocator_fired(&memory));
                continue;
            }
            assert_true(is_aligned(p.memory, alignment));
            memset(p.memory, p.fill, p.bytes);
            pieces[count++] = p;
        } else if (what < 92 && marks_count < MARKS) {
            marks[marks_count].mark = arena_save(&a);
            marks[marks_count++].pieces = count;
        } else if (what < 99 && marks_count > 0) {
            marks_count = (size_t)rng_below(&r, marks_count);
            count = marks[marks_count].pieces;
            arena_restore(&a, marks[marks_count].mark);
        } else if (what == 99) {
            size_t largest = arena_bytes(&a);
            arena_reset(&a);
            assert_true(arena_bytes(&a) <= largest);
            count = marks_count = 0;
        }
        if (step % 40 == 0) check_pieces(pieces, count);
        assert_int_equal(arena_bytes(&a), memory.live_bytes);
    }
    check_pieces(pieces, count);
    arena_fini(&a);
    assert_int_equal(arena_bytes(&a), 0);
    *fired = fault_allocator_fired(&memory);
    assert_null(fault_allocator_fini(&memory));
}

static void test_arena_random(void **state)
{
    bool fired;
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        arena_operations(seed, UINT64_MAX, &fired);
        assert_false(fired);
    }
    for (uint64_t n = 0;; n++) {
        arena_operations(77, n, &fired);
        if (!fired) break;
    }
}

static void test_arena_limits(void **state)
{
    fault_allocator memory;
    arena a;
    (void)state;
    fault_allocator_init(&memory);
    arena_init(&a, &memory.allocator);
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_new(&a, SIZE_MAX));
    assert_null(arena_new(&a, SIZE_MAX - 40));
    assert_null(arena_text(&a, "", SIZE_MAX));
    assert_non_null(arena_new(&a, 0));
    assert_non_null(arena_array(&a, 0, 8));
    /* After one round a repeated call allocates nothing. */
    for (int round = 0; round < 6; round++) {
        if (round == 4) fault_allocator_fail(&memory, 0, true);
        arena_reset(&a);
        for (int i = 0; i < 1000; i++)
            assert_non_null(arena_new(&a, 100));
    }
    assert_false(fault_allocator_fired(&memory));
    arena_fini(&a);
    arena_fini(&a);
    assert_null(fault_allocator_fini(&memory));
}

/* ---- bytes */

static void test_loads_and_stores(void **state)
{
    uint8_t bytes[9];
    (void)state;
    store_u64(bytes + 1, 0x0807060504030201u);
    for (int i = 1; i < 9; i++)
        assert_int_equal(bytes[i], i);
    assert_true(load_u64(bytes + 1) == 0x0807060504030201u);
    assert_int_equal(load_u32(bytes + 1), 0x04030201);
    assert_int_equal(load_u16(bytes + 7), 0x0807);
    store_u16(bytes, 0xFFFE);
    assert_int_equal(load_u16(bytes), 0xFFFE);
    store_u32(bytes, 0x80000000u);
    assert_int_equal(bytes[3], 0x80);
    /* Every bit of a float survives, NaN payloads included. */
    store_u32(bytes, 0x7FA00001u);
    float nan = load_f32(bytes);
    store_f32(bytes + 4, nan);
    assert_int_equal(load_u32(bytes + 4), 0x7FA00001);
    store_f64(bytes, -0.0);
    assert_int_equal(bytes[7], 0x80);
    assert_true(load_f64(bytes) == 0);
}

/* One of everything; the same order as read_record. */
static void write_record(byte_writer *w)
{
    byte_writer_u8(w, 0x12);
    byte_writer_u16(w, 0x3456);
    byte_writer_u32(w, 0x789ABCDE);
    byte_writer_align(w, 8);
    byte_writer_u64(w, 0x1122334455667788u);
    byte_writer_f32(w, 1.5f);
    byte_writer_f64(w, -2.25);
    byte_writer_text(w, "hello", 5);
    byte_writer_text(w, NULL, 0);
    byte_writer_zeros(w, 3);
    byte_writer_put(w, "raw", 3);
    byte_writer_align(w, 64);
    uint8_t *place = byte_writer_extend(w, 2);
    if (place != NULL) memcpy(place, "!?", 2);
}

#define RECORD_READS 13

/* Reads `n` things; true: everything read was what was written. */
static bool read_record(byte_reader *r, int n)
{
    size_t bytes;
    const void *p;
    bool good = true;
    if (n-- > 0) good &= byte_reader_u8(r) == 0x12;
    if (n-- > 0) good &= byte_reader_u16(r) == 0x3456;
    if (n-- > 0) good &= byte_reader_u32(r) == 0x789ABCDE;
    if (n-- > 0) byte_reader_align(r, 8);
    if (n-- > 0) good &= byte_reader_u64(r) == 0x1122334455667788u;
    if (n-- > 0) good &= byte_reader_f32(r) == 1.5f;
    if (n-- > 0) good &= byte_reader_f64(r) == -2.25;
    if (n-- > 0) {
        p = byte_reader_text(r, 5, &bytes);
        good &= p != NULL && bytes == 5 && memcmp(p, "hello", 5) == 0;
    }
    if (n-- > 0) good &= byte_reader_text(r, 0, &bytes) != NULL && bytes == 0;
    if (n-- > 0) {
        p = byte_reader_get(r, 3);
        good &= p != NULL && memcmp(p, "\0\0\0", 3) == 0;
    }
    if (n-- > 0) {
        p = byte_reader_get(r, 3);
        good &= p != NULL && memcmp(p, "raw", 3) == 0;
    }
    if (n-- > 0) byte_reader_align(r, 64);
    if (n-- > 0) {
        p = byte_reader_get(r, 2);
        good &= p != NULL && memcmp(p, "!?", 2) == 0;
    }
    return good;
}

/* At every length: what lies inside is read, from the first thing that does not nothing is. */
static void test_reader_on_every_truncation(void **state)
{
    byte_writer w;
    (void)state;
    byte_writer_init(&w, memory_default());
    write_record(&w);
    assert_false(w.failed);
    size_t total = w.bytes;
    for (size_t length = 0; length <= total; length++) {
        /* Exactly as large as allowed, for the sanitizer. */
        uint8_t *data = malloc(length == 0 ? 1 : length);
        assert_non_null(data);
        memcpy(data, w.data, length);
        for (int n = 0; n <= RECORD_READS; n++) {
            byte_reader whole;
            byte_reader r;
            byte_reader_init(&whole, w.data, total);
            assert_true(read_record(&whole, n));
            byte_reader_init(&r, length == 0 ? NULL : data, length);
            bool good = read_record(&r, n);
            assert_int_equal(r.failed, whole.position > length);
            if (!r.failed) {
                assert_true(good);
                assert_int_equal(r.position, whole.position);
                assert_int_equal(byte_reader_left(&r), length - whole.position);
                continue;
            }
            size_t bytes = 9;
            assert_true(r.position <= length);
            assert_int_equal(byte_reader_left(&r), 0);
            assert_int_equal(byte_reader_u8(&r), 0);
            assert_true(byte_reader_u64(&r) == 0);
            assert_true(byte_reader_f64(&r) == 0);
            assert_null(byte_reader_get(&r, 0));
            assert_null(byte_reader_text(&r, 100, &bytes));
            assert_int_equal(bytes, 0);
        }
        free(data);
    }
    byte_writer_fini(&w);
}

static void test_reader_limits(void **state)
{
    uint8_t data[16] = {0};
    byte_reader r;
    size_t bytes = 1;
    (void)state;
    byte_reader_init(&r, data, sizeof data);
    byte_reader_u8(&r);
    assert_null(byte_reader_get(&r, SIZE_MAX));
    assert_true(r.failed);
    byte_reader_init(&r, data, sizeof data);
    store_u32(data, 4);
    assert_null(byte_reader_text(&r, 3, &bytes));
    assert_true(r.failed && bytes == 0);
    byte_reader_init(&r, data, sizeof data);
    assert_non_null(byte_reader_text(&r, 4, &bytes));
    assert_int_equal(bytes, 4);
    store_u32(data, UINT32_MAX);
    byte_reader_init(&r, data, sizeof data);
    assert_null(byte_reader_text(&r, SIZE_MAX, &bytes));
    assert_true(r.failed);
    byte_reader_init(&r, NULL, 0);
    assert_non_null(byte_reader_get(&r, 0));
    assert_false(r.failed);
}

/* A writer that failed keeps what it had, swallows the rest and says so. */
static void test_writer_failure(void **state)
{
    (void)state;
    for (int forever = 0; forever < 2; forever++) {
        for (uint64_t n = 0;; n++) {
            fault_allocator memory;
            byte_writer w;
            fault_allocator_init(&memory);
            byte_writer_init(&w, &memory.allocator);
            fault_allocator_fail(&memory, n, forever != 0);
            for (int i = 0; i < 100; i++)
                write_record(&w);
            bool fired = fault_allocator_fired(&memory);
            if (w.failed) {
                size_t bytes = w.bytes;
                assert_true(fired);
                assert_null(byte_writer_extend(&w, 1));
                byte_writer_zeros(&w, 100000);
                assert_int_equal(w.bytes, bytes);
            } else {
                assert_int_equal(w.bytes % 2, 0);
            }
            byte_reader r;
            byte_reader_init(&r, w.data, w.bytes);
            if (w.bytes >= 66) assert_true(read_record(&r, RECORD_READS));
            byte_writer_fini(&w);
            assert_int_equal(w.bytes, 0);
            assert_null(fault_allocator_fini(&memory));
            if (!fired) break;
        }
    }
    byte_writer w;
    byte_writer_init(&w, memory_default());
    byte_writer_u8(&w, 1);
    assert_null(byte_writer_extend(&w, SIZE_MAX));
    assert_true(w.failed);
    byte_writer_fini(&w);
    byte_writer_text(&w, NULL, (size_t)UINT32_MAX + 1);
    assert_true(w.failed);
    byte_writer_fini(&w);
    assert_non_null(byte_writer_extend(&w, 0));
    byte_writer_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_default_allocator),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_grow_near_a_limit),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_fault_allocator),
        cmocka_unit_test(test_arena_random),
        cmocka_unit_test(test_arena_limits),
        cmocka_unit_test(test_loads_and_stores),
        cmocka_unit_test(test_reader_on_every_truncation),
        cmocka_unit_test(test_reader_limits),
        cmocka_unit_test(test_writer_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
