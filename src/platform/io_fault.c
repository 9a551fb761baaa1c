/* The table that fails, waits and remembers: see io_fault.h. The journal is in io_fault_journal.c.
 *
 * Every callback does the same in this order: wait (nothing has happened then), count and perhaps
 * fail, call the base, record. All under one mutex, so that the journal's order is the true one.
 */
#include "platform/io_fault.h"

#include <string.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "base/rng.h"
#include "platform/io_fault_journal.h"
#include "platform/thread.h"

#define PAGE_BYTES 4096u

typedef struct fault_file {
    void *base;
    uint32_t stream; /* of the journal */
    char name[IO_NAME_BYTES_MAX + 1];
} fault_file;

/* The pages of a stream that are there. */
typedef struct fault_pages {
    char name[IO_NAME_BYTES_MAX + 1];
    uint64_t *words;
    size_t capacity;
} fault_pages;

struct io_fault {
    veer_allocator allocator;
    thread_mutex mutex;
    veer_io base;
    veer_io table;
    size_t open_files;
    size_t maps;
    size_t locks;

    io_fault_plan plan;
    bool has_plan;
    uint64_t calls;
    bool fired;

    io_wait wait;
    unsigned wait_kinds;
    rng wait_rng;
    fault_pages *pages;
    size_t pages_count, pages_capacity;
    io_fault_want *granted; /* opens, writes and removes that have waited */
    size_t granted_count, granted_capacity;
    io_fault_want *wants;
    size_t wants_count, wants_capacity;

    journal journal;
};

/* ---- failing */

/* Counts the call. True: it must fail with the plan's status. */
static bool counts_and_fails(io_fault *f, io_call call)
{
    if (f->has_plan && !(f->plan.kinds & IO_CALL_BIT(call))) return false;
    uint64_t number = f->calls++;
    if (!f->has_plan || number < f->plan.number) return false;
    if (number > f->plan.number && !f->plan.forever) return false;
    f->fired = true;
    return true;
}

static veer_status injected(const io_fault *f, const char *what, const char *name,
                            veer_error *error)
{
    return error_set(error, f->plan.status, "%s %s: failed on purpose", what, name);
}

void io_fault_fail(io_fault *f, const io_fault_plan *plan)
{
    thread_mutex_lock(&f->mutex);
    f->has_plan = plan != NULL;
    if (plan != NULL) f->plan = *plan;
    f->calls = 0;
    f->fired = false;
    thread_mutex_unlock(&f->mutex);
}

uint64_t io_fault_calls(const io_fault *f)
{
    return f->calls;
}

bool io_fault_fired(const io_fault *f)
{
    return f->fired;
}

/* ---- waiting */

static bool want_push(const io_fault *f, io_fault_want **list, size_t *count, size_t *capacity,
                      const io_fault_want *want)
{
    void *grown = *list;
    if (memory_grow(&f->allocator, &grown, capacity, *count + 1, sizeof *want) != VEER_OK) {
        return false;
    }
    *list = grown;
    (*list)[(*count)++] = *want;
    return true;
}

static io_fault_want want_of(io_call call, const char *name, uint64_t offset, uint64_t bytes)
{
    io_fault_want want = {.call = call, .offset = offset, .bytes = bytes};
    size_t length = strlen(name);
    memcpy(want.name, name, length < IO_NAME_BYTES_MAX ? length : IO_NAME_BYTES_MAX);
    return want;
}

/* For opens, writes and removes. `key` tells calls with the same range apart. */
static bool waits_for_call(io_fault *f, io_call call, const char *name, uint64_t offset,
                           uint64_t bytes)
{
    if (f->wait == IO_WAIT_NEVER || !(f->wait_kinds & IO_CALL_BIT(call))) return false;
    io_fault_want want = want_of(call, name, offset, bytes);
    for (size_t i = 0; i < f->granted_count; i++) {
        const io_fault_want *g = &f->granted[i];
        if (g->call == call && g->offset == offset && g->bytes == bytes &&
            strcmp(g->name, want.name) == 0) {
            /* A host keeps at hand what it has opened; creating and removing happen once. */
            bool stays = call == IO_CALL_OPEN && !(offset & VEER_IO_CREATE);
            if (!stays) f->granted[i] = f->granted[--f->granted_count];
            return false;
        }
    }
    if (f->wait == IO_WAIT_RANDOM && (rng_next(&f->wait_rng) & 1)) return false;
    if (!want_push(f, &f->granted, &f->granted_count, &f->granted_capacity, &want)) return false;
    (void)want_push(f, &f->wants, &f->wants_count, &f->wants_capacity, &want);
    return true;
}

static fault_pages *pages_of(io_fault *f, const char *name)
{
    for (size_t i = 0; i < f->pages_count; i++) {
        if (strcmp(f->pages[i].name, name) == 0) return &f->pages[i];
    }
    void *pages = f->pages;
    if (memory_grow(&f->allocator, &pages, &f->pages_capacity, f->pages_count + 1,
                    sizeof *f->pages) != VEER_OK) {
        return NULL;
    }
    f->pages = pages;
    fault_pages *added = &f->pages[f->pages_count++];
    memset(added, 0, sizeof *added);
    memcpy(added->name, name, strlen(name));
    return added;
}

static void pages_drop(io_fault *f, const char *name)
{
    for (size_t i = 0; i < f->pages_count; i++) {
        if (strcmp(f->pages[i].name, name) != 0) continue;
        if (f->pages[i].capacity != 0) {
            memset(f->pages[i].words, 0, f->pages[i].capacity * sizeof(uint64_t));
        }
    }
}

static bool waits_for_range(io_fault *f, const char *name, uint64_t offset, size_t bytes)
{
    if (f->wait == IO_WAIT_NEVER || !(f->wait_kinds & IO_CALL_BIT(IO_CALL_READ))) return false;
    if (bytes == 0 || offset > INT64_MAX || bytes > INT64_MAX - offset) return false;
    fault_pages *pages = pages_of(f, name);
    uint64_t last = (offset + bytes - 1) / PAGE_BYTES;
    if (pages == NULL || last > SIZE_MAX / 2) return false;
    void *words = pages->words;
    if (memory_grow(&f->allocator, &words, &pages->capacity, bitset_words((size_t)last + 1),
                    sizeof(uint64_t)) != VEER_OK) {
        return false;
    }
    pages->words = words;
    bool missing = false;
    for (uint64_t page = offset / PAGE_BYTES; page <= last; page++) {
        missing |= !bitset_get(pages->words, (size_t)page);
        bitset_set(pages->words, (size_t)page);
    }
    if (!missing) return false;
    if (f->wait == IO_WAIT_RANDOM && (rng_next(&f->wait_rng) & 1)) return false;
    io_fault_want want = want_of(IO_CALL_READ, name, offset, bytes);
    (void)want_push(f, &f->wants, &f->wants_count, &f->wants_capacity, &want);
    return true;
}

void io_fault_wait(io_fault *f, io_wait wait, unsigned kinds, uint64_t seed)
{
    thread_mutex_lock(&f->mutex);
    f->wait = wait;
    f->wait_kinds = kinds;
    rng_init(&f->wait_rng, seed);
    thread_mutex_unlock(&f->mutex);
}

void io_fault_forget(io_fault *f)
{
    thread_mutex_lock(&f->mutex);
    for (size_t i = 0; i < f->pages_count; i++)
        pages_drop(f, f->pages[i].name);
    f->granted_count = 0;
    thread_mutex_unlock(&f->mutex);
}

size_t io_fault_wants(const io_fault *f, const io_fault_want **wants)
{
    *wants = f->wants;
    return f->wants_count;
}

void io_fault_clear_wants(io_fault *f)
{
    thread_mutex_lock(&f->mutex);
    f->wants_count = 0;
    thread_mutex_unlock(&f->mutex);
}

/* ---- the table's callbacks; the mutex is held in the functions named locked_... */

static veer_status locked_open(io_fault *f, const char *name, unsigned flags, void **file,
                               veer_error *error)
{
    if (!io_name_valid(name)) {
        return error_set(error, VEER_E_INVALID, "open: not a valid name of a stream");
    }
    if (waits_for_call(f, IO_CALL_OPEN, name, flags, 0)) return VEER_PENDING;
    if (counts_and_fails(f, IO_CALL_OPEN)) return injected(f, "open", name, error);
    fault_file *opened = memory_new(&f->allocator, sizeof *opened);
    if (opened == NULL) return error_nomem(error, name, sizeof *opened);
    veer_status status = f->base.open(f->base.context, name, flags, &opened->base, error);
    if (status != VEER_OK) {
        memory_free(&f->allocator, opened, sizeof *opened);
        return status;
    }
    if (flags & VEER_IO_CREATE) journal_create(&f->journal, name);
    opened->stream = journal_find(&f->journal, name);
    memcpy(opened->name, name, strlen(name));
    f->open_files++;
    *file = opened;
    return VEER_OK;
}

static veer_status fault_open(void *context, const char *name, unsigned flags, void **file,
                              veer_error *error)
{
    io_fault *f = context;
    *file = NULL;
    thread_mutex_lock(&f->mutex);
    veer_status status = locked_open(f, name, flags, file, error);
    thread_mutex_unlock(&f->mutex);
    return status;
}

static void fault_close(void *context, void *file)
{
    io_fault *f = context;
    fault_file *opened = file;
    if (opened == NULL) return;
    thread_mutex_lock(&f->mutex);
    f->base.close(f->base.context, opened->base);
    f->open_files--;
    thread_mutex_unlock(&f->mutex);
    memory_free(&f->allocator, opened, sizeof *opened);
}

static veer_status fault_read(void *context, void *file, uint64_t offset, void *buffer,
                              size_t bytes, veer_error *error)
{
    io_fault *f = context;
    const fault_file *opened = file;
    veer_status status;
    thread_mutex_lock(&f->mutex);
    if (waits_for_range(f, opened->name, offset, bytes)) {
        status = VEER_PENDING;
    } else if (counts_and_fails(f, IO_CALL_READ)) {
        status = injected(f, "read", opened->name, error);
    } else {
        status = f->base.read(f->base.context, opened->base, offset, buffer, bytes, error);
    }
    thread_mutex_unlock(&f->mutex);
    return status;
}

static veer_status locked_write(io_fault *f, const fault_file *file, uint64_t offset,
                                const void *data, size_t bytes, veer_error *error)
{
    if (waits_for_call(f, IO_CALL_WRITE, file->name, offset, bytes)) return VEER_PENDING;
    bool fails = counts_and_fails(f, IO_CALL_WRITE);
    size_t part = bytes;
    if (fails) part = f->plan.partial && bytes != 0 ? (size_t)(f->plan.number * 331 % bytes) : 0;
    if (part != 0 || !fails) {
        veer_status status = f->base.write(f->base.context, file->base, offset, data, part, error);
        if (status != VEER_OK) return status;
        journal_write(&f->journal, file->stream, offset, data, part);
    }
    return fails ? injected(f, "write", file->name, error) : VEER_OK;
}

static veer_status fault_write(void *context, void *file, uint64_t offset, const void *data,
                               size_t bytes, veer_error *error)
{
    io_fault *f = context;
    thread_mutex_lock(&f->mutex);
    veer_status status = locked_write(f, file, offset, data, bytes, error);
    thread_mutex_unlock(&f->mutex);
    return status;
}

static veer_status fault_size(void *context, void *file, uint64_t *bytes, veer_error *error)
{
    io_fault *f = context;
    const fault_file *opened = file;
    veer_status status;
    *bytes = 0;
    thread_mutex_lock(&f->mutex);
    if (counts_and_fails(f, IO_CALL_SIZE)) {
        status = injected(f, "size of", opened->name, error);
    } else {
        status = f->base.size(f->base.context, opened->base, bytes, error);
    }
    thread_mutex_unlock(&f->mutex);
    return status;
}

static veer_status fault_truncate(void *context, void *file, uint64_t bytes, veer_error *error)
{
    io_fault *f = context;
    const fault_file *opened = file;
    veer_status status;
    thread_mutex_lock(&f->mutex);
    if (counts_and_fails(f, IO_CALL_TRUNCATE)) {
        status = injected(f, "truncate", opened->name, error);
    } else {
        status = f->base.truncate(f->base.context, opened->base, bytes, error);
        if (status == VEER_OK) journal_truncate(&f->journal, opened->stream, bytes);
    }
    thread_mutex_unlock(&f->mutex);
    return status;
}

static veer_status fault_sync(void *context, void *file, veer_error *error)
{
    io_fault *f = context;
    const fault_file *opened = file;
    veer_status status;
    thread_mutex_lock(&f->mutex);
    if (counts_and_fails(f, IO_CALL_SYNC)) {
        status = injected(f, "sync", opened->name, error);
    } else {
        status = f->base.sync(f->base.context, opened->base, error);
    }
    journal_sync(&f->journal, opened->stream, status != VEER_OK);
    thread_mutex_unlock(&f->mutex);
    return status;
}

static veer_status fault_sync_names(void *context, veer_error *error)
{
    io_fault *f = context;
    veer_status status;
    thread_mutex_lock(&f->mutex);
    if (counts_and_fails(f, IO_CALL_SYNC_NAMES)) {
        status = injected(f, "sync of", "names", error);
    } else {
        status = f->base.sync_names(f->base.context, error);
    }
    journal_sync_names(&f->journal, status != VEER_OK);
    thread_mutex_unlock(&f->mutex);
    return status;
}

static veer_status fault_map(void *context, void *file, uint64_t bytes, const void **memory,
                             veer_error *error)
{
    io_fault *f = context;
    const fault_file *opened = file;
    veer_status status;
    *memory = NULL;
    thread_mutex_lock(&f->mutex);
    if (counts_and_fails(f, IO_CALL_MAP)) {
        status = injected(f, "map", opened->name, error);
    } else {
        status = f->base.map(f->base.context, opened->base, bytes, memory, error);
        if (status == VEER_OK) f->maps++;
    }
    thread_mutex_unlock(&f->mutex);
    return status;
}

static void fault_unmap(void *context, void *file, const void *memory, uint64_t bytes)
{
    io_fault *f = context;
    const fault_file *opened = file;
    if (memory == NULL) return;
    thread_mutex_lock(&f->mutex);
    f->base.unmap(f->base.context, opened->base, memory, bytes);
    f->maps--;
    thread_mutex_unlock(&f->mutex);
}

static veer_status locked_remove(io_fault *f, const char *name, veer_error *error)
{
    if (!io_name_valid(name)) {
        return error_set(error, VEER_E_INVALID, "remove: not a valid name of a stream");
    }
    if (waits_for_call(f, IO_CALL_REMOVE, name, 0, 0)) return VEER_PENDING;
    if (counts_and_fails(f, IO_CALL_REMOVE)) return injected(f, "remove", name, error);
    VEER_TRY(f->base.remove(f->base.context, name, error));
    journal_remove(&f->journal, name);
    pages_drop(f, name);
    return VEER_OK;
}

static veer_status fault_remove(void *context, const char *name, veer_error *error)
{
    io_fault *f = context;
    thread_mutex_lock(&f->mutex);
    veer_status status = locked_remove(f, name, error);
    thread_mutex_unlock(&f->mutex);
    return status;
}

static veer_status fault_list(void *context, void (*each)(void *argument, const char *name),
                              void *argument, veer_error *error)
{
    io_fault *f = context;
    veer_status status;
    thread_mutex_lock(&f->mutex);
    if (counts_and_fails(f, IO_CALL_LIST)) {
        status = injected(f, "list", "names", error);
    } else {
        status = f->base.list(f->base.context, each, argument, error);
    }
    thread_mutex_unlock(&f->mutex);
    return status;
}

static veer_status fault_lock(void *context, bool exclusive, veer_error *error)
{
    io_fault *f = context;
    veer_status status;
    thread_mutex_lock(&f->mutex);
    if (counts_and_fails(f, IO_CALL_LOCK)) {
        status = injected(f, "lock", "table", error);
    } else {
        status = f->base.lock(f->base.context, exclusive, error);
        if (status == VEER_OK) f->locks++;
    }
    thread_mutex_unlock(&f->mutex);
    return status;
}

static void fault_unlock(void *context)
{
    io_fault *f = context;
    thread_mutex_lock(&f->mutex);
    f->base.unlock(f->base.context);
    if (f->locks > 0) f->locks--;
    thread_mutex_unlock(&f->mutex);
}

/* ---- making and asking */

veer_status io_fault_new(const veer_allocator *allocator, const veer_io *base, io_fault **fault,
                         veer_error *error)
{
    *fault = NULL;
    io_fault *f = memory_new(allocator, sizeof *f);
    if (f == NULL || thread_mutex_init(&f->mutex) != VEER_OK) {
        memory_free(allocator, f, sizeof *f);
        return error_nomem(error, "the table that fails", sizeof *f);
    }
    f->allocator = *allocator;
    f->base = *base;
    journal_init(&f->journal, allocator);
    f->table = (veer_io){
        .version = 1,
        .context = f,
        .open = fault_open,
        .close = fault_close,
        .read = fault_read,
        .write = fault_write,
        .size = fault_size,
        .truncate = fault_truncate,
        .sync = fault_sync,
        .sync_names = fault_sync_names,
        .map = base->map == NULL ? NULL : fault_map,
        .unmap = base->map == NULL ? NULL : fault_unmap,
        .remove = fault_remove,
        .list = fault_list,
        .lock = fault_lock,
        .unlock = fault_unlock,
    };
    *fault = f;
    return VEER_OK;
}

void io_fault_free(io_fault *f)
{
    if (f == NULL) return;
    veer_allocator allocator = f->allocator;
    journal_fini(&f->journal);
    for (size_t i = 0; i < f->pages_count; i++) {
        memory_array_free(&allocator, f->pages[i].words, f->pages[i].capacity, sizeof(uint64_t));
    }
    memory_array_free(&allocator, f->pages, f->pages_capacity, sizeof *f->pages);
    memory_array_free(&allocator, f->granted, f->granted_capacity, sizeof *f->granted);
    memory_array_free(&allocator, f->wants, f->wants_capacity, sizeof *f->wants);
    thread_mutex_fini(&f->mutex);
    memory_free(&allocator, f, sizeof *f);
}

const veer_io *io_fault_table(const io_fault *f)
{
    return &f->table;
}

size_t io_fault_open_files(const io_fault *f)
{
    return f->open_files;
}

bool io_fault_is_locked(const io_fault *f)
{
    return f->locks != 0;
}

size_t io_fault_maps(const io_fault *f)
{
    return f->maps;
}

/* ---- power cuts */

veer_status io_fault_journal(io_fault *f, veer_error *error)
{
    thread_mutex_lock(&f->mutex);
    veer_status status;
    if (f->open_files != 0) {
        status = error_set(error, VEER_E_BUSY, "%zu files are open", f->open_files);
    } else {
        status = journal_begin(&f->journal, &f->base, error);
    }
    thread_mutex_unlock(&f->mutex);
    return status;
}

size_t io_fault_events(const io_fault *f)
{
    return f->journal.events_count - f->journal.first;
}

io_call io_fault_event_call(const io_fault *f, size_t event)
{
    return f->journal.events[f->journal.first + event].call;
}

const char *io_fault_event_name(const io_fault *f, size_t event)
{
    uint32_t name = f->journal.events[f->journal.first + event].name;
    return name == UINT32_MAX ? "" : f->journal.names[name].text;
}

bool io_fault_journal_failed(const io_fault *f)
{
    return f->journal.failed;
}

veer_status io_fault_materialise(io_fault *f, size_t event, io_cut cut, uint64_t seed,
                                 const veer_allocator *allocator, veer_io *table, veer_error *error)
{
    thread_mutex_lock(&f->mutex);
    veer_status status =
        journal_materialise(&f->journal, event, cut, seed, allocator, table, error);
    thread_mutex_unlock(&f->mutex);
    return status;
}
