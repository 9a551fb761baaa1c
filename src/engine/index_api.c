/* veer_index_*: the index level of veer.h, over index/flat_index.h.
 *
 * Checks arguments and names them, reads the options, keeps the time budget of veer_index_optimize;
 * everything else is the index's. Handles are opaque: a veer_index is a flat_index with its
 * allocator.
 *
 * Threads: as flat_index.h says.
 */
#include <math.h>
#include <string.h>
#include <yyjson.h>

#include "base/memory.h"
#include "base/status.h"
#include "engine/engine.h"
#include "index/flat.h"
#include "index/flat_index.h"
#include "platform/clock.h"

struct veer_index {
    veer_allocator allocator; /* the caller's, copied */
    flat_index *rows;
};

const char *veer_tier(void)
{
    return flat_tier();
}

static veer_status missing(const char *function, const char *argument, veer_error *error)
{
    VEER_FAIL(error, VEER_E_INVALID, "%s: %s is NULL", function, argument);
}

static veer_status read_options(const char *json, const veer_allocator *allocator,
                                index_options *options, veer_error *error)
{
    arena texts;
    arena_init(&texts, allocator);
    yyjson_doc *doc = NULL;
    memset(options, 0, sizeof *options);
    veer_status status = VEER_OK;
    if (json != NULL) status = json_parse(json, strlen(json), "options", &texts, &doc, error);
    if (status == VEER_OK) {
        status = options_read(index_table, index_table_count,
                              doc != NULL ? yyjson_doc_get_root(doc) : NULL, "options", &texts,
                              options, error);
    }
    arena_fini(&texts);
    if (status == VEER_OK && options->dims == 0) {
        VEER_FAIL(error, VEER_E_OPTION, "options: \"dims\" is missing: a number from 1 to %u",
                  VEER_DIMS_MAX);
    }
    return status;
}

static veer_status handle_new(const veer_allocator *allocator, veer_index **index,
                              veer_error *error)
{
    const veer_allocator *from = allocator != NULL ? allocator : memory_default();
    *index = memory_new(from, sizeof **index);
    if (*index == NULL) return error_nomem(error, "an index", sizeof **index);
    (*index)->allocator = *from;
    return VEER_OK;
}

veer_status veer_index_new(const char *options, const veer_allocator *allocator, veer_index **index,
                           veer_error *error)
{
    if (index == NULL) return missing("veer_index_new", "index", error);
    *index = NULL;
    veer_index *made;
    index_options read;
    VEER_TRY(handle_new(allocator, &made, error));
    veer_status status = read_options(options, &made->allocator, &read, error);
    if (status == VEER_OK) {
        status = flat_index_new(&made->allocator, (uint32_t)read.dims, (veer_metric)read.metric,
                                read.seed, read.graph_rows, &made->rows, error);
        if (status == VEER_OK) flat_index_set_degree(made->rows, (uint32_t)read.graph_degree);
    }
    if (status != VEER_OK) {
        veer_index_free(made);
        return status;
    }
    *index = made;
    return VEER_OK;
}

void veer_index_free(veer_index *index)
{
    if (index == NULL) return;
    flat_index_free(index->rows);
    veer_allocator allocator = index->allocator;
    memory_free(&allocator, index, sizeof *index);
}

veer_status veer_index_add(veer_index *index, const uint64_t *keys, const float *vectors, size_t n,
                           veer_error *error)
{
    if (index == NULL) return missing("veer_index_add", "index", error);
    if (n == 0) return VEER_OK;
    if (keys == NULL) return missing("veer_index_add", "keys", error);
    if (vectors == NULL) return missing("veer_index_add", "vectors", error);
    return flat_index_add(index->rows, keys, vectors, n, error);
}

veer_status veer_index_remove(veer_index *index, const uint64_t *keys, size_t n, size_t *removed,
                              veer_error *error)
{
    if (removed != NULL) *removed = 0;
    if (index == NULL) return missing("veer_index_remove", "index", error);
    if (n == 0) return VEER_OK;
    if (keys == NULL) return missing("veer_index_remove", "keys", error);
    size_t count = flat_index_remove(index->rows, keys, n);
    if (removed != NULL) *removed = count;
    return VEER_OK;
}

veer_status veer_index_set_pool(veer_index *index, const veer_pool *pool, veer_error *error)
{
    if (index == NULL) return missing("veer_index_set_pool", "index", error);
    veer_pool taken;
    VEER_TRY(pool_take(pool, &taken, error));
    flat_index_set_pool(index->rows, &taken);
    return VEER_OK;
}

veer_status veer_index_optimize(veer_index *index, double budget_ms, bool *left, veer_error *error)
{
    if (left != NULL) *left = false;
    if (index == NULL) return missing("veer_index_optimize", "index", error);
    if (isnan(budget_ms)) {
        VEER_FAIL(error, VEER_E_INVALID, "veer_index_optimize: budget_ms is NaN");
    }
    double begun = clock_monotonic_ms();
    bool is_left;
    do {
        VEER_TRY(flat_index_step(index->rows, &is_left, error));
    } while (is_left && (budget_ms < 0 || clock_monotonic_ms() - begun < budget_ms));
    if (left != NULL) *left = is_left;
    return VEER_OK;
}

static veer_status check_search(const veer_index *index, const float *queries, size_t n, size_t k,
                                const veer_index_search_options *options, const uint64_t *keys,
                                const float *distances, veer_error *error)
{
    const char *function = "veer_index_search";
    if (index == NULL) return missing(function, "index", error);
    if (k < 1 || k > VEER_K_MAX) {
        VEER_FAIL(error, VEER_E_RANGE, "k is %zu, must be 1 to %u", k, VEER_K_MAX);
    }
    if (options != NULL && !(options->recall >= 0 && options->recall <= 1)) {
        VEER_FAIL(error, VEER_E_RANGE, "recall is %g, must be above 0 and at most 1 (0: 0.95)",
                  options->recall);
    }
    if (n == 0) return VEER_OK;
    if (queries == NULL) return missing(function, "queries", error);
    if (keys == NULL) return missing(function, "keys", error);
    if (distances == NULL) return missing(function, "distances", error);
    return flat_index_check(index->rows, queries, n, "query", error);
}

/* What stands in the places of rows that were not found. */
static void fill_rest(size_t from, size_t k, uint64_t *keys, float *distances)
{
    for (size_t i = from; i < k; i++) {
        keys[i] = UINT64_MAX;
        distances[i] = INFINITY;
    }
}

veer_status veer_index_search(const veer_index *index, const float *queries, size_t n, size_t k,
                              const veer_index_search_options *options, uint64_t *keys,
                              float *distances, size_t *found, veer_error *error)
{
    VEER_TRY(check_search(index, queries, n, k, options, keys, distances, error));
    flat_index_search search = {.k = k, .recall = 0.95};
    if (options != NULL) {
        if (options->recall > 0) search.recall = options->recall;
        search.is_exact = options->exact;
        search.accept = options->accept;
        search.accept_context = options->accept_context;
    }
    size_t dims = flat_index_dims(index->rows);
    arena scratch;
    arena_init(&scratch, &index->allocator);
    veer_status status = VEER_OK;
    for (size_t i = 0; i < n && status == VEER_OK; i++) {
        size_t count = 0;
        status = flat_index_run(index->rows, queries + i * dims, &search, &scratch, keys + i * k,
                                distances + i * k, &count, error);
        fill_rest(count, k, keys + i * k, distances + i * k);
        if (found != NULL) found[i] = count;
    }
    arena_fini(&scratch);
    /* Nothing that a failed call wrote can be taken for an answer. */
    for (size_t i = 0; i < n && status != VEER_OK; i++) {
        fill_rest(0, k, keys + i * k, distances + i * k);
        if (found != NULL) found[i] = 0;
    }
    return status;
}

veer_status veer_index_get(const veer_index *index, uint64_t key, float *vector, veer_error *error)
{
    if (index == NULL) return missing("veer_index_get", "index", error);
    if (vector == NULL) return missing("veer_index_get", "vector", error);
    const float *found = flat_index_find(index->rows, key);
    if (found == NULL) {
        VEER_FAIL(error, VEER_E_NOTFOUND, "there is no row with the key %llu",
                  (unsigned long long)key);
    }
    memcpy(vector, found, flat_index_dims(index->rows) * sizeof *vector);
    return VEER_OK;
}

size_t veer_index_count(const veer_index *index)
{
    return index != NULL ? flat_index_count(index->rows) : 0;
}

size_t veer_index_dims(const veer_index *index)
{
    return index != NULL ? flat_index_dims(index->rows) : 0;
}

size_t veer_index_memory(const veer_index *index)
{
    return index != NULL ? sizeof *index + flat_index_bytes(index->rows) : 0;
}

veer_status veer_index_save(const veer_index *index, veer_buffer *bytes, veer_error *error)
{
    if (bytes == NULL) return missing("veer_index_save", "bytes", error);
    memset(bytes, 0, sizeof *bytes);
    if (index == NULL) return missing("veer_index_save", "index", error);
    return flat_index_save(index->rows, bytes, error);
}

veer_status veer_index_load(const void *bytes, size_t size, const veer_allocator *allocator,
                            veer_index **index, veer_error *error)
{
    if (index == NULL) return missing("veer_index_load", "index", error);
    *index = NULL;
    if (bytes == NULL) return missing("veer_index_load", "bytes", error);
    veer_index *made;
    VEER_TRY(handle_new(allocator, &made, error));
    veer_status status = flat_index_load(bytes, size, &made->allocator, &made->rows, error);
    if (status != VEER_OK) {
        veer_index_free(made);
        return status;
    }
    *index = made;
    return VEER_OK;
}
