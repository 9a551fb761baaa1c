/* Opening segment files, closing them, and what there is to know about them.
 *
 * Opening reads the header page (and a section table that does not fit into it), compares size and
 * checksum with what the catalogue attached, and checks every rule of docs/FORMAT.md. Where the
 * table maps, the stream is mapped whole; a map that is refused, or that is not aligned to 64
 * bytes, is done without.
 *
 * The map must not shrink while it is used: whoever cuts a database file from outside gets a fault
 * of the operating system. The size is compared once, here.
 *
 * Threads: any, but for closing.
 */
#include "base/crc32c.h"
#include "storage/segment_inner.h"

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
    if ((uintptr_t)map % SEGMENT_MAP_ALIGNMENT != 0) {
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

void segment_ready_free(const segment_home *home, segment_ready *ready)
{
    if (ready == NULL) return;
    const veer_allocator *allocator = home->allocator;
    uint8_t *room = atomic_load(&ready->room);
    if (room != NULL) {
        memory_array_free(allocator, room, ready->room_bytes, 1);
        block_cache_unreserve(home->cache, ready->room_bytes);
    }
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
        segment_ready_free(home, atomic_load(&self->ready[i]));
    /* Entries may be missing where memory ran out between the three arrays: nothing is loaded
     * then. */
    for (size_t i = 0; i < self->entries_count && self->loaded && self->entries; i++)
        memory_array_free(allocator, atomic_load(&self->loaded[i]), (size_t)self->entries[i].bytes,
                          1);
    atomic_fetch_sub(&home->resident_bytes, atomic_load(&self->resident));
    if (self->map != NULL) {
        home->io->unmap(home->io->context, self->file, self->map, self->bytes);
        atomic_fetch_sub(&home->mapped_bytes, self->bytes);
    }
    if (home->cache != NULL) block_cache_drop(home->cache, self->uid);
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

const void *segment_peek(const segment *self, uint32_t section, uint64_t offset)
{
    if (self->map == NULL || section >= self->entries_count) return NULL;
    const segment_entry *entry = &self->entries[section];
    return offset < entry->bytes ? self->map + entry->offset + offset : NULL;
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
