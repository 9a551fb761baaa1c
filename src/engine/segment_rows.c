/* What can be asked of a row, whether its segment is active or sealed; see engine.h. */
#include <string.h>

#include <yyjson.h>

#include "engine/active.h"
#include "engine/document.h"
#include "engine/sealed.h"

uint64_t segment_id_hash(const veer_database *database, const char *id, size_t bytes)
{
    return hash_bytes(database->id_seed, id, bytes);
}

/* The places where a sealed row's id begins and ends. */
static veer_status id_range(sealed *sealed, uint32_t row, arena *scratch, uint32_t *begin,
                            uint32_t *end, veer_error *error)
{
    const uint8_t *offsets = NULL;
    VEER_TRY(segment_read(sealed->base, sealed->id_offsets, (uint64_t)row * 4, 8, scratch,
                          (const void **)&offsets, error));
    *begin = load_u32(offsets);
    *end = load_u32(offsets + 4);
    if (*begin > *end || *end > sealed->id_texts_bytes || *end - *begin > VEER_ID_BYTES_MAX)
        VEER_FAIL(error, VEER_E_CORRUPT, "%s: the id of row %u has an impossible place",
                  sealed->entry.base.name, row);
    return VEER_OK;
}

veer_status segment_row_id(segment_core *core, uint32_t row, arena *scratch, const char **id,
                           size_t *bytes, veer_error *error)
{
    if (!core->is_sealed) {
        const active_row *from = active_row_at(core->as.active, row);
        *id = from->id;
        *bytes = from->id_bytes;
        return VEER_OK;
    }
    sealed *sealed = core->as.sealed;
    uint32_t begin, end;
    VEER_TRY(id_range(sealed, row, scratch, &begin, &end, error));
    *bytes = end - begin;
    return segment_read(sealed->base, sealed->id_texts, begin, *bytes, scratch, (const void **)id,
                        error);
}

static const uint8_t *peek_place(const segment_core *core, uint32_t row)
{
    if (!core->is_sealed) return NULL;
    const sealed *sealed = core->as.sealed;
    return segment_peek(sealed->base, sealed->id_offsets, (uint64_t)row * 4);
}

void segment_row_fetch_place(const segment_core *core, uint32_t row)
{
    __builtin_prefetch(peek_place(core, row));
}

void segment_row_fetch_id(const segment_core *core, uint32_t row)
{
    const uint8_t *place = peek_place(core, row);
    if (!place) return;
    const sealed *sealed = core->as.sealed;
    __builtin_prefetch(segment_peek(sealed->base, sealed->id_texts, load_u32(place)));
}

veer_status segment_row_document(segment_core *core, uint32_t row, blob_cursor *cursor,
                                 arena *scratch, const char **json, size_t *bytes,
                                 veer_error *error)
{
    if (!core->is_sealed) {
        const active_row *from = active_row_at(core->as.active, row);
        *json = from->document;
        *bytes = from->document_bytes;
        return VEER_OK;
    }
    return blobs_get(core->as.sealed->documents, row, cursor, scratch, (const void **)json, bytes,
                     error);
}

veer_status segment_row_stamp(segment_core *core, uint32_t row, arena *scratch, uint64_t *lsn,
                              int64_t *written_ms, veer_error *error)
{
    if (!core->is_sealed) {
        const active_row *from = active_row_at(core->as.active, row);
        *lsn = from->lsn;
        *written_ms = from->written_ms;
        return VEER_OK;
    }
    sealed *sealed = core->as.sealed;
    const void *at = NULL;
    VEER_TRY(segment_read(sealed->base, sealed->lsns, (uint64_t)row * 8, 8, scratch, &at, error));
    *lsn = load_u64(at);
    VEER_TRY(segment_read(sealed->base, sealed->times, (uint64_t)row * 8, 8, scratch, &at, error));
    *written_ms = (int64_t)load_u64(at);
    return VEER_OK;
}

/* Walks the probe sequence of a hash in the id map; at most the whole map. Ids of a segment may repeat (an older
 * row may be dead): the one that is not dead counts. */
static veer_status sealed_find(sealed *sealed, const tombstones *dead, uint64_t hash,
                               const char *id, size_t bytes, arena *scratch, uint32_t *row,
                               veer_error *error)
{
    uint64_t slots = sealed->map_slots, slot = id_map_slot(hash, slots);
    uint16_t tag = id_map_tag(hash);
    for (uint64_t step = 0; step < slots; step++) {
        const void *at = NULL;
        VEER_TRY(segment_read(sealed->base, sealed->map_rows, slot * 4, 4, scratch, &at, error));
        uint32_t candidate = load_u32(at);
        if (candidate == ROW_NONE) return VEER_OK;
        if (candidate >= sealed->entry.rows)
            VEER_FAIL(error, VEER_E_CORRUPT, "%s: the id map points past the last row",
                      sealed->entry.base.name);
        VEER_TRY(segment_read(sealed->base, sealed->map_tags, slot * 2, 2, scratch, &at, error));
        if (load_u16(at) == tag && !tombstones_has(dead, candidate)) {
            const char *text = NULL;
            size_t text_bytes = 0;
            VEER_TRY(segment_row_id(&sealed->core, candidate, scratch, &text, &text_bytes, error));
            if (text_bytes == bytes && memcmp(text, id, bytes) == 0) {
                *row = candidate;
                return VEER_OK;
            }
        }
        slot = slot + 1 == slots ? 0 : slot + 1;
    }
    return VEER_OK;
}

veer_status segment_find_id(const segment_ref *ref, uint64_t hash, const char *id, size_t bytes,
                            arena *scratch, uint32_t *row, veer_error *error)
{
    *row = ROW_NONE;
    if (!ref->core->is_sealed) {
        *row = active_find(ref->core->as.active, ref->rows, ref->dead, hash, id, bytes);
        return VEER_OK;
    }
    arena_mark mark = arena_save(scratch);
    veer_status status =
        sealed_find(ref->core->as.sealed, ref->dead, hash, id, bytes, scratch, row, error);
    arena_restore(scratch, mark);
    return status;
}

/* ---------------------------------------------------------------- columns */

/* Makes a lost column again from the documents. */
static veer_status rebuild_column(sealed *sealed, const schema *schema, const field *field,
                                  column **out, veer_error *error)
{
    const veer_allocator *allocator = sealed->database->allocator;
    size_t place = (size_t)(field - schema->fields);
    veer_status status = VEER_OK;
    column *made = NULL;
    arena scratch;
    blob_cursor cursor = {0};
    arena_init(&scratch, allocator);
    arena texts; /* of the cursor's block */
    arena_init(&texts, allocator);
    if (column_new(allocator, field->column, &made) != VEER_OK) {
        status = error_nomem(error, "a column", 0);
        goto done;
    }
    for (uint32_t row = 0; row < sealed->entry.rows; row++) {
        const char *json = NULL;
        size_t bytes = 0;
        VEER_GOTO(segment_row_document(&sealed->core, row, &cursor, &texts, &json, &bytes, error));
        yyjson_doc *doc = NULL;
        VEER_GOTO(json_parse(json, bytes, "a stored document", &scratch, &doc, error));
        document parsed;
        veer_error ignored;
        /* A value that the field cannot hold was written before the field existed: it has none. */
        status = document_parse(sealed->database, schema, yyjson_doc_get_root(doc), row, NULL, 0,
                                &scratch, &parsed, &ignored);
        if (status == VEER_E_NOMEM) goto done;
        bool has = status == VEER_OK;
        size_t text = 0;
        for (uint32_t i = 0; has && field->type == FIELD_KEYWORD && i < parsed.counts[place]; i++)
            text += parsed.values[place][i].as.keyword.bytes;
        if (column_reserve(made, 1, has ? parsed.counts[place] : 0, text) != VEER_OK) {
            status = error_nomem(error, "a column", 0);
            goto done;
        }
        column_append(made, has ? parsed.values[place] : NULL, has ? parsed.counts[place] : 0);
        arena_reset(&scratch);
        if (row % 1024 == 1023) {
            arena_reset(&texts);
            blob_cursor_reset(&cursor);
        }
    }
    status = VEER_OK;
    *out = made;
    made = NULL;
done:
    column_free(made);
    arena_fini(&texts);
    arena_fini(&scratch);
    return status;
}

static veer_status load_column(sealed *sealed, const schema *schema, const field *field,
                               column **out, veer_error *error)
{
    segment *file = NULL;
    for (size_t i = 0; i < sealed->entry.derived_count; i++)
        if (sealed->entry.derived[i].stream.kind == STREAM_COLUMNS) file = sealed->derived[i];
    if (!file) return rebuild_column(sealed, schema, field, out, error);
    segment_section section;
    if (!segment_find(file, SECTION_COLUMN, field->id, &section)) return VEER_OK;
    const void *bytes = NULL;
    veer_status status = segment_load(file, section.index, &bytes, error);
    if (status == VEER_OK)
        status = column_open(sealed->database->allocator, field->column, bytes,
                             (size_t)section.bytes, sealed->entry.rows, out, error);
    if (status == VEER_E_CORRUPT) return rebuild_column(sealed, schema, field, out, error);
    return status;
}

veer_status segment_column(segment_core *core, const schema *schema, uint32_t field_id,
                           const column **out, veer_error *error)
{
    *out = NULL;
    if (!core->is_sealed) {
        *out = atomic_load(&core->as.active->columns[field_id]);
        return VEER_OK;
    }
    sealed *sealed = core->as.sealed;
    *out = atomic_load_explicit(&sealed->columns[field_id], memory_order_acquire);
    if (*out) return VEER_OK;
    const field *field = schema_field_by_id(schema, field_id);
    if (!field || field->id >= sealed->entry.fields_end) return VEER_OK;
    thread_mutex_lock(&sealed->lazy);
    veer_status status = VEER_OK;
    column *made = atomic_load(&sealed->columns[field_id]);
    if (!made) {
        status = load_column(sealed, schema, field, &made, error);
        if (status == VEER_OK && made) {
            atomic_fetch_add(&sealed->memory, column_memory(made));
            atomic_store_explicit(&sealed->columns[field_id], made, memory_order_release);
        }
    }
    thread_mutex_unlock(&sealed->lazy);
    *out = made;
    return status;
}
