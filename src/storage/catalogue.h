/* The catalogue of a generation: the attached streams and the engine's payload
 * (docs/FORMAT.md, "cat.<g>"). */
#ifndef VEER_STORAGE_CATALOGUE_H
#define VEER_STORAGE_CATALOGUE_H

#include "storage/storage_format.h"
#include "storage/store.h"

#define CATALOGUE_BYTES_MAX ((uint64_t)1 << 30)
#define CATALOGUE_EMPTY_BYTES 84u

typedef struct catalogue {
    const veer_allocator *allocator;
    uint8_t *bytes; /* the stream, owned */
    size_t size;
    store_stream *streams; /* by ascending name */
    size_t streams_count;
    const uint8_t *payload; /* inside bytes */
    size_t payload_bytes;
} catalogue;

/* The stream's bytes in out->bytes, and everything else as decoding would give it.
 * VEER_E_INVALID where a stream breaks a rule, VEER_E_LIMIT. */
veer_status catalogue_encode(const veer_allocator *allocator, const uint8_t id[STORAGE_ID_BYTES],
                             uint64_t generation, const void *payload, size_t payload_bytes,
                             const store_stream *streams, size_t n, catalogue *out,
                             veer_error *error);
/* Takes `bytes` (memory_array of `size` bytes) over on success. */
veer_status catalogue_decode(const veer_allocator *allocator, uint8_t *bytes, size_t size,
                             const uint8_t id[STORAGE_ID_BYTES], uint64_t generation, bool readonly,
                             catalogue *out, veer_error *error);
void catalogue_fini(catalogue *catalogue);
/* What the superblock says of it. */
uint32_t catalogue_crc(const catalogue *catalogue);
const store_stream *catalogue_find(const catalogue *catalogue, const char *name);

#endif
