#include "engine/document.h"

#include <math.h>
#include <string.h>
#include <yyjson.h>

#include "base/sizes.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "engine/json_write.h"

#define INTEGER_EXACT_MAX ((int64_t)1 << 53) /* every integer up to it is an f64 */

/* Names the document at the end of a message: by id where it has one, else by its place. */
static veer_status blame(veer_error *error, veer_status status, const document *doc, size_t number)
{
    if (doc->id)
        error_append(error, " (document '%.*s')", (int)(doc->id_bytes < 80 ? doc->id_bytes : 80),
                     doc->id);
    else
        error_append(error, " (document number %zu of the batch)", number);
    return status;
}

veer_status document_id_check(const char *id, size_t bytes, size_t number, veer_error *error)
{
    if (bytes == 0)
        VEER_FAIL(error, VEER_E_ID,
                  "the id of document number %zu is empty; it needs 1 to %u bytes", number,
                  VEER_ID_BYTES_MAX);
    if (bytes > VEER_ID_BYTES_MAX)
        VEER_FAIL(
            error, VEER_E_ID,
            "the id of document number %zu ('%.40s...') has %zu bytes; at most %u are allowed",
            number, id, bytes, VEER_ID_BYTES_MAX);
    if (!utf8_valid(id, bytes))
        VEER_FAIL(error, VEER_E_ID, "the id of document number %zu is not UTF-8", number);
    return VEER_OK;
}

veer_status document_vectors_resolve(const schema *schema, const veer_vectors *vectors, size_t n,
                                     document_vectors *out, veer_error *error)
{
    for (size_t i = 0; i < n; i++) {
        const field *field = NULL;
        VEER_TRY(schema_vector(schema, vectors[i].field, &field, error));
        if (vectors[i].dims != field->dims)
            VEER_FAIL(error, VEER_E_DIMENSION,
                      "vectors of field '%s' have %zu dimensions; the field has %u", field->name,
                      vectors[i].dims, field->dims);
        size_t row_bytes = field->dims * sizeof(float);
        size_t stride = vectors[i].stride_bytes ? vectors[i].stride_bytes : row_bytes;
        if (stride < row_bytes || stride % sizeof(float) != 0)
            VEER_FAIL(
                error, VEER_E_INVALID,
                "vectors of field '%s': stride_bytes is %zu; it must be a multiple of 4 and at "
                "least %zu",
                field->name, stride, row_bytes);
        if (!vectors[i].data)
            VEER_FAIL(error, VEER_E_INVALID, "vectors of field '%s': data is NULL", field->name);
        for (size_t j = 0; j < i; j++)
            if (out[j].field == field)
                VEER_FAIL(error, VEER_E_INVALID, "vectors of field '%s' are given twice",
                          field->name);
        out[i].field = field;
        out[i].data = (const char *)vectors[i].data;
        out[i].stride_bytes = stride;
        out[i].present = vectors[i].present;
    }
    return VEER_OK;
}

static veer_status type_error(const field *field, yyjson_val *value, veer_error *error)
{
    char shown[64];
    if (yyjson_is_str(value))
        text_print(shown, sizeof shown, "the string '%.40s'", yyjson_get_str(value));
    else if (yyjson_is_num(value))
        text_print(shown, sizeof shown, "the number %.17g", yyjson_get_num(value));
    else
        text_print(shown, sizeof shown, "%s", yyjson_get_type_desc(value));
    VEER_FAIL(error, VEER_E_TYPE, "field '%s' is a %s; it cannot hold %s", field->name,
              field_type_name(field->type), shown);
}

static bool is_integer(yyjson_val *value)
{
    return yyjson_is_int(value);
}

/* As an integer: as an f64, 2^53 + 1 has become 2^53 already. */
static bool is_beyond_exact(yyjson_val *value)
{
    if (yyjson_is_uint(value)) return yyjson_get_uint(value) > (uint64_t)INTEGER_EXACT_MAX;
    return yyjson_is_sint(value) && yyjson_get_sint(value) < -INTEGER_EXACT_MAX;
}

static veer_status parse_number(const field *field, yyjson_val *value, double *number,
                                veer_error *error)
{
    if (!yyjson_is_num(value)) {
        if (yyjson_is_raw(value))
            VEER_FAIL(
                error, VEER_E_RANGE,
                "field '%s' has the number %.40s; numbers are 64-bit floats, and integers go to "
                "2^53",
                field->name, yyjson_get_raw(value));
        return type_error(field, value, error);
    }
    *number = yyjson_get_num(value);
    if (!isfinite(*number) || is_beyond_exact(value))
        VEER_FAIL(error, VEER_E_RANGE,
                  "field '%s' has the number %.17g; integers beyond 2^53 cannot be held exactly",
                  field->name, *number);
    return VEER_OK;
}

static veer_status parse_time(const field *field, yyjson_val *value, int64_t *time,
                              veer_error *error)
{
    if (yyjson_is_str(value)) {
        const char *text = yyjson_get_str(value);
        if (!timestamp_parse(text, yyjson_get_len(value), time))
            VEER_FAIL(error, VEER_E_TYPE,
                      "field '%s' is a time; '%.40s' is not an ISO 8601 time such as "
                      "2024-05-17T12:30:00Z",
                      field->name, text);
        return VEER_OK;
    }
    if (!is_integer(value)) return type_error(field, value, error);
    double number = yyjson_get_num(value);
    if (number < (double)TIMESTAMP_MIN || number > (double)TIMESTAMP_MAX)
        VEER_FAIL(error, VEER_E_RANGE,
                  "field '%s' has the time %.17g; milliseconds since 1970 go from %lld to %lld",
                  field->name, number, (long long)TIMESTAMP_MIN, (long long)TIMESTAMP_MAX);
    *time = yyjson_is_sint(value) ? yyjson_get_sint(value) : (int64_t)yyjson_get_uint(value);
    return VEER_OK;
}

static veer_status parse_keyword(const field *field, yyjson_val *value, column_value *out,
                                 veer_error *error)
{
    if (!yyjson_is_str(value)) return type_error(field, value, error);
    size_t bytes = yyjson_get_len(value);
    if (bytes > COLUMN_KEYWORD_BYTES_MAX)
        VEER_FAIL(error, VEER_E_LIMIT,
                  "field '%s' has a keyword of %zu bytes; at most %u are allowed", field->name,
                  bytes, COLUMN_KEYWORD_BYTES_MAX);
    out->as.keyword.text = yyjson_get_str(value);
    out->as.keyword.bytes = (uint32_t)bytes;
    return VEER_OK;
}

/* The values of a filterable field, in the arena. */
static veer_status parse_values(const field *field, yyjson_val *value, arena *arena,
                                const column_value **out, uint32_t *count, veer_error *error)
{
    size_t n = 1;
    bool is_array = field->type == FIELD_KEYWORD && yyjson_is_arr(value);
    if (is_array) n = yyjson_arr_size(value);
    if (n > COLUMN_KEYWORD_VALUES_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "field '%s' has %zu keywords; at most %u are allowed",
                  field->name, n, COLUMN_KEYWORD_VALUES_MAX);
    column_value *values = arena_array(arena, n ? n : 1, sizeof *values);
    if (!values) return error_nomem(error, "the values of a field", n * sizeof *values);
    memset(values, 0, (n ? n : 1) * sizeof *values);
    switch (field->type) {
    case FIELD_NUMBER:
        VEER_TRY(parse_number(field, value, &values->as.number, error));
        break;
    case FIELD_TIME:
        VEER_TRY(parse_time(field, value, &values->as.time, error));
        break;
    case FIELD_BOOL:
        if (!yyjson_is_bool(value)) return type_error(field, value, error);
        values->as.boolean = yyjson_get_bool(value);
        break;
    case FIELD_KEYWORD:
        if (is_array) {
            size_t i, max;
            yyjson_val *each;
            yyjson_arr_foreach(value, i, max, each)
                VEER_TRY(parse_keyword(field, each, &values[i], error));
        } else {
            VEER_TRY(parse_keyword(field, value, values, error));
        }
        break;
    default:
        VEER_FAIL(error, VEER_E_INTERNAL, "field '%s' has no column", field->name);
    }
    *out = values;
    *count = (uint32_t)n;
    return VEER_OK;
}

static veer_status parse_vector(const field *field, yyjson_val *value, arena *arena,
                                const float **out, veer_error *error)
{
    if (!yyjson_is_arr(value)) return type_error(field, value, error);
    size_t dims = yyjson_arr_size(value);
    if (dims != field->dims)
        VEER_FAIL(error, VEER_E_DIMENSION, "field '%s' has a vector of %zu dimensions; it needs %u",
                  field->name, dims, field->dims);
    float *vector = arena_array(arena, dims, sizeof *vector);
    if (!vector) return error_nomem(error, "a vector", dims * sizeof *vector);
    size_t i, max;
    yyjson_val *each;
    yyjson_arr_foreach(value, i, max, each)
    {
        if (!yyjson_is_num(each))
            VEER_FAIL(error, VEER_E_TYPE, "field '%s' has a vector whose value %zu is no number",
                      field->name, i);
        vector[i] = (float)yyjson_get_num(each);
    }
    *out = vector;
    return VEER_OK;
}

/* What is kept of a vector: itself, or in the arena what storing rounds it to. */
static veer_status keep_vector(const field *field, const float *given, arena *arena,
                               const float **kept, veer_error *error)
{
    char why[64];
    if (field->storage != FLAT_F32) {
        uint32_t element = 0;
        float *rounded = arena_array(arena, field->dims, sizeof *rounded);
        if (!rounded) return error_nomem(error, "a vector", field->dims * sizeof *rounded);
        if (!flat_round(field->space, given, rounded, &element))
            VEER_FAIL(error, VEER_E_VECTOR, "the vector of field '%s' holds %.9g at %u; %s",
                      field->name, (double)given[element], element,
                      field->storage == FLAT_BITS ? "bits are 0 or 1"
                                                  : "f16 goes from -65504 to 65504");
        *kept = rounded;
    } else {
        *kept = given;
    }
    if (flat_vector_valid(field->space, *kept, why)) return VEER_OK;
    bool is_rounding = *kept != given && flat_vector_valid(field->space, given, NULL);
    VEER_FAIL(error, VEER_E_VECTOR, "the vector of field '%s' %s%s", field->name, why,
              is_rounding ? ", rounded to f16" : "");
}

/* The JSON to keep: the object without its vector fields. */
static veer_status stored_json(const schema *schema, yyjson_val *object, arena *arena,
                               document *out, veer_error *error)
{
    byte_writer json;
    byte_writer_init(&json, arena->allocator);
    json_open(&json, NULL, '{');
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, max, key, value)
    {
        const field *field = schema_field(schema, yyjson_get_str(key), yyjson_get_len(key));
        if (field && field->type == FIELD_VECTOR) continue;
        json_key_text(&json, yyjson_get_str(key), yyjson_get_len(key));
        json_value(&json, value);
    }
    json_close(&json, '}');
    size_t bytes = json.bytes;
    char *kept = json.failed ? NULL : arena_text(arena, (const char *)json.data, bytes);
    byte_writer_fini(&json);
    if (!kept) return error_nomem(error, "a document", bytes);
    if (bytes > VEER_DOCUMENT_BYTES_MAX)
        VEER_FAIL(error, VEER_E_LIMIT, "it has %zu bytes of JSON; at most %u are allowed", bytes,
                  VEER_DOCUMENT_BYTES_MAX);
    out->json = kept;
    out->json_bytes = bytes;
    return VEER_OK;
}

static veer_status take_field(const schema *schema, const field *field, yyjson_val *value,
                              arena *arena, document *out, uint64_t *seen, veer_error *error)
{
    size_t place = (size_t)(field - schema->fields);
    if (seen[place / 64] >> (place % 64) & 1)
        VEER_FAIL(error, VEER_E_INVALID, "field '%s' stands there twice", field->name);
    seen[place / 64] |= (uint64_t)1 << (place % 64);
    if (yyjson_is_null(value)) return VEER_OK;
    if (field->type == FIELD_TEXT) {
        if (!yyjson_is_str(value)) return type_error(field, value, error);
        return VEER_OK;
    }
    if (field->type != FIELD_VECTOR)
        return parse_values(field, value, arena, &out->values[place], &out->counts[place], error);
    if (out->vectors[field->vector_slot])
        VEER_FAIL(error, VEER_E_INVALID,
                  "field '%s' has a vector in the JSON and another one beside it", field->name);
    const float *given = NULL;
    VEER_TRY(parse_vector(field, value, arena, &given, error));
    return keep_vector(field, given, arena, &out->vectors[field->vector_slot], error);
}

static veer_status parse_fields(const schema *schema, yyjson_val *object, size_t number,
                                const document_vectors *vectors, size_t vectors_count, arena *arena,
                                document *out, veer_error *error)
{
    for (size_t i = 0; i < vectors_count; i++) {
        const document_vectors *from = &vectors[i];
        if (from->present && !(from->present[number / 8] >> (number % 8) & 1)) continue;
        const float *vector =
            (const float *)(const void *)(from->data + number * from->stride_bytes);
        VEER_TRY(keep_vector(from->field, vector, arena, &out->vectors[from->field->vector_slot],
                             error));
    }
    uint64_t seen[(VEER_FIELDS_MAX + 63) / 64] = {0};
    bool has_id = false;
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, max, key, value)
    {
        const char *name = yyjson_get_str(key);
        size_t bytes = yyjson_get_len(key);
        if (bytes == 2 && memcmp(name, "id", 2) == 0) {
            if (has_id) VEER_FAIL(error, VEER_E_INVALID, "it has two ids");
            has_id = true;
            continue;
        }
        const field *field = schema_field(schema, name, bytes);
        if (!field) continue;
        VEER_TRY(take_field(schema, field, value, arena, out, seen, error));
    }
    return stored_json(schema, object, arena, out, error);
}

veer_status document_parse(const veer_database *database, const schema *schema, yyjson_val *object,
                           size_t number, const document_vectors *vectors, size_t vectors_count,
                           arena *arena, document *out, veer_error *error)
{
    memset(out, 0, sizeof *out);
    if (!yyjson_is_obj(object))
        VEER_FAIL(error, VEER_E_TYPE, "document number %zu of the batch is %s, not an object",
                  number, yyjson_get_type_desc(object));
    yyjson_val *id = yyjson_obj_get(object, "id");
    if (!id) VEER_FAIL(error, VEER_E_ID, "document number %zu of the batch has no id", number);
    if (!yyjson_is_str(id))
        VEER_FAIL(error, VEER_E_ID, "the id of document number %zu is %s, not a string", number,
                  yyjson_get_type_desc(id));
    VEER_TRY(document_id_check(yyjson_get_str(id), yyjson_get_len(id), number, error));
    out->id = yyjson_get_str(id);
    out->id_bytes = yyjson_get_len(id);
    out->hash = segment_id_hash(database, out->id, out->id_bytes);
    size_t slots = schema->vectors_count ? schema->vectors_count : 1;
    size_t fields = schema->fields_count ? schema->fields_count : 1;
    out->vectors = arena_array(arena, slots, sizeof *out->vectors);
    out->values = arena_array(arena, fields, sizeof *out->values);
    out->counts = arena_array(arena, fields, sizeof *out->counts);
    if (!out->vectors || !out->values || !out->counts)
        return error_nomem(error, "a document", fields * sizeof *out->values);
    memset(out->vectors, 0, slots * sizeof *out->vectors);
    memset(out->values, 0, fields * sizeof *out->values);
    memset(out->counts, 0, fields * sizeof *out->counts);
    veer_status status =
        parse_fields(schema, object, number, vectors, vectors_count, arena, out, error);
    return status == VEER_OK ? VEER_OK : blame(error, status, out, number);
}
