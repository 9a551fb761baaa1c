#include "engine/seal.h"

#include <string.h>

#include "base/bitset.h"
#include "engine/seal_build.h"

/* ---------------------------------------------------------------- life */

static bool is_kept(const builder *made, const sealed *from, size_t i)
{
    if (!from->derived[i]) return false;
    uint32_t kind = from->entry.derived[i].stream.kind;
    if (kind != STREAM_GRAPH && kind != STREAM_CODES) return true;
    const field *field = schema_field_by_id(made->collection->schema, from->entry.derived[i].field);
    if (!field || field->type != FIELD_VECTOR) return false;
    return kind == STREAM_GRAPH ? sealed_has_graph(from, field) : sealed_has_codes(from, field);
}

/* The entry of a segment as it is, without the derived streams that are lost or damaged. */
static void keep_streams(builder *made, const sealed *from)
{
    sealed_entry entry = from->entry;
    entry.derived = made->entry.derived;
    entry.derived_count = 0;
    for (size_t i = 0; i < from->entry.derived_count; i++)
        if (is_kept(made, from, i)) entry.derived[entry.derived_count++] = from->entry.derived[i];
    made->entry = entry;
    made->kept = entry.derived_count;
}

veer_status builder_new(veer_database *database, const collection_version *collection,
                        const segment_ref *parts, size_t parts_count, uint64_t number,
                        uint64_t generation, builder_goal goal, builder **out, veer_error *error)
{
    *out = NULL;
    const veer_allocator *allocator = database->allocator;
    builder *made = memory_new(allocator, sizeof *made);
    if (!made) return error_nomem(error, "a segment", sizeof *made);
    made->database = database;
    arena_init(&made->scratch, allocator);
    arena_init(&made->lasting, allocator);
    made->generation = generation;
    made->goal = goal;
    made->derived_only = goal != BUILDER_SEGMENT;
    made->collection = (collection_version *)(uintptr_t)collection;
    collection_version_acquire(made->collection);
    const schema *schema = collection->schema;
    made->parts = arena_array(&made->lasting, parts_count + 1, sizeof *made->parts);
    made->cursors = arena_array(&made->lasting, parts_count + 1, sizeof *made->cursors);
    made->vectors = arena_array(&made->lasting, parts_count + 1, sizeof *made->vectors);
    made->maps = arena_array(&made->lasting, parts_count + 1, sizeof *made->maps);
    made->columns = arena_array(&made->lasting, parts_count + 1, sizeof *made->columns);
    made->part_rows = arena_array(&made->lasting, parts_count + 1, sizeof *made->part_rows);
    made->vectors_of = arena_array(&made->lasting, schema->fields_count + 1, sizeof(uint32_t));
    made->entry.derived =
        arena_array(&made->lasting, SEALED_STREAMS_MAX, sizeof *made->entry.derived);
    if (!made->parts || !made->cursors || !made->vectors || !made->maps || !made->columns ||
        !made->part_rows || !made->vectors_of || !made->entry.derived) {
        builder_free(made);
        return error_nomem(error, "a segment", 0);
    }
    memset(made->maps, 0, (parts_count + 1) * sizeof *made->maps);
    memset(made->vectors_of, 0, (schema->fields_count + 1) * sizeof(uint32_t));
    for (size_t i = 0; i < parts_count; i++) {
        made->parts[i] = parts[i];
        made->part_rows[i] = parts[i].rows;
        segment_ref_acquire(&parts[i]);
        made->rows_capacity += segment_ref_live(&parts[i]);
        made->parts_count = i + 1;
    }
    if (made->derived_only) {
        keep_streams(made, parts[0].core->as.sealed);
        made->rows_capacity = parts[0].rows;
    } else {
        made->entry.number = number;
        made->entry.schema_version = schema->version;
        made->entry.fields_end = schema->next_field_id;
        made->entry.first_lsn = UINT64_MAX;
    }
    /* Documents, ids, map, stamps and columns once over the rows, vectors and codes twice a field. */
    made->total_work = (uint64_t)made->rows_capacity * (4 + 2 * schema->vectors_count) + 1;
    /* A vector in a graph costs as much as a hundred of anything else. */
    if (goal == BUILDER_GRAPH)
        made->total_work = made->rows_capacity * (uint64_t)(100 * schema->vectors_count) + 1;
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
            database_remove_later(builder->database, &builder->entry.base, 0);
        for (size_t i = builder->kept; i < builder->entry.derived_count; i++)
            database_remove_later(builder->database, &builder->entry.derived[i].stream, 0);
    }
    column_writer_free(builder->column);
    graph_builder_free(builder->graph);
    builder_former_free(builder);
    memory_array_free(allocator, builder->order, builder->rows_capacity, sizeof *builder->order);
    memory_array_free(allocator, builder->ordered, builder->rows_capacity,
                      sizeof *builder->ordered);
    memory_array_free(allocator, builder->presence, (builder->rows_capacity + 7u) / 8, 1);
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

static uint32_t rows_to(const builder *builder, uint32_t count, uint32_t most)
{
    uint32_t left = count - builder->position;
    return builder->position + (left < most ? left : most);
}

veer_status builder_open_columns(builder *builder, uint32_t field_id, bool *found,
                                 veer_error *error)
{
    bool waits = false;
    *found = false;
    for (size_t p = 0; p < builder->parts_count; p++) {
        veer_status status = segment_column(builder->parts[p].core, builder->collection->schema,
                                            field_id, &builder->columns[p], error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
        *found = *found || builder->columns[p];
    }
    return waits ? VEER_PENDING : VEER_OK;
}

static veer_status reserve_order(builder *builder, veer_error *error)
{
    const veer_allocator *allocator = builder->database->allocator;
    if (builder->rows_capacity > 0) {
        builder->order = memory_room(allocator, builder->rows_capacity, sizeof(build_place));
        if (!builder->order) return error_nomem(error, "the order of rows", builder->rows_capacity);
    }
    for (size_t p = 0; p < builder->parts_count; p++) {
        uint32_t rows = builder->parts[p].rows;
        if (rows > 0) builder->maps[p] = memory_room(allocator, rows, sizeof(uint32_t));
        if (rows > 0 && !builder->maps[p]) return error_nomem(error, "the order of rows", rows);
    }
    return VEER_OK;
}

/* The live rows of every part, in order. */
static bool choose_rows(builder *builder)
{
    const segment_ref *part = &builder->parts[builder->part];
    uint32_t *map = builder->maps[builder->part];
    for (uint32_t end = rows_to(builder, part->rows, BUILD_PLAIN_ROWS); builder->position < end;
         builder->position++) {
        uint32_t row = builder->position;
        bool keep = builder->derived_only || !tombstones_has(part->dead, row);
        map[row] = keep ? builder->rows : ROW_NONE;
        if (keep) builder->order[builder->rows++] = (build_place){(uint32_t)builder->part, row};
    }
    if (builder->position < part->rows) return false;
    builder->position = 0;
    return ++builder->part == builder->parts_count;
}

static veer_status begin_sort(builder *builder, uint32_t field_id, veer_error *error)
{
    const veer_allocator *allocator = builder->database->allocator;
    bool found;
    VEER_TRY(builder_open_columns(builder, field_id, &found, error));
    builder->ordered = memory_room(allocator, builder->rows_capacity, sizeof(build_place));
    if (!builder->ordered) return error_nomem(error, "the order of rows", builder->rows_capacity);
    return column_writer_new(COLUMN_TIME, builder->columns, (const uint32_t *const *)builder->maps,
                             builder->part_rows, builder->parts_count, builder->rows, allocator,
                             &builder->column, error);
}

/* Rows without a time come first, as they were; then those with one. */
static bool order_rows(builder *builder)
{
    size_t count;
    const uint64_t *presence;
    const uint32_t *sorted = column_writer_sorted(builder->column, &count, &presence);
    uint32_t untimed = builder->rows - (uint32_t)count;
    for (uint32_t end = rows_to(builder, builder->rows, BUILD_PLAIN_ROWS); builder->position < end;
         builder->position++) {
        uint32_t row = builder->position;
        if (!bitset_get(presence, row)) builder->ordered[builder->put++] = builder->order[row];
        if (row >= untimed) builder->ordered[row] = builder->order[sorted[row - untimed]];
    }
    return builder->position == builder->rows;
}

static bool map_rows(builder *builder)
{
    for (uint32_t end = rows_to(builder, builder->rows, BUILD_PLAIN_ROWS); builder->position < end;
         builder->position++) {
        build_place from = builder->order[builder->position];
        builder->maps[from.part][from.row] = builder->position;
    }
    return builder->position == builder->rows;
}

static void end_sort(builder *builder)
{
    column_writer_free(builder->column);
    builder->column = NULL;
    memory_array_free(builder->database->allocator, builder->order, builder->rows_capacity,
                      sizeof *builder->order);
    builder->order = builder->ordered;
    builder->ordered = NULL;
    builder->put = 0;
}

/* Phases: 0 memory, 1 the live rows; and by time: 2 begin, 3 sort, 4 order, 5 maps. */
static veer_status order_step(builder *builder, veer_error *error)
{
    const schema *schema = builder->collection->schema;
    bool done = true;
    switch (builder->phase) {
    case 0:
        VEER_TRY(reserve_order(builder, error));
        break;
    case 1:
        done = choose_rows(builder);
        break;
    case 2:
        VEER_TRY(begin_sort(builder, schema->order_by, error));
        break;
    case 3:
        VEER_TRY(column_writer_sort_step(builder->column, &done, error));
        break;
    case 4:
        done = order_rows(builder);
        if (done) end_sort(builder);
        break;
    default:
        done = map_rows(builder);
        break;
    }
    if (!done) return VEER_OK;
    builder->position = 0;
    bool sorts = schema->order_by && !builder->derived_only && builder->rows > 0;
    if (builder->phase++ < (sorts ? 5 : 1)) return VEER_OK;
    builder->phase = 0;
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
    veer_status status = segment_writer_end(builder->writer, error);
    if (status != VEER_PENDING) builder->section_is_open = false;
    return status;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "arrays are stored as they lie in memory: little-endian machines only");

veer_status builder_put_section(builder *builder, uint16_t kind, uint32_t field, const void *data,
                                size_t bytes, bool *done, veer_error *error)
{
    *done = false;
    VEER_TRY(builder_begin(builder, kind, field, SEGMENT_BLOCK_BYTES, error));
    size_t left = bytes - builder->put;
    size_t n = left < BUILD_BYTES_A_STEP ? left : BUILD_BYTES_A_STEP;
    VEER_TRY(segment_writer_put(builder->writer, (const uint8_t *)data + builder->put, n, error));
    builder->put += n;
    if (builder->put < bytes) return VEER_OK;
    VEER_TRY(builder_end(builder, error));
    builder->put = 0;
    *done = true;
    return VEER_OK;
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

static veer_status documents_step(builder *builder, veer_error *error)
{
    if (!builder->blobs)
        VEER_TRY(
            blob_writer_new(builder->writer, SECTION_DOCUMENTS, 0, true, &builder->blobs, error));
    memset(builder->cursors, 0, builder->parts_count * sizeof *builder->cursors);
    uint32_t end = rows_to(builder, builder->rows, BUILD_ROWS_A_STEP);
    size_t given = 0;
    for (; builder->position < end && given < BUILD_BYTES_A_STEP &&
           arena_bytes(&builder->scratch) < 4 * BUILD_BYTES_A_STEP;
         builder->position++) {
        build_place from = builder->order[builder->position];
        const char *json = NULL;
        size_t bytes = 0;
        VEER_TRY(segment_row_document(builder->parts[from.part].core, from.row,
                                      &builder->cursors[from.part], &builder->scratch, &json,
                                      &bytes, error));
        VEER_TRY(blob_writer_put(builder->blobs, json, bytes, error));
        given += bytes;
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
        builder->id_offsets = memory_room(allocator, builder->rows_capacity + 1u, sizeof(uint32_t));
    if (!builder->hashes)
        builder->hashes = memory_room(allocator, builder->rows_capacity, sizeof(uint64_t));
    if (!builder->map_rows)
        builder->map_rows = memory_room(allocator, builder->map_slots, sizeof(uint32_t));
    if (!builder->map_tags)
        builder->map_tags = memory_room(allocator, builder->map_slots, sizeof(uint16_t));
    if (!builder->id_offsets || !builder->hashes || !builder->map_rows || !builder->map_tags)
        return error_nomem(error, "the ids of a segment", builder->rows * 16ull);
    builder->id_offsets[0] = 0;
    return VEER_OK;
}

static veer_status ids_step(builder *builder, veer_error *error)
{
    if (builder->position == 0) {
        VEER_TRY(reserve_ids(builder, error));
        VEER_TRY(builder_begin(builder, SECTION_ID_TEXTS, 0, SEGMENT_BLOCK_BYTES, error));
    }
    uint32_t end = rows_to(builder, builder->rows, BUILD_ROWS_A_STEP);
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

static bool clear_map(builder *builder)
{
    size_t left = builder->map_slots - builder->position;
    size_t n = left < BUILD_PLAIN_ROWS ? left : BUILD_PLAIN_ROWS;
    memset(builder->map_rows + builder->position, 0xFF, n * sizeof *builder->map_rows);
    memset(builder->map_tags + builder->position, 0, n * sizeof *builder->map_tags);
    builder->position += (uint32_t)n; /* slots are fewer than 2^27 */
    return builder->position == builder->map_slots;
}

static bool fill_map(builder *builder)
{
    uint32_t end = rows_to(builder, builder->rows, BUILD_PLAIN_ROWS);
    for (; builder->position < end; builder->position++) {
        uint64_t hash = builder->hashes[builder->position];
        uint64_t slot = id_map_slot(hash, builder->map_slots);
        while (builder->map_rows[slot] != ROW_NONE)
            slot = slot + 1 == builder->map_slots ? 0 : slot + 1;
        builder->map_rows[slot] = builder->position;
        builder->map_tags[slot] = id_map_tag(hash);
        builder->done_work++;
    }
    return builder->position == builder->rows;
}

/* Phases: 0 clear, 1 fill; sections: 2 the places of ids, 3 rows, 4 tags. */
static veer_status id_map_step(builder *builder, veer_error *error)
{
    bool done = false;
    switch (builder->phase) {
    case 0:
        done = clear_map(builder);
        break;
    case 1:
        done = fill_map(builder);
        break;
    case 2:
        VEER_TRY(builder_put_section(builder, SECTION_ID_OFFSETS, 0, builder->id_offsets,
                                     (builder->rows + 1u) * sizeof(uint32_t), &done, error));
        break;
    case 3:
        VEER_TRY(builder_put_section(builder, SECTION_ID_MAP_ROWS, 0, builder->map_rows,
                                     builder->map_slots * sizeof(uint32_t), &done, error));
        break;
    default:
        VEER_TRY(builder_put_section(builder, SECTION_ID_MAP_TAGS, 0, builder->map_tags,
                                     builder->map_slots * sizeof(uint16_t), &done, error));
        break;
    }
    if (!done) return VEER_OK;
    builder->position = 0;
    if (builder->phase++ < 4) return VEER_OK;
    builder->phase = 0;
    builder->step = BUILD_STAMPS;
    return VEER_OK;
}

/* LSNs, then times: one pass each (phase 0 and 1). */
static veer_status stamps_step(builder *builder, veer_error *error)
{
    VEER_TRY(builder_begin(builder, builder->phase == 0 ? SECTION_LSNS : SECTION_TIMES, 0,
                           SEGMENT_BLOCK_BYTES, error));
    uint32_t end = rows_to(builder, builder->rows, BUILD_ROWS_A_STEP);
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

static veer_status open_vectors(builder *builder, const field *field, veer_error *error)
{
    const veer_allocator *allocator = builder->database->allocator;
    size_t presence_bytes = (builder->rows_capacity + 7u) / 8;
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
    if (!builder->ordinals)
        builder->ordinals = memory_room(allocator, builder->rows_capacity, sizeof(build_place));
    if (!builder->presence) builder->presence = memory_room(allocator, presence_bytes, 1);
    if (!builder->ordinals || !builder->presence)
        return error_nomem(error, "the order of vectors", builder->rows);
    memset(builder->presence, 0, presence_bytes);
    builder->vectors_count = 0;
    return VEER_OK;
}

veer_status builder_list_vectors(builder *builder, const field *field, bool *done,
                                 veer_error *error)
{
    *done = false;
    if (builder->position == 0) VEER_TRY(open_vectors(builder, field, error));
    uint32_t end = rows_to(builder, builder->rows, BUILD_PLAIN_ROWS);
    for (; builder->position < end; builder->position++) {
        build_place from = builder->order[builder->position];
        if (builder->vectors[from.part].count == 0) continue;
        uint32_t ordinal = segment_vector_ordinal(&builder->vectors[from.part], from.row);
        if (ordinal == ROW_NONE) continue;
        builder->ordinals[builder->vectors_count++] = (build_place){from.part, ordinal};
        builder->presence[builder->position / 8] |= (uint8_t)(1u << (builder->position % 8));
    }
    if (builder->position < builder->rows) return VEER_OK;
    builder->vectors_of[builder->field] = builder->vectors_count;
    builder->position = 0;
    *done = true;
    return VEER_OK;
}

uint32_t builder_vectors_now(const builder *builder, const field *field, uint32_t floats)
{
    uint32_t most = floats / field->dims / FLAT_BLOCK_ROWS * FLAT_BLOCK_ROWS;
    if (most == 0) most = FLAT_BLOCK_ROWS;
    if (most > BUILD_ROWS_A_STEP) most = BUILD_ROWS_A_STEP;
    uint32_t left = builder->vectors_count - builder->position;
    return left < most ? left : most;
}

/* Up to `count` originals from new ordinal `first`, as they are stored. */
static veer_status stored_originals(builder *builder, uint32_t first, uint32_t count,
                                    const uint8_t **stored, veer_error *error)
{
    bool waits = false;
    for (uint32_t i = 0; i < count; i++) {
        build_place from = builder->ordinals[first + i];
        uint32_t given;
        veer_status status = segment_vector_range(&builder->vectors[from.part], from.row, 1,
                                                  &builder->scratch, &stored[i], &given, error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
    }
    return waits ? VEER_PENDING : VEER_OK;
}

veer_status builder_originals(builder *builder, const field *field, uint32_t first, uint32_t count,
                              const float **vectors, veer_error *error)
{
    const uint8_t *stored[FLAT_BLOCK_ROWS];
    VEER_TRY(stored_originals(builder, first, count, stored, error));
    for (uint32_t i = 0; i < count; i++) {
        vectors[i] = flat_restore(field->space, stored[i], &builder->scratch);
        if (!vectors[i]) return error_nomem(error, "a vector", field->dims * sizeof(float));
    }
    return VEER_OK;
}

/* The next originals or norms; *done: the section is there. A vector is given once: what waits
 * comes again at `position`. */
static veer_status put_vectors(builder *builder, const field *field, bool *done, veer_error *error)
{
    bool norms = builder->phase == 3;
    *done = false;
    VEER_TRY(builder_begin(builder, norms ? SECTION_NORMS : SECTION_ORIGINALS, field->id,
                           norms ? SEGMENT_BLOCK_BYTES : SEGMENT_ORIGINALS_BLOCK_BYTES, error));
    uint32_t left = builder_vectors_now(builder, field, BUILD_FLOATS_A_STEP);
    while (left > 0) {
        const uint8_t *stored[FLAT_BLOCK_ROWS];
        float inverse[FLAT_BLOCK_ROWS];
        uint32_t n = left < FLAT_BLOCK_ROWS ? left : FLAT_BLOCK_ROWS;
        for (uint32_t i = 0; norms && i < n; i++) {
            build_place from = builder->ordinals[builder->position + i];
            inverse[i] = segment_vector_inverse_norm(&builder->vectors[from.part], from.row);
        }
        if (!norms) VEER_TRY(stored_originals(builder, builder->position, n, stored, error));
        if (norms) {
            VEER_TRY(segment_writer_put(builder->writer, inverse, n * sizeof(float), error));
            builder->position += n;
        }
        for (uint32_t i = 0; !norms && i < n; i++) {
            VEER_TRY(segment_writer_put(builder->writer, stored[i], field_row_bytes(field), error));
            builder->position++;
            builder->done_work++;
        }
        left -= n;
    }
    if (builder->position < builder->vectors_count) return VEER_OK;
    VEER_TRY(builder_end(builder, error));
    builder->position = 0;
    *done = true;
    return VEER_OK;
}

/* Phases of a field: 0 find its vectors, 1 presence, 2 originals, 3 norms. */
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
    bool done = false, is_last = false;
    switch (builder->phase) {
    case 0:
        VEER_TRY(builder_list_vectors(builder, field, &done, error));
        is_last = builder->vectors_count == 0;
        break;
    case 1:
        done = builder->vectors_count == builder->rows;
        if (!done)
            VEER_TRY(builder_put_section(builder, SECTION_PRESENCE, field->id, builder->presence,
                                         (builder->rows + 7u) / 8, &done, error));
        break;
    case 2:
        is_last = field->metric != VEER_METRIC_COSINE;
        VEER_TRY(put_vectors(builder, field, &done, error));
        break;
    default:
        is_last = true;
        VEER_TRY(put_vectors(builder, field, &done, error));
        break;
    }
    if (!done) return VEER_OK;
    builder->phase = is_last ? 0 : builder->phase + 1;
    builder->field += is_last;
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

const char *builder_step_name(const builder *builder)
{
    static const char *const names[] = {
        [BUILD_ORDER] = "order",     [BUILD_CREATE] = "create", [BUILD_DOCUMENTS] = "documents",
        [BUILD_IDS] = "ids",         [BUILD_ID_MAP] = "id map", [BUILD_STAMPS] = "stamps",
        [BUILD_VECTORS] = "vectors", [BUILD_FINISH] = "finish", [BUILD_CODES] = "codes",
        [BUILD_COLUMNS] = "columns", [BUILD_GRAPH] = "graph",   [BUILD_DONE] = "done",
    };
    return names[builder->step];
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
    case BUILD_GRAPH:
        status = builder_graph_step(builder, error);
        break;
    case BUILD_DONE:
        break;
    }
    arena_reset(&builder->scratch);
    if (status == VEER_OK && builder->step == BUILD_DONE) *done = true;
    return status;
}
