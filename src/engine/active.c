#include "engine/active.h"

#include <string.h>

#include "base/sizes.h"

#define ROWS_SHIFT 9 /* 512 rows a chunk: 32 KiB */
#define VECTOR_CHUNK_BYTES (128u << 10)
#define TEXT_BLOCK_BYTES (256u << 10)
#define FIRST_MEAN 1024u /* vectors before the first centre is made; arbitrary */
#define MEAN_GROWTH 4u   /* a new centre when the rows have become this many times more */

typedef struct active_text {
    struct active_text *next;
    size_t capacity;
    char data[];
} active_text;

veer_status active_new(const veer_allocator *allocator, active **out, veer_error *error)
{
    *out = NULL;
    active *made = memory_new(allocator, sizeof *made);
    if (!made) return error_nomem(error, "an active segment", sizeof *made);
    if (thread_mutex_init(&made->ids_lock) != VEER_OK) {
        memory_free(allocator, made, sizeof *made);
        VEER_FAIL(error, VEER_E_NOMEM, "cannot make a lock");
    }
    atomic_init(&made->core.references, 1);
    made->core.as.active = made;
    made->allocator = allocator;
    stable_init(&made->rows, allocator, sizeof(active_row), ROWS_SHIFT);
    hash_table_init(&made->ids, allocator);
    *out = made;
    return VEER_OK;
}

static void vectors_free(const veer_allocator *allocator, active_vectors *vectors)
{
    if (!vectors) return;
    stable_fini(&vectors->originals);
    stable_fini(&vectors->norms);
    stable_fini(&vectors->rows);
    stable_fini(&vectors->ordinals);
    stable_fini(&vectors->blocks);
    stable_fini(&vectors->centres);
    for (size_t i = 0; i < vectors->owned_count; i++)
        memory_array_free(allocator, vectors->owned[i], flat_padded_dims(vectors->space),
                          sizeof(float));
    memory_array_free(allocator, vectors->owned, vectors->owned_capacity, sizeof *vectors->owned);
    memory_array_free(allocator, vectors->sum, vectors->dims, sizeof *vectors->sum);
    arena_fini(&vectors->scratch);
    memory_free(allocator, vectors, sizeof *vectors);
}

void active_free(active *active)
{
    if (!active) return;
    const veer_allocator *allocator = active->allocator;
    stable_fini(&active->rows);
    hash_table_fini(&active->ids);
    thread_mutex_fini(&active->ids_lock);
    while (active->texts) {
        active_text *next = active->texts->next;
        memory_free(allocator, active->texts, sizeof(active_text) + active->texts->capacity);
        active->texts = next;
    }
    for (size_t i = 0; i <= VEER_FIELDS_MAX; i++)
        column_free(atomic_load(&active->columns[i]));
    for (size_t i = 0; i < VEER_FIELDS_MAX; i++)
        vectors_free(allocator, atomic_load(&active->vectors[i]));
    memory_free(allocator, active, sizeof *active);
}

/* ---------------------------------------------------------------- reserving */

static veer_status reserve_text(active *active, size_t bytes)
{
    if (active->texts && active->texts->capacity - active->text_used >= bytes) return VEER_OK;
    size_t capacity = bytes > TEXT_BLOCK_BYTES ? bytes : TEXT_BLOCK_BYTES, total;
    if (!size_add(capacity, sizeof(active_text), &total)) return VEER_E_NOMEM;
    active_text *text = memory_new(active->allocator, total);
    if (!text) return VEER_E_NOMEM;
    text->capacity = capacity;
    text->next = active->texts;
    active->texts = text;
    active->text_used = 0;
    return VEER_OK;
}

static size_t vector_chunk_shift(uint32_t dims)
{
    size_t shift = 6; /* two blocks of codes: a run begins at a word of live bits */
    while (shift < 10 && ((size_t)dims * sizeof(float) << (shift + 1)) <= VECTOR_CHUNK_BYTES)
        shift++;
    return shift;
}

static veer_status vectors_new(active *active, const field *field, active_vectors **out)
{
    const veer_allocator *allocator = active->allocator;
    active_vectors *made = memory_new(allocator, sizeof *made);
    if (!made) return VEER_E_NOMEM;
    made->space = field->space;
    made->field_id = field->id;
    made->dims = field->dims;
    made->block_bytes = (uint32_t)flat_block_bytes(field->space);
    made->has_norms = field->metric == VEER_METRIC_COSINE;
    size_t shift = vector_chunk_shift(field->dims);
    stable_init(&made->originals, allocator, field_row_bytes(field), shift);
    stable_init(&made->norms, allocator, sizeof(float), 10);
    stable_init(&made->rows, allocator, sizeof(uint32_t), 10);
    stable_init(&made->ordinals, allocator, sizeof(uint32_t), 10);
    stable_init(&made->blocks, allocator, made->block_bytes, shift - 5);
    stable_init(&made->centres, allocator, sizeof(float *), 6);
    arena_init(&made->scratch, allocator);
    made->sum = memory_array(allocator, field->dims, sizeof *made->sum);
    if (!made->sum) {
        vectors_free(allocator, made);
        return VEER_E_NOMEM;
    }
    *out = made;
    return VEER_OK;
}

/* A vector field's rows that came before the field did have no vector. */
static veer_status reserve_vectors(active *active, const field *field, size_t rows,
                                   size_t vectors_more)
{
    active_vectors *vectors = atomic_load(&active->vectors[field->vector_slot]);
    bool is_new = !vectors;
    if (is_new) VEER_TRY(vectors_new(active, field, &vectors));
    size_t ordinals = vectors->count + vectors_more;
    veer_status status = stable_reserve(&vectors->ordinals, rows);
    if (status == VEER_OK) status = stable_reserve(&vectors->originals, ordinals);
    if (status == VEER_OK) status = stable_reserve(&vectors->rows, ordinals);
    if (status == VEER_OK && vectors->has_norms) status = stable_reserve(&vectors->norms, ordinals);
    if (!is_new) return status;
    if (status != VEER_OK) {
        vectors_free(active->allocator, vectors);
        return status;
    }
    atomic_store(&active->vectors[field->vector_slot], vectors);
    return VEER_OK;
}

static veer_status reserve_column(active *active, const field *field, size_t place,
                                  const document *const *documents, size_t count)
{
    size_t values = 0, text = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t n = documents[i]->counts[place];
        values += n;
        for (uint32_t v = 0; field->type == FIELD_KEYWORD && v < n; v++)
            text += documents[i]->values[place][v].as.keyword.bytes;
    }
    column *column = atomic_load(&active->columns[field->id]);
    if (column) return column_reserve(column, count, values, text);
    VEER_TRY(column_new(active->allocator, field->column, &column));
    veer_status status = column_reserve(column, active->count + count, values, text);
    if (status != VEER_OK) {
        column_free(column);
        return status;
    }
    for (uint32_t row = 0; row < active->count; row++)
        column_append(column, NULL, 0);
    atomic_store(&active->columns[field->id], column);
    return VEER_OK;
}

static veer_status reserve(active *active, const schema *schema, const document *const *documents,
                           size_t count)
{
    size_t rows = active->count + count, text = 0;
    for (size_t i = 0; i < count; i++)
        if (!size_add(text, documents[i]->id_bytes + documents[i]->json_bytes, &text))
            return VEER_E_NOMEM;
    VEER_TRY(reserve_text(active, text));
    VEER_TRY(stable_reserve(&active->rows, rows));
    thread_mutex_lock(&active->ids_lock);
    veer_status status = hash_table_reserve(&active->ids, count);
    thread_mutex_unlock(&active->ids_lock);
    VEER_TRY(status);
    for (size_t f = 0; f < schema->fields_count; f++) {
        const field *field = &schema->fields[f];
        if (field->type == FIELD_VECTOR) {
            size_t vectors = 0;
            for (size_t i = 0; i < count; i++)
                vectors += documents[i]->vectors[field->vector_slot] != NULL;
            VEER_TRY(reserve_vectors(active, field, rows, vectors));
        } else if (field->column != COLUMN_NONE) {
            VEER_TRY(reserve_column(active, field, f, documents, count));
        }
    }
    return VEER_OK;
}

veer_status active_reserve(active *active, const schema *schema, const document *const *documents,
                           size_t count, veer_error *error)
{
    if (count > SEGMENT_ROWS_MAX - active->count)
        VEER_FAIL(error, VEER_E_LIMIT, "a segment holds at most %u rows: run a checkpoint first",
                  SEGMENT_ROWS_MAX);
    if (reserve(active, schema, documents, count) != VEER_OK)
        return error_nomem(error, "new rows", 0);
    return VEER_OK;
}

/* ---------------------------------------------------------------- appending */

typedef struct id_key {
    const active *active;
    const char *id;
    size_t bytes;
} id_key;

static bool same_id(const void *context, uint32_t value)
{
    const id_key *key = context;
    const active_row *row = active_row_at(key->active, value);
    return row->id_bytes == key->bytes && memcmp(row->id, key->id, key->bytes) == 0;
}

static const char *append_text(active *active, const char *text, size_t bytes)
{
    char *to = active->texts->data + active->text_used;
    memcpy(to, text, bytes);
    active->text_used += bytes;
    return to;
}

static void append_vector(active *active, active_vectors *vectors, const float *vector)
{
    uint32_t *ordinal = stable_at(&vectors->ordinals, active->count);
    *ordinal = vectors->count | (vector ? ACTIVE_HAS_VECTOR : 0);
    if (!vector) return;
    flat_store(vectors->space, vector, stable_at(&vectors->originals, vectors->count));
    *(uint32_t *)stable_at(&vectors->rows, vectors->count) = active->count;
    if (vectors->has_norms)
        *(float *)stable_at(&vectors->norms, vectors->count) =
            flat_inverse_norm(vectors->space, vector);
    flat_sum_add(vectors->space, vector, vectors->sum);
    vectors->count++;
    active->bytes += vectors->originals.element_bytes;
}

void active_append(active *active, const schema *schema, const document *document, uint64_t lsn,
                   int64_t written_ms)
{
    active_row *row = stable_at(&active->rows, active->count);
    row->id = append_text(active, document->id, document->id_bytes);
    row->id_bytes = (uint32_t)document->id_bytes;
    row->document = append_text(active, document->json, document->json_bytes);
    row->document_bytes = (uint32_t)document->json_bytes;
    row->hash = document->hash;
    row->lsn = lsn;
    row->written_ms = written_ms;
    for (size_t f = 0; f < schema->fields_count; f++) {
        const field *field = &schema->fields[f];
        if (field->type == FIELD_VECTOR)
            append_vector(active, atomic_load(&active->vectors[field->vector_slot]),
                          document->vectors[field->vector_slot]);
        else if (field->column != COLUMN_NONE)
            column_append(atomic_load(&active->columns[field->id]), document->values[f],
                          document->counts[f]);
    }
    active->bytes += document->id_bytes + document->json_bytes + sizeof *row;
    id_key key = {active, row->id, row->id_bytes};
    thread_mutex_lock(&active->ids_lock);
    row->previous = hash_table_find(&active->ids, row->hash, same_id, &key);
    hash_table_put(&active->ids, row->hash, active->count, same_id, &key);
    thread_mutex_unlock(&active->ids_lock);
    active->count++;
}

/* ---------------------------------------------------------------- codes */

static veer_status own_centre(active *active, active_vectors *vectors, float **centre)
{
    VEER_TRY(memory_grow(active->allocator, (void **)&vectors->owned, &vectors->owned_capacity,
                         vectors->owned_count + 1, sizeof *vectors->owned));
    *centre = memory_array(active->allocator, flat_padded_dims(vectors->space), sizeof **centre);
    if (!*centre) return VEER_E_NOMEM;
    vectors->owned[vectors->owned_count++] = *centre;
    return VEER_OK;
}

static veer_status new_mean(active *active, active_vectors *vectors)
{
    float *centre = NULL;
    VEER_TRY(own_centre(active, vectors, &centre));
    veer_status status =
        flat_centre(vectors->space, vectors->sum, vectors->count, &vectors->scratch, centre);
    arena_reset(&vectors->scratch);
    VEER_TRY(status);
    vectors->centre = centre;
    vectors->centre_count = vectors->count;
    return VEER_OK;
}

static veer_status encode_block(active *active, active_vectors *vectors, uint32_t first)
{
    uint32_t block = first / FLAT_BLOCK_ROWS;
    size_t chunk = block >> vectors->blocks.chunk_shift;
    bool opens_chunk = (block & ((1u << vectors->blocks.chunk_shift) - 1)) == 0;
    if (opens_chunk) {
        if (!vectors->centre || vectors->count / MEAN_GROWTH >= vectors->centre_count)
            VEER_TRY(new_mean(active, vectors));
        VEER_TRY(stable_reserve(&vectors->centres, chunk + 1));
        *(const float **)stable_at(&vectors->centres, chunk) = vectors->centre;
    }
    VEER_TRY(stable_reserve(&vectors->blocks, (size_t)block + 1));
    const float *centre = *(const float **)stable_at(&vectors->centres, chunk);
    const float *rows[FLAT_BLOCK_ROWS];
    veer_status status = VEER_OK;
    for (uint32_t i = 0; i < FLAT_BLOCK_ROWS && status == VEER_OK; i++) {
        rows[i] = flat_restore(vectors->space, stable_at(&vectors->originals, first + i),
                               &vectors->scratch);
        if (!rows[i]) status = VEER_E_NOMEM;
    }
    if (status == VEER_OK)
        status = flat_encode(vectors->space, centre, rows, FLAT_BLOCK_ROWS, &vectors->scratch,
                             stable_at(&vectors->blocks, block));
    arena_reset(&vectors->scratch);
    return status;
}

void active_encode(active *active)
{
    for (size_t slot = 0; slot < VEER_FIELDS_MAX; slot++) {
        active_vectors *vectors = atomic_load(&active->vectors[slot]);
        if (!vectors) break;
        if (!flat_has_codes(flat_space_metric(vectors->space))) continue;
        if (!vectors->centre && vectors->count < FIRST_MEAN) continue;
        uint32_t coded = atomic_load(&vectors->coded);
        /* Shortage of memory only delays: rows without codes are compared exactly. */
        while (coded + FLAT_BLOCK_ROWS <= vectors->count &&
               encode_block(active, vectors, coded) == VEER_OK) {
            coded += FLAT_BLOCK_ROWS;
            atomic_store_explicit(&vectors->coded, coded, memory_order_release);
        }
    }
}

veer_status active_lend_centre(active *active, const field *field, const float *centre,
                               veer_error *error)
{
    active_vectors *vectors = atomic_load(&active->vectors[field->vector_slot]);
    if (!vectors || vectors->centre) return VEER_OK;
    float *own = NULL;
    if (own_centre(active, vectors, &own) != VEER_OK) return error_nomem(error, "a centre", 0);
    memcpy(own, centre, flat_padded_dims(vectors->space) * sizeof *own);
    vectors->centre = own;
    vectors->centre_count = UINT32_MAX / MEAN_GROWTH; /* stays */
    return VEER_OK;
}

void active_measure(active *active)
{
    size_t bytes = sizeof *active + stable_bytes(&active->rows) + hash_table_bytes(&active->ids);
    for (const active_text *text = active->texts; text; text = text->next)
        bytes += sizeof *text + text->capacity;
    for (size_t i = 0; i <= VEER_FIELDS_MAX; i++) {
        column *column = atomic_load(&active->columns[i]);
        if (column) bytes += column_memory(column);
    }
    for (size_t i = 0; i < VEER_FIELDS_MAX; i++) {
        const active_vectors *vectors = atomic_load(&active->vectors[i]);
        if (!vectors) break;
        bytes += sizeof *vectors + stable_bytes(&vectors->originals) +
                 stable_bytes(&vectors->norms) + stable_bytes(&vectors->rows) +
                 stable_bytes(&vectors->ordinals) + stable_bytes(&vectors->blocks) +
                 stable_bytes(&vectors->centres) +
                 vectors->owned_count * flat_padded_dims(vectors->space) * sizeof(float);
    }
    atomic_store(&active->memory, bytes);
}

/* ---------------------------------------------------------------- reading */

uint32_t active_vectors_visible(const active_vectors *vectors, uint32_t rows)
{
    if (!vectors || rows == 0) return 0;
    uint32_t last = *(const uint32_t *)stable_at(&vectors->ordinals, rows - 1);
    return (last & ~ACTIVE_HAS_VECTOR) + (last & ACTIVE_HAS_VECTOR ? 1 : 0);
}

uint32_t active_find(active *active, uint32_t rows, const tombstones *dead, uint64_t hash,
                     const char *id, size_t bytes)
{
    id_key key = {active, id, bytes};
    thread_mutex_lock(&active->ids_lock);
    uint32_t row = hash_table_find(&active->ids, hash, same_id, &key);
    thread_mutex_unlock(&active->ids_lock);
    while (row != ROW_NONE && row >= rows)
        row = active_row_at(active, row)->previous;
    return row != ROW_NONE && tombstones_has(dead, row) ? ROW_NONE : row;
}
