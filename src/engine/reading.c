/* The beginning of every read; see reading.h. */
#include "engine/reading.h"

#include <yyjson.h>

veer_status reading_begin(reading *begun, collection_state *state, const veer_snapshot *snapshot,
                          veer_error *error)
{
    memset(begun, 0, sizeof *begun);
    if (snapshot && snapshot->database != state->database)
        VEER_FAIL(error, VEER_E_INVALID, "the snapshot is of another database than '%s'",
                  state->name);
    if (snapshot) {
        version_retain(snapshot->version);
        begun->version = snapshot->version;
    } else {
        begun->version = version_acquire(state->database);
    }
    begun->collection = version_collection(begun->version, state->id);
    if (begun->collection) return VEER_OK;
    reading_end(begun);
    if (snapshot && !atomic_load(&state->is_dropped))
        VEER_FAIL(error, VEER_E_NOTFOUND, "collection '%s' is younger than the snapshot",
                  state->name);
    VEER_FAIL(error, VEER_E_NOTFOUND, "collection '%s' was dropped", state->name);
}

void reading_end(reading *begun)
{
    version_release(begun->version);
    memset(begun, 0, sizeof *begun);
}

/* Newer segments first: that is where what was written lately is. */
veer_status reading_find(const collection_version *collection, const char *id, size_t bytes,
                         arena *scratch, size_t *index, uint32_t *row, veer_error *error)
{
    *row = ROW_NONE;
    uint64_t hash = segment_id_hash(collection->collection->database, id, bytes);
    for (size_t i = collection->segments_count; i > 0 && *row == ROW_NONE; i--) {
        const segment_ref *ref = &collection->segments[i - 1];
        if (segment_ref_live(ref) == 0) continue;
        VEER_TRY(segment_find_id(ref, hash, id, bytes, scratch, row, error));
        *index = i - 1;
    }
    return VEER_OK;
}

veer_status reading_bind(const filter *parsed, const char *parameters, arena *memory,
                         const filter **out, veer_error *error)
{
    *out = parsed;
    yyjson_val *values = NULL;
    if (parameters) {
        yyjson_doc *doc = NULL;
        VEER_TRY(
            json_parse_exact(parameters, strlen(parameters), "parameters", memory, &doc, error));
        values = yyjson_doc_get_root(doc);
        if (yyjson_is_null(values)) values = NULL;
        if (values && !yyjson_is_arr(values))
            VEER_FAIL(error, VEER_E_TYPE, "parameters must be a JSON array, not %s",
                      json_kind(values));
    }
    if (!parsed) {
        if (yyjson_arr_size(values) > 0)
            VEER_FAIL(error, VEER_E_INVALID, "there are %zu parameters but no filter",
                      yyjson_arr_size(values));
        return VEER_OK;
    }
    return filter_bind(parsed, values, memory, out, error);
}

veer_status reading_filter(const schema *known, const char *json, const char *parameters,
                           arena *memory, const filter **out, veer_error *error)
{
    const filter *parsed = NULL;
    *out = NULL;
    if (json) {
        yyjson_doc *doc = NULL;
        VEER_TRY(json_parse_exact(json, strlen(json), "filter", memory, &doc, error));
        yyjson_val *root = yyjson_doc_get_root(doc);
        if (!yyjson_is_null(root))
            VEER_TRY(filter_parse(root, known->filter_fields, known->fields_count, memory, &parsed,
                                  error));
    }
    return reading_bind(parsed, parameters, memory, out, error);
}
