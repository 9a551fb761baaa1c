/* What a database says about itself, as JSON: stats, recovery report, collections, schemas.
 *
 * Figures of rows and segments come from one version and agree with each other; bytes and memory
 * are of the moment. Buffers are made with the caller's allocator, so that they outlive the
 * database.
 *
 * Threads: any. The writers' lock is held for the moment in which the store is asked.
 */
#include <stdlib.h>

#include "engine/json_write.h"
#include "engine/reading.h"
#include "engine/sealed.h"

typedef struct totals {
    uint64_t documents, rows, tombstones, segments, active_bytes, sealed_bytes, stream_bytes;
} totals;

static const char *stream_kind(uint32_t kind)
{
    switch (kind) {
    case STREAM_BASE:
        return "base";
    case STREAM_CODES:
        return "codes";
    case STREAM_COLUMNS:
        return "columns";
    case STREAM_GRAPH:
        return "graph";
    default:
        return "other";
    }
}

static void put_stream(byte_writer *to, const store_stream *stream, bool is_lost, totals *sum)
{
    json_open(to, NULL, '{');
    json_string(to, "name", stream->name);
    json_string(to, "kind", stream_kind(stream->kind));
    json_unsigned(to, "bytes", stream->bytes);
    if (is_lost) json_bool(to, "lost", true);
    json_close(to, '}');
    sum->stream_bytes += stream->bytes;
}

static void put_streams(byte_writer *to, const sealed *from, totals *sum)
{
    json_open(to, "streams", '[');
    put_stream(to, &from->entry.base, false, sum);
    for (size_t i = 0; i < from->entry.derived_count; i++)
        put_stream(to, &from->entry.derived[i].stream, from->derived[i] == NULL, sum);
    json_close(to, ']');
}

static void put_segment(byte_writer *to, const segment_ref *ref, totals *sum)
{
    uint64_t memory = segment_core_memory(ref->core);
    uint32_t dead = ref->rows - segment_ref_live(ref);
    json_open(to, NULL, '{');
    json_bool(to, "sealed", ref->core->is_sealed);
    json_unsigned(to, "rows", ref->rows);
    json_unsigned(to, "tombstones", dead);
    json_unsigned(to, "memory", memory);
    if (ref->core->is_sealed) {
        json_unsigned(to, "number", ref->core->as.sealed->entry.number);
        put_streams(to, ref->core->as.sealed, sum);
        sum->sealed_bytes += memory;
    } else {
        sum->active_bytes += memory;
    }
    json_close(to, '}');
    sum->documents += segment_ref_live(ref);
    sum->rows += ref->rows;
    sum->tombstones += dead;
    sum->segments++;
}

static void put_totals(byte_writer *to, const totals *sum)
{
    json_unsigned(to, "documents", sum->documents);
    json_unsigned(to, "rows", sum->rows);
    json_unsigned(to, "tombstones", sum->tombstones);
}

static void put_collection(byte_writer *to, const collection_version *from, totals *all)
{
    totals own = {0};
    json_open(to, NULL, '{');
    json_string(to, "name", from->collection->name);
    json_unsigned(to, "id", from->collection->id);
    json_open(to, "segments", '[');
    for (size_t i = 0; i < from->segments_count; i++)
        put_segment(to, &from->segments[i], &own);
    json_close(to, ']');
    put_totals(to, &own);
    json_open(to, "memory", '{');
    json_unsigned(to, "active", own.active_bytes);
    json_unsigned(to, "sealed", own.sealed_bytes);
    json_close(to, '}');
    json_open(to, "storage", '{');
    json_unsigned(to, "segments", own.stream_bytes);
    json_close(to, '}');
    json_close(to, '}');
    all->documents += own.documents;
    all->rows += own.rows;
    all->tombstones += own.tombstones;
    all->segments += own.segments;
    all->active_bytes += own.active_bytes;
    all->sealed_bytes += own.sealed_bytes;
}

static void put_memory(byte_writer *to, veer_database *database, const store_usage *usage,
                       const totals *all)
{
    json_open(to, "memory", '{');
    json_unsigned(to, "used", atomic_load(&database->budget.used));
    json_unsigned(to, "peak", atomic_load(&database->budget.peak));
    json_unsigned(to, "limit", database->options.memory_limit > 0 ? database->budget.limit : 0);
    json_unsigned(to, "active", all->active_bytes);
    json_unsigned(to, "sealed", all->sealed_bytes);
    json_unsigned(to, "resident", usage->resident_bytes);
    json_unsigned(to, "cache", usage->cache_bytes);
    json_unsigned(to, "mapped", usage->mapped_bytes);
    json_close(to, '}');
}

static void put_storage(byte_writer *to, const store_usage *usage)
{
    json_open(to, "storage", '{');
    json_unsigned(to, "total",
                  usage->meta_bytes + usage->catalogue_bytes + usage->wal_bytes +
                      usage->segment_bytes);
    json_unsigned(to, "meta", usage->meta_bytes);
    json_unsigned(to, "catalogue", usage->catalogue_bytes);
    json_unsigned(to, "wal", usage->wal_bytes);
    json_unsigned(to, "segments", usage->segment_bytes);
    json_close(to, '}');
}

static void put_stats(byte_writer *to, veer_database *database, const version *seen)
{
    store_usage usage = {0};
    thread_mutex_lock(&database->writer);
    store_get_usage(database->store, &usage);
    uint64_t generation = store_generation(database->store);
    bool is_readonly = store_is_readonly(database->store);
    thread_mutex_unlock(&database->writer);
    totals all = {0};
    json_open(to, NULL, '{');
    json_string(to, "version", veer_version());
    json_string(to, "tier", veer_tier());
    json_bool(to, "readonly", is_readonly);
    json_unsigned(to, "lsn", seen->lsn);
    json_unsigned(to, "generation", generation);
    json_open(to, "collections", '[');
    for (size_t i = 0; i < seen->collections_count; i++)
        put_collection(to, seen->collections[i], &all);
    json_close(to, ']');
    put_totals(to, &all);
    json_unsigned(to, "segments", all.segments);
    put_memory(to, database, &usage, &all);
    put_storage(to, &usage);
    json_close(to, '}');
}

veer_status veer_stats(veer_database *database, veer_buffer *json, veer_error *error)
{
    if (!json) VEER_FAIL(error, VEER_E_INVALID, "'json' is NULL");
    memset(json, 0, sizeof *json);
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "'database' is NULL");
    byte_writer to;
    byte_writer_init(&to, database->allocator);
    version *seen = version_acquire(database);
    put_stats(&to, database, seen);
    version_release(seen);
    veer_status status = json_take(&to, &database->budget.base, json, "stats", error);
    byte_writer_fini(&to);
    return status;
}

/* ---------------------------------------------------------------- recovery */

/* Derived streams that were lost when the database was opened: they are made again. */
static void put_lost(byte_writer *to, const version *seen)
{
    for (size_t i = 0; i < seen->collections_count; i++) {
        const collection_version *from = seen->collections[i];
        for (size_t j = 0; j < from->segments_count; j++) {
            if (!from->segments[j].core->is_sealed) continue;
            const sealed *held = from->segments[j].core->as.sealed;
            for (size_t k = 0; k < held->entry.derived_count; k++)
                if (!held->derived[k]) json_string(to, NULL, held->entry.derived[k].stream.name);
        }
    }
}

veer_status veer_recovery_report(veer_database *database, veer_buffer *json, veer_error *error)
{
    if (!json) VEER_FAIL(error, VEER_E_INVALID, "'json' is NULL");
    memset(json, 0, sizeof *json);
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "'database' is NULL");
    const store_report *report = store_recovery(database->store);
    byte_writer to;
    byte_writer_init(&to, database->allocator);
    json_open(&to, NULL, '{');
    json_unsigned(&to, "generation", report->generation);
    json_unsigned(&to, "lsn", report->last_lsn);
    json_unsigned(&to, "checkpointLsn", report->checkpoint_lsn);
    json_open(&to, "wal", '{');
    json_unsigned(&to, "records", report->wal_records);
    json_unsigned(&to, "droppedBytes", report->dropped_bytes);
    json_unsigned(&to, "droppedRecords", report->dropped_records);
    json_close(&to, '}');
    json_bool(&to, "superblockRepaired", report->superblock_repaired);
    json_open(&to, "rebuilt", '[');
    version *seen = version_acquire(database);
    put_lost(&to, seen);
    version_release(seen);
    json_close(&to, ']');
    json_open(&to, "messages", '[');
    for (size_t i = 0; i < report->messages_count; i++)
        json_string(&to, NULL, report->messages[i]);
    json_close(&to, ']');
    json_close(&to, '}');
    veer_status status = json_take(&to, &database->budget.base, json, "the report", error);
    byte_writer_fini(&to);
    return status;
}

/* ---------------------------------------------------------------- collections */

static int by_name(const void *a, const void *b)
{
    const collection_version *const *left = a, *const *right = b;
    return strcmp((*left)->collection->name, (*right)->collection->name);
}

static veer_status put_collections(byte_writer *to, const version *seen, arena *scratch,
                                   veer_error *error)
{
    size_t count = seen->collections_count;
    const collection_version **sorted = arena_array(scratch, count, sizeof *sorted);
    if (!sorted) return error_nomem(error, "the collections", count * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = seen->collections[i];
    qsort(sorted, count, sizeof *sorted, by_name);
    json_open(to, NULL, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(to, NULL, '{');
        json_string(to, "name", sorted[i]->collection->name);
        json_raw(to, "schema", "", 0);
        VEER_TRY(schema_write(sorted[i]->schema, to, error));
        json_unsigned(to, "count", collection_version_live(sorted[i]));
        json_close(to, '}');
    }
    json_close(to, ']');
    return VEER_OK;
}

veer_status veer_collections(veer_database *database, veer_buffer *json, veer_error *error)
{
    if (!json) VEER_FAIL(error, VEER_E_INVALID, "'json' is NULL");
    memset(json, 0, sizeof *json);
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "'database' is NULL");
    byte_writer to;
    arena scratch;
    byte_writer_init(&to, database->allocator);
    arena_init(&scratch, database->allocator);
    version *seen = version_acquire(database);
    veer_status status = put_collections(&to, seen, &scratch, error);
    version_release(seen);
    if (status == VEER_OK)
        status = json_take(&to, &database->budget.base, json, "the collections", error);
    arena_fini(&scratch);
    byte_writer_fini(&to);
    return status;
}

veer_status veer_collection_schema(veer_collection *collection, veer_buffer *json,
                                   veer_error *error)
{
    if (!json) VEER_FAIL(error, VEER_E_INVALID, "'json' is NULL");
    memset(json, 0, sizeof *json);
    if (!collection) VEER_FAIL(error, VEER_E_INVALID, "'collection' is NULL");
    veer_database *database = collection->state->database;
    reading begun;
    VEER_TRY(reading_begin(&begun, collection->state, NULL, error));
    byte_writer to;
    byte_writer_init(&to, database->allocator);
    veer_status status = schema_write(begun.collection->schema, &to, error);
    if (status == VEER_OK)
        status = json_take(&to, &database->budget.base, json, "the schema", error);
    byte_writer_fini(&to);
    reading_end(&begun);
    return status;
}
