/* What the engine promises of a segment, looked at row by row.
 *
 *   rows       every id is valid, every document is a JSON object with that id; the living row of
 *              an id is the one that looking it up finds; no row is dead that is not there; log
 *              numbers are those of the segment
 *   vectors    every original is a vector that could be written; inverse norms are those of the
 *              originals; codes of a sample of blocks are what encoding makes of them; a graph has
 *              the codes of its vectors and links that lead to each of them
 *   columns    the values of a sample of rows are those of their documents
 *
 * A row's document and a column may differ without damage where the field came later than the row:
 * the column then has no value. Of fields that were there from the first schema, as far as a segment
 * of that time tells which, every value must be there.
 *
 * Threads: one.
 */
#include <yyjson.h>

#include "base/text.h"
#include "engine/check.h"
#include "engine/document.h"
#include "engine/reading.h"
#include "engine/sealed.h"

#define ROWS_A_REPORT 4096u      /* between two calls of progress; arbitrary */
#define COLUMN_SAMPLE_ROWS 4096u /* a segment; arbitrary */
#define CODE_SAMPLE_BLOCKS 16u   /* one block of so many is encoded anew, and the first and last */

typedef struct segment_check {
    check *report;
    const collection_version *collection;
    const segment_ref *ref;
    size_t index;
    arena *scratch; /* of a row or a block */
    arena *lasting; /* of the segment */
    char name[64];
    uint32_t first_fields_end; /* fields below it are older than every row */
    uint32_t stride;           /* one row of so many is in the sample */
    size_t samples;
    uint64_t **wanted; /* by place of the field: per sampled row, the sum over its values' hashes */
} segment_check;

/* Turns a failure that is a finding into one and goes on. */
static veer_status note(segment_check *self, veer_status status, const veer_error *error)
{
    if (!check_is_finding(status)) return status;
    check_problem(self->report, "%s: %s", self->name, error->message);
    return VEER_OK;
}

/* ---------------------------------------------------------------- values */

static uint64_t value_hash(column_type type, const column_value *value)
{
    uint8_t bytes[8];
    switch (type) {
    case COLUMN_KEYWORD:
        return hash_bytes(1, value->as.keyword.text, value->as.keyword.bytes) | 1;
    case COLUMN_NUMBER:
        store_f64(bytes, value->as.number == 0 ? 0 : value->as.number);
        break;
    case COLUMN_TIME:
        store_u64(bytes, (uint64_t)value->as.time);
        break;
    case COLUMN_BOOL:
        store_u64(bytes, value->as.boolean);
        break;
    case COLUMN_NONE:
        return 0;
    }
    return hash_bytes(2, bytes, sizeof bytes) | 1;
}

static veer_status sample_document(segment_check *self, uint32_t row, yyjson_val *root,
                                   veer_error *error)
{
    const schema *held = self->collection->schema;
    document parsed;
    veer_status status = document_parse(self->collection->collection->database, held, root, row,
                                        NULL, 0, self->scratch, &parsed, error);
    /* Written when the schema had fewer fields, it may not fit the present one. */
    if (check_is_finding(status) && held->version > 1) return VEER_OK;
    if (check_is_finding(status)) return note(self, status, error);
    VEER_TRY(status);
    for (size_t i = 0; i < held->fields_count; i++) {
        if (!self->wanted[i]) continue;
        uint64_t sum = 0;
        for (uint32_t j = 0; j < parsed.counts[i]; j++)
            sum += value_hash(held->fields[i].column, &parsed.values[i][j]);
        self->wanted[i][row / self->stride] = sum;
    }
    return VEER_OK;
}

typedef struct column_sums {
    uint64_t *sums;
    uint32_t stride;
    column_type type;
} column_sums;

static void add_value(void *context, uint32_t row, const column_value *value)
{
    const column_sums *self = context;
    if (row % self->stride == 0) self->sums[row / self->stride] += value_hash(self->type, value);
}

/* The column as it is stored: segment_column would make a damaged one anew and say nothing. */
static veer_status open_stored(segment_check *self, const field *f, column **opened,
                               veer_error *error)
{
    const sealed *from = self->ref->core->as.sealed;
    for (size_t i = 0; i < from->entry.derived_count; i++) {
        segment *file = from->derived[i];
        segment_section section;
        if (from->entry.derived[i].stream.kind != STREAM_COLUMNS || !file) continue;
        if (!segment_find(file, SECTION_COLUMN, f->id, &section)) continue;
        const void *bytes = NULL;
        VEER_TRY(segment_load(file, section.index, &bytes, error));
        return column_open(self->report->allocator, f->column, bytes, (size_t)section.bytes,
                           self->ref->rows, opened, error);
    }
    return VEER_OK;
}

static veer_status compare_column(segment_check *self, size_t place, const column *stored,
                                  veer_error *error)
{
    const schema *held = self->collection->schema;
    const field *f = &held->fields[place];
    uint64_t *sums = arena_array(self->scratch, self->samples, sizeof *sums);
    if (!sums) return error_nomem(error, "a check", self->samples * sizeof *sums);
    memset(sums, 0, self->samples * sizeof *sums);
    column_sums context = {sums, self->stride, f->column};
    if (stored && column_visit(stored, self->ref->rows, self->report->allocator, add_value,
                               &context) != VEER_OK)
        return error_nomem(error, "a check", self->ref->rows);
    for (size_t i = 0; i < self->samples; i++) {
        uint64_t wanted = self->wanted[place][i];
        if (sums[i] == wanted || (sums[i] == 0 && f->id >= self->first_fields_end)) continue;
        check_problem(self->report,
                      "%s: the column of field '%s' differs from the document of row %u",
                      self->name, f->name, (uint32_t)i * self->stride);
        break;
    }
    return VEER_OK;
}

static veer_status check_column(segment_check *self, size_t place, veer_error *error)
{
    const schema *held = self->collection->schema;
    const field *f = &held->fields[place];
    if (!self->ref->core->is_sealed) {
        const column *growing = NULL;
        VEER_TRY(segment_column(self->ref->core, held, f->id, &growing, error));
        return compare_column(self, place, growing, error);
    }
    column *stored = NULL;
    veer_status status = open_stored(self, f, &stored, error);
    if (status == VEER_OK) status = compare_column(self, place, stored, error);
    column_free(stored);
    return note(self, status, error);
}

/* ---------------------------------------------------------------- rows */

static veer_status check_lookup(segment_check *self, uint32_t row, const char *id, size_t bytes,
                                veer_error *error)
{
    if (tombstones_has(self->ref->dead, row)) return VEER_OK;
    size_t place = 0;
    uint32_t found = ROW_NONE;
    VEER_TRY(reading_find(self->collection, id, bytes, self->scratch, &place, &found, error));
    if (found == row && place == self->index) return VEER_OK;
    if (found == ROW_NONE)
        check_problem(self->report, "%s: row %u is alive, but its id '%.*s' is not found",
                      self->name, row, (int)bytes, id);
    else
        check_problem(self->report, "%s: row %u and row %u of segment %zu are both alive as '%.*s'",
                      self->name, row, found, place, (int)bytes, id);
    return VEER_OK;
}

static veer_status check_stamp(segment_check *self, uint32_t row, arena *texts, veer_error *error)
{
    uint64_t lsn = 0;
    int64_t written_ms = 0;
    VEER_TRY(segment_row_stamp(self->ref->core, row, texts, &lsn, &written_ms, error));
    if (!self->ref->core->is_sealed) return VEER_OK;
    const sealed_entry *entry = &self->ref->core->as.sealed->entry;
    if (lsn < entry->first_lsn || lsn > entry->last_lsn)
        check_problem(self->report, "%s: row %u has LSN %llu, the segment has %llu to %llu",
                      self->name, row, (unsigned long long)lsn,
                      (unsigned long long)entry->first_lsn, (unsigned long long)entry->last_lsn);
    return VEER_OK;
}

static veer_status check_row(segment_check *self, uint32_t row, blob_cursor *cursor, arena *texts,
                             veer_error *error)
{
    VEER_TRY(check_stamp(self, row, texts, error));
    const char *id = NULL, *json = NULL;
    size_t id_bytes = 0, bytes = 0;
    segment_core *core = self->ref->core;
    VEER_TRY(segment_row_id(core, row, texts, &id, &id_bytes, error));
    VEER_TRY(document_id_check(id, id_bytes, row, error));
    VEER_TRY(segment_row_document(core, row, cursor, texts, &json, &bytes, error));
    yyjson_doc *doc = NULL;
    VEER_TRY(json_parse(json, bytes, "a stored document", self->scratch, &doc, error));
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_val *own = yyjson_obj_get(root, "id");
    if (!yyjson_equals_strn(own, id, id_bytes))
        check_problem(self->report, "%s: the document of row %u does not have its id '%.*s'",
                      self->name, row, (int)id_bytes, id);
    else if (row % self->stride == 0)
        VEER_TRY(sample_document(self, row, root, error));
    return check_lookup(self, row, id, id_bytes, error);
}

static veer_status check_rows(segment_check *self, veer_error *error)
{
    veer_status status = VEER_OK;
    blob_cursor cursor = {0};
    arena texts;
    arena_init(&texts, self->report->allocator);
    for (uint32_t row = 0; row < self->ref->rows; row++) {
        VEER_GOTO(note(self, check_row(self, row, &cursor, &texts, error), error));
        arena_reset(self->scratch);
        if (row % ROWS_A_REPORT != ROWS_A_REPORT - 1) continue;
        VEER_GOTO(check_rows_done(self->report, ROWS_A_REPORT, error));
        arena_reset(&texts);
        memset(&cursor, 0, sizeof cursor);
    }
    status = check_rows_done(self->report, self->ref->rows % ROWS_A_REPORT, error);
done:
    arena_fini(&texts);
    return status;
}

/* Derived streams that could not be opened: the segment does without them until they are made
 * again. */
static void check_derived(segment_check *self)
{
    if (!self->ref->core->is_sealed) return;
    const sealed *from = self->ref->core->as.sealed;
    for (size_t i = 0; i < from->entry.derived_count; i++)
        if (!from->derived[i])
            check_problem(self->report, "%s: the derived stream %s is lost or damaged", self->name,
                          from->entry.derived[i].stream.name);
}

static void check_dead(segment_check *self)
{
    const tombstones *dead = self->ref->dead;
    if (!dead) return;
    uint32_t count = 0;
    for (uint32_t row = 0; row < self->ref->rows; row++)
        count += tombstones_has(dead, row);
    if (count != dead->dead)
        check_problem(self->report, "%s: %u rows are said to be dead, %u are", self->name,
                      dead->dead, count);
}

/* ---------------------------------------------------------------- vectors */

static veer_status check_originals(segment_check *self, const segment_vectors *vectors,
                                   const flat_space *space, veer_error *error)
{
    uint32_t first = 0;
    size_t row_bytes = field_row_bytes(vectors->field);
    while (first < vectors->count) {
        const uint8_t *originals = NULL;
        uint32_t given = 0, count = vectors->count - first < 256 ? vectors->count - first : 256;
        VEER_TRY(
            segment_vector_range(vectors, first, count, self->scratch, &originals, &given, error));
        arena_mark mark = arena_save(self->scratch);
        for (uint32_t i = 0; i < given; i++) {
            char why[64];
            const float *vector = flat_restore(space, originals + i * row_bytes, self->scratch);
            if (!vector) return error_nomem(error, "a check", row_bytes);
            uint32_t row = segment_vector_row(vectors, first + i);
            if (!flat_stored_valid(space, originals + i * row_bytes))
                check_problem(self->report,
                              "%s: the vector of row %u in field '%s' has bits behind its end",
                              self->name, row, vectors->field->name);
            if (!flat_vector_valid(space, vector, why))
                check_problem(self->report, "%s: the vector of row %u in field '%s' %s", self->name,
                              row, vectors->field->name, why);
            else if (flat_inverse_norm(space, vector) !=
                     segment_vector_inverse_norm(vectors, first + i))
                check_problem(self->report,
                              "%s: the norm of row %u in field '%s' is not that of its vector",
                              self->name, row, vectors->field->name);
            arena_restore(self->scratch, mark);
        }
        first += given;
        arena_reset(self->scratch);
    }
    return VEER_OK;
}

/* Whether block `number` of a run is what encoding its originals gives. */
static veer_status check_block(segment_check *self, const segment_vectors *vectors,
                               const flat_space *space, const segment_codes *codes, uint32_t number,
                               veer_error *error)
{
    const float *list[FLAT_BLOCK_ROWS];
    uint32_t first = codes->first + number * FLAT_BLOCK_ROWS;
    uint32_t left = codes->count - number * FLAT_BLOCK_ROWS;
    unsigned rows = left < FLAT_BLOCK_ROWS ? left : FLAT_BLOCK_ROWS;
    if (first + rows > vectors->count) return VEER_OK; /* newer rows fill it */
    for (unsigned i = 0; i < rows; i++)
        VEER_TRY(segment_vector(vectors, first + i, self->scratch, &list[i], error));
    size_t bytes = flat_block_bytes(space);
    void *made = arena_array(self->scratch, 1, bytes);
    if (!made || flat_encode(space, codes->centre, list, rows, self->scratch, made) != VEER_OK)
        return error_nomem(error, "a check", bytes);
    if (memcmp(made, (const uint8_t *)codes->blocks + number * bytes, bytes) != 0)
        check_problem(self->report,
                      "%s: the codes of field '%s' from row %u on are not those of their vectors",
                      self->name, vectors->field->name, segment_vector_row(vectors, first));
    arena_reset(self->scratch);
    return VEER_OK;
}

/* A lost stream is check_derived's. */
static veer_status check_codes(segment_check *self, const segment_vectors *vectors,
                               const flat_space *space, veer_error *error)
{
    for (size_t run = 0;; run++) {
        segment_codes codes;
        if (!segment_codes_run(vectors, run, &codes)) return VEER_OK;
        veer_status status = VEER_OK;
        if (!codes.blocks) {
            const sealed *held = vectors->core->as.sealed;
            if (!sealed_derived(held, STREAM_CODES, vectors->field->id)) return VEER_OK;
            status = segment_codes_load(vectors, &codes.blocks, &codes.centre, error);
        }
        if (status == VEER_E_CORRUPT)
            VEER_FAIL(error, VEER_E_CORRUPT, "the codes of field '%s' cannot be used",
                      vectors->field->name);
        VEER_TRY(status);
        uint32_t blocks = (codes.count + FLAT_BLOCK_ROWS - 1) / FLAT_BLOCK_ROWS;
        for (uint32_t i = 0; i < blocks; i++)
            if (i % CODE_SAMPLE_BLOCKS == 0 || i + 1 == blocks)
                VEER_TRY(check_block(self, vectors, space, &codes, i, error));
    }
}

/* A graph's links, and that its codes and norms are those of the vectors. */
static veer_status check_graph(segment_check *self, const segment_vectors *vectors,
                               const flat_space *space, veer_error *error)
{
    const graph *graph = NULL;
    if (!vectors->sealed || !vectors->sealed->graph_file) return VEER_OK;
    VEER_TRY(segment_graph_load(vectors, &graph, error));
    const char *problem = NULL;
    if (graph_check(space, graph, self->scratch, &problem) != VEER_OK)
        return error_nomem(error, "a check", graph->count);
    if (problem)
        VEER_FAIL(error, VEER_E_CORRUPT, "the graph of field '%s' %s", vectors->field->name,
                  problem);
    arena_reset(self->scratch);
    uint32_t first = 0;
    size_t row_bytes = field_row_bytes(vectors->field);
    while (first < graph->count) {
        const uint8_t *originals = NULL;
        uint32_t given = 0, count = graph->count - first < 256 ? graph->count - first : 256;
        VEER_TRY(
            segment_vector_range(vectors, first, count, self->scratch, &originals, &given, error));
        arena_mark mark = arena_save(self->scratch);
        for (uint32_t i = 0; i < given; i++) {
            bool is_same = false;
            const float *vector = flat_restore(space, originals + i * row_bytes, self->scratch);
            if (!vector || graph_check_node(space, graph, first + i, vector, self->scratch,
                                            &is_same) != VEER_OK)
                return error_nomem(error, "a check", 0);
            arena_restore(self->scratch, mark);
            if (!is_same)
                VEER_FAIL(error, VEER_E_CORRUPT,
                          "the graph of field '%s' has another vector at row %u",
                          vectors->field->name, segment_vector_row(vectors, first + i));
        }
        first += given;
        arena_reset(self->scratch);
    }
    return VEER_OK;
}

static veer_status check_vectors(segment_check *self, const field *f, veer_error *error)
{
    segment_vectors vectors;
    const flat_space *space = self->collection->collection->spaces[f->vector_slot];
    VEER_TRY(segment_vectors_open(self->ref, f, &vectors, error));
    uint32_t before = 0;
    for (uint32_t i = 0; i < vectors.count; i++) {
        uint32_t row = segment_vector_row(&vectors, i);
        if (row >= self->ref->rows || (i > 0 && row <= before) ||
            segment_vector_ordinal(&vectors, row) != i)
            VEER_FAIL(error, VEER_E_CORRUPT, "the vectors of field '%s' are not in row order",
                      f->name);
        before = row;
    }
    VEER_TRY(check_originals(self, &vectors, space, error));
    VEER_TRY(note(self, check_codes(self, &vectors, space, error), error));
    return check_graph(self, &vectors, space, error);
}

/* ---------------------------------------------------------------- all of it */

static veer_status check_parts(segment_check *self, veer_error *error)
{
    const schema *held = self->collection->schema;
    self->wanted = arena_array(self->lasting, held->fields_count, sizeof *self->wanted);
    if (!self->wanted) return error_nomem(error, "a check", 0);
    for (size_t i = 0; i < held->fields_count; i++) {
        self->wanted[i] = NULL;
        if (held->fields[i].column == COLUMN_NONE) continue;
        self->wanted[i] = arena_array(self->lasting, self->samples, sizeof **self->wanted);
        if (!self->wanted[i]) return error_nomem(error, "a check", self->samples * 8);
        memset(self->wanted[i], 0, self->samples * sizeof **self->wanted);
    }
    check_derived(self);
    check_dead(self);
    VEER_TRY(check_rows(self, error));
    for (size_t i = 0; i < held->fields_count; i++) {
        if (held->fields[i].type == FIELD_VECTOR)
            VEER_TRY(note(self, check_vectors(self, &held->fields[i], error), error));
        else if (self->wanted[i])
            VEER_TRY(check_column(self, i, error));
        arena_reset(self->scratch);
    }
    return VEER_OK;
}

/* Segments that were made before the schema changed know where its fields ended. */
static uint32_t first_fields_end(const collection_version *collection)
{
    uint32_t end = collection->schema->version == 1 ? collection->schema->next_field_id : 0;
    for (size_t i = 0; i < collection->segments_count; i++) {
        const segment_core *core = collection->segments[i].core;
        if (core->is_sealed && core->as.sealed->entry.schema_version == 1 &&
            core->as.sealed->entry.fields_end > end)
            end = core->as.sealed->entry.fields_end;
    }
    return end;
}

veer_status check_segment(check *report, const collection_version *collection, size_t index,
                          veer_error *error)
{
    arena scratch, lasting;
    segment_check self = {.report = report,
                          .collection = collection,
                          .ref = &collection->segments[index],
                          .index = index,
                          .first_fields_end = first_fields_end(collection),
                          .scratch = &scratch,
                          .lasting = &lasting};
    (void)text_print(self.name, sizeof self.name, "Collection '%.20s', segment %zu",
                     collection->collection->name, index);
    self.stride = self.ref->rows / COLUMN_SAMPLE_ROWS + 1;
    self.samples = self.ref->rows / self.stride + 1;
    arena_init(&scratch, report->allocator);
    arena_init(&lasting, report->allocator);
    veer_status status = check_parts(&self, error);
    arena_fini(&lasting);
    arena_fini(&scratch);
    return status;
}
