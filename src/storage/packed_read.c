/* A packed file as a read-only I/O table of the streams inside.
 *
 * Opening checks the header page and the whole table: names valid and different, offsets aligned,
 * in order, inside the file and without overlap. Opening a stream compares the checksum of its
 * head with the table's. Everything else of a stream is checked by whoever reads it, as it would be
 * in a directory.
 *
 * Where the parent can map, the whole file is mapped once and each stream's map is a part of it;
 * else this table has no map either.
 *
 * The parent's VEER_PENDING passes through; packed_io_new begins again at its next call.
 *
 * Threads: any; the parent's file is only read.
 */
#include "base/crc32c.h"
#include "platform/io.h"
#include "storage/name_order.h"
#include "storage/packed.h"
#include "storage/packed_format.h"

typedef struct packed_table {
    const veer_allocator *allocator;
    const veer_io *parent;
    void *file;
    uint64_t bytes;
    const uint8_t *map; /* the whole file, or NULL */
    packed_entry *entries;
    size_t count;
    uint64_t streams_end;
    uint64_t table_at;
} packed_table;

/* ---- callbacks: an entry is the file handle of its stream */

static packed_entry *find_entry(const packed_table *self, const char *name)
{
    size_t i = names_find(self->entries, self->count, sizeof *self->entries, name);
    return i < self->count ? &self->entries[i] : NULL;
}

static veer_status check_head(const packed_table *self, const packed_entry *entry,
                              veer_error *error)
{
    size_t bytes = (size_t)(entry->bytes < PACKED_HEAD_BYTES ? entry->bytes : PACKED_HEAD_BYTES);
    uint8_t *head = memory_new(self->allocator, PACKED_HEAD_BYTES);
    if (head == NULL) return error_nomem(error, "a stream's head", PACKED_HEAD_BYTES);
    veer_status status = VEER_OK;
    if (bytes != 0)
        status = self->parent->read(self->parent->context, self->file, entry->offset, head, bytes,
                                    error);
    if (status == VEER_OK && crc32c(0, head, bytes) != entry->head_crc)
        status = error_set(error, VEER_E_CORRUPT,
                           "The packed file is damaged: the head of stream '%s'.", entry->name);
    memory_free(self->allocator, head, PACKED_HEAD_BYTES);
    return status;
}

static veer_status packed_open(void *context, const char *name, unsigned flags, void **file,
                               veer_error *error)
{
    packed_table *self = context;
    packed_entry *entry = find_entry(self, name);
    if ((flags & (VEER_IO_WRITE | VEER_IO_CREATE)) != 0)
        VEER_FAIL(error, VEER_E_READONLY, "Stream '%s' is in a packed file, which is read-only.",
                  name);
    if (entry == NULL)
        VEER_FAIL(error, VEER_E_NOTFOUND, "The packed file has no stream '%s'.", name);
    VEER_TRY(check_head(self, entry, error));
    *file = entry;
    return VEER_OK;
}

static void packed_close(void *context, void *file)
{
    (void)context;
    (void)file;
}

static veer_status packed_read(void *context, void *file, uint64_t offset, void *buffer,
                               size_t bytes, veer_error *error)
{
    packed_table *self = context;
    const packed_entry *entry = file;
    if (offset > entry->bytes || bytes > entry->bytes - offset)
        VEER_FAIL(error, VEER_E_CORRUPT, "Stream '%s' of the packed file ends at byte %llu.",
                  entry->name, (unsigned long long)entry->bytes);
    return self->parent->read(self->parent->context, self->file, entry->offset + offset, buffer,
                              bytes, error);
}

static veer_status refuse(veer_error *error)
{
    return error_set(error, VEER_E_READONLY, "A packed file is read-only.");
}

static veer_status packed_write(void *context, void *file, uint64_t offset, const void *data,
                                size_t bytes, veer_error *error)
{
    (void)context;
    (void)file;
    (void)offset;
    (void)data;
    (void)bytes;
    return refuse(error);
}

static veer_status packed_size(void *context, void *file, uint64_t *bytes, veer_error *error)
{
    (void)context;
    (void)error;
    const packed_entry *entry = file;
    *bytes = entry->bytes;
    return VEER_OK;
}

static veer_status packed_truncate(void *context, void *file, uint64_t bytes, veer_error *error)
{
    (void)context;
    (void)file;
    (void)bytes;
    return refuse(error);
}

static veer_status packed_sync(void *context, void *file, veer_error *error)
{
    (void)context;
    (void)file;
    (void)error;
    return VEER_OK;
}

static veer_status packed_sync_names(void *context, veer_error *error)
{
    (void)context;
    (void)error;
    return VEER_OK;
}

static veer_status packed_map(void *context, void *file, uint64_t bytes, const void **memory,
                              veer_error *error)
{
    packed_table *self = context;
    const packed_entry *entry = file;
    if (bytes > entry->bytes)
        VEER_FAIL(error, VEER_E_CORRUPT, "Stream '%s' of the packed file ends at byte %llu.",
                  entry->name, (unsigned long long)entry->bytes);
    *memory = self->map + entry->offset;
    return VEER_OK;
}

static void packed_unmap(void *context, void *file, const void *memory, uint64_t bytes)
{
    (void)context;
    (void)file;
    (void)memory;
    (void)bytes;
}

static veer_status packed_remove(void *context, const char *name, veer_error *error)
{
    (void)context;
    (void)name;
    return refuse(error);
}

static veer_status packed_list(void *context, void (*each)(void *argument, const char *name),
                               void *argument, veer_error *error)
{
    (void)error;
    const packed_table *self = context;
    for (size_t i = 0; i < self->count; i++)
        each(argument, self->entries[i].name);
    return VEER_OK;
}

static veer_status packed_lock(void *context, bool exclusive, veer_error *error)
{
    (void)context;
    return exclusive ? refuse(error) : VEER_OK;
}

static void packed_unlock(void *context)
{
    (void)context;
}

/* ---- opening the file */

static veer_status packed_damaged(const char *what, veer_error *error)
{
    return error_set(error, VEER_E_CORRUPT, "The packed file is damaged: %s.", what);
}

static veer_status decode_table(packed_table *self, const uint8_t *table, uint64_t table_at,
                                veer_error *error)
{
    uint64_t end = STORAGE_PAGE_BYTES;
    for (size_t i = 0; i < self->count; i++) {
        const uint8_t *from = table + i * PACKED_ENTRY_BYTES;
        packed_entry *entry = &self->entries[i];
        entry->offset = load_u64(from + PACKED_ENTRY_OFFSET_AT);
        entry->bytes = load_u64(from + PACKED_ENTRY_BYTES_AT);
        entry->head_crc = load_u32(from + PACKED_ENTRY_CRC_AT);
        if (!storage_get_name(from, entry->name))
            return packed_damaged("the name of a stream", error);
        if (entry->offset < end || entry->offset % STORAGE_PAGE_BYTES != 0 ||
            entry->offset > table_at || entry->bytes > table_at - entry->offset ||
            entry->offset - end > UINT32_MAX)
            return packed_damaged("the place of a stream", error);
        entry->before = (uint32_t)(entry->offset - end);
        end = entry->offset + entry->bytes;
    }
    self->streams_end = end;
    self->table_at = table_at;
    names_sort(self->entries, self->count, sizeof *self->entries);
    if (!names_distinct(self->entries, self->count, sizeof *self->entries))
        return packed_damaged("two streams of one name", error);
    return VEER_OK;
}

static veer_status read_table(packed_table *self, const uint8_t *page, veer_error *error)
{
    const veer_io *parent = self->parent;
    uint64_t table_at = load_u64(page + PACKED_TABLE_AT);
    size_t count = load_u32(page + PACKED_COUNT_AT);
    size_t table_bytes = count * PACKED_ENTRY_BYTES;
    if (load_u64(page + PACKED_BYTES_AT) != self->bytes)
        return packed_damaged("its size is not what its header says", error);
    if (count == 0 || count > PACKED_STREAMS_MAX || table_at < STORAGE_PAGE_BYTES ||
        table_at % 8 != 0 || table_at > self->bytes || table_bytes > self->bytes - table_at)
        return packed_damaged("its table of streams does not fit", error);
    uint8_t *table = memory_new(self->allocator, table_bytes);
    self->entries = memory_array(self->allocator, count, sizeof *self->entries);
    self->count = count;
    veer_status status = VEER_OK;
    if (table == NULL || self->entries == NULL) {
        status = error_nomem(error, "the table of a packed file", table_bytes);
        goto done;
    }
    VEER_GOTO(parent->read(parent->context, self->file, table_at, table, table_bytes, error));
    if (crc32c(0, table, table_bytes) != load_u32(page + PACKED_TABLE_CRC_AT)) {
        status = packed_damaged("its table of streams", error);
        goto done;
    }
    VEER_GOTO(decode_table(self, table, table_at, error));
done:
    memory_free(self->allocator, table, table_bytes);
    return status;
}

static veer_status open_packed(packed_table *self, const char *name, veer_error *error)
{
    const veer_io *parent = self->parent;
    VEER_TRY(parent->open(parent->context, name, VEER_IO_READ, &self->file, error));
    VEER_TRY(parent->size(parent->context, self->file, &self->bytes, error));
    if (self->bytes < STORAGE_PAGE_BYTES) VEER_FAIL(error, VEER_E_FORMAT, "not a Veer database");
    uint8_t *page = memory_new(self->allocator, STORAGE_PAGE_BYTES);
    if (page == NULL) return error_nomem(error, "a packed file", STORAGE_PAGE_BYTES);
    veer_status status =
        parent->read(parent->context, self->file, 0, page, STORAGE_PAGE_BYTES, error);
    if (status != VEER_OK) goto done;
    page_state state = page_look(page, STORAGE_MAGIC_PACKED);
    if (state == PAGE_FOREIGN)
        status = error_set(error, VEER_E_FORMAT,
                           "not a Veer database, or a backup that was never finished");
    if (state == PAGE_DAMAGED) status = packed_damaged("its header is not valid", error);
    if (status == VEER_OK) status = page_check_version(page, true, "the packed file", error);
    if (status == VEER_OK) status = read_table(self, page, error);
    if (status != VEER_OK || parent->map == NULL) goto done;
    const void *map = NULL;
    status = parent->map(parent->context, self->file, self->bytes, &map, error);
    if (status == VEER_OK) self->map = map;
    if (status == VEER_E_UNSUPPORTED || status == VEER_E_NOMEM) status = VEER_OK;
done:
    memory_free(self->allocator, page, STORAGE_PAGE_BYTES);
    return status;
}

static void free_table(packed_table *self)
{
    const veer_io *parent = self->parent;
    if (self->map != NULL) parent->unmap(parent->context, self->file, self->map, self->bytes);
    if (self->file != NULL) parent->close(parent->context, self->file);
    memory_array_free(self->allocator, self->entries, self->count, sizeof *self->entries);
    memory_free(self->allocator, self, sizeof *self);
}

veer_status packed_io_new(const veer_allocator *allocator, const veer_io *parent, const char *name,
                          veer_io *io, veer_error *error)
{
    memset(io, 0, sizeof *io);
    packed_table *self = memory_new(allocator, sizeof *self);
    if (self == NULL) return error_nomem(error, "a packed file", sizeof *self);
    self->allocator = allocator;
    self->parent = parent;
    veer_status status = open_packed(self, name, error);
    if (status != VEER_OK) {
        free_table(self);
        return status;
    }
    *io = (veer_io){
        .version = 1,
        .context = self,
        .open = packed_open,
        .close = packed_close,
        .read = packed_read,
        .write = packed_write,
        .size = packed_size,
        .truncate = packed_truncate,
        .sync = packed_sync,
        .sync_names = packed_sync_names,
        .map = self->map != NULL ? packed_map : NULL,
        .unmap = self->map != NULL ? packed_unmap : NULL,
        .remove = packed_remove,
        .list = packed_list,
        .lock = packed_lock,
        .unlock = packed_unlock,
    };
    return VEER_OK;
}

/* ---- checking */

/* Whether bytes [from, end) of the file are zero. */
static veer_status check_zeros(const packed_table *self, uint64_t from, uint64_t end, uint8_t *page,
                               bool *zero, veer_error *error)
{
    *zero = true;
    while (from < end) {
        size_t n = end - from < STORAGE_PAGE_BYTES ? (size_t)(end - from) : STORAGE_PAGE_BYTES;
        VEER_TRY(self->parent->read(self->parent->context, self->file, from, page, n, error));
        for (size_t i = 0; i < n; i++)
            *zero = *zero && page[i] == 0;
        from += n;
    }
    return VEER_OK;
}

veer_status packed_io_check(const veer_io *io,
                            void (*problem)(void *context, const char *stream, const char *text),
                            void *context, veer_error *error)
{
    const packed_table *self = io->context;
    bool zero;
    uint64_t table_end = self->table_at + self->count * PACKED_ENTRY_BYTES;
    uint8_t *page = memory_new(self->allocator, STORAGE_PAGE_BYTES);
    if (page == NULL) return error_nomem(error, "a check", STORAGE_PAGE_BYTES);
    veer_status status = VEER_OK;
    for (size_t i = 0; i < self->count; i++) {
        const packed_entry *entry = &self->entries[i];
        VEER_GOTO(
            check_zeros(self, entry->offset - entry->before, entry->offset, page, &zero, error));
        if (!zero) problem(context, entry->name, "The padding before the stream is not zero.");
    }
    VEER_GOTO(check_zeros(self, self->streams_end, self->table_at, page, &zero, error));
    if (!zero) problem(context, "", "The padding before the packed file's table is not zero.");
    VEER_GOTO(check_zeros(self, table_end, self->bytes, page, &zero, error));
    if (!zero) problem(context, "", "What follows the packed file's table is not zero.");
done:
    memory_free(self->allocator, page, STORAGE_PAGE_BYTES);
    return status;
}

void packed_io_free(veer_io *io)
{
    if (io->context != NULL) free_table(io->context);
    memset(io, 0, sizeof *io);
}
