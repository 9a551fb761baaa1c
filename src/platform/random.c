/* getrandom natively; in WebAssembly the import random (pointer, u32 bytes) of module "veer", which
 * JavaScript serves from crypto.getRandomValues (at most 65536 bytes a call there and here).
 * Threads: any. */
#ifndef __wasm__
#define _GNU_SOURCE
#include <errno.h>
#if defined(__linux__)
#include <sys/random.h>
#else
#include <unistd.h>
#endif
#endif

#include "platform/random.h"

#include <string.h>

#ifdef __wasm__

__attribute__((import_module("veer"), import_name("random"))) void import_random(void *to,
                                                                                 uint32_t bytes);

static bool fill_some(uint8_t *to, size_t bytes)
{
    import_random(to, (uint32_t)bytes);
    return true;
}

#elif defined(__linux__)

/* Up to 256 bytes come whole and uninterrupted once the kernel has entropy at all. */
static bool fill_some(uint8_t *to, size_t bytes)
{
    ssize_t got;
    do {
        got = getrandom(to, bytes, 0);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)bytes;
}

#else

static bool fill_some(uint8_t *to, size_t bytes)
{
    return getentropy(to, bytes) == 0;
}

#endif

veer_status platform_random(void *to, size_t bytes)
{
    uint8_t *p = to;
    for (size_t done = 0; done < bytes;) {
        size_t part = bytes - done < 256 ? bytes - done : 256;
        if (!fill_some(p + done, part)) {
            memset(to, 0, bytes);
            return VEER_E_IO;
        }
        done += part;
    }
    return VEER_OK;
}
