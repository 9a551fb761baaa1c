/* The further metrics, the scalar tier: their definition (further.h has the formulas).
 *
 * Threads: pure functions.
 */
#include <math.h>

#include "kernels/further.h"
#include "kernels/lanes.h"

static float manhattan(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % LANES] += fabsf(a[i] - b[i]);
    return add_lanes(lane);
}

static float chebyshev(const float *a, const float *b, size_t n)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++) {
        float apart = fabsf(a[i] - b[i]);
        if (apart > largest) largest = apart;
    }
    return largest;
}

static float canberra(const float *a, const float *b, size_t n)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        float size = fabsf(a[i]) + fabsf(b[i]);
        lane[i % LANES] += size != 0 ? fabsf(a[i] - b[i]) / size : 0;
    }
    return add_lanes(lane);
}

static float braycurtis(const float *a, const float *b, size_t n)
{
    float apart_lane[LANES] = {0};
    float size_lane[LANES] = {0};
    for (size_t i = 0; i < n; i++) {
        apart_lane[i % LANES] += fabsf(a[i] - b[i]);
        size_lane[i % LANES] += fabsf(a[i] + b[i]);
    }
    float apart = add_lanes(apart_lane);
    float size = add_lanes(size_lane);
    return apart != 0 ? apart / size : 0;
}

static float hamming(const float *a, const float *b, size_t n)
{
    uint32_t apart = 0;
    for (size_t i = 0; i < n; i++)
        apart += a[i] != b[i];
    return (float)apart;
}

static float jaccard(const float *a, const float *b, size_t n)
{
    uint32_t apart = 0, either = 0;
    for (size_t i = 0; i < n; i++) {
        apart += (a[i] != 0) != (b[i] != 0);
        either += a[i] != 0 || b[i] != 0;
    }
    return either != 0 ? (float)apart / (float)either : 0;
}

#define ROWS_OF(metric)                                                                   \
    static void metric##_rows(const float *query, const float *const *rows, size_t count, \
                              size_t n, float *results)                                   \
    {                                                                                     \
        for (size_t row = 0; row < count; row++)                                          \
            results[row] = metric(query, rows[row], n);                                   \
    }

ROWS_OF(manhattan)
ROWS_OF(chebyshev)
ROWS_OF(canberra)
ROWS_OF(braycurtis)
ROWS_OF(hamming)
ROWS_OF(jaccard)

const kernel_rows further_scalar[KERNEL_FURTHER] = FURTHER_KERNELS;
