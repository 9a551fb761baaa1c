/* RaBitQ with several bits (Gao, Gou, Xu, Yang, Long and Wong, "Practical and Asymptotically Optimal
 * Quantization of High-Dimensional Vectors in Euclidean Space for Approximate Nearest Neighbor
 * Search", SIGMOD 2025).
 *
 * The codebook are the vectors y whose elements are odd multiples of 1/2, at most (2^bits - 1) / 2.
 * The code of r is the y of the largest cosine u = <r, y> / (|r| |y|), whatever its length. Then, as
 * for one bit (rabitq.c, where y is the signs),
 *
 *     <r, p>  is estimated by  |r|^2 / <r, y> * <y, p>               (unbiased over rotations)
 *     with deviation  |r| |p| sin(r, p) sqrt((1 / u^2 - 1) / (D - 1))
 *
 * Every y that may be the best one is r / step rounded, for some step. The paper tries each step at which the rounding
 * of an element changes: D 2^(bits - 1) of them, in order. The cosine is flat around its largest value, and
 * rotated elements are nearly normal, so that the best step is near the one that is best for normal
 * values (Max, "Quantizing for Minimum Distortion", 1960): TRIES steps around that are tried, which
 * takes time proportional to D. What that loses is measured in tests/c/quant_wide.c: the deviation is larger by
 * less than 1.5 % than with the paper's search.
 *
 * Sums have 16 lanes and one tree, as in kernels.h. Threads: pure functions.
 */
#include "quant/rabitq_wide.h"

#include <math.h>
#include <string.h>

#include "kernels/lanes.h"

/* Steps from 2^-0.4 to 2^0.4 times the normal one, as numbers and not by libm, whose last bit differs. */
#define TRIES 17
#define FIRST_TRY 0.757858283255199 /* 2^-0.4 */
#define NEXT_TRY 1.035264923841378  /* 2^0.05 */

/* Squares in this range lose nothing to overflow or underflow in f32. */
#define SQUARES_MIN 0x1p-60
#define SQUARES_MAX 0x1p120

/* Max's steps for uniform rounding of normal values, by bits. */
static const float normal_steps[RABITQ_WIDE_BITS] = {1.5958f, 0.9957f, 0.5860f, 0.3352f,
                                                     0.1881f, 0.1041f, 0.0569f, 0.0308f};

float rabitq_wide_normal_step(unsigned bits)
{
    return normal_steps[bits - 1];
}

static double sum_of_squares(const float *r, size_t padded)
{
    float lane[LANES] = {0};
    for (size_t i = 0; i < padded; i += LANES) {
        for (size_t j = 0; j < LANES; j++)
            lane[j] += r[i + j] * r[i + j];
    }
    return (double)add_lanes(lane);
}

typedef struct agreement {
    double product; /* <r, y> */
    double square;  /* |y|^2 */
} agreement;

/* Of r / step rounded; y has r's signs, so that sizes are enough. */
static agreement agree(const float *r, size_t padded, float inverse_step, float most)
{
    float product[LANES] = {0}, square[LANES] = {0};
    for (size_t i = 0; i < padded; i += LANES) {
        for (size_t j = 0; j < LANES; j++) {
            float size = fabsf(r[i + j]);
            float steps = size * inverse_step;
            float cut = steps < most ? steps : most;
            float level = (float)(int32_t)cut + 0.5f;
            product[j] += size * level;
            square[j] += level * level;
        }
    }
    return (agreement){(double)add_lanes(product), (double)add_lanes(square)};
}

/* The largest whole number of steps below a level. */
static float most_steps(unsigned bits)
{
    return (float)((1u << (bits - 1)) - 1);
}

/* `half` of the levels stand for values with a clear sign bit. */
static unsigned level_of(float value, float inverse_step, float most, unsigned half)
{
    float steps = fabsf(value) * inverse_step;
    unsigned whole = steps < most ? (unsigned)steps : (unsigned)most;
    return signbit(value) ? half - 1 - whole : half + whole;
}

void rabitq_wide_round(const float *r, size_t padded, unsigned bits, float step, uint8_t *code)
{
    size_t plane = padded / 8;
    unsigned half = 1u << (bits - 1);
    float most = most_steps(bits), inverse = 1 / step;
    memset(code, 0, rabitq_wide_bytes(padded, bits));
    for (size_t i = 0; i < padded; i++) {
        unsigned level = level_of(r[i], inverse, most, half);
        for (unsigned bit = 0; bit < bits; bit++) {
            unsigned value = level >> (bits - 1 - bit) & 1;
            code[bit * plane + i / 8] |= (uint8_t)(value << (i % 8));
        }
    }
}

void rabitq_wide_levels(const uint8_t *code, size_t padded, unsigned bits, float *levels)
{
    size_t plane = padded / 8;
    float middle = (float)((1u << bits) - 1) / 2;
    for (size_t i = 0; i < padded; i++) {
        unsigned level = 0;
        for (unsigned bit = 0; bit < bits; bit++)
            level = level << 1 | (code[bit * plane + i / 8] >> (i % 8) & 1u);
        levels[i] = (float)level - middle;
    }
}

/* The step of the code nearest in angle, and its factors. */
static rabitq_wide choose_step(const float *r, size_t padded, unsigned bits, float *chosen)
{
    double squares = sum_of_squares(r, padded);
    *chosen = 1;
    if (!(squares >= SQUARES_MIN && squares <= SQUARES_MAX)) {
        float square = squares <= SQUARES_MAX ? (float)squares : (float)SQUARES_MAX;
        return (rabitq_wide){0, (float)sqrt(squares), square};
    }
    double normal = sqrt(squares / (double)padded) * (double)normal_steps[bits - 1];
    float most = most_steps(bits), best_step = (float)normal;
    agreement best = {0, 1};
    int tries = bits == 1 ? 1 : TRIES; /* one bit has one y */
    double tried = normal * FIRST_TRY;
    for (int i = 0; i < tries; i++, tried *= NEXT_TRY) {
        float step = (float)tried;
        agreement found = agree(r, padded, 1 / step, most);
        if (found.product * found.product * best.square <=
            best.product * best.product * found.square)
            continue;
        best = found;
        best_step = step;
    }
    *chosen = best_step;
    double flatness = squares * best.square / (best.product * best.product); /* 1 / u^2 */
    double variance = (flatness > 1 ? flatness - 1 : 0) / ((double)padded - 1);
    return (rabitq_wide){(float)(squares / best.product), (float)sqrt(squares * variance),
                         (float)squares};
}

rabitq_wide rabitq_wide_encode(const float *r, size_t padded, unsigned bits, uint8_t *code)
{
    float step;
    rabitq_wide factors = choose_step(r, padded, bits, &step);
    rabitq_wide_round(r, padded, bits, step, code);
    return factors;
}

rabitq_wide rabitq_wide_nibbles(const float *r, size_t padded, uint8_t *levels)
{
    float step;
    rabitq_wide factors = choose_step(r, padded, 4, &step);
    float most = most_steps(4), inverse = 1 / step;
    for (size_t i = 0; i < padded; i++)
        levels[i] = (uint8_t)level_of(r[i], inverse, most, 8);
    return factors;
}
