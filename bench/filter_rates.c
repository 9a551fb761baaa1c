/* Filtered search: recall and speed by selectivity, one thread, one query at a time:
 *
 *   filter_rates BASE QUERIES METRIC FOLDER GRAPH ROUNDS K LIMIT
 *
 * Makes a database in FOLDER (removed by the caller) whose documents have a number `u` that has
 * nothing to do with the vector, and a number `p`, the place of the row in the order along the
 * direction in which the vectors vary most. A filter is a range of one of them: of `u`; of `p` around the query's
 * own place (correlated: matches are near); of `p` at the far end from it (anti-correlated). Selectivities are
 * 50 % to 0.01 %. The true neighbours are found by comparing every row. hnswlib's unfiltered search
 * at several ef runs in the same rounds. Only the first LIMIT queries are asked (0: all); all background work
 * is done before, so that the rows have a graph. One JSON object a setting.
 */
#define _GNU_SOURCE
#include <math.h>

#include "peer_hnswlib.h"
#include "vecs_truth.h"

#define ROUNDS_MAX 99u
#define K_MAX 100u

enum { KINDS = 3, SELECTIVITIES = 5, EFS = 5, BATCH = 1000 };
static const char *const kinds[] = {"random", "correlated", "anti-correlated"};
static const double selectivities[] = {0.5, 0.1, 0.01, 0.001, 0.0001};
static const size_t efs[EFS] = {10, 20, 40, 80, 160};

typedef struct rates_of {
    double recall, matches, missing;
    double cpu_qps[ROUNDS_MAX], wall_qps[ROUNDS_MAX];
    double *latencies;
} rates_of;

typedef struct bench {
    vecs base, queries;
    veer_metric metric;
    size_t k, rounds;
    uint32_t *u, *place, *row_at; /* row_at[place[row]] = row; u is a permutation too */
    uint32_t *query_place;
    veer_database *database;
    veer_collection *collection;
    veer_query *by_u, *by_p;
    peer_hnsw *peer;
    rates_of filtered[KINDS][SELECTIVITIES];
    rates_of plain[EFS];
} bench;

typedef struct range {
    uint32_t from, to; /* from <= x < to */
} range;

static range range_of(const bench *b, size_t kind, double selectivity, size_t query)
{
    uint32_t n = (uint32_t)b->base.rows;
    uint32_t width = (uint32_t)(selectivity * n + 0.5);
    if (width < 1) width = 1;
    uint32_t from = b->query_place[query];
    if (kind == 0) {
        /* Another part for every query, so that no bitmap is answered from memory. */
        from = (uint32_t)(query * 7919u % (n - width + 1));
    } else if (kind == 1) {
        from = from < width / 2 ? 0 : from - width / 2;
        if (from > n - width) from = n - width;
    } else {
        from = from < n / 2 ? n - width : 0;
    }
    return (range){from, from + width};
}

/* ---------------------------------------------------------------- the fields */

static const float *sort_keys;

static int by_key(const void *a, const void *b)
{
    float x = sort_keys[*(const uint32_t *)a];
    float y = sort_keys[*(const uint32_t *)b];
    return (x > y) - (x < y);
}

static float projection(const float *direction, const float *row, size_t dims)
{
    float sum = 0;
    for (size_t i = 0; i < dims; i++)
        sum += direction[i] * row[i];
    return sum;
}

/* The direction of most variance, by power iteration over some thousand rows. */
static void main_direction(const vecs *base, float *direction)
{
    size_t dims = base->dims, step = base->rows / 4000 + 1;
    double *mean = calloc(dims, sizeof *mean), *sum = calloc(dims, sizeof *sum);
    size_t count = 0;
    for (size_t i = 0; i < base->rows; i += step, count++)
        for (size_t j = 0; j < dims; j++)
            mean[j] += (double)base->values[i * dims + j];
    for (size_t j = 0; j < dims; j++) {
        mean[j] /= (double)count;
        direction[j] = j % 2 ? 1.0f : -0.5f;
    }
    for (int iteration = 0; iteration < 30; iteration++) {
        memset(sum, 0, dims * sizeof *sum);
        for (size_t i = 0; i < base->rows; i += step) {
            const float *row = base->values + i * dims;
            double along = 0;
            for (size_t j = 0; j < dims; j++)
                along += ((double)row[j] - mean[j]) * (double)direction[j];
            for (size_t j = 0; j < dims; j++)
                sum[j] += along * ((double)row[j] - mean[j]);
        }
        double norm = 0;
        for (size_t j = 0; j < dims; j++)
            norm += sum[j] * sum[j];
        for (size_t j = 0; j < dims; j++)
            direction[j] = (float)(sum[j] / sqrt(norm));
    }
    free(mean);
    free(sum);
}

static void make_fields(bench *b)
{
    size_t n = b->base.rows, dims = b->base.dims;
    float *direction = malloc(dims * sizeof *direction), *along = malloc(n * sizeof *along);
    b->u = malloc(n * sizeof *b->u);
    b->place = malloc(n * sizeof *b->place);
    b->row_at = malloc(n * sizeof *b->row_at);
    b->query_place = malloc(b->queries.rows * sizeof *b->query_place);
    uint64_t state = 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t other = (size_t)(state >> 33) % (i + 1); /* Fisher and Yates, inside out */
        b->u[i] = b->u[other];
        b->u[other] = (uint32_t)i;
    }
    main_direction(&b->base, direction);
    for (size_t i = 0; i < n; i++) {
        along[i] = projection(direction, b->base.values + i * dims, dims);
        b->row_at[i] = (uint32_t)i;
    }
    sort_keys = along;
    qsort(b->row_at, n, sizeof *b->row_at, by_key);
    for (size_t i = 0; i < n; i++)
        b->place[b->row_at[i]] = (uint32_t)i;
    for (size_t i = 0; i < b->queries.rows; i++) {
        float at = projection(direction, b->queries.values + i * dims, dims);
        size_t low = 0, high = n;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (along[b->row_at[middle]] < at) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        b->query_place[i] = (uint32_t)low;
    }
    free(direction);
    free(along);
}

/* ---------------------------------------------------------------- the database */

static void write_rows(bench *b)
{
    char *documents = malloc(BATCH * 96);
    veer_error error;
    for (size_t first = 0; first < b->base.rows; first += BATCH) {
        size_t count = b->base.rows - first < BATCH ? b->base.rows - first : BATCH;
        size_t bytes = 0;
        for (size_t i = first; i < first + count; i++) {
            bytes += (size_t)snprintf(documents + bytes, 96, "{\"id\":\"%zu\",\"u\":%u,\"p\":%u}\n",
                                      i, b->u[i], b->place[i]);
        }
        veer_vectors vectors = {.data = b->base.values + first * b->base.dims,
                                .dims = b->base.dims};
        veer_operation operation = {.collection = b->collection,
                                    .documents = documents,
                                    .documents_bytes = bytes,
                                    .count = count,
                                    .vectors = &vectors,
                                    .vectors_count = 1};
        bench_must(veer_write(b->database, &operation, 1, NULL, &error), &error, "veer_write");
    }
    bench_must(veer_checkpoint(b->database, NULL, NULL, &error), &error, "veer_checkpoint");
    bool left = true;
    while (left)
        bench_must(veer_work(b->database, -1, &left, &error), &error, "veer_work");
    free(documents);
}

static void make_database(bench *b, const char *folder, const char *metric)
{
    char path[4096], schema[256], request[160];
    veer_error error;
    snprintf(path, sizeof path, "%s/filter", folder);
    snprintf(schema, sizeof schema,
             "{\"fields\": {\"vector\": {\"type\": \"vector\", \"dims\": %zu, \"metric\": \"%s\"}, "
             "\"u\": {\"type\": \"number\"}, \"p\": {\"type\": \"number\"}}}",
             b->base.dims, metric);
    bench_must(veer_open(path, NULL,
                         "{\"create\": true, \"sync\": \"none\", \"graphRows\": 1, "
                         "\"segmentBytes\": 1073741824}",
                         NULL, &b->database, &error),
               &error, path);
    bench_must(veer_collection_open(b->database, "documents", schema, &b->collection, &error),
               &error, path);
    write_rows(b);
    const char *form = "{\"k\": %zu, \"select\": false, \"filter\": \"%s >= ? AND %s < ?\"}";
    snprintf(request, sizeof request, form, b->k, "u", "u");
    bench_must(veer_query_prepare(b->collection, request, &b->by_u, &error), &error, request);
    snprintf(request, sizeof request, form, b->k, "p", "p");
    bench_must(veer_query_prepare(b->collection, request, &b->by_p, &error), &error, request);
}

/* ---------------------------------------------------------------- measuring */

static veer_results *run_filtered(bench *b, size_t kind, double selectivity, size_t query)
{
    char parameters[48];
    range over = range_of(b, kind, selectivity, query);
    snprintf(parameters, sizeof parameters, "[%u, %u]", over.from, over.to);
    veer_results *results;
    veer_error error;
    bench_must(veer_query_run(kind == 0 ? b->by_u : b->by_p, NULL,
                              b->queries.values + query * b->queries.dims, 1, b->queries.dims,
                              parameters, &results, &error),
               &error, "veer_query_run");
    return results;
}

/* The k-th smallest distance of the rows that match, and how many do. */
static double true_kth(const bench *b, size_t kind, range over, const float *distances,
                       size_t *matches)
{
    double best[K_MAX];
    size_t count = 0;
    *matches = 0;
    for (size_t row = 0; row < b->base.rows; row++) {
        uint32_t at = kind == 0 ? b->u[row] : b->place[row];
        if (at < over.from || at >= over.to) continue;
        ++*matches;
        double d = (double)distances[row];
        if (count == b->k && d >= best[count - 1]) continue;
        size_t place = count < b->k ? count++ : count - 1;
        for (; place > 0 && best[place - 1] > d; place--)
            best[place] = best[place - 1];
        best[place] = d;
    }
    return count > 0 ? best[count - 1] : -INFINITY;
}

static void measure_recall(bench *b, size_t query, const float *distances)
{
    uint64_t keys[K_MAX];
    const float *vector = b->queries.values + query * b->queries.dims;
    double n = (double)b->queries.rows;
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t s = 0; s < SELECTIVITIES; s++) {
            rates_of *to = &b->filtered[kind][s];
            range over = range_of(b, kind, selectivities[s], query);
            size_t matches;
            double kth = true_kth(b, kind, over, distances, &matches);
            size_t wanted = matches < b->k ? matches : b->k;
            veer_results *results = run_filtered(b, kind, selectivities[s], query);
            size_t found = bench_keys(results, keys, b->k);
            veer_results_free(results);
            size_t in_range = 0;
            for (size_t i = 0; i < found; i++) {
                uint32_t at = kind == 0 ? b->u[keys[i]] : b->place[keys[i]];
                if (at >= over.from && at < over.to) keys[in_range++] = keys[i];
            }
            size_t hits = vecs_hits(&b->base, b->metric, vector, kth, keys, in_range);
            to->recall += (double)(hits < wanted ? hits : wanted) / (double)wanted / n;
            to->matches += (double)matches / n;
            to->missing += (double)(wanted - (in_range < wanted ? in_range : wanted));
        }
    }
    double kth = true_kth(b, 0, (range){0, (uint32_t)b->base.rows}, distances, &(size_t){0});
    for (size_t i = 0; i < EFS; i++) {
        size_t found = peer_hnsw_search(b->peer, vector, b->k, efs[i], NULL, NULL, keys);
        size_t hits = vecs_hits(&b->base, b->metric, vector, kth, keys, found);
        b->plain[i].recall += (double)hits / (double)b->k / n;
    }
}

static void measure_recalls(bench *b)
{
    float *distances = malloc(b->base.rows * sizeof *distances);
    for (size_t query = 0; query < b->queries.rows; query++) {
        const float *vector = b->queries.values + query * b->queries.dims;
        for (size_t row = 0; row < b->base.rows; row++) {
            distances[row] = (float)vecs_distance(
                b->metric, vector, b->base.values + row * b->base.dims, b->base.dims);
        }
        measure_recall(b, query, distances);
    }
    free(distances);
}

/* `kind` KINDS: hnswlib, unfiltered, efs[s]. */
static void run_round(bench *b, rates_of *to, size_t kind, size_t s, size_t round)
{
    uint64_t keys[K_MAX];
    double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    double start = bench_seconds(CLOCK_MONOTONIC);
    double before = start;
    for (size_t i = 0; i < b->queries.rows; i++) {
        if (kind == KINDS) {
            peer_hnsw_search(b->peer, b->queries.values + i * b->queries.dims, b->k, efs[s], NULL,
                             NULL, keys);
        } else {
            veer_results_free(run_filtered(b, kind, selectivities[s], i));
        }
        double after = bench_seconds(CLOCK_MONOTONIC);
        to->latencies[round * b->queries.rows + i] = after - before;
        before = after;
    }
    cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    to->cpu_qps[round] = (double)b->queries.rows / cpu;
    to->wall_qps[round] = (double)b->queries.rows / (before - start);
}

static void print_rates(const bench *b, rates_of *of, const char *engine, const char *setting)
{
    size_t n = b->rounds * b->queries.rows;
    printf("{\"engine\": \"%s\", \"setting\": \"%s\", \"recall\": %.5f, ", engine, setting,
           of->recall);
    bench_print_rounds("qps_rounds", of->cpu_qps, b->rounds);
    printf(", ");
    bench_print_rounds("wall_qps_rounds", of->wall_qps, b->rounds);
    printf(", \"p50_us\": %.2f", 1e6 * bench_quantile(of->latencies, n, 0.5));
    printf(", \"p99_us\": %.2f, \"matches\": %.1f, \"missing\": %.0f, ",
           1e6 * bench_quantile(of->latencies, n, 0.99), of->matches, of->missing);
    printf("\"rows\": %zu, \"dims\": %zu, \"k\": %zu, \"tier\": \"%s\"}\n", b->base.rows,
           b->base.dims, b->k, veer_tier());
}

static void print_all(bench *b)
{
    char setting[64];
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t s = 0; s < SELECTIVITIES; s++) {
            snprintf(setting, sizeof setting, "%s %g %%", kinds[kind], 100 * selectivities[s]);
            print_rates(b, &b->filtered[kind][s], "veer-database", setting);
        }
    }
    for (size_t i = 0; i < EFS; i++) {
        snprintf(setting, sizeof setting, "unfiltered ef=%zu", efs[i]);
        print_rates(b, &b->plain[i], "hnswlib", setting);
    }
}

static void measure(bench *b)
{
    size_t latencies = b->rounds * b->queries.rows;
    for (size_t kind = 0; kind < KINDS; kind++)
        for (size_t s = 0; s < SELECTIVITIES; s++)
            b->filtered[kind][s].latencies = malloc(latencies * sizeof(double));
    for (size_t i = 0; i < EFS; i++)
        b->plain[i].latencies = malloc(latencies * sizeof(double));
    measure_recalls(b);
    for (size_t round = 0; round < b->rounds; round++) {
        for (size_t kind = 0; kind < KINDS; kind++)
            for (size_t s = 0; s < SELECTIVITIES; s++)
                run_round(b, &b->filtered[kind][s], kind, s, round);
        for (size_t i = 0; i < EFS; i++)
            run_round(b, &b->plain[i], KINDS, i, round);
    }
    print_all(b);
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr, "filter_rates BASE QUERIES METRIC FOLDER GRAPH ROUNDS K LIMIT\n");
        return 2;
    }
    static bench b;
    b.base = vecs_read(argv[1]);
    b.queries = vecs_read(argv[2]);
    b.metric = bench_metric(argv[3]);
    b.rounds = (size_t)atoi(argv[6]);
    b.k = (size_t)atoi(argv[7]);
    if (b.rounds < 1 || b.rounds > ROUNDS_MAX || b.k < 1 || b.k > K_MAX) {
        fprintf(stderr, "ROUNDS is 1-%u, K 1-%u\n", ROUNDS_MAX, K_MAX);
        return 2;
    }
    size_t limit = (size_t)atoi(argv[8]);
    if (limit > 0 && limit < b.queries.rows) b.queries.rows = limit;
    if (b.metric == VEER_METRIC_COSINE) {
        vecs_normalise(&b.base);
        vecs_normalise(&b.queries);
    }
    b.peer = peer_hnsw_load(argv[5], b.base.dims, b.metric != VEER_METRIC_L2);
    make_fields(&b);
    make_database(&b, argv[4], argv[3]);
    measure(&b);
    veer_error error;
    veer_query_free(b.by_u);
    veer_query_free(b.by_p);
    veer_collection_close(b.collection);
    bench_must(veer_close(b.database, &error), &error, "veer_close");
    peer_hnsw_free(b.peer);
    return 0;
}
