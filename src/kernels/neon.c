/* The NEON tier of aarch64: 128-bit vectors, so the 16 lanes are four registers.
 *
 * Same bits as scalar.c: products and sums are separate instructions, a tail goes through a zeroed
 * buffer of 16 elements, the tree adds registers 0 and 2, 1 and 3, then the two results, then
 * halves. The scan is avx2.c's in two halves of 16 rows.
 *
 * The second table is of processors with dot products of bytes (neon_dot_sq.c). Correct, by the
 * tests under emulation; its speed was not measured. Threads: pure functions.
 */
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "kernels/bits.h"
#include "kernels/further.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "kernels/sq.h"

#define LANES 16u
/* Rows that are summed up together. */
#define GROUP 4u
#define INLINE static inline __attribute__((always_inline))

/* ---------------------------------------------------------------- distances */

typedef struct sixteen {
    float32x4_t lanes[4];
} sixteen;

INLINE sixteen zeros(void)
{
    const float32x4_t zero = vdupq_n_f32(0);
    return (sixteen){{zero, zero, zero, zero}};
}

INLINE float add_lanes(const sixteen *sum)
{
    float32x4_t four =
        vaddq_f32(vaddq_f32(sum->lanes[0], sum->lanes[2]), vaddq_f32(sum->lanes[1], sum->lanes[3]));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

INLINE float32x4_t step(float32x4_t sum, float32x4_t a, float32x4_t b, bool squared)
{
    if (!squared) return vaddq_f32(sum, vmulq_f32(a, b));
    float32x4_t difference = vsubq_f32(a, b);
    return vaddq_f32(sum, vmulq_f32(difference, difference));
}

INLINE void add_sixteen(sixteen *sum, const float *a, const float *b, bool squared)
{
    for (size_t j = 0; j < 4; j++)
        sum->lanes[j] = step(sum->lanes[j], vld1q_f32(a + 4 * j), vld1q_f32(b + 4 * j), squared);
}

/* The last `left` elements, at most 15. */
INLINE void add_tail(sixteen *sum, const float *a, const float *b, size_t left, bool squared)
{
    float a_tail[LANES] = {0};
    float b_tail[LANES] = {0};
    memcpy(a_tail, a, left * sizeof *a);
    memcpy(b_tail, b, left * sizeof *b);
    add_sixteen(sum, a_tail, b_tail, squared);
}

INLINE float one_row(const float *a, const float *b, size_t n, bool squared)
{
    sixteen sum = zeros();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        add_sixteen(&sum, a + i, b + i, squared);
    if (i < n) add_tail(&sum, a + i, b + i, n - i, squared);
    return add_lanes(&sum);
}

/* Four rows: each sum waits for itself only. Each line's counterpart in the `later` rows is
 * fetched. */
INLINE void four_rows(const float *query, const float *const *rows, const float *const *later,
                      size_t n, bool squared, float *results)
{
    sixteen sums[GROUP];
    for (size_t row = 0; row < GROUP; row++)
        sums[row] = zeros();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t row = 0; row < GROUP; row++) {
            __builtin_prefetch(later[row] + i);
            add_sixteen(&sums[row], query + i, rows[row] + i, squared);
        }
    }
    for (size_t row = 0; row < GROUP; row++) {
        if (i < n) add_tail(&sums[row], query + i, rows[row] + i, n - i, squared);
        results[row] = add_lanes(&sums[row]);
    }
}

INLINE void many_rows(const float *query, const float *const *rows, size_t count, size_t n,
                      bool squared, float *results)
{
    bool is_stream = kernel_is_stream(rows, count, n);
    for (size_t row = 0; row < GROUP && row < count && !is_stream; row++) {
        for (size_t i = 0; i < n; i += LANES)
            __builtin_prefetch(rows[row] + i);
    }
    size_t row = 0;
    for (; row + GROUP <= count && !is_stream; row += GROUP) {
        const float *later[GROUP];
        for (size_t j = 0; j < GROUP; j++)
            later[j] = rows[row + j + GROUP < count ? row + j + GROUP : row + j];
        four_rows(query, rows + row, later, n, squared, results + row);
    }
    for (; row < count; row++)
        results[row] = one_row(query, rows[row], n, squared);
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
    for (size_t i = 0; i < n; i += 4)
        vst1q_f32(x + i, vmulq_f32(vld1q_f32(x + i), vld1q_f32(by + i)));
}

INLINE void butterfly(float32x4_t *a, float32x4_t *b)
{
    float32x4_t sum = vaddq_f32(*a, *b);
    *b = vsubq_f32(*a, *b);
    *a = sum;
}

/* Steps 1 and 2 inside a register: the partner comes by a shuffle, the upper one of a pair
 * changes its sign, and both add. */
INLINE float32x4_t hadamard_4(float32x4_t x)
{
    const uint32x4_t sign_1 = {0, 1u << 31, 0, 1u << 31};
    const uint32x4_t sign_2 = {0, 0, 1u << 31, 1u << 31};
    float32x4_t partners = vrev64q_f32(x);
    x = vaddq_f32(partners, vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(x), sign_1)));
    partners = vextq_f32(x, x, 2);
    return vaddq_f32(partners, vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(x), sign_2)));
}

/* Steps 1 to 32 of 64 elements in sixteen registers. */
INLINE void hadamard_64(float *x)
{
    float32x4_t v[16];
    for (size_t i = 0; i < 16; i++)
        v[i] = hadamard_4(vld1q_f32(x + 4 * i));
    for (size_t i = 0; i < 16; i += 2)
        butterfly(&v[i], &v[i + 1]);
    for (size_t i = 0; i < 16; i += 4) {
        butterfly(&v[i], &v[i + 2]);
        butterfly(&v[i + 1], &v[i + 3]);
    }
    for (size_t i = 0; i < 4; i++) {
        butterfly(&v[i], &v[i + 4]);
        butterfly(&v[i + 8], &v[i + 12]);
    }
    for (size_t i = 0; i < 8; i++)
        butterfly(&v[i], &v[i + 8]);
    for (size_t i = 0; i < 16; i++)
        vst1q_f32(x + 4 * i, v[i]);
}

/* Steps h and 2h in one pass. */
INLINE void hadamard_two_steps(float *x, size_t n, size_t h)
{
    for (size_t start = 0; start < n; start += 4 * h) {
        for (size_t i = start; i < start + h; i += 4) {
            float32x4_t v[4];
            for (size_t j = 0; j < 4; j++)
                v[j] = vld1q_f32(x + i + j * h);
            butterfly(&v[0], &v[1]);
            butterfly(&v[2], &v[3]);
            butterfly(&v[0], &v[2]);
            butterfly(&v[1], &v[3]);
            for (size_t j = 0; j < 4; j++)
                vst1q_f32(x + i + j * h, v[j]);
        }
    }
}

INLINE void hadamard_step(float *x, size_t n, size_t h)
{
    for (size_t start = 0; start < n; start += 2 * h) {
        for (size_t i = start; i < start + h; i += 4) {
            float32x4_t a = vld1q_f32(x + i);
            float32x4_t b = vld1q_f32(x + i + h);
            butterfly(&a, &b);
            vst1q_f32(x + i, a);
            vst1q_f32(x + i + h, b);
        }
    }
}

static void hadamard(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        hadamard_64(x + i);
    size_t h = 64;
    for (; 4 * h <= n; h *= 4)
        hadamard_two_steps(x, n, h);
    if (h < n) hadamard_step(x, n, h);
}

INLINE float32x4_t reversed(float32x4_t x)
{
    x = vrev64q_f32(x);
    return vextq_f32(x, x, 2);
}

static void mix_mirrored(float *x, size_t n)
{
    const float32x4_t root = vdupq_n_f32(KERNEL_HALF_ROOT);
    for (size_t i = 0; i < n / 2; i += 4) {
        float *mirror = x + n - 4 - i;
        float32x4_t a = vld1q_f32(x + i);
        float32x4_t b = reversed(vld1q_f32(mirror));
        butterfly(&a, &b);
        vst1q_f32(x + i, vmulq_f32(a, root));
        vst1q_f32(mirror, reversed(vmulq_f32(b, root)));
    }
}

/* ---------------------------------------------------------------- codes and tables */

static void residual(const float *x, const float *centre, size_t padded, float *r,
                     kernel_sums *sums)
{
    sixteen l1 = zeros();
    sixteen squares = zeros();
    sixteen product = zeros();
    for (size_t i = 0; i < padded; i += LANES) {
        for (size_t j = 0; j < 4; j++) {
            float32x4_t c = vld1q_f32(centre + i + 4 * j);
            float32x4_t value = vsubq_f32(vld1q_f32(x + i + 4 * j), c);
            vst1q_f32(r + i + 4 * j, value);
            l1.lanes[j] = vaddq_f32(l1.lanes[j], vabsq_f32(value));
            squares.lanes[j] = vaddq_f32(squares.lanes[j], vmulq_f32(value, value));
            product.lanes[j] = vaddq_f32(product.lanes[j], vmulq_f32(value, c));
        }
    }
    sums->l1 = add_lanes(&l1);
    sums->squares = add_lanes(&squares);
    sums->dot = add_lanes(&product);
}

/* A bit for each of eight lanes that are all ones or zero. */
INLINE uint32_t lane_bits(uint32x4_t low, uint32x4_t high)
{
    const uint16x8_t weights = {1, 2, 4, 8, 16, 32, 64, 128};
    uint16x8_t both = vcombine_u16(vmovn_u32(low), vmovn_u32(high));
    return vaddvq_u16(vandq_u16(both, weights));
}

static void place_code(const float *r, size_t padded, unsigned row, uint8_t *codes)
{
    uint8_t *byte = codes + kernel_row_byte(row);
    for (size_t i = 0; i < padded; i += 8) {
        uint32x4_t low = vcgezq_s32(vreinterpretq_s32_f32(vld1q_f32(r + i)));
        uint32x4_t high = vcgezq_s32(vreinterpretq_s32_f32(vld1q_f32(r + i + 4)));
        *byte = (uint8_t)lane_bits(low, high);
        byte += KERNEL_BLOCK_ROWS;
    }
}

/* The larger one, or the second where the first is NaN. */
INLINE float32x4_t larger(float32x4_t a, float32x4_t b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static float group_max(const float *r, size_t padded)
{
    float32x4_t largest = vdupq_n_f32(0);
    for (size_t i = 0; i < padded; i += LANES) {
        float32x4_t v[4];
        for (size_t j = 0; j < 4; j++)
            v[j] = vabsq_f32(vld1q_f32(r + i + 4 * j));
        /* Neighbours add, then neighbouring pairs: the order within a group of four. */
        float32x4_t sums = vpaddq_f32(vpaddq_f32(v[0], v[1]), vpaddq_f32(v[2], v[3]));
        largest = larger(sums, largest);
    }
    return vmaxvq_f32(largest);
}

INLINE uint16x4_t four_entries(float32x4_t v01, float32x4_t v2, float32x4_t v3, float32x4_t scale)
{
    float32x4_t sum = vaddq_f32(v01, vaddq_f32(v2, v3));
    sum = vaddq_f32(vmulq_f32(sum, scale), vdupq_n_f32(0.5f));
    return vmovn_u32(vcvtq_u32_f32(sum));
}

static void make_tables(const float *r, size_t padded, float scale, uint8_t *tables)
{
    const float32x4_t zero = vdupq_n_f32(0);
    const float32x4_t scales = vdupq_n_f32(scale);
    const uint32x4_t bit_0 = {0, UINT32_MAX, 0, UINT32_MAX};
    const uint32x4_t bit_1 = {0, 0, UINT32_MAX, UINT32_MAX};
    for (size_t i = 0; i < padded; i += KERNEL_TABLE_DIMS) {
        float32x4_t if_set[4];
        float32x4_t if_clear[4];
        for (size_t j = 0; j < 4; j++) {
            float32x4_t value = vdupq_n_f32(r[i + j]);
            if_set[j] = larger(value, zero);
            if_clear[j] = larger(vnegq_f32(value), zero);
        }
        float32x4_t v01 = vaddq_f32(vbslq_f32(bit_0, if_set[0], if_clear[0]),
                                    vbslq_f32(bit_1, if_set[1], if_clear[1]));
        /* Subsets 0-3, 4-7, 8-11, 12-15. */
        uint16x8_t low = vcombine_u16(four_entries(v01, if_clear[2], if_clear[3], scales),
                                      four_entries(v01, if_set[2], if_clear[3], scales));
        uint16x8_t high = vcombine_u16(four_entries(v01, if_clear[2], if_set[3], scales),
                                       four_entries(v01, if_set[2], if_set[3], scales));
        vst1q_u8(tables + i * 4, vcombine_u8(vmovn_u16(low), vmovn_u16(high)));
    }
}

/* ---------------------------------------------------------------- scan */

/* Two tables' entries of 16 rows. */
INLINE uint8x16_t look_up(const uint8_t *codes, uint8x16_t first, uint8x16_t second)
{
    uint8x16_t code = vld1q_u8(codes);
    uint8x16_t low = vandq_u8(code, vdupq_n_u8(15));
    return vaddq_u8(vqtbl1q_u8(first, low), vqtbl1q_u8(second, vshrq_n_u8(code, 4)));
}

/* A block's sums in 16 bits: of the even bytes of the lower and of the upper half of the groups,
 * then of the odd ones. Each part has eight rows, from first_row on and from 8 after that. */
#define SUM_PARTS 4u
typedef struct block_sums {
    uint16x8_t parts[SUM_PARTS];
} block_sums;

INLINE size_t first_row(size_t part)
{
    return 16 * (part / 2) + 4 * (part % 2);
}

/* Sums of `count` (1 or 2, known when compiled) neighbouring blocks, which share the loads of
 * tables. The codes at `ahead` are fetched meanwhile. */
INLINE void sum_blocks(const kernel_probe *probe, const uint8_t *codes, size_t block_bytes,
                       size_t count, const uint8_t *ahead, block_sums *sums)
{
    const uint8_t *tables = probe->tables;
    const uint8_t *end = tables + 4 * probe->padded;
    uint16x8_t all[4];
    uint16x8_t odd[4];
    for (size_t i = 0; i < 4; i++)
        all[i] = odd[i] = vdupq_n_u16(0);
    for (; tables < end; tables += 128, codes += 128, ahead += 128) {
        uint8x16_t bytes[4];
        for (size_t i = 0; i < 4; i++)
            bytes[i] = vdupq_n_u8(0);
        for (size_t b = 0; b < count; b++) {
            __builtin_prefetch(ahead + b * block_bytes);
            __builtin_prefetch(ahead + b * block_bytes + 64);
        }
        for (size_t at = 0; at < 128; at += 32) {
            uint8x16_t first = vld1q_u8(tables + at);
            uint8x16_t second = vld1q_u8(tables + at + KERNEL_TABLE_BYTES);
            for (size_t i = 0; i < 2 * count; i++) {
                const uint8_t *half = codes + i / 2 * block_bytes + at + 16 * (i % 2);
                bytes[i] = vaddq_u8(bytes[i], look_up(half, first, second));
            }
        }
        for (size_t i = 0; i < 2 * count; i++) {
            uint16x8_t words = vreinterpretq_u16_u8(bytes[i]);
            all[i] = vaddq_u16(all[i], words);
            odd[i] = vsraq_n_u16(odd[i], words, 8);
        }
    }
    for (size_t i = 0; i < 2 * count; i++) {
        sums[i / 2].parts[i % 2] = vsubq_u16(all[i], vshlq_n_u16(odd[i], 8));
        sums[i / 2].parts[2 + i % 2] = odd[i];
    }
}

/* What a probe has for all rows, in registers. */
typedef struct wide_probe {
    float32x4_t middle, step, width, reach;
} wide_probe;

INLINE wide_probe widen_probe(const kernel_probe *probe)
{
    return (wide_probe){
        .middle = vdupq_n_f32(probe->middle + 0x1p23f),
        .step = vdupq_n_f32(probe->step),
        .width = vdupq_n_f32(probe->width),
        .reach = vdupq_n_f32(probe->reach),
    };
}

/* Bounds of a block's rows, and S - middle to `centred`; by fours, in the order of rows. A number
 * below 2^16 in the lower half of the float 2^23 is that float plus the number, and one exact
 * subtraction takes 2^23 and the middle away. */
INLINE void bound_rows(const wide_probe *wide, const block_sums *sums, const uint8_t *factors,
                       float *centred, float32x4_t uppers[8], float32x4_t lowers[8])
{
    const uint16x8_t above = vdupq_n_u16(0x4B00);
    for (size_t part = 0; part < SUM_PARTS; part++) {
        const uint16x8_t wide_sums[2] = {
            vzip1q_u16(sums->parts[part], above),
            vzip2q_u16(sums->parts[part], above),
        };
        for (size_t i = 0; i < 2; i++) {
            size_t row = first_row(part) + 8 * i;
            const float *factor = (const float *)(const void *)factors + row;
            float32x4_t sum = vsubq_f32(vreinterpretq_f32_u16(wide_sums[i]), wide->middle);
            float32x4_t scaled = vmulq_f32(vld1q_f32(factor + 32), vmulq_f32(sum, wide->step));
            float32x4_t estimate = vaddq_f32(vld1q_f32(factor), scaled);
            float32x4_t error = vld1q_f32(factor + 64);
            vst1q_f32(centred + row, sum);
            uppers[row / 4] = vaddq_f32(estimate, vmulq_f32(error, wide->reach));
            lowers[row / 4] = vsubq_f32(estimate, vmulq_f32(error, wide->width));
        }
    }
}

INLINE float least_of(const float32x4_t values[8])
{
    float32x4_t least[4];
    for (size_t i = 0; i < 4; i++)
        least[i] = vminq_f32(values[i], values[i + 4]);
    return vminvq_f32(vminq_f32(vminq_f32(least[0], least[1]), vminq_f32(least[2], least[3])));
}

/* Values that are not above the limit. */
INLINE uint32_t pass_mask(const float32x4_t values[8], float limit)
{
    const float32x4_t limits = vdupq_n_f32(limit);
    uint32_t above = 0;
    for (size_t i = 0; i < 8; i += 2) {
        uint32_t eight = lane_bits(vcgtq_f32(values[i], limits), vcgtq_f32(values[i + 1], limits));
        above |= eight << (4 * i);
    }
    return ~above;
}

/* Scans the `count` blocks of a pair: rows that pass, and minima. */
INLINE uint64_t scan_pair(const kernel_probe *probe, const wide_probe *wide, const uint8_t *codes,
                          size_t count, const uint8_t *ahead, float limit, float *minima,
                          float *centred)
{
    size_t block_bytes = kernel_block_bytes(probe->padded);
    block_sums sums[2];
    sum_blocks(probe, codes, block_bytes, count, ahead, sums);
    uint64_t mask = 0;
    for (size_t b = 0; b < count; b++) {
        float32x4_t uppers[8];
        float32x4_t lowers[8];
        size_t factors = b * block_bytes + 4 * probe->padded;
        for (size_t at = 0; at < 3 * sizeof(float) * KERNEL_BLOCK_ROWS; at += 64)
            __builtin_prefetch(ahead + factors + at);
        bound_rows(wide, &sums[b], codes + factors, centred + b * KERNEL_BLOCK_ROWS, uppers,
                   lowers);
        minima[b] = least_of(lowers);
        if (least_of(uppers) > limit) continue;
        mask |= (uint64_t)pass_mask(uppers, limit) << (b * KERNEL_BLOCK_ROWS);
    }
    return mask;
}

static size_t scan(const kernel_probe *probe, const void *blocks, size_t rows, const uint64_t *live,
                   size_t first, float limit, float *minima, kernel_hits *hits)
{
    const wide_probe wide = widen_probe(probe);
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
        /* The last two pairs have none to fetch and fetch themselves. */
        const uint8_t *ahead = pair + 3 < count ? codes + 2 * pair_bytes : codes;
        if (has_two) {
            wanted &= scan_pair(probe, &wide, codes, 2, ahead, limit, least, hits->centred);
        } else {
            wanted &= scan_pair(probe, &wide, codes, 1, ahead, limit, least, hits->centred);
        }
        if (wanted == 0) continue;
        hits->mask = wanted;
        return pair;
    }
    return count;
}

static size_t find_block(const float *minima, size_t first, size_t count, float limit)
{
    const float32x4_t limits = vdupq_n_f32(limit);
    size_t block = first;
    for (; block + 4 <= count; block += 4) {
        uint32x4_t above = vcgtq_f32(vld1q_f32(minima + block), limits);
        if (vminvq_u32(above) == 0) break;
    }
    while (block < count && minima[block] > limit)
        block++;
    return block;
}

static void test_block(const kernel_probe *probe, const void *block, float limit, kernel_hits *hits)
{
    const wide_probe wide = widen_probe(probe);
    const uint8_t *codes = block;
    block_sums sums;
    float32x4_t uppers[8];
    float32x4_t lowers[8];
    sum_blocks(probe, codes, 0, 1, codes, &sums);
    bound_rows(&wide, &sums, codes + 4 * probe->padded, hits->centred, uppers, lowers);
    hits->mask = pass_mask(lowers, limit);
}

#define NEON_TABLE(tier)                                                                   \
    {                                                                                      \
        .name = #tier, .dot = dot, .l2 = l2, .dot_rows = dot_rows, .l2_rows = l2_rows,     \
        .further = further_neon, .multiply = multiply, .hadamard = hadamard,               \
        .mix_mirrored = mix_mirrored, .residual = residual, .place_code = place_code,      \
        .group_max = group_max, .make_tables = make_tables, .scan = scan,                  \
        .find_block = find_block, .test_block = test_block, .encode_sq8 = sq8_encode_neon, \
        .l2_sq8 = sq8_l2_##tier, .dot_sq8 = sq8_dot_##tier, .dot_sq4 = sq4_dot_##tier,     \
        HALF_TABLE(neon), BITS_TABLE(neon),                                                \
    }

const kernels kernels_neon = NEON_TABLE(neon);
#if defined(KERNELS_NEON_DOT)
const kernels kernels_neon_dot = NEON_TABLE(neon_dot);
#endif
