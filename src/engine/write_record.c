#include "engine/write_record.h"

#include <string.h>

#include "base/sizes.h"
#include "engine/active.h"

#define UPSERT_HEADER_BYTES 24u
#define UPSERT_HAS_STAMPS 1u

typedef struct part_list {
    arena *arena;
    store_part *parts;
    size_t count, capacity;
} part_list;

/* Adds bytes; what lies right behind the last part makes it longer. */
static veer_status add_part(part_list *list, const void *data, size_t bytes, veer_error *error)
{
    if (bytes == 0) return VEER_OK;
    store_part *last = list->count ? &list->parts[list->count - 1] : NULL;
    if (last && (const char *)last->data + last->bytes == (const char *)data) {
        last->bytes += bytes;
        return VEER_OK;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 16;
        store_part *parts = arena_array(list->arena, capacity, sizeof *parts);
        if (!parts) return error_nomem(error, "a log record", capacity * sizeof *parts);
        if (list->count) memcpy(parts, list->parts, list->count * sizeof *parts);
        list->parts = parts;
        list->capacity = capacity;
    }
    list->parts[list->count].data = data;
    list->parts[list->count].bytes = bytes;
    list->count++;
    return VEER_OK;
}

static void take_parts(const part_list *list, uint32_t collection, uint16_t type,
                       store_append_record *out)
{
    memset(out, 0, sizeof *out);
    out->collection = collection;
    out->type = type;
    out->parts = list->parts;
    out->parts_count = list->count;
}

uint64_t record_bytes(const store_append_record *record)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < record->parts_count; i++)
        bytes += record->parts[i].bytes;
    return bytes;
}

/* Number of documents that have a vector in a slot. */
static uint32_t vectors_present(const document *const *documents, size_t count, uint32_t slot)
{
    uint32_t present = 0;
    for (size_t i = 0; i < count; i++)
        present += documents[i]->vectors[slot] != NULL;
    return present;
}

veer_status record_upsert(arena *arena, const schema *schema, uint32_t collection,
                          const document *const *documents, size_t count, int64_t written_ms,
                          const record_stamp *stamps, store_append_record *out, veer_error *error)
{
    size_t bitmap = (count + 7) / 8;
    size_t head = UPSERT_HEADER_BYTES + count * 4 + (stamps ? count * 16 : 0) +
                  schema->vectors_count * (12 + bitmap);
    uint8_t *header = arena_array(arena, head + 4, 1);
    if (!header) return error_nomem(error, "a log record", head);
    memset(header, 0, head + 4);
    size_t vectors = 0, text_bytes = 0;
    uint8_t *at = header + UPSERT_HEADER_BYTES;
    for (size_t i = 0; i < count; i++, at += 4) {
        store_u32(at, (uint32_t)documents[i]->json_bytes);
        text_bytes += documents[i]->json_bytes;
    }
    for (size_t i = 0; stamps && i < count; i++, at += 16) {
        store_u64(at, stamps[i].lsn);
        store_u64(at + 8, (uint64_t)stamps[i].written_ms);
    }
    for (size_t f = 0; f < schema->fields_count; f++) {
        const field *field = &schema->fields[f];
        if (field->type != FIELD_VECTOR) continue;
        uint32_t present = vectors_present(documents, count, field->vector_slot);
        if (present == 0) continue;
        vectors++;
        store_u32(at, field->id);
        store_u32(at + 4, field->dims);
        store_u32(at + 8, present);
        for (size_t i = 0; i < count; i++)
            if (documents[i]->vectors[field->vector_slot])
                at[12 + i / 8] |= (uint8_t)(1u << (i % 8));
        at += 12 + bitmap;
    }
    head = (size_t)(at - header);
    store_u32(header, (uint32_t)count);
    store_u32(header + 4, schema->version);
    store_u64(header + 8, (uint64_t)written_ms);
    store_u32(header + 16, stamps ? UPSERT_HAS_STAMPS : 0);
    store_u32(header + 20, (uint32_t)vectors);

    part_list list = {.arena = arena};
    VEER_TRY(add_part(&list, header, head, error));
    for (size_t i = 0; i < count; i++)
        VEER_TRY(add_part(&list, documents[i]->json, documents[i]->json_bytes, error));
    static const uint8_t zeros[4] = {0};
    VEER_TRY(add_part(&list, zeros, (4 - (head + text_bytes) % 4) % 4, error));
    for (size_t f = 0; f < schema->fields_count; f++) {
        const field *field = &schema->fields[f];
        for (size_t i = 0; field->type == FIELD_VECTOR && i < count; i++)
            if (documents[i]->vectors[field->vector_slot])
                VEER_TRY(add_part(&list, documents[i]->vectors[field->vector_slot],
                                  field->dims * sizeof(float), error));
    }
    take_parts(&list, collection, RECORD_UPSERT, out);
    return VEER_OK;
}

uint64_t record_row_bytes(const schema *schema, const segment_core *core, uint32_t row)
{
    uint64_t bytes = active_row_at(core->as.active, row)->document_bytes;
    for (size_t i = 0; i < schema->fields_count; i++)
        bytes += schema->fields[i].dims * sizeof(float);
    return bytes;
}

veer_status record_rows(arena *arena, const schema *schema, uint32_t collection, segment_core *core,
                        const uint32_t *rows, size_t count, store_append_record *out,
                        veer_error *error)
{
    active *active = core->as.active;
    size_t slots = schema->vectors_count ? schema->vectors_count : 1;
    document *documents = arena_array(arena, count, sizeof *documents);
    const document **list = arena_array(arena, count, sizeof *list);
    record_stamp *stamps = arena_array(arena, count, sizeof *stamps);
    const float **vectors = arena_array(arena, count * slots, sizeof *vectors);
    if (!documents || !list || !stamps || !vectors)
        return error_nomem(error, "a log record", count * sizeof *documents);
    memset(documents, 0, count * sizeof *documents);
    memset(vectors, 0, count * slots * sizeof *vectors);
    for (size_t i = 0; i < count; i++) {
        const active_row *row = active_row_at(active, rows[i]);
        list[i] = &documents[i];
        documents[i].json = row->document;
        documents[i].json_bytes = row->document_bytes;
        documents[i].vectors = vectors + i * slots;
        stamps[i].lsn = row->lsn;
        stamps[i].written_ms = row->written_ms;
        for (size_t slot = 0; slot < schema->vectors_count; slot++) {
            active_vectors *from = atomic_load(&active->vectors[slot]);
            if (!from) continue;
            uint32_t ordinal = *(const uint32_t *)stable_at(&from->ordinals, rows[i]);
            if (!(ordinal & ACTIVE_HAS_VECTOR)) continue;
            const void *stored = stable_at(&from->originals, ordinal & ~ACTIVE_HAS_VECTOR);
            documents[i].vectors[slot] = flat_restore(from->space, stored, arena);
            if (!documents[i].vectors[slot]) return error_nomem(error, "a log record", from->dims);
        }
    }
    return record_upsert(arena, schema, collection, list, count, 0, stamps, out, error);
}

veer_status record_delete(arena *arena, uint32_t collection, const record_id *ids, size_t count,
                          int64_t written_ms, store_append_record *out, veer_error *error)
{
    size_t head = 12 + count * 2;
    uint8_t *header = arena_array(arena, head, 1);
    if (!header) return error_nomem(error, "a log record", head);
    store_u32(header, (uint32_t)count);
    store_u64(header + 4, (uint64_t)written_ms);
    part_list list = {.arena = arena};
    VEER_TRY(add_part(&list, header, head, error));
    for (size_t i = 0; i < count; i++) {
        store_u16(header + 12 + i * 2, (uint16_t)ids[i].bytes);
        VEER_TRY(add_part(&list, ids[i].id, ids[i].bytes, error));
    }
    take_parts(&list, collection, RECORD_DELETE, out);
    return VEER_OK;
}

veer_status record_collection(arena *arena, uint32_t collection, const char *name,
                              const schema *schema, store_append_record *out, veer_error *error)
{
    byte_writer json;
    byte_writer_init(&json, arena->allocator);
    part_list list = {.arena = arena};
    size_t name_bytes = strlen(name);
    veer_status status = schema_write(schema, &json, error);
    size_t bytes = 8 + name_bytes + json.bytes;
    uint8_t *data = status == VEER_OK ? arena_array(arena, bytes, 1) : NULL;
    if (data) {
        store_u32(data, (uint32_t)name_bytes);
        memcpy(data + 4, name, name_bytes);
        store_u32(data + 4 + name_bytes, (uint32_t)json.bytes);
        memcpy(data + 8 + name_bytes, json.data, json.bytes);
        status = add_part(&list, data, bytes, error);
    } else if (status == VEER_OK) {
        status = error_nomem(error, "a log record", bytes);
    }
    byte_writer_fini(&json);
    if (status == VEER_OK) take_parts(&list, collection, RECORD_COLLECTION, out);
    return status;
}

/* ---------------------------------------------------------------- reading */

static veer_status bad_record(const store_record *record, veer_error *error)
{
    VEER_FAIL(error, VEER_E_CORRUPT, "log record %llu is not what its type says",
              (unsigned long long)record->lsn);
}

/* One vector field's presence, and later its vectors. */
static veer_status read_presence(const store_record *record, byte_reader *reader,
                                 const schema *schema, size_t count, arena *arena,
                                 document_vectors *out, uint32_t *present, veer_error *error)
{
    uint32_t id = byte_reader_u32(reader), dims = byte_reader_u32(reader);
    *present = byte_reader_u32(reader);
    const uint8_t *bits = byte_reader_get(reader, (count + 7) / 8);
    const field *field = schema_field_by_id(schema, id);
    if (!bits || !field || field->type != FIELD_VECTOR || field->dims != dims || *present == 0)
        return bad_record(record, error);
    uint8_t *copy = arena_array(arena, (count + 7) / 8, 1);
    if (!copy) return error_nomem(error, "a log record", count / 8);
    memcpy(copy, bits, (count + 7) / 8);
    uint32_t ones = 0;
    for (size_t i = 0; i < count; i++)
        ones += copy[i / 8] >> (i % 8) & 1;
    if (ones != *present) return bad_record(record, error);
    out->field = field;
    out->present = copy;
    out->stride_bytes = dims * sizeof(float);
    return VEER_OK;
}

/* Spreads the packed vectors to one place a document, so that document i finds its own at i. */
static veer_status read_vectors(const store_record *record, byte_reader *reader, size_t count,
                                uint32_t present, arena *arena, document_vectors *out,
                                veer_error *error)
{
    size_t row_bytes = out->stride_bytes, bytes;
    if (!size_mul(row_bytes, present, &bytes)) return bad_record(record, error);
    const uint8_t *from = byte_reader_get(reader, bytes);
    if (!from) return bad_record(record, error);
    char *to = arena_array(arena, count, row_bytes);
    if (!to) return error_nomem(error, "the vectors of a log record", count * row_bytes);
    out->data = to;
    for (size_t i = 0; i < count; i++) {
        if (!(out->present[i / 8] >> (i % 8) & 1)) continue;
        memcpy(to + i * row_bytes, from, row_bytes);
        from += row_bytes;
    }
    return VEER_OK;
}

veer_status record_read_upsert(const store_record *record, const schema *schema, arena *arena,
                               record_documents *out, veer_error *error)
{
    memset(out, 0, sizeof *out);
    byte_reader reader;
    byte_reader_init(&reader, record->data, record->bytes);
    size_t count = byte_reader_u32(&reader);
    byte_reader_u32(&reader); /* the schema's version when it was written */
    out->written_ms = (int64_t)byte_reader_u64(&reader);
    uint32_t flags = byte_reader_u32(&reader);
    size_t fields = byte_reader_u32(&reader);
    if (reader.failed || (flags & ~UPSERT_HAS_STAMPS) || count > record->bytes / 4 ||
        fields > schema->vectors_count)
        return bad_record(record, error);
    out->count = count;
    out->texts = arena_array(arena, count + 1, sizeof *out->texts);
    out->vectors = arena_array(arena, fields + 1, sizeof *out->vectors);
    uint32_t *present = arena_array(arena, fields + 1, sizeof *present);
    if (flags & UPSERT_HAS_STAMPS) out->stamps = arena_array(arena, count + 1, sizeof *out->stamps);
    if (!out->texts || !out->vectors || !present || ((flags & UPSERT_HAS_STAMPS) && !out->stamps))
        return error_nomem(error, "a log record", count * sizeof *out->texts);
    for (size_t i = 0; i < count; i++)
        out->texts[i].bytes = byte_reader_u32(&reader);
    for (size_t i = 0; out->stamps && i < count; i++) {
        out->stamps[i].lsn = byte_reader_u64(&reader);
        out->stamps[i].written_ms = (int64_t)byte_reader_u64(&reader);
    }
    for (size_t i = 0; i < fields; i++)
        VEER_TRY(read_presence(record, &reader, schema, count, arena, &out->vectors[i], &present[i],
                               error));
    for (size_t i = 0; i < count; i++)
        out->texts[i].id = (const char *)byte_reader_get(&reader, out->texts[i].bytes);
    byte_reader_align(&reader, 4);
    for (size_t i = 0; i < fields; i++)
        VEER_TRY(read_vectors(record, &reader, count, present[i], arena, &out->vectors[i], error));
    if (reader.failed || byte_reader_left(&reader) != 0) return bad_record(record, error);
    out->vectors_count = fields;
    return VEER_OK;
}

veer_status record_read_delete(const store_record *record, arena *arena, record_id **ids,
                               size_t *count, veer_error *error)
{
    byte_reader reader;
    byte_reader_init(&reader, record->data, record->bytes);
    size_t n = byte_reader_u32(&reader);
    byte_reader_u64(&reader); /* when */
    if (reader.failed || n > record->bytes / 2) return bad_record(record, error);
    record_id *list = arena_array(arena, n + 1, sizeof *list);
    if (!list) return error_nomem(error, "a log record", n * sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i].bytes = byte_reader_u16(&reader);
    for (size_t i = 0; i < n; i++)
        list[i].id = (const char *)byte_reader_get(&reader, list[i].bytes);
    if (reader.failed || byte_reader_left(&reader) != 0) return bad_record(record, error);
    *ids = list;
    *count = n;
    return VEER_OK;
}

veer_status record_read_collection(const store_record *record, const veer_allocator *allocator,
                                   char name[VEER_NAME_BYTES_MAX + 1], schema **out,
                                   veer_error *error)
{
    byte_reader reader;
    byte_reader_init(&reader, record->data, record->bytes);
    size_t name_bytes = 0, json_bytes = 0;
    const char *text = byte_reader_text(&reader, VEER_NAME_BYTES_MAX, &name_bytes);
    const char *json = byte_reader_text(&reader, record->bytes, &json_bytes);
    if (reader.failed || byte_reader_left(&reader) != 0 || name_bytes == 0)
        return bad_record(record, error);
    memcpy(name, text, name_bytes);
    name[name_bytes] = 0;
    return schema_read(allocator, json, json_bytes, out, error);
}
