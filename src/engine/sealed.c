#include "engine/sealed.h"

#include <string.h>

#include "base/text.h"
#include "engine/active.h"

void segment_base_name(char name[65], uint64_t number)
{
    text_print(name, 65, "seg.%llu", (unsigned long long)number);
}

void segment_derived_name(char name[65], uint64_t number, const char *kind, uint32_t field,
                          uint64_t generation)
{
    text_print(name, 65, "seg.%llu.%s.%u.%llu", (unsigned long long)number, kind, field,
               (unsigned long long)generation);
}

void sealed_info_store(uint8_t info[SEALED_INFO_BYTES], const sealed_entry *entry,
                       uint32_t collection_id)
{
    memset(info, 0, SEALED_INFO_BYTES);
    store_u32(info, entry->rows);
    store_u32(info + 4, collection_id);
    store_u32(info + 8, entry->schema_version);
    store_u32(info + 12, entry->fields_end);
    store_u64(info + 16, entry->first_lsn);
    store_u64(info + 24, entry->last_lsn);
}

static veer_status corrupt(const sealed *sealed, veer_error *error, const char *what)
{
    VEER_FAIL(error, VEER_E_CORRUPT, "%s: %s", sealed->entry.base.name, what);
}

/* A section that must be there, with so many bytes. */
static veer_status need_section(sealed *sealed, uint16_t kind, uint64_t bytes, uint32_t *index,
                                veer_error *error)
{
    segment_section section;
    if (!segment_find(sealed->base, kind, 0, &section))
        return corrupt(sealed, error, "a section is missing");
    if (bytes != UINT64_MAX && section.bytes != bytes)
        return corrupt(sealed, error, "a section has the wrong length");
    *index = section.index;
    return VEER_OK;
}

static veer_status check_base(sealed *sealed, veer_error *error)
{
    uint64_t rows = sealed->entry.rows;
    const void *info;
    size_t info_bytes;
    segment_info(sealed->base, &info, &info_bytes);
    if (info_bytes != SEALED_INFO_BYTES || load_u32(info) != rows)
        return corrupt(sealed, error, "its header does not agree with the catalogue");
    VEER_TRY(need_section(sealed, SECTION_ID_TEXTS, UINT64_MAX, &sealed->id_texts, error));
    VEER_TRY(need_section(sealed, SECTION_ID_OFFSETS, (rows + 1) * 4, &sealed->id_offsets, error));
    sealed->map_slots = id_map_slots(rows);
    VEER_TRY(
        need_section(sealed, SECTION_ID_MAP_ROWS, sealed->map_slots * 4, &sealed->map_rows, error));
    VEER_TRY(
        need_section(sealed, SECTION_ID_MAP_TAGS, sealed->map_slots * 2, &sealed->map_tags, error));
    VEER_TRY(need_section(sealed, SECTION_LSNS, rows * 8, &sealed->lsns, error));
    VEER_TRY(need_section(sealed, SECTION_TIMES, rows * 8, &sealed->times, error));
    sealed->id_texts_bytes = segment_section_at(sealed->base, sealed->id_texts).bytes;
    if (blobs_count(sealed->documents) != rows)
        return corrupt(sealed, error, "its documents do not agree with its rows");
    return VEER_OK;
}

/* Every vector field that the base has must be one of the schema, of the right size. */
static veer_status check_vectors(sealed *sealed, const schema *schema, veer_error *error)
{
    for (size_t i = 0; i < segment_sections(sealed->base); i++) {
        segment_section section = segment_section_at(sealed->base, i);
        if (section.kind != SECTION_ORIGINALS) continue;
        const field *field = schema_field_by_id(schema, section.field);
        if (!field || field->type != FIELD_VECTOR)
            return corrupt(sealed, error, "it has vectors of a field that is not in the schema");
        if (section.bytes % field_row_bytes(field) != 0 ||
            section.bytes / field_row_bytes(field) > sealed->entry.rows)
            return corrupt(sealed, error, "a section of vectors has the wrong length");
    }
    return VEER_OK;
}

/* Opens every stream, the lost ones aside. When one has to wait, the others are asked as well, so
 * that the storage hears of all that is wanted. */
static veer_status open_streams(sealed *sealed, veer_error *error)
{
    store *store = sealed->database->store;
    bool waits = false;
    veer_status status = segment_open(store, &sealed->entry.base, &sealed->base, error);
    if (status == VEER_OK)
        status = blobs_open(sealed->base, SECTION_DOCUMENTS, 0, &sealed->documents, error);
    if (status == VEER_PENDING)
        waits = true;
    else
        VEER_TRY(status);
    size_t n = sealed->entry.derived_count;
    if (n == 0) return waits ? VEER_PENDING : VEER_OK;
    sealed->derived = memory_array(sealed->database->allocator, n, sizeof *sealed->derived);
    if (!sealed->derived) return error_nomem(error, "a segment", n * sizeof *sealed->derived);
    for (size_t i = 0; i < n; i++) {
        status = segment_open(store, &sealed->entry.derived[i].stream, &sealed->derived[i], error);
        bool is_lost =
            status == VEER_E_NOTFOUND || status == VEER_E_CORRUPT || status == VEER_E_FORMAT;
        if (is_lost)
            sealed->derived[i] = NULL; /* its work is done without it, and again */
        else if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
    }
    return waits ? VEER_PENDING : VEER_OK;
}

veer_status sealed_open(veer_database *database, const sealed_entry *entry, const schema *schema,
                        sealed **out, veer_error *error)
{
    *out = NULL;
    veer_status status = VEER_OK;
    sealed *made = memory_new(database->allocator, sizeof *made);
    if (!made) return error_nomem(error, "a segment", sizeof *made);
    if (thread_mutex_init(&made->lazy) != VEER_OK) {
        memory_free(database->allocator, made, sizeof *made);
        VEER_FAIL(error, VEER_E_NOMEM, "cannot make a lock");
    }
    atomic_init(&made->core.references, 1);
    made->core.is_sealed = true;
    made->core.as.sealed = made;
    made->database = database;
    made->entry = *entry;
    made->entry.derived =
        memory_array(database->allocator, entry->derived_count, sizeof *entry->derived);
    if (entry->derived_count > 0 && !made->entry.derived) {
        made->entry.derived_count = 0;
        status = error_nomem(error, "a segment", 0);
        goto done;
    }
    if (entry->derived_count > 0)
        memcpy(made->entry.derived, entry->derived, entry->derived_count * sizeof *entry->derived);
    VEER_GOTO(open_streams(made, error));
    VEER_GOTO(check_base(made, error));
    VEER_GOTO(check_vectors(made, schema, error));
    *out = made;
    made = NULL;
done:
    sealed_free(made);
    return status;
}

static void vectors_free(const veer_allocator *allocator, sealed_vectors *vectors)
{
    if (!vectors) return;
    memory_array_free(allocator, vectors->rows, vectors->count, sizeof *vectors->rows);
    memory_free(allocator, vectors, sizeof *vectors);
}

static bool has_stream(const sealed_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->derived_count; i++)
        if (strcmp(entry->derived[i].stream.name, name) == 0) return true;
    return false;
}

/* The streams that no successor goes on with. */
static void remove_streams(sealed *sealed)
{
    uint64_t from = atomic_load(&sealed->removable_from);
    const struct sealed *successor = sealed->successor;
    if (from == 0) return;
    if (!successor) database_remove_later(sealed->database, &sealed->entry.base, from);
    for (size_t i = 0; i < sealed->entry.derived_count; i++) {
        const store_stream *stream = &sealed->entry.derived[i].stream;
        if (!successor || !has_stream(&successor->entry, stream->name))
            database_remove_later(sealed->database, stream, from);
    }
}

void sealed_replace(sealed *former, sealed *successor, uint64_t from)
{
    segment_core_acquire(&successor->core);
    former->successor = successor;
    atomic_store(&former->removable_from, from);
}

void sealed_free(sealed *sealed)
{
    if (!sealed) return;
    const veer_allocator *allocator = sealed->database->allocator;
    for (size_t i = 0; i <= VEER_FIELDS_MAX; i++)
        column_free(atomic_load(&sealed->columns[i]));
    for (size_t i = 0; i < VEER_FIELDS_MAX; i++)
        vectors_free(allocator, atomic_load(&sealed->vectors[i]));
    blobs_close(sealed->documents);
    for (size_t i = 0; sealed->derived && i < sealed->entry.derived_count; i++)
        segment_close(sealed->derived[i]);
    segment_close(sealed->base);
    remove_streams(sealed);
    sealed_drop_former(sealed);
    if (sealed->successor) segment_core_release(&sealed->successor->core);
    memory_array_free(allocator, sealed->derived, sealed->entry.derived_count,
                      sizeof *sealed->derived);
    memory_array_free(allocator, sealed->entry.derived, sealed->entry.derived_count,
                      sizeof *sealed->entry.derived);
    thread_mutex_fini(&sealed->lazy);
    memory_free(allocator, sealed, sizeof *sealed);
}

segment *sealed_derived(const sealed *sealed, uint32_t kind, uint32_t field)
{
    for (size_t i = 0; i < sealed->entry.derived_count; i++)
        if (sealed->entry.derived[i].stream.kind == kind && sealed->entry.derived[i].field == field)
            return sealed->derived[i];
    return NULL;
}

bool sealed_is_complete(const sealed *sealed, const schema *schema)
{
    bool has_columns = false;
    for (size_t i = 0; i < schema->fields_count; i++) {
        const field *field = &schema->fields[i];
        segment_section section;
        if (field->id >= sealed->entry.fields_end) continue;
        if (field_has_codes(field)) {
            if (segment_find(sealed->base, SECTION_ORIGINALS, field->id, &section) &&
                !sealed_has_codes(sealed, field))
                return false;
        } else if (field->column != COLUMN_NONE) {
            has_columns = true;
        }
    }
    return !has_columns || sealed_derived(sealed, STREAM_COLUMNS, 0);
}

bool sealed_wants_graph(const sealed *sealed, const schema *schema, uint64_t rows)
{
    if (rows == 0 || atomic_load(&sealed->goes_without_graph)) return false;
    for (size_t i = 0; i < schema->fields_count; i++) {
        const field *field = &schema->fields[i];
        segment_section section;
        if (field_has_codes(field) &&
            segment_find(sealed->base, SECTION_ORIGINALS, field->id, &section) &&
            section.bytes / field_row_bytes(field) >= rows && !sealed_has_graph(sealed, field))
            return true;
    }
    return false;
}

uint64_t sealed_bytes(const sealed *sealed)
{
    uint64_t bytes = sealed->entry.base.bytes;
    for (size_t i = 0; i < sealed->entry.derived_count; i++)
        bytes += sealed->entry.derived[i].stream.bytes;
    return bytes;
}

/* ---------------------------------------------------------------- vectors */

/* The rows of a field that some rows lack, from its presence bitmap. */
static veer_status load_rows(sealed *sealed, sealed_vectors *made, uint32_t section,
                             veer_error *error)
{
    const veer_allocator *allocator = sealed->database->allocator;
    uint32_t rows = sealed->entry.rows, found = 0;
    const uint8_t *bits = NULL;
    VEER_TRY(segment_load(sealed->base, section, (const void **)&bits, error));
    made->rows = memory_array(allocator, made->count, sizeof *made->rows);
    if (!made->rows && made->count > 0) return error_nomem(error, "the rows of a field", 0);
    for (uint32_t row = 0; row < rows; row++) {
        if (!(bits[row / 8] >> (row % 8) & 1)) continue;
        if (found == made->count) return corrupt(sealed, error, "a presence bitmap is wrong");
        made->rows[found++] = row;
    }
    if (found != made->count) return corrupt(sealed, error, "a presence bitmap is wrong");
    return VEER_OK;
}

static veer_status load_vectors(sealed *sealed, const field *field, sealed_vectors *made,
                                veer_error *error)
{
    segment_section section;
    made->field_id = field->id;
    if (!segment_find(sealed->base, SECTION_ORIGINALS, field->id, &section)) return VEER_OK;
    made->originals = section.index;
    made->count = (uint32_t)(section.bytes / field_row_bytes(field));
    if (segment_find(sealed->base, SECTION_PRESENCE, field->id, &section)) {
        if (section.bytes != (sealed->entry.rows + 7ull) / 8)
            return corrupt(sealed, error, "a presence bitmap has the wrong length");
        VEER_TRY(load_rows(sealed, made, section.index, error));
    } else if (made->count != sealed->entry.rows) {
        return corrupt(sealed, error, "a section of vectors has the wrong length");
    }
    if (field->metric == VEER_METRIC_COSINE) {
        if (!segment_find(sealed->base, SECTION_NORMS, field->id, &section) ||
            section.bytes != made->count * 4ull)
            return corrupt(sealed, error, "a section of norms is missing");
        VEER_TRY(segment_load(sealed->base, section.index, (const void **)&made->norms, error));
    }
    if (!field_has_codes(field)) return VEER_OK;
    segment *codes = sealed_derived(sealed, STREAM_CODES, field->id);
    segment_section centre;
    uint64_t blocks = (made->count + FLAT_BLOCK_ROWS - 1ull) / FLAT_BLOCK_ROWS;
    if (codes && segment_find(codes, SECTION_CODES, field->id, &section) &&
        segment_find(codes, SECTION_CENTRE, field->id, &centre) &&
        section.bytes == blocks * flat_block_bytes(field->space) &&
        centre.bytes == flat_padded_dims(field->space) * 4ull) {
        made->codes_file = codes;
        made->codes_section = section.index;
        made->centre_section = centre.index;
    }
    atomic_init(&made->codes_are_damaged, codes && !made->codes_file);
    made->graph_file = sealed_graph_file(sealed, field);
    return VEER_OK;
}

/* The sealed vectors of a field, loaded on first touch. */
static veer_status sealed_vectors_get(sealed *sealed, const field *field, sealed_vectors **out,
                                      veer_error *error)
{
    const veer_allocator *allocator = sealed->database->allocator;
    *out = atomic_load_explicit(&sealed->vectors[field->vector_slot], memory_order_acquire);
    if (*out) return VEER_OK;
    thread_mutex_lock(&sealed->lazy);
    veer_status status = VEER_OK;
    sealed_vectors *made = atomic_load(&sealed->vectors[field->vector_slot]);
    if (!made) {
        made = memory_new(allocator, sizeof *made);
        status = made ? load_vectors(sealed, field, made, error)
                      : error_nomem(error, "a vector field", sizeof *made);
        if (status == VEER_OK) {
            atomic_fetch_add(&sealed->memory, sizeof *made + (made->rows ? made->count * 4u : 0));
            atomic_store_explicit(&sealed->vectors[field->vector_slot], made, memory_order_release);
        } else {
            vectors_free(allocator, made);
            made = NULL;
        }
    }
    thread_mutex_unlock(&sealed->lazy);
    *out = made;
    return status;
}

/* ---------------------------------------------------------------- any segment's vectors */

veer_status segment_vectors_open(const segment_ref *ref, const field *field, segment_vectors *out,
                                 veer_error *error)
{
    memset(out, 0, sizeof *out);
    out->core = ref->core;
    out->field = field;
    if (!ref->core->is_sealed) {
        out->active = atomic_load(&ref->core->as.active->vectors[field->vector_slot]);
        out->count = active_vectors_visible(out->active, ref->rows);
        out->dense = out->count == ref->rows;
        return VEER_OK;
    }
    sealed_vectors *vectors = NULL;
    VEER_TRY(sealed_vectors_get(ref->core->as.sealed, field, &vectors, error));
    out->sealed = vectors;
    out->count = vectors->count;
    out->dense = !vectors->rows && vectors->count == ref->rows;
    out->rows = vectors->rows;
    out->inverse_norms = vectors->norms;
    out->originals = vectors->originals;
    return VEER_OK;
}

uint32_t segment_vector_row(const segment_vectors *vectors, uint32_t ordinal)
{
    if (vectors->dense) return ordinal;
    if (vectors->rows) return vectors->rows[ordinal];
    return *(const uint32_t *)stable_at(&vectors->active->rows, ordinal);
}

uint32_t segment_vector_ordinal(const segment_vectors *vectors, uint32_t row)
{
    if (vectors->dense) return row;
    if (vectors->active) {
        uint32_t ordinal = *(const uint32_t *)stable_at(&vectors->active->ordinals, row);
        return ordinal & ACTIVE_HAS_VECTOR ? ordinal & ~ACTIVE_HAS_VECTOR : ROW_NONE;
    }
    uint32_t low = 0, high = vectors->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vectors->rows[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low < vectors->count && vectors->rows[low] == row ? low : ROW_NONE;
}

/* Of an original: the rest follows while these are summed up. */
#define FETCHED_BYTES 256u
#define RANGE_COPY_BYTES (64u << 10) /* at a time, where the stream is not mapped */

veer_status segment_vector_range(const segment_vectors *vectors, uint32_t first, uint32_t count,
                                 arena *scratch, const uint8_t **originals, uint32_t *given,
                                 veer_error *error)
{
    if (vectors->active) {
        const stable *chunks = &vectors->active->originals;
        uint32_t per_chunk = 1u << chunks->chunk_shift;
        uint32_t left = per_chunk - (first & (per_chunk - 1));
        *originals = stable_at(chunks, first);
        *given = count < left ? count : left;
        return VEER_OK;
    }
    segment *base = vectors->core->as.sealed->base;
    size_t row_bytes = field_row_bytes(vectors->field);
    uint32_t most = segment_is_mapped(base) ? count : (uint32_t)(RANGE_COPY_BYTES / row_bytes);
    if (most == 0) most = 1;
    if (most > count) most = count;
    *given = most;
    return segment_read(base, vectors->originals, (uint64_t)first * row_bytes, most * row_bytes,
                        scratch, (const void **)originals, error);
}

void segment_vector_fetch(const segment_vectors *vectors, uint32_t ordinal)
{
    if (vectors->inverse_norms) __builtin_prefetch(&vectors->inverse_norms[ordinal]);
    if (!vectors->sealed) return;
    size_t row_bytes = field_row_bytes(vectors->field);
    const char *original = segment_peek(vectors->core->as.sealed->base, vectors->sealed->originals,
                                        (uint64_t)ordinal * row_bytes);
    if (!original) return;
    for (size_t line = 0; line < row_bytes && line < FETCHED_BYTES; line += 64)
        __builtin_prefetch(original + line);
}

veer_status segment_vector(const segment_vectors *vectors, uint32_t ordinal, arena *scratch,
                           const float **original, veer_error *error)
{
    const uint8_t *stored = NULL;
    uint32_t given = 0;
    VEER_TRY(segment_vector_range(vectors, ordinal, 1, scratch, &stored, &given, error));
    *original = flat_restore(vectors->field->space, stored, scratch);
    if (!*original) return error_nomem(error, "a vector", vectors->field->dims * sizeof(float));
    return VEER_OK;
}

float segment_vector_inverse_norm(const segment_vectors *vectors, uint32_t ordinal)
{
    if (vectors->inverse_norms) return vectors->inverse_norms[ordinal];
    if (vectors->active && vectors->active->has_norms)
        return *(const float *)stable_at(&vectors->active->norms, ordinal);
    return 1.0f;
}

size_t segment_core_memory(const segment_core *core)
{
    if (!core->is_sealed) return atomic_load(&core->as.active->memory);
    const sealed *sealed = core->as.sealed;
    size_t bytes = sizeof *sealed + atomic_load(&((struct sealed *)(uintptr_t)sealed)->memory) +
                   segment_memory(sealed->base);
    for (size_t i = 0; i < sealed->entry.derived_count; i++)
        if (sealed->derived[i]) bytes += segment_memory(sealed->derived[i]);
    return bytes;
}
