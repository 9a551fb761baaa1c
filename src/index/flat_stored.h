/* How the originals of a field are kept, and distances from them as they are kept.
 *
 *   f32   as they were given
 *   f16   each element rounded to the nearest 16-bit float (kernels/half.h) when it is written,
 *         before anything else sees it; 2 bytes an element
 *   bits  one bit an element, each of which is 0 or 1, in whole bytes (kernels/bits.h); under
 *         hamming and jaccard only
 *
 * A rounded vector is f32 again whose elements its stored form holds exactly, so codes, norms and
 * distances are the same whether they are made from the one or from the other. Queries stay as they
 * are; of bits they are bits too.
 */
#ifndef VEER_INDEX_FLAT_STORED_H
#define VEER_INDEX_FLAT_STORED_H

#include "index/flat.h"

typedef enum flat_storage {
    FLAT_F32 = 0,
    FLAT_F16 = 1,
    FLAT_BITS = 2,
    FLAT_STORAGES, /* how many */
} flat_storage;

/* Bytes of one original. */
static inline size_t flat_stored_bytes(flat_storage storage, uint32_t dims)
{
    if (storage == FLAT_BITS) return (dims + 7u) / 8;
    return storage == FLAT_F16 ? dims * (size_t)2 : dims * sizeof(float);
}

/* To be called before anything uses the space; f32 otherwise. */
void flat_space_store(flat_space *space, flat_storage storage);

/* Whether vectors under a metric can be kept so. */
static inline bool flat_can_store(flat_storage storage, veer_metric metric)
{
    return storage != FLAT_BITS || metric == VEER_METRIC_HAMMING || metric == VEER_METRIC_JACCARD;
}

/* The first element that is neither 0 nor 1, or dims. */
uint32_t flat_find_no_bit(const flat_space *space, const float *vector);
/* What storing makes of a vector, `dims` floats. False: `element` cannot be stored, because it is
 * finite and too large for f16, or neither 0 nor 1 of bits; the rest of `rounded` is not written.
 * What is not finite stays so in f16. */
bool flat_round(const flat_space *space, const float *vector, float *rounded, uint32_t *element);
/* A rounded vector to its stored form: flat_stored_bytes, for f16 at an even address. */
void flat_store(const flat_space *space, const float *vector, void *stored);
/* Whether unused bits of a stored original are 0, as they have to be. */
bool flat_stored_valid(const flat_space *space, const void *stored);
/* The vector that is stored: in place where that is f32, else in the arena. NULL: no memory. */
const float *flat_restore(const flat_space *space, const void *stored, arena *scratch);

/* Memory that flat_stored_distances works in, of one query: flat_stored_begin gets it ready. A query
 * of bits holds zeros and ones alone. */
size_t flat_stored_work_bytes(const flat_space *space);
void flat_stored_begin(const flat_space *space, const float *query, void *work);
/* flat_distances of stored originals: `rows` is an array of n pointers, const float * to f32, const
 * uint16_t * to f16 and const uint8_t * to bits. */
void flat_stored_distances(const flat_space *space, const flat_query *query, const void *rows,
                           const float *inverse_norms, size_t n, void *work, float *distances);

#endif
