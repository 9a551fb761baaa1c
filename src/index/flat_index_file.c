/* The growing index as bytes, and back: docs/FORMAT.md, "Index file".
 *
 * A header, then sections in a fixed order, each followed by its crc and by zeros up to a multiple of 8. All
 * sizes follow from the header, so the whole length is known before anything is allocated. Holes
 * stay, with keys and vectors zeroed: a loaded index has the same rows, codes and centres in the
 * same places and gives the same answers, approximate ones included.
 *
 * Loading trusts nothing: checksums, then every value that anything depends on (live bits, unique
 * keys, valid vectors, finite centres). Codes and factors may be any bits: they decide which rows
 * are looked at, never where memory is read.
 */
#include <math.h>

#include "base/bitset.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "base/sizes.h"
#include "base/status.h"
#include "index/flat_index_internal.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "vectors and codes are copied as they are: this needs a little-endian machine"
#endif

#define HEADER_BYTES 64u /* all of version 1's, which knew no graph */
#define GRAPH_AT HEADER_BYTES
#define GRAPH_ROWS_AT (GRAPH_AT + GRAPH_HEAD_BYTES)
#define HEADER_END (GRAPH_ROWS_AT + 8)
#define FILE_VERSION 3u
static const char magic[8] = {'V', 'E', 'E', 'R', 'I', 'N', 'D', 'X'};

enum { LIVE, SUM, KEYS, ORIGINALS, CENTRES, CHUNKS, BLOCKS, GRAPH, SECTIONS };

static const char *const section_names[SECTIONS] = {"live bits", "sums",   "keys",   "vectors",
                                                    "centres",   "chunks", "blocks", "graph"};

typedef struct header {
    uint32_t bytes; /* its own */
    uint32_t dims, metric, centres;
    uint64_t seed, rows, live_count;
    uint32_t graph_rows;
    graph graph; /* what its head says */
} header;

typedef struct layout {
    size_t offsets[SECTIONS], bytes[SECTIONS];
    int sections;
    size_t size;
} layout;

/* Blocks of all rows: chunks hold whole numbers of blocks. */
static uint64_t blocks_of(const header *h)
{
    return h->centres == 0 ? 0 : (h->rows + FLAT_BLOCK_ROWS - 1) / FLAT_BLOCK_ROWS;
}

static uint64_t chunks_of(const header *h)
{
    size_t chunk_rows = flat_chunk_rows(h->dims);
    return (h->rows + chunk_rows - 1) / chunk_rows;
}

/* The header's numbers are within their ranges. False where memory could not hold it. */
static bool lay_out(const header *h, const flat_index *index, layout *l)
{
    const flat_space *space = index->space;
    uint64_t parts[GRAPH_PARTS],
        bytes[SECTIONS] = {
            [LIVE] = (uint64_t)bitset_words((size_t)h->rows) * sizeof(uint64_t),
            [SUM] = ((uint64_t)h->dims + 1) * sizeof(double),
            [KEYS] = h->rows * sizeof(uint64_t),
            [ORIGINALS] = h->rows * h->dims * sizeof(float),
            [CENTRES] = (uint64_t)h->centres * flat_padded_dims(space) * sizeof(float),
            [CHUNKS] = (chunks_of(h) + 1) * sizeof(uint32_t),
            [BLOCKS] = blocks_of(h) * flat_block_bytes(space),
            [GRAPH] = flat_graph_layout(index, &h->graph, parts),
        };
    uint64_t at = h->bytes;
    l->sections = h->bytes == HEADER_BYTES ? GRAPH : SECTIONS;
    for (int i = 0; i < l->sections; i++) {
        if (at > SIZE_MAX) return false;
        l->offsets[i] = (size_t)at;
        l->bytes[i] = (size_t)bytes[i];
        if (!u64_add(at, u64_round_up(bytes[i] + sizeof(uint32_t), 8), &at)) return false;
    }
    if (at > SIZE_MAX - 1) return false;
    l->size = (size_t)at;
    return true;
}

/* ---------------------------------------------------------------- saving */

/* Numbers of the centres that are in use, in order; returns how many. */
static uint32_t number_centres(const flat_index *index, uint32_t *numbers)
{
    uint32_t count = 0;
    for (size_t i = 0; i < index->centres_count; i++) {
        bool is_used = index->centres[i].values != NULL;
        numbers[i] = is_used ? count++ : NO_CENTRE;
    }
    return count;
}

static void put_header(uint8_t *to, const header *h, uint32_t padded)
{
    memcpy(to, magic, sizeof magic);
    store_u32(to + 8, FILE_VERSION);
    /* Bytes 12 to 23: compat, ro_compat and incompat words, all zero. */
    store_u32(to + 24, h->dims);
    store_u32(to + 28, h->metric);
    store_u64(to + 32, h->seed);
    store_u64(to + 40, h->rows);
    store_u64(to + 48, h->live_count);
    store_u32(to + 56, h->centres);
    store_u32(to + 60, crc32c(0, to, 60));
    if (h->graph.count > 0) graph_head_store(to + GRAPH_AT, &h->graph, padded);
    store_u32(to + GRAPH_ROWS_AT, h->graph_rows);
    store_u32(to + HEADER_END - 4, crc32c(0, to + GRAPH_AT, HEADER_END - 4 - GRAPH_AT));
}

static void put_rows(const flat_index *index, const layout *l, uint8_t *to)
{
    size_t vector_bytes = index->dims * sizeof(float);
    for (size_t row = bitset_next(index->live, index->rows, 0); row < index->rows;
         row = bitset_next(index->live, index->rows, row + 1)) {
        store_u64(to + l->offsets[KEYS] + row * sizeof(uint64_t), *flat_row_key(index, row));
        memcpy(to + l->offsets[ORIGINALS] + row * vector_bytes, flat_row(index, row), vector_bytes);
    }
}

static void put_codes(const flat_index *index, const layout *l, const uint32_t *numbers,
                      uint8_t *to)
{
    size_t centre_bytes = flat_padded_dims(index->space) * sizeof(float);
    uint8_t *at = to + l->offsets[CENTRES];
    for (size_t i = 0; i < index->centres_count; i++) {
        if (numbers[i] == NO_CENTRE) continue;
        memcpy(at, index->centres[i].values, centre_bytes);
        at += centre_bytes;
    }
    uint8_t *chunk_at = to + l->offsets[CHUNKS];
    at = to + l->offsets[BLOCKS];
    for (size_t i = 0; i * index->chunk_rows < index->rows; i++) {
        const flat_chunk *chunk = &index->chunks[i];
        bool has_codes = chunk->centre != NO_CENTRE;
        store_u32(chunk_at + 4 * i, has_codes ? numbers[chunk->centre] : NO_CENTRE);
        if (!has_codes) continue;
        size_t blocks = (flat_chunk_used(index, i) + FLAT_BLOCK_ROWS - 1) / FLAT_BLOCK_ROWS;
        size_t bytes = blocks * flat_block_bytes(index->space);
        memcpy(at, chunk->blocks, bytes);
        at += bytes;
    }
    uint32_t newest = index->newest == NO_CENTRE ? NO_CENTRE : numbers[index->newest];
    store_u32(chunk_at + l->bytes[CHUNKS] - 4, newest);
}

static veer_status save(const flat_index *index, uint32_t *numbers, veer_buffer *buffer,
                        veer_error *error)
{
    header h = {
        .bytes = HEADER_END,
        .dims = index->dims,
        .metric = (uint32_t)flat_space_metric(index->space),
        .centres = number_centres(index, numbers),
        .seed = index->seed,
        .rows = index->rows,
        .live_count = index->live_count,
        .graph_rows = (uint32_t)index->graph_rows,
        .graph = index->graph.graph,
    };
    layout l;
    if (!lay_out(&h, index, &l)) return error_nomem(error, "an index file", UINT64_MAX);
    if (memory_buffer(index->allocator, l.size, buffer) != VEER_OK) {
        return error_nomem(error, "an index file", l.size);
    }
    uint8_t *to = (uint8_t *)buffer->data; /* all zero */
    put_header(to, &h, flat_padded_dims(index->space));
    if (index->rows > 0) memcpy(to + l.offsets[LIVE], index->live, l.bytes[LIVE]);
    memcpy(to + l.offsets[SUM], index->sum, l.bytes[SUM]);
    put_rows(index, &l, to);
    put_codes(index, &l, numbers, to);
    if (h.graph.count > 0) memcpy(to + l.offsets[GRAPH], index->graph.slab, l.bytes[GRAPH]);
    for (int i = 0; i < SECTIONS; i++) {
        const uint8_t *section = to + l.offsets[i];
        store_u32(to + l.offsets[i] + l.bytes[i], crc32c(0, section, l.bytes[i]));
    }
    return VEER_OK;
}

veer_status flat_index_save(const flat_index *index, veer_buffer *bytes, veer_error *error)
{
    memset(bytes, 0, sizeof *bytes);
    arena scratch;
    arena_init(&scratch, index->allocator);
    uint32_t *numbers = arena_array(&scratch, index->centres_count, sizeof *numbers);
    veer_status status = numbers == NULL ? error_nomem(error, "an index file", 0)
                                         : save(index, numbers, bytes, error);
    arena_fini(&scratch);
    return status;
}

/* ---------------------------------------------------------------- loading */

static veer_status read_header(const uint8_t *from, size_t size, header *h, veer_error *error)
{
    if (size < sizeof magic || memcmp(from, magic, sizeof magic) != 0) {
        VEER_FAIL(error, VEER_E_FORMAT, "not a Veer index: it does not begin with \"VEERINDX\"");
    }
    if (size < HEADER_BYTES) {
        VEER_FAIL(error, VEER_E_CORRUPT, "index file: %zu bytes, its header alone has %u", size,
                  HEADER_BYTES);
    }
    if (load_u32(from + 60) != crc32c(0, from, 60)) {
        VEER_FAIL(error, VEER_E_CORRUPT, "index file: the header's checksum is wrong");
    }
    uint32_t version = load_u32(from + 8);
    bool is_unreleased = version == 2;
    if (version < 1 || version > FILE_VERSION || is_unreleased || load_u32(from + 20) != 0) {
        VEER_FAIL(error, VEER_E_VERSION, "index file: version %u, features 0x%x: written by %s",
                  version, load_u32(from + 20),
                  is_unreleased ? "no release of Veer" : "a newer Veer");
    }
    *h = (header){
        .bytes = version == 1 ? HEADER_BYTES : HEADER_END,
        .graph_rows = FLAT_INDEX_GRAPH_ROWS,
        .dims = load_u32(from + 24),
        .metric = load_u32(from + 28),
        .seed = load_u64(from + 32),
        .rows = load_u64(from + 40),
        .live_count = load_u64(from + 48),
        .centres = load_u32(from + 56),
    };
    if (h->dims < 1 || h->dims > VEER_DIMS_MAX || h->metric > (uint32_t)VEER_METRIC_JACCARD ||
        h->rows > FLAT_INDEX_ROWS_MAX || h->live_count > h->rows ||
        h->centres > (flat_has_codes((veer_metric)h->metric) ? chunks_of(h) + 1 : 0)) {
        VEER_FAIL(error, VEER_E_CORRUPT, "index file: the header's numbers are not possible");
    }
    return VEER_OK;
}

/* The part of the header that version 1 has not. */
static veer_status read_graph_head(const uint8_t *from, size_t size, uint32_t padded, header *h,
                                   veer_error *error)
{
    static const uint8_t none[GRAPH_HEAD_BYTES] = {0};
    if (h->bytes == HEADER_BYTES) return VEER_OK;
    if (size < HEADER_END ||
        load_u32(from + HEADER_END - 4) != crc32c(0, from + GRAPH_AT, HEADER_END - 4 - GRAPH_AT)) {
        VEER_FAIL(error, VEER_E_CORRUPT, "index file: the checksum of the graph's head is wrong");
    }
    h->graph_rows = load_u32(from + GRAPH_ROWS_AT);
    if (memcmp(from + GRAPH_AT, none, sizeof none) == 0) return VEER_OK;
    if (!graph_head_load(from + GRAPH_AT, padded, &h->graph) || h->graph.count > h->rows ||
        h->centres == 0) {
        VEER_FAIL(error, VEER_E_CORRUPT, "index file: the head of its graph is wrong");
    }
    return VEER_OK;
}

static veer_status check_sections(const uint8_t *from, const layout *l, veer_error *error)
{
    for (int i = 0; i < l->sections; i++) {
        const uint8_t *end = from + l->offsets[i] + l->bytes[i];
        if (load_u32(end) != crc32c(0, from + l->offsets[i], l->bytes[i])) {
            VEER_FAIL(error, VEER_E_CORRUPT, "index file: the checksum of its %s is wrong",
                      section_names[i]);
        }
        size_t next = i + 1 < l->sections ? l->offsets[i + 1] : l->size;
        for (const uint8_t *byte = end + 4; byte < from + next; byte++) {
            if (*byte != 0) {
                VEER_FAIL(error, VEER_E_CORRUPT, "index file: bytes behind its %s are not zero",
                          section_names[i]);
            }
        }
    }
    return VEER_OK;
}

static veer_status load_live(flat_index *index, const uint8_t *from, const header *h,
                             veer_error *error)
{
    size_t rows = (size_t)h->rows;
    if (rows == 0) return VEER_OK;
    memcpy(index->live, from, bitset_words(rows) * sizeof *index->live);
    bool ends_clean = rows % 64 == 0 || index->live[rows / 64] >> (rows % 64) == 0;
    if (!ends_clean || bitset_count(index->live, rows) != h->live_count) {
        VEER_FAIL(error, VEER_E_CORRUPT, "index file: its live bits do not fit its number of rows");
    }
    index->rows = index->first_hole = rows;
    index->live_count = (size_t)h->live_count;
    for (size_t row = 0; row < rows; row++) {
        if (bitset_get(index->live, row)) continue;
        index->first_hole = row;
        break;
    }
    return VEER_OK;
}

static veer_status load_rows(flat_index *index, const uint8_t *keys, const uint8_t *originals,
                             veer_error *error)
{
    size_t vector_bytes = index->dims * sizeof(float);
    for (size_t row = bitset_next(index->live, index->rows, 0); row < index->rows;
         row = bitset_next(index->live, index->rows, row + 1)) {
        flat_chunk *chunk = flat_chunk_of(index, row);
        float *vector = flat_row(index, row);
        flat_key_context wanted = {index, load_u64(keys + row * sizeof(uint64_t))};
        char why[64];
        memcpy(vector, originals + row * vector_bytes, vector_bytes);
        if (!flat_vector_valid(index->space, vector, why)) {
            VEER_FAIL(error, VEER_E_CORRUPT, "index file: the vector of row %zu %s", row, why);
        }
        if (chunk->inverse != NULL) {
            chunk->inverse[row % index->chunk_rows] = flat_inverse_norm(index->space, vector);
        }
        *flat_row_key(index, row) = wanted.key;
        if (hash_table_put(&index->keys, flat_key_hash(index, wanted.key), (uint32_t)row,
                           flat_same_key, &wanted) != UINT32_MAX) {
            VEER_FAIL(error, VEER_E_CORRUPT, "index file: two rows have the key %llu",
                      (unsigned long long)wanted.key);
        }
    }
    return VEER_OK;
}

static bool all_finite(const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) return false;
    }
    return true;
}

static veer_status load_centres(flat_index *index, const uint8_t *from, uint32_t count,
                                veer_error *error)
{
    size_t padded = flat_padded_dims(index->space);
    if (memory_grow(index->allocator, (void **)&index->centres, &index->centres_capacity, count,
                    sizeof *index->centres) != VEER_OK) {
        return error_nomem(error, "centres", count * sizeof *index->centres);
    }
    for (uint32_t i = 0; i < count; i++) {
        float *values = memory_array(index->allocator, padded, sizeof *values);
        if (values == NULL) return error_nomem(error, "a centre", padded * sizeof *values);
        index->centres[index->centres_count++].values = values;
        memcpy(values, from + i * padded * sizeof *values, padded * sizeof *values);
        if (!all_finite(values, padded)) {
            VEER_FAIL(error, VEER_E_CORRUPT, "index file: centre %u is not finite", i);
        }
    }
    return VEER_OK;
}

static veer_status load_codes(flat_index *index, const uint8_t *chunks, const uint8_t *blocks,
                              const header *h, veer_error *error)
{
    size_t count = (size_t)chunks_of(h);
    uint32_t newest = load_u32(chunks + 4 * count);
    bool has_codes = h->centres > 0;
    if (has_codes ? newest >= h->centres : newest != NO_CENTRE) {
        VEER_FAIL(error, VEER_E_CORRUPT, "index file: its newest centre is %u of %u", newest,
                  h->centres);
    }
    index->newest = newest;
    for (size_t i = 0; i < count; i++) {
        uint32_t centre = load_u32(chunks + 4 * i);
        if (has_codes ? centre >= h->centres : centre != NO_CENTRE) {
            VEER_FAIL(error, VEER_E_CORRUPT, "index file: the centre of chunk %zu is %u of %u", i,
                      centre, h->centres);
        }
        if (!has_codes) continue;
        size_t used = (flat_chunk_used(index, i) + FLAT_BLOCK_ROWS - 1) / FLAT_BLOCK_ROWS;
        size_t bytes = used * flat_block_bytes(index->space);
        flat_chunk_set_centre(index, &index->chunks[i], centre);
        memcpy(index->chunks[i].blocks, blocks, bytes);
        blocks += bytes;
    }
    for (uint32_t i = 0; i < h->centres; i++)
        flat_centre_drop_unused(index, i);
    return VEER_OK;
}

static veer_status load_graph(flat_index *index, const uint8_t *from, size_t bytes, const header *h,
                              veer_error *error)
{
    if (h->graph.count == 0) return VEER_OK;
    uint8_t *slab = memory_room(index->allocator, bytes, 1);
    if (slab == NULL) return error_nomem(error, "a graph", bytes);
    memcpy(slab, from, bytes);
    flat_graph_install(index, &h->graph, slab, bytes);
    if (!graph_is_valid(index->space, &index->graph.graph)) {
        VEER_FAIL(error, VEER_E_CORRUPT, "index file: its graph leads nowhere");
    }
    return VEER_OK;
}

static veer_status load_sum(flat_index *index, const uint8_t *from, veer_error *error)
{
    for (size_t i = 0; i <= index->dims; i++) {
        index->sum[i] = load_f64(from + i * sizeof(double));
        if (!isfinite(index->sum[i])) {
            VEER_FAIL(error, VEER_E_CORRUPT, "index file: sum %zu is not finite", i);
        }
    }
    return VEER_OK;
}

static veer_status load(flat_index *index, const uint8_t *from, size_t size, header *h,
                        veer_error *error)
{
    layout l = {0};
    VEER_TRY(read_graph_head(from, size, flat_padded_dims(index->space), h, error));
    index->graph_rows = h->graph_rows;
    if (!lay_out(h, index, &l) || l.size != size) {
        VEER_FAIL(error, VEER_E_CORRUPT, "index file: its length is %zu, by its header %zu", size,
                  lay_out(h, index, &l) ? l.size : SIZE_MAX);
    }
    VEER_TRY(check_sections(from, &l, error));
    if (hash_table_reserve(&index->keys, (size_t)h->live_count) != VEER_OK ||
        flat_reserve_rows(index, (size_t)h->rows, h->centres > 0) != VEER_OK) {
        return error_nomem(error, "the rows of an index", l.size);
    }
    VEER_TRY(load_live(index, from + l.offsets[LIVE], h, error));
    VEER_TRY(load_sum(index, from + l.offsets[SUM], error));
    VEER_TRY(load_rows(index, from + l.offsets[KEYS], from + l.offsets[ORIGINALS], error));
    VEER_TRY(load_centres(index, from + l.offsets[CENTRES], h->centres, error));
    VEER_TRY(load_codes(index, from + l.offsets[CHUNKS], from + l.offsets[BLOCKS], h, error));
    return load_graph(index, from + l.offsets[GRAPH], l.bytes[GRAPH], h, error);
}

veer_status flat_index_load(const void *bytes, size_t size, const veer_allocator *allocator,
                            flat_index **index, veer_error *error)
{
    *index = NULL;
    header h;
    flat_index *made = NULL;
    VEER_TRY(read_header(bytes, size, &h, error));
    VEER_TRY(flat_index_new(allocator, h.dims, (veer_metric)h.metric, h.seed, FLAT_INDEX_GRAPH_ROWS,
                            &made, error));
    veer_status status = load(made, bytes, size, &h, error);
    if (status != VEER_OK) {
        flat_index_free(made);
        return status;
    }
    *index = made;
    return VEER_OK;
}
