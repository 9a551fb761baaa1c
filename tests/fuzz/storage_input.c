/* See storage_input.h. */
#include "storage_input.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"

void demand(bool holds)
{
    if (!holds) abort();
}

void demand_error(veer_status status, const veer_error *error)
{
    demand(status == VEER_OK || (error->status == status && error->message[0] != 0));
}

uint8_t input_byte(storage_input *input)
{
    if (input->left == 0) return 0;
    input->left--;
    return *input->data++;
}

void input_stream(storage_input *input, size_t limit, const char *name, image_stream *stream)
{
    memset(stream, 0, sizeof *stream);
    memcpy(stream->name, name, strlen(name) + 1);
    stream->data = calloc(1, limit + 1);
    demand(stream->data != NULL);
    while (input->left >= 4) {
        size_t literal = load_u16(input->data);
        size_t zeros = load_u16(input->data + 2);
        input->data += 4;
        input->left -= 4;
        if (literal == 0 && zeros == 0) break;
        if (literal > input->left) literal = input->left;
        if (literal > limit - stream->bytes) literal = limit - stream->bytes;
        memcpy(stream->data + stream->bytes, input->data, literal);
        input->data += literal;
        input->left -= literal;
        stream->bytes += literal;
        stream->bytes += zeros < limit - stream->bytes ? zeros : limit - stream->bytes;
    }
}

void input_free(image_stream *stream)
{
    free(stream->data);
    stream->data = NULL;
}

void input_table(image *streams, bool mapping, veer_io *io)
{
    veer_error error;
    demand(io_memory_new(memory_default(), io, &error) == VEER_OK);
    io_memory_set_mapping(io, mapping);
    for (size_t i = 0; i < streams->count; i++) {
        void *file;
        image_stream *stream = &streams->streams[i];
        veer_status status =
            io->open(io->context, stream->name, VEER_IO_WRITE | VEER_IO_CREATE, &file, &error);
        if (status == VEER_OK) {
            if (stream->bytes != 0)
                demand(io->write(io->context, file, 0, stream->data, stream->bytes, &error) ==
                       VEER_OK);
            io->close(io->context, file);
        }
        input_free(stream);
    }
}
