/* The growing index, its rows: adding, removing, finding.
 *
 *     chunks   [ originals, inverse norms, keys | blocks of codes ]  [ ... ]  [ ... ]
 *                one centre each                                     row / chunk_rows
 *     live     one bit a row; keys: a hash table of row numbers
 *
 * Invariants
 *   - rows [0, rows) exist in chunks; those with a live bit are in the key table, once each
 *   - a chunk with a centre has the codes of all its rows around that centre
 *   - either no chunk has a centre, or all have one
 *   - rows below graph.count, and below those of one that is built, do not move
 *   - sum is the sum of the live rows, but for f64 rounding
 *
 * Centres. Under a metric without codes there are none, and below 1024 rows there are none, and searches compare every row. The first add that
 * passes 1024 rows makes one from the mean of all; every doubling after that looks at the mean
 * again. If it moved far, chunks from here on take a new centre, and as long as there are few rows,
 * all are coded again: at most 16,384, which bounds both the work of one add and the sum of all of it.
 * What stays around an old centre has wider bounds, no wrong ones, until flat_index_step renews it.
 *
 * All or nothing: an add first checks its vectors and reserves everything, then cannot fail.
 */
#include "index/flat_index_internal.h"

#include <math.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"

/* Chunks are about this large, so that an index does not allocate much more than it needs. */
#define CHUNK_BYTES ((size_t)8 << 20)
#define CHUNK_ROWS_MAX 16384u
#define CHUNK_ROWS_MIN 64u

/* A mean that moved less leaves codes as they are: residuals are longer by less than 1 %. */
#define ADD_DRIFT (1.0 / 64)
#define ADD_RECODE_ROWS 16384u

size_t flat_chunk_rows(uint32_t dims)
{
    size_t rows = CHUNK_ROWS_MAX;
    while (rows > CHUNK_ROWS_MIN && rows * dims * sizeof(float) > CHUNK_BYTES)
        rows /= 2;
    return rows;
}

/* ---------------------------------------------------------------- making */

/* Encoding takes its scratch from here; the chunk that this leaves in the arena is enough. */
static veer_status warm_encoder(flat_index *index)
{
    size_t padded = flat_padded_dims(index->space);
    if (arena_array(&index->encoder, 2 * padded, sizeof(float)) == NULL) return VEER_E_NOMEM;
    arena_reset(&index->encoder);
    return VEER_OK;
}

veer_status flat_index_new(const veer_allocator *allocator, uint32_t dims, veer_metric metric,
                           uint64_t seed, uint64_t graph_rows, flat_index **index,
                           veer_error *error)
{
    *index = NULL;
    flat_index *made = memory_new(allocator, sizeof *made);
    if (made == NULL) return error_nomem(error, "an index", sizeof *made);
    made->allocator = allocator;
    made->seed = seed;
    made->graph_rows = graph_rows;
    made->dims = dims;
    made->newest = NO_CENTRE;
    hash_table_init(&made->keys, allocator);
    arena_init(&made->encoder, allocator);
    veer_status status = flat_space_new(allocator, dims, metric, seed, &made->space, error);
    if (status == VEER_OK) {
        made->chunk_rows = flat_chunk_rows(dims);
        made->sum = memory_array(allocator, (size_t)dims + 1, sizeof *made->sum);
        if (made->sum == NULL || warm_encoder(made) != VEER_OK) {
            status = error_nomem(error, "an index", ((uint64_t)dims + 1) * sizeof *made->sum);
        }
    }
    if (status != VEER_OK) {
        flat_index_free(made);
        return status;
    }
    *index = made;
    return VEER_OK;
}

void flat_chunk_free(flat_index *index, flat_chunk *chunk)
{
    const veer_allocator *allocator = index->allocator;
    flat_chunk_set_centre(index, chunk, NO_CENTRE);
    memory_array_free(allocator, chunk->originals, chunk->capacity,
                      index->dims * sizeof *chunk->originals);
    memory_array_free(allocator, chunk->inverse, chunk->capacity, sizeof *chunk->inverse);
    memory_array_free(allocator, chunk->keys, chunk->capacity, sizeof *chunk->keys);
    memory_array_free(allocator, chunk->blocks, chunk->blocks_capacity,
                      flat_block_bytes(index->space));
    memset(chunk, 0, sizeof *chunk);
}

void flat_index_free(flat_index *index)
{
    if (index == NULL) return;
    const veer_allocator *allocator = index->allocator;
    flat_graph_free(index);
    for (size_t i = 0; i < index->chunks_count; i++)
        flat_chunk_free(index, &index->chunks[i]);
    for (size_t i = 0; i < index->centres_count; i++) {
        memory_array_free(allocator, index->centres[i].values, flat_padded_dims(index->space),
                          sizeof(float));
    }
    memory_array_free(allocator, index->chunks, index->chunks_capacity, sizeof *index->chunks);
    memory_array_free(allocator, index->centres, index->centres_capacity, sizeof *index->centres);
    memory_array_free(allocator, index->live, index->live_capacity, sizeof *index->live);
    memory_array_free(allocator, index->sum, (size_t)index->dims + 1, sizeof *index->sum);
    hash_table_fini(&index->keys);
    arena_fini(&index->encoder);
    flat_space_free(index->space);
    memory_free(allocator, index, sizeof *index);
}

uint32_t flat_index_dims(const flat_index *index)
{
    return index->dims;
}

size_t flat_index_count(const flat_index *index)
{
    return index->live_count;
}

size_t flat_index_bytes(const flat_index *index)
{
    size_t padded = flat_padded_dims(index->space);
    size_t bytes = sizeof *index + flat_space_memory(index->space) + arena_bytes(&index->encoder) +
                   hash_table_bytes(&index->keys) + flat_graph_bytes(index) +
                   ((size_t)index->dims + 1) * sizeof(double);
    bytes += index->chunks_capacity * sizeof *index->chunks;
    bytes += index->centres_capacity * sizeof *index->centres;
    bytes += index->live_capacity * sizeof *index->live;
    for (size_t i = 0; i < index->centres_count; i++) {
        if (index->centres[i].values != NULL) bytes += padded * sizeof(float);
    }
    for (size_t i = 0; i < index->chunks_count; i++) {
        const flat_chunk *chunk = &index->chunks[i];
        size_t row_bytes = index->dims * sizeof(float) + sizeof(uint64_t);
        if (chunk->inverse != NULL) row_bytes += sizeof(float);
        bytes += chunk->capacity * row_bytes;
        bytes += chunk->blocks_capacity * flat_block_bytes(index->space);
    }
    return bytes;
}

/* ---------------------------------------------------------------- keys */

uint64_t flat_key_hash(const flat_index *index, uint64_t key)
{
    return hash_bytes(index->seed, &key, sizeof key);
}

bool flat_same_key(const void *context, uint32_t row)
{
    const flat_key_context *wanted = context;
    return *flat_row_key(wanted->index, row) == wanted->key;
}

const float *flat_index_find(const flat_index *index, uint64_t key)
{
    flat_key_context wanted = {index, key};
    uint32_t row = hash_table_find(&index->keys, flat_key_hash(index, key), flat_same_key, &wanted);
    return row == UINT32_MAX ? NULL : flat_row(index, row);
}

/* ---------------------------------------------------------------- sums and centres */

void flat_sum_row(flat_index *index, const float *vector, float inverse, double sign)
{
    double squares = 0;
    for (uint32_t i = 0; i < index->dims; i++) {
        double value = (double)(vector[i] * inverse);
        index->sum[i] += sign * value;
        squares += value * value;
    }
    index->sum[index->dims] += sign * squares;
}

static void fill_centre(flat_index *index, float *values)
{
    /* Cannot fail: flat_centre takes nothing from the arena that the encoder does not have. */
    (void)flat_centre(index->space, index->sum, index->live_count, &index->encoder, values);
}

veer_status flat_centre_new(flat_index *index, uint32_t *centre)
{
    size_t padded = flat_padded_dims(index->space);
    size_t place = 0;
    while (place < index->centres_count && index->centres[place].values != NULL)
        place++;
    VEER_TRY(memory_grow(index->allocator, (void **)&index->centres, &index->centres_capacity,
                         place + 1, sizeof *index->centres));
    float *values = memory_array(index->allocator, padded, sizeof *values);
    if (values == NULL) return VEER_E_NOMEM;
    fill_centre(index, values);
    index->centres[place] = (flat_centre_entry){values, 0};
    if (place == index->centres_count) index->centres_count++;
    *centre = (uint32_t)place;
    return VEER_OK;
}

void flat_centre_drop_unused(flat_index *index, uint32_t centre)
{
    if (centre == NO_CENTRE || centre == index->newest) return;
    flat_centre_entry *entry = &index->centres[centre];
    if (entry->users > 0) return;
    memory_array_free(index->allocator, entry->values, flat_padded_dims(index->space),
                      sizeof *entry->values);
    entry->values = NULL;
}

veer_status flat_centre_drift(flat_index *index, const float *centre, double *drift)
{
    *drift = 0;
    size_t padded = flat_padded_dims(index->space);
    if (index->live_count == 0) return VEER_OK;
    float *mean = arena_array(&index->encoder, padded, sizeof *mean);
    if (mean == NULL) return VEER_E_NOMEM;
    fill_centre(index, mean);
    double moved = 0, square = 0;
    for (size_t i = 0; i < padded; i++) {
        double difference = (double)mean[i] - (double)centre[i];
        moved += difference * difference;
        square += (double)mean[i] * (double)mean[i];
    }
    arena_reset(&index->encoder);
    double spread = index->sum[index->dims] / (double)index->live_count - square;
    /* All rows alike, or sums beyond f64: nothing to win. */
    if (spread > 0 && isfinite(moved / spread)) *drift = moved / spread;
    return VEER_OK;
}

/* ---------------------------------------------------------------- codes */

void flat_chunk_set_centre(flat_index *index, flat_chunk *chunk, uint32_t centre)
{
    uint32_t former = chunk->centre;
    if (centre != NO_CENTRE) index->centres[centre].users++;
    chunk->centre = centre;
    if (former == NO_CENTRE) return;
    index->centres[former].users--;
    flat_centre_drop_unused(index, former);
}

static uint8_t *block_of(const flat_index *index, size_t row)
{
    size_t block = row % index->chunk_rows / FLAT_BLOCK_ROWS;
    return flat_chunk_of(index, row)->blocks + block * flat_block_bytes(index->space);
}

void flat_encode_in_place(flat_index *index, size_t row)
{
    const float *centre = index->centres[flat_chunk_of(index, row)->centre].values;
    /* The encoder's arena has enough. */
    (void)flat_encode_row(index->space, centre, flat_row(index, row),
                          (unsigned)(row % FLAT_BLOCK_ROWS), &index->encoder, block_of(index, row));
}

void flat_encode_chunk(flat_index *index, size_t chunk)
{
    size_t first = chunk * index->chunk_rows;
    size_t used = flat_chunk_used(index, chunk);
    for (size_t i = 0; i < used; i++)
        flat_encode_in_place(index, first + i);
}

/* ---------------------------------------------------------------- room */

veer_status flat_reserve_blocks(flat_index *index, flat_chunk *chunk)
{
    size_t blocks = (chunk->capacity + FLAT_BLOCK_ROWS - 1) / FLAT_BLOCK_ROWS;
    if (chunk->blocks_capacity >= blocks) return VEER_OK;
    return memory_grow(index->allocator, (void **)&chunk->blocks, &chunk->blocks_capacity, blocks,
                       flat_block_bytes(index->space));
}

/* Grows one array of a chunk to `rows`; on failure it has its former size. */
static veer_status grow_array(flat_index *index, void **array, size_t capacity, size_t rows,
                              size_t bytes_each)
{
    size_t bytes;
    if (!size_mul(rows, bytes_each, &bytes)) return VEER_E_NOMEM;
    void *grown = memory_array(index->allocator, rows, bytes_each);
    if (grown == NULL) return VEER_E_NOMEM;
    if (capacity > 0) memcpy(grown, *array, capacity * bytes_each);
    *array = grown;
    return VEER_OK;
}

/* Gives a chunk room for `rows` rows: all its arrays or none. */
static veer_status grow_chunk(flat_index *index, flat_chunk *chunk, size_t rows)
{
    if (rows <= chunk->capacity) return VEER_OK;
    const veer_allocator *allocator = index->allocator;
    bool has_norms = flat_space_metric(index->space) == VEER_METRIC_COSINE;
    size_t vector_bytes = index->dims * sizeof(float);
    flat_chunk grown = *chunk;
    grown.originals = NULL;
    grown.inverse = NULL;
    grown.keys = NULL;
    void *originals = chunk->originals, *inverse = chunk->inverse, *keys = chunk->keys;
    veer_status status = grow_array(index, &originals, chunk->capacity, rows, vector_bytes);
    if (status == VEER_OK) {
        grown.originals = originals;
        status = grow_array(index, &keys, chunk->capacity, rows, sizeof *grown.keys);
    }
    if (status == VEER_OK) {
        grown.keys = keys;
        if (has_norms) {
            status = grow_array(index, &inverse, chunk->capacity, rows, sizeof *grown.inverse);
            if (status == VEER_OK) grown.inverse = inverse;
        }
    }
    flat_chunk *loser = status == VEER_OK ? chunk : &grown;
    size_t loser_rows = status == VEER_OK ? chunk->capacity : rows;
    memory_array_free(allocator, loser->originals, loser_rows, vector_bytes);
    memory_array_free(allocator, loser->inverse, loser_rows, sizeof *loser->inverse);
    memory_array_free(allocator, loser->keys, loser_rows, sizeof *loser->keys);
    if (status != VEER_OK) return status;
    grown.capacity = rows;
    *chunk = grown;
    return VEER_OK;
}

/* The capacity that a chunk gets for `rows` rows: doubling in the first one, whole in the others. */
static size_t chunk_capacity(const flat_index *index, size_t chunk, size_t rows)
{
    if (chunk > 0) return index->chunk_rows;
    size_t capacity = CHUNK_ROWS_MIN;
    while (capacity < rows)
        capacity *= 2;
    return capacity < index->chunk_rows ? capacity : index->chunk_rows;
}

static veer_status reserve_chunk(flat_index *index, size_t number, size_t rows, bool has_codes)
{
    if (number == index->chunks_count) {
        VEER_TRY(memory_grow(index->allocator, (void **)&index->chunks, &index->chunks_capacity,
                             number + 1, sizeof *index->chunks));
        index->chunks[number].centre = NO_CENTRE;
        index->chunks_count++;
    }
    flat_chunk *chunk = &index->chunks[number];
    VEER_TRY(grow_chunk(index, chunk, chunk_capacity(index, number, rows)));
    return has_codes ? flat_reserve_blocks(index, chunk) : VEER_OK;
}

veer_status flat_reserve_rows(flat_index *index, size_t more, bool has_codes)
{
    size_t rows = index->rows + more;
    VEER_TRY(memory_grow(index->allocator, (void **)&index->live, &index->live_capacity,
                         bitset_words(rows), sizeof *index->live));
    for (size_t number = 0; number * index->chunk_rows < rows; number++) {
        size_t left = rows - number * index->chunk_rows;
        VEER_TRY(reserve_chunk(index, number, left < index->chunk_rows ? left : index->chunk_rows,
                               has_codes));
    }
    return VEER_OK;
}

/* Frees chunks that hold no rows: what a failed add reserved. */
static void drop_empty_chunks(flat_index *index)
{
    while (index->chunks_count > 0 &&
           (index->chunks_count - 1) * index->chunk_rows >= index->rows) {
        flat_chunk_free(index, &index->chunks[--index->chunks_count]);
    }
}

/* ---------------------------------------------------------------- adding */

veer_status flat_index_check(const flat_index *index, const float *vectors, size_t n,
                             const char *what, veer_error *error)
{
    char why[64];
    for (size_t i = 0; i < n; i++) {
        if (flat_vector_valid(index->space, vectors + i * index->dims, why)) continue;
        VEER_FAIL(error, VEER_E_VECTOR, "%s %zu %s", what, i, why);
    }
    return VEER_OK;
}

static void remove_row(flat_index *index, size_t row)
{
    bitset_clear(index->live, row);
    index->live_count--;
    if (row < index->first_hole) index->first_hole = row;
    if (row < index->graph.graph.count) index->graph.holes++;
    const float *vector = flat_row(index, row);
    flat_sum_row(index, vector, flat_row_inverse(index, row), -1);
    if (index->live_count == 0) memset(index->sum, 0, ((size_t)index->dims + 1) * sizeof(double));
}

/* Room for it is reserved. The row's code is not made yet. */
static void append_row(flat_index *index, uint64_t key, const float *vector)
{
    size_t row = index->rows;
    flat_chunk *chunk = flat_chunk_of(index, row);
    size_t place = row % index->chunk_rows;
    memcpy(chunk->originals + place * index->dims, vector, index->dims * sizeof *vector);
    chunk->keys[place] = key;
    float inverse = flat_inverse_norm(index->space, vector);
    if (chunk->inverse != NULL) chunk->inverse[place] = inverse;
    flat_key_context wanted = {index, key};
    if (index->first_hole == index->rows) index->first_hole++;
    index->rows++;
    uint32_t former = hash_table_put(&index->keys, flat_key_hash(index, key), (uint32_t)row,
                                     flat_same_key, &wanted);
    bitset_set(index->live, row);
    index->live_count++;
    flat_sum_row(index, vector, inverse, 1);
    if (former != UINT32_MAX) remove_row(index, former);
}

/* Whether growing from one number of rows to another passes 1024 or a doubling of it. */
static bool passes_doubling(size_t from, size_t to)
{
    size_t next = CENTRE_ROWS_MIN;
    while (next <= from)
        next *= 2;
    return to >= next;
}

/* Codes of the rows from `first` on, which were just appended. `renewed`: a centre that is to be
 * used from now on, or NO_CENTRE. */
static void encode_appended(flat_index *index, size_t first, uint32_t renewed)
{
    bool is_first_centre = index->newest == NO_CENTRE;
    bool encodes_all = renewed != NO_CENTRE && (is_first_centre || first <= ADD_RECODE_ROWS);
    if (renewed != NO_CENTRE) {
        uint32_t former = index->newest;
        index->newest = renewed;
        flat_centre_drop_unused(index, former);
    }
    if (index->newest == NO_CENTRE) return;
    size_t row = encodes_all ? 0 : first;
    for (; row < index->rows; row++) {
        flat_chunk *chunk = flat_chunk_of(index, row);
        bool is_new = row % index->chunk_rows == 0 || chunk->centre == NO_CENTRE;
        if (is_new) flat_chunk_set_centre(index, chunk, index->newest);
        if (row % FLAT_BLOCK_ROWS == 0) flat_clear_block(index->space, block_of(index, row));
        flat_encode_in_place(index, row);
    }
}

static bool codes_are_due(const flat_index *index, size_t rows)
{
    return flat_has_codes(flat_space_metric(index->space)) && rows >= CENTRE_ROWS_MIN;
}

/* A centre for the rows as they are now, or NO_CENTRE where the present one will do. */
static veer_status choose_centre(flat_index *index, size_t rows_before, uint32_t *renewed)
{
    *renewed = NO_CENTRE;
    if (!codes_are_due(index, index->rows)) return VEER_OK;
    if (index->newest != NO_CENTRE) {
        double drift;
        if (!passes_doubling(rows_before, index->rows)) return VEER_OK;
        VEER_TRY(flat_centre_drift(index, index->centres[index->newest].values, &drift));
        if (drift < ADD_DRIFT) return VEER_OK;
    }
    return flat_centre_new(index, renewed);
}

static veer_status reserve_add(flat_index *index, size_t n)
{
    size_t rows = index->rows + n;
    bool has_codes = index->newest != NO_CENTRE || codes_are_due(index, rows);
    VEER_TRY(hash_table_reserve(&index->keys, n));
    return flat_reserve_rows(index, n, has_codes);
}

veer_status flat_index_add(flat_index *index, const uint64_t *keys, const float *vectors, size_t n,
                           veer_error *error)
{
    if (n == 0) return VEER_OK;
    if (n > FLAT_INDEX_ROWS_MAX - index->rows) {
        VEER_FAIL(error, VEER_E_LIMIT,
                  "%zu more rows: an index holds at most %u, removed ones included until "
                  "veer_index_optimize, and has %zu",
                  n, FLAT_INDEX_ROWS_MAX, index->rows);
    }
    VEER_TRY(flat_index_check(index, vectors, n, "vector", error));
    if (reserve_add(index, n) != VEER_OK) {
        drop_empty_chunks(index);
        return error_nomem(error, "rows of an index", (uint64_t)n * index->dims * sizeof(float));
    }
    size_t first = index->rows;
    for (size_t i = 0; i < n; i++)
        append_row(index, keys[i], vectors + i * index->dims);
    uint32_t renewed;
    /* Without memory for a better centre the former one goes on; without any, there are no codes
     * yet and the next add tries again. */
    if (choose_centre(index, first, &renewed) != VEER_OK) renewed = NO_CENTRE;
    encode_appended(index, first, renewed);
    return VEER_OK;
}

size_t flat_index_remove(flat_index *index, const uint64_t *keys, size_t n)
{
    size_t removed = 0;
    for (size_t i = 0; i < n; i++) {
        flat_key_context wanted = {index, keys[i]};
        uint32_t row =
            hash_table_remove(&index->keys, flat_key_hash(index, keys[i]), flat_same_key, &wanted);
        if (row == UINT32_MAX) continue;
        remove_row(index, row);
        removed++;
    }
    return removed;
}
