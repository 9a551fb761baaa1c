/* What a segment reader needs of its surroundings: a store, or store_check, or a backup. */
#ifndef VEER_STORAGE_SEGMENT_HOME_H
#define VEER_STORAGE_SEGMENT_HOME_H

#include <stdatomic.h>

#include "storage/block_cache.h"
#include "storage/segment.h"
#include "storage/zstd_memory.h"

typedef struct segment_home {
    const veer_allocator *allocator;
    const veer_io *io;
    block_cache *cache; /* NULL: none */
    zstd_pool *zstd;
    _Atomic uint64_t next_uid; /* of an opened segment, for the cache */
    _Atomic size_t resident_bytes;
    _Atomic uint64_t mapped_bytes;
} segment_home;

static inline void segment_home_init(segment_home *home, const veer_allocator *allocator,
                                     const veer_io *io, block_cache *cache, zstd_pool *zstd)
{
    home->allocator = allocator;
    home->io = io;
    home->cache = cache;
    home->zstd = zstd;
    atomic_init(&home->next_uid, 1);
    atomic_init(&home->resident_bytes, 0);
    atomic_init(&home->mapped_bytes, 0);
}

/* segment_open without a store. */
veer_status segment_open_at(segment_home *home, const store_stream *stream, segment **out,
                            veer_error *error);
segment_home *store_home(store *store);

#endif
