/* The two clocks. In WebAssembly they are imports of module "veer": clock_monotonic_ms () -> f64
 * and clock_wall_ms () -> i64. Threads: any. */
#ifndef __wasm__
#define _GNU_SOURCE
#include <time.h>
#endif

#include "platform/clock.h"

#ifdef __wasm__

__attribute__((import_module("veer"), import_name("clock_monotonic_ms"))) double
import_clock_monotonic_ms(void);
__attribute__((import_module("veer"), import_name("clock_wall_ms"))) int64_t
import_clock_wall_ms(void);

double clock_monotonic_ms(void)
{
    return import_clock_monotonic_ms();
}

int64_t clock_wall_ms(void)
{
    return import_clock_wall_ms();
}

#else

double clock_monotonic_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1000.0 + (double)now.tv_nsec / 1e6;
}

int64_t clock_wall_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
