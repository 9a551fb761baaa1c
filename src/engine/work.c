#include "engine/work.h"

#include <string.h>

#include "engine/active.h"
#include "engine/manifest.h"
#include "engine/merge.h"
#include "engine/seal.h"
#include "engine/version.h"
#include "engine/write_record.h"
#include "platform/clock.h"

#define RELOG_BYTES (1u << 20)            /* collections with less new data are logged again */
#define RELOG_RECORD_BYTES (4u << 20)     /* of one record, at most about */
#define REMOVE_BYTES ((uint64_t)16 << 20) /* at once, where removing takes time in proportion */

typedef enum job_kind { JOB_SEAL, JOB_MERGE, JOB_REPAIR, JOB_GRAPH } job_kind;

struct job {
    job_kind kind;
    uint32_t collection;
    builder *builder;
    segment_ref *parts; /* as they were when the job began; the builder holds the references */
    size_t parts_count;
};

/* ---------------------------------------------------------------- removing streams */

void work_detach(segment_core *core, uint64_t from)
{
    sealed *sealed = core->as.sealed;
    atomic_store(&sealed->removable_from, from ? from : 1);
}

static void queue_removal(veer_database *database, const struct stream_removal *removal)
{
    thread_mutex_lock(&database->state);
    /* Without memory for the queue the stream stays until the next opening, which removes it. */
    if (memory_grow(database->allocator, (void **)&database->removals, &database->removals_capacity,
                    database->removals_count + 1, sizeof *database->removals) == VEER_OK)
        database->removals[database->removals_count++] = *removal;
    thread_mutex_unlock(&database->state);
}

void database_remove_later(veer_database *database, const store_stream *stream, uint64_t from)
{
    struct stream_removal removal = {.from = from, .bytes = stream->bytes};
    memcpy(removal.name, stream->name, sizeof stream->name);
    queue_removal(database, &removal);
}

/* Takes a stream from the queue whose generation has come; false: none. */
static bool next_removal(veer_database *database, uint64_t generation,
                         struct stream_removal *removal)
{
    bool found = false;
    thread_mutex_lock(&database->state);
    for (size_t i = 0; i < database->removals_count && !found; i++) {
        if (database->removals[i].from > generation) continue;
        *removal = database->removals[i];
        database->removals[i] = database->removals[--database->removals_count];
        found = true;
    }
    thread_mutex_unlock(&database->state);
    return found;
}

/* Cuts REMOVE_BYTES off the end of a large stream that nobody needs; false: it cannot be done. */
static bool shorten(veer_database *database, struct stream_removal *removal)
{
    if (store_attaches(database->store, removal->name)) return false;
    const veer_io *io = store_io(database->store);
    veer_error ignored;
    void *file = NULL;
    if (io->open(io->context, removal->name, VEER_IO_READ | VEER_IO_WRITE, &file, &ignored) !=
        VEER_OK)
        return false;
    removal->bytes -= REMOVE_BYTES;
    veer_status status = io->truncate(io->context, file, removal->bytes, &ignored);
    io->close(io->context, file);
    return status == VEER_OK;
}

/* Gives space back: all that is little, and one piece of what is much. True: more is left. */
static bool give_back(veer_database *database)
{
    struct stream_removal removal;
    thread_mutex_lock(&database->writer);
    uint64_t generation = store_generation(database->store);
    bool more = store_trim_log(database->store);
    thread_mutex_unlock(&database->writer);
    while (!more && next_removal(database, generation, &removal)) {
        if (removal.bytes > REMOVE_BYTES && shorten(database, &removal)) {
            queue_removal(database, &removal);
            more = true;
        } else {
            store_remove(database->store, removal.name);
        }
    }
    store_remove_pending(database->store);
    return more;
}

/* ---------------------------------------------------------------- beginning a checkpoint */

/* Logs the live rows of a small active segment again, into the new log file. */
static veer_status relog(veer_database *database, const collection_version *collection,
                         const segment_ref *ref, veer_error *error)
{
    arena arena;
    arena_init(&arena, database->allocator);
    veer_status status = VEER_OK;
    uint32_t *rows = arena_array(&arena, ref->rows, sizeof *rows);
    if (!rows) {
        status = error_nomem(error, "a checkpoint", ref->rows);
        goto done;
    }
    uint32_t row = 0;
    while (row < ref->rows) {
        size_t count = 0;
        uint64_t bytes = 0;
        for (; row < ref->rows && bytes < RELOG_RECORD_BYTES; row++) {
            if (tombstones_has(ref->dead, row)) continue;
            bytes += record_row_bytes(collection->schema, ref->core, row);
            rows[count++] = row;
        }
        if (count == 0) break;
        store_append_record record;
        uint64_t lsn;
        arena_mark mark = arena_save(&arena);
        VEER_GOTO(record_rows(&arena, collection->schema, collection->collection->id, ref->core,
                              rows, count, &record, error));
        record.flags |= STORE_RELOG;
        VEER_GOTO(store_append(database->store, &record, 1, &lsn, error));
        arena_restore(&arena, mark);
    }
done:
    arena_fini(&arena);
    return status;
}

/* Under the writer lock. `seal_all`: small collections are sealed as well. */
static veer_status begin_checkpoint(veer_database *database, bool seal_all, veer_error *error)
{
    if (store_checkpoint_under_way(database->store)) return VEER_OK;
    if (store_last_lsn(database->store) == database->sealed_lsn) return VEER_OK;
    uint64_t boundary;
    VEER_TRY(store_switch_log(database->store, &boundary, error));
    version *present = version_acquire(database);
    for (size_t c = 0; c < present->collections_count; c++) {
        const collection_version *collection = present->collections[c];
        if (collection->segments_count == 0) continue;
        const segment_ref *last = &collection->segments[collection->segments_count - 1];
        if (last->core->is_sealed || last->core->as.active->is_frozen) continue;
        bool is_small = !seal_all && last->core->as.active->bytes < RELOG_BYTES;
        /* What cannot be logged again is sealed. */
        if (!is_small || relog(database, collection, last, error) != VEER_OK)
            last->core->as.active->is_frozen = true;
    }
    version_release(present);
    return VEER_OK;
}

void work_resume_checkpoint(veer_database *database)
{
    if (!store_checkpoint_under_way(database->store)) return;
    const version *present = database->present;
    for (size_t c = 0; c < present->collections_count; c++) {
        const collection_version *collection = present->collections[c];
        size_t n = collection->segments_count;
        if (n > 0 && !collection->segments[n - 1].core->is_sealed)
            collection->segments[n - 1].core->as.active->is_frozen = true;
    }
}

static bool is_due(veer_database *database)
{
    if (store_is_readonly(database->store)) return false;
    if (store_wants_checkpoint(database->store)) return true;
    const version *present = database->present;
    uint64_t bytes = 0;
    for (size_t c = 0; c < present->collections_count; c++) {
        const collection_version *collection = present->collections[c];
        if (collection->segments_count == 0) continue;
        const segment_core *core = collection->segments[collection->segments_count - 1].core;
        if (!core->is_sealed && !core->as.active->is_frozen) bytes += core->as.active->bytes;
    }
    return bytes >= database->options.segment_bytes;
}

void work_after_write(veer_database *database)
{
    veer_error ignored;
    if (is_due(database) && !store_checkpoint_under_way(database->store))
        (void)begin_checkpoint(database, false, &ignored);
}

/* ---------------------------------------------------------------- jobs */

static void job_free(veer_database *database, struct job *job)
{
    if (!job) return;
    builder_free(job->builder);
    memory_array_free(database->allocator, job->parts, job->parts_count, sizeof *job->parts);
    memory_free(database->allocator, job, sizeof *job);
}

void work_abandon(veer_database *database)
{
    job_free(database, database->job);
    job_free(database, database->aside);
    database->job = database->aside = NULL;
}

static void end_job(veer_database *database)
{
    job_free(database, database->job);
    database->job = NULL;
}

/* Before a checkpoint: a graph is set aside, what else is under way can be done again. Otherwise
 * no graph would ever be finished under steady writing. */
static void make_way(veer_database *database)
{
    if (!database->job || database->job->kind == JOB_SEAL) return;
    if (database->job->kind != JOB_GRAPH || database->aside) {
        end_job(database);
        return;
    }
    database->aside = database->job;
    database->job = NULL;
}

static veer_status job_new(veer_database *database, job_kind kind,
                           const collection_version *collection, const segment_ref *parts,
                           size_t count, veer_error *error)
{
    struct job *job = memory_new(database->allocator, sizeof *job);
    if (!job) return error_nomem(error, "background work", sizeof *job);
    job->kind = kind;
    job->collection = collection->collection->id;
    job->parts = memory_array(database->allocator, count, sizeof *job->parts);
    if (!job->parts) {
        job_free(database, job);
        return error_nomem(error, "background work", count * sizeof *job->parts);
    }
    job->parts_count = count;
    memcpy(job->parts, parts, count * sizeof *parts);
    thread_mutex_lock(&database->writer);
    uint64_t number = database->next_segment_number++;
    uint64_t generation = store_generation(database->store) + 1;
    thread_mutex_unlock(&database->writer);
    builder_goal goal = kind == JOB_REPAIR  ? BUILDER_REPAIR
                        : kind == JOB_GRAPH ? BUILDER_GRAPH
                                            : BUILDER_SEGMENT;
    veer_status status = builder_new(database, collection, parts, count, number, generation, goal,
                                     &job->builder, error);
    if (status != VEER_OK) {
        job_free(database, job);
        return status;
    }
    database->job = job;
    return VEER_OK;
}

/* Where the job's parts lie in a collection's present segments; false where they are gone. */
static bool find_parts(const collection_version *collection, const struct job *job, size_t *first)
{
    for (size_t i = 0; i + job->parts_count <= collection->segments_count; i++) {
        size_t same = 0;
        while (same < job->parts_count &&
               collection->segments[i + same].core == job->parts[same].core)
            same++;
        if (same == job->parts_count) {
            *first = i;
            return true;
        }
    }
    return false;
}

/* Dead rows of the new segment: those that died in the parts since the job began. */
static veer_status carry_dead(veer_database *database, const struct job *job,
                              const segment_ref *now, tombstones **out, veer_error *error)
{
    size_t count = 0, capacity = 0;
    for (size_t p = 0; p < job->parts_count; p++)
        capacity += now[p].dead ? now[p].dead->dead : 0;
    if (capacity == 0) return VEER_OK;
    uint32_t *rows = memory_array(database->allocator, capacity, sizeof *rows);
    if (!rows) return error_nomem(error, "deleted rows", capacity);
    for (size_t p = 0; p < job->parts_count; p++) {
        for (uint32_t row = 0; row < job->parts[p].rows; row++) {
            if (!tombstones_has(now[p].dead, row)) continue;
            uint32_t to = builder_row(job->builder, p, row);
            if (to != ROW_NONE) rows[count++] = to;
        }
    }
    if (count > 0) {
        *out = tombstones_with(database->allocator, NULL, rows, count);
        if (!*out) error_nomem(error, "deleted rows", count);
    }
    bool failed = count > 0 && !*out;
    memory_array_free(database->allocator, rows, capacity, sizeof *rows);
    return failed ? VEER_E_NOMEM : VEER_OK;
}

/* The next version, in which the new segment stands in place of the job's parts. */
static veer_status replace_parts(veer_database *database, const struct job *job,
                                 const version *present, segment_core *fresh, version **out,
                                 veer_error *error)
{
    collection_version *old = version_collection(present, job->collection);
    size_t first = 0;
    if (!old || !find_parts(old, job, &first)) {
        *out = NULL; /* dropped meanwhile: nothing to replace */
        return VEER_OK;
    }
    veer_status status = VEER_OK;
    tombstones *dead = NULL;
    collection_version *changed = NULL;
    size_t n = old->segments_count;
    segment_ref *segments = memory_array(database->allocator, n, sizeof *segments);
    if (!segments) return error_nomem(error, "a version", n);
    VEER_GOTO(carry_dead(database, job, old->segments + first, &dead, error));
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == first && fresh)
            segments[count++] = (segment_ref){fresh, dead, fresh->as.sealed->entry.rows};
        if (i < first || i >= first + job->parts_count) segments[count++] = old->segments[i];
    }
    changed =
        collection_version_new(database->allocator, old->collection, old->schema, segments, count);
    *out = changed ? version_change(database->allocator, present, &changed, 1, NULL, 0) : NULL;
    if (!*out) status = error_nomem(error, "a version", 0);
done:
    collection_version_release(changed);
    tombstones_release(dead);
    memory_array_free(database->allocator, segments, n, sizeof *segments);
    return status;
}

/* Makes a version's sealed segments the next generation. Under the writer lock. */
static veer_status commit_generation(veer_database *database, const version *version,
                                     bool recycle_log, veer_error *error)
{
    arena arena;
    byte_writer payload;
    arena_init(&arena, database->allocator);
    byte_writer_init(&payload, database->allocator);
    store_stream *streams = NULL;
    size_t count = 0;
    veer_status status =
        manifest_write(version, database->next_collection_id, database->next_segment_number, &arena,
                       &payload, &streams, &count, error);
    if (status == VEER_OK)
        status = store_commit(database->store, payload.data, payload.bytes, streams, count,
                              recycle_log, error);
    byte_writer_fini(&payload);
    arena_fini(&arena);
    return status;
}

/* A finished job's segment enters the present version; a merge or repair becomes a generation at once, sealed
 * segments wait for their checkpoint's. Under the writer lock. */
static veer_status commit_locked(veer_database *database, struct job *job, veer_error *error)
{
    veer_status status = VEER_OK;
    version *present = version_acquire(database), *next = NULL;
    sealed *fresh = NULL;
    const sealed_entry *entry = builder_entry(job->builder);
    collection_version *collection = version_collection(present, job->collection);
    if (collection && entry->rows > 0)
        VEER_GOTO(sealed_open(database, entry, collection->schema, &fresh, error));
    VEER_GOTO(replace_parts(database, job, present, fresh ? &fresh->core : NULL, &next, error));
    if (!next) goto done;
    if (job->kind != JOB_SEAL) VEER_GOTO(commit_generation(database, next, false, error));
    builder_keep(job->builder);
    uint64_t generation = store_generation(database->store);
    if (job->kind == JOB_MERGE)
        for (size_t i = 0; i < job->parts_count; i++)
            work_detach(job->parts[i].core, generation);
    if (job->kind == JOB_REPAIR || job->kind == JOB_GRAPH)
        sealed_replace(job->parts[0].core->as.sealed, fresh, generation);
    version_publish(database, next);
    next = NULL;
done:
    version_release(next);
    if (fresh) segment_core_release(&fresh->core);
    version_release(present);
    return status;
}

/* The segment that a merge has made, if it is to have graphs, is left what helps to build them; one
 * that has them needs that no more. */
static void pass_graphs_on(veer_database *database, const struct job *job)
{
    if (job->kind == JOB_GRAPH) sealed_drop_former(job->parts[0].core->as.sealed);
    if (job->kind != JOB_MERGE || database->options.graph_rows == 0) return;
    version *present = version_acquire(database);
    const collection_version *collection = version_collection(present, job->collection);
    for (size_t i = 0; collection && i < collection->segments_count; i++) {
        segment_core *core = collection->segments[i].core;
        if (core->is_sealed &&
            core->as.sealed->entry.number == builder_entry(job->builder)->number &&
            sealed_wants_graph(core->as.sealed, collection->schema, database->options.graph_rows))
            builder_leave_former(job->builder, core->as.sealed);
    }
    version_release(present);
}

static veer_status finish_job(veer_database *database, veer_error *error)
{
    thread_mutex_lock(&database->writer);
    veer_status status = commit_locked(database, database->job, error);
    thread_mutex_unlock(&database->writer);
    if (status == VEER_OK) {
        pass_graphs_on(database, database->job);
        end_job(database);
    }
    return status;
}

/* ---------------------------------------------------------------- what to do next */

/* A frozen active segment of the present version, or false. */
static bool find_frozen(const version *present, size_t *collection, size_t *segment)
{
    for (size_t c = 0; c < present->collections_count; c++) {
        const collection_version *each = present->collections[c];
        for (size_t i = 0; i < each->segments_count; i++) {
            if (each->segments[i].core->is_sealed || !each->segments[i].core->as.active->is_frozen)
                continue;
            *collection = c;
            *segment = i;
            return true;
        }
    }
    return false;
}

static veer_status end_checkpoint(veer_database *database, veer_error *error)
{
    thread_mutex_lock(&database->writer);
    uint64_t boundary = store_boundary(database->store);
    version *present = version_acquire(database);
    veer_status status = commit_generation(database, present, true, error);
    if (status == VEER_OK) database->sealed_lsn = boundary;
    version_release(present);
    thread_mutex_unlock(&database->writer);
    return status;
}

/* Under the writer lock, so that it sees the writer's state. */
static bool checkpoint_under_way(veer_database *database)
{
    thread_mutex_lock(&database->writer);
    bool is = store_checkpoint_under_way(database->store);
    thread_mutex_unlock(&database->writer);
    return is;
}

/* Whether the graph that was set aside may go on now: where its segment is gone it is given up, and
 * merges and repairs come first as long as they leave the segment alone. */
static bool resume_aside(veer_database *database, const version *present)
{
    struct job *job = database->aside;
    const collection_version *own = version_collection(present, job->collection);
    size_t own_first, c, first, count;
    merge_reason why;
    if (!own || !find_parts(own, job, &own_first)) {
        job_free(database, job);
        database->aside = NULL;
        return false;
    }
    if (merge_choose(present, database->wants_compact, 0, &c, &first, &count, &why) &&
        (present->collections[c] != own || own_first < first || own_first >= first + count))
        return false;
    database->job = job;
    database->aside = NULL;
    return true;
}

/* Begins the next job or ends the checkpoint; *idle when there is nothing. */
static veer_status next_job(veer_database *database, bool *idle, veer_error *error)
{
    veer_status status = VEER_OK;
    bool checkpoint = checkpoint_under_way(database);
    version *present = version_acquire(database);
    size_t c, first, count;
    merge_reason why;
    *idle = false;
    if (checkpoint && find_frozen(present, &c, &first)) {
        status = job_new(database, JOB_SEAL, present->collections[c],
                         &present->collections[c]->segments[first], 1, error);
    } else if (checkpoint) {
        status = end_checkpoint(database, error);
    } else if (database->aside && resume_aside(database, present)) {
        status = VEER_OK;
    } else if (merge_choose(present, database->wants_compact, database->options.graph_rows, &c,
                            &first, &count, &why)) {
        job_kind kind = why == MERGE_REPAIR  ? JOB_REPAIR
                        : why == MERGE_GRAPH ? JOB_GRAPH
                                             : JOB_MERGE;
        segment_ref *parts = &present->collections[c]->segments[first];
        status = job_new(database, kind, present->collections[c], parts, count, error);
        if (kind == JOB_GRAPH && status == VEER_E_NOMEM) {
            atomic_store(&parts[0].core->as.sealed->goes_without_graph, true);
            sealed_drop_former(parts[0].core->as.sealed);
            status = VEER_OK;
        }
    } else {
        database->wants_compact = database->wants_optimize = false;
        *idle = true;
    }
    version_release(present);
    return status;
}

/* A graph is not tried again at every call: it costs much, and searches are right without it.
 * Shortage of memory is no failure then, what storage says is told once. */
static veer_status fail_job(veer_database *database, veer_status status)
{
    bool is_graph = database->job->kind == JOB_GRAPH;
    if (is_graph) {
        sealed *sealed = database->job->parts[0].core->as.sealed;
        atomic_store(&sealed->goes_without_graph, true);
        sealed_drop_former(sealed);
    }
    end_job(database);
    return is_graph && status == VEER_E_NOMEM ? VEER_OK : status;
}

/* One slice: a step of the job, or the choice of the next. */
static veer_status slice(veer_database *database, bool *idle, veer_error *error)
{
    *idle = false;
    if (database->job && database->job->kind == JOB_GRAPH && checkpoint_under_way(database))
        make_way(database);
    bool done = false;
    bool has_begun = database->job != NULL;
    veer_status status = has_begun ? builder_step(database->job->builder, &done, error)
                                   : next_job(database, idle, error);
    if (status == VEER_OK && done) status = finish_job(database, error);
    if (status == VEER_E_NOMEM && database->aside) {
        /* It holds much; what was tried is tried again. */
        work_abandon(database);
        return VEER_OK;
    }
    if (status == VEER_OK || status == VEER_PENDING || !has_begun) return status;
    return fail_job(database, status);
}

const char *work_step_name(const veer_database *database)
{
    return database->job ? builder_step_name(database->job->builder) : "next job";
}

bool work_is_left(veer_database *database)
{
    if (store_is_readonly(database->store)) return false;
    if (database->job || database->aside || database->wants_compact || database->gives_back)
        return true;
    if (checkpoint_under_way(database)) return true;
    version *present = version_acquire(database);
    size_t c, first, count;
    merge_reason why;
    bool left =
        merge_choose(present, false, database->options.graph_rows, &c, &first, &count, &why);
    version_release(present);
    return left;
}

/* Works until `stop` says so, idle, or an error; the work lock is held. */
static veer_status work_until(veer_database *database, bool (*stop)(void *context), void *context,
                              veer_error *error)
{
    bool idle = false;
    while (!idle) {
        VEER_TRY(slice(database, &idle, error));
        database->gives_back = give_back(database);
        if (stop(context)) break;
        idle = idle && !database->gives_back;
    }
    return VEER_OK;
}

typedef struct deadline {
    double end_ms; /* < 0: none */
} deadline;

static bool is_over(void *context)
{
    const deadline *deadline = context;
    return deadline->end_ms >= 0 && clock_monotonic_ms() >= deadline->end_ms;
}

veer_status veer_work(veer_database *database, double budget_ms, bool *left, veer_error *error)
{
    if (left) *left = false;
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "database is NULL");
    if (store_is_readonly(database->store)) return VEER_OK;
    thread_mutex_lock(&database->work);
    thread_mutex_lock(&database->writer);
    veer_status status = store_sync_if_due(database->store, error);
    thread_mutex_unlock(&database->writer);
    deadline until = {budget_ms < 0 ? -1.0 : clock_monotonic_ms() + budget_ms};
    if (status == VEER_OK) status = work_until(database, is_over, &until, error);
    if (status == VEER_OK && left) *left = work_is_left(database);
    thread_mutex_unlock(&database->work);
    return status;
}

/* ---------------------------------------------------------------- checkpoint, optimize, compact */

typedef struct long_work {
    veer_database *database;
    veer_progress progress;
    void *context;
    bool only_checkpoint;
    bool is_cancelled;
} long_work;

static bool is_stopped(void *context)
{
    long_work *work = context;
    uint64_t done = 0, total = 0;
    if (work->database->job) builder_progress(work->database->job->builder, &done, &total);
    if (work->progress && !work->progress(work->context, done, total)) {
        work->is_cancelled = true;
        return true;
    }
    return work->only_checkpoint && !work->database->job && !checkpoint_under_way(work->database);
}

static veer_status checkpoint_locked(veer_database *database, veer_progress progress, void *context,
                                     veer_error *error)
{
    /* The checkpoint comes first. */
    make_way(database);
    for (int round = 0; round < 2; round++) {
        thread_mutex_lock(&database->writer);
        bool under_way = store_checkpoint_under_way(database->store);
        veer_status status = under_way ? VEER_OK : begin_checkpoint(database, true, error);
        bool has_begun = store_checkpoint_under_way(database->store);
        thread_mutex_unlock(&database->writer);
        VEER_TRY(status);
        /* Nothing to seal. Other work is not begun here: a call that waits would abandon it. */
        if (!has_begun) break;
        long_work work = {database, progress, context, true, false};
        VEER_TRY(work_until(database, is_stopped, &work, error));
        while (!work.is_cancelled && give_back(database)) {
        }
        if (work.is_cancelled)
            VEER_FAIL(error, VEER_E_ABORTED, "the checkpoint was cancelled; it goes on later");
        if (!under_way) break; /* else an older one ended: now this one */
    }
    return VEER_OK;
}

static veer_status check_writable(veer_database *database, veer_error *error)
{
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "database is NULL");
    if (store_is_readonly(database->store))
        VEER_FAIL(error, VEER_E_READONLY, "the database is open read-only");
    return VEER_OK;
}

veer_status veer_checkpoint(veer_database *database, veer_progress progress, void *context,
                            veer_error *error)
{
    VEER_TRY(check_writable(database, error));
    thread_mutex_lock(&database->work);
    veer_status status = checkpoint_locked(database, progress, context, error);
    thread_mutex_unlock(&database->work);
    return status;
}

veer_status veer_compact(veer_database *database, veer_progress progress, void *context,
                         veer_error *error)
{
    VEER_TRY(check_writable(database, error));
    thread_mutex_lock(&database->work);
    veer_status status = VEER_OK;
    if (!database->wants_compact) status = checkpoint_locked(database, progress, context, error);
    if (status == VEER_E_ABORTED) database->wants_compact = true; /* goes on in the background */
    if (status == VEER_OK) {
        long_work work = {database, progress, context, false, false};
        database->wants_compact = true;
        status = work_until(database, is_stopped, &work, error);
        if (status == VEER_OK && work.is_cancelled)
            status = error_set(error, VEER_E_ABORTED,
                               "compacting was cancelled; background work goes on with it");
    }
    thread_mutex_unlock(&database->work);
    return status;
}

/* A job under way is finished, not given up, and a call after a cancelled one goes on from there:
 * it does not seal what was written since. */
static veer_status optimize_locked(veer_database *database, long_work *work, veer_error *error)
{
    veer_status status = VEER_OK;
    if (!work_is_left(database)) database->wants_optimize = false;
    do {
        thread_mutex_lock(&database->writer);
        /* An older checkpoint ends first. */
        work->only_checkpoint =
            !database->wants_optimize && store_checkpoint_under_way(database->store);
        if (!database->wants_optimize && !work->only_checkpoint)
            status = begin_checkpoint(database, true, error);
        thread_mutex_unlock(&database->writer);
        VEER_TRY(status);
        database->wants_optimize = !work->only_checkpoint;
        VEER_TRY(work_until(database, is_stopped, work, error));
    } while (work->only_checkpoint && !work->is_cancelled);
    return VEER_OK;
}

veer_status veer_optimize(veer_database *database, veer_progress progress, void *context,
                          veer_error *error)
{
    VEER_TRY(check_writable(database, error));
    long_work work = {database, progress, context, false, false};
    thread_mutex_lock(&database->work);
    veer_status status = optimize_locked(database, &work, error);
    if (status == VEER_OK && work.is_cancelled)
        status = error_set(error, VEER_E_ABORTED,
                           "optimizing was cancelled; background work goes on with it");
    thread_mutex_unlock(&database->work);
    return status;
}

veer_status work_make_room(veer_database *database, veer_error *error)
{
    thread_mutex_lock(&database->writer);
    bool is_full = !store_is_readonly(database->store) &&
                   store_checkpoint_under_way(database->store) &&
                   store_wants_checkpoint(database->store);
    thread_mutex_unlock(&database->writer);
    if (!is_full) return VEER_OK;
    thread_mutex_lock(&database->work);
    make_way(database);
    long_work work = {database, NULL, NULL, true, false};
    veer_status status =
        checkpoint_under_way(database) ? work_until(database, is_stopped, &work, error) : VEER_OK;
    thread_mutex_unlock(&database->work);
    return status;
}
