/* The derived streams of a segment that is being built: codes and columns. */
#include <string.h>

#include "engine/seal_build.h"

/* Finishes the stream under way and enters it. */
static veer_status finish_stream(builder *builder, uint32_t field, veer_error *error)
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

static veer_status open_stream(builder *builder, const char *kind_name, uint32_t kind,
                               uint32_t field, veer_error *error)
{
    char name[65];
    segment_derived_name(name, builder->entry.number, kind_name, field, builder->generation);
    return segment_writer_new_on(builder->database->allocator, store_io(builder->database->store),
                                 name, kind, &builder->writer, error);
}

/* ---------------------------------------------------------------- codes */

#define SUM_BATCH 64u
#define BLOCKS_A_STEP 32u

static veer_status sum_step(builder *builder, const field *field, veer_error *error)
{
    if (builder->position == 0) {
        builder->sum = arena_array(&builder->lasting, field->dims, sizeof *builder->sum);
        builder->centre =
            arena_array(&builder->lasting, flat_padded_dims(field->space), sizeof *builder->centre);
        if (!builder->sum || !builder->centre) return error_nomem(error, "a centre", 0);
        memset(builder->sum, 0, field->dims * sizeof *builder->sum);
    }
    for (uint32_t batch = 0; batch < 8 && builder->position < builder->vectors_count; batch++) {
        const float *vectors[SUM_BATCH];
        uint32_t n = builder->vectors_count - builder->position;
        if (n > SUM_BATCH) n = SUM_BATCH;
        VEER_TRY(builder_originals(builder, builder->position, n, vectors, NULL, error));
        for (uint32_t i = 0; i < n; i++)
            flat_sum_add(field->space, vectors[i], builder->sum);
        builder->position += n;
    }
    if (builder->position < builder->vectors_count) return VEER_OK;
    VEER_TRY(flat_centre(field->space, builder->sum, builder->vectors_count, &builder->scratch,
                         builder->centre));
    builder->position = 0;
    builder->phase = 2;
    return VEER_OK;
}

static veer_status put_centre(builder *builder, const field *field, veer_error *error)
{
    VEER_TRY(open_stream(builder, "codes", STREAM_CODES, field->id, error));
    VEER_TRY(builder_begin(builder, SECTION_CENTRE, field->id, SEGMENT_BLOCK_BYTES, error));
    VEER_TRY(segment_writer_put(builder->writer, builder->centre,
                                flat_padded_dims(field->space) * sizeof(float), error));
    VEER_TRY(builder_end(builder, error));
    VEER_TRY(builder_begin(builder, SECTION_CODES, field->id, SEGMENT_BLOCK_BYTES, error));
    builder->phase = 3;
    return VEER_OK;
}

static veer_status blocks_step(builder *builder, const field *field, veer_error *error)
{
    size_t block_bytes = flat_block_bytes(field->space);
    void *block = arena_array(&builder->scratch, 1, block_bytes);
    if (!block) return error_nomem(error, "codes", block_bytes);
    for (uint32_t i = 0; i < BLOCKS_A_STEP && builder->position < builder->vectors_count; i++) {
        const float *vectors[FLAT_BLOCK_ROWS];
        uint32_t n = builder->vectors_count - builder->position;
        if (n > FLAT_BLOCK_ROWS) n = FLAT_BLOCK_ROWS;
        VEER_TRY(builder_originals(builder, builder->position, n, vectors, NULL, error));
        if (flat_encode(field->space, builder->centre, vectors, n, &builder->scratch, block) !=
            VEER_OK)
            return error_nomem(error, "codes", block_bytes);
        VEER_TRY(segment_writer_put(builder->writer, block, block_bytes, error));
        builder->position += n;
        builder->done_work += n;
    }
    if (builder->position < builder->vectors_count) return VEER_OK;
    VEER_TRY(builder_end(builder, error));
    VEER_TRY(finish_stream(builder, field->id, error));
    builder->position = 0;
    builder->phase = 0;
    builder->field++;
    return VEER_OK;
}

/* Phases of a field: 0 find its vectors, 1 their sum, 2 the stream and the centre, 3 blocks. */
veer_status builder_codes_step(builder *builder, veer_error *error)
{
    const schema *schema = builder->collection->schema;
    while (builder->field < schema->fields_count &&
           schema->fields[builder->field].type != FIELD_VECTOR)
        builder->field++;
    if (builder->field == schema->fields_count) {
        builder->field = 0;
        builder->step = BUILD_COLUMNS;
        return VEER_OK;
    }
    const field *field = &schema->fields[builder->field];
    switch (builder->phase) {
    case 0:
        VEER_TRY(builder_open_vectors(builder, field, error));
        if (builder->vectors_count == 0)
            builder->field++;
        else
            builder->phase = 1;
        return VEER_OK;
    case 1:
        return sum_step(builder, field, error);
    case 2:
        return put_centre(builder, field, error);
    default:
        return blocks_step(builder, field, error);
    }
}

/* ---------------------------------------------------------------- columns */

static veer_status write_column(builder *builder, const field *field, veer_error *error)
{
    arena *scratch = &builder->scratch;
    size_t n = builder->parts_count;
    const column **columns = arena_array(scratch, n, sizeof *columns);
    const uint32_t **maps = arena_array(scratch, n, sizeof *maps);
    size_t *rows = arena_array(scratch, n, sizeof *rows);
    if (!columns || !maps || !rows) return error_nomem(error, "a column", n);
    bool waits = false, is_empty = true;
    for (size_t p = 0; p < n; p++) {
        columns[p] = NULL;
        veer_status status = segment_column(builder->parts[p].core, builder->collection->schema,
                                            field->id, &columns[p], error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
        is_empty = is_empty && !columns[p];
        maps[p] = builder->maps[p];
        rows[p] = builder->parts[p].rows;
    }
    if (waits) return VEER_PENDING;
    if (is_empty) return VEER_OK;
    byte_writer bytes;
    byte_writer_init(&bytes, builder->database->allocator);
    veer_status status = column_write(field->column, columns, maps, rows, n, builder->rows,
                                      builder->database->allocator, &bytes, error);
    if (status == VEER_OK && bytes.failed) status = error_nomem(error, "a column", bytes.bytes);
    if (status == VEER_OK)
        status = builder_begin(builder, SECTION_COLUMN, field->id, SEGMENT_BLOCK_BYTES, error);
    if (status == VEER_OK)
        status = segment_writer_put(builder->writer, bytes.data, bytes.bytes, error);
    if (status == VEER_OK) status = builder_end(builder, error);
    byte_writer_fini(&bytes);
    return status;
}

/* One field a step. */
veer_status builder_columns_step(builder *builder, veer_error *error)
{
    const schema *schema = builder->collection->schema;
    while (builder->field < schema->fields_count &&
           (schema->fields[builder->field].column == COLUMN_NONE ||
            schema->fields[builder->field].id >= builder->entry.fields_end))
        builder->field++;
    if (builder->field < schema->fields_count) {
        if (!builder->writer) VEER_TRY(open_stream(builder, "columns", STREAM_COLUMNS, 0, error));
        VEER_TRY(write_column(builder, &schema->fields[builder->field], error));
        builder->field++;
        return VEER_OK;
    }
    if (builder->writer) VEER_TRY(finish_stream(builder, 0, error));
    builder->done_work = builder->total_work;
    builder->step = BUILD_DONE;
    return VEER_OK;
}
