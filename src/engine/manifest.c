#include "engine/manifest.h"

#include <string.h>

#include "base/bitset.h"
#include "engine/sealed.h"
#include "engine/version.h"

#define MANIFEST_MAGIC 0x4D525656u /* "VVRM" */
#define MANIFEST_VERSION 1u
#define COLLECTIONS_MAX 65536u
#define SEGMENTS_MAX 65536u

static void put_stream(byte_writer *out, const store_stream *stream, uint32_t field)
{
    byte_writer_text(out, stream->name, strlen(stream->name));
    byte_writer_u64(out, stream->bytes);
    byte_writer_u32(out, stream->header_crc);
    byte_writer_u32(out, stream->kind);
    byte_writer_u32(out, field);
}

/* Dead rows: their number, then a bitmap of the rows where there are any. */
static void put_dead(byte_writer *out, const segment_ref *ref)
{
    uint32_t count = ref->dead ? ref->dead->dead : 0;
    byte_writer_u32(out, count);
    if (count == 0) return;
    size_t bytes = (ref->rows + 7u) / 8;
    uint8_t *bits = byte_writer_extend(out, bytes);
    if (!bits) return;
    memset(bits, 0, bytes);
    for (uint32_t row = 0; row < ref->rows; row++)
        if (tombstones_has(ref->dead, row)) bits[row / 8] |= (uint8_t)(1u << (row % 8));
}

static void put_segment(byte_writer *out, const segment_ref *ref)
{
    const sealed_entry *entry = &ref->core->as.sealed->entry;
    byte_writer_u64(out, entry->number);
    byte_writer_u32(out, entry->rows);
    byte_writer_u32(out, entry->schema_version);
    byte_writer_u32(out, entry->fields_end);
    byte_writer_u64(out, entry->first_lsn);
    byte_writer_u64(out, entry->last_lsn);
    put_stream(out, &entry->base, 0);
    byte_writer_u32(out, (uint32_t)entry->derived_count);
    for (size_t i = 0; i < entry->derived_count; i++)
        put_stream(out, &entry->derived[i].stream, entry->derived[i].field);
    put_dead(out, ref);
}

static veer_status put_collection(byte_writer *out, const collection_version *collection,
                                  veer_error *error)
{
    byte_writer_u32(out, collection->collection->id);
    byte_writer_text(out, collection->collection->name, strlen(collection->collection->name));
    byte_writer json;
    byte_writer_init(&json, out->allocator);
    veer_status status = schema_write(collection->schema, &json, error);
    byte_writer_text(out, json.data, json.bytes);
    byte_writer_fini(&json);
    VEER_TRY(status);
    uint32_t sealed = 0;
    for (size_t i = 0; i < collection->segments_count; i++)
        sealed += collection->segments[i].core->is_sealed;
    byte_writer_u32(out, sealed);
    for (size_t i = 0; i < collection->segments_count; i++)
        if (collection->segments[i].core->is_sealed) put_segment(out, &collection->segments[i]);
    return VEER_OK;
}

veer_status manifest_write(const version *version, uint32_t next_collection_id,
                           uint64_t next_segment_number, arena *arena, byte_writer *out,
                           store_stream **streams, size_t *streams_count, veer_error *error)
{
    size_t n = 0;
    for (size_t c = 0; c < version->collections_count; c++) {
        const collection_version *collection = version->collections[c];
        for (size_t i = 0; i < collection->segments_count; i++)
            if (collection->segments[i].core->is_sealed)
                n += 1 + collection->segments[i].core->as.sealed->entry.derived_count;
    }
    store_stream *list = arena_array(arena, n + 1, sizeof *list);
    if (!list) return error_nomem(error, "a catalogue", n * sizeof *list);
    n = 0;
    byte_writer_u32(out, MANIFEST_MAGIC);
    byte_writer_u32(out, MANIFEST_VERSION);
    byte_writer_u32(out, next_collection_id);
    byte_writer_u64(out, next_segment_number);
    byte_writer_u32(out, (uint32_t)version->collections_count);
    for (size_t c = 0; c < version->collections_count; c++) {
        const collection_version *collection = version->collections[c];
        VEER_TRY(put_collection(out, collection, error));
        for (size_t i = 0; i < collection->segments_count; i++) {
            if (!collection->segments[i].core->is_sealed) continue;
            const sealed_entry *entry = &collection->segments[i].core->as.sealed->entry;
            list[n++] = entry->base;
            for (size_t d = 0; d < entry->derived_count; d++)
                list[n++] = entry->derived[d].stream;
        }
    }
    if (out->failed) return error_nomem(error, "a catalogue", out->bytes);
    *streams = list;
    *streams_count = n;
    return VEER_OK;
}

/* ---------------------------------------------------------------- reading */

static veer_status bad(veer_error *error, const char *what)
{
    VEER_FAIL(error, VEER_E_CORRUPT, "catalogue: %s", what);
}

static veer_status get_stream(byte_reader *reader, store_stream *stream, uint32_t *field,
                              veer_error *error)
{
    size_t bytes = 0;
    memset(stream, 0, sizeof *stream);
    const char *name = byte_reader_text(reader, sizeof stream->name - 1, &bytes);
    stream->bytes = byte_reader_u64(reader);
    stream->header_crc = byte_reader_u32(reader);
    stream->kind = byte_reader_u32(reader);
    *field = byte_reader_u32(reader);
    if (reader->failed) return bad(error, "a stream's entry is cut off");
    memcpy(stream->name, name, bytes);
    if (!io_name_valid(stream->name)) return bad(error, "a stream's name is not valid");
    return VEER_OK;
}

static veer_status get_dead(veer_database *database, byte_reader *reader, uint32_t rows,
                            arena *arena, tombstones **dead, veer_error *error)
{
    uint32_t count = byte_reader_u32(reader);
    if (count == 0) return VEER_OK;
    const uint8_t *bits = byte_reader_get(reader, (rows + 7u) / 8);
    if (!bits || count > rows) return bad(error, "a segment's deleted rows are cut off");
    uint32_t *list = arena_array(arena, count, sizeof *list);
    if (!list) return error_nomem(error, "deleted rows", count * sizeof *list);
    uint32_t found = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (!(bits[row / 8] >> (row % 8) & 1)) continue;
        if (found == count) return bad(error, "a segment's deleted rows do not add up");
        list[found++] = row;
    }
    if (found != count) return bad(error, "a segment's deleted rows do not add up");
    *dead = tombstones_with(database->allocator, NULL, list, count);
    return *dead ? VEER_OK : error_nomem(error, "deleted rows", 0);
}

static veer_status get_segment(veer_database *database, const schema *schema, byte_reader *reader,
                               arena *arena, segment_ref *ref, veer_error *error)
{
    sealed_entry entry;
    uint32_t field;
    memset(&entry, 0, sizeof entry);
    entry.number = byte_reader_u64(reader);
    entry.rows = byte_reader_u32(reader);
    entry.schema_version = byte_reader_u32(reader);
    entry.fields_end = byte_reader_u32(reader);
    entry.first_lsn = byte_reader_u64(reader);
    entry.last_lsn = byte_reader_u64(reader);
    VEER_TRY(get_stream(reader, &entry.base, &field, error));
    entry.derived_count = byte_reader_u32(reader);
    if (reader->failed || entry.derived_count > SEALED_STREAMS_MAX || entry.rows > SEGMENT_ROWS_MAX)
        return bad(error, "a segment's entry is not valid");
    entry.derived = arena_array(arena, entry.derived_count + 1, sizeof *entry.derived);
    if (!entry.derived) return error_nomem(error, "a segment", 0);
    for (size_t i = 0; i < entry.derived_count; i++)
        VEER_TRY(get_stream(reader, &entry.derived[i].stream, &entry.derived[i].field, error));
    tombstones *dead = NULL;
    VEER_TRY(get_dead(database, reader, entry.rows, arena, &dead, error));
    sealed *opened = NULL;
    veer_status status = sealed_open(database, &entry, schema, &opened, error);
    if (status != VEER_OK) {
        tombstones_release(dead);
        return status;
    }
    *ref = (segment_ref){&opened->core, dead, entry.rows};
    return VEER_OK;
}

static veer_status get_segments(veer_database *database, const schema *schema, byte_reader *reader,
                                arena *arena, segment_ref *segments, size_t count, size_t *opened,
                                veer_error *error)
{
    bool waits = false;
    for (size_t i = 0; i < count; i++) {
        segment_ref ref;
        veer_status status = get_segment(database, schema, reader, arena, &ref, error);
        /* Go on, so that the storage hears of every header that is wanted. */
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
        if (status == VEER_OK) segments[(*opened)++] = ref;
    }
    return waits ? VEER_PENDING : VEER_OK;
}

static veer_status get_collection(veer_database *database, byte_reader *reader, arena *arena,
                                  version *into, veer_error *error)
{
    uint32_t id = byte_reader_u32(reader);
    size_t name_bytes = 0, json_bytes = 0;
    const char *name = byte_reader_text(reader, VEER_NAME_BYTES_MAX, &name_bytes);
    const char *json = byte_reader_text(reader, 16u << 20, &json_bytes);
    size_t count = byte_reader_u32(reader);
    if (reader->failed || count > SEGMENTS_MAX || id == 0)
        return bad(error, "a collection's entry is not valid");
    veer_status status = VEER_OK;
    schema *schema = NULL;
    collection_state *state = NULL;
    size_t opened = 0;
    segment_ref *segments = arena_array(arena, count + 1, sizeof *segments);
    char *text = arena_text(arena, name, name_bytes);
    if (!segments || !text) return error_nomem(error, "a catalogue", count * sizeof *segments);
    VEER_GOTO(schema_read(database->allocator, json, json_bytes, &schema, error));
    VEER_GOTO(collection_state_new(database, id, text, &state, error));
    VEER_GOTO(collection_state_adopt(state, schema, error));
    VEER_GOTO(get_segments(database, schema, reader, arena, segments, count, &opened, error));
    collection_version *made =
        collection_version_new(database->allocator, state, schema, segments, opened);
    if (!made) {
        status = error_nomem(error, "a collection", 0);
        goto done;
    }
    into->collections[into->collections_count++] = made;
    status = collection_state_register(state, error);
done:
    for (size_t i = 0; i < opened; i++)
        segment_ref_release(&segments[i]);
    collection_state_release(state);
    schema_release(schema);
    return status;
}

veer_status manifest_read(veer_database *database, const void *payload, size_t bytes,
                          veer_error *error)
{
    byte_reader reader;
    byte_reader_init(&reader, payload, bytes);
    uint32_t count = 0;
    database->next_collection_id = 1;
    database->next_segment_number = 1;
    if (bytes > 0) {
        if (byte_reader_u32(&reader) != MANIFEST_MAGIC) return bad(error, "no manifest");
        uint32_t format = byte_reader_u32(&reader);
        if (format > MANIFEST_VERSION)
            VEER_FAIL(error, VEER_E_VERSION, "catalogue: manifest version %u; this is version %u",
                      format, MANIFEST_VERSION);
        database->next_collection_id = byte_reader_u32(&reader);
        database->next_segment_number = byte_reader_u64(&reader);
        count = byte_reader_u32(&reader);
        if (reader.failed || count > COLLECTIONS_MAX) return bad(error, "the manifest is cut off");
    }
    version *made = version_new(database->allocator, count);
    if (!made) return error_nomem(error, "a catalogue", count);
    arena arena;
    arena_init(&arena, database->allocator);
    veer_status status = VEER_OK;
    bool waits = false;
    for (uint32_t i = 0; i < count; i++) {
        status = get_collection(database, &reader, &arena, made, error);
        if (status == VEER_PENDING)
            waits = true;
        else if (status != VEER_OK)
            break;
        status = VEER_OK;
    }
    if (status == VEER_OK && waits) status = VEER_PENDING;
    if (status == VEER_OK && byte_reader_left(&reader) != 0)
        status = bad(error, "bytes are left over");
    arena_fini(&arena);
    if (status != VEER_OK) {
        version_release(made);
        return status;
    }
    made->lsn = store_recovery(database->store)->checkpoint_lsn;
    database->present = made;
    return VEER_OK;
}
