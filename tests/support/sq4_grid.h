/* The grid of dot_sq4, for programs that cannot have cmocka too. */
#ifndef VEER_TESTS_SUPPORT_SQ4_GRID_H
#define VEER_TESTS_SUPPORT_SQ4_GRID_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

#define SQ4_GRID_DIMS 8192u
#define SQ4_GRID_NODES 33u
#define SQ4_GRID_SHIFT 63u

/* Where arrays end: nothing may be read or written from there on. Each has its own memory before that,
 * so many bytes. */
typedef struct sq4_ends {
    uint8_t *codes; /* SQ4_GRID_CODES */
    uint8_t *query; /* SQ4_GRID_QUERY */
    uint8_t *dots;  /* SQ4_GRID_DOTS, on an alignment of 4 */
} sq4_ends;

#define SQ4_GRID_CODES (SQ4_GRID_NODES * SQ4_GRID_DIMS / 2 + SQ4_GRID_SHIFT)
#define SQ4_GRID_QUERY (SQ4_GRID_DIMS + SQ4_GRID_SHIFT)
#define SQ4_GRID_DOTS ((SQ4_GRID_NODES + 1) * 4)

/* Compares a tier with plain sums: many lengths, every count, values at their ends, arrays at odd
 * places. Returns how many results are wrong, or were written though they were not asked for; sets how
 * many there were. */
size_t sq4_grid(const kernels *tier, sq4_ends ends, size_t *results);

#endif
