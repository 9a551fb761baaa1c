/* Distances as veer.h defines them, in double precision: what answers are held against. */
#ifndef VEER_TESTS_SUPPORT_TRUE_DISTANCE_H
#define VEER_TESTS_SUPPORT_TRUE_DISTANCE_H

#include "veer.h"

#define METRICS_COUNT 9u

/* By veer_metric, as schemas and options spell them. */
extern const char *const true_metric_names[METRICS_COUNT];

double true_distance(veer_metric metric, const float *a, const float *b, size_t dims);
/* Rounds to halves, under the further metrics: so that elements are equal now and then, and zero. */
void true_distance_round(veer_metric metric, float *vector, size_t dims);

#endif
