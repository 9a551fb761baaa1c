/* Streams in memory: "memory:" databases and tests.
 *
 * A stream's bytes lie in one slab, then in chunks of 16 KiB:
 *
 *     slab [0, slab_bytes)   chunks[0]   chunks[1]   NULL   chunks[3] ...
 *
 * Growing adds chunks and moves nothing; a chunk that was never written is NULL and reads as
 * zeros. Mapping wants the bytes in one piece: the first map of a range copies the chunks into a
 * new slab (and frees them), later ones of the same range find it there. Segment streams are
 * written once and mapped afterwards, so each is copied once.
 *
 * A slab that is mapped is never freed or moved before the last unmap: `retired` keeps the slabs
 * that a larger one has replaced. Writing to a mapped range goes to the newest slab, and to memory
 * that a former map shows only where the slab was not replaced; nobody maps what is still written.
 * A write is all or nothing: memory for all of it is there before the first byte is copied.
 * Shortage of memory is VEER_E_NOMEM.
 *
 * A removed stream leaves the list of names at once and its memory with the last close. Sync does
 * nothing: nothing here survives the process.
 *
 * Threads: any number of them, each stream and the names under a mutex of their own. The table is
 * freed when nobody uses it and every file is closed.
 */
#include <string.h>

#include "base/memory.h"
#include "base/sizes.h"
#include "platform/io.h"
#include "platform/thread.h"

#define CHUNK_BYTES ((size_t)16 << 10) /* arbitrary: small streams waste little */

typedef struct slab {
    struct slab *next; /* in the list of retired ones */
    uint8_t *data;
    size_t bytes;
    size_t maps;
} slab;

typedef struct stream {
    struct stream *next;
    char name[IO_NAME_BYTES_MAX + 1];
    size_t handles; /* open files, and 1 while it has its name; under the table's mutex */
    thread_mutex mutex;
    uint64_t size;
    slab *slab; /* or NULL */
    slab *retired;
    uint8_t **chunks;
    size_t chunks_capacity;
} stream;

typedef struct memory_table {
    veer_allocator allocator;
    thread_mutex mutex;
    stream *streams;
    bool locked_exclusive;
    size_t locks;
} memory_table;

typedef struct memory_file {
    stream *stream;
    bool writable;
} memory_file;

/* ---- one stream; its mutex is held, or nobody else has it */

static size_t slab_bytes(const stream *s)
{
    return s->slab == NULL ? 0 : s->slab->bytes;
}

static void slab_free(const memory_table *table, slab *old)
{
    if (old == NULL) return;
    memory_array_free(&table->allocator, old->data, old->bytes, 1);
    memory_free(&table->allocator, old, sizeof *old);
}

static void stream_free(memory_table *table, stream *s)
{
    for (size_t i = 0; i < s->chunks_capacity; i++) {
        memory_array_free(&table->allocator, s->chunks[i], CHUNK_BYTES, 1);
    }
    memory_array_free(&table->allocator, s->chunks, s->chunks_capacity, sizeof *s->chunks);
    while (s->retired != NULL) {
        slab *next = s->retired->next;
        slab_free(table, s->retired);
        s->retired = next;
    }
    slab_free(table, s->slab);
    thread_mutex_fini(&s->mutex);
    memory_free(&table->allocator, s, sizeof *s);
}

/* The bytes from `offset` that lie in one piece, at most *bytes of them; *place is NULL where they
 * are zeros that have no memory. */
static void piece_at(const stream *s, uint64_t offset, size_t *bytes, uint8_t **place)
{
    size_t in_slab = slab_bytes(s);
    if (offset < in_slab) {
        size_t left = in_slab - (size_t)offset;
        if (*bytes > left) *bytes = left;
        *place = s->slab->data + offset;
        return;
    }
    uint64_t behind = offset - in_slab;
    size_t within = (size_t)(behind % CHUNK_BYTES);
    uint64_t chunk = behind / CHUNK_BYTES;
    if (*bytes > CHUNK_BYTES - within) *bytes = CHUNK_BYTES - within;
    *place = chunk < s->chunks_capacity && s->chunks[(size_t)chunk] != NULL
                 ? s->chunks[(size_t)chunk] + within
                 : NULL;
}

static void copy_out(const stream *s, uint64_t offset, void *to, size_t bytes)
{
    uint8_t *p = to;
    while (bytes > 0) {
        size_t part = bytes;
        uint8_t *place;
        piece_at(s, offset, &part, &place);
        if (place != NULL) {
            memcpy(p, place, part);
        } else {
            memset(p, 0, part);
        }
        p += part;
        offset += part;
        bytes -= part;
    }
}

/* Memory for every byte of [offset, offset + bytes). */
static veer_status stream_reserve(const memory_table *table, stream *s, uint64_t offset,
                                  size_t bytes)
{
    uint64_t end = offset + bytes;
    size_t in_slab = slab_bytes(s);
    if (end <= in_slab) return VEER_OK;
    uint64_t first = offset < in_slab ? 0 : (offset - in_slab) / CHUNK_BYTES;
    uint64_t last = (end - 1 - in_slab) / CHUNK_BYTES;
    if (last >= SIZE_MAX / sizeof *s->chunks) return VEER_E_NOMEM;
    void *chunks = s->chunks;
    VEER_TRY(memory_grow(&table->allocator, &chunks, &s->chunks_capacity, (size_t)last + 1,
                         sizeof *s->chunks));
    s->chunks = chunks;
    for (size_t i = (size_t)first; i <= (size_t)last; i++) {
        if (s->chunks[i] != NULL) continue;
        s->chunks[i] = memory_array(&table->allocator, CHUNK_BYTES, 1);
        if (s->chunks[i] == NULL) return VEER_E_NOMEM;
    }
    return VEER_OK;
}

/* Zeros where there is memory, so that growing again finds zeros. */
static void clear_range(stream *s, uint64_t offset, uint64_t end)
{
    while (offset < end) {
        size_t part = end - offset < CHUNK_BYTES ? (size_t)(end - offset) : CHUNK_BYTES;
        uint8_t *place;
        piece_at(s, offset, &part, &place);
        if (place != NULL) memset(place, 0, part);
        offset += part;
    }
}

static void free_chunks_behind(const memory_table *table, stream *s, uint64_t size)
{
    size_t in_slab = slab_bytes(s);
    uint64_t kept = size <= in_slab ? 0 : (size - in_slab - 1) / CHUNK_BYTES + 1;
    for (size_t i = (size_t)kept; kept < s->chunks_capacity && i < s->chunks_capacity; i++) {
        memory_array_free(&table->allocator, s->chunks[i], CHUNK_BYTES, 1);
        s->chunks[i] = NULL;
    }
}

/* Puts the first `bytes` into one slab. */
static veer_status stream_join(const memory_table *table, stream *s, size_t bytes)
{
    if (bytes <= slab_bytes(s)) return VEER_OK;
    /* All of the stream, and whole chunks, so that the chunks behind start anew. */
    uint64_t size = u64_round_up(s->size, CHUNK_BYTES);
    if (size > SIZE_MAX) return VEER_E_NOMEM;
    slab *joined = memory_new(&table->allocator, sizeof *joined);
    if (joined == NULL) return VEER_E_NOMEM;
    joined->bytes = (size_t)size;
    joined->data = memory_array(&table->allocator, joined->bytes, 1);
    if (joined->data == NULL) {
        memory_free(&table->allocator, joined, sizeof *joined);
        return VEER_E_NOMEM;
    }
    copy_out(s, 0, joined->data, (size_t)s->size);
    free_chunks_behind(table, s, 0);
    if (s->slab != NULL && s->slab->maps > 0) {
        s->slab->next = s->retired;
        s->retired = s->slab;
    } else {
        slab_free(table, s->slab);
    }
    s->slab = joined;
    return VEER_OK;
}

/* ---- names; the table's mutex is held */

static stream *find_stream(const memory_table *table, const char *name)
{
    for (stream *s = table->streams; s != NULL; s = s->next) {
        if (strcmp(s->name, name) == 0) return s;
    }
    return NULL;
}

static void stream_release(memory_table *table, stream *s)
{
    if (--s->handles == 0) stream_free(table, s);
}

static veer_status create_stream(memory_table *table, const char *name, stream **out,
                                 veer_error *error)
{
    stream *s = memory_new(&table->allocator, sizeof *s);
    if (s == NULL) return error_nomem(error, name, sizeof *s);
    if (thread_mutex_init(&s->mutex) != VEER_OK) {
        memory_free(&table->allocator, s, sizeof *s);
        return error_nomem(error, name, sizeof *s);
    }
    memcpy(s->name, name, strlen(name));
    s->handles = 1;
    s->next = table->streams;
    table->streams = s;
    *out = s;
    return VEER_OK;
}

/* ---- the table's callbacks */

static veer_status memory_open(void *context, const char *name, unsigned flags, void **file,
                               veer_error *error)
{
    memory_table *table = context;
    veer_status status = VEER_OK;
    *file = NULL;
    if (!io_name_valid(name)) {
        return error_set(error, VEER_E_INVALID, "open: not a valid name of a stream");
    }
    memory_file *opened = memory_new(&table->allocator, sizeof *opened);
    if (opened == NULL) return error_nomem(error, name, sizeof *opened);

    thread_mutex_lock(&table->mutex);
    stream *s = find_stream(table, name);
    if (s == NULL && !(flags & VEER_IO_CREATE)) {
        status = error_set(error, VEER_E_NOTFOUND, "open %s: there is no such stream", name);
    } else if (s != NULL && (flags & VEER_IO_CREATE)) {
        status = error_set(error, VEER_E_EXISTS, "create %s: the stream exists", name);
    } else if (s == NULL) {
        status = create_stream(table, name, &s, error);
    }
    if (status == VEER_OK) s->handles++;
    thread_mutex_unlock(&table->mutex);

    if (status != VEER_OK) {
        memory_free(&table->allocator, opened, sizeof *opened);
        return status;
    }
    opened->stream = s;
    opened->writable = (flags & (VEER_IO_WRITE | VEER_IO_CREATE)) != 0;
    *file = opened;
    return VEER_OK;
}

static void memory_close(void *context, void *file)
{
    memory_table *table = context;
    memory_file *opened = file;
    if (opened == NULL) return;
    thread_mutex_lock(&table->mutex);
    stream_release(table, opened->stream);
    thread_mutex_unlock(&table->mutex);
    memory_free(&table->allocator, opened, sizeof *opened);
}

static veer_status memory_read(void *context, void *file, uint64_t offset, void *buffer,
                               size_t bytes, veer_error *error)
{
    stream *s = ((memory_file *)file)->stream;
    (void)context;
    thread_mutex_lock(&s->mutex);
    uint64_t size = s->size;
    bool inside = offset <= size && bytes <= size - offset;
    if (inside) copy_out(s, offset, buffer, bytes);
    thread_mutex_unlock(&s->mutex);
    if (inside) return VEER_OK;
    return error_set(error, VEER_E_CORRUPT, "read %s: %zu bytes at %llu are past its end at %llu",
                     s->name, bytes, (unsigned long long)offset, (unsigned long long)size);
}

static veer_status check_writable(const memory_file *file, const char *what, veer_error *error)
{
    if (file->writable) return VEER_OK;
    return error_set(error, VEER_E_PERMISSION, "%s %s: it is open for reading", what,
                     file->stream->name);
}

static veer_status memory_write(void *context, void *file, uint64_t offset, const void *data,
                                size_t bytes, veer_error *error)
{
    memory_table *table = context;
    stream *s = ((memory_file *)file)->stream;
    VEER_TRY(check_writable(file, "write", error));
    if (bytes == 0) return VEER_OK;
    if (offset > INT64_MAX || bytes > INT64_MAX - offset) {
        return error_set(error, VEER_E_FULL, "write %s: a stream cannot be that long", s->name);
    }
    thread_mutex_lock(&s->mutex);
    veer_status status = stream_reserve(table, s, offset, bytes);
    if (status == VEER_OK) {
        const uint8_t *p = data;
        uint64_t end = offset + bytes;
        if (end > s->size) s->size = end;
        while (offset < end) {
            size_t part = (size_t)(end - offset);
            uint8_t *place;
            piece_at(s, offset, &part, &place);
            memcpy(place, p, part);
            p += part;
            offset += part;
        }
    }
    thread_mutex_unlock(&s->mutex);
    if (status != VEER_OK) return error_nomem(error, s->name, bytes);
    return VEER_OK;
}

static veer_status memory_size(void *context, void *file, uint64_t *bytes, veer_error *error)
{
    stream *s = ((memory_file *)file)->stream;
    (void)context;
    (void)error;
    thread_mutex_lock(&s->mutex);
    *bytes = s->size;
    thread_mutex_unlock(&s->mutex);
    return VEER_OK;
}

static veer_status memory_truncate(void *context, void *file, uint64_t bytes, veer_error *error)
{
    memory_table *table = context;
    stream *s = ((memory_file *)file)->stream;
    VEER_TRY(check_writable(file, "truncate", error));
    if (bytes > INT64_MAX) {
        return error_set(error, VEER_E_FULL, "truncate %s: a stream cannot be that long", s->name);
    }
    thread_mutex_lock(&s->mutex);
    if (bytes < s->size) {
        free_chunks_behind(table, s, bytes);
        /* What is left of memory behind the end is the slab and the rest of one chunk. */
        uint64_t end = u64_round_up(bytes, CHUNK_BYTES);
        if (end < slab_bytes(s)) end = slab_bytes(s);
        clear_range(s, bytes, end < s->size ? end : s->size);
    }
    s->size = bytes;
    thread_mutex_unlock(&s->mutex);
    return VEER_OK;
}

static veer_status memory_sync(void *context, void *file, veer_error *error)
{
    (void)context;
    (void)file;
    (void)error;
    return VEER_OK;
}

static veer_status memory_sync_names(void *context, veer_error *error)
{
    (void)context;
    (void)error;
    return VEER_OK;
}

static veer_status memory_map(void *context, void *file, uint64_t bytes, const void **memory,
                              veer_error *error)
{
    static const uint64_t nothing[8] = {0};
    memory_table *table = context;
    stream *s = ((memory_file *)file)->stream;
    veer_status status = VEER_OK;
    *memory = NULL;
    if (bytes == 0) {
        *memory = nothing;
        return VEER_OK;
    }
    thread_mutex_lock(&s->mutex);
    uint64_t size = s->size;
    if (bytes <= size) {
        status = bytes <= SIZE_MAX ? stream_join(table, s, (size_t)bytes) : VEER_E_NOMEM;
        if (status == VEER_OK) {
            s->slab->maps++;
            *memory = s->slab->data;
        }
    }
    thread_mutex_unlock(&s->mutex);
    if (bytes > size) {
        return error_set(error, VEER_E_CORRUPT, "map %s: %llu bytes are past its end at %llu",
                         s->name, (unsigned long long)bytes, (unsigned long long)size);
    }
    if (status != VEER_OK) return error_nomem(error, s->name, bytes);
    return VEER_OK;
}

static void memory_unmap(void *context, void *file, const void *memory, uint64_t bytes)
{
    memory_table *table = context;
    stream *s = ((memory_file *)file)->stream;
    if (memory == NULL || bytes == 0) return;
    thread_mutex_lock(&s->mutex);
    if (s->slab != NULL && s->slab->data == memory) {
        s->slab->maps--;
    } else {
        slab **link = &s->retired;
        while (*link != NULL && (*link)->data != memory)
            link = &(*link)->next;
        slab *found = *link;
        if (found != NULL && --found->maps == 0) {
            *link = found->next;
            slab_free(table, found);
        }
    }
    thread_mutex_unlock(&s->mutex);
}

static veer_status memory_remove(void *context, const char *name, veer_error *error)
{
    memory_table *table = context;
    if (!io_name_valid(name)) {
        return error_set(error, VEER_E_INVALID, "remove: not a valid name of a stream");
    }
    thread_mutex_lock(&table->mutex);
    stream **link = &table->streams;
    while (*link != NULL && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    stream *found = *link;
    if (found != NULL) {
        *link = found->next;
        stream_release(table, found);
    }
    thread_mutex_unlock(&table->mutex);
    if (found != NULL) return VEER_OK;
    return error_set(error, VEER_E_NOTFOUND, "remove %s: there is no such stream", name);
}

static veer_status memory_list(void *context, void (*each)(void *argument, const char *name),
                               void *argument, veer_error *error)
{
    memory_table *table = context;
    (void)error;
    thread_mutex_lock(&table->mutex);
    for (const stream *s = table->streams; s != NULL; s = s->next)
        each(argument, s->name);
    thread_mutex_unlock(&table->mutex);
    return VEER_OK;
}

static veer_status memory_lock(void *context, bool exclusive, veer_error *error)
{
    memory_table *table = context;
    thread_mutex_lock(&table->mutex);
    bool is_free = table->locks == 0 || (!exclusive && !table->locked_exclusive);
    bool by_writer = table->locked_exclusive;
    if (is_free) {
        table->locks++;
        table->locked_exclusive = exclusive;
    }
    thread_mutex_unlock(&table->mutex);
    if (is_free) return VEER_OK;
    return error_set(error, VEER_E_BUSY, "already open for %s by this process",
                     by_writer ? "writing" : "reading");
}

static void memory_unlock(void *context)
{
    memory_table *table = context;
    thread_mutex_lock(&table->mutex);
    if (table->locks > 0) table->locks--;
    if (table->locks == 0) table->locked_exclusive = false;
    thread_mutex_unlock(&table->mutex);
}

veer_status io_memory_new(const veer_allocator *allocator, veer_io *io, veer_error *error)
{
    memset(io, 0, sizeof *io);
    memory_table *table = memory_new(allocator, sizeof *table);
    if (table == NULL) return error_nomem(error, "storage in memory", sizeof *table);
    table->allocator = *allocator;
    if (thread_mutex_init(&table->mutex) != VEER_OK) {
        memory_free(allocator, table, sizeof *table);
        return error_nomem(error, "storage in memory", sizeof *table);
    }
    *io = (veer_io){
        .version = 1,
        .context = table,
        .open = memory_open,
        .close = memory_close,
        .read = memory_read,
        .write = memory_write,
        .size = memory_size,
        .truncate = memory_truncate,
        .sync = memory_sync,
        .sync_names = memory_sync_names,
        .map = memory_map,
        .unmap = memory_unmap,
        .remove = memory_remove,
        .list = memory_list,
        .lock = memory_lock,
        .unlock = memory_unlock,
    };
    return VEER_OK;
}

void io_memory_set_mapping(veer_io *io, bool mapping)
{
    io->map = mapping ? memory_map : NULL;
    io->unmap = mapping ? memory_unmap : NULL;
}

void io_memory_free(veer_io *io)
{
    if (io == NULL || io->context == NULL) return;
    memory_table *table = io->context;
    veer_allocator allocator = table->allocator;
    while (table->streams != NULL) {
        stream *s = table->streams;
        table->streams = s->next;
        stream_release(table, s);
    }
    thread_mutex_fini(&table->mutex);
    memory_free(&allocator, table, sizeof *table);
    memset(io, 0, sizeof *io);
}
