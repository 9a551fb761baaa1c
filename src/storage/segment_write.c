/* Writing segment files: sections of checksummed blocks one after the other, then the header.
 *
 * Bytes go through one buffer into sequential writes; large pieces go straight. The checksum of
 * each block is made on the way, and the section's block table follows the section. The header page
 * is written last, behind a sync-free point: a stream without a valid header was never finished,
 * and nothing attaches a stream before segment_writer_finish has synced it.
 *
 * VEER_PENDING from any call: how much of the present piece has been taken is remembered, and the
 * same call goes on there. Any other failure stays: the writer can only be aborted.
 *
 * Memory: the buffer, and 4 bytes for each block of the present section.
 * Threads: one a writer; several writers at a time may be at work on one table.
 */
#include "storage/segment_write.h"
#include "base/crc32c.h"
#include "base/sizes.h"
#include "platform/io.h"
#include "storage/segment_inner.h"
#include "storage/store_inner.h"

#define BUFFER_BYTES ((size_t)256 << 10) /* arbitrary: few calls, little memory */
#define SYNC_BYTES ((uint64_t)8 << 20)   /* arbitrary: milliseconds on most disks */

struct segment_writer {
    const veer_allocator *allocator;
    const veer_io *io;
    store *owner; /* NULL: another table */
    void *file;
    char name[STORAGE_NAME_BYTES + 1];
    uint32_t stream_kind;
    veer_status failed;
    bool finished; /* all is written, the header too */

    uint8_t *buffer;
    size_t buffered;
    uint64_t written;  /* the buffer's place in the stream */
    uint64_t unsynced; /* bytes written since the last sync */
    size_t piece_done; /* bytes taken of a piece that waits */

    bool in_section;
    segment_entry entry; /* the present one */
    uint32_t block_crc;
    uint32_t block_bytes; /* taken of the present block */
    uint8_t *crcs;        /* of finished blocks, as they will be stored */
    size_t crcs_count;
    size_t crcs_capacity;

    segment_entry *entries;
    size_t entries_count;
    size_t entries_capacity;
    uint8_t *table; /* sections that do not fit into the header */
    uint64_t table_offset;
    uint32_t table_crc;
};

/* ---- bytes */

static veer_status fail(segment_writer *self, veer_status status)
{
    if (status != VEER_OK && status != VEER_PENDING && self->failed == VEER_OK)
        self->failed = status;
    return status;
}

static veer_status check_usable(const segment_writer *self, veer_error *error)
{
    if (self->failed == VEER_OK && !self->finished) return VEER_OK;
    if (self->finished)
        VEER_FAIL(error, VEER_E_INVALID, "Segment '%s' is finished already.", self->name);
    VEER_FAIL(error, self->failed, "Writing segment '%s' failed before.", self->name);
}

static uint64_t position(const segment_writer *self)
{
    return self->written + self->buffered;
}

/* Writes behind what is written, and syncs now and then, so that no call has to wait for all. */
static veer_status write_out(segment_writer *self, const void *data, size_t bytes,
                             veer_error *error)
{
    VEER_TRY(self->io->write(self->io->context, self->file, self->written, data, bytes, error));
    self->written += bytes;
    self->unsynced += bytes;
    if (self->unsynced < SYNC_BYTES) return VEER_OK;
    self->unsynced = 0;
    return self->io->sync(self->io->context, self->file, error);
}

static veer_status flush(segment_writer *self, veer_error *error)
{
    if (self->buffered == 0) return VEER_OK;
    VEER_TRY(write_out(self, self->buffer, self->buffered, error));
    self->buffered = 0;
    return VEER_OK;
}

static veer_status add_block_crc(segment_writer *self, veer_error *error)
{
    void *crcs = self->crcs;
    if (memory_grow(self->allocator, &crcs, &self->crcs_capacity, (self->crcs_count + 1) * 4, 1) !=
        VEER_OK)
        return error_nomem(error, "a block table", (uint64_t)self->crcs_count * 4);
    self->crcs = crcs;
    store_u32(self->crcs + self->crcs_count * 4, self->block_crc);
    self->crcs_count++;
    self->block_crc = 0;
    self->block_bytes = 0;
    return VEER_OK;
}

/* Accounts for bytes of a section that are about to be taken. All or nothing: memory first. */
static veer_status count_section_bytes(segment_writer *self, const uint8_t *data, size_t bytes,
                                       veer_error *error)
{
    void *crcs = self->crcs;
    size_t blocks = bytes / self->entry.block_bytes + 2;
    if (memory_grow(self->allocator, &crcs, &self->crcs_capacity, (self->crcs_count + blocks) * 4,
                    1) != VEER_OK)
        return error_nomem(error, "a block table", (uint64_t)self->crcs_count * 4);
    self->crcs = crcs;
    self->entry.bytes += bytes;
    while (bytes > 0) {
        size_t room = self->entry.block_bytes - self->block_bytes;
        size_t n = bytes < room ? bytes : room;
        self->block_crc = crc32c(self->block_crc, data, n);
        self->block_bytes += (uint32_t)n;
        if (self->block_bytes == self->entry.block_bytes) VEER_TRY(add_block_crc(self, error));
        data += n;
        bytes -= n;
    }
    return VEER_OK;
}

/* Takes the bytes of one piece; after VEER_PENDING the same piece is given again. `counted`: they
 * belong to a section. */
static veer_status put(segment_writer *self, const void *data, size_t bytes, bool counted,
                       veer_error *error)
{
    const uint8_t *from = data;
    while (self->piece_done < bytes) {
        const uint8_t *next = from + self->piece_done;
        size_t left = bytes - self->piece_done;
        size_t room = BUFFER_BYTES - self->buffered;
        bool direct = self->buffered == 0 && left >= BUFFER_BYTES;
        size_t n = direct ? left - left % BUFFER_BYTES : left < room ? left : room;
        if (room == 0) {
            VEER_TRY(flush(self, error));
            continue;
        }
        if (direct) {
            VEER_TRY(write_out(self, next, n, error));
        } else {
            memcpy(self->buffer + self->buffered, next, n);
            self->buffered += n;
        }
        self->piece_done += n;
        if (counted) VEER_TRY(count_section_bytes(self, next, n, error));
    }
    self->piece_done = 0;
    return VEER_OK;
}

/* Zeros up to a multiple of `alignment`. Goes on by itself after VEER_PENDING. */
static veer_status align_to(segment_writer *self, uint64_t alignment, veer_error *error)
{
    for (;;) {
        uint64_t missing = u64_round_up(position(self), alignment) - position(self);
        if (missing == 0) return VEER_OK;
        size_t room = BUFFER_BYTES - self->buffered;
        if (room == 0) {
            VEER_TRY(flush(self, error));
            continue;
        }
        size_t n = missing < room ? (size_t)missing : room;
        memset(self->buffer + self->buffered, 0, n);
        self->buffered += n;
    }
}

/* ---- life */

static veer_status new_writer(const veer_allocator *allocator, const veer_io *io, store *owner,
                              const char *name, uint32_t stream_kind, segment_writer **out,
                              veer_error *error)
{
    segment_writer *self = memory_new(allocator, sizeof *self);
    if (self == NULL) return error_nomem(error, "a segment writer", sizeof *self);
    self->allocator = allocator;
    self->io = io;
    self->owner = owner;
    self->stream_kind = stream_kind;
    self->written = STORAGE_PAGE_BYTES;
    memcpy(self->name, name, strlen(name) + 1);
    self->buffer = memory_new(allocator, BUFFER_BYTES);
    veer_status status =
        self->buffer == NULL
            ? error_nomem(error, "a segment writer", BUFFER_BYTES)
            : io->open(io->context, name, VEER_IO_READ | VEER_IO_WRITE | VEER_IO_CREATE,
                       &self->file, error);
    if (status != VEER_OK) {
        memory_free(allocator, self->buffer, BUFFER_BYTES);
        memory_free(allocator, self, sizeof *self);
        return status;
    }
    *out = self;
    return VEER_OK;
}

static void free_writer(segment_writer *self)
{
    memory_array_free(self->allocator, self->crcs, self->crcs_capacity, 1);
    memory_array_free(self->allocator, self->table, self->entries_count, SEGMENT_ENTRY_BYTES);
    memory_array_free(self->allocator, self->entries, self->entries_capacity,
                      sizeof *self->entries);
    memory_free(self->allocator, self->buffer, BUFFER_BYTES);
    memory_free(self->allocator, self, sizeof *self);
}

static veer_status check_name(const char *name, veer_error *error)
{
    if (!io_name_valid(name) || !storage_is_segment_name(name))
        VEER_FAIL(error, VEER_E_INVALID, "'%.64s' is no name of a segment stream.", name);
    return VEER_OK;
}

veer_status segment_writer_new(store *owner, const char *name, uint32_t stream_kind,
                               segment_writer **writer, veer_error *error)
{
    *writer = NULL;
    VEER_TRY(check_name(name, error));
    VEER_TRY(store_check_writable(owner, error));
    VEER_TRY(store_reclaim_name(owner, name, error));
    return new_writer(owner->allocator, &owner->io, owner, name, stream_kind, writer, error);
}

veer_status segment_writer_new_on(const veer_allocator *allocator, const veer_io *io,
                                  const char *name, uint32_t stream_kind, segment_writer **writer,
                                  veer_error *error)
{
    *writer = NULL;
    VEER_TRY(check_name(name, error));
    return new_writer(allocator, io, NULL, name, stream_kind, writer, error);
}

void segment_writer_abort(segment_writer *self)
{
    if (self == NULL) return;
    veer_error ignored = {VEER_OK, ""};
    self->io->close(self->io->context, self->file);
    if (self->owner != NULL)
        store_remove(self->owner, self->name);
    else
        (void)self->io->remove(self->io->context, self->name, &ignored);
    free_writer(self);
}

const veer_allocator *segment_writer_allocator(const segment_writer *self)
{
    return self->allocator;
}

/* ---- sections */

veer_status segment_writer_begin(segment_writer *self, uint16_t kind, uint32_t field,
                                 uint32_t block_bytes, veer_error *error)
{
    VEER_TRY(check_usable(self, error));
    if (self->in_section)
        VEER_FAIL(error, VEER_E_INVALID, "A section of '%s' was not ended.", self->name);
    if (!segment_block_bytes_valid(block_bytes))
        VEER_FAIL(error, VEER_E_INVALID, "Blocks of %u bytes are not possible.",
                  (unsigned)block_bytes);
    if (self->entries_count >= SEGMENT_SECTIONS_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "Segment '%s' has %u sections; more are not possible.",
                  self->name, SEGMENT_SECTIONS_MAX);
    for (size_t i = 0; i < self->entries_count; i++) {
        if (self->entries[i].kind == kind && self->entries[i].field == field)
            VEER_FAIL(error, VEER_E_EXISTS, "Segment '%s' has a section %u of field %u already.",
                      self->name, (unsigned)kind, (unsigned)field);
    }
    void *entries = self->entries;
    if (memory_grow(self->allocator, &entries, &self->entries_capacity, self->entries_count + 1,
                    sizeof *self->entries) != VEER_OK)
        return fail(self, error_nomem(error, "a section", sizeof *self->entries));
    self->entries = entries;
    VEER_TRY(fail(self, align_to(self, STORAGE_PAGE_BYTES, error)));
    self->entry = (segment_entry){
        .kind = kind,
        .field = field,
        .offset = position(self),
        .block_bytes = block_bytes,
    };
    self->crcs_count = 0;
    self->block_crc = 0;
    self->block_bytes = 0;
    self->in_section = true;
    return VEER_OK;
}

veer_status segment_writer_put(segment_writer *self, const void *data, size_t bytes,
                               veer_error *error)
{
    VEER_TRY(check_usable(self, error));
    if (!self->in_section)
        VEER_FAIL(error, VEER_E_INVALID, "Segment '%s' has no section open.", self->name);
    return fail(self, put(self, data, bytes, true, error));
}

veer_status segment_writer_end(segment_writer *self, veer_error *error)
{
    VEER_TRY(check_usable(self, error));
    if (!self->in_section)
        VEER_FAIL(error, VEER_E_INVALID, "Segment '%s' has no section open.", self->name);
    if (self->block_bytes != 0) VEER_TRY(fail(self, add_block_crc(self, error)));
    if (self->entry.table_offset == 0) {
        VEER_TRY(fail(self, align_to(self, 8, error)));
        self->entry.table_offset = position(self);
        self->entry.table_crc = crc32c(0, self->crcs, self->crcs_count * 4);
    }
    VEER_TRY(fail(self, put(self, self->crcs, self->crcs_count * 4, false, error)));
    self->entries[self->entries_count++] = self->entry;
    self->in_section = false;
    return VEER_OK;
}

/* ---- the end */

/* The section table, in memory, and where it will be. */
static veer_status make_table(segment_writer *self, veer_error *error)
{
    size_t n = self->entries_count;
    if (self->table != NULL || n == 0) {
        if (n == 0) self->table_offset = SEGMENT_TABLE_AT;
        return VEER_OK;
    }
    if (n > SEGMENT_INLINE_SECTIONS) VEER_TRY(align_to(self, 8, error));
    self->table = memory_array(self->allocator, n, SEGMENT_ENTRY_BYTES);
    if (self->table == NULL) return error_nomem(error, "a section table", n * SEGMENT_ENTRY_BYTES);
    for (size_t i = 0; i < n; i++)
        segment_entry_encode(&self->entries[i], self->table + i * SEGMENT_ENTRY_BYTES);
    self->table_crc = crc32c(0, self->table, n * SEGMENT_ENTRY_BYTES);
    self->table_offset = n > SEGMENT_INLINE_SECTIONS ? position(self) : SEGMENT_TABLE_AT;
    return VEER_OK;
}

static veer_status finish(segment_writer *self, const void *info, size_t info_bytes,
                          store_stream *stream, veer_error *error)
{
    size_t table_bytes = self->entries_count * SEGMENT_ENTRY_BYTES;
    VEER_TRY(make_table(self, error));
    if (self->table_offset != SEGMENT_TABLE_AT && position(self) < self->table_offset + table_bytes)
        VEER_TRY(put(self, self->table, table_bytes, false, error));
    VEER_TRY(flush(self, error));

    segment_header header = {
        .kind = self->stream_kind,
        .bytes = self->written,
        .sections = (uint32_t)self->entries_count,
        .info_bytes = (uint32_t)info_bytes,
        .table_offset = self->table_offset,
        .table_crc = self->table_crc,
    };
    uint8_t *page = self->buffer; /* empty now */
    segment_header_encode(&header, page);
    if (info_bytes != 0) memcpy(page + SEGMENT_INFO_AT, info, info_bytes);
    if (self->table_offset == SEGMENT_TABLE_AT && table_bytes != 0)
        memcpy(page + SEGMENT_TABLE_AT, self->table, table_bytes);
    uint32_t crc = page_seal(page);
    VEER_TRY(self->io->write(self->io->context, self->file, 0, page, STORAGE_PAGE_BYTES, error));
    VEER_TRY(self->io->sync(self->io->context, self->file, error));

    *stream = (store_stream){.bytes = header.bytes, .header_crc = crc, .kind = header.kind};
    memcpy(stream->name, self->name, sizeof stream->name);
    return VEER_OK;
}

veer_status segment_writer_finish(segment_writer *self, const void *info, size_t info_bytes,
                                  store_stream *stream, veer_error *error)
{
    memset(stream, 0, sizeof *stream);
    VEER_TRY(check_usable(self, error));
    if (self->in_section)
        VEER_FAIL(error, VEER_E_INVALID, "A section of '%s' was not ended.", self->name);
    if (info_bytes > SEGMENT_INFO_BYTES_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "Info of %zu bytes is more than the %u of a segment.",
                  info_bytes, SEGMENT_INFO_BYTES_MAX);
    VEER_TRY(fail(self, finish(self, info, info_bytes, stream, error)));
    self->io->close(self->io->context, self->file);
    free_writer(self);
    return VEER_OK;
}
