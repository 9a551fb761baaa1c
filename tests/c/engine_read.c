/* Reading apart from finding the nearest: selections, get, scan, count, explain, stats; and bad
 * input, by name. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/memory.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "platform/io_fault.h"
#include "support/fault_allocator.h"
#include "support/testing.h"

static const char json_schema[] =
    "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":3,\"metric\":\"l2\"},"
    "\"w\":{\"type\":\"vector\",\"dims\":2,\"metric\":\"cosine\"},\"tag\":{\"type\":\"keyword\"},"
    "\"year\":{\"type\":\"number\"},\"draft\":{\"type\":\"bool\"},\"at\":{\"type\":\"time\"},"
    "\"title\":{\"type\":\"text\"}}}";

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", status, error->message);
}

typedef struct fixture {
    veer_database *database;
    veer_collection *collection;
} fixture;

static void fixture_open(fixture *f, const char *location, const veer_io *io)
{
    veer_error error;
    check(veer_open(location, io, "{\"create\":true}", NULL, &f->database, &error), &error);
    check(veer_collection_open(f->database, "notes", json_schema, &f->collection, &error), &error);
}

static void fixture_close(fixture *f)
{
    veer_error error;
    veer_collection_close(f->collection);
    check(veer_close(f->database, &error), &error);
}

static veer_status upsert(const fixture *f, const char *documents, veer_error *error)
{
    const veer_operation operation = {
        .collection = f->collection, .documents = documents, .documents_bytes = strlen(documents)};
    return veer_write(f->database, &operation, 1, NULL, error);
}

static void put(const fixture *f, const char *documents)
{
    veer_error error;
    check(upsert(f, documents, &error), &error);
}

static const char three[] =
    "{\"id\":\"a\",\"v\":[1,0,0.1],\"w\":[1,-0.0],\"tag\":[\"x\",\"y\"],\"year\":1990,"
    "\"more\":{\"deep\":[1.50,2e3,\"\\u00e9\"]},\"n\":12345678901234567}\n"
    "{\"id\":\"b\",\"v\":[0,1,3.4028235e38],\"tag\":\"x\",\"draft\":true,\"at\":\"2024-05-17\"}\n"
    "{\"id\":\"c\",\"year\":2000,\"title\":\"no vector\",\"more\":null}\n";

/* The text of row i of a column. */
static void row_text(const char *texts, const uint32_t *ends, size_t i, char *out, size_t room)
{
    size_t bytes = ends[i + 1] - ends[i];
    assert_true(bytes < room);
    memcpy(out, texts + ends[i], bytes);
    out[bytes] = 0;
}

static void expect_documents(veer_results *results, const char *const *expected, size_t count)
{
    const uint32_t *ends = NULL;
    const char *documents = veer_results_documents(results, &ends);
    assert_int_equal(veer_results_rows(results), count);
    for (size_t i = 0; i < count; i++) {
        char text[512];
        row_text(documents, ends, i, text, sizeof text);
        assert_string_equal(text, expected[i]);
    }
    veer_results_free(results);
}

/* ---------------------------------------------------------------- selections */

static void test_select(void **state)
{
    static const struct {
        const char *select;
        const char *documents[2]; /* of a and c */
    } cases[] = {
        {"[\"year\"]", {"{\"id\":\"a\",\"year\":1990}", "{\"id\":\"c\",\"year\":2000}"}},
        {"[]", {"{\"id\":\"a\"}", "{\"id\":\"c\"}"}},
        {"[\"id\",\"nothing\"]", {"{\"id\":\"a\"}", "{\"id\":\"c\"}"}},
        {"[\"more\",\"n\",\"more\"]",
         {"{\"id\":\"a\",\"more\":{\"deep\":[1.5,2000.0,\"\xc3\xa9\"]},\"n\":12345678901234567}",
          "{\"id\":\"c\",\"more\":null}"}},
        {"[\"v\"]", {"{\"id\":\"a\",\"v\":[1,0,0.1]}", "{\"id\":\"c\"}"}},
        {"\"*\"",
         {"{\"id\":\"a\",\"tag\":[\"x\",\"y\"],\"year\":1990,\"more\":{\"deep\":[1.5,2000.0,\"\xc3\xa9\"]},"
          "\"n\":12345678901234567,\"v\":[1,0,0.1],\"w\":[1,-0.0]}",
          "{\"id\":\"c\",\"year\":2000,\"title\":\"no vector\",\"more\":null}"}},
        {"[\"w\",\"year\",\"v\"]",
         {"{\"id\":\"a\",\"year\":1990,\"w\":[1,-0.0],\"v\":[1,0,0.1]}",
          "{\"id\":\"c\",\"year\":2000}"}},
    };
    (void)state;
    fixture f;
    fixture_open(&f, "memory:", NULL);
    put(&f, three);
    for (int turn = 0; turn < 2; turn++) {
        veer_results *results = NULL;
        veer_error error;
        for (size_t i = 0; i < TEST_COUNT(cases); i++) {
            check(veer_get(f.collection, NULL, "[\"a\",\"c\"]", cases[i].select, &results, &error),
                  &error);
            expect_documents(results, cases[i].documents, 2);
        }
        check(veer_get(f.collection, NULL, "[\"a\"]", "false", &results, &error), &error);
        assert_null(veer_results_documents(results, NULL));
        assert_null(veer_results_distances(results));
        veer_results_free(results);
        check(veer_checkpoint(f.database, NULL, NULL, &error), &error);
        check(veer_compact(f.database, NULL, NULL, &error), &error);
    }
    fixture_close(&f);
}

/* A filter deletes what matched before the transaction, whatever earlier parts write. */
static void test_delete_by_filter(void **state)
{
    (void)state;
    fixture f;
    veer_error error;
    veer_write_result result;
    fixture_open(&f, "memory:", NULL);
    for (int turn = 0; turn < 2; turn++) { /* active, then sealed */
        put(&f, "{\"id\":\"matched\",\"year\":1}\n{\"id\":\"changed\",\"year\":1}\n"
                "{\"id\":\"kept\",\"year\":2}");
        if (turn == 1) check(veer_compact(f.database, NULL, NULL, &error), &error);
        const char *documents = "{\"id\":\"new\",\"year\":1}\n{\"id\":\"kept\",\"year\":1}\n"
                                "{\"id\":\"changed\",\"year\":2}";
        const veer_operation parts[] = {
            {.collection = f.collection,
             .documents = documents,
             .documents_bytes = strlen(documents)},
            {.collection = f.collection, .kind = VEER_WRITE_DELETE, .filter = "\"year = 1\""},
        };
        check(veer_write(f.database, parts, 2, &result, &error), &error);
        veer_results *results = NULL;
        static const char *const left[] = {"{\"id\":\"new\"}", "{\"id\":\"kept\"}"};
        check(veer_get(f.collection, NULL, "[\"new\",\"kept\",\"matched\",\"changed\"]", "[]",
                       &results, &error),
              &error);
        expect_documents(results, left, 2);
        const veer_operation all = {
            .collection = f.collection, .kind = VEER_WRITE_DELETE, .filter = "\"EXISTS(year)\""};
        check(veer_write(f.database, &all, 1, &result, &error), &error);
        assert_int_equal(result.deleted, 2);
    }
    fixture_close(&f);
}

/* Ids in the order that was asked for, also twice; an id that is not there has no row. */
static void test_get(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, "memory:", NULL);
    put(&f, three);
    put(&f, "{\"id\":\"b\",\"year\":1}");
    veer_results *results = NULL;
    veer_error error;
    check(veer_get(f.collection, NULL, "[\"c\",\"zz\",\"b\",\"c\"]", NULL, &results, &error),
          &error);
    static const char *const expected[] = {
        "{\"id\":\"c\",\"year\":2000,\"title\":\"no vector\",\"more\":null}",
        "{\"id\":\"b\",\"year\":1}",
        "{\"id\":\"c\",\"year\":2000,\"title\":\"no vector\",\"more\":null}"};
    const uint32_t *ends = NULL;
    const char *ids = veer_results_ids(results, &ends);
    assert_memory_equal(ids, "cbc", 3);
    assert_int_equal(ends[3], 3);
    expect_documents(results, expected, 3);
    check(veer_get(f.collection, NULL, "[]", NULL, &results, &error), &error);
    expect_documents(results, expected, 0);
    fixture_close(&f);
}

/* Vectors come back with the bits that were given. */
static void test_vector_bits(void **state)
{
    enum { DOCUMENTS = 500 };
    (void)state;
    fixture f;
    fixture_open(&f, "memory:", NULL);
    rng random;
    rng_init(&random, 11);
    static float vectors[DOCUMENTS * 3];
    for (size_t i = 0; i < TEST_COUNT(vectors); i++) {
        uint32_t bits;
        do {
            bits = (uint32_t)rng_next(&random);
            memcpy(&vectors[i], &bits, sizeof bits);
        } while (!isfinite(vectors[i]) || fabsf(vectors[i]) > 1e18f);
    }
    byte_writer json;
    byte_writer_init(&json, memory_default());
    for (int i = 0; i < DOCUMENTS; i++) {
        char text[32];
        byte_writer_put(&json, text, (size_t)snprintf(text, sizeof text, "{\"id\":\"%d\"}\n", i));
    }
    const veer_vectors given = {.field = "v", .data = vectors, .dims = 3};
    const veer_operation operation = {.collection = f.collection,
                                      .documents = (const char *)json.data,
                                      .documents_bytes = json.bytes,
                                      .count = DOCUMENTS,
                                      .vectors = &given,
                                      .vectors_count = 1};
    veer_error error;
    check(veer_write(f.database, &operation, 1, NULL, &error), &error);
    check(veer_checkpoint(f.database, NULL, NULL, &error), &error);
    veer_cursor *cursor = NULL;
    check(veer_scan(f.collection, NULL, "{\"select\":[\"v\"]}", NULL, &cursor, &error), &error);
    veer_results *results = NULL;
    check(veer_cursor_next(cursor, DOCUMENTS, &results, &error), &error);
    assert_int_equal(veer_results_rows(results), DOCUMENTS);
    const uint32_t *ends = NULL;
    const char *documents = veer_results_documents(results, &ends);
    for (size_t i = 0; i < DOCUMENTS; i++) {
        yyjson_doc *doc = yyjson_read(documents + ends[i], ends[i + 1] - ends[i], 0);
        assert_non_null(doc);
        yyjson_val *array = yyjson_obj_get(yyjson_doc_get_root(doc), "v");
        for (size_t j = 0; j < 3; j++) {
            float back = (float)yyjson_get_num(yyjson_arr_get(array, j));
            assert_memory_equal(&back, &vectors[i * 3 + j], sizeof back);
        }
        yyjson_doc_free(doc);
    }
    veer_results_free(results);
    veer_cursor_close(cursor);
    byte_writer_fini(&json);
    fixture_close(&f);
}

/* ---------------------------------------------------------------- scan and list */

static void put_numbered(const fixture *f, int first, int end)
{
    byte_writer json;
    byte_writer_init(&json, memory_default());
    for (int i = first; i < end; i++) {
        char text[128];
        int bytes = snprintf(text, sizeof text,
                             "{\"id\":\"%05d\",\"year\":%d,\"v\":[%d,1,%d],\"tag\":\"t%d\"}\n", i,
                             i % 10, i, i % 7, i % 3);
        byte_writer_put(&json, text, (size_t)bytes);
    }
    byte_writer_u8(&json, 0);
    put(f, (const char *)json.data);
    byte_writer_fini(&json);
}

/* A scan gives every match once, in storage order, of the state in which it began. */
static void test_scan(void **state)
{
    (void)state;
    for (unsigned step = 1; step < 400; step = step * 3 + 1) {
        fixture f;
        veer_error error;
        fixture_open(&f, "memory:", NULL);
        put_numbered(&f, 0, 300);
        check(veer_checkpoint(f.database, NULL, NULL, &error), &error);
        put_numbered(&f, 300, 600);
        veer_cursor *cursor = NULL;
        check(veer_scan(f.collection, NULL,
                        "{\"filter\":\"year = ?\",\"select\":[\"year\"],\"limit\":50}", "[3]",
                        &cursor, &error),
              &error);
        int next = 3, rows = 0;
        for (;;) {
            veer_results *results = NULL;
            check(veer_cursor_next(cursor, step, &results, &error), &error);
            size_t count = veer_results_rows(results);
            assert_true(count <= step);
            const uint32_t *ends = NULL;
            const char *ids = veer_results_ids(results, &ends);
            for (size_t i = 0; i < count; i++, next += 10, rows++) {
                char text[16], expected[16];
                row_text(ids, ends, i, text, sizeof text);
                (void)snprintf(expected, sizeof expected, "%05d", next);
                assert_string_equal(text, expected);
            }
            veer_results_free(results);
            if (count == 0) break;
            if (next < 300) put_numbered(&f, 0, 600); /* changes nothing for the cursor */
        }
        assert_int_equal(rows, 50);
        veer_cursor_close(cursor);
        fixture_close(&f);
    }
}

/* A search without vectors lists the matches. */
static void test_list(void **state)
{
    (void)state;
    fixture f;
    veer_error error;
    fixture_open(&f, "memory:", NULL);
    put_numbered(&f, 0, 100);
    check(veer_checkpoint(f.database, NULL, NULL, &error), &error);
    put_numbered(&f, 100, 200);
    for (unsigned offset = 0; offset < 30; offset += 7) {
        char request[128];
        (void)snprintf(request, sizeof request,
                       "{\"k\":5,\"offset\":%u,\"filter\":{\"year\":4},\"select\":false}", offset);
        veer_results *results = NULL;
        check(veer_search(f.collection, NULL, request, NULL, 0, 0, NULL, &results, &error), &error);
        size_t expected = offset >= 20 ? 0 : offset > 15 ? 20 - offset : 5;
        assert_int_equal(veer_results_queries(results), 1);
        assert_int_equal(veer_results_rows(results), expected);
        assert_null(veer_results_distances(results));
        assert_null(veer_results_scores(results));
        assert_true(veer_results_exact(results));
        const uint32_t *ends = NULL;
        const char *ids = veer_results_ids(results, &ends);
        for (size_t i = 0; i < expected; i++) {
            char text[16], wanted[16];
            row_text(ids, ends, i, text, sizeof text);
            (void)snprintf(wanted, sizeof wanted, "%05u", 4 + 10 * (offset + (unsigned)i));
            assert_string_equal(text, wanted);
        }
        veer_results_free(results);
    }
    fixture_close(&f);
}

/* ---------------------------------------------------------------- explain and stats */

static yyjson_doc *parse(const char *text, size_t bytes)
{
    yyjson_doc *doc = yyjson_read(text, bytes, 0);
    if (!doc) fail_msg("not JSON: %s", text);
    return doc;
}

static void test_explain(void **state)
{
    (void)state;
    fixture f;
    veer_error error;
    fixture_open(&f, "memory:", NULL);
    put_numbered(&f, 0, 6000);
    static const char *const requests[] = {
        "{\"vector\":\"v\",\"explain\":true}", "{\"vector\":\"v\",\"explain\":true,\"exact\":true}",
        "{\"vector\":\"v\",\"explain\":true,\"filter\":\"year = 3\"}"};
    static const char *const methods[] = {"scan", "exact", "exact"};
    static const int matches[] = {6000, 6000, 600};
    const float query[3] = {3000, 1, 3};
    for (size_t i = 0; i < 3; i++) {
        veer_results *results = NULL;
        check(veer_search(f.collection, NULL, requests[i], query, 1, 3, NULL, &results, &error),
              &error);
        const char *text = veer_results_explain(results);
        yyjson_doc *doc = parse(text, strlen(text));
        yyjson_val *root = yyjson_doc_get_root(doc);
        assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "method")), methods[i]);
        assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "matches")), matches[i]);
        assert_int_equal(yyjson_get_bool(yyjson_obj_get(root, "exact")), i > 0);
        assert_int_equal(veer_results_exact(results), i > 0);
        assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "tier")), veer_tier());
        yyjson_val *operators = yyjson_obj_get(root, "operators");
        assert_int_equal(yyjson_arr_size(operators), i == 0 ? 4 : 3);
        yyjson_val *first = yyjson_arr_get(operators, 0);
        assert_int_equal(yyjson_get_int(yyjson_obj_get(first, "actual")), matches[i]);
        assert_true(yyjson_is_num(yyjson_obj_get(first, "ms")));
        if (i > 0) assert_int_equal(veer_results_visited(results), matches[i]);
        if (i == 0) assert_in_range(veer_results_visited(results), 5000, 6032);
        yyjson_doc_free(doc);
        veer_results_free(results);
    }
    fixture_close(&f);
}

static uint64_t number_at(yyjson_doc *doc, const char *pointer)
{
    yyjson_val *value = yyjson_doc_ptr_get(doc, pointer);
    if (!yyjson_is_num(value)) fail_msg("no number at %s", pointer);
    return (uint64_t)yyjson_get_num(value);
}

static void test_stats(void **state)
{
    (void)state;
    fixture f;
    veer_error error;
    fixture_open(&f, "memory:", NULL);
    put_numbered(&f, 0, 500);
    check(veer_checkpoint(f.database, NULL, NULL, &error), &error);
    put_numbered(&f, 400, 700);
    veer_buffer json = {0};
    check(veer_stats(f.database, &json, &error), &error);
    yyjson_doc *doc = parse(json.data, json.bytes);
    assert_int_equal(number_at(doc, "/documents"), 700);
    assert_int_equal(number_at(doc, "/rows"), 800);
    assert_int_equal(number_at(doc, "/tombstones"), 100);
    assert_true(number_at(doc, "/memory/used") > 0);
    assert_true(number_at(doc, "/memory/peak") >= number_at(doc, "/memory/used"));
    assert_true(number_at(doc, "/lsn") > 0);
    assert_int_equal(number_at(doc, "/collections/0/documents"), 700);
    yyjson_doc_free(doc);
    veer_buffer_free(&json);
    check(veer_collections(f.database, &json, &error), &error);
    doc = parse(json.data, json.bytes);
    assert_int_equal(number_at(doc, "/0/count"), 700);
    assert_int_equal(number_at(doc, "/0/schema/fields/v/dims"), 3);
    yyjson_doc_free(doc);
    veer_buffer_free(&json);
    check(veer_collection_schema(f.collection, &json, &error), &error);
    doc = parse(json.data, json.bytes);
    assert_int_equal(number_at(doc, "/fields/w/id"), 2);
    yyjson_doc_free(doc);
    veer_buffer_free(&json);
    check(veer_recovery_report(f.database, &json, &error), &error);
    doc = parse(json.data, json.bytes);
    assert_int_equal(number_at(doc, "/wal/droppedBytes"), 0);
    yyjson_doc_free(doc);
    fixture_close(&f);
    veer_buffer_free(&json); /* outlives its database */
}

/* ---------------------------------------------------------------- bad input */

typedef struct refusal {
    const char *json;
    veer_status status;
    const char *parts[3];
} refusal;

static void expect(const refusal *r, veer_status status, const veer_error *error)
{
    if (status != r->status)
        fail_msg("%s: status %d, not %d: %s", r->json, status, r->status, error->message);
    assert_int_equal(error->status, r->status);
    for (size_t i = 0; i < 3 && r->parts[i]; i++)
        if (!strstr(error->message, r->parts[i]))
            fail_msg("%s: '%s' is not in: %s", r->json, r->parts[i], error->message);
}

static void test_bad_requests(void **state)
{
    static const refusal cases[] = {
        {"{", VEER_E_SYNTAX, {"request", "position 2"}},
        {"[]", VEER_E_TYPE, {"request", "an array"}},
        {"{\"k\":0}", VEER_E_RANGE, {"'k'", "10000"}},
        {"{\"top\":5}", VEER_E_OPTION, {"'top'"}},
        {"{\"slect\":true}", VEER_E_OPTION, {"'slect'", "'select'?"}},
        {"{\"vector\":\"x\"}", VEER_E_FIELD, {"'x'"}},
        {"{\"vector\":\"tag\"}", VEER_E_FIELD, {"'tag'", "keyword"}},
        {"{\"select\":\"all\"}", VEER_E_TYPE, {"'select'", "\"all\"", "\"*\""}},
        {"{\"select\":[1]}", VEER_E_TYPE, {"'select'", "a number"}},
        {"{\"filter\":\"tag =\"}", VEER_E_SYNTAX, {"at 6"}},
        {"{\"filter\":\"tga = 'x'\"}", VEER_E_FIELD, {"tga", "tag"}},
        {"{\"filter\":\"year = 'x'\"}", VEER_E_TYPE, {"year"}},
        {"{\"filter\":\"v = 1\"}", VEER_E_TYPE, {"'v'", "vector"}},
        {"{\"filter\":7}", VEER_E_TYPE, {NULL}},
        {"{\"filter\":{\"year\":123456789012345678901234567890}}",
         VEER_E_RANGE,
         {"'year'", "123456789012345678901234567890", "2^53"}},
        {"{\"filter\":{\"year\":{\"$in\":[1,-18446744073709551616]}}}",
         VEER_E_RANGE,
         {"'year'", "-18446744073709551616", "2^53"}},
        {"{\"filter\":{\"at\":{\"$gte\":123456789012345678901234567890}}}", VEER_E_RANGE, {"'at'"}},
        {"{\"filter\":{\"year\":1e999}}", VEER_E_RANGE, {"'year'", "finite"}},
        {"{\"k\":123456789012345678901234567890}", VEER_E_TYPE, {"'k'", "64 bits"}},
    };
    (void)state;
    fixture f;
    veer_error error;
    fixture_open(&f, "memory:", NULL);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        veer_query *query = (veer_query *)1;
        veer_status status = veer_query_prepare(f.collection, cases[i].json, &query, &error);
        if (cases[i].parts[0]) expect(&cases[i], status, &error);
        assert_true(status != VEER_OK);
        assert_null(query);
    }
    uint64_t count = 0;
    check(veer_count(f.collection, NULL, "{\"year\":{\"$lt\":1e300}}", NULL, &count, &error),
          &error);
    assert_int_equal(
        veer_count(f.collection, NULL, "\"year = ?\"", "[123456789012345678901]", &count, &error),
        VEER_E_RANGE);
    assert_non_null(strstr(error.message, "123456789012345678901"));
    fixture_close(&f);
}

static void test_bad_vectors(void **state)
{
    (void)state;
    fixture f;
    veer_error error;
    fixture_open(&f, "memory:", NULL);
    const struct {
        const char *request;
        float vectors[4];
        size_t n, dims;
        veer_status status;
        const char *parts[2];
    } cases[] = {
        {"{\"vector\":\"v\"}", {1, 2, 3, 4}, 1, 4, VEER_E_DIMENSION, {"4", "'v' has 3"}},
        {"{\"vector\":\"v\"}", {1, NAN, 3}, 1, 3, VEER_E_VECTOR, {"query vector 0", "NaN at 1"}},
        {"{\"vector\":\"v\"}", {1, 2, INFINITY}, 1, 3, VEER_E_VECTOR, {"'v'", "at 2"}},
        {"{\"vector\":\"w\"}", {1, 2, 0, 0}, 2, 2, VEER_E_VECTOR, {"query vector 1", "zero"}},
        {"{}", {1, 2, 3}, 1, 3, VEER_E_FIELD, {"'v', 'w'", "vector"}},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        veer_results *results = (veer_results *)1;
        veer_status status = veer_search(f.collection, NULL, cases[i].request, cases[i].vectors,
                                         cases[i].n, cases[i].dims, NULL, &results, &error);
        const refusal r = {
            cases[i].request, cases[i].status, {cases[i].parts[0], cases[i].parts[1]}};
        expect(&r, status, &error);
        assert_null(results);
    }
    /* Zero is a vector like others under l2. */
    const float zero[3] = {0};
    veer_results *results = NULL;
    check(veer_search(f.collection, NULL, "{\"vector\":\"v\"}", zero, 1, 3, NULL, &results, &error),
          &error);
    veer_results_free(results);
    fixture_close(&f);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    fixture f, other;
    veer_error error;
    fixture_open(&f, "memory:", NULL);
    fixture_open(&other, "memory:", NULL);
    veer_results *results = NULL;
    veer_query *query = NULL;
    veer_cursor *cursor = NULL;
    veer_buffer buffer;
    uint64_t count = 0;
    veer_snapshot *snapshot = NULL;
    assert_int_equal(veer_query_prepare(NULL, NULL, &query, &error), VEER_E_INVALID);
    assert_int_equal(veer_query_prepare(f.collection, NULL, NULL, &error), VEER_E_INVALID);
    assert_int_equal(veer_query_run(NULL, NULL, NULL, 0, 0, NULL, &results, NULL), VEER_E_INVALID);
    assert_int_equal(veer_get(f.collection, NULL, NULL, NULL, &results, &error), VEER_E_INVALID);
    assert_int_equal(veer_snapshot_open(NULL, &snapshot, &error), VEER_E_INVALID);
    assert_int_equal(veer_stats(NULL, &buffer, &error), VEER_E_INVALID);
    assert_int_equal(veer_backup(f.database, NULL, NULL, NULL, NULL, &error), VEER_E_INVALID);
    static const refusal gets[] = {
        {"{}", VEER_E_TYPE, {"ids", "an object"}},
        {"[1]", VEER_E_ID, {"number 0", "a number"}},
        {"[\"a\",\"\"]", VEER_E_ID, {"1"}},
        {"[\"a\"", VEER_E_SYNTAX, {"ids", "position"}},
    };
    for (size_t i = 0; i < TEST_COUNT(gets); i++)
        expect(&gets[i], veer_get(f.collection, NULL, gets[i].json, NULL, &results, &error),
               &error);
    static const refusal scans[] = {
        {"{\"limit\":-1}", VEER_E_RANGE, {"'limit'"}},
        {"{\"k\":1}", VEER_E_OPTION, {"'k'"}},
    };
    for (size_t i = 0; i < TEST_COUNT(scans); i++)
        expect(&scans[i], veer_scan(f.collection, NULL, scans[i].json, NULL, &cursor, &error),
               &error);
    check(veer_scan(f.collection, NULL, NULL, NULL, &cursor, &error), &error);
    assert_int_equal(veer_cursor_next(cursor, 0, &results, &error), VEER_E_RANGE);
    veer_cursor_close(cursor);
    /* Parameters without a filter, and a filter without its parameters. */
    assert_int_equal(veer_count(f.collection, NULL, NULL, "[1]", &count, &error), VEER_E_INVALID);
    assert_true(veer_count(f.collection, NULL, "\"year = ?\"", NULL, &count, &error) != VEER_OK);
    assert_true(veer_count(f.collection, NULL, "\"year = ?\"", "[1,2]", &count, &error) != VEER_OK);
    assert_int_equal(veer_count(f.collection, NULL, "\"year = ?\"", "{}", &count, &error),
                     VEER_E_TYPE);
    /* A snapshot of another database, and of a time before the collection. */
    check(veer_snapshot_open(other.database, &snapshot, &error), &error);
    assert_int_equal(veer_count(f.collection, snapshot, NULL, NULL, &count, &error),
                     VEER_E_INVALID);
    veer_collection *late = NULL;
    check(veer_collection_open(other.database, "late", "{\"fields\":{}}", &late, &error), &error);
    assert_int_equal(veer_count(late, snapshot, NULL, NULL, &count, &error), VEER_E_NOTFOUND);
    assert_non_null(strstr(error.message, "'late'"));
    check(veer_collection_drop(other.database, "late", &error), &error);
    assert_int_equal(veer_count(late, NULL, NULL, NULL, &count, &error), VEER_E_NOTFOUND);
    veer_collection_close(late);
    veer_snapshot_close(snapshot);
    /* What is open keeps the database open. */
    check(veer_query_prepare(f.collection, NULL, &query, &error), &error);
    assert_int_equal(veer_close(f.database, &error), VEER_E_BUSY);
    veer_query_free(query);
    fixture_close(&f);
    fixture_close(&other);
}

/* ---------------------------------------------------------------- waiting storage */

/* Calls until it does not wait any more; too many rounds are a defect. */
#define UNTIL_DONE(call)                           \
    do {                                           \
        veer_status status_;                       \
        int rounds_ = 0;                           \
        while ((status_ = (call)) == VEER_PENDING) \
            assert_true(++rounds_ < 1000);         \
        check(status_, &error);                    \
        waited += rounds_;                         \
    } while (0)

static void test_pending(void **state)
{
    (void)state;
    int waited = 0;
    for (unsigned seed = 0; seed < 6; seed++) {
        veer_io base = {0};
        veer_error error = {0};
        io_fault *fault = NULL;
        check(io_memory_new(memory_default(), &base, &error), &error);
        base.map = NULL; /* reads have to go through the table */
        base.unmap = NULL;
        check(io_fault_new(memory_default(), &base, &fault, &error), &error);
        fixture f;
        fixture_open(&f, NULL, io_fault_table(fault));
        put_numbered(&f, 0, 5000);
        check(veer_compact(f.database, NULL, NULL, &error), &error);
        put_numbered(&f, 4900, 5100);
        fixture_close(&f);
        io_fault_wait(fault, seed % 2 ? IO_WAIT_RANDOM : IO_WAIT_FIRST, IO_CALL_BIT(IO_CALL_READ),
                      seed);
        UNTIL_DONE(veer_open(NULL, io_fault_table(fault), "{\"cacheBytes\":65536}", NULL,
                             &f.database, &error));
        UNTIL_DONE(veer_collection_open(f.database, "notes", NULL, &f.collection, &error));
        const float query[3] = {2500.3f, 1, 3};
        static const char *const requests[] = {
            "{\"vector\":\"v\",\"k\":20}",
            "{\"vector\":\"v\",\"k\":20,\"explain\":true,\"verify\":true}",
            "{\"vector\":\"v\",\"k\":20,\"exact\":true,\"select\":[\"v\"]}",
            "{\"vector\":\"v\",\"k\":20,\"filter\":\"tag = 't1' AND year < 5\",\"recall\":1}"};
        for (size_t i = 0; i < TEST_COUNT(requests); i++) {
            veer_results *results = NULL;
            io_fault_forget(fault);
            UNTIL_DONE(
                veer_search(f.collection, NULL, requests[i], query, 1, 3, NULL, &results, &error));
            assert_int_equal(veer_results_rows(results), 20);
            veer_results_free(results);
        }
        uint64_t count = 0;
        UNTIL_DONE(veer_count(f.collection, NULL, "\"year = 3\"", NULL, &count, &error));
        assert_int_equal(count, 510);
        veer_cursor *cursor = NULL;
        check(veer_scan(f.collection, NULL, "{\"filter\":\"year >= 5\"}", NULL, &cursor, &error),
              &error);
        for (size_t rows = 0, count_now = 1; count_now > 0; rows += count_now) {
            veer_results *results = NULL;
            UNTIL_DONE(veer_cursor_next(cursor, 700, &results, &error));
            count_now = veer_results_rows(results);
            veer_results_free(results);
            if (count_now == 0) assert_int_equal(rows, 2550);
        }
        veer_cursor_close(cursor);
        fixture_close(&f);
        io_fault_free(fault);
        io_memory_free(&base);
    }
    assert_true(waited > 50);
}

/* ---------------------------------------------------------------- no memory */

static veer_status read_everything(veer_database *database, veer_collection *collection,
                                   veer_error *error)
{
    static const char *const requests[] = {
        "{\"vector\":\"v\",\"explain\":true,\"verify\":true}",
        "{\"vector\":\"v\",\"exact\":true,\"select\":[\"v\",\"year\"],\"filter\":\"year >= ?\"}"};
    const float query[3] = {100, 1, 3};
    veer_results *results = NULL;
    for (size_t i = 0; i < 2; i++) {
        VEER_TRY(veer_search(collection, NULL, requests[i], query, 1, 3, i ? "[2]" : NULL, &results,
                             error));
        assert_int_equal(veer_results_rows(results), 10);
        veer_results_free(results);
    }
    VEER_TRY(veer_get(collection, NULL, "[\"00001\",\"02999\",\"00003\"]", NULL, &results, error));
    assert_int_equal(veer_results_rows(results), 3);
    veer_results_free(results);
    uint64_t count = 0;
    VEER_TRY(veer_count(collection, NULL, "{\"tag\":\"t1\"}", NULL, &count, error));
    assert_int_equal(count, 1000);
    veer_cursor *cursor = NULL;
    VEER_TRY(veer_scan(collection, NULL, "{\"filter\":{\"year\":3}}", NULL, &cursor, error));
    veer_status status = veer_cursor_next(cursor, 100, &results, error);
    if (status == VEER_OK) assert_int_equal(veer_results_rows(results), 100);
    if (status == VEER_OK) veer_results_free(results);
    veer_cursor_close(cursor);
    VEER_TRY(status);
    veer_buffer json;
    VEER_TRY(veer_stats(database, &json, error));
    veer_buffer_free(&json);
    VEER_TRY(veer_collections(database, &json, error));
    veer_buffer_free(&json);
    VEER_TRY(veer_recovery_report(database, &json, error));
    veer_buffer_free(&json);
    return VEER_OK;
}

static void test_without_memory(void **state)
{
    (void)state;
    fault_allocator fault;
    fault_allocator_init(&fault);
    veer_io io = {0};
    veer_error error = {0};
    check(io_memory_new(memory_default(), &io, &error), &error);
    fixture f;
    fixture_open(&f, NULL, &io);
    put_numbered(&f, 0, 2800);
    check(veer_checkpoint(f.database, NULL, NULL, &error), &error);
    put_numbered(&f, 2800, 3000);
    fixture_close(&f);
    uint64_t failures = 0;
    for (uint64_t n = 0;; n++) {
        /* A new database each time: what is loaded lazily is loaded in the call that fails. */
        veer_database *database = NULL;
        veer_collection *collection = NULL;
        check(veer_open(NULL, &io, NULL, &fault.allocator, &database, &error), &error);
        check(veer_collection_open(database, "notes", NULL, &collection, &error), &error);
        fault_allocator_fail(&fault, n, n % 2 == 1);
        veer_status status = read_everything(database, collection, &error);
        bool fired = fault_allocator_fired(&fault);
        if (status != VEER_OK && !(fired && status == VEER_E_NOMEM))
            fail_msg("allocation %u: status %d: %s", (unsigned)n, status, error.message);
        fault_allocator_fail(&fault, UINT64_MAX, false);
        check(read_everything(database, collection, &error), &error);
        veer_collection_close(collection);
        check(veer_close(database, &error), &error);
        assert_int_equal(fault_allocator_live(&fault), 0);
        failures += fired;
        if (!fired) break;
    }
    assert_true(failures > 50);
    const char *problem = fault_allocator_fini(&fault);
    if (problem) fail_msg("%s", problem);
    io_memory_free(&io);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_delete_by_filter),
        cmocka_unit_test(test_vector_bits),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_bad_vectors),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
