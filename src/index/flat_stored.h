/* How the originals of a field are kept, and distances from them as they are kept.
 *
 *   f32   as they were given
 *   f16   each element rounded to the nearest 16-bit float (kernels/half.h) when it is written,
 *         before anything else sees it; 2 bytes an element
 *
 * A rounded vector is f32 again whose elements its stored form holds exactly, so codes, norms and
 * distances are the same whether they are made from the one or from the other. Queries stay as they
 * are.
 */
#ifndef VEER_INDEX_FLAT_STORED_H
#define VEER_INDEX_FLAT_STORED_H

#include "index/flat.h"

typedef enum flat_storage {
    FLAT_F32 = 0,
    FLAT_F16 = 1,
    FLAT_STORAGES, /* how many */
} flat_storage;

/* The largest size of an element of f16. */
#define FLAT_F16_MAX 65504

/* Bytes of one original. */
static inline size_t flat_stored_bytes(flat_storage storage, uint32_t dims)
{
    return storage == FLAT_F16 ? dims * (size_t)2 : dims * sizeof(float);
}

/* To be called before anything uses the space; f32 otherwise. */
void flat_space_store(flat_space *space, flat_storage storage);

/* What storing makes of a vector, `dims` floats. False: the finite element `element` is too large;
 * the rest of `rounded` is not written. What is not finite stays so. */
bool flat_round(const flat_space *space, const float *vector, float *rounded, uint32_t *element);
/* A rounded vector to its stored form: flat_stored_bytes, for f16 at an even address. */
void flat_store(const flat_space *space, const float *vector, void *stored);
/* The vector that is stored: in place where that is f32, else in the arena. NULL: no memory. */
const float *flat_restore(const flat_space *space, const void *stored, arena *scratch);

/* Memory that flat_stored_distances works in. */
size_t flat_stored_work_bytes(const flat_space *space);
/* flat_distances of stored originals: `rows` is an array of n pointers, const float * to f32 and
 * const uint16_t * to f16. */
void flat_stored_distances(const flat_space *space, const flat_query *query, const void *rows,
                           const float *inverse_norms, size_t n, void *work, float *distances);

#endif
