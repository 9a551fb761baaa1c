/* The SIMD128 tier of WebAssembly: 128-bit vectors, so the 16 lanes are four registers.
 *
 * Same bits as scalar.c: a tail goes through a zeroed buffer of 16 elements, the tree adds
 * registers 0 and 2, 1 and 3, then the two results, then halves. The scan is avx2.c's in two
 * halves of 16 rows. There is no prefetch in WebAssembly.
 *
 * Compiled with -msimd128, or for the tier `relaxed` with -mrelaxed-simd, which spares what a byte
 * shuffle does about indices of 16 and above: there are none here. Threads: pure functions.
 */
#include <math.h>
#include <string.h>
#include <wasm_simd128.h>

#include "kernels/bits.h"
#include "kernels/further.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "kernels/sq.h"

#if defined(__wasm_relaxed_simd__)
#define TIER_NAME "relaxed"
#define SHUFFLE_BYTES wasm_i8x16_relaxed_swizzle
#else
#define TIER_NAME "simd128"
#define SHUFFLE_BYTES wasm_i8x16_swizzle
#endif

#define LANES 16u
#define INLINE static inline __attribute__((always_inline))
#define HOT static __attribute__((noinline))

/* ---------------------------------------------------------------- distances */

INLINE float add_lanes(const v128_t lanes[4])
{
    v128_t four =
        wasm_f32x4_add(wasm_f32x4_add(lanes[0], lanes[2]), wasm_f32x4_add(lanes[1], lanes[3]));
    v128_t two = wasm_f32x4_add(four, wasm_i32x4_shuffle(four, four, 2, 3, 2, 3));
    return wasm_f32x4_extract_lane(two, 0) + wasm_f32x4_extract_lane(two, 1);
}

INLINE v128_t step(v128_t sum, v128_t a, v128_t b, bool squared)
{
    if (!squared) return wasm_f32x4_add(sum, wasm_f32x4_mul(a, b));
    v128_t difference = wasm_f32x4_sub(a, b);
    return wasm_f32x4_add(sum, wasm_f32x4_mul(difference, difference));
}

INLINE void sixteen(v128_t lanes[4], const float *a, const float *b, bool squared)
{
    for (int j = 0; j < 4; j++) {
        lanes[j] = step(lanes[j], wasm_v128_load(a + 4 * j), wasm_v128_load(b + 4 * j), squared);
    }
}

INLINE float one_row(const float *a, const float *b, size_t n, bool squared)
{
    v128_t lanes[4];
    for (int j = 0; j < 4; j++)
        lanes[j] = wasm_f32x4_const_splat(0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        sixteen(lanes, a + i, b + i, squared);
    if (i < n) {
        float a_tail[LANES] = {0};
        float b_tail[LANES] = {0};
        memcpy(a_tail, a + i, (n - i) * sizeof(float));
        memcpy(b_tail, b + i, (n - i) * sizeof(float));
        sixteen(lanes, a_tail, b_tail, squared);
    }
    return add_lanes(lanes);
}

/* Of rows that are fetched together: half of a small cache of the first level. */
#define FETCH_BYTES 16384u

/* Reads a word of each cache line, for want of a prefetch: these loads wait for memory together, those
 * of the sums would one after the other. */
HOT void fetch_rows(const float *const *rows, size_t count, size_t n)
{
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < n; i += 64 / sizeof(float))
            (void)*(const volatile float *)(rows[row] + i);
    }
}

/* One row at a time: of two, the engine spills the sums (Node 20). */
INLINE void many_rows(const float *query, const float *const *rows, size_t count, size_t n,
                      bool squared, float *results)
{
    size_t batch = 1 + FETCH_BYTES / sizeof(float) / (n + 1);
    size_t fetched = kernel_is_stream(rows, count, n) ? count : 0;
    for (size_t row = 0; row < count; row++) {
        if (row == fetched) {
            size_t more = count - row < batch ? count - row : batch;
            fetch_rows(rows + row, more, n);
            fetched += more;
        }
        results[row] = one_row(query, rows[row], n, squared);
    }
}

static float dot(const float *a, const float *b, size_t n)
{
    return one_row(a, b, n, false);
}

static float l2(const float *a, const float *b, size_t n)
{
    return one_row(a, b, n, true);
}

static void dot_rows(const float *query, const float *const *rows, size_t count, size_t n,
                     float *results)
{
    many_rows(query, rows, count, n, false, results);
}

static void l2_rows(const float *query, const float *const *rows, size_t count, size_t n,
                    float *results)
{
    many_rows(query, rows, count, n, true, results);
}

/* ---------------------------------------------------------------- rotation */

static void multiply(float *x, const float *by, size_t n)
{
    for (size_t i = 0; i < n; i += 4) {
        wasm_v128_store(x + i, wasm_f32x4_mul(wasm_v128_load(x + i), wasm_v128_load(by + i)));
    }
}

INLINE void butterfly(v128_t *a, v128_t *b)
{
    v128_t sum = wasm_f32x4_add(*a, *b);
    *b = wasm_f32x4_sub(*a, *b);
    *a = sum;
}

/* Steps 1 and 2 inside a register: the partner comes by a shuffle, the upper one of a pair
 * changes its sign, and both add. */
INLINE v128_t hadamard_4(v128_t x)
{
    const v128_t sign_1 = wasm_f32x4_const(0.0f, -0.0f, 0.0f, -0.0f);
    const v128_t sign_2 = wasm_f32x4_const(0.0f, 0.0f, -0.0f, -0.0f);
    x = wasm_f32x4_add(wasm_i32x4_shuffle(x, x, 1, 0, 3, 2), wasm_v128_xor(x, sign_1));
    return wasm_f32x4_add(wasm_i32x4_shuffle(x, x, 2, 3, 0, 1), wasm_v128_xor(x, sign_2));
}

/* Steps 1 to 16 of 32 elements in eight registers. */
INLINE void hadamard_32(float *x)
{
    v128_t v[8];
    for (int i = 0; i < 8; i++)
        v[i] = hadamard_4(wasm_v128_load(x + 4 * i));
    for (int i = 0; i < 8; i += 2)
        butterfly(&v[i], &v[i + 1]);
    for (int i = 0; i < 8; i += 4) {
        butterfly(&v[i], &v[i + 2]);
        butterfly(&v[i + 1], &v[i + 3]);
    }
    for (int i = 0; i < 4; i++)
        butterfly(&v[i], &v[i + 4]);
    for (int i = 0; i < 8; i++)
        wasm_v128_store(x + 4 * i, v[i]);
}

/* Steps h and 2h in one pass. */
INLINE void hadamard_two_steps(float *x, size_t n, size_t h)
{
    for (size_t start = 0; start < n; start += 4 * h) {
        for (size_t i = start; i < start + h; i += 4) {
            v128_t v[4];
            for (size_t j = 0; j < 4; j++)
                v[j] = wasm_v128_load(x + i + j * h);
            butterfly(&v[0], &v[1]);
            butterfly(&v[2], &v[3]);
            butterfly(&v[0], &v[2]);
            butterfly(&v[1], &v[3]);
            for (size_t j = 0; j < 4; j++)
                wasm_v128_store(x + i + j * h, v[j]);
        }
    }
}

INLINE void hadamard_step(float *x, size_t n, size_t h)
{
    for (size_t start = 0; start < n; start += 2 * h) {
        for (size_t i = start; i < start + h; i += 4) {
            v128_t a = wasm_v128_load(x + i);
            v128_t b = wasm_v128_load(x + i + h);
            butterfly(&a, &b);
            wasm_v128_store(x + i, a);
            wasm_v128_store(x + i + h, b);
        }
    }
}

static void hadamard(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 32)
        hadamard_32(x + i);
    size_t h = 32;
    for (; 4 * h <= n; h *= 4)
        hadamard_two_steps(x, n, h);
    if (h < n) hadamard_step(x, n, h);
}

INLINE v128_t reversed(v128_t x)
{
    return wasm_i32x4_shuffle(x, x, 3, 2, 1, 0);
}

static void mix_mirrored(float *x, size_t n)
{
    const v128_t root = wasm_f32x4_const_splat(KERNEL_HALF_ROOT);
    for (size_t i = 0; i < n / 2; i += 4) {
        float *mirror = x + n - 4 - i;
        v128_t a = wasm_v128_load(x + i);
        v128_t b = reversed(wasm_v128_load(mirror));
        butterfly(&a, &b);
        wasm_v128_store(x + i, wasm_f32x4_mul(a, root));
        wasm_v128_store(mirror, reversed(wasm_f32x4_mul(b, root)));
    }
}

/* ---------------------------------------------------------------- codes and tables */

static void residual(const float *x, const float *centre, size_t padded, float *r,
                     kernel_sums *sums)
{
    v128_t l1[4];
    v128_t squares[4];
    v128_t product[4];
    for (int j = 0; j < 4; j++)
        l1[j] = squares[j] = product[j] = wasm_f32x4_const_splat(0);
    for (size_t i = 0; i < padded; i += LANES) {
        for (size_t j = 0; j < 4; j++) {
            v128_t c = wasm_v128_load(centre + i + 4 * j);
            v128_t value = wasm_f32x4_sub(wasm_v128_load(x + i + 4 * j), c);
            wasm_v128_store(r + i + 4 * j, value);
            l1[j] = wasm_f32x4_add(l1[j], wasm_f32x4_abs(value));
            squares[j] = wasm_f32x4_add(squares[j], wasm_f32x4_mul(value, value));
            product[j] = wasm_f32x4_add(product[j], wasm_f32x4_mul(value, c));
        }
    }
    sums->l1 = add_lanes(l1);
    sums->squares = add_lanes(squares);
    sums->dot = add_lanes(product);
}

static void place_code(const float *r, size_t padded, unsigned row, uint8_t *codes)
{
    uint8_t *byte = codes + kernel_row_byte(row);
    for (size_t i = 0; i < padded; i += 8) {
        unsigned low = wasm_i32x4_bitmask(wasm_v128_load(r + i));
        unsigned high = wasm_i32x4_bitmask(wasm_v128_load(r + i + 4));
        *byte = (uint8_t) ~(low | high << 4);
        byte += KERNEL_BLOCK_ROWS;
    }
}

static float group_max(const float *r, size_t padded)
{
    v128_t largest = wasm_f32x4_const_splat(0);
    for (size_t i = 0; i < padded; i += LANES) {
        /* Four groups, one in each lane: transposed by two rounds of shuffles. */
        v128_t a = wasm_f32x4_abs(wasm_v128_load(r + i));
        v128_t b = wasm_f32x4_abs(wasm_v128_load(r + i + 4));
        v128_t c = wasm_f32x4_abs(wasm_v128_load(r + i + 8));
        v128_t d = wasm_f32x4_abs(wasm_v128_load(r + i + 12));
        v128_t ab = wasm_f32x4_add(wasm_i32x4_shuffle(a, b, 0, 2, 4, 6),
                                   wasm_i32x4_shuffle(a, b, 1, 3, 5, 7));
        v128_t cd = wasm_f32x4_add(wasm_i32x4_shuffle(c, d, 0, 2, 4, 6),
                                   wasm_i32x4_shuffle(c, d, 1, 3, 5, 7));
        v128_t sums = wasm_f32x4_add(wasm_i32x4_shuffle(ab, cd, 0, 2, 4, 6),
                                     wasm_i32x4_shuffle(ab, cd, 1, 3, 5, 7));
        largest = wasm_f32x4_pmax(largest, sums);
    }
    v128_t two = wasm_f32x4_pmax(largest, wasm_i32x4_shuffle(largest, largest, 2, 3, 2, 3));
    float a = wasm_f32x4_extract_lane(two, 0);
    float b = wasm_f32x4_extract_lane(two, 1);
    return b > a ? b : a;
}

INLINE v128_t four_entries(v128_t v01, v128_t v2, v128_t v3, v128_t scale)
{
    v128_t sum = wasm_f32x4_add(v01, wasm_f32x4_add(v2, v3));
    sum = wasm_f32x4_add(wasm_f32x4_mul(sum, scale), wasm_f32x4_const_splat(0.5f));
    return wasm_i32x4_trunc_sat_f32x4(sum);
}

static void make_tables(const float *r, size_t padded, float scale, uint8_t *tables)
{
    const v128_t zero = wasm_f32x4_const_splat(0);
    const v128_t scales = wasm_f32x4_splat(scale);
    for (size_t i = 0; i < padded; i += KERNEL_TABLE_DIMS) {
        v128_t if_set[4];
        v128_t if_clear[4];
        for (size_t j = 0; j < 4; j++) {
            v128_t value = wasm_v128_load32_splat(r + i + j);
            if_set[j] = wasm_f32x4_pmax(zero, value);
            if_clear[j] = wasm_f32x4_pmax(zero, wasm_f32x4_neg(value));
        }
        v128_t v01 = wasm_f32x4_add(wasm_i32x4_shuffle(if_clear[0], if_set[0], 0, 5, 2, 7),
                                    wasm_i32x4_shuffle(if_clear[1], if_set[1], 0, 1, 6, 7));
        v128_t entries[4]; /* subsets 0-3, 4-7, 8-11, 12-15 */
        entries[0] = four_entries(v01, if_clear[2], if_clear[3], scales);
        entries[1] = four_entries(v01, if_set[2], if_clear[3], scales);
        entries[2] = four_entries(v01, if_clear[2], if_set[3], scales);
        entries[3] = four_entries(v01, if_set[2], if_set[3], scales);
        v128_t low = wasm_i16x8_narrow_i32x4(entries[0], entries[1]);
        v128_t high = wasm_i16x8_narrow_i32x4(entries[2], entries[3]);
        wasm_v128_store(tables + i * 4, wasm_u8x16_narrow_i16x8(low, high));
    }
}

/* ---------------------------------------------------------------- scan
 *
 * The engine's register allocation decides about the speed here (measured in Node 20). All in one
 * function, it spills the sums; where loops are unrolled, the compiler moves all loads to the front
 * and the engine spills what they loaded.
 */

/* Two tables' entries of 16 rows. */
INLINE v128_t look_up(const uint8_t *codes, v128_t first, v128_t second)
{
    const v128_t nibble = wasm_i8x16_const_splat(15);
    v128_t code = wasm_v128_load(codes);
    v128_t low = wasm_v128_and(code, nibble);
    v128_t high = wasm_v128_and(wasm_u16x8_shr(code, 4), nibble);
    return wasm_i8x16_add(SHUFFLE_BYTES(first, low), SHUFFLE_BYTES(second, high));
}

/* A block's sums in 16 bits. Each part has eight rows, from first_row on and from 8 after that. */
#define SUM_PARTS 4u
typedef struct block_sums {
    /* Of the even bytes of the lower and of the upper half of the groups, then of the odd ones. */
    v128_t parts[SUM_PARTS];
} block_sums;

INLINE size_t first_row(size_t part)
{
    return 16 * (part / 2) + 4 * (part % 2);
}

INLINE void store_sums(const v128_t all[2], const v128_t odd[2], block_sums *sums)
{
    for (int i = 0; i < 2; i++) {
        sums->parts[i] = wasm_i16x8_sub(all[i], wasm_i16x8_shl(odd[i], 8));
        sums->parts[2 + i] = odd[i];
    }
}

HOT void sum_block(const kernel_probe *probe, const uint8_t *codes, block_sums *sums)
{
    const uint8_t *tables = probe->tables;
    const uint8_t *end = tables + 4 * probe->padded;
    v128_t all[2], odd[2];
    all[0] = all[1] = odd[0] = odd[1] = wasm_i16x8_const_splat(0);
    for (; tables < end; tables += 128, codes += 128) {
        v128_t bytes[2];
        bytes[0] = bytes[1] = wasm_i8x16_const_splat(0);
#pragma clang loop unroll(disable)
        for (size_t at = 0; at < 128; at += 32) {
            v128_t low = wasm_v128_load(tables + at);
            v128_t high = wasm_v128_load(tables + at + KERNEL_TABLE_BYTES);
            bytes[0] = wasm_i8x16_add(bytes[0], look_up(codes + at, low, high));
            bytes[1] = wasm_i8x16_add(bytes[1], look_up(codes + at + 16, low, high));
        }
        for (int i = 0; i < 2; i++) {
            all[i] = wasm_i16x8_add(all[i], bytes[i]);
            odd[i] = wasm_i16x8_add(odd[i], wasm_u16x8_shr(bytes[i], 8));
        }
    }
    store_sums(all, odd, sums);
}

/* Two neighbouring blocks share the loads of tables. */
HOT void sum_pair(const kernel_probe *probe, const uint8_t *codes, block_sums sums[2])
{
    const uint8_t *tables = probe->tables;
    const uint8_t *end = tables + 4 * probe->padded;
    const uint8_t *second = codes + kernel_block_bytes(probe->padded);
    v128_t all[4], odd[4];
    for (int i = 0; i < 4; i++)
        all[i] = odd[i] = wasm_i16x8_const_splat(0);
    for (; tables < end; tables += 128, codes += 128, second += 128) {
        v128_t bytes[4];
        for (int i = 0; i < 4; i++)
            bytes[i] = wasm_i8x16_const_splat(0);
#pragma clang loop unroll(disable)
        for (size_t at = 0; at < 128; at += 32) {
            v128_t low = wasm_v128_load(tables + at);
            v128_t high = wasm_v128_load(tables + at + KERNEL_TABLE_BYTES);
            bytes[0] = wasm_i8x16_add(bytes[0], look_up(codes + at, low, high));
            bytes[1] = wasm_i8x16_add(bytes[1], look_up(codes + at + 16, low, high));
            bytes[2] = wasm_i8x16_add(bytes[2], look_up(second + at, low, high));
            bytes[3] = wasm_i8x16_add(bytes[3], look_up(second + at + 16, low, high));
        }
        for (int i = 0; i < 4; i++) {
            all[i] = wasm_i16x8_add(all[i], bytes[i]);
            odd[i] = wasm_i16x8_add(odd[i], wasm_u16x8_shr(bytes[i], 8));
        }
    }
    store_sums(all, odd, &sums[0]);
    store_sums(all + 2, odd + 2, &sums[1]);
}

/* The lower and the upper four of 16-bit sums as floats above 2^23: a number below 2^16 in the
 * lower half of the float 2^23 is that float plus the number. */
INLINE void widen(v128_t sums, v128_t *lower, v128_t *upper)
{
    const v128_t above = wasm_i16x8_const_splat(0x4B00);
    *lower = wasm_i16x8_shuffle(sums, above, 0, 8, 1, 9, 2, 10, 3, 11);
    *upper = wasm_i16x8_shuffle(sums, above, 4, 12, 5, 13, 6, 14, 7, 15);
}

typedef struct wide_probe {
    v128_t middles, steps, widths, reaches;
} wide_probe;

INLINE wide_probe widen_probe(const kernel_probe *probe, float reach)
{
    return (wide_probe){
        .middles = wasm_f32x4_splat(probe->middle + 0x1p23f),
        .steps = wasm_f32x4_splat(probe->step),
        .widths = wasm_f32x4_splat(probe->width),
        .reaches = wasm_f32x4_splat(reach),
    };
}

/* Of eight rows S - middle, where one exact subtraction takes 2^23 and the middle away, and the
 * bounds. With -width for the reach, the upper ones have the bits of the lower ones. */
INLINE void bound_rows(const wide_probe *wide, v128_t sums, const uint8_t *factors,
                       v128_t centred[2], v128_t lowers[2], v128_t uppers[2])
{
    widen(sums, &centred[0], &centred[1]);
    for (int i = 0; i < 2; i++, factors += 8 * sizeof(float)) {
        v128_t add = wasm_v128_load(factors);
        v128_t scale = wasm_v128_load(factors + 128);
        v128_t error = wasm_v128_load(factors + 256);
        centred[i] = wasm_f32x4_sub(centred[i], wide->middles);
        v128_t scaled = wasm_f32x4_mul(scale, wasm_f32x4_mul(centred[i], wide->steps));
        v128_t estimate = wasm_f32x4_add(add, scaled);
        lowers[i] = wasm_f32x4_sub(estimate, wasm_f32x4_mul(error, wide->widths));
        uppers[i] = wasm_f32x4_add(estimate, wasm_f32x4_mul(error, wide->reaches));
    }
}

/* Whether any upper bound of a block is not above the limit; the least lower one to `minimum`. Both
 * together: nearly all blocks fail, and to skip the upper bounds of blocks that fail by the lower
 * ones costs more in mispredicted branches. For these, least lanes are found without comparing. */
HOT bool bound_block(const kernel_probe *probe, const block_sums *sums, const uint8_t *factors,
                     float limit, float *minimum)
{
    const wide_probe wide = widen_probe(probe, probe->reach);
    v128_t lower = wasm_f32x4_const_splat(INFINITY);
    v128_t upper = lower;
#pragma clang loop unroll(disable)
    for (size_t part = 0; part < SUM_PARTS; part++) {
        v128_t centred[2], lowers[2], uppers[2];
        bound_rows(&wide, sums->parts[part], factors + sizeof(float) * first_row(part), centred,
                   lowers, uppers);
        for (int i = 0; i < 2; i++) {
            lower = wasm_f32x4_pmin(lower, lowers[i]);
            upper = wasm_f32x4_pmin(upper, uppers[i]);
        }
    }
    lower = wasm_f32x4_pmin(lower, wasm_i32x4_shuffle(lower, lower, 2, 3, 2, 3));
    lower = wasm_f32x4_pmin(lower, wasm_i32x4_shuffle(lower, lower, 1, 1, 1, 1));
    *minimum = wasm_f32x4_extract_lane(lower, 0);
    return !wasm_i32x4_all_true(wasm_f32x4_gt(upper, wasm_f32x4_splat(limit)));
}

/* The rows of a block whose upper bound, with this reach, is not above the limit, and S - middle
 * of all. */
HOT uint32_t test_rows(const kernel_probe *probe, const block_sums *sums, const uint8_t *factors,
                       float reach, float limit, float *centred)
{
    const wide_probe wide = widen_probe(probe, reach);
    const v128_t limits = wasm_f32x4_splat(limit);
    uint32_t above = 0;
#pragma clang loop unroll(disable)
    for (size_t part = 0; part < SUM_PARTS; part++) {
        v128_t differences[2], lowers[2], uppers[2];
        size_t first = first_row(part);
        bound_rows(&wide, sums->parts[part], factors + sizeof(float) * first, differences, lowers,
                   uppers);
        for (size_t i = 0; i < 2; i++, first += 8) {
            wasm_v128_store(centred + first, differences[i]);
            uint32_t four = wasm_i32x4_bitmask(wasm_f32x4_gt(uppers[i], limits));
            above |= four << first;
        }
    }
    return ~above;
}

/* Scans the `count` blocks of a pair: rows that pass, and minima. */
INLINE uint64_t scan_pair(const kernel_probe *probe, const uint8_t *codes, size_t count,
                          float limit, float *minima, float *centred)
{
    size_t block_bytes = kernel_block_bytes(probe->padded);
    const uint8_t *factors = codes + 4 * probe->padded;
    block_sums sums[2];
    if (count == 2) {
        sum_pair(probe, codes, sums);
    } else {
        sum_block(probe, codes, sums);
    }
    uint64_t mask = 0;
    for (size_t b = 0; b < count; b++, factors += block_bytes) {
        if (!bound_block(probe, &sums[b], factors, limit, &minima[b])) continue;
        size_t first = b * KERNEL_BLOCK_ROWS;
        mask |= (uint64_t)test_rows(probe, &sums[b], factors, probe->reach, limit, centred + first)
                << first;
    }
    return mask;
}

static size_t scan(const kernel_probe *probe, const void *blocks, size_t rows, const uint64_t *live,
                   size_t first, float limit, float *minima, kernel_hits *hits)
{
    size_t pair_bytes = 2 * kernel_block_bytes(probe->padded);
    size_t blocks_count = kernel_blocks(rows);
    size_t count = kernel_pairs(rows);
    for (size_t pair = first; pair < count; pair++) {
        const uint8_t *codes = (const uint8_t *)blocks + pair * pair_bytes;
        float *least = minima + 2 * pair;
        bool has_two = 2 * pair + 1 < blocks_count;
        uint64_t wanted = kernel_live_rows(live, pair, rows);
        if (wanted == 0) {
            least[0] = INFINITY;
            if (has_two) least[1] = INFINITY;
            continue;
        }
        if (has_two) {
            wanted &= scan_pair(probe, codes, 2, limit, least, hits->centred);
        } else {
            wanted &= scan_pair(probe, codes, 1, limit, least, hits->centred);
        }
        if (wanted == 0) continue;
        hits->mask = wanted;
        return pair;
    }
    return count;
}

static size_t find_block(const float *minima, size_t first, size_t count, float limit)
{
    const v128_t limits = wasm_f32x4_splat(limit);
    size_t block = first;
    for (; block + 4 <= count; block += 4) {
        v128_t above = wasm_f32x4_gt(wasm_v128_load(minima + block), limits);
        if (!wasm_i32x4_all_true(above)) break;
    }
    while (block < count && minima[block] > limit)
        block++;
    return block;
}

static void test_block(const kernel_probe *probe, const void *block, float limit, kernel_hits *hits)
{
    const uint8_t *codes = block;
    block_sums sums;
    sum_block(probe, codes, &sums);
    hits->mask =
        test_rows(probe, &sums, codes + 4 * probe->padded, -probe->width, limit, hits->centred);
}

const kernels kernels_simd128 = {
    .name = TIER_NAME,
    .dot = dot,
    .l2 = l2,
    .dot_rows = dot_rows,
    .l2_rows = l2_rows,
    .further = further_simd128,
    .multiply = multiply,
    .hadamard = hadamard,
    .mix_mirrored = mix_mirrored,
    .residual = residual,
    .place_code = place_code,
    .group_max = group_max,
    .make_tables = make_tables,
    .scan = scan,
    .find_block = find_block,
    .test_block = test_block,
    .encode_sq8 = sq8_encode_simd128,
    .l2_sq8 = sq8_l2_simd128,
    .dot_sq8 = sq8_dot_simd128,
    .dot_sq4 = sq4_dot_simd128,
    HALF_TABLE(simd128),
    BITS_TABLE(simd128),
};
