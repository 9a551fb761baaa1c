/* Distances from rows of 16-bit floats over registers of a tier's width, in the compilers' vector
 * types: what the files *_half.c have in common. Each includes this once, after it has defined
 * HALF_TARGET (the functions' target attribute, or nothing), WIDTH (the floats of a register: 4, 8
 * or 16) and GROUP (rows that are summed up together, so that no sum waits for itself), and then
 * defines the functions that are declared here.
 */
#ifndef VEER_KERNELS_HALF_ROWS_H
#define VEER_KERNELS_HALF_ROWS_H

#include <string.h>

#include "kernels/half.h"

#define LANES 16u
#define REGISTERS (LANES / WIDTH)
#define INLINE HALF_TARGET static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(WIDTH * sizeof(float))));

/* WIDTH halves, exactly; they are finite. */
INLINE vec widen(const uint16_t *from);
/* Asks for the memory of `count` rows, or of as many of them as are useful; returns how many. */
INLINE size_t fetch_rows(const uint16_t *const *rows, size_t count, size_t n);

INLINE vec load(const float *from)
{
    vec v;
    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void add_sixteen(vec sums[REGISTERS], const float *query, const uint16_t *row, bool squared)
{
    for (size_t r = 0; r < REGISTERS; r++) {
        vec a = load(query + r * WIDTH);
        vec b = widen(row + r * WIDTH);
        if (squared) {
            vec difference = a - b;
            sums[r] += difference * difference;
        } else {
            sums[r] += a * b;
        }
    }
}

/* The tree: i with i + 8, then i + 4, i + 2, i + 1. Within a register the others turn as well. */
INLINE float add_lanes(const vec sums[REGISTERS])
{
#if WIDTH == 16
    vec v = sums[0];
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif WIDTH == 8
    vec v = sums[0] + sums[1];
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
#else
    vec v = (sums[0] + sums[2]) + (sums[1] + sums[3]);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2);
#endif
    return v[0];
}

/* Sums of `count` rows (known when compiled, at most GROUP). Zeros behind the end change no lane. */
INLINE void sum_rows(const float *query, const uint16_t *const *rows, size_t count, size_t n,
                     bool squared, float *results)
{
    vec sums[GROUP][REGISTERS];
    for (size_t row = 0; row < count; row++)
        for (size_t r = 0; r < REGISTERS; r++) /* memset would not stay in registers */
            sums[row][r] = (vec){0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t row = 0; row < count; row++)
            add_sixteen(sums[row], query + i, rows[row] + i, squared);
    if (i < n) {
        float query_tail[LANES] = {0};
        memcpy(query_tail, query + i, (n - i) * sizeof *query);
        for (size_t row = 0; row < count; row++) {
            uint16_t row_tail[LANES] = {0};
            memcpy(row_tail, rows[row] + i, (n - i) * sizeof **rows);
            add_sixteen(sums[row], query_tail, row_tail, squared);
        }
    }
    for (size_t row = 0; row < count; row++)
        results[row] = add_lanes(sums[row]);
}

/* Rows of a stream are best read one by one, in order. */
INLINE void many_rows(const float *query, const uint16_t *const *rows, size_t count, size_t n,
                      bool squared, float *results)
{
    bool is_stream = half_is_stream(rows, count, n);
    size_t row = 0, fetched = 0;
    for (; row + GROUP <= count && !is_stream; row += GROUP) {
        while (fetched < count && fetched < row + 2 * GROUP)
            fetched += fetch_rows(rows + fetched, count - fetched, n);
        sum_rows(query, rows + row, GROUP, n, squared, results + row);
    }
    for (; row < count; row++)
        sum_rows(query, rows + row, 1, n, squared, results + row);
}

#define HALF_ROWS(tier)                                                                    \
    HALF_TARGET void half_dot_rows_##tier(const float *query, const uint16_t *const *rows, \
                                          size_t count, size_t n, float *results)          \
    {                                                                                      \
        many_rows(query, rows, count, n, false, results);                                  \
    }                                                                                      \
    HALF_TARGET void half_l2_rows_##tier(const float *query, const uint16_t *const *rows,  \
                                         size_t count, size_t n, float *results)           \
    {                                                                                      \
        many_rows(query, rows, count, n, true, results);                                   \
    }

/* Conversions, where widen is exact for all halves, by a function `narrow` that rounds WIDTH floats. */
#define HALF_CONVERSIONS(tier)                                                           \
    HALF_TARGET void half_decode_##tier(const uint16_t *halves, size_t n, float *values) \
    {                                                                                    \
        size_t i = 0;                                                                    \
        for (; i + WIDTH <= n; i += WIDTH) {                                             \
            vec v = widen(halves + i);                                                   \
            memcpy(values + i, &v, sizeof v);                                            \
        }                                                                                \
        half_decode_scalar(halves + i, n - i, values + i);                               \
    }                                                                                    \
    HALF_TARGET void half_encode_##tier(const float *values, size_t n, uint16_t *halves) \
    {                                                                                    \
        size_t i = 0;                                                                    \
        for (; i + WIDTH <= n; i += WIDTH)                                               \
            narrow(load(values + i), halves + i);                                        \
        half_encode_scalar(values + i, n - i, halves + i);                               \
    }

#endif
