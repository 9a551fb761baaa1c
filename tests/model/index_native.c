#define _GNU_SOURCE
/* The native side of tests/node/same_bits.test.mjs: an index over rows from a file.
 *
 *   index_native OPTIONS ROWS QUERIES K OUT   reads f32 rows and queries (raw, dims of OPTIONS)
 *      and writes to OUT the saved index, after optimising it in slices, and to OUT.hits the keys and
 *      distances of searches in three ways: as they are, exact, and of keys divisible by 3
 *   index_native                                     slices of any budget build the same bytes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "veer.h"

static veer_error error;

static void must(veer_status status, const char *what)
{
    if (status == VEER_OK) return;
    fprintf(stderr, "index_native: %s: %s: %s\n", what, veer_status_name(status), error.message);
    exit(1);
}

static void expect(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "index_native: %s\n", what);
    exit(1);
}

static void *take(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);
    expect(memory != NULL, "no memory");
    return memory;
}

static float *read_floats(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    expect(file != NULL && fseek(file, 0, SEEK_END) == 0, path);
    long bytes = ftell(file);
    expect(bytes >= 0 && fseek(file, 0, SEEK_SET) == 0, path);
    *count = (size_t)bytes / sizeof(float);
    float *values = take((size_t)bytes);
    expect(fread(values, sizeof *values, *count, file) == *count, path);
    (void)fclose(file);
    return values;
}

static void put(FILE *file, const void *data, size_t bytes)
{
    expect(fwrite(data, 1, bytes, file) == bytes, "the output cannot be written");
}

/* Row i under key 7 i; budget_ms < 0: in one go. */
static veer_index *make(const char *options, const float *rows, size_t floats, double budget_ms)
{
    veer_index *index = NULL;
    must(veer_index_new(options, NULL, &index, &error), "new");
    size_t n = floats / veer_index_dims(index);
    uint64_t *keys = take(n * sizeof *keys);
    for (size_t i = 0; i < n; i++)
        keys[i] = 7 * i;
    must(veer_index_add(index, keys, rows, n, &error), "add");
    for (bool left = true; left;)
        must(veer_index_optimize(index, budget_ms, &left, &error), "optimize");
    free(keys);
    return index;
}

static bool by_three(void *context, uint64_t key)
{
    (void)context;
    return key % 3 == 0;
}

static void put_hits(FILE *out, const veer_index *index, const float *queries, size_t n, size_t k)
{
    const veer_index_search_options ways[] = {
        {.recall = 0.9}, {.exact = true}, {.recall = 0.9, .accept = by_three}};
    uint64_t *keys = take(n * k * sizeof *keys);
    float *distances = take(n * k * sizeof *distances);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        must(veer_index_search(index, queries, n, k, &ways[i], keys, distances, NULL, &error),
             "search");
        put(out, keys, n * k * sizeof *keys);
        put(out, distances, n * k * sizeof *distances);
    }
    free(distances);
    free(keys);
}

static void write_all(char **arguments)
{
    size_t rows_count, queries_count;
    float *rows = read_floats(arguments[2], &rows_count);
    float *queries = read_floats(arguments[3], &queries_count);
    veer_index *index = make(arguments[1], rows, rows_count, 5);
    veer_buffer bytes = {0};
    must(veer_index_save(index, &bytes, &error), "save");
    FILE *out = fopen(arguments[5], "wb");
    expect(out != NULL, arguments[5]);
    put(out, bytes.data, bytes.bytes);
    expect(fclose(out) == 0, arguments[5]);
    veer_buffer_free(&bytes);
    char path[4096];
    expect((size_t)snprintf(path, sizeof path, "%s.hits", arguments[5]) < sizeof path, "the path");
    out = fopen(path, "wb");
    expect(out != NULL, path);
    put_hits(out, index, queries, queries_count / veer_index_dims(index),
             strtoull(arguments[4], NULL, 10));
    expect(fclose(out) == 0, path);
    veer_index_free(index);
    free(queries);
    free(rows);
}

#define DIMS 20u
#define ROWS 3000u
static void compare_slices(const char *metric)
{
    static float rows[ROWS * DIMS];
    char options[100];
    rng random;
    rng_init(&random, 5);
    for (size_t i = 0; i < ROWS * DIMS; i++)
        rows[i] = (float)rng_normal(&random);
    (void)snprintf(options, sizeof options, "{\"dims\":%u,\"metric\":\"%s\",\"graphRows\":1000}",
                   DIMS, metric);
    veer_buffer first = {0};
    static const double budgets[] = {-1, 0, 0.3, 3};
    for (size_t i = 0; i < sizeof budgets / sizeof budgets[0]; i++) {
        veer_index *index = make(options, rows, ROWS * DIMS, budgets[i]);
        veer_buffer bytes = {0};
        must(veer_index_save(index, &bytes, &error), "save");
        if (i == 0) {
            first = bytes;
        } else {
            expect(bytes.bytes == first.bytes && memcmp(bytes.data, first.data, bytes.bytes) == 0,
                   "slices change what is built");
            veer_buffer_free(&bytes);
        }
        veer_index_free(index);
    }
    veer_buffer_free(&first);
}

int main(int argc, char **argv)
{
    if (argc == 6) {
        write_all(argv);
        return 0;
    }
    static const char *const metrics[] = {"cosine", "dot", "l2"};
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        compare_slices(metrics[i]);
    printf("slices of any budget build the same bytes\n");
    return 0;
}
