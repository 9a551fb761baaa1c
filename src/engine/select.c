/* Projection: from a stored document to what the request wants of it.
 *
 * A whole document is its stored text, with the vectors behind it where all is wanted. A selection is parsed and written anew with the wanted keys
 * in their stored order, "id" first; numbers keep the digits they were given with. A vector
 * field's values are not in the stored text: they are read from the originals and written so that
 * they read back to the same bits. Keys that a document lacks are left out.
 *
 * Threads: one at a time a reader. Memory: what was read for earlier rows is given back once it
 * passes READER_BYTES_MAX, so that the length of a result does not matter.
 */
#include "engine/select.h"

#include <yyjson.h>

#include "engine/json_write.h"

#define READER_BYTES_MAX ((size_t)1 << 20) /* arbitrary: 64 blocks of documents */

/* ---------------------------------------------------------------- parsing */

static bool has_key(const select_key *keys, size_t count, const char *name, size_t bytes)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i].bytes == bytes && memcmp(keys[i].name, name, bytes) == 0) return true;
    return false;
}

static bool has_vector(const field *const *vectors, size_t count, const field *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (vectors[i] == wanted) return true;
    return false;
}

static veer_status parse_keys(yyjson_val *array, const schema *from, arena *memory,
                              select_spec *out, veer_error *error)
{
    size_t count = yyjson_arr_size(array);
    if (count > SELECT_KEYS_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "'select' has %zu keys; it may have %u", count,
                  SELECT_KEYS_MAX);
    select_key *keys = arena_array(memory, count, sizeof *keys);
    const field **vectors = arena_array(memory, count, sizeof *vectors);
    if (!keys || !vectors) return error_nomem(error, "select", count * sizeof *keys);
    yyjson_arr_iter each;
    yyjson_arr_iter_init(array, &each);
    for (yyjson_val *value; (value = yyjson_arr_iter_next(&each)) != NULL;) {
        if (!yyjson_is_str(value))
            VEER_FAIL(error, VEER_E_TYPE, "'select' must hold keys, not %s", json_kind(value));
        const char *name = yyjson_get_str(value);
        size_t bytes = yyjson_get_len(value);
        const field *known = schema_field(from, name, bytes);
        if (known && known->type == FIELD_VECTOR) {
            if (!has_vector(vectors, out->vectors_count, known))
                vectors[out->vectors_count++] = known;
        } else if (!has_key(keys, out->keys_count, name, bytes)) {
            const char *copy = arena_text(memory, name, bytes);
            if (!copy) return error_nomem(error, "select", bytes);
            keys[out->keys_count++] = (select_key){copy, bytes};
        }
    }
    out->keys = keys;
    out->vectors = vectors;
    return VEER_OK;
}

/* Every vector field. */
static veer_status add_vectors(const schema *from, arena *memory, select_spec *out,
                               veer_error *error)
{
    const field **vectors = arena_array(memory, from->vectors_count, sizeof *vectors);
    if (!vectors) return error_nomem(error, "select", from->vectors_count * sizeof *vectors);
    for (size_t i = 0; i < from->fields_count; i++)
        if (from->fields[i].type == FIELD_VECTOR) vectors[out->vectors_count++] = &from->fields[i];
    out->vectors = vectors;
    return VEER_OK;
}

veer_status select_parse(struct yyjson_val *value, const schema *from, arena *memory,
                         select_spec *out, veer_error *error)
{
    memset(out, 0, sizeof *out);
    if (!value || yyjson_is_null(value) || yyjson_is_true(value)) {
        out->is_whole = true;
        return VEER_OK;
    }
    if (yyjson_is_false(value)) {
        out->is_none = true;
        return VEER_OK;
    }
    if (yyjson_equals_str(value, "*")) {
        out->is_whole = true;
        return add_vectors(from, memory, out, error);
    }
    if (yyjson_is_str(value))
        VEER_FAIL(error, VEER_E_TYPE,
                  "'select' is the text \"%.40s\"; the only one it may be is \"*\", and keys are "
                  "given as an array",
                  yyjson_get_str(value));
    if (!yyjson_is_arr(value))
        VEER_FAIL(error, VEER_E_TYPE,
                  "'select' must be an array of keys, \"*\", true or false, not %s",
                  json_kind(value));
    return parse_keys(value, from, memory, out, error);
}

/* ---------------------------------------------------------------- reading */

veer_status select_reader_init(select_reader *reader, const collection_version *collection,
                               const select_spec *spec, arena *scratch, veer_error *error)
{
    memset(reader, 0, sizeof *reader);
    reader->collection = collection;
    reader->spec = spec;
    reader->scratch = scratch;
    reader->segment = SIZE_MAX;
    reader->cursor.keeps = !spec->is_walk;
    if (spec->vectors_count > 0) {
        reader->vectors = arena_array(scratch, spec->vectors_count, sizeof *reader->vectors);
        if (!reader->vectors)
            return error_nomem(error, "select", spec->vectors_count * sizeof *reader->vectors);
    }
    reader->mark = arena_save(scratch);
    reader->bytes_at_mark = arena_bytes(scratch);
    return VEER_OK;
}

static veer_status enter_segment(select_reader *reader, size_t index, veer_error *error)
{
    const segment_ref *ref = &reader->collection->segments[index];
    reader->segment = SIZE_MAX;
    for (size_t i = 0; i < reader->spec->vectors_count; i++)
        VEER_TRY(segment_vectors_open(ref, reader->spec->vectors[i], &reader->vectors[i], error));
    reader->segment = index;
    return VEER_OK;
}

static veer_status write_vector(const segment_vectors *vectors, const field *wanted, uint32_t row,
                                arena *scratch, byte_writer *to, veer_error *error)
{
    uint32_t ordinal = segment_vector_ordinal(vectors, row);
    if (ordinal == ROW_NONE) return VEER_OK;
    const float *values = NULL;
    VEER_TRY(segment_vector(vectors, ordinal, scratch, &values, error));
    json_open(to, wanted->name, '[');
    for (uint32_t i = 0; i < wanted->dims; i++)
        json_float(to, NULL, values[i]);
    json_close(to, ']');
    return VEER_OK;
}

/* The wanted keys of a stored document. */
static void write_keys(const select_spec *spec, yyjson_val *root, byte_writer *to)
{
    yyjson_obj_iter each;
    yyjson_obj_iter_init(root, &each);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&each)) != NULL;) {
        const char *name = yyjson_get_str(key);
        size_t bytes = yyjson_get_len(key);
        if (bytes == 2 && memcmp(name, "id", 2) == 0) continue;
        if (!has_key(spec->keys, spec->keys_count, name, bytes)) continue;
        json_key_text(to, name, bytes);
        json_value(to, yyjson_obj_iter_get_val(key));
    }
}

static veer_status write_selection(select_reader *reader, uint32_t row, const char *id,
                                   size_t id_bytes, const char *json, size_t bytes, byte_writer *to,
                                   veer_error *error)
{
    const select_spec *spec = reader->spec;
    if (spec->is_whole) {
        if (bytes < 2 || json[bytes - 1] != '}')
            VEER_FAIL(error, VEER_E_CORRUPT, "the stored document '%.*s' is not a JSON object",
                      (int)id_bytes, id);
        byte_writer_put(to, json, bytes - 1);
    } else {
        byte_writer_u8(to, '{'); /* json_open would put a comma between documents */
        json_text(to, "id", id, id_bytes);
    }
    if (spec->keys_count > 0) {
        yyjson_alc alc;
        json_arena(&alc, reader->scratch);
        yyjson_read_err problem = {0};
        yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)json, bytes,
                                           YYJSON_READ_NUMBER_AS_RAW, &alc, &problem);
        if (!doc && problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
            return error_nomem(error, "a document", bytes);
        if (!doc || !yyjson_is_obj(yyjson_doc_get_root(doc)))
            VEER_FAIL(error, VEER_E_CORRUPT, "the stored document '%.*s' is not a JSON object",
                      (int)id_bytes, id);
        write_keys(spec, yyjson_doc_get_root(doc), to);
    }
    for (size_t i = 0; i < spec->vectors_count; i++)
        VEER_TRY(
            write_vector(&reader->vectors[i], spec->vectors[i], row, reader->scratch, to, error));
    json_close(to, '}');
    return VEER_OK;
}

veer_status select_read(select_reader *reader, size_t index, uint32_t row, byte_writer *ids,
                        byte_writer *documents, veer_error *error)
{
    const select_spec *spec = reader->spec;
    if (arena_bytes(reader->scratch) - reader->bytes_at_mark > READER_BYTES_MAX) {
        arena_restore(reader->scratch, reader->mark);
        blob_cursor_reset(&reader->cursor);
    }
    segment_core *core = reader->collection->segments[index].core;
    const char *id = NULL, *json = NULL;
    size_t id_bytes = 0, bytes = 0;
    veer_status status = segment_row_id(core, row, reader->scratch, &id, &id_bytes, error);
    if (status != VEER_OK && status != VEER_PENDING) return status;
    if (!spec->is_none && (spec->is_whole || spec->keys_count > 0)) {
        veer_status second =
            segment_row_document(core, row, &reader->cursor, reader->scratch, &json, &bytes, error);
        if (second != VEER_OK) status = second;
    }
    if (status == VEER_OK && reader->segment != index && spec->vectors_count > 0)
        status = enter_segment(reader, index, error);
    if (status != VEER_OK) return status;
    byte_writer_put(ids, id, id_bytes);
    if (spec->is_none) return VEER_OK;
    if (spec->is_whole && spec->vectors_count == 0) {
        byte_writer_put(documents, json, bytes);
        return VEER_OK;
    }
    return write_selection(reader, row, id, id_bytes, json, bytes, documents, error);
}
