/* What the files of the flat index share; flat.h is for everybody else. */
#ifndef VEER_INDEX_FLAT_INTERNAL_H
#define VEER_INDEX_FLAT_INTERNAL_H

#include "index/flat_stored.h"
#include "kernels/kernels.h"
#include "math/rotation.h"
#include "quant/rabitq.h"

struct flat_space {
    const veer_allocator *allocator;
    veer_metric metric;
    uint32_t dims, padded;
    flat_storage storage;
    const kernels *kernels;
    rotation rotation; /* empty where there are no codes */
    rabitq quantizer;
};

struct flat_query {
    const flat_space *space;
    float sigmas;
    float *original;  /* dims: as given, normalised under cosine */
    float *rotated;   /* padded; this and the following: NULL where there are no codes */
    float *residual;  /* padded: scratch */
    uint8_t *tables;  /* 4 * padded */
    uint64_t centres; /* how many flat_query_centre has made tables for */
    rabitq_query codes;
};

/* Writes the vector, normalised under cosine and padded with zeros, to `padded_vector`. */
void flat_prepare(const flat_space *space, const float *vector, float *padded_vector);
/* The same for a query, whose norm is summed up faster and may differ in its last bit. */
void flat_prepare_query(const flat_space *space, const float *vector, float *padded_vector);
/* Distances from a query's products with n rows, in place, under dot and cosine. */
void flat_finish_products(const flat_space *space, const float *inverse_norms, size_t n,
                          float *distances);

#endif
