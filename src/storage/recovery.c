/* Recovery: a pure function from the I/O table to a state and a report.
 *
 *     names ──> meta ──> cat.<g> ──> live log ──> other log ──> state
 *
 * 1. The names of the table, and the two superblocks. No good superblock: nothing there, or a
 *    creation that never finished, or foreign, or damaged; only the first two are not errors.
 * 2. The catalogue, by the length and checksum that the superblock gives. Attached bases must be
 *    there; what can be rebuilt need not.
 * 3. The live log is followed from its header as far as records are valid. If it ends in SWITCH, or
 *    the other file says that it goes on there, that one is followed too.
 * 4. What lies behind the last valid record is judged: a write that never finished, or damage.
 *
 * The judgement (docs/FORMAT.md, "Reading"): a log is damaged when a record that is missing was
 * durable once. Three things vouch for that: a SWITCH or a newer log file (written after a sync of
 * everything before), a superblock (which names salts), and a later record that says so. Where
 * nothing vouches, the bytes are those of a write that was never acknowledged as durable, and the
 * committed prefix stands.
 *
 * Memory: the catalogue, the names, and one log record at a time. Nothing is allocated by a length
 * that has not been compared with the size of the stream and with a limit.
 *
 * VEER_PENDING: whatever was read is forgotten, and the next call reads it again.
 *
 * Threads: any, over a table that nobody writes.
 */
#include "storage/recovery.h"

#include <stdarg.h>

#include "base/text.h"
#include "platform/io.h"
#include "storage/name_order.h"

/* ---- the report */

veer_status recovery_say(recovery *self, veer_error *error, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    text_print_arguments(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t bytes = strlen(text) + 1;
    void *list = self->messages;
    size_t count = self->report.messages_count;
    char *copy = memory_new(self->allocator, bytes);
    if (copy == NULL || memory_grow(self->allocator, &list, &self->messages_capacity, count + 1,
                                    sizeof *self->messages) != VEER_OK) {
        memory_free(self->allocator, copy, bytes);
        return error_nomem(error, "the recovery report", bytes);
    }
    memcpy(copy, text, bytes);
    self->messages = list;
    self->messages[count] = copy;
    self->report.messages_count = count + 1;
    self->report.messages = (const char *const *)self->messages;
    return VEER_OK;
}

void recovery_fini(recovery *self)
{
    if (self->allocator == NULL) return;
    catalogue_fini(&self->catalogue);
    memory_array_free(self->allocator, self->names, self->names_capacity, sizeof *self->names);
    for (size_t i = 0; i < self->report.messages_count; i++) {
        memory_free(self->allocator, self->messages[i], strlen(self->messages[i]) + 1);
    }
    memory_array_free(self->allocator, self->messages, self->messages_capacity,
                      sizeof *self->messages);
    memset(self, 0, sizeof *self);
}

/* ---- names */

typedef struct name_list {
    recovery *recovery;
    veer_status status;
} name_list;

static void take_name(void *argument, const char *name)
{
    name_list *list = argument;
    recovery *self = list->recovery;
    if (list->status != VEER_OK || !io_name_valid(name)) return;
    void *names = self->names;
    list->status = memory_grow(self->allocator, &names, &self->names_capacity,
                               self->names_count + 1, sizeof *self->names);
    if (list->status != VEER_OK) return;
    self->names = names;
    memcpy(self->names[self->names_count].name, name, strlen(name) + 1);
    self->names_count++;
}

static veer_status list_names(recovery *self, const veer_io *io, veer_error *error)
{
    name_list list = {self, VEER_OK};
    VEER_TRY(io->list(io->context, take_name, &list, error));
    if (list.status != VEER_OK) return error_nomem(error, "the names of the streams", 0);
    names_sort(self->names, self->names_count, sizeof *self->names);
    return VEER_OK;
}

bool recovery_has_name(const recovery *self, const char *name)
{
    return names_find(self->names, self->names_count, sizeof *self->names, name) <
           self->names_count;
}

static bool is_meta(const char *name)
{
    return strcmp(name, STORAGE_META_NAME) == 0;
}

static bool is_wal(const char *name)
{
    return strcmp(name, storage_wal_names[0]) == 0 || strcmp(name, storage_wal_names[1]) == 0;
}

static bool is_ours(const char *name)
{
    uint64_t generation;
    return is_meta(name) || is_wal(name) || storage_is_segment_name(name) ||
           storage_is_catalogue_name(name, &generation);
}

bool recovery_is_orphan(const recovery *self, const char *name)
{
    uint64_t generation = 0;
    if (storage_is_catalogue_name(name, &generation))
        return generation != self->choice.super.generation;
    return storage_is_segment_name(name) && catalogue_find(&self->catalogue, name) == NULL;
}

/* ---- reading whole streams */

static veer_status read_meta(recovery *self, const veer_io *io, bool readonly, veer_error *error)
{
    uint8_t *meta = NULL;
    void *file = NULL;
    uint64_t size = 0;
    veer_status status = storage_open_existing(io, STORAGE_META_NAME, VEER_IO_READ, &file, error);
    if (status != VEER_OK) return status;
    VEER_GOTO(io->size(io->context, file, &size, error));
    size_t bytes = (size_t)(size < META_BYTES ? size : META_BYTES);
    meta = memory_new(self->allocator, META_BYTES);
    if (meta == NULL) {
        status = error_nomem(error, "the superblocks", META_BYTES);
        goto done;
    }
    if (bytes != 0) VEER_GOTO(io->read(io->context, file, 0, meta, bytes, error));
    superblock_choose(meta, bytes, &self->choice);
    if (self->choice.found) {
        const uint8_t *page = meta + (size_t)self->choice.slot * STORAGE_PAGE_BYTES;
        VEER_GOTO(page_check_version(page, readonly, STORAGE_META_NAME, error));
    }
done:
    memory_free(self->allocator, meta, META_BYTES);
    io->close(io->context, file);
    return status;
}

/* Whether a stream is at most `limit` bytes and begins as one of ours, or with zeros, as a write
 * that never finished leaves it. */
static veer_status may_be_begun(const veer_io *io, const char *name, uint64_t limit,
                                const char *magic, bool *begun, veer_error *error)
{
    static const uint8_t zeros[STORAGE_MAGIC_BYTES];
    uint8_t head[STORAGE_MAGIC_BYTES];
    void *file = NULL;
    uint64_t size = 0;
    veer_status status = storage_open_existing(io, name, VEER_IO_READ, &file, error);
    if (status != VEER_OK) return status;
    VEER_GOTO(io->size(io->context, file, &size, error));
    size_t bytes = (size_t)(size < STORAGE_MAGIC_BYTES ? size : STORAGE_MAGIC_BYTES);
    if (bytes != 0) VEER_GOTO(io->read(io->context, file, 0, head, bytes, error));
    *begun = size <= limit && (memcmp(head, magic, bytes) == 0 || memcmp(head, zeros, bytes) == 0);
done:
    io->close(io->context, file);
    return status;
}

/* Without a good superblock: what is this? */
static veer_status judge_without_superblock(recovery *self, const veer_io *io, veer_error *error)
{
    const char *ours = NULL;    /* a stream of a database, other than meta */
    const char *foreign = NULL; /* something else */
    bool has_meta = recovery_has_name(self, STORAGE_META_NAME);
    bool only_creation = true;
    for (size_t i = 0; i < self->names_count; i++) {
        const char *name = self->names[i].name;
        uint64_t limit = 0;
        const char *magic = STORAGE_MAGIC_META;
        if (!is_ours(name)) foreign = name;
        if (is_ours(name) && !is_meta(name)) ours = name;
        if (is_meta(name)) limit = META_BYTES;
        if (strcmp(name, storage_wal_names[0]) == 0) {
            limit = STORAGE_PAGE_BYTES;
            magic = STORAGE_MAGIC_WAL;
        }
        if (strcmp(name, "cat.1") == 0) {
            limit = CATALOGUE_EMPTY_BYTES;
            magic = STORAGE_MAGIC_CATALOGUE;
        }
        bool begun = false;
        if (limit != 0) VEER_TRY(may_be_begun(io, name, limit, magic, &begun, error));
        only_creation = only_creation && begun;
    }
    bool had_magic = self->choice.slots[0] == PAGE_DAMAGED || self->choice.slots[1] == PAGE_DAMAGED;
    if (only_creation && !self->choice.had_history) {
        self->state = RECOVERY_UNFINISHED;
        return VEER_OK;
    }
    if (has_meta && (had_magic || ours != NULL))
        VEER_FAIL(error, VEER_E_CORRUPT,
                  "Both superblocks in 'meta' are damaged: the database cannot be opened.");
    if (has_meta) VEER_FAIL(error, VEER_E_FORMAT, "Stream 'meta' is not that of a Veer database.");
    if (ours != NULL)
        VEER_FAIL(error, VEER_E_CORRUPT,
                  "Stream 'meta' of the database is missing, while '%s' is there.", ours);
    VEER_FAIL(error, VEER_E_FORMAT, "There is no Veer database here, but something else: '%s'.",
              foreign);
}

static veer_status read_catalogue(recovery *self, const veer_io *io, bool readonly,
                                  veer_error *error)
{
    const superblock *super = &self->choice.super;
    char name[STORAGE_NAME_BYTES + 1];
    void *file = NULL;
    uint8_t *bytes = NULL;
    uint64_t size = 0;
    storage_catalogue_name(super->generation, name);
    veer_status status = storage_open_existing(io, name, VEER_IO_READ, &file, error);
    if (status != VEER_OK) return status;
    VEER_GOTO(io->size(io->context, file, &size, error));
    if (size != super->catalogue_bytes || size > CATALOGUE_BYTES_MAX ||
        size < CATALOGUE_EMPTY_BYTES) {
        status = error_set(error, VEER_E_CORRUPT,
                           "Catalogue '%s' has %llu bytes; the superblock says %llu.", name,
                           (unsigned long long)size, (unsigned long long)super->catalogue_bytes);
        goto done;
    }
    bytes = memory_array(self->allocator, (size_t)size, 1);
    if (bytes == NULL) {
        status = error_nomem(error, "the catalogue", size);
        goto done;
    }
    VEER_GOTO(io->read(io->context, file, 0, bytes, (size_t)size, error));
    if (load_u32(bytes + size - 4) != super->catalogue_crc) {
        status =
            error_set(error, VEER_E_CORRUPT,
                      "Catalogue '%s' is damaged: its checksum is not the superblock's.", name);
        goto done;
    }
    VEER_GOTO(catalogue_decode(self->allocator, bytes, (size_t)size, super->id, super->generation,
                               readonly, &self->catalogue, error));
    bytes = NULL;
done:
    if (bytes != NULL) memory_array_free(self->allocator, bytes, (size_t)size, 1);
    io->close(io->context, file);
    return status;
}

/* Bases must be there; the rest is said and left to be rebuilt. */
static veer_status look_for_attached(recovery *self, veer_error *error)
{
    for (size_t i = 0; i < self->catalogue.streams_count; i++) {
        const store_stream *stream = &self->catalogue.streams[i];
        if (recovery_has_name(self, stream->name)) continue;
        if (stream->kind == 0)
            VEER_FAIL(error, VEER_E_CORRUPT, "Segment '%s' of the database is missing.",
                      stream->name);
        VEER_TRY(recovery_say(self, error, "Stream '%s' is missing and has to be built again.",
                              stream->name));
    }
    return VEER_OK;
}

/* ---- the log */

/* The header of a log file that may be anything. */
static veer_status read_log_header(const veer_io *io, void *file, uint64_t size, uint8_t *page,
                                   wal_header *header, page_state *state, veer_error *error)
{
    *state = PAGE_DAMAGED;
    if (size < STORAGE_PAGE_BYTES) return VEER_OK;
    VEER_TRY(io->read(io->context, file, 0, page, STORAGE_PAGE_BYTES, error));
    *state = wal_header_decode(page, header);
    return VEER_OK;
}

/* Follows the records of a file in use as far as they are valid. */
static veer_status follow(recovered_log *log, wal_reader *reader, veer_error *error)
{
    uint64_t records = 0; /* of the transaction that is not committed yet */
    uint64_t relogged = 0;
    log->committed_end = STORAGE_PAGE_BYTES;
    log->last_lsn = log->header.start_lsn - 1;
    log->durable_lsn = log->last_lsn;
    log->vouched_end = STORAGE_PAGE_BYTES;
    log->crc = log->header.crc;
    for (;;) {
        wal_record record;
        bool found = false;
        uint64_t before = reader->position;
        VEER_TRY(wal_reader_next(reader, &record, &found, error));
        if (!found) break;
        if (record.is_switch) {
            if (records == 0) {
                log->switched = true;
                log->committed_end = record.end;
                log->crc = record.crc;
            } else {
                reader->position = before; /* inside a transaction: not valid here */
            }
            break;
        }
        if (record.durable_lsn > log->durable_lsn) log->durable_lsn = record.durable_lsn;
        if (record.durable_lsn >= log->last_lsn) log->vouched_end = log->committed_end;
        records++;
        if ((record.record.flags & STORE_RELOG) != 0) relogged++;
        if (!record.is_commit) continue;
        log->committed_end = record.end;
        log->last_lsn = record.record.lsn;
        log->crc = record.crc;
        log->records += records;
        log->relogged += relogged;
        records = 0;
        relogged = 0;
    }
    log->uncommitted = records;
    return VEER_OK;
}

static veer_status log_damaged(unsigned index, const char *what, veer_error *error)
{
    return error_set(error, VEER_E_CORRUPT, "Log 'wal.%u' is damaged: %s.", index, what);
}

/* Is what lies behind the valid records of the last file a torn write, or damage? */
static veer_status judge_tail(recovery *self, unsigned index, wal_reader *reader, veer_error *error)
{
    recovered_log *log = &self->logs[index];
    bool found = false;
    uint64_t at = 0;
    self->report.dropped_bytes = log->size - log->committed_end;
    self->report.dropped_records = log->uncommitted;
    if (self->report.dropped_bytes == 0) return VEER_OK;
    VEER_TRY(wal_reader_search(reader, reader->position, reader->next_lsn, reader->next_lsn, &found,
                               &at, error));
    if (found)
        VEER_FAIL(error, VEER_E_CORRUPT,
                  "Log 'wal.%u' is damaged: the record at byte %llu (LSN %llu) is not valid, while "
                  "byte %llu has one that was written after it was safe.",
                  index, (unsigned long long)reader->position, (unsigned long long)reader->next_lsn,
                  (unsigned long long)at);
    return recovery_say(self, error,
                        "The end of log 'wal.%u' is a write that never finished: %llu bytes behind "
                        "LSN %llu were dropped, with %llu whole records of a transaction without "
                        "its end.",
                        index, (unsigned long long)self->report.dropped_bytes,
                        (unsigned long long)log->last_lsn, (unsigned long long)log->uncommitted);
}

/* Rules that a header must keep to be of this database at all. */
static veer_status check_header(const recovery *self, unsigned index, const wal_header *header,
                                veer_error *error)
{
    const superblock *super = &self->choice.super;
    if (memcmp(header->id, super->id, STORAGE_ID_BYTES) != 0)
        return log_damaged(index, "it belongs to another database", error);
    if (header->index != index) return log_damaged(index, "it is the other log file", error);
    if (header->base_generation > super->generation)
        VEER_FAIL(error, VEER_E_CORRUPT,
                  "Log 'wal.%u' is newer than the superblock: it was begun in generation %llu, the "
                  "superblock is of generation %llu.",
                  index, (unsigned long long)header->base_generation,
                  (unsigned long long)super->generation);
    return VEER_OK;
}

/* A log file that is being read. */
typedef struct open_log {
    const veer_io *io;
    void *file;
    wal_reader reader;
} open_log;

static void close_log(open_log *log)
{
    if (log->reader.allocator != NULL) wal_reader_fini(&log->reader);
    if (log->file != NULL) log->io->close(log->io->context, log->file);
    log->file = NULL;
}

/* Opens file `index` and reads its header; `state` says what it is worth. */
static veer_status open_one(recovery *self, const veer_io *io, unsigned index, bool readonly,
                            open_log *log, page_state *state, veer_error *error)
{
    recovered_log *out = &self->logs[index];
    uint8_t *page = memory_new(self->allocator, STORAGE_PAGE_BYTES);
    if (page == NULL) return error_nomem(error, "reading the log", STORAGE_PAGE_BYTES);
    log->io = io;
    veer_status status =
        storage_open_existing(io, storage_wal_names[index], VEER_IO_READ, &log->file, error);
    if (status != VEER_OK) goto done;
    VEER_GOTO(io->size(io->context, log->file, &out->size, error));
    VEER_GOTO(read_log_header(io, log->file, out->size, page, &out->header, state, error));
    if (*state != PAGE_GOOD) goto done;
    VEER_GOTO(page_check_version(page, readonly, storage_wal_names[index], error));
    VEER_GOTO(check_header(self, index, &out->header, error));
    wal_reader_init(&log->reader, self->allocator, io, log->file, out->size, &out->header);
done:
    memory_free(self->allocator, page, STORAGE_PAGE_BYTES);
    return status;
}

static veer_status read_live(recovery *self, const veer_io *io, bool readonly, open_log *log,
                             veer_error *error)
{
    const superblock *super = &self->choice.super;
    unsigned index = super->live;
    recovered_log *live = &self->logs[index];
    page_state state = PAGE_DAMAGED;
    VEER_TRY(open_one(self, io, index, readonly, log, &state, error));
    live->exists = true;
    if (state != PAGE_GOOD) return log_damaged(index, "its header is not valid", error);
    if (live->header.salt != super->salt[index] ||
        live->header.start_lsn != super->start_lsn[index])
        return log_damaged(index, "its header is not the one that the superblock names", error);
    live->in_use = true;
    return follow(live, &log->reader, error);
}

/* The file beside the live one: in use too, or of no interest. */
static veer_status read_other(recovery *self, const veer_io *io, bool readonly, open_log *log,
                              veer_error *error)
{
    const superblock *super = &self->choice.super;
    unsigned index = 1 - super->live;
    const recovered_log *live = &self->logs[super->live];
    recovered_log *other = &self->logs[index];
    bool needed = live->switched || super->start_lsn[index] != 0;
    page_state state = PAGE_DAMAGED;
    if (!recovery_has_name(self, storage_wal_names[index])) {
        if (needed) return log_damaged(index, "it is missing", error);
        return VEER_OK;
    }
    VEER_TRY(open_one(self, io, index, readonly, log, &state, error));
    other->exists = true;
    if (state != PAGE_GOOD) {
        if (needed) return log_damaged(index, "its header is not valid", error);
        /* Begun and never finished; unless there are records behind it. */
        wal_header announced = {.salt = super->salt[index], .start_lsn = 1};
        bool found = false;
        uint64_t at = 0;
        wal_reader_init(&log->reader, self->allocator, io, log->file, other->size, &announced);
        VEER_TRY(wal_reader_search(&log->reader, 0, 0, 0, &found, &at, error));
        if (found) return log_damaged(index, "its header is not valid, but records follow", error);
        if (other->size == 0) return VEER_OK;
        return recovery_say(self, error,
                            "Log 'wal.%u' was never begun whole; its %llu bytes hold no record.",
                            index, (unsigned long long)other->size);
    }
    if (other->header.salt != super->salt[index]) {
        if (needed)
            return log_damaged(index, "its header is not the one that the superblock names", error);
        return VEER_OK;
    }
    VEER_TRY(follow(other, &log->reader, error));
    if (!needed && other->records == 0 && other->uncommitted == 0) return VEER_OK;
    other->in_use = true;
    if (other->header.start_lsn != live->last_lsn + 1 ||
        (super->start_lsn[index] != 0 && super->start_lsn[index] != other->header.start_lsn))
        return log_damaged(index, "it does not begin where the other log ends", error);
    if (other->switched) return log_damaged(index, "it ends as only the older log may", error);
    return VEER_OK;
}

static veer_status read_logs(recovery *self, const veer_io *io, bool readonly, veer_error *error)
{
    const superblock *super = &self->choice.super;
    unsigned first = super->live;
    open_log logs[2] = {{0}, {0}};
    veer_status status = read_live(self, io, readonly, &logs[0], error);
    if (status != VEER_OK) goto done;
    VEER_GOTO(read_other(self, io, readonly, &logs[1], error));

    const recovered_log *older = &self->logs[first];
    const recovered_log *newer = &self->logs[1 - first];
    self->both_in_use = newer->in_use;
    self->live = newer->in_use ? 1 - first : first;
    if (self->both_in_use && !older->switched && older->committed_end != older->size) {
        status =
            log_damaged(first, "it is not whole, while the other log goes on behind it", error);
        goto done;
    }
    const recovered_log *last = &self->logs[self->live];
    open_log *last_open = self->both_in_use ? &logs[1] : &logs[0];
    VEER_GOTO(judge_tail(self, self->live, &last_open->reader, error));
    self->durable_lsn = last->durable_lsn;
    self->report.last_lsn = last->last_lsn;
    self->report.wal_records = older->records;
    if (self->both_in_use) self->report.wal_records += newer->records - newer->relogged;
done:
    close_log(&logs[0]);
    close_log(&logs[1]);
    return status;
}

/* ---- all of it */

static veer_status run(recovery *self, const veer_io *io, bool readonly, veer_error *error)
{
    VEER_TRY(list_names(self, io, error));
    if (self->names_count == 0) return VEER_OK;
    if (recovery_has_name(self, STORAGE_META_NAME)) VEER_TRY(read_meta(self, io, readonly, error));
    if (!self->choice.found) return judge_without_superblock(self, io, error);
    if (self->choice.contradiction)
        VEER_FAIL(error, VEER_E_CORRUPT,
                  "The two superblocks in 'meta' contradict each other (generations %llu, %llu).",
                  (unsigned long long)self->choice.generations[0],
                  (unsigned long long)self->choice.generations[1]);
    self->state = RECOVERY_DATABASE;
    const superblock *super = &self->choice.super;
    self->report.generation = super->generation;
    self->report.checkpoint_lsn = super->checkpoint_lsn;
    if (self->choice.repair) {
        bool damaged = self->choice.slots[1 - self->choice.slot] != PAGE_GOOD;
        self->report.superblock_repaired = damaged;
        VEER_TRY(recovery_say(self, error,
                              damaged ? "Superblock %u is damaged; superblock %u serves."
                                      : "Superblock %u is older than superblock %u: a commit was "
                                        "interrupted after it was safe.",
                              1 - self->choice.slot, self->choice.slot));
    }
    VEER_TRY(read_catalogue(self, io, readonly, error));
    VEER_TRY(look_for_attached(self, error));
    return read_logs(self, io, readonly, error);
}

veer_status recovery_run(const veer_allocator *allocator, const veer_io *io, bool readonly,
                         recovery *out, veer_error *error)
{
    memset(out, 0, sizeof *out);
    out->allocator = allocator;
    veer_status status = run(out, io, readonly, error);
    if (status != VEER_OK) recovery_fini(out);
    return status;
}
