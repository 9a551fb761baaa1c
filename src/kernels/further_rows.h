/* The further metrics over registers of a tier's width, in the compilers' vector types: what
 * avx2_further.c, neon_further.c and simd128_further.c have in common. Each includes this once,
 * after it has defined FURTHER_TARGET (the functions' target attribute, or nothing) and WIDTH (the
 * elements of a register, 4 or 8), and then defines the three functions that are declared here.
 *
 * Zeros behind a vector's end change no lane: no term of two zeros is anything but +0.
 */
#ifndef VEER_KERNELS_FURTHER_ROWS_H
#define VEER_KERNELS_FURTHER_ROWS_H

#include <string.h>

#include "kernels/further.h"

#define LANES 16u
#define REGISTERS (LANES / WIDTH)
#define INLINE FURTHER_TARGET static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(WIDTH * sizeof(float))));
typedef int32_t whole __attribute__((vector_size(WIDTH * sizeof(int32_t))));

/* The first `count` elements, 1 to WIDTH, and zeros; nothing behind them is read. */
INLINE vec load_part(const float *from, size_t count);
/* a > b ? a : b, of each element. */
INLINE vec larger(vec a, vec b);
/* Asks for the memory of a row. */
INLINE void fetch_row(const float *row, size_t n);

typedef struct lanes {
    vec sums[REGISTERS];                       /* or maxima */
    vec sizes[REGISTERS];                      /* of braycurtis */
    whole apart[REGISTERS], either[REGISTERS]; /* minus how many */
} lanes;

INLINE vec load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE vec absolute(vec v)
{
    return (vec)((whole)v & INT32_MAX);
}

INLINE void add(lanes *to, size_t r, vec a, vec b, kernel_further metric)
{
    switch (metric) {
    case KERNEL_MANHATTAN:
        to->sums[r] += absolute(a - b);
        break;
    case KERNEL_CHEBYSHEV:
        to->sums[r] = larger(absolute(a - b), to->sums[r]);
        break;
    case KERNEL_CANBERRA: {
        vec size = absolute(a) + absolute(b);
        to->sums[r] += (vec)((whole)(absolute(a - b) / size) & (size != 0));
        break;
    }
    case KERNEL_BRAYCURTIS:
        to->sums[r] += absolute(a - b);
        to->sizes[r] += absolute(a + b);
        break;
    case KERNEL_HAMMING:
        to->apart[r] += a != b;
        break;
    case KERNEL_JACCARD:
        to->apart[r] += (a != 0) ^ (b != 0);
        to->either[r] += (a != 0) | (b != 0);
        break;
    case KERNEL_FURTHER:
        break;
    }
}

INLINE vec join(vec a, vec b, kernel_further metric)
{
    return metric == KERNEL_CHEBYSHEV ? larger(a, b) : a + b;
}

/* The tree: i with i + 8, then i + 4, i + 2, i + 1. Within a register the others turn as well. */
INLINE float join_lanes(const vec *from, kernel_further metric)
{
    vec v = from[0];
    if (REGISTERS == 2) {
        v = join(v, from[1], metric);
    } else {
        v = join(join(v, from[2], metric), join(from[1], from[3], metric), metric);
    }
#if WIDTH == 8
    v = join(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3), metric);
    v = join(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5), metric);
    v = join(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6), metric);
#else
    v = join(v, __builtin_shufflevector(v, v, 2, 3, 0, 1), metric);
    v = join(v, __builtin_shufflevector(v, v, 1, 0, 3, 2), metric);
#endif
    return v[0];
}

/* A lane counts 512 at most, and all together 8192: exact in f32. */
INLINE float count_lanes(const whole *from)
{
    vec counts[REGISTERS];
    for (size_t r = 0; r < REGISTERS; r++)
        counts[r] = __builtin_convertvector(-from[r], vec);
    return join_lanes(counts, KERNEL_HAMMING);
}

INLINE float finish(const lanes *from, kernel_further metric)
{
    switch (metric) {
    case KERNEL_BRAYCURTIS: {
        float apart = join_lanes(from->sums, metric);
        float size = join_lanes(from->sizes, metric);
        return apart != 0 ? apart / size : 0;
    }
    case KERNEL_HAMMING:
        return count_lanes(from->apart);
    case KERNEL_JACCARD: {
        float either = count_lanes(from->either);
        return either != 0 ? count_lanes(from->apart) / either : 0;
    }
    default:
        return join_lanes(from->sums, metric);
    }
}

INLINE float one_row(const float *query, const float *row, size_t n, kernel_further metric)
{
    lanes sums;
    for (size_t r = 0; r < REGISTERS; r++) { /* memset would not stay in registers */
        sums.sums[r] = sums.sizes[r] = (vec){0};
        sums.apart[r] = sums.either[r] = (whole){0};
    }
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t r = 0; r < REGISTERS; r++)
            add(&sums, r, load(query + i + r * WIDTH), load(row + i + r * WIDTH), metric);
    }
    for (size_t r = 0; r < REGISTERS; r++) {
        size_t at = i + r * WIDTH;
        if (at >= n) break;
        size_t left = n - at < WIDTH ? n - at : WIDTH;
        add(&sums, r, load_part(query + at, left), load_part(row + at, left), metric);
    }
    return finish(&sums, metric);
}

/* How far ahead memory is asked for; as in avx2.c. */
#define FETCH_ROWS 8u

INLINE void many_rows(const float *query, const float *const *rows, size_t count, size_t n,
                      kernel_further metric, float *results)
{
    /* The hardware fetches a stream by itself. */
    bool is_stream = kernel_is_stream(rows, count, n);
    for (size_t row = 0; row < FETCH_ROWS && row < count && !is_stream; row++)
        fetch_row(rows[row], n);
    for (size_t row = 0; row < count; row++) {
        if (!is_stream && row + FETCH_ROWS < count) fetch_row(rows[row + FETCH_ROWS], n);
        results[row] = one_row(query, rows[row], n, metric);
    }
}

#define FURTHER_ROWS(name, metric)                                                       \
    FURTHER_TARGET static void name##_rows(const float *query, const float *const *rows, \
                                           size_t count, size_t n, float *results)       \
    {                                                                                    \
        many_rows(query, rows, count, n, metric, results);                               \
    }

FURTHER_ROWS(manhattan, KERNEL_MANHATTAN)
FURTHER_ROWS(chebyshev, KERNEL_CHEBYSHEV)
FURTHER_ROWS(canberra, KERNEL_CANBERRA)
FURTHER_ROWS(braycurtis, KERNEL_BRAYCURTIS)
FURTHER_ROWS(hamming, KERNEL_HAMMING)
FURTHER_ROWS(jaccard, KERNEL_JACCARD)

#endif
