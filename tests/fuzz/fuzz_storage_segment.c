/* libFuzzer target: a segment file, or a packed file, of arbitrary bytes.
 *
 * Opening, reading ranges, loading sections, verifying and reading strings end, stay inside their
 * memory and fail with a text. A packed file's streams are opened as a database as well.
 *
 * Input: a byte of flags (1: with right checksums, 2: mapped, 4: packed), then runs of bytes.
 */
#include <string.h>

#include "base/memory.h"
#include "storage/packed.h"
#include "storage/segment_inner.h"
#include "storage_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const void *data, size_t bytes)
{
    const uint8_t *from = data;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < bytes; i += 61)
        sum = (uint8_t)(sum + from[i]);
    if (bytes != 0) sum = (uint8_t)(sum + from[bytes - 1]);
    (void)sum;
}

static void take_problem(void *context, const char *text)
{
    (void)context;
    demand(text[0] != 0);
}

static void take_stream_problem(void *context, const char *stream, const char *text)
{
    (void)context;
    demand(stream != NULL && text[0] != 0);
}

static void read_strings(segment *s, const segment_section *section, arena *scratch)
{
    blobs *strings;
    veer_error error = {VEER_OK, ""};
    blob_cursor cursor = {0};
    veer_status status = blobs_open(s, section->kind, section->field, &strings, &error);
    demand_error(status, &error);
    uint64_t n = status == VEER_OK ? blobs_count(strings) : 0;
    for (uint64_t i = 0; i < n && i < 40; i++) {
        const void *data;
        size_t bytes;
        uint64_t which = i < 20 ? i : n - 1 - (i - 20) % n;
        status =
            blobs_get(strings, which, i % 2 == 0 ? &cursor : NULL, scratch, &data, &bytes, &error);
        demand_error(status, &error);
        if (status == VEER_OK) touch(data, bytes);
    }
    blobs_close(strings);
}

static void read_segment(segment_home *home, const store_stream *stream)
{
    segment *s;
    arena scratch;
    veer_error error = {VEER_OK, ""};
    arena_init(&scratch, memory_default());
    veer_status status = segment_open_at(home, stream, &s, &error);
    demand_error(status, &error);
    for (size_t i = 0; status == VEER_OK && i < segment_sections(s) && i < 8; i++) {
        const void *data;
        segment_section section = segment_section_at(s, i);
        for (uint64_t at = 0; at < section.bytes; at += section.bytes / 5 + 1) {
            size_t bytes = (size_t)(section.bytes - at < 300 ? section.bytes - at : 300);
            veer_status one = segment_read(s, section.index, at, bytes, &scratch, &data, &error);
            demand_error(one, &error);
            if (one == VEER_OK) touch(data, bytes);
        }
        read_strings(s, &section, &scratch);
        veer_status one = segment_load(s, section.index, &data, &error);
        demand_error(one, &error);
        if (one == VEER_OK) touch(data, (size_t)section.bytes);
    }
    if (status == VEER_OK) demand_error(segment_verify(s, take_problem, NULL, &error), &error);
    segment_close(s);
    arena_fini(&scratch);
}

static void read_packed(const veer_io *parent)
{
    veer_io io;
    store *opened;
    veer_error error = {VEER_OK, ""};
    veer_status status = packed_io_new(memory_default(), parent, "seg.1", &io, &error);
    demand_error(status, &error);
    if (status != VEER_OK) return;
    store_options options = {.readonly = true};
    status = store_open(memory_default(), &io, &options, 1, &opened, &error);
    demand_error(status, &error);
    (void)store_close(opened, &error);
    status = store_check(memory_default(), &io, take_stream_problem, NULL, NULL, NULL, &error);
    demand_error(status, &error);
    packed_io_free(&io);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    storage_input input = {data, size};
    image streams = {.count = 1};
    image_stream *file = &streams.streams[0];
    uint8_t flags = input_byte(&input);
    input_stream(&input, 400000, "seg.1", file);
    if ((flags & 5) == 1) image_repair_segment(file);
    if ((flags & 5) == 5) image_repair_packed(file);
    store_stream stream = {.name = "seg.1", .bytes = file->bytes};
    if (file->bytes >= 4096) stream.header_crc = load_u32(file->data + 4092);
    veer_io io;
    input_table(&streams, (flags & 2) != 0, &io);
    if (flags & 4) {
        read_packed(&io);
    } else {
        veer_error error;
        block_cache *cache;
        zstd_pool zstd;
        segment_home home;
        demand(block_cache_new(memory_default(), 20000, &cache, &error) == VEER_OK);
        zstd_pool_init(&zstd, memory_default());
        segment_home_init(&home, memory_default(), &io, cache, &zstd);
        read_segment(&home, &stream);
        zstd_pool_fini(&zstd);
        block_cache_free(cache);
    }
    io_memory_free(&io);
    return 0;
}
