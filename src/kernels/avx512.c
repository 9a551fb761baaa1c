/* The AVX-512 tier (F, BW, DQ, VL, VNNI, VPOPCNTDQ): 512-bit vectors, so the 16 lanes are one
 * register.
 *
 * Same bits as scalar.c: products and sums are separate instructions, a tail is a masked load
 * (zeros behind the end, nothing read there), the tree adds the register's halves, then theirs.
 *
 * Functions carry the target themselves: the file compiles without flags. Threads: pure functions.
 */
#include <immintrin.h>
#include <math.h>

#include "kernels/kernels.h"
#include "kernels/sq8.h"

#define AVX512_TARGET "avx512f,avx512bw,avx512dq,avx512vl"
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

/* ---------------------------------------------------------------- rotation */

AVX512 static void multiply(float *x, const float *by, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        _mm512_storeu_ps(x + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(by + i)));
    }
}

AVX512_INLINE void butterfly(__m512 *a, __m512 *b)
{
    __m512 sum = _mm512_add_ps(*a, *b);
    *b = _mm512_sub_ps(*a, *b);
    *a = sum;
}

/* Partners add, after the upper one of a pair changed its sign. */
AVX512_INLINE __m512 add_partners(__m512 x, __m512 partners, __mmask16 upper)
{
    __m512i signs = _mm512_maskz_set1_epi32(upper, INT32_MIN);
    return _mm512_add_ps(partners, _mm512_xor_ps(x, _mm512_castsi512_ps(signs)));
}

/* Steps 1, 2, 4 and 8 inside a register. */
AVX512_INLINE __m512 hadamard_16(__m512 x)
{
    x = add_partners(x, _mm512_permute_ps(x, 0xB1), 0xAAAA);
    x = add_partners(x, _mm512_permute_ps(x, 0x4E), 0xCCCC);
    x = add_partners(x, _mm512_shuffle_f32x4(x, x, 0xB1), 0xF0F0);
    return add_partners(x, _mm512_shuffle_f32x4(x, x, 0x4E), 0xFF00);
}

/* Steps between registers that lie h apart. */
AVX512_INLINE void between_registers(__m512 *v, size_t count, size_t h)
{
    for (size_t i = 0; i < count; i++) {
        if ((i & h) == 0) butterfly(&v[i], &v[i + h]);
    }
}

/* All steps of 16 * count elements in registers; count, 4 or 8, is known when compiled. */
AVX512_INLINE void hadamard_block(float *x, size_t count)
{
    __m512 v[8];
    for (size_t i = 0; i < count; i++)
        v[i] = hadamard_16(_mm512_loadu_ps(x + LANES * i));
    between_registers(v, count, 1);
    between_registers(v, count, 2);
    if (count == 8) between_registers(v, count, 4);
    for (size_t i = 0; i < count; i++)
        _mm512_storeu_ps(x + LANES * i, v[i]);
}

/* Steps h and 2h in one pass. */
AVX512_INLINE void hadamard_two_steps(float *x, size_t n, size_t h)
{
    for (size_t start = 0; start < n; start += 4 * h) {
        for (size_t i = start; i < start + h; i += LANES) {
            __m512 v[4];
            for (size_t j = 0; j < 4; j++)
                v[j] = _mm512_loadu_ps(x + i + j * h);
            butterfly(&v[0], &v[1]);
            butterfly(&v[2], &v[3]);
            butterfly(&v[0], &v[2]);
            butterfly(&v[1], &v[3]);
            for (size_t j = 0; j < 4; j++)
                _mm512_storeu_ps(x + i + j * h, v[j]);
        }
    }
}

AVX512_INLINE void hadamard_step(float *x, size_t n, size_t h)
{
    for (size_t start = 0; start < n; start += 2 * h) {
        for (size_t i = start; i < start + h; i += LANES) {
            __m512 a = _mm512_loadu_ps(x + i);
            __m512 b = _mm512_loadu_ps(x + i + h);
            butterfly(&a, &b);
            _mm512_storeu_ps(x + i, a);
            _mm512_storeu_ps(x + i + h, b);
        }
    }
}

AVX512 static void hadamard(float *x, size_t n)
{
    if (n == 64) {
        hadamard_block(x, 4);
        return;
    }
    for (size_t i = 0; i < n; i += 128)
        hadamard_block(x + i, 8);
    size_t h = 128;
    for (; 4 * h <= n; h *= 4)
        hadamard_two_steps(x, n, h);
    if (h < n) hadamard_step(x, n, h);
}

AVX512_INLINE __m512 reversed(__m512 x)
{
    const __m512i order = _mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_permutexvar_ps(order, x);
}

AVX512 static void mix_mirrored(float *x, size_t n)
{
    const __m512 root = _mm512_set1_ps(KERNEL_HALF_ROOT);
    for (size_t i = 0; i < n / 2; i += LANES) {
        float *mirror = x + n - LANES - i;
        __m512 a = _mm512_loadu_ps(x + i);
        __m512 b = reversed(_mm512_loadu_ps(mirror));
        butterfly(&a, &b);
        _mm512_storeu_ps(x + i, _mm512_mul_ps(a, root));
        _mm512_storeu_ps(mirror, reversed(_mm512_mul_ps(b, root)));
    }
}

/* ---------------------------------------------------------------- codes and tables */

AVX512 static void residual(const float *x, const float *centre, size_t padded, float *r,
                            kernel_sums *sums)
{
    __m512 l1 = _mm512_setzero_ps();
    __m512 squares = l1;
    __m512 product = l1;
    for (size_t i = 0; i < padded; i += LANES) {
        __m512 c = _mm512_loadu_ps(centre + i);
        __m512 value = _mm512_sub_ps(_mm512_loadu_ps(x + i), c);
        _mm512_storeu_ps(r + i, value);
        l1 = _mm512_add_ps(l1, _mm512_abs_ps(value));
        squares = _mm512_add_ps(squares, _mm512_mul_ps(value, value));
        product = _mm512_add_ps(product, _mm512_mul_ps(value, c));
    }
    sums->l1 = add_lanes(l1);
    sums->squares = add_lanes(squares);
    sums->dot = add_lanes(product);
}

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

AVX512 static float group_max(const float *r, size_t padded)
{
    __m512 largest = _mm512_setzero_ps();
    for (size_t i = 0; i < padded; i += LANES) {
        __m512 sum = _mm512_abs_ps(_mm512_loadu_ps(r + i));
        sum = _mm512_add_ps(sum, _mm512_permute_ps(sum, 0xB1));
        sum = _mm512_add_ps(sum, _mm512_permute_ps(sum, 0x4E));
        /* The maximum of NaN and a number is the second operand. */
        largest = _mm512_max_ps(sum, largest);
    }
    return _mm512_reduce_max_ps(largest);
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

/* ---------------------------------------------------------------- scan */

static size_t scan(const kernel_probe *probe, const void *blocks, size_t rows, const uint64_t *live,
                   size_t first, float limit, float *minima, kernel_hits *hits)
{
    return kernels_avx2.scan(probe, blocks, rows, live, first, limit, minima, hits);
}

static size_t find_block(const float *minima, size_t first, size_t count, float limit)
{
    return kernels_avx2.find_block(minima, first, count, limit);
}

static void test_block(const kernel_probe *probe, const void *block, float limit, kernel_hits *hits)
{
    kernels_avx2.test_block(probe, block, limit, hits);
}

const kernels kernels_avx512 = {
    .name = "avx512",
    .dot = dot,
    .l2 = l2,
    .dot_rows = dot_rows,
    .l2_rows = l2_rows,
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
    .encode_sq8 = sq8_encode_avx512,
    .l2_sq8 = sq8_l2_avx512,
    .dot_sq8 = sq8_dot_avx512,
};
