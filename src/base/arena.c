/* The arena: a list of chunks, newest first, filled from the front.
 *
 *     chunks -> [header | used .......... free]      the newest; `arena.used` bytes are taken
 *                  |
 *               older -> [header | .......... ]      full, or left for a larger one
 *
 * A chunk is at least twice as large as the one before, between 4 KiB and 1 MiB; what is larger
 * gets a chunk of its own size. So the number of chunks stays logarithmic for small things, and
 * after arena_reset a repeated call of the same size allocates nothing.
 *
 * Chunk data begins at a multiple of 64. Requests of no bytes take one, so that NULL always means
 * shortage. Threads: one at a time.
 */
#include "base/arena.h"

#include <string.h>

#include "base/sizes.h"

#define CHUNK_ALIGNMENT 64u
#define CHUNK_BYTES_MIN ((size_t)4 << 10) /* arbitrary */
#define CHUNK_BYTES_MAX ((size_t)1 << 20) /* arbitrary */

struct arena_chunk {
    struct arena_chunk *older;
    size_t bytes; /* of data, behind the header */
};

/* The header's room, so that data is aligned as the chunk is. */
#define CHUNK_HEADER_BYTES ((size_t)CHUNK_ALIGNMENT)
_Static_assert(sizeof(struct arena_chunk) <= CHUNK_HEADER_BYTES, "the header has its room");

static uint8_t *chunk_data(struct arena_chunk *chunk)
{
    return (uint8_t *)chunk + CHUNK_HEADER_BYTES;
}

static void chunk_free(const arena *a, struct arena_chunk *chunk)
{
    a->allocator->release(a->allocator->context, chunk, CHUNK_HEADER_BYTES + chunk->bytes,
                          CHUNK_ALIGNMENT);
}

void arena_init(arena *a, const veer_allocator *allocator)
{
    a->allocator = allocator;
    a->chunks = NULL;
    a->used = 0;
}

void arena_fini(arena *a)
{
    arena_restore(a, (arena_mark){NULL, 0});
}

static bool add_chunk(arena *a, size_t wanted)
{
    size_t bytes = CHUNK_BYTES_MIN - CHUNK_HEADER_BYTES;
    if (a->chunks != NULL) {
        size_t last = a->chunks->bytes + CHUNK_HEADER_BYTES;
        size_t doubled = last < CHUNK_BYTES_MAX / 2 ? last * 2 : CHUNK_BYTES_MAX;
        bytes = doubled - CHUNK_HEADER_BYTES;
    }
    size_t total;
    if (wanted > bytes) bytes = wanted;
    if (!size_add(bytes, CHUNK_HEADER_BYTES, &total)) return false;
    struct arena_chunk *chunk =
        a->allocator->allocate(a->allocator->context, total, CHUNK_ALIGNMENT);
    if (chunk == NULL) return false;
    chunk->older = a->chunks;
    chunk->bytes = bytes;
    a->chunks = chunk;
    a->used = 0;
    return true;
}

static void *take(arena *a, size_t bytes, size_t alignment)
{
    if (bytes == 0) bytes = 1;
    if (a->chunks != NULL) {
        /* `used` is at most the size of memory that exists: rounding up does not overflow. */
        size_t at = size_round_up(a->used, alignment);
        if (at <= a->chunks->bytes && bytes <= a->chunks->bytes - at) {
            a->used = at + bytes;
            return chunk_data(a->chunks) + at;
        }
    }
    if (!add_chunk(a, bytes)) return NULL;
    a->used = bytes;
    return chunk_data(a->chunks);
}

void *arena_new(arena *a, size_t bytes)
{
    return take(a, bytes, 16);
}

void *arena_array(arena *a, size_t count, size_t bytes_each)
{
    size_t bytes;
    if (!size_mul(count, bytes_each, &bytes)) return NULL;
    return take(a, bytes, 64);
}

char *arena_text(arena *a, const char *text, size_t bytes)
{
    size_t with_end;
    if (!size_add(bytes, 1, &with_end)) return NULL;
    char *copy = take(a, with_end, 1);
    if (copy == NULL) return NULL;
    if (bytes != 0) memcpy(copy, text, bytes);
    copy[bytes] = 0;
    return copy;
}

arena_mark arena_save(const arena *a)
{
    return (arena_mark){a->chunks, a->used};
}

void arena_restore(arena *a, arena_mark mark)
{
    while (a->chunks != mark.chunk) {
        struct arena_chunk *chunk = a->chunks;
        a->chunks = chunk->older;
        chunk_free(a, chunk);
    }
    a->used = mark.used;
}

void arena_reset(arena *a)
{
    struct arena_chunk *largest = a->chunks;
    for (struct arena_chunk *chunk = a->chunks; chunk != NULL; chunk = chunk->older) {
        if (chunk->bytes > largest->bytes) largest = chunk;
    }
    struct arena_chunk *chunk = a->chunks;
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        if (chunk != largest) chunk_free(a, chunk);
        chunk = older;
    }
    if (largest != NULL) largest->older = NULL;
    a->chunks = largest;
    a->used = 0;
}

size_t arena_bytes(const arena *a)
{
    size_t bytes = 0;
    for (const struct arena_chunk *chunk = a->chunks; chunk != NULL; chunk = chunk->older) {
        bytes += CHUNK_HEADER_BYTES + chunk->bytes;
    }
    return bytes;
}
