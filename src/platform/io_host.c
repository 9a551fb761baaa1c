/* Streams that JavaScript supplies: the I/O table over imports of the WebAssembly module.
 *
 * All imports are of module "veer". `storage` is the number that JavaScript gave to io_host_new for
 * one database's storage; several may be open at once. Pointers are offsets into the module's
 * memory (unsigned); names are UTF-8 without an end mark, [a-z0-9._-]{1,64}; u64 and i64 arrive as
 * BigInt, u32 and pointers as signed numbers (`>>> 0`). Numbers are written little-endian through
 * pointers. A callback must make its view of the memory anew in each call: the memory grows.
 *
 *   io_open       (storage u32, name ptr, name_bytes u32, flags u32, handle_out ptr to u32) -> i32
 *   io_close      (storage u32, handle u32)
 *   io_read       (storage u32, handle u32, offset i64, to ptr, bytes u32) -> i32
 *   io_write      (storage u32, handle u32, offset i64, from ptr, bytes u32) -> i32
 *   io_size       (storage u32, handle u32, bytes_out ptr to u64) -> i32
 *   io_truncate   (storage u32, handle u32, bytes i64) -> i32
 *   io_sync       (storage u32, handle u32) -> i32
 *   io_sync_names (storage u32) -> i32
 *   io_remove     (storage u32, name ptr, name_bytes u32) -> i32
 *   io_list       (storage u32, to ptr, capacity u32, needed_out ptr to u32) -> i32
 *   io_lock       (storage u32, exclusive u32) -> i32
 *   io_unlock     (storage u32)
 *   io_error      (storage u32, to ptr, capacity u32) -> u32
 *
 *   flags         VEER_IO_READ 1, VEER_IO_WRITE 2, VEER_IO_CREATE 4 (veer.h)
 *   handle        any u32 but 0xFFFFFFFF, written on success
 *   returned i32  a veer_status: 0, 1 (PENDING, only from open, read, write and remove), or the
 *                 negative code; veer.h says which code means what for each callback. After
 *                 PENDING nothing has changed, and JavaScript knows what to fetch from the call.
 *   io_read       exactly `bytes`; past the end of the stream CORRUPT (-22)
 *   io_sync       a barrier: what was written before it reaches storage before what comes after
 *                 it; JavaScript resolves a write's promise when storage has confirmed it
 *   io_list       the names, each followed by "\n"; writes as much as `capacity` holds of whole
 *                 names, and always how many bytes all of them take; called again with more
 *   io_error      writes the text of the storage's last failure ("write seg.3: quota exceeded"),
 *                 whole characters only, and returns its length; 0 where there is none
 *
 * The module's other imports: clock_monotonic_ms () -> f64, clock_wall_ms () -> i64 (clock.c) and
 * random (to ptr, bytes u32) (random.c).
 *
 * There is no map: files stay with JavaScript. Threads: the module has one.
 */
#ifdef __wasm__

#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/utf8.h"
#include "platform/io.h"

#define IMPORT(name) __attribute__((import_module("veer"), import_name(name)))

IMPORT("io_open")
int32_t import_io_open(uint32_t storage, const char *name, uint32_t name_bytes, uint32_t flags,
                       uint32_t *handle);
IMPORT("io_close") void import_io_close(uint32_t storage, uint32_t handle);
IMPORT("io_read")
int32_t import_io_read(uint32_t storage, uint32_t handle, uint64_t offset, void *to,
                       uint32_t bytes);
IMPORT("io_write")
int32_t import_io_write(uint32_t storage, uint32_t handle, uint64_t offset, const void *from,
                        uint32_t bytes);
IMPORT("io_size") int32_t import_io_size(uint32_t storage, uint32_t handle, uint64_t *bytes);
IMPORT("io_truncate") int32_t import_io_truncate(uint32_t storage, uint32_t handle, uint64_t bytes);
IMPORT("io_sync") int32_t import_io_sync(uint32_t storage, uint32_t handle);
IMPORT("io_sync_names") int32_t import_io_sync_names(uint32_t storage);
IMPORT("io_remove")
int32_t import_io_remove(uint32_t storage, const char *name, uint32_t name_bytes);
IMPORT("io_list")
int32_t import_io_list(uint32_t storage, char *to, uint32_t capacity, uint32_t *needed);
IMPORT("io_lock") int32_t import_io_lock(uint32_t storage, uint32_t exclusive);
IMPORT("io_unlock") void import_io_unlock(uint32_t storage);
IMPORT("io_error") uint32_t import_io_error(uint32_t storage, char *to, uint32_t capacity);

typedef struct host {
    veer_allocator allocator;
    uint32_t storage;
} host;

/* A handle as the table's file pointer, which must not be NULL. */
static void *file_of(uint32_t handle)
{
    return (void *)(uintptr_t)(handle + 1);
}

static uint32_t handle_of(void *file)
{
    return (uint32_t)(uintptr_t)file - 1;
}

/* The status of an import's answer, with the host's text for it in `error`. */
static veer_status answer(const host *h, const char *what, int32_t status, bool may_wait,
                          veer_error *error)
{
    if (status == VEER_OK || (status == VEER_PENDING && may_wait)) return (veer_status)status;
    if (status > 0 || strcmp(veer_status_name((veer_status)status), "UNKNOWN") == 0) {
        return error_set(error, VEER_E_INTERNAL, "%s: the storage answered %d, which is no status",
                         what, (int)status);
    }
    char text[sizeof error->message];
    uint32_t bytes = import_io_error(h->storage, text, sizeof text - 1);
    if (bytes > sizeof text - 1) bytes = sizeof text - 1;
    text[bytes] = 0;
    if (bytes == 0 || !utf8_valid(text, bytes)) {
        return error_set(error, (veer_status)status, "%s: %s", what,
                         veer_status_text((veer_status)status));
    }
    return error_set(error, (veer_status)status, "%s", text);
}

static veer_status host_open(void *context, const char *name, unsigned flags, void **file,
                             veer_error *error)
{
    const host *h = context;
    uint32_t handle = UINT32_MAX;
    *file = NULL;
    if (!io_name_valid(name)) {
        return error_set(error, VEER_E_INVALID, "open: not a valid name of a stream");
    }
    int32_t status = import_io_open(h->storage, name, (uint32_t)strlen(name), flags, &handle);
    VEER_TRY(answer(h, "open", status, true, error));
    if (handle == UINT32_MAX) {
        return error_set(error, VEER_E_INTERNAL, "open %s: the storage gave no handle", name);
    }
    *file = file_of(handle);
    return VEER_OK;
}

static void host_close(void *context, void *file)
{
    const host *h = context;
    if (file != NULL) import_io_close(h->storage, handle_of(file));
}

static veer_status host_read(void *context, void *file, uint64_t offset, void *buffer, size_t bytes,
                             veer_error *error)
{
    const host *h = context;
    if (bytes == 0) return VEER_OK;
    if (offset > INT64_MAX - (uint64_t)bytes) {
        return error_set(error, VEER_E_CORRUPT, "read: past the end of the stream");
    }
    return answer(h, "read", import_io_read(h->storage, handle_of(file), offset, buffer, bytes),
                  true, error);
}

static veer_status host_write(void *context, void *file, uint64_t offset, const void *data,
                              size_t bytes, veer_error *error)
{
    const host *h = context;
    if (bytes == 0) return VEER_OK;
    if (offset > INT64_MAX - (uint64_t)bytes) {
        return error_set(error, VEER_E_FULL, "write: a stream cannot be that long");
    }
    return answer(h, "write", import_io_write(h->storage, handle_of(file), offset, data, bytes),
                  true, error);
}

static veer_status host_size(void *context, void *file, uint64_t *bytes, veer_error *error)
{
    const host *h = context;
    uint64_t size = 0;
    *bytes = 0;
    VEER_TRY(answer(h, "size", import_io_size(h->storage, handle_of(file), &size), false, error));
    *bytes = size;
    return VEER_OK;
}

static veer_status host_truncate(void *context, void *file, uint64_t bytes, veer_error *error)
{
    const host *h = context;
    if (bytes > INT64_MAX) {
        return error_set(error, VEER_E_FULL, "truncate: a stream cannot be that long");
    }
    return answer(h, "truncate", import_io_truncate(h->storage, handle_of(file), bytes), false,
                  error);
}

static veer_status host_sync(void *context, void *file, veer_error *error)
{
    const host *h = context;
    return answer(h, "sync", import_io_sync(h->storage, handle_of(file)), false, error);
}

static veer_status host_sync_names(void *context, veer_error *error)
{
    const host *h = context;
    return answer(h, "sync of names", import_io_sync_names(h->storage), false, error);
}

static veer_status host_remove(void *context, const char *name, veer_error *error)
{
    const host *h = context;
    if (!io_name_valid(name)) {
        return error_set(error, VEER_E_INVALID, "remove: not a valid name of a stream");
    }
    return answer(h, "remove", import_io_remove(h->storage, name, (uint32_t)strlen(name)), true,
                  error);
}

/* Calls `each` for the valid names in a text of names that end in "\n". */
static void each_name(const char *text, size_t bytes, void (*each)(void *, const char *),
                      void *argument)
{
    char name[IO_NAME_BYTES_MAX + 1];
    size_t begin = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != '\n') continue;
        if (i - begin <= IO_NAME_BYTES_MAX) {
            memcpy(name, text + begin, i - begin);
            name[i - begin] = 0;
            if (io_name_valid(name)) each(argument, name);
        }
        begin = i + 1;
    }
}

static veer_status host_list(void *context, void (*each)(void *argument, const char *name),
                             void *argument, veer_error *error)
{
    const host *h = context;
    uint32_t capacity = 4096; /* arbitrary: some hundred names */
    for (;;) {
        char *text = memory_new(&h->allocator, capacity);
        if (text == NULL) return error_nomem(error, "the list of streams", capacity);
        uint32_t needed = 0;
        int32_t status = import_io_list(h->storage, text, capacity, &needed);
        veer_status checked = answer(h, "list", status, false, error);
        if (checked == VEER_OK && needed <= capacity) each_name(text, needed, each, argument);
        memory_free(&h->allocator, text, capacity);
        if (checked != VEER_OK || needed <= capacity) return checked;
        capacity = needed;
    }
}

static veer_status host_lock(void *context, bool exclusive, veer_error *error)
{
    const host *h = context;
    return answer(h, "lock", import_io_lock(h->storage, exclusive), false, error);
}

static void host_unlock(void *context)
{
    const host *h = context;
    import_io_unlock(h->storage);
}

veer_status io_host_new(const veer_allocator *allocator, uint32_t storage, veer_io *io,
                        veer_error *error)
{
    memset(io, 0, sizeof *io);
    host *h = memory_new(allocator, sizeof *h);
    if (h == NULL) return error_nomem(error, "the storage's table", sizeof *h);
    h->allocator = *allocator;
    h->storage = storage;
    *io = (veer_io){
        .version = 1,
        .context = h,
        .open = host_open,
        .close = host_close,
        .read = host_read,
        .write = host_write,
        .size = host_size,
        .truncate = host_truncate,
        .sync = host_sync,
        .sync_names = host_sync_names,
        .map = NULL,
        .unmap = NULL,
        .remove = host_remove,
        .list = host_list,
        .lock = host_lock,
        .unlock = host_unlock,
    };
    return VEER_OK;
}

void io_host_free(veer_io *io)
{
    if (io == NULL || io->context == NULL) return;
    host *h = io->context;
    veer_allocator allocator = h->allocator;
    memory_free(&allocator, h, sizeof *h);
    memset(io, 0, sizeof *io);
}

#else
extern int io_host_is_for_wasm; /* a translation unit is not empty */
#endif
