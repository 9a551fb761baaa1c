#ifndef VEER_PLATFORM_CLOCK_H
#define VEER_PLATFORM_CLOCK_H

#include <stdint.h>

/* Milliseconds: since an arbitrary start, never going back; and since 1970 (UTC). */
double clock_monotonic_ms(void);
int64_t clock_wall_ms(void);

#endif
