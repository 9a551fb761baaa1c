/* read_jsonl.c: JSON lines, one object a line, cut out of large reads without copying.
 *
 *     buffer   [ handed out | start ... a line \n more ... | end ... free ]
 *
 * When no line feed is left between start and end, what is there moves to the front and the
 * buffer is filled; a line longer than the buffer makes it grow up to LINE_BYTES_MAX. A line is
 * looked at for its end only; whether it is JSON is the caller's question. A UTF-8 byte order
 * mark at the start of the file is skipped.
 */
#include <stdlib.h>
#include <string.h>

#include "readers.h"

enum { FIRST_BUFFER_BYTES = 4 << 20 };

static bool reserve(jsonl_reader *reader, size_t capacity)
{
    char *buffer = realloc(reader->buffer, capacity + 1);
    if (buffer == NULL) {
        return false;
    }
    reader->buffer = buffer;
    reader->capacity = capacity;
    return true;
}

veer_status jsonl_open(jsonl_reader *reader, const char *path, veer_error *error)
{
    if (path != NULL) {
        *reader = (jsonl_reader){0};
        veer_status status = source_open(&reader->source, path, error);
        if (status != VEER_OK) {
            return status;
        }
    }
    uint64_t size = reader->source.size;
    bool small = size > 0 && size < FIRST_BUFFER_BYTES;
    if (!reserve(reader, small ? (size_t)size + 1 : FIRST_BUFFER_BYTES)) {
        return cli_error(error, VEER_E_NOMEM, "out of memory for reading %s", reader->source.name);
    }
    return VEER_OK;
}

/* Makes room and reads on. */
static veer_status fill(jsonl_reader *reader, veer_error *error)
{
    size_t kept = reader->end - reader->start;
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, kept);
        reader->start = 0;
        reader->end = kept;
    }
    if (kept == reader->capacity) {
        if (kept >= LINE_BYTES_MAX) {
            return cli_error(error, VEER_E_LIMIT,
                             "%s: line %llu at byte %llu has more than %d bytes",
                             reader->source.name, (unsigned long long)(reader->line + 1),
                             (unsigned long long)reader->next_offset, LINE_BYTES_MAX);
        }
        if (!reserve(reader, reader->capacity * 2)) {
            return cli_error(error, VEER_E_NOMEM, "out of memory for line %llu of %s",
                             (unsigned long long)(reader->line + 1), reader->source.name);
        }
    }
    size_t got = 0;
    size_t room = reader->capacity - reader->end;
    veer_status status =
        source_read_some(&reader->source, reader->buffer + reader->end, room, &got, error);
    reader->ended = got == 0;
    reader->end += got;
    reader->buffer[reader->end] = '\0';
    return status;
}

static bool is_blank(const char *line, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') {
            return false;
        }
    }
    return true;
}

veer_status jsonl_next(jsonl_reader *reader, const char **line, size_t *bytes, veer_error *error)
{
    *line = NULL;
    *bytes = 0;
    size_t searched = 0;
    for (;;) {
        const char *start = reader->buffer + reader->start;
        size_t left = reader->end - reader->start;
        const char *feed = left > searched ? memchr(start + searched, '\n', left - searched) : NULL;
        if (feed == NULL && !reader->ended) {
            searched = left;
            veer_status status = fill(reader, error);
            if (status != VEER_OK) {
                return status;
            }
            continue;
        }
        if (feed == NULL && left == 0) {
            return VEER_OK;
        }
        searched = 0;
        size_t length = feed != NULL ? (size_t)(feed - start) : left;
        size_t taken = feed != NULL ? length + 1 : length;
        reader->start += taken;
        reader->line++;
        reader->line_offset = reader->next_offset;
        reader->next_offset += taken;
        if (reader->line == 1 && length >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0) {
            start += 3;
            length -= 3;
        }
        if (length > 0 && start[length - 1] == '\r') {
            length--;
        }
        if (length > LINE_BYTES_MAX) {
            return cli_error(error, VEER_E_LIMIT,
                             "%s: line %llu at byte %llu has more than %d bytes",
                             reader->source.name, (unsigned long long)reader->line,
                             (unsigned long long)reader->line_offset, LINE_BYTES_MAX);
        }
        if (!is_blank(start, length)) {
            *line = start;
            *bytes = length;
            return VEER_OK;
        }
    }
}

void jsonl_close(jsonl_reader *reader)
{
    source_close(&reader->source);
    free(reader->buffer);
    reader->buffer = NULL;
}
