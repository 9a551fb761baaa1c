/* See storage_image.h. */
#include "storage_image.h"

#include <string.h>

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
