/* Encoding and decoding catalogues.
 *
 * Decoding checks every rule of docs/FORMAT.md, although the superblock's checksum has been
 * compared before: a writer with a defect must not be able to crash a reader.
 *
 * Streams are kept by ascending name, which makes "no name twice" a comparison of neighbours and
 * finding a binary search.
 *
 * Threads: one at a time for making and freeing, any for finding.
 */
#include "storage/catalogue.h"

#include "base/crc32c.h"
#include "base/sizes.h"
#include "platform/io.h"
#include "storage/name_order.h"

enum {
    COUNT_AT = 20,
    ID_AT = 24,
    GENERATION_AT = 40,
    PAYLOAD_BYTES_AT = 48,
    HEADER_BYTES = 80,
    ENTRY_BYTES = 96,
    ENTRY_SIZE_AT = 64,
    ENTRY_CRC_AT = 72,
    ENTRY_KIND_AT = 76,
    CRC_BYTES = 4,
};

static bool stream_valid(const store_stream *stream)
{
    return io_name_valid(stream->name) && storage_is_segment_name(stream->name) &&
           stream->bytes >= STORAGE_PAGE_BYTES;
}

veer_status catalogue_encode(const veer_allocator *allocator, const uint8_t id[STORAGE_ID_BYTES],
                             uint64_t generation, const void *payload, size_t payload_bytes,
                             const store_stream *streams, size_t n, catalogue *out,
                             veer_error *error)
{
    memset(out, 0, sizeof *out);
    if (n > STORAGE_STREAMS_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "%zu streams are more than the %u of a catalogue.", n,
                  STORAGE_STREAMS_MAX);
    uint64_t total = (uint64_t)HEADER_BYTES + (uint64_t)n * ENTRY_BYTES + CRC_BYTES;
    if (payload_bytes > CATALOGUE_BYTES_MAX - total)
        VEER_FAIL(error, VEER_E_LIMIT, "A catalogue of %zu bytes and %zu streams exceeds 1 GiB.",
                  payload_bytes, n);
    total += payload_bytes;

    catalogue made = {.allocator = allocator, .size = (size_t)total, .streams_count = n};
    made.bytes = memory_array(allocator, made.size, 1);
    made.streams = memory_array(allocator, n, sizeof *made.streams);
    if (made.bytes == NULL || (n != 0 && made.streams == NULL)) {
        catalogue_fini(&made);
        return error_nomem(error, "the catalogue", total);
    }
    if (n != 0) memcpy(made.streams, streams, n * sizeof *streams);
    for (size_t i = 0; i < n; i++) {
        made.streams[i].name[STORAGE_NAME_BYTES] = 0;
        if (!stream_valid(&made.streams[i])) {
            error_set(error, VEER_E_INVALID, "'%s' with %llu bytes is no segment stream.",
                      made.streams[i].name, (unsigned long long)made.streams[i].bytes);
            catalogue_fini(&made);
            return VEER_E_INVALID;
        }
    }
    names_sort(made.streams, n, sizeof *made.streams);
    if (!names_distinct(made.streams, n, sizeof *made.streams)) {
        catalogue_fini(&made);
        VEER_FAIL(error, VEER_E_INVALID, "A stream is attached twice.");
    }

    uint8_t *at = made.bytes;
    memcpy(at, STORAGE_MAGIC_CATALOGUE, STORAGE_MAGIC_BYTES);
    store_u32(at + COUNT_AT, (uint32_t)n);
    memcpy(at + ID_AT, id, STORAGE_ID_BYTES);
    store_u64(at + GENERATION_AT, generation);
    store_u64(at + PAYLOAD_BYTES_AT, payload_bytes);
    at += HEADER_BYTES;
    for (size_t i = 0; i < n; i++, at += ENTRY_BYTES) {
        const store_stream *stream = &made.streams[i];
        storage_put_name(at, stream->name);
        store_u64(at + ENTRY_SIZE_AT, stream->bytes);
        store_u32(at + ENTRY_CRC_AT, stream->header_crc);
        store_u32(at + ENTRY_KIND_AT, stream->kind);
    }
    made.payload = at;
    made.payload_bytes = payload_bytes;
    if (payload_bytes != 0) memcpy(at, payload, payload_bytes);
    store_u32(at + payload_bytes, crc32c(0, made.bytes, made.size - CRC_BYTES));
    *out = made;
    return VEER_OK;
}

static veer_status damaged(uint64_t generation, const char *what, veer_error *error)
{
    return error_set(error, VEER_E_CORRUPT, "Catalogue 'cat.%llu' is damaged: %s.",
                     (unsigned long long)generation, what);
}

veer_status catalogue_decode(const veer_allocator *allocator, uint8_t *bytes, size_t size,
                             const uint8_t id[STORAGE_ID_BYTES], uint64_t generation, bool readonly,
                             catalogue *out, veer_error *error)
{
    memset(out, 0, sizeof *out);
    if (size < HEADER_BYTES + CRC_BYTES) return damaged(generation, "it is too short", error);
    if (memcmp(bytes, STORAGE_MAGIC_CATALOGUE, STORAGE_MAGIC_BYTES) != 0)
        return damaged(generation, "it does not begin with its magic", error);
    if (crc32c(0, bytes, size - CRC_BYTES) != load_u32(bytes + size - CRC_BYTES))
        return damaged(generation, "its checksum does not match", error);
    char name[STORAGE_NAME_BYTES + 1];
    storage_catalogue_name(generation, name);
    VEER_TRY(page_check_version(bytes, readonly, name, error));
    if (memcmp(bytes + ID_AT, id, STORAGE_ID_BYTES) != 0)
        return damaged(generation, "it belongs to another database", error);
    if (load_u64(bytes + GENERATION_AT) != generation)
        return damaged(generation, "it is of another generation", error);
    size_t n = load_u32(bytes + COUNT_AT);
    if (n > STORAGE_STREAMS_MAX || n > (size - HEADER_BYTES - CRC_BYTES) / ENTRY_BYTES)
        return damaged(generation, "its number of streams does not fit", error);
    size_t before_payload = HEADER_BYTES + n * ENTRY_BYTES;
    if (load_u64(bytes + PAYLOAD_BYTES_AT) != size - before_payload - CRC_BYTES)
        return damaged(generation, "its payload does not fit", error);

    catalogue made = {
        .allocator = allocator,
        .size = size,
        .streams_count = n,
        .payload = bytes + before_payload,
        .payload_bytes = size - before_payload - CRC_BYTES,
    };
    made.streams = memory_array(allocator, n, sizeof *made.streams);
    if (n != 0 && made.streams == NULL)
        return error_nomem(error, "the catalogue's streams", (uint64_t)n * sizeof *made.streams);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *entry = bytes + HEADER_BYTES + i * ENTRY_BYTES;
        store_stream *stream = &made.streams[i];
        stream->bytes = load_u64(entry + ENTRY_SIZE_AT);
        stream->header_crc = load_u32(entry + ENTRY_CRC_AT);
        stream->kind = load_u32(entry + ENTRY_KIND_AT);
        if (!storage_get_name(entry, stream->name) || !stream_valid(stream) ||
            (i > 0 && strcmp(stream[-1].name, stream->name) >= 0)) {
            catalogue_fini(&made);
            return damaged(generation, "the entry of a stream breaks its rules", error);
        }
    }
    made.bytes = bytes;
    *out = made;
    return VEER_OK;
}

void catalogue_fini(catalogue *self)
{
    if (self->allocator == NULL) return;
    memory_array_free(self->allocator, self->bytes, self->size, 1);
    memory_array_free(self->allocator, self->streams, self->streams_count, sizeof *self->streams);
    memset(self, 0, sizeof *self);
}

uint32_t catalogue_crc(const catalogue *self)
{
    return load_u32(self->bytes + self->size - CRC_BYTES);
}

const store_stream *catalogue_find(const catalogue *self, const char *name)
{
    size_t i = names_find(self->streams, self->streams_count, sizeof *self->streams, name);
    return i < self->streams_count ? &self->streams[i] : NULL;
}
