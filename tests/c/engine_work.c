/* Background work in steps: segments ordered by a time, sealed and merged between other calls; and
 * optimizing, cancelled at every step. */
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

/* ---------------------------------------------------------------- optimize */

static void write_vectors(veer_database *database, veer_collection *collection, rng *random,
                          int first, int end)
{
    byte_writer json;
    veer_error error;
    byte_writer_init(&json, memory_default());
    for (int i = first; i < end; i++) {
        char text[160];
        int bytes = snprintf(text, sizeof text, "{\"id\":\"%d\",\"v\":[%.4f,%.4f,%.4f,%.4f]}\n", i,
                             rng_normal(random), rng_normal(random), rng_normal(random),
                             rng_normal(random));
        byte_writer_put(&json, text, (size_t)bytes);
    }
    const veer_operation operation = {.collection = collection,
                                      .documents = (const char *)json.data,
                                      .documents_bytes = json.bytes};
    check(veer_write(database, &operation, 1, NULL, &error), &error);
    byte_writer_fini(&json);
}

/* How often `part` is in the stats. */
static int count_in_stats(veer_database *database, const char *part)
{
    veer_buffer json = {0};
    veer_error error;
    int count = 0;
    check(veer_stats(database, &json, &error), &error);
    for (const char *at = json.data; (at = strstr(at, part)) != NULL; at++)
        count++;
    veer_buffer_free(&json);
    return count;
}

static unsigned long long generation_of(veer_database *database)
{
    veer_buffer json = {0};
    veer_error error;
    unsigned long long generation = 0;
    check(veer_stats(database, &json, &error), &error);
    const char *at = strstr(json.data, "\"generation\":");
    assert_true(at && sscanf(at, "\"generation\":%llu", &generation) == 1);
    veer_buffer_free(&json);
    return generation;
}

/* However often it is cancelled, and although others write meanwhile: what was there at its
 * beginning is sealed and merged as is due, each large segment has its graph, and what was written
 * before it is found. */
static void test_optimize(void **state)
{
    (void)state;
    veer_error error;
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    bool left = true;
    int calls = 0;
    rng random;
    rng_init(&random, 12);
    check(veer_open("memory:", NULL, "{\"graphRows\":1000}", NULL, &database, &error), &error);
    check(veer_collection_open(database, "c",
                               "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":4,"
                               "\"metric\":\"l2\"}}}",
                               &collection, &error),
          &error);
    for (int i = 0; i < 3; i++) {
        write_vectors(database, collection, &random, i * 400, i * 400 + 400);
        check(veer_checkpoint(database, NULL, NULL, &error), &error);
    }
    write_vectors(database, collection, &random, 1200, 1600); /* the fourth neighbour */
    assert_int_equal(count_in_stats(database, "\"sealed\":true"), 3);
    for (veer_status status = VEER_E_ABORTED; status != VEER_OK; calls++) {
        if (calls % 50 == 49) write_vectors(database, collection, &random, 1600, 1610);
        assert_true(calls < 20000);
        status = veer_optimize(database, refuse, NULL, &error);
        assert_true(status == VEER_OK || status == VEER_E_ABORTED);
        if (status == VEER_E_ABORTED) {
            assert_non_null(strstr(error.message, "optimizing was cancelled"));
            check(veer_work(database, 0, &left, &error), &error);
            if (!left) break;
        }
    }
    assert_true(calls > 50);
    assert_int_equal(count_in_stats(database, "\"sealed\":true"), 1);
    assert_int_equal(count_in_stats(database, "\"kind\":\"graph\""), 1);
    /* What came in between is the next one's. */
    check(veer_optimize(database, NULL, NULL, &error), &error);
    assert_int_equal(count_in_stats(database, "\"sealed\":false"), 0);
    unsigned long long generation = generation_of(database);
    check(veer_work(database, -1, &left, &error), &error);
    check(veer_optimize(database, NULL, NULL, &error), &error);
    assert_false(left);
    assert_true(generation_of(database) == generation);
    uint64_t count = 0;
    check(veer_count(collection, NULL, NULL, NULL, &count, &error), &error);
    assert_int_equal(count, 1610);
    veer_collection_close(collection);
    check(veer_close(database, &error), &error);
    assert_int_equal(veer_optimize(NULL, NULL, NULL, &error), VEER_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ordered),
                                       cmocka_unit_test(test_optimize)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
