/* veer_write: parses the operations of one transaction, logs them, applies them. */
#include "engine/write.h"

#include <string.h>
#include <yyjson.h>

#include "base/bitset.h"
#include "engine/sealed.h"
#include "engine/work.h"
#include "platform/clock.h"

typedef struct write_call {
    veer_database *database;
    transaction transaction;
    store_append_record *records;
    size_t records_count;
    int64_t now_ms;
    uint64_t log_bytes;
} write_call;

static veer_status check_log_bytes(write_call *call, uint64_t more, veer_error *error)
{
    call->log_bytes += more;
    if (call->log_bytes > VEER_BATCH_BYTES_MAX)
        VEER_FAIL(error, VEER_E_LIMIT,
                  "a transaction has more than %u bytes of documents and vectors: split it",
                  VEER_BATCH_BYTES_MAX);
    return VEER_OK;
}

/* ---------------------------------------------------------------- documents */

typedef veer_status (*value_each)(void *context, yyjson_val *value, size_t number,
                                  veer_error *error);

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Reads one JSON value; `number` is its place for errors. */
static veer_status read_value(const char *text, size_t bytes, const char *what, size_t number,
                              arena *arena, yyjson_val **value, veer_error *error)
{
    yyjson_alc alc;
    json_arena(&alc, arena);
    yyjson_read_err why;
    yyjson_doc *doc =
        yyjson_read_opts((char *)(uintptr_t)text, bytes, YYJSON_READ_BIGNUM_AS_RAW, &alc, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return error_nomem(error, "a JSON text", bytes);
    if (!doc)
        VEER_FAIL(error, VEER_E_SYNTAX, "%s: line %zu, byte %zu: this is no JSON: %s", what,
                  number + 1, why.pos + 1, why.msg);
    *value = yyjson_doc_get_root(doc);
    return VEER_OK;
}

/* Calls `each` for every item of a JSON array, or for every line's value. */
static veer_status each_value(const veer_operation *operation, const char *what, arena *arena,
                              value_each each, void *context, veer_error *error)
{
    const char *text = operation->documents;
    if (!text) VEER_FAIL(error, VEER_E_INVALID, "%s: there is no JSON", what);
    const char *end =
        text + (operation->documents_bytes ? operation->documents_bytes : strlen(text));
    size_t number = 0;
    yyjson_val *value = NULL;
    while (text < end && is_space(*text))
        text++;
    if (text < end && *text == '[') {
        VEER_TRY(read_value(text, (size_t)(end - text), what, 0, arena, &value, error));
        yyjson_arr_iter items = yyjson_arr_iter_with(value);
        while ((value = yyjson_arr_iter_next(&items)) != NULL)
            VEER_TRY(each(context, value, number++, error));
        text = end;
    }
    for (; text < end; number++) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (!line_end) line_end = end;
        VEER_TRY(read_value(text, (size_t)(line_end - text), what, number, arena, &value, error));
        VEER_TRY(each(context, value, number, error));
        text = line_end;
        while (text < end && is_space(*text))
            text++;
    }
    if (operation->count != 0 && operation->count != number)
        VEER_FAIL(error, VEER_E_INVALID, "%s: count is %zu, but there are %zu", what,
                  operation->count, number);
    return VEER_OK;
}

typedef struct put_context {
    write_call *call;
    write_target *target;
    const document_vectors *vectors;
    size_t vectors_count;
    bool insert;
} put_context;

static veer_status put_value(void *context, yyjson_val *value, size_t number, veer_error *error)
{
    put_context *put = context;
    transaction *transaction = &put->call->transaction;
    document document;
    VEER_TRY(document_parse(put->call->database, put->target->base->schema, value, number,
                            put->vectors, put->vectors_count, &transaction->memory, &document,
                            error));
    uint64_t bytes = document.json_bytes + 64;
    const schema *schema = put->target->base->schema;
    for (size_t f = 0; f < schema->fields_count; f++)
        if (schema->fields[f].type == FIELD_VECTOR &&
            document.vectors[schema->fields[f].vector_slot])
            bytes += schema->fields[f].dims * sizeof(float);
    VEER_TRY(check_log_bytes(put->call, bytes, error));
    return transaction_put(transaction, put->target, &document, NULL, put->insert, error);
}

static veer_status do_put(write_call *call, const veer_operation *operation, write_target *target,
                          veer_error *error)
{
    arena *arena = &call->transaction.memory;
    const schema *schema = target->base->schema;
    document_vectors *vectors = arena_array(arena, operation->vectors_count + 1, sizeof *vectors);
    if (!vectors) return error_nomem(error, "a transaction", operation->vectors_count);
    if (operation->vectors_count > 0 && operation->count == 0)
        VEER_FAIL(error, VEER_E_INVALID, "with vectors beside the documents, count must be given");
    VEER_TRY(document_vectors_resolve(schema, operation->vectors, operation->vectors_count, vectors,
                                      error));
    size_t first = target->items_count;
    put_context put = {call, target, vectors, operation->vectors_count,
                       operation->kind == VEER_WRITE_INSERT};
    VEER_TRY(each_value(operation, "upsert", arena, put_value, &put, error));
    size_t n = target->items_count - first;
    if (n == 0) return VEER_OK;
    const document **documents = arena_array(arena, n, sizeof *documents);
    if (!documents) return error_nomem(error, "a transaction", n * sizeof *documents);
    for (size_t i = 0; i < n; i++) {
        document *copy = arena_new(arena, sizeof *copy);
        if (!copy) return error_nomem(error, "a transaction", sizeof *copy);
        *copy = target->items[first + i].document;
        documents[i] = copy;
    }
    return record_upsert(arena, schema, target->base->collection->id, documents, n, call->now_ms,
                         NULL, &call->records[call->records_count++], error);
}

/* ---------------------------------------------------------------- deletions */

typedef struct id_list {
    write_call *call;
    record_id *ids;
    size_t count, capacity;
} id_list;

static veer_status add_id(id_list *list, const char *id, size_t bytes, veer_error *error)
{
    arena *arena = &list->call->transaction.memory;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        record_id *ids = arena_array(arena, capacity, sizeof *ids);
        if (!ids) return error_nomem(error, "a list of ids", capacity);
        if (list->count) memcpy(ids, list->ids, list->count * sizeof *ids);
        list->ids = ids;
        list->capacity = capacity;
    }
    list->ids[list->count].id = id;
    list->ids[list->count].bytes = bytes;
    list->count++;
    return check_log_bytes(list->call, bytes + 2, error);
}

static veer_status delete_value(void *context, yyjson_val *value, size_t number, veer_error *error)
{
    if (!yyjson_is_str(value))
        VEER_FAIL(error, VEER_E_ID, "delete: id number %zu is %s, not a string", number,
                  yyjson_get_type_desc(value));
    VEER_TRY(document_id_check(yyjson_get_str(value), yyjson_get_len(value), number, error));
    return add_id(context, yyjson_get_str(value), yyjson_get_len(value), error);
}

typedef struct column_source {
    segment_core *core;
    const schema *schema;
} column_source;

static veer_status find_column(void *context, uint32_t field_id, const column **column,
                               veer_error *error)
{
    const column_source *source = context;
    return segment_column(source->core, source->schema, field_id, column, error);
}

/* The ids of the live rows of one segment that match. */
static veer_status matching_ids(id_list *list, const collection_version *base,
                                const segment_ref *ref, const filter *filter, veer_error *error)
{
    arena *arena = &list->call->transaction.memory;
    uint64_t *bits = arena_array(arena, bitset_words(ref->rows) + 1, sizeof *bits);
    if (!bits) return error_nomem(error, "a filter's rows", ref->rows / 8);
    column_source source = {ref->core, base->schema};
    filter_columns columns = {&source, find_column, ref->rows};
    size_t matches = 0;
    VEER_TRY(
        filter_evaluate(filter, &columns, list->call->database->allocator, bits, &matches, error));
    tombstones_clear(ref->dead, bits, ref->rows);
    bool waits = false;
    for (size_t row = bitset_next(bits, ref->rows, 0); row < ref->rows;
         row = bitset_next(bits, ref->rows, row + 1)) {
        const char *id = NULL;
        size_t bytes = 0;
        veer_status status = segment_row_id(ref->core, (uint32_t)row, arena, &id, &bytes, error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
        if (!waits) VEER_TRY(add_id(list, id, bytes, error));
    }
    return waits ? VEER_PENDING : VEER_OK;
}

static veer_status filter_ids(id_list *list, const veer_operation *operation,
                              const collection_version *base, veer_error *error)
{
    arena *arena = &list->call->transaction.memory;
    yyjson_doc *text = NULL, *parameters = NULL;
    const filter *parsed = NULL, *bound = NULL;
    VEER_TRY(json_parse_exact(operation->filter, strlen(operation->filter), "filter", arena, &text,
                              error));
    if (operation->parameters)
        VEER_TRY(json_parse_exact(operation->parameters, strlen(operation->parameters),
                                  "parameters", arena, &parameters, error));
    VEER_TRY(filter_parse(yyjson_doc_get_root(text), base->schema->filter_fields,
                          base->schema->fields_count, arena, &parsed, error));
    VEER_TRY(filter_bind(parsed, parameters ? yyjson_doc_get_root(parameters) : NULL, arena, &bound,
                         error));
    bool waits = false;
    for (size_t i = 0; i < base->segments_count; i++) {
        veer_status status = matching_ids(list, base, &base->segments[i], bound, error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
    }
    return waits ? VEER_PENDING : VEER_OK;
}

static veer_status do_delete(write_call *call, const veer_operation *operation,
                             write_target *target, veer_error *error)
{
    if (!operation->documents == !operation->filter)
        VEER_FAIL(error, VEER_E_INVALID, "delete needs ids or a filter: one of the two");
    id_list list = {.call = call};
    if (operation->documents)
        VEER_TRY(
            each_value(operation, "delete", &call->transaction.memory, delete_value, &list, error));
    else
        VEER_TRY(filter_ids(&list, operation, target->base, error));
    if (list.count == 0) return VEER_OK;
    for (size_t i = 0; i < list.count; i++)
        VEER_TRY(transaction_delete(&call->transaction, target, list.ids[i].id, list.ids[i].bytes,
                                    error));
    return record_delete(&call->transaction.memory, target->base->collection->id, list.ids,
                         list.count, call->now_ms, &call->records[call->records_count++], error);
}

/* ---------------------------------------------------------------- the call */

static veer_status check_operations(veer_database *database, const veer_operation *operations,
                                    size_t n, veer_error *error)
{
    if (n > 0 && !operations) VEER_FAIL(error, VEER_E_INVALID, "operations is NULL");
    for (size_t i = 0; i < n; i++) {
        if (!operations[i].collection)
            VEER_FAIL(error, VEER_E_INVALID, "operation %zu has no collection", i);
        if (operations[i].collection->state->database != database)
            VEER_FAIL(error, VEER_E_INVALID, "operation %zu: the collection is of another database",
                      i);
        if (operations[i].kind < VEER_WRITE_UPSERT || operations[i].kind > VEER_WRITE_DELETE)
            VEER_FAIL(error, VEER_E_INVALID, "operation %zu has the unknown kind %d", i,
                      operations[i].kind);
        if (operations[i].vectors_count > 0 && !operations[i].vectors)
            VEER_FAIL(error, VEER_E_INVALID, "operation %zu: vectors is NULL", i);
    }
    return VEER_OK;
}

static veer_status run(write_call *call, const veer_operation *operations, size_t n,
                       veer_write_result *result, veer_error *error)
{
    transaction *transaction = &call->transaction;
    call->records = arena_array(&transaction->memory, n + 1, sizeof *call->records);
    if (!call->records) return error_nomem(error, "a transaction", n);
    bool waits = false;
    for (size_t i = 0; i < n; i++) {
        write_target *target = NULL;
        VEER_TRY(transaction_target(transaction, operations[i].collection->state, &target, error));
        veer_status status = operations[i].kind == VEER_WRITE_DELETE
                                 ? do_delete(call, &operations[i], target, error)
                                 : do_put(call, &operations[i], target, error);
        if (status == VEER_PENDING)
            waits = true;
        else
            VEER_TRY(status);
    }
    if (waits) return VEER_PENDING;
    uint64_t lsn = transaction->base->lsn;
    if (call->records_count > 0) {
        VEER_TRY(transaction_prepare(transaction, error));
        VEER_TRY(
            store_append(call->database->store, call->records, call->records_count, &lsn, error));
        transaction_apply(transaction, lsn, call->now_ms);
    } else if (transaction->waits) {
        return VEER_PENDING;
    }
    if (result) *result = (veer_write_result){lsn, transaction->written, transaction->deleted};
    return VEER_OK;
}

veer_status veer_write(veer_database *database, const veer_operation *operations, size_t n,
                       veer_write_result *result, veer_error *error)
{
    if (result) memset(result, 0, sizeof *result);
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "database is NULL");
    VEER_TRY(check_operations(database, operations, n, error));
    VEER_TRY(work_make_room(database, error));
    write_call call = {.database = database, .now_ms = clock_wall_ms()};
    thread_mutex_lock(&database->writer);
    veer_status status = VEER_OK;
    if (store_is_readonly(database->store))
        status = error_set(error, VEER_E_READONLY, "the database is open read-only");
    if (status == VEER_OK) status = transaction_begin(database, n, &call.transaction, error);
    if (status == VEER_OK) {
        status = run(&call, operations, n, result, error);
        transaction_end(&call.transaction);
        if (status == VEER_OK) work_after_write(database);
    }
    thread_mutex_unlock(&database->writer);
    return status;
}
