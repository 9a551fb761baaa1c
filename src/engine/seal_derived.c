/* The derived streams of a segment that is being built: codes and columns (graphs: seal_graph.c). */
#include <string.h>

#include "engine/seal_build.h"

bool builder_has(const builder *builder, uint32_t kind, uint32_t field)
{
    for (size_t i = 0; i < builder->entry.derived_count; i++)
        if (builder->entry.derived[i].stream.kind == kind &&
            builder->entry.derived[i].field == field)
            return true;
    return false;
}

const field *builder_coded_field(builder *builder)
{
    const schema *schema = builder->collection->schema;
    while (builder->field < schema->fields_count &&
           !field_has_codes(&schema->fields[builder->field]))
        builder->field++;
    return builder->field < schema->fields_count ? &schema->fields[builder->field] : NULL;
}

veer_status builder_finish_stream(builder *builder, uint32_t field, veer_error *error)
{
    uint8_t info[SEALED_INFO_BYTES];
    sealed_info_store(info, &builder->entry, builder->collection->collection->id);
    size_t place = builder->entry.derived_count;
    VEER_TRY(segment_writer_finish(builder->writer, info, sizeof info,
                                   &builder->entry.derived[place].stream, error));
    builder->writer = NULL;
    builder->entry.derived[place].field = field;
    builder->entry.derived_count++;
    return VEER_OK;
}

/* What a former try has left behind, because removing it failed too, keeps its name until the next
 * opening removes it. Arbitrary. */
#define STREAM_NAMES_MAX 16

veer_status builder_open_stream(builder *builder, const char *kind_name, uint32_t kind,
                                uint32_t field, veer_error *error)
{
    char name[65];
    veer_status status = VEER_E_EXISTS;
    for (int tries = 0; tries < STREAM_NAMES_MAX && status == VEER_E_EXISTS; tries++) {
        segment_derived_name(name, builder->entry.number, kind_name, field, builder->generation);
        status =
            segment_writer_new_on(builder->database->allocator, store_io(builder->database->store),
                                  name, kind, &builder->writer, error);
        builder->generation += status == VEER_E_EXISTS;
    }
    return status;
}

/* ---------------------------------------------------------------- codes */

#define CODE_FLOATS_A_STEP (64u << 10) /* arbitrary: encoding costs more than copying */

veer_status builder_sum_step(builder *builder, const field *field, bool *done, veer_error *error)
{
    *done = false;
    if (builder->position == 0) {
        builder->sum = arena_array(&builder->lasting, field->dims, sizeof *builder->sum);
        builder->centre =
            arena_array(&builder->lasting, flat_padded_dims(field->space), sizeof *builder->centre);
        if (!builder->sum || !builder->centre) return error_nomem(error, "a centre", 0);
        memset(builder->sum, 0, field->dims * sizeof *builder->sum);
    }
    uint32_t left = builder_vectors_now(builder, field, BUILD_FLOATS_A_STEP);
    while (left > 0) {
        const float *vectors[FLAT_BLOCK_ROWS];
        uint32_t n = left < FLAT_BLOCK_ROWS ? left : FLAT_BLOCK_ROWS;
        VEER_TRY(builder_originals(builder, field, builder->position, n, vectors, error));
        for (uint32_t i = 0; i < n; i++)
            flat_sum_add(field->space, vectors[i], builder->sum);
        builder->position += n;
        left -= n;
    }
    if (builder->position < builder->vectors_count) return VEER_OK;
    VEER_TRY(flat_centre(field->space, builder->sum, builder->vectors_count, &builder->scratch,
                         builder->centre));
    builder->position = 0;
    *done = true;
    return VEER_OK;
}

static veer_status blocks_step(builder *builder, const field *field, veer_error *error)
{
    size_t block_bytes = flat_block_bytes(field->space);
    void *block = arena_array(&builder->scratch, 1, block_bytes);
    if (!block) return error_nomem(error, "codes", block_bytes);
    VEER_TRY(builder_begin(builder, SECTION_CODES, field->id, SEGMENT_BLOCK_BYTES, error));
    uint32_t left = builder_vectors_now(builder, field, CODE_FLOATS_A_STEP);
    while (left > 0) {
        const float *vectors[FLAT_BLOCK_ROWS];
        uint32_t n = left < FLAT_BLOCK_ROWS ? left : FLAT_BLOCK_ROWS;
        VEER_TRY(builder_originals(builder, field, builder->position, n, vectors, error));
        if (flat_encode(field->space, builder->centre, vectors, n, &builder->scratch, block) !=
            VEER_OK)
            return error_nomem(error, "codes", block_bytes);
        VEER_TRY(segment_writer_put(builder->writer, block, block_bytes, error));
        builder->position += n;
        builder->done_work += n;
        left -= n;
    }
    if (builder->position < builder->vectors_count) return VEER_OK;
    VEER_TRY(builder_end(builder, error));
    VEER_TRY(builder_finish_stream(builder, field->id, error));
    builder->position = 0;
    builder->phase = 0;
    builder->field++;
    return VEER_OK;
}

/* Phases of a field: 0 find its vectors, 1 their sum, 2 the stream, 3 the centre, 4 blocks. */
veer_status builder_codes_step(builder *builder, veer_error *error)
{
    const field *field = builder_coded_field(builder);
    if (!field) {
        builder->field = 0;
        builder->step = BUILD_COLUMNS;
        return VEER_OK;
    }
    if (builder_has(builder, STREAM_CODES, field->id)) {
        builder->field++;
        return VEER_OK;
    }
    bool done;
    switch (builder->phase) {
    case 0:
        VEER_TRY(builder_list_vectors(builder, field, &done, error));
        if (done && builder->vectors_count == 0)
            builder->field++;
        else if (done)
            builder->phase = 1;
        return VEER_OK;
    case 1:
        VEER_TRY(builder_sum_step(builder, field, &done, error));
        builder->phase += done;
        return VEER_OK;
    case 2:
        VEER_TRY(builder_open_stream(builder, "codes", STREAM_CODES, field->id, error));
        builder->phase++;
        return VEER_OK;
    case 3:
        VEER_TRY(builder_put_section(builder, SECTION_CENTRE, field->id, builder->centre,
                                     flat_padded_dims(field->space) * sizeof(float), &done, error));
        builder->phase += done;
        return VEER_OK;
    default:
        return blocks_step(builder, field, error);
    }
}

/* ---------------------------------------------------------------- columns */

/* *found false: no part has a value of the field, and there is no section. */
static veer_status begin_column(builder *builder, const field *field, bool *found,
                                veer_error *error)
{
    VEER_TRY(builder_open_columns(builder, field->id, found, error));
    if (!*found) return VEER_OK;
    return column_writer_new(
        field->column, builder->columns, (const uint32_t *const *)builder->maps, builder->part_rows,
        builder->parts_count, builder->rows, builder->database->allocator, &builder->column, error);
}

/* The column's bytes lie in pieces, of which builder->put bytes are given. */
static veer_status put_column(builder *builder, const field *field, bool *done, veer_error *error)
{
    VEER_TRY(builder_begin(builder, SECTION_COLUMN, field->id, SEGMENT_BLOCK_BYTES, error));
    *done = builder->put == column_writer_bytes(builder->column);
    if (*done) return builder_end(builder, error);
    size_t n;
    const void *piece = column_writer_piece(builder->column, builder->put, &n);
    VEER_TRY(segment_writer_put(builder->writer, piece, n, error));
    builder->put += n;
    return VEER_OK;
}

/* Phases of a field: 0 find its columns, 1 make the bytes, 2 give them. */
static veer_status column_step(builder *builder, const field *field, bool *done, veer_error *error)
{
    bool found, phase_done = false;
    *done = false;
    switch (builder->phase) {
    case 0:
        VEER_TRY(begin_column(builder, field, &found, error));
        *done = !found;
        builder->phase = found ? 1 : 0;
        return VEER_OK;
    case 1:
        VEER_TRY(column_writer_step(builder->column, &phase_done, error));
        builder->phase += phase_done;
        return VEER_OK;
    default:
        VEER_TRY(put_column(builder, field, done, error));
        if (!*done) return VEER_OK;
        column_writer_free(builder->column);
        builder->column = NULL;
        builder->put = 0;
        builder->phase = 0;
        return VEER_OK;
    }
}

/* Field by field. */
veer_status builder_columns_step(builder *builder, veer_error *error)
{
    const schema *schema = builder->collection->schema;
    if (builder->field == 0 && !builder->writer && builder_has(builder, STREAM_COLUMNS, 0))
        builder->field = schema->fields_count;
    while (builder->field < schema->fields_count &&
           (schema->fields[builder->field].column == COLUMN_NONE ||
            schema->fields[builder->field].id >= builder->entry.fields_end))
        builder->field++;
    if (builder->field < schema->fields_count) {
        bool done;
        if (!builder->writer)
            VEER_TRY(builder_open_stream(builder, "columns", STREAM_COLUMNS, 0, error));
        VEER_TRY(column_step(builder, &schema->fields[builder->field], &done, error));
        builder->field += done;
        return VEER_OK;
    }
    if (builder->writer) VEER_TRY(builder_finish_stream(builder, 0, error));
    builder->field = 0;
    builder->step = BUILD_GRAPH;
    return VEER_OK;
}
