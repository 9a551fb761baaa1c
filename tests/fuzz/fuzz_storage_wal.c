/* libFuzzer target: the records of a log behind a sound header.
 *
 * Whatever they are, what is given has rising numbers and lies in the file, the committed end is
 * not behind the file's, and after writing and opening again the same records and the new one
 * are there.
 *
 * Input: a byte of flags (1: with right checksums, 2: with the file's salt), then runs of bytes.
 */
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "storage/recovery.h"
#include "storage_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct seen {
    uint64_t records;
    uint64_t last;
    uint32_t crc;
} seen;

static veer_status take(void *context, const store_record *record, veer_error *error)
{
    (void)error;
    seen *s = context;
    demand(record->lsn > s->last);
    s->last = record->lsn;
    s->records++;
    s->crc = crc32c(s->crc, record->data, record->bytes);
    return VEER_OK;
}

/* Gives every record the salt and a fitting number, so that the fuzzer plays with the rest. */
static void fit_records(image_stream *wal, uint64_t salt)
{
    uint64_t lsn = 1;
    for (size_t at = 4096; wal->bytes - at >= 40;) {
        uint64_t bytes = wal_record_bytes(load_u32(wal->data + at));
        if (wal->data[at + 31] != 0xff) store_u64(wal->data + at + 24, salt);
        if (wal->data[at + 23] != 0xff) store_u64(wal->data + at + 16, lsn++);
        if (bytes > wal->bytes - at) return;
        at += (size_t)bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    storage_input input = {data, size};
    image_stream body;
    veer_io io;
    store *opened;
    veer_error error = {VEER_OK, ""};
    uint8_t flags = input_byte(&input);
    input_stream(&input, 300000, "body", &body);
    demand(io_memory_new(memory_default(), &io, &error) == VEER_OK);
    store_options options = {.create = true, .wal_bytes = 1000};
    demand(store_open(memory_default(), &io, &options, 1, &opened, &error) == VEER_OK);
    demand(store_close(opened, &error) == VEER_OK);

    void *file;
    image log = {.count = 1};
    image_stream *wal = &log.streams[0];
    memcpy(wal->name, "wal.0", 6);
    wal->bytes = 4096 + body.bytes;
    wal->data = memory_new(memory_default(), wal->bytes);
    demand(wal->data != NULL);
    demand(io.open(io.context, "wal.0", VEER_IO_WRITE, &file, &error) == VEER_OK);
    demand(io.read(io.context, file, 0, wal->data, 4096, &error) == VEER_OK);
    memcpy(wal->data + 4096, body.data, body.bytes);
    if (flags & 2) fit_records(wal, load_u64(wal->data + 40));
    if (flags & 1) image_repair(&log);
    demand(io.write(io.context, file, 0, wal->data, wal->bytes, &error) == VEER_OK);
    io.close(io.context, file);
    memory_free(memory_default(), wal->data, wal->bytes);
    input_free(&body);

    veer_status status = store_open(memory_default(), &io, &options, 1, &opened, &error);
    demand(status == VEER_OK || status == VEER_E_CORRUPT);
    demand_error(status, &error);
    if (status == VEER_OK) {
        seen before = {0};
        seen after = {0};
        uint64_t lsn;
        demand(store_replay(opened, take, &before, &error) == VEER_OK);
        demand(before.records == store_recovery(opened)->wal_records);
        demand(store_wal_bytes(opened) + store_recovery(opened)->dropped_bytes ==
               4096 + body.bytes);
        store_part part = {"end", 3};
        store_append_record record = {.parts = &part, .parts_count = 1};
        if (!store_checkpoint_under_way(opened)) {
            demand(store_append(opened, &record, 1, &lsn, &error) == VEER_OK);
            demand(store_close(opened, &error) == VEER_OK);
            demand(store_open(memory_default(), &io, &options, 1, &opened, &error) == VEER_OK);
            demand(store_replay(opened, take, &after, &error) == VEER_OK);
            demand(after.records == before.records + 1 && after.last == lsn);
            demand(after.crc == crc32c(before.crc, "end", 3));
        }
        demand(store_close(opened, &error) == VEER_OK);
    }
    io_memory_free(&io);
    return 0;
}
