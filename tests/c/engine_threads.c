/* Eight readers, a writer and background work at a time: every read sees one state.
 *
 * The writer keeps pairs of documents: "p<i>a" and "p<i>b" are always written in one transaction with the same serial, and the number of
 * documents never changes after the first transaction. A reader that sees a pair apart, or another number, has seen half
 * of a transaction. Under the thread sanitizer this is also the test that nothing is read while it is written.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/testing.h"
#include "veer.h"

#define PAIRS 600
#define DIMS 16
#define READERS 8
#define WRITES 400

static const char schema[] =
    "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":16,\"metric\":\"l2\"},\"half\":{\"type\":"
    "\"keyword\"},\"year\":{\"type\":\"number\"}}}";

typedef struct shared {
    veer_database *database;
    veer_collection *collection;
    atomic_bool stop;
    atomic_int failures;
    atomic_ulong reads;
} shared;

#define EXPECT(shared, condition, ...)                                      \
    do {                                                                    \
        if (!(condition) && atomic_fetch_add(&(shared)->failures, 1) < 5) { \
            fprintf(stderr, "threads: " __VA_ARGS__);                       \
            fprintf(stderr, "\n");                                          \
        }                                                                   \
    } while (0)

static veer_status write_pairs(shared *shared, const uint32_t *pairs, size_t count, int serial,
                               veer_error *error)
{
    char *documents = malloc(count * 240);
    float *vectors = malloc(count * 2 * DIMS * sizeof *vectors);
    size_t n = 0;
    for (size_t i = 0; i < count * 2; i++) {
        uint32_t pair = pairs[i / 2];
        n += (size_t)sprintf(documents + n,
                             "{\"id\":\"p%u%c\",\"serial\":%d,\"half\":\"%c\",\"year\":%u}\n", pair,
                             i % 2 ? 'b' : 'a', serial, i % 2 ? 'b' : 'a', 2000 + pair % 20);
        for (int d = 0; d < DIMS; d++)
            vectors[i * DIMS + (size_t)d] = (float)((pair * 31 + (uint32_t)(d * serial)) % 97);
    }
    veer_vectors with = {.data = vectors, .dims = DIMS};
    veer_operation operation = {.collection = shared->collection,
                                .documents = documents,
                                .documents_bytes = n,
                                .count = count * 2,
                                .vectors = &with,
                                .vectors_count = 1};
    veer_status status = veer_write(shared->database, &operation, 1, NULL, error);
    free(documents);
    free(vectors);
    return status;
}

static void *writer(void *context)
{
    shared *shared = context;
    rng rng;
    rng_init(&rng, 1);
    for (int serial = 2; serial < WRITES + 2; serial++) {
        uint32_t pairs[8];
        veer_error error;
        size_t count = 1 + rng_below(&rng, 8);
        for (size_t i = 0; i < count; i++)
            pairs[i] = (uint32_t)rng_below(&rng, PAIRS);
        veer_status status = write_pairs(shared, pairs, count, serial, &error);
        EXPECT(shared, status == VEER_OK, "write: %s", error.message);
    }
    atomic_store(&shared->stop, true);
    return NULL;
}

static void *worker(void *context)
{
    shared *shared = context;
    while (!atomic_load(&shared->stop)) {
        veer_error error;
        bool left;
        veer_status status = veer_work(shared->database, 1, &left, &error);
        EXPECT(shared, status == VEER_OK, "work: %s", error.message);
        if (!left) status = veer_checkpoint(shared->database, NULL, NULL, &error);
        EXPECT(shared, status == VEER_OK, "checkpoint: %s", error.message);
    }
    return NULL;
}

static int serial_of(const veer_results *results, size_t row)
{
    const uint32_t *at;
    const char *documents = veer_results_documents(results, &at);
    int serial = -1;
    const char *found = strstr(documents + at[row], "\"serial\":");
    if (found) serial = atoi(found + 9);
    return serial;
}

/* Both halves of a pair, by id, in one snapshot. */
static void read_pair(shared *shared, veer_snapshot *snapshot, uint32_t pair)
{
    char ids[64];
    veer_error error;
    veer_results *results = NULL;
    snprintf(ids, sizeof ids, "[\"p%ua\",\"p%ub\"]", pair, pair);
    veer_status status = veer_get(shared->collection, snapshot, ids, "true", &results, &error);
    EXPECT(shared, status == VEER_OK, "get: %s", error.message);
    if (status != VEER_OK) return;
    EXPECT(shared, veer_results_rows(results) == 2, "get: %zu of a pair",
           veer_results_rows(results));
    if (veer_results_rows(results) == 2)
        EXPECT(shared, serial_of(results, 0) == serial_of(results, 1),
               "a pair is apart: serials %d and %d", serial_of(results, 0), serial_of(results, 1));
    veer_results_free(results);
}

static void search(shared *shared, veer_snapshot *snapshot, rng *rng)
{
    static const char *const requests[] = {"{\"k\":20,\"select\":false}",
                                           "{\"k\":20,\"exact\":true,\"filter\":\"half = 'a'\"}",
                                           "{\"k\":7,\"filter\":\"year >= 2010 AND half = 'b'\"}"};
    float query[DIMS];
    veer_error error;
    veer_results *results = NULL;
    for (int d = 0; d < DIMS; d++)
        query[d] = (float)rng_below(rng, 97);
    size_t pick = rng_below(rng, 3);
    veer_status status = veer_search(shared->collection, snapshot, requests[pick], query, 1, DIMS,
                                     NULL, &results, &error);
    EXPECT(shared, status == VEER_OK, "search: %s", error.message);
    if (status == VEER_OK)
        EXPECT(shared, veer_results_rows(results) == (pick == 2 ? 7 : 20), "search: %zu rows",
               veer_results_rows(results));
    veer_results_free(results);
}

static void *reader(void *context)
{
    shared *shared = context;
    static atomic_int seeds;
    rng rng;
    rng_init(&rng, (uint64_t)atomic_fetch_add(&seeds, 1) + 100);
    while (!atomic_load(&shared->stop)) {
        veer_error error;
        veer_snapshot *snapshot = NULL;
        uint64_t count = 0;
        veer_status status = veer_snapshot_open(shared->database, &snapshot, &error);
        EXPECT(shared, status == VEER_OK, "snapshot: %s", error.message);
        if (status != VEER_OK) break;
        for (int i = 0; i < 5; i++)
            read_pair(shared, snapshot, (uint32_t)rng_below(&rng, PAIRS));
        status = veer_count(shared->collection, snapshot, NULL, NULL, &count, &error);
        EXPECT(shared, status == VEER_OK && count == PAIRS * 2, "count: %d", (int)count);
        status = veer_count(shared->collection, snapshot, "\"half = 'a'\"", NULL, &count, &error);
        EXPECT(shared, status == VEER_OK && count == PAIRS, "count of halves: %d", (int)count);
        search(shared, snapshot, &rng);
        veer_snapshot_close(snapshot);
        search(shared, NULL, &rng);
        atomic_fetch_add(&shared->reads, 1);
    }
    return NULL;
}

static void test_readers_and_writer(void **state)
{
    (void)state;
    shared shared = {0};
    veer_error error;
    assert_int_equal(veer_open("memory:", NULL, "{\"walBytes\":65536,\"segmentBytes\":1048576}",
                               NULL, &shared.database, &error),
                     VEER_OK);
    assert_int_equal(
        veer_collection_open(shared.database, "docs", schema, &shared.collection, &error), VEER_OK);
    uint32_t pairs[PAIRS];
    for (uint32_t i = 0; i < PAIRS; i++)
        pairs[i] = i;
    assert_int_equal(write_pairs(&shared, pairs, PAIRS, 1, &error), VEER_OK);
    pthread_t threads[READERS + 2];
    for (size_t i = 0; i < READERS + 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i == 0   ? writer
                                        : i == 1 ? worker
                                                 : reader,
                                        &shared),
                         0);
    for (size_t i = 0; i < READERS + 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&shared.failures), 0);
    assert_true(atomic_load(&shared.reads) > 10);
    print_message("%lu rounds of reading\n", atomic_load(&shared.reads));
    veer_collection_close(shared.collection);
    assert_int_equal(veer_close(shared.database, &error), VEER_OK);
}

/* ---- searches while graphs are built and take the place of scans */

#define GRAPH_PAIRS 2400 /* enough that walking is cheaper than scanning */
#define GRAPH_READERS 3

static void *graph_reader(void *context)
{
    shared *shared = context;
    static atomic_int seeds;
    rng rng;
    rng_init(&rng, (uint64_t)atomic_fetch_add(&seeds, 1) + 500);
    for (int after = 0; after < 20; after += atomic_load(&shared->stop)) {
        float query[DIMS];
        veer_error error;
        veer_results *results = NULL;
        for (int d = 0; d < DIMS; d++)
            query[d] = (float)rng_below(&rng, 97);
        veer_status status = veer_search(
            shared->collection, NULL, "{\"k\":1,\"recall\":0.3,\"explain\":true,\"select\":false}",
            query, 1, DIMS, NULL, &results, &error);
        EXPECT(shared, status == VEER_OK, "search: %s", error.message);
        if (status != VEER_OK) return NULL;
        EXPECT(shared, veer_results_rows(results) == 1, "search: %zu rows",
               veer_results_rows(results));
        if (strstr(veer_results_explain(results), "\"method\":\"graph\""))
            atomic_fetch_add(&shared->reads, 1);
        veer_results_free(results);
    }
    return NULL;
}

static void *graph_worker(void *context)
{
    shared *shared = context;
    bool left = true;
    while (left) {
        veer_error error;
        veer_status status = veer_work(shared->database, 1, &left, &error);
        EXPECT(shared, status == VEER_OK, "work: %s", error.message);
        if (status != VEER_OK) break;
    }
    atomic_store(&shared->stop, true);
    return NULL;
}

static void test_graph_attached(void **state)
{
    (void)state;
    shared shared = {0};
    veer_error error;
    assert_int_equal(
        veer_open("memory:", NULL, "{\"graphRows\":1000}", NULL, &shared.database, &error),
        VEER_OK);
    assert_int_equal(
        veer_collection_open(shared.database, "docs", schema, &shared.collection, &error), VEER_OK);
    static uint32_t pairs[GRAPH_PAIRS];
    for (uint32_t i = 0; i < GRAPH_PAIRS; i++)
        pairs[i] = i;
    assert_int_equal(write_pairs(&shared, pairs, GRAPH_PAIRS, 1, &error), VEER_OK);
    assert_int_equal(veer_checkpoint(shared.database, NULL, NULL, &error), VEER_OK);
    pthread_t threads[GRAPH_READERS + 1];
    for (size_t i = 0; i <= GRAPH_READERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i == 0 ? graph_worker : graph_reader, &shared), 0);
    for (size_t i = 0; i <= GRAPH_READERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&shared.failures), 0);
    /* The searches after the work was done, at the least. */
    assert_true(atomic_load(&shared.reads) >= 20);
    veer_collection_close(shared.collection);
    assert_int_equal(veer_close(shared.database, &error), VEER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers_and_writer),
                                       cmocka_unit_test(test_graph_attached)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
