/* libFuzzer target: a whole database of arbitrary bytes, half of the time with right checksums.
 *
 * Opening for reading, checking, opening for writing and writing end, stay inside their memory and
 * fail with a text. What opened for writing can be appended to and found again.
 *
 * Input: a byte of flags, then streams, each after the number of its name.
 */
#include <string.h>

#include "base/memory.h"
#include "storage/segment.h"
#include "storage/store.h"
#include "storage_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"meta",  "cat.1", "cat.2", "cat.3", "wal.0",
                                    "wal.1", "seg.0", "seg.1", "x"};

static veer_status count_record(void *context, const store_record *record, veer_error *error)
{
    (void)error;
    uint64_t *last = context;
    demand(record->lsn > *last);
    *last = record->lsn;
    if (record->bytes != 0) {
        volatile uint8_t ends = record->data[0];
        ends = record->data[record->bytes - 1];
        (void)ends;
    }
    return VEER_OK;
}

static void take_problem(void *context, const char *stream, const char *text)
{
    (void)context;
    demand(stream != NULL && text[0] != 0);
}

static void read_segments(store *opened)
{
    const store_stream *streams;
    size_t n;
    store_streams(opened, &streams, &n);
    for (size_t i = 0; i < n; i++) {
        segment *s;
        const void *data;
        veer_error error = {VEER_OK, ""};
        veer_status status = segment_open(opened, &streams[i], &s, &error);
        demand_error(status, &error);
        for (size_t j = 0; status == VEER_OK && j < segment_sections(s); j++)
            demand_error(segment_load(s, (uint32_t)j, &data, &error), &error);
        segment_close(s);
    }
}

static void read_it(const veer_io *io)
{
    store *opened;
    uint64_t last = 0;
    veer_error error = {VEER_OK, ""};
    store_options options = {.readonly = true, .cache_bytes = 20000};
    veer_status status = store_open(memory_default(), io, &options, 1, &opened, &error);
    demand_error(status, &error);
    if (status == VEER_OK) {
        const store_report *report = store_recovery(opened);
        last = report->checkpoint_lsn;
        demand(store_replay(opened, count_record, &last, &error) == VEER_OK);
        demand(last <= report->last_lsn);
        read_segments(opened);
    }
    (void)store_close(opened, &error);
    status = store_check(memory_default(), io, take_problem, NULL, NULL, NULL, &error);
    demand_error(status, &error);
}

static void write_it(const veer_io *io)
{
    store *opened;
    uint64_t lsn, boundary;
    veer_error error = {VEER_OK, ""};
    store_options options = {.create = true, .wal_bytes = 1000};
    store_part part = {"found again", 11};
    store_append_record record = {.parts = &part, .parts_count = 1};
    if (store_open(memory_default(), io, &options, 1, &opened, &error) != VEER_OK) return;
    veer_status status = store_append(opened, &record, 1, &lsn, &error);
    demand_error(status, &error);
    if (status == VEER_OK) {
        status = store_switch_log(opened, &boundary, &error);
        demand_error(status, &error);
        status = store_append(opened, &record, 1, &lsn, &error);
        demand_error(status, &error);
    }
    if (status == VEER_OK)
        demand_error(
            store_commit(opened, "p", 1, NULL, 0, store_checkpoint_under_way(opened), &error),
            &error);
    demand(store_close(opened, &error) == VEER_OK);
    if (status != VEER_OK) return;
    demand(store_open(memory_default(), io, &options, 2, &opened, &error) == VEER_OK);
    demand(store_last_lsn(opened) == lsn);
    demand(store_recovery(opened)->dropped_bytes == 0);
    demand(store_close(opened, &error) == VEER_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    storage_input input = {data, size};
    image streams = {.count = 0};
    veer_io io;
    uint8_t flags = input_byte(&input);
    while (input.left > 0 && streams.count < 10) {
        const char *name = names[input_byte(&input) % (sizeof names / sizeof names[0])];
        input_stream(&input, 200000, name, &streams.streams[streams.count++]);
    }
    if (flags & 1) image_repair(&streams);
    input_table(&streams, (flags & 2) != 0, &io);
    read_it(&io);
    if (flags & 4) write_it(&io);
    io_memory_free(&io);
    return 0;
}
