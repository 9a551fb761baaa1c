/* Writing byte strings into a section: blocks of about 16 KiB, a directory, a footer.
 *
 * Strings gather in memory until the next one would take the block past its size; then the block
 * gets its table of offsets, is compressed, and goes to the segment writer. Compression that
 * gains nothing is left out. A string longer than a block has one of its own, so that reading a
 * short one never decompresses a long one.
 *
 * VEER_PENDING comes only from writing a block (or the directory) that is complete; it stays
 * staged, and the string of the waiting call has not been taken yet.
 *
 * Threads: one.
 */
#include "base/sizes.h"
#include "storage/blob_format.h"
#include "storage/segment_inner.h"
#include "storage/segment_write.h"

struct blob_writer {
    const veer_allocator *allocator;
    segment_writer *writer;
    zstd_compressor *compressor; /* NULL: stored as it is */
    uint8_t *text;               /* the strings of the present block */
    size_t text_bytes;
    size_t text_capacity;
    uint32_t *ends; /* of each, in text */
    size_t count;
    size_t ends_capacity;
    uint8_t *raw; /* a block: offsets and text */
    size_t raw_capacity;
    uint8_t *frame; /* a compressed block */
    size_t frame_capacity;

    const uint8_t *staged; /* a block that is being written */
    size_t staged_bytes;
    uint64_t section_bytes; /* written */
    uint64_t strings;       /* of finished blocks */
    uint64_t blocks;
    byte_writer directory;
    bool directory_done;
};

veer_status blob_writer_new(segment_writer *writer, uint16_t kind, uint32_t field, bool compress,
                            blob_writer **out, veer_error *error)
{
    *out = NULL;
    const veer_allocator *allocator = segment_writer_allocator(writer);
    blob_writer *self = memory_new(allocator, sizeof *self);
    if (self == NULL) return error_nomem(error, "a blob writer", sizeof *self);
    self->allocator = allocator;
    self->writer = writer;
    byte_writer_init(&self->directory, allocator);
    veer_status status = VEER_OK;
    if (compress) status = zstd_compressor_new(allocator, &self->compressor, error);
    if (status == VEER_OK)
        status = segment_writer_begin(writer, kind, field, SEGMENT_BLOCK_BYTES, error);
    if (status != VEER_OK) {
        blob_writer_abort(self);
        return status;
    }
    *out = self;
    return VEER_OK;
}

void blob_writer_abort(blob_writer *self)
{
    if (self == NULL) return;
    zstd_compressor_free(self->compressor);
    memory_array_free(self->allocator, self->text, self->text_capacity, 1);
    memory_array_free(self->allocator, self->ends, self->ends_capacity, sizeof *self->ends);
    memory_array_free(self->allocator, self->raw, self->raw_capacity, 1);
    memory_array_free(self->allocator, self->frame, self->frame_capacity, 1);
    byte_writer_fini(&self->directory);
    memory_free(self->allocator, self, sizeof *self);
}

static veer_status reserve(const blob_writer *self, uint8_t **memory, size_t *capacity,
                           size_t bytes, veer_error *error)
{
    void *grown = *memory;
    if (memory_grow(self->allocator, &grown, capacity, bytes, 1) != VEER_OK)
        return error_nomem(error, "a block of strings", bytes);
    *memory = grown;
    return VEER_OK;
}

/* Makes the block of the gathered strings and its directory entry. */
static veer_status stage_block(blob_writer *self, veer_error *error)
{
    size_t table = (self->count + 1) * 4;
    size_t raw_bytes = table + self->text_bytes;
    VEER_TRY(reserve(self, &self->raw, &self->raw_capacity, raw_bytes + 8, error));
    store_u32(self->raw, (uint32_t)table);
    for (size_t i = 0; i < self->count; i++)
        store_u32(self->raw + 4 * (i + 1), (uint32_t)(table + self->ends[i]));
    memcpy(self->raw + table, self->text, self->text_bytes);

    uint8_t *block = self->raw;
    size_t stored = raw_bytes;
    uint32_t raw_field = (uint32_t)raw_bytes;
    if (self->compressor != NULL) {
        size_t bound = zstd_bound(raw_bytes);
        size_t frame_bytes = 0;
        VEER_TRY(reserve(self, &self->frame, &self->frame_capacity, bound + 8, error));
        VEER_TRY(zstd_compress(self->compressor, self->frame, bound, self->raw, raw_bytes,
                               &frame_bytes, error));
        if (frame_bytes < raw_bytes) {
            block = self->frame;
            stored = frame_bytes;
            raw_field |= BLOB_COMPRESSED;
        }
    }
    byte_writer_u64(&self->directory, self->section_bytes);
    byte_writer_u32(&self->directory, (uint32_t)stored);
    byte_writer_u32(&self->directory, raw_field);
    byte_writer_u64(&self->directory, self->strings);
    if (self->directory.failed)
        return error_nomem(error, "a directory of strings", self->directory.bytes);

    size_t padded = size_round_up(stored, 8);
    memset(block + stored, 0, padded - stored);
    self->strings += self->count;
    self->blocks++;
    self->count = 0;
    self->text_bytes = 0;
    self->staged = block;
    self->staged_bytes = padded;
    return VEER_OK;
}

/* Writes the block that is staged, or the gathered strings as one. */
static veer_status flush_block(blob_writer *self, veer_error *error)
{
    if (self->staged == NULL) {
        if (self->count == 0) return VEER_OK;
        VEER_TRY(stage_block(self, error));
    }
    VEER_TRY(segment_writer_put(self->writer, self->staged, self->staged_bytes, error));
    self->section_bytes += self->staged_bytes;
    self->staged = NULL;
    return VEER_OK;
}

veer_status blob_writer_put(blob_writer *self, const void *data, size_t bytes, veer_error *error)
{
    if (bytes > BLOB_STRING_BYTES_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "A string of %zu bytes is longer than %zu.", bytes,
                  BLOB_STRING_BYTES_MAX);
    if (self->strings + self->count >= BLOB_STRINGS_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "A section has no room for more than 2^40 strings.");
    size_t with_it = (self->count + 2) * 4 + self->text_bytes + bytes;
    if (self->staged != NULL || (self->count > 0 && with_it > BLOB_BLOCK_BYTES))
        VEER_TRY(flush_block(self, error));
    void *ends = self->ends;
    if (memory_grow(self->allocator, &ends, &self->ends_capacity, self->count + 1,
                    sizeof *self->ends) != VEER_OK)
        return error_nomem(error, "a block of strings", self->count * sizeof *self->ends);
    self->ends = ends;
    VEER_TRY(reserve(self, &self->text, &self->text_capacity, self->text_bytes + bytes, error));
    if (bytes != 0) memcpy(self->text + self->text_bytes, data, bytes);
    self->text_bytes += bytes;
    self->ends[self->count++] = (uint32_t)self->text_bytes;
    return VEER_OK;
}

static veer_status end_section(blob_writer *self, veer_error *error)
{
    VEER_TRY(flush_block(self, error));
    if (!self->directory_done) {
        byte_writer_u64(&self->directory, self->strings);
        byte_writer_u64(&self->directory, self->blocks);
        byte_writer_u64(&self->directory, self->section_bytes);
        byte_writer_u64(&self->directory, 0);
        if (self->directory.failed)
            return error_nomem(error, "a directory of strings", self->directory.bytes);
        self->directory_done = true;
    }
    if (self->directory.bytes != 0) {
        VEER_TRY(
            segment_writer_put(self->writer, self->directory.data, self->directory.bytes, error));
        byte_writer_fini(&self->directory);
        byte_writer_init(&self->directory, self->allocator);
    }
    return segment_writer_end(self->writer, error);
}

veer_status blob_writer_end(blob_writer *self, veer_error *error)
{
    veer_status status = end_section(self, error);
    if (status != VEER_PENDING) blob_writer_abort(self);
    return status;
}
