/* Distances, recall and order statistics for the benchmark programs. */
#define _GNU_SOURCE
#include "vecs_truth.h"

#include <math.h>

/* Of the k-th distance: what f32 arithmetic may lose between two rows that are as near. */
#define TIE_TOLERANCE 1e-6

veer_metric bench_metric(const char *name)
{
    if (strcmp(name, "cosine") == 0) return VEER_METRIC_COSINE;
    if (strcmp(name, "dot") == 0) return VEER_METRIC_DOT;
    if (strcmp(name, "l2") == 0) return VEER_METRIC_L2;
    fprintf(stderr, "%s: not a metric\n", name);
    exit(2);
}

void vecs_normalise(vecs *rows)
{
    for (size_t i = 0; i < rows->rows; i++) {
        float *row = rows->values + i * rows->dims;
        double square = 0;
        for (size_t j = 0; j < rows->dims; j++)
            square += (double)row[j] * (double)row[j];
        float inverse = (float)(1 / sqrt(square));
        for (size_t j = 0; j < rows->dims; j++)
            row[j] *= inverse;
    }
}

double vecs_distance(veer_metric metric, const float *a, const float *b, size_t dims)
{
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < dims; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    if (metric == VEER_METRIC_DOT) return -dot;
    if (metric == VEER_METRIC_COSINE) return 1 - dot / sqrt(aa * bb);
    return aa + bb - 2 * dot;
}

size_t vecs_hits(const vecs *base, veer_metric metric, const float *query, double kth,
                 const uint64_t *keys, size_t found)
{
    size_t hits = 0;
    double scale = fabs(kth) > 1 ? fabs(kth) : 1;
    for (size_t i = 0; i < found; i++) {
        bool is_new = keys[i] < base->rows;
        for (size_t j = 0; j < i && is_new; j++)
            is_new = keys[i] != keys[j];
        if (!is_new) continue;
        const float *row = base->values + keys[i] * base->dims;
        double distance = vecs_distance(metric, query, row, base->dims);
        hits += distance <= kth + TIE_TOLERANCE * scale;
    }
    return hits;
}

size_t bench_keys(const veer_results *results, uint64_t *keys, size_t limit)
{
    const uint32_t *offsets;
    const char *ids = veer_results_ids(results, &offsets);
    size_t rows = veer_results_rows(results);
    for (size_t i = 0; i < rows && i < limit; i++) {
        uint64_t key = 0;
        for (uint32_t at = offsets[i]; at < offsets[i + 1]; at++) {
            if (ids[at] < '0' || ids[at] > '9') {
                fprintf(stderr, "the database's ids are not row numbers\n");
                exit(1);
            }
            key = key * 10 + (uint64_t)(ids[at] - '0');
        }
        keys[i] = key;
    }
    return rows < limit ? rows : limit;
}

void bench_must(veer_status status, const veer_error *error, const char *what)
{
    if (status == VEER_OK) return;
    fprintf(stderr, "%s: [%s] %s\n", what, veer_status_name(status), error->message);
    exit(1);
}

long bench_process_kib(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    long value = -1;
    char line[256];
    if (file == NULL) return value;
    size_t length = strlen(name);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, length) == 0) value = strtol(line + length, NULL, 10);
    }
    fclose(file);
    return value;
}

long bench_mapped_kib(const char *part)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    long sum = 0;
    bool counts = false;
    char line[4096];
    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) counts = strstr(line, part) != NULL;
        if (counts && strncmp(line, "Rss:", 4) == 0) sum += strtol(line + 4, NULL, 10);
    }
    fclose(file);
    return sum;
}

int bench_by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t n, double p)
{
    qsort(values, n, sizeof values[0], bench_by_size);
    size_t place = (size_t)(p * (double)n);
    return values[place < n ? place : n - 1];
}

void bench_print_rounds(const char *name, const double *values, size_t n)
{
    printf("\"%s\": [", name);
    for (size_t i = 0; i < n; i++)
        printf("%s%.6g", i > 0 ? ", " : "", values[i]);
    printf("]");
}
