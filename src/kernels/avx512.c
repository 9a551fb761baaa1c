/* The AVX-512 tier (F, BW, DQ, VL, VNNI, VPOPCNTDQ, GFNI): 512-bit vectors, so the 16 lanes are one
 * register.
 *
 * Same bits as scalar.c: products and sums are separate instructions, a tail is a masked load
 * (zeros behind the end, nothing read there), the tree adds the register's halves, then theirs.
 *
 * The rotation, residuals and the largest group are no faster here than in avx2.c: its are named.
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

#define AVX512_TARGET "avx512f,avx512bw,avx512dq,avx512vl,gfni"
#define AVX512 __attribute__((target(AVX512_TARGET)))
#define AVX512_INLINE static inline __attribute__((target(AVX512_TARGET), always_inline))

#define LANES 16u
/* Rows that are summed up together. */
#define GROUP 4u

/* ---------------------------------------------------------------- distances */

AVX512_INLINE float add_lanes(__m512 sixteen)
{
    __m256 eight =
        _mm256_add_ps(_mm512_castps512_ps256(sixteen), _mm512_extractf32x8_ps(sixteen, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/* One lane's step: sum + a * b, or sum + (a - b)^2. */
AVX512_INLINE __m512 step(__m512 sum, __m512 a, __m512 b, bool squared)
{
    if (!squared) return _mm512_add_ps(sum, _mm512_mul_ps(a, b));
    __m512 difference = _mm512_sub_ps(a, b);
    return _mm512_add_ps(sum, _mm512_mul_ps(difference, difference));
}

/* The first `left` of 16 elements. */
AVX512_INLINE __mmask16 tail_mask(size_t left)
{
    return (__mmask16)((1u << left) - 1);
}

AVX512_INLINE void prefetch_line(const float *from)
{
    _mm_prefetch((const char *)from, _MM_HINT_T0);
}

/* Sums of `count` rows (known when compiled), which do not wait for each other; each line's
 * counterpart in the `later` ones is fetched. */
AVX512_INLINE void sum_rows(const float *query, const float *const *rows, const float *const *later,
                            size_t count, size_t n, bool squared, float *results)
{
    __m512 sums[GROUP];
    for (size_t row = 0; row < count; row++)
        sums[row] = _mm512_setzero_ps();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __m512 own = _mm512_loadu_ps(query + i);
        for (size_t row = 0; row < count; row++) {
            if (later != NULL) prefetch_line(later[row] + i);
            sums[row] = step(sums[row], own, _mm512_loadu_ps(rows[row] + i), squared);
        }
    }
    if (i < n) {
        __mmask16 mask = tail_mask(n - i);
        __m512 own = _mm512_maskz_loadu_ps(mask, query + i);
        for (size_t row = 0; row < count; row++) {
            __m512 other = _mm512_maskz_loadu_ps(mask, rows[row] + i);
            sums[row] = step(sums[row], own, other, squared);
        }
    }
    for (size_t row = 0; row < count; row++)
        results[row] = add_lanes(sums[row]);
}

AVX512_INLINE float one_row(const float *a, const float *b, size_t n, bool squared)
{
    float result;
    sum_rows(a, &b, NULL, 1, n, squared, &result);
    return result;
}

AVX512_INLINE void many_rows(const float *query, const float *const *rows, size_t count, size_t n,
                             bool squared, float *results)
{
    /* Rows of a stream are best read one by one. */
    bool is_stream = kernel_is_stream(rows, count, n);
    for (size_t row = 0; row < GROUP && row < count && !is_stream; row++) {
        for (size_t i = 0; i < n; i += LANES)
            prefetch_line(rows[row] + i);
    }
    size_t row = 0;
    for (; row + GROUP <= count && !is_stream; row += GROUP) {
        const float *later[GROUP];
        for (size_t j = 0; j < GROUP; j++)
            later[j] = rows[row + j + GROUP < count ? row + j + GROUP : row + j];
        sum_rows(query, rows + row, later, GROUP, n, squared, results + row);
    }
    for (; row < count; row++)
        results[row] = one_row(query, rows[row], n, squared);
}

AVX512 static float dot(const float *a, const float *b, size_t n)
{
    return one_row(a, b, n, false);
}

AVX512 static float l2(const float *a, const float *b, size_t n)
{
    return one_row(a, b, n, true);
}

AVX512 static void dot_rows(const float *query, const float *const *rows, size_t count, size_t n,
                            float *results)
{
    many_rows(query, rows, count, n, false, results);
}

AVX512 static void l2_rows(const float *query, const float *const *rows, size_t count, size_t n,
                           float *results)
{
    many_rows(query, rows, count, n, true, results);
}

/* ---------------------------------------------------------------- codes and tables */

AVX512 static void place_code(const float *r, size_t padded, unsigned row, uint8_t *codes)
{
    uint8_t *byte = codes + kernel_row_byte(row);
    for (size_t i = 0; i < padded; i += LANES) {
        unsigned clear = ~(unsigned)_mm512_movepi32_mask(_mm512_loadu_si512(r + i));
        byte[0] = (uint8_t)clear;
        byte[KERNEL_BLOCK_ROWS] = (uint8_t)(clear >> 8);
        byte += 2 * KERNEL_BLOCK_ROWS;
    }
}

/* The sums of two neighbours' shares for subsets 0 to 3 of the two, in each quarter. `first` and
 * `second` choose them out of a quarter. */
#define PAIR_SHARES(set, clear, first, second)                                                   \
    _mm512_add_ps(_mm512_mask_permute_ps(_mm512_permute_ps(clear, 0x55 * (first)), 0xAAAA, set,  \
                                         0x55 * (first)),                                        \
                  _mm512_mask_permute_ps(_mm512_permute_ps(clear, 0x55 * (second)), 0xCCCC, set, \
                                         0x55 * (second)))

AVX512 static void make_tables(const float *r, size_t padded, float scale, uint8_t *tables)
{
    const __m512 zero = _mm512_setzero_ps();
    const __m512 half = _mm512_set1_ps(0.5f);
    const __m512 scales = _mm512_set1_ps(scale);
    const __m512i fours = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const __m512i same = _mm512_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
    for (size_t i = 0; i < padded; i += LANES) {
        __m512 value = _mm512_loadu_ps(r + i);
        __m512 if_set = _mm512_max_ps(value, zero);
        __m512 if_clear = _mm512_max_ps(_mm512_sub_ps(zero, value), zero);
        __m512 low = PAIR_SHARES(if_set, if_clear, 0, 1);
        __m512 high = PAIR_SHARES(if_set, if_clear, 2, 3);
        for (int group = 0; group < 4; group++) {
            __m512i quarter = _mm512_set1_epi32(4 * group);
            __m512 v01 = _mm512_permutexvar_ps(_mm512_add_epi32(same, quarter), low);
            __m512 v23 = _mm512_permutexvar_ps(_mm512_add_epi32(fours, quarter), high);
            __m512 sum = _mm512_mul_ps(_mm512_add_ps(v01, v23), scales);
            __m512i entries = _mm512_cvttps_epi32(_mm512_add_ps(sum, half));
            _mm_storeu_si128((__m128i *)(void *)(tables + 4 * i + 16 * (size_t)group),
                             _mm512_cvtepi32_epi8(entries));
        }
    }
}

/* ---------------------------------------------------------------- scan
 *
 * As avx2.c's, two groups of a block in a register. On Zen 4, whose units are 256 bits wide, that
 * saves instructions but no work: it is the fewer ones for the high nibbles that make it faster.
 */

AVX512_INLINE void prefetch_lines(const uint8_t *from, size_t lines)
{
    for (size_t line = 0; line < lines; line++)
        _mm_prefetch((const char *)from + 64 * line, _MM_HINT_T0);
}

/* The places of a pair's blocks; that of one block has it twice. */
typedef struct pair_codes {
    const uint8_t *first, *second;
} pair_codes;

/* 16-bit sums of the even and the odd bytes of a group, the first block's in the lower half. */
typedef struct pair_sums {
    __m512i even, odd;
} pair_sums;

/* Adds the entries of two groups of a block, one in each half, out of two tables in each half. The
 * high nibbles come by a product of bit matrices, which shifts and masks in one instruction. */
AVX512_INLINE __m512i add_entries(__m512i bytes, const uint8_t *codes, __m512i low_tables,
                                  __m512i high_tables)
{
    const __m512i high_nibble = _mm512_set1_epi64(0x1020408000000000);
    __m512i code = _mm512_loadu_si512(codes);
    __m512i low = _mm512_and_si512(code, _mm512_set1_epi8(15));
    __m512i high = _mm512_gf2p8affine_epi64_epi8(code, high_nibble, 0);
    return _mm512_add_epi8(bytes, _mm512_add_epi8(_mm512_shuffle_epi8(low_tables, low),
                                                  _mm512_shuffle_epi8(high_tables, high)));
}

AVX512_INLINE __m256i halves_added(__m512i sums)
{
    return _mm256_add_epi16(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
}

/* The codes at `ahead` are fetched meanwhile. */
AVX512_INLINE pair_sums sum_pair(const kernel_probe *probe, pair_codes codes, pair_codes ahead)
{
    __m512i all[2];
    __m512i odd[2];
    all[0] = all[1] = odd[0] = odd[1] = _mm512_setzero_si512();
    size_t end = 4 * probe->padded;
    for (size_t at = 0; at < end;) {
        __m512i bytes[2];
        bytes[0] = bytes[1] = _mm512_setzero_si512();
        for (size_t stop = at + 256; at < stop; at += 64) {
            __m512i tables = _mm512_loadu_si512(probe->tables + at);
            __m512i low_tables = _mm512_shuffle_i64x2(tables, tables, 0xA0);
            __m512i high_tables = _mm512_shuffle_i64x2(tables, tables, 0xF5);
            prefetch_lines(ahead.first + at, 1);
            prefetch_lines(ahead.second + at, 1);
            bytes[0] = add_entries(bytes[0], codes.first + at, low_tables, high_tables);
            bytes[1] = add_entries(bytes[1], codes.second + at, low_tables, high_tables);
        }
        for (size_t b = 0; b < 2; b++) {
            all[b] = _mm512_add_epi16(all[b], bytes[b]);
            odd[b] = _mm512_add_epi16(odd[b], _mm512_srli_epi16(bytes[b], 8));
        }
    }
    __m256i even_halves[2];
    __m256i odd_halves[2];
    for (size_t b = 0; b < 2; b++) {
        odd_halves[b] = halves_added(odd[b]);
        even_halves[b] =
            _mm256_sub_epi16(halves_added(all[b]), _mm256_slli_epi16(odd_halves[b], 8));
    }
    return (pair_sums){
        _mm512_inserti64x4(_mm512_castsi256_si512(even_halves[0]), even_halves[1], 1),
        _mm512_inserti64x4(_mm512_castsi256_si512(odd_halves[0]), odd_halves[1], 1),
    };
}

/* What a probe has for all rows, in registers. */
typedef struct wide_probe {
    __m512 middle, step, width, reach;
} wide_probe;

AVX512_INLINE wide_probe widen_probe(const kernel_probe *probe)
{
    return (wide_probe){
        .middle = _mm512_set1_ps(probe->middle + 0x1p23f),
        .step = _mm512_set1_ps(probe->step),
        .width = _mm512_set1_ps(probe->width),
        .reach = _mm512_set1_ps(probe->reach),
    };
}

/* By 16 rows: 0 and 1 the first block's, 2 and 3 the second one's. */
typedef struct pair_rows {
    __m512 sixteen[4];
} pair_rows;

/* S - middle. A number below 2^16 in the lower half of the float 2^23 is that float plus the number,
 * and one exact subtraction takes 2^23 and the middle away. */
AVX512_INLINE pair_rows centre_rows(const wide_probe *wide, pair_sums sums)
{
    const __m512i above = _mm512_set1_epi16(0x4B00);
    /* Rows 0-7, 8-15, 16-23 and 24-31 of both blocks. */
    const __m512i eights[4] = {
        _mm512_unpacklo_epi16(sums.even, above),
        _mm512_unpackhi_epi16(sums.even, above),
        _mm512_unpacklo_epi16(sums.odd, above),
        _mm512_unpackhi_epi16(sums.odd, above),
    };
    pair_rows rows;
    for (size_t half = 0; half < 2; half++) {
        __m512i low = eights[2 * half];
        __m512i high = eights[2 * half + 1];
        rows.sixteen[half] = _mm512_castsi512_ps(_mm512_shuffle_i64x2(low, high, 0x44));
        rows.sixteen[2 + half] = _mm512_castsi512_ps(_mm512_shuffle_i64x2(low, high, 0xEE));
    }
    for (size_t i = 0; i < 4; i++)
        rows.sixteen[i] = _mm512_sub_ps(rows.sixteen[i], wide->middle);
    return rows;
}

AVX512_INLINE void bound_rows(const wide_probe *wide, size_t padded, pair_codes codes,
                              const pair_rows *centred, pair_rows *uppers, pair_rows *lowers)
{
    for (size_t i = 0; i < 4; i++) {
        const uint8_t *factors = (i < 2 ? codes.first : codes.second) + 4 * padded;
        const float *factor = (const float *)(const void *)factors + LANES * (i % 2);
        __m512 step = _mm512_mul_ps(centred->sixteen[i], wide->step);
        __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(factor + 32), step);
        __m512 estimate = _mm512_add_ps(_mm512_loadu_ps(factor), scaled);
        __m512 error = _mm512_loadu_ps(factor + 64);
        uppers->sixteen[i] = _mm512_add_ps(estimate, _mm512_mul_ps(error, wide->reach));
        lowers->sixteen[i] = _mm512_sub_ps(estimate, _mm512_mul_ps(error, wide->width));
    }
}

/* Rows whose bound is not above the limit. */
AVX512_INLINE uint64_t pass_mask(const pair_rows *bounds, __m512 limits)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < 4; i++) {
        __mmask16 pass = _mm512_cmp_ps_mask(bounds->sixteen[i], limits, _CMP_NGT_UQ);
        mask |= (uint64_t)pass << (LANES * i);
    }
    return mask;
}

/* The least one of each block. */
AVX512_INLINE void least_rows(const pair_rows *bounds, float *first, float *second)
{
    __m512 a = _mm512_min_ps(bounds->sixteen[0], bounds->sixteen[1]);
    __m512 b = _mm512_min_ps(bounds->sixteen[2], bounds->sixteen[3]);
    __m512 both = _mm512_min_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
    both = _mm512_min_ps(both, _mm512_shuffle_f32x4(both, both, 0xB1));
    both = _mm512_min_ps(both, _mm512_permute_ps(both, 0x4E));
    both = _mm512_min_ps(both, _mm512_permute_ps(both, 0xB1));
    *first = _mm512_cvtss_f32(both);
    *second = _mm_cvtss_f32(_mm512_extractf32x4_ps(both, 2));
}

AVX512 static size_t scan(const kernel_probe *probe, const void *blocks, size_t rows,
                          const uint64_t *live, size_t first, float limit, float *minima,
                          kernel_hits *hits)
{
    const wide_probe wide = widen_probe(probe);
    const __m512 limits = _mm512_set1_ps(limit);
    size_t block_bytes = kernel_block_bytes(probe->padded);
    size_t blocks_count = kernel_blocks(rows);
    size_t count = kernel_pairs(rows);
    for (size_t pair = first; pair < count; pair++) {
        float *least = minima + 2 * pair;
        bool has_two = 2 * pair + 1 < blocks_count;
        uint64_t wanted = kernel_live_rows(live, pair, rows);
        if (wanted == 0) {
            least[0] = INFINITY;
            if (has_two) least[1] = INFINITY;
            continue;
        }
        pair_codes codes = {.first = (const uint8_t *)blocks + 2 * pair * block_bytes};
        codes.second = has_two ? codes.first + block_bytes : codes.first;
        /* The pair behind the next one; the last two have none to fetch and fetch themselves. */
        size_t ahead_bytes = pair + 3 < count ? 4 * block_bytes : 0;
        pair_codes ahead = {codes.first + ahead_bytes, codes.second + ahead_bytes};
        pair_rows centred = centre_rows(&wide, sum_pair(probe, codes, ahead));
        prefetch_lines(ahead.first + 4 * probe->padded, 6);
        prefetch_lines(ahead.second + 4 * probe->padded, 6);
        pair_rows uppers;
        pair_rows lowers;
        float second_least;
        bound_rows(&wide, probe->padded, codes, &centred, &uppers, &lowers);
        least_rows(&lowers, &least[0], &second_least);
        if (has_two) least[1] = second_least;
        wanted &= pass_mask(&uppers, limits);
        if (wanted == 0) continue;
        for (size_t i = 0; i < 4; i++)
            _mm512_storeu_ps(hits->centred + LANES * i, centred.sixteen[i]);
        hits->mask = wanted;
        return pair;
    }
    return count;
}

AVX512 static size_t find_block(const float *minima, size_t first, size_t count, float limit)
{
    const __m512 limits = _mm512_set1_ps(limit);
    for (size_t block = first; block < count; block += LANES) {
        size_t left = count - block;
        __mmask16 there = left < LANES ? tail_mask(left) : 0xFFFF;
        __m512 values = _mm512_maskz_loadu_ps(there, minima + block);
        unsigned pass = _mm512_mask_cmp_ps_mask(there, values, limits, _CMP_NGT_UQ);
        if (pass != 0) return block + (unsigned)__builtin_ctz(pass);
    }
    return count;
}

AVX512 static void test_block(const kernel_probe *probe, const void *block, float limit,
                              kernel_hits *hits)
{
    const wide_probe wide = widen_probe(probe);
    const pair_codes codes = {block, block};
    pair_rows centred = centre_rows(&wide, sum_pair(probe, codes, codes));
    pair_rows uppers;
    pair_rows lowers;
    bound_rows(&wide, probe->padded, codes, &centred, &uppers, &lowers);
    for (size_t i = 0; i < 2; i++)
        _mm512_storeu_ps(hits->centred + LANES * i, centred.sixteen[i]);
    hits->mask = pass_mask(&lowers, _mm512_set1_ps(limit)) & UINT32_MAX;
}

const kernels kernels_avx512 = {
    .name = "avx512",
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
    .encode_sq8 = sq8_encode_avx512,
    .l2_sq8 = sq8_l2_avx512,
    .dot_sq8 = sq8_dot_avx512,
    .dot_sq4 = sq4_dot_avx512,
    HALF_TABLE(avx512),
    BITS_TABLE(avx512),
};
