/* Fields whose originals are kept as 16-bit floats or as bits are fields of vectors that were rounded
 * first: the same random stream of writes, deletes, seals, merges and openings goes to a database that
 * rounds by itself and to one that keeps f32 and gets rounded vectors, and every answer is the same
 * bit for bit, of exact searches and of codes and graphs, while the segments take half of the
 * bytes or less. And what cannot be rounded is refused and changes nothing.
 */
#include "support/testing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "engine/sealed.h"
#include "kernels/half.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/true_distance.h"

#define IDS 900u
#define DIMS_MAX 100u
#define BATCH_MAX 120u

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", status, error->message);
}

static void round_all(bool is_bits, const float *values, size_t n, float *rounded)
{
    for (size_t i = 0; is_bits && i < n; i++)
        rounded[i] = values[i] != 0; /* no -0 */
    if (is_bits) return;
    static uint16_t halves[BATCH_MAX * DIMS_MAX];
    assert_true(n <= TEST_COUNT(halves));
    half_encode_scalar(values, n, halves);
    half_decode_scalar(halves, n, rounded);
}

/* ---------------------------------------------------------------- a stream of operations */

/* One side: it rounds by itself, or keeps f32. */
typedef struct side {
    io_table table;
    const char *storage;
    veer_database *database;
    veer_collection *collection;
} side;

typedef struct twins {
    side sides[2];
    rng random;
    const char *metric;
    size_t dims;
    bool is_bits;
} twins;

static void open_side(side *s, const char *metric, size_t dims)
{
    char schema[300];
    veer_error error;
    (void)snprintf(schema, sizeof schema,
                   "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":%zu,\"metric\":\"%s\","
                   "\"storage\":\"%s\"},\"n\":{\"type\":\"number\"}}}",
                   dims, metric, s->storage);
    check(veer_open(NULL, s->table.io,
                    "{\"create\":true,\"sync\":\"none\",\"graphRows\":500,\"cacheBytes\":65536}",
                    NULL, &s->database, &error),
          &error);
    check(veer_collection_open(s->database, "c", schema, &s->collection, &error), &error);
}

static void close_side(side *s)
{
    veer_error error;
    veer_collection_close(s->collection);
    check(veer_close(s->database, &error), &error);
    s->database = NULL;
}

/* Elements of a usual size, a few of them denormal halves, zero, or in the middle of two halves. */
static void fill_vector(rng *random, bool is_bits, float *vector, size_t dims)
{
    for (size_t i = 0; i < dims; i++) {
        vector[i] = (float)rng_normal(random);
        if (is_bits) {
            vector[i] = vector[i] > 0.5f ? 1 : i % 3 == 0 ? -0.0f : 0.0f;
            continue;
        }
        uint64_t kind = rng_below(random, 40);
        if (kind == 0) vector[i] *= 0x1p-18f;
        if (kind == 1) vector[i] = 0;
        if (kind == 2) vector[i] = 1 + (float)rng_below(random, 64) * 0x1p-11f;
        if (kind == 3) vector[i] *= 2000;
    }
}

static void upsert(twins *t)
{
    static float values[2][BATCH_MAX * DIMS_MAX];
    static char json[BATCH_MAX * 64];
    uint8_t present[BATCH_MAX / 8 + 1];
    size_t count = 1 + rng_below(&t->random, BATCH_MAX), bytes = 0;
    bool is_dense = rng_below(&t->random, 3) > 0;
    for (size_t i = 0; i < sizeof present; i++)
        present[i] = is_dense ? 0xff : (uint8_t)rng_next(&t->random);
    for (size_t i = 0; i < count; i++) {
        fill_vector(&t->random, t->is_bits, values[0] + i * t->dims, t->dims);
        bytes += (size_t)snprintf(json + bytes, sizeof json - bytes, "{\"id\":\"%u\",\"n\":%u}\n",
                                  (unsigned)rng_below(&t->random, IDS),
                                  (unsigned)rng_below(&t->random, 100));
    }
    round_all(t->is_bits, values[0], count * t->dims, values[1]);
    for (size_t s = 0; s < 2; s++) {
        const veer_vectors vectors = {.data = values[s], .dims = t->dims, .present = present};
        const veer_operation operation = {.collection = t->sides[s].collection,
                                          .documents = json,
                                          .documents_bytes = bytes,
                                          .count = count,
                                          .vectors = &vectors,
                                          .vectors_count = 1};
        veer_error error;
        check(veer_write(t->sides[s].database, &operation, 1, NULL, &error), &error);
    }
}

/* One document whose vector is in its JSON. */
static void upsert_json(twins *t)
{
    float values[2][DIMS_MAX];
    static char json[DIMS_MAX * 20 + 64];
    fill_vector(&t->random, t->is_bits, values[0], t->dims);
    round_all(t->is_bits, values[0], t->dims, values[1]);
    unsigned id = (unsigned)rng_below(&t->random, IDS);
    for (size_t s = 0; s < 2; s++) {
        size_t bytes = (size_t)snprintf(json, sizeof json, "{\"id\":\"%u\",\"v\":[", id);
        for (size_t i = 0; i < t->dims; i++)
            bytes += (size_t)snprintf(json + bytes, sizeof json - bytes, "%s%.9g", i > 0 ? "," : "",
                                      (double)values[s][i]);
        bytes += (size_t)snprintf(json + bytes, sizeof json - bytes, "]}");
        const veer_operation operation = {
            .collection = t->sides[s].collection, .documents = json, .documents_bytes = bytes};
        veer_error error;
        check(veer_write(t->sides[s].database, &operation, 1, NULL, &error), &error);
    }
}

static void delete_some(twins *t)
{
    char filter[40];
    (void)snprintf(filter, sizeof filter, "\"n = %u\"", (unsigned)rng_below(&t->random, 100));
    for (size_t s = 0; s < 2; s++) {
        const veer_operation operation = {
            .collection = t->sides[s].collection, .kind = VEER_WRITE_DELETE, .filter = filter};
        veer_error error;
        check(veer_write(t->sides[s].database, &operation, 1, NULL, &error), &error);
    }
}

static void check_whole(side *s)
{
    veer_buffer report = {0};
    veer_error error;
    veer_status status = veer_check(NULL, s->table.io, NULL, NULL, NULL, &report, &error);
    if (status != VEER_OK) fail_msg("%s: %s", s->storage, report.data);
    veer_buffer_free(&report);
}

static void step(twins *t)
{
    uint64_t kind = rng_below(&t->random, 30);
    if (kind < 18) {
        upsert(t);
        return;
    }
    if (kind < 20) {
        upsert_json(t);
        return;
    }
    if (kind < 22) {
        delete_some(t);
        return;
    }
    for (size_t s = 0; s < 2; s++) {
        side *of = &t->sides[s];
        veer_error error;
        bool left;
        if (kind < 24) check(veer_checkpoint(of->database, NULL, NULL, &error), &error);
        if (kind == 24) check(veer_compact(of->database, NULL, NULL, &error), &error);
        if (kind == 25) check(veer_optimize(of->database, NULL, NULL, &error), &error);
        if (kind == 26 || kind == 27) check(veer_work(of->database, -1, &left, &error), &error);
        if (kind < 28) continue;
        close_side(of);
        if (kind == 28) check_whole(of);
        open_side(of, t->metric, t->dims);
    }
}

/* ---------------------------------------------------------------- the same answers */

static void same_results(twins *t, const char *request, const float *query)
{
    veer_results *results[2];
    for (size_t s = 0; s < 2; s++) {
        veer_error error;
        check(veer_search(t->sides[s].collection, NULL, request, query, 1, t->dims, NULL,
                          &results[s], &error),
              &error);
    }
    size_t rows = veer_results_rows(results[0]);
    assert_int_equal(rows, veer_results_rows(results[1]));
    assert_int_equal(veer_results_visited(results[0]), veer_results_visited(results[1]));
    const uint32_t *ends[2];
    const char *documents[2];
    for (size_t s = 0; s < 2; s++)
        documents[s] = veer_results_documents(results[s], &ends[s]);
    assert_memory_equal(ends[0], ends[1], (rows + 1) * sizeof **ends);
    if (rows > 0) {
        assert_memory_equal(documents[0], documents[1], ends[0][rows]);
        assert_memory_equal(veer_results_distances(results[0]), veer_results_distances(results[1]),
                            rows * sizeof(float));
    }
    for (size_t s = 0; s < 2; s++)
        veer_results_free(results[s]);
}

static void same_answers(twins *t)
{
    static const char *const requests[] = {
        "{\"k\":30,\"exact\":true,\"select\":\"*\"}",
        "{\"k\":10,\"recall\":0.8,\"select\":\"*\"}",
        "{\"k\":10,\"effort\":50,\"select\":\"*\"}",
        "{\"k\":10,\"filter\":\"n < 50\",\"select\":[\"v\"]}",
    };
    for (size_t i = 0; i < TEST_COUNT(requests); i++) {
        float query[DIMS_MAX];
        fill_vector(&t->random, t->is_bits, query, t->dims);
        if (!t->is_bits) query[0] = 1e6f; /* a query is not rounded */
        same_results(t, requests[i], query);
    }
}

/* Bytes of the only segment's base. */
static uint64_t base_bytes(const side *s, bool has_graph)
{
    veer_buffer stats = {0};
    veer_error error;
    unsigned long long bytes = 0;
    check(veer_stats(s->database, &stats, &error), &error);
    const char *at = strstr(stats.data, "\"kind\":\"base\",\"bytes\":");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"kind\":\"base\",\"bytes\":%llu", &bytes), 1);
    assert_null(strstr(at + 1, "\"kind\":\"base\""));
    assert_int_equal(strstr(stats.data, "\"kind\":\"graph\"") != NULL, has_graph);
    veer_buffer_free(&stats);
    return bytes;
}

/* Live documents with a vector. */
static uint64_t count_vectors(twins *t)
{
    float query[DIMS_MAX] = {1};
    veer_results *results = NULL;
    veer_error error;
    check(veer_search(t->sides[0].collection, NULL, "{\"k\":1000,\"exact\":true}", query, 1,
                      t->dims, NULL, &results, &error),
          &error);
    size_t rows = veer_results_rows(results);
    veer_results_free(results);
    assert_true(rows > 500);
    return rows;
}

static void run_stream(uint64_t seed, const char *metric, size_t dims, const char *storage,
                       io_table_kind kind)
{
    twins t = {.metric = metric, .dims = dims, .is_bits = strcmp(storage, "bits") == 0};
    rng_init(&t.random, seed);
    for (size_t s = 0; s < 2; s++) {
        t.sides[s].storage = s == 0 ? storage : "f32";
        io_table_make(&t.sides[s].table, kind);
        open_side(&t.sides[s], metric, dims);
    }
    for (int i = 0; i < 60; i++) {
        step(&t);
        if (i % 3 == 0) same_answers(&t);
    }
    for (size_t s = 0; s < 2; s++) {
        veer_error error;
        check(veer_compact(t.sides[s].database, NULL, NULL, &error), &error);
        check(veer_optimize(t.sides[s].database, NULL, NULL, &error), &error);
    }
    same_answers(&t);
    /* All but for what the ends of sections are rounded up to. */
    bool has_graph =
        strcmp(metric, "cosine") == 0 || strcmp(metric, "dot") == 0 || strcmp(metric, "l2") == 0;
    uint64_t half = base_bytes(&t.sides[0], has_graph), all = base_bytes(&t.sides[1], has_graph);
    uint64_t spared = count_vectors(&t) * (4 * dims - (t.is_bits ? (dims + 7) / 8 : 2 * dims));
    assert_true(all > half ? all - half + 4096 >= spared : spared < 4096);
    for (size_t s = 0; s < 2; s++) {
        close_side(&t.sides[s]);
        check_whole(&t.sides[s]);
        io_table_end(&t.sides[s].table);
    }
}

static void test_twins(void **state)
{
    (void)state;
    static const size_t dims[] = {33, 64, 100, 7, 16, 1, 45, 80, 21};
    for (size_t i = 0; i < METRICS_COUNT; i++) {
        io_table_kind kind = i % 3 == 0   ? TABLE_MEMORY
                             : i % 3 == 1 ? TABLE_MEMORY_UNMAPPED
                                          : TABLE_POSIX;
        run_stream(i + 1, true_metric_names[i], dims[i], "f16", kind);
        if (i < 3) run_stream(i + 100, true_metric_names[i], dims[i], "f16", TABLE_MEMORY_UNMAPPED);
    }
}

static void test_bits(void **state)
{
    (void)state;
    static const size_t dims[] = {1, 64, 100, 7, 8, 31};
    for (size_t i = 0; i < TEST_COUNT(dims); i++) {
        io_table_kind kind = i % 3 == 0   ? TABLE_MEMORY
                             : i % 3 == 1 ? TABLE_MEMORY_UNMAPPED
                                          : TABLE_POSIX;
        run_stream(i + 1, "hamming", dims[i], "bits", kind);
        run_stream(i + 1, "jaccard", dims[i], "bits", kind);
    }
}

/* ---------------------------------------------------------------- what storing makes of vectors */

static void open_memory(io_table *table, const char *schema, const veer_allocator *allocator,
                        veer_database **database, veer_collection **collection)
{
    veer_error error;
    io_table_make(table, TABLE_MEMORY);
    check(veer_open(NULL, table->io, "{\"create\":true}", allocator, database, &error), &error);
    check(veer_collection_open(*database, "c", schema, collection, &error), &error);
}

static veer_status write_vector(veer_database *database, veer_collection *collection,
                                const char *id, const char *field, const float *vector, size_t dims,
                                veer_error *error)
{
    char json[40];
    (void)snprintf(json, sizeof json, "[{\"id\":\"%s\"}]", id);
    const veer_vectors vectors = {.field = field, .data = vector, .dims = dims};
    const veer_operation operation = {.collection = collection,
                                      .documents = json,
                                      .documents_bytes = strlen(json),
                                      .count = 1,
                                      .vectors = &vectors,
                                      .vectors_count = 1};
    return veer_write(database, &operation, 1, NULL, error);
}

static void expect_document(veer_collection *collection, const char *id, const char *wanted)
{
    char request[40];
    veer_results *results = NULL;
    veer_error error;
    (void)snprintf(request, sizeof request, "[\"%s\"]", id);
    check(veer_get(collection, NULL, request, "\"*\"", &results, &error), &error);
    const uint32_t *ends;
    const char *documents = veer_results_documents(results, &ends);
    assert_int_equal(veer_results_rows(results), wanted ? 1 : 0);
    if (wanted) {
        if (ends[1] != strlen(wanted) || memcmp(documents, wanted, ends[1]) != 0)
            fail_msg("%.*s, not %s", (int)ends[1], documents, wanted);
    }
    veer_results_free(results);
}

/* Nearest, ties to even, denormals kept, 65519.9 still 65504; before and after sealing. */
static void test_values(void **state)
{
    (void)state;
    static const float given[] = {
        0.1f,      1 + 0x1p-11f, 1 + 3 * 0x1p-11f, 0x1p-24f,        0x1.8p-25f,
        -0x1p-25f, 65519.9f,     -65504,           -0x1.00001p-11f, 3e-9f};
    static const char wanted[] =
        "{\"id\":\"a\",\"v\":[0.099975586,1,1.0019531,0.000000059604645,0.000000059604645,-0.0,65504,-65504,"
        "-0.00048828125,0]}";
    io_table table;
    veer_database *database;
    veer_collection *collection;
    veer_error error;
    open_memory(&table,
                "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":10,\"metric\":\"l2\","
                "\"storage\":\"f16\"}}}",
                NULL, &database, &collection);
    check(write_vector(database, collection, "a", NULL, given, 10, &error), &error);
    expect_document(collection, "a", wanted);
    check(veer_compact(database, NULL, NULL, &error), &error);
    expect_document(collection, "a", wanted);
    veer_collection_close(collection);
    check(veer_close(database, &error), &error);
    io_table_end(&table);
}

static uint64_t last_lsn(veer_database *database)
{
    veer_buffer stats = {0};
    veer_error error;
    unsigned long long lsn = 0;
    check(veer_stats(database, &stats, &error), &error);
    const char *at = strstr(stats.data, "\"lsn\":");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"lsn\":%llu", &lsn), 1);
    veer_buffer_free(&stats);
    return lsn;
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        float vector[3];
        const char *parts[5];
    } cases[] = {
        {"h", {1, 65520, 2}, {"'h'", "65520 at 1", "65504", "'x'"}},
        {"h", {1, 2, -1e9f}, {"'h'", "-1e+09 at 2", "65504", "'x'"}},
        {"c", {70000, 2, 3}, {"'c'", "70000 at 0", "65504", "'x'"}},
        {"m", {0, 0, 3e38f}, {"'m'", "at 2", "65504", "'x'"}},
        {"h", {1, NAN, 1e9f}, {"'h'", "1e+09 at 2", "'x'"}},
        {"h", {1, NAN, 1}, {"'h'", "NaN at 1", "'x'"}},
        {"h", {1, -INFINITY, 1}, {"'h'", "infinity at 1", "'x'"}},
        {"c", {0, 0, 0}, {"'c'", "is zero", "'x'"}},
        {"c", {2e-8f, -1e-9f, 0}, {"'c'", "is zero, rounded to f16", "'x'"}},
        {"b", {0, 1, 0.5f}, {"'b'", "0.5 at 2", "0 or 1", "'x'"}},
        {"b", {-1, 1, 2}, {"'b'", "-1 at 0", "0 or 1", "'x'"}},
        {"b", {1, NAN, 1}, {"'b'", "nan at 1", "0 or 1", "'x'"}},
        {"b", {1, 1, INFINITY}, {"'b'", "inf at 2", "0 or 1", "'x'"}},
    };
    io_table table;
    veer_database *database;
    veer_collection *collection;
    veer_error error = {0};
    open_memory(&table,
                "{\"fields\":{"
                "\"h\":{\"type\":\"vector\",\"dims\":3,\"metric\":\"l2\",\"storage\":\"f16\"},"
                "\"c\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"f16\"},"
                "\"b\":{\"type\":\"vector\",\"dims\":3,\"metric\":\"jaccard\","
                "\"storage\":\"bits\"},"
                "\"m\":{\"type\":\"vector\",\"dims\":3,\"metric\":\"manhattan\","
                "\"storage\":\"f16\"}}}",
                NULL, &database, &collection);
    static const float fine[] = {3e-8f, 0, 0};
    check(write_vector(database, collection, "x", "c", fine, 3, &error), &error);
    uint64_t lsn = last_lsn(database);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        veer_status status =
            write_vector(database, collection, "x", cases[i].field, cases[i].vector, 3, &error);
        if (status != VEER_E_VECTOR) fail_msg("case %zu: %d, %s", i, status, error.message);
        for (size_t part = 0; cases[i].parts[part]; part++)
            if (!strstr(error.message, cases[i].parts[part]))
                fail_msg("case %zu: %s is not in: %s", i, cases[i].parts[part], error.message);
        assert_int_equal(last_lsn(database), lsn);
        expect_document(collection, "x", "{\"id\":\"x\",\"c\":[0.000000059604645,0,0]}");
    }
    /* A query may be what a document may not. */
    static const float query[] = {1e9f, 2e-8f, 0};
    veer_results *results = NULL;
    check(veer_search(collection, NULL, "{\"vector\":\"c\"}", query, 1, 3, NULL, &results, &error),
          &error);
    assert_int_equal(veer_results_rows(results), 1);
    veer_results_free(results);
    /* But of bits it is bits. */
    assert_int_equal(
        veer_search(collection, NULL, "{\"vector\":\"b\"}", query, 1, 3, NULL, &results, &error),
        VEER_E_VECTOR);
    assert_non_null(strstr(error.message, "'b' holds 1e+09 at 0; bits are 0 or 1"));
    veer_collection_close(collection);
    check(veer_close(database, &error), &error);
    io_table_end(&table);
}

/* ---------------------------------------------------------------- schemas */

static void test_schema(void **state)
{
    (void)state;
    io_table table;
    veer_database *database;
    veer_collection *collection, *again = NULL;
    veer_error error;
    open_memory(&table,
                "{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"f16\"},"
                "\"b\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"f32\"},"
                "\"c\":{\"type\":\"vector\",\"dims\":3}}}",
                NULL, &database, &collection);
    veer_buffer schema = {0};
    check(veer_collection_schema(collection, &schema, &error), &error);
    assert_non_null(strstr(schema.data, "\"a\":{\"id\":1,\"type\":\"vector\",\"dims\":3,"
                                        "\"metric\":\"cosine\",\"storage\":\"f16\"}"));
    assert_non_null(strstr(schema.data, "\"b\":{\"id\":2,\"type\":\"vector\",\"dims\":3,"
                                        "\"metric\":\"cosine\"}"));
    veer_buffer_free(&schema);
    static const struct {
        const char *schema;
        veer_status status;
    } cases[] = {
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":3}}}", VEER_OK},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"f16\"}}}", VEER_OK},
        {"{\"fields\":{\"c\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"f32\"}}}", VEER_OK},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"f32\"}}}",
         VEER_E_SCHEMA},
        {"{\"fields\":{\"c\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"f16\"}}}",
         VEER_E_SCHEMA},
        {"{\"fields\":{\"d\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"f64\"}}}",
         VEER_E_SCHEMA},
        {"{\"fields\":{\"d\":{\"type\":\"vector\",\"dims\":3,\"storage\":16}}}", VEER_E_SCHEMA},
        {"{\"fields\":{\"d\":{\"type\":\"text\",\"storage\":\"f16\"}}}", VEER_E_SCHEMA},
        {"{\"fields\":{\"d\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"bits\"}}}",
         VEER_E_SCHEMA},
        {"{\"fields\":{\"d\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"bits\",\"metric\":\"l2\"}}}",
         VEER_E_SCHEMA},
        {"{\"fields\":{\"e\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"bits\",\"metric\":\"hamming\"}}}",
         VEER_OK},
        {"{\"fields\":{\"e\":{\"type\":\"vector\",\"dims\":3,\"storage\":\"bits\"}}}", VEER_OK},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        veer_status status = veer_collection_open(database, "c", cases[i].schema, &again, &error);
        if (status != cases[i].status) fail_msg("case %zu: %d, %s", i, status, error.message);
        if (status != VEER_OK) assert_non_null(strstr(error.message, "storage"));
        veer_collection_close(again);
        again = NULL;
    }
    veer_collection_close(collection);
    check(veer_close(database, &error), &error);
    io_table_end(&table);
}

/* ---------------------------------------------------------------- shortage of memory */

/* Writes, seals, searches and reads with allocation number n failing; what was acknowledged is there. */
static veer_status use_all(const veer_io *io, const veer_allocator *allocator, bool *has_written,
                           veer_error *error)
{
    static const char schema[] =
        "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":9,\"metric\":\"l2\",\"storage\":\"f16\"},"
        "\"m\":{\"type\":\"vector\",\"dims\":9,\"metric\":\"canberra\",\"storage\":\"f16\"},"
        "\"b\":{\"type\":\"vector\",\"dims\":9,\"metric\":\"jaccard\",\"storage\":\"bits\"}}}";
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    veer_results *results = NULL;
    static const float vector[9] = {1, 2, 3, 0.1f, 5, 6, 7, 8, 9}, bits[9] = {1, 0, 0, 1, 1};
    veer_status status = VEER_OK;
    VEER_TRY(
        veer_open(NULL, io, "{\"create\":true,\"sync\":\"none\"}", allocator, &database, error));
    VEER_GOTO(veer_collection_open(database, "c", schema, &collection, error));
    VEER_GOTO(write_vector(database, collection, "a", "v", vector, 9, error));
    *has_written = true;
    VEER_GOTO(write_vector(database, collection, "b", "m", vector, 9, error));
    VEER_GOTO(write_vector(database, collection, "c", "b", bits, 9, error));
    VEER_GOTO(veer_search(collection, NULL, "{\"vector\":\"v\",\"select\":\"*\"}", vector, 1, 9,
                          NULL, &results, error));
    veer_results_free(results);
    results = NULL;
    VEER_GOTO(veer_compact(database, NULL, NULL, error));
    VEER_GOTO(veer_search(collection, NULL, "{\"vector\":\"m\",\"select\":\"*\"}", vector, 1, 9,
                          NULL, &results, error));
    veer_results_free(results);
    results = NULL;
    VEER_GOTO(veer_search(collection, NULL, "{\"vector\":\"b\",\"select\":\"*\"}", bits, 1, 9, NULL,
                          &results, error));
done:
    veer_results_free(results);
    veer_collection_close(collection);
    veer_error ignored;
    (void)veer_close(database, &ignored);
    return status;
}

static void test_shortage(void **state)
{
    (void)state;
    for (uint64_t n = 0;; n++) {
        io_table table;
        fault_allocator f;
        bool has_written = false;
        veer_error error = {0};
        io_table_make(&table, TABLE_MEMORY_UNMAPPED);
        fault_allocator_init(&f);
        fault_allocator_fail(&f, n, false);
        veer_status status = use_all(table.io, &f.allocator, &has_written, &error);
        bool fired = fault_allocator_fired(&f);
        if (status != VEER_OK && status != VEER_E_NOMEM)
            fail_msg("allocation %llu: %d, %s", (unsigned long long)n, status, error.message);
        const char *problem = fault_allocator_fini(&f);
        if (problem) fail_msg("allocation %llu: %s", (unsigned long long)n, problem);
        if (has_written) {
            veer_database *database;
            veer_collection *collection;
            check(veer_open(NULL, table.io, NULL, NULL, &database, &error), &error);
            check(veer_collection_open(database, "c", NULL, &collection, &error), &error);
            expect_document(collection, "a", "{\"id\":\"a\",\"v\":[1,2,3,0.099975586,5,6,7,8,9]}");
            veer_collection_close(collection);
            check(veer_close(database, &error), &error);
        }
        io_table_end(&table);
        if (!fired) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twins),  cmocka_unit_test(test_bits),
        cmocka_unit_test(test_values), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_schema), cmocka_unit_test(test_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
