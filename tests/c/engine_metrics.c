/* Fields of the further metrics in storage: their segments have originals and nothing derived from
 * them, are complete without, and are searched exactly whatever a request asks for; beside a field
 * of another metric, which has codes and graphs as ever. And index files.
 */
#include "support/testing.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/rng.h"
#include "platform/io.h"
#include "support/true_distance.h"

#define ROWS 3000u
#define DIMS 20u

static float vectors[METRICS_COUNT][ROWS][DIMS];

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", status, error->message);
}

static void make_vectors(void)
{
    rng random;
    rng_init(&random, 1);
    for (size_t i = 0; i < METRICS_COUNT; i++) {
        for (size_t row = 0; row < ROWS; row++) {
            for (size_t j = 0; j < DIMS; j++)
                vectors[i][row][j] = (float)rng_normal(&random);
            true_distance_round((veer_metric)i, vectors[i][row], DIMS);
        }
    }
}

/* A field for every metric, by its name. */
static void open_all(const veer_io *io, veer_database **database, veer_collection **collection)
{
    char schema[1024] = "{\"fields\":{";
    for (size_t i = 0; i < METRICS_COUNT; i++) {
        size_t used = strlen(schema);
        (void)snprintf(schema + used, sizeof schema - used,
                       "%s\"%s\":{\"type\":\"vector\",\"dims\":%u,\"metric\":\"%s\"}",
                       i > 0 ? "," : "", true_metric_names[i], DIMS, true_metric_names[i]);
    }
    strcat(schema, "}}");
    veer_error error;
    check(veer_open(NULL, io, "{\"create\":true,\"sync\":\"none\",\"graphRows\":1000}", NULL,
                    database, &error),
          &error);
    check(veer_collection_open(*database, "c", schema, collection, &error), &error);
}

static void write_rows(veer_database *database, veer_collection *collection, unsigned first,
                       unsigned end)
{
    static char json[ROWS * 16];
    size_t bytes = 0;
    veer_vectors given[METRICS_COUNT];
    for (unsigned row = first; row < end; row++)
        bytes += (size_t)snprintf(json + bytes, sizeof json - bytes, "{\"id\":\"%u\"}\n", row);
    for (size_t i = 0; i < METRICS_COUNT; i++)
        given[i] =
            (veer_vectors){.field = true_metric_names[i], .data = vectors[i][first], .dims = DIMS};
    const veer_operation operation = {.collection = collection,
                                      .documents = json,
                                      .documents_bytes = bytes,
                                      .count = end - first,
                                      .vectors = given,
                                      .vectors_count = METRICS_COUNT};
    veer_error error;
    check(veer_write(database, &operation, 1, NULL, &error), &error);
}

/* The ten nearest, against all distances. */
static void search(veer_collection *collection, veer_metric metric, const float *query)
{
    char request[200];
    static double truth[ROWS];
    (void)snprintf(request, sizeof request,
                   "{\"vector\":\"%s\",\"recall\":0.5,\"effort\":200,\"explain\":true,"
                   "\"verify\":true,\"select\":false}",
                   true_metric_names[metric]);
    veer_results *results = NULL;
    veer_error error;
    check(veer_search(collection, NULL, request, query, 1, DIMS, NULL, &results, &error), &error);
    assert_int_equal(veer_results_rows(results), 10);
    const char *explain = veer_results_explain(results);
    bool is_further = metric > VEER_METRIC_L2;
    assert_int_equal(veer_results_exact(results), is_further);
    assert_int_equal(strstr(explain, "\"method\":\"exact\"") != NULL, is_further);
    assert_int_equal(strstr(explain, "\"walked\":true") == NULL, is_further);
    if (is_further) {
        assert_non_null(strstr(explain, "\"recall\":1.0,"));
        assert_non_null(strstr(explain, "\"trueRecall\":1.0,"));
        assert_int_equal(veer_results_visited(results), ROWS);
        const uint32_t *ends = NULL;
        const char *ids = veer_results_ids(results, &ends);
        const float *distances = veer_results_distances(results);
        for (unsigned row = 0; row < ROWS; row++)
            truth[row] = true_distance(metric, query, vectors[metric][row], DIMS);
        unsigned last = 0;
        for (unsigned i = 0; i < 10; i++) {
            char id[8] = {0};
            memcpy(id, ids + ends[i], ends[i + 1] - ends[i]);
            unsigned row, nearer = 0;
            assert_int_equal(sscanf(id, "%u", &row), 1);
            for (unsigned other = 0; other < ROWS; other++)
                nearer += truth[other] < truth[row] - 1e-6 * (1 + truth[row]);
            assert_true(nearer <= i);
            assert_true(!(i > 0 && distances[i] == distances[i - 1] && row < last));
            last = row;
        }
    }
    veer_results_free(results);
}

static void count_derived(void *argument, const char *name)
{
    unsigned *counts = argument;
    counts[0] += strstr(name, ".codes.") != NULL;
    counts[1] += strstr(name, ".graph.") != NULL;
}

static void test_nothing_is_derived(void **state)
{
    (void)state;
    veer_io io = {0};
    veer_error error;
    veer_database *database;
    veer_collection *collection;
    veer_buffer report = {0};
    check(io_memory_new(memory_default(), &io, &error), &error);
    for (unsigned part = 0; part < 3; part++) { /* two are sealed and merged, one is active */
        open_all(&io, &database, &collection);
        write_rows(database, collection, part * ROWS / 3, (part + 1) * ROWS / 3);
        if (part < 2) check(veer_checkpoint(database, NULL, NULL, &error), &error);
        if (part == 1) check(veer_compact(database, NULL, NULL, &error), &error);
        if (part == 1) check(veer_optimize(database, NULL, NULL, &error), &error);
        if (part == 2) {
            bool left = true;
            unsigned counts[2] = {0, 0};
            check(veer_work(database, -1, &left, &error), &error);
            assert_false(left);
            check(io.list(io.context, count_derived, counts, &error), &error);
            assert_int_equal(counts[0], 3);
            assert_int_equal(counts[1], 3);
            for (size_t metric = 0; metric < METRICS_COUNT; metric++)
                for (size_t i = 0; i < 5; i++)
                    search(collection, (veer_metric)metric, vectors[metric][i * 400 + 7]);
        }
        veer_collection_close(collection);
        check(veer_close(database, &error), &error);
        check(veer_check(NULL, &io, NULL, NULL, NULL, &report, &error), &error);
        veer_buffer_free(&report);
    }
    io_memory_free(&io);
}

/* An index file with codes is refused where its metric has none. */
static void test_codes_of_another_metric(void **state)
{
    (void)state;
    static uint64_t keys[ROWS];
    veer_index *index;
    veer_buffer file;
    veer_error error;
    for (size_t i = 0; i < ROWS; i++)
        keys[i] = i;
    check(veer_index_new("{\"dims\":20,\"metric\":\"l2\"}", NULL, &index, &error), &error);
    check(veer_index_add(index, keys, vectors[VEER_METRIC_L2][0], ROWS, &error), &error);
    check(veer_index_save(index, &file, &error), &error);
    veer_index_free(index);
    for (uint32_t metric = 0; metric <= METRICS_COUNT; metric++) {
        bool has_codes = metric <= VEER_METRIC_L2;
        store_u32(file.data + 28, metric); /* docs/FORMAT.md, "Index file" */
        store_u32(file.data + 60, crc32c(0, file.data, 60));
        veer_status status = veer_index_load(file.data, file.bytes, NULL, &index, &error);
        assert_int_equal(status, has_codes ? VEER_OK : VEER_E_CORRUPT);
        if (!has_codes) assert_non_null(strstr(error.message, "not possible"));
        veer_index_free(index);
    }
    veer_buffer_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_derived),
        cmocka_unit_test(test_codes_of_another_metric),
    };
    make_vectors();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
