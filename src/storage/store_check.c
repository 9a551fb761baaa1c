/* Checking a database that nobody is writing: every stream is read, every checksum compared.
 *
 * The base is recovery, which judges superblocks, catalogue and logs exactly as opening does, so
 * that "check finds nothing" and "it opens" cannot disagree. What recovery tolerates (a damaged
 * superblock, a dropped tail, a missing derived stream) is said as well. Then every attached stream
 * is opened and all its blocks are verified, and every name of the table is accounted for.
 *
 * Findings are whole sentences that name the stream. VEER_OK means that everything could be looked
 * at, not that nothing was found.
 *
 * VEER_PENDING: the next call begins again, and reports again what it finds.
 *
 * Threads: one, over a table that nobody writes.
 */
#include "storage/recovery.h"
#include "storage/segment_inner.h"

typedef struct check {
    const veer_allocator *allocator;
    const veer_io *io;
    void (*problem)(void *context, const char *stream, const char *text);
    void *context;
    veer_progress progress;
    void *progress_context;
    uint64_t done;
    uint64_t total;
    const char *stream; /* being verified */
} check;

static void segment_problem(void *context, const char *text)
{
    const check *self = context;
    self->problem(self->context, self->stream, text);
}

static veer_status check_attached(check *self, segment_home *home, const store_stream *stream,
                                  veer_error *error)
{
    segment *opened = NULL;
    self->stream = stream->name;
    if (self->progress != NULL && !self->progress(self->progress_context, self->done, self->total))
        VEER_FAIL(error, VEER_E_ABORTED, "The check was cancelled.");
    self->done += stream->bytes;
    veer_status status = segment_open_at(home, stream, &opened, error);
    bool finding = status == VEER_E_CORRUPT || status == VEER_E_VERSION;
    if (status == VEER_E_NOTFOUND) return VEER_OK; /* recovery has said so */
    if (finding) {
        self->problem(self->context, stream->name, error->message);
        return VEER_OK;
    }
    if (status != VEER_OK) return status;
    status = segment_verify(opened, segment_problem, self, error);
    segment_close(opened);
    return status;
}

/* A stream that an interrupted operation left over is no damage: the next opening for writing
 * removes it. */
static void check_names(const check *self, const recovery *found)
{
    for (size_t i = 0; i < found->names_count; i++) {
        const char *name = found->names[i].name;
        uint64_t generation;
        bool known = strcmp(name, STORAGE_META_NAME) == 0 ||
                     strcmp(name, storage_wal_names[0]) == 0 ||
                     strcmp(name, storage_wal_names[1]) == 0;
        if (!known && !storage_is_segment_name(name) &&
            !storage_is_catalogue_name(name, &generation))
            self->problem(self->context, name, "This stream does not belong to the database.");
    }
}

static veer_status run_check(check *self, const recovery *found, veer_error *error)
{
    zstd_pool zstd;
    segment_home home;
    zstd_pool_init(&zstd, self->allocator);
    segment_home_init(&home, self->allocator, self->io, NULL, &zstd);
    for (size_t i = 0; i < found->report.messages_count; i++)
        self->problem(self->context, "", found->report.messages[i]);
    check_names(self, found);
    const catalogue *attached = &found->catalogue;
    for (size_t i = 0; i < attached->streams_count; i++)
        self->total += attached->streams[i].bytes;
    veer_status status = VEER_OK;
    for (size_t i = 0; i < attached->streams_count && status == VEER_OK; i++)
        status = check_attached(self, &home, &attached->streams[i], error);
    zstd_pool_fini(&zstd);
    return status;
}

veer_status store_check(const veer_allocator *allocator, const veer_io *io,
                        void (*problem)(void *context, const char *stream, const char *text),
                        void *context, veer_progress progress, void *progress_context,
                        veer_error *error)
{
    check self = {
        .allocator = allocator,
        .io = io,
        .problem = problem,
        .context = context,
        .progress = progress,
        .progress_context = progress_context,
    };
    recovery found;
    veer_status status = recovery_run(allocator, io, true, &found, error);
    if (status == VEER_E_CORRUPT || status == VEER_E_FORMAT || status == VEER_E_VERSION) {
        problem(context, "", error->message);
        return VEER_OK;
    }
    if (status != VEER_OK) return status;
    if (found.state == RECOVERY_DATABASE)
        status = run_check(&self, &found, error);
    else
        status = error_set(error, VEER_E_NOTFOUND, "there is no database here");
    recovery_fini(&found);
    return status;
}
