/* The byte writer and the byte reader.
 *
 * Both are sticky: after the first failure (shortage of memory; a read past the end) nothing
 * changes any more, so that a caller writes or reads a whole structure and looks at `failed` once.
 * The reader never forms a pointer or a position past the end: every length is compared with what
 * is left, never added first.
 *
 * Threads: one at a time each.
 */
#include "base/bytes.h"

#include "base/memory.h"
#include "base/sizes.h"

#define WRITER_ALIGNMENT 64u
#define WRITER_BYTES_MIN 256u /* arbitrary */

void byte_writer_init(byte_writer *writer, const veer_allocator *allocator)
{
    memset(writer, 0, sizeof *writer);
    writer->allocator = allocator;
}

void byte_writer_fini(byte_writer *writer)
{
    if (writer->data != NULL) {
        writer->allocator->release(writer->allocator->context, writer->data, writer->capacity,
                                   WRITER_ALIGNMENT);
    }
    byte_writer_init(writer, writer->allocator);
}

static bool writer_resize(byte_writer *writer, size_t capacity)
{
    uint8_t *data =
        writer->allocator->allocate(writer->allocator->context, capacity, WRITER_ALIGNMENT);
    if (data == NULL) return false;
    if (writer->data != NULL) {
        memcpy(data, writer->data, writer->bytes);
        writer->allocator->release(writer->allocator->context, writer->data, writer->capacity,
                                   WRITER_ALIGNMENT);
    }
    writer->data = data;
    writer->capacity = capacity;
    return true;
}

/* Room for `wanted` bytes in all: doubled, or exactly that where double is not to be had. */
static bool writer_reserve(byte_writer *writer, size_t wanted)
{
    if (wanted <= writer->capacity && writer->data != NULL) return true;
    size_t doubled = writer->capacity > SIZE_MAX / 2 ? SIZE_MAX : writer->capacity * 2;
    size_t capacity = doubled > WRITER_BYTES_MIN ? doubled : WRITER_BYTES_MIN;
    if (capacity <= wanted) return writer_resize(writer, wanted);
    return writer_resize(writer, capacity) || writer_resize(writer, wanted == 0 ? 1 : wanted);
}

uint8_t *byte_writer_extend(byte_writer *writer, size_t bytes)
{
    size_t wanted;
    if (writer->failed) return NULL;
    if (!size_add(writer->bytes, bytes, &wanted) || !writer_reserve(writer, wanted)) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *place = writer->data + writer->bytes;
    writer->bytes = wanted;
    return place;
}

void byte_writer_put(byte_writer *writer, const void *data, size_t bytes)
{
    uint8_t *place = byte_writer_extend(writer, bytes);
    if (place != NULL && bytes != 0) memcpy(place, data, bytes);
}

void byte_writer_zeros(byte_writer *writer, size_t bytes)
{
    uint8_t *place = byte_writer_extend(writer, bytes);
    if (place != NULL) memset(place, 0, bytes);
}

void byte_writer_u8(byte_writer *writer, uint8_t value)
{
    uint8_t *place = byte_writer_extend(writer, 1);
    if (place != NULL) *place = value;
}

void byte_writer_u16(byte_writer *writer, uint16_t value)
{
    uint8_t *place = byte_writer_extend(writer, 2);
    if (place != NULL) store_u16(place, value);
}

void byte_writer_u32(byte_writer *writer, uint32_t value)
{
    uint8_t *place = byte_writer_extend(writer, 4);
    if (place != NULL) store_u32(place, value);
}

void byte_writer_u64(byte_writer *writer, uint64_t value)
{
    uint8_t *place = byte_writer_extend(writer, 8);
    if (place != NULL) store_u64(place, value);
}

void byte_writer_f32(byte_writer *writer, float value)
{
    uint8_t *place = byte_writer_extend(writer, 4);
    if (place != NULL) store_f32(place, value);
}

void byte_writer_f64(byte_writer *writer, double value)
{
    uint8_t *place = byte_writer_extend(writer, 8);
    if (place != NULL) store_f64(place, value);
}

void byte_writer_text(byte_writer *writer, const void *text, size_t bytes)
{
#if SIZE_MAX > UINT32_MAX
    if (bytes > UINT32_MAX) {
        writer->failed = true;
        return;
    }
#endif
    byte_writer_u32(writer, (uint32_t)bytes);
    byte_writer_put(writer, text, bytes);
}

void byte_writer_align(byte_writer *writer, size_t alignment)
{
    size_t over = writer->bytes % alignment;
    if (over != 0) byte_writer_zeros(writer, alignment - over);
}

veer_status byte_writer_to_buffer(const byte_writer *writer, const veer_allocator *allocator,
                                  veer_buffer *buffer)
{
    memset(buffer, 0, sizeof *buffer);
    if (writer->failed) return VEER_E_NOMEM;
    veer_status status = memory_buffer(allocator, writer->bytes, buffer);
    if (status == VEER_OK && writer->bytes != 0) memcpy(buffer->data, writer->data, writer->bytes);
    return status;
}

void byte_reader_init(byte_reader *reader, const void *data, size_t bytes)
{
    reader->data = data;
    reader->bytes = bytes;
    reader->position = 0;
    reader->failed = false;
}

size_t byte_reader_left(const byte_reader *reader)
{
    return reader->failed ? 0 : reader->bytes - reader->position;
}

const uint8_t *byte_reader_get(byte_reader *reader, size_t bytes)
{
    static const uint8_t nothing[1] = {0};
    if (reader->failed) return NULL;
    if (bytes > reader->bytes - reader->position) {
        reader->failed = true;
        return NULL;
    }
    if (bytes == 0) return reader->data == NULL ? nothing : reader->data + reader->position;
    const uint8_t *place = reader->data + reader->position;
    reader->position += bytes;
    return place;
}

uint8_t byte_reader_u8(byte_reader *reader)
{
    const uint8_t *place = byte_reader_get(reader, 1);
    return place == NULL ? 0 : *place;
}

uint16_t byte_reader_u16(byte_reader *reader)
{
    const uint8_t *place = byte_reader_get(reader, 2);
    return place == NULL ? 0 : load_u16(place);
}

uint32_t byte_reader_u32(byte_reader *reader)
{
    const uint8_t *place = byte_reader_get(reader, 4);
    return place == NULL ? 0 : load_u32(place);
}

uint64_t byte_reader_u64(byte_reader *reader)
{
    const uint8_t *place = byte_reader_get(reader, 8);
    return place == NULL ? 0 : load_u64(place);
}

float byte_reader_f32(byte_reader *reader)
{
    const uint8_t *place = byte_reader_get(reader, 4);
    return place == NULL ? 0 : load_f32(place);
}

double byte_reader_f64(byte_reader *reader)
{
    const uint8_t *place = byte_reader_get(reader, 8);
    return place == NULL ? 0 : load_f64(place);
}

const char *byte_reader_text(byte_reader *reader, size_t limit, size_t *bytes)
{
    *bytes = 0;
    size_t length = byte_reader_u32(reader);
    if (length > limit) reader->failed = true;
    const uint8_t *place = byte_reader_get(reader, length);
    if (place != NULL) *bytes = length;
    return (const char *)place;
}

void byte_reader_align(byte_reader *reader, size_t alignment)
{
    size_t over = reader->position % alignment;
    if (over != 0) (void)byte_reader_get(reader, alignment - over);
}
