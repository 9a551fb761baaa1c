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
/* A lookup table serves four dimensions: 16 entries of a byte. */
#define KERNEL_TABLE_DIMS 4u
#define KERNEL_TABLE_BYTES 16u
/* Largest entry of a table: 5 bits, so that eight tables add up in a byte and 2048 (8192
 * dimensions) in 16 bits. Finer steps would narrow the bounds by less than 0.8 %. */
#define KERNEL_TABLE_MAX 31u

/* Sums over a residual r = x - centre. */
typedef struct kernel_sums {
    float l1;      /* sum |r| */
    float squares; /* sum r * r */
    float dot;     /* sum r * centre */
} kernel_sums;

/* A block: codes of 32 rows, then their factors.
 *
 *   offset 0           padded / 8 groups of 32 bytes, one byte a row: group g has dimensions
 *                      8g .. 8g + 7, bit j for dimension 8g + j; the low nibble belongs to table
 *                      2g, the high nibble to table 2g + 1. Rows in the bytes of a group:
 *                        byte  0  1  2  3  4  5  6  7   8  9 10 11 12 13 14 15
 *                        row   0 16  1 17  2 18  3 19   8 24  9 25 10 26 11 27
 *                        byte 16 17 18 19 20 21 22 23  24 25 26 27 28 29 30 31
 *                        row   4 20  5 21  6 22  7 23  12 28 13 29 14 30 15 31
 *                      so that even and odd bytes, widened to 32 bits, are rows in order
 *   offset 4 * padded  f32 add[32], scale[32], error[32]
 *
 * With S the sum of a row's table entries,
 *   estimate = add + scale * ((S - middle) * step)
 *   lower = estimate - error * width        upper = estimate + error * reach
 * are the row's bounds but for a constant of the query's. All factors are finite, except that an
 * error may be +infinity, and width and reach are above 0: no bound is NaN. */
typedef struct kernel_probe {
    const uint8_t *tables; /* padded / 4 tables of 16 entries, each at most KERNEL_TABLE_MAX */
    size_t padded;
    float middle; /* a whole number */
    float step, width, reach;
} kernel_probe;

static inline size_t kernel_block_bytes(size_t padded)
{
    return 4 * padded + 3 * sizeof(float) * KERNEL_BLOCK_ROWS;
}

static inline size_t kernel_blocks(size_t rows)
{
    return rows / KERNEL_BLOCK_ROWS + (rows % KERNEL_BLOCK_ROWS != 0);
}

static inline size_t kernel_pairs(size_t rows)
{
    return rows / 64 + (rows % 64 != 0);
}

/* The byte of a row in each group. */
static inline unsigned kernel_row_byte(unsigned row)
{
    return (row & 4) << 2 | (row & 8) | (row & 3) << 1 | row >> 4;
}

/* Whether the rows lie one after another, but for a few. The hardware fetches them best when they
 * are read strictly in order. Only speed depends on it. */
static inline bool kernel_is_stream(const float *const *rows, size_t count, size_t n)
{
    if (count == 0) return false;
    uintptr_t span = (uintptr_t)rows[count - 1] - (uintptr_t)rows[0];
    return span <= (count + count / 8) * n * sizeof(float);
}

/* Blocks are scanned in pairs, whose 64 rows are a word of a bitset; a part of an odd number of
 * blocks ends in a pair of one. */
typedef struct kernel_hits {
    uint64_t mask;                        /* bit i: row i of the pair passes */
    float centred[2 * KERNEL_BLOCK_ROWS]; /* S - middle, exact; of blocks with a row in the mask */
} kernel_hits;

/* A 4-bit code: 0 to KERNEL_SQ4_MAX in each dimension, two of them a byte. Groups of 64 dimensions
 * are 32 bytes: byte j of group g has dimension 64g + j in its low nibble, 64g + 32 + j in its high
 * one. So vectors of 16 or 32 bytes are as many dimensions in order, and as many further ones. */
static inline void kernel_pack_sq4(const uint8_t *code, size_t padded, uint8_t *packed)
{
    for (size_t group = 0; group < padded; group += 64) {
        for (size_t j = 0; j < 32; j++) {
            packed[group / 2 + j] = (uint8_t)(code[group + j] | code[group + 32 + j] << 4);
        }
    }
}

/* Distances of one query and many rows of n elements, any n. Rows may lie anywhere; later ones are
 * prefetched. */
typedef void (*kernel_rows)(const float *query, const float *const *rows, size_t count, size_t n,
                            float *results);
typedef void (*kernel_half_rows)(const float *query, const uint16_t *const *rows, size_t count,
                                 size_t n, float *results);
typedef void (*kernel_bits_rows)(const uint8_t *query, const uint8_t *const *rows, size_t count,
                                 size_t bytes, float *results);

/* Further metrics: further.h has their formulas. */
typedef enum kernel_further {
    KERNEL_MANHATTAN,
    KERNEL_CHEBYSHEV,
    KERNEL_CANBERRA,
    KERNEL_BRAYCURTIS,
    KERNEL_HAMMING,
    KERNEL_JACCARD,
    KERNEL_FURTHER, /* how many */
} kernel_further;

typedef struct kernels {
    const char *name;

    /* Inner product and squared distance of two vectors of n elements, any n. */
    float (*dot)(const float *a, const float *b, size_t n);
    float (*l2)(const float *a, const float *b, size_t n);
    kernel_rows dot_rows;
    kernel_rows l2_rows;
    const kernel_rows *further; /* by kernel_further */

    /* x[i] *= by[i]; n a multiple of 16. */
    void (*multiply)(float *x, const float *by, size_t n);
    /* The unnormalised Walsh-Hadamard transform in place: for h = 1, 2, 4 .. n / 2 every pair
     * (x[i], x[i + h]) becomes (sum, difference). n a power of two, 64 or more. */
    void (*hadamard)(float *x, size_t n);
    /* A rotation by 45 degrees of every pair a = x[i], b = x[n - 1 - i] with i < n / 2, to
     * (a + b) * c and (a - b) * c; c = KERNEL_HALF_ROOT. n a multiple of 64. */
    void (*mix_mirrored)(float *x, size_t n);

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
    /* Scans from pair `first` on and stops at the first one with a live row whose upper bound is
     * not above `limit` (all are not where it is NaN); returns its number, or that of the pair behind
     * `rows`. minima[block] receives the least lower bound of each block up to there; those of
     * pairs without a live row are +infinity. `live` bit i: row i counts; NULL: all of the `rows`
     * rows do. */
    size_t (*scan)(const kernel_probe *probe, const void *blocks, size_t rows, const uint64_t *live,
                   size_t first, float limit, float *minima, kernel_hits *hits);
    /* The first minimum from `first` that is not above the limit, or `count`. */
    size_t (*find_block)(const float *minima, size_t first, size_t count, float limit);
    /* The rows of one block (the first half of a pair) whose lower bound is not above the limit. */
    void (*test_block)(const kernel_probe *probe, const void *block, float limit,
                       kernel_hits *hits);

    /* 8-bit codes, one byte a dimension, -127 to 127; all sums of them are exact integers.
     *
     * code[i] is r[i] * inverse_step rounded to the nearest (ties to even) and clamped, NaN as
     * -127; returns the sum of their squares. */
    int32_t (*encode_sq8)(const float *r, size_t padded, float inverse_step, int8_t *code);
    /* Of one code, or of a query of finer steps (+-KERNEL_SQ8_QUERY_MAX), and the codes of nodes:
     * node v's begins at codes + v * padded. Later ones are prefetched. Squared distances, and
     * inner products. */
    void (*l2_sq8)(const int8_t *code, const int8_t *codes, size_t padded, const uint32_t *nodes,
                   size_t count, int32_t *distances);
    void (*dot_sq8)(const int16_t *query, const int8_t *codes, size_t padded, const uint32_t *nodes,
                    size_t count, int32_t *dots);
    /* Inner products of a query (+-KERNEL_SQ8_MAX) and 4-bit codes as kernel_pack_sq4 makes them,
     * node v's at codes + v * (padded / 2), aligned or not; exact. Later ones are prefetched. */
    void (*dot_sq4)(const int8_t *query, const uint8_t *codes, size_t padded, const uint32_t *nodes,
                    size_t count, int32_t *dots);

    /* Between f32 and 16-bit floats, any n (half.h), and the distances of dot_rows and l2_rows
     * for rows of these. Rows need the alignment of uint16_t. */
    void (*encode_half)(const float *values, size_t n, uint16_t *halves);
    void (*decode_half)(const uint16_t *halves, size_t n, float *values);
    kernel_half_rows dot_half_rows;
    kernel_half_rows l2_half_rows;

    /* Distances of rows of bits, at most 1024 bytes each (bits.h). */
    kernel_bits_rows hamming_bits;
    kernel_bits_rows jaccard_bits;
} kernels;

#define KERNEL_SQ8_MAX 127
#define KERNEL_SQ4_MAX 15
/* |sum of 8192 products| stays below 2^30. */
#define KERNEL_SQ8_QUERY_MAX 1023

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
extern const kernels kernels_avx512;
#endif
#if defined(__aarch64__)
extern const kernels kernels_neon;
/* clang before 16 declares the intrinsics only where the whole file may use them. */
#if !defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_DOTPROD)
#define KERNELS_NEON_DOT 1
extern const kernels kernels_neon_dot;
#endif
#endif
#if defined(__wasm_simd128__)
extern const kernels kernels_simd128;
#endif

/* The rows of a pair that exist and are live. */
static inline uint64_t kernel_live_rows(const uint64_t *live, size_t pair, size_t rows)
{
    size_t left = rows - pair * 64;
    uint64_t mask = left >= 64 ? UINT64_MAX : ((uint64_t)1 << left) - 1;
    return live != NULL ? mask & live[pair] : mask;
}

#endif
