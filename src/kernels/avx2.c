/* The AVX2 tier: 256-bit vectors, so the 16 lanes are two registers.
 *
 * Same bits as scalar.c: products and sums are separate instructions, a tail is a masked load
 * (zeros behind the end, nothing read there), the tree adds the two registers, then halves, then
 * quarters.
 *
 * The scan (Andre, Kermarrec and Le Scouarnec, "Quick ADC", 2017): 32 bytes of a block are two
 * nibbles of 32 rows, each nibble looked up in its table by one byte shuffle. Eight tables add up
 * in a byte (entries are at most 31) and are then widened: `all` collects the bytes as 16-bit
 * numbers, that is even + 256 * odd, `odd` the odd ones alone; even is all - 256 * odd, modulo
 * 2^16. The last sums still fit 16 bits.
 *
 * Functions carry the target themselves: the file compiles without flags. Threads: pure functions.
 */
#include <immintrin.h>
#include <math.h>

#include "kernels/avx2.h"
#include "kernels/bits.h"
#include "kernels/further.h"
#include "kernels/half.h"
#include "kernels/kernels.h"
#include "kernels/sq.h"

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((target("avx2"), always_inline))

#define LANES 16u

/* ---------------------------------------------------------------- distances */

/* Masks of the first `count` of 8 elements, by a load at 8 - count. */
static const int32_t tail_masks[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

AVX2_INLINE __m256i tail_mask(size_t count)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)(tail_masks + 8 - count));
}

AVX2_INLINE float add_lanes(__m256 low, __m256 high)
{
    __m256 eight = _mm256_add_ps(low, high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* One lane's step: sum + a * b, or sum + (a - b)^2. */
AVX2_INLINE __m256 step(__m256 sum, __m256 a, __m256 b, bool squared)
{
    if (!squared) return _mm256_add_ps(sum, _mm256_mul_ps(a, b));
    __m256 difference = _mm256_sub_ps(a, b);
    return _mm256_add_ps(sum, _mm256_mul_ps(difference, difference));
}

AVX2_INLINE float one_row(const float *a, const float *b, size_t n, bool squared)
{
    __m256 low = _mm256_setzero_ps();
    __m256 high = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        low = step(low, _mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), squared);
        high = step(high, _mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), squared);
    }
    size_t left = n - i;
    if (left > 0) {
        __m256i mask = tail_mask(left < 8 ? left : 8);
        low = step(low, _mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask), squared);
    }
    if (left > 8) {
        __m256i mask = tail_mask(left - 8);
        high = step(high, _mm256_maskload_ps(a + i + 8, mask), _mm256_maskload_ps(b + i + 8, mask),
                    squared);
    }
    return add_lanes(low, high);
}

/* Four rows at a time: each sum waits for itself only, so the additions of four rows overlap. */
AVX2_INLINE void four_rows(const float *query, const float *const rows[4], size_t n, bool squared,
                           float results[4])
{
    __m256 low[4];
    __m256 high[4];
    for (int row = 0; row < 4; row++)
        low[row] = high[row] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __m256 query_low = _mm256_loadu_ps(query + i);
        __m256 query_high = _mm256_loadu_ps(query + i + 8);
        for (int row = 0; row < 4; row++) {
            low[row] = step(low[row], query_low, _mm256_loadu_ps(rows[row] + i), squared);
            high[row] = step(high[row], query_high, _mm256_loadu_ps(rows[row] + i + 8), squared);
        }
    }
    size_t left = n - i;
    if (left > 0) {
        __m256i mask_low = tail_mask(left < 8 ? left : 8);
        __m256i mask_high = tail_mask(left < 8 ? 0 : left - 8);
        __m256 query_low = _mm256_maskload_ps(query + i, mask_low);
        __m256 query_high = _mm256_maskload_ps(query + i + 8, mask_high);
        for (int row = 0; row < 4; row++) {
            low[row] =
                step(low[row], query_low, _mm256_maskload_ps(rows[row] + i, mask_low), squared);
            high[row] = step(high[row], query_high,
                             _mm256_maskload_ps(rows[row] + i + 8, mask_high), squared);
        }
    }
    for (int row = 0; row < 4; row++)
        results[row] = add_lanes(low[row], high[row]);
}

/* How far ahead, and how much of a row: what the first lines do not cover, the hardware's stream
 * prefetcher does. Measured at 128 to 1536 dimensions on Zen 4. */
#define PREFETCH_ROWS 8u
#define PREFETCH_BYTES 1024u

AVX2_INLINE void prefetch_row(const float *row, size_t n)
{
    size_t bytes = n * sizeof(float);
    if (bytes > PREFETCH_BYTES) bytes = PREFETCH_BYTES;
    for (size_t at = 0; at < bytes; at += 64) {
        _mm_prefetch((const char *)row + at, _MM_HINT_T0);
    }
}

AVX2_INLINE void many_rows(const float *query, const float *const *rows, size_t count, size_t n,
                           bool squared, float *results)
{
    /* Of a stream, four rows at a time take 2 to 3 times as long (128 to 1536 dimensions, Zen 4). */
    bool is_stream = kernel_is_stream(rows, count, n);
    for (size_t row = 0; row < PREFETCH_ROWS && row < count && !is_stream; row++)
        prefetch_row(rows[row], n);
    size_t row = 0;
    for (; row + 4 <= count && !is_stream; row += 4) {
        for (size_t next = row + PREFETCH_ROWS; next < row + PREFETCH_ROWS + 4 && next < count;
             next++) {
            prefetch_row(rows[next], n);
        }
        four_rows(query, rows + row, n, squared, results + row);
    }
    for (; row < count; row++)
        results[row] = one_row(query, rows[row], n, squared);
}

AVX2 static float dot(const float *a, const float *b, size_t n)
{
    return one_row(a, b, n, false);
}

AVX2 static float l2(const float *a, const float *b, size_t n)
{
    return one_row(a, b, n, true);
}

AVX2 static void dot_rows(const float *query, const float *const *rows, size_t count, size_t n,
                          float *results)
{
    many_rows(query, rows, count, n, false, results);
}

AVX2 static void l2_rows(const float *query, const float *const *rows, size_t count, size_t n,
                         float *results)
{
    many_rows(query, rows, count, n, true, results);
}

/* ---------------------------------------------------------------- rotation */

AVX2 void multiply_avx2(float *x, const float *by, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(by + i)));
    }
}

AVX2_INLINE void butterfly(__m256 *a, __m256 *b)
{
    __m256 sum = _mm256_add_ps(*a, *b);
    *b = _mm256_sub_ps(*a, *b);
    *a = sum;
}

/* Steps 1, 2 and 4 inside a register: the partner comes by a shuffle, the upper one of a pair
 * changes its sign, and both add. */
AVX2_INLINE __m256 hadamard_8(__m256 x)
{
    const __m256 sign_1 = _mm256_setr_ps(0.0f, -0.0f, 0.0f, -0.0f, 0.0f, -0.0f, 0.0f, -0.0f);
    const __m256 sign_2 = _mm256_setr_ps(0.0f, 0.0f, -0.0f, -0.0f, 0.0f, 0.0f, -0.0f, -0.0f);
    const __m256 sign_4 = _mm256_setr_ps(0.0f, 0.0f, 0.0f, 0.0f, -0.0f, -0.0f, -0.0f, -0.0f);
    x = _mm256_add_ps(_mm256_permute_ps(x, 0xB1), _mm256_xor_ps(x, sign_1));
    x = _mm256_add_ps(_mm256_permute_ps(x, 0x4E), _mm256_xor_ps(x, sign_2));
    return _mm256_add_ps(_mm256_permute2f128_ps(x, x, 1), _mm256_xor_ps(x, sign_4));
}

/* Steps 1 to 32 of 64 elements in eight registers. */
AVX2_INLINE void hadamard_64(float *x)
{
    __m256 v[8];
    for (int i = 0; i < 8; i++)
        v[i] = hadamard_8(_mm256_loadu_ps(x + 8 * i));
    for (int i = 0; i < 8; i += 2)
        butterfly(&v[i], &v[i + 1]);
    for (int i = 0; i < 8; i += 4) {
        butterfly(&v[i], &v[i + 2]);
        butterfly(&v[i + 1], &v[i + 3]);
    }
    for (int i = 0; i < 4; i++)
        butterfly(&v[i], &v[i + 4]);
    for (int i = 0; i < 8; i++)
        _mm256_storeu_ps(x + 8 * i, v[i]);
}

/* Steps h and 2h in one pass. */
AVX2_INLINE void hadamard_two_steps(float *x, size_t n, size_t h)
{
    for (size_t start = 0; start < n; start += 4 * h) {
        for (size_t i = start; i < start + h; i += 8) {
            __m256 v[4];
            for (size_t j = 0; j < 4; j++)
                v[j] = _mm256_loadu_ps(x + i + j * h);
            butterfly(&v[0], &v[1]);
            butterfly(&v[2], &v[3]);
            butterfly(&v[0], &v[2]);
            butterfly(&v[1], &v[3]);
            for (size_t j = 0; j < 4; j++)
                _mm256_storeu_ps(x + i + j * h, v[j]);
        }
    }
}

AVX2_INLINE void hadamard_step(float *x, size_t n, size_t h)
{
    for (size_t start = 0; start < n; start += 2 * h) {
        for (size_t i = start; i < start + h; i += 8) {
            __m256 a = _mm256_loadu_ps(x + i);
            __m256 b = _mm256_loadu_ps(x + i + h);
            butterfly(&a, &b);
            _mm256_storeu_ps(x + i, a);
            _mm256_storeu_ps(x + i + h, b);
        }
    }
}

AVX2 void hadamard_avx2(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        hadamard_64(x + i);
    size_t h = 64;
    for (; 4 * h <= n; h *= 4)
        hadamard_two_steps(x, n, h);
    if (h < n) hadamard_step(x, n, h);
}

AVX2_INLINE __m256 reversed(__m256 x)
{
    return _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}

AVX2 void mix_mirrored_avx2(float *x, size_t n)
{
    const __m256 root = _mm256_set1_ps(KERNEL_HALF_ROOT);
    for (size_t i = 0; i < n / 2; i += 8) {
        float *mirror = x + n - 8 - i;
        __m256 a = _mm256_loadu_ps(x + i);
        __m256 b = reversed(_mm256_loadu_ps(mirror));
        butterfly(&a, &b);
        _mm256_storeu_ps(x + i, _mm256_mul_ps(a, root));
        _mm256_storeu_ps(mirror, reversed(_mm256_mul_ps(b, root)));
    }
}

/* ---------------------------------------------------------------- codes and tables */

AVX2_INLINE __m256 absolute(__m256 x)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

AVX2 void residual_avx2(const float *x, const float *centre, size_t padded, float *r,
                        kernel_sums *sums)
{
    __m256 l1[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    __m256 squares[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    __m256 product[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (size_t i = 0; i < padded; i += LANES) {
        for (size_t half = 0; half < 2; half++) {
            __m256 c = _mm256_loadu_ps(centre + i + 8 * half);
            __m256 value = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8 * half), c);
            _mm256_storeu_ps(r + i + 8 * half, value);
            l1[half] = _mm256_add_ps(l1[half], absolute(value));
            squares[half] = _mm256_add_ps(squares[half], _mm256_mul_ps(value, value));
            product[half] = _mm256_add_ps(product[half], _mm256_mul_ps(value, c));
        }
    }
    sums->l1 = add_lanes(l1[0], l1[1]);
    sums->squares = add_lanes(squares[0], squares[1]);
    sums->dot = add_lanes(product[0], product[1]);
}

AVX2 static void place_code(const float *r, size_t padded, unsigned row, uint8_t *codes)
{
    uint8_t *byte = codes + kernel_row_byte(row);
    for (size_t i = 0; i < padded; i += 8) {
        *byte = (uint8_t)~_mm256_movemask_ps(_mm256_loadu_ps(r + i));
        byte += KERNEL_BLOCK_ROWS;
    }
}

AVX2 float group_max_avx2(const float *r, size_t padded)
{
    __m256 largest = _mm256_setzero_ps();
    for (size_t i = 0; i < padded; i += LANES) {
        __m256 a = absolute(_mm256_loadu_ps(r + i));
        __m256 b = absolute(_mm256_loadu_ps(r + i + 8));
        /* Neighbours add, then neighbouring pairs: the order within a group of four. */
        __m256 pairs = _mm256_hadd_ps(a, b);
        largest = _mm256_max_ps(_mm256_hadd_ps(pairs, pairs), largest);
    }
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(largest), _mm256_extractf128_ps(largest, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/* Entries of 8 subsets, numbered from 0 or from 8 (`v3` is the fourth value's share of all). */
AVX2_INLINE __m256i eight_entries(__m256 v01, __m256 v2, __m256 v3, __m256 scale)
{
    __m256 sum = _mm256_add_ps(v01, _mm256_add_ps(v2, v3));
    sum = _mm256_add_ps(_mm256_mul_ps(sum, scale), _mm256_set1_ps(0.5f));
    return _mm256_cvttps_epi32(sum);
}

AVX2 static void make_tables(const float *r, size_t padded, float scale, uint8_t *tables)
{
    const __m256 zero = _mm256_setzero_ps();
    const __m256 scales = _mm256_set1_ps(scale);
    for (size_t i = 0; i < padded; i += KERNEL_TABLE_DIMS) {
        __m256 if_set[4];
        __m256 if_clear[4];
        for (size_t j = 0; j < 4; j++) {
            __m256 value = _mm256_broadcast_ss(r + i + j);
            if_set[j] = _mm256_max_ps(value, zero);
            if_clear[j] = _mm256_max_ps(_mm256_sub_ps(zero, value), zero);
        }
        __m256 v01 = _mm256_add_ps(_mm256_blend_ps(if_clear[0], if_set[0], 0xAA),
                                   _mm256_blend_ps(if_clear[1], if_set[1], 0xCC));
        __m256 v2 = _mm256_blend_ps(if_clear[2], if_set[2], 0xF0);
        __m256i low = eight_entries(v01, v2, if_clear[3], scales);
        __m256i high = eight_entries(v01, v2, if_set[3], scales);
        /* 32 to 16 bits leaves quarters interleaved by halves: 0213 puts them in order. */
        __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
        __m128i bytes =
            _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
        _mm_storeu_si128((__m128i *)(void *)(tables + i * 4), bytes);
    }
}

/* ---------------------------------------------------------------- scan */

AVX2_INLINE __m256i load_bytes(const uint8_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

/* One table for both halves. */
AVX2_INLINE __m256i load_table(const uint8_t *from)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)from));
}

/* Two tables' entries of 32 rows. */
AVX2_INLINE __m256i look_up(const uint8_t *codes, __m256i first, __m256i second)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i code = load_bytes(codes);
    __m256i low = _mm256_and_si256(code, nibble);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(code, 4), nibble);
    return _mm256_add_epi8(_mm256_shuffle_epi8(first, low), _mm256_shuffle_epi8(second, high));
}

AVX2_INLINE void prefetch_lines(const uint8_t *from, size_t lines)
{
    for (size_t line = 0; line < lines; line++) {
        _mm_prefetch((const char *)from + 64 * line, _MM_HINT_T0);
    }
}

typedef struct block_sums {
    __m256i even, odd; /* bytes of a group; 16-bit sums */
} block_sums;

/* Sums of `count` (1 or 2, known when compiled) neighbouring blocks, which share the loads of
 * tables. The codes at `ahead` are fetched meanwhile. */
AVX2_INLINE void sum_blocks(const kernel_probe *probe, const uint8_t *codes, size_t block_bytes,
                            size_t count, const uint8_t *ahead, block_sums *sums)
{
    const uint8_t *tables = probe->tables;
    const uint8_t *end = tables + 4 * probe->padded;
    __m256i all[2];
    __m256i odd[2];
    all[0] = all[1] = odd[0] = odd[1] = _mm256_setzero_si256();
    for (; tables < end; tables += 128, codes += 128, ahead += 128) {
        __m256i bytes[2];
        for (size_t b = 0; b < count; b++)
            prefetch_lines(ahead + b * block_bytes, 2);
        for (size_t group = 0; group < 4; group++) {
            __m256i first = load_table(tables + 32 * group);
            __m256i second = load_table(tables + 32 * group + KERNEL_TABLE_BYTES);
            for (size_t b = 0; b < count; b++) {
                __m256i entries = look_up(codes + 32 * group + b * block_bytes, first, second);
                bytes[b] = group == 0 ? entries : _mm256_add_epi8(bytes[b], entries);
            }
        }
        for (size_t b = 0; b < count; b++) {
            all[b] = _mm256_add_epi16(all[b], bytes[b]);
            odd[b] = _mm256_add_epi16(odd[b], _mm256_srli_epi16(bytes[b], 8));
        }
    }
    for (size_t b = 0; b < count; b++) {
        sums[b].even = _mm256_sub_epi16(all[b], _mm256_slli_epi16(odd[b], 8));
        sums[b].odd = odd[b];
    }
}

/* What a probe has for all rows, in registers. */
typedef struct wide_probe {
    __m256 middle, step, width, reach;
} wide_probe;

AVX2_INLINE wide_probe widen_probe(const kernel_probe *probe)
{
    return (wide_probe){
        .middle = _mm256_set1_ps(probe->middle + 0x1p23f),
        .step = _mm256_set1_ps(probe->step),
        .width = _mm256_set1_ps(probe->width),
        .reach = _mm256_set1_ps(probe->reach),
    };
}

/* Bounds of a block's rows, and S - middle to `centred`. A number below 2^16 in the lower half of
 * the float 2^23 is that float plus the number, and one exact subtraction takes 2^23 and the
 * middle away. */
AVX2_INLINE void bound_rows(const wide_probe *wide, block_sums sums, const uint8_t *factors,
                            float *centred, __m256 uppers[4], __m256 lowers[4])
{
    const __m256i above = _mm256_set1_epi16(0x4B00);
    const __m256i rows[4] = {
        _mm256_unpacklo_epi16(sums.even, above),
        _mm256_unpackhi_epi16(sums.even, above),
        _mm256_unpacklo_epi16(sums.odd, above),
        _mm256_unpackhi_epi16(sums.odd, above),
    };
    for (int i = 0; i < 4; i++) {
        __m256 sum = _mm256_sub_ps(_mm256_castsi256_ps(rows[i]), wide->middle);
        const float *factor = (const float *)(const void *)(factors + 32 * i);
        __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(factor + 32), _mm256_mul_ps(sum, wide->step));
        _mm256_storeu_ps(centred + 8 * i, sum);
        __m256 estimate = _mm256_add_ps(_mm256_loadu_ps(factor), scaled);
        __m256 error = _mm256_loadu_ps(factor + 64);
        uppers[i] = _mm256_add_ps(estimate, _mm256_mul_ps(error, wide->reach));
        lowers[i] = _mm256_sub_ps(estimate, _mm256_mul_ps(error, wide->width));
    }
}

/* Values that are not above the limit. */
AVX2_INLINE uint32_t pass_mask(const __m256 values[4], __m256 limits)
{
    uint32_t mask = 0;
    for (int i = 0; i < 4; i++) {
        __m256 pass = _mm256_cmp_ps(values[i], limits, _CMP_NGT_UQ);
        mask |= (uint32_t)_mm256_movemask_ps(pass) << (8 * i);
    }
    return mask;
}

AVX2_INLINE __m256 least_of(const __m256 values[4])
{
    return _mm256_min_ps(_mm256_min_ps(values[0], values[1]), _mm256_min_ps(values[2], values[3]));
}

AVX2_INLINE float least_lane(__m256 eight)
{
    __m128 four = _mm_min_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)));
}

/* Scans the `count` blocks of a pair: rows that pass, and minima. The pair at `ahead` is fetched
 * meanwhile: a whole pair is more than the hardware's prefetchers run ahead at the end of a page. */
AVX2_INLINE uint64_t scan_pair(const kernel_probe *probe, const wide_probe *wide,
                               const uint8_t *codes, size_t count, const uint8_t *ahead,
                               __m256 limits, float *minima, float *centred)
{
    size_t block_bytes = kernel_block_bytes(probe->padded);
    block_sums sums[2];
    sum_blocks(probe, codes, block_bytes, count, ahead, sums);
    uint64_t mask = 0;
    for (size_t b = 0; b < count; b++) {
        __m256 uppers[4];
        __m256 lowers[4];
        size_t factors = b * block_bytes + 4 * probe->padded;
        prefetch_lines(ahead + factors, 6);
        bound_rows(wide, sums[b], codes + factors, centred + b * KERNEL_BLOCK_ROWS, uppers, lowers);
        minima[b] = least_lane(least_of(lowers));
        __m256 pass = _mm256_cmp_ps(least_of(uppers), limits, _CMP_NGT_UQ);
        if (_mm256_movemask_ps(pass) == 0) continue;
        mask |= (uint64_t)pass_mask(uppers, limits) << (b * KERNEL_BLOCK_ROWS);
    }
    return mask;
}

AVX2 static size_t scan(const kernel_probe *probe, const void *blocks, size_t rows,
                        const uint64_t *live, size_t first, float limit, float *minima,
                        kernel_hits *hits)
{
    const wide_probe wide = widen_probe(probe);
    const __m256 limits = _mm256_set1_ps(limit);
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
            wanted &= scan_pair(probe, &wide, codes, 2, ahead, limits, least, hits->centred);
        } else {
            wanted &= scan_pair(probe, &wide, codes, 1, ahead, limits, least, hits->centred);
        }
        if (wanted == 0) continue;
        hits->mask = wanted;
        return pair;
    }
    return count;
}

AVX2 static size_t find_block(const float *minima, size_t first, size_t count, float limit)
{
    const __m256 limits = _mm256_set1_ps(limit);
    size_t block = first;
    for (; block + 8 <= count; block += 8) {
        __m256 pass = _mm256_cmp_ps(_mm256_loadu_ps(minima + block), limits, _CMP_NGT_UQ);
        unsigned mask = (unsigned)_mm256_movemask_ps(pass);
        if (mask != 0) return block + (unsigned)__builtin_ctz(mask);
    }
    while (block < count && minima[block] > limit)
        block++;
    return block;
}

AVX2 static void test_block(const kernel_probe *probe, const void *block, float limit,
                            kernel_hits *hits)
{
    const wide_probe wide = widen_probe(probe);
    const uint8_t *codes = block;
    block_sums sums;
    __m256 uppers[4];
    __m256 lowers[4];
    sum_blocks(probe, codes, 0, 1, codes, &sums);
    bound_rows(&wide, sums, codes + 4 * probe->padded, hits->centred, uppers, lowers);
    hits->mask = pass_mask(lowers, _mm256_set1_ps(limit));
}

const kernels kernels_avx2 = {
    .name = "avx2",
    .dot = dot,
    .l2 = l2,
    .dot_rows = dot_rows,
    .l2_rows = l2_rows,
    .further = further_avx2,
    .multiply = multiply_avx2,
    .hadamard = hadamard_avx2,
    .mix_mirrored = mix_mirrored_avx2,
    .residual = residual_avx2,
    .place_code = place_code,
    .group_max = group_max_avx2,
    .make_tables = make_tables,
    .scan = scan,
    .find_block = find_block,
    .test_block = test_block,
    .encode_sq8 = sq8_encode_avx2,
    .l2_sq8 = sq8_l2_avx2,
    .dot_sq8 = sq8_dot_avx2,
    .dot_sq4 = sq4_dot_avx2,
    HALF_TABLE(avx2),
    BITS_TABLE(avx2),
};
