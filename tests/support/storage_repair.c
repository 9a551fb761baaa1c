/* See storage_repair.h. The offsets are those of docs/FORMAT.md, written down a second time on
 * purpose. */
#include "support/storage_repair.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"

image_stream *image_find(image *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->streams[i].name, name) == 0) return &self->streams[i];
    }
    return NULL;
}

static void seal_page(uint8_t *page)
{
    store_u32(page + 4092, crc32c(0, page, 4092));
}

static void repair_wal(image_stream *wal)
{
    if (wal == NULL || wal->bytes < 4096) return;
    seal_page(wal->data);
    uint32_t previous = load_u32(wal->data + 4092);
    size_t at = 4096;
    while (wal->bytes - at >= 40) {
        uint64_t n = load_u32(wal->data + at);
        uint64_t bytes = 40 + (n + 7) / 8 * 8;
        if (bytes > wal->bytes - at) return;
        uint8_t *end = wal->data + at + bytes;
        store_u32(end - 8, previous);
        previous = crc32c(0, wal->data + at, (size_t)bytes - 4);
        store_u32(end - 4, previous);
        at += (size_t)bytes;
    }
}

static void repair_section(image_stream *stream, uint8_t *entry)
{
    uint64_t offset = load_u64(entry + 8);
    uint64_t bytes = load_u64(entry + 16);
    uint32_t block = load_u32(entry + 24);
    uint64_t table = load_u64(entry + 32);
    if (block == 0 || offset > stream->bytes || bytes > stream->bytes - offset) return;
    uint64_t blocks = bytes / block + (bytes % block != 0);
    if (table > stream->bytes || blocks > (stream->bytes - table) / 4) return;
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t left = bytes - i * block;
        size_t size = (size_t)(left < block ? left : block);
        store_u32(stream->data + table + 4 * i, crc32c(0, stream->data + offset + i * block, size));
    }
    store_u32(entry + 28, crc32c(0, stream->data + table, (size_t)blocks * 4));
}

void image_repair_segment(image_stream *stream)
{
    if (stream->bytes < 4096) return;
    uint64_t sections = load_u32(stream->data + 32);
    uint64_t table = load_u64(stream->data + 40);
    if (table <= stream->bytes && sections <= (stream->bytes - table) / 48) {
        for (uint64_t i = 0; i < sections; i++)
            repair_section(stream, stream->data + table + i * 48);
        store_u32(stream->data + 48, crc32c(0, stream->data + table, (size_t)sections * 48));
    }
    seal_page(stream->data);
}

/* What the catalogue says of each stream's header. */
static void repair_catalogue(image *self, image_stream *cat)
{
    if (cat->bytes < 84) return;
    uint64_t n = load_u32(cat->data + 20);
    for (uint64_t i = 0; i < n && 80 + 96 * (i + 1) <= cat->bytes - 4; i++) {
        uint8_t *entry = cat->data + 80 + 96 * i;
        for (size_t j = 0; j < self->count; j++) {
            const image_stream *stream = &self->streams[j];
            if (strncmp((const char *)entry, stream->name, 64) != 0) continue;
            if (stream->bytes >= 4096) store_u32(entry + 72, load_u32(stream->data + 4092));
        }
    }
    store_u32(cat->data + cat->bytes - 4, crc32c(0, cat->data, cat->bytes - 4));
}

void image_repair(image *self)
{
    image_stream *meta = image_find(self, "meta");
    for (size_t i = 0; i < self->count; i++) {
        if (strncmp(self->streams[i].name, "seg.", 4) == 0) image_repair_segment(&self->streams[i]);
    }
    repair_wal(image_find(self, "wal.0"));
    repair_wal(image_find(self, "wal.1"));
    for (size_t i = 0; i < self->count; i++) {
        image_stream *cat = &self->streams[i];
        if (strncmp(cat->name, "cat.", 4) != 0 || cat->bytes < 84) continue;
        repair_catalogue(self, cat);
        for (size_t at = 0; meta != NULL && at + 4096 <= meta->bytes; at += 4096)
            store_u32(meta->data + at + 56, load_u32(cat->data + cat->bytes - 4));
    }
    for (size_t at = 0; meta != NULL && at + 4096 <= meta->bytes; at += 4096)
        seal_page(meta->data + at);
}

void image_repair_database(image *damaged)
{
    image_repair(damaged);
    for (size_t c = 0; c < damaged->count; c++) {
        image_stream *cat = &damaged->streams[c];
        if (strncmp(cat->name, "cat.", 4) != 0) continue;
        for (size_t s = 0; s < damaged->count; s++) {
            const image_stream *stream = &damaged->streams[s];
            size_t length = strlen(stream->name);
            if (stream->bytes < 4096) continue;
            for (size_t at = 80; at + 16 + length < cat->bytes; at++) {
                if (load_u32(cat->data + at) != length ||
                    memcmp(cat->data + at + 4, stream->name, length) != 0)
                    continue;
                store_u32(cat->data + at + 12 + length, load_u32(stream->data + 4092));
            }
        }
    }
    image_repair(damaged);
}

void image_repair_packed(image_stream *stream)
{
    if (stream->bytes < 4096) return;
    uint64_t n = load_u32(stream->data + 20);
    uint64_t table = load_u64(stream->data + 48);
    if (table <= stream->bytes && n <= (stream->bytes - table) / 96) {
        for (uint64_t i = 0; i < n; i++) {
            uint8_t *entry = stream->data + table + 96 * i;
            uint64_t offset = load_u64(entry + 64);
            uint64_t bytes = load_u64(entry + 72);
            if (bytes > 4092) bytes = 4092;
            if (offset <= stream->bytes && bytes <= stream->bytes - offset)
                store_u32(entry + 80, crc32c(0, stream->data + offset, (size_t)bytes));
        }
        store_u32(stream->data + 56, crc32c(0, stream->data + table, (size_t)n * 96));
    }
    seal_page(stream->data);
}
