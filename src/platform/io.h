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

/* A directory; `create` makes it (its parent must exist). VEER_E_NOTFOUND where there is none,
 * VEER_E_UNSUPPORTED where the path is something else: io_posix_kind tells a packed file before.
 * A directory or files that may only be read open for reading. Free with io_posix_free, after every
 * file is closed; that ends a lock. */
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

/* Streams in memory; several tables may not share them. Free with io_memory_free, after every file
 * is closed. */
veer_status io_memory_new(const veer_allocator *allocator, veer_io *io, veer_error *error);
void io_memory_free(veer_io *io);
/* Without mapping the table's `map` is NULL, as it is in WebAssembly. Before the table is used
 * or copied. */
void io_memory_set_mapping(veer_io *io, bool mapping);

#ifdef __wasm__
/* The table over the module's imports. `storage` is JavaScript's number for this database's
 * storage; each may have one table. Free with io_host_free. */
veer_status io_host_new(const veer_allocator *allocator, uint32_t storage, veer_io *io,
                        veer_error *error);
void io_host_free(veer_io *io);
#endif

#endif
