/* Prepared searches.
 *
 * Preparing parses the request once, against the schema of the moment; fields that are added later
 * are unknown to it, and none is ever removed, so a prepared query stays valid as long as its
 * collection. It keeps its arenas from run to run: a second run of the same shape allocates only
 * its results.
 *
 * Threads: one at a time a query; any number of queries.
 */
#include <yyjson.h>

#include "engine/executor.h"
#include "engine/reading.h"
#include "engine/version.h"

struct veer_query {
    veer_database *database;
    collection_state *state;
    schema *schema;
    arena body;     /* the request's texts, filter and selection */
    arena prepared; /* of one run */
    arena scratch;  /* of one query vector */
    request_options request;
    const filter *filter; /* NULL: none */
    select_spec select;
    const field *field; /* NULL: the request names none and there is not exactly one */
};

/* ---------------------------------------------------------------- prepare */

static veer_status read_request(veer_query *query, yyjson_val *root, veer_error *error)
{
    static const char *const also[] = {"filter", "select", NULL};
    VEER_TRY(options_read_request(request_table, request_table_count, also, root, "request",
                                  &query->body, &query->request, error));
    const schema *known = query->schema;
    if (query->request.verify && !query->request.explain)
        VEER_FAIL(error, VEER_E_OPTION,
                  "request: 'verify' is true without 'explain', which tells its figures");
    if (query->request.vector || known->vectors_count == 1)
        VEER_TRY(schema_vector(known, query->request.vector, &query->field, error));
    yyjson_val *wanted = yyjson_obj_get(root, "filter");
    if (wanted && !yyjson_is_null(wanted))
        VEER_TRY(filter_parse(wanted, known->filter_fields, known->fields_count, &query->body,
                              &query->filter, error));
    return select_parse(yyjson_obj_get(root, "select"), known, &query->body, &query->select, error);
}

static veer_status prepare(veer_query *query, const char *request, veer_error *error)
{
    reading present;
    VEER_TRY(reading_begin(&present, query->state, NULL, error));
    query->schema = present.collection->schema;
    schema_acquire(query->schema);
    reading_end(&present);
    yyjson_doc *doc = NULL;
    const char *text = request ? request : "{}";
    VEER_TRY(json_parse_exact(text, strlen(text), "request", &query->prepared, &doc, error));
    veer_status status = read_request(query, yyjson_doc_get_root(doc), error);
    arena_reset(&query->prepared);
    return status;
}

veer_status veer_query_prepare(veer_collection *collection, const char *request, veer_query **query,
                               veer_error *error)
{
    if (!query) VEER_FAIL(error, VEER_E_INVALID, "'query' is NULL");
    *query = NULL;
    if (!collection) VEER_FAIL(error, VEER_E_INVALID, "'collection' is NULL");
    veer_database *database = collection->state->database;
    veer_query *made = memory_new(database->allocator, sizeof *made);
    if (!made) return error_nomem(error, "a query", sizeof *made);
    database_handle_opened(database);
    made->database = database;
    made->state = collection->state;
    collection_state_acquire(made->state);
    arena_init(&made->body, database->allocator);
    arena_init(&made->prepared, database->allocator);
    arena_init(&made->scratch, database->allocator);
    veer_status status = prepare(made, request, error);
    if (status != VEER_OK) {
        veer_query_free(made);
        return status;
    }
    *query = made;
    return VEER_OK;
}

void veer_query_free(veer_query *query)
{
    if (!query) return;
    veer_database *database = query->database;
    arena_fini(&query->scratch);
    arena_fini(&query->prepared);
    arena_fini(&query->body);
    schema_release(query->schema);
    collection_state_release(query->state);
    memory_free(database->allocator, query, sizeof *query);
    database_handle_closed(database);
}

/* ---------------------------------------------------------------- run */

static veer_status check_vectors(const veer_query *query, const flat_space *space,
                                 const float *vectors, size_t n, size_t dims, veer_error *error)
{
    const field *wanted = query->field;
    if (dims != wanted->dims)
        VEER_FAIL(error, VEER_E_DIMENSION,
                  "the query vectors have %zu dimensions, field '%s' has %u", dims, wanted->name,
                  wanted->dims);
    for (size_t i = 0; i < n; i++) {
        char why[64];
        if (!flat_vector_valid(space, vectors + i * dims, why))
            VEER_FAIL(error, VEER_E_VECTOR, "query vector %zu for field '%s' %s", i, wanted->name,
                      why);
        uint32_t element = wanted->dims;
        if (wanted->storage == FLAT_BITS) element = flat_find_no_bit(space, vectors + i * dims);
        if (element < wanted->dims)
            VEER_FAIL(error, VEER_E_VECTOR,
                      "query vector %zu for field '%s' holds %.9g at %u; bits are 0 or 1", i,
                      wanted->name, (double)vectors[i * dims + element], element);
    }
    return VEER_OK;
}

static veer_status run_query(veer_query *query, const collection_version *collection,
                             const float *vectors, size_t n, size_t dims, const char *parameters,
                             veer_results **results, veer_error *error)
{
    executor run = {
        .database = query->database,
        .collection = collection,
        .k = query->request.k,
        .offset = query->request.offset,
        .wants_exact = query->request.exact,
        .wants_verify = query->request.verify,
        .recall = query->request.recall,
        .effort = (size_t)query->request.effort,
        .prepared = &query->prepared,
        .scratch = &query->scratch,
    };
    if (vectors && n > 0) {
        if (!query->field) /* says why there is none */
            VEER_TRY(schema_vector(query->schema, NULL, &query->field, error));
        run.field = query->field;
        run.space = query->state->spaces[query->field->vector_slot];
        run.sigmas = flat_sigmas(query->request.recall);
        VEER_TRY(check_vectors(query, run.space, vectors, n, dims, error));
    }
    VEER_TRY(reading_bind(query->filter, parameters, &query->prepared, &run.filter, error));
    return executor_run(&run, vectors, n, &query->select, query->request.explain, results, error);
}

veer_status veer_query_run(veer_query *query, veer_snapshot *snapshot, const float *vectors,
                           size_t n, size_t dims, const char *parameters, veer_results **results,
                           veer_error *error)
{
    if (!results) VEER_FAIL(error, VEER_E_INVALID, "'results' is NULL");
    *results = NULL;
    if (!query) VEER_FAIL(error, VEER_E_INVALID, "'query' is NULL");
    reading begun;
    VEER_TRY(reading_begin(&begun, query->state, snapshot, error));
    veer_status status =
        run_query(query, begun.collection, vectors, n, dims, parameters, results, error);
    arena_reset(&query->prepared);
    arena_reset(&query->scratch);
    reading_end(&begun);
    return status;
}

veer_status veer_search(veer_collection *collection, veer_snapshot *snapshot, const char *request,
                        const float *vectors, size_t n, size_t dims, const char *parameters,
                        veer_results **results, veer_error *error)
{
    if (!results) VEER_FAIL(error, VEER_E_INVALID, "'results' is NULL");
    *results = NULL;
    veer_query *query = NULL;
    VEER_TRY(veer_query_prepare(collection, request, &query, error));
    veer_status status =
        veer_query_run(query, snapshot, vectors, n, dims, parameters, results, error);
    veer_query_free(query);
    return status;
}
