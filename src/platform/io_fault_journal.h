/* The journal of io_fault.c: what was done to streams and names, and what a power cut leaves of it.
 * The caller keeps other threads away. */
#ifndef VEER_PLATFORM_IO_FAULT_JOURNAL_H
#define VEER_PLATFORM_IO_FAULT_JOURNAL_H

#include "platform/io_fault.h"

#define JOURNAL_NO_STREAM UINT32_MAX

/* A stream for as long as it exists: a name that is removed and made again has another one. */
typedef struct journal_stream {
    uint32_t name; /* number of its name */
} journal_stream;

typedef struct journal_name {
    char text[IO_NAME_BYTES_MAX + 1];
    uint32_t stream; /* that it means now, or JOURNAL_NO_STREAM */
} journal_name;

typedef struct journal_event {
    io_call call; /* OPEN stands for create */
    bool failed;  /* of a sync */
    uint32_t stream;
    uint32_t name;
    uint64_t offset; /* of a write; the size of a truncate */
    size_t bytes;
    uint8_t *data;
} journal_event;

struct journal_state;
typedef struct journal {
    veer_allocator allocator;
    bool active;
    bool failed; /* out of memory: incomplete */
    journal_stream *streams;
    size_t streams_count, streams_capacity;
    journal_name *names;
    size_t names_count, names_capacity;
    journal_event *events;
    size_t events_count, events_capacity;
    size_t first;                 /* event that the caller knows as number 0 */
    size_t first_failed;          /* sync; SIZE_MAX: none */
    struct journal_state *cursor; /* the state after some event before first_failed, or NULL */
} journal;

void journal_init(journal *j, const veer_allocator *allocator);
void journal_fini(journal *j);
/* Starts anew with the streams of `base`, all synced. */
veer_status journal_begin(journal *j, const veer_io *base, veer_error *error);
/* The stream that `name` means, or JOURNAL_NO_STREAM. */
uint32_t journal_find(const journal *j, const char *name);

/* Records; nothing happens while the journal is not active. */
void journal_create(journal *j, const char *name);
void journal_remove(journal *j, const char *name);
void journal_write(journal *j, uint32_t stream, uint64_t offset, const void *data, size_t bytes);
void journal_truncate(journal *j, uint32_t stream, uint64_t bytes);
void journal_sync(journal *j, uint32_t stream, bool failed);
void journal_sync_names(journal *j, bool failed);

veer_status journal_materialise(journal *j, size_t event, io_cut cut, uint64_t seed,
                                const veer_allocator *allocator, veer_io *table, veer_error *error);

#endif
