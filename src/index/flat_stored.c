/* Originals as they are kept (flat_stored.h): rounding, storing, and distances.
 *
 * Inner products and squared distances have kernels for 16-bit floats. Under the further metrics a
 * row is widened first, which is exact, one after the other in the same place. Of bits, the query's
 * are made once.
 *
 * Threads: any number may share a space; `work` belongs to one.
 */
#include "index/flat_stored.h"

#include <math.h>
#include <string.h>

#include "index/flat_internal.h"

#define HALF_INFINITE 0x7c00u
#define ROUND_AT_ONCE 256u /* arbitrary, for the stack */

void flat_space_store(flat_space *s, flat_storage storage)
{
    s->storage = storage;
}

/* The first finite element that has become infinite, or n. There is hardly ever one. */
static uint32_t first_too_large(const float *values, const uint16_t *halves, uint32_t n)
{
    uint32_t i = 0, largest = 0;
    for (; i < n; i++)
        largest = largest > (halves[i] & 0x7fffu) ? largest : halves[i] & 0x7fffu;
    if (largest < HALF_INFINITE) return n;
    i = 0;
    while (i < n && ((halves[i] & 0x7fff) != HALF_INFINITE || isinf(values[i])))
        i++;
    return i;
}

uint32_t flat_find_no_bit(const flat_space *s, const float *vector)
{
    uint32_t i = 0;
    while (i < s->dims && (vector[i] == 0 || vector[i] == 1))
        i++;
    return i;
}

static bool round_to_bits(const flat_space *s, const float *vector, float *rounded,
                          uint32_t *element)
{
    *element = flat_find_no_bit(s, vector);
    if (*element < s->dims) return false;
    for (uint32_t i = 0; i < s->dims; i++)
        rounded[i] = vector[i] != 0; /* no -0 */
    return true;
}

bool flat_round(const flat_space *s, const float *vector, float *rounded, uint32_t *element)
{
    uint16_t halves[ROUND_AT_ONCE];
    if (s->storage == FLAT_F32) {
        memcpy(rounded, vector, s->dims * sizeof *rounded);
        return true;
    }
    if (s->storage == FLAT_BITS) return round_to_bits(s, vector, rounded, element);
    for (uint32_t first = 0; first < s->dims; first += ROUND_AT_ONCE) {
        uint32_t n = s->dims - first < ROUND_AT_ONCE ? s->dims - first : ROUND_AT_ONCE;
        s->kernels->encode_half(vector + first, n, halves);
        *element = first + first_too_large(vector + first, halves, n);
        if (*element < first + n) return false;
        s->kernels->decode_half(halves, n, rounded + first);
    }
    return true;
}

static void store_bits(const float *vector, uint32_t dims, uint8_t *bits)
{
    for (uint32_t first = 0; first < dims; first += 8) {
        unsigned byte = 0, n = dims - first < 8 ? dims - first : 8;
        for (unsigned j = 0; j < n; j++)
            byte |= (unsigned)(vector[first + j] != 0) << j;
        bits[first / 8] = (uint8_t)byte;
    }
}

void flat_store(const flat_space *s, const float *vector, void *stored)
{
    if (s->storage == FLAT_F32)
        memcpy(stored, vector, s->dims * sizeof *vector);
    else if (s->storage == FLAT_F16)
        s->kernels->encode_half(vector, s->dims, stored);
    else
        store_bits(vector, s->dims, stored);
}

bool flat_stored_valid(const flat_space *s, const void *stored)
{
    const uint8_t *bits = stored;
    return s->storage != FLAT_BITS || s->dims % 8 == 0 || bits[s->dims / 8] >> s->dims % 8 == 0;
}

const float *flat_restore(const flat_space *s, const void *stored, arena *scratch)
{
    if (s->storage == FLAT_F32) return stored;
    float *vector = arena_array(scratch, s->dims, sizeof *vector);
    const uint8_t *bits = stored;
    if (vector == NULL) return NULL;
    if (s->storage == FLAT_F16) s->kernels->decode_half(stored, s->dims, vector);
    for (uint32_t i = 0; s->storage == FLAT_BITS && i < s->dims; i++)
        vector[i] = (float)(bits[i / 8] >> i % 8 & 1);
    return vector;
}

/* ---------------------------------------------------------------- distances */

static bool is_widened(const flat_space *s)
{
    return s->storage == FLAT_F16 && !flat_has_codes(s->metric);
}

size_t flat_stored_work_bytes(const flat_space *s)
{
    if (s->storage == FLAT_BITS) return flat_stored_bytes(FLAT_BITS, s->dims);
    return is_widened(s) ? s->dims * sizeof(float) : 0;
}

void flat_stored_begin(const flat_space *s, const float *query, void *work)
{
    if (s->storage == FLAT_BITS) store_bits(query, s->dims, work);
}

static void widened_distances(const flat_space *s, const flat_query *q, const uint16_t *const *rows,
                              size_t n, float *work, float *distances)
{
    const float *row = work;
    for (size_t i = 0; i < n; i++) {
        s->kernels->decode_half(rows[i], s->dims, work);
        flat_distances(s, q, &row, NULL, 1, distances + i);
    }
}

void flat_stored_distances(const flat_space *s, const flat_query *q, const void *rows,
                           const float *inverse_norms, size_t n, void *work, float *distances)
{
    if (s->storage == FLAT_F32) {
        flat_distances(s, q, rows, inverse_norms, n, distances);
    } else if (s->storage == FLAT_BITS) {
        kernel_bits_rows measure =
            s->metric == VEER_METRIC_HAMMING ? s->kernels->hamming_bits : s->kernels->jaccard_bits;
        measure(work, rows, n, flat_stored_bytes(FLAT_BITS, s->dims), distances);
    } else if (is_widened(s)) {
        widened_distances(s, q, rows, n, work, distances);
    } else if (s->metric == VEER_METRIC_L2) {
        s->kernels->l2_half_rows(q->original, rows, n, s->dims, distances);
    } else {
        s->kernels->dot_half_rows(q->original, rows, n, s->dims, distances);
        flat_finish_products(s, inverse_norms, n, distances);
    }
}
