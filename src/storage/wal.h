/* The log's bytes: header page, records, and a reader that follows them (docs/FORMAT.md, "wal.0,
 * wal.1"). */
#ifndef VEER_STORAGE_WAL_H
#define VEER_STORAGE_WAL_H

#include "storage/storage_format.h"
#include "storage/store.h"

#define WAL_PAYLOAD_BYTES_MAX ((uint64_t)65 << 20)
#define WAL_RECORD_HEAD_BYTES 32u /* before the payload */
#define WAL_RECORD_TAIL_BYTES 8u  /* after padding */
#define WAL_COMMIT 0x4000u
#define WAL_SWITCH 0x2000u
#define WAL_RESERVED_FLAGS 0x1000u
#define WAL_ENGINE_FLAGS (0x0fffu | STORE_RELOG)
#define WAL_UNSYNCED_UNKNOWN UINT32_MAX

typedef struct wal_header {
    uint32_t index;
    uint8_t id[STORAGE_ID_BYTES];
    uint64_t salt;
    uint64_t start_lsn;
    uint64_t base_generation;
    uint32_t crc; /* of the page: what the first record chains to */
} wal_header;

/* Sets header->crc. */
void wal_header_encode(wal_header *header, uint8_t page[STORAGE_PAGE_BYTES]);
page_state wal_header_decode(const uint8_t page[STORAGE_PAGE_BYTES], wal_header *header);

typedef struct wal_record {
    store_record record; /* flags without the storage's own */
    uint64_t durable_lsn;
    uint64_t end; /* where the next one begins */
    uint32_t crc;
    bool is_commit;
    bool is_switch;
} wal_record;

/* Size of a record with n payload bytes. */
uint64_t wal_record_bytes(uint64_t n);
/* The part before the payload. */
void wal_record_head(uint8_t head[WAL_RECORD_HEAD_BYTES], uint32_t n, uint16_t type, uint16_t flags,
                     uint32_t collection, uint64_t lsn, uint64_t durable_lsn, uint64_t salt);
/* Padding and checksums behind a payload of n bytes; `crc` is that of head and payload. Returns
 * the number of bytes (at most 15) and the record's checksum. */
size_t wal_record_tail(uint8_t tail[16], uint64_t n, uint32_t previous, uint32_t *crc);

/* Follows records from one to the next; one thread. */
typedef struct wal_reader {
    const veer_allocator *allocator;
    const veer_io *io;
    void *file;
    uint64_t size; /* of the stream */
    uint64_t salt;
    uint64_t position;
    uint64_t next_lsn;
    uint32_t crc; /* of the record before position */
    uint8_t *buffer;
    size_t capacity;
    uint64_t buffer_at; /* what the buffer holds: [buffer_at, buffer_at + buffered) */
    size_t buffered;
} wal_reader;

/* Begins at the first record of a file with this header. */
void wal_reader_init(wal_reader *reader, const veer_allocator *allocator, const veer_io *io,
                     void *file, uint64_t size, const wal_header *header);
void wal_reader_fini(wal_reader *reader);
/* The record at `position`, and steps behind it. *found is false, and nothing moves, where no
 * valid record is. The payload is valid until the next call. */
veer_status wal_reader_next(wal_reader *reader, wal_record *record, bool *found, veer_error *error);
/* Whether anywhere at or behind `from` there is a valid record of the reader's salt with an LSN
 * of at least `lsn`, and a durable LSN of at least `durable`; what comes before it in the file
 * does not matter. Also true when hostile bytes make the search too long. *at is where. */
veer_status wal_reader_search(wal_reader *reader, uint64_t from, uint64_t lsn, uint64_t durable,
                              bool *found, uint64_t *at, veer_error *error);

#endif
