/* See storage_mini.h. */
#include "storage_mini.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/status.h"

#define SECTION 1
#define WAITS_MAX 1000000

/* Calls again while the storage wants to be waited for. */
#define AGAIN(m, call)                                                      \
    do {                                                                    \
        veer_status again_;                                                 \
        while ((again_ = (call)) == VEER_PENDING && (m)->waits < WAITS_MAX) \
            (m)->waits++;                                                   \
        if (again_ != VEER_OK) {                                            \
            (m)->error.status = again_;                                     \
            return again_;                                                  \
        }                                                                   \
    } while (0)

static veer_status wrong(mini *m, const char *what, uint64_t value)
{
    return error_set(&m->error, VEER_E_CORRUPT, "MINI: %s (%llu).", what,
                     (unsigned long long)value);
}

bool mini_is_wrong(const veer_error *error)
{
    return strncmp(error->message, "MINI:", 5) == 0;
}

size_t mini_payload(uint64_t value, uint8_t *to)
{
    rng random;
    rng_init(&random, value * 77 + 5);
    uint64_t kind = rng_below(&random, 100);
    size_t bytes = 8 + (size_t)(kind == 0   ? rng_below(&random, 60000)
                                : kind < 10 ? rng_below(&random, 2000)
                                            : rng_below(&random, 100));
    store_u64(to, value);
    for (size_t i = 8; i < bytes; i++)
        to[i] = (uint8_t)(value * 31 + i * (i >> 3));
    return bytes;
}

store_options mini_options(store_sync sync)
{
    return (store_options){
        .create = true,
        .sync = sync,
        .sync_interval_ms = 1e9,
        .wal_bytes = 1 << 20,
        .cache_bytes = 64 << 10,
    };
}

static veer_status take(mini *m, const uint8_t *data, size_t bytes, uint8_t *seen)
{
    uint8_t expected[70000];
    if (bytes < 8) return wrong(m, "a record is too short", bytes);
    uint64_t value = load_u64(data);
    if (value >= MINI_VALUES_MAX) return wrong(m, "a record has a number never given", value);
    if (mini_payload(value, expected) != bytes || memcmp(expected, data, bytes) != 0)
        return wrong(m, "a record has other bytes than its number says", value);
    seen[value] = 1;
    return VEER_OK;
}

typedef struct replaying {
    mini *m;
    uint8_t *seen;
    uint64_t last_lsn;
    uint64_t records;
} replaying;

static veer_status replayed(void *context, const store_record *record, veer_error *error)
{
    replaying *r = context;
    if (record->lsn <= r->last_lsn) {
        (void)wrong(r->m, "a record comes out of order", record->lsn);
        *error = r->m->error;
        return VEER_E_CORRUPT;
    }
    r->last_lsn = record->lsn;
    r->records++;
    veer_status status = take(r->m, record->data, record->bytes, r->seen);
    if (status != VEER_OK) {
        *error = r->m->error;
        return status;
    }
    uint64_t value = load_u64(record->data);
    bool old = store_boundary(r->m->store) != 0 && record->lsn <= store_boundary(r->m->store);
    if (old && value + 1 > r->m->frozen) r->m->frozen = value + 1;
    return VEER_OK;
}

static veer_status read_segment(mini *m, const store_stream *stream)
{
    segment *opened = NULL;
    blobs *strings = NULL;
    arena scratch;
    blob_cursor cursor = {0};
    AGAIN(m, segment_open(m->store, stream, &opened, &m->error));
    arena_init(&scratch, m->allocator);
    veer_status status;
    while ((status = blobs_open(opened, SECTION, 0, &strings, &m->error)) == VEER_PENDING)
        m->waits++;
    for (uint64_t i = 0; status == VEER_OK && i < blobs_count(strings); i++) {
        const void *data;
        size_t bytes;
        status = blobs_get(strings, i, &cursor, &scratch, &data, &bytes, &m->error);
        if (status == VEER_PENDING) {
            m->waits++;
            status = VEER_OK;
            i--;
            continue;
        }
        if (status == VEER_OK) status = take(m, data, bytes, m->sealed);
    }
    blobs_close(strings);
    arena_fini(&scratch);
    segment_close(opened);
    return status;
}

static veer_status read_all(mini *m)
{
    const store_stream *streams;
    const void *payload;
    size_t bytes, count;
    store_catalogue(m->store, &payload, &bytes);
    store_streams(m->store, &streams, &count);
    if (bytes != 0 && bytes != 16) return wrong(m, "the catalogue has another payload", bytes);
    if (bytes == 0 && count != 0) return wrong(m, "streams without a payload", count);
    if (bytes == 16) m->next_segment = load_u64(payload);
    if (bytes == 16 && load_u64((const uint8_t *)payload + 8) != count)
        return wrong(m, "the catalogue attaches another number of streams", count);
    if (count > MINI_SEGMENTS_MAX) return wrong(m, "too many streams", count);
    m->streams_count = count;
    for (size_t i = 0; i < count; i++) {
        m->streams[i] = streams[i];
        VEER_TRY(read_segment(m, &m->streams[i]));
    }
    replaying r = {.m = m, .last_lsn = store_recovery(m->store)->checkpoint_lsn};
    r.seen = memory_new(m->allocator, MINI_VALUES_MAX);
    if (r.seen == NULL) return error_nomem(&m->error, "mini", MINI_VALUES_MAX);
    veer_status status;
    while ((status = store_replay(m->store, replayed, &r, &m->error)) == VEER_PENDING)
        m->waits++;
    const store_report *report = store_recovery(m->store);
    if (status == VEER_OK && r.records != report->wal_records)
        status = wrong(m, "the report counts other records", r.records);
    if (status == VEER_OK && report->last_lsn < r.last_lsn)
        status = wrong(m, "the report has another last LSN", report->last_lsn);
    m->n = 0;
    while (m->n < MINI_VALUES_MAX && (r.seen[m->n] || m->sealed[m->n]))
        m->n++;
    for (uint64_t i = m->n; i < MINI_VALUES_MAX && status == VEER_OK; i++) {
        if (r.seen[i] || m->sealed[i]) status = wrong(m, "a number is missing before another", i);
    }
    memory_free(m->allocator, r.seen, MINI_VALUES_MAX);
    if (!store_checkpoint_under_way(m->store)) m->frozen = 0;
    return status;
}

veer_status mini_open(mini *m, const veer_allocator *allocator, const veer_io *io,
                      const store_options *options)
{
    memset(m, 0, sizeof *m);
    m->allocator = allocator;
    AGAIN(m, store_open(allocator, io, options, 42, &m->store, &m->error));
    m->sealed = memory_new(allocator, MINI_VALUES_MAX);
    veer_status status =
        m->sealed == NULL ? error_nomem(&m->error, "mini", MINI_VALUES_MAX) : read_all(m);
    if (status != VEER_OK) {
        veer_error kept = m->error;
        (void)mini_close(m);
        m->error = kept;
    }
    return status;
}

veer_status mini_close(mini *m)
{
    veer_status status = store_close(m->store, &m->error);
    memory_free(m->allocator, m->sealed, MINI_VALUES_MAX);
    m->store = NULL;
    m->sealed = NULL;
    return status;
}

/* Appends the numbers for which `wanted` says so, below `end`, as one transaction. */
static veer_status append_values(mini *m, uint64_t first, uint64_t end, uint16_t flags,
                                 bool only_unsealed_odd)
{
    size_t n = 0;
    uint64_t lsn = 0;
    size_t room = (size_t)(end - first);
    store_append_record *records = memory_array(m->allocator, room, sizeof *records);
    store_part *parts = memory_array(m->allocator, room * 2, sizeof *parts);
    uint8_t *bytes = memory_array(m->allocator, room, 70000);
    veer_status status = VEER_OK;
    if (records == NULL || parts == NULL || bytes == NULL)
        status = error_nomem(&m->error, "mini", room);
    for (uint64_t value = first; value < end && status == VEER_OK; value++) {
        if (only_unsealed_odd && (m->sealed[value] || value % 2 == 0)) continue;
        uint8_t *to = bytes + n * 70000;
        size_t size = mini_payload(value, to);
        parts[2 * n] = (store_part){to, 5};
        parts[2 * n + 1] = (store_part){to + 5, size - 5};
        records[n] = (store_append_record){
            .collection = (uint32_t)(value % 2),
            .type = 7,
            .flags = flags,
            .parts = &parts[2 * n],
            .parts_count = 2,
        };
        n++;
    }
    if (status == VEER_OK && n != 0) {
        while ((status = store_append(m->store, records, n, &lsn, &m->error)) == VEER_PENDING)
            m->waits++;
    }
    if (status == VEER_OK && n != 0 && lsn != store_last_lsn(m->store))
        status = wrong(m, "an append gives another last LSN", lsn);
    memory_array_free(m->allocator, records, room, sizeof *records);
    memory_array_free(m->allocator, parts, room * 2, sizeof *parts);
    memory_array_free(m->allocator, bytes, room, 70000);
    return status;
}

veer_status mini_append(mini *m, size_t count)
{
    VEER_TRY(append_values(m, m->n, m->n + count, 0, false));
    m->n += count;
    return VEER_OK;
}

veer_status mini_switch(mini *m)
{
    uint64_t boundary;
    if (store_checkpoint_under_way(m->store)) return VEER_OK;
    AGAIN(m, store_switch_log(m->store, &boundary, &m->error));
    if (boundary != store_boundary(m->store)) return wrong(m, "another boundary", boundary);
    m->frozen = m->n;
    m->relogged = false;
    return VEER_OK;
}

veer_status mini_relog(mini *m)
{
    if (m->frozen == 0) return VEER_OK;
    VEER_TRY(append_values(m, 0, m->frozen, STORE_RELOG, true));
    m->relogged = true;
    return VEER_OK;
}

/* A segment of the numbers below `end` that are wanted. */
static veer_status write_values(mini *m, segment_writer *writer, uint64_t end, bool merge)
{
    uint8_t bytes[70000];
    blob_writer *strings = NULL;
    AGAIN(m, blob_writer_new(writer, SECTION, 0, m->next_segment % 2 == 0, &strings, &m->error));
    veer_status status = VEER_OK;
    for (uint64_t value = 0; value < end && status == VEER_OK; value++) {
        bool wanted =
            merge ? m->sealed[value] != 0 : !m->sealed[value] && !(m->relogged && value % 2 == 1);
        if (!wanted) continue;
        size_t size = mini_payload(value, bytes);
        while ((status = blob_writer_put(strings, bytes, size, &m->error)) == VEER_PENDING)
            m->waits++;
    }
    if (status != VEER_OK) {
        blob_writer_abort(strings);
        return status;
    }
    AGAIN(m, blob_writer_end(strings, &m->error));
    return VEER_OK;
}

static veer_status write_segment(mini *m, uint64_t end, bool merge, store_stream *stream)
{
    char name[65];
    segment_writer *writer = NULL;
    snprintf(name, sizeof name, "seg.%llu", (unsigned long long)m->next_segment);
    AGAIN(m, segment_writer_new(m->store, name, 0, &writer, &m->error));
    m->next_segment++;
    veer_status status = write_values(m, writer, end, merge);
    if (status == VEER_OK) {
        while ((status = segment_writer_finish(writer, "info", 4, stream, &m->error)) ==
               VEER_PENDING)
            m->waits++;
    }
    if (status != VEER_OK) segment_writer_abort(writer);
    return status;
}

static veer_status commit(mini *m, const store_stream *streams, size_t count, bool recycle)
{
    uint8_t payload[16];
    store_u64(payload, m->next_segment);
    store_u64(payload + 8, count);
    AGAIN(m, store_sync_names(m->store, &m->error));
    AGAIN(m, store_commit(m->store, payload, sizeof payload, streams, count, recycle, &m->error));
    (void)store_remove_pending(m->store);
    return VEER_OK;
}

veer_status mini_seal(mini *m)
{
    store_stream streams[MINI_SEGMENTS_MAX + 1];
    memcpy(streams, m->streams, sizeof m->streams);
    store_stream *made = &streams[m->streams_count];
    VEER_TRY(write_segment(m, m->frozen, false, made));
    veer_status status = commit(m, streams, m->streams_count + 1, true);
    if (status != VEER_OK) {
        store_remove(m->store, made->name);
        return status;
    }
    m->streams[m->streams_count++] = *made;
    for (uint64_t value = 0; value < m->frozen; value++) {
        if (!(m->relogged && value % 2 == 1)) m->sealed[value] = 1;
    }
    m->frozen = 0;
    m->relogged = false;
    return VEER_OK;
}

veer_status mini_checkpoint(mini *m, bool relog)
{
    if (m->streams_count >= MINI_SEGMENTS_MAX - 1) VEER_TRY(mini_merge(m));
    VEER_TRY(mini_switch(m));
    if (relog) VEER_TRY(mini_relog(m));
    return mini_seal(m);
}

veer_status mini_merge(mini *m)
{
    store_stream made;
    store_stream former[MINI_SEGMENTS_MAX];
    size_t former_count = m->streams_count;
    memcpy(former, m->streams, sizeof former);
    VEER_TRY(write_segment(m, MINI_VALUES_MAX, true, &made));
    veer_status status = commit(m, &made, 1, false);
    if (status != VEER_OK) {
        store_remove(m->store, made.name);
        return status;
    }
    m->streams[0] = made;
    m->streams_count = 1;
    for (size_t i = 0; i < former_count; i++)
        store_remove(m->store, former[i].name);
    return VEER_OK;
}

veer_status mini_count(const veer_allocator *allocator, const veer_io *io, uint64_t *n,
                       veer_error *error)
{
    mini m;
    store_options options = mini_options(STORE_SYNC_FULL);
    options.create = false;
    options.readonly = true;
    *n = 0;
    veer_status status = mini_open(&m, allocator, io, &options);
    if (status == VEER_OK) {
        *n = m.n;
        (void)mini_close(&m);
    }
    *error = m.error;
    return status;
}
