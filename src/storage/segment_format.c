/* The header page and the section table of segment files (docs/FORMAT.md, "Segment files").
 *
 * Decoding trusts nothing: although the header's checksum is right, every offset and size is
 * compared with the stream's size before it is used, sums are arranged so that they cannot
 * overflow, and sections must lie behind each other without overlap.
 *
 * Threads: pure functions.
 */
#include "storage/segment_inner.h"

#include "base/sizes.h"

enum {
    KIND_AT = 20,
    BYTES_AT = 24,
    SECTIONS_AT = 32,
    INFO_BYTES_AT = 36,
    TABLE_OFFSET_AT = 40,
    TABLE_CRC_AT = 48,
    CIPHER_AT = 52,
    TAG_BYTES_AT = 54,
    ENTRY_FLAGS_AT = 2,
    ENTRY_FIELD_AT = 4,
    ENTRY_OFFSET_AT = 8,
    ENTRY_BYTES_AT = 16,
    ENTRY_BLOCK_AT = 24,
    ENTRY_CRC_AT = 28,
    ENTRY_TABLE_AT = 32,
};

bool segment_block_bytes_valid(uint32_t block_bytes)
{
    return block_bytes >= SEGMENT_BLOCK_BYTES_MIN && block_bytes <= SEGMENT_BLOCK_BYTES_MAX &&
           (block_bytes & (block_bytes - 1)) == 0;
}

uint64_t segment_entry_blocks(const segment_entry *entry)
{
    return entry->bytes / entry->block_bytes + (entry->bytes % entry->block_bytes != 0);
}

void segment_entry_encode(const segment_entry *entry, uint8_t to[SEGMENT_ENTRY_BYTES])
{
    memset(to, 0, SEGMENT_ENTRY_BYTES);
    store_u16(to, entry->kind);
    store_u32(to + ENTRY_FIELD_AT, entry->field);
    store_u64(to + ENTRY_OFFSET_AT, entry->offset);
    store_u64(to + ENTRY_BYTES_AT, entry->bytes);
    store_u32(to + ENTRY_BLOCK_AT, entry->block_bytes);
    store_u32(to + ENTRY_CRC_AT, entry->table_crc);
    store_u64(to + ENTRY_TABLE_AT, entry->table_offset);
}

bool segment_entry_decode(const uint8_t from[SEGMENT_ENTRY_BYTES], segment_entry *entry)
{
    *entry = (segment_entry){
        .kind = load_u16(from),
        .field = load_u32(from + ENTRY_FIELD_AT),
        .offset = load_u64(from + ENTRY_OFFSET_AT),
        .bytes = load_u64(from + ENTRY_BYTES_AT),
        .block_bytes = load_u32(from + ENTRY_BLOCK_AT),
        .table_crc = load_u32(from + ENTRY_CRC_AT),
        .table_offset = load_u64(from + ENTRY_TABLE_AT),
    };
    return load_u16(from + ENTRY_FLAGS_AT) == 0 && segment_block_bytes_valid(entry->block_bytes) &&
           entry->offset % STORAGE_PAGE_BYTES == 0 && entry->table_offset % 8 == 0;
}

void segment_header_encode(const segment_header *header, uint8_t page[STORAGE_PAGE_BYTES])
{
    page_begin(page, STORAGE_MAGIC_SEGMENT);
    store_u32(page + KIND_AT, header->kind);
    store_u64(page + BYTES_AT, header->bytes);
    store_u32(page + SECTIONS_AT, header->sections);
    store_u32(page + INFO_BYTES_AT, header->info_bytes);
    store_u64(page + TABLE_OFFSET_AT, header->table_offset);
    store_u32(page + TABLE_CRC_AT, header->table_crc);
}

static veer_status header_damaged(const char *name, const char *what, veer_error *error)
{
    return error_set(error, VEER_E_CORRUPT, "Segment '%s' is damaged: %s.", name, what);
}

veer_status segment_header_decode(const uint8_t page[STORAGE_PAGE_BYTES], const char *name,
                                  uint64_t stream_bytes, segment_header *header, veer_error *error)
{
    if (page_look(page, STORAGE_MAGIC_SEGMENT) != PAGE_GOOD)
        return header_damaged(name, "its header is not valid", error);
    /* Segments are never written again: what may be read may be used. */
    VEER_TRY(page_check_version(page, true, name, error));
    if (load_u16(page + CIPHER_AT) != 0 || load_u16(page + TAG_BYTES_AT) != 0)
        VEER_FAIL(error, VEER_E_VERSION, "Segment '%s' is encrypted; this version cannot read it.",
                  name);
    segment_header read = {
        .kind = load_u32(page + KIND_AT),
        .bytes = load_u64(page + BYTES_AT),
        .sections = load_u32(page + SECTIONS_AT),
        .info_bytes = load_u32(page + INFO_BYTES_AT),
        .table_offset = load_u64(page + TABLE_OFFSET_AT),
        .table_crc = load_u32(page + TABLE_CRC_AT),
    };
    if (read.bytes != stream_bytes)
        return header_damaged(name, "its size is not what its header says", error);
    if (read.sections > SEGMENT_SECTIONS_MAX || read.info_bytes > SEGMENT_INFO_BYTES_MAX)
        return header_damaged(name, "its header has too many sections or too much info", error);
    bool is_inline = read.sections <= SEGMENT_INLINE_SECTIONS;
    uint64_t table_bytes = (uint64_t)read.sections * SEGMENT_ENTRY_BYTES;
    if (is_inline && read.table_offset != SEGMENT_TABLE_AT)
        return header_damaged(name, "its section table is misplaced", error);
    if (!is_inline &&
        (read.table_offset < STORAGE_PAGE_BYTES || read.table_offset % 8 != 0 ||
         read.table_offset > stream_bytes || table_bytes > stream_bytes - read.table_offset))
        return header_damaged(name, "its section table does not fit", error);
    *header = read;
    return VEER_OK;
}

bool segment_entries_valid(const segment_entry *entries, size_t n, const segment_header *header)
{
    uint64_t end = STORAGE_PAGE_BYTES; /* of what lies before */
    for (size_t i = 0; i < n; i++) {
        const segment_entry *entry = &entries[i];
        if (entry->offset < end || entry->offset > header->bytes ||
            entry->bytes > header->bytes - entry->offset)
            return false;
        end = entry->offset + entry->bytes;
        uint64_t table_bytes = segment_entry_blocks(entry) * 4;
        if (entry->table_offset < end || entry->table_offset > header->bytes ||
            table_bytes > header->bytes - entry->table_offset)
            return false;
        end = entry->table_offset + table_bytes;
        for (size_t j = 0; j < i; j++) {
            if (entries[j].kind == entry->kind && entries[j].field == entry->field) return false;
        }
    }
    return n <= SEGMENT_INLINE_SECTIONS || header->table_offset >= end;
}
