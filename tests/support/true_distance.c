#include "support/true_distance.h"

#include <math.h>

const char *const true_metric_names[METRICS_COUNT] = {
    [VEER_METRIC_COSINE] = "cosine",
    [VEER_METRIC_DOT] = "dot",
    [VEER_METRIC_L2] = "l2",
    [VEER_METRIC_MANHATTAN] = "manhattan",
    [VEER_METRIC_CHEBYSHEV] = "chebyshev",
    [VEER_METRIC_CANBERRA] = "canberra",
    [VEER_METRIC_BRAYCURTIS] = "braycurtis",
    [VEER_METRIC_HAMMING] = "hamming",
    [VEER_METRIC_JACCARD] = "jaccard",
};

double true_distance(veer_metric metric, const float *a, const float *b, size_t dims)
{
    double dot = 0, aa = 0, bb = 0, square = 0, sum = 0, size = 0, largest = 0, ratio = 0;
    double differ = 0, either = 0, both = 0;
    for (size_t i = 0; i < dims; i++) {
        double x = (double)a[i], y = (double)b[i];
        dot += x * y;
        aa += x * x;
        bb += y * y;
        square += (x - y) * (x - y);
        sum += fabs(x - y);
        size += fabs(x + y);
        largest = fmax(largest, fabs(x - y));
        ratio += x != y ? fabs(x - y) / (fabs(x) + fabs(y)) : 0;
        differ += x != y;
        either += x != 0 || y != 0;
        both += x != 0 && y != 0;
    }
    switch (metric) {
    case VEER_METRIC_COSINE:
        return 1 - dot / sqrt(aa) / sqrt(bb);
    case VEER_METRIC_DOT:
        return -dot;
    case VEER_METRIC_L2:
        return square;
    case VEER_METRIC_MANHATTAN:
        return sum;
    case VEER_METRIC_CHEBYSHEV:
        return largest;
    case VEER_METRIC_CANBERRA:
        return ratio;
    case VEER_METRIC_BRAYCURTIS:
        return sum > 0 ? sum / size : 0;
    case VEER_METRIC_HAMMING:
        return differ;
    case VEER_METRIC_JACCARD:
        return either > 0 ? 1 - both / either : 0;
    }
    return NAN;
}

void true_distance_round(veer_metric metric, float *vector, size_t dims)
{
    for (size_t i = 0; i < dims && metric > VEER_METRIC_L2; i++)
        vector[i] = roundf(2 * vector[i]) / 2;
}
