/* The flat index, what is fixed about a field: its vectors' validity, norms, means and codes.
 *
 * A space is immutable after flat_space_new. Everything that comes out of it (inverse norms, sums,
 * centres, blocks) is made from scalar f64 in index order or from kernels that give the same bits
 * on every tier, so that files and answers agree between machines.
 *
 * Vectors are normalised (under cosine), padded with zeros, and rotated as they are; the centre is
 * subtracted from the rotated vector.
 */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"
#include "base/text.h"
#include "index/flat_internal.h"

/* Norms under cosine stay where an inverse f32 norm keeps its precision. */
#define COSINE_NORM_MIN 0x1p-126
#define COSINE_NORM_MAX 0x1p126
#define NORM_MAX 0x1.fffffep127 /* the largest f32 */
/* Under the further metrics no sum of differences leaves f32's range (8192 dimensions: sqrt(8192) *
 * 2^120 is below 2^127), so that no quotient of two is NaN. */
#define FURTHER_NORM_MAX 0x1p119
/* A sum of squares between these, in f32, has no element that is not finite, and no metric excludes
 * its root: the exact sum need not be taken. */
#define SQUARES_MIN_SURE 0x1p-100f
#define SQUARES_MAX_SURE 0x1p100f

veer_status flat_space_new(const veer_allocator *allocator, uint32_t dims, veer_metric metric,
                           uint64_t seed, flat_space **space, veer_error *error)
{
    *space = NULL;
    if (dims < 1 || dims > VEER_DIMS_MAX) {
        VEER_FAIL(error, VEER_E_RANGE, "dims is %u, must be 1 to %u", dims, VEER_DIMS_MAX);
    }
    if ((int)metric < 0 || metric > VEER_METRIC_JACCARD) {
        VEER_FAIL(error, VEER_E_INVALID, "metric is %d, must be 0 (cosine) to %d (jaccard)",
                  (int)metric, VEER_METRIC_JACCARD);
    }
    flat_space *s = memory_new(allocator, sizeof *s);
    if (s == NULL) return error_nomem(error, "a vector space", sizeof *s);
    s->padded = (uint32_t)size_round_up(dims, ROTATION_UNIT_DIMS);
    if (flat_has_codes(metric) && rotation_init(&s->rotation, allocator, dims, seed) != VEER_OK) {
        uint64_t wanted = rotation_bytes(&s->rotation);
        memory_free(allocator, s, sizeof *s);
        return error_nomem(error, "the rotation of a vector space", wanted);
    }
    s->allocator = allocator;
    s->metric = metric;
    s->dims = dims;
    s->kernels = kernels_get();
    s->quantizer = (rabitq){s->kernels, metric, s->padded};
    *space = s;
    return VEER_OK;
}

void flat_space_free(flat_space *s)
{
    if (s == NULL) return;
    rotation_fini(&s->rotation);
    memory_free(s->allocator, s, sizeof *s);
}

uint32_t flat_space_dims(const flat_space *s)
{
    return s->dims;
}

veer_metric flat_space_metric(const flat_space *s)
{
    return s->metric;
}

size_t flat_space_memory(const flat_space *s)
{
    return sizeof *s + rotation_bytes(&s->rotation);
}

const char *flat_tier(void)
{
    return kernels_get()->name;
}

uint32_t flat_padded_dims(const flat_space *s)
{
    return s->padded;
}

size_t flat_block_bytes(const flat_space *s)
{
    return kernel_block_bytes(s->padded);
}

/* In index order. Finite unless an element is not: a square of f32 is far from f64's end. */
static double sum_of_squares(const flat_space *s, const float *vector)
{
    double sum = 0;
    for (uint32_t i = 0; i < s->dims; i++)
        sum += (double)vector[i] * (double)vector[i];
    return sum;
}

static void explain_element(const flat_space *s, const float *vector, char why[64])
{
    for (uint32_t i = 0; i < s->dims; i++) {
        if (isfinite(vector[i])) continue;
        text_print(why, 64, isnan(vector[i]) ? "holds NaN at %u" : "holds an infinity at %u", i);
        return;
    }
}

static double norm_max(veer_metric metric)
{
    if (!flat_has_codes(metric)) return FURTHER_NORM_MAX;
    return metric == VEER_METRIC_COSINE ? COSINE_NORM_MAX : NORM_MAX;
}

bool flat_vector_valid(const flat_space *s, const float *vector, char why[64])
{
    bool is_cosine = s->metric == VEER_METRIC_COSINE;
    float about = s->kernels->dot(vector, vector, s->dims);
    if (about > SQUARES_MIN_SURE && about < SQUARES_MAX_SURE) return true;
    double sum = sum_of_squares(s, vector);
    double norm = sqrt(sum);
    if (isfinite(sum) && norm <= norm_max(s->metric) && (!is_cosine || norm >= COSINE_NORM_MIN)) {
        return true;
    }
    if (why == NULL) return false;
    if (!isfinite(sum)) {
        explain_element(s, vector, why);
    } else if (norm == 0) {
        text_print(why, 64, "is zero");
    } else if (is_cosine && norm < COSINE_NORM_MIN) {
        text_print(why, 64, "has the norm %.3g, below %.3g", norm, COSINE_NORM_MIN);
    } else {
        text_print(why, 64, "has the norm %.3g, above %.3g", norm, norm_max(s->metric));
    }
    return false;
}

float flat_inverse_norm(const flat_space *s, const float *vector)
{
    if (s->metric != VEER_METRIC_COSINE) return 1;
    return (float)(1 / sqrt(sum_of_squares(s, vector)));
}

void flat_sum_add(const flat_space *s, const float *vector, double *sum)
{
    float inverse = flat_inverse_norm(s, vector);
    for (uint32_t i = 0; i < s->dims; i++)
        sum[i] += (double)(vector[i] * inverse);
}

veer_status flat_centre(const flat_space *s, const double *sum, uint64_t count, arena *scratch,
                        float *centre)
{
    (void)scratch;
    memset(centre, 0, s->padded * sizeof *centre);
    if (count == 0) return VEER_OK;
    for (uint32_t i = 0; i < s->dims; i++)
        centre[i] = (float)(sum[i] / (double)count);
    rotation_apply(&s->rotation, s->kernels, centre);
    return VEER_OK;
}

static void prepare(const flat_space *s, const float *vector, float inverse, float *padded_vector)
{
    for (uint32_t i = 0; i < s->dims; i++)
        padded_vector[i] = vector[i] * inverse;
    memset(padded_vector + s->dims, 0, (s->padded - s->dims) * sizeof *padded_vector);
}

void flat_prepare(const flat_space *s, const float *vector, float *padded_vector)
{
    prepare(s, vector, flat_inverse_norm(s, vector), padded_vector);
}

/* By 8 lanes, which are added two by two: the sum of each does not wait for that of the one before. No
 * file depends on it. */
static double sum_by_lanes(const flat_space *s, const float *vector)
{
    double lanes[8] = {0};
    uint32_t i = 0;
    for (; i + 8 <= s->dims; i += 8)
        for (uint32_t j = 0; j < 8; j++)
            lanes[j] += (double)vector[i + j] * (double)vector[i + j];
    for (uint32_t j = 0; i + j < s->dims; j++)
        lanes[j] += (double)vector[i + j] * (double)vector[i + j];
    for (uint32_t half = 4; half > 0; half /= 2)
        for (uint32_t j = 0; j < half; j++)
            lanes[j] += lanes[j + half];
    return lanes[0];
}

void flat_prepare_query(const flat_space *s, const float *vector, float *padded_vector)
{
    bool is_cosine = s->metric == VEER_METRIC_COSINE;
    float inverse = is_cosine ? (float)(1 / sqrt(sum_by_lanes(s, vector))) : 1;
    prepare(s, vector, inverse, padded_vector);
}

void flat_clear_block(const flat_space *s, void *block)
{
    rabitq_clear_block(&s->quantizer, block);
}

/* `work`: two padded vectors. */
static void encode_row(const flat_space *s, const float *centre, const float *vector, unsigned row,
                       float *work, void *block)
{
    flat_prepare(s, vector, work);
    rotation_apply(&s->rotation, s->kernels, work);
    rabitq_encode(&s->quantizer, work, centre, work + s->padded, row, block);
}

veer_status flat_encode_row(const flat_space *s, const float *centre, const float *vector,
                            unsigned row, arena *scratch, void *block)
{
    arena_mark mark = arena_save(scratch);
    float *work = arena_array(scratch, 2 * (size_t)s->padded, sizeof *work);
    if (work == NULL) return VEER_E_NOMEM;
    encode_row(s, centre, vector, row, work, block);
    arena_restore(scratch, mark);
    return VEER_OK;
}

veer_status flat_encode(const flat_space *s, const float *centre, const float *const *vectors,
                        unsigned rows, arena *scratch, void *block)
{
    arena_mark mark = arena_save(scratch);
    float *work = arena_array(scratch, 2 * (size_t)s->padded, sizeof *work);
    if (work == NULL) return VEER_E_NOMEM;
    flat_clear_block(s, block);
    for (unsigned row = 0; row < rows && row < FLAT_BLOCK_ROWS; row++) {
        encode_row(s, centre, vectors[row], row, work, block);
    }
    arena_restore(scratch, mark);
    return VEER_OK;
}
