/* Recall and speed of search, one thread, one query at a time, against hnswlib in the same process:
 *
 *   search_rates BASE QUERIES TRUTH METRIC DATABASE GRAPH ROUNDS K ENGINES
 *
 * DATABASE holds BASE with row numbers as ids; GRAPH is hnswlib's, built from BASE; ENGINES is a
 * comma-separated part of veer-database, veer-index, hnswlib. Every setting of every engine runs
 * all queries once to warm up and to measure its recall, then once a round; rounds go through all
 * settings, so that what disturbs the machine disturbs all of them. One JSON object a setting:
 * recall, queries a second by process CPU time and by the wall clock for each round, percentiles of
 * a query's wall time over all rounds, rows visited.
 */
#define _GNU_SOURCE
#include "peer_hnswlib.h"
#include "vecs_truth.h"

#define K_MAX 1000u
#define ROUNDS_MAX 99u
#define SETTINGS_MAX 64u
#define EXACT_QUERIES 50u

typedef enum engine { ENGINE_DATABASE, ENGINE_INDEX, ENGINE_HNSWLIB } engine;
static const char *const engine_names[] = {"veer-database", "veer-index", "hnswlib"};

typedef struct setting {
    engine engine;
    double effort; /* recall asked for, or ef; 2: exact */
    veer_query *query;
    double recall, visited;
    double cpu_qps[ROUNDS_MAX], wall_qps[ROUNDS_MAX];
    double *latencies; /* rounds * count */
    size_t count;      /* of queries: the first ones */
} setting;

typedef struct bench {
    vecs base, queries, truth, unit_queries;
    veer_metric metric;
    size_t k, rounds;
    veer_database *database;
    veer_collection *collection;
    veer_snapshot *snapshot;
    veer_index *index;
    peer_hnsw *peer;
    setting settings[SETTINGS_MAX];
    size_t settings_count;
    double index_seconds;
} bench;

static const double recalls[] = {0.5,  0.7,  0.8,   0.85,  0.9,   0.93, 0.95, 0.97,
                                 0.98, 0.99, 0.995, 0.998, 0.999, 1.0,  2.0};
static const double efs[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 450, 640};

static void open_database(bench *b, const char *path)
{
    veer_error error;
    bench_must(veer_open(path, NULL, "{\"mode\": \"readonly\"}", NULL, &b->database, &error),
               &error, path);
    bench_must(veer_collection_open(b->database, "documents", NULL, &b->collection, &error), &error,
               path);
    bench_must(veer_snapshot_open(b->database, &b->snapshot, &error), &error, path);
}

/* False where this build has no index level. */
static bool make_index(bench *b)
{
    veer_error error;
    char options[80];
    static const char *const metrics[] = {"cosine", "dot", "l2"};
    snprintf(options, sizeof options, "{\"dims\": %zu, \"metric\": \"%s\"}", b->base.dims,
             metrics[b->metric]);
    veer_status status = veer_index_new(options, NULL, &b->index, &error);
    if (status == VEER_E_UNSUPPORTED) return false;
    bench_must(status, &error, "veer_index_new");
    uint64_t *keys = malloc(b->base.rows * sizeof *keys);
    for (size_t i = 0; i < b->base.rows; i++)
        keys[i] = i;
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    bench_must(veer_index_add(b->index, keys, b->base.values, b->base.rows, &error), &error, "add");
    bench_must(veer_index_optimize(b->index, -1, NULL, &error), &error, "optimize");
    b->index_seconds = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    free(keys);
    return true;
}

static void add_setting(bench *b, engine engine, double effort)
{
    setting *added = &b->settings[b->settings_count++];
    added->engine = engine;
    added->effort = effort;
    /* Exact search is not what is compared: some queries tell its speed. */
    added->count = effort > 1 && engine != ENGINE_HNSWLIB && b->queries.rows > EXACT_QUERIES
                       ? EXACT_QUERIES
                       : b->queries.rows;
    added->latencies = malloc(b->rounds * added->count * sizeof(double));
    if (engine != ENGINE_DATABASE) return;
    char request[128];
    if (effort > 1) {
        snprintf(request, sizeof request, "{\"k\": %zu, \"select\": false, \"exact\": true}", b->k);
    } else {
        snprintf(request, sizeof request, "{\"k\": %zu, \"select\": false, \"recall\": %.4g}", b->k,
                 effort);
    }
    veer_error error;
    bench_must(veer_query_prepare(b->collection, request, &added->query, &error), &error, request);
}

/* Runs query i; `keys` NULL: the answer is thrown away. */
static size_t run_one(bench *b, setting *with, size_t i, uint64_t *keys)
{
    uint64_t found_keys[K_MAX];
    float distances[K_MAX];
    size_t found = 0;
    veer_error error;
    const float *vector = b->queries.values + i * b->queries.dims;
    if (with->engine == ENGINE_HNSWLIB) {
        vector = b->unit_queries.values + i * b->queries.dims;
        return peer_hnsw_search(b->peer, vector, b->k, (size_t)with->effort, NULL, NULL,
                                keys != NULL ? keys : found_keys);
    }
    if (with->engine == ENGINE_INDEX) {
        veer_index_search_options options = {.recall = with->effort > 1 ? 0 : with->effort,
                                             .exact = with->effort > 1};
        bench_must(veer_index_search(b->index, vector, 1, b->k, &options,
                                     keys != NULL ? keys : found_keys, distances, &found, &error),
                   &error, "veer_index_search");
        return found;
    }
    veer_results *results;
    bench_must(veer_query_run(with->query, b->snapshot, vector, 1, b->queries.dims, NULL, &results,
                              &error),
               &error, "veer_query_run");
    if (keys != NULL) {
        found = bench_keys(results, keys, b->k);
        with->visited += (double)veer_results_visited(results);
    }
    veer_results_free(results);
    return found;
}

static void measure_recall(bench *b, setting *with)
{
    uint64_t keys[K_MAX];
    size_t hits = 0;
    for (size_t i = 0; i < with->count; i++) {
        size_t found = run_one(b, with, i, keys);
        const float *query = b->queries.values + i * b->queries.dims;
        size_t last = (size_t)b->truth.places[i * b->truth.dims + b->k - 1];
        double kth =
            vecs_distance(b->metric, query, b->base.values + last * b->base.dims, b->base.dims);
        hits += vecs_hits(&b->base, b->metric, query, kth, keys, found);
    }
    with->recall = (double)hits / (double)(b->k * with->count);
    with->visited /= (double)with->count;
}

static void run_round(bench *b, setting *with, size_t round)
{
    double *latencies = with->latencies + round * with->count;
    double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    double start = bench_seconds(CLOCK_MONOTONIC);
    double before = start;
    for (size_t i = 0; i < with->count; i++) {
        run_one(b, with, i, NULL);
        double after = bench_seconds(CLOCK_MONOTONIC);
        latencies[i] = after - before;
        before = after;
    }
    cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    with->cpu_qps[round] = (double)with->count / cpu;
    with->wall_qps[round] = (double)with->count / (before - start);
}

static void print_setting(bench *b, setting *of)
{
    size_t n = b->rounds * of->count;
    size_t bytes = of->engine == ENGINE_HNSWLIB ? peer_hnsw_bytes(b->peer)
                   : of->engine == ENGINE_INDEX ? veer_index_memory(b->index)
                                                : 0;
    printf("{\"engine\": \"%s\", \"setting\": ", engine_names[of->engine]);
    if (of->engine == ENGINE_HNSWLIB) {
        printf("\"ef=%.0f\"", of->effort);
    } else if (of->effort > 1) {
        printf("\"exact\"");
    } else {
        printf("\"recall=%.4g\"", of->effort);
    }
    printf(", \"recall\": %.5f, ", of->recall);
    bench_print_rounds("qps_rounds", of->cpu_qps, b->rounds);
    printf(", ");
    bench_print_rounds("wall_qps_rounds", of->wall_qps, b->rounds);
    printf(", \"p50_us\": %.2f", 1e6 * bench_quantile(of->latencies, n, 0.5));
    printf(", \"p99_us\": %.2f", 1e6 * bench_quantile(of->latencies, n, 0.99));
    if (of->engine == ENGINE_DATABASE) printf(", \"visited\": %.0f", of->visited);
    if (of->engine == ENGINE_INDEX) printf(", \"build_s\": %.4f", b->index_seconds);
    if (bytes > 0) printf(", \"bytes_memory\": %zu", bytes);
    printf(", \"rows\": %zu, \"dims\": %zu, \"k\": %zu, \"tier\": \"%s\"}\n", b->base.rows,
           b->base.dims, b->k, veer_tier());
}

static void add_engines(bench *b, char *const *paths, const char *engines)
{
    bool has_database = strstr(engines, engine_names[ENGINE_DATABASE]) != NULL;
    if (has_database) open_database(b, paths[0]);
    bool has_index = strstr(engines, engine_names[ENGINE_INDEX]) != NULL && make_index(b);
    bool has_peer = strstr(engines, engine_names[ENGINE_HNSWLIB]) != NULL;
    if (has_peer) b->peer = peer_hnsw_load(paths[1], b->base.dims, b->metric != VEER_METRIC_L2);
    for (size_t i = 0; i < sizeof recalls / sizeof recalls[0]; i++) {
        if (has_database) add_setting(b, ENGINE_DATABASE, recalls[i]);
        if (has_index) add_setting(b, ENGINE_INDEX, recalls[i]);
        if (has_peer && i < sizeof efs / sizeof efs[0]) add_setting(b, ENGINE_HNSWLIB, efs[i]);
    }
}

static void finish(bench *b)
{
    veer_error error;
    for (size_t i = 0; i < b->settings_count; i++) {
        veer_query_free(b->settings[i].query);
        free(b->settings[i].latencies);
    }
    veer_snapshot_close(b->snapshot);
    veer_collection_close(b->collection);
    if (b->database != NULL) bench_must(veer_close(b->database, &error), &error, "veer_close");
    veer_index_free(b->index);
    peer_hnsw_free(b->peer);
    free(b->base.values);
    free(b->queries.values);
    free(b->unit_queries.values);
    free(b->truth.values);
}

int main(int argc, char **argv)
{
    if (argc != 10) {
        fprintf(stderr, "search_rates BASE QUERIES TRUTH METRIC DATABASE GRAPH ROUNDS K ENGINES\n");
        return 2;
    }
    static bench b;
    b.base = vecs_read(argv[1]);
    b.queries = vecs_read(argv[2]);
    b.unit_queries = vecs_read(argv[2]);
    b.truth = vecs_read(argv[3]);
    b.metric = bench_metric(argv[4]);
    b.rounds = (size_t)atoi(argv[7]);
    b.k = (size_t)atoi(argv[8]);
    if (b.rounds < 1 || b.rounds > ROUNDS_MAX || b.k < 1 || b.k > b.truth.dims || b.k > K_MAX) {
        fprintf(stderr, "ROUNDS is 1-%u, K 1-%zu\n", ROUNDS_MAX, b.truth.dims);
        return 2;
    }
    if (b.metric == VEER_METRIC_COSINE) vecs_normalise(&b.unit_queries);
    add_engines(&b, argv + 5, argv[9]);
    for (size_t i = 0; i < b.settings_count; i++)
        measure_recall(&b, &b.settings[i]);
    for (size_t round = 0; round < b.rounds; round++) {
        for (size_t i = 0; i < b.settings_count; i++)
            run_round(&b, &b.settings[i], round);
    }
    for (size_t i = 0; i < b.settings_count; i++)
        print_setting(&b, &b.settings[i]);
    finish(&b);
    return 0;
}
