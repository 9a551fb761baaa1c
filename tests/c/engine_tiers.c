/* Every kernel tier on fixed sets of vectors: the streams that it makes and the answers it gives are
 * scalar's, bit for bit; and the answers have a floor of recall, by set, metric and index (scan and
 * graph). Truth is computed here in double precision; a row as near as the k-th counts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "platform/io.h"
#include "storage_image.h"
#include "support/testing.h"
#include "support/tiers.h"
#include "veer.h"

#define QUERIES 30u
#define K 10u
#define MIDDLES 24u

typedef enum kind { CLUSTERED, UNIFORM, DUPLICATES, EQUAL } kind;

typedef struct set {
    const char *name;
    kind kind;
    uint32_t dims, rows;
    double by_graph; /* the floor of walks with effort 100 */
} set;

/* Products are harder to find than distances: most rows are no one's largest. */
#define DOT_LESS 0.05
static const set sets[] = {
    {"clustered", CLUSTERED, 48, 1200, 0.99},
    {"uniform", UNIFORM, 24, 1200, 0.99},
    {"duplicates", DUPLICATES, 40, 900, 0.97},
    {"all equal", EQUAL, 17, 300, 1},
    {"one row", UNIFORM, 33, 1, 1},
    {"fewer rows than k", UNIFORM, 12, 7, 1},
    {"4,100 dimensions", CLUSTERED, 4100, 160, 0.97},
};
static const char *const metrics[] = {"cosine", "dot", "l2"};

/* How it is asked: what may be missing at most, or what a walk finds. */
typedef struct way {
    const char *request;
    double floor; /* 0: the set's, by a graph */
} way;
static const way ways[] = {
    {"\"recall\":0.8", 0.76},
    {"\"recall\":0.95", 0.92},
    {"\"recall\":1", 1},
    {"\"exact\":true", 1},
    {"\"effort\":100", 0},
    {"\"effort\":10", 0.8},
    {"\"recall\":0.9,\"filter\":\"part < 3\"", 0.87},
    {"\"effort\":100,\"filter\":\"part < 8\"", 0.9},
};
static bool accepts(const way *way, uint32_t row)
{
    const char *filter = strstr(way->request, "part < ");
    return filter == NULL || (int)(row % 10) < atoi(filter + strlen("part < "));
}

typedef struct answers {
    uint32_t count[TEST_COUNT(ways)][QUERIES];
    uint32_t rows[TEST_COUNT(ways)][QUERIES][K];
    float distances[TEST_COUNT(ways)][QUERIES][K];
} answers;

typedef struct world {
    const set *set;
    const char *metric;
    float *rows, *queries;
} world;

static veer_error error;

static void must(veer_status status)
{
    if (status != VEER_OK) fail_msg("%s: %s", veer_status_name(status), error.message);
}

/* ---------------------------------------------------------------- vectors and truth */

static void make_vectors(world *w)
{
    rng random;
    uint32_t dims = w->set->dims;
    kind kind = w->set->kind;
    rng_init(&random, 7);
    float *middles = malloc(sizeof *middles * MIDDLES * dims);
    w->rows = malloc(sizeof *w->rows * w->set->rows * dims);
    w->queries = malloc(sizeof *w->queries * QUERIES * dims);
    assert_true(middles && w->rows && w->queries);
    for (size_t i = 0; i < (size_t)MIDDLES * dims; i++)
        middles[i] = (float)rng_normal(&random);
    for (uint32_t row = 0; row < w->set->rows + QUERIES; row++) {
        bool is_query = row >= w->set->rows;
        float *to = is_query ? w->queries + (size_t)(row - w->set->rows) * dims
                             : w->rows + (size_t)row * dims;
        const float *middle =
            middles + (kind == EQUAL ? 0 : rng_below(&random, MIDDLES)) * (size_t)dims;
        for (uint32_t i = 0; i < dims; i++) {
            float value = kind == EQUAL && !is_query ? 0 : (float)rng_normal(&random);
            to[i] = kind == UNIFORM ? value : middle[i] + 0.5f * value;
        }
        if (kind == DUPLICATES && !is_query && row > 20 && rng_below(&random, 3) > 0)
            memcpy(to, w->rows + rng_below(&random, 20) * (size_t)dims, dims * sizeof *to);
    }
    free(middles);
}

static double distance(const world *w, const float *a, const float *b)
{
    double dot = 0, own = 0, its = 0, square = 0;
    for (uint32_t i = 0; i < w->set->dims; i++) {
        double x = (double)a[i], y = (double)b[i];
        dot += x * y;
        own += x * x;
        its += y * y;
        square += (x - y) * (x - y);
    }
    if (strcmp(w->metric, "l2") == 0) return square;
    return strcmp(w->metric, "dot") == 0 ? -dot : 1 - dot / sqrt(own * its);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How many of the found rows are as near as the k-th that there is; *wanted: how many there are. */
static uint32_t hits(const world *w, const way *way, const float *query, const uint32_t *found,
                     uint32_t count, uint32_t *wanted)
{
    double *all = malloc(w->set->rows * sizeof *all);
    double *sorted = malloc(w->set->rows * sizeof *sorted);
    assert_true(all && sorted);
    uint32_t matches = 0, good = 0;
    for (uint32_t row = 0; row < w->set->rows; row++) {
        all[row] = distance(w, query, w->rows + (size_t)row * w->set->dims);
        if (accepts(way, row)) sorted[matches++] = all[row];
    }
    qsort(sorted, matches, sizeof *sorted, by_value);
    *wanted = matches < K ? matches : K;
    double limit = *wanted > 0 ? sorted[*wanted - 1] : 0;
    limit += 1e-5 * (1 + fabs(limit));
    for (uint32_t i = 0; i < count; i++) {
        assert_true(found[i] < w->set->rows && accepts(way, found[i]));
        for (uint32_t j = 0; j < i; j++)
            assert_true(found[j] != found[i]);
        good += all[found[i]] <= limit;
    }
    free(sorted);
    free(all);
    return good;
}

/* ---------------------------------------------------------------- a database of a tier */

static void write_rows(const world *w, veer_database *database, veer_collection *collection)
{
    char *documents = malloc((size_t)w->set->rows * 48);
    assert_non_null(documents);
    size_t bytes = 0;
    for (uint32_t row = 0; row < w->set->rows; row++)
        bytes +=
            (size_t)snprintf(documents + bytes, 48, "{\"id\":\"%u\",\"part\":%u}\n", row, row % 10);
    const veer_vectors vectors = {.data = w->rows, .dims = w->set->dims};
    const veer_operation operation = {.collection = collection,
                                      .documents = documents,
                                      .documents_bytes = bytes,
                                      .count = w->set->rows,
                                      .vectors = &vectors,
                                      .vectors_count = 1};
    must(veer_write(database, &operation, 1, NULL, &error));
    free(documents);
}

static void ask(const world *w, veer_collection *collection, answers *to, bool has_graph)
{
    memset(to, 0, sizeof *to);
    for (size_t i = 0; i < TEST_COUNT(ways); i++) {
        char request[200];
        veer_results *results = NULL;
        (void)snprintf(request, sizeof request, "{\"k\":%u,\"select\":false,\"explain\":true,%s}",
                       K, ways[i].request);
        must(veer_search(collection, NULL, request, w->queries, QUERIES, w->set->dims, NULL,
                         &results, &error));
        const uint32_t *first = veer_results_offsets(results), *ends;
        const char *ids = veer_results_ids(results, &ends);
        for (uint32_t q = 0; q < QUERIES; q++) {
            to->count[i][q] = first[q + 1] - first[q];
            assert_true(to->count[i][q] <= K);
            for (uint32_t at = first[q]; at < first[q + 1]; at++) {
                char text[16] = {0};
                memcpy(text, ids + ends[at], ends[at + 1] - ends[at]);
                to->rows[i][q][at - first[q]] = (uint32_t)atoi(text);
                to->distances[i][q][at - first[q]] = veer_results_distances(results)[at];
            }
        }
        bool walked = strstr(veer_results_explain(results), "\"method\":\"graph\"") != NULL;
        if (strcmp(ways[i].request, "\"effort\":100") == 0 && walked != has_graph)
            fail_msg("%s: %s", w->set->name, veer_results_explain(results));
        veer_results_free(results);
    }
}

/* Sealed, with a graph or without; its streams to `streams`. */
static void run(const world *w, bool has_graph, answers *to, image *streams)
{
    veer_io io;
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    char options[80], schema[160];
    must(io_memory_new(memory_default(), &io, &error));
    (void)snprintf(options, sizeof options, "{\"create\":true,\"sync\":\"none\",\"graphRows\":%d}",
                   has_graph);
    (void)snprintf(schema, sizeof schema,
                   "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":%u,\"metric\":\"%s\"},"
                   "\"part\":{\"type\":\"number\"}}}",
                   w->set->dims, w->metric);
    must(veer_open(NULL, &io, options, NULL, &database, &error));
    must(veer_collection_open(database, "c", schema, &collection, &error));
    write_rows(w, database, collection);
    must(veer_compact(database, NULL, NULL, &error)); /* seals, whatever its size */
    must(veer_optimize(database, NULL, NULL, &error));
    ask(w, collection, to, has_graph);
    veer_collection_close(collection);
    must(veer_close(database, &error));
    image_read(streams, &io);
    io_memory_free(&io);
}

/* ---------------------------------------------------------------- the test */

static void check_floors(const world *w, const answers *found, bool has_graph)
{
    for (size_t i = 0; i < TEST_COUNT(ways); i++) {
        double floor = ways[i].floor;
        if (floor == 0) floor = has_graph ? w->set->by_graph : 0.92;
        if (has_graph && strstr(ways[i].request, "effort") && strcmp(w->metric, "dot") == 0 &&
            w->set->by_graph < 1)
            floor -= DOT_LESS;
        uint32_t good = 0, all = 0;
        for (uint32_t q = 0; q < QUERIES; q++) {
            uint32_t wanted;
            good += hits(w, &ways[i], w->queries + (size_t)q * w->set->dims, found->rows[i][q],
                         found->count[i][q], &wanted);
            assert_int_equal(found->count[i][q], wanted);
            all += wanted;
        }
        double recall = all > 0 ? (double)good / all : 1;
        if (recall < floor)
            fail_msg("%s, %s, graph %d, %s: recall %.3f instead of %.3f", w->set->name, w->metric,
                     has_graph, ways[i].request, recall, floor);
    }
}

/* Derived streams; a base has the times of its rows. */
static uint32_t check_streams(const image *first, const image *other)
{
    uint32_t compared = 0;
    assert_int_equal(first->count, other->count);
    for (size_t i = 0; i < first->count; i++) {
        const image_stream *a = &first->streams[i], *b = &other->streams[i];
        assert_string_equal(a->name, b->name);
        if (!strstr(a->name, ".graph.") && !strstr(a->name, ".codes.")) continue;
        if (a->bytes != b->bytes || memcmp(a->data, b->data, a->bytes) != 0)
            fail_msg("%s differs", a->name);
        compared++;
    }
    return compared;
}

static void test_every_tier(void **state)
{
    (void)state;
    const kernels *tiers[TIERS_MAX];
    size_t tiers_count = tiers_find(tiers);
    static answers first, other;
    for (size_t s = 0; s < TEST_COUNT(sets); s++) {
        for (size_t m = 0; m < TEST_COUNT(metrics); m++) {
            world w = {.set = &sets[s], .metric = metrics[m]};
            make_vectors(&w);
            for (int has_graph = 0; has_graph < 2; has_graph++) {
                image streams, its;
                kernels_force(tiers[0]);
                run(&w, has_graph, &first, &streams);
                check_floors(&w, &first, has_graph);
                for (size_t t = 1; t < tiers_count; t++) {
                    kernels_force(tiers[t]);
                    run(&w, has_graph, &other, &its);
                    if (memcmp(&first, &other, sizeof first) != 0)
                        fail_msg("%s, %s, graph %d: %s answers otherwise than %s", w.set->name,
                                 w.metric, has_graph, tiers[t]->name, tiers[0]->name);
                    assert_int_equal(check_streams(&streams, &its), 1 + has_graph);
                    image_free(&its);
                }
                image_free(&streams);
            }
            free(w.rows);
            free(w.queries);
        }
    }
    kernels_force(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_tier)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
