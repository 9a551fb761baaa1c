/* Opening and closing a database. */
#include <string.h>

#include "engine/active.h"
#include "engine/backup.h"
#include "engine/database_io.h"
#include "engine/manifest.h"
#include "engine/version.h"
#include "engine/work.h"
#include "engine/write.h"
#include "platform/random.h"

/* ---------------------------------------------------------------- storage by location */

static veer_status open_path(veer_database *database, const char *path, veer_error *error)
{
#ifdef __wasm__
    /* "host:N": the streams of storage N; "host:N/name": its packed stream of that name. */
    uint32_t storage = 0;
    const char *digits = path + 5;
    if (strncmp(path, "host:", 5) != 0 || *digits < '0' || *digits > '9')
        VEER_FAIL(error, VEER_E_UNSUPPORTED,
                  "'%.200s': in WebAssembly a location is memory:, host:N or host:N/name", path);
    for (; *digits >= '0' && *digits <= '9'; digits++)
        storage = storage * 10 + (uint32_t)(*digits - '0');
    database->io_is_packed = *digits == '/';
    veer_io *table = database->io_is_packed ? &database->packed_parent : &database->io;
    VEER_TRY(io_host_new(database->allocator, storage, table, error));
    if (database->io_is_packed)
        return packed_io_new(database->allocator, table, digits + 1, &database->io, error);
    database->io_is_host = true;
    return VEER_OK;
#else
    io_kind kind;
    VEER_TRY(io_posix_kind(path, &kind, error));
    if (kind == IO_FILE) {
        const char *name = NULL;
        VEER_TRY(
            io_posix_parent(database->allocator, path, &database->packed_parent, &name, error));
        database->io_is_packed = true;
        return packed_io_new(database->allocator, &database->packed_parent, name, &database->io,
                             error);
    }
    bool makes = database->options.create && database->options.mode == 0;
    if (kind == IO_NOTHING && !makes)
        VEER_FAIL(error, VEER_E_NOTFOUND, "there is no database here%s",
                  database->options.mode == 0 ? "; open it with \"create\": true to make one" : "");
    VEER_TRY(io_posix_new(database->allocator, path, makes, &database->io, error));
    database->io_is_posix = true;
    return VEER_OK;
#endif
}

/* What is not there, or no database, is named as the caller did. In WebAssembly a location is a
 * number: JavaScript knows the name. */
static veer_status name_location(const char *location, veer_status status, veer_error *error)
{
#ifndef __wasm__
    if (error && (status == VEER_E_NOTFOUND || status == VEER_E_FORMAT)) {
        veer_error found = *error;
        return error_set(error, status, "%.200s: %s", location, found.message);
    }
#else
    (void)location, (void)error;
#endif
    return status;
}

veer_status database_open_io(veer_database *database, const char *location, const veer_io *io,
                             veer_error *error)
{
    if (io) {
        if (io->version != 1)
            VEER_FAIL(error, VEER_E_UNSUPPORTED, "the I/O table has version %u; this needs 1",
                      io->version);
        database->io = *io;
        return VEER_OK;
    }
    if (!location) VEER_FAIL(error, VEER_E_INVALID, "location is NULL");
    if (strcmp(location, "memory:") == 0) {
        database->options.create = true;
        VEER_TRY(io_memory_new(database->allocator, &database->io, error));
        database->io_is_memory = true;
        return VEER_OK;
    }
    return name_location(location, open_path(database, location, error), error);
}

void database_close_io(veer_database *database)
{
    if (database->io_is_locked) database->io.unlock(database->io.context);
    if (database->io_is_memory) io_memory_free(&database->io);
#ifdef __wasm__
    if (database->io_is_host) io_host_free(&database->io);
#else
    if (database->io_is_posix) io_posix_free(&database->io);
#endif
    if (database->io_is_packed) {
        if (database->io.context) packed_io_free(&database->io);
#ifdef __wasm__
        io_host_free(&database->packed_parent);
#else
        if (database->packed_parent.context) io_posix_free(&database->packed_parent);
#endif
    }
}

/* ---------------------------------------------------------------- opening */

static veer_status init_locks(veer_database *database, int *made, veer_error *error)
{
    thread_mutex *locks[] = {&database->state, &database->writer, &database->work};
    for (*made = 0; *made < 3; ++*made)
        if (thread_mutex_init(locks[*made]) != VEER_OK)
            VEER_FAIL(error, VEER_E_NOMEM, "cannot make a lock");
    return VEER_OK;
}

static void free_database(veer_database *database, int locks)
{
    backup_abandon(database);
    work_abandon(database);
    version_release(database->present);
    for (size_t i = 0; i < database->collections_count; i++)
        collection_state_release(database->collections[i]);
    memory_array_free(database->allocator, database->collections, database->collections_capacity,
                      sizeof(collection_state *));
    memory_array_free(database->allocator, database->removals, database->removals_capacity,
                      sizeof *database->removals);
    if (database->store) {
        veer_error ignored;
        (void)store_close(database->store, &ignored);
    }
    database_close_io(database);
    if (locks > 0) thread_mutex_fini(&database->state);
    if (locks > 1) thread_mutex_fini(&database->writer);
    if (locks > 2) thread_mutex_fini(&database->work);
    veer_allocator base = database->budget.base;
    memory_free(&base, database, sizeof *database);
}

/* The cache takes one in so many bytes of memoryLimit, so that there is always room to write. */
#define CACHE_SHARE 4u

static veer_status open_store(veer_database *database, veer_error *error)
{
    const database_options *options = &database->options;
    bool readonly = options->mode == 1 || database->io_is_packed;
    VEER_TRY(database->io.lock(database->io.context, !readonly, error));
    database->io_is_locked = true;
    store_options store_options = {
        .create = options->create && !readonly,
        .readonly = readonly,
        .sync = (store_sync)options->sync,
        .sync_interval_ms = (double)options->sync_interval_ms,
        .wal_bytes = options->wal_bytes,
        .cache_bytes = (size_t)options->cache_bytes,
    };
    size_t share = database->budget.limit / CACHE_SHARE;
    if (store_options.cache_bytes > share) store_options.cache_bytes = share;
    uint64_t seed = 0;
    platform_random(&seed, sizeof seed);
    VEER_TRY(store_open(database->allocator, &database->io, &store_options, seed, &database->store,
                        error));
    database->id_seed = load_u64(store_id(database->store));
    return VEER_OK;
}

static veer_status recover(veer_database *database, veer_error *error)
{
    const void *payload = NULL;
    size_t bytes = 0;
    store_catalogue(database->store, &payload, &bytes);
    VEER_TRY(manifest_read(database, payload, bytes, error));
    database->sealed_lsn = store_recovery(database->store)->checkpoint_lsn;
    VEER_TRY(store_replay(database->store, replay_record, database, error));
    work_resume_checkpoint(database);
    return VEER_OK;
}

veer_status veer_open(const char *location, const veer_io *io, const char *options,
                      const veer_allocator *allocator, veer_database **out, veer_error *error)
{
    if (!out) VEER_FAIL(error, VEER_E_INVALID, "database is NULL");
    *out = NULL;
    if (!allocator) allocator = memory_default();
    veer_status status = VEER_OK;
    int locks = 0;
    veer_database *database = memory_new(allocator, sizeof *database);
    if (!database) return error_nomem(error, "a database", sizeof *database);
    memory_budget_init(&database->budget, allocator, SIZE_MAX);
    database->allocator = &database->budget.allocator;
    VEER_GOTO(init_locks(database, &locks, error));
    VEER_GOTO(database_options_read(options, allocator, &database->options, error));
    if (database->options.memory_limit > 0 && database->options.memory_limit < SIZE_MAX)
        database->budget.limit = (size_t)database->options.memory_limit;
    VEER_GOTO(database_open_io(database, location, io, error));
    status = open_store(database, error);
    if (status != VEER_OK && !io) status = name_location(location, status, error);
    VEER_GOTO(status);
    VEER_GOTO(recover(database, error));
    *out = database;
    database = NULL;
done:
    if (database) free_database(database, locks);
    return status;
}

veer_status veer_close(veer_database *database, veer_error *error)
{
    if (!database) return VEER_OK;
    thread_mutex_lock(&database->state);
    size_t handles = database->handles;
    thread_mutex_unlock(&database->state);
    if (handles > 0)
        VEER_FAIL(
            error, VEER_E_BUSY,
            "%zu handles of the database are open (collections, snapshots, queries, cursors or "
            "results): close them first",
            handles);
    backup_abandon(database);
    work_abandon(database);
    version_release(database->present);
    database->present = NULL;
    veer_status status = store_close(database->store, error);
    database->store = NULL;
    free_database(database, 3);
    return status;
}
