/* Reading byte strings: the directory says which block a string is in, the block where.
 *
 * The directory is read and checked when the section is opened: offsets ascend and stay inside the
 * section, first strings ascend, raw sizes are within the limit and have room for their tables. So
 * a lookup is a binary search and a few comparisons, and no size is believed that was not compared
 * before. Offsets inside a block are compared when they are used.
 *
 * A block that is stored as it is lies in place where the segment is mapped. A compressed one is
 * decompressed into the caller's arena; a cursor remembers it for neighbours, as long as that arena
 * is not reset. Blocks of strings that are read one by one also go to the store's cache, decompressed:
 * what a search shows again costs two copies of a few bytes. Segments never change, and a cache's key
 * is of one opening, so no entry is ever out of date.
 *
 * Threads: any number of readers, with a cursor and an arena each.
 */
#include "base/sizes.h"
#include "storage/blob_format.h"
#include "storage/segment_inner.h"

#define RAW_SECTION 0x80000000u

struct blobs {
    segment *segment;
    uint32_t section;
    uint64_t strings;
    uint64_t blocks;
    const uint8_t *directory; /* in place, or in `memory` */
    arena memory;
};

typedef struct blob_entry {
    uint64_t offset;
    uint32_t stored_bytes;
    uint32_t raw_bytes;
    bool compressed;
    uint64_t first;
} blob_entry;

static blob_entry entry_at(const blobs *self, uint64_t block)
{
    const uint8_t *from = self->directory + block * BLOB_ENTRY_BYTES;
    uint32_t raw = load_u32(from + 12);
    return (blob_entry){
        .offset = load_u64(from),
        .stored_bytes = load_u32(from + 8),
        .raw_bytes = raw & ~BLOB_COMPRESSED,
        .compressed = (raw & BLOB_COMPRESSED) != 0,
        .first = load_u64(from + 16),
    };
}

static uint64_t strings_end(const blobs *self, uint64_t block)
{
    return block + 1 < self->blocks ? entry_at(self, block + 1).first : self->strings;
}

static veer_status damaged(const blobs *self, const char *what, veer_error *error)
{
    return error_set(error, VEER_E_CORRUPT, "Segment '%s' is damaged: section %u, %s.",
                     self->segment->name, (unsigned)self->section, what);
}

/* Checks every entry; afterwards they may be believed. */
static bool directory_valid(const blobs *self, uint64_t directory_offset)
{
    uint64_t end = 0; /* of the block before */
    if ((self->strings == 0) != (self->blocks == 0)) return false;
    for (uint64_t i = 0; i < self->blocks; i++) {
        blob_entry entry = entry_at(self, i);
        if (entry.offset < end || entry.offset % 8 != 0 || entry.offset > directory_offset ||
            entry.stored_bytes > directory_offset - entry.offset)
            return false;
        end = entry.offset + entry.stored_bytes;
        uint64_t next = strings_end(self, i);
        if (i == 0 && entry.first != 0) return false;
        if (next <= entry.first || next > self->strings) return false;
        if (entry.raw_bytes > BLOB_RAW_BYTES_MAX || entry.raw_bytes < 4 ||
            next - entry.first > entry.raw_bytes / 4 - 1)
            return false;
        if (!entry.compressed && entry.stored_bytes != entry.raw_bytes) return false;
    }
    return true;
}

static veer_status open_blobs(blobs *self, const segment_section *section, veer_error *error)
{
    const void *data = NULL;
    if (section->bytes < BLOB_FOOTER_BYTES) return damaged(self, "it is too short", error);
    uint64_t footer_at = section->bytes - BLOB_FOOTER_BYTES;
    VEER_TRY(segment_read(self->segment, self->section, footer_at, BLOB_FOOTER_BYTES, &self->memory,
                          &data, error));
    const uint8_t *footer = data;
    self->strings = load_u64(footer);
    self->blocks = load_u64(footer + 8);
    uint64_t directory_at = load_u64(footer + 16);
    uint64_t directory_bytes = footer_at - directory_at;
    if (self->strings > BLOB_STRINGS_MAX || directory_at > footer_at || directory_at % 8 != 0 ||
        directory_bytes % BLOB_ENTRY_BYTES != 0 ||
        directory_bytes / BLOB_ENTRY_BYTES != self->blocks || directory_bytes > SIZE_MAX)
        return damaged(self, "its footer does not fit", error);
    arena_reset(&self->memory);
    VEER_TRY(segment_read(self->segment, self->section, directory_at, (size_t)directory_bytes,
                          &self->memory, &data, error));
    self->directory = data;
    if (!directory_valid(self, directory_at))
        return damaged(self, "its directory of strings breaks a rule", error);
    return VEER_OK;
}

veer_status blobs_open(segment *segment_, uint16_t kind, uint32_t field, blobs **out,
                       veer_error *error)
{
    *out = NULL;
    segment_section section;
    const veer_allocator *allocator = segment_->home->allocator;
    if (!segment_find(segment_, kind, field, &section))
        VEER_FAIL(error, VEER_E_NOTFOUND, "Segment '%s' has no section %u of field %u.",
                  segment_->name, (unsigned)kind, (unsigned)field);
    blobs *self = memory_new(allocator, sizeof *self);
    if (self == NULL) return error_nomem(error, "strings", sizeof *self);
    self->segment = segment_;
    self->section = section.index;
    arena_init(&self->memory, allocator);
    veer_status status = open_blobs(self, &section, error);
    if (status != VEER_OK) {
        blobs_close(self);
        return status;
    }
    *out = self;
    return VEER_OK;
}

void blobs_close(blobs *self)
{
    if (self == NULL) return;
    const veer_allocator *allocator = self->segment->home->allocator;
    arena_fini(&self->memory);
    memory_free(allocator, self, sizeof *self);
}

uint64_t blobs_count(const blobs *self)
{
    return self->strings;
}

static uint64_t find_block(const blobs *self, uint64_t i)
{
    uint64_t low = 0; /* the last block that begins at or before i */
    uint64_t high = self->blocks;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (entry_at(self, middle).first <= i)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The block, uncompressed: in place or in the arena. */
static veer_status read_block(const blobs *self, const blob_entry *entry, arena *scratch,
                              const uint8_t **block, veer_error *error)
{
    const void *stored = NULL;
    if (!entry->compressed) {
        VEER_TRY(segment_read(self->segment, self->section, entry->offset, entry->stored_bytes,
                              scratch, &stored, error));
        *block = stored;
        return VEER_OK;
    }
    uint8_t *raw = arena_array(scratch, entry->raw_bytes, 1);
    if (raw == NULL) return error_nomem(error, "a block of strings", entry->raw_bytes);
    arena_mark mark = arena_save(scratch);
    veer_status status = segment_read(self->segment, self->section, entry->offset,
                                      entry->stored_bytes, scratch, &stored, error);
    if (status == VEER_OK)
        status = zstd_decompress(self->segment->home->zstd, raw, entry->raw_bytes, stored,
                                 entry->stored_bytes, error);
    arena_restore(scratch, mark);
    *block = raw;
    return status;
}

/* Of the block decompressed; sections of a segment are fewer than this bit. */
static block_key raw_key(const blobs *self, uint64_t block)
{
    return (block_key){self->segment->uid, self->section | RAW_SECTION, (uint32_t)block};
}

/* Where a string lies in its block, from its two offsets. */
static bool string_bounds(const uint8_t *offsets, size_t table_bytes, const blob_entry *entry,
                          uint32_t *begin, uint32_t *end)
{
    *begin = load_u32(offsets);
    *end = load_u32(offsets + 4);
    return *begin >= table_bytes && *end >= *begin && *end <= entry->raw_bytes;
}

/* One string of a block that is stored as it is, without the rest of the block. */
static veer_status read_string(const blobs *self, const blob_entry *entry, size_t place,
                               size_t table_bytes, arena *scratch, const void **data, size_t *bytes,
                               veer_error *error)
{
    const void *found = NULL;
    uint32_t begin, end;
    VEER_TRY(segment_read(self->segment, self->section, entry->offset + place, 8, scratch, &found,
                          error));
    if (!string_bounds(found, table_bytes, entry, &begin, &end))
        return damaged(self, "a string does not fit into its block", error);
    VEER_TRY(segment_read(self->segment, self->section, entry->offset + begin, end - begin, scratch,
                          &found, error));
    *data = found;
    *bytes = end - begin;
    return VEER_OK;
}

/* The string out of the cache, where its block is there; *data stays NULL where it is not. */
static veer_status cached_string(const blobs *self, uint64_t number, const blob_entry *entry,
                                 size_t place, size_t table_bytes, arena *scratch,
                                 const void **data, size_t *bytes, veer_error *error)
{
    block_cache *cache = self->segment->home->cache;
    block_key key = raw_key(self, number);
    uint8_t offsets[8];
    uint32_t begin, end;
    if (cache == NULL || !block_cache_get(cache, key, place, sizeof offsets, offsets))
        return VEER_OK;
    if (!string_bounds(offsets, table_bytes, entry, &begin, &end))
        return damaged(self, "a string does not fit into its block", error);
    size_t wanted = end - begin;
    uint8_t *copy = arena_array(scratch, wanted, 1);
    if (copy == NULL) return error_nomem(error, "a string", wanted);
    if (!block_cache_get(cache, key, begin, wanted, copy)) return VEER_OK; /* evicted meanwhile */
    *data = copy;
    *bytes = wanted;
    return VEER_OK;
}

veer_status blobs_get(blobs *self, uint64_t i, blob_cursor *cursor, arena *scratch,
                      const void **data, size_t *bytes, veer_error *error)
{
    *data = NULL;
    *bytes = 0;
    if (i >= self->strings)
        VEER_FAIL(error, VEER_E_RANGE, "String %llu was asked for; there are %llu.",
                  (unsigned long long)i, (unsigned long long)self->strings);
    uint64_t number = find_block(self, i);
    blob_entry entry = entry_at(self, number);
    size_t table_bytes = (size_t)(strings_end(self, number) - entry.first + 1) * 4;
    size_t place = (size_t)(i - entry.first) * 4;
    if (!entry.compressed && cursor == NULL)
        return read_string(self, &entry, place, table_bytes, scratch, data, bytes, error);

    const uint8_t *block = NULL;
    if (cursor != NULL && cursor->owner == self && cursor->block == number) {
        block = cursor->data;
    } else {
        bool keeps = entry.compressed && (cursor == NULL || cursor->keeps);
        if (keeps) {
            VEER_TRY(cached_string(self, number, &entry, place, table_bytes, scratch, data, bytes,
                                   error));
            if (*data != NULL) return VEER_OK;
        }
        arena_mark mark = arena_save(scratch);
        veer_status status = read_block(self, &entry, scratch, &block, error);
        if (status != VEER_OK) {
            arena_restore(scratch, mark);
            return status;
        }
        block_cache *cache = self->segment->home->cache;
        if (keeps && cache != NULL)
            block_cache_put(cache, raw_key(self, number), block, entry.raw_bytes);
        if (cursor != NULL) {
            cursor->owner = self;
            cursor->block = number;
            cursor->data = block;
        }
    }
    uint32_t begin, end;
    if (!string_bounds(block + place, table_bytes, &entry, &begin, &end))
        return damaged(self, "a string does not fit into its block", error);
    *data = block + begin;
    *bytes = end - begin;
    return VEER_OK;
}
