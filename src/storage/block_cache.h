/* A cache of verified blocks, of streams that are not mapped and of decompressed strings; any number
 * of threads. */
#ifndef VEER_STORAGE_BLOCK_CACHE_H
#define VEER_STORAGE_BLOCK_CACHE_H

#include "base/memory.h"
#include "base/status.h"

typedef struct block_cache block_cache;

/* A block of a section of one opening of a segment. */
typedef struct block_key {
    uint64_t segment; /* segment_home.next_uid */
    uint32_t section;
    uint32_t block;
} block_key;

/* Holds at most `bytes` of blocks; 0: none. */
veer_status block_cache_new(const veer_allocator *allocator, size_t bytes, block_cache **out,
                            veer_error *error);
void block_cache_free(block_cache *cache);
/* Copies `bytes` at `offset` of the block to `to`; false where it is not here. */
bool block_cache_get(block_cache *cache, block_key key, size_t offset, size_t bytes, void *to);
/* Keeps a copy, evicting others; without memory, or where it is too large, it keeps nothing. */
void block_cache_put(block_cache *cache, block_key key, const void *data, size_t bytes);
/* Drops every block of a segment. */
void block_cache_drop(block_cache *cache, uint64_t segment);
/* Takes `bytes` of the limit for memory of the caller's, evicting blocks; false where that would leave
 * too little for them. Given back with block_cache_unreserve. */
bool block_cache_reserve(block_cache *cache, size_t bytes);
void block_cache_unreserve(block_cache *cache, size_t bytes);
/* Changes when something was given back: what was refused is worth asking for again. Never 0. */
uint32_t block_cache_epoch(const block_cache *cache);
/* Bytes held, its own tables and what is reserved included. */
size_t block_cache_bytes(block_cache *cache);

#endif
