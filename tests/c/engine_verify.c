/* "effort" and "verify": every graph is walked with the effort that was asked for, and what explain
 * says of the true recall is what two searches compared show, with ties, filters and offsets. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/rng.h"
#include "support/testing.h"

#define DIMS 24
#define BATCH 3000
#define QUERIES 12

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", (int)status, error->message);
}

/* Few values, so that many vectors are equally far. */
static float coordinate(rng *random)
{
    return (float)rng_below(random, 7) - 3;
}

static void write_rows(veer_database *database, veer_collection *collection, rng *random, int first,
                       int end)
{
    byte_writer json;
    veer_error error;
    byte_writer_init(&json, memory_default());
    float *vectors = malloc((size_t)(end - first) * DIMS * sizeof *vectors);
    assert_non_null(vectors);
    for (int i = first; i < end; i++) {
        char text[80];
        int bytes = snprintf(text, sizeof text, "{\"id\":\"%d\",\"year\":%d}\n", i, i % 10);
        byte_writer_put(&json, text, (size_t)bytes);
        for (int d = 0; d < DIMS; d++)
            vectors[(i - first) * DIMS + d] = coordinate(random);
    }
    const veer_vectors column = {.data = vectors, .dims = DIMS};
    const veer_operation operation = {.collection = collection,
                                      .documents = (const char *)json.data,
                                      .documents_bytes = json.bytes,
                                      .count = (size_t)(end - first),
                                      .vectors = &column,
                                      .vectors_count = 1};
    check(veer_write(database, &operation, 1, NULL, &error), &error);
    byte_writer_fini(&json);
    free(vectors);
}

typedef struct world {
    veer_database *database;
    veer_collection *collection;
    rng random;
} world;

/* Two sealed segments with graphs and rows that are in none. */
static void world_open(world *w)
{
    veer_error error;
    rng_init(&w->random, 77);
    check(veer_open("memory:", NULL, "{\"sync\":\"none\",\"graphRows\":1000}", NULL, &w->database,
                    &error),
          &error);
    check(veer_collection_open(w->database, "c",
                               "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":24,\"metric\":"
                               "\"l2\"},\"year\":{\"type\":\"number\"}}}",
                               &w->collection, &error),
          &error);
    for (int i = 0; i < 2; i++) {
        write_rows(w->database, w->collection, &w->random, i * BATCH, i * BATCH + BATCH);
        check(veer_optimize(w->database, NULL, NULL, &error), &error);
    }
    write_rows(w->database, w->collection, &w->random, 2 * BATCH, 2 * BATCH + 200);
}

static void world_close(world *w)
{
    veer_error error;
    veer_collection_close(w->collection);
    check(veer_close(w->database, &error), &error);
}

typedef struct asked {
    unsigned k, offset, effort;
    double recall;
    const char *more; /* further keys */
} asked;

static veer_results *search(world *w, const asked *a, const char *more, const float *vectors)
{
    char request[300];
    veer_error error;
    veer_results *results = NULL;
    (void)snprintf(request, sizeof request,
                   "{\"k\":%u,\"offset\":%u,\"effort\":%u,\"recall\":%.4f,\"select\":false%s%s}",
                   a->k, a->offset, a->effort, a->recall, a->more, more);
    check(veer_search(w->collection, NULL, request, vectors, QUERIES, DIMS, NULL, &results, &error),
          &error);
    return results;
}

static double real_at(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!yyjson_is_num(value)) fail_msg("no number '%s'", key);
    return yyjson_get_num(value);
}

/* The share of hits that are no farther than the exact answer's last one. */
static double share_found(const veer_results *given, const veer_results *truth)
{
    const uint32_t *a = veer_results_offsets(given), *b = veer_results_offsets(truth);
    const float *near = veer_results_distances(given), *bound = veer_results_distances(truth);
    double found = 0;
    assert_int_equal(veer_results_rows(given), veer_results_rows(truth));
    for (size_t q = 0; q < QUERIES; q++)
        for (uint32_t i = a[q]; i < a[q + 1]; i++)
            found += near[i] <= bound[b[q + 1] - 1];
    return found / (double)veer_results_rows(given);
}

/* The efforts of the two graphs; the others have none. */
static void check_segments(yyjson_val *root, const asked *a)
{
    yyjson_val *segments = yyjson_obj_get(root, "segments");
    assert_int_equal(yyjson_arr_size(segments), 3);
    unsigned least = a->k + a->offset;
    for (size_t i = 0; i < 3; i++) {
        yyjson_val *segment = yyjson_arr_get(segments, i);
        bool walked = yyjson_get_bool(yyjson_obj_get(segment, "walked"));
        yyjson_val *share = yyjson_obj_get(segment, "trueRecall");
        assert_true(yyjson_is_null(share) ||
                    (yyjson_get_num(share) >= 0 && yyjson_get_num(share) <= 1));
        if (i == 2) assert_false(walked);
        if (i == 2 || a->effort == 0) continue;
        unsigned effort = a->effort > least ? a->effort : least;
        assert_int_equal(real_at(segment, "effort"), effort < BATCH ? effort : BATCH);
        assert_true(real_at(segment, "recall") > 0 && real_at(segment, "recall") <= 1);
        if (a->effort >= 10 * least) assert_true(walked);
    }
}

static void test_verify(void **state)
{
    static const asked cases[] = {
        {10, 0, 0, 0.95, ""},
        {10, 0, 1, 0.95, ""},
        {10, 0, 12, 0.95, ""},
        {10, 0, 400, 0.95, ""},
        {10, 7, 20, 0.95, ""},
        {3, 0, 3, 0.95, ""},
        {100, 0, 100, 0.5, ""},
        {100, 20, 100000, 0.9999, ""},
        {10, 0, 0, 0.95, ",\"exact\":true"},
        {10, 0, 15, 0.95, ",\"filter\":\"year < 5\""},
        {10, 0, 200, 0.95, ",\"filter\":\"year = 3\""},
        {10, 0, 0, 0.95, ",\"filter\":\"year = 3\""},
    };
    (void)state;
    world w;
    world_open(&w);
    double shares[TEST_COUNT(cases)];
    float vectors[QUERIES * DIMS];
    for (size_t i = 0; i < QUERIES * DIMS; i++)
        vectors[i] = coordinate(&w.random) + 0.25f * (float)(i % 3);
    for (size_t c = 0; c < TEST_COUNT(cases); c++) {
        const asked *a = &cases[c];
        asked plain = *a;
        plain.effort = 0;
        veer_results *given = search(&w, a, ",\"explain\":true,\"verify\":true", vectors);
        veer_results *same = search(&w, a, "", vectors);
        veer_results *truth =
            search(&w, &plain, strstr(a->more, "exact") ? "" : ",\"exact\":true", vectors);
        yyjson_doc *doc =
            yyjson_read(veer_results_explain(given), strlen(veer_results_explain(given)), 0);
        assert_non_null(doc);
        yyjson_val *root = yyjson_doc_get_root(doc);
        shares[c] = share_found(given, truth);
        if (fabs(real_at(root, "trueRecall") - shares[c]) > 1e-9)
            fail_msg("case %zu: %.6f, really %.6f", c, real_at(root, "trueRecall"), shares[c]);
        assert_true(real_at(root, "recall") > 0 && real_at(root, "recall") <= 1);
        check_segments(root, a);
        if (a->effort > 0)
            assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "method")), "graph");
        /* Asking changes neither the answer nor what it cost. */
        assert_true(veer_results_visited(given) == veer_results_visited(same));
        assert_memory_equal(veer_results_distances(given), veer_results_distances(same),
                            veer_results_rows(same) * sizeof(float));
        yyjson_doc_free(doc);
        veer_results_free(given);
        veer_results_free(same);
        veer_results_free(truth);
    }
    /* More effort finds more; little of it misses some, or the test would show nothing. */
    assert_true(shares[2] < 1);
    assert_true(shares[3] >= shares[2] && shares[3] > 0.99);
    assert_true(shares[7] == 1);
    world_close(&w);
}

static void test_refused(void **state)
{
    static const struct {
        const char *request, *words;
        veer_status status;
    } cases[] = {
        {"{\"effort\":100001}", "'effort'", VEER_E_RANGE},
        {"{\"effort\":100001}", "0 to 100000", VEER_E_RANGE},
        {"{\"effort\":-1}", "'effort'", VEER_E_RANGE},
        {"{\"effort\":\"10\"}", "'effort'", VEER_E_TYPE},
        {"{\"verify\":1}", "'verify'", VEER_E_TYPE},
        {"{\"verify\":true}", "'verify' is true without 'explain'", VEER_E_OPTION},
    };
    (void)state;
    world w;
    world_open(&w);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        veer_error error;
        veer_query *query = NULL;
        assert_int_equal(veer_query_prepare(w.collection, cases[i].request, &query, &error),
                         cases[i].status);
        if (!strstr(error.message, cases[i].words)) fail_msg("%s", error.message);
        assert_null(query);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
