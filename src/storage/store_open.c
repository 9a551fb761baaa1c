/* Opening, creating and closing a store.
 *
 * Opening runs recovery (recovery.c), which writes nothing. A writer then, in this order: repairs
 * the superblocks, so that both slots are of the present generation before anything depends on it;
 * writes the end of the log again, as far as nobody vouches for it (store_log.c); and removes
 * streams that an interrupted commit left behind. A torn tail of the log is cut off by the first
 * append. A reader does none of it.
 *
 * Creation writes `meta` last (docs/FORMAT.md, "Creation"): a crash before leaves what recovery
 * recognises as a creation that never finished, and creating again does it over.
 *
 * VEER_PENDING from store_open leaves nothing open; the next call begins again, and finds what the
 * first one has created.
 *
 * Threads: one.
 */
#include "platform/clock.h"
#include "storage/store_inner.h"

#include "base/hash.h"

uint64_t store_new_salt(const store *self, uint64_t generation, unsigned index)
{
    uint8_t text[STORAGE_ID_BYTES + 16];
    memcpy(text, self->super.id, STORAGE_ID_BYTES);
    store_u64(text + STORAGE_ID_BYTES, generation);
    store_u64(text + STORAGE_ID_BYTES + 8, index);
    uint64_t salt = hash_bytes(self->seed, text, sizeof text);
    while (salt == 0 || salt == self->super.salt[0] || salt == self->super.salt[1])
        salt++;
    return salt;
}

veer_status store_check_writable(const store *self, veer_error *error)
{
    if (self->poisoned)
        VEER_FAIL(error, VEER_E_READONLY, "The database became read-only after a failure: %s",
                  self->poison);
    if (self->readonly) VEER_FAIL(error, VEER_E_READONLY, "The database is open for reading only.");
    return VEER_OK;
}

veer_status store_poison(store *self, veer_status status, veer_error *error)
{
    if (!self->poisoned) {
        self->poisoned = true;
        size_t bytes = strlen(error->message);
        if (bytes >= sizeof self->poison) bytes = sizeof self->poison - 1;
        memcpy(self->poison, error->message, bytes);
        self->poison[bytes] = 0;
        error_append(error, " The database is read-only from now on.");
    }
    return status;
}

/* ---- creation */

static veer_status write_fresh(const veer_io *io, const char *name, const void *data, size_t bytes,
                               veer_error *error)
{
    void *file = NULL;
    veer_status status = storage_open_fresh(io, name, &file, error);
    if (status != VEER_OK) return status;
    VEER_GOTO(io->write(io->context, file, 0, data, bytes, error));
    VEER_GOTO(io->sync(io->context, file, error));
done:
    io->close(io->context, file);
    return status;
}

static veer_status create_database(store *self, veer_error *error)
{
    const veer_io *io = &self->io;
    catalogue empty = {0};
    uint8_t *pages = memory_new(self->allocator, META_BYTES);
    if (pages == NULL) return error_nomem(error, "a new database", META_BYTES);
    superblock super = {.generation = 1, .live = 0, .checkpoint_lsn = 0, .start_lsn = {1, 0}};
    store_u64(super.id, hash_bytes(self->seed, "id", 2));
    store_u64(super.id + 8, hash_bytes(self->seed, "database", 8));
    self->super = super;
    super.salt[0] = store_new_salt(self, 1, 0);
    self->super.salt[0] = super.salt[0];
    super.salt[1] = store_new_salt(self, 1, 1);

    wal_header log = {.salt = super.salt[0], .start_lsn = 1, .base_generation = 1};
    memcpy(log.id, super.id, STORAGE_ID_BYTES);
    wal_header_encode(&log, pages);
    veer_status status = write_fresh(io, storage_wal_names[0], pages, STORAGE_PAGE_BYTES, error);
    if (status != VEER_OK) goto done;

    VEER_GOTO(catalogue_encode(self->allocator, super.id, 1, NULL, 0, NULL, 0, &empty, error));
    VEER_GOTO(write_fresh(io, "cat.1", empty.bytes, empty.size, error));
    VEER_GOTO(io->sync_names(io->context, error));

    super.catalogue_bytes = empty.size;
    super.catalogue_crc = catalogue_crc(&empty);
    superblock_encode(&super, pages);
    superblock_encode(&super, pages + STORAGE_PAGE_BYTES);
    VEER_GOTO(write_fresh(io, STORAGE_META_NAME, pages, META_BYTES, error));
    VEER_GOTO(io->sync_names(io->context, error));
done:
    catalogue_fini(&empty);
    memory_free(self->allocator, pages, META_BYTES);
    /* A name that was never safe must not be found and relied on; while waiting it goes on. */
    if (status != VEER_OK && status != VEER_PENDING) {
        veer_error ignored = {VEER_OK, ""};
        (void)io->remove(io->context, STORAGE_META_NAME, &ignored);
        (void)io->remove(io->context, "cat.1", &ignored);
        (void)io->remove(io->context, storage_wal_names[0], &ignored);
    }
    return status;
}

/* ---- opening */

/* Writes the chosen superblock to a slot. */
static veer_status write_slot(store *self, uint32_t slot, veer_error *error)
{
    const veer_io *io = &self->io;
    void *file = NULL;
    uint8_t *page = memory_new(self->allocator, STORAGE_PAGE_BYTES);
    if (page == NULL) return error_nomem(error, "a superblock", STORAGE_PAGE_BYTES);
    superblock_encode(&self->recovery.choice.super, page);
    veer_status status =
        storage_open_existing(io, STORAGE_META_NAME, VEER_IO_READ | VEER_IO_WRITE, &file, error);
    if (status != VEER_OK) goto done;
    uint64_t offset = (uint64_t)slot * STORAGE_PAGE_BYTES;
    VEER_GOTO(io->write(io->context, file, offset, page, STORAGE_PAGE_BYTES, error));
    VEER_GOTO(io->sync(io->context, file, error));
    self->slots_secured = slot == 1;
done:
    if (file != NULL) io->close(io->context, file);
    memory_free(self->allocator, page, STORAGE_PAGE_BYTES);
    return status;
}

static bool has_orphans(const recovery *found)
{
    for (size_t i = 0; i < found->names_count; i++) {
        if (recovery_is_orphan(found, found->names[i].name)) return true;
    }
    return false;
}

/* Repairs the slot that is damaged or older. Before something is removed, at least one slot must be
 * known to be safe: what is read may be what a failed sync has left in memory. */
static veer_status secure_superblock(store *self, veer_error *error)
{
    const recovery *found = &self->recovery;
    if (found->choice.repair) return write_slot(self, 1 - found->choice.slot, error);
    return has_orphans(found) ? write_slot(self, 1, error) : VEER_OK;
}

static void remove_orphans(store *self)
{
    for (size_t i = 0; i < self->recovery.names_count; i++) {
        const char *name = self->recovery.names[i].name;
        uint64_t generation = 0;
        bool may_be = storage_is_catalogue_name(name, &generation) || storage_is_segment_name(name);
        if (may_be && !store_attaches(self, name)) store_remove(self, name);
    }
}

static veer_status open_logs(store *self, veer_error *error)
{
    for (unsigned i = 0; i < 2; i++) {
        const recovered_log *found = &self->recovery.logs[i];
        store_log *log = &self->logs[i];
        log->salt = self->super.salt[i];
        log->end = found->committed_end;
        log->crc = found->crc;
        log->tail_is_long = found->in_use && found->size > found->committed_end;
        log->insecure = found->vouched_end;
        bool vouched = self->both_in_use && i != self->live &&
                       self->recovery.logs[self->live].committed_end > STORAGE_PAGE_BYTES;
        log->is_insecure = found->in_use && !vouched;
        if (!found->exists || self->readonly) continue;
        VEER_TRY(storage_open_existing(&self->io, storage_wal_names[i],
                                       VEER_IO_READ | VEER_IO_WRITE, &log->file, error));
    }
    return VEER_OK;
}

static void take_over(store *self)
{
    recovery *found = &self->recovery;
    self->super = found->choice.super;
    self->catalogue = found->catalogue;
    memset(&found->catalogue, 0, sizeof found->catalogue);
    self->live = found->live;
    self->both_in_use = found->both_in_use;
    self->boundary = found->both_in_use ? found->logs[1 - found->live].last_lsn : 0;
    self->last_lsn = found->report.last_lsn;
    self->durable_lsn = found->durable_lsn;
    self->unsynced = self->last_lsn > self->durable_lsn;
}

static veer_status recover(store *self, veer_error *error)
{
    VEER_TRY(recovery_run(self->allocator, &self->io, self->readonly, &self->recovery, error));
    if (self->recovery.state == RECOVERY_DATABASE) return VEER_OK;
    bool unfinished = self->recovery.state == RECOVERY_UNFINISHED;
    recovery_fini(&self->recovery);
    if (!self->options.create || self->readonly)
        VEER_FAIL(error, VEER_E_NOTFOUND, "there is no database here%s%s",
                  unfinished ? " (making it was never finished)" : "",
                  self->readonly ? "" : "; open it with \"create\": true to make one");
    VEER_TRY(create_database(self, error));
    VEER_TRY(recovery_run(self->allocator, &self->io, self->readonly, &self->recovery, error));
    if (self->recovery.state != RECOVERY_DATABASE)
        VEER_FAIL(error, VEER_E_IO, "The storage does not keep what was written to it.");
    return VEER_OK;
}

static veer_status open_store(store *self, veer_error *error)
{
    VEER_TRY(recover(self, error));
    if (self->readonly) {
        take_over(self);
        return open_logs(self, error);
    }
    self->stage = memory_new(self->allocator, STORE_STAGE_BYTES);
    if (self->stage == NULL) return error_nomem(error, "the log's buffer", STORE_STAGE_BYTES);
    VEER_TRY(secure_superblock(self, error));
    take_over(self);
    VEER_TRY(open_logs(self, error));
    self->synced_at_ms = clock_monotonic_ms();
    if (self->options.sync != STORE_SYNC_NONE) {
        /* Where it fails, the first append tries again and says why. */
        veer_error ignored = {VEER_OK, ""};
        if (store_secure_logs(self, &ignored) == VEER_PENDING) return VEER_PENDING;
    }
    remove_orphans(self);
    return VEER_OK;
}

static void free_store(store *self)
{
    store_replay_fini(self);
    store_commit_abandon(self);
    for (unsigned i = 0; i < 2; i++) {
        if (self->logs[i].file != NULL) self->io.close(self->io.context, self->logs[i].file);
    }
    memory_free(self->allocator, self->stage, STORE_STAGE_BYTES);
    catalogue_fini(&self->catalogue);
    recovery_fini(&self->recovery);
    memory_array_free(self->allocator, self->removals, self->removals_capacity,
                      sizeof *self->removals);
    block_cache_free(self->cache);
    zstd_pool_fini(&self->zstd);
    thread_mutex_fini(&self->names);
    memory_free(self->allocator, self, sizeof *self);
}

veer_status store_open(const veer_allocator *allocator, const veer_io *io,
                       const store_options *options, uint64_t seed, store **out, veer_error *error)
{
    *out = NULL;
    store *self = memory_new(allocator, sizeof *self);
    if (self == NULL) return error_nomem(error, "the store", sizeof *self);
    self->allocator = allocator;
    self->io = *io;
    self->options = *options;
    self->readonly = options->readonly;
    self->seed = seed;
    if (thread_mutex_init(&self->names) != VEER_OK) {
        memory_free(allocator, self, sizeof *self);
        return error_nomem(error, "a mutex", 0);
    }
    zstd_pool_init(&self->zstd, allocator);
    veer_status status = block_cache_new(allocator, options->cache_bytes, &self->cache, error);
    segment_home_init(&self->home, allocator, &self->io, self->cache, &self->zstd);
    if (status == VEER_OK) status = open_store(self, error);
    if (status != VEER_OK) {
        free_store(self);
        return status;
    }
    *out = self;
    return VEER_OK;
}

veer_status store_close(store *self, veer_error *error)
{
    if (self == NULL) return VEER_OK;
    veer_status status = VEER_OK;
    while (store_trim_log(self)) {
    }
    bool may_sync = !self->readonly && !self->poisoned && self->unsynced;
    if (may_sync && self->options.sync != STORE_SYNC_NONE) status = store_sync_live(self, error);
    free_store(self);
    return status;
}

/* ---- about it */

const store_report *store_recovery(const store *self)
{
    return &self->recovery.report;
}

void store_catalogue(const store *self, const void **payload, size_t *bytes)
{
    *payload = self->catalogue.payload;
    *bytes = self->catalogue.payload_bytes;
}

void store_streams(const store *self, const store_stream **streams, size_t *n)
{
    *streams = self->catalogue.streams;
    *n = self->catalogue.streams_count;
}

uint64_t store_generation(const store *self)
{
    return self->super.generation;
}

bool store_is_readonly(const store *self)
{
    return self->readonly || self->poisoned;
}

const veer_io *store_io(const store *self)
{
    return &self->io;
}

const uint8_t *store_id(const store *self)
{
    return self->super.id;
}

void store_get_usage(store *self, store_usage *usage)
{
    *usage = (store_usage){
        .meta_bytes = META_BYTES,
        .catalogue_bytes = self->catalogue.size,
        .wal_bytes = self->logs[self->live].end,
        .cache_bytes = block_cache_bytes(self->cache),
        .resident_bytes = atomic_load(&self->home.resident_bytes),
        .mapped_bytes = atomic_load(&self->home.mapped_bytes),
    };
    if (self->both_in_use) usage->wal_bytes += self->logs[1 - self->live].end;
    for (size_t i = 0; i < self->catalogue.streams_count; i++)
        usage->segment_bytes += self->catalogue.streams[i].bytes;
}
