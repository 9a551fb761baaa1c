/* JSON, options, schemas and the description: what is accepted, what is refused and in which words. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/rng.h"
#include "engine/engine.h"
#include "engine/json_write.h"
#include "support/fault_allocator.h"
#include "support/testing.h"

/* ---------------------------------------------------------------- JSON */

static void test_json_errors_name_the_place(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "empty"},
        {"{\"a\": }", "position 7"},
        {"{\"\xc3\xa9\": ]", "position 7"}, /* characters, not bytes */
        {"{\n  \"a\": 1,\n  x\n}", "line 3, column 3"},
        {"[1, 2", "position 6"},
        {"\"\\ud800\"", "position"},
    };
    (void)state;
    arena memory;
    arena_init(&memory, memory_default());
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        yyjson_doc *doc = (yyjson_doc *)1;
        veer_error error = {0};
        assert_int_equal(
            json_parse(cases[i].text, strlen(cases[i].text), "request", &memory, &doc, &error),
            VEER_E_SYNTAX);
        assert_null(doc);
        assert_non_null(strstr(error.message, "request: "));
        if (!strstr(error.message, cases[i].part)) fail_msg("%s: %s", cases[i].text, error.message);
    }
    arena_fini(&memory);
}

/* Floats read back to the same bits, doubles to the same value, in any locale. */
static void test_json_numbers(void **state)
{
    (void)state;
    (void)setlocale(LC_ALL, "de_DE.UTF-8"); /* a comma, where the system has it */
    rng random;
    rng_init(&random, 7);
    byte_writer to;
    byte_writer_init(&to, memory_default());
    arena memory;
    arena_init(&memory, memory_default());
    for (int i = 0; i < 200000; i++) {
        /* All floats, and more often those of usual size. */
        uint32_t bits = (uint32_t)rng_next(&random);
        if (i % 2) bits = (bits & 0x83FFFFFF) | 0x3C000000;
        uint64_t wide = rng_next(&random);
        float value;
        double real;
        memcpy(&value, &bits, sizeof value);
        memcpy(&real, &wide, sizeof real);
        if (i == 0) value = 0.0f;
        if (i == 1) value = -0.0f;
        if (!isfinite(value) || !isfinite(real)) continue;
        to.bytes = 0;
        json_open(&to, NULL, '[');
        json_float(&to, NULL, value);
        json_real(&to, NULL, real);
        json_signed(&to, NULL, (int64_t)wide);
        json_unsigned(&to, NULL, wide);
        json_close(&to, ']');
        yyjson_doc *doc = NULL;
        veer_error error;
        assert_int_equal(
            json_parse((const char *)to.data, to.bytes, "numbers", &memory, &doc, &error), VEER_OK);
        yyjson_val *root = yyjson_doc_get_root(doc);
        float back = (float)yyjson_get_num(yyjson_arr_get(root, 0));
        assert_memory_equal(&back, &value, sizeof value);
        assert_true(yyjson_get_num(yyjson_arr_get(root, 1)) == real);
        assert_int_equal(yyjson_get_sint(yyjson_arr_get(root, 2)), (int64_t)wide);
        assert_true(yyjson_get_uint(yyjson_arr_get(root, 3)) == wide);
        arena_reset(&memory);
    }
    (void)setlocale(LC_ALL, "C");
    arena_fini(&memory);
    byte_writer_fini(&to);
}

static void test_json_floats_are_short(void **state)
{
    static const struct {
        float value;
        const char *text;
    } cases[] = {{1, "1"},
                 {0.1f, "0.1"},
                 {-0.5f, "-0.5"},
                 {16777216.0f, "16777216"},
                 {1e10f, "10000000000"},
                 {0.0001f, "0.0001"},
                 {3.14159274f, "3.1415927"},
                 {123.456f, "123.456"},
                 {1e-7f, "0.0000001"},
                 {0, "0"},
                 {-0.0f, "-0.0"}};
    (void)state;
    byte_writer to;
    byte_writer_init(&to, memory_default());
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        to.bytes = 0;
        json_float(&to, NULL, cases[i].value);
        byte_writer_u8(&to, 0);
        assert_string_equal((const char *)to.data, cases[i].text);
    }
    byte_writer_fini(&to);
}

static void test_json_texts(void **state)
{
    (void)state;
    char all[128];
    for (int i = 0; i < 128; i++)
        all[i] = (char)i;
    byte_writer to;
    byte_writer_init(&to, memory_default());
    json_open(&to, NULL, '[');
    json_text(&to, NULL, all, sizeof all);
    json_text(&to, NULL, "\xc3\xa9", 2);
    json_text(&to, NULL, "a\xff", 2);
    json_string(&to, NULL, NULL);
    json_close(&to, ']');
    arena memory;
    arena_init(&memory, memory_default());
    yyjson_doc *doc = NULL;
    veer_error error;
    assert_int_equal(json_parse((const char *)to.data, to.bytes, "texts", &memory, &doc, &error),
                     VEER_OK);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_int_equal(yyjson_arr_size(root), 4);
    assert_int_equal(yyjson_get_len(yyjson_arr_get(root, 0)), 128);
    assert_memory_equal(yyjson_get_str(yyjson_arr_get(root, 0)), all, 128);
    assert_string_equal(yyjson_get_str(yyjson_arr_get(root, 1)), "\xc3\xa9");
    assert_string_equal(yyjson_get_str(yyjson_arr_get(root, 2)), "a?");
    arena_fini(&memory);
    byte_writer_fini(&to);
}

static void put_random_text(byte_writer *to, rng *r)
{
    char text[24];
    size_t bytes = (size_t)rng_below(r, sizeof text + 1);
    for (size_t i = 0; i < bytes; i++)
        text[i] = (char)rng_below(r, 128);
    json_text(to, NULL, text, bytes);
}

/* A random value as JSON text, at most `depth` deep. */
static void put_random_value(byte_writer *to, rng *r, unsigned depth)
{
    char number[32];
    unsigned kind = (unsigned)rng_below(r, depth > 0 ? 8 : 6);
    size_t count = (size_t)rng_below(r, 5);
    switch (kind) {
    case 0:
        json_raw(to, NULL, number,
                 (size_t)sprintf(number, "%.*g", 1 + (int)rng_below(r, 15), rng_normal(r)));
        return;
    case 1:
        json_signed(to, NULL, (int64_t)(rng_next(r) >> rng_below(r, 64)));
        return;
    case 2:
        json_unsigned(to, NULL, rng_next(r));
        return;
    case 3:
        json_bool(to, NULL, rng_below(r, 2) != 0);
        return;
    case 4:
        json_string(to, NULL, NULL);
        return;
    case 5:
        put_random_text(to, r);
        return;
    default:
        json_open(to, NULL, kind == 6 ? '[' : '{');
        for (size_t i = 0; i < count; i++) {
            if (kind == 7) {
                put_random_text(to, r);
                byte_writer_u8(to, ':');
            }
            put_random_value(to, r, depth - 1);
        }
        json_close(to, kind == 6 ? ']' : '}');
    }
}

/* json_value writes what yyjson writes, of any value and any value inside of it. */
static void test_json_values(void **state)
{
    (void)state;
    rng r;
    rng_init(&r, 11);
    arena memory;
    arena_init(&memory, memory_default());
    for (int round = 0; round < 3000; round++) {
        byte_writer text, to;
        byte_writer_init(&text, memory_default());
        byte_writer_init(&to, memory_default());
        put_random_value(&text, &r, 6);
        yyjson_doc *doc = NULL;
        veer_error error;
        assert_int_equal(
            json_parse((const char *)text.data, text.bytes, "value", &memory, &doc, &error),
            VEER_OK);
        yyjson_val *value = yyjson_doc_get_root(doc);
        while (yyjson_is_ctn(value) && unsafe_yyjson_get_len(value) > 0 && rng_below(&r, 3) > 0)
            value = unsafe_yyjson_get_first(value);
        size_t bytes = 0;
        char *model = yyjson_val_write(value, 0, &bytes);
        assert_non_null(model);
        json_value(&to, value);
        assert_false(to.failed);
        assert_int_equal(to.bytes, bytes);
        assert_memory_equal(to.data, model, bytes);
        free(model);
        byte_writer_fini(&to);
        byte_writer_fini(&text);
        arena_reset(&memory);
    }
    arena_fini(&memory);
}

/* As deep as memory allows, and a failure where it ends; nothing leaks. */
static void test_json_depth(void **state)
{
    enum { DEPTH = 100000 };
    (void)state;
    char *text = malloc(DEPTH * 2);
    assert_non_null(text);
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    arena memory;
    arena_init(&memory, memory_default());
    yyjson_doc *doc = NULL;
    veer_error error;
    assert_int_equal(json_parse(text, DEPTH * 2, "value", &memory, &doc, &error), VEER_OK);
    for (uint64_t n = 0;; n++) {
        fault_allocator limited;
        fault_allocator_init(&limited);
        fault_allocator_fail(&limited, n, true);
        byte_writer to;
        byte_writer_init(&to, &limited.allocator);
        json_value(&to, yyjson_doc_get_root(doc));
        bool is_whole = !fault_allocator_fired(&limited);
        assert_int_equal(to.failed, !is_whole);
        if (is_whole) {
            assert_int_equal(to.bytes, DEPTH * 2);
            assert_memory_equal(to.data, text, DEPTH * 2);
        }
        byte_writer_fini(&to);
        assert_null(fault_allocator_fini(&limited));
        if (is_whole) break;
    }
    arena_fini(&memory);
    free(text);
}

/* ---------------------------------------------------------------- options */

static void test_options_defaults(void **state)
{
    (void)state;
    static const char *const same[] = {NULL, "{}", "null",
                                       "{\"sync\": null, \"memoryLimit\": 0.0}"};
    for (size_t i = 0; i < TEST_COUNT(same); i++) {
        database_options options;
        memset(&options, 0xA5, sizeof options);
        veer_error error = {0};
        assert_int_equal(database_options_read(same[i], NULL, &options, &error), VEER_OK);
        assert_false(options.create);
        assert_int_equal(options.mode, 0);
        assert_int_equal(options.sync, STORE_SYNC_FULL);
        assert_int_equal(options.sync_interval_ms, 100);
        assert_int_equal(options.memory_limit, 0);
        assert_int_equal(options.wal_bytes, options.segment_bytes);
    }
}

static void test_options_values(void **state)
{
    (void)state;
    database_options options;
    veer_error error;
    assert_int_equal(
        database_options_read("{\"create\":true,\"mode\":\"readonly\",\"sync\":\"none\","
                              "\"syncIntervalMs\":60000,\"memoryLimit\":1000000,"
                              "\"walBytes\":65536,\"segmentBytes\":131072,\"cacheBytes\":0}",
                              NULL, &options, &error),
        VEER_OK);
    assert_true(options.create);
    assert_int_equal(options.mode, 1);
    assert_int_equal(options.sync, STORE_SYNC_NONE);
    assert_int_equal(options.sync_interval_ms, 60000);
    assert_int_equal(options.memory_limit, 1000000);
    assert_int_equal(options.wal_bytes, 65536);
    assert_int_equal(options.segment_bytes, 131072);
    assert_int_equal(options.cache_bytes, 0);
}

typedef struct refusal {
    const char *json;
    veer_status status;
    const char *parts[4]; /* all of them are in the message */
} refusal;

static void check_refusal(const refusal *expected, veer_status status, const veer_error *error)
{
    if (status != expected->status)
        fail_msg("%s: status %d, not %d: %s", expected->json, status, expected->status,
                 error->message);
    assert_int_equal(error->status, expected->status);
    for (size_t i = 0; i < 4 && expected->parts[i]; i++)
        if (!strstr(error->message, expected->parts[i]))
            fail_msg("%s: '%s' is not in: %s", expected->json, expected->parts[i], error->message);
}

static void test_options_refusals(void **state)
{
    static const refusal cases[] = {
        {"{\"syncc\":\"full\"}", VEER_E_OPTION, {"'syncc'", "'sync'?"}},
        {"{\"zzzzzzzz\":1}", VEER_E_OPTION, {"'zzzzzzzz'", "'create'", "'segmentBytes'"}},
        {"{\"sync\":\"often\"}", VEER_E_OPTION, {"'sync'", "'often'", "full|interval|none"}},
        {"{\"sync\":1}", VEER_E_OPTION, {"'sync'", "a string", "a number"}},
        {"{\"create\":\"yes\"}", VEER_E_OPTION, {"'create'", "true or false", "a string"}},
        {"{\"syncIntervalMs\":0}", VEER_E_OPTION, {"'syncIntervalMs'", " 0;", "from 1 to 60000"}},
        {"{\"syncIntervalMs\":1.5}", VEER_E_OPTION, {"'syncIntervalMs'", "a whole number"}},
        {"{\"memoryLimit\":-1}", VEER_E_OPTION, {"'memoryLimit'", "-1", "from 0"}},
        {"{\"memoryLimit\":1e300}", VEER_E_OPTION, {"'memoryLimit'", "9007199254740991"}},
        {"{\"memoryLimit\":1,\"memoryLimit\":1}", VEER_E_OPTION, {"'memoryLimit'", "twice"}},
        {"[]", VEER_E_OPTION, {"object", "an array"}},
        {"{", VEER_E_SYNTAX, {"options", "position"}},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        database_options options, before;
        memset(&options, 0xA5, sizeof options);
        before = options;
        veer_error error = {0};
        check_refusal(&cases[i], database_options_read(cases[i].json, NULL, &options, &error),
                      &error);
        assert_memory_equal(&options, &before, sizeof options);
    }
}

static veer_status read_request_json(const char *json, request_options *out, arena *memory,
                                     veer_error *error)
{
    static const char *const also[] = {"filter", "select", NULL};
    yyjson_doc *doc = NULL;
    VEER_TRY(json_parse(json, strlen(json), "request", memory, &doc, error));
    return options_read_request(request_table, request_table_count, also, yyjson_doc_get_root(doc),
                                "request", memory, out, error);
}

static void test_request(void **state)
{
    static const refusal cases[] = {
        {"{\"k\":0}", VEER_E_RANGE, {"request", "'k'", " 0;", "from 1 to 10000"}},
        {"{\"k\":10001}", VEER_E_RANGE, {"'k'", "10001", "from 1 to 10000"}},
        {"{\"k\":\"10\"}", VEER_E_TYPE, {"'k'", "a whole number", "a string"}},
        {"{\"recall\":0}", VEER_E_RANGE, {"'recall'", "to 1"}},
        {"{\"recall\":1.01}", VEER_E_RANGE, {"'recall'", "1.01"}},
        {"{\"filters\":1}", VEER_E_OPTION, {"'filters'", "did you mean 'filter'?"}},
        {"{\"vector\":1}", VEER_E_TYPE, {"'vector'", "a string"}},
        {"{\"vector\":\"a\\u0000b\"}", VEER_E_RANGE, {"'vector'", "code 0"}},
        {"{\"offset\":10001}", VEER_E_RANGE, {"'offset'", "10000"}},
        {"7", VEER_E_TYPE, {"request", "object", "a number"}},
    };
    (void)state;
    arena memory;
    arena_init(&memory, memory_default());
    request_options request;
    veer_error error = {0};
    assert_int_equal(read_request_json("{\"filter\":1,\"select\":2}", &request, &memory, &error),
                     VEER_OK);
    assert_int_equal(request.k, 10);
    assert_int_equal(request.offset, 0);
    assert_true(request.recall == 0.95);
    assert_null(request.vector);
    assert_false(request.exact || request.explain);
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        check_refusal(&cases[i], read_request_json(cases[i].json, &request, &memory, &error),
                      &error);
    arena_fini(&memory);
}

static void test_nearest(void **state)
{
    static const char *const names[] = {"filter", "select", "offset", "k"};
    (void)state;
    assert_string_equal(options_nearest("FILTERS", 7, names, 4), "filter");
    assert_string_equal(options_nearest("ofset", 5, names, 4), "offset");
    assert_null(options_nearest("x", 1, names, 4));
    assert_null(options_nearest("", 0, names, 4));
    assert_null(options_nearest("something", 9, names, 4));
}

/* The description is valid JSON and agrees with the tables and the header. */
static void test_describe(void **state)
{
    (void)state;
    arena memory;
    arena_init(&memory, memory_default());
    yyjson_doc *doc = NULL;
    veer_error error;
    const char *text = veer_describe();
    assert_int_equal(json_parse(text, strlen(text), "description", &memory, &doc, &error), VEER_OK);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "version")), veer_version());
    yyjson_val *statuses = yyjson_obj_get(root, "statuses");
    size_t count = 0;
#define CHECK(name, number, code, words)                                                    \
    {                                                                                       \
        yyjson_val *status = yyjson_arr_get(statuses, count++);                             \
        assert_string_equal(yyjson_get_str(yyjson_obj_get(status, "name")), "VEER_" #name); \
        assert_int_equal(yyjson_get_int(yyjson_obj_get(status, "number")), number);         \
        assert_string_equal(yyjson_get_str(yyjson_obj_get(status, "code")), code);          \
    }
    VEER_STATUS_MAP(CHECK)
    assert_int_equal(yyjson_arr_size(statuses), count);
    static const struct {
        const char *name;
        const option *table;
        const size_t *count;
        size_t more;
    } tables[] = {{"database", database_table, &database_table_count, 0},
                  {"request", request_table, &request_table_count, 2},
                  {"scan", scan_table, &scan_table_count, 2},
                  {"index", index_table, &index_table_count, 0}};
    yyjson_val *all = yyjson_obj_get(root, "options");
    for (size_t i = 0; i < TEST_COUNT(tables); i++) {
        yyjson_val *options = yyjson_obj_get(all, tables[i].name);
        assert_int_equal(yyjson_obj_size(options), *tables[i].count + tables[i].more);
        for (size_t j = 0; j < *tables[i].count; j++) {
            const option *entry = &tables[i].table[j];
            yyjson_val *told = yyjson_obj_get(options, entry->key);
            assert_string_equal(yyjson_get_str(yyjson_obj_get(told, "doc")), entry->doc);
            yyjson_val *fallback = yyjson_obj_get(told, "default");
            if (entry->type == OPTION_BOOL)
                assert_int_equal(yyjson_get_bool(fallback), entry->fallback != 0);
            if (entry->type != OPTION_INTEGER && entry->type != OPTION_NUMBER) continue;
            assert_true(yyjson_get_num(yyjson_obj_get(told, "min")) == entry->minimum);
            assert_true(yyjson_get_num(yyjson_obj_get(told, "max")) == entry->maximum);
            assert_true(yyjson_get_num(fallback) == entry->fallback);
        }
    }
    arena_fini(&memory);
}

/* ---------------------------------------------------------------- schemas */

static const char full[] =
    "{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":4,\"metric\":\"dot\",\"model\":{\"name\":"
    "\"m \\\"q\\\"\",\"revision\":\"2\",\"normalized\":true}},\"w\":{\"type\":\"vector\",\"dims\":8192},"
    "\"title\":{\"type\":\"text\"},\"tag\":{\"type\":\"keyword\"},\"year\":{\"type\":\"number\"},"
    "\"draft\":{\"type\":\"bool\"},\"_t.x-1\":{\"type\":\"time\"}},\"orderBy\":\"_t.x-1\"}";

static schema *parse_with(const veer_allocator *allocator, const char *json, schema *stored)
{
    schema *made = NULL;
    veer_error error = {0};
    if (schema_parse(allocator, json, strlen(json), stored, &made, &error) != VEER_OK)
        fail_msg("%s: %s", json, error.message);
    return made;
}

static void test_schema_fields(void **state)
{
    (void)state;
    schema *made = parse_with(memory_default(), full, NULL);
    assert_int_equal(made->version, 1);
    assert_int_equal(made->fields_count, 7);
    assert_int_equal(made->vectors_count, 2);
    assert_int_equal(made->next_field_id, 8);
    const field *v = schema_field(made, "v", 1), *w = schema_field(made, "w", 1);
    assert_int_equal(v->type, FIELD_VECTOR);
    assert_int_equal(v->metric, VEER_METRIC_DOT);
    assert_string_equal(v->model.name, "m \"q\"");
    assert_true(v->model.normalized);
    assert_int_equal(w->metric, VEER_METRIC_COSINE);
    assert_int_equal(w->vector_slot, 1);
    assert_null(w->model.name);
    const field *time = schema_field(made, "_t.x-1", 6);
    assert_int_equal(time->column, COLUMN_TIME);
    assert_int_equal(made->order_by, time->id);
    assert_ptr_equal(schema_field_by_id(made, time->id), time);
    assert_null(schema_field_by_id(made, 99));
    assert_null(schema_field(made, "nothing", 7));
    for (size_t i = 0; i < made->fields_count; i++) {
        assert_int_equal(made->filter_fields[i].id, made->fields[i].id);
        assert_int_equal(made->filter_fields[i].type, made->fields[i].column);
        assert_string_equal(made->filter_fields[i].kind, field_type_name(made->fields[i].type));
    }
    const field *found = NULL;
    veer_error error = {0};
    assert_int_equal(schema_vector(made, NULL, &found, &error), VEER_E_FIELD);
    assert_non_null(strstr(error.message, "'v', 'w'"));
    assert_int_equal(schema_vector(made, "w", &found, &error), VEER_OK);
    assert_ptr_equal(found, w);
    assert_int_equal(schema_vector(made, "tag", &found, &error), VEER_E_FIELD);
    assert_non_null(strstr(error.message, "keyword"));
    assert_int_equal(schema_vector(made, "x", &found, &error), VEER_E_FIELD);
    schema_release(made);
}

/* Stored and read back, a schema is the same; the same schema gives the same bytes. */
static void test_schema_stored_form(void **state)
{
    (void)state;
    schema *made = parse_with(memory_default(), full, NULL);
    byte_writer first, second;
    byte_writer_init(&first, memory_default());
    byte_writer_init(&second, memory_default());
    veer_error error;
    assert_int_equal(schema_write(made, &first, &error), VEER_OK);
    schema *back = NULL;
    assert_int_equal(
        schema_read(memory_default(), (const char *)first.data, first.bytes, &back, &error),
        VEER_OK);
    assert_int_equal(schema_write(back, &second, &error), VEER_OK);
    assert_int_equal(first.bytes, second.bytes);
    assert_memory_equal(first.data, second.data, first.bytes);
    /* What is shown may be given again, to this collection and to another one. */
    byte_writer_u8(&first, 0);
    schema *same = parse_with(memory_default(), (const char *)first.data, made);
    assert_ptr_equal(same, made);
    schema_release(same);
    schema *copy = parse_with(memory_default(), (const char *)first.data, NULL);
    assert_int_equal(copy->fields_count, made->fields_count);
    schema_release(copy);
    schema_release(back);
    schema_release(made);
    byte_writer_fini(&first);
    byte_writer_fini(&second);
}

static void test_schema_evolution(void **state)
{
    (void)state;
    schema *first = parse_with(memory_default(), full, NULL);
    schema *same =
        parse_with(memory_default(), "{\"fields\":{\"tag\":{\"type\":\"keyword\"}}}", first);
    assert_ptr_equal(same, first);
    schema_release(same);
    schema *grown = parse_with(
        memory_default(),
        "{\"fields\":{\"u\":{\"type\":\"vector\",\"dims\":3},\"tag\":{\"type\":\"keyword\"}}}",
        first);
    assert_int_equal(grown->version, 2);
    assert_int_equal(grown->fields_count, 8);
    assert_int_equal(schema_field(grown, "u", 1)->id, 8);
    assert_int_equal(schema_field(grown, "u", 1)->vector_slot, 2);
    assert_int_equal(schema_field(grown, "v", 1)->vector_slot, 0);
    assert_string_equal(schema_field(grown, "v", 1)->model.revision, "2");
    assert_int_equal(grown->order_by, first->order_by);
    schema_release(first);
    schema_release(grown);
}

static void test_schema_refusals(void **state)
{
    static const refusal cases[] = {
        {"[]", VEER_E_SCHEMA, {"an array"}},
        {"{}", VEER_E_SCHEMA, {"'fields'"}},
        {"{\"fields\":{},\"orderby\":1}", VEER_E_SCHEMA, {"'orderby'", "'orderBy'?"}},
        {"{\"fields\":{\"id\":{\"type\":\"keyword\"}}}", VEER_E_SCHEMA, {"'id'"}},
        {"{\"fields\":{\"1a\":{\"type\":\"keyword\"}}}", VEER_E_SCHEMA, {"'1a'", "letter"}},
        {"{\"fields\":{\"\":{\"type\":\"keyword\"}}}", VEER_E_SCHEMA, {"''"}},
        {"{\"fields\":{\"a b\":{\"type\":\"keyword\"}}}", VEER_E_SCHEMA, {"'a b'"}},
        {"{\"fields\":{\"a\":\"keyword\"}}", VEER_E_SCHEMA, {"'a'", "object"}},
        {"{\"fields\":{\"a\":{}}}", VEER_E_SCHEMA, {"'a'", "'type'"}},
        {"{\"fields\":{\"a\":{\"type\":\"date\"}}}", VEER_E_SCHEMA, {"'a'", "'date'", "time"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\"}}}", VEER_E_SCHEMA, {"'a'", "'dims'"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":0}}}",
         VEER_E_SCHEMA,
         {"'a'", " 0;", "8192"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":8193}}}",
         VEER_E_SCHEMA,
         {"8193", "8192"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":1.5}}}", VEER_E_SCHEMA, {"1.5"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":1e99}}}", VEER_E_SCHEMA, {"1e+99"}},
        {"{\"fields\":{\"a\":{\"type\":\"keyword\",\"dims\":4}}}",
         VEER_E_SCHEMA,
         {"'a'", "keyword", "'dims'"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dim\":4}}}",
         VEER_E_SCHEMA,
         {"'dim'", "'dims'?"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":4,\"metric\":\"l1\"}}}",
         VEER_E_SCHEMA,
         {"'a'", "'l1'", "cosine, dot, l2, manhattan", "hamming or jaccard"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":4,\"storage\":\"f8\"}}}",
         VEER_E_SCHEMA,
         {"'storage'", "'a'", "'f8'", "f32, f16 or bits"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":4,\"storage\":true}}}",
         VEER_E_SCHEMA,
         {"'storage'", "'a'", "a string, not"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":4,\"storag\":\"f16\"}}}",
         VEER_E_SCHEMA,
         {"'storag'", "'storage'?"}},
        {"{\"fields\":{\"a\":{\"type\":\"text\",\"storage\":\"f16\"}}}",
         VEER_E_SCHEMA,
         {"'storage'", "'a'", "text"}},
        {"{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":4,\"storage\":\"f16\"}}}",
         VEER_E_SCHEMA,
         {"'v'", "storage f32", "f16"}},
        {"{\"fields\":{\"a\":{\"type\":\"vector\",\"dims\":4,\"model\":{\"x\":1}}}}",
         VEER_E_SCHEMA,
         {"'a'", "'x'"}},
        {"{\"fields\":{\"a\":{\"type\":\"text\"},\"a\":{\"type\":\"text\"}}}",
         VEER_E_SCHEMA,
         {"'a'", "twice"}},
        {"{\"fields\":{\"a\":{\"type\":\"text\"}},\"orderBy\":\"a\"}",
         VEER_E_SCHEMA,
         {"'a'", "text", "time"}},
        {"{\"fields\":{},\"orderBy\":\"b\"}", VEER_E_SCHEMA, {"'b'"}},
        {"{\"fields\":{\"v\":{\"type\":\"keyword\"}}}",
         VEER_E_SCHEMA,
         {"'v'", "vector", "keyword"}},
        {"{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":5}}}",
         VEER_E_SCHEMA,
         {"'v'", "dims 4", "5"}},
        {"{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":4,\"metric\":\"l2\"}}}",
         VEER_E_SCHEMA,
         {"'v'", "dot", "l2"}},
        {"{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":4,\"model\":{\"name\":\"n\"}}}}",
         VEER_E_MODEL,
         {"'v'", "'n'"}},
        {"{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":4,\"model\":{\"revision\":\"3\"}}}}",
         VEER_E_MODEL,
         {"'2'", "'3'"}},
        {"{\"fields\":{\"v\":{\"type\":\"vector\",\"dims\":4,\"model\":{\"normalized\":false}}}}",
         VEER_E_MODEL,
         {"normalized true", "false"}},
        {"{\"fields\":{\"w\":{\"type\":\"vector\",\"dims\":8192,\"model\":{\"name\":\"n\"}}}}",
         VEER_E_MODEL,
         {"'none'", "'n'"}},
        {"{\"fields\":{\"t2\":{\"type\":\"time\"}},\"orderBy\":\"t2\"}",
         VEER_E_SCHEMA,
         {"_t.x-1", "'t2'"}},
        {"{\"fields\":", VEER_E_SYNTAX, {"schema", "position"}},
    };
    (void)state;
    schema *stored = parse_with(memory_default(), full, NULL);
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        schema *out = (schema *)1;
        veer_error error = {0};
        check_refusal(&cases[i],
                      schema_parse(memory_default(), cases[i].json, strlen(cases[i].json), stored,
                                   &out, &error),
                      &error);
        assert_null(out);
    }
    assert_int_equal(stored->references, 1);
    schema_release(stored);
}

static void test_schema_too_many_fields(void **state)
{
    (void)state;
    byte_writer json;
    byte_writer_init(&json, memory_default());
    json_open(&json, NULL, '{');
    json_open(&json, "fields", '{');
    for (unsigned i = 0; i <= VEER_FIELDS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "f%u", i);
        json_open(&json, name, '{');
        json_string(&json, "type", "bool");
        json_close(&json, '}');
    }
    json_close(&json, '}');
    json_close(&json, '}');
    schema *out = NULL;
    veer_error error = {0};
    assert_int_equal(
        schema_parse(memory_default(), (const char *)json.data, json.bytes, NULL, &out, &error),
        VEER_E_LIMIT);
    assert_non_null(strstr(error.message, "256"));
    byte_writer_fini(&json);
}

/* Damage to the stored form that its checksum did not see is CORRUPT, never a crash. */
static void test_schema_damage(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"fields\":{}}",
        "{\"version\":1,\"nextId\":1,\"fields\":{\"a\":{\"type\":\"bool\"}}}",
        "{\"version\":1,\"nextId\":1,\"fields\":{\"a\":{\"id\":1,\"type\":\"bool\"}}}",
        "{\"version\":0,\"nextId\":1,\"fields\":{}}",
        "{\"version\":1,\"nextId\":3,\"fields\":{\"a\":{\"id\":1,\"type\":\"bool\"},\"b\":{\"id\":1,\"type\":\"bool\"}}}",
        "{\"version\":-1,\"nextId\":1,\"fields\":{}}",
        "{\"version\":1,\"nextId\":2,\"fields\":{\"a\":{\"id\":1,\"type\":\"vector\",\"dims\":3,\"storage\":\"f17\"}}}",
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(bad); i++) {
        schema *out = (schema *)1;
        veer_error error = {0};
        if (schema_read(memory_default(), bad[i], strlen(bad[i]), &out, &error) != VEER_E_CORRUPT)
            fail_msg("%s: %s", bad[i], error.message);
        assert_null(out);
    }
    schema *made = parse_with(memory_default(), full, NULL);
    byte_writer text;
    byte_writer_init(&text, memory_default());
    veer_error error;
    assert_int_equal(schema_write(made, &text, &error), VEER_OK);
    rng random;
    rng_init(&random, 3);
    for (int i = 0; i < 5000; i++) {
        size_t at = rng_below(&random, text.bytes);
        uint8_t old = text.data[at];
        text.data[at] = (uint8_t)rng_next(&random);
        schema *out = NULL;
        veer_status status =
            schema_read(memory_default(), (const char *)text.data, text.bytes, &out, &error);
        assert_true(status == VEER_OK || status == VEER_E_CORRUPT);
        assert_true((status == VEER_OK) == (out != NULL));
        schema_release(out);
        text.data[at] = old;
    }
    byte_writer_fini(&text);
    schema_release(made);
}

static void test_schema_without_memory(void **state)
{
    (void)state;
    for (uint64_t n = 0;; n++) {
        fault_allocator fault;
        fault_allocator_init(&fault);
        fault_allocator_fail(&fault, n, false);
        schema *first = NULL, *second = NULL, *back = NULL;
        veer_error error = {0};
        byte_writer text;
        byte_writer_init(&text, &fault.allocator);
        veer_status status =
            schema_parse(&fault.allocator, full, strlen(full), NULL, &first, &error);
        static const char more[] = "{\"fields\":{\"n\":{\"type\":\"bool\"}}}";
        if (status == VEER_OK)
            status = schema_parse(&fault.allocator, more, strlen(more), first, &second, &error);
        if (status == VEER_OK) status = schema_write(second, &text, &error);
        if (status == VEER_OK)
            status =
                schema_read(&fault.allocator, (const char *)text.data, text.bytes, &back, &error);
        bool fired = fault_allocator_fired(&fault);
        /* A writer that cannot double may still grow by what it needs. */
        assert_true(status == VEER_OK || (fired && status == VEER_E_NOMEM));
        byte_writer_fini(&text);
        schema_release(back);
        schema_release(second);
        schema_release(first);
        const char *problem = fault_allocator_fini(&fault);
        if (problem) fail_msg("allocation %u: %s", (unsigned)n, problem);
        if (!fired) break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_errors_name_the_place),
        cmocka_unit_test(test_json_numbers),
        cmocka_unit_test(test_json_floats_are_short),
        cmocka_unit_test(test_json_texts),
        cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_json_depth),
        cmocka_unit_test(test_options_defaults),
        cmocka_unit_test(test_options_values),
        cmocka_unit_test(test_options_refusals),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_schema_fields),
        cmocka_unit_test(test_schema_stored_form),
        cmocka_unit_test(test_schema_evolution),
        cmocka_unit_test(test_schema_refusals),
        cmocka_unit_test(test_schema_too_many_fields),
        cmocka_unit_test(test_schema_damage),
        cmocka_unit_test(test_schema_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
