/* What the WebAssembly module exports: thin functions over veer.h, made for js/ffi.ts alone.
 *
 * How a call goes. JavaScript puts the inputs (texts, vectors, tables of words) into the request
 * area (wasm_request), passes pointers into it, and reads the outcome from the reply (wasm_reply):
 * the status is also the function's value. Pointers in the reply are valid until the object that
 * they belong to is freed, and never across a call that may grow the memory as views. Where
 * VEER_PENDING is returned the request area stays as it is for the same call again.
 *
 *   reply     offset  type
 *             0       i32        status
 *             4       u8[500]    message, ends in 0
 *             504     u32        handle    what the call made
 *             508     u32        data      pointer to bytes
 *             512     u32        bytes     how many
 *             516     u32        flag      0 or 1
 *             520     u64        count
 *             528     u64        lsn
 *             536     u64        other
 *             544     u32[14]    columns   of results, see wasm_results
 *
 * State: one reply, one request area and one buffer, for the module is one process with one thread.
 * Only one call may be under way or pending at a time.
 *
 * Not here: Emscripten's JavaScript. The module's imports are listed in imports.txt.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/io.h"
#include "veer.h"

#define IMPORT(name) __attribute__((import_module("veer"), import_name(name)))

/* Whether a row may be a result, for wasm_index_search with `accept`. */
IMPORT("accept") int32_t import_accept(uint64_t key);
/* Progress of the call that is under way; 0 cancels it. */
IMPORT("progress") int32_t import_progress(uint64_t done, uint64_t total);

/* ---------------------------------------------------------------- reply and request */

enum {
    COLUMN_QUERIES,
    COLUMN_ROWS,
    COLUMN_OFFSETS,
    COLUMN_DISTANCES,
    COLUMN_SCORES,
    COLUMN_IDS,
    COLUMN_ID_OFFSETS,
    COLUMN_DOCUMENTS,
    COLUMN_DOCUMENT_OFFSETS,
    COLUMN_EXPLAIN,
    COLUMN_EXPLAIN_BYTES,
    COLUMN_EXACT,
    COLUMNS = 14,
};

static struct reply {
    veer_error error;
    uint32_t handle;
    uint32_t data;
    uint32_t bytes;
    uint32_t flag;
    uint64_t count;
    uint64_t lsn;
    uint64_t other;
    uint32_t columns[COLUMNS];
} reply;

_Static_assert(offsetof(struct reply, handle) == 504, "js/ffi.ts reads the reply by offsets");
_Static_assert(offsetof(struct reply, count) == 520, "js/ffi.ts reads the reply by offsets");
_Static_assert(offsetof(struct reply, columns) == 544, "js/ffi.ts reads the reply by offsets");
_Static_assert(sizeof(void *) == 4, "wasm32");

static void *request_area;
static size_t request_bytes;
static veer_buffer buffer; /* what `data` points to, where a call makes bytes */

static uint32_t address(const void *memory)
{
    return (uint32_t)(uintptr_t)memory;
}

/* Begins a call: an empty reply. */
static veer_error *begin(void)
{
    memset(&reply, 0, sizeof reply);
    return &reply.error;
}

/* Ends it: the status is in both places. */
static int32_t end(veer_status status)
{
    reply.error.status = status;
    return (int32_t)status;
}

static int32_t end_buffer(veer_status status)
{
    reply.data = address(buffer.data);
    reply.bytes = (uint32_t)buffer.bytes;
    return end(status);
}

static bool on_progress(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    return import_progress(done, total) != 0;
}

uint32_t wasm_reply(void)
{
    return address(&reply);
}

/* At least `bytes` of memory for the inputs of the next call, aligned to 16; what was in it before
 * is gone. 0 bytes give the memory back. NULL: there is none. */
uint32_t wasm_request(uint32_t bytes)
{
    if (bytes == 0 || bytes > request_bytes) {
        free(request_area);
        request_area = bytes == 0 ? NULL : malloc(bytes);
        request_bytes = request_area == NULL ? 0 : bytes;
    }
    return address(request_area);
}

/* Gives back the bytes that the last call made. */
void wasm_buffer_free(void)
{
    veer_buffer_free(&buffer);
    buffer = (veer_buffer){0};
}

uint32_t wasm_version(void)
{
    return address(veer_version());
}

uint32_t wasm_tier(void)
{
    return address(veer_tier());
}

uint32_t wasm_describe(void)
{
    return address(veer_describe());
}

/* ---------------------------------------------------------------- index level */

static bool accept_key(void *context, uint64_t key)
{
    (void)context;
    return import_accept(key) != 0;
}

int32_t wasm_index_new(const char *options)
{
    veer_error *error = begin();
    veer_index *index = NULL;
    veer_status status = veer_index_new(options, NULL, &index, error);
    reply.handle = address(index);
    return end(status);
}

void wasm_index_free(veer_index *index)
{
    veer_index_free(index);
}

int32_t wasm_index_add(veer_index *index, const uint64_t *keys, const float *vectors, uint32_t n)
{
    return end(veer_index_add(index, keys, vectors, n, begin()));
}

int32_t wasm_index_remove(veer_index *index, const uint64_t *keys, uint32_t n)
{
    veer_error *error = begin();
    size_t removed = 0;
    veer_status status = veer_index_remove(index, keys, n, &removed, error);
    reply.count = removed;
    return end(status);
}

int32_t wasm_index_optimize(veer_index *index, double budget_ms)
{
    veer_error *error = begin();
    bool left = false;
    veer_status status = veer_index_optimize(index, budget_ms, &left, error);
    reply.flag = left;
    return end(status);
}

/* recall 0: the default. `found` is n words. */
int32_t wasm_index_search(const veer_index *index, const float *queries, uint32_t n, uint32_t k,
                          double recall, uint32_t exact, uint32_t accept, uint64_t *keys,
                          float *distances, uint32_t *found)
{
    veer_index_search_options options = {
        .recall = recall,
        .exact = exact != 0,
        .accept = accept ? accept_key : NULL,
    };
    _Static_assert(sizeof(size_t) == sizeof *found, "wasm32");
    return end(veer_index_search(index, queries, n, k, &options, keys, distances, (size_t *)found,
                                 begin()));
}

int32_t wasm_index_get(const veer_index *index, uint64_t key, float *vector)
{
    return end(veer_index_get(index, key, vector, begin()));
}

uint32_t wasm_index_count(const veer_index *index)
{
    return (uint32_t)veer_index_count(index);
}

uint32_t wasm_index_dims(const veer_index *index)
{
    return (uint32_t)veer_index_dims(index);
}

uint32_t wasm_index_memory(const veer_index *index)
{
    return (uint32_t)veer_index_memory(index);
}

int32_t wasm_index_save(const veer_index *index)
{
    return end_buffer(veer_index_save(index, &buffer, begin()));
}

int32_t wasm_index_load(const void *bytes, uint32_t size)
{
    veer_error *error = begin();
    veer_index *index = NULL;
    veer_status status = veer_index_load(bytes, size, NULL, &index, error);
    reply.handle = address(index);
    return end(status);
}

/* ---------------------------------------------------------------- database level */

static void *platform_allocate(void *context, size_t bytes, size_t alignment)
{
    (void)context;
    size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    return rounded < bytes ? NULL : aligned_alloc(alignment, rounded);
}

static void platform_release(void *context, void *memory, size_t bytes, size_t alignment)
{
    (void)context, (void)bytes, (void)alignment;
    free(memory);
}

/* The table over the storage that JavaScript calls `storage`, for backups; handle: the table. */
int32_t wasm_table_new(uint32_t storage)
{
    static const veer_allocator allocator = {platform_allocate, platform_release, NULL};
    veer_error *error = begin();
    veer_io *table = calloc(1, sizeof *table);
    if (table == NULL) return end(VEER_E_NOMEM);
    veer_status status = io_host_new(&allocator, storage, table, error);
    if (status != VEER_OK) {
        free(table);
        return end(status);
    }
    reply.handle = address(table);
    return end(VEER_OK);
}

void wasm_table_free(veer_io *table)
{
    io_host_free(table);
    free(table);
}

/* `location`: "host:N", N being JavaScript's number of the storage; "host:N/name" for its packed
 * stream of that name. */
int32_t wasm_open(const char *location, const char *options)
{
    veer_error *error = begin();
    veer_database *database = NULL;
    veer_status status = veer_open(location, NULL, options, NULL, &database, error);
    reply.handle = address(database);
    return end(status);
}

int32_t wasm_close(veer_database *database)
{
    return end(veer_close(database, begin()));
}

int32_t wasm_recovery_report(veer_database *database)
{
    return end_buffer(veer_recovery_report(database, &buffer, begin()));
}

int32_t wasm_collection_open(veer_database *database, const char *name, const char *schema)
{
    veer_error *error = begin();
    veer_collection *collection = NULL;
    veer_status status = veer_collection_open(database, name, schema, &collection, error);
    reply.handle = address(collection);
    return end(status);
}

void wasm_collection_close(veer_collection *collection)
{
    veer_collection_close(collection);
}

int32_t wasm_collection_drop(veer_database *database, const char *name)
{
    return end(veer_collection_drop(database, name, begin()));
}

int32_t wasm_collections(veer_database *database)
{
    return end_buffer(veer_collections(database, &buffer, begin()));
}

int32_t wasm_collection_schema(veer_collection *collection)
{
    return end_buffer(veer_collection_schema(collection, &buffer, begin()));
}

/* JavaScript writes the structs themselves: nine words an operation, five a veer_vectors. */
_Static_assert(sizeof(veer_operation) == 36 && offsetof(veer_operation, parameters) == 32,
               "js/ffi.ts writes operations as words");
_Static_assert(sizeof(veer_vectors) == 20 && offsetof(veer_vectors, present) == 16,
               "js/ffi.ts writes vectors as words");

/* count: written; other: deleted. */
int32_t wasm_write(veer_database *database, const veer_operation *operations, uint32_t n)
{
    veer_error *error = begin();
    veer_write_result result = {0};
    veer_status status = veer_write(database, operations, n, &result, error);
    reply.lsn = result.lsn;
    reply.count = result.written;
    reply.other = result.deleted;
    return end(status);
}

int32_t wasm_snapshot_open(veer_database *database)
{
    veer_error *error = begin();
    veer_snapshot *snapshot = NULL;
    veer_status status = veer_snapshot_open(database, &snapshot, error);
    reply.handle = address(snapshot);
    return end(status);
}

void wasm_snapshot_close(veer_snapshot *snapshot)
{
    veer_snapshot_close(snapshot);
}

int32_t wasm_query_prepare(veer_collection *collection, const char *request)
{
    veer_error *error = begin();
    veer_query *query = NULL;
    veer_status status = veer_query_prepare(collection, request, &query, error);
    reply.handle = address(query);
    return end(status);
}

void wasm_query_free(veer_query *query)
{
    veer_query_free(query);
}

/* handle: the results, as of every function below that makes some. */
static int32_t end_results(veer_status status, const veer_results *results)
{
    reply.handle = address(results);
    return end(status);
}

int32_t wasm_query_run(veer_query *query, veer_snapshot *snapshot, const float *vectors, uint32_t n,
                       uint32_t dims, const char *parameters)
{
    veer_error *error = begin();
    veer_results *results = NULL;
    veer_status status =
        veer_query_run(query, snapshot, vectors, n, dims, parameters, &results, error);
    return end_results(status, results);
}

int32_t wasm_search(veer_collection *collection, veer_snapshot *snapshot, const char *request,
                    const float *vectors, uint32_t n, uint32_t dims, const char *parameters)
{
    veer_error *error = begin();
    veer_results *results = NULL;
    veer_status status =
        veer_search(collection, snapshot, request, vectors, n, dims, parameters, &results, error);
    return end_results(status, results);
}

int32_t wasm_get(veer_collection *collection, veer_snapshot *snapshot, const char *ids,
                 const char *select)
{
    veer_error *error = begin();
    veer_results *results = NULL;
    veer_status status = veer_get(collection, snapshot, ids, select, &results, error);
    return end_results(status, results);
}

int32_t wasm_count(veer_collection *collection, veer_snapshot *snapshot, const char *filter,
                   const char *parameters)
{
    veer_error *error = begin();
    uint64_t count = 0;
    veer_status status = veer_count(collection, snapshot, filter, parameters, &count, error);
    reply.count = count;
    return end(status);
}

int32_t wasm_scan(veer_collection *collection, veer_snapshot *snapshot, const char *request,
                  const char *parameters)
{
    veer_error *error = begin();
    veer_cursor *cursor = NULL;
    veer_status status = veer_scan(collection, snapshot, request, parameters, &cursor, error);
    reply.handle = address(cursor);
    return end(status);
}

int32_t wasm_cursor_next(veer_cursor *cursor, uint32_t n)
{
    veer_error *error = begin();
    veer_results *results = NULL;
    veer_status status = veer_cursor_next(cursor, n, &results, error);
    return end_results(status, results);
}

void wasm_cursor_close(veer_cursor *cursor)
{
    veer_cursor_close(cursor);
}

/* Fills `columns` and, with the rows visited, `count`. */
void wasm_results(const veer_results *results)
{
    const uint32_t *ids = NULL, *documents = NULL;
    begin();
    uint32_t *columns = reply.columns;
    columns[COLUMN_QUERIES] = (uint32_t)veer_results_queries(results);
    columns[COLUMN_ROWS] = (uint32_t)veer_results_rows(results);
    columns[COLUMN_OFFSETS] = address(veer_results_offsets(results));
    columns[COLUMN_DISTANCES] = address(veer_results_distances(results));
    columns[COLUMN_SCORES] = address(veer_results_scores(results));
    columns[COLUMN_IDS] = address(veer_results_ids(results, &ids));
    columns[COLUMN_ID_OFFSETS] = address(ids);
    columns[COLUMN_DOCUMENTS] = address(veer_results_documents(results, &documents));
    columns[COLUMN_DOCUMENT_OFFSETS] = address(documents);
    const char *explain = veer_results_explain(results);
    columns[COLUMN_EXPLAIN] = address(explain);
    columns[COLUMN_EXPLAIN_BYTES] = explain == NULL ? 0 : (uint32_t)strlen(explain);
    columns[COLUMN_EXACT] = veer_results_exact(results);
    reply.count = veer_results_visited(results);
}

void wasm_results_free(veer_results *results)
{
    veer_results_free(results);
}

/* ---------------------------------------------------------------- upkeep */

int32_t wasm_work(veer_database *database, double budget_ms)
{
    veer_error *error = begin();
    bool left = false;
    veer_status status = veer_work(database, budget_ms, &left, error);
    reply.flag = left;
    return end(status);
}

int32_t wasm_checkpoint(veer_database *database)
{
    return end(veer_checkpoint(database, on_progress, NULL, begin()));
}

int32_t wasm_optimize(veer_database *database)
{
    return end(veer_optimize(database, on_progress, NULL, begin()));
}

int32_t wasm_compact(veer_database *database)
{
    return end(veer_compact(database, on_progress, NULL, begin()));
}

int32_t wasm_stats(veer_database *database)
{
    return end_buffer(veer_stats(database, &buffer, begin()));
}

/* As the stream `name` of the table. */
int32_t wasm_backup(veer_database *database, const char *name, const veer_io *table)
{
    return end(veer_backup(database, name, table, on_progress, NULL, begin()));
}
