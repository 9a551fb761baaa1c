/* The log as it is written: appending transactions, syncing, switching files, replaying.
 *
 * An append streams head, parts, padding and checksums of its records through the stage buffer into
 * few writes. The bytes of a transaction depend on nothing but its records and the log's state
 * before it; so an append that has to wait (VEER_PENDING) remembers only how many bytes are
 * written and their checksum: the next call makes the bytes again, skips what is there, and finds
 * by the checksum when it is another transaction (which then starts over the former one).
 *
 * What fails is undone: the file is cut back to where it was, and the cut is synced, so that a
 * transaction that was reported as failed cannot come back after a power loss. When cutting or
 * syncing fails, nobody knows what is on storage, and the store is poisoned.
 *
 * durable_lsn goes into every record (wal.c says why): the last LSN that a finished sync covers.
 *
 * Threads: the writer's.
 */
#include "platform/clock.h"
#include "storage/store_inner.h"

#include "base/crc32c.h"
#include "base/sizes.h"

#define TRIM_BYTES ((uint64_t)16 << 20) /* of a freed file, at once: milliseconds */

static veer_status cut_tail(store *self, store_log *log, veer_error *error)
{
    if (!log->tail_is_long) return VEER_OK;
    veer_status status = self->io.truncate(self->io.context, log->file, log->end, error);
    if (status == VEER_OK) log->tail_is_long = false;
    return status;
}

/* After a failed sync Linux forgets that pages were never written: they can be read, a later
 * sync succeeds, and a power loss takes them all the same. So what an earlier program left in
 * the log without vouching for it (its last transaction, in mode full) is written again before
 * this one relies on it. */
static veer_status secure(store *self, unsigned index, veer_error *error)
{
    const veer_io *io = &self->io;
    store_log *log = &self->logs[index];
    if (!log->is_insecure) return VEER_OK;
    while (log->insecure < log->end) {
        uint64_t left = log->end - log->insecure;
        size_t bytes = left < STORE_STAGE_BYTES ? (size_t)left : STORE_STAGE_BYTES;
        VEER_TRY(io->read(io->context, log->file, log->insecure, self->stage, bytes, error));
        VEER_TRY(io->write(io->context, log->file, log->insecure, self->stage, bytes, error));
        log->insecure += bytes;
    }
    if (index != self->live) {
        veer_status status = io->sync(io->context, log->file, error);
        if (status != VEER_OK) return store_poison(self, status, error);
    }
    log->is_insecure = false;
    return VEER_OK;
}

veer_status store_secure_logs(store *self, veer_error *error)
{
    if (self->both_in_use) VEER_TRY(secure(self, 1 - self->live, error));
    return secure(self, self->live, error);
}

veer_status store_sync_live(store *self, veer_error *error)
{
    veer_status status = self->io.sync(self->io.context, self->logs[self->live].file, error);
    if (status != VEER_OK) return store_poison(self, status, error);
    self->durable_lsn = self->last_lsn;
    self->unsynced = false;
    self->synced_at_ms = clock_monotonic_ms();
    return VEER_OK;
}

/* ---- writing the bytes of a transaction */

/* Takes the bytes of a transaction one after the other and writes them behind the log's end. */
typedef struct wal_sink {
    store *store;
    store_log *log;
    uint64_t produced; /* bytes given so far, staged ones included */
    uint64_t written;  /* on storage */
    uint64_t skip;     /* bytes that an earlier call has written */
    uint32_t crc;      /* of the bytes written or skipped */
    size_t staged;
} wal_sink;

static veer_status sink_write(wal_sink *sink, const void *data, size_t bytes, veer_error *error)
{
    const veer_io *io = &sink->store->io;
    const uint8_t *from = data;
    size_t skipped = 0;
    if (sink->written < sink->skip) {
        uint64_t left = sink->skip - sink->written;
        skipped = left < bytes ? (size_t)left : bytes;
        sink->crc = crc32c(sink->crc, from, skipped);
        sink->written += skipped;
        if (sink->written == sink->skip && sink->crc != sink->store->append.crc) {
            /* Another transaction than the one that waited: everything anew. */
            sink->skip = 0;
            return VEER_E_ABORTED;
        }
    }
    if (skipped == bytes) return VEER_OK;
    sink->log->tail_is_long = true;
    VEER_TRY(io->write(io->context, sink->log->file, sink->log->end + sink->written, from + skipped,
                       bytes - skipped, error));
    sink->crc = crc32c(sink->crc, from + skipped, bytes - skipped);
    sink->written += bytes - skipped;
    return VEER_OK;
}

static veer_status sink_flush(wal_sink *sink, veer_error *error)
{
    if (sink->staged == 0) return VEER_OK;
    VEER_TRY(sink_write(sink, sink->store->stage, sink->staged, error));
    sink->staged = 0;
    return VEER_OK;
}

static veer_status sink_put(wal_sink *sink, const void *data, size_t bytes, veer_error *error)
{
    const uint8_t *from = data;
    sink->produced += bytes;
    while (bytes > 0) {
        if (sink->staged == 0 && bytes >= STORE_STAGE_BYTES)
            return sink_write(sink, from, bytes, error);
        size_t room = STORE_STAGE_BYTES - sink->staged;
        size_t n = bytes < room ? bytes : room;
        memcpy(sink->store->stage + sink->staged, from, n);
        sink->staged += n;
        from += n;
        bytes -= n;
        if (sink->staged == STORE_STAGE_BYTES) VEER_TRY(sink_flush(sink, error));
    }
    return VEER_OK;
}

static uint64_t payload_bytes(const store_append_record *record)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < record->parts_count; i++) {
        if (!u64_add(bytes, record->parts[i].bytes, &bytes)) return UINT64_MAX;
    }
    return bytes;
}

static veer_status sink_record(wal_sink *sink, const store_append_record *record, uint16_t flags,
                               uint64_t lsn, uint32_t *previous, veer_error *error)
{
    uint8_t head[WAL_RECORD_HEAD_BYTES];
    uint8_t tail[16];
    uint64_t n = payload_bytes(record);
    wal_record_head(head, (uint32_t)n, record->type, (uint16_t)(record->flags | flags),
                    record->collection, lsn, sink->store->durable_lsn, sink->log->salt);
    uint32_t crc = crc32c(0, head, sizeof head);
    VEER_TRY(sink_put(sink, head, sizeof head, error));
    for (size_t i = 0; i < record->parts_count; i++) {
        const store_part *part = &record->parts[i];
        if (part->bytes == 0) continue;
        crc = crc32c(crc, part->data, part->bytes);
        VEER_TRY(sink_put(sink, part->data, part->bytes, error));
    }
    size_t tail_bytes = wal_record_tail(tail, n, *previous, &crc);
    *previous = crc;
    return sink_put(sink, tail, tail_bytes, error);
}

/* Cuts off what a failed transaction has written. */
static void undo(store *self, store_log *log, veer_error *error)
{
    veer_error second = {VEER_OK, ""};
    self->append = (store_waiting_append){0, 0};
    veer_status status = cut_tail(self, log, &second);
    if (status == VEER_OK) status = self->io.sync(self->io.context, log->file, &second);
    if (status == VEER_OK) return;
    error_append(error, " Undoing it failed too: %s", second.message);
    (void)store_poison(self, status, error);
}

/* Writes n records behind the log's end. Nothing of the log's state has changed but on VEER_OK.
 * `extra` are flags of the storage for the last record. */
static veer_status write_records(store *self, const store_append_record *records, size_t n,
                                 uint16_t extra, veer_error *error)
{
    store_log *log = &self->logs[self->live];
    /* The second round writes over an abandoned transaction. */
    for (int round = 0; round < 2; round++) {
        wal_sink sink = {.store = self, .log = log, .skip = self->append.written};
        uint32_t previous = log->crc;
        veer_status status = VEER_OK;
        if (sink.skip == 0) VEER_TRY(cut_tail(self, log, error));
        for (size_t i = 0; i < n && status == VEER_OK; i++) {
            uint16_t flags = i + 1 == n ? extra : 0;
            status =
                sink_record(&sink, &records[i], flags, self->last_lsn + 1 + i, &previous, error);
        }
        if (status == VEER_OK) status = sink_flush(&sink, error);
        if (status == VEER_OK && sink.written >= sink.skip) {
            self->append = (store_waiting_append){0, 0};
            log->tail_is_long = false;
            log->end += sink.written;
            log->crc = previous;
            self->unsynced = true;
            return VEER_OK;
        }
        if (status == VEER_PENDING) {
            if (sink.written >= sink.skip)
                self->append = (store_waiting_append){sink.written, sink.crc};
            return VEER_PENDING;
        }
        bool another = status == VEER_OK || status == VEER_E_ABORTED;
        if (!another) {
            undo(self, log, error);
            return status;
        }
        self->append = (store_waiting_append){0, 0};
    }
    VEER_FAIL(error, VEER_E_INTERNAL, "A log append made two different byte strings.");
}

veer_status store_append(store *self, const store_append_record *records, size_t n,
                         uint64_t *last_lsn, veer_error *error)
{
    if (last_lsn != NULL) *last_lsn = 0;
    VEER_TRY(store_check_writable(self, error));
    if (n == 0) VEER_FAIL(error, VEER_E_INVALID, "A transaction has no record.");
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if ((records[i].flags & (uint16_t)~WAL_ENGINE_FLAGS) != 0)
            VEER_FAIL(error, VEER_E_INVALID, "Record %zu has flags 0x%x; only 0x%x are free.", i,
                      (unsigned)records[i].flags, (unsigned)WAL_ENGINE_FLAGS);
        if (!u64_add(total, payload_bytes(&records[i]), &total)) total = UINT64_MAX;
        if (total > WAL_PAYLOAD_BYTES_MAX)
            VEER_FAIL(error, VEER_E_LIMIT,
                      "A transaction has %llu bytes or more; at most %llu are possible.",
                      (unsigned long long)total, (unsigned long long)WAL_PAYLOAD_BYTES_MAX);
    }
    if (n > STORAGE_NUMBER_MAX - self->last_lsn - 1)
        VEER_FAIL(error, VEER_E_LIMIT, "The log's sequence numbers are used up.");

    if (self->both_in_use) VEER_TRY(secure(self, 1 - self->live, error));
    if (self->options.sync != STORE_SYNC_NONE) VEER_TRY(secure(self, self->live, error));
    VEER_TRY(write_records(self, records, n, WAL_COMMIT, error));
    if (self->options.sync == STORE_SYNC_FULL) {
        veer_status status = self->io.sync(self->io.context, self->logs[self->live].file, error);
        if (status != VEER_OK) return store_poison(self, status, error);
        self->durable_lsn = self->last_lsn + n;
        self->unsynced = false;
        self->last_lsn += n;
    } else {
        self->last_lsn += n;
        VEER_TRY(store_sync_if_due(self, error));
    }
    if (last_lsn != NULL) *last_lsn = self->last_lsn;
    return VEER_OK;
}

veer_status store_sync_log(store *self, veer_error *error)
{
    VEER_TRY(store_check_writable(self, error));
    VEER_TRY(store_secure_logs(self, error));
    return self->unsynced ? store_sync_live(self, error) : VEER_OK;
}

veer_status store_sync_if_due(store *self, veer_error *error)
{
    if (self->options.sync != STORE_SYNC_INTERVAL || !self->unsynced) return VEER_OK;
    VEER_TRY(store_check_writable(self, error));
    if (clock_monotonic_ms() - self->synced_at_ms < self->options.sync_interval_ms) return VEER_OK;
    return store_sync_live(self, error);
}

uint64_t store_last_lsn(const store *self)
{
    return self->last_lsn;
}

uint64_t store_wal_bytes(const store *self)
{
    return self->logs[self->live].end;
}

bool store_wants_checkpoint(const store *self)
{
    return self->logs[self->live].end >= self->options.wal_bytes;
}

/* ---- switching */

bool store_checkpoint_under_way(const store *self)
{
    return self->both_in_use;
}

uint64_t store_boundary(const store *self)
{
    return self->boundary;
}

/* Makes the other file ready for use: cut, header, sync. */
static veer_status begin_other(store *self, veer_error *error)
{
    const veer_io *io = &self->io;
    unsigned index = 1 - self->live;
    store_log *other = &self->logs[index];
    if (self->switching.start_lsn == self->last_lsn + 1) return VEER_OK;
    self->switching.start_lsn = 0;
    bool created = other->file == NULL;
    if (created) VEER_TRY(storage_open_fresh(io, storage_wal_names[index], &other->file, error));

    uint8_t *page = memory_new(self->allocator, STORAGE_PAGE_BYTES);
    if (page == NULL) return error_nomem(error, "a log header", STORAGE_PAGE_BYTES);
    wal_header header = {
        .index = index,
        .salt = self->super.salt[index],
        .start_lsn = self->last_lsn + 1,
        .base_generation = self->super.generation,
    };
    memcpy(header.id, self->super.id, STORAGE_ID_BYTES);
    wal_header_encode(&header, page);
    veer_status status = io->truncate(io->context, other->file, 0, error);
    self->freed_bytes = 0;
    if (status == VEER_OK)
        status = io->write(io->context, other->file, 0, page, STORAGE_PAGE_BYTES, error);
    memory_free(self->allocator, page, STORAGE_PAGE_BYTES);
    VEER_TRY(status);
    status = io->sync(io->context, other->file, error);
    if (status == VEER_OK) status = io->sync_names(io->context, error);
    if (status != VEER_OK && created) {
        /* Nobody shall find the name and rely on it. */
        veer_error ignored = {VEER_OK, ""};
        io->close(io->context, other->file);
        other->file = NULL;
        (void)io->remove(io->context, storage_wal_names[index], &ignored);
    }
    if (status != VEER_OK) return store_poison(self, status, error);
    self->switching.header = header;
    self->switching.start_lsn = header.start_lsn;
    return VEER_OK;
}

bool store_trim_log(store *self)
{
    veer_error ignored = {VEER_OK, ""};
    void *file = self->logs[1 - self->live].file;
    if (self->freed_bytes == 0 || self->both_in_use || file == NULL || self->poisoned) return false;
    self->freed_bytes -= self->freed_bytes < TRIM_BYTES ? self->freed_bytes : TRIM_BYTES;
    /* The next switch empties the file in any case, and reports it if that fails. */
    (void)self->io.truncate(self->io.context, file, self->freed_bytes, &ignored);
    return self->freed_bytes > 0;
}

veer_status store_switch_log(store *self, uint64_t *boundary, veer_error *error)
{
    *boundary = 0;
    VEER_TRY(store_check_writable(self, error));
    if (self->both_in_use || self->commit.step != COMMIT_NOT_BEGUN)
        VEER_FAIL(error, VEER_E_BUSY, "A checkpoint is under way; the log has no free file.");
    VEER_TRY(store_secure_logs(self, error));
    VEER_TRY(begin_other(self, error));
    static const store_append_record mark = {0, 0, 0, NULL, 0};
    VEER_TRY(write_records(self, &mark, 1, WAL_SWITCH, error));
    VEER_TRY(store_sync_live(self, error));

    unsigned index = 1 - self->live;
    store_log *other = &self->logs[index];
    other->salt = self->switching.header.salt;
    other->end = STORAGE_PAGE_BYTES;
    other->crc = self->switching.header.crc;
    other->tail_is_long = false;
    other->is_insecure = false;
    self->switching.start_lsn = 0;
    self->live = index;
    self->both_in_use = true;
    self->boundary = self->last_lsn;
    *boundary = self->boundary;
    return VEER_OK;
}

/* ---- replay */

void store_replay_fini(store *self)
{
    if (self->replay.allocator != NULL) wal_reader_fini(&self->replay);
    if (self->replay_file != NULL) self->io.close(self->io.context, self->replay_file);
    memset(&self->replay, 0, sizeof self->replay);
    self->replay_file = NULL;
}

/* Gives the records of one file up to its committed end. */
static veer_status replay_file(store *self, unsigned index, bool skip_relogged,
                               veer_status (*each)(void *context, const store_record *record,
                                                   veer_error *error),
                               void *context, veer_error *error)
{
    const recovered_log *log = &self->recovery.logs[index];
    if (self->replay_file == NULL) {
        VEER_TRY(storage_open_existing(&self->io, storage_wal_names[index], VEER_IO_READ,
                                       &self->replay_file, error));
        wal_reader_init(&self->replay, self->allocator, &self->io, self->replay_file,
                        log->committed_end, &log->header);
    }
    wal_reader *reader = &self->replay;
    while (reader->position < log->committed_end) {
        wal_record record;
        bool found = false;
        uint64_t position = reader->position;
        uint64_t lsn = reader->next_lsn;
        uint32_t crc = reader->crc;
        VEER_TRY(wal_reader_next(reader, &record, &found, error));
        if (!found)
            VEER_FAIL(error, VEER_E_CORRUPT,
                      "Log 'wal.%u' changed while it was read: byte %llu is not valid any more.",
                      index, (unsigned long long)position);
        bool given =
            !record.is_switch && !(skip_relogged && (record.record.flags & STORE_RELOG) != 0);
        veer_status status = given ? each(context, &record.record, error) : VEER_OK;
        if (status != VEER_OK) {
            reader->position = position; /* the next call gives it again */
            reader->next_lsn = lsn;
            reader->crc = crc;
            return status;
        }
    }
    store_replay_fini(self);
    return VEER_OK;
}

veer_status store_replay(store *self,
                         veer_status (*each)(void *context, const store_record *record,
                                             veer_error *error),
                         void *context, veer_error *error)
{
    const recovery *found = &self->recovery;
    unsigned older = found->both_in_use ? 1 - found->live : found->live;
    if (self->replay_stage == 0) {
        VEER_TRY(replay_file(self, older, false, each, context, error));
        self->replay_stage = found->both_in_use ? 1 : 2;
    }
    if (self->replay_stage == 1) {
        VEER_TRY(replay_file(self, 1 - older, true, each, context, error));
        self->replay_stage = 2;
    }
    return VEER_OK;
}
