/* Results as columns: offsets by query; distances, scores, ids and documents by row.
 *
 * All columns of known size lie in one piece of memory; ids and documents are two texts that grow
 * while rows are read. Rows are read in storage order, so that a block of documents is
 * decompressed once however many rows come from it, and put into the order of the results
 * afterwards.
 *
 * Threads: one at a time. A result keeps its database from closing, not a version alive: it holds
 * copies only.
 */
#include "engine/results.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- making */

static veer_status allocate_columns(veer_results *made, size_t queries, size_t rows,
                                    bool with_distances, bool with_documents, veer_error *error)
{
    made->offsets = arena_array(&made->memory, queries + 1, sizeof(uint32_t));
    made->id_offsets = arena_array(&made->memory, rows + 1, sizeof(uint32_t));
    bool is_short = !made->offsets || !made->id_offsets;
    if (with_distances) {
        made->distances = arena_array(&made->memory, rows, sizeof(float));
        made->scores = arena_array(&made->memory, rows, sizeof(float));
        is_short = is_short || !made->distances || !made->scores;
    }
    if (with_documents) {
        made->document_offsets = arena_array(&made->memory, rows + 1, sizeof(uint32_t));
        is_short = is_short || !made->document_offsets;
    }
    if (is_short) return error_nomem(error, "results", (uint64_t)rows * 20);
    memset(made->offsets, 0, (queries + 1) * sizeof(uint32_t));
    memset(made->id_offsets, 0, (rows + 1) * sizeof(uint32_t));
    return VEER_OK;
}

veer_status results_new(veer_database *database, size_t queries, size_t rows, bool with_distances,
                        const select_spec *spec, veer_results **out, veer_error *error)
{
    *out = NULL;
    if (queries >= UINT32_MAX || rows >= UINT32_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "%zu result rows are more than %u", rows, UINT32_MAX - 1);
    veer_results *made = memory_new(database->allocator, sizeof *made);
    if (!made) return error_nomem(error, "results", sizeof *made);
    database_handle_opened(database);
    made->database = database;
    arena_init(&made->memory, database->allocator);
    byte_writer_init(&made->ids, database->allocator);
    byte_writer_init(&made->documents, database->allocator);
    made->queries = queries;
    made->rows = rows;
    veer_status status =
        allocate_columns(made, queries, rows, with_distances, !spec->is_none, error);
    if (status != VEER_OK) {
        veer_results_free(made);
        return status;
    }
    *out = made;
    return VEER_OK;
}

void veer_results_free(veer_results *results)
{
    if (!results) return;
    veer_database *database = results->database;
    byte_writer_fini(&results->ids);
    byte_writer_fini(&results->documents);
    arena_fini(&results->memory);
    memory_free(database->allocator, results, sizeof *results);
    database_handle_closed(database);
}

/* ---------------------------------------------------------------- reading rows */

/* More would drive each other out of the cache. */
#define FETCHED_IDS 128u

typedef struct place {
    uint64_t key; /* segment and row */
    size_t hit;
} place;

static int by_key(const void *a, const void *b)
{
    uint64_t left = ((const place *)a)->key, right = ((const place *)b)->key;
    return left < right ? -1 : left > right;
}

static uint64_t hit_key(const hit *from)
{
    return (uint64_t)from->segment << 32 | from->row;
}

static bool is_sorted(const hit *hits, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (hit_key(&hits[i - 1]) > hit_key(&hits[i])) return false;
    return true;
}

static veer_status check_text(const byte_writer *text, const char *what, veer_error *error)
{
    if (text->failed) return error_nomem(error, what, text->bytes);
    if ((uint64_t)text->bytes > UINT32_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "the %s of one result have more than 4 GiB", what);
    return VEER_OK;
}

/* Reads row i as the i-th: the rows come in storage order already, or what is read is at hand. */
static veer_status fill_straight(veer_results *results, select_reader *reader, const hit *hits,
                                 veer_error *error)
{
    veer_status status = VEER_OK;
    for (size_t i = 0; i < results->rows; i++) {
        veer_status one = select_read(reader, hits[i].segment, hits[i].row, &results->ids,
                                      &results->documents, error);
        if (one == VEER_PENDING) status = one;
        if (one != VEER_PENDING && one != VEER_OK) return one;
        VEER_TRY(check_text(&results->ids, "ids", error));
        VEER_TRY(check_text(&results->documents, "documents", error));
        results->id_offsets[i + 1] = (uint32_t)results->ids.bytes;
        if (results->document_offsets)
            results->document_offsets[i + 1] = (uint32_t)results->documents.bytes;
    }
    return status;
}

/* Moves texts that were read in storage order into the order of the results: row i was read as
 * number place_of[i], and text number n ends at ends[n]. */
static veer_status reorder(byte_writer *text, uint32_t *offsets, const size_t *place_of,
                           const size_t *ends, size_t count, const char *what, veer_error *error)
{
    byte_writer ordered;
    byte_writer_init(&ordered, text->allocator);
    uint8_t *to = byte_writer_extend(&ordered, text->bytes);
    if (!to) {
        byte_writer_fini(&ordered);
        return error_nomem(error, what, text->bytes);
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = place_of[i], begin = at > 0 ? ends[at - 1] : 0;
        if (ends[at] > begin) memcpy(to + used, text->data + begin, ends[at] - begin);
        used += ends[at] - begin;
        offsets[i + 1] = (uint32_t)used;
    }
    byte_writer_fini(text);
    *text = ordered;
    return VEER_OK;
}

static veer_status fill_sorted(veer_results *results, select_reader *reader, const hit *hits,
                               arena *scratch, veer_error *error)
{
    size_t count = results->rows;
    place *places = arena_array(scratch, count, sizeof *places);
    size_t *place_of = arena_array(scratch, count, sizeof *place_of);
    size_t *id_ends = arena_array(scratch, count, sizeof *id_ends);
    size_t *document_ends = arena_array(scratch, count, sizeof *document_ends);
    if (!places || !place_of || !id_ends || !document_ends)
        return error_nomem(error, "results", (uint64_t)count * sizeof *places);
    /* What follows in the arena is the reader's to give back. */
    reader->mark = arena_save(scratch);
    reader->bytes_at_mark = arena_bytes(scratch);
    for (size_t i = 0; i < count; i++)
        places[i] = (place){hit_key(&hits[i]), i};
    qsort(places, count, sizeof *places, by_key);
    veer_status status = VEER_OK;
    for (size_t i = 0; i < count; i++) {
        const hit *from = &hits[places[i].hit];
        veer_status one = select_read(reader, from->segment, from->row, &results->ids,
                                      &results->documents, error);
        if (one == VEER_PENDING) status = one;
        if (one != VEER_PENDING && one != VEER_OK) return one;
        place_of[places[i].hit] = i;
        id_ends[i] = results->ids.bytes;
        document_ends[i] = results->documents.bytes;
    }
    VEER_TRY(status);
    VEER_TRY(check_text(&results->ids, "ids", error));
    VEER_TRY(check_text(&results->documents, "documents", error));
    VEER_TRY(reorder(&results->ids, results->id_offsets, place_of, id_ends, count, "ids", error));
    if (!results->document_offsets) return VEER_OK;
    return reorder(&results->documents, results->document_offsets, place_of, document_ends, count,
                   "documents", error);
}

/* Each id is two waits for memory, one behind the other; all of the rows' wait together. */
static void fetch_ids(const collection_version *collection, const hit *hits, size_t count)
{
    if (count > FETCHED_IDS) count = FETCHED_IDS;
    for (size_t i = 0; i < count; i++)
        segment_row_fetch_place(collection->segments[hits[i].segment].core, hits[i].row);
    for (size_t i = 0; i < count; i++)
        segment_row_fetch_id(collection->segments[hits[i].segment].core, hits[i].row);
}

veer_status results_fill(veer_results *results, const collection_version *collection,
                         const select_spec *spec, const hit *hits, arena *scratch,
                         veer_error *error)
{
    results->id_offsets[0] = 0;
    if (results->document_offsets) results->document_offsets[0] = 0;
    if (results->rows == 0) return VEER_OK;
    fetch_ids(collection, hits, results->rows);
    select_reader reader;
    VEER_TRY(select_reader_init(&reader, collection, spec, scratch, error));
    bool is_fetched = !results->document_offsets && results->rows <= FETCHED_IDS;
    if (is_fetched || is_sorted(hits, results->rows))
        return fill_straight(results, &reader, hits, error);
    return fill_sorted(results, &reader, hits, scratch, error);
}

/* ---------------------------------------------------------------- public columns */

size_t veer_results_queries(const veer_results *results)
{
    return results ? results->queries : 0;
}

size_t veer_results_rows(const veer_results *results)
{
    return results ? results->rows : 0;
}

const uint32_t *veer_results_offsets(const veer_results *results)
{
    return results ? results->offsets : NULL;
}

const float *veer_results_distances(const veer_results *results)
{
    return results ? results->distances : NULL;
}

const float *veer_results_scores(const veer_results *results)
{
    return results ? results->scores : NULL;
}

const char *veer_results_ids(const veer_results *results, const uint32_t **offsets)
{
    if (offsets) *offsets = results ? results->id_offsets : NULL;
    if (!results) return NULL;
    return results->ids.data ? (const char *)results->ids.data : "";
}

const char *veer_results_documents(const veer_results *results, const uint32_t **offsets)
{
    if (offsets) *offsets = results ? results->document_offsets : NULL;
    if (!results || !results->document_offsets) return NULL;
    return results->documents.data ? (const char *)results->documents.data : "";
}

bool veer_results_exact(const veer_results *results)
{
    return results && results->is_exact;
}

uint64_t veer_results_visited(const veer_results *results)
{
    return results ? results->visited : 0;
}

const char *veer_results_explain(const veer_results *results)
{
    return results ? results->explain : NULL;
}
