/* What io_posix.c and io_posix_lock.c share: errno as a status with a text, and openat. */
#ifndef VEER_PLATFORM_IO_POSIX_ERROR_H
#define VEER_PLATFORM_IO_POSIX_ERROR_H

#include "base/status.h"

/* "write seg.3: No space left on device". ENOSPC, EDQUOT and EFBIG are VEER_E_FULL; EACCES, EPERM
 * and EROFS _PERMISSION; ENOENT _NOTFOUND; EEXIST _EXISTS; ENOMEM _NOMEM; all others _IO. */
veer_status posix_failed(veer_error *error, const char *what, const char *name, int code);
/* openat with O_CLOEXEC, again after a signal. */
int posix_openat(int directory, const char *name, int flags, unsigned mode);

#endif
