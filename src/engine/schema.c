/* Schemas: lookups, the stored form, lifetime. schema_parse.c makes them from JSON.
 *
 * A schema is immutable once it is made and counted by reference; every text of it lies in its own
 * arena. Fields are kept by ascending permanent id, so that vector slots (the rank of a vector
 * field among the vector fields) never change when fields are added.
 *
 * Threads: any number may read one; the count is atomic.
 */
#include "engine/engine.h"
#include "engine/json_write.h"
#include "engine/options_table.h"
#include "engine/schema_build.h"

static const char *const type_names[] = {
    [FIELD_VECTOR] = "vector", [FIELD_TEXT] = "text", [FIELD_KEYWORD] = "keyword",
    [FIELD_NUMBER] = "number", [FIELD_BOOL] = "bool", [FIELD_TIME] = "time",
};
#define NAMES_NINE(a, b, c, d, e, f, g, h, i) \
    {                                         \
        a, b, c, d, e, f, g, h, i             \
    }
const char *const metric_names[METRICS] = WITH(NAMES_NINE, METRIC_NAMES);

#define NAMES_THREE(a, b, c) \
    {                        \
        a, b, c              \
    }
const char *const storage_names[FLAT_STORAGES] = WITH(NAMES_THREE, STORAGE_NAMES);

const char *field_type_name(field_type type)
{
    return type >= FIELD_VECTOR && type <= FIELD_TIME ? type_names[type] : "unknown";
}

const char *metric_name(veer_metric metric)
{
    return (size_t)metric < METRICS ? metric_names[metric] : "unknown";
}

column_type field_column(field_type type)
{
    switch (type) {
    case FIELD_KEYWORD:
        return COLUMN_KEYWORD;
    case FIELD_NUMBER:
        return COLUMN_NUMBER;
    case FIELD_BOOL:
        return COLUMN_BOOL;
    case FIELD_TIME:
        return COLUMN_TIME;
    case FIELD_VECTOR:
    case FIELD_TEXT:
        break;
    }
    return COLUMN_NONE;
}

bool schema_name_valid(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > VEER_NAME_BYTES_MAX) return false;
    for (size_t i = 0; i < bytes; i++) {
        char c = name[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_inner = (c >= '0' && c <= '9') || c == '.' || c == '-';
        if (!is_letter && (i == 0 || !is_inner)) return false;
    }
    return true;
}

/* ---------------------------------------------------------------- lifetime */

schema *schema_new(const veer_allocator *allocator, size_t fields_max)
{
    schema *made = memory_new(allocator, sizeof *made);
    if (!made) return NULL;
    atomic_init(&made->references, 1);
    made->allocator = allocator;
    made->version = 1;
    made->next_field_id = 1;
    arena_init(&made->memory, allocator);
    made->fields = arena_array(&made->memory, fields_max, sizeof *made->fields);
    made->filter_fields = arena_array(&made->memory, fields_max, sizeof *made->filter_fields);
    if (made->fields && made->filter_fields) return made;
    schema_release(made);
    return NULL;
}

void schema_acquire(schema *held)
{
    atomic_fetch_add(&held->references, 1);
}

void schema_release(schema *held)
{
    if (!held || atomic_fetch_sub(&held->references, 1) != 1) return;
    const veer_allocator *allocator = held->allocator;
    arena_fini(&held->memory);
    memory_free(allocator, held, sizeof *held);
}

void schema_finish(schema *made)
{
    made->vectors_count = 0;
    for (size_t i = 0; i < made->fields_count; i++) {
        field *f = &made->fields[i];
        f->column = field_column(f->type);
        f->vector_slot = 0;
        if (f->type == FIELD_VECTOR) f->vector_slot = (uint32_t)made->vectors_count++;
        made->filter_fields[i] = (filter_field){
            .name = f->name, .id = f->id, .type = f->column, .kind = field_type_name(f->type)};
    }
}

/* ---------------------------------------------------------------- lookups */

const field *schema_field(const schema *held, const char *name, size_t bytes)
{
    for (size_t i = 0; i < held->fields_count; i++) {
        const char *own = held->fields[i].name;
        if (strlen(own) == bytes && memcmp(own, name, bytes) == 0) return &held->fields[i];
    }
    return NULL;
}

const field *schema_field_by_id(const schema *held, uint32_t id)
{
    size_t first = 0, end = held->fields_count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (held->fields[middle].id == id) return &held->fields[middle];
        if (held->fields[middle].id < id)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

static veer_status several_vectors(const schema *held, veer_error *error)
{
    error_set(error, VEER_E_FIELD, "'vector' must say which field is meant:");
    const char *comma = "";
    for (size_t i = 0; i < held->fields_count; i++) {
        if (held->fields[i].type != FIELD_VECTOR) continue;
        error_append(error, "%s '%s'", comma, held->fields[i].name);
        comma = ",";
    }
    return VEER_E_FIELD;
}

static veer_status unknown_vector(const schema *held, const char *name, veer_error *error)
{
    const char *names[VEER_FIELDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < held->fields_count && count < VEER_FIELDS_MAX; i++)
        if (held->fields[i].type == FIELD_VECTOR) names[count++] = held->fields[i].name;
    const char *nearest = options_nearest(name, strlen(name), names, count);
    if (nearest)
        VEER_FAIL(error, VEER_E_FIELD, "the schema has no vector field '%.64s'; did you mean '%s'?",
                  name, nearest);
    VEER_FAIL(error, VEER_E_FIELD, "the schema has no vector field '%.64s'", name);
}

veer_status schema_vector(const schema *held, const char *name, const field **out,
                          veer_error *error)
{
    *out = NULL;
    if (held->vectors_count == 0) VEER_FAIL(error, VEER_E_FIELD, "the schema has no vector field");
    if (!name && held->vectors_count > 1) return several_vectors(held, error);
    if (name) {
        const field *named = schema_field(held, name, strlen(name));
        if (!named) return unknown_vector(held, name, error);
        if (named->type != FIELD_VECTOR)
            VEER_FAIL(error, VEER_E_FIELD, "field '%s' is of type %s, not vector", named->name,
                      field_type_name(named->type));
        *out = named;
        return VEER_OK;
    }
    for (size_t i = 0; i < held->fields_count; i++)
        if (held->fields[i].type == FIELD_VECTOR) *out = &held->fields[i];
    return VEER_OK;
}

/* ---------------------------------------------------------------- stored form */

static void write_model(byte_writer *json, const field_model *model)
{
    if (!model->name && !model->revision && !model->normalized) return;
    json_open(json, "model", '{');
    if (model->name) json_string(json, "name", model->name);
    if (model->revision) json_string(json, "revision", model->revision);
    json_bool(json, "normalized", model->normalized);
    json_close(json, '}');
}

static void write_field(byte_writer *json, const field *f)
{
    json_open(json, f->name, '{');
    json_unsigned(json, "id", f->id);
    json_string(json, "type", field_type_name(f->type));
    if (f->type == FIELD_VECTOR) {
        json_unsigned(json, "dims", f->dims);
        json_string(json, "metric", metric_name(f->metric));
        if (f->storage != FLAT_F32) json_string(json, "storage", storage_names[f->storage]);
        write_model(json, &f->model);
    }
    json_close(json, '}');
}

veer_status schema_write(const schema *held, byte_writer *json, veer_error *error)
{
    json_open(json, NULL, '{');
    json_unsigned(json, "version", held->version);
    json_unsigned(json, "nextId", held->next_field_id);
    json_open(json, "fields", '{');
    for (size_t i = 0; i < held->fields_count; i++)
        write_field(json, &held->fields[i]);
    json_close(json, '}');
    const field *order = held->order_by ? schema_field_by_id(held, held->order_by) : NULL;
    if (order) json_string(json, "orderBy", order->name);
    json_close(json, '}');
    if (json->failed) return error_nomem(error, "schema", json->bytes);
    return VEER_OK;
}
