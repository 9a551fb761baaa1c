/* cli_database.c: opening databases and collections (cli_database.h has the contract).
 *
 * Reading commands open with mode "readonly", so that any number of them run side by side; the
 * engine refuses them while a writer is there and names it. Nothing here creates a database but
 * CLI_CREATE.
 */
#include "cli_database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "readers.h"

static const char *const mode_options[] = {
    [CLI_READ] = "{\"mode\":\"readonly\"}",
    [CLI_WRITE] = "{}",
    [CLI_CREATE] = "{\"create\":true}",
};

int cli_open(const cli_context *cli, const char *path, cli_mode mode, cli_database *out)
{
    veer_error error = {0};
    *out = (cli_database){0};
    if (veer_open(path, NULL, mode_options[mode], NULL, &out->database, &error) == VEER_OK) {
        return CLI_OK;
    }
    if (error.status != VEER_E_NOTFOUND) {
        return cli_fail(cli, &error);
    }
    if (mode == CLI_CREATE) {
        return cli_fail_text(cli, VEER_E_NOTFOUND,
                             "%s: the folder that it would lie in is not there", path);
    }
    int code = cli_fail_text(cli, VEER_E_NOTFOUND, "%s: there is no database here", path);
    cli_hint(cli, "make one:  veer create %s --dims N --metric cosine", path);
    cli_hint(cli, "or both:   veer import %s FILE --create", path);
    return code;
}

bool cli_is_missing(const char *path)
{
    veer_database *database = NULL;
    veer_status status = veer_open(path, NULL, mode_options[CLI_READ], NULL, &database, NULL);
    (void)veer_close(database, NULL);
    return status == VEER_E_NOTFOUND;
}

int cli_try_collection(const cli_context *cli, const char *name, const char *schema)
{
    veer_database *database = NULL;
    veer_collection *collection = NULL;
    veer_error error = {0};
    int code = CLI_OK;
    if (veer_open("memory:", NULL, NULL, NULL, &database, &error) != VEER_OK ||
        veer_collection_open(database, name, schema, &collection, &error) != VEER_OK) {
        code = cli_fail(cli, &error);
    }
    veer_collection_close(collection);
    (void)veer_close(database, NULL);
    return code;
}

/* Names of all collections; *only receives the name where there is exactly one. */
static veer_status list_collections(veer_database *database, cli_text *names, size_t *count,
                                    cli_text *only, veer_error *error)
{
    veer_buffer json = {0};
    json_iterator iterator;
    json_slice entry;
    *count = 0;
    veer_status status = veer_collections(database, &json, error);
    if (status != VEER_OK) {
        return status;
    }
    cli_json_begin(&iterator, json.data, json.bytes);
    while (cli_json_element(&iterator, &entry)) {
        cli_text_string(names, *count > 0 ? ", " : "");
        cli_text_clear(only);
        cli_json_string(cli_json_get(entry, "name"), only);
        cli_text_append(names, only->data != NULL ? only->data : "", only->bytes);
        *count += 1;
    }
    veer_buffer_free(&json);
    if (names->failed || only->failed) {
        return cli_error(error, VEER_E_NOMEM, "out of memory");
    }
    return VEER_OK;
}

/* Which collection a command without --collection means. */
static int choose_collection(const cli_context *cli, const char *path, cli_database *out)
{
    cli_text names = {0};
    cli_text only = {0};
    size_t count = 0;
    veer_error error = {0};
    int code = CLI_OK;
    if (list_collections(out->database, &names, &count, &only, &error) != VEER_OK) {
        code = cli_fail(cli, &error);
    } else if (count == 0) {
        code = cli_fail_text(cli, VEER_E_NOTFOUND, "%s has no collection", path);
        cli_hint(cli, "make one:  veer create %s --dims N --metric cosine", path);
    } else if (count > 1) {
        code = cli_usage(cli, "%s has %zu collections, say which: --collection %s", path, count,
                         names.data);
    } else {
        (void)snprintf(out->name, sizeof out->name, "%s", only.data);
    }
    cli_text_free(&names);
    cli_text_free(&only);
    return code;
}

static cli_type type_of(json_slice type)
{
    static const struct {
        const char *name;
        cli_type type;
    } types[] = {
        {"vector", TYPE_VECTOR}, {"text", TYPE_TEXT}, {"keyword", TYPE_KEYWORD},
        {"number", TYPE_NUMBER}, {"bool", TYPE_BOOL}, {"time", TYPE_TIME},
    };
    cli_text name = {0};
    cli_type found = TYPE_OTHER;
    cli_json_string(type, &name);
    for (size_t i = 0; name.data != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name.data) == 0) {
            found = types[i].type;
        }
    }
    cli_text_free(&name);
    return found;
}

static veer_status read_schema(cli_database *out, veer_error *error)
{
    veer_buffer json = {0};
    json_iterator iterator;
    json_slice key;
    json_slice value;
    veer_status status = veer_collection_schema(out->collection, &json, error);
    if (status != VEER_OK) {
        return status;
    }
    json_slice fields = cli_json_get((json_slice){json.data, json.bytes}, "fields");
    size_t count = cli_json_count(fields);
    out->fields = calloc(count + 1, sizeof *out->fields);
    if (out->fields == NULL) {
        veer_buffer_free(&json);
        return cli_error(error, VEER_E_NOMEM, "out of memory");
    }
    cli_json_begin(&iterator, fields.text, fields.bytes);
    while (out->fields_count < count && cli_json_member(&iterator, &key, &value)) {
        cli_field *field = &out->fields[out->fields_count];
        (void)snprintf(field->name, sizeof field->name, "%.*s", (int)key.bytes, key.text);
        field->type = type_of(cli_json_get(value, "type"));
        field->dims = (uint32_t)cli_json_number(cli_json_get(value, "dims"));
        out->fields_count++;
    }
    veer_buffer_free(&json);
    return VEER_OK;
}

int cli_use_collection(const cli_context *cli, const char *path, const char *name,
                       const char *schema, cli_database *out)
{
    veer_error error = {0};
    if (name != NULL && strlen(name) > VEER_NAME_BYTES_MAX) {
        return cli_usage(cli, "--collection: a name has at most %u bytes, this one has %zu",
                         VEER_NAME_BYTES_MAX, strlen(name));
    }
    if (name != NULL) {
        (void)snprintf(out->name, sizeof out->name, "%s", name);
    } else {
        int code = choose_collection(cli, path, out);
        if (code != CLI_OK) {
            return code;
        }
    }
    veer_status status =
        veer_collection_open(out->database, out->name, schema, &out->collection, &error);
    if (status == VEER_OK) {
        status = read_schema(out, &error);
        return status == VEER_OK ? CLI_OK : cli_fail(cli, &error);
    }
    int code = cli_fail(cli, &error);
    cli_text names = {0};
    cli_text only = {0};
    size_t count = 0;
    if (status == VEER_E_NOTFOUND &&
        list_collections(out->database, &names, &count, &only, &error) == VEER_OK && count > 0) {
        cli_hint(cli, "%s has: %s", path, names.data);
    }
    cli_text_free(&names);
    cli_text_free(&only);
    return code;
}

int cli_open_collection(const cli_context *cli, const char *path, cli_mode mode, const char *name,
                        cli_database *out)
{
    int code = cli_open(cli, path, mode, out);
    if (code == CLI_OK) {
        code = cli_use_collection(cli, path, name, NULL, out);
    }
    return code;
}

bool cli_collection_exists(const cli_database *database, const char *name)
{
    veer_collection *collection = NULL;
    bool exists =
        veer_collection_open(database->database, name, NULL, &collection, NULL) == VEER_OK;
    veer_collection_close(collection);
    return exists;
}

size_t cli_collections_count(const cli_database *database)
{
    veer_buffer json = {0};
    size_t count = 0;
    if (veer_collections(database->database, &json, NULL) == VEER_OK) {
        count = cli_json_count((json_slice){json.data, json.bytes});
    }
    veer_buffer_free(&json);
    return count;
}

int cli_close(const cli_context *cli, cli_database *database, int code)
{
    veer_error error = {0};
    veer_collection_close(database->collection);
    database->collection = NULL;
    if (veer_close(database->database, &error) != VEER_OK && code == CLI_OK) {
        code = cli_fail(cli, &error);
    }
    free(database->fields);
    *database = (cli_database){0};
    return code;
}

const cli_field *cli_find_field(const cli_database *database, const char *name, size_t bytes)
{
    for (size_t i = 0; i < database->fields_count; i++) {
        const cli_field *field = &database->fields[i];
        if (strlen(field->name) == bytes && memcmp(field->name, name, bytes) == 0) {
            return field;
        }
    }
    return NULL;
}

int cli_vector_field(const cli_context *cli, const cli_database *database, const char *name,
                     const cli_field **out)
{
    cli_text names = {0};
    size_t count = 0;
    int code = CLI_OK;
    *out = NULL;
    for (size_t i = 0; i < database->fields_count; i++) {
        const cli_field *field = &database->fields[i];
        if (field->type != TYPE_VECTOR) {
            continue;
        }
        count++;
        cli_text_format(&names, "%s%s", count > 1 ? ", " : "", field->name);
        if (name == NULL || strcmp(field->name, name) == 0) {
            *out = field;
        }
    }
    const char *has = names.data != NULL ? names.data : "";
    if (count == 0) {
        code = cli_fail_text(cli, VEER_E_FIELD, "collection \"%s\" has no vector field",
                             database->name);
    } else if (name != NULL && *out == NULL) {
        code = cli_fail_text(cli, VEER_E_FIELD,
                             "collection \"%s\" has no vector field \"%s\"; it has: %s",
                             database->name, name, has);
    } else if (name == NULL && count > 1) {
        code = cli_usage(cli, "collection \"%s\" has %zu vector fields, say which: --field %s",
                         database->name, count, has);
        *out = NULL;
    }
    cli_text_free(&names);
    return code;
}

void cli_simple_schema(cli_text *json, const char *field, uint32_t dims, const char *metric,
                       const char *storage)
{
    cli_text_string(json, "{\"fields\":{");
    cli_text_json_string(json, field, strlen(field));
    cli_text_format(json, ":{\"type\":\"vector\",\"dims\":%u,\"metric\":\"%s\"", dims, metric);
    if (storage != NULL) {
        cli_text_format(json, ",\"storage\":\"%s\"", storage);
    }
    cli_text_string(json, "}}}");
}

bool cli_filter_json(const cli_context *cli, const char *filter, cli_text *json)
{
    const char *start = filter + strspn(filter, " \t\r\n");
    const char *problem = NULL;
    size_t position = 0;
    json_slice value;
    if (*start != '{') {
        cli_text_json_string(json, filter, strlen(filter));
    } else if (cli_json_value(filter, strlen(filter), &value, &problem, &position)) {
        cli_text_append(json, value.text, value.bytes);
    } else {
        (void)cli_fail_text(cli, VEER_E_SYNTAX, "--filter: not JSON at byte %zu: expected %s",
                            position, problem);
        return false;
    }
    if (json->failed) {
        (void)cli_fail_text(cli, VEER_E_NOMEM, "out of memory");
    }
    return !json->failed;
}

void cli_select_json(const char *select, cli_text *json)
{
    if (select == NULL || strcmp(select, "true") == 0 || strcmp(select, "false") == 0) {
        cli_text_string(json, select == NULL ? "true" : select);
        return;
    }
    if (strcmp(select, "*") == 0) {
        cli_text_string(json, "\"*\"");
        return;
    }
    cli_text_byte(json, '[');
    for (const char *at = select; *at != '\0';) {
        size_t bytes = strcspn(at, ",");
        cli_text_string(json, at == select ? "" : ",");
        cli_text_json_string(json, at, bytes);
        at += bytes + (at[bytes] == ',');
    }
    cli_text_byte(json, ']');
}

bool cli_check_params(const cli_context *cli, const char *params)
{
    json_slice value;
    const char *problem = NULL;
    size_t position = 0;
    if (params == NULL) {
        return true;
    }
    if (!cli_json_value(params, strlen(params), &value, &problem, &position)) {
        (void)cli_fail_text(cli, VEER_E_SYNTAX, "--params: not JSON at byte %zu: expected %s",
                            position, problem);
        return false;
    }
    if (cli_json_kind_of(value) != JSON_ARRAY) {
        (void)cli_fail_text(cli, VEER_E_TYPE, "--params: expected a JSON array: '[2020, \"x\"]'");
        return false;
    }
    return true;
}

static veer_status ids_from_input(cli_text *json, size_t *count, veer_error *error)
{
    jsonl_reader reader = {0};
    const char *line = NULL;
    size_t bytes = 0;
    veer_status status = jsonl_open(&reader, "-", error);
    while (status == VEER_OK) {
        status = jsonl_next(&reader, &line, &bytes, error);
        if (line == NULL) {
            break;
        }
        cli_text_string(json, *count > 0 ? "," : "");
        cli_text_json_string(json, line, bytes);
        *count += 1;
    }
    jsonl_close(&reader);
    return status;
}

veer_status cli_ids_json(char **ids, int count, cli_text *json, size_t *ids_count,
                         veer_error *error)
{
    veer_status status = VEER_OK;
    *ids_count = 0;
    cli_text_byte(json, '[');
    for (int i = 0; i < count && status == VEER_OK; i++) {
        if (strcmp(ids[i], "-") == 0) {
            status = ids_from_input(json, ids_count, error);
            continue;
        }
        cli_text_string(json, *ids_count > 0 ? "," : "");
        cli_text_json_string(json, ids[i], strlen(ids[i]));
        *ids_count += 1;
    }
    cli_text_byte(json, ']');
    if (status == VEER_OK && json->failed) {
        status = cli_error(error, VEER_E_NOMEM, "out of memory for the ids");
    }
    return status;
}
