/* An arena: many small allocations, freed together. Scratch of a call, or the body of an object
 * that is built once. Not for threads. */
#ifndef VEER_BASE_ARENA_H
#define VEER_BASE_ARENA_H

#include "veer.h"

struct arena_chunk;
typedef struct arena {
    const veer_allocator *allocator;
    struct arena_chunk *chunks; /* newest first */
    size_t used;                /* of the newest */
} arena;

typedef struct arena_mark {
    struct arena_chunk *chunk;
    size_t used;
} arena_mark;

void arena_init(arena *a, const veer_allocator *allocator);
void arena_fini(arena *a);
/* Uninitialised, aligned to 16 (arena_new) or 64 (arena_array; checked product). NULL: none. */
void *arena_new(arena *a, size_t bytes);
void *arena_array(arena *a, size_t count, size_t bytes_each);
/* A copy with a 0 behind it. */
char *arena_text(arena *a, const char *text, size_t bytes);
/* Forgets what came after the mark (memory of later chunks is freed); arena_reset forgets all but keeps
 * the largest chunk for reuse. */
arena_mark arena_save(const arena *a);
void arena_restore(arena *a, arena_mark mark);
void arena_reset(arena *a);
size_t arena_bytes(const arena *a);

#endif
