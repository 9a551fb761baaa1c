/* Reading segment files: opening, verified ranges, whole sections, verifying everything.
 *
 * Opening reads the header page (and a section table that does not fit into it). A section becomes
 * *ready* when it is touched first: its block table is read, compared with the checksum in the
 * section table, and published through an atomic pointer; from then on no lock is taken.
 *
 *     mapped      a bit per block says that it was verified; the data is used in place
 *     not mapped  blocks are verified as they are read, and kept in the store's cache; what is
 *                 handed out is a copy in the caller's arena
 *     loaded      segment_load verified the whole section, and holds it (mapped: in place)
 *
 * Two threads may verify the same block at once; both find the same. A block that does not have
 * its checksum is VEER_E_CORRUPT each time, and no byte of it is handed out.
 *
 * The map must not shrink while it is used: whoever cuts a database file from outside gets a fault
 * of the operating system. The size is compared once, at opening.
 *
 * VEER_PENDING: all blocks that a range needs are asked for before it is returned, and nothing is
 * kept but what the cache holds.
 *
 * Threads: any, but for closing.
 */
#include "base/crc32c.h"
#include "base/sizes.h"
#include "storage/segment_inner.h"

#define RUN_BYTES ((uint64_t)1 << 20)        /* read at once; arbitrary */
#define CACHED_RANGE_BYTES ((size_t)1 << 20) /* longer ranges would only sweep the cache */
#define MAP_ALIGNMENT 64u

/* ---- opening */

static veer_status read_sections(segment *self, const uint8_t *page, const segment_header *header,
                                 veer_error *error)
{
    size_t n = header->sections;
    size_t table_bytes = n * SEGMENT_ENTRY_BYTES;
    const veer_allocator *allocator = self->home->allocator;
    if (n == 0) return VEER_OK;
    const uint8_t *table = page + SEGMENT_TABLE_AT;
    uint8_t *outside = NULL;
    veer_status status = VEER_OK;
    if (n > SEGMENT_INLINE_SECTIONS) {
        outside = memory_new(allocator, table_bytes);
        if (outside == NULL) return error_nomem(error, "a section table", table_bytes);
        VEER_GOTO(self->home->io->read(self->home->io->context, self->file, header->table_offset,
                                       outside, table_bytes, error));
        table = outside;
    }
    self->entries = memory_array(allocator, n, sizeof *self->entries);
    self->ready = memory_array(allocator, n, sizeof *self->ready);
    self->loaded = memory_array(allocator, n, sizeof *self->loaded);
    self->entries_count = n;
    if (self->entries == NULL || self->ready == NULL || self->loaded == NULL) {
        status = error_nomem(error, "a segment's sections", n * sizeof *self->entries);
        goto done;
    }
    bool valid = crc32c(0, table, table_bytes) == header->table_crc;
    for (size_t i = 0; i < n && valid; i++) {
        valid = segment_entry_decode(table + i * SEGMENT_ENTRY_BYTES, &self->entries[i]);
        atomic_init(&self->ready[i], NULL);
        atomic_init(&self->loaded[i], NULL);
    }
    if (!valid || !segment_entries_valid(self->entries, n, header))
        status = error_set(error, VEER_E_CORRUPT, "Segment '%s' is damaged: its section table.",
                           self->name);
done:
    memory_free(allocator, outside, table_bytes);
    return status;
}

/* Maps the stream where the table can; a table that cannot map this one is read instead. */
static veer_status map_stream(segment *self, veer_error *error)
{
    const veer_io *io = self->home->io;
    const void *map = NULL;
    if (io->map == NULL) return VEER_OK;
    veer_status status = io->map(io->context, self->file, self->bytes, &map, error);
    if (status == VEER_E_UNSUPPORTED || status == VEER_E_NOMEM) return VEER_OK;
    if (status != VEER_OK) return status;
    if ((uintptr_t)map % MAP_ALIGNMENT != 0) {
        io->unmap(io->context, self->file, map, self->bytes);
        return VEER_OK;
    }
    self->map = map;
    atomic_fetch_add(&self->home->mapped_bytes, self->bytes);
    return VEER_OK;
}

static veer_status open_file(segment *self, const store_stream *stream, veer_error *error)
{
    const veer_io *io = self->home->io;
    segment_header header;
    uint64_t bytes = 0;
    VEER_TRY(io->open(io->context, stream->name, VEER_IO_READ, &self->file, error));
    VEER_TRY(io->size(io->context, self->file, &bytes, error));
    if (bytes != stream->bytes || bytes < STORAGE_PAGE_BYTES)
        VEER_FAIL(error, VEER_E_CORRUPT, "Segment '%s' has %llu bytes; the catalogue says %llu.",
                  stream->name, (unsigned long long)bytes, (unsigned long long)stream->bytes);
    self->bytes = bytes;
    uint8_t *page = memory_new(self->home->allocator, STORAGE_PAGE_BYTES);
    if (page == NULL) return error_nomem(error, "a segment's header", STORAGE_PAGE_BYTES);
    veer_status status = io->read(io->context, self->file, 0, page, STORAGE_PAGE_BYTES, error);
    if (status != VEER_OK) goto done;
    if (load_u32(page + STORAGE_PAGE_CRC) != stream->header_crc) {
        status = error_set(error, VEER_E_CORRUPT,
                           "Segment '%s' is damaged: its header is not the one that was attached.",
                           stream->name);
        goto done;
    }
    VEER_GOTO(segment_header_decode(page, stream->name, bytes, &header, error));
    self->info_bytes = header.info_bytes;
    memcpy(self->info, page + SEGMENT_INFO_AT, header.info_bytes);
    VEER_GOTO(read_sections(self, page, &header, error));
    VEER_GOTO(map_stream(self, error));
done:
    memory_free(self->home->allocator, page, STORAGE_PAGE_BYTES);
    return status;
}

veer_status segment_open_at(segment_home *home, const store_stream *stream, segment **out,
                            veer_error *error)
{
    *out = NULL;
    segment *self = memory_new(home->allocator, sizeof *self);
    if (self == NULL) return error_nomem(error, "a segment", sizeof *self);
    self->home = home;
    self->uid = atomic_fetch_add(&home->next_uid, 1);
    memcpy(self->name, stream->name, sizeof self->name);
    atomic_init(&self->resident, 0);
    if (thread_mutex_init(&self->preparing) != VEER_OK) {
        memory_free(home->allocator, self, sizeof *self);
        return error_nomem(error, "a mutex", 0);
    }
    if (thread_mutex_init(&self->loading) != VEER_OK) {
        thread_mutex_fini(&self->preparing);
        memory_free(home->allocator, self, sizeof *self);
        return error_nomem(error, "a mutex", 0);
    }
    veer_status status = open_file(self, stream, error);
    if (status != VEER_OK) {
        segment_close(self);
        return status;
    }
    *out = self;
    return VEER_OK;
}

veer_status segment_open(store *owner, const store_stream *stream, segment **out, veer_error *error)
{
    return segment_open_at(store_home(owner), stream, out, error);
}

static void count_resident(segment *self, size_t bytes)
{
    atomic_fetch_add(&self->resident, bytes);
    atomic_fetch_add(&self->home->resident_bytes, bytes);
}

static void free_ready(const veer_allocator *allocator, segment_ready *ready)
{
    if (ready == NULL) return;
    memory_free(allocator, ready->owned, ready->table_bytes);
    memory_array_free(allocator, (void *)ready->verified, ready->verified_words,
                      sizeof *ready->verified);
    memory_free(allocator, ready, sizeof *ready);
}

void segment_close(segment *self)
{
    if (self == NULL) return;
    segment_home *home = self->home;
    const veer_allocator *allocator = home->allocator;
    for (size_t i = 0; i < self->entries_count && self->ready != NULL; i++)
        free_ready(allocator, atomic_load(&self->ready[i]));
    /* Entries may be missing where memory ran out between the three arrays: nothing is loaded then. */
    for (size_t i = 0; i < self->entries_count && self->loaded && self->entries; i++)
        memory_array_free(allocator, atomic_load(&self->loaded[i]), (size_t)self->entries[i].bytes,
                          1);
    atomic_fetch_sub(&home->resident_bytes, atomic_load(&self->resident));
    if (self->map != NULL) {
        home->io->unmap(home->io->context, self->file, self->map, self->bytes);
        atomic_fetch_sub(&home->mapped_bytes, self->bytes);
    } else if (home->cache != NULL) {
        block_cache_drop(home->cache, self->uid);
    }
    if (self->file != NULL) home->io->close(home->io->context, self->file);
    memory_array_free(allocator, self->entries, self->entries_count, sizeof *self->entries);
    memory_array_free(allocator, (void *)self->ready, self->entries_count, sizeof *self->ready);
    memory_array_free(allocator, (void *)self->loaded, self->entries_count, sizeof *self->loaded);
    thread_mutex_fini(&self->loading);
    thread_mutex_fini(&self->preparing);
    memory_free(allocator, self, sizeof *self);
}

/* ---- about it */

void segment_info(const segment *self, const void **info, size_t *bytes)
{
    *info = self->info;
    *bytes = self->info_bytes;
}

size_t segment_sections(const segment *self)
{
    return self->entries_count;
}

segment_section segment_section_at(const segment *self, size_t index)
{
    const segment_entry *entry = &self->entries[index];
    return (segment_section){
        .index = (uint32_t)index,
        .kind = entry->kind,
        .field = entry->field,
        .bytes = entry->bytes,
        .block_bytes = entry->block_bytes,
    };
}

bool segment_find(const segment *self, uint16_t kind, uint32_t field, segment_section *section)
{
    for (size_t i = 0; i < self->entries_count; i++) {
        if (self->entries[i].kind != kind || self->entries[i].field != field) continue;
        *section = segment_section_at(self, i);
        return true;
    }
    return false;
}

bool segment_is_mapped(const segment *self)
{
    return self->map != NULL;
}

size_t segment_memory(const segment *self)
{
    size_t each = sizeof *self->entries + sizeof *self->ready + sizeof *self->loaded;
    return sizeof *self + self->entries_count * each + atomic_load(&self->resident);
}

uint64_t segment_mapped(const segment *self)
{
    return self->map != NULL ? self->bytes : 0;
}

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
        ready->verified_words = (size_t)(blocks / 64 + 1);
        ready->verified = memory_array(allocator, ready->verified_words, sizeof *ready->verified);
        if (ready->verified == NULL) return error_nomem(error, "a block bitmap", blocks / 8);
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
            count_resident(self,
                           sizeof *ready + table + ready->verified_words * sizeof *ready->verified);
            atomic_store_explicit(&self->ready[section], ready, memory_order_release);
        } else {
            free_ready(allocator, ready);
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
        _Atomic uint64_t *word = &ready->verified[block / 64];
        uint64_t bit = (uint64_t)1 << (block % 64);
        if ((atomic_load_explicit(word, memory_order_relaxed) & bit) != 0) continue;
        if (!segment_block_right(entry, ready, block, data + block * entry->block_bytes))
            return segment_block_damaged(self, section, block, error);
        atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
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

/* The part of `block` that lies in the range: its place in the block, its length, and where it goes. */
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

/* Reads blocks [first, end), verifies them and copies what the range wants. */
static veer_status fetch(const range *r, uint64_t first, uint64_t end, veer_error *error)
{
    segment *self = r->segment;
    const segment_entry *entry = &self->entries[r->section];
    const veer_io *io = self->home->io;
    uint64_t begin = first * entry->block_bytes;
    size_t total =
        (size_t)((end - 1 - first) * entry->block_bytes + segment_block_size(entry, end - 1));
    uint8_t *buffer = memory_new(self->home->allocator, total);
    if (buffer == NULL) return error_nomem(error, "reading a segment", total);
    veer_status status =
        io->read(io->context, self->file, entry->offset + begin, buffer, total, error);
    for (uint64_t block = first; block < end && status == VEER_OK; block++) {
        const uint8_t *data = buffer + (size_t)((block - first) * entry->block_bytes);
        size_t skip, bytes;
        uint8_t *to = overlap(r, block, &skip, &bytes);
        if (!segment_block_right(entry, r->ready, block, data)) {
            status = segment_block_damaged(self, r->section, block, error);
            break;
        }
        memcpy(to, data + skip, bytes);
        if (r->cached)
            block_cache_put(self->home->cache, key_of(r, block), data,
                            (size_t)segment_block_size(entry, block));
    }
    memory_free(self->home->allocator, buffer, total);
    return status;
}

/* Copies the range together; asks for every missing block before it says VEER_PENDING. */
static veer_status copy_range(const range *r, veer_error *error)
{
    const segment_entry *entry = &r->segment->entries[r->section];
    uint64_t end = (r->offset + r->bytes - 1) / entry->block_bytes + 1;
    uint64_t run_blocks = RUN_BYTES / entry->block_bytes;
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
    static const _Alignas(MAP_ALIGNMENT) uint8_t none[MAP_ALIGNMENT];
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
    if (self->map != NULL) {
        uint64_t first = offset / entry->block_bytes;
        uint64_t end = (offset + bytes - 1) / entry->block_bytes + 1;
        VEER_TRY(verify_mapped(self, section, ready, first, end, error));
        *data = self->map + entry->offset + offset;
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
    count_resident(self, bytes);
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
    uint64_t run_blocks = RUN_BYTES / entry->block_bytes;
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
        buffer = memory_new(allocator, RUN_BYTES);
        if (buffer == NULL) return error_nomem(error, "verifying a segment", RUN_BYTES);
    }
    veer_status status = VEER_OK;
    for (uint32_t i = 0; i < self->entries_count && status == VEER_OK; i++)
        status = verify_section(self, i, buffer, problem, context, error);
    memory_free(allocator, buffer, RUN_BYTES);
    return status;
}
