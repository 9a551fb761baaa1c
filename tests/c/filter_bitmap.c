/* Stored sets and CRoaring under the reserved arena.
 *
 * Every pair of container shapes under every operation gives what bitsets give, and no block is
 * ever cut that the reservation did not cover. Damaged bytes are refused, or are another valid
 * set of the same size; whatever is accepted can be used without leaving its bytes.
 */
#include <stdlib.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "base/rng.h"
#include "filter/bitmap.h"
#include "filter/bitmap_encode.h"
#include "support/fault_allocator.h"
#include "support/testing.h"

#define CONTAINER 65536u

/* By hand: CRoaring's header has names of base/bitset.h. */
bool roaring_bitmap_run_optimize(struct roaring_bitmap_s *set);
size_t roaring_bitmap_portable_size_in_bytes(const struct roaring_bitmap_s *set);
size_t roaring_bitmap_portable_serialize(const struct roaring_bitmap_s *set, char *bytes);

/* A shape of the rows of one container, from empty over every kind and its limits to full. */
static void add_shape(rng *random, unsigned shape, uint64_t *words, size_t first)
{
    size_t step, length;
    switch (shape) {
    case 0: /* empty */
        return;
    case 1: /* one row */
        bitset_set(words, first + rng_below(random, CONTAINER));
        return;
    case 2: /* one short run */
        bitset_set_range(words, first + 100, first + 110);
        return;
    case 3: /* one run of more rows than an array holds */
        bitset_set_range(words, first + 1, first + CONTAINER - 1);
        return;
    case 4: /* full */
        bitset_set_range(words, first, first + CONTAINER);
        return;
    case 5: /* a run that expands to a full array */
        bitset_set_range(words, first + 5, first + 4101);
        return;
    case 6: /* as many runs as there may be, of 31 rows each */
        step = 32, length = 31;
        break;
    case 7: /* runs of two: an array is as good */
        step = 32, length = 2;
        break;
    case 8: /* every second row: a bitset */
        step = 2, length = 1;
        break;
    case 9: /* 4096 rows, a full array */
        step = 16, length = 1;
        break;
    case 10: /* the smallest bitset */
        for (size_t i = 0; i < CONTAINER; i += 16)
            bitset_set(words, first + i);
        bitset_set(words, first + 3);
        return;
    case 11: /* many runs of many rows */
        step = 33, length = 20;
        break;
    default: /* random, of any density */
        length = (size_t)1 << rng_below(random, 16);
        for (size_t i = 0; i < length; i++)
            bitset_set(words, first + rng_below(random, CONTAINER));
        return;
    }
    for (size_t i = 0; i + length < CONTAINER; i += step)
        bitset_set_range(words, first + i, first + i + length);
}

#define SHAPES 14u
#define SET_CONTAINERS 3u
#define SET_ROWS (SET_CONTAINERS * CONTAINER)
#define SET_WORDS (SET_ROWS / 64)

typedef struct stored {
    uint64_t *words;
    byte_writer bytes;
    bitmap_view view;
} stored;

static size_t list_rows(const uint64_t *words, uint32_t *rows)
{
    size_t count = 0;
    for (size_t i = bitset_next(words, SET_ROWS, 0); i < SET_ROWS;
         i = bitset_next(words, SET_ROWS, i + 1)) {
        rows[count++] = (uint32_t)i;
    }
    return count;
}

static veer_status put_bytes(void *context, const void *data, size_t count)
{
    byte_writer_put(context, data, count);
    return VEER_OK;
}

/* Both sources give the same bytes. */
static void encode(const uint32_t *rows, size_t count, size_t total, byte_writer *out)
{
    bitmap_encoder *encoder = malloc(sizeof *encoder);
    uint64_t *bits = calloc(bitset_words(total) + 1, sizeof *bits);
    byte_writer same;
    assert_non_null(encoder);
    assert_non_null(bits);
    for (size_t i = 0; i < count; i++)
        bitset_set(bits, rows[i]);
    byte_writer_init(&same, memory_default());
    assert_int_equal(bitmap_encode(encoder, rows, count, put_bytes, out), VEER_OK);
    assert_int_equal(encoder->count, count);
    assert_int_equal(bitmap_encode_bits(encoder, bits, total, put_bytes, &same), VEER_OK);
    assert_int_equal(encoder->count, count);
    assert_int_equal(out->bytes, same.bytes);
    if (same.bytes > 0) assert_memory_equal(out->data, same.data, same.bytes);
    byte_writer_fini(&same);
    free(bits);
    free(encoder);
}

/* What CRoaring makes of a set that it has read and optimised is the same bytes. */
static void check_same_as_roaring(bitmap_memory *memory, const bitmap_view *view)
{
    if (view->is_rows) return;
    bitmap set;
    assert_int_equal(bitmap_decode(memory, view, &set), VEER_OK);
    assert_int_equal(bitmap_memory_reserve(memory, (size_t)1 << 20), VEER_OK);
    bitmap_memory *former = bitmap_memory_enter(memory);
    roaring_bitmap_run_optimize(set.roaring);
    assert_int_equal(roaring_bitmap_portable_size_in_bytes(set.roaring), view->size);
    char *bytes = malloc(view->size);
    assert_non_null(bytes);
    roaring_bitmap_portable_serialize(set.roaring, bytes);
    bitmap_memory_enter(former);
    assert_memory_equal(bytes, view->bytes, view->size);
    free(bytes);
    bitmap_free(memory, &set);
}

static void store(stored *set)
{
    bitmap_memory memory;
    uint32_t *rows = malloc(SET_ROWS * sizeof *rows);
    assert_non_null(rows);
    size_t count = list_rows(set->words, rows);
    byte_writer_init(&set->bytes, memory_default());
    bitmap_memory_init(&memory, memory_default());
    encode(rows, count, SET_ROWS, &set->bytes);
    assert_true(set->bytes.bytes <= 4 * count);
    assert_true(
        bitmap_view_open(set->bytes.data, set->bytes.bytes, SET_ROWS, (uint32_t)count, &set->view));
    check_same_as_roaring(&memory, &set->view);
    bitmap_memory_fini(&memory);
    uint32_t *again = malloc((count + 1) * sizeof *again);
    assert_non_null(again);
    bitmap_view_rows(&set->view, again);
    if (count > 0) assert_memory_equal(rows, again, count * sizeof *rows);
    free(again);
    free(rows);
}

static void stored_new(rng *random, const unsigned shapes[SET_CONTAINERS], stored *set)
{
    set->words = calloc(SET_WORDS, sizeof *set->words);
    assert_non_null(set->words);
    for (size_t i = 0; i < SET_CONTAINERS; i++)
        add_shape(random, shapes[i], set->words, i * CONTAINER);
    store(set);
}

static void stored_free(stored *set)
{
    byte_writer_fini(&set->bytes);
    free(set->words);
}

typedef veer_status (*operation)(bitmap_memory *memory, const bitmap *a, const bitmap *b,
                                 bitmap *out);
static const operation operations[] = {bitmap_and, bitmap_and_not, bitmap_or};

static void combine(size_t which, uint64_t *to, const uint64_t *from)
{
    if (which == 0) bitset_and(to, from, SET_WORDS);
    if (which == 1) bitset_and_not(to, from, SET_WORDS);
    if (which == 2) bitset_or(to, from, SET_WORDS);
}

static void assert_view_is(const bitmap_view *view, const uint64_t *words)
{
    uint64_t *found = calloc(SET_WORDS, sizeof *found);
    assert_non_null(found);
    bitmap_view_or(view, found, SET_ROWS);
    assert_memory_equal(found, words, SET_WORDS * sizeof *words);
    memset(found, 0xFF, SET_WORDS * sizeof *found);
    bitmap_view_and_not(view, found, SET_ROWS);
    for (size_t i = 0; i < SET_WORDS; i++)
        assert_true(found[i] == ~words[i]);
    free(found);
}

/* result = a op b, then (result op' b) too: operands that come out of an operation. Each in a
 * fresh memory, so that no freed block helps the reservation. */
static void check_pair(size_t which, const stored *a, const stored *b)
{
    bitmap_memory memory[4];
    bitmap left, right, result, second;
    bitmap_view view;
    uint64_t *expected = malloc(SET_WORDS * sizeof *expected);
    assert_non_null(expected);
    memcpy(expected, a->words, SET_WORDS * sizeof *expected);
    for (size_t i = 0; i < 4; i++)
        bitmap_memory_init(&memory[i], memory_default());
    assert_int_equal(bitmap_decode(&memory[0], &a->view, &left), VEER_OK);
    assert_int_equal(bitmap_decode(&memory[1], &b->view, &right), VEER_OK);
    assert_int_equal(operations[which](&memory[2], &left, &right, &result), VEER_OK);
    combine(which, expected, b->words);
    assert_int_equal(result.count, bitset_count(expected, SET_ROWS));
    assert_int_equal(bitmap_to_view(&memory[2], &result, &view), VEER_OK);
    assert_view_is(&view, expected);

    size_t then = (which + 1) % 3;
    assert_int_equal(operations[then](&memory[3], &right, &result, &second), VEER_OK);
    uint64_t *again = malloc(SET_WORDS * sizeof *again);
    assert_non_null(again);
    memcpy(again, b->words, SET_WORDS * sizeof *again);
    combine(then, again, expected);
    assert_int_equal(bitmap_to_view(&memory[3], &second, &view), VEER_OK);
    assert_view_is(&view, again);
    free(again);

    bitmap_free(&memory[0], &left);
    bitmap_free(&memory[1], &right);
    bitmap_free(&memory[2], &result);
    bitmap_free(&memory[3], &second);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(memory[i].shortfalls, 0);
        bitmap_memory_fini(&memory[i]);
    }
    free(expected);
}

static void test_every_pair_of_shapes(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 1);
    for (unsigned left = 0; left < SHAPES; left++) {
        for (unsigned right = 0; right < SHAPES; right++) {
            unsigned other = (unsigned)rng_below(&random, SHAPES);
            stored a, b;
            stored_new(&random, (unsigned[]){left, other, 0}, &a);
            stored_new(&random, (unsigned[]){right, left, other}, &b);
            for (size_t which = 0; which < 3; which++)
                check_pair(which, &a, &b);
            stored_free(&a);
            stored_free(&b);
        }
    }
}

/* A row in each of 1024 containers: many small blocks rather than few large ones. */
static void test_many_containers(void **state)
{
    (void)state;
    enum { CONTAINERS = 1024 };
    for (uint32_t stride = 1; stride <= 3; stride++) {
        uint32_t *rows = malloc(3 * CONTAINERS * sizeof *rows);
        assert_non_null(rows);
        size_t count = 0;
        for (uint32_t i = 0; i < CONTAINERS; i += stride) {
            for (uint32_t j = 0; j < 3; j++)
                rows[count++] = i * CONTAINER + 7 + j * stride * stride;
        }
        bitmap_memory memory;
        bitmap_view view;
        bitmap set[5] = {0};
        byte_writer bytes;
        bitmap_memory_init(&memory, memory_default());
        byte_writer_init(&bytes, memory_default());
        encode(rows, count, BITMAP_ROWS_MAX, &bytes);
        assert_true(
            bitmap_view_open(bytes.data, bytes.bytes, BITMAP_ROWS_MAX, (uint32_t)count, &view));
        assert_int_equal(bitmap_decode(&memory, &view, &set[0]), VEER_OK);
        assert_int_equal(bitmap_decode(&memory, &view, &set[1]), VEER_OK);
        for (size_t which = 0; which < 3; which++) {
            assert_int_equal(operations[which](&memory, &set[0], &set[1], &set[2 + which]),
                             VEER_OK);
        }
        assert_int_equal(set[2].count, count);
        assert_int_equal(set[3].count, 0);
        assert_int_equal(set[4].count, count);
        assert_int_equal(memory.shortfalls, 0);
        for (size_t i = 0; i < 5; i++)
            bitmap_free(&memory, &set[i]);
        byte_writer_fini(&bytes);
        bitmap_memory_fini(&memory);
        free(rows);
    }
}

static void test_clipping(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 9);
    for (unsigned shape = 1; shape < SHAPES; shape++) {
        stored set;
        stored_new(&random, (unsigned[]){shape, shape, 1}, &set);
        for (size_t i = 0; i < 40; i++) {
            size_t rows = i == 0 ? 0 : i == 1 ? CONTAINER : rng_below(&random, SET_ROWS + 1);
            size_t words = bitset_words(rows);
            uint64_t *found = calloc(words + 1, sizeof *found);
            uint64_t *expected = calloc(words + 1, sizeof *expected);
            assert_non_null(found);
            assert_non_null(expected);
            memcpy(expected, set.words, words * sizeof *expected);
            if (rows % 64 != 0) expected[words - 1] &= ((uint64_t)1 << rows % 64) - 1;
            bitmap_view_or(&set.view, found, rows);
            assert_memory_equal(found, expected, (words + 1) * sizeof *found);
            bitmap_view_and_not(&set.view, found, rows);
            for (size_t w = 0; w <= words; w++)
                assert_true(found[w] == 0);
            free(found);
            free(expected);
        }
        stored_free(&set);
    }
}

/* Uses a view of bytes that end where their allocation does. */
static void use(const uint8_t *bytes, size_t size, uint32_t count)
{
    bitmap_view view;
    uint8_t *exact = malloc(size + (size == 0));
    uint64_t *words = calloc(SET_WORDS, sizeof *words);
    assert_non_null(exact);
    assert_non_null(words);
    memcpy(exact, bytes, size);
    if (bitmap_view_open(exact, size, SET_ROWS, count, &view)) {
        bitmap_memory memory;
        bitmap set;
        bitmap_memory_init(&memory, memory_default());
        bitmap_view_or(&view, words, SET_ROWS);
        assert_int_equal(bitset_count(words, SET_ROWS), count);
        assert_int_equal(bitmap_decode(&memory, &view, &set), VEER_OK);
        assert_int_equal(set.count, count);
        assert_int_equal(memory.shortfalls, 0);
        bitmap_memory_fini(&memory);
    }
    free(words);
    free(exact);
}

static void test_damage(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 3);
    static const unsigned shapes[][SET_CONTAINERS] = {{1, 1, 1}, {2, 7, 0},   {6, 2, 0}, {8, 3, 1},
                                                      {9, 4, 2}, {10, 0, 11}, {5, 12, 3}};
    for (size_t s = 0; s < TEST_COUNT(shapes); s++) {
        stored set;
        stored_new(&random, shapes[s], &set);
        size_t size = set.bytes.bytes, step = size > 600 ? size / 300 : 1;
        uint8_t *damaged = malloc(size + 8);
        assert_non_null(damaged);
        for (size_t cut = 0; cut < size; cut += cut < 200 ? 1 : step) {
            bitmap_view view;
            uint8_t *shorter = malloc(cut + (cut == 0));
            assert_non_null(shorter);
            memcpy(shorter, set.bytes.data, cut);
            assert_false(bitmap_view_open(shorter, cut, SET_ROWS, set.view.count, &view));
            free(shorter);
        }
        memcpy(damaged, set.bytes.data, size);
        memset(damaged + size, 0, 8);
        bitmap_view view;
        assert_false(bitmap_view_open(damaged, size + 1, SET_ROWS, set.view.count, &view));
        for (size_t i = 0; i < 3000; i++) {
            memcpy(damaged, set.bytes.data, size);
            size_t changes = 1 + rng_below(&random, 3);
            for (size_t j = 0; j < changes; j++) {
                size_t head = size < 40 ? size : 40; /* headers more often than contents */
                size_t at = rng_below(&random, rng_below(&random, 2) ? size : head);
                damaged[at] ^= (uint8_t)(1 + rng_below(&random, 255));
            }
            use(damaged, size, set.view.count);
        }
        assert_false(bitmap_view_open(set.bytes.data, size, SET_ROWS, set.view.count + 1, &view));
        free(damaged);
        stored_free(&set);
    }
}

/* Bitmaps that are wrong in one rule only. */
static void test_rules(void **state)
{
    (void)state;
    bitmap_view view;
    /* One container of one run, rows 5 to 24. */
    static const uint8_t run[15] = {0x3B, 0x30, 0, 0, 1, 0, 0, 19, 0, 1, 0, 5, 0, 19, 0};
    uint8_t bytes[32];
    assert_true(bitmap_view_open(run, sizeof run, SET_ROWS, 20, &view));
    memcpy(bytes, run, sizeof run);
    bytes[4] = 3; /* a flag of a container that is not there */
    assert_false(bitmap_view_open(bytes, sizeof run, SET_ROWS, 20, &view));
    bytes[4] = 0; /* no runs, and an array would need more bytes */
    assert_false(bitmap_view_open(bytes, sizeof run, SET_ROWS, 20, &view));
    memcpy(bytes, run, sizeof run);
    store_u16(bytes + 11, 65530); /* past the end of the container */
    assert_false(bitmap_view_open(bytes, sizeof run, SET_ROWS, 20, &view));
    store_u16(bytes + 11, 65516);
    assert_true(bitmap_view_open(bytes, sizeof run, SET_ROWS, 20, &view));
    assert_false(bitmap_view_open(bytes, sizeof run, 65535, 20, &view));
    /* Two runs that touch are one. */
    static const uint8_t runs[19] = {0x3B, 0x30, 0, 0, 1, 0,  0, 19, 0, 2,
                                     0,    5,    0, 9, 0, 15, 0, 9,  0};
    memcpy(bytes, runs, sizeof runs);
    assert_false(bitmap_view_open(bytes, sizeof runs, SET_ROWS, 20, &view));
    bytes[15] = 16;
    assert_true(bitmap_view_open(bytes, sizeof runs, SET_ROWS, 20, &view));
    /* Plain rows: exactly 4 bytes each, ascending, below the limit. */
    for (uint32_t i = 0; i < 3; i++)
        store_u32(bytes + 4 * i, 10 * i);
    assert_true(bitmap_view_open(bytes, 12, 21, 3, &view));
    assert_false(bitmap_view_open(bytes, 12, 20, 3, &view));
    store_u32(bytes + 4, 0);
    assert_false(bitmap_view_open(bytes, 12, 21, 3, &view));
    assert_true(bitmap_view_open(bytes, 0, 21, 0, &view));
    assert_false(bitmap_view_open(bytes, 0, BITMAP_ROWS_MAX + 1, 0, &view));
}

static void test_shortage(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 4);
    stored a, b;
    stored_new(&random, (unsigned[]){6, 8, 12}, &a);
    stored_new(&random, (unsigned[]){9, 3, 12}, &b);
    for (uint64_t n = 0;; n++) {
        fault_allocator faults;
        fault_allocator_init(&faults);
        fault_allocator_fail(&faults, n, false);
        bitmap_memory memory;
        bitmap sets[3] = {0};
        bitmap_view view;
        bitmap_memory_init(&memory, &faults.allocator);
        veer_status status = bitmap_decode(&memory, &a.view, &sets[0]);
        if (status == VEER_OK) status = bitmap_decode(&memory, &b.view, &sets[1]);
        if (status == VEER_OK) status = bitmap_or(&memory, &sets[0], &sets[1], &sets[2]);
        if (status == VEER_OK) status = bitmap_to_view(&memory, &sets[2], &view);
        assert_int_equal(status, fault_allocator_fired(&faults) ? VEER_E_NOMEM : VEER_OK);
        assert_int_equal(memory.shortfalls, 0);
        bitmap_memory_fini(&memory);
        bool done = !fault_allocator_fired(&faults);
        assert_null(fault_allocator_fini(&faults));
        if (done) break;
    }
    stored_free(&a);
    stored_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair_of_shapes),
        cmocka_unit_test(test_many_containers),
        cmocka_unit_test(test_clipping),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
