/* Log records: encoding, following, searching.
 *
 *     | head 32 | payload n | padding | previous crc | crc |      each record at a multiple of 8
 *
 * A record is valid at a place when its salt is the file's, its LSN is the expected one, its
 * `previous` is the checksum of the record before, and its own checksum is right. So bytes that an
 * earlier use of the file left behind (another salt), a write that was cut off and written over
 * (same salt, another chain), and sectors that reached storage in another order are never taken
 * for the log.
 *
 * A valid record behind an invalid one is not by itself proof of damage: with unsynced writes, or
 * inside one large transaction, a power loss may keep a later sector and lose an earlier one. Each
 * record therefore says how far the log was durable when it was written; wal_reader_search looks
 * for one that says the missing record was.
 *
 * Cost: following checksums each byte once. Searching steps by 8 bytes and checksums only what
 * has the right salt and passes every cheap rule; hostile bytes can make that quadratic, so the
 * work is limited to a few times the file, and a search that exceeds it counts as a finding.
 *
 * Threads: a reader belongs to one thread.
 */
#include "storage/wal.h"

#include "base/crc32c.h"
#include "base/sizes.h"

enum {
    INDEX_AT = 20,
    ID_AT = 24,
    SALT_AT = 40,
    START_AT = 48,
    BASE_AT = 56,
    RECORD_TYPE_AT = 4,
    RECORD_FLAGS_AT = 6,
    RECORD_COLLECTION_AT = 8,
    RECORD_UNSYNCED_AT = 12,
    RECORD_LSN_AT = 16,
    RECORD_SALT_AT = 24,
};

#define READ_BYTES ((size_t)256 << 10) /* arbitrary: few calls, little memory */
#define SEARCH_WORK_MIN ((uint64_t)64 << 20)

void wal_header_encode(wal_header *header, uint8_t page[STORAGE_PAGE_BYTES])
{
    page_begin(page, STORAGE_MAGIC_WAL);
    store_u32(page + INDEX_AT, header->index);
    memcpy(page + ID_AT, header->id, STORAGE_ID_BYTES);
    store_u64(page + SALT_AT, header->salt);
    store_u64(page + START_AT, header->start_lsn);
    store_u64(page + BASE_AT, header->base_generation);
    header->crc = page_seal(page);
}

page_state wal_header_decode(const uint8_t page[STORAGE_PAGE_BYTES], wal_header *header)
{
    page_state state = page_look(page, STORAGE_MAGIC_WAL);
    if (state != PAGE_GOOD) return state;
    wal_header read = {
        .index = load_u32(page + INDEX_AT),
        .salt = load_u64(page + SALT_AT),
        .start_lsn = load_u64(page + START_AT),
        .base_generation = load_u64(page + BASE_AT),
        .crc = load_u32(page + STORAGE_PAGE_CRC),
    };
    memcpy(read.id, page + ID_AT, STORAGE_ID_BYTES);
    if (read.index > 1 || read.salt == 0 || read.start_lsn == 0 ||
        read.start_lsn >= STORAGE_NUMBER_MAX || read.base_generation == 0 ||
        read.base_generation >= STORAGE_NUMBER_MAX)
        return PAGE_DAMAGED;
    *header = read;
    return PAGE_GOOD;
}

uint64_t wal_record_bytes(uint64_t n)
{
    return WAL_RECORD_HEAD_BYTES + u64_round_up(n, 8) + WAL_RECORD_TAIL_BYTES;
}

void wal_record_head(uint8_t head[WAL_RECORD_HEAD_BYTES], uint32_t n, uint16_t type, uint16_t flags,
                     uint32_t collection, uint64_t lsn, uint64_t durable_lsn, uint64_t salt)
{
    uint64_t unsynced = lsn - durable_lsn;
    store_u32(head, n);
    store_u16(head + RECORD_TYPE_AT, type);
    store_u16(head + RECORD_FLAGS_AT, flags);
    store_u32(head + RECORD_COLLECTION_AT, collection);
    store_u32(head + RECORD_UNSYNCED_AT,
              unsynced < WAL_UNSYNCED_UNKNOWN ? (uint32_t)unsynced : WAL_UNSYNCED_UNKNOWN);
    store_u64(head + RECORD_LSN_AT, lsn);
    store_u64(head + RECORD_SALT_AT, salt);
}

size_t wal_record_tail(uint8_t tail[16], uint64_t n, uint32_t previous, uint32_t *crc)
{
    size_t padding = (size_t)(u64_round_up(n, 8) - n);
    memset(tail, 0, 16);
    store_u32(tail + padding, previous);
    *crc = crc32c(*crc, tail, padding + 4);
    store_u32(tail + padding + 4, *crc);
    return padding + WAL_RECORD_TAIL_BYTES;
}

void wal_reader_init(wal_reader *reader, const veer_allocator *allocator, const veer_io *io,
                     void *file, uint64_t size, const wal_header *header)
{
    *reader = (wal_reader){
        .allocator = allocator,
        .io = io,
        .file = file,
        .size = size,
        .salt = header->salt,
        .position = STORAGE_PAGE_BYTES,
        .next_lsn = header->start_lsn,
        .crc = header->crc,
    };
}

void wal_reader_fini(wal_reader *reader)
{
    memory_free(reader->allocator, reader->buffer, reader->capacity);
    reader->buffer = NULL;
    reader->capacity = 0;
    reader->buffered = 0;
}

/* `bytes` at `offset`, which lie inside the stream, as memory that is valid until the next call. */
static veer_status look(wal_reader *reader, uint64_t offset, size_t bytes, const uint8_t **data,
                        veer_error *error)
{
    if (offset >= reader->buffer_at && offset - reader->buffer_at <= reader->buffered &&
        bytes <= reader->buffered - (size_t)(offset - reader->buffer_at)) {
        *data = reader->buffer + (size_t)(offset - reader->buffer_at);
        return VEER_OK;
    }
    size_t wanted = bytes > READ_BYTES ? bytes : READ_BYTES;
    if (wanted > reader->size - offset) wanted = (size_t)(reader->size - offset);
    if (wanted > reader->capacity) {
        uint8_t *grown = memory_new(reader->allocator, wanted);
        if (grown == NULL) return error_nomem(error, "reading the log", wanted);
        memory_free(reader->allocator, reader->buffer, reader->capacity);
        reader->buffer = grown;
        reader->capacity = wanted;
    }
    reader->buffered = 0;
    VEER_TRY(
        reader->io->read(reader->io->context, reader->file, offset, reader->buffer, wanted, error));
    reader->buffer_at = offset;
    reader->buffered = wanted;
    *data = reader->buffer;
    return VEER_OK;
}

/* The cheap rules of a record whose head lies at `offset`, and its size. */
static bool head_plausible(const wal_reader *reader, const uint8_t *head, uint64_t offset,
                           uint64_t *bytes)
{
    uint32_t n = load_u32(head);
    uint16_t flags = load_u16(head + RECORD_FLAGS_AT);
    if (load_u64(head + RECORD_SALT_AT) != reader->salt) return false;
    if (n > WAL_PAYLOAD_BYTES_MAX || (flags & WAL_RESERVED_FLAGS) != 0) return false;
    *bytes = wal_record_bytes(n);
    return *bytes <= reader->size - offset;
}

static bool checksum_right(const uint8_t *record, size_t bytes)
{
    return crc32c(0, record, bytes - 4) == load_u32(record + bytes - 4);
}

static uint64_t durable_of(const uint8_t *head)
{
    uint64_t lsn = load_u64(head + RECORD_LSN_AT);
    uint32_t unsynced = load_u32(head + RECORD_UNSYNCED_AT);
    return unsynced == WAL_UNSYNCED_UNKNOWN || unsynced > lsn ? 0 : lsn - unsynced;
}

veer_status wal_reader_next(wal_reader *reader, wal_record *record, bool *found, veer_error *error)
{
    const uint8_t *data = NULL;
    uint64_t bytes = 0;
    *found = false;
    if (reader->position > reader->size ||
        reader->size - reader->position < WAL_RECORD_HEAD_BYTES + WAL_RECORD_TAIL_BYTES)
        return VEER_OK;
    VEER_TRY(look(reader, reader->position, WAL_RECORD_HEAD_BYTES, &data, error));
    if (!head_plausible(reader, data, reader->position, &bytes) ||
        load_u64(data + RECORD_LSN_AT) != reader->next_lsn)
        return VEER_OK;
    VEER_TRY(look(reader, reader->position, (size_t)bytes, &data, error));
    uint32_t n = load_u32(data);
    uint16_t flags = load_u16(data + RECORD_FLAGS_AT);
    bool is_switch = (flags & WAL_SWITCH) != 0;
    if (load_u32(data + bytes - 8) != reader->crc || !checksum_right(data, (size_t)bytes) ||
        (is_switch && n != 0))
        return VEER_OK;

    *record = (wal_record){
        .record =
            {
                .lsn = reader->next_lsn,
                .collection = load_u32(data + RECORD_COLLECTION_AT),
                .type = load_u16(data + RECORD_TYPE_AT),
                .flags = flags & WAL_ENGINE_FLAGS,
                .data = data + WAL_RECORD_HEAD_BYTES,
                .bytes = n,
            },
        .durable_lsn = durable_of(data),
        .end = reader->position + bytes,
        .crc = load_u32(data + bytes - 4),
        .is_commit = (flags & WAL_COMMIT) != 0,
        .is_switch = is_switch,
    };
    reader->position = record->end;
    reader->crc = record->crc;
    if (!is_switch) reader->next_lsn++;
    *found = true;
    return VEER_OK;
}

veer_status wal_reader_search(wal_reader *reader, uint64_t from, uint64_t lsn, uint64_t durable,
                              bool *found, uint64_t *at, veer_error *error)
{
    const uint8_t *data = NULL;
    uint64_t work = 0;
    uint64_t limit = reader->size * 4 + SEARCH_WORK_MIN;
    *found = false;
    for (uint64_t offset = u64_round_up(from, 8);
         offset <= reader->size &&
         reader->size - offset >= WAL_RECORD_HEAD_BYTES + WAL_RECORD_TAIL_BYTES;
         offset += 8) {
        uint64_t bytes = 0;
        VEER_TRY(look(reader, offset, WAL_RECORD_HEAD_BYTES, &data, error));
        if (!head_plausible(reader, data, offset, &bytes)) continue;
        if (load_u64(data + RECORD_LSN_AT) < lsn || durable_of(data) < durable) continue;
        work += bytes;
        VEER_TRY(look(reader, offset, (size_t)bytes, &data, error));
        if (!checksum_right(data, (size_t)bytes) && work <= limit) continue;
        *found = true;
        *at = offset;
        return VEER_OK;
    }
    return VEER_OK;
}
