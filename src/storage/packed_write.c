/* Writing a packed file: copies of streams, then a log, then catalogue, superblocks and table, then
 * the header.
 *
 *     | header page | seg.1 | seg.2 | ... | wal.0 | cat.1 | meta | table |
 *       written last, after a sync of all that follows
 *
 * A copy is made block by block and verified on the way, so that a backup never carries damage on:
 * section blocks against the block tables, those against the section table, that against the
 * header, and the header against what the catalogue attached.
 *
 * The log's sequence numbers are known only at the end. Records are written with numbers from 1
 * and are renumbered in a second pass over the log when finishing, where `checkpoint_lsn` is not 0.
 *
 * VEER_PENDING: each step remembers how far it is, and the same call goes on. Any other failure
 * leaves the writer fit for packed_writer_abort only, which removes the file.
 *
 * Order of use: copies, then appends, then finish. Threads: one.
 */
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/sizes.h"
#include "storage/packed.h"
#include "storage/packed_format.h"
#include "storage/segment_inner.h"
#include "storage/superblock.h"
#include "storage/wal.h"

#include "storage/catalogue.h"

#define CHUNK_BYTES ((size_t)1 << 20) /* at least a block of any size */

struct packed_writer {
    const veer_allocator *allocator;
    veer_io io;
    char *name;
    size_t name_bytes;
    void *file;
    uint8_t id[STORAGE_ID_BYTES];
    veer_status failed;
    uint64_t position; /* where the next stream goes */
    uint8_t *buffer;
    size_t buffer_bytes; /* CHUNK_BYTES, or a longer record */

    packed_entry *entries;
    size_t entries_count;
    size_t entries_capacity;
    store_stream *streams;
    size_t streams_count;
    size_t streams_capacity;

    segment *source; /* of a copy that waits */
    uint64_t copied; /* bytes of it */

    bool log_begun;
    uint64_t log_at;
    uint64_t log_end; /* of whole transactions */
    uint64_t lsn;     /* of the last record, from 1 */
    uint64_t salt;
    uint32_t log_crc;
    uint64_t waiting_done; /* bytes of a transaction that waits */

    int step; /* of finish */
    uint64_t renumbered;
    uint8_t *tail;
    size_t tail_bytes;
    uint64_t table_at;
};

static veer_status fail(packed_writer *self, veer_status status)
{
    if (status != VEER_OK && status != VEER_PENDING && self->failed == VEER_OK)
        self->failed = status;
    return status;
}

static veer_status check_usable(const packed_writer *self, veer_error *error)
{
    if (self->failed != VEER_OK)
        VEER_FAIL(error, self->failed, "Writing the packed file failed before.");
    return VEER_OK;
}

static veer_status write_at(packed_writer *self, uint64_t offset, const void *data, size_t bytes,
                            veer_error *error)
{
    return self->io.write(self->io.context, self->file, offset, data, bytes, error);
}

/* ---- life */

static void free_writer(packed_writer *self)
{
    const veer_allocator *allocator = self->allocator;
    segment_close(self->source);
    if (self->file != NULL) self->io.close(self->io.context, self->file);
    memory_free(allocator, self->name, self->name_bytes);
    memory_free(allocator, self->buffer, self->buffer_bytes);
    memory_array_free(allocator, self->entries, self->entries_capacity, sizeof *self->entries);
    memory_array_free(allocator, self->streams, self->streams_capacity, sizeof *self->streams);
    memory_array_free(allocator, self->tail, self->tail_bytes, 1);
    memory_free(allocator, self, sizeof *self);
}

veer_status packed_writer_new(const veer_allocator *allocator, const veer_io *io, const char *name,
                              const uint8_t database_id[16], packed_writer **out, veer_error *error)
{
    *out = NULL;
    packed_writer *self = memory_new(allocator, sizeof *self);
    if (self == NULL) return error_nomem(error, "a packed file", sizeof *self);
    self->allocator = allocator;
    self->io = *io;
    self->position = STORAGE_PAGE_BYTES;
    memcpy(self->id, database_id, STORAGE_ID_BYTES);
    self->salt = hash_bytes(load_u64(self->id), self->id, STORAGE_ID_BYTES) | 1;
    self->name_bytes = strlen(name) + 1;
    self->name = memory_new(allocator, self->name_bytes);
    self->buffer = memory_new(allocator, CHUNK_BYTES);
    self->buffer_bytes = CHUNK_BYTES;
    veer_status status = VEER_OK;
    if (self->name == NULL || self->buffer == NULL) {
        status = error_nomem(error, "a packed file", CHUNK_BYTES);
    } else {
        memcpy(self->name, name, self->name_bytes);
        status = io->open(io->context, name, VEER_IO_READ | VEER_IO_WRITE | VEER_IO_CREATE,
                          &self->file, error);
        if (status != VEER_OK) self->file = NULL;
    }
    if (status != VEER_OK) {
        free_writer(self);
        return status;
    }
    *out = self;
    return VEER_OK;
}

void packed_writer_abort(packed_writer *self)
{
    if (self == NULL) return;
    veer_error ignored = {VEER_OK, ""};
    self->io.close(self->io.context, self->file);
    self->file = NULL;
    (void)self->io.remove(self->io.context, self->name, &ignored);
    free_writer(self);
}

static veer_status add_entry(packed_writer *self, const char *name, uint64_t offset, uint64_t bytes,
                             uint32_t head_crc, veer_error *error)
{
    void *entries = self->entries;
    if (memory_grow(self->allocator, &entries, &self->entries_capacity, self->entries_count + 1,
                    sizeof *self->entries) != VEER_OK)
        return error_nomem(error, "a packed file's table", self->entries_count);
    self->entries = entries;
    packed_entry *entry = &self->entries[self->entries_count++];
    *entry = (packed_entry){.offset = offset, .bytes = bytes, .head_crc = head_crc};
    memcpy(entry->name, name, strlen(name) + 1);
    return VEER_OK;
}

/* ---- copying a stream */

/* What lies at `offset` of a segment file: whether it is section data, and how many bytes on the
 * same holds, at most a chunk (whole blocks of a section, if the offset begins one). */
static size_t extent_at(const segment *source, uint64_t offset, uint32_t *section, bool *is_data)
{
    uint64_t end = source->bytes;
    *is_data = false;
    for (uint32_t i = 0; i < source->entries_count; i++) {
        const segment_entry *entry = &source->entries[i];
        if (offset < entry->offset) {
            end = entry->offset;
            break;
        }
        if (offset < entry->offset + entry->bytes) {
            *section = i;
            *is_data = true;
            end = entry->offset + entry->bytes;
            break;
        }
    }
    return end - offset < CHUNK_BYTES ? (size_t)(end - offset) : CHUNK_BYTES;
}

static veer_status verify_extent(packed_writer *self, uint32_t section, size_t bytes,
                                 veer_error *error)
{
    segment *source = self->source;
    const segment_entry *entry = &source->entries[section];
    const segment_ready *ready = NULL;
    VEER_TRY(segment_prepare(source, section, &ready, error));
    uint64_t block = (self->copied - entry->offset) / entry->block_bytes;
    for (size_t at = 0; at < bytes; at += entry->block_bytes, block++) {
        if (!segment_block_right(entry, ready, block, self->buffer + at))
            return segment_block_damaged(source, section, block, error);
    }
    return VEER_OK;
}

static veer_status copy_stream(packed_writer *self, const store_stream *stream,
                               veer_progress progress, void *context, veer_error *error)
{
    segment *source = self->source;
    const veer_io *from = source->home->io;
    while (self->copied < stream->bytes) {
        uint32_t section = 0;
        bool is_data = false;
        size_t bytes = extent_at(source, self->copied, &section, &is_data);
        if (progress != NULL && !progress(context, self->copied, stream->bytes))
            VEER_FAIL(error, VEER_E_ABORTED, "The copy was cancelled.");
        VEER_TRY(from->read(from->context, source->file, self->copied, self->buffer, bytes, error));
        if (is_data) VEER_TRY(verify_extent(self, section, bytes, error));
        if (self->copied == 0 && (page_look(self->buffer, STORAGE_MAGIC_SEGMENT) != PAGE_GOOD ||
                                  load_u32(self->buffer + STORAGE_PAGE_CRC) != stream->header_crc))
            VEER_FAIL(error, VEER_E_CORRUPT, "Segment '%s' is damaged: its header changed.",
                      stream->name);
        VEER_TRY(write_at(self, self->position + self->copied, self->buffer, bytes, error));
        self->copied += bytes;
    }
    return VEER_OK;
}

static veer_status copy(packed_writer *self, store *from, const store_stream *stream,
                        veer_progress progress, void *context, veer_error *error)
{
    void *streams = self->streams;
    if (memory_grow(self->allocator, &streams, &self->streams_capacity, self->streams_count + 1,
                    sizeof *self->streams) != VEER_OK)
        return error_nomem(error, "a packed file's streams", self->streams_count);
    self->streams = streams;
    if (self->source == NULL) {
        VEER_TRY(segment_open(from, stream, &self->source, error));
        self->copied = 0;
    }
    VEER_TRY(copy_stream(self, stream, progress, context, error));
    VEER_TRY(
        add_entry(self, stream->name, self->position, stream->bytes, stream->header_crc, error));
    self->streams[self->streams_count++] = *stream;
    self->position = u64_round_up(self->position + stream->bytes, STORAGE_PAGE_BYTES);
    segment_close(self->source);
    self->source = NULL;
    return VEER_OK;
}

veer_status packed_writer_copy(packed_writer *self, store *from, const store_stream *stream,
                               veer_progress progress, void *context, veer_error *error)
{
    VEER_TRY(check_usable(self, error));
    if (self->log_begun)
        VEER_FAIL(error, VEER_E_INVALID, "Streams are copied before the first record is appended.");
    if (self->source != NULL && strcmp(self->source->name, stream->name) != 0)
        VEER_FAIL(error, VEER_E_INVALID, "The copy of stream '%s' is not finished.",
                  self->source->name);
    if (self->streams_count >= STORAGE_STREAMS_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "A database has at most %u streams.", STORAGE_STREAMS_MAX);
    return fail(self, copy(self, from, stream, progress, context, error));
}

/* ---- the log */

static void make_log_header(const packed_writer *self, uint64_t start_lsn, wal_header *header,
                            uint8_t page[STORAGE_PAGE_BYTES])
{
    *header = (wal_header){.salt = self->salt, .start_lsn = start_lsn, .base_generation = 1};
    memcpy(header->id, self->id, STORAGE_ID_BYTES);
    wal_header_encode(header, page);
}

static veer_status begin_log(packed_writer *self, veer_error *error)
{
    wal_header header;
    if (self->log_begun) return VEER_OK;
    make_log_header(self, 1, &header, self->buffer);
    VEER_TRY(write_at(self, self->position, self->buffer, STORAGE_PAGE_BYTES, error));
    self->log_at = self->position;
    self->log_end = self->log_at + STORAGE_PAGE_BYTES;
    self->log_crc = header.crc;
    self->log_begun = true;
    return VEER_OK;
}

/* Gathers the bytes of a transaction in the buffer. */
typedef struct log_sink {
    packed_writer *writer;
    size_t staged;
    uint64_t flushed;
} log_sink;

static veer_status log_flush(log_sink *sink, veer_error *error)
{
    packed_writer *self = sink->writer;
    /* What a waiting call has written already is made again and skipped. */
    if (sink->flushed + sink->staged > self->waiting_done) {
        VEER_TRY(write_at(self, self->log_end + sink->flushed, self->buffer, sink->staged, error));
        self->waiting_done = sink->flushed + sink->staged;
    }
    sink->flushed += sink->staged;
    sink->staged = 0;
    return VEER_OK;
}

static veer_status log_put(log_sink *sink, const void *data, size_t bytes, veer_error *error)
{
    const uint8_t *from = data;
    while (bytes > 0) {
        size_t room = CHUNK_BYTES - sink->staged;
        size_t n = bytes < room ? bytes : room;
        memcpy(sink->writer->buffer + sink->staged, from, n);
        sink->staged += n;
        from += n;
        bytes -= n;
        if (sink->staged == CHUNK_BYTES) VEER_TRY(log_flush(sink, error));
    }
    return VEER_OK;
}

static veer_status log_record(log_sink *sink, const store_append_record *record, uint64_t lsn,
                              uint16_t extra, uint32_t *previous, veer_error *error)
{
    uint8_t head[WAL_RECORD_HEAD_BYTES];
    uint8_t tail[16];
    uint64_t n = 0;
    for (size_t i = 0; i < record->parts_count; i++)
        n += record->parts[i].bytes;
    /* Each record counts as safe when the next one was written: the file is whole or not at all. */
    wal_record_head(head, (uint32_t)n, record->type,
                    (uint16_t)((record->flags & (uint16_t)~STORE_RELOG) | extra),
                    record->collection, lsn, lsn - 1, sink->writer->salt);
    uint32_t crc = crc32c(0, head, sizeof head);
    VEER_TRY(log_put(sink, head, sizeof head, error));
    for (size_t i = 0; i < record->parts_count; i++) {
        const store_part *part = &record->parts[i];
        if (part->bytes == 0) continue;
        crc = crc32c(crc, part->data, part->bytes);
        VEER_TRY(log_put(sink, part->data, part->bytes, error));
    }
    size_t tail_bytes = wal_record_tail(tail, n, *previous, &crc);
    *previous = crc;
    return log_put(sink, tail, tail_bytes, error);
}

static veer_status append(packed_writer *self, const store_append_record *records, size_t n,
                          veer_error *error)
{
    VEER_TRY(begin_log(self, error));
    log_sink sink = {.writer = self};
    uint32_t previous = self->log_crc;
    for (size_t i = 0; i < n; i++) {
        uint16_t extra = i + 1 == n ? WAL_COMMIT : 0;
        VEER_TRY(log_record(&sink, &records[i], self->lsn + 1 + i, extra, &previous, error));
    }
    VEER_TRY(log_flush(&sink, error));
    self->waiting_done = 0;
    self->log_end += sink.flushed;
    self->log_crc = previous;
    self->lsn += n;
    return VEER_OK;
}

veer_status packed_writer_append(packed_writer *self, const store_append_record *records, size_t n,
                                 veer_error *error)
{
    VEER_TRY(check_usable(self, error));
    if (n == 0) VEER_FAIL(error, VEER_E_INVALID, "A transaction has no record.");
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if ((records[i].flags & (uint16_t)~WAL_ENGINE_FLAGS) != 0)
            VEER_FAIL(error, VEER_E_INVALID, "Record %zu has flags 0x%x; only 0x%x are free.", i,
                      (unsigned)records[i].flags, (unsigned)WAL_ENGINE_FLAGS);
        for (size_t j = 0; j < records[i].parts_count; j++) {
            if (!u64_add(total, records[i].parts[j].bytes, &total)) total = UINT64_MAX;
            if (total > WAL_PAYLOAD_BYTES_MAX)
                VEER_FAIL(error, VEER_E_LIMIT, "A transaction has more than %llu bytes.",
                          (unsigned long long)WAL_PAYLOAD_BYTES_MAX);
        }
    }
    return fail(self, append(self, records, n, error));
}

/* ---- finishing */

static veer_status grow_buffer(packed_writer *self, size_t bytes, veer_error *error)
{
    if (bytes <= self->buffer_bytes) return VEER_OK;
    uint8_t *grown = memory_new(self->allocator, bytes);
    if (grown == NULL) return error_nomem(error, "a record of the log", bytes);
    memory_free(self->allocator, self->buffer, self->buffer_bytes);
    self->buffer = grown;
    self->buffer_bytes = bytes;
    return VEER_OK;
}

/* Gives the record at `record` its final number and chains it to `previous`. */
static void renumber_record(uint8_t *record, size_t bytes, uint64_t add, uint32_t *previous)
{
    store_u64(record + 16, load_u64(record + 16) + add);
    store_u32(record + bytes - 8, *previous);
    *previous = crc32c(0, record, bytes - 4);
    store_u32(record + bytes - 4, *previous);
}

/* The second pass over the log. `renumbered` is how far it has come, `log_crc` the chain there. */
static veer_status renumber(packed_writer *self, uint64_t add, veer_error *error)
{
    wal_header header;
    if (self->renumbered == 0) {
        make_log_header(self, add + 1, &header, self->buffer);
        VEER_TRY(write_at(self, self->log_at, self->buffer, STORAGE_PAGE_BYTES, error));
        self->renumbered = self->log_at + STORAGE_PAGE_BYTES;
        self->log_crc = header.crc;
    }
    while (self->renumbered < self->log_end) {
        uint64_t left = self->log_end - self->renumbered;
        size_t window = left < self->buffer_bytes ? (size_t)left : self->buffer_bytes;
        uint32_t crc = self->log_crc;
        size_t done = 0;
        VEER_TRY(self->io.read(self->io.context, self->file, self->renumbered, self->buffer, window,
                               error));
        while (window - done >= WAL_RECORD_HEAD_BYTES) {
            uint64_t bytes = wal_record_bytes(load_u32(self->buffer + done));
            if (bytes > left - done)
                VEER_FAIL(error, VEER_E_IO, "The storage does not keep what was written to it.");
            if (bytes > window - done) {
                if (done == 0) VEER_TRY(grow_buffer(self, (size_t)bytes, error));
                break;
            }
            renumber_record(self->buffer + done, (size_t)bytes, add, &crc);
            done += (size_t)bytes;
        }
        if (done == 0) continue; /* the buffer has grown */
        VEER_TRY(write_at(self, self->renumbered, self->buffer, done, error));
        self->renumbered += done;
        self->log_crc = crc;
    }
    return VEER_OK;
}

/* Catalogue, superblocks and table as one piece of memory that begins at `position`. */
static veer_status make_tail(packed_writer *self, const void *payload, size_t bytes,
                             uint64_t checkpoint_lsn, veer_error *error)
{
    catalogue made = {0};
    superblock super = {
        .generation = 1,
        .checkpoint_lsn = checkpoint_lsn,
        .salt = {self->salt, self->salt + 2},
        .start_lsn = {checkpoint_lsn + 1, 0},
    };
    memcpy(super.id, self->id, STORAGE_ID_BYTES);
    VEER_TRY(catalogue_encode(self->allocator, self->id, 1, payload, bytes, self->streams,
                              self->streams_count, &made, error));
    super.catalogue_bytes = made.size;
    super.catalogue_crc = catalogue_crc(&made);

    wal_header log;
    make_log_header(self, checkpoint_lsn + 1, &log, self->buffer);
    uint64_t log_bytes = self->log_end - self->log_at;
    uint64_t catalogue_at = u64_round_up(self->log_end, STORAGE_PAGE_BYTES);
    uint64_t meta_at = u64_round_up(catalogue_at + made.size, STORAGE_PAGE_BYTES);
    self->table_at = meta_at + META_BYTES;
    size_t cat_head = made.size < PACKED_HEAD_BYTES ? made.size : PACKED_HEAD_BYTES;
    size_t first = (size_t)(meta_at - catalogue_at);
    veer_status status =
        add_entry(self, storage_wal_names[0], self->log_at, log_bytes, log.crc, error);
    if (status == VEER_OK)
        status = add_entry(self, "cat.1", catalogue_at, made.size, crc32c(0, made.bytes, cat_head),
                           error);
    uint8_t *page = self->buffer;
    superblock_encode(&super, page);
    if (status == VEER_OK)
        status = add_entry(self, STORAGE_META_NAME, meta_at, META_BYTES,
                           crc32c(0, page, PACKED_HEAD_BYTES), error);
    if (status != VEER_OK) goto done;

    self->tail_bytes = first + META_BYTES + self->entries_count * PACKED_ENTRY_BYTES;
    self->tail = memory_array(self->allocator, self->tail_bytes, 1);
    if (self->tail == NULL) {
        status = error_nomem(error, "a packed file's tables", self->tail_bytes);
        goto done;
    }
    memcpy(self->tail, made.bytes, made.size);
    memcpy(self->tail + first, page, STORAGE_PAGE_BYTES);
    memcpy(self->tail + first + STORAGE_PAGE_BYTES, page, STORAGE_PAGE_BYTES);
    uint8_t *at = self->tail + first + META_BYTES;
    for (size_t i = 0; i < self->entries_count; i++, at += PACKED_ENTRY_BYTES) {
        const packed_entry *entry = &self->entries[i];
        storage_put_name(at, entry->name);
        store_u64(at + PACKED_ENTRY_OFFSET_AT, entry->offset);
        store_u64(at + PACKED_ENTRY_BYTES_AT, entry->bytes);
        store_u32(at + PACKED_ENTRY_CRC_AT, entry->head_crc);
    }
    self->position = catalogue_at;
done:
    catalogue_fini(&made);
    return status;
}

static veer_status write_header(packed_writer *self, veer_error *error)
{
    uint8_t *page = self->buffer;
    size_t table_bytes = self->entries_count * PACKED_ENTRY_BYTES;
    page_begin(page, STORAGE_MAGIC_PACKED);
    store_u32(page + PACKED_COUNT_AT, (uint32_t)self->entries_count);
    memcpy(page + PACKED_ID_AT, self->id, STORAGE_ID_BYTES);
    store_u64(page + PACKED_BYTES_AT, self->table_at + table_bytes);
    store_u64(page + PACKED_TABLE_AT, self->table_at);
    store_u32(page + PACKED_TABLE_CRC_AT,
              crc32c(0, self->tail + self->tail_bytes - table_bytes, table_bytes));
    page_seal(page);
    return write_at(self, 0, page, STORAGE_PAGE_BYTES, error);
}

static veer_status finish(packed_writer *self, const void *payload, size_t bytes,
                          uint64_t checkpoint_lsn, veer_error *error)
{
    VEER_TRY(begin_log(self, error));
    if (self->step == 0) {
        if (checkpoint_lsn != 0) VEER_TRY(renumber(self, checkpoint_lsn, error));
        self->step = 1;
    }
    if (self->step == 1) {
        VEER_TRY(make_tail(self, payload, bytes, checkpoint_lsn, error));
        self->step = 2;
    }
    if (self->step == 2) {
        VEER_TRY(write_at(self, self->position, self->tail, self->tail_bytes, error));
        VEER_TRY(self->io.sync(self->io.context, self->file, error));
        self->step = 3;
    }
    VEER_TRY(write_header(self, error));
    VEER_TRY(self->io.sync(self->io.context, self->file, error));
    return self->io.sync_names(self->io.context, error);
}

veer_status packed_writer_finish(packed_writer *self, const void *payload, size_t bytes,
                                 uint64_t checkpoint_lsn, veer_error *error)
{
    VEER_TRY(check_usable(self, error));
    if (self->source != NULL)
        VEER_FAIL(error, VEER_E_INVALID, "The copy of stream '%s' is not finished.",
                  self->source->name);
    if (checkpoint_lsn >= STORAGE_NUMBER_MAX - self->lsn - 1)
        VEER_FAIL(error, VEER_E_LIMIT, "Log sequence number %llu is too high.",
                  (unsigned long long)checkpoint_lsn);
    VEER_TRY(fail(self, finish(self, payload, bytes, checkpoint_lsn, error)));
    free_writer(self);
    return VEER_OK;
}
