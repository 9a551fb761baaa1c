/* Background work in steps: segments ordered by a time, sealed and merged between other calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/rng.h"
#include "platform/io.h"
#include "support/testing.h"

#define ROWS 24000
#define TIMES 5000 /* fewer than rows: many are equal */

typedef struct model_row {
    int id;
    int64_t time; /* -1: none */
    int serial;
    bool is_live;
} model_row;

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", (int)status, error->message);
}

static int by_time(const void *a, const void *b)
{
    const model_row *x = a, *y = b;
    if (x->is_live != y->is_live) return x->is_live ? -1 : 1;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return (x->serial > y->serial) - (x->serial < y->serial);
}

static void write_rows(veer_database *database, veer_collection *collection, rng *random,
                       model_row *rows, int first, int end, int *serial)
{
    byte_writer json;
    veer_error error;
    byte_writer_init(&json, memory_default());
    for (int i = first; i < end; i++) {
        char text[100];
        bool has = rng_below(random, 6) > 0;
        rows[i] = (model_row){i, has ? (int64_t)rng_below(random, TIMES) : -1, (*serial)++, true};
        int bytes =
            has ? snprintf(text, sizeof text, "{\"id\":\"%d\",\"at\":%d,\"tag\":\"t%d\"}\n", i,
                           (int)rows[i].time, i % 5)
                : snprintf(text, sizeof text, "{\"id\":\"%d\",\"tag\":\"t%d\"}\n", i, i % 5);
        byte_writer_put(&json, text, (size_t)bytes);
    }
    const veer_operation operation = {.collection = collection,
                                      .documents = (const char *)json.data,
                                      .documents_bytes = json.bytes};
    check(veer_write(database, &operation, 1, NULL, &error), &error);
    byte_writer_fini(&json);
}

/* The scan gives every live row once, by time, those without one first, equal ones by age. */
static void check_order(veer_collection *collection, const model_row *rows)
{
    veer_cursor *cursor = NULL;
    veer_error error;
    int at = 0;
    model_row *expected = malloc(ROWS * sizeof *expected);
    assert_non_null(expected);
    memcpy(expected, rows, ROWS * sizeof *expected);
    qsort(expected, ROWS, sizeof *expected, by_time);
    check(veer_scan(collection, NULL, "{\"select\":false}", NULL, &cursor, &error), &error);
    for (size_t given = 1; given > 0;) {
        veer_results *results = NULL;
        check(veer_cursor_next(cursor, 1000, &results, &error), &error);
        const uint32_t *ends;
        const char *ids = veer_results_ids(results, &ends);
        given = veer_results_rows(results);
        for (size_t i = 0; i < given; i++, at++) {
            char id[16] = {0};
            memcpy(id, ids + ends[i], ends[i + 1] - ends[i]);
            assert_true(at < ROWS && expected[at].is_live);
            assert_int_equal(atoi(id), expected[at].id);
        }
        veer_results_free(results);
    }
    assert_true(at == ROWS || !expected[at].is_live);
    veer_cursor_close(cursor);
    free(expected);
}

static bool refuse(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return false;
}

/* A checkpoint in steps of one: more calls than any job had when it was done in a few. */
static void seal_in_steps(veer_database *database)
{
    veer_error error;
    bool left = true;
    int calls = 0;
    assert_int_equal(veer_checkpoint(database, refuse, NULL, &error), VEER_E_ABORTED);
    for (; left; calls++)
        check(veer_work(database, 0, &left, &error), &error);
    assert_true(calls > 100);
}

static void test_ordered(void **state)
{
    (void)state;
    veer_io io = {0};
    veer_error error;
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    rng random;
    rng_init(&random, 8);
    int serial = 0;
    model_row *rows = calloc(ROWS, sizeof *rows);
    assert_non_null(rows);
    check(io_memory_new(memory_default(), &io, &error), &error);
    check(veer_open(NULL, &io, "{\"create\":true}", NULL, &database, &error), &error);
    check(veer_collection_open(database, "c",
                               "{\"fields\":{\"at\":{\"type\":\"time\"},\"tag\":{\"type\":"
                               "\"keyword\"}},\"orderBy\":\"at\"}",
                               &collection, &error),
          &error);
    write_rows(database, collection, &random, rows, 0, 20000, &serial);
    seal_in_steps(database);
    check_order(collection, rows);
    write_rows(database, collection, &random, rows, 18000, ROWS, &serial);
    const veer_operation operation = {
        .collection = collection, .kind = VEER_WRITE_DELETE, .filter = "\"tag = 't3'\""};
    check(veer_write(database, &operation, 1, NULL, &error), &error);
    for (int i = 0; i < ROWS; i++)
        rows[i].is_live = i % 5 != 3;
    check(veer_compact(database, NULL, NULL, &error), &error);
    check_order(collection, rows);
    veer_collection_close(collection);
    check(veer_close(database, &error), &error);
    veer_buffer report = {0};
    check(veer_check(NULL, &io, NULL, NULL, NULL, &report, &error), &error);
    veer_buffer_free(&report);
    io_memory_free(&io);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ordered)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
