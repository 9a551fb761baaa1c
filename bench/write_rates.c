/* Acknowledged writes a second, one thread:
 *
 *   write_rates BASE METRIC FOLDER SECONDS ROUNDS
 *
 * For each sync mode (full, interval, none) and batch size (1, 10, 100, 1000) a database of its own
 * in FOLDER takes batches of rows of BASE with a keyword and a number field; a write counts when
 * veer_write has returned. Each combination runs for SECONDS a round; rounds go through all of
 * them. The databases are removed by the caller. One JSON object a combination.
 */
#define _GNU_SOURCE
#include "vecs_truth.h"

#define ROUNDS_MAX 99u
#define BATCH_MAX 1000u
#define DOCUMENT_BYTES 80u

static const char *const modes[] = {"full", "interval", "none"};
static const size_t batches[] = {1, 10, 100, 1000};
enum { MODES = 3, BATCHES = 4 };

typedef struct writer {
    veer_database *database;
    veer_collection *collection;
    size_t written;
    double wall[ROUNDS_MAX], cpu[ROUNDS_MAX]; /* documents a second */
    double *latencies;
    size_t latencies_count, latencies_capacity;
} writer;

static void open_writer(writer *w, const vecs *base, const char *metric, const char *folder,
                        const char *mode, size_t batch)
{
    char path[4096], options[80], schema[256];
    veer_error error;
    snprintf(path, sizeof path, "%s/write-%s-%zu", folder, mode, batch);
    snprintf(options, sizeof options, "{\"create\": true, \"sync\": \"%s\"}", mode);
    snprintf(schema, sizeof schema,
             "{\"fields\": {\"vector\": {\"type\": \"vector\", \"dims\": %zu, \"metric\": \"%s\"}, "
             "\"tag\": {\"type\": \"keyword\"}, \"year\": {\"type\": \"number\"}}}",
             base->dims, metric);
    bench_must(veer_open(path, NULL, options, NULL, &w->database, &error), &error, path);
    bench_must(veer_collection_open(w->database, "documents", schema, &w->collection, &error),
               &error, path);
    w->latencies_capacity = 1u << 20;
    w->latencies = malloc(w->latencies_capacity * sizeof(double));
}

static void write_batch(writer *w, const vecs *base, size_t batch, char *documents)
{
    size_t row = w->written % (base->rows - batch);
    size_t bytes = 0;
    for (size_t i = 0; i < batch; i++) {
        size_t number = w->written + i;
        bytes += (size_t)snprintf(documents + bytes, DOCUMENT_BYTES,
                                  "{\"id\":\"doc-%zu\",\"tag\":\"tag%zu\",\"year\":%zu}\n", number,
                                  number % 97, 1900 + number % 121);
    }
    veer_vectors vectors = {.data = base->values + row * base->dims, .dims = base->dims};
    veer_operation operation = {.collection = w->collection,
                                .kind = VEER_WRITE_UPSERT,
                                .documents = documents,
                                .documents_bytes = bytes,
                                .count = batch,
                                .vectors = &vectors,
                                .vectors_count = 1};
    veer_error error;
    bench_must(veer_write(w->database, &operation, 1, NULL, &error), &error, "veer_write");
    w->written += batch;
}

static void run_round(writer *w, const vecs *base, size_t batch, double seconds, size_t round,
                      char *documents)
{
    double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    double start = bench_seconds(CLOCK_MONOTONIC);
    double before = start;
    size_t first = w->written;
    while (before - start < seconds) {
        write_batch(w, base, batch, documents);
        double after = bench_seconds(CLOCK_MONOTONIC);
        if (w->latencies_count < w->latencies_capacity) {
            w->latencies[w->latencies_count++] = after - before;
        }
        before = after;
    }
    double count = (double)(w->written - first);
    w->wall[round] = count / (before - start);
    w->cpu[round] = count / (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

static void close_writer(writer *w, const vecs *base, const char *mode, size_t batch, size_t rounds)
{
    veer_error error;
    size_t n = w->latencies_count;
    printf("{\"engine\": \"veer-database\", \"setting\": \"sync=%s batch=%zu\", "
           "\"sync\": \"%s\", \"batch\": %zu, ",
           mode, batch, mode, batch);
    bench_print_rounds("wall_qps_rounds", w->wall, rounds);
    printf(", ");
    bench_print_rounds("qps_rounds", w->cpu, rounds);
    printf(", \"p50_us\": %.2f", 1e6 * bench_quantile(w->latencies, n, 0.5));
    printf(", \"p99_us\": %.2f, \"rows\": %zu, \"dims\": %zu, \"tier\": \"%s\"}\n",
           1e6 * bench_quantile(w->latencies, n, 0.99), w->written, base->dims, veer_tier());
    free(w->latencies);
    veer_collection_close(w->collection);
    bench_must(veer_close(w->database, &error), &error, "veer_close");
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "write_rates BASE METRIC FOLDER SECONDS ROUNDS\n");
        return 2;
    }
    vecs base = vecs_read(argv[1]);
    double seconds = atof(argv[4]);
    size_t rounds = (size_t)atoi(argv[5]);
    if (base.rows <= BATCH_MAX || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "BASE has more than %u rows, ROUNDS is 1-%u\n", BATCH_MAX, ROUNDS_MAX);
        return 2;
    }
    static writer writers[MODES][BATCHES];
    char *documents = malloc(BATCH_MAX * DOCUMENT_BYTES);
    for (size_t m = 0; m < MODES; m++)
        for (size_t i = 0; i < BATCHES; i++)
            open_writer(&writers[m][i], &base, argv[2], argv[3], modes[m], batches[i]);
    for (size_t round = 0; round < rounds; round++)
        for (size_t m = 0; m < MODES; m++)
            for (size_t i = 0; i < BATCHES; i++)
                run_round(&writers[m][i], &base, batches[i], seconds, round, documents);
    for (size_t m = 0; m < MODES; m++)
        for (size_t i = 0; i < BATCHES; i++)
            close_writer(&writers[m][i], &base, modes[m], batches[i], rounds);
    free(documents);
    free(base.values);
    return 0;
}
