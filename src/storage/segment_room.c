/* Rooms: sections of streams that are not mapped and have their whole place in memory all the same.
 *
 * A block is read to its place when it is touched first, and verified there; then its bit is set, and
 * it is used in place like a mapped one. So what is hot is handed out without a copy, what is never
 * touched is never read, and a row that lies in two blocks lies in one piece.
 *
 *     room      |  block 0  |  ?  |  ?  |  block 3  |  block 4  |  ?  |
 *     verified       1         0     0       1           1         0
 *
 * Originals only: they are read at random, hundreds of times a query. A room's bytes are taken
 * from the cache's limit, which refuses where too little would be left for blocks; then, and
 * where memory is short, the section's blocks go through the cache. A room stays until its segment is
 * closed, so what was handed out needs no counting.
 *
 * Threads: any. Blocks are read under `loading`, and nobody writes where the bit is set.
 */
#include "storage/segment_inner.h"

/* Blocks of this size are read at random, again and again; larger ones are not worth the memory. */
static bool wants_room(const segment_entry *entry)
{
    return entry->block_bytes < SEGMENT_BLOCK_BYTES && entry->bytes <= SIZE_MAX;
}

static uint8_t *new_room(segment *self, const segment_entry *entry, segment_ready *ready)
{
    const segment_home *home = self->home;
    size_t bytes = (size_t)entry->bytes;
    veer_error ignored;
    if (!block_cache_reserve(home->cache, bytes)) return NULL;
    uint8_t *room = memory_room(home->allocator, bytes, 1);
    if (room != NULL && ready->verified == NULL &&
        segment_new_bitmap(self, segment_entry_blocks(entry), ready, &ignored) != VEER_OK) {
        memory_array_free(home->allocator, room, bytes, 1);
        room = NULL;
    }
    if (room == NULL) {
        block_cache_unreserve(home->cache, bytes);
        return NULL;
    }
    ready->room_bytes = bytes;
    segment_count_resident(self, ready->verified_words * sizeof *ready->verified);
    return room;
}

uint8_t *segment_room(segment *self, uint32_t section)
{
    const segment_entry *entry = &self->entries[section];
    segment_ready *ready = atomic_load_explicit(&self->ready[section], memory_order_acquire);
    uint8_t *room = atomic_load_explicit(&ready->room, memory_order_acquire);
    const block_cache *cache = self->home->cache;
    if (room != NULL || cache == NULL || !wants_room(entry)) return room;
    if (atomic_load(&ready->refused) == block_cache_epoch(cache)) return NULL;
    thread_mutex_lock(&self->preparing);
    room = atomic_load(&ready->room);
    if (room == NULL) {
        room = new_room(self, entry, ready);
        if (room == NULL)
            atomic_store(&ready->refused, block_cache_epoch(cache));
        else
            atomic_store_explicit(&ready->room, room, memory_order_release);
    }
    thread_mutex_unlock(&self->preparing);
    return room;
}

/* Reads blocks [first, end) into the room and verifies them. `loading` is held: nobody writes where
 * others read. */
static veer_status read_to_room(segment *self, uint32_t section, const segment_ready *ready,
                                uint8_t *room, uint64_t first, uint64_t end, veer_error *error)
{
    const segment_entry *entry = &self->entries[section];
    const veer_io *io = self->home->io;
    uint64_t begin = first * entry->block_bytes;
    size_t bytes =
        (size_t)((end - 1) * entry->block_bytes + segment_block_size(entry, end - 1) - begin);
    VEER_TRY(io->read(io->context, self->file, entry->offset + begin, room + begin, bytes, error));
    for (uint64_t block = first; block < end; block++) {
        if (!segment_block_right(entry, ready, block, room + block * entry->block_bytes))
            return segment_block_damaged(self, section, block, error);
        segment_set_verified(ready, block);
    }
    return VEER_OK;
}

veer_status segment_fill_room(segment *self, uint32_t section, uint64_t first, uint64_t end,
                              veer_error *error)
{
    const segment_ready *ready = atomic_load_explicit(&self->ready[section], memory_order_acquire);
    uint8_t *room = atomic_load_explicit(&ready->room, memory_order_acquire);
    while (first < end && segment_is_verified(ready, first))
        first++;
    if (first == end) return VEER_OK;
    uint64_t run_blocks = SEGMENT_RUN_BYTES / self->entries[section].block_bytes;
    veer_status status = VEER_OK;
    thread_mutex_lock(&self->loading);
    while (first < end && (status == VEER_OK || status == VEER_PENDING)) {
        uint64_t run_end = first;
        while (run_end < end && run_end - first < run_blocks &&
               !segment_is_verified(ready, run_end))
            run_end++;
        veer_status one = run_end == first
                              ? VEER_OK
                              : read_to_room(self, section, ready, room, first, run_end, error);
        if (one != VEER_OK) status = one;
        first = run_end == first ? first + 1 : run_end;
    }
    thread_mutex_unlock(&self->loading);
    return status;
}
