/* Byte strings in blocks: numbers that writer and reader share (docs/FORMAT.md, "Byte strings"). */
#ifndef VEER_STORAGE_BLOB_FORMAT_H
#define VEER_STORAGE_BLOB_FORMAT_H

#include "storage/segment.h"

#define BLOB_BLOCK_BYTES ((size_t)16 << 10) /* a writer's aim */
#define BLOB_STRING_BYTES_MAX ((size_t)64 << 20)
#define BLOB_RAW_BYTES_MAX (((uint32_t)64 << 20) + (64u << 10))
#define BLOB_COMPRESSED 0x80000000u /* in the raw size */
#define BLOB_ENTRY_BYTES 24u
#define BLOB_FOOTER_BYTES 32u
#define BLOB_STRINGS_MAX ((uint64_t)1 << 40)

#endif
