/* zstd over a veer_allocator: compressing and decompressing whole blocks. */
#ifndef VEER_STORAGE_ZSTD_MEMORY_H
#define VEER_STORAGE_ZSTD_MEMORY_H

#include <stdatomic.h>

#include "base/memory.h"
#include "base/status.h"

/* Decompression contexts cost some 100 KB each: one is kept for the next caller. Any thread. */
typedef struct zstd_pool {
    const veer_allocator *allocator;
    _Atomic(void *) spare;
} zstd_pool;

void zstd_pool_init(zstd_pool *pool, const veer_allocator *allocator);
void zstd_pool_fini(zstd_pool *pool);
/* One frame that must give exactly `raw_bytes`; VEER_E_CORRUPT, VEER_E_NOMEM. */
veer_status zstd_decompress(zstd_pool *pool, void *raw, size_t raw_bytes, const void *frame,
                            size_t frame_bytes, veer_error *error);

typedef struct zstd_compressor zstd_compressor; /* one thread */
veer_status zstd_compressor_new(const veer_allocator *allocator, zstd_compressor **out,
                                veer_error *error);
void zstd_compressor_free(zstd_compressor *compressor);
/* At most this many bytes come out of n. */
size_t zstd_bound(size_t n);
veer_status zstd_compress(zstd_compressor *compressor, void *frame, size_t capacity,
                          const void *raw, size_t raw_bytes, size_t *frame_bytes,
                          veer_error *error);

#endif
