/* The I/O table's constructors and helpers. The table itself is veer_io (veer.h): every byte that
 * Veer stores goes through it.
 *
 *   io_posix.c   a directory of files; fsync; mmap; a lock file that names its holder
 *   io_memory.c  streams in memory: "memory:" databases and tests
 *   io_host.c    WebAssembly imports: the JavaScript side supplies the streams
 *   io_fault.c   tests: fails call number N, short writes, PENDING, simulated power cuts
 */
#ifndef VEER_PLATFORM_IO_H
#define VEER_PLATFORM_IO_H

#include "base/status.h"

#define IO_NAME_BYTES_MAX 64

/* [a-z0-9._-]{1,64}, not starting with '.'. */
bool io_name_valid(const char *name);

/* A directory; `create` makes it (its parent must exist). With `file_ok`, a location that is a
 * regular file gives VEER_E_UNSUPPORTED so that the caller opens it as a packed file instead.
 * Free with io_posix_free. */
veer_status io_posix_new(const veer_allocator *allocator, const char *directory, bool create,
                         veer_io *io, veer_error *error);
void io_posix_free(veer_io *io);
/* Whether the path is a directory, a regular file or nothing. */
typedef enum io_kind { IO_NOTHING, IO_DIRECTORY, IO_FILE } io_kind;
veer_status io_posix_kind(const char *path, io_kind *kind, veer_error *error);
/* A table over the directory of `path`, and `name` the file's name in it (any name): for packed
 * files. Free with io_posix_free. */
veer_status io_posix_parent(const veer_allocator *allocator, const char *path, veer_io *io,
                            const char **name, veer_error *error);

/* Streams in memory; several tables may not share them. Free with io_memory_free. */
veer_status io_memory_new(const veer_allocator *allocator, veer_io *io, veer_error *error);
void io_memory_free(veer_io *io);

#ifdef __wasm__
/* The table over the module's imports; one per process. `location` is handed to JavaScript. */
veer_status io_host_new(const veer_allocator *allocator, const char *location, veer_io *io,
                        veer_error *error);
void io_host_free(veer_io *io);
#endif

#endif
