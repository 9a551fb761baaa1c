/* New generations, and removing what the old ones leave behind.
 *
 *     log synced ─> cat.<g+1> written, synced ─> names synced ─> slot A, sync ─> slot B, sync
 *                                                                └── from here on g + 1 may be
 *                                                                    what a crash leaves
 *
 * Until the first slot is touched, a failure costs nothing: the catalogue stream is left over, and
 * the next commit writes over it. From then on nobody can say which generation storage has, so a
 * failure poisons the store. Streams of both generations exist either way: removal comes later.
 *
 * Slot A is the one that is older or damaged; both are equal after opening and after each commit,
 * so it is slot 0 then.
 *
 * VEER_PENDING: the commit waits in store->commit with its catalogue, and the same call goes on
 * with it. Another call begins anew; but where a slot has been touched, the waiting commit is
 * brought to its end first, and the other one becomes the generation after it.
 *
 * Threads: commits belong to the writer; store_remove and store_remove_pending may be called from
 * any thread (a reader closes the last snapshot of a segment), under `names`.
 */
#include "storage/store_inner.h"

void store_commit_abandon(store *self)
{
    store_waiting_commit *commit = &self->commit;
    if (commit->file != NULL) self->io.close(self->io.context, commit->file);
    if (commit->meta != NULL) self->io.close(self->io.context, commit->meta);
    catalogue_fini(&commit->catalogue);
    memory_free(self->allocator, commit->page, STORAGE_PAGE_BYTES);
    memset(commit, 0, sizeof *commit);
}

/* The superblock of the next generation, but for its catalogue. */
static superblock next_superblock(const store *self, bool recycle)
{
    superblock super = self->super;
    super.generation++;
    if (self->both_in_use && recycle) {
        unsigned newer = self->live;
        super.live = newer;
        super.checkpoint_lsn = self->boundary;
        super.start_lsn[newer] = self->boundary + 1;
        super.start_lsn[1 - newer] = 0;
        super.salt[1 - newer] = store_new_salt(self, super.generation, 1 - newer);
    } else if (self->both_in_use) {
        super.start_lsn[self->live] = self->boundary + 1;
    }
    return super;
}

/* True where a waiting commit is the one that is asked for now. */
static bool is_waiting_one(const store *self, const catalogue *wanted, bool recycle)
{
    const store_waiting_commit *commit = &self->commit;
    return commit->recycle == recycle && commit->catalogue.size == wanted->size &&
           memcmp(commit->catalogue.bytes, wanted->bytes, wanted->size) == 0;
}

static veer_status write_catalogue(store *self, veer_error *error)
{
    const veer_io *io = &self->io;
    store_waiting_commit *commit = &self->commit;
    char name[STORAGE_NAME_BYTES + 1];
    storage_catalogue_name(commit->super.generation, name);
    if (commit->file == NULL) VEER_TRY(storage_open_fresh(io, name, &commit->file, error));
    VEER_TRY(io->write(io->context, commit->file, 0, commit->catalogue.bytes,
                       commit->catalogue.size, error));
    veer_status status = io->sync(io->context, commit->file, error);
    if (status == VEER_OK) status = io->sync_names(io->context, error);
    if (status != VEER_OK) return store_poison(self, status, error);
    io->close(io->context, commit->file);
    commit->file = NULL;
    return VEER_OK;
}

/* Slot 1 as it reads, written once more: a sync that failed in an earlier program may have left it
 * to be lost, and slot 0 is written over next. */
static veer_status secure_slot(store *self, veer_error *error)
{
    const veer_io *io = &self->io;
    if (self->slots_secured) return VEER_OK;
    uint8_t *page = memory_new(self->allocator, STORAGE_PAGE_BYTES);
    if (page == NULL) return error_nomem(error, "a superblock", STORAGE_PAGE_BYTES);
    superblock_encode(&self->super, page);
    veer_status status = io->write(io->context, self->commit.meta, STORAGE_PAGE_BYTES, page,
                                   STORAGE_PAGE_BYTES, error);
    memory_free(self->allocator, page, STORAGE_PAGE_BYTES);
    VEER_TRY(status);
    status = io->sync(io->context, self->commit.meta, error);
    if (status != VEER_OK) return store_poison(self, status, error);
    self->slots_secured = true;
    return VEER_OK;
}

static veer_status write_slots(store *self, veer_error *error)
{
    const veer_io *io = &self->io;
    store_waiting_commit *commit = &self->commit;
    if (commit->meta == NULL)
        VEER_TRY(storage_open_existing(io, STORAGE_META_NAME, VEER_IO_READ | VEER_IO_WRITE,
                                       &commit->meta, error));
    VEER_TRY(secure_slot(self, error));
    while (commit->slots_written < SUPERBLOCK_SLOTS) {
        uint64_t offset = (uint64_t)commit->slots_written * STORAGE_PAGE_BYTES;
        veer_status status =
            io->write(io->context, commit->meta, offset, commit->page, STORAGE_PAGE_BYTES, error);
        if (status == VEER_PENDING) return status;
        commit->touched = true;
        if (status == VEER_OK) status = io->sync(io->context, commit->meta, error);
        if (status != VEER_OK) return store_poison(self, status, error);
        commit->slots_written++;
    }
    return VEER_OK;
}

/* The new generation is on storage: make it the present one here. */
static void install(store *self)
{
    store_waiting_commit *commit = &self->commit;
    char former[STORAGE_NAME_BYTES + 1];
    storage_catalogue_name(self->super.generation, former);
    thread_mutex_lock(&self->names);
    catalogue_fini(&self->catalogue);
    self->catalogue = commit->catalogue;
    memset(&commit->catalogue, 0, sizeof commit->catalogue);
    self->super = commit->super;
    thread_mutex_unlock(&self->names);
    if (commit->recycle) {
        store_log *older = &self->logs[1 - self->live];
        self->both_in_use = false;
        self->freed_bytes = older->end;
        (void)store_trim_log(self);
        older->tail_is_long = false;
        self->boundary = 0;
    }
    thread_mutex_lock(&self->names);
    store_commit_abandon(self);
    thread_mutex_unlock(&self->names);
    store_remove(self, former);
}

static veer_status run_commit(store *self, veer_error *error)
{
    store_waiting_commit *commit = &self->commit;
    VEER_TRY(store_secure_logs(self, error));
    if (self->unsynced) VEER_TRY(store_sync_live(self, error));
    if (commit->step == COMMIT_CATALOGUE) {
        VEER_TRY(write_catalogue(self, error));
        thread_mutex_lock(&self->names);
        commit->step = COMMIT_META;
        thread_mutex_unlock(&self->names);
    }
    VEER_TRY(write_slots(self, error));
    install(self);
    return VEER_OK;
}

static veer_status prepare(store *self, const void *payload, size_t bytes,
                           const store_stream *streams, size_t n, bool recycle, veer_error *error)
{
    catalogue made = {0};
    superblock super = next_superblock(self, recycle);
    if (super.generation >= STORAGE_NUMBER_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "The generation numbers are used up.");
    VEER_TRY(catalogue_encode(self->allocator, super.id, super.generation, payload, bytes, streams,
                              n, &made, error));
    store_waiting_commit *commit = &self->commit;
    if (commit->step != COMMIT_NOT_BEGUN) {
        bool same = is_waiting_one(self, &made, recycle);
        if (same || commit->touched) catalogue_fini(&made);
        if (same) return VEER_OK;
        if (commit->touched) {
            VEER_TRY(run_commit(self, error));
            return prepare(self, payload, bytes, streams, n, recycle && self->both_in_use, error);
        }
    }
    uint8_t *page = memory_new(self->allocator, STORAGE_PAGE_BYTES);
    if (page == NULL) {
        catalogue_fini(&made);
        return error_nomem(error, "a superblock", STORAGE_PAGE_BYTES);
    }
    super.catalogue_bytes = made.size;
    super.catalogue_crc = catalogue_crc(&made);
    superblock_encode(&super, page);
    thread_mutex_lock(&self->names);
    store_commit_abandon(self);
    commit->catalogue = made;
    commit->super = super;
    commit->recycle = recycle;
    commit->page = page;
    commit->step = COMMIT_CATALOGUE;
    thread_mutex_unlock(&self->names);
    return VEER_OK;
}

veer_status store_commit(store *self, const void *payload, size_t bytes,
                         const store_stream *streams, size_t n, bool recycle_log, veer_error *error)
{
    VEER_TRY(store_check_writable(self, error));
    bool recycle = recycle_log && self->both_in_use;
    VEER_TRY(prepare(self, payload, bytes, streams, n, recycle, error));
    veer_status status = run_commit(self, error);
    if (status != VEER_OK && status != VEER_PENDING && !self->commit.touched) {
        thread_mutex_lock(&self->names);
        store_commit_abandon(self);
        thread_mutex_unlock(&self->names);
    }
    return status;
}

/* ---- removing */

/* Under `names`. A commit that waits may be on storage already: what it attaches is kept too. */
static bool attaches(const store *self, const char *name)
{
    uint64_t generation = 0;
    const store_waiting_commit *commit = &self->commit;
    bool waiting = commit->step != COMMIT_NOT_BEGUN;
    if (storage_is_catalogue_name(name, &generation))
        return generation == self->super.generation ||
               (waiting && generation == commit->super.generation);
    if (!storage_is_segment_name(name)) return true;
    return catalogue_find(&self->catalogue, name) != NULL ||
           (waiting && catalogue_find(&commit->catalogue, name) != NULL);
}

bool store_attaches(store *self, const char *name)
{
    thread_mutex_lock(&self->names);
    bool attached = attaches(self, name);
    thread_mutex_unlock(&self->names);
    return attached;
}

/* Under `names`. True when the stream is gone. */
static bool remove_now(store *self, const char *name)
{
    veer_error ignored = {VEER_OK, ""};
    veer_status status = self->io.remove(self->io.context, name, &ignored);
    return status == VEER_OK || status == VEER_E_NOTFOUND;
}

void store_remove(store *self, const char *name)
{
    if (self->readonly || self->poisoned || strlen(name) > STORAGE_NAME_BYTES) return;
    thread_mutex_lock(&self->names);
    void *list = self->removals;
    /* Without memory to remember it, the stream is left over, and the next opening removes it. */
    if (!attaches(self, name) && !remove_now(self, name) &&
        memory_grow(self->allocator, &list, &self->removals_capacity, self->removals_count + 1,
                    sizeof *self->removals) == VEER_OK) {
        self->removals = list;
        memcpy(self->removals[self->removals_count++], name, strlen(name) + 1);
    }
    thread_mutex_unlock(&self->names);
}

bool store_remove_pending(store *self)
{
    thread_mutex_lock(&self->names);
    size_t left = 0;
    for (size_t i = 0; i < self->removals_count; i++) {
        const char *name = self->removals[i];
        if (attaches(self, name)) continue; /* made again under the same name */
        if (self->poisoned || !remove_now(self, name)) {
            if (left != i) memcpy(self->removals[left], name, sizeof self->removals[0]);
            left++;
        }
    }
    self->removals_count = left;
    thread_mutex_unlock(&self->names);
    return left == 0;
}

veer_status store_sync_names(store *self, veer_error *error)
{
    VEER_TRY(store_check_writable(self, error));
    veer_status status = self->io.sync_names(self->io.context, error);
    return status == VEER_OK ? VEER_OK : store_poison(self, status, error);
}

/* Whether a new stream may have this name: not attached; if it waits to be removed, that is done
 * first. */
veer_status store_reclaim_name(store *self, const char *name, veer_error *error)
{
    veer_status status = VEER_OK;
    thread_mutex_lock(&self->names);
    if (attaches(self, name))
        status = error_set(error, VEER_E_EXISTS, "Stream '%s' is in use.", name);
    for (size_t i = 0; i < self->removals_count && status == VEER_OK; i++) {
        if (strcmp(self->removals[i], name) != 0) continue;
        status = self->io.remove(self->io.context, name, error);
        if (status == VEER_E_NOTFOUND) status = VEER_OK;
        if (status != VEER_OK) break;
        self->removals_count--;
        memmove(&self->removals[i], &self->removals[self->removals_count],
                sizeof self->removals[0]);
        break;
    }
    thread_mutex_unlock(&self->names);
    return status;
}

segment_home *store_home(store *self)
{
    return &self->home;
}
