/* Recall and speed of search, one thread, one query at a time, of several engines in one process:
 *
 *   search_rates BASE QUERIES TRUTH METRIC ROUNDS K LIMIT ENGINE...
 *
 * An ENGINE is NAME=KIND:PATH, with the kinds
 *
 *   scan, graph  a database at PATH that holds BASE with row numbers as ids, without graphs and
 *                with them
 *   index        veer.h's index level, made of BASE; PATH is its option graphRows. Where the
 *                library has no such option, 0 is what it does, and others are left out
 *   hnswlib      hnswlib's index at PATH, built from BASE
 *   faiss        faiss's, where this was compiled with it
 *
 * Only the first LIMIT queries are asked (0: all). Every setting of every engine runs all of them
 * once to warm up and to measure its recall, then once a round; rounds go through all settings, so
 * that what disturbs the machine disturbs all of them. One JSON object a setting: recall, queries a
 * second by process CPU time and by the wall clock for each round, percentiles of a query's wall
 * time over all rounds, rows visited, and the method that the plan chose.
 */
#define _GNU_SOURCE
#include "peer_hnswlib.h"
#include "vecs_truth.h"
#if defined(BENCH_HAS_FAISS)
#include "peer_faiss.h"
#endif

#define K_MAX 1000u
#define ROUNDS_MAX 99u
#define ENGINES_MAX 8u
#define SETTINGS_MAX 128u
#define EXACT_QUERIES 50u
#define EXACT 2.0 /* among recalls */

typedef enum engine_kind {
    KIND_SCAN,
    KIND_GRAPH,
    KIND_INDEX,
    KIND_HNSWLIB,
    KIND_FAISS,
    KINDS
} engine_kind;
static const char *const kind_names[KINDS] = {"scan", "graph", "index", "hnswlib", "faiss"};

typedef struct engine {
    engine_kind kind;
    char name[64];
    veer_database *database;
    veer_collection *collection;
    veer_snapshot *snapshot;
    veer_index *index;
    double index_seconds;
    peer_hnsw *peer;
#if defined(BENCH_HAS_FAISS)
    peer_faiss *faiss;
#endif
} engine;

static bool is_peer(const engine *engine)
{
    return engine->kind == KIND_HNSWLIB || engine->kind == KIND_FAISS;
}

typedef struct setting {
    engine *engine;
    double effort; /* recall asked for, EXACT, or ef */
    veer_query *query;
    char method[16]; /* databases: of the plan */
    double recall, visited;
    double cpu_qps[ROUNDS_MAX], wall_qps[ROUNDS_MAX];
    double *latencies; /* rounds * count */
    size_t count;      /* of queries: the first ones */
} setting;

typedef struct bench {
    vecs base, queries, truth, unit_queries;
    veer_metric metric;
    size_t k, rounds;
    engine engines[ENGINES_MAX];
    size_t engines_count;
    setting settings[SETTINGS_MAX];
    size_t settings_count;
} bench;

static const double scan_recalls[] = {0.7,  0.8,  0.85,  0.9,   0.93, 0.95, 0.97,
                                      0.98, 0.99, 0.995, 0.999, 1.0,  EXACT};
static const double graph_recalls[] = {0.7,  0.8,   0.85, 0.9,   0.93,  0.95, 0.965,
                                       0.98, 0.985, 0.99, 0.995, 0.998, 0.999};
static const double efs[] = {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 450};

static void open_database(engine *of, const char *path)
{
    veer_error error;
    bench_must(veer_open(path, NULL, "{\"mode\": \"readonly\"}", NULL, &of->database, &error),
               &error, path);
    bench_must(veer_collection_open(of->database, "documents", NULL, &of->collection, &error),
               &error, path);
    bench_must(veer_snapshot_open(of->database, &of->snapshot, &error), &error, path);
}

/* False: the library has no index of this kind. */
static bool make_index(const bench *b, engine *of, const char *graph_rows)
{
    veer_error error;
    char options[128];
    static const char *const metrics[] = {"cosine", "dot", "l2"};
    const char *form = "{\"dims\": %zu, \"metric\": \"%s\", \"graphRows\": %s}";
    snprintf(options, sizeof options, form, b->base.dims, metrics[b->metric], graph_rows);
    veer_status status = veer_index_new(options, NULL, &of->index, &error);
    if (status == VEER_E_OPTION) {
        if (strcmp(graph_rows, "0") != 0) return false;
        form = "{\"dims\": %zu, \"metric\": \"%s\"}";
        snprintf(options, sizeof options, form, b->base.dims, metrics[b->metric]);
        status = veer_index_new(options, NULL, &of->index, &error);
    }
    bench_must(status, &error, "veer_index_new");
    uint64_t *keys = malloc(b->base.rows * sizeof *keys);
    for (size_t i = 0; i < b->base.rows; i++)
        keys[i] = i;
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    bench_must(veer_index_add(of->index, keys, b->base.values, b->base.rows, &error), &error,
               "add");
    bench_must(veer_index_optimize(of->index, -1, NULL, &error), &error, "optimize");
    of->index_seconds = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    free(keys);
    return true;
}

/* What `explain` of the first query calls the method. */
static void ask_method(const bench *b, setting *of, const char *request)
{
    char explained[160];
    veer_results *results;
    veer_error error;
    snprintf(explained, sizeof explained, "%.*s, \"explain\": true}", (int)strlen(request) - 1,
             request);
    bench_must(veer_search(of->engine->collection, of->engine->snapshot, explained,
                           b->queries.values, 1, b->queries.dims, NULL, &results, &error),
               &error, explained);
    const char *method = strstr(veer_results_explain(results), "\"method\":\"");
    if (method != NULL) sscanf(method + 10, "%15[a-z]", of->method);
    veer_results_free(results);
}

static void add_setting(bench *b, engine *engine, double effort)
{
    if (b->settings_count == SETTINGS_MAX) return;
    setting *added = &b->settings[b->settings_count++];
    added->engine = engine;
    added->effort = effort;
    /* Exact search is not what is compared: some queries tell its speed. */
    bool is_exact = !is_peer(engine) && effort == EXACT;
    added->count = is_exact && b->queries.rows > EXACT_QUERIES ? EXACT_QUERIES : b->queries.rows;
    added->latencies = malloc(b->rounds * added->count * sizeof(double));
    if (engine->database == NULL) return;
    char request[128];
    if (is_exact) {
        snprintf(request, sizeof request, "{\"k\": %zu, \"select\": false, \"exact\": true}", b->k);
    } else {
        snprintf(request, sizeof request, "{\"k\": %zu, \"select\": false, \"recall\": %.4g}", b->k,
                 effort);
    }
    veer_error error;
    bench_must(veer_query_prepare(engine->collection, request, &added->query, &error), &error,
               request);
    ask_method(b, added, request);
}

/* Runs query i; `keys` NULL: the answer is thrown away. */
static size_t run_one(bench *b, setting *with, size_t i, uint64_t *keys)
{
    uint64_t found_keys[K_MAX];
    float distances[K_MAX];
    size_t found = 0;
    veer_error error;
    const float *vector = b->queries.values + i * b->queries.dims;
    engine *engine = with->engine;
    if (engine->kind == KIND_HNSWLIB) {
        vector = b->unit_queries.values + i * b->queries.dims;
        return peer_hnsw_search(engine->peer, vector, b->k, (size_t)with->effort, NULL, NULL,
                                keys != NULL ? keys : found_keys);
    }
#if defined(BENCH_HAS_FAISS)
    if (engine->kind == KIND_FAISS) {
        vector = b->unit_queries.values + i * b->queries.dims;
        return peer_faiss_search(engine->faiss, vector, b->k, (size_t)with->effort,
                                 keys != NULL ? keys : found_keys);
    }
#endif
    if (engine->kind == KIND_INDEX) {
        veer_index_search_options options = {.recall = with->effort > 1 ? 0 : with->effort,
                                             .exact = with->effort > 1};
        bench_must(veer_index_search(engine->index, vector, 1, b->k, &options,
                                     keys != NULL ? keys : found_keys, distances, &found, &error),
                   &error, "veer_index_search");
        return found;
    }
    veer_results *results;
    bench_must(veer_query_run(with->query, engine->snapshot, vector, 1, b->queries.dims, NULL,
                              &results, &error),
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
    const engine *engine = of->engine;
    size_t n = b->rounds * of->count;
    size_t bytes = engine->peer != NULL    ? peer_hnsw_bytes(engine->peer)
                   : engine->index != NULL ? veer_index_memory(engine->index)
                                           : 0;
#if defined(BENCH_HAS_FAISS)
    if (engine->faiss != NULL) bytes = peer_faiss_bytes(engine->faiss);
#endif
    printf("{\"engine\": \"%s\", \"setting\": ", engine->name);
    if (is_peer(engine)) {
        printf("\"ef=%.0f\"", of->effort);
    } else if (of->effort == EXACT) {
        printf("\"exact\"");
    } else {
        printf("\"recall=%.4g\", \"asked\": %.4g", of->effort, of->effort);
    }
    printf(", \"recall\": %.5f, ", of->recall);
    bench_print_rounds("qps_rounds", of->cpu_qps, b->rounds);
    printf(", ");
    bench_print_rounds("wall_qps_rounds", of->wall_qps, b->rounds);
    printf(", \"p50_us\": %.2f", 1e6 * bench_quantile(of->latencies, n, 0.5));
    printf(", \"p99_us\": %.2f", 1e6 * bench_quantile(of->latencies, n, 0.99));
    if (engine->database != NULL) {
        printf(", \"visited\": %.0f, \"method\": \"%s\"", of->visited, of->method);
    }
    if (engine->index != NULL) printf(", \"build_s\": %.4f", engine->index_seconds);
    if (bytes > 0) printf(", \"bytes_memory\": %zu", bytes);
    printf(", \"rows\": %zu, \"dims\": %zu, \"k\": %zu, \"queries\": %zu", b->base.rows,
           b->base.dims, b->k, of->count);
    if (!is_peer(engine)) printf(", \"tier\": \"%s\"", veer_tier());
    printf("}\n");
}

/* NAME=KIND:PATH */
static void add_engine(bench *b, const char *argument)
{
    engine *added = &b->engines[b->engines_count++];
    char kind[16];
    int path = 0;
    if (sscanf(argument, "%63[^=]=%15[a-z]:%n", added->name, kind, &path) != 2 || path == 0) {
        fprintf(stderr, "%s: not NAME=KIND:PATH\n", argument);
        exit(2);
    }
    while (added->kind < KINDS && strcmp(kind, kind_names[added->kind]) != 0)
        added->kind++;
    switch (added->kind) {
    case KIND_SCAN:
    case KIND_GRAPH:
        open_database(added, argument + path);
        break;
    case KIND_INDEX:
        if (!make_index(b, added, argument + path)) b->engines_count--;
        break;
    case KIND_HNSWLIB:
        added->peer = peer_hnsw_load(argument + path, b->base.dims, b->metric != VEER_METRIC_L2);
        break;
#if defined(BENCH_HAS_FAISS)
    case KIND_FAISS:
        added->faiss = peer_faiss_load(argument + path);
        break;
#endif
    default:
        fprintf(stderr, "%s: not a kind of engine here\n", kind);
        exit(2);
    }
}

static void add_settings(bench *b)
{
    static const struct {
        const double *efforts;
        size_t count;
    } lists[KINDS] = {
        [KIND_SCAN] = {scan_recalls, sizeof scan_recalls / sizeof scan_recalls[0]},
        [KIND_GRAPH] = {graph_recalls, sizeof graph_recalls / sizeof graph_recalls[0]},
        [KIND_INDEX] = {scan_recalls, sizeof scan_recalls / sizeof scan_recalls[0]},
        [KIND_HNSWLIB] = {efs, sizeof efs / sizeof efs[0]},
        [KIND_FAISS] = {efs, sizeof efs / sizeof efs[0]},
    };
    for (size_t place = 0; place < 16; place++) {
        for (size_t i = 0; i < b->engines_count; i++) {
            engine *engine = &b->engines[i];
            if (place < lists[engine->kind].count)
                add_setting(b, engine, lists[engine->kind].efforts[place]);
        }
    }
}

static void finish(bench *b)
{
    veer_error error;
    for (size_t i = 0; i < b->settings_count; i++) {
        veer_query_free(b->settings[i].query);
        free(b->settings[i].latencies);
    }
    for (size_t i = 0; i < b->engines_count; i++) {
        engine *of = &b->engines[i];
        veer_snapshot_close(of->snapshot);
        veer_collection_close(of->collection);
        if (of->database != NULL) bench_must(veer_close(of->database, &error), &error, of->name);
        veer_index_free(of->index);
        peer_hnsw_free(of->peer);
#if defined(BENCH_HAS_FAISS)
        peer_faiss_free(of->faiss);
#endif
    }
    free(b->base.values);
    free(b->queries.values);
    free(b->unit_queries.values);
    free(b->truth.values);
}

int main(int argc, char **argv)
{
    if (argc < 9 || argc > 8 + (int)ENGINES_MAX) {
        fprintf(stderr,
                "search_rates BASE QUERIES TRUTH METRIC ROUNDS K LIMIT NAME=KIND:PATH...\n");
        return 2;
    }
    static bench b;
    b.base = vecs_read(argv[1]);
    b.queries = vecs_read(argv[2]);
    b.unit_queries = vecs_read(argv[2]);
    b.truth = vecs_read(argv[3]);
    b.metric = bench_metric(argv[4]);
    b.rounds = (size_t)atoi(argv[5]);
    b.k = (size_t)atoi(argv[6]);
    size_t limit = (size_t)atoi(argv[7]);
    if (b.rounds < 1 || b.rounds > ROUNDS_MAX || b.k < 1 || b.k > b.truth.dims || b.k > K_MAX) {
        fprintf(stderr, "ROUNDS is 1-%u, K 1-%zu\n", ROUNDS_MAX, b.truth.dims);
        return 2;
    }
    if (limit > 0 && limit < b.queries.rows) b.queries.rows = limit;
    if (b.metric == VEER_METRIC_COSINE) vecs_normalise(&b.unit_queries);
    for (int i = 8; i < argc; i++)
        add_engine(&b, argv[i]);
    add_settings(&b);
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
