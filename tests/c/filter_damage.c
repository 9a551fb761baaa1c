/* Damaged sealed columns: refused, or consistent in themselves.
 *
 * Without repairing the checksum every truncation and every changed byte is VEER_E_CORRUPT. With
 * it repaired, a column that still opens is another valid column: what filters mark is what
 * visiting its values says, and it can be written again. All of it with the bytes ending at a
 * page that cannot be read.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bitset.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "filter/filter_tree.h"
#include "filter_model.h"
#include "support/testing.h"

#define DAMAGES 24000u /* in all, over four types and two sizes */
#define FIELDS 4u

static const size_t fields[FIELDS] = {0, 2, 4, 5}; /* keyword, number, bool, time */
static const char *const texts[FIELDS][4] = {
    {"tag EXISTS", "tag IN ('a', 'ab', 'w20', 'it''s')", "tag > 'a' AND tag <= 'w3'",
     "tag CONTAINS ALL ('a', 'b') OR tag = 'aa' AND tag != 'ab'"},
    {"year EXISTS", "year >= 2000 AND year < 2020", "year IN (1990, 1995, 0, 2001)",
     "NOT (year > 2001)"},
    {"draft EXISTS", "draft = true", "draft = false AND draft IS NOT NULL", "draft != false"},
    {"at EXISTS", "at >= '1970-01-01'", "at = 86400000 OR at < 0",
     "at NOT BETWEEN 0 AND 864000000"},
};

/* Bytes that end where a page begins that may not be touched. */
typedef struct guarded {
    uint8_t *pages;
    size_t pages_bytes;
    uint8_t *end;
} guarded;

static void guarded_new(guarded *room, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    room->pages_bytes = (bytes + 2 * page - 1) / page * page;
    room->pages =
        mmap(NULL, room->pages_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(room->pages != MAP_FAILED);
    room->end = room->pages + room->pages_bytes - page;
    assert_int_equal(mprotect(room->end, page, PROT_NONE), 0);
}

static void guarded_free(guarded *room)
{
    munmap(room->pages, room->pages_bytes);
}

typedef struct subject {
    size_t field;
    size_t rows;
    byte_writer bytes;
    guarded room;
    arena memory;
    const filter *filters[4];
    const column *open; /* what `find` gives */
    uint64_t *bits[2];
} subject;

static void subject_new(subject *made, size_t which, size_t rows)
{
    rng random;
    column *growing;
    rng_init(&random, 17 + rows);
    memset(made, 0, sizeof *made);
    made->field = fields[which];
    made->rows = rows;
    column_type type = model_fields[made->field].type;
    model_row *values = model_rows_new(&random, rows);
    assert_int_equal(column_new(memory_default(), type, &growing), VEER_OK);
    model_append(&random, growing, values, made->field, 0, rows);
    byte_writer_init(&made->bytes, memory_default());
    const column *part = growing;
    assert_int_equal(
        column_write(type, &part, NULL, &rows, 1, rows, memory_default(), &made->bytes, NULL),
        VEER_OK);
    column_free(growing);
    free(values);
    guarded_new(&made->room, made->bytes.bytes);
    arena_init(&made->memory, memory_default());
    for (size_t i = 0; i < 4; i++) {
        const char *text = texts[which][i];
        assert_int_equal(
            model_parse(text, strlen(text), false, NULL, &made->memory, &made->filters[i], NULL),
            VEER_OK);
        if (i < 2) made->bits[i] = calloc(bitset_words(rows) + 1, sizeof(uint64_t));
    }
}

static void subject_free(subject *made)
{
    free(made->bits[0]);
    free(made->bits[1]);
    arena_fini(&made->memory);
    guarded_free(&made->room);
    byte_writer_fini(&made->bytes);
}

static veer_status find(void *context, uint32_t field, const column **found, veer_error *error)
{
    (void)field, (void)error;
    *found = ((const subject *)context)->open;
    return VEER_OK;
}

/* The values of one row at a time, against what the filters said of it. */
typedef struct witness {
    const subject *of;
    model_row row;
    uint64_t at;
    uint64_t *present;
    const uint64_t *marked;
    const filter_node *node;
    size_t errors;
} witness;

static bool cell_matches(const filter_node *node, const model_cell *cell)
{
    bool any = false, all = true;
    column_type type = node->field.type;
    for (size_t i = 0; i < node->children_count; i++) {
        bool matches = cell_matches(node->children[i], cell);
        any = any || matches;
        all = all && matches;
    }
    if (node->kind == FILTER_AND) return all;
    if (node->kind == FILTER_OR) return any;
    if (node->kind == FILTER_NOT) return !any;
    if (node->kind == FILTER_EXISTS) return cell->count > 0;
    size_t found = 0;
    for (size_t v = 0; v < cell->count; v++) {
        const column_value *value = &cell->values[v];
        const filter_bounds *bounds = &node->bounds;
        for (size_t i = 0; i < node->values_count; i++)
            found += column_value_compare(type, value, &node->values[i]) == 0;
        if (node->kind != FILTER_BETWEEN) continue;
        int lower = bounds->has_lower ? column_value_compare(type, value, &bounds->lower.value) : 1;
        int upper =
            bounds->has_upper ? column_value_compare(type, value, &bounds->upper.value) : -1;
        found += (lower > 0 || (lower == 0 && !bounds->lower_open)) &&
                 (upper < 0 || (upper == 0 && !bounds->upper_open));
    }
    return node->kind == FILTER_HAS_ALL ? found == node->values_count : found > 0;
}

static void judge(witness *seen)
{
    const model_cell *cell = &seen->row.cells[0];
    if (cell->count == 0 || cell->count == MODEL_VALUES_MAX) return; /* full: may have more */
    if (bitset_get(seen->marked, seen->at) != cell_matches(seen->node, cell)) seen->errors++;
}

static void visit(void *context, uint32_t row, const column_value *value)
{
    witness *seen = context;
    if (row >= seen->of->rows) {
        seen->errors++;
        return;
    }
    bitset_set(seen->present, row);
    if (row != seen->at) {
        judge(seen);
        seen->row.cells[0].count = 0;
    }
    seen->at = row;
    model_cell *cell = &seen->row.cells[0];
    if (cell->count < MODEL_VALUES_MAX) cell->values[cell->count++] = *value;
}

static void assert_consistent(subject *subject)
{
    size_t words = bitset_words(subject->rows);
    filter_columns columns = {subject, find, subject->rows};
    for (size_t i = 0; i < 4; i++) {
        size_t matches;
        uint64_t *marked = subject->bits[0], *present = subject->bits[1];
        assert_int_equal(filter_evaluate(subject->filters[i], &columns, memory_default(), marked,
                                         &matches, NULL),
                         VEER_OK);
        assert_true(matches <= subject->rows);
        memset(present, 0, words * sizeof *present);
        witness seen = {
            .of = subject, .present = present, .marked = marked, .node = subject->filters[i]->root};
        assert_int_equal(column_visit(subject->open, subject->rows, memory_default(), visit, &seen),
                         VEER_OK);
        judge(&seen);
        assert_int_equal(seen.errors, 0);
        if (i == 0) assert_memory_equal(marked, present, words * sizeof *marked);
    }
    byte_writer again;
    byte_writer_init(&again, memory_default());
    assert_int_equal(column_write(model_fields[subject->field].type, &subject->open, NULL,
                                  &subject->rows, 1, subject->rows, memory_default(), &again, NULL),
                     VEER_OK);
    byte_writer_fini(&again);
}

static void repair(uint8_t *bytes, size_t size)
{
    if (size < 64) return;
    store_u32(bytes + 60, crc32c(crc32c(0, bytes, 60), bytes + 64, size - 64));
}

/* Opens bytes that end at the guard. True where it opened. */
static bool try_open(subject *subject, const uint8_t *bytes, size_t size, bool repaired)
{
    column *opened = NULL;
    veer_error error = {0};
    uint8_t *at = subject->room.end - size;
    memcpy(at, bytes, size);
    if (repaired) repair(at, size);
    veer_status status = column_open(memory_default(), model_fields[subject->field].type, at, size,
                                     subject->rows, &opened, &error);
    if (status != VEER_OK) {
        assert_null(opened);
        assert_true(status == VEER_E_CORRUPT || (repaired && status == VEER_E_VERSION));
        assert_int_equal(error.status, status);
        assert_true(strncmp(error.message, "column: ", 8) == 0);
        return false;
    }
    subject->open = opened;
    assert_consistent(subject);
    column_free(opened);
    return true;
}

static const size_t sizes[] = {150, 3000};

static void test_truncation(void **state)
{
    (void)state;
    for (size_t which = 0; which < FIELDS; which++) {
        for (size_t s = 0; s < TEST_COUNT(sizes); s++) {
            subject subject;
            subject_new(&subject, which, sizes[s]);
            size_t size = subject.bytes.bytes;
            assert_true(try_open(&subject, subject.bytes.data, size, false));
            for (size_t cut = 0; cut < size; cut += s == 0 ? 1 : 7) {
                assert_false(try_open(&subject, subject.bytes.data, cut, false));
                assert_false(try_open(&subject, subject.bytes.data, cut, true));
            }
            subject_free(&subject);
        }
    }
}

static void test_every_byte(void **state)
{
    (void)state;
    for (size_t which = 0; which < FIELDS; which++) {
        subject subject;
        subject_new(&subject, which, sizes[0]);
        size_t size = subject.bytes.bytes, opened = 0;
        uint8_t *damaged = malloc(size);
        assert_non_null(damaged);
        for (size_t i = 0; i < size; i++) {
            static const uint8_t changes[] = {0x01, 0x80, 0xFF, 0x10};
            for (size_t c = 0; c < TEST_COUNT(changes); c++) {
                memcpy(damaged, subject.bytes.data, size);
                damaged[i] ^= changes[c];
                assert_false(try_open(&subject, damaged, size, false));
                opened += try_open(&subject, damaged, size, true);
            }
        }
        /* Or the test would prove nothing about what passes the checks. */
        if (model_fields[subject.field].type != COLUMN_BOOL) assert_true(opened > 0);
        free(damaged);
        subject_free(&subject);
    }
}

static void test_random_damage(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 99);
    for (size_t which = 0; which < FIELDS; which++) {
        for (size_t s = 0; s < TEST_COUNT(sizes); s++) {
            subject subject;
            subject_new(&subject, which, sizes[s]);
            size_t size = subject.bytes.bytes;
            uint8_t *damaged = malloc(size);
            assert_non_null(damaged);
            for (size_t i = 0; i < DAMAGES / FIELDS / TEST_COUNT(sizes); i++) {
                memcpy(damaged, subject.bytes.data, size);
                size_t changes = 1 + rng_below(&random, 4);
                for (size_t j = 0; j < changes; j++) {
                    size_t at = rng_below(&random, rng_below(&random, 3) == 0 ? 100 : size);
                    uint64_t kind = rng_below(&random, 4);
                    damaged[at] = kind == 0   ? 0
                                  : kind == 1 ? 0xFF
                                  : kind == 2 ? (uint8_t)(damaged[at] + 1)
                                              : (uint8_t)rng_next(&random);
                }
                try_open(&subject, damaged, size, true);
            }
            free(damaged);
            subject_free(&subject);
        }
    }
}

/* A column of another type or another number of rows is not opened. */
static void test_wrong_place(void **state)
{
    (void)state;
    subject subject;
    column *opened;
    veer_error error;
    subject_new(&subject, 1, sizes[0]);
    const uint8_t *bytes = subject.bytes.data;
    size_t size = subject.bytes.bytes;
    assert_int_equal(column_open(memory_default(), COLUMN_TIME, bytes, size, 150, &opened, &error),
                     VEER_E_CORRUPT);
    assert_string_equal(error.message, "column: type 2 where the schema says 4");
    assert_int_equal(
        column_open(memory_default(), COLUMN_NUMBER, bytes, size, 151, &opened, &error),
        VEER_E_CORRUPT);
    assert_string_equal(error.message, "column: 150 rows where the segment has 151");
    assert_int_equal(column_open(memory_default(), COLUMN_NONE, bytes, size, 150, &opened, &error),
                     VEER_E_INVALID);
    assert_int_equal(column_open(memory_default(), COLUMN_NUMBER, bytes, 0, 150, &opened, &error),
                     VEER_E_CORRUPT);
    subject_free(&subject);
}

/* Columns that are wrong in one rule only. Rows 0 to 3 have the values 1, 1, 2, 2: the set of
 * present rows is 15 bytes of a run, values begin at 80, their ends at 96, rows at 104. */
static void test_rules(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
        const char *error;
    } cases[] = {
        {96, 0, "column: the rows of value 0 end at 0 of 4"}, /* a value without rows */
        {96, 4, "column: the rows of value 1 end at 4 of 4"},
        {100, 3, "column: values have 3 rows of 4"},
        {100, 5, "column: the rows of value 1 end at 5 of 4"},
        {104, 1, "column: row 1 of value 0 is out of order"}, /* twice */
        {108, 4, "column: row 4 of value 0 is out of order"},
        {80, 1, NULL},                                       /* another valid number */
        {84, 0x40000000, "column: value 1 is out of order"}, /* 2, like the next */
        {84, 0x7FF80000, "column: value 0 is out of order"}, /* NaN */
        {84, 0x80000000, "column: value 0 is out of order"}, /* -0 */
        {76, 0x01030000, "column: 120 bytes do not hold the sections of its header"}, /* a gap */
        {20, 1, "column: the header contradicts itself"},
        {40, 1, "column: the header contradicts itself"},
        {16, 3, "column: 120 bytes do not hold the sections of its header"},
        {12, 3, "column: 120 bytes do not hold the sections of its header"},
    };
    column *growing, *opened;
    byte_writer bytes;
    const size_t rows = 4;
    assert_int_equal(column_new(memory_default(), COLUMN_NUMBER, &growing), VEER_OK);
    assert_int_equal(column_reserve(growing, rows, rows, 0), VEER_OK);
    for (size_t i = 0; i < rows; i++)
        column_append(growing, &(column_value){.as.number = i < 2 ? 1 : 2}, 1);
    byte_writer_init(&bytes, memory_default());
    const column *part = growing;
    assert_int_equal(
        column_write(COLUMN_NUMBER, &part, NULL, &rows, 1, rows, memory_default(), &bytes, NULL),
        VEER_OK);
    column_free(growing);
    assert_int_equal(bytes.bytes, 120);
    assert_int_equal(load_u32(bytes.data + 96), 2);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        uint8_t damaged[120];
        veer_error error = {0};
        memcpy(damaged, bytes.data, sizeof damaged);
        store_u32(damaged + cases[i].at, cases[i].value);
        repair(damaged, sizeof damaged);
        veer_status status = column_open(memory_default(), COLUMN_NUMBER, damaged, sizeof damaged,
                                         rows, &opened, &error);
        assert_int_equal(status, cases[i].error == NULL ? VEER_OK : VEER_E_CORRUPT);
        if (cases[i].error != NULL) assert_string_equal(error.message, cases[i].error);
        column_free(opened);
    }
    byte_writer_fini(&bytes);
}

/* Keywords that are not UTF-8 would come out of visiting and explanations. */
static void test_keyword_that_is_not_text(void **state)
{
    (void)state;
    subject subject;
    subject_new(&subject, 0, sizes[0]);
    size_t size = subject.bytes.bytes;
    uint8_t *text = memmem(subject.bytes.data, size, "it's", 4);
    assert_non_null(text);
    text[3] = 't'; /* "it't": another text in the same place of the order */
    assert_true(try_open(&subject, subject.bytes.data, size, true));
    text[3] = 0xFF;
    assert_false(try_open(&subject, subject.bytes.data, size, true));
    subject_free(&subject);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncation),    cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_random_damage), cmocka_unit_test(test_wrong_place),
        cmocka_unit_test(test_rules),         cmocka_unit_test(test_keyword_that_is_not_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
