/* read_source.c: bytes from a file, a pipe or memory, counted (readers.h has the contract).
 *
 * Vectors are read in whole blocks (source_read), however few bytes a pipe delivers at a time;
 * texts as they come (source_read_some), so that a signal loses no line that is complete. A signal
 * that interrupts a read ends it only where `stop` says so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "readers.h"

static veer_status status_of(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return VEER_E_NOTFOUND;
    case EACCES:
    case EPERM:
        return VEER_E_PERMISSION;
    case ENOMEM:
        return VEER_E_NOMEM;
    default:
        return VEER_E_IO;
    }
}

veer_status source_open(byte_source *source, const char *path, veer_error *error)
{
    *source = (byte_source){.name = path, .file = -1};
    if (strcmp(path, "-") == 0) {
        source->name = "standard input";
        source->file = STDIN_FILENO;
    } else {
        source->file = open(path, O_RDONLY | O_CLOEXEC);
        if (source->file < 0) {
            return cli_error(error, status_of(errno), "cannot open %s: %s", path, strerror(errno));
        }
    }
    struct stat about;
    if (fstat(source->file, &about) != 0) {
        return cli_error(error, VEER_E_IO, "cannot look at %s: %s", source->name, strerror(errno));
    }
    if (S_ISDIR(about.st_mode)) {
        return cli_error(error, VEER_E_INVALID, "%s is a directory, expected a file", source->name);
    }
    if (S_ISREG(about.st_mode) && about.st_size > 0) {
        source->size = (uint64_t)about.st_size;
        (void)posix_fadvise(source->file, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return VEER_OK;
}

void source_memory(byte_source *source, const char *name, const void *data, size_t bytes)
{
    *source = (byte_source){.name = name, .file = -1, .memory = data, .size = bytes};
}

veer_status source_read_some(byte_source *source, void *buffer, size_t bytes, size_t *got,
                             veer_error *error)
{
    *got = 0;
    if (source->file < 0) {
        uint64_t left = source->size - source->offset;
        *got = left < bytes ? (size_t)left : bytes;
        if (*got > 0) {
            memcpy(buffer, source->memory + source->offset, *got);
        }
        source->offset += *got;
        return VEER_OK;
    }
    for (;;) {
        ssize_t count = read(source->file, buffer, bytes);
        if (count >= 0) {
            *got = (size_t)count;
            source->offset += (uint64_t)count;
            return VEER_OK;
        }
        if (errno != EINTR) {
            return cli_error(error, VEER_E_IO, "cannot read %s at byte %llu: %s", source->name,
                             (unsigned long long)source->offset, strerror(errno));
        }
        if (source->stop != NULL && source->stop()) {
            return cli_error(error, VEER_E_ABORTED, "interrupted while reading %s", source->name);
        }
    }
}

veer_status source_read(byte_source *source, void *buffer, size_t bytes, size_t *got,
                        veer_error *error)
{
    *got = 0;
    while (*got < bytes) {
        size_t more = 0;
        veer_status status =
            source_read_some(source, (char *)buffer + *got, bytes - *got, &more, error);
        if (status != VEER_OK || more == 0) {
            return status;
        }
        *got += more;
    }
    return VEER_OK;
}

double source_share(const byte_source *source)
{
    return source->size == 0 ? -1 : (double)source->offset / (double)source->size;
}

void source_close(byte_source *source)
{
    if (source->file > STDIN_FILENO) {
        (void)close(source->file);
    }
    source->file = -1;
}

veer_status source_read_all(const char *path, size_t limit, cli_text *text, veer_error *error)
{
    byte_source source;
    size_t got = 0;
    veer_status status = source_open(&source, path, error);
    while (status == VEER_OK) {
        if (!cli_text_reserve(text, 64 << 10)) {
            status = cli_error(error, VEER_E_NOMEM, "out of memory reading %s", source.name);
            break;
        }
        status = source_read(&source, text->data + text->bytes, 64 << 10, &got, error);
        text->bytes += got;
        text->data[text->bytes] = '\0';
        if (status == VEER_OK && text->bytes > limit) {
            status =
                cli_error(error, VEER_E_LIMIT, "%s has more than %zu bytes", source.name, limit);
        }
        if (got < (64 << 10)) {
            break;
        }
    }
    source_close(&source);
    return status;
}
