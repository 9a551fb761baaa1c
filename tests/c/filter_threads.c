/* One writer and several readers of growing columns, for the thread sanitizer.
 *
 * The writer appends batches and publishes the row count with release order, as the engine does.
 * Readers evaluate filters over what is published, and seal it; all rows are made from their
 * number, so that every answer can be checked while the columns grow under it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "filter/filter.h"
#include "filter_model.h"
#include "support/testing.h"

#define ROWS 60000u /* over several chunks and dictionary tables */
#define READERS 3u
#define BATCH 3000u

typedef struct shared {
    column *columns[6]; /* tag, owner, year, in, draft, at: the model's fields by id - 1 */
    _Atomic size_t published;
    _Atomic size_t errors;
    _Atomic size_t answers;
} shared;

/* Keyword i % 3 of the row, one or several, ever new ones among them. */
static size_t tags_of(size_t row, char texts[3][24], column_value values[3])
{
    size_t count = row % 5 == 0 ? 3 : row % 7 == 0 ? 0 : 1;
    for (size_t i = 0; i < count; i++) {
        size_t number = i == 0 ? row % 10 : i == 1 ? 100 + row / 5 : row % 10;
        values[i].as.keyword.bytes = (uint32_t)snprintf(texts[i], 24, "t%zu", number);
        values[i].as.keyword.text = texts[i];
    }
    return count;
}

static bool has_tag(size_t row, size_t number)
{
    if (row % 5 == 0) return number == row % 10 || number == 100 + row / 5;
    return row % 7 != 0 && number == row % 10;
}

static void append(shared *to, size_t row)
{
    char texts[3][24];
    column_value values[3];
    size_t count = tags_of(row, texts, values);
    column_append(to->columns[0], values, count);
    column_value year = {.as.number = (double)(row % 100)};
    column_append(to->columns[2], &year, row % 11 != 0);
    column_value draft = {.as.boolean = row % 3 == 0};
    column_append(to->columns[4], &draft, row % 13 != 0);
    column_value at = {.as.time = (int64_t)row * 1000};
    column_append(to->columns[5], &at, 1);
}

static void *write_rows(void *context)
{
    shared *to = context;
    for (size_t row = 0; row < ROWS;) {
        size_t batch = ROWS - row < BATCH ? ROWS - row : BATCH;
        bool reserved = column_reserve(to->columns[0], batch, 3 * batch, 60 * batch) == VEER_OK;
        for (size_t f = 2; f < 6; f++) {
            if (to->columns[f] == NULL) continue;
            reserved = reserved && column_reserve(to->columns[f], batch, batch, 0) == VEER_OK;
        }
        if (!reserved) {
            atomic_fetch_add(&to->errors, 1);
            break;
        }
        for (size_t end = row + batch; row < end; row++)
            append(to, row);
        atomic_store_explicit(&to->published, row, memory_order_release);
    }
    atomic_store_explicit(&to->published, ROWS, memory_order_release);
    return NULL;
}

static veer_status find(void *context, uint32_t field, const column **found, veer_error *error)
{
    (void)error;
    *found = ((shared *)context)->columns[field - 1];
    return VEER_OK;
}

typedef struct question {
    const char *text;
    bool (*matches)(size_t row);
} question;

static bool is_t3(size_t row)
{
    return has_tag(row, 3);
}

static bool is_late_tag(size_t row)
{
    return has_tag(row, 100) || has_tag(row, 900) || has_tag(row, 1500);
}

static bool is_young_draft(size_t row)
{
    return row % 11 != 0 && row % 100 >= 50 && row % 13 != 0 && row % 3 == 0;
}

static bool is_listed(size_t row)
{
    size_t year = row % 100;
    bool listed = year == 1 || year == 7 || year == 9 || year == 20 || year == 33 || year == 97;
    return (row % 11 != 0 && listed) || row < 100;
}

static bool has_both(size_t row)
{
    return has_tag(row, 0) && has_tag(row, 101);
}

/* By bytes: t1500 to t1599, and t151 to t159 and t15000 to t15999 between them. */
static bool is_in_range(size_t row)
{
    size_t number = 100 + row / 5;
    bool in_range = (number >= 1500 && number <= 1599) || (number >= 151 && number <= 159) ||
                    (number >= 15000 && number < 15990);
    return row % 5 == 0 && in_range;
}

static const question questions[] = {
    {"tag = 't3'", is_t3},
    {"tag IN ('t100', 't900', 't1500')", is_late_tag},
    {"year >= 50 AND draft = true", is_young_draft},
    {"year IN (1, 7, 9, 20, 33, 97) OR at < 100000", is_listed},
    {"tag CONTAINS ALL ('t0', 't101')", has_both},
    {"tag BETWEEN 't1500' AND 't1599'", is_in_range},
};

static void count_visited(void *context, uint32_t row, const column_value *value)
{
    (void)row, (void)value;
    (*(size_t *)context)++;
}

/* Seals the published rows and visits them. */
static bool seal(shared *from, size_t rows)
{
    byte_writer bytes;
    size_t counts[2] = {0};
    column *sealed = NULL;
    const column *part = from->columns[0];
    byte_writer_init(&bytes, memory_default());
    bool sealed_well =
        column_write(COLUMN_KEYWORD, &part, NULL, &rows, 1, rows, memory_default(), &bytes, NULL) ==
            VEER_OK &&
        column_open(memory_default(), COLUMN_KEYWORD, bytes.data, bytes.bytes, rows, &sealed,
                    NULL) == VEER_OK &&
        column_visit(sealed, rows, memory_default(), count_visited, &counts[0]) == VEER_OK &&
        column_visit(part, rows, memory_default(), count_visited, &counts[1]) == VEER_OK &&
        counts[0] == counts[1] && column_memory(part) > 0;
    column_free(sealed);
    byte_writer_fini(&bytes);
    return sealed_well;
}

static bool ask(shared *from, const question *question, size_t rows, uint64_t *bits)
{
    arena memory;
    const filter *filter;
    size_t matches = 0;
    filter_columns columns = {from, find, rows};
    arena_init(&memory, memory_default());
    bool answered =
        model_parse(question->text, strlen(question->text), false, NULL, &memory, &filter, NULL) ==
            VEER_OK &&
        filter_evaluate(filter, &columns, memory_default(), bits, &matches, NULL) == VEER_OK;
    for (size_t row = 0; row < rows && answered; row++)
        answered = bitset_get(bits, row) == question->matches(row);
    arena_fini(&memory);
    return answered;
}

static void *read_rows(void *context)
{
    shared *from = context;
    uint64_t *bits = malloc(bitset_words(ROWS) * sizeof *bits);
    size_t round = 0;
    for (size_t rows = 0; rows < ROWS && bits != NULL; round++) {
        rows = atomic_load_explicit(&from->published, memory_order_acquire);
        const question *question = &questions[round % TEST_COUNT(questions)];
        bool right = ask(from, question, rows, bits);
        if (round % 16 == 0) right = right && seal(from, rows);
        atomic_fetch_add(right ? &from->answers : &from->errors, 1);
    }
    free(bits);
    return NULL;
}

static void test_readers_while_writing(void **state)
{
    (void)state;
    shared shared = {0};
    pthread_t writer, readers[READERS];
    static const size_t fields[] = {0, 2, 4, 5};
    for (size_t i = 0; i < TEST_COUNT(fields); i++) {
        size_t f = fields[i];
        assert_int_equal(column_new(memory_default(), model_fields[f].type, &shared.columns[f]),
                         VEER_OK);
    }
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_rows, &shared), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_rows, &shared), 0);
    pthread_join(writer, NULL);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(shared.errors, 0);
    assert_true(shared.answers >= READERS);
    uint64_t *bits = malloc(bitset_words(ROWS) * sizeof *bits);
    assert_non_null(bits);
    for (size_t i = 0; i < TEST_COUNT(questions); i++)
        assert_true(ask(&shared, &questions[i], ROWS, bits));
    free(bits);
    for (size_t i = 0; i < 6; i++)
        column_free(shared.columns[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers_while_writing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
