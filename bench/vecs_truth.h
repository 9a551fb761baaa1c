/* Recall of results against ground truth, in which rows as near as the k-th true one count too:
 * sets with duplicates have several right answers. */
#ifndef VEER_BENCH_VECS_TRUTH_H
#define VEER_BENCH_VECS_TRUTH_H

#include "vecs_file.h"
#include "veer.h"

/* "cosine", "dot" or "l2"; else the process ends. */
veer_metric bench_metric(const char *name);
/* Under cosine every row becomes a unit vector: what hnswlib's inner product needs. */
void vecs_normalise(vecs *rows);
/* The distance of veer.h, in double precision. */
double vecs_distance(veer_metric metric, const float *a, const float *b, size_t dims);
/* How many of the `found` keys are among the k nearest; `kth` is the true k-th distance. */
size_t vecs_hits(const vecs *base, veer_metric metric, const float *query, double kth,
                 const uint64_t *keys, size_t found);

/* Keys from a result's ids, which are row numbers; the process ends where one is not. */
size_t bench_keys(const veer_results *results, uint64_t *keys, size_t limit);

/* Ends the process with Veer's message unless the status is VEER_OK. */
void bench_must(veer_status status, const veer_error *error, const char *what);

/* A line of /proc/self/status ("RssAnon:") in KiB; -1 where there is none. */
long bench_process_kib(const char *name);
/* KiB in memory of mapped files whose path contains `part`. */
long bench_mapped_kib(const char *part);

int bench_by_size(const void *a, const void *b); /* doubles, for qsort */
/* The p-th part (0 <= p <= 1) of n values, which are sorted. */
double bench_quantile(double *values, size_t n, double p);
/* `"name": [a, b, ...]` */
void bench_print_rounds(const char *name, const double *values, size_t n);

#endif
