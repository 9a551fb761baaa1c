/* Reading segment files: verified ranges, whole sections, verifying everything.
 *
 * A section becomes *ready* when it is touched first: its block table is read, compared with the
 * checksum in the section table, and published through an atomic pointer; from then on no lock is
 * taken.
 *
 *     mapped      a bit per block says that it was verified; the data is used in place
 *     roomy       the same where the stream is not mapped, but the whole section has its place in
 *                 memory: a block is read there when it is touched first. Originals only, and as
 *                 many of them as the cache's limit has room for.
 *     cached      blocks are verified as they are read, and kept in the store's cache; what is
 *                 handed out is a copy in the caller's arena
 *     loaded      segment_load verified the whole section, and holds it (mapped: in place)
 *
 * Two threads may verify the same block at once; both find the same. A block that does not have
 * its checksum is VEER_E_CORRUPT each time, and no byte of it is handed out.
 *
 * VEER_PENDING: all blocks that a range needs are asked for before it is returned, and nothing is
 * kept but what the cache holds.
 *
 * Threads: any.
 */
#include "base/crc32c.h"
#include "storage/segment_inner.h"

#define CACHED_RANGE_BYTES ((size_t)1 << 20) /* longer ranges would only sweep the cache */

/* ---- blocks */

uint64_t segment_block_size(const segment_entry *entry, uint64_t block)
{
    uint64_t left = entry->bytes - block * entry->block_bytes;
    return left < entry->block_bytes ? left : entry->block_bytes;
}

bool segment_block_right(const segment_entry *entry, const segment_ready *ready, uint64_t block,
                         const uint8_t *data)
{
    uint32_t crc = crc32c(0, data, (size_t)segment_block_size(entry, block));
    return crc == load_u32(ready->table + block * 4);
}

veer_status segment_block_damaged(const segment *self, uint32_t section, uint64_t block,
                                  veer_error *error)
{
    const segment_entry *entry = &self->entries[section];
    return error_set(error, VEER_E_CORRUPT,
                     "Segment '%s' is damaged: section %u of field %u, block %llu (byte %llu of "
                     "the stream) does not have its checksum.",
                     self->name, (unsigned)entry->kind, (unsigned)entry->field,
                     (unsigned long long)block,
                     (unsigned long long)(entry->offset + block * entry->block_bytes));
}

veer_status segment_new_bitmap(segment *self, uint64_t blocks, segment_ready *ready,
                               veer_error *error)
{
    ready->verified_words = (size_t)(blocks / 64 + 1);
    ready->verified =
        memory_array(self->home->allocator, ready->verified_words, sizeof *ready->verified);
    if (ready->verified == NULL) return error_nomem(error, "a block bitmap", blocks / 8);
    return VEER_OK;
}

static veer_status make_ready(segment *self, uint32_t section, segment_ready *ready,
                              veer_error *error)
{
    const segment_entry *entry = &self->entries[section];
    const veer_allocator *allocator = self->home->allocator;
    const veer_io *io = self->home->io;
    uint64_t blocks = segment_entry_blocks(entry);
    if (blocks > SIZE_MAX / 4) return error_nomem(error, "a block table", blocks * 4);
    ready->table_bytes = (size_t)blocks * 4;
    if (self->map != NULL) {
        ready->table = self->map + entry->table_offset;
        VEER_TRY(segment_new_bitmap(self, blocks, ready, error));
    } else {
        ready->owned = memory_new(allocator, ready->table_bytes);
        if (ready->owned == NULL) return error_nomem(error, "a block table", ready->table_bytes);
        ready->table = ready->owned;
        if (blocks != 0)
            VEER_TRY(io->read(io->context, self->file, entry->table_offset, ready->owned,
                              ready->table_bytes, error));
    }
    if (crc32c(0, ready->table, ready->table_bytes) != entry->table_crc)
        VEER_FAIL(error, VEER_E_CORRUPT,
                  "Segment '%s' is damaged: the block table of section %u of field %u.", self->name,
                  (unsigned)entry->kind, (unsigned)entry->field);
    return VEER_OK;
}

veer_status segment_prepare(segment *self, uint32_t section, const segment_ready **out,
                            veer_error *error)
{
    segment_ready *ready = atomic_load_explicit(&self->ready[section], memory_order_acquire);
    *out = ready;
    if (ready != NULL) return VEER_OK;
    const veer_allocator *allocator = self->home->allocator;
    veer_status status = VEER_OK;
    thread_mutex_lock(&self->preparing);
    ready = atomic_load_explicit(&self->ready[section], memory_order_acquire);
    if (ready == NULL) {
        ready = memory_new(allocator, sizeof *ready);
        status = ready == NULL ? error_nomem(error, "a section", sizeof *ready)
                               : make_ready(self, section, ready, error);
        if (status == VEER_OK) {
            size_t table = ready->owned != NULL ? ready->table_bytes : 0;
            segment_count_resident(self, sizeof *ready + table +
                                             ready->verified_words * sizeof *ready->verified);
            atomic_store_explicit(&self->ready[section], ready, memory_order_release);
        } else {
            segment_ready_free(self->home, ready);
            ready = NULL;
        }
    }
    thread_mutex_unlock(&self->preparing);
    *out = ready;
    return status;
}

/* Verifies blocks [first, end) of a mapped section, those that were not before. */
static veer_status verify_mapped(segment *self, uint32_t section, const segment_ready *ready,
                                 uint64_t first, uint64_t end, veer_error *error)
{
    const segment_entry *entry = &self->entries[section];
    const uint8_t *data = self->map + entry->offset;
    for (uint64_t block = first; block < end; block++) {
        if (segment_is_verified(ready, block)) continue;
        if (!segment_block_right(entry, ready, block, data + block * entry->block_bytes))
            return segment_block_damaged(self, section, block, error);
        segment_set_verified(ready, block);
    }
    return VEER_OK;
}

/* ---- ranges */

/* A range of a section that is being copied together. */
typedef struct range {
    segment *segment;
    uint32_t section;
    const segment_ready *ready;
    uint64_t offset;
    size_t bytes;
    uint8_t *to;
    bool cached; /* blocks come from and go to the cache */
} range;

/* The part of `block` that lies in the range: its place in the block, its length, and where it
 * goes. */
static uint8_t *overlap(const range *r, uint64_t block, size_t *skip, size_t *bytes)
{
    const segment_entry *entry = &r->segment->entries[r->section];
    uint64_t begin = block * entry->block_bytes;
    uint64_t end = begin + segment_block_size(entry, block);
    uint64_t from = begin > r->offset ? begin : r->offset;
    uint64_t to = end < r->offset + r->bytes ? end : r->offset + r->bytes;
    *skip = (size_t)(from - begin);
    *bytes = (size_t)(to - from);
    return r->to + (from - r->offset);
}

static block_key key_of(const range *r, uint64_t block)
{
    return (block_key){r->segment->uid, r->section, (uint32_t)block};
}

static bool copy_cached(const range *r, uint64_t block)
{
    size_t skip, bytes;
    uint8_t *to = overlap(r, block, &skip, &bytes);
    return r->cached && block_cache_get(r->segment->home->cache, key_of(r, block), skip, bytes, to);
}

/* Verifies blocks [first, end) that were read to `data`, and caches them. */
static veer_status accept_blocks(const range *r, uint64_t first, uint64_t end, const uint8_t *data,
                                 veer_error *error)
{
    segment *self = r->segment;
    const segment_entry *entry = &self->entries[r->section];
    for (uint64_t block = first; block < end; block++, data += entry->block_bytes) {
        if (!segment_block_right(entry, r->ready, block, data))
            return segment_block_damaged(self, r->section, block, error);
        if (r->cached)
            block_cache_put(self->home->cache, key_of(r, block), data,
                            (size_t)segment_block_size(entry, block));
    }
    return VEER_OK;
}

/* Reads blocks [first, end), verifies them and copies what the range wants. */
static veer_status fetch(const range *r, uint64_t first, uint64_t end, veer_error *error)
{
    segment *self = r->segment;
    const segment_entry *entry = &self->entries[r->section];
    const veer_io *io = self->home->io;
    uint64_t begin = first * entry->block_bytes;
    uint64_t last_bytes = segment_block_size(entry, end - 1);
    size_t total = (size_t)((end - 1 - first) * entry->block_bytes + last_bytes);
    if (begin >= r->offset && begin + total <= r->offset + r->bytes) {
        uint8_t *to = r->to + (size_t)(begin - r->offset); /* all of it is wanted */
        VEER_TRY(io->read(io->context, self->file, entry->offset + begin, to, total, error));
        return accept_blocks(r, first, end, to, error);
    }
    uint8_t *buffer = memory_new(self->home->allocator, total);
    if (buffer == NULL) return error_nomem(error, "reading a segment", total);
    veer_status status =
        io->read(io->context, self->file, entry->offset + begin, buffer, total, error);
    if (status == VEER_OK) status = accept_blocks(r, first, end, buffer, error);
    for (uint64_t block = first; block < end && status == VEER_OK; block++) {
        size_t skip, bytes;
        uint8_t *to = overlap(r, block, &skip, &bytes);
        memcpy(to, buffer + (size_t)((block - first) * entry->block_bytes) + skip, bytes);
    }
    memory_free(self->home->allocator, buffer, total);
    return status;
}

/* Copies the range together; asks for every missing block before it says VEER_PENDING. */
static veer_status copy_range(const range *r, veer_error *error)
{
    const segment_entry *entry = &r->segment->entries[r->section];
    uint64_t end = (r->offset + r->bytes - 1) / entry->block_bytes + 1;
    uint64_t run_blocks = SEGMENT_RUN_BYTES / entry->block_bytes;
    bool pending = false;
    for (uint64_t block = r->offset / entry->block_bytes; block < end;) {
        if (copy_cached(r, block)) {
            block++;
            continue;
        }
        uint64_t run_end = block + 1;
        while (run_end < end && run_end - block < run_blocks && !copy_cached(r, run_end))
            run_end++;
        veer_status status = fetch(r, block, run_end, error);
        if (status != VEER_OK && status != VEER_PENDING) return status;
        pending = pending || status == VEER_PENDING;
        block = run_end;
    }
    return pending ? VEER_PENDING : VEER_OK;
}

static veer_status check_range(const segment *self, uint32_t section, uint64_t offset, size_t bytes,
                               veer_error *error)
{
    if (section >= self->entries_count)
        VEER_FAIL(error, VEER_E_INVALID, "Segment '%s' has no section number %u.", self->name,
                  (unsigned)section);
    const segment_entry *entry = &self->entries[section];
    if (offset > entry->bytes || bytes > entry->bytes - offset)
        VEER_FAIL(error, VEER_E_CORRUPT,
                  "Segment '%s' is damaged: section %u of field %u has %llu bytes, but %zu at %llu "
                  "are wanted.",
                  self->name, (unsigned)entry->kind, (unsigned)entry->field,
                  (unsigned long long)entry->bytes, bytes, (unsigned long long)offset);
    return VEER_OK;
}

/* What a section without bytes begins with. */
static const void *nothing(void)
{
    static const _Alignas(SEGMENT_MAP_ALIGNMENT) uint8_t none[SEGMENT_MAP_ALIGNMENT];
    return none;
}

veer_status segment_read(segment *self, uint32_t section, uint64_t offset, size_t bytes,
                         arena *scratch, const void **data, veer_error *error)
{
    *data = NULL;
    VEER_TRY(check_range(self, section, offset, bytes, error));
    const segment_entry *entry = &self->entries[section];
    if (bytes == 0) {
        *data = nothing();
        return VEER_OK;
    }
    const uint8_t *held = atomic_load_explicit(&self->loaded[section], memory_order_acquire);
    if (held != NULL) {
        *data = held + offset;
        return VEER_OK;
    }
    const segment_ready *ready = NULL;
    VEER_TRY(segment_prepare(self, section, &ready, error));
    uint64_t first = offset / entry->block_bytes;
    uint64_t end = (offset + bytes - 1) / entry->block_bytes + 1;
    if (self->map != NULL) {
        VEER_TRY(verify_mapped(self, section, ready, first, end, error));
        *data = self->map + entry->offset + offset;
        return VEER_OK;
    }
    uint8_t *room = segment_room(self, section);
    if (room != NULL) {
        VEER_TRY(segment_fill_room(self, section, first, end, error));
        *data = room + offset;
        return VEER_OK;
    }
    arena_mark mark = arena_save(scratch);
    range r = {
        .segment = self,
        .section = section,
        .ready = ready,
        .offset = offset,
        .bytes = bytes,
        .to = arena_array(scratch, bytes, 1),
        .cached = self->home->cache != NULL && bytes <= CACHED_RANGE_BYTES,
    };
    if (r.to == NULL) return error_nomem(error, "reading a segment", bytes);
    veer_status status = copy_range(&r, error);
    if (status != VEER_OK) {
        arena_restore(scratch, mark);
        return status;
    }
    *data = r.to;
    return VEER_OK;
}

/* ---- whole sections */

static veer_status load_copy(segment *self, uint32_t section, const segment_ready *ready,
                             veer_error *error)
{
    const segment_entry *entry = &self->entries[section];
    const veer_allocator *allocator = self->home->allocator;
    if (entry->bytes > SIZE_MAX) return error_nomem(error, "a section", entry->bytes);
    size_t bytes = (size_t)entry->bytes;
    uint8_t *copy = memory_array(allocator, bytes, 1);
    if (copy == NULL) return error_nomem(error, "a section", bytes);
    range r = {
        .segment = self,
        .section = section,
        .ready = ready,
        .bytes = bytes,
        .to = copy,
        .cached = self->home->cache != NULL && bytes <= CACHED_RANGE_BYTES,
    };
    veer_status status = copy_range(&r, error);
    if (status != VEER_OK) {
        memory_array_free(allocator, copy, bytes, 1);
        return status;
    }
    segment_count_resident(self, bytes);
    atomic_store_explicit(&self->loaded[section], copy, memory_order_release);
    return VEER_OK;
}

veer_status segment_load(segment *self, uint32_t section, const void **data, veer_error *error)
{
    *data = NULL;
    VEER_TRY(check_range(self, section, 0, 0, error));
    const segment_entry *entry = &self->entries[section];
    const segment_ready *ready = NULL;
    VEER_TRY(segment_prepare(self, section, &ready, error));
    if (entry->bytes == 0) {
        *data = nothing();
        return VEER_OK;
    }
    if (self->map != NULL) {
        VEER_TRY(verify_mapped(self, section, ready, 0, segment_entry_blocks(entry), error));
        *data = self->map + entry->offset;
        return VEER_OK;
    }
    veer_status status = VEER_OK;
    if (atomic_load_explicit(&self->loaded[section], memory_order_acquire) == NULL) {
        thread_mutex_lock(&self->loading);
        if (atomic_load_explicit(&self->loaded[section], memory_order_acquire) == NULL)
            status = load_copy(self, section, ready, error);
        thread_mutex_unlock(&self->loading);
    }
    if (status == VEER_OK)
        *data = atomic_load_explicit(&self->loaded[section], memory_order_acquire);
    return status;
}

/* ---- all of it */

static veer_status verify_section(segment *self, uint32_t section, uint8_t *buffer,
                                  void (*problem)(void *context, const char *text), void *context,
                                  veer_error *error)
{
    const segment_entry *entry = &self->entries[section];
    const veer_io *io = self->home->io;
    const segment_ready *ready = NULL;
    veer_status status = segment_prepare(self, section, &ready, error);
    if (status == VEER_E_CORRUPT) {
        problem(context, error->message);
        return VEER_OK;
    }
    if (status != VEER_OK) return status;
    uint64_t blocks = segment_entry_blocks(entry);
    uint64_t run_blocks = SEGMENT_RUN_BYTES / entry->block_bytes;
    for (uint64_t first = 0; first < blocks; first += run_blocks) {
        uint64_t end = blocks - first < run_blocks ? blocks : first + run_blocks;
        uint64_t begin = first * entry->block_bytes;
        const uint8_t *data = self->map != NULL ? self->map + entry->offset + begin : buffer;
        size_t bytes =
            (size_t)((end - 1 - first) * entry->block_bytes + segment_block_size(entry, end - 1));
        if (self->map == NULL)
            VEER_TRY(
                io->read(io->context, self->file, entry->offset + begin, buffer, bytes, error));
        for (uint64_t block = first; block < end; block++) {
            size_t at = (size_t)((block - first) * entry->block_bytes);
            if (segment_block_right(entry, ready, block, data + at)) continue;
            (void)segment_block_damaged(self, section, block, error);
            problem(context, error->message);
        }
    }
    return VEER_OK;
}

veer_status segment_verify(segment *self, void (*problem)(void *context, const char *text),
                           void *context, veer_error *error)
{
    const veer_allocator *allocator = self->home->allocator;
    uint8_t *buffer = NULL;
    if (self->map == NULL) {
        buffer = memory_new(allocator, SEGMENT_RUN_BYTES);
        if (buffer == NULL) return error_nomem(error, "verifying a segment", SEGMENT_RUN_BYTES);
    }
    veer_status status = VEER_OK;
    for (uint32_t i = 0; i < self->entries_count && status == VEER_OK; i++)
        status = verify_section(self, i, buffer, problem, context, error);
    memory_free(allocator, buffer, SEGMENT_RUN_BYTES);
    return status;
}
