/* Locks of a directory that JavaScript holds; io_posix_lock.c alone uses it. */
#ifndef VEER_PLATFORM_IO_POSIX_CLAIMS_H
#define VEER_PLATFORM_IO_POSIX_CLAIMS_H

#include "base/status.h"

/* VEER_E_BUSY names the holder where a living one is in the way. The caller holds its own lock
 * already, so that of two who come together at least one sees the other. */
veer_status posix_claims_check(int directory, bool exclusive, veer_error *error);

#endif
