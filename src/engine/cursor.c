/* Scans: all matching documents of one version, in storage order, a batch at a time.
 *
 * The cursor holds its version and a position (segment, row). A segment's matches are computed
 * when the cursor enters it and kept until it leaves. A batch that fails, or has to wait, leaves
 * the position where it was.
 *
 * Threads: one at a time a cursor.
 */
#include <yyjson.h>

#include "base/bitset.h"
#include "engine/executor.h"
#include "engine/reading.h"
#include "engine/version.h"

struct veer_cursor {
    veer_database *database;
    collection_state *state;
    reading begun;
    arena body; /* the request's texts, filter and selection */
    arena mask; /* of the segment that the cursor is in */
    arena scratch;
    const filter *filter; /* bound; NULL: none */
    select_spec select;
    uint64_t left; /* documents that the limit still allows */
    size_t segment;
    uint32_t row; /* the next one to look at */
    bool has_mask;
    const uint64_t *bits; /* of the segment; NULL: all visible rows */
    uint32_t matches;
};

#define CURSOR_BATCH_MAX 1000000u /* arbitrary: results are columns in memory */

/* ---------------------------------------------------------------- open and close */

static veer_status read_request(veer_cursor *cursor, const char *request, const char *parameters,
                                veer_error *error)
{
    static const char *const also[] = {"filter", "select", NULL};
    const schema *known = cursor->begun.collection->schema;
    const char *text = request ? request : "{}";
    yyjson_doc *doc = NULL;
    scan_options options;
    VEER_TRY(json_parse_exact(text, strlen(text), "request", &cursor->body, &doc, error));
    yyjson_val *root = yyjson_doc_get_root(doc);
    VEER_TRY(options_read_request(scan_table, scan_table_count, also, root, "request",
                                  &cursor->body, &options, error));
    cursor->left = options.limit > 0 ? options.limit : UINT64_MAX;
    const filter *parsed = NULL;
    yyjson_val *wanted = yyjson_obj_get(root, "filter");
    if (wanted && !yyjson_is_null(wanted))
        VEER_TRY(filter_parse(wanted, known->filter_fields, known->fields_count, &cursor->body,
                              &parsed, error));
    VEER_TRY(reading_bind(parsed, parameters, &cursor->body, &cursor->filter, error));
    VEER_TRY(
        select_parse(yyjson_obj_get(root, "select"), known, &cursor->body, &cursor->select, error));
    cursor->select.is_walk = true;
    return VEER_OK;
}

veer_status veer_scan(veer_collection *collection, veer_snapshot *snapshot, const char *request,
                      const char *parameters, veer_cursor **cursor, veer_error *error)
{
    if (!cursor) VEER_FAIL(error, VEER_E_INVALID, "'cursor' is NULL");
    *cursor = NULL;
    if (!collection) VEER_FAIL(error, VEER_E_INVALID, "'collection' is NULL");
    veer_database *database = collection->state->database;
    veer_cursor *made = memory_new(database->allocator, sizeof *made);
    if (!made) return error_nomem(error, "a cursor", sizeof *made);
    database_handle_opened(database);
    made->database = database;
    made->state = collection->state;
    collection_state_acquire(made->state);
    arena_init(&made->body, database->allocator);
    arena_init(&made->mask, database->allocator);
    arena_init(&made->scratch, database->allocator);
    veer_status status = reading_begin(&made->begun, made->state, snapshot, error);
    if (status == VEER_OK) status = read_request(made, request, parameters, error);
    if (status != VEER_OK) {
        veer_cursor_close(made);
        return status;
    }
    *cursor = made;
    return VEER_OK;
}

void veer_cursor_close(veer_cursor *cursor)
{
    if (!cursor) return;
    veer_database *database = cursor->database;
    arena_fini(&cursor->scratch);
    arena_fini(&cursor->mask);
    arena_fini(&cursor->body);
    reading_end(&cursor->begun);
    collection_state_release(cursor->state);
    memory_free(database->allocator, cursor, sizeof *cursor);
    database_handle_closed(database);
}

/* ---------------------------------------------------------------- next */

static veer_status enter(veer_cursor *cursor, veer_error *error)
{
    if (cursor->has_mask) return VEER_OK;
    arena_reset(&cursor->mask);
    const collection_version *collection = cursor->begun.collection;
    VEER_TRY(executor_rows(cursor->database, collection, &collection->segments[cursor->segment],
                           cursor->filter, &cursor->mask, &cursor->bits, &cursor->matches, error));
    cursor->has_mask = true;
    return VEER_OK;
}

static void leave(veer_cursor *cursor)
{
    cursor->segment++;
    cursor->row = 0;
    cursor->has_mask = false;
}

/* Takes up to n rows from where the cursor stands and moves it behind them. */
static veer_status take_rows(veer_cursor *cursor, size_t n, hit *hits, size_t *count,
                             veer_error *error)
{
    const collection_version *collection = cursor->begun.collection;
    while (*count < n && cursor->segment < collection->segments_count) {
        VEER_TRY(enter(cursor, error));
        uint32_t rows = collection->segments[cursor->segment].rows;
        uint32_t row = cursor->matches == 0 ? rows : cursor->row;
        while (*count < n && row < rows) {
            if (cursor->bits) row = (uint32_t)bitset_next(cursor->bits, rows, row);
            if (row >= rows) break;
            hits[(*count)++] = (hit){.segment = (uint32_t)cursor->segment, .row = row};
            row++;
        }
        cursor->row = row;
        if (row >= rows) leave(cursor);
    }
    return VEER_OK;
}

static veer_status next_rows(veer_cursor *cursor, size_t n, veer_results **results,
                             veer_error *error)
{
    hit *hits = arena_array(&cursor->scratch, n, sizeof *hits);
    if (!hits) return error_nomem(error, "a batch of rows", (uint64_t)n * sizeof *hits);
    size_t count = 0;
    VEER_TRY(take_rows(cursor, n, hits, &count, error));
    veer_results *made = NULL;
    VEER_TRY(results_new(cursor->database, 1, count, false, &cursor->select, &made, error));
    made->offsets[1] = (uint32_t)count;
    made->is_exact = true;
    veer_status status = results_fill(made, cursor->begun.collection, &cursor->select, hits,
                                      &cursor->scratch, error);
    if (status != VEER_OK) {
        veer_results_free(made);
        return status;
    }
    cursor->left -= count;
    *results = made;
    return VEER_OK;
}

veer_status veer_cursor_next(veer_cursor *cursor, size_t n, veer_results **results,
                             veer_error *error)
{
    if (!results) VEER_FAIL(error, VEER_E_INVALID, "'results' is NULL");
    *results = NULL;
    if (!cursor) VEER_FAIL(error, VEER_E_INVALID, "'cursor' is NULL");
    if (n < 1 || n > CURSOR_BATCH_MAX)
        VEER_FAIL(error, VEER_E_RANGE, "'n' is %zu; it must be from 1 to %u", n, CURSOR_BATCH_MAX);
    size_t segment_before = cursor->segment;
    uint32_t row_before = cursor->row;
    uint64_t allowed = cursor->left < n ? cursor->left : n;
    veer_status status = next_rows(cursor, (size_t)allowed, results, error);
    arena_reset(&cursor->scratch);
    if (status == VEER_OK) return VEER_OK;
    if (cursor->segment != segment_before) cursor->has_mask = false;
    cursor->segment = segment_before;
    cursor->row = row_before;
    return status;
}
