/* Searches against a naive model: random documents, overwrites, deletes, filters, several vector
 * fields that not every document has, several segments.
 *
 * What must hold for every search: min(k, matches) results, all alive, matching and different, in
 * order of distance, each with its true distance; exact searches find the nearest; others find the
 * share that was asked for.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/json_write.h"
#include "support/testing.h"
#include "support/true_distance.h"

#define DIMS_V 48u
#define DIMS_W 7u
#define IDS 9000u

typedef struct model_document {
    bool is_alive, has_v, has_w, has_year, draft;
    int year;
    int tags; /* bits */
    float v[DIMS_V], w[DIMS_W];
} model_document;

typedef struct world {
    veer_database *database;
    veer_collection *collection;
    model_document *documents; /* IDS of them */
    rng random;
    veer_metric metrics[2];
} world;

static void check(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", status, error->message);
}

static void world_open(world *w, uint64_t seed, veer_metric v, veer_metric second)
{
    char json[512];
    veer_error error;
    memset(w, 0, sizeof *w);
    rng_init(&w->random, seed);
    w->metrics[0] = v;
    w->metrics[1] = second;
    w->documents = calloc(IDS, sizeof *w->documents);
    assert_non_null(w->documents);
    (void)snprintf(json, sizeof json,
                   "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":%u,\"metric\":\"%s\"},"
                   "\"w\":{\"type\":\"vector\",\"dims\":%u,\"metric\":\"%s\"},\"tag\":{\"type\":"
                   "\"keyword\"},\"year\":{\"type\":\"number\"},\"draft\":{\"type\":\"bool\"}}}",
                   DIMS_V, true_metric_names[v], DIMS_W, true_metric_names[second]);
    check(veer_open("memory:", NULL, "{\"sync\":\"none\",\"graphRows\":500}", NULL, &w->database,
                    &error),
          &error);
    check(veer_collection_open(w->database, "c", json, &w->collection, &error), &error);
}

static void world_close(world *w)
{
    veer_error error;
    veer_collection_close(w->collection);
    check(veer_close(w->database, &error), &error);
    free(w->documents);
}

/* ---------------------------------------------------------------- writing */

static void random_document(world *w, model_document *d)
{
    rng *r = &w->random;
    d->is_alive = true;
    d->has_v = rng_below(r, 10) != 0;
    d->has_w = rng_below(r, 3) == 0;
    d->has_year = rng_below(r, 8) != 0;
    d->year = 1900 + (int)rng_below(r, 100);
    d->draft = rng_below(r, 2) == 0;
    d->tags = (int)rng_below(r, 16);
    /* A few clusters, so that neighbours exist. */
    uint64_t cluster = rng_below(r, 20);
    for (unsigned i = 0; i < DIMS_V; i++)
        d->v[i] = (float)(rng_normal(r) + (double)((cluster * 31 + i * 7) % 11) / 3.0);
    for (unsigned i = 0; i < DIMS_W; i++)
        d->w[i] = (float)rng_normal(r);
    /* Ties: some vectors are simple. */
    if (rng_below(r, 50) == 0)
        for (unsigned i = 0; i < DIMS_V; i++)
            d->v[i] = i == 0 ? 1.0f : 0.0f;
    true_distance_round(w->metrics[0], d->v, DIMS_V);
    true_distance_round(w->metrics[1], d->w, DIMS_W);
}

static void put_document(byte_writer *json, unsigned id, const model_document *d)
{
    char name[16];
    (void)snprintf(name, sizeof name, "d%u", id);
    json_open(json, NULL, '{');
    json_string(json, "id", name);
    if (d->has_year) json_signed(json, "year", d->year);
    json_bool(json, "draft", d->draft);
    json_open(json, "tag", '[');
    for (int i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof name, "t%d", i);
        if (d->tags & 1 << i) json_string(json, NULL, name);
    }
    json_close(json, ']');
    json_close(json, '}');
}

/* Writes `count` random documents over random ids in one transaction. */
static void write_batch(world *w, size_t count, unsigned ids_end)
{
    byte_writer json;
    byte_writer_init(&json, memory_default());
    float *v = malloc(count * DIMS_V * sizeof *v), *second = malloc(count * DIMS_W * sizeof *v);
    uint8_t *has_v = calloc(count, 1), *has_w = calloc(count, 1), *used = calloc(IDS, 1);
    assert_true(v && second && has_v && has_w && used);
    json_open(&json, NULL, '[');
    for (size_t i = 0; i < count; i++) {
        unsigned id;
        do
            id = (unsigned)rng_below(&w->random, ids_end);
        while (used[id]);
        used[id] = 1;
        model_document *d = &w->documents[id];
        random_document(w, d);
        put_document(&json, id, d);
        memcpy(v + i * DIMS_V, d->v, sizeof d->v);
        memcpy(second + i * DIMS_W, d->w, sizeof d->w);
        if (d->has_v) has_v[i / 8] |= (uint8_t)(1u << i % 8);
        if (d->has_w) has_w[i / 8] |= (uint8_t)(1u << i % 8);
    }
    json_close(&json, ']');
    const veer_vectors vectors[] = {
        {.field = "v", .data = v, .dims = DIMS_V, .present = has_v},
        {.field = "w", .data = second, .dims = DIMS_W, .present = has_w}};
    const veer_operation operation = {.collection = w->collection,
                                      .kind = VEER_WRITE_UPSERT,
                                      .documents = (const char *)json.data,
                                      .documents_bytes = json.bytes,
                                      .count = count,
                                      .vectors = vectors,
                                      .vectors_count = 2};
    veer_error error;
    veer_write_result result;
    check(veer_write(w->database, &operation, 1, &result, &error), &error);
    assert_int_equal(result.written, count);
    byte_writer_fini(&json);
    free(v);
    free(second);
    free(has_v);
    free(has_w);
    free(used);
}

static void delete_some(world *w, size_t count)
{
    byte_writer json;
    byte_writer_init(&json, memory_default());
    json_open(&json, NULL, '[');
    uint64_t deleted = 0;
    for (size_t i = 0; i < count; i++) {
        char name[16];
        unsigned id = (unsigned)rng_below(&w->random, IDS);
        (void)snprintf(name, sizeof name, "d%u", id);
        json_string(&json, NULL, name);
        deleted += w->documents[id].is_alive;
        w->documents[id].is_alive = false;
    }
    json_close(&json, ']');
    const veer_operation operation = {.collection = w->collection,
                                      .kind = VEER_WRITE_DELETE,
                                      .documents = (const char *)json.data,
                                      .documents_bytes = json.bytes};
    veer_error error;
    veer_write_result result;
    check(veer_write(w->database, &operation, 1, &result, &error), &error);
    assert_int_equal(result.deleted, deleted);
    byte_writer_fini(&json);
}

/* ---------------------------------------------------------------- filters */

typedef struct model_filter {
    char text[160]; /* empty: none */
    int kind, a, b;
} model_filter;

static void random_filter(world *w, model_filter *f)
{
    rng *r = &w->random;
    memset(f, 0, sizeof *f);
    f->kind = (int)rng_below(r, 9);
    f->a = (int)rng_below(r, 4);
    f->b = 1900 + (int)rng_below(r, 100);
    switch (f->kind) {
    case 0:
        break;
    case 1:
        (void)snprintf(f->text, sizeof f->text, "tag = 't%d'", f->a);
        break;
    case 2:
        (void)snprintf(f->text, sizeof f->text, "year >= %d", f->b);
        break;
    case 3:
        (void)snprintf(f->text, sizeof f->text, "tag = 't%d' AND year < %d", f->a, f->b);
        break;
    case 4:
        (void)snprintf(f->text, sizeof f->text, "NOT (tag IN ('t%d') OR draft = true)", f->a);
        break;
    case 5:
        (void)snprintf(f->text, sizeof f->text, "year = %d", f->b);
        break;
    case 6:
        (void)snprintf(f->text, sizeof f->text, "year IS NULL");
        break;
    case 7:
        (void)snprintf(f->text, sizeof f->text, "year = %d AND draft = false AND tag = 't%d'", f->b,
                       f->a);
        break;
    default:
        (void)snprintf(f->text, sizeof f->text, "year > 3000");
        break;
    }
}

static bool matches(const model_filter *f, const model_document *d)
{
    bool has_tag = d->tags & 1 << f->a;
    switch (f->kind) {
    case 0:
        return true;
    case 1:
        return has_tag;
    case 2:
        return d->has_year && d->year >= f->b;
    case 3:
        return has_tag && d->has_year && d->year < f->b;
    case 4:
        return !(has_tag || d->draft);
    case 5:
        return d->has_year && d->year == f->b;
    case 6:
        return !d->has_year;
    case 7:
        return d->has_year && d->year == f->b && !d->draft && has_tag;
    default:
        return false;
    }
}

/* ---------------------------------------------------------------- distances */

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* ---------------------------------------------------------------- one search */

typedef struct asked {
    int field; /* 0: v, 1: w */
    unsigned k, offset;
    bool exact;
    double recall;
    model_filter filter;
} asked;

/* Runs it and checks what must hold; returns the share of the true nearest that was found. */
static double search_and_check(world *w, const asked *q, const float *query,
                               veer_snapshot *snapshot)
{
    char request[512];
    (void)snprintf(request, sizeof request,
                   "{\"k\":%u,\"offset\":%u,\"vector\":\"%s\",\"exact\":%s,\"recall\":%.4f%s%s%s,"
                   "\"select\":false}",
                   q->k, q->offset, q->field ? "w" : "v", q->exact ? "true" : "false", q->recall,
                   q->filter.text[0] ? ",\"filter\":\"" : "", q->filter.text,
                   q->filter.text[0] ? "\"" : "");
    unsigned dims = q->field ? DIMS_W : DIMS_V;
    veer_metric metric = w->metrics[q->field];
    veer_results *results = NULL;
    veer_error error = {0};
    veer_status status =
        veer_search(w->collection, snapshot, request, query, 1, dims, NULL, &results, &error);
    if (status != VEER_OK) fail_msg("%s: %s", request, error.message);

    double *truth = malloc(IDS * sizeof *truth);
    assert_non_null(truth);
    size_t count = 0;
    for (unsigned id = 0; id < IDS; id++) {
        const model_document *d = &w->documents[id];
        bool has = q->field ? d->has_w : d->has_v;
        if (!d->is_alive || !has || !matches(&q->filter, d)) continue;
        truth[count++] = true_distance(metric, query, q->field ? d->w : d->v, dims);
    }
    qsort(truth, count, sizeof *truth, by_value);
    size_t behind = count > q->offset ? count - q->offset : 0;
    size_t expected = behind < q->k ? behind : q->k;
    if (veer_results_rows(results) != expected)
        fail_msg("%s: %zu rows, not %zu", request, veer_results_rows(results), expected);
    assert_int_equal(veer_results_queries(results), 1);
    assert_int_equal(veer_results_offsets(results)[1], expected);
    assert_null(veer_results_documents(results, NULL));
    bool is_exact = q->exact || metric > VEER_METRIC_L2;
    if (is_exact) assert_true(veer_results_exact(results));

    const uint32_t *ends = NULL;
    const char *ids = veer_results_ids(results, &ends);
    const float *distances = veer_results_distances(results);
    const float *scores = veer_results_scores(results);
    uint8_t *seen = calloc(IDS, 1);
    assert_non_null(seen);
    size_t found = 0;
    double worst = expected ? truth[q->offset + expected - 1] : 0;
    double slack = 1e-4 * (1 + fabs(worst));
    for (size_t i = 0; i < expected; i++) {
        char name[16] = {0};
        assert_true(ends[i + 1] - ends[i] < sizeof name);
        memcpy(name, ids + ends[i], ends[i + 1] - ends[i]);
        unsigned id = (unsigned)strtoul(name + 1, NULL, 10);
        const model_document *d = &w->documents[id];
        assert_true(id < IDS && d->is_alive && !seen[id] && matches(&q->filter, d));
        seen[id] = 1;
        double distance = true_distance(metric, query, q->field ? d->w : d->v, dims);
        assert_true(fabs(distance - (double)distances[i]) <= 1e-4 * (1 + fabs(distance)));
        if (i > 0) assert_true(distances[i - 1] <= distances[i]);
        float score = metric == VEER_METRIC_COSINE ? 1 - distances[i] : -distances[i];
        assert_true(score == scores[i]);
        found += distance <= worst + slack;
        if (is_exact) /* the i-th is the i-th, up to rounding */
            assert_true(fabs(distance - truth[q->offset + i]) <= slack);
    }
    free(seen);
    free(truth);
    veer_results_free(results);
    return expected ? (double)found / (double)expected : 1;
}

static void random_query(world *w, const asked *q, float *query)
{
    rng *r = &w->random;
    const model_document *d = &w->documents[rng_below(r, IDS)];
    unsigned dims = q->field ? DIMS_W : DIMS_V;
    for (unsigned i = 0; i < dims; i++)
        query[i] = (q->field ? d->w[i] : d->v[i]) + 0.3f * (float)rng_normal(r) + 0.01f;
    true_distance_round(w->metrics[q->field], query, dims);
}

static void random_searches(world *w, int count)
{
    double recall = 0, target = 0;
    for (int i = 0; i < count; i++) {
        asked q = {.field = rng_below(&w->random, 4) == 0,
                   .exact = rng_below(&w->random, 3) == 0,
                   .k = 1 + (unsigned)rng_below(&w->random, 40),
                   .offset = rng_below(&w->random, 3) ? 0 : (unsigned)rng_below(&w->random, 30),
                   .recall = 0.8 + 0.2 * rng_unit(&w->random)};
        if (rng_below(&w->random, 20) == 0) q.k = 10000;
        random_filter(w, &q.filter);
        float query[DIMS_V];
        random_query(w, &q, query);
        recall += search_and_check(w, &q, query, NULL);
        target += q.recall;
    }
    if (recall < target) fail_msg("recall %.4f, asked for %.4f", recall / count, target / count);
}

static void check_count(world *w)
{
    model_filter f;
    random_filter(w, &f);
    char json[200];
    (void)snprintf(json, sizeof json, "\"%s\"", f.text);
    uint64_t count = 0, expected = 0;
    veer_error error;
    check(veer_count(w->collection, NULL, f.text[0] ? json : NULL, NULL, &count, &error), &error);
    for (unsigned id = 0; id < IDS; id++)
        expected += w->documents[id].is_alive && matches(&f, &w->documents[id]);
    assert_int_equal(count, expected);
}

/* ---------------------------------------------------------------- tests */

static void grow_and_search(veer_metric v, veer_metric second, uint64_t seed)
{
    world w;
    world_open(&w, seed, v, second);
    random_searches(&w, 3); /* an empty collection */
    for (int round = 0; round < 14; round++) {
        write_batch(&w, round < 4 ? 10 + (size_t)round : 800, IDS);
        if (round % 3 == 2) delete_some(&w, 150);
        veer_error error;
        if (round % 4 == 3) check(veer_checkpoint(w.database, NULL, NULL, &error), &error);
        if (round == 11) check(veer_compact(w.database, NULL, NULL, &error), &error);
        random_searches(&w, 25);
        check_count(&w);
    }
    world_close(&w);
}

static void test_cosine_and_l2(void **state)
{
    (void)state;
    grow_and_search(VEER_METRIC_COSINE, VEER_METRIC_L2, 1);
}

static void test_l2_and_dot(void **state)
{
    (void)state;
    grow_and_search(VEER_METRIC_L2, VEER_METRIC_DOT, 2);
}

static void test_dot_and_cosine(void **state)
{
    (void)state;
    grow_and_search(VEER_METRIC_DOT, VEER_METRIC_COSINE, 3);
}

/* Metrics without codes, beside one that has them and beside each other. */
static void test_further_metrics(void **state)
{
    (void)state;
    grow_and_search(VEER_METRIC_MANHATTAN, VEER_METRIC_CHEBYSHEV, 11);
    grow_and_search(VEER_METRIC_COSINE, VEER_METRIC_CANBERRA, 12);
    grow_and_search(VEER_METRIC_BRAYCURTIS, VEER_METRIC_L2, 13);
    grow_and_search(VEER_METRIC_HAMMING, VEER_METRIC_JACCARD, 14);
}

/* The code scan is really used, keeps its recall, and looks at originals of few rows only. */
static void test_scan_recall(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        world w;
        world_open(&w, 4, VEER_METRIC_COSINE, VEER_METRIC_L2);
        for (int i = 0; i < 8; i++)
            write_batch(&w, 1000, IDS);
        veer_error error;
        if (turn) check(veer_checkpoint(w.database, NULL, NULL, &error), &error);
        static const double targets[] = {0.8, 0.9, 0.95, 0.99, 1.0};
        for (size_t t = 0; t < TEST_COUNT(targets); t++) {
            double sum = 0;
            for (int i = 0; i < 60; i++) {
                asked q = {.k = 10, .recall = targets[t]};
                float query[DIMS_V];
                random_query(&w, &q, query);
                sum += search_and_check(&w, &q, query, NULL);
            }
            if (sum / 60 < targets[t] - 0.005)
                fail_msg("recall %.4f of %.2f", sum / 60, targets[t]);
        }
        veer_results *results = NULL;
        float query[DIMS_V];
        asked q = {.k = 10};
        random_query(&w, &q, query);
        check(veer_search(w.collection, NULL, "{\"vector\":\"v\",\"select\":false}", query, 1,
                          DIMS_V, NULL, &results, &error),
              &error);
        assert_false(veer_results_exact(results));
        veer_results_free(results);
        world_close(&w);
    }
}

/* The row that was written last is found at once, with codes or without. */
static void test_newest_row(void **state)
{
    (void)state;
    world w;
    veer_error error;
    world_open(&w, 8, VEER_METRIC_L2, VEER_METRIC_L2);
    for (int i = 0; i < 4; i++)
        write_batch(&w, 1000, IDS);
    veer_query *query = NULL;
    check(veer_query_prepare(w.collection,
                             "{\"k\":1,\"vector\":\"v\",\"select\":false,\"recall\":1}", &query,
                             &error),
          &error);
    for (unsigned i = 0; i < 100; i++) {
        char json[32];
        float v[DIMS_V] = {0};
        v[i % DIMS_V] = 50 + (float)i;
        (void)snprintf(json, sizeof json, "{\"id\":\"n%u\"}", i);
        const veer_vectors vectors = {.field = "v", .data = v, .dims = DIMS_V};
        const veer_operation operation = {.collection = w.collection,
                                          .documents = json,
                                          .documents_bytes = strlen(json),
                                          .count = 1,
                                          .vectors = &vectors,
                                          .vectors_count = 1};
        check(veer_write(w.database, &operation, 1, NULL, &error), &error);
        veer_results *results = NULL;
        check(veer_query_run(query, NULL, v, 1, DIMS_V, NULL, &results, &error), &error);
        assert_false(veer_results_exact(results));
        const uint32_t *ends = NULL;
        const char *ids = veer_results_ids(results, &ends);
        (void)snprintf(json, sizeof json, "n%u", i);
        assert_int_equal(ends[1], strlen(json));
        assert_memory_equal(ids, json, ends[1]);
        assert_true(veer_results_distances(results)[0] == 0.0f);
        veer_results_free(results);
        if (i == 50) check(veer_checkpoint(w.database, NULL, NULL, &error), &error);
    }
    veer_query_free(query);
    world_close(&w);
}

/* Segments far apart have centres of their own: recall holds with each of them, in one search. */
static void test_several_centres(void **state)
{
    (void)state;
    world w;
    veer_error error;
    world_open(&w, 9, VEER_METRIC_L2, VEER_METRIC_L2);
    for (unsigned part = 0; part < 3; part++) {
        byte_writer json;
        byte_writer_init(&json, memory_default());
        float *v = malloc(2000 * DIMS_V * sizeof *v);
        assert_non_null(v);
        json_open(&json, NULL, '[');
        for (unsigned i = 0; i < 2000; i++) {
            unsigned id = part * 2000 + i;
            model_document *d = &w.documents[id];
            random_document(&w, d);
            d->has_v = true;
            d->has_w = false;
            for (unsigned j = 0; j < DIMS_V; j++)
                d->v[j] += j % 3 == part ? 40.0f : 0.0f;
            memcpy(v + i * DIMS_V, d->v, sizeof d->v);
            put_document(&json, id, d);
        }
        json_close(&json, ']');
        const veer_vectors vectors = {.field = "v", .data = v, .dims = DIMS_V};
        const veer_operation operation = {.collection = w.collection,
                                          .documents = (const char *)json.data,
                                          .documents_bytes = json.bytes,
                                          .count = 2000,
                                          .vectors = &vectors,
                                          .vectors_count = 1};
        check(veer_write(w.database, &operation, 1, NULL, &error), &error);
        /* The third part stays active. */
        if (part < 2) check(veer_checkpoint(w.database, NULL, NULL, &error), &error);
        byte_writer_fini(&json);
        free(v);
    }
    double sum = 0;
    for (int i = 0; i < 90; i++) {
        asked q = {.k = 10, .recall = 0.98};
        float query[DIMS_V];
        const model_document *d = &w.documents[i % 3 * 2000 + (int)rng_below(&w.random, 2000)];
        for (unsigned j = 0; j < DIMS_V; j++)
            query[j] = d->v[j] + 0.3f * (float)rng_normal(&w.random);
        sum += search_and_check(&w, &q, query, NULL);
    }
    if (sum / 90 < 0.98) fail_msg("recall %.4f", sum / 90);
    world_close(&w);
}

/* A snapshot sees what was there when it was opened, whatever happens meanwhile. */
static void test_snapshot(void **state)
{
    (void)state;
    world w;
    veer_error error;
    world_open(&w, 5, VEER_METRIC_L2, VEER_METRIC_L2);
    for (int i = 0; i < 4; i++)
        write_batch(&w, 1000, IDS);
    veer_snapshot *snapshot = NULL;
    check(veer_snapshot_open(w.database, &snapshot, &error), &error);
    model_document *then = malloc(IDS * sizeof *then), *now = w.documents;
    assert_non_null(then);
    memcpy(then, now, IDS * sizeof *then);
    for (int round = 0; round < 4; round++) {
        write_batch(&w, 700, IDS);
        delete_some(&w, 500);
        if (round == 1) check(veer_checkpoint(w.database, NULL, NULL, &error), &error);
        if (round == 2) check(veer_compact(w.database, NULL, NULL, &error), &error);
        for (int i = 0; i < 10; i++) {
            asked q = {.k = 20, .exact = i % 2 == 0, .recall = 1};
            float query[DIMS_V];
            random_filter(&w, &q.filter);
            random_query(&w, &q, query);
            w.documents = then;
            (void)search_and_check(&w, &q, query, snapshot);
            w.documents = now;
            (void)search_and_check(&w, &q, query, NULL);
        }
    }
    veer_snapshot_close(snapshot);
    free(then);
    world_close(&w);
}

/* Many queries of one run give what each of them gives alone. */
static void test_many_queries(void **state)
{
    enum { QUERIES = 37, K = 7 };
    (void)state;
    world w;
    veer_error error;
    world_open(&w, 6, VEER_METRIC_COSINE, VEER_METRIC_L2);
    for (int i = 0; i < 5; i++)
        write_batch(&w, 1000, IDS);
    check(veer_checkpoint(w.database, NULL, NULL, &error), &error);
    write_batch(&w, 500, IDS);
    static float queries[QUERIES * DIMS_V];
    asked q = {.k = K};
    for (int i = 0; i < QUERIES; i++)
        random_query(&w, &q, queries + i * (int)DIMS_V);
    veer_query *query = NULL;
    check(veer_query_prepare(w.collection,
                             "{\"k\":7,\"vector\":\"v\",\"filter\":\"year >= ?\",\"recall\":0.99}",
                             &query, &error),
          &error);
    veer_results *all = NULL;
    check(veer_query_run(query, NULL, queries, QUERIES, DIMS_V, "[1930]", &all, &error), &error);
    assert_int_equal(veer_results_queries(all), QUERIES);
    assert_int_equal(veer_results_rows(all), QUERIES * K);
    uint64_t visited = 0;
    const uint32_t *ends = NULL, *one_ends = NULL, *texts = NULL, *one_texts = NULL;
    const char *ids = veer_results_ids(all, &ends);
    const char *documents = veer_results_documents(all, &texts);
    for (int i = 0; i < QUERIES; i++) {
        veer_results *one = NULL;
        check(veer_query_run(query, NULL, queries + i * (int)DIMS_V, 1, DIMS_V, "[1930]", &one,
                             &error),
              &error);
        assert_int_equal(veer_results_rows(one), K);
        size_t first = veer_results_offsets(all)[i];
        assert_memory_equal(veer_results_distances(all) + first, veer_results_distances(one),
                            K * sizeof(float));
        const char *own = veer_results_ids(one, &one_ends);
        assert_int_equal(ends[first + K] - ends[first], one_ends[K]);
        assert_memory_equal(ids + ends[first], own, one_ends[K]);
        const char *own_documents = veer_results_documents(one, &one_texts);
        assert_int_equal(texts[first + K] - texts[first], one_texts[K]);
        assert_memory_equal(documents + texts[first], own_documents, one_texts[K]);
        visited += veer_results_visited(one);
        veer_results_free(one);
    }
    assert_int_equal(visited, veer_results_visited(all));
    veer_results_free(all);
    veer_query_free(query);
    world_close(&w);
}

/* Equal distances are ordered by age, in every kind of search. */
static void test_ties(void **state)
{
    enum { ROWS = 5000 };
    (void)state;
    world w;
    veer_error error;
    world_open(&w, 7, VEER_METRIC_L2, VEER_METRIC_L2);
    byte_writer json;
    byte_writer_init(&json, memory_default());
    float *v = malloc(ROWS * DIMS_V * sizeof *v);
    assert_non_null(v);
    json_open(&json, NULL, '[');
    for (unsigned i = 0; i < ROWS; i++) {
        const model_document d = {.is_alive = true, .has_year = true, .year = 1900 + (int)(i % 2)};
        put_document(&json, i, &d);
        for (unsigned j = 0; j < DIMS_V; j++)
            v[i * DIMS_V + j] = j == i / 1000 ? 1.0f : 0.0f;
    }
    json_close(&json, ']');
    const veer_vectors vectors = {.field = "v", .data = v, .dims = DIMS_V};
    const veer_operation operation = {.collection = w.collection,
                                      .documents = (const char *)json.data,
                                      .documents_bytes = json.bytes,
                                      .count = ROWS,
                                      .vectors = &vectors,
                                      .vectors_count = 1};
    check(veer_write(w.database, &operation, 1, NULL, &error), &error);
    for (int turn = 0; turn < 2; turn++) {
        static const char *const requests[] = {
            "{\"vector\":\"v\",\"k\":20,\"select\":false}",
            "{\"vector\":\"v\",\"k\":20,\"select\":false,\"exact\":true}",
            "{\"vector\":\"v\",\"k\":10,\"offset\":10,\"select\":false,\"recall\":1}",
            "{\"vector\":\"v\",\"k\":20,\"select\":false,\"filter\":\"year = 1901\"}"};
        for (size_t i = 0; i < TEST_COUNT(requests); i++) {
            veer_results *results = NULL;
            float query[DIMS_V] = {0};
            query[3] = 1;
            check(veer_search(w.collection, NULL, requests[i], query, 1, DIMS_V, NULL, &results,
                              &error),
                  &error);
            const uint32_t *ends = NULL;
            const char *ids = veer_results_ids(results, &ends);
            size_t rows = veer_results_rows(results);
            assert_int_equal(rows, i == 2 ? 10 : 20);
            for (unsigned row = 0; row < rows; row++) {
                char expected[16];
                unsigned place = i == 2 ? row + 10 : row;
                (void)snprintf(expected, sizeof expected, "d%u",
                               3000 + (i == 3 ? 2 * place + 1 : place));
                assert_int_equal(ends[row + 1] - ends[row], strlen(expected));
                assert_memory_equal(ids + ends[row], expected, strlen(expected));
            }
            veer_results_free(results);
        }
        check(veer_checkpoint(w.database, NULL, NULL, &error), &error);
    }
    byte_writer_fini(&json);
    free(v);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cosine_and_l2),  cmocka_unit_test(test_l2_and_dot),
        cmocka_unit_test(test_dot_and_cosine), cmocka_unit_test(test_further_metrics),
        cmocka_unit_test(test_scan_recall),    cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_many_queries),   cmocka_unit_test(test_ties),
        cmocka_unit_test(test_newest_row),     cmocka_unit_test(test_several_centres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
