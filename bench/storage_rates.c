/* What storage costs by itself, without an engine above it; for people:
 *
 *   storage_rates FOLDER        (an empty folder, on the disk that is meant)
 *
 * Appends of small and of large records in the three sync modes, opening a store with ten segments
 * and a log, verifying blocks, reading ranges and strings, mapped and through the cache.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/rng.h"
#include "platform/clock.h"
#include "platform/io.h"
#include "storage/segment.h"
#include "storage/store.h"

static void demand(veer_status status, const veer_error *error)
{
    if (status == VEER_OK) return;
    fprintf(stderr, "storage_rates: status %d: %s\n", (int)status, error->message);
    exit(1);
}

static void empty_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) exit(1);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[4096];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(dir);
}

static store *open_store(const veer_io *io, store_sync sync, size_t cache)
{
    store *opened = NULL;
    veer_error error;
    store_options options = {.create = true,
                             .sync = sync,
                             .sync_interval_ms = 100,
                             .wal_bytes = 64 << 20,
                             .cache_bytes = cache};
    demand(store_open(memory_default(), io, &options, 1, &opened, &error), &error);
    return opened;
}

/* ---- the log */

static void append_rates(const char *folder, store_sync sync, size_t bytes, size_t batch,
                         size_t batches)
{
    static const char *const modes[] = {"full", "interval", "none"};
    veer_io io;
    veer_error error;
    uint64_t lsn;
    empty_folder(folder);
    demand(io_posix_new(memory_default(), folder, false, &io, &error), &error);
    store *opened = open_store(&io, sync, 0);
    uint8_t *data = memory_array(memory_default(), bytes, 1);
    store_append_record *records = memory_array(memory_default(), batch, sizeof *records);
    store_part part = {data, bytes};
    for (size_t i = 0; i < batch; i++)
        records[i] = (store_append_record){.parts = &part, .parts_count = 1};
    double start = clock_monotonic_ms();
    for (size_t i = 0; i < batches; i++)
        demand(store_append(opened, records, batch, &lsn, &error), &error);
    double seconds = (clock_monotonic_ms() - start) / 1000;
    double total = (double)batch * (double)batches;
    printf("append %-8s %6zu bytes, %4zu a transaction: %10.0f records/s %8.1f MB/s %8.0f "
           "transactions/s\n",
           modes[sync], bytes, batch, total / seconds, total * (double)bytes / seconds / 1e6,
           (double)batches / seconds);
    demand(store_close(opened, &error), &error);
    start = clock_monotonic_ms();
    opened = open_store(&io, sync, 0);
    double open_ms = clock_monotonic_ms() - start;
    printf("  opening with this log of %.1f MB: %.2f ms\n", (double)store_wal_bytes(opened) / 1e6,
           open_ms);
    demand(store_close(opened, &error), &error);
    memory_array_free(memory_default(), data, bytes, 1);
    memory_array_free(memory_default(), records, batch, sizeof *records);
    io_posix_free(&io);
}

/* ---- segments */

#define SEGMENTS 10
#define ORIGINALS_BYTES ((size_t)32 << 20)
#define STRINGS 20000u

static void write_segment(store *opened, unsigned number, const uint8_t *data, store_stream *stream)
{
    char name[65];
    segment_writer *writer;
    blob_writer *strings;
    veer_error error;
    snprintf(name, sizeof name, "seg.%u", number);
    demand(segment_writer_new(opened, name, 0, &writer, &error), &error);
    demand(segment_writer_begin(writer, 1, 0, SEGMENT_ORIGINALS_BLOCK_BYTES, &error), &error);
    demand(segment_writer_put(writer, data, ORIGINALS_BYTES, &error), &error);
    demand(segment_writer_end(writer, &error), &error);
    demand(blob_writer_new(writer, 2, 0, true, &strings, &error), &error);
    for (unsigned i = 0; i < STRINGS; i++) {
        char text[400];
        int n = snprintf(text, sizeof text,
                         "{\"id\":\"%u\",\"title\":\"the %u%s paragraph of a speech\",\"year\":%u,"
                         "\"text\":\"when in the course of %u human events it becomes necessary\"}",
                         i, i % 97, i % 2 ? "th" : "st", 1790 + i % 230, i * 7919 % 10007);
        demand(blob_writer_put(strings, text, (size_t)n, &error), &error);
    }
    demand(blob_writer_end(strings, &error), &error);
    demand(segment_writer_finish(writer, NULL, 0, stream, &error), &error);
}

static void read_rates(store *opened, const store_stream *stream, const char *what)
{
    segment *s;
    blobs *strings;
    arena scratch;
    rng random;
    veer_error error;
    const void *data;
    size_t bytes;
    enum { READS = 200000 };
    rng_init(&random, 1);
    arena_init(&scratch, memory_default());
    demand(segment_open(opened, stream, &s, &error), &error);
    double start = clock_monotonic_ms();
    for (int i = 0; i < READS; i++) {
        uint64_t offset = rng_below(&random, ORIGINALS_BYTES / 512) * 512;
        demand(segment_read(s, 0, offset, 512, &scratch, &data, &error), &error);
        if (i % 256 == 255) arena_reset(&scratch);
    }
    double read_us = (clock_monotonic_ms() - start) * 1000 / READS;
    demand(blobs_open(s, 2, 0, &strings, &error), &error);
    start = clock_monotonic_ms();
    for (int i = 0; i < READS / 10; i++) {
        demand(
            blobs_get(strings, rng_below(&random, STRINGS), NULL, &scratch, &data, &bytes, &error),
            &error);
        if (i % 64 == 63) arena_reset(&scratch);
    }
    double string_us = (clock_monotonic_ms() - start) * 1000 / (READS / 10.0);
    printf("%s: 512 bytes at random %.3f us, a document at random %.2f us\n", what, read_us,
           string_us);
    blobs_close(strings);
    segment_close(s);
    demand(segment_open(opened, stream, &s, &error), &error);
    start = clock_monotonic_ms();
    demand(segment_load(s, 0, &data, &error), &error);
    double seconds = (clock_monotonic_ms() - start) / 1000;
    printf("%s: verifying a section of %zu MB when touched first: %.2f GB/s\n", what,
           ORIGINALS_BYTES >> 20, (double)ORIGINALS_BYTES / seconds / 1e9);
    segment_close(s);
    arena_fini(&scratch);
}

static void segment_rates(const char *folder)
{
    veer_io io;
    veer_error error;
    store_stream streams[SEGMENTS];
    rng random;
    uint8_t *data = memory_array(memory_default(), ORIGINALS_BYTES, 1);
    rng_init(&random, 2);
    for (size_t i = 0; i < ORIGINALS_BYTES; i += 8) {
        uint64_t word = rng_next(&random);
        memcpy(data + i, &word, 8);
    }
    empty_folder(folder);
    demand(io_posix_new(memory_default(), folder, false, &io, &error), &error);
    store *opened = open_store(&io, STORE_SYNC_FULL, 0);
    double start = clock_monotonic_ms();
    for (unsigned i = 0; i < SEGMENTS; i++)
        write_segment(opened, i, data, &streams[i]);
    double seconds = (clock_monotonic_ms() - start) / 1000;
    demand(store_sync_names(opened, &error), &error);
    start = clock_monotonic_ms();
    demand(store_commit(opened, "payload", 7, streams, SEGMENTS, false, &error), &error);
    printf("segments written and synced: %.0f MB/s; a commit: %.2f ms\n",
           (double)SEGMENTS * (double)streams[0].bytes / seconds / 1e6,
           clock_monotonic_ms() - start);
    demand(store_close(opened, &error), &error);

    double best = 1e9;
    for (int round = 0; round < 20; round++) {
        segment *segments[SEGMENTS];
        start = clock_monotonic_ms();
        opened = open_store(&io, STORE_SYNC_FULL, 0);
        for (unsigned i = 0; i < SEGMENTS; i++)
            demand(segment_open(opened, &streams[i], &segments[i], &error), &error);
        double ms = clock_monotonic_ms() - start;
        if (ms < best) best = ms;
        for (unsigned i = 0; i < SEGMENTS; i++)
            segment_close(segments[i]);
        demand(store_close(opened, &error), &error);
    }
    printf("opening a store and its %d segments: %.3f ms (best of 20)\n", SEGMENTS, best);

    opened = open_store(&io, STORE_SYNC_FULL, 0);
    read_rates(opened, &streams[0], "mapped");
    demand(store_close(opened, &error), &error);
    veer_io plain = io;
    plain.map = NULL;
    opened = open_store(&plain, STORE_SYNC_FULL, (size_t)64 << 20);
    read_rates(opened, &streams[0], "cache of 64 MB");
    demand(store_close(opened, &error), &error);
    opened = open_store(&plain, STORE_SYNC_FULL, (size_t)4 << 20);
    read_rates(opened, &streams[0], "cache of 4 MB");
    demand(store_close(opened, &error), &error);
    memory_array_free(memory_default(), data, ORIGINALS_BYTES, 1);
    io_posix_free(&io);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: storage_rates FOLDER\n");
        return 2;
    }
    append_rates(argv[1], STORE_SYNC_NONE, 100, 1, 300000);
    append_rates(argv[1], STORE_SYNC_NONE, 100, 1000, 500);
    append_rates(argv[1], STORE_SYNC_NONE, 3200, 100, 1000);
    append_rates(argv[1], STORE_SYNC_NONE, 1 << 20, 16, 20);
    append_rates(argv[1], STORE_SYNC_INTERVAL, 3200, 1, 50000);
    append_rates(argv[1], STORE_SYNC_FULL, 100, 1, 500);
    append_rates(argv[1], STORE_SYNC_FULL, 3200, 1000, 50);
    segment_rates(argv[1]);
    empty_folder(argv[1]);
    return 0;
}
