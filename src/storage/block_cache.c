/* Shards of blocks under a mutex each, evicted by the clock.
 *
 * Every block in the cache was verified by whoever put it. Blocks are copied in and out under
 * the shard's lock: a copy of 4 or 16 KiB takes a microsecond, and nobody holds a pointer into
 * the cache, so that eviction needs no counting of references.
 *
 * A shard is an array of entries in clock order, and hash chains through it:
 *
 *     buckets[hash] -> entry -> entry -> none          entries: key, block, used bit, next
 *                                                      hand ->  goes round; a used bit buys a turn
 *
 * An empty place in the array has no data; places are reused by the next put. The bytes of all
 * blocks of a shard stay within its part of the limit, less what is reserved. Memory that is short is
 * no error: the block is just not kept.
 *
 * The clock approximates least-recently-used at the cost of a bit (Corbato, 1968). A scan
 * through more blocks than fit evicts the rest; callers that read whole sections bypass the
 * cache.
 *
 * Threads: any.
 */
#include "storage/block_cache.h"

#include <stdatomic.h>
#include <string.h>

#include "platform/thread.h"

#define SHARDS 8u                           /* arbitrary: more than the cores of most machines */
#define SHARD_BYTES_MIN ((size_t)256 << 10) /* smaller caches have fewer shards */
#define BLOCKS_SHARE 4u                     /* of the limit, one in so many is never reserved */
#define NONE UINT32_MAX

typedef struct cache_entry {
    block_key key;
    uint8_t *data; /* NULL: an empty place */
    uint32_t bytes;
    uint32_t next; /* in the hash chain, or in the list of empty places */
    bool used;
} cache_entry;

typedef struct cache_shard {
    thread_mutex mutex;
    cache_entry *entries;
    size_t entries_count; /* places that were ever used */
    size_t entries_capacity;
    uint32_t *buckets; /* a power of two of them */
    size_t buckets_count;
    size_t live;
    size_t hand;
    size_t bytes; /* of blocks */
    size_t limit;
    uint32_t empty; /* first empty place */
} cache_shard;

struct block_cache {
    const veer_allocator *allocator;
    size_t limit;
    _Atomic size_t reserved;
    _Atomic uint32_t epoch;
    unsigned shards_count;
    cache_shard shards[SHARDS];
};

static uint64_t key_hash(block_key key)
{
    /* SplitMix64's finish: keys are small consecutive numbers of our own. */
    uint64_t x = key.segment * 0x9e3779b97f4a7c15u + ((uint64_t)key.section << 32 | key.block);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static bool same_key(block_key a, block_key b)
{
    return a.segment == b.segment && a.section == b.section && a.block == b.block;
}

static cache_shard *shard_of(block_cache *cache, uint64_t hash)
{
    return &cache->shards[(hash >> 48) % cache->shards_count];
}

veer_status block_cache_new(const veer_allocator *allocator, size_t bytes, block_cache **out,
                            veer_error *error)
{
    *out = NULL;
    block_cache *cache = memory_new(allocator, sizeof *cache);
    if (cache == NULL) return error_nomem(error, "the block cache", sizeof *cache);
    cache->allocator = allocator;
    cache->limit = bytes;
    atomic_init(&cache->reserved, 0);
    atomic_init(&cache->epoch, 1);
    unsigned shards = 1;
    while (shards < SHARDS && bytes / (shards * 2) >= SHARD_BYTES_MIN)
        shards *= 2;
    for (unsigned i = 0; i < shards; i++) {
        if (thread_mutex_init(&cache->shards[i].mutex) != VEER_OK) {
            block_cache_free(cache);
            return error_nomem(error, "a mutex", 0);
        }
        cache->shards_count++;
        cache->shards[i].limit = bytes / shards;
        cache->shards[i].empty = NONE;
    }
    *out = cache;
    return VEER_OK;
}

void block_cache_free(block_cache *cache)
{
    if (cache == NULL) return;
    for (unsigned i = 0; i < cache->shards_count; i++) {
        cache_shard *shard = &cache->shards[i];
        for (size_t j = 0; j < shard->entries_count; j++)
            memory_array_free(cache->allocator, shard->entries[j].data, shard->entries[j].bytes, 1);
        memory_array_free(cache->allocator, shard->entries, shard->entries_capacity,
                          sizeof *shard->entries);
        memory_array_free(cache->allocator, shard->buckets, shard->buckets_count,
                          sizeof *shard->buckets);
        thread_mutex_fini(&shard->mutex);
    }
    memory_free(cache->allocator, cache, sizeof *cache);
}

/* The place that refers to the entry of `key`, or the end of its chain. Buckets must exist. */
static uint32_t *find(cache_shard *shard, uint64_t hash, block_key key)
{
    uint32_t *link = &shard->buckets[hash & (shard->buckets_count - 1)];
    while (*link != NONE && !same_key(shard->entries[*link].key, key))
        link = &shard->entries[*link].next;
    return link;
}

static void evict(block_cache *cache, cache_shard *shard, uint32_t place)
{
    cache_entry *entry = &shard->entries[place];
    uint32_t *link = find(shard, key_hash(entry->key), entry->key);
    *link = entry->next;
    memory_array_free(cache->allocator, entry->data, entry->bytes, 1);
    shard->bytes -= entry->bytes;
    shard->live--;
    entry->data = NULL;
    entry->bytes = 0;
    entry->next = shard->empty;
    shard->empty = place;
}

/* Turns the clock until `bytes` more fit. */
static void make_room(block_cache *cache, cache_shard *shard, size_t bytes)
{
    while (shard->live > 0 && shard->bytes + bytes > shard->limit) {
        if (shard->hand >= shard->entries_count) shard->hand = 0;
        cache_entry *entry = &shard->entries[shard->hand];
        if (entry->data != NULL && !entry->used) evict(cache, shard, (uint32_t)shard->hand);
        entry->used = false;
        shard->hand++;
    }
}

/* Keeps chains short: at least as many buckets as entries. Without memory they grow longer. */
static bool grow_buckets(block_cache *cache, cache_shard *shard)
{
    if (shard->live < shard->buckets_count) return true;
    size_t count = shard->buckets_count == 0 ? 64 : shard->buckets_count * 2;
    uint32_t *buckets = memory_array(cache->allocator, count, sizeof *buckets);
    if (buckets == NULL) return shard->buckets_count != 0;
    memset(buckets, 0xff, count * sizeof *buckets);
    memory_array_free(cache->allocator, shard->buckets, shard->buckets_count,
                      sizeof *shard->buckets);
    shard->buckets = buckets;
    shard->buckets_count = count;
    for (size_t i = 0; i < shard->entries_count; i++) {
        cache_entry *entry = &shard->entries[i];
        if (entry->data == NULL) continue;
        uint32_t *bucket = &buckets[key_hash(entry->key) & (count - 1)];
        entry->next = *bucket;
        *bucket = (uint32_t)i;
    }
    return true;
}

static bool take_place(block_cache *cache, cache_shard *shard, uint32_t *place)
{
    if (shard->empty != NONE) {
        *place = shard->empty;
        shard->empty = shard->entries[*place].next;
        return true;
    }
    void *entries = shard->entries;
    if (shard->entries_count >= NONE - 1 ||
        memory_grow(cache->allocator, &entries, &shard->entries_capacity, shard->entries_count + 1,
                    sizeof *shard->entries) != VEER_OK)
        return false;
    shard->entries = entries;
    *place = (uint32_t)shard->entries_count++;
    return true;
}

bool block_cache_get(block_cache *cache, block_key key, size_t offset, size_t bytes, void *to)
{
    uint64_t hash = key_hash(key);
    cache_shard *shard = shard_of(cache, hash);
    bool found = false;
    thread_mutex_lock(&shard->mutex);
    uint32_t place = shard->buckets_count == 0 ? NONE : *find(shard, hash, key);
    if (place != NONE) {
        cache_entry *entry = &shard->entries[place];
        found = offset <= entry->bytes && bytes <= entry->bytes - offset;
        if (found) memcpy(to, entry->data + offset, bytes);
        entry->used = true;
    }
    thread_mutex_unlock(&shard->mutex);
    return found;
}

void block_cache_put(block_cache *cache, block_key key, const void *data, size_t bytes)
{
    uint64_t hash = key_hash(key);
    cache_shard *shard = shard_of(cache, hash);
    if (bytes == 0 || bytes > cache->limit / cache->shards_count) return;
    uint8_t *copy = memory_room(cache->allocator, bytes, 1);
    if (copy == NULL) return;
    memcpy(copy, data, bytes);
    thread_mutex_lock(&shard->mutex);
    uint32_t place = NONE;
    bool wanted =
        bytes <= shard->limit && grow_buckets(cache, shard) && *find(shard, hash, key) == NONE;
    if (wanted) {
        make_room(cache, shard, bytes);
        wanted = take_place(cache, shard, &place);
    }
    if (wanted) {
        uint32_t *bucket = &shard->buckets[hash & (shard->buckets_count - 1)];
        shard->entries[place] =
            (cache_entry){.key = key, .data = copy, .bytes = (uint32_t)bytes, .next = *bucket};
        *bucket = place;
        shard->bytes += bytes;
        shard->live++;
    }
    thread_mutex_unlock(&shard->mutex);
    if (!wanted) memory_array_free(cache->allocator, copy, bytes, 1);
}

/* ---- what others take of the limit */

static void divide_limit(block_cache *cache)
{
    for (unsigned i = 0; i < cache->shards_count; i++) {
        cache_shard *shard = &cache->shards[i];
        thread_mutex_lock(&shard->mutex);
        /* Read under the lock: of two who divide at once the last one has seen both. */
        shard->limit = (cache->limit - atomic_load(&cache->reserved)) / cache->shards_count;
        make_room(cache, shard, 0);
        thread_mutex_unlock(&shard->mutex);
    }
}

bool block_cache_reserve(block_cache *cache, size_t bytes)
{
    size_t most = cache->limit - cache->limit / BLOCKS_SHARE;
    size_t reserved = atomic_load(&cache->reserved);
    do {
        if (bytes > most || reserved > most - bytes) return false;
    } while (!atomic_compare_exchange_weak(&cache->reserved, &reserved, reserved + bytes));
    divide_limit(cache);
    return true;
}

void block_cache_unreserve(block_cache *cache, size_t bytes)
{
    atomic_fetch_sub(&cache->reserved, bytes);
    divide_limit(cache);
    if (atomic_fetch_add(&cache->epoch, 1) == UINT32_MAX) atomic_store(&cache->epoch, 1);
}

uint32_t block_cache_epoch(const block_cache *cache)
{
    return atomic_load_explicit(&cache->epoch, memory_order_relaxed);
}

void block_cache_drop(block_cache *cache, uint64_t segment)
{
    for (unsigned i = 0; i < cache->shards_count; i++) {
        cache_shard *shard = &cache->shards[i];
        thread_mutex_lock(&shard->mutex);
        for (size_t j = 0; j < shard->entries_count; j++) {
            const cache_entry *entry = &shard->entries[j];
            if (entry->data != NULL && entry->key.segment == segment)
                evict(cache, shard, (uint32_t)j);
        }
        thread_mutex_unlock(&shard->mutex);
    }
}

size_t block_cache_bytes(block_cache *cache)
{
    size_t bytes = sizeof *cache + atomic_load(&cache->reserved);
    for (unsigned i = 0; i < cache->shards_count; i++) {
        cache_shard *shard = &cache->shards[i];
        thread_mutex_lock(&shard->mutex);
        bytes += shard->bytes + shard->entries_capacity * sizeof *shard->entries +
                 shard->buckets_count * sizeof *shard->buckets;
        thread_mutex_unlock(&shard->mutex);
    }
    return bytes;
}
