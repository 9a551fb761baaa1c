/* From JSON to a schema: what a caller gives, merged with what is stored, and the stored form.
 *
 * A caller's schema describes the stored one or adds to it. A field that both have must agree in
 * type, dims, metric, storage and model, so that nobody searches with vectors of another space; fields that
 * the caller leaves out stay; new ones get the next permanent ids. "version", "nextId" and "id",
 * which veer_collection_schema shows, are accepted from callers and ignored.
 *
 * The stored form comes from the catalogue, whose checksum holds; it is checked all the same, and
 * anything wrong with it is VEER_E_CORRUPT.
 *
 * Threads: nothing is shared.
 */
#include <stdlib.h>
#include <yyjson.h>

#include "engine/engine.h"
#include "engine/schema_build.h"

#define MODEL_BYTES_MAX 256u /* of a model's name and revision each; arbitrary */

/* One field as the JSON gives it. */
typedef struct given_field {
    const char *name;
    size_t name_bytes;
    field field;
    bool has_dims, has_metric, has_storage, has_model, has_normalized, has_id;
} given_field;

typedef struct parser {
    bool is_stored;
    schema *made;
    arena *scratch;
    veer_error *error;
} parser;

#define FAIL(status, ...) VEER_FAIL(p->error, status, __VA_ARGS__)

static bool key_is(yyjson_val *key, const char *name)
{
    return yyjson_equals_str(key, name);
}

/* ---------------------------------------------------------------- one field */

static veer_status parse_word(parser *p, yyjson_val *value, const char *field_name, const char *key,
                              const char *const *words, size_t count, size_t *place)
{
    if (!yyjson_is_str(value))
        FAIL(VEER_E_SCHEMA, "schema: '%s' of field '%s' must be a string, not %s", key, field_name,
             json_kind(value));
    for (size_t i = 0; i < count; i++) {
        if (!yyjson_equals_str(value, words[i])) continue;
        *place = i;
        return VEER_OK;
    }
    error_set(p->error, VEER_E_SCHEMA, "schema: '%s' of field '%s' is '%.64s'; it must be", key,
              field_name, yyjson_get_str(value));
    for (size_t i = 0; i < count; i++)
        error_append(p->error, "%s %s", i == 0 ? "" : i + 1 < count ? "," : " or", words[i]);
    return VEER_E_SCHEMA;
}

static veer_status parse_type(parser *p, yyjson_val *value, given_field *given)
{
    static const char *const words[] = {"vector", "text", "keyword", "number", "bool", "time"};
    size_t place = 0;
    VEER_TRY(parse_word(p, value, given->name, "type", words, 6, &place));
    given->field.type = (field_type)(FIELD_VECTOR + place);
    return VEER_OK;
}

static veer_status parse_metric(parser *p, yyjson_val *value, given_field *given)
{
    size_t place = 0;
    VEER_TRY(parse_word(p, value, given->name, "metric", metric_names, METRICS, &place));
    given->field.metric = (veer_metric)place;
    given->has_metric = true;
    return VEER_OK;
}

static veer_status parse_storage(parser *p, yyjson_val *value, given_field *given)
{
    size_t place = 0;
    VEER_TRY(parse_word(p, value, given->name, "storage", storage_names, FLAT_STORAGES, &place));
    given->field.storage = (flat_storage)place;
    given->has_storage = true;
    return VEER_OK;
}

static veer_status parse_dims(parser *p, yyjson_val *value, given_field *given)
{
    if (!yyjson_is_num(value))
        FAIL(VEER_E_SCHEMA, "schema: 'dims' of field '%s' must be a whole number, not %s",
             given->name, json_kind(value));
    double dims = yyjson_get_num(value);
    if (!(dims >= 1 && dims <= VEER_DIMS_MAX) || dims != (double)(uint32_t)dims)
        FAIL(VEER_E_SCHEMA, "schema: 'dims' of field '%s' is %.16g; it must be from 1 to %u",
             given->name, dims, VEER_DIMS_MAX);
    given->field.dims = (uint32_t)dims;
    given->has_dims = true;
    return VEER_OK;
}

static veer_status parse_model_text(parser *p, yyjson_val *value, const given_field *given,
                                    const char *key, const char **text)
{
    if (yyjson_is_null(value)) return VEER_OK;
    if (!yyjson_is_str(value))
        FAIL(VEER_E_SCHEMA, "schema: model %s of field '%s' must be a string, not %s", key,
             given->name, json_kind(value));
    size_t bytes = yyjson_get_len(value);
    if (bytes == 0 || bytes > MODEL_BYTES_MAX || strlen(yyjson_get_str(value)) != bytes)
        FAIL(VEER_E_SCHEMA,
             "schema: model %s of field '%s' has %zu bytes; it must have 1 to %u, none of them 0",
             key, given->name, bytes, MODEL_BYTES_MAX);
    *text = yyjson_get_str(value);
    return VEER_OK;
}

static veer_status parse_model(parser *p, yyjson_val *object, given_field *given)
{
    if (yyjson_is_null(object)) return VEER_OK;
    if (!yyjson_is_obj(object))
        FAIL(VEER_E_SCHEMA, "schema: 'model' of field '%s' must be an object, not %s", given->name,
             json_kind(object));
    yyjson_obj_iter each;
    yyjson_obj_iter_init(object, &each);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&each)) != NULL;) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        field_model *model = &given->field.model;
        if (key_is(key, "name")) {
            VEER_TRY(parse_model_text(p, value, given, "name", &model->name));
        } else if (key_is(key, "revision")) {
            VEER_TRY(parse_model_text(p, value, given, "revision", &model->revision));
        } else if (key_is(key, "normalized")) {
            if (!yyjson_is_bool(value))
                FAIL(VEER_E_SCHEMA,
                     "schema: model normalized of field '%s' must be true or false, not %s",
                     given->name, json_kind(value));
            model->normalized = yyjson_get_bool(value);
            given->has_normalized = true;
        } else {
            FAIL(VEER_E_SCHEMA,
                 "schema: model of field '%s' has an unknown key '%.64s'; known are 'name', "
                 "'revision', 'normalized'",
                 given->name, yyjson_get_str(key));
        }
    }
    given->has_model = true;
    return VEER_OK;
}

static veer_status parse_id(parser *p, yyjson_val *value, given_field *given)
{
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) < 1 ||
        yyjson_get_uint(value) >= UINT32_MAX)
        FAIL(VEER_E_SCHEMA, "schema: 'id' of field '%s' must be a whole number from 1",
             given->name);
    given->field.id = (uint32_t)yyjson_get_uint(value);
    given->has_id = true;
    return VEER_OK;
}

static veer_status parse_field_key(parser *p, yyjson_val *key, yyjson_val *value,
                                   given_field *given)
{
    if (key_is(key, "type")) return parse_type(p, value, given);
    if (key_is(key, "dims")) return parse_dims(p, value, given);
    if (key_is(key, "metric")) return parse_metric(p, value, given);
    if (key_is(key, "storage")) return parse_storage(p, value, given);
    if (key_is(key, "model")) return parse_model(p, value, given);
    if (key_is(key, "id")) return parse_id(p, value, given);
    static const char *const names[] = {"type", "dims", "metric", "storage", "model"};
    const char *nearest = options_nearest(yyjson_get_str(key), yyjson_get_len(key), names, 5);
    if (nearest)
        FAIL(VEER_E_SCHEMA, "schema: field '%s' has an unknown key '%.64s'; did you mean '%s'?",
             given->name, yyjson_get_str(key), nearest);
    FAIL(VEER_E_SCHEMA,
         "schema: field '%s' has an unknown key '%.64s'; known are 'type', 'dims', 'metric', "
         "'storage', 'model'",
         given->name, yyjson_get_str(key));
}

static veer_status parse_name(parser *p, yyjson_val *key, given_field *given)
{
    given->name = yyjson_get_str(key);
    given->name_bytes = yyjson_get_len(key);
    if (key_is(key, "id"))
        FAIL(VEER_E_SCHEMA, "schema: 'id' cannot be a field: it is every document's id");
    if (!schema_name_valid(given->name, given->name_bytes))
        FAIL(VEER_E_SCHEMA,
             "schema: '%.80s' cannot be a field's name: that is a letter or _, then at most %u "
             "letters, digits, _ . -",
             given->name, VEER_NAME_BYTES_MAX - 1);
    return VEER_OK;
}

static veer_status parse_field(parser *p, yyjson_val *key, yyjson_val *object, given_field *given)
{
    memset(given, 0, sizeof *given);
    VEER_TRY(parse_name(p, key, given));
    if (!yyjson_is_obj(object))
        FAIL(VEER_E_SCHEMA, "schema: field '%s' must be an object like {\"type\": ...}, not %s",
             given->name, json_kind(object));
    yyjson_obj_iter each;
    yyjson_obj_iter_init(object, &each);
    for (yyjson_val *inner; (inner = yyjson_obj_iter_next(&each)) != NULL;)
        VEER_TRY(parse_field_key(p, inner, yyjson_obj_iter_get_val(inner), given));
    if (given->field.type == 0)
        FAIL(VEER_E_SCHEMA, "schema: field '%s' has no 'type'", given->name);
    bool is_vector = given->field.type == FIELD_VECTOR;
    if (is_vector && !given->has_dims)
        FAIL(VEER_E_SCHEMA, "schema: vector field '%s' has no 'dims'", given->name);
    const char *extra = given->has_dims      ? "dims"
                        : given->has_metric  ? "metric"
                        : given->has_storage ? "storage"
                        : given->has_model   ? "model"
                                             : NULL;
    if (!is_vector && extra)
        FAIL(VEER_E_SCHEMA, "schema: field '%s' of type %s takes no '%s'", given->name,
             field_type_name(given->field.type), extra);
    return VEER_OK;
}

/* ---------------------------------------------------------------- merging */

static const char *or_none(const char *text)
{
    return text ? text : "none";
}

static bool same_text(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static veer_status compare_model(parser *p, const given_field *given, const field *stored)
{
    const field_model *model = &given->field.model;
    if (model->name && !same_text(model->name, stored->model.name))
        FAIL(VEER_E_MODEL, "schema: field '%s' has vectors of model '%.100s', not '%.100s'",
             stored->name, or_none(stored->model.name), model->name);
    if (model->revision && !same_text(model->revision, stored->model.revision))
        FAIL(VEER_E_MODEL,
             "schema: field '%s' has vectors of model revision '%.100s', not '%.100s'",
             stored->name, or_none(stored->model.revision), model->revision);
    if (given->has_normalized && model->normalized != stored->model.normalized)
        FAIL(VEER_E_MODEL, "schema: field '%s' has vectors with normalized %s, not %s",
             stored->name, stored->model.normalized ? "true" : "false",
             model->normalized ? "true" : "false");
    return VEER_OK;
}

static veer_status compare_field(parser *p, const given_field *given, const field *stored)
{
    if (given->field.type != stored->type)
        FAIL(VEER_E_SCHEMA, "schema: field '%s' is stored with type %s, not %s", stored->name,
             field_type_name(stored->type), field_type_name(given->field.type));
    if (stored->type != FIELD_VECTOR) return VEER_OK;
    if (given->field.dims != stored->dims)
        FAIL(VEER_E_SCHEMA, "schema: field '%s' is stored with dims %u, not %u", stored->name,
             stored->dims, given->field.dims);
    if (given->has_metric && given->field.metric != stored->metric)
        FAIL(VEER_E_SCHEMA, "schema: field '%s' is stored with metric %s, not %s", stored->name,
             metric_name(stored->metric), metric_name(given->field.metric));
    if (given->has_storage && given->field.storage != stored->storage)
        FAIL(VEER_E_SCHEMA, "schema: field '%s' is stored with storage %s, not %s", stored->name,
             storage_names[stored->storage], storage_names[given->field.storage]);
    return compare_model(p, given, stored);
}

/* Copies `from` into the schema; its texts too. */
static veer_status add_field(parser *p, const field *from, const char *name, size_t name_bytes)
{
    schema *made = p->made;
    field *to = &made->fields[made->fields_count];
    *to = *from;
    to->space = NULL;
    to->name = arena_text(&made->memory, name, name_bytes);
    const char **texts[] = {&to->model.name, &to->model.revision};
    bool is_short = !to->name;
    for (size_t i = 0; i < 2; i++) {
        if (!*texts[i]) continue;
        *texts[i] = arena_text(&made->memory, *texts[i], strlen(*texts[i]));
        is_short = is_short || !*texts[i];
    }
    if (is_short) return error_nomem(p->error, "schema", name_bytes);
    made->fields_count++;
    return VEER_OK;
}

static veer_status merge_field(parser *p, const given_field *given, uint8_t *is_given)
{
    schema *made = p->made;
    const field *same = schema_field(made, given->name, given->name_bytes);
    if (same) {
        size_t place = (size_t)(same - made->fields);
        if (is_given[place]) FAIL(VEER_E_SCHEMA, "schema: field '%s' is there twice", same->name);
        is_given[place] = 1;
        return compare_field(p, given, same);
    }
    if (made->fields_count >= VEER_FIELDS_MAX)
        FAIL(VEER_E_LIMIT, "schema: more than %u fields", VEER_FIELDS_MAX);
    field added = given->field;
    if (!flat_can_store(added.storage, added.metric))
        FAIL(
            VEER_E_SCHEMA,
            "schema: 'storage' of field '%s' is %s, which goes with metric hamming or jaccard, not "
            "%s",
            given->name, storage_names[added.storage], metric_name(added.metric));
    if (!p->is_stored) {
        if (made->next_field_id == UINT32_MAX)
            FAIL(VEER_E_LIMIT, "schema: there are no field ids left");
        added.id = made->next_field_id++;
    } else if (!given->has_id) {
        FAIL(VEER_E_SCHEMA, "schema: field '%s' has no 'id'", given->name);
    }
    is_given[made->fields_count] = 1;
    return add_field(p, &added, given->name, given->name_bytes);
}

static veer_status parse_order(parser *p, yyjson_val *value, const schema *stored)
{
    if (!value || yyjson_is_null(value)) return VEER_OK;
    if (!yyjson_is_str(value))
        FAIL(VEER_E_SCHEMA, "schema: 'orderBy' must be a field's name, not %s", json_kind(value));
    const field *order = schema_field(p->made, yyjson_get_str(value), yyjson_get_len(value));
    if (!order)
        FAIL(VEER_E_SCHEMA, "schema: 'orderBy' names '%.64s', which is no field",
             yyjson_get_str(value));
    if (order->type != FIELD_TIME)
        FAIL(VEER_E_SCHEMA, "schema: 'orderBy' names '%s', which is of type %s, not time",
             order->name, field_type_name(order->type));
    if (stored && stored->order_by != order->id) {
        const field *former = schema_field_by_id(stored, stored->order_by);
        FAIL(VEER_E_SCHEMA, "schema: documents are stored in order of %s, not of '%s'",
             former ? former->name : "insertion", order->name);
    }
    p->made->order_by = order->id;
    return VEER_OK;
}

static veer_status parse_numbers(parser *p, yyjson_val *root)
{
    uint64_t revision = yyjson_get_uint(yyjson_obj_get(root, "version"));
    uint64_t next = yyjson_get_uint(yyjson_obj_get(root, "nextId"));
    if (revision < 1 || revision > UINT32_MAX || next < 1 || next > UINT32_MAX)
        FAIL(VEER_E_SCHEMA, "schema: 'version' and 'nextId' must be whole numbers from 1");
    p->made->version = (uint32_t)revision;
    p->made->next_field_id = (uint32_t)next;
    return VEER_OK;
}

static veer_status check_keys(parser *p, yyjson_val *root)
{
    static const char *const names[] = {"fields", "orderBy", "version", "nextId"};
    yyjson_obj_iter each;
    yyjson_obj_iter_init(root, &each);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&each)) != NULL;) {
        size_t i = 0;
        while (i < 4 && !key_is(key, names[i]))
            i++;
        if (i < 4) continue;
        const char *nearest = options_nearest(yyjson_get_str(key), yyjson_get_len(key), names, 2);
        if (nearest)
            FAIL(VEER_E_SCHEMA, "schema: unknown key '%.64s'; did you mean '%s'?",
                 yyjson_get_str(key), nearest);
        FAIL(VEER_E_SCHEMA, "schema: unknown key '%.64s'; known are 'fields', 'orderBy'",
             yyjson_get_str(key));
    }
    return VEER_OK;
}

static veer_status parse_root(parser *p, yyjson_val *root, const schema *stored)
{
    if (!yyjson_is_obj(root))
        FAIL(VEER_E_SCHEMA, "schema must be a JSON object, not %s", json_kind(root));
    VEER_TRY(check_keys(p, root));
    yyjson_val *fields = yyjson_obj_get(root, "fields");
    if (!yyjson_is_obj(fields))
        FAIL(VEER_E_SCHEMA, "schema: 'fields' must be an object of fields, not %s",
             fields ? json_kind(fields) : "missing");
    if (p->is_stored) VEER_TRY(parse_numbers(p, root));
    uint8_t *is_given = arena_new(p->scratch, VEER_FIELDS_MAX);
    if (!is_given) return error_nomem(p->error, "schema", VEER_FIELDS_MAX);
    memset(is_given, 0, VEER_FIELDS_MAX);
    yyjson_obj_iter each;
    yyjson_obj_iter_init(fields, &each);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&each)) != NULL;) {
        given_field given;
        VEER_TRY(parse_field(p, key, yyjson_obj_iter_get_val(key), &given));
        VEER_TRY(merge_field(p, &given, is_given));
    }
    return parse_order(p, yyjson_obj_get(root, "orderBy"), stored);
}

/* Starts with all that is stored. */
static veer_status copy_stored(parser *p, const schema *stored)
{
    p->made->version = stored->version;
    p->made->next_field_id = stored->next_field_id;
    p->made->order_by = stored->order_by;
    for (size_t i = 0; i < stored->fields_count; i++) {
        const field *from = &stored->fields[i];
        VEER_TRY(add_field(p, from, from->name, strlen(from->name)));
    }
    return VEER_OK;
}

/* Makes p->made, which the caller releases, also on failure. */
static veer_status parse(parser *p, const veer_allocator *allocator, const char *json, size_t bytes,
                         const schema *stored)
{
    yyjson_doc *doc = NULL;
    VEER_TRY(json_parse(json, bytes, "schema", p->scratch, &doc, p->error));
    yyjson_val *root = yyjson_doc_get_root(doc);
    size_t room = yyjson_obj_size(yyjson_obj_get(root, "fields"));
    if (room > VEER_FIELDS_MAX) room = VEER_FIELDS_MAX;
    if (stored) room += stored->fields_count;
    p->made = schema_new(allocator, room);
    if (!p->made) return error_nomem(p->error, "schema", sizeof(schema));
    if (stored) VEER_TRY(copy_stored(p, stored));
    return parse_root(p, root, stored);
}

veer_status schema_parse(const veer_allocator *allocator, const char *json, size_t bytes,
                         schema *stored, schema **out, veer_error *error)
{
    *out = NULL;
    arena scratch;
    arena_init(&scratch, allocator);
    parser p = {.scratch = &scratch, .error = error};
    veer_status status = parse(&p, allocator, json, bytes, stored);
    arena_fini(&scratch);
    if (status != VEER_OK) {
        schema_release(p.made);
        return status;
    }
    if (stored && p.made->fields_count == stored->fields_count) {
        schema_release(p.made);
        schema_acquire(stored);
        *out = stored;
        return VEER_OK;
    }
    if (stored) p.made->version++;
    schema_finish(p.made);
    *out = p.made;
    return VEER_OK;
}

/* ---------------------------------------------------------------- the stored form */

static int by_id(const void *a, const void *b)
{
    uint32_t left = ((const field *)a)->id, right = ((const field *)b)->id;
    return left < right ? -1 : left > right;
}

static veer_status check_ids(parser *p)
{
    const field *fields = p->made->fields;
    for (size_t i = 0; i < p->made->fields_count; i++) {
        if (i > 0 && fields[i].id == fields[i - 1].id)
            FAIL(VEER_E_SCHEMA, "schema: fields '%s' and '%s' have the same id %u",
                 fields[i - 1].name, fields[i].name, fields[i].id);
        if (fields[i].id >= p->made->next_field_id)
            FAIL(VEER_E_SCHEMA, "schema: field '%s' has id %u; the next one is %u", fields[i].name,
                 fields[i].id, p->made->next_field_id);
    }
    return VEER_OK;
}

veer_status schema_read(const veer_allocator *allocator, const char *json, size_t bytes,
                        schema **out, veer_error *error)
{
    *out = NULL;
    arena scratch;
    arena_init(&scratch, allocator);
    parser p = {.is_stored = true, .scratch = &scratch, .error = error};
    veer_status status = parse(&p, allocator, json, bytes, NULL);
    arena_fini(&scratch);
    if (status == VEER_OK) {
        qsort(p.made->fields, p.made->fields_count, sizeof(field), by_id);
        status = check_ids(&p);
    }
    if (status != VEER_OK) {
        schema_release(p.made);
        if (status == VEER_E_NOMEM) return status;
        if (error) error->status = VEER_E_CORRUPT;
        error_append(error, " (in the stored schema)");
        return VEER_E_CORRUPT;
    }
    schema_finish(p.made);
    *out = p.made;
    return VEER_OK;
}
