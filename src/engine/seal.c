#include "engine/seal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/seal_build.h"

/* ---------------------------------------------------------------- life */

veer_status builder_new(veer_database *database, const collection_version *collection,
                        const segment_ref *parts, size_t parts_count, uint64_t number,
                        uint64_t generation, bool derived_only, builder **out, veer_error *error)
{
    *out = NULL;
    const veer_allocator *allocator = database->allocator;
    builder *made = memory_new(allocator, sizeof *made);
    if (!made) return error_nomem(error, "a segment", sizeof *made);
    made->database = database;
    arena_init(&made->scratch, allocator);
    arena_init(&made->lasting, allocator);
    made->generation = generation;
    made->derived_only = derived_only;
    made->collection = (collection_version *)(uintptr_t)collection;
    collection_version_acquire(made->collection);
    const schema *schema = collection->schema;
    made->parts = arena_array(&made->lasting, parts_count + 1, sizeof *made->parts);
    made->cursors = arena_array(&made->lasting, parts_count + 1, sizeof *made->cursors);
    made->vectors = arena_array(&made->lasting, parts_count + 1, sizeof *made->vectors);
    made->maps = arena_array(&made->lasting, parts_count + 1, sizeof *made->maps);
    made->vectors_of = arena_array(&made->lasting, schema->fields_count + 1, sizeof(uint32_t));
    made->entry.derived =
        arena_array(&made->lasting, schema->fields_count + 1, sizeof *made->entry.derived);
    if (!made->parts || !made->cursors || !made->vectors || !made->maps || !made->vectors_of ||
        !made->entry.derived) {
        builder_free(made);
        return error_nomem(error, "a segment", 0);
    }
    memset(made->maps, 0, (parts_count + 1) * sizeof *made->maps);
    memset(made->vectors_of, 0, (schema->fields_count + 1) * sizeof(uint32_t));
    for (size_t i = 0; i < parts_count; i++) {
        made->parts[i] = parts[i];
        segment_ref_acquire(&parts[i]);
        made->rows_capacity += segment_ref_live(&parts[i]);
        made->parts_count = i + 1;
    }
    if (derived_only) {
        sealed_entry keep = parts[0].core->as.sealed->entry;
        keep.derived = made->entry.derived;
        keep.derived_count = 0;
        made->entry = keep;
        made->rows_capacity = parts[0].rows;
    } else {
        made->entry.number = number;
        made->entry.schema_version = schema->version;
        made->entry.fields_end = schema->next_field_id;
        made->entry.first_lsn = UINT64_MAX;
    }
    /* Documents, ids, map, stamps and columns once over the rows, vectors and codes twice a field. */
    made->total_work = (uint64_t)made->rows_capacity * (4 + 2 * schema->vectors_count) + 1;
    *out = made;
    return VEER_OK;
}

void builder_free(builder *builder)
{
    if (!builder) return;
    const veer_allocator *allocator = builder->database->allocator;
    blob_writer_abort(builder->blobs);
    segment_writer_abort(builder->writer);
    if (!builder->is_kept) {
        if (!builder->derived_only && builder->entry.base.name[0])
            database_remove_later(builder->database, builder->entry.base.name, 0);
        for (size_t i = 0; i < builder->entry.derived_count; i++)
            database_remove_later(builder->database, builder->entry.derived[i].stream.name, 0);
    }
    memory_array_free(allocator, builder->order, builder->rows_capacity, sizeof *builder->order);
    memory_array_free(allocator, builder->ordinals, builder->rows_capacity,
                      sizeof *builder->ordinals);
    memory_array_free(allocator, builder->id_offsets, builder->rows_capacity + 1u,
                      sizeof *builder->id_offsets);
    memory_array_free(allocator, builder->hashes, builder->rows_capacity, sizeof *builder->hashes);
    memory_array_free(allocator, builder->map_rows, builder->map_slots, sizeof *builder->map_rows);
    memory_array_free(allocator, builder->map_tags, builder->map_slots, sizeof *builder->map_tags);
    for (size_t i = 0; i < builder->parts_count; i++) {
        memory_array_free(allocator, builder->maps[i], builder->parts[i].rows, sizeof(uint32_t));
        segment_ref_release(&builder->parts[i]);
    }
    collection_version_release(builder->collection);
    arena_fini(&builder->scratch);
    arena_fini(&builder->lasting);
    memory_free(allocator, builder, sizeof *builder);
}

void builder_progress(const builder *builder, uint64_t *done, uint64_t *total)
{
    *done = builder->done_work < builder->total_work ? builder->done_work : builder->total_work;
    *total = builder->total_work;
}

const sealed_entry *builder_entry(const builder *builder)
{
    return &builder->entry;
}

uint32_t builder_row(const builder *builder, size_t part, uint32_t row)
{
    if (builder->derived_only) return row;
    return builder->maps[part][row];
}

void builder_keep(builder *builder)
{
    builder->is_kept = true;
}

/* ---------------------------------------------------------------- order */

typedef struct timed_place {
    int64_t time;
    build_place place;
} timed_place;

static int by_time(const void *a, const void *b)
{
    const timed_place *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    if (x->place.part != y->place.part) return x->place.part < y->place.part ? -1 : 1;
    return x->place.row < y->place.row ? -1 : x->place.row > y->place.row;
}

typedef struct time_fill {
    timed_place *places;
    const uint32_t *at; /* by row: its entry in `places`, or ROW_NONE */
} time_fill;

static void fill_time(void *context, uint32_t row, const column_value *value)
{
    time_fill *fill = context;
    if (fill->at[row] != ROW_NONE) fill->places[fill->at[row]].time = value->as.time;
}

/* Sorts the new rows by the schema's time; rows without one come first. */
static veer_status order_by_time(builder *builder, uint32_t field_id, veer_error *error)
{
    const veer_allocator *allocator = builder->database->allocator;
    timed_place *places = memory_array(allocator, builder->rows, sizeof *places);
    if (!places && builder->rows > 0) return error_nomem(error, "the order of rows", builder->rows);
    veer_status status = VEER_OK;
    for (uint32_t i = 0; i < builder->rows; i++) {
        places[i].time = INT64_MIN;
        places[i].place = builder->order[i];
    }
    for (size_t p = 0; p < builder->parts_count; p++) {
        const column *column = NULL;
        VEER_GOTO(segment_column(builder->parts[p].core, builder->collection->schema, field_id,
                                 &column, error));
        if (!column) continue;
        time_fill fill = {places, builder->maps[p]};
        if (column_visit(column, builder->parts[p].rows, allocator, fill_time, &fill) != VEER_OK) {
            status = error_nomem(error, "the order of rows", 0);
            goto done;
        }
    }
    qsort(places, builder->rows, sizeof *places, by_time);
    for (uint32_t i = 0; i < builder->rows; i++) {
        builder->order[i] = places[i].place;
        builder->maps[places[i].place.part][places[i].place.row] = i;
    }
done:
    memory_array_free(allocator, places, builder->rows, sizeof *places);
    return status;
}

static veer_status order_step(builder *builder, veer_error *error)
{
    const veer_allocator *allocator = builder->database->allocator;
    if (builder->rows_capacity > 0 && !builder->order) {
        builder->order = memory_array(allocator, builder->rows_capacity, sizeof(build_place));
        if (!builder->order) return error_nomem(error, "the order of rows", builder->rows_capacity);
    }
    builder->rows = 0;
    for (size_t p = 0; p < builder->parts_count; p++) {
        const segment_ref *part = &builder->parts[p];
        if (!builder->maps[p] && part->rows > 0) {
            builder->maps[p] = memory_array(allocator, part->rows, sizeof(uint32_t));
            if (!builder->maps[p]) return error_nomem(error, "the order of rows", part->rows);
        }
        for (uint32_t row = 0; row < part->rows; row++) {
            bool keep = builder->derived_only || !tombstones_has(part->dead, row);
            builder->maps[p][row] = keep ? builder->rows : ROW_NONE;
            if (keep) builder->order[builder->rows++] = (build_place){(uint32_t)p, row};
        }
    }
    const schema *schema = builder->collection->schema;
    if (schema->order_by && !builder->derived_only)
        VEER_TRY(order_by_time(builder, schema->order_by, error));
    if (!builder->derived_only) builder->entry.rows = builder->rows;
    builder->step = builder->rows == 0      ? BUILD_DONE
                    : builder->derived_only ? BUILD_CODES
                                            : BUILD_CREATE;
    return VEER_OK;
}

/* ---------------------------------------------------------------- base */

veer_status builder_begin(builder *builder, uint16_t kind, uint32_t field, uint32_t block_bytes,
                          veer_error *error)
{
    if (builder->section_is_open) return VEER_OK;
    VEER_TRY(segment_writer_begin(builder->writer, kind, field, block_bytes, error));
    builder->section_is_open = true;
    return VEER_OK;
}

veer_status builder_end(builder *builder, veer_error *error)
{
    builder->section_is_open = false;
    return segment_writer_end(builder->writer, error);
}

static veer_status create_step(builder *builder, veer_error *error)
{
    char name[65];
    segment_base_name(name, builder->entry.number);
    VEER_TRY(segment_writer_new_on(builder->database->allocator, store_io(builder->database->store),
                                   name, STREAM_BASE, &builder->writer, error));
    memcpy(builder->entry.base.name, name, sizeof name);
    builder->step = BUILD_DOCUMENTS;
    return VEER_OK;
}

static uint32_t rows_to(const builder *builder)
{
    uint32_t left = builder->rows - builder->position;
    return builder->position + (left < BUILD_ROWS_A_STEP ? left : BUILD_ROWS_A_STEP);
}

static veer_status documents_step(builder *builder, veer_error *error)
{
    if (!builder->blobs)
        VEER_TRY(
            blob_writer_new(builder->writer, SECTION_DOCUMENTS, 0, true, &builder->blobs, error));
    memset(builder->cursors, 0, builder->parts_count * sizeof *builder->cursors);
    uint32_t end = rows_to(builder);
    for (; builder->position < end; builder->position++) {
        build_place from = builder->order[builder->position];
        const char *json = NULL;
        size_t bytes = 0;
        VEER_TRY(segment_row_document(builder->parts[from.part].core, from.row,
                                      &builder->cursors[from.part], &builder->scratch, &json,
                                      &bytes, error));
        VEER_TRY(blob_writer_put(builder->blobs, json, bytes, error));
        builder->done_work++;
    }
    if (builder->position < builder->rows) return VEER_OK;
    veer_status status = blob_writer_end(builder->blobs, error);
    if (status != VEER_PENDING) builder->blobs = NULL; /* it is freed */
    VEER_TRY(status);
    builder->position = 0;
    builder->step = BUILD_IDS;
    return VEER_OK;
}

static veer_status reserve_ids(builder *builder, veer_error *error)
{
    const veer_allocator *allocator = builder->database->allocator;
    builder->map_slots = (size_t)id_map_slots(builder->rows);
    if (!builder->id_offsets)
        builder->id_offsets =
            memory_array(allocator, builder->rows_capacity + 1u, sizeof(uint32_t));
    if (!builder->hashes)
        builder->hashes = memory_array(allocator, builder->rows_capacity, sizeof(uint64_t));
    if (!builder->map_rows)
        builder->map_rows = memory_array(allocator, builder->map_slots, sizeof(uint32_t));
    if (!builder->map_tags)
        builder->map_tags = memory_array(allocator, builder->map_slots, sizeof(uint16_t));
    if (!builder->id_offsets || !builder->hashes || !builder->map_rows || !builder->map_tags)
        return error_nomem(error, "the ids of a segment", builder->rows * 16ull);
    memset(builder->map_rows, 0xFF, builder->map_slots * sizeof(uint32_t));
    return VEER_OK;
}

static veer_status ids_step(builder *builder, veer_error *error)
{
    if (builder->position == 0) {
        VEER_TRY(reserve_ids(builder, error));
        VEER_TRY(builder_begin(builder, SECTION_ID_TEXTS, 0, SEGMENT_BLOCK_BYTES, error));
    }
    uint32_t end = rows_to(builder);
    for (; builder->position < end; builder->position++) {
        build_place from = builder->order[builder->position];
        const char *id = NULL;
        size_t bytes = 0;
        VEER_TRY(segment_row_id(builder->parts[from.part].core, from.row, &builder->scratch, &id,
                                &bytes, error));
        uint32_t at = builder->id_offsets[builder->position];
        if (bytes > UINT32_MAX - at)
            VEER_FAIL(error, VEER_E_LIMIT, "the ids of a segment have more than 4 GiB");
        VEER_TRY(segment_writer_put(builder->writer, id, bytes, error));
        builder->id_offsets[builder->position + 1] = at + (uint32_t)bytes;
        builder->hashes[builder->position] = segment_id_hash(builder->database, id, bytes);
        builder->done_work++;
    }
    if (builder->position < builder->rows) return VEER_OK;
    VEER_TRY(builder_end(builder, error));
    builder->position = 0;
    builder->step = BUILD_ID_MAP;
    return VEER_OK;
}

static veer_status put_section(builder *builder, uint16_t kind, uint32_t field, const void *data,
                               size_t bytes, veer_error *error)
{
    VEER_TRY(builder_begin(builder, kind, field, SEGMENT_BLOCK_BYTES, error));
    VEER_TRY(segment_writer_put(builder->writer, data, bytes, error));
    return builder_end(builder, error);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "arrays are stored as they lie in memory: little-endian machines only");

static veer_status id_map_step(builder *builder, veer_error *error)
{
    for (uint32_t row = 0; row < builder->rows; row++) {
        uint64_t slot = id_map_slot(builder->hashes[row], builder->map_slots);
        while (builder->map_rows[slot] != ROW_NONE)
            slot = slot + 1 == builder->map_slots ? 0 : slot + 1;
        builder->map_rows[slot] = row;
        builder->map_tags[slot] = id_map_tag(builder->hashes[row]);
    }
    VEER_TRY(put_section(builder, SECTION_ID_OFFSETS, 0, builder->id_offsets,
                         (builder->rows + 1u) * sizeof(uint32_t), error));
    VEER_TRY(put_section(builder, SECTION_ID_MAP_ROWS, 0, builder->map_rows,
                         builder->map_slots * sizeof(uint32_t), error));
    VEER_TRY(put_section(builder, SECTION_ID_MAP_TAGS, 0, builder->map_tags,
                         builder->map_slots * sizeof(uint16_t), error));
    builder->done_work += builder->rows;
    builder->step = BUILD_STAMPS;
    return VEER_OK;
}

/* LSNs, then times: one pass each (phase 0 and 1). */
static veer_status stamps_step(builder *builder, veer_error *error)
{
    VEER_TRY(builder_begin(builder, builder->phase == 0 ? SECTION_LSNS : SECTION_TIMES, 0,
                           SEGMENT_BLOCK_BYTES, error));
    uint32_t end = rows_to(builder);
    for (; builder->position < end; builder->position++) {
        build_place from = builder->order[builder->position];
        uint64_t lsn;
        int64_t time;
        VEER_TRY(segment_row_stamp(builder->parts[from.part].core, from.row, &builder->scratch,
                                   &lsn, &time, error));
        uint8_t bytes[8];
        store_u64(bytes, builder->phase == 0 ? lsn : (uint64_t)time);
        VEER_TRY(segment_writer_put(builder->writer, bytes, sizeof bytes, error));
        if (lsn < builder->entry.first_lsn) builder->entry.first_lsn = lsn;
        if (lsn > builder->entry.last_lsn) builder->entry.last_lsn = lsn;
        builder->done_work += (uint64_t)builder->phase;
    }
    if (builder->position < builder->rows) return VEER_OK;
    VEER_TRY(builder_end(builder, error));
    builder->position = 0;
    if (builder->phase++ == 0) return VEER_OK;
    builder->phase = 0;
    builder->step = BUILD_VECTORS;
    return VEER_OK;
}

/* ---------------------------------------------------------------- vectors */

veer_status builder_open_vectors(builder *builder, const field *field, veer_error *error)
{
    const veer_allocator *allocator = builder->database->allocator;
    bool waits = false;
    for (size_t p = 0; p < builder->parts_count; p++) {
        veer_status status =
            segment_vectors_open(&builder->parts[p], field, &builder->vectors[p], error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
    }
    if (waits) return VEER_PENDING;
    if (!builder->ordinals) {
        builder->ordinals = memory_array(allocator, builder->rows_capacity, sizeof(build_place));
        if (!builder->ordinals) return error_nomem(error, "the order of vectors", builder->rows);
    }
    builder->vectors_count = 0;
    for (uint32_t row = 0; row < builder->rows; row++) {
        build_place from = builder->order[row];
        if (builder->vectors[from.part].count == 0) continue;
        uint32_t ordinal = segment_vector_ordinal(&builder->vectors[from.part], from.row);
        if (ordinal != ROW_NONE)
            builder->ordinals[builder->vectors_count++] = (build_place){from.part, ordinal};
    }
    builder->vectors_of[builder->field] = builder->vectors_count;
    return VEER_OK;
}

veer_status builder_originals(builder *builder, uint32_t first, uint32_t count,
                              const float **vectors, float *inverse_norms, veer_error *error)
{
    bool waits = false;
    for (uint32_t i = 0; i < count; i++) {
        build_place from = builder->ordinals[first + i];
        uint32_t given;
        veer_status status = segment_vector_range(&builder->vectors[from.part], from.row, 1,
                                                  &builder->scratch, &vectors[i], &given, error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
        if (inverse_norms)
            inverse_norms[i] = segment_vector_inverse_norm(&builder->vectors[from.part], from.row);
    }
    return waits ? VEER_PENDING : VEER_OK;
}

static veer_status put_presence(builder *builder, const field *field, veer_error *error)
{
    if (builder->vectors_count == builder->rows) return VEER_OK;
    size_t bytes = (builder->rows + 7u) / 8;
    uint8_t *bits = arena_array(&builder->scratch, bytes, 1);
    if (!bits) return error_nomem(error, "a presence bitmap", bytes);
    memset(bits, 0, bytes);
    for (uint32_t row = 0; row < builder->rows; row++) {
        build_place from = builder->order[row];
        if (builder->vectors[from.part].count > 0 &&
            segment_vector_ordinal(&builder->vectors[from.part], from.row) != ROW_NONE)
            bits[row / 8] |= (uint8_t)(1u << (row % 8));
    }
    return put_section(builder, SECTION_PRESENCE, field->id, bits, bytes, error);
}

/* Phases: 0 presence, 1 originals, 2 norms. */
static veer_status vectors_step(builder *builder, veer_error *error)
{
    const schema *schema = builder->collection->schema;
    while (builder->field < schema->fields_count &&
           schema->fields[builder->field].type != FIELD_VECTOR)
        builder->field++;
    if (builder->field == schema->fields_count) {
        builder->field = 0;
        builder->step = BUILD_FINISH;
        return VEER_OK;
    }
    const field *field = &schema->fields[builder->field];
    if (builder->phase == 0) {
        VEER_TRY(builder_open_vectors(builder, field, error));
        if (builder->vectors_count == 0) {
            builder->field++;
            return VEER_OK;
        }
        VEER_TRY(put_presence(builder, field, error));
        builder->phase = 1;
    }
    bool norms = builder->phase == 2;
    VEER_TRY(builder_begin(builder, norms ? SECTION_NORMS : SECTION_ORIGINALS, field->id,
                           norms ? SEGMENT_BLOCK_BYTES : SEGMENT_ORIGINALS_BLOCK_BYTES, error));
    for (uint32_t batch = 0; batch < 8 && builder->position < builder->vectors_count; batch++) {
        const float *vectors[64];
        float inverse[64];
        uint32_t n = builder->vectors_count - builder->position;
        if (n > 64) n = 64;
        VEER_TRY(builder_originals(builder, builder->position, n, vectors, inverse, error));
        for (uint32_t i = 0; !norms && i < n; i++)
            VEER_TRY(segment_writer_put(builder->writer, vectors[i], field->dims * sizeof(float),
                                        error));
        if (norms) VEER_TRY(segment_writer_put(builder->writer, inverse, n * sizeof(float), error));
        builder->position += n;
        if (!norms) builder->done_work += n;
    }
    if (builder->position < builder->vectors_count) return VEER_OK;
    VEER_TRY(builder_end(builder, error));
    builder->position = 0;
    if (builder->phase == 1 && field->metric == VEER_METRIC_COSINE) {
        builder->phase = 2;
        return VEER_OK;
    }
    builder->phase = 0;
    builder->field++;
    return VEER_OK;
}

static veer_status finish_step(builder *builder, veer_error *error)
{
    uint8_t info[SEALED_INFO_BYTES];
    sealed_info_store(info, &builder->entry, builder->collection->collection->id);
    VEER_TRY(
        segment_writer_finish(builder->writer, info, sizeof info, &builder->entry.base, error));
    builder->writer = NULL;
    builder->step = BUILD_CODES;
    return VEER_OK;
}

veer_status builder_step(builder *builder, bool *done, veer_error *error)
{
    *done = false;
    veer_status status = VEER_OK;
    switch (builder->step) {
    case BUILD_ORDER:
        status = order_step(builder, error);
        break;
    case BUILD_CREATE:
        status = create_step(builder, error);
        break;
    case BUILD_DOCUMENTS:
        status = documents_step(builder, error);
        break;
    case BUILD_IDS:
        status = ids_step(builder, error);
        break;
    case BUILD_ID_MAP:
        status = id_map_step(builder, error);
        break;
    case BUILD_STAMPS:
        status = stamps_step(builder, error);
        break;
    case BUILD_VECTORS:
        status = vectors_step(builder, error);
        break;
    case BUILD_FINISH:
        status = finish_step(builder, error);
        break;
    case BUILD_CODES:
        status = builder_codes_step(builder, error);
        break;
    case BUILD_COLUMNS:
        status = builder_columns_step(builder, error);
        break;
    case BUILD_DONE:
        break;
    }
    arena_reset(&builder->scratch);
    if (status == VEER_OK && builder->step == BUILD_DONE) *done = true;
    return status;
}
