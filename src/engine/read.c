/* Reads without a search: documents by id, and counting.
 *
 * An id has at most one living row; newer segments are asked first, because that is where what was
 * written lately is. Counting without a filter is arithmetic; with one it is exact, by the same
 * masks as a search.
 *
 * Threads: any; everything lives in arenas of the call.
 */
#include <yyjson.h>

#include "engine/document.h"
#include "engine/executor.h"
#include "engine/reading.h"

/* ---------------------------------------------------------------- get */

/* Looks up every id of the array; `hits` has room for all. */
static veer_status find_rows(const collection_version *collection, yyjson_val *ids, arena *scratch,
                             hit *hits, size_t *count, veer_error *error)
{
    veer_status status = VEER_OK;
    size_t number = 0;
    *count = 0;
    yyjson_arr_iter each;
    yyjson_arr_iter_init(ids, &each);
    for (yyjson_val *value; (value = yyjson_arr_iter_next(&each)) != NULL; number++) {
        if (!yyjson_is_str(value))
            VEER_FAIL(error, VEER_E_ID, "id number %zu must be a string, not %s", number,
                      json_kind(value));
        const char *id = yyjson_get_str(value);
        size_t bytes = yyjson_get_len(value);
        VEER_TRY(document_id_check(id, bytes, number, error));
        size_t place = 0;
        uint32_t row = ROW_NONE;
        veer_status one = reading_find(collection, id, bytes, scratch, &place, &row, error);
        if (one == VEER_PENDING)
            status = one;
        else if (one != VEER_OK)
            return one;
        if (row != ROW_NONE) hits[(*count)++] = (hit){.segment = (uint32_t)place, .row = row};
    }
    return status;
}

static veer_status get_rows(const collection_version *collection, const char *ids,
                            const char *select, arena *texts, arena *scratch,
                            veer_results **results, veer_error *error)
{
    veer_database *database = collection->collection->database;
    yyjson_doc *doc = NULL, *wanted = NULL;
    select_spec spec;
    VEER_TRY(json_parse(ids, strlen(ids), "ids", texts, &doc, error));
    yyjson_val *array = yyjson_doc_get_root(doc);
    if (!yyjson_is_arr(array))
        VEER_FAIL(error, VEER_E_TYPE, "ids must be a JSON array of strings, not %s",
                  json_kind(array));
    if (select) VEER_TRY(json_parse(select, strlen(select), "select", texts, &wanted, error));
    VEER_TRY(select_parse(wanted ? yyjson_doc_get_root(wanted) : NULL, collection->schema, texts,
                          &spec, error));
    size_t room = yyjson_arr_size(array), count = 0;
    hit *hits = arena_array(texts, room, sizeof *hits);
    if (!hits) return error_nomem(error, "the ids", (uint64_t)room * sizeof *hits);
    VEER_TRY(find_rows(collection, array, scratch, hits, &count, error));
    veer_results *made = NULL;
    VEER_TRY(results_new(database, 1, count, false, &spec, &made, error));
    made->offsets[1] = (uint32_t)count;
    made->is_exact = true;
    veer_status status = results_fill(made, collection, &spec, hits, scratch, error);
    if (status != VEER_OK) {
        veer_results_free(made);
        return status;
    }
    *results = made;
    return VEER_OK;
}

veer_status veer_get(veer_collection *collection, veer_snapshot *snapshot, const char *ids,
                     const char *select, veer_results **results, veer_error *error)
{
    if (!results) VEER_FAIL(error, VEER_E_INVALID, "'results' is NULL");
    *results = NULL;
    if (!collection) VEER_FAIL(error, VEER_E_INVALID, "'collection' is NULL");
    if (!ids) VEER_FAIL(error, VEER_E_INVALID, "'ids' is NULL");
    const veer_allocator *allocator = collection->state->database->allocator;
    reading begun;
    VEER_TRY(reading_begin(&begun, collection->state, snapshot, error));
    arena texts, scratch;
    arena_init(&texts, allocator);
    arena_init(&scratch, allocator);
    veer_status status = get_rows(begun.collection, ids, select, &texts, &scratch, results, error);
    arena_fini(&scratch);
    arena_fini(&texts);
    reading_end(&begun);
    return status;
}

/* ---------------------------------------------------------------- count */

static veer_status count_rows(const collection_version *collection, const filter *wanted,
                              arena *scratch, uint64_t *count, veer_error *error)
{
    veer_status status = VEER_OK;
    uint64_t total = 0;
    arena_mark mark = arena_save(scratch);
    for (size_t i = 0; i < collection->segments_count; i++) {
        const uint64_t *bits = NULL;
        uint32_t matches = segment_ref_live(&collection->segments[i]);
        veer_status one = VEER_OK;
        if (wanted)
            one = executor_rows(collection->collection->database, collection,
                                &collection->segments[i], wanted, scratch, &bits, &matches, error);
        arena_restore(scratch, mark);
        if (one == VEER_PENDING)
            status = one;
        else if (one != VEER_OK)
            return one;
        total += matches;
    }
    if (status == VEER_OK) *count = total;
    return status;
}

veer_status veer_count(veer_collection *collection, veer_snapshot *snapshot,
                       const char *wanted_json, const char *parameters, uint64_t *count,
                       veer_error *error)
{
    if (!count) VEER_FAIL(error, VEER_E_INVALID, "'count' is NULL");
    *count = 0;
    if (!collection) VEER_FAIL(error, VEER_E_INVALID, "'collection' is NULL");
    const veer_allocator *allocator = collection->state->database->allocator;
    reading begun;
    VEER_TRY(reading_begin(&begun, collection->state, snapshot, error));
    arena texts, scratch;
    arena_init(&texts, allocator);
    arena_init(&scratch, allocator);
    const filter *wanted = NULL;
    veer_status status =
        reading_filter(begun.collection->schema, wanted_json, parameters, &texts, &wanted, error);
    if (status == VEER_OK) status = count_rows(begun.collection, wanted, &scratch, count, error);
    arena_fini(&scratch);
    arena_fini(&texts);
    reading_end(&begun);
    return status;
}
