/* errno as a status and a text; openat. Threads: any. */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "platform/io_posix_error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static veer_status status_of(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return VEER_E_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return VEER_E_PERMISSION;
    case ENOENT:
        return VEER_E_NOTFOUND;
    case EEXIST:
        return VEER_E_EXISTS;
    case ENOMEM:
        return VEER_E_NOMEM;
    default:
        return VEER_E_IO;
    }
}

veer_status posix_failed(veer_error *error, const char *what, const char *name, int code)
{
    char text[128];
    if (strerror_r(code, text, sizeof text) != 0) {
        (void)snprintf(text, sizeof text, "error %d", code);
    }
    return error_set(error, status_of(code), "%s %s: %s", what, name, text);
}

int posix_openat(int directory, const char *name, int flags, unsigned mode)
{
    int fd;
    do {
        fd = openat(directory, name, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}
