/* Backups: one version of the database as one packed file, while reads and writes go on.
 *
 *   1. the manifest of the version, and a copy of every stream that its sealed segments have
 *   2. the living rows of its active segments, as records of the copy's log
 *   3. catalogue, superblocks, table and header; the file is a database only when all is synced
 *
 * The version keeps its segments' streams from being removed. Whoever opens the file replays the
 * records as after a crash; they carry the times and numbers that the rows were written with.
 *
 * Storage that makes the caller wait: the unfinished backup stays in the database's list, and the
 * next call with the same location and table goes on where it was. Any other failure, and closing
 * the database, removes the unfinished file.
 *
 * Threads: any number of backups at once, to different places; the list is guarded by `state`.
 */
#include "engine/backup.h"

#include "base/bitset.h"
#include "engine/active.h"
#include "engine/executor.h"
#include "engine/manifest.h"
#include "engine/write_record.h"

/* A record of the copy's log: large enough to be efficient, small beside a batch's limit;
 * arbitrary. */
#define RECORD_ROWS_MAX 4096u
#define RECORD_BYTES_MAX ((uint64_t)8 << 20)

typedef struct backup {
    struct backup *next;
    veer_database *database;
    version *version;
    arena memory; /* location, manifest, streams */
    arena mask;   /* of the segment that is being logged */
    arena batch;  /* of the record that is being appended */
    const char *location;
    const void *caller_context; /* of the caller's table, or NULL */
    veer_io io;
    const char *name;
    bool owns_io;
    byte_writer payload;
    store_stream *streams;
    size_t streams_count;
    packed_writer *writer;

    size_t stream, collection, segment; /* where it is */
    uint32_t row;
    const uint64_t *bits; /* living rows of the segment; NULL: all visible */
    bool has_mask, has_record;
    uint32_t record_end; /* row behind the record */
    store_append_record record;

    veer_progress progress;
    void *context;
    uint64_t copied, total; /* bytes */
} backup;

/* ---------------------------------------------------------------- life */

static void backup_free(backup *self)
{
    if (!self) return;
    veer_database *database = self->database;
    packed_writer_abort(self->writer);
#ifndef __wasm__
    if (self->owns_io) io_posix_free(&self->io);
#endif
    byte_writer_fini(&self->payload);
    arena_fini(&self->batch);
    arena_fini(&self->mask);
    arena_fini(&self->memory);
    version_release(self->version);
    memory_free(database->allocator, self, sizeof *self);
}

/* Takes a waiting backup to this place out of the list, or NULL. */
static backup *find_waiting(veer_database *database, const char *location, const veer_io *io)
{
    backup *found = NULL;
    thread_mutex_lock(&database->state);
    for (backup **at = &database->backups; *at && !found; at = &(*at)->next) {
        bool same_table = (*at)->caller_context == (io ? io->context : NULL);
        if (!same_table || strcmp((*at)->location, location) != 0) continue;
        found = *at;
        *at = found->next;
        found->next = NULL;
        break;
    }
    thread_mutex_unlock(&database->state);
    return found;
}

static void keep_waiting(backup *self)
{
    veer_database *database = self->database;
    thread_mutex_lock(&database->state);
    self->next = database->backups;
    database->backups = self;
    thread_mutex_unlock(&database->state);
}

void backup_abandon(veer_database *database)
{
    while (database->backups) {
        backup *first = database->backups;
        database->backups = first->next;
        backup_free(first);
    }
}

static veer_status open_place(backup *self, const veer_io *io, veer_error *error)
{
    if (io) {
        if (io->version != 1)
            VEER_FAIL(error, VEER_E_UNSUPPORTED, "the I/O table has version %u; this needs 1",
                      io->version);
        self->io = *io;
        self->name = self->location;
        return VEER_OK;
    }
#ifdef __wasm__
    VEER_FAIL(error, VEER_E_UNSUPPORTED, "in WebAssembly a backup needs an I/O table");
#else
    VEER_TRY(
        io_posix_parent(self->database->allocator, self->location, &self->io, &self->name, error));
    self->owns_io = true;
    return VEER_OK;
#endif
}

static veer_status write_manifest(backup *self, veer_error *error)
{
    veer_database *database = self->database;
    thread_mutex_lock(&database->writer);
    self->version = version_acquire(database);
    uint32_t next_collection = database->next_collection_id;
    uint64_t next_segment = database->next_segment_number;
    thread_mutex_unlock(&database->writer);
    VEER_TRY(manifest_write(self->version, next_collection, next_segment, &self->memory,
                            &self->payload, &self->streams, &self->streams_count, error));
    if (self->payload.failed) return error_nomem(error, "the manifest", self->payload.bytes);
    for (size_t i = 0; i < self->streams_count; i++)
        self->total += self->streams[i].bytes;
    return VEER_OK;
}

static veer_status backup_new(veer_database *database, const char *location, const veer_io *io,
                              backup **out, veer_error *error)
{
    backup *self = memory_new(database->allocator, sizeof *self);
    if (!self) return error_nomem(error, "a backup", sizeof *self);
    self->database = database;
    self->caller_context = io ? io->context : NULL;
    arena_init(&self->memory, database->allocator);
    arena_init(&self->mask, database->allocator);
    arena_init(&self->batch, database->allocator);
    byte_writer_init(&self->payload, database->allocator);
    self->location = arena_text(&self->memory, location, strlen(location));
    veer_status status =
        self->location ? open_place(self, io, error) : error_nomem(error, "a backup", 0);
    if (status == VEER_OK) status = write_manifest(self, error);
    if (status != VEER_OK) {
        backup_free(self);
        return status;
    }
    *out = self;
    return VEER_OK;
}

/* ---------------------------------------------------------------- streams */

static bool copy_progress(void *context, uint64_t done, uint64_t total)
{
    const backup *self = context;
    (void)total;
    return !self->progress || self->progress(self->context, self->copied + done, self->total);
}

static veer_status copy_streams(backup *self, veer_error *error)
{
    for (; self->stream < self->streams_count; self->stream++) {
        const store_stream *stream = &self->streams[self->stream];
        VEER_TRY(packed_writer_copy(self->writer, self->database->store, stream, copy_progress,
                                    self, error));
        self->copied += stream->bytes;
    }
    return VEER_OK;
}

/* ---------------------------------------------------------------- rows of active segments */

/* Makes the next record of the segment's living rows; none where there are no more. */
static veer_status next_record(backup *self, const collection_version *from, veer_error *error)
{
    const segment_ref *ref = &from->segments[self->segment];
    arena_reset(&self->batch);
    uint32_t *rows = arena_array(&self->batch, RECORD_ROWS_MAX, sizeof *rows);
    if (!rows) return error_nomem(error, "a record", RECORD_ROWS_MAX * sizeof *rows);
    size_t count = 0;
    uint64_t bytes = 0;
    uint32_t row = self->row;
    while (row < ref->rows && count < RECORD_ROWS_MAX && bytes < RECORD_BYTES_MAX) {
        if (self->bits) row = (uint32_t)bitset_next(self->bits, ref->rows, row);
        if (row >= ref->rows) break;
        bytes += record_row_bytes(from->schema, ref->core, row);
        rows[count++] = row++;
    }
    self->record_end = count > 0 ? row : ref->rows;
    if (count == 0) return VEER_OK;
    VEER_TRY(record_rows(&self->batch, from->schema, from->collection->id, ref->core, rows, count,
                         &self->record, error));
    self->has_record = true;
    return VEER_OK;
}

static veer_status log_segment(backup *self, const collection_version *from, veer_error *error)
{
    const segment_ref *ref = &from->segments[self->segment];
    if (ref->core->is_sealed || segment_ref_live(ref) == 0) return VEER_OK;
    if (!self->has_mask) {
        uint32_t count = 0;
        arena_reset(&self->mask);
        VEER_TRY(executor_rows(self->database, from, ref, NULL, &self->mask, &self->bits, &count,
                               error));
        self->has_mask = true;
        self->row = 0;
    }
    while (self->row < ref->rows) {
        if (!self->has_record) VEER_TRY(next_record(self, from, error));
        if (self->has_record) VEER_TRY(packed_writer_append(self->writer, &self->record, 1, error));
        self->has_record = false;
        self->row = self->record_end;
        if (self->progress && !self->progress(self->context, self->copied, self->total))
            VEER_FAIL(error, VEER_E_ABORTED, "the backup was cancelled");
    }
    return VEER_OK;
}

static veer_status log_rows(backup *self, veer_error *error)
{
    for (; self->collection < self->version->collections_count; self->collection++) {
        const collection_version *from = self->version->collections[self->collection];
        for (; self->segment < from->segments_count; self->segment++) {
            VEER_TRY(log_segment(self, from, error));
            self->has_mask = false;
        }
        self->segment = 0;
    }
    return VEER_OK;
}

/* ---------------------------------------------------------------- all of it */

static veer_status run_backup(backup *self, veer_error *error)
{
    veer_database *database = self->database;
    if (!self->writer)
        VEER_TRY(packed_writer_new(database->allocator, &self->io, self->name,
                                   store_id(database->store), &self->writer, error));
    VEER_TRY(copy_streams(self, error));
    VEER_TRY(log_rows(self, error));
    VEER_TRY(packed_writer_finish(self->writer, self->payload.data, self->payload.bytes,
                                  self->version->lsn, error));
    self->writer = NULL; /* finishing frees it */
    if (self->progress) (void)self->progress(self->context, self->total, self->total);
    return VEER_OK;
}

veer_status veer_backup(veer_database *database, const char *location, const veer_io *io,
                        veer_progress progress, void *context, veer_error *error)
{
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "'database' is NULL");
    if (!location) VEER_FAIL(error, VEER_E_INVALID, "'location' is NULL");
    backup *self = find_waiting(database, location, io);
    if (!self) VEER_TRY(backup_new(database, location, io, &self, error));
    self->progress = progress;
    self->context = context;
    veer_status status = run_backup(self, error);
    if (status == VEER_PENDING)
        keep_waiting(self);
    else
        backup_free(self);
    return status;
}
