/* See graph_world.h. */
#include "graph_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/topk.h"
#include "platform/io.h"

#define CLUSTERS 50u
#define BATCH 1000u
#define PENDING_ROUNDS 200000

#define WAIT(status, call)                                            \
    do {                                                              \
        int rounds_ = 0;                                              \
        do                                                            \
            status = (call);                                          \
        while (status == VEER_PENDING && ++rounds_ < PENDING_ROUNDS); \
    } while (0)

void check_status(veer_status status, const veer_error *error)
{
    if (status != VEER_OK) fail_msg("status %d: %s", (int)status, error->message);
}

/* ---------------------------------------------------------------- life */

static const char *const metric_names[] = {"cosine", "dot", "l2"};

veer_status world_open(world *w, const char *options, veer_error *error)
{
    char schema[400];
    veer_status status;
    (void)snprintf(schema, sizeof schema,
                   "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":%u,\"metric\":\"%s\"},"
                   "\"w\":{\"type\":\"vector\",\"dims\":%u,\"metric\":\"l2\"},"
                   "\"chance\":{\"type\":\"number\"},\"first\":{\"type\":\"number\"}}}",
                   WORLD_V, metric_names[w->metric], WORLD_W);
    if (options) w->options = options;
    const char *location = w->location ? w->location : "memory:";
    WAIT(status, veer_open(w->io ? NULL : location, w->io, w->options, NULL, &w->database, error));
    if (status != VEER_OK) return status;
    bool is_readonly = strstr(w->options, "readonly") != NULL;
    WAIT(status, veer_collection_open(w->database, "c", is_readonly ? NULL : schema, &w->collection,
                                      error));
    return status;
}

void world_new(world *w, const veer_io *io, const char *options, veer_metric metric, uint32_t ids)
{
    veer_error error;
    memset(w, 0, sizeof *w);
    rng_init(&w->random, 77 + (uint64_t)metric);
    w->io = io;
    w->metric = metric;
    w->ids = ids;
    w->rows = calloc(ids, sizeof *w->rows);
    assert_non_null(w->rows);
    check_status(world_open(w, options, &error), &error);
}

void world_close(world *w)
{
    veer_error error;
    veer_collection_close(w->collection);
    check_status(veer_close(w->database, &error), &error);
    w->collection = NULL;
    w->database = NULL;
}

void world_free(world *w)
{
    if (w->database) world_close(w);
    free(w->rows);
    w->rows = NULL;
}

/* ---------------------------------------------------------------- writing */

void world_vector(world *w, float *vector)
{
    uint64_t cluster = rng_below(&w->random, CLUSTERS);
    for (uint32_t i = 0; i < WORLD_V; i++) {
        double centre = (double)((cluster * 2654435761u >> (i % 24)) % 17) / 4.0 - 2;
        vector[i] = (float)(centre + rng_normal(&w->random));
    }
}

static void fill_row(world *w, uint32_t id, uint32_t twins)
{
    world_row *row = &w->rows[id];
    world_vector(w, row->v);
    for (uint32_t i = 0; i < WORLD_V && twins > 0 && id % twins == 0; i++)
        row->v[i] = (float)(i % 3) + 0.5f;
    for (uint32_t i = 0; i < WORLD_W; i++)
        row->w[i] = (float)rng_normal(&w->random);
    row->has_w = rng_below(&w->random, 3) > 0;
    row->chance = (int)rng_below(&w->random, 1000);
    row->first = (int)floorf(row->v[0] * 1000.0f);
    row->is_alive = true;
}

static void put_batch(world *w, uint32_t first, uint32_t end, uint32_t twins)
{
    byte_writer json;
    veer_error error;
    veer_status status;
    static float v[BATCH * WORLD_V], second[BATCH * WORLD_W];
    uint8_t present[BATCH / 8 + 1] = {0};
    byte_writer_init(&json, memory_default());
    for (uint32_t id = first; id < end; id++) {
        char text[100];
        uint32_t at = id - first;
        fill_row(w, id, twins);
        const world_row *row = &w->rows[id];
        memcpy(v + at * WORLD_V, row->v, sizeof row->v);
        memcpy(second + at * WORLD_W, row->w, sizeof row->w);
        if (row->has_w) present[at / 8] |= (uint8_t)(1u << at % 8);
        int bytes = snprintf(text, sizeof text, "{\"id\":\"%u\",\"chance\":%d,\"first\":%d}\n", id,
                             row->chance, row->first);
        byte_writer_put(&json, text, (size_t)bytes);
    }
    const veer_vectors vectors[] = {
        {.field = "v", .data = v, .dims = WORLD_V},
        {.field = "w", .data = second, .dims = WORLD_W, .present = present}};
    const veer_operation operation = {.collection = w->collection,
                                      .documents = (const char *)json.data,
                                      .documents_bytes = json.bytes,
                                      .count = end - first,
                                      .vectors = vectors,
                                      .vectors_count = 2};
    WAIT(status, veer_write(w->database, &operation, 1, NULL, &error));
    check_status(status, &error);
    byte_writer_fini(&json);
}

void world_put(world *w, uint32_t first, uint32_t end, uint32_t twins)
{
    for (; first < end; first += BATCH)
        put_batch(w, first, end - first < BATCH ? end : first + BATCH, twins);
}

void world_delete(world *w, uint32_t first, uint32_t end, uint32_t step)
{
    byte_writer json;
    veer_error error;
    veer_status status;
    byte_writer_init(&json, memory_default());
    byte_writer_put(&json, "[", 1);
    for (uint32_t id = first; id < end; id += step) {
        char text[16];
        int bytes = snprintf(text, sizeof text, "%s\"%u\"", id == first ? "" : ",", id);
        byte_writer_put(&json, text, (size_t)bytes);
        w->rows[id].is_alive = false;
    }
    byte_writer_put(&json, "]", 2);
    const veer_operation operation = {.collection = w->collection,
                                      .kind = VEER_WRITE_DELETE,
                                      .documents = (const char *)json.data};
    WAIT(status, veer_write(w->database, &operation, 1, NULL, &error));
    check_status(status, &error);
    byte_writer_fini(&json);
}

veer_status world_work(world *w, veer_error *error)
{
    bool left = true;
    veer_status status = VEER_OK;
    while (left && status == VEER_OK)
        WAIT(status, veer_work(w->database, -1, &left, error));
    return status;
}

void world_settle(world *w)
{
    veer_error error;
    veer_status status;
    WAIT(status, veer_checkpoint(w->database, NULL, NULL, &error));
    check_status(status, &error);
    check_status(world_work(w, &error), &error);
}

/* ---------------------------------------------------------------- searching */

static double model_distance(const world *w, const world_query *query, const float *vector,
                             const world_row *row)
{
    const float *other = query->on_w ? row->w : row->v;
    uint32_t dims = query->on_w ? WORLD_W : WORLD_V;
    veer_metric metric = query->on_w ? VEER_METRIC_L2 : w->metric;
    double dot = 0, own = 0, its = 0, square = 0;
    for (uint32_t i = 0; i < dims; i++) {
        double a = (double)vector[i], b = (double)other[i];
        dot += a * b;
        own += a * a;
        its += b * b;
        square += (a - b) * (a - b);
    }
    if (metric == VEER_METRIC_L2) return square;
    return metric == VEER_METRIC_DOT ? -dot : 1 - dot / sqrt(own * its);
}

static bool is_match(const world_query *query, const world_row *row)
{
    if (!row->is_alive || (query->on_w && !row->has_w)) return false;
    if (!query->by) return true;
    return (strcmp(query->by, "first") == 0 ? row->first : row->chance) < query->below;
}

static double tolerance(double distance)
{
    return 1e-4 * (1 + fabs(distance));
}

/* Compares the results with the model's. */
static void compare(const world *w, const world_query *query, const float *vector,
                    const veer_results *results, world_answer *answer)
{
    const world_row *rows = query->rows ? query->rows : w->rows;
    topk_entry *entries = malloc(query->k * sizeof *entries);
    uint8_t *seen = calloc(w->ids, 1);
    assert_non_null(entries);
    assert_non_null(seen);
    topk nearest;
    topk_init(&nearest, entries, query->k);
    uint32_t matches = 0, found = 0;
    for (uint32_t id = 0; id < w->ids; id++) {
        if (!is_match(query, &rows[id])) continue;
        (void)topk_push(&nearest, (float)model_distance(w, query, vector, &rows[id]), id);
        matches++;
    }
    uint32_t wanted = query->k < matches ? query->k : matches;
    if (veer_results_rows(results) != wanted)
        fail_msg("%zu results instead of %u", veer_results_rows(results), wanted);
    double last = wanted > 0 ? (double)entries[0].distance : 0;
    if (wanted > 0 && matches < query->k) last = INFINITY;
    const uint32_t *ends;
    const char *ids = veer_results_ids(results, &ends);
    answer->count = wanted;
    for (uint32_t i = 0; i < wanted; i++) {
        char text[16] = {0};
        memcpy(text, ids + ends[i], ends[i + 1] - ends[i]);
        uint32_t id = (uint32_t)atoi(text);
        float given = veer_results_distances(results)[i];
        assert_true(id < w->ids && !seen[id]);
        seen[id] = 1;
        if (!is_match(query, &rows[id])) fail_msg("document %u is no match", id);
        double truth = model_distance(w, query, vector, &rows[id]);
        if (!(fabs(truth - (double)given) <= tolerance(truth)))
            fail_msg("document %u is at %g, not %g", id, truth, (double)given);
        assert_true(i == 0 || veer_results_distances(results)[i - 1] <= given);
        found += truth <= last + tolerance(truth);
        if (i < TEST_COUNT(answer->ids)) answer->ids[i] = id;
        if (i < TEST_COUNT(answer->ids)) answer->distances[i] = given;
    }
    answer->recall = wanted > 0 ? (double)found / wanted : 1;
    free(entries);
    free(seen);
}

static void read_explain(const char *text, world_answer *answer)
{
    static const char method[] = "\"method\":\"";
    static const char walk[] = "\"operator\":\"walk\"";
    assert_non_null(text);
    const char *at = strstr(text, method);
    assert_non_null(at);
    at += sizeof method - 1;
    (void)snprintf(answer->method, sizeof answer->method, "%.*s", (int)strcspn(at, "\""), at);
    at = strstr(text, walk);
    if (at) at = strstr(at, "\"actual\":");
    answer->walked = at ? strtoull(at + 9, NULL, 10) : 0;
}

void world_search(world *w, const world_query *query, const float *vector, world_answer *answer)
{
    char request[300];
    veer_error error;
    veer_status status;
    veer_results *results = NULL;
    int n = snprintf(request, sizeof request,
                     "{\"k\":%u,\"vector\":\"%s\",\"exact\":%s,\"select\":false,\"explain\":true",
                     query->k, query->on_w ? "w" : "v", query->is_exact ? "true" : "false");
    if (query->effort > 0)
        n += snprintf(request + n, sizeof request - (size_t)n, ",\"effort\":%u", query->effort);
    else
        n += snprintf(request + n, sizeof request - (size_t)n, ",\"recall\":%g",
                      query->recall > 0 ? query->recall : 0.95);
    if (query->by)
        n += snprintf(request + n, sizeof request - (size_t)n, ",\"filter\":\"%s < %d\"", query->by,
                      query->below);
    (void)snprintf(request + n, sizeof request - (size_t)n, "}");
    WAIT(status, veer_search(w->collection, query->snapshot, request, vector, 1,
                             query->on_w ? WORLD_W : WORLD_V, NULL, &results, &error));
    check_status(status, &error);
    memset(answer, 0, sizeof *answer);
    compare(w, query, vector, results, answer);
    read_explain(veer_results_explain(results), answer);
    veer_results_free(results);
}

double world_recall(world *w, const world_query *query, uint32_t queries, uint32_t *graphs)
{
    double sum = 0;
    uint32_t by_graph = 0;
    for (uint32_t i = 0; i < queries; i++) {
        float vector[WORLD_V];
        world_answer answer;
        world_vector(w, vector);
        for (uint32_t j = 0; query->on_w && j < WORLD_W; j++)
            vector[j] = (float)rng_normal(&w->random);
        world_search(w, query, vector, &answer);
        sum += answer.recall;
        by_graph += strcmp(answer.method, "graph") == 0;
    }
    if (graphs) *graphs = by_graph;
    return sum / queries;
}

static void count_graph(void *context, const char *name)
{
    *(uint32_t *)context += strstr(name, ".graph.") != NULL;
}

uint32_t world_graphs(const veer_io *io)
{
    uint32_t count = 0;
    veer_error error;
    check_status(io->list(io->context, count_graph, &count, &error), &error);
    return count;
}
