/* Streams as the files of a directory.
 *
 * The directory is opened once and every name is resolved in it, so that renaming it or changing
 * the working directory makes no difference. Names are checked and symbolic links are not followed:
 * nothing outside the directory can be reached. Only regular files are streams.
 *
 * Reads and writes are pread and pwrite in loops: signals and short transfers are not errors.
 *
 * Durability: sync is fdatasync, which includes the size (F_FULLFSYNC on macOS, whose fsync stops at
 * the drive's cache); sync_names is fsync of the directory, the first time of a directory that may
 * have been made here also of its parent. After a failed sync the kernel may have dropped the
 * pages and marked them clean: nobody may sync again and believe it, which is the store's to know.
 *
 * Mapping is shared and read-only, with the kernel's own read-ahead. A map shows what is in the
 * file, later writes included. The size is checked when it is made; whoever makes the file
 * shorter afterwards (no Veer does that to a stream that is mapped) makes reads behind the new end
 * raise SIGBUS, as a failing disk does. The library installs no handler; a program that must live
 * through that uses a table without map.
 *
 * The table of io_posix_parent is for one packed file beside others that are not ours: any name
 * is allowed, links are followed (the user named the path), and lock does nothing.
 *
 * Threads: everything from any thread; the lock and the flag of the parent have a mutex. Two
 * threads at one file handle, one of them writing, is as safe as pread and pwrite are.
 */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "platform/io.h"
#include "platform/io_posix_error.h"
#include "platform/io_posix_lock.h"
#include "platform/thread.h"

#define FILE_NAME_BYTES_MAX 255 /* NAME_MAX of every file system that counts */
/* Linux moves at most 0x7ffff000 bytes a call; others refuse more than INT_MAX. */
#define TRANSFER_BYTES_MAX ((size_t)1 << 30)

typedef struct directory {
    veer_allocator allocator;
    int fd;
    bool any_name;
    bool sync_parent; /* still to be done; under the mutex */
    posix_lock lock;  /* under the mutex */
    thread_mutex mutex;
    size_t name_bytes; /* of the packed file's name behind the struct, its 0 included */
    char name[];
} directory;

typedef struct posix_file {
    int fd;
    bool writable;
    char name[FILE_NAME_BYTES_MAX + 1];
} posix_file;

static bool is_stream_name(const directory *d, const char *name)
{
    if (!d->any_name) return io_name_valid(name) && strcmp(name, POSIX_LOCK_NAME) != 0;
    if (name == NULL || name[0] == 0 || strchr(name, '/') != NULL) return false;
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strlen(name) <= FILE_NAME_BYTES_MAX;
}

/* ---- files */

static veer_status posix_open(void *context, const char *name, unsigned flags, void **file,
                              veer_error *error)
{
    const directory *d = context;
    *file = NULL;
    if (!is_stream_name(d, name)) {
        return error_set(error, VEER_E_INVALID, "open: not a valid name of a stream");
    }
    posix_file *opened = memory_new(&d->allocator, sizeof *opened);
    if (opened == NULL) return error_nomem(error, name, sizeof *opened);

    /* O_NONBLOCK: opening a pipe of that name must not wait; for regular files it means nothing. */
    int how = O_NONBLOCK | O_NOCTTY;
    if (!d->any_name) how |= O_NOFOLLOW;
    opened->writable = (flags & (VEER_IO_WRITE | VEER_IO_CREATE)) != 0;
    how |= opened->writable ? O_RDWR : O_RDONLY;
    if (flags & VEER_IO_CREATE) how |= O_CREAT | O_EXCL;
    opened->fd = posix_openat(d->fd, name, how, 0666);
    if (opened->fd < 0) {
        int code = errno;
        memory_free(&d->allocator, opened, sizeof *opened);
        return posix_failed(error, flags & VEER_IO_CREATE ? "create" : "open", name, code);
    }
    struct stat about;
    if (fstat(opened->fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        (void)close(opened->fd);
        memory_free(&d->allocator, opened, sizeof *opened);
        return error_set(error, VEER_E_IO, "open %s: not a regular file", name);
    }
    memcpy(opened->name, name, strlen(name));
    *file = opened;
    return VEER_OK;
}

static void posix_close(void *context, void *file)
{
    const directory *d = context;
    posix_file *opened = file;
    if (opened == NULL) return;
    (void)close(opened->fd);
    memory_free(&d->allocator, opened, sizeof *opened);
}

static bool fits_offset(uint64_t offset, size_t bytes)
{
    return offset <= INT64_MAX && bytes <= (uint64_t)INT64_MAX - offset;
}

static veer_status posix_read(void *context, void *file, uint64_t offset, void *buffer,
                              size_t bytes, veer_error *error)
{
    const posix_file *f = file;
    uint8_t *to = buffer;
    size_t done = 0;
    (void)context;
    while (done < bytes && fits_offset(offset, bytes)) {
        size_t part = bytes - done < TRANSFER_BYTES_MAX ? bytes - done : TRANSFER_BYTES_MAX;
        ssize_t got = pread(f->fd, to + done, part, (off_t)(offset + done));
        if (got == 0) break;
        if (got > 0) {
            done += (size_t)got;
        } else if (errno != EINTR) {
            return posix_failed(error, "read", f->name, errno);
        }
    }
    if (done == bytes) return VEER_OK;
    return error_set(error, VEER_E_CORRUPT, "read %s: %zu bytes at %llu are past its end", f->name,
                     bytes, (unsigned long long)offset);
}

static veer_status posix_write(void *context, void *file, uint64_t offset, const void *data,
                               size_t bytes, veer_error *error)
{
    const posix_file *f = file;
    const uint8_t *from = data;
    size_t done = 0;
    (void)context;
    if (!f->writable) return posix_failed(error, "write", f->name, EACCES);
    if (!fits_offset(offset, bytes)) return posix_failed(error, "write", f->name, EFBIG);
    while (done < bytes) {
        size_t part = bytes - done < TRANSFER_BYTES_MAX ? bytes - done : TRANSFER_BYTES_MAX;
        ssize_t put = pwrite(f->fd, from + done, part, (off_t)(offset + done));
        if (put > 0) {
            done += (size_t)put;
        } else if (put == 0) {
            return posix_failed(error, "write", f->name, EIO);
        } else if (errno != EINTR) {
            return posix_failed(error, "write", f->name, errno);
        }
    }
    return VEER_OK;
}

static veer_status posix_size(void *context, void *file, uint64_t *bytes, veer_error *error)
{
    const posix_file *f = file;
    struct stat about;
    (void)context;
    *bytes = 0;
    if (fstat(f->fd, &about) != 0) return posix_failed(error, "size of", f->name, errno);
    *bytes = (uint64_t)about.st_size;
    return VEER_OK;
}

static veer_status posix_truncate(void *context, void *file, uint64_t bytes, veer_error *error)
{
    const posix_file *f = file;
    int result;
    (void)context;
    if (!f->writable) return posix_failed(error, "truncate", f->name, EACCES);
    if (bytes > INT64_MAX) return posix_failed(error, "truncate", f->name, EFBIG);
    do {
        result = ftruncate(f->fd, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    if (result != 0) return posix_failed(error, "truncate", f->name, errno);
    return VEER_OK;
}

static int sync_file(int fd)
{
#if defined(__APPLE__)
    if (fcntl(fd, F_FULLFSYNC) == 0) return 0;
    return fsync(fd);
#else
    return fdatasync(fd);
#endif
}

static veer_status posix_sync(void *context, void *file, veer_error *error)
{
    const posix_file *f = file;
    int result;
    (void)context;
    do {
        result = sync_file(f->fd);
    } while (result != 0 && errno == EINTR);
    if (result != 0) return posix_failed(error, "sync", f->name, errno);
    return VEER_OK;
}

static veer_status posix_map(void *context, void *file, uint64_t bytes, const void **memory,
                             veer_error *error)
{
    static const uint64_t nothing[8] = {0};
    const posix_file *f = file;
    uint64_t size;
    *memory = NULL;
    if (bytes == 0) {
        *memory = nothing;
        return VEER_OK;
    }
    VEER_TRY(posix_size(context, file, &size, error));
    if (bytes > size) {
        return error_set(error, VEER_E_CORRUPT, "map %s: %llu bytes are past its end at %llu",
                         f->name, (unsigned long long)bytes, (unsigned long long)size);
    }
#if SIZE_MAX < UINT64_MAX
    if (bytes > SIZE_MAX) return posix_failed(error, "map", f->name, ENOMEM);
#endif
    void *place = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, f->fd, 0);
    if (place == MAP_FAILED) return posix_failed(error, "map", f->name, errno);
    *memory = place;
    return VEER_OK;
}

static void posix_unmap(void *context, void *file, const void *memory, uint64_t bytes)
{
    (void)context;
    (void)file;
    if (memory == NULL || bytes == 0) return;
    (void)munmap((void *)(uintptr_t)memory, (size_t)bytes);
}

/* ---- names */

static veer_status posix_remove(void *context, const char *name, veer_error *error)
{
    const directory *d = context;
    if (!is_stream_name(d, name)) {
        return error_set(error, VEER_E_INVALID, "remove: not a valid name of a stream");
    }
    if (unlinkat(d->fd, name, 0) != 0) return posix_failed(error, "remove", name, errno);
    return VEER_OK;
}

static bool is_regular(const directory *d, const struct dirent *entry)
{
#if defined(DT_REG)
    if (entry->d_type == DT_REG) return true;
    if (entry->d_type != DT_UNKNOWN) return false;
#endif
    struct stat about;
    return fstatat(d->fd, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(about.st_mode);
}

static veer_status posix_list(void *context, void (*each)(void *argument, const char *name),
                              void *argument, veer_error *error)
{
    const directory *d = context;
    /* A descriptor of its own, because reading a directory moves its position. */
    int fd = posix_openat(d->fd, ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return posix_failed(error, "list", "directory", errno);
    DIR *entries = fdopendir(fd);
    if (entries == NULL) {
        int code = errno;
        (void)close(fd);
        return posix_failed(error, "list", "directory", code);
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(entries);
        if (entry == NULL) break;
        if (is_stream_name(d, entry->d_name) && is_regular(d, entry)) {
            each(argument, entry->d_name);
        }
    }
    int code = errno;
    (void)closedir(entries);
    if (code != 0) return posix_failed(error, "list", "directory", code);
    return VEER_OK;
}

/* Some file systems cannot sync a directory and answer EINVAL; there is nothing better to do. */
static int sync_directory(int fd)
{
    int result;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result != 0 && errno == EINVAL ? 0 : result;
}

/* So that the directory itself survives. A parent that may not be read is somebody else's. */
static veer_status sync_parent(directory *d, veer_error *error)
{
    int fd = posix_openat(d->fd, "..", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == EACCES) return VEER_OK;
    if (fd < 0) return posix_failed(error, "sync of names in", "parent directory", errno);
    int result = sync_directory(fd);
    int code = errno;
    (void)close(fd);
    if (result != 0) return posix_failed(error, "sync of names in", "parent directory", code);
    return VEER_OK;
}

static veer_status posix_sync_names(void *context, veer_error *error)
{
    directory *d = context;
    veer_status status = VEER_OK;
    if (sync_directory(d->fd) != 0) {
        return posix_failed(error, "sync of names in", "directory", errno);
    }
    thread_mutex_lock(&d->mutex);
    if (d->sync_parent) status = sync_parent(d, error);
    if (status == VEER_OK) d->sync_parent = false;
    thread_mutex_unlock(&d->mutex);
    return status;
}

static veer_status posix_lock_directory(void *context, bool exclusive, veer_error *error)
{
    directory *d = context;
    if (d->any_name) return VEER_OK;
    thread_mutex_lock(&d->mutex);
    veer_status status = posix_lock_take(&d->lock, d->fd, exclusive, error);
    thread_mutex_unlock(&d->mutex);
    return status;
}

static void posix_unlock_directory(void *context)
{
    directory *d = context;
    thread_mutex_lock(&d->mutex);
    posix_lock_release(&d->lock);
    thread_mutex_unlock(&d->mutex);
}

/* ---- making and freeing */

/* The table over `path`; `name` (may be NULL) is kept behind the struct. */
static veer_status open_table(const veer_allocator *allocator, const char *path, const char *name,
                              bool create, veer_io *io, veer_error *error)
{
    int fd = posix_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == ENOENT && create) {
        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            return posix_failed(error, "create directory", path, errno);
        }
        fd = posix_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    }
    if (fd < 0 && errno == ENOTDIR) {
        return error_set(error, VEER_E_UNSUPPORTED, "open %s: not a directory", path);
    }
    if (fd < 0) return posix_failed(error, "open directory", path, errno);

    size_t name_bytes = name == NULL ? 0 : strlen(name) + 1;
    directory *d = memory_new(allocator, sizeof *d + name_bytes);
    if (d == NULL || thread_mutex_init(&d->mutex) != VEER_OK) {
        memory_free(allocator, d, sizeof *d + name_bytes);
        (void)close(fd);
        return error_nomem(error, "the directory's table", sizeof *d + name_bytes);
    }
    d->allocator = *allocator;
    d->fd = fd;
    d->any_name = name != NULL;
    d->sync_parent = create;
    d->name_bytes = name_bytes;
    if (name != NULL) memcpy(d->name, name, name_bytes);
    posix_lock_init(&d->lock);
    *io = (veer_io){
        .version = 1,
        .context = d,
        .open = posix_open,
        .close = posix_close,
        .read = posix_read,
        .write = posix_write,
        .size = posix_size,
        .truncate = posix_truncate,
        .sync = posix_sync,
        .sync_names = posix_sync_names,
        .map = posix_map,
        .unmap = posix_unmap,
        .remove = posix_remove,
        .list = posix_list,
        .lock = posix_lock_directory,
        .unlock = posix_unlock_directory,
    };
    return VEER_OK;
}

veer_status io_posix_new(const veer_allocator *allocator, const char *path, bool create,
                         veer_io *io, veer_error *error)
{
    memset(io, 0, sizeof *io);
    if (path == NULL || path[0] == 0) {
        return error_set(error, VEER_E_INVALID, "the path of the directory is empty");
    }
    return open_table(allocator, path, NULL, create, io, error);
}

veer_status io_posix_parent(const veer_allocator *allocator, const char *path, veer_io *io,
                            const char **name, veer_error *error)
{
    memset(io, 0, sizeof *io);
    *name = NULL;
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;
    const directory any = {.any_name = true};
    if (!is_stream_name(&any, last)) {
        return error_set(error, VEER_E_INVALID, "%s: not the path of a file",
                         path == NULL ? "" : path);
    }
    if (slash == NULL) {
        VEER_TRY(open_table(allocator, ".", last, false, io, error));
    } else {
        /* "/" stays, the slash before the name goes. */
        size_t bytes = slash == path ? 1 : (size_t)(slash - path);
        char *folder = memory_new(allocator, bytes + 1);
        if (folder == NULL) return error_nomem(error, "a path", bytes + 1);
        memcpy(folder, path, bytes);
        veer_status status = open_table(allocator, folder, last, false, io, error);
        memory_free(allocator, folder, bytes + 1);
        if (status != VEER_OK) return status;
    }
    *name = ((const directory *)io->context)->name;
    return VEER_OK;
}

void io_posix_free(veer_io *io)
{
    if (io == NULL || io->context == NULL) return;
    directory *d = io->context;
    veer_allocator allocator = d->allocator;
    while (d->lock.holders > 0)
        posix_lock_release(&d->lock);
    (void)close(d->fd);
    thread_mutex_fini(&d->mutex);
    memory_free(&allocator, d, sizeof *d + d->name_bytes);
    memset(io, 0, sizeof *io);
}

veer_status io_posix_kind(const char *path, io_kind *kind, veer_error *error)
{
    struct stat about;
    *kind = IO_NOTHING;
    if (path == NULL || path[0] == 0) {
        return error_set(error, VEER_E_INVALID, "the path is empty");
    }
    if (stat(path, &about) != 0) {
        if (errno == ENOENT) return VEER_OK;
        return posix_failed(error, "look at", path, errno);
    }
    if (S_ISDIR(about.st_mode)) {
        *kind = IO_DIRECTORY;
    } else if (S_ISREG(about.st_mode)) {
        *kind = IO_FILE;
    } else {
        return error_set(error, VEER_E_UNSUPPORTED, "%s: neither a directory nor a file", path);
    }
    return VEER_OK;
}
