/* The inner loops over vectors and codes: one table of functions per tier of instructions.
 *
 * Guarantees: every tier gives the same bits for the same input (NaN payloads apart). scalar.c is
 * the definition, which the other tiers follow by these rules:
 *   - element i belongs to lane i mod 16; a lane adds its elements in order, starting from +0;
 *     multiplication and addition round separately (no FMA)
 *   - the 16 lanes are added in one tree: i with i + 8, then i + 4, i + 2, i + 1
 *   - butterflies, scalings and tables work on each element by itself, in the order written here
 *   - denormals are kept
 * No function reads or writes past the lengths that it is given. Vectors need the alignment of
 * float only. Lengths called `padded` are multiples of 64, at most 8192.
 *
 * Threads: all functions are pure; kernels_get chooses the table once, behind an atomic pointer.
 */
#ifndef VEER_KERNELS_KERNELS_H
#define VEER_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of a block of codes. */
#define KERNEL_BLOCK_ROWS 32u
/* Rows of a block and dims of a table that share 16 bytes of codes. */
#define KERNEL_TABLE_DIMS 4u
#define KERNEL_TABLE_BYTES 16u
/* Largest entry of a lookup table: 6 bits, so that four tables add up in a byte, 1024 in 16 bits. */
#define KERNEL_TABLE_MAX 63u

/* Sums over a residual r = x - centre. */
typedef struct kernel_sums {
    float l1;      /* sum |r| */
    float squares; /* sum r * r */
    float dot;     /* sum r * centre */
} kernel_sums;

/* A block: codes of 32 rows, then their factors.
 *
 *   offset 0           padded / 4 tables of 16 bytes. Table t has dimensions 4t .. 4t + 3 of all
 *                      rows, one nibble a row, bit j for dimension 4t + j:
 *                        byte 2i      low nibble row i,      high nibble row 16 + i   (i < 8)
 *                        byte 2i + 1  low nibble row 8 + i,  high nibble row 24 + i
 *                      so that even bytes and odd bytes, widened, are rows in order
 *   offset 4 * padded  f32 add[32], scale[32], error[32]
 *
 * With S the sum of a row's table entries, its estimate is
 *   add + scale * (S * step + shift)        and its lower bound that minus error * width
 * up to a constant of the query's; a row passes unless its lower bound is above the limit. */
typedef struct kernel_probe {
    const uint8_t *tables; /* padded / 4 tables of 16 entries, each at most KERNEL_TABLE_MAX */
    size_t padded;
    float step, shift, width;
} kernel_probe;

static inline size_t kernel_block_bytes(size_t padded)
{
    return 4 * padded + 3 * sizeof(float) * KERNEL_BLOCK_ROWS;
}

/* The place of a row's nibble in the 16 bytes of a table, and its shift there. */
static inline unsigned kernel_nibble_byte(unsigned row)
{
    return 2 * (row & 7) + (row >> 3 & 1);
}

static inline unsigned kernel_nibble_shift(unsigned row)
{
    return row >> 4 << 2;
}

/* What a scan found in a block. */
typedef struct kernel_hits {
    uint32_t mask;                    /* rows that pass */
    uint32_t sums[KERNEL_BLOCK_ROWS]; /* of all rows */
} kernel_hits;

typedef struct kernels {
    const char *name;

    /* Inner product and squared distance of two vectors of n elements, any n. */
    float (*dot)(const float *a, const float *b, size_t n);
    float (*l2)(const float *a, const float *b, size_t n);
    /* The same of one query and many rows, which may lie anywhere; later rows are prefetched. */
    void (*dot_rows)(const float *query, const float *const *rows, size_t count, size_t n,
                     float *results);
    void (*l2_rows)(const float *query, const float *const *rows, size_t count, size_t n,
                    float *results);

    /* x[i] *= by[i]; n a multiple of 16. */
    void (*multiply)(float *x, const float *by, size_t n);
    /* The unnormalised Walsh-Hadamard transform in place: for h = 1, 2, 4 .. n / 2 every pair
     * (x[i], x[i + h]) becomes (sum, difference). n a power of two, 64 or more. */
    void (*hadamard)(float *x, size_t n);
    /* A rotation by 45 degrees of every pair (x[i], x[i + n / 2]): ((a + b) * c, (a - b) * c) with
     * c = KERNEL_HALF_ROOT. n a multiple of 64. */
    void (*mix_halves)(float *x, size_t n);

    /* r = x - centre, and its sums. */
    void (*residual)(const float *x, const float *centre, size_t padded, float *r,
                     kernel_sums *sums);
    /* Writes the code of r (bit 1: sign bit clear) as row `row` of a block. */
    void (*place_code)(const float *r, size_t padded, unsigned row, uint8_t *codes);

    /* The largest (|r0| + |r1|) + (|r2| + |r3|) over groups of four; 0 where none is above 0. */
    float (*group_max)(const float *r, size_t padded);
    /* Lookup tables: entry m of group t counts |r[j]| of each of its four j where bit j of m agrees
     * with r[j]'s sign (bit 1: not negative): ((v0 + v1) + (v2 + v3)) * scale + 0.5, truncated.
     * The caller chooses scale so that nothing exceeds KERNEL_TABLE_MAX. */
    void (*make_tables)(const float *r, size_t padded, float scale, uint8_t *tables);
    /* Scans from block `first` and stops at the first block that has a row that is live and
     * passes; returns its number, or that of the block behind `rows`. `live` bit i: row i counts;
     * NULL: all of the `rows` rows do. */
    size_t (*scan)(const kernel_probe *probe, const void *blocks, size_t rows, const uint64_t *live,
                   size_t first, float limit, kernel_hits *hits);
} kernels;

/* 1 / sqrt(2), rounded to f32. */
#define KERNEL_HALF_ROOT 0x1.6a09e6p-1f

/* The best table of this machine, or the one that VEER_FORCE_TIER names if it is there. */
const kernels *kernels_get(void);
/* A tier's table by name, or NULL where this machine or build does not have it. */
const kernels *kernels_find(const char *name);
/* Makes kernels_get return `table` (NULL: choose again): for tests and benchmarks. */
void kernels_force(const kernels *table);

extern const kernels kernels_scalar;
#if defined(__x86_64__)
extern const kernels kernels_avx2;
#endif
#if defined(__wasm_simd128__)
extern const kernels kernels_simd128;
#endif

/* The rows of block `block` that exist and are live, for scans. */
static inline uint32_t kernel_live_rows(const uint64_t *live, size_t block, size_t rows)
{
    size_t left = rows - block * KERNEL_BLOCK_ROWS;
    uint32_t mask = left >= KERNEL_BLOCK_ROWS ? UINT32_MAX : ((uint32_t)1 << left) - 1;
    if (live != NULL) mask &= (uint32_t)(live[block / 2] >> (block % 2 * 32));
    return mask;
}

#endif
