/* How long the slices of background work take, and how long writers wait for it:
 *
 *   work_slices FOLDER [ROWS [DIMS [BUDGET_MS]]]      (defaults 1000000, 8, 5)
 *
 * A database in FOLDER (an empty one) takes ROWS documents with columns of every kind, in the
 * order of a time field that the documents do not come in. Three lives:
 *
 *   seal    one active segment of ROWS rows is sealed
 *   merge   another segment and a share of deleted rows; all becomes one
 *   steps   the same merge again after further deletions, with a budget of 0: one step a call,
 *           by kind of step
 *
 * Meanwhile a second thread writes one document every few milliseconds; its latencies are what
 * writers feel. Output is for people, one line a kind: calls, p50, p99, max in ms; a machine that
 * is busy with other things makes the wall clock worse than the thread's own time.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/work.h"
#include "platform/clock.h"
#include "veer.h"

#define BATCH 1000u
#define DOCUMENT_BYTES 256u
#define KINDS_MAX 32u
#define CALLS_MAX (1u << 20)

static void must(veer_status status, const veer_error *error, const char *what)
{
    if (status == VEER_OK) return;
    fprintf(stderr, "work_slices: %s: %s\n", what, error->message);
    exit(1);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* ---- figures */

typedef struct figures {
    const char *name;
    double *ms;
    size_t count;
    double cpu_max;
} figures;

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

static void add(figures *to, double ms, double cpu)
{
    if (cpu > to->cpu_max) to->cpu_max = cpu;
    if (!to->ms) to->ms = malloc(CALLS_MAX * sizeof *to->ms);
    if (!to->ms) abort();
    if (to->count < CALLS_MAX) to->ms[to->count++] = ms;
}

static void print(figures *of)
{
    if (of->count == 0) return;
    qsort(of->ms, of->count, sizeof *of->ms, by_size);
    double sum = 0;
    for (size_t i = 0; i < of->count; i++)
        sum += of->ms[i];
    printf("  %-16s %6zu calls %8.1f in all  p50 %7.3f  p99 %7.3f  max %8.3f  max cpu %7.3f\n",
           of->name, of->count, sum, of->ms[of->count / 2], of->ms[of->count * 99 / 100],
           of->ms[of->count - 1], of->cpu_max);
    of->count = 0;
}

/* ---- documents */

typedef struct filling {
    veer_database *database;
    veer_collection *collection;
    size_t dims;
    float *vectors;
    char *documents;
    uint64_t random;
} filling;

static uint32_t next_random(filling *with)
{
    with->random = with->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(with->random >> 33);
}

static void write_rows(filling *with, size_t first, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t r = next_random(with);
        bytes += (size_t)snprintf(
            with->documents + bytes, DOCUMENT_BYTES,
            "{\"id\":\"doc-%zu\",\"tag\":\"tag%u\",\"all\":\"same\",\"link\":\"https://x.example/%08x\","
            "\"tags\":[\"a%u\",\"b%u\",\"c%u\"],\"price\":%u.%02u,\"draft\":%s,\"at\":%u000}\n",
            first + i, r % 97, r, r % 7, r % 31, r % 1009, r % 100000, r % 100,
            r % 3 ? "true" : "false", r % 1000000000);
        for (size_t d = 0; d < with->dims; d++)
            with->vectors[i * with->dims + d] = (float)(next_random(with) % 1000) / 500 - 1;
    }
    veer_vectors vectors = {.data = with->vectors, .dims = with->dims};
    veer_operation operation = {.collection = with->collection,
                                .kind = VEER_WRITE_UPSERT,
                                .documents = with->documents,
                                .documents_bytes = bytes,
                                .count = count,
                                .vectors = &vectors,
                                .vectors_count = 1};
    veer_error error;
    must(veer_write(with->database, &operation, 1, NULL, &error), &error, "veer_write");
}

static void delete_where(filling *with, const char *filter)
{
    veer_operation operation = {
        .collection = with->collection, .kind = VEER_WRITE_DELETE, .filter = filter};
    veer_error error;
    must(veer_write(with->database, &operation, 1, NULL, &error), &error, filter);
}

static filling new_filling(veer_database *database, veer_collection *collection, size_t dims)
{
    filling made = {database,
                    collection,
                    dims,
                    malloc(BATCH * dims * sizeof(float)),
                    malloc(BATCH * DOCUMENT_BYTES),
                    1};
    if (!made.vectors || !made.documents) abort();
    return made;
}

static void free_filling(filling *with)
{
    free(with->vectors);
    free(with->documents);
}

static bool refuse(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return false;
}

/* A checkpoint that was cancelled goes on in the background. */
static void begin_checkpoint(veer_database *database)
{
    veer_error error;
    double before = clock_monotonic_ms();
    veer_status status = veer_checkpoint(database, refuse, NULL, &error);
    if (status != VEER_E_ABORTED) must(status, &error, "veer_checkpoint");
    printf("beginning a checkpoint: %.3f ms\n", clock_monotonic_ms() - before);
}

/* ---- the writer beside */

typedef struct beside {
    filling with;
    figures latencies;
    atomic_bool stop;
} beside;

static void *write_beside(void *context)
{
    beside *writer = context;
    for (size_t n = 0; !atomic_load(&writer->stop); n++) {
        double before = clock_monotonic_ms(), cpu = cpu_ms();
        write_rows(&writer->with, 100000000 + n % 1000, 1);
        add(&writer->latencies, clock_monotonic_ms() - before, cpu_ms() - cpu);
        usleep(2000);
    }
    return NULL;
}

static void work_all(veer_database *database, veer_collection *beside_collection, size_t dims,
                     double budget, const char *title)
{
    static figures kinds[KINDS_MAX];
    size_t kinds_count = 0;
    beside writer = {.with = new_filling(database, beside_collection, dims),
                     .latencies = {.name = "a write beside"}};
    pthread_t thread;
    if (pthread_create(&thread, NULL, write_beside, &writer) != 0) abort();
    bool left = true;
    double start = clock_monotonic_ms();
    while (left) {
        veer_error error;
        const char *kind = budget > 0 ? "a call" : work_step_name(database);
        size_t k = 0;
        while (k < kinds_count && strcmp(kinds[k].name, kind) != 0)
            k++;
        if (k == kinds_count) {
            if (k == KINDS_MAX) abort();
            kinds[kinds_count++].name = kind;
        }
        double before = clock_monotonic_ms(), cpu = cpu_ms();
        must(veer_work(database, budget, &left, &error), &error, "veer_work");
        add(&kinds[k], clock_monotonic_ms() - before, cpu_ms() - cpu);
    }
    double all = clock_monotonic_ms() - start;
    atomic_store(&writer.stop, true);
    pthread_join(thread, NULL);
    printf("%s, budget %g ms: %.0f ms\n", title, budget, all);
    for (size_t k = 0; k < kinds_count; k++)
        print(&kinds[k]);
    print(&writer.latencies);
    fflush(stdout);
    free(writer.latencies.ms);
    free_filling(&writer.with);
    for (size_t k = 0; k < kinds_count; k++)
        free(kinds[k].ms);
    memset(kinds, 0, sizeof kinds);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "work_slices FOLDER [ROWS [DIMS [BUDGET_MS]]]\n");
        return 2;
    }
    size_t rows = argc > 2 ? (size_t)strtoull(argv[2], NULL, 10) : 1000000;
    size_t dims = argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : 8;
    double budget = argc > 4 ? atof(argv[4]) : 5;
    if (rows < BATCH || dims < 1 || budget < 0) return 2;
    char schema[1024];
    snprintf(schema, sizeof schema,
             "{\"fields\": {\"v\": {\"type\": \"vector\", \"dims\": %zu, \"metric\": \"cosine\"}, "
             "\"tag\": {\"type\": \"keyword\"}, \"all\": {\"type\": \"keyword\"}, "
             "\"link\": {\"type\": \"keyword\"}, \"tags\": {\"type\": \"keyword\"}, "
             "\"price\": {\"type\": \"number\"}, \"draft\": {\"type\": \"bool\"}, "
             "\"at\": {\"type\": \"time\"}}, \"orderBy\": \"at\"}",
             dims);
    veer_database *database;
    veer_collection *main_one, *second;
    veer_error error;
    must(veer_open(argv[1], NULL,
                   "{\"create\": true, \"sync\": \"interval\", \"walBytes\": 4294967296, "
                   "\"segmentBytes\": 4294967296}",
                   NULL, &database, &error),
         &error, argv[1]);
    must(veer_collection_open(database, "documents", schema, &main_one, &error), &error, "open");
    must(veer_collection_open(database, "beside", schema, &second, &error), &error, "open");
    filling with = new_filling(database, main_one, dims);
    for (size_t row = 0; row < rows; row += BATCH)
        write_rows(&with, row, rows - row < BATCH ? rows - row : BATCH);
    begin_checkpoint(database);
    work_all(database, second, dims, budget, "seal");

    for (int round = 0; round < 2; round++) {
        delete_where(&with, round == 0 ? "\"draft = false\"" : "\"price < 40000\"");
        work_all(database, second, dims, round == 0 ? budget : 0,
                 round == 0 ? "merge" : "merge, step by step");
    }
    for (size_t row = 0; row < rows; row += BATCH)
        write_rows(&with, rows + row, rows - row < BATCH ? rows - row : BATCH);
    begin_checkpoint(database);
    work_all(database, second, dims, 0, "seal, step by step");
    free_filling(&with);
    veer_collection_close(main_one);
    veer_collection_close(second);
    must(veer_close(database, &error), &error, "veer_close");
    return 0;
}
