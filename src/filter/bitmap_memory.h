/* The memory that CRoaring works in: an arena whose worst case is reserved before every call.
 *
 * CRoaring 0.2.66 has no allocator hook and does not survive a failed allocation everywhere. The
 * build therefore redirects its malloc family (cmake/roaring_memory.h) to the functions at the
 * end of this header. They take from the arena that the calling thread has entered. bitmap.c
 * reserves the worst case of an operation, proved there, before it calls CRoaring: shortage is
 * VEER_E_NOMEM before the call and cannot happen inside it.
 *
 * Blocks are powers of two from 32 bytes up behind a header of 32, so that everything is aligned
 * for CRoaring's bitsets; freed blocks wait in a list of their size. Should the bound be wrong
 * after all, a call takes what the chunk has left or the allocator gives, and counts it in
 * `shortfalls`, which the tests require to stay 0.
 *
 * The pointer to the entered arena is thread-local: the one exception to "no global mutable
 * state" in this room, since malloc has no context parameter.
 *
 * With the system's CRoaring (VEER_ROARING_USES_MALLOC) these functions are never called and an
 * object lives in malloc's memory: bitmap.c frees every object, whoever owns its memory.
 */
#ifndef VEER_FILTER_BITMAP_MEMORY_H
#define VEER_FILTER_BITMAP_MEMORY_H

#include "veer.h"

#define BITMAP_MEMORY_ORDERS 22 /* 32 bytes << 0 ... 21: up to 64 MiB */
#define BITMAP_MEMORY_HEADER 32u

struct bitmap_memory_chunk;
struct bitmap_memory_block;

typedef struct bitmap_memory {
    const veer_allocator *allocator;
    struct bitmap_memory_chunk *chunks; /* newest first; blocks are cut from the newest */
    uint8_t *next;
    size_t left; /* bytes behind `next` */
    struct bitmap_memory_block *unused[BITMAP_MEMORY_ORDERS];
    size_t promised;   /* bytes of the last reservation that are not cut yet */
    size_t shortfalls; /* blocks that the reservation did not cover: a defect */
} bitmap_memory;

void bitmap_memory_init(bitmap_memory *memory, const veer_allocator *allocator);
/* Frees everything, objects that were not freed included. */
void bitmap_memory_fini(bitmap_memory *memory);
/* Forgets all objects and keeps the newest chunk for what comes next. */
void bitmap_memory_reset(bitmap_memory *memory);
/* Makes sure that `bytes` (headers and rounding included) can be cut without asking anybody. */
veer_status bitmap_memory_reserve(bitmap_memory *memory, size_t bytes);
/* What one allocation of `bytes` takes at most; SIZE_MAX where it is too large. */
size_t bitmap_memory_cost(size_t bytes);

/* Calls of CRoaring on this thread use `memory` from here on; returns the former one, to be
 * entered again afterwards. */
bitmap_memory *bitmap_memory_enter(bitmap_memory *memory);

void *veer_roaring_malloc(size_t size);
void *veer_roaring_calloc(size_t count, size_t size);
void *veer_roaring_realloc(void *block, size_t size);
void veer_roaring_free(void *block);
int veer_roaring_posix_memalign(void **block, size_t alignment, size_t size);

#endif
