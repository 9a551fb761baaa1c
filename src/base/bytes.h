/* Bytes that leave memory: little-endian loads and stores, a growing writer, a checked reader.
 * No struct is ever copied to or from storage; everything goes through here. */
#ifndef VEER_BASE_BYTES_H
#define VEER_BASE_BYTES_H

#include <string.h>

#include "veer.h"

static inline uint16_t load_u16(const void *from)
{
    const uint8_t *p = from;
    return (uint16_t)(p[0] | (uint16_t)(p[1] << 8));
}

static inline uint32_t load_u32(const void *from)
{
    const uint8_t *p = from;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t load_u64(const void *from)
{
    return (uint64_t)load_u32(from) | (uint64_t)load_u32((const uint8_t *)from + 4) << 32;
}

static inline float load_f32(const void *from)
{
    uint32_t bits = load_u32(from);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double load_f64(const void *from)
{
    uint64_t bits = load_u64(from);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void store_u16(void *to, uint16_t value)
{
    uint8_t *p = to;
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static inline void store_u32(void *to, uint32_t value)
{
    uint8_t *p = to;
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
}

static inline void store_u64(void *to, uint64_t value)
{
    store_u32(to, (uint32_t)value);
    store_u32((uint8_t *)to + 4, (uint32_t)(value >> 32));
}

static inline void store_f32(void *to, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    store_u32(to, bits);
}

static inline void store_f64(void *to, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    store_u64(to, bits);
}

/* A growing byte string. After the first failed growth it stays failed and swallows what comes:
 * write all, then look at `failed` once. */
typedef struct byte_writer {
    const veer_allocator *allocator;
    uint8_t *data;
    size_t bytes;
    size_t capacity;
    bool failed;
} byte_writer;

void byte_writer_init(byte_writer *writer, const veer_allocator *allocator);
void byte_writer_fini(byte_writer *writer);
/* Makes room for `bytes` more and returns where they go (uninitialised), or NULL. */
uint8_t *byte_writer_extend(byte_writer *writer, size_t bytes);
void byte_writer_put(byte_writer *writer, const void *data, size_t bytes);
void byte_writer_zeros(byte_writer *writer, size_t bytes);
void byte_writer_u8(byte_writer *writer, uint8_t value);
void byte_writer_u16(byte_writer *writer, uint16_t value);
void byte_writer_u32(byte_writer *writer, uint32_t value);
void byte_writer_u64(byte_writer *writer, uint64_t value);
void byte_writer_f32(byte_writer *writer, float value);
void byte_writer_f64(byte_writer *writer, double value);
/* u32 length, then the bytes. */
void byte_writer_text(byte_writer *writer, const void *text, size_t bytes);
/* Zeros up to a multiple of `alignment`. */
void byte_writer_align(byte_writer *writer, size_t alignment);
/* A copy of what was written, as a buffer for the library's caller (memory_buffer). VEER_E_NOMEM
 * also where the writer failed. The writer stays as it is. */
veer_status byte_writer_to_buffer(const byte_writer *writer, const veer_allocator *allocator,
                                  veer_buffer *buffer);

/* Reads from bytes that are not trusted. After the first read past the end it stays failed and
 * gives zeros and NULLs: read all, then look at `failed` once, before anything is used. */
typedef struct byte_reader {
    const uint8_t *data;
    size_t bytes;
    size_t position;
    bool failed;
} byte_reader;

void byte_reader_init(byte_reader *reader, const void *data, size_t bytes);
size_t byte_reader_left(const byte_reader *reader);
uint8_t byte_reader_u8(byte_reader *reader);
uint16_t byte_reader_u16(byte_reader *reader);
uint32_t byte_reader_u32(byte_reader *reader);
uint64_t byte_reader_u64(byte_reader *reader);
float byte_reader_f32(byte_reader *reader);
double byte_reader_f64(byte_reader *reader);
/* The next `bytes` in place, or NULL. */
const uint8_t *byte_reader_get(byte_reader *reader, size_t bytes);
/* What byte_writer_text wrote, at most `limit` bytes; in place, not ending in 0. */
const char *byte_reader_text(byte_reader *reader, size_t limit, size_t *bytes);
void byte_reader_align(byte_reader *reader, size_t alignment);

#endif
