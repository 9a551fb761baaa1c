/* The lock of a directory of streams; io_posix.c alone uses it. */
#ifndef VEER_PLATFORM_IO_POSIX_LOCK_H
#define VEER_PLATFORM_IO_POSIX_LOCK_H

#include "base/status.h"

/* The file in the directory that carries the lock; not a stream. */
#define POSIX_LOCK_NAME "lock"

typedef struct posix_lock {
    int fd;         /* of the lock file; -1 while nobody holds the lock or there is no file */
    size_t holders; /* of this table */
    bool exclusive;
} posix_lock;

void posix_lock_init(posix_lock *lock);
/* VEER_E_BUSY names the holder. The caller keeps other threads away from `lock`. */
veer_status posix_lock_take(posix_lock *lock, int directory, bool exclusive, veer_error *error);
void posix_lock_release(posix_lock *lock);

#endif
