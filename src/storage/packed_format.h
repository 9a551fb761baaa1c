/* The packed file's header and table (docs/FORMAT.md, "The packed form"). */
#ifndef VEER_STORAGE_PACKED_FORMAT_H
#define VEER_STORAGE_PACKED_FORMAT_H

#include "storage/storage_format.h"

#define PACKED_STREAMS_MAX (STORAGE_STREAMS_MAX + 4u)
#define PACKED_ENTRY_BYTES 96u
/* Bytes of a stream's head that its checksum in the table covers: a header page without its own. */
#define PACKED_HEAD_BYTES STORAGE_PAGE_CRC

enum {
    PACKED_COUNT_AT = 20,
    PACKED_ID_AT = 24,
    PACKED_BYTES_AT = 40,
    PACKED_TABLE_AT = 48,
    PACKED_TABLE_CRC_AT = 56,
    PACKED_ENTRY_OFFSET_AT = 64,
    PACKED_ENTRY_BYTES_AT = 72,
    PACKED_ENTRY_CRC_AT = 80,
};

typedef struct packed_entry {
    char name[STORAGE_NAME_BYTES + 1];
    uint64_t offset;
    uint64_t bytes;
    uint32_t head_crc;
    uint32_t before; /* bytes of padding before the stream, less than a page where it is sound */
} packed_entry;

#endif
