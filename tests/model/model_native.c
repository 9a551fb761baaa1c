#define _GNU_SOURCE
/* The model test: random operations on a database and on a naive model of it, compared after each.
 *
 *   model_native [operations] [seed]          compares; over streams in memory, and with a directory
 *   model_native --script FILE operations seed   writes the operations with their answers, one JSON object a line, for the same
 *                                             test of the WebAssembly build
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "model/model.h"
#include "platform/io.h"
#include "storage/packed.h"

typedef struct run {
    model model;
    veer_io io;
    const char *directory; /* NULL: in memory */
    veer_database *database;
    veer_collection *collection;
    FILE *script;
    uint64_t done, wanted, found; /* neighbours of approximate searches */
    uint64_t counts[16];
} run;

#define CHECK(condition, ...)                                                          \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "model: operation %llu: ", (unsigned long long)run->done); \
            fprintf(stderr, __VA_ARGS__);                                              \
            fprintf(stderr, "\n");                                                     \
            abort();                                                                   \
        }                                                                              \
    } while (0)

static void must(run *run, veer_status status, const veer_error *error, const char *what)
{
    CHECK(status == VEER_OK, "%s: %s: %s", what, veer_status_name(status), error->message);
}

/* Small logs and segments, so that there are many checkpoints and merges. */
#define OPTIONS                                                                                          \
    "{\"create\":true,\"sync\":\"none\",\"walBytes\":262144,\"segmentBytes\":1048576,\"graphRows\":300," \
    "\"cacheBytes\":1048576}"

static void open_database(run *run)
{
    veer_error error = {0};
    must(run,
         veer_open(run->directory, run->directory ? NULL : &run->io, OPTIONS, NULL, &run->database,
                   &error),
         &error, "open");
    must(run, veer_collection_open(run->database, "docs", model_schema, &run->collection, &error),
         &error, "collection");
}

static void close_database(run *run)
{
    veer_error error = {0};
    veer_collection_close(run->collection);
    must(run, veer_close(run->database, &error), &error, "close");
}

static void do_write(run *run, const model_operation *operation)
{
    veer_error error = {0};
    veer_vectors vectors = {
        .data = &operation->vectors[0][0], .dims = MODEL_DIMS, .present = operation->present};
    veer_operation write = {.collection = run->collection};
    veer_write_result result;
    uint64_t deleted = model_apply(&run->model, operation);
    write.kind = operation->kind == MODEL_UPSERT ? VEER_WRITE_UPSERT : VEER_WRITE_DELETE;
    if (operation->kind != MODEL_DELETE_WHERE) {
        write.documents = operation->documents;
        write.documents_bytes = strlen(operation->documents);
        write.count = operation->count;
    } else {
        write.filter = operation->filter_text;
    }
    if (operation->kind == MODEL_UPSERT && operation->binary) {
        write.vectors = &vectors;
        write.vectors_count = 1;
    }
    must(run, veer_write(run->database, &write, 1, &result, &error), &error, "write");
    if (operation->kind == MODEL_UPSERT)
        CHECK(result.written == operation->count, "wrote %llu of %zu",
              (unsigned long long)result.written, operation->count);
    else
        CHECK(result.deleted == deleted, "deleted %llu instead of %llu",
              (unsigned long long)result.deleted, (unsigned long long)deleted);
}

/* Every hit must exist, match, be there once, and be at its true distance; the k-th as near as the model's. */
static void check_hits(run *run, const model_operation *operation, const veer_results *results)
{
    double truth[512];
    size_t n = model_nearest(&run->model, operation, truth), hits = 0;
    const uint32_t *offsets;
    const char *ids = veer_results_ids(results, &offsets);
    const float *distances = veer_results_distances(results);
    CHECK(veer_results_rows(results) == n, "search: %zu hits instead of %zu%s%s",
          veer_results_rows(results), n, operation->has_filter ? " with " : "",
          operation->has_filter ? operation->filter_text : "");
    static uint8_t seen[MODEL_IDS];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < n; i++) {
        uint32_t id = model_id(ids + offsets[i], offsets[i + 1] - offsets[i]);
        CHECK(id < MODEL_IDS && !seen[id], "search: a strange or repeated id");
        seen[id] = 1;
        const model_document *document = &run->model.documents[id];
        CHECK(model_matches(operation->has_filter ? &operation->filter : NULL, document) &&
                  document->has_vector,
              "search: d%u does not match %s", id, operation->filter_text);
        double distance = model_distance(document, operation->vectors[0]);
        CHECK(fabs(distance - (double)distances[i]) < 1e-5, "search: d%u is at %g, not at %g", id,
              distance, (double)distances[i]);
        CHECK(i == 0 || distances[i - 1] <= distances[i], "search: not in order");
        hits += distance <= truth[n - 1] + 1e-5;
        if (operation->exact)
            CHECK(fabs(distance - truth[i]) < 1e-5, "exact search: hit %zu is at %g, not %g", i,
                  distance, truth[i]);
    }
    if (!operation->exact) {
        run->wanted += n;
        run->found += hits;
    }
}

static void do_search(run *run, const model_operation *operation)
{
    char request[1400];
    veer_error error = {0};
    veer_results *results = NULL;
    int n = snprintf(request, sizeof request, "{\"k\":%d,\"exact\":%s,\"select\":false",
                     operation->k, operation->exact ? "true" : "false");
    if (operation->has_filter)
        n += snprintf(request + n, sizeof request - (size_t)n, ",\"filter\":%s",
                      operation->filter_text);
    snprintf(request + n, sizeof request - (size_t)n, "}");
    must(run,
         veer_search(run->collection, NULL, request, operation->vectors[0], 1, MODEL_DIMS, NULL,
                     &results, &error),
         &error, "search");
    check_hits(run, operation, results);
    if (run->script) {
        const uint32_t *offsets;
        const char *ids = veer_results_ids(results, &offsets);
        fprintf(run->script, "\"ids\":[");
        for (size_t i = 0; i < veer_results_rows(results); i++)
            fprintf(run->script, "%s\"%.*s\"", i ? "," : "", (int)(offsets[i + 1] - offsets[i]),
                    ids + offsets[i]);
        fprintf(run->script, "],\"distances\":[");
        for (size_t i = 0; i < veer_results_rows(results); i++)
            fprintf(run->script, "%s%.9g", i ? "," : "",
                    (double)veer_results_distances(results)[i]);
        fprintf(run->script, "]");
    }
    veer_results_free(results);
}

static void check_document(run *run, const char *json, size_t bytes, uint32_t id)
{
    char wanted[64];
    const model_document *document = &run->model.documents[id];
    snprintf(wanted, sizeof wanted, "{\"id\":\"d%u\",\"serial\":%u,", id, document->serial);
    CHECK(document->exists, "d%u should not be there", id);
    CHECK(bytes > strlen(wanted) && memcmp(json, wanted, strlen(wanted)) == 0,
          "d%u: %.*s does not begin with %s", id, (int)bytes, json, wanted);
}

static void do_get(run *run, const model_operation *operation)
{
    veer_error error = {0};
    veer_results *results = NULL;
    must(run, veer_get(run->collection, NULL, operation->documents, NULL, &results, &error), &error,
         "get");
    const uint32_t *ids_at, *documents_at;
    const char *ids = veer_results_ids(results, &ids_at);
    const char *documents = veer_results_documents(results, &documents_at);
    size_t row = 0;
    for (size_t i = 0; i < operation->count; i++) {
        if (!run->model.documents[operation->ids[i]].exists) continue;
        CHECK(row < veer_results_rows(results), "get: a document is missing");
        uint32_t id = model_id(ids + ids_at[row], ids_at[row + 1] - ids_at[row]);
        CHECK(id == operation->ids[i], "get: d%u instead of d%u", id, operation->ids[i]);
        check_document(run, documents + documents_at[row],
                       documents_at[row + 1] - documents_at[row], id);
        row++;
    }
    CHECK(row == veer_results_rows(results), "get: too many documents");
    veer_results_free(results);
}

static void do_count(run *run, const model_operation *operation, veer_collection *collection)
{
    veer_error error = {0};
    uint64_t count = 0;
    uint64_t wanted = model_count(&run->model, operation->has_filter ? &operation->filter : NULL);
    must(run,
         veer_count(collection, NULL, operation->has_filter ? operation->filter_text : NULL, NULL,
                    &count, &error),
         &error, "count");
    CHECK(count == wanted, "count: %llu instead of %llu with %s", (unsigned long long)count,
          (unsigned long long)wanted, operation->has_filter ? operation->filter_text : "all");
    if (run->script) fprintf(run->script, "\"count\":%llu", (unsigned long long)count);
}

static void do_scan(run *run, const model_operation *operation)
{
    char request[1200] = "{}";
    veer_error error = {0};
    veer_cursor *cursor = NULL;
    if (operation->has_filter)
        snprintf(request, sizeof request, "{\"filter\":%s}", operation->filter_text);
    must(run, veer_scan(run->collection, NULL, request, NULL, &cursor, &error), &error, "scan");
    static uint8_t seen[MODEL_IDS];
    memset(seen, 0, sizeof seen);
    uint64_t rows = 0;
    for (;;) {
        veer_results *results = NULL;
        must(run, veer_cursor_next(cursor, 97, &results, &error), &error, "cursor");
        size_t n = veer_results_rows(results);
        const uint32_t *ids_at, *documents_at;
        const char *ids = veer_results_ids(results, &ids_at);
        const char *documents = veer_results_documents(results, &documents_at);
        for (size_t i = 0; i < n; i++) {
            uint32_t id = model_id(ids + ids_at[i], ids_at[i + 1] - ids_at[i]);
            CHECK(id < MODEL_IDS && !seen[id], "scan: a strange or repeated id");
            seen[id] = 1;
            check_document(run, documents + documents_at[i], documents_at[i + 1] - documents_at[i],
                           id);
        }
        rows += n;
        veer_results_free(results);
        if (n == 0) break;
    }
    veer_cursor_close(cursor);
    CHECK(rows == model_count(&run->model, operation->has_filter ? &operation->filter : NULL),
          "scan: %llu rows", (unsigned long long)rows);
}

/* A backup holds what the database held, and answers the same. */
static void do_backup(run *run)
{
    veer_error error = {0};
    veer_io to;
    must(run, io_memory_new(memory_default(), &to, &error), &error, "memory");
    must(run, veer_backup(run->database, "copy.veer", &to, NULL, NULL, &error), &error, "backup");
    veer_io packed;
    veer_database *copy = NULL;
    veer_collection *collection = NULL;
    must(run, packed_io_new(memory_default(), &to, "copy.veer", &packed, &error), &error, "packed");
    must(run, veer_open(NULL, &packed, "{\"mode\":\"readonly\"}", NULL, &copy, &error), &error,
         "open the backup");
    must(run, veer_collection_open(copy, "docs", NULL, &collection, &error), &error, "collection");
    model_operation all = {.has_filter = false};
    FILE *script = run->script;
    run->script = NULL;
    do_count(run, &all, collection);
    run->script = script;
    veer_collection_close(collection);
    must(run, veer_close(copy, &error), &error, "close the backup");
    packed_io_free(&packed);
    io_memory_free(&to);
}

/* The operation as the script's line, without its answer. */
static void print_operation(run *run, const model_operation *operation)
{
    static const char *const names[] = {"upsert", "delete",     "deleteWhere", "search",
                                        "get",    "count",      "scan",        "reopen",
                                        "work",   "checkpoint", "compact",     "backup"};
    fprintf(run->script, "{\"op\":\"%s\",", names[operation->kind]);
    if (operation->kind == MODEL_UPSERT || operation->kind == MODEL_DELETE ||
        operation->kind == MODEL_GET)
        fprintf(run->script, "\"documents\":%s,", operation->documents);
    bool has_vectors =
        operation->kind == MODEL_SEARCH || (operation->kind == MODEL_UPSERT && operation->binary);
    size_t rows = operation->kind == MODEL_SEARCH ? 1 : operation->count;
    if (has_vectors) {
        fprintf(run->script, "\"vectors\":[");
        for (size_t i = 0; i < rows; i++) {
            bool present =
                operation->kind == MODEL_SEARCH || (operation->present[i / 8] >> (i % 8) & 1);
            fprintf(run->script, "%s%s", i ? "," : "", present ? "[" : "null");
            for (int d = 0; present && d < MODEL_DIMS; d++)
                fprintf(run->script, "%s%.9g", d ? "," : "", (double)operation->vectors[i][d]);
            fprintf(run->script, "%s", present ? "]" : "");
        }
        fprintf(run->script, "],");
    }
    if (operation->kind == MODEL_SEARCH)
        fprintf(run->script, "\"k\":%d,\"exact\":%s,", operation->k,
                operation->exact ? "true" : "false");
    if (operation->has_filter) fprintf(run->script, "\"filter\":%s,", operation->filter_text);
}

/* Every invariant of what is stored once no work is left, the graphs' among them: degree, no link twice
 * or to itself, all nodes in reach. */
static void check_storage(run *run)
{
    veer_buffer report = {0};
    veer_error error = {0};
    bool left = true;
    while (left)
        must(run, veer_work(run->database, -1, &left, &error), &error, "work");
    close_database(run);
    veer_status status = veer_check(run->directory, run->directory ? NULL : &run->io, NULL, NULL,
                                    NULL, &report, &error);
    CHECK(status == VEER_OK, "%s", report.data ? report.data : error.message);
    veer_buffer_free(&report);
    open_database(run);
}

static void do_operation(run *run, const model_operation *operation)
{
    veer_error error = {0};
    run->counts[operation->kind]++;
    if (run->script) print_operation(run, operation);
    switch (operation->kind) {
    case MODEL_UPSERT:
    case MODEL_DELETE:
    case MODEL_DELETE_WHERE:
        do_write(run, operation);
        break;
    case MODEL_SEARCH:
        do_search(run, operation);
        break;
    case MODEL_GET:
        do_get(run, operation);
        break;
    case MODEL_COUNT:
        do_count(run, operation, run->collection);
        break;
    case MODEL_SCAN:
        do_scan(run, operation);
        break;
    case MODEL_REOPEN:
        close_database(run);
        open_database(run);
        break;
    case MODEL_WORK:
        must(run, veer_work(run->database, run->script ? -1 : 0.2, NULL, &error), &error, "work");
        break;
    case MODEL_CHECKPOINT:
        must(run, veer_checkpoint(run->database, NULL, NULL, &error), &error, "checkpoint");
        break;
    case MODEL_COMPACT:
        must(run, veer_compact(run->database, NULL, NULL, &error), &error, "compact");
        if (!run->script) check_storage(run);
        break;
    case MODEL_BACKUP:
        do_backup(run);
        break;
    }
    bool answered = operation->kind == MODEL_SEARCH || operation->kind == MODEL_COUNT;
    if (run->script) fprintf(run->script, "%s\"end\":true}\n", answered ? "," : "");
}

static void run_all(run *run, uint64_t operations, uint64_t seed, uint32_t ids)
{
    static model_operation operation;
    veer_error error = {0};
    memset(&operation, 0, sizeof operation);
    model_init(&run->model, seed, ids);
    if (!run->directory)
        must(run, io_memory_new(memory_default(), &run->io, &error), &error, "memory");
    open_database(run);
    for (run->done = 0; run->done < operations; run->done++) {
        model_next(&run->model, &operation, true);
        do_operation(run, &operation);
    }
    check_storage(run);
    close_database(run);
    if (!run->directory) io_memory_free(&run->io);
    model_fini(&run->model);
    double recall = run->wanted ? (double)run->found / (double)run->wanted : 1;
    printf("model: %llu operations on %s, seed %llu: recall of approximate searches %.4f\n",
           (unsigned long long)operations, run->directory ? "a directory" : "memory",
           (unsigned long long)seed, recall);
    CHECK(recall >= 0.95, "recall %.4f is below the 0.95 that was asked for", recall);
}

int main(int argc, char **argv)
{
    static run first, second;
    if (argc == 5 && strcmp(argv[1], "--script") == 0) {
        first.script = fopen(argv[2], "w");
        if (!first.script) return 2;
        run_all(&first, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), 600);
        return fclose(first.script) == 0 ? 0 : 2;
    }
    uint64_t operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    run_all(&first, operations, seed, MODEL_IDS);
    char directory[] = "veer-model-XXXXXX", command[64];
    if (!mkdtemp(directory)) return 2;
    second.directory = directory;
    run_all(&second, operations / 20, seed + 1, 500);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    if (system(command) != 0) return 2;
    printf("2 passed, 0 failed\n");
    return 0;
}
