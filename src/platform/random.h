/* Bytes that nobody can foresee: ids of databases, salts. For reproducible numbers there is
 * base/rng.h. */
#ifndef VEER_PLATFORM_RANDOM_H
#define VEER_PLATFORM_RANDOM_H

#include "veer.h"

/* Fills `to`; VEER_E_IO where the system has none to give (then all bytes are zero). */
veer_status platform_random(void *to, size_t bytes);

#endif
