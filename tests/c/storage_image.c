/* See storage_image.h. The offsets are those of docs/FORMAT.md, written down a second time on purpose. */
#include "storage_image.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "support/testing.h"

static void must(veer_status status, const mini *m)
{
    if (status != VEER_OK) print_message("status %d: %s\n", (int)status, m->error.message);
    assert_int_equal(status, VEER_OK);
}

void image_build(const veer_io *io, int kind, uint64_t *n, uint64_t *before_last)
{
    mini m;
    store_options options = mini_options(STORE_SYNC_FULL);
    must(mini_open(&m, memory_default(), io, &options), &m);
    if (kind != IMAGE_LOG) {
        must(mini_append(&m, 12), &m);
        must(mini_checkpoint(&m, true), &m);
        must(mini_append(&m, 7), &m);
        must(mini_checkpoint(&m, false), &m);
    }
    must(mini_append(&m, 1), &m);
    must(mini_append(&m, 4), &m);
    must(mini_append(&m, 2), &m);
    if (kind == IMAGE_BOTH_LOGS) {
        must(mini_switch(&m), &m);
        must(mini_relog(&m), &m);
        must(mini_append(&m, 3), &m);
    }
    *before_last = m.n;
    must(mini_append(&m, 2), &m);
    *n = m.n;
    must(mini_close(&m), &m);
}

static void take_name(void *argument, const char *name)
{
    image *to = argument;
    assert_true(to->count < IMAGE_STREAMS_MAX);
    memcpy(to->streams[to->count++].name, name, strlen(name) + 1);
}

void image_read(image *to, const veer_io *io)
{
    veer_error error;
    memset(to, 0, sizeof *to);
    assert_int_equal(io->list(io->context, take_name, to, &error), VEER_OK);
    for (size_t i = 0; i < to->count; i++) {
        void *file;
        uint64_t bytes;
        image_stream *stream = &to->streams[i];
        assert_int_equal(io->open(io->context, stream->name, VEER_IO_READ, &file, &error), 0);
        assert_int_equal(io->size(io->context, file, &bytes, &error), VEER_OK);
        stream->bytes = (size_t)bytes;
        stream->data = memory_new(memory_default(), stream->bytes);
        assert_int_equal(io->read(io->context, file, 0, stream->data, stream->bytes, &error), 0);
        io->close(io->context, file);
    }
}

void image_write(const image *from, const veer_io *io)
{
    veer_error error;
    for (size_t i = 0; i < from->count; i++) {
        void *file;
        const image_stream *stream = &from->streams[i];
        assert_int_equal(
            io->open(io->context, stream->name, VEER_IO_WRITE | VEER_IO_CREATE, &file, &error), 0);
        if (stream->bytes != 0)
            assert_int_equal(io->write(io->context, file, 0, stream->data, stream->bytes, &error),
                             0);
        io->close(io->context, file);
    }
}

void image_free(image *self)
{
    for (size_t i = 0; i < self->count; i++)
        memory_free(memory_default(), self->streams[i].data, self->streams[i].bytes);
    memset(self, 0, sizeof *self);
}

image_stream *image_find(image *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->streams[i].name, name) == 0) return &self->streams[i];
    }
    return NULL;
}

/* ---- repairing checksums */

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

static void repair_segment(image_stream *stream)
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
        if (strncmp(self->streams[i].name, "seg.", 4) == 0) repair_segment(&self->streams[i]);
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
