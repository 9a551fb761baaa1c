/* Allocation failures everywhere, and columns that are not there yet.
 *
 * One scenario (columns grow, are sealed, opened, merged and visited; filters are parsed, bound
 * and evaluated) with allocation N failing, once or from then on, for every N: VEER_E_NOMEM or
 * success, nothing leaks, and what was handed in is untouched.
 */
#include <stdlib.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "filter/filter.h"
#include "filter_model.h"
#include "support/fault_allocator.h"
#include "support/testing.h"

#define ROWS 300u
#define WORDS ((ROWS + 63) / 64)
#define FIELDS 5u /* as many of the model's fields: every type, keywords twice */

static const char *const filters[] = {
    "tag = 'a' AND owner.name-x IN ('b', 'w20') AND NOT (draft = true)",
    "tag CONTAINS ALL ('a', 'b') OR (year >= ? AND \"in\" < 5) OR tag > 'w'",
    "year IN (1990, 1991, 1992, 1993, 1994, 1995, ?) OR tag = 'it''s' AND tag != 'ab'",
    "{\"$or\": [{\"tag\": {\"$in\": [\"a\", \"b\"]}}, {\"$not\": {\"year\": {\"$lt\": 2000}}}]}",
};

typedef struct scenario {
    const veer_allocator *allocator;
    const model_row *rows;
    column *growing[FIELDS];
    column *sealed[FIELDS];
    column *merged[FIELDS];
    byte_writer bytes[2 * FIELDS];
    size_t visited;
} scenario;

static veer_status find_growing(void *context, uint32_t field, const column **found,
                                veer_error *error)
{
    (void)error;
    *found = ((const scenario *)context)->growing[field - 1];
    return VEER_OK;
}

static veer_status find_merged(void *context, uint32_t field, const column **found,
                               veer_error *error)
{
    (void)error;
    *found = ((const scenario *)context)->merged[field - 1];
    return VEER_OK;
}

static void count_visit(void *context, uint32_t row, const column_value *value)
{
    (void)row, (void)value;
    (*(size_t *)context)++;
}

/* Reserves and appends; a failed reservation leaves the column as it was. */
static veer_status grow(scenario *run, size_t field)
{
    column *growing = run->growing[field];
    for (size_t first = 0; first < ROWS; first += 100) {
        size_t values = 0, text = 0;
        for (size_t i = first; i < first + 100; i++) {
            const model_cell *cell = &run->rows[i].cells[field];
            values += cell->count;
            for (size_t v = 0; v < cell->count; v++) {
                bool is_keyword = model_fields[field].type == COLUMN_KEYWORD;
                text += is_keyword ? cell->values[v].as.keyword.bytes : 0;
            }
        }
        veer_status status = column_reserve(growing, 100, values, text);
        assert_int_equal(column_rows(growing), first);
        if (status != VEER_OK) return status;
        for (size_t i = first; i < first + 100; i++) {
            column_append(growing, run->rows[i].cells[field].values,
                          run->rows[i].cells[field].count);
        }
    }
    return VEER_OK;
}

static veer_status write_and_open(scenario *run, size_t field, const column *const *parts,
                                  const size_t *rows, size_t parts_count, size_t total,
                                  byte_writer *bytes, column **out)
{
    veer_error error = {0};
    byte_writer_init(bytes, run->allocator);
    byte_writer_u64(bytes, 42);
    if (bytes->failed) return VEER_E_NOMEM;
    veer_status status = column_write(model_fields[field].type, parts, NULL, rows, parts_count,
                                      total, run->allocator, bytes, &error);
    if (status != VEER_OK) {
        assert_int_equal(error.status, status);
        assert_int_equal(bytes->bytes, 8);
        return status;
    }
    assert_int_equal(load_u64(bytes->data), 42);
    status = column_open(run->allocator, model_fields[field].type, bytes->data + 8,
                         bytes->bytes - 8, total, out, &error);
    if (status != VEER_OK) assert_null(*out);
    return status;
}

static veer_status make_columns(scenario *run)
{
    for (size_t f = 0; f < FIELDS; f++) {
        veer_status status = column_new(run->allocator, model_fields[f].type, &run->growing[f]);
        if (status != VEER_OK) assert_null(run->growing[f]);
        if (status == VEER_OK) status = grow(run, f);
        if (status != VEER_OK) return status;
        const column *growing = run->growing[f];
        size_t rows[2] = {ROWS, ROWS};
        status = write_and_open(run, f, &growing, rows, 1, ROWS, &run->bytes[f], &run->sealed[f]);
        if (status != VEER_OK) return status;
        const column *both[2] = {run->growing[f], run->sealed[f]};
        status = write_and_open(run, f, both, rows, 2, 2 * ROWS, &run->bytes[FIELDS + f],
                                &run->merged[f]);
        if (status != VEER_OK) return status;
        status = column_visit(run->merged[f], 2 * ROWS, run->allocator, count_visit, &run->visited);
        if (status != VEER_OK) return status;
    }
    return VEER_OK;
}

static veer_status ask(scenario *run, const filter *filter)
{
    uint64_t growing[WORDS], merged[2 * WORDS];
    size_t matches[2] = {0};
    veer_error error = {0};
    memset(growing, 0x5A, sizeof growing);
    filter_columns columns = {run, find_growing, ROWS};
    veer_status status =
        filter_evaluate(filter, &columns, run->allocator, growing, &matches[0], &error);
    if (status != VEER_OK) {
        assert_int_equal(error.status, status);
        for (size_t i = 0; i < WORDS; i++)
            assert_true(growing[i] == 0x5A5A5A5A5A5A5A5A);
        return status;
    }
    columns = (filter_columns){run, find_merged, 2 * ROWS};
    status = filter_evaluate(filter, &columns, run->allocator, merged, &matches[1], &error);
    if (status != VEER_OK) return status;
    assert_int_equal(matches[1], 2 * matches[0]); /* the merged one has every row twice */
    for (size_t i = 0; i < ROWS; i++) {
        assert_true(bitset_get(growing, i) == bitset_get(merged, i));
        assert_true(bitset_get(growing, i) == bitset_get(merged, i + ROWS));
    }
    return VEER_OK;
}

static veer_status ask_all(scenario *run)
{
    veer_status status = VEER_OK;
    for (size_t i = 0; i < TEST_COUNT(filters) && status == VEER_OK; i++) {
        arena memory;
        const filter *filter = NULL;
        veer_error error = {0};
        bool is_object = filters[i][0] == '{';
        bool has_parameter = strchr(filters[i], '?') != NULL;
        arena_init(&memory, run->allocator);
        status = model_parse(filters[i], strlen(filters[i]), is_object,
                             has_parameter ? "[2010]" : NULL, &memory, &filter, &error);
        assert_true((status == VEER_OK) == (filter != NULL));
        assert_int_equal(error.status, status);
        if (status == VEER_OK) status = ask(run, filter);
        arena_fini(&memory);
    }
    return status;
}

static veer_status play(const veer_allocator *allocator, const model_row *rows)
{
    scenario run = {.allocator = allocator, .rows = rows};
    veer_status status = make_columns(&run);
    if (status == VEER_OK) status = ask_all(&run);
    for (size_t f = 0; f < FIELDS; f++) {
        column_free(run.growing[f]);
        column_free(run.sealed[f]);
        column_free(run.merged[f]);
    }
    for (size_t i = 0; i < 2 * FIELDS; i++)
        if (run.bytes[i].allocator != NULL) byte_writer_fini(&run.bytes[i]);
    return status;
}

static void fail_each(bool forever)
{
    rng random;
    rng_init(&random, 8);
    model_row *rows = model_rows_new(&random, ROWS);
    uint64_t n = 0;
    for (bool fired = true; fired; n++) {
        fault_allocator faults;
        fault_allocator_init(&faults);
        fault_allocator_fail(&faults, n, forever);
        veer_status status = play(&faults.allocator, rows);
        fired = fault_allocator_fired(&faults);
        /* A growing array that cannot double may still get the exact size. */
        bool got_over_it = fired && !forever && status == VEER_OK;
        if (!got_over_it) assert_int_equal(status, fired ? VEER_E_NOMEM : VEER_OK);
        const char *problem = fault_allocator_fini(&faults);
        if (problem != NULL) fail_msg("allocation %llu: %s", (unsigned long long)n, problem);
    }
    assert_true(n > 100);
    free(rows);
}

static void test_one_fails(void **state)
{
    (void)state;
    fail_each(false);
}

static void test_all_fail_from_then_on(void **state)
{
    (void)state;
    fail_each(true);
}

/* ---- columns that have to be fetched first */

typedef struct fetching {
    const scenario *run;
    bool there[FIELDS];
    size_t asked;
    veer_status failure;
} fetching;

static veer_status find_fetched(void *context, uint32_t field, const column **found,
                                veer_error *error)
{
    fetching *from = context;
    from->asked++;
    if (from->failure != VEER_OK && field == 2) {
        if (error != NULL) error->status = from->failure;
        return from->failure;
    }
    if (!from->there[field - 1]) {
        from->there[field - 1] = true;
        return VEER_PENDING;
    }
    *found = from->run->growing[field - 1];
    return VEER_OK;
}

static void test_pending(void **state)
{
    (void)state;
    rng random;
    arena memory;
    const filter *filter;
    uint64_t bits[WORDS];
    size_t matches;
    rng_init(&random, 8);
    model_row *rows = model_rows_new(&random, ROWS);
    scenario run = {.allocator = memory_default(), .rows = rows};
    for (size_t f = 0; f < FIELDS; f++) {
        assert_int_equal(column_new(memory_default(), model_fields[f].type, &run.growing[f]),
                         VEER_OK);
        assert_int_equal(grow(&run, f), VEER_OK);
    }
    arena_init(&memory, memory_default());
    const char *text = "tag = 'a' OR (year > 2000 AND NOT (owner.name-x = 'b' OR tag = 'c'))";
    assert_int_equal(model_parse(text, strlen(text), false, NULL, &memory, &filter, NULL), VEER_OK);
    fetching from = {.run = &run};
    filter_columns columns = {&from, find_fetched, ROWS};
    memset(bits, 0x5A, sizeof bits);
    assert_int_equal(filter_evaluate(filter, &columns, memory_default(), bits, &matches, NULL),
                     VEER_PENDING);
    assert_int_equal(from.asked, 3); /* every field, each once */
    for (size_t i = 0; i < WORDS; i++)
        assert_true(bits[i] == 0x5A5A5A5A5A5A5A5A);
    assert_int_equal(filter_evaluate(filter, &columns, memory_default(), bits, &matches, NULL),
                     VEER_OK);
    assert_int_equal(bitset_count(bits, ROWS), matches);
    assert_true(matches > 0);
    from.failure = VEER_E_IO;
    memset(bits, 0x5A, sizeof bits);
    veer_error error = {0};
    assert_int_equal(filter_evaluate(filter, &columns, memory_default(), bits, &matches, &error),
                     VEER_E_IO);
    assert_int_equal(error.status, VEER_E_IO);
    assert_true(bits[0] == 0x5A5A5A5A5A5A5A5A && matches == 0);
    arena_fini(&memory);
    for (size_t f = 0; f < FIELDS; f++)
        column_free(run.growing[f]);
    free(rows);
}

/* ---- misuse that is cheap to detect */

static void test_misuse(void **state)
{
    (void)state;
    column *made;
    byte_writer out;
    veer_error error = {0};
    assert_int_equal(column_new(memory_default(), COLUMN_NONE, &made), VEER_E_INVALID);
    assert_null(made);
    column_free(NULL);
    assert_int_equal(column_new(memory_default(), COLUMN_NUMBER, &made), VEER_OK);
    assert_int_equal(column_reserve(made, ((size_t)1 << 26) + 1, 0, 0), VEER_E_LIMIT);
    assert_int_equal(column_reserve(made, 2, 0, 0), VEER_OK);
    column_append(made, NULL, 0);
    column_append(made, &(column_value){.as.number = 5}, 1);

    /* Two rows into one place; a place that is not there; a part of another type. */
    const column *part = made;
    const size_t rows = 2;
    const uint32_t twice[2] = {0, 0}, beyond[2] = {0, 7};
    const uint32_t *map = twice;
    byte_writer_init(&out, memory_default());
    assert_int_equal(
        column_write(COLUMN_NUMBER, &part, &map, &rows, 1, 2, memory_default(), &out, &error),
        VEER_E_INTERNAL);
    map = beyond;
    assert_int_equal(
        column_write(COLUMN_NUMBER, &part, &map, &rows, 1, 2, memory_default(), &out, &error),
        VEER_E_INTERNAL);
    assert_int_equal(
        column_write(COLUMN_TIME, &part, NULL, &rows, 1, 2, memory_default(), &out, &error),
        VEER_E_INTERNAL);
    assert_int_equal(
        column_write(COLUMN_NUMBER, &part, NULL, &rows, 1, 1, memory_default(), &out, &error),
        VEER_E_INTERNAL);
    assert_int_equal(out.bytes, 0);

    /* A part that is NULL has rows without values. */
    const column *parts[3] = {NULL, made, NULL};
    const size_t parts_rows[3] = {3, 2, 1};
    column *sealed;
    assert_int_equal(
        column_write(COLUMN_NUMBER, parts, NULL, parts_rows, 3, 6, memory_default(), &out, &error),
        VEER_OK);
    assert_int_equal(
        column_open(memory_default(), COLUMN_NUMBER, out.data, out.bytes, 6, &sealed, &error),
        VEER_OK);
    size_t visited = 0;
    assert_int_equal(column_visit(sealed, 6, memory_default(), count_visit, &visited), VEER_OK);
    assert_int_equal(visited, 1);
    assert_int_equal(column_reserve(sealed, 1, 1, 1), VEER_E_INVALID);
    assert_true(column_memory(sealed) > 0 && column_memory(made) > 0);
    column_free(sealed);
    column_free(made);
    byte_writer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_fails),
        cmocka_unit_test(test_all_fail_from_then_on),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
