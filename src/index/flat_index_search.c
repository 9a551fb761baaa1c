/* The growing index, a search: the graph is walked and every chunk of later rows is a part of a flat
 * search, or every chunk is, or all rows are compared.
 *
 * The graph is walked where that costs less than scanning its rows (graph_plan). Where holes are all
 * that may not be a result, they are nodes that are not allowed (graph_filter.c). With a filter, holes
 * and rows that it refuses are passed through. How many those are near the query shows in what the
 * walk finds: where they are more than was thought, it is done again with more effort, or left for
 * the scan.
 *
 * Rows are compared one by one where that was asked for, where there are no codes yet, and where
 * so few are live that most of them would be reranked anyway. Rows are numbered by age, so row
 * numbers are the keys of the heap and order equal distances.
 *
 * The caller's filter is asked about rows whose codes pass, before they count for the threshold:
 * so a search gives min(k, accepted rows), and asks about a small part of the rows. What it said
 * about nodes is kept for a second walk or the scan.
 *
 * Threads: the index is only read; scratch belongs to the call.
 */
#include <math.h>

#include "base/bitset.h"
#include "base/status.h"
#include "index/flat_index_internal.h"

/* Originals compared in one go: their prefetch runs ahead within it. */
#define BATCH_ROWS 256u

/* Live rows for each result below which codes do not pay. Arbitrary: of 8 rows, most are reranked. */
#define EXACT_ROWS_PER_RESULT 8u

/* Rows of the first and of the following reranks: each one lowers the threshold for the next. */
#define FIRST_RERANK 32u
#define NEXT_RERANK 64u

/* A walk is not repeated for 1 / so much more effort. */
#define EFFORT_TOLERANCE 4u

typedef struct row_batch {
    const float *vectors[BATCH_ROWS];
    float inverse[BATCH_ROWS];
    float distances[BATCH_ROWS];
    uint32_t rows[BATCH_ROWS];
    size_t count;
} row_batch;

typedef struct run {
    const flat_index *index;
    const flat_index_search *search;
    flat_query *query;
    row_batch *batch;
    topk nearest;
    arena *scratch;
    /* Nodes that the filter was asked about, and those it took: bits; NULL: no node was met. */
    uint64_t *asked, *taken;
    size_t first; /* rows below are found by the walk */
} run;

static void compare_batch(run *r)
{
    row_batch *batch = r->batch;
    flat_distances(r->index->space, r->query, batch->vectors, batch->inverse, batch->count,
                   batch->distances);
    for (size_t i = 0; i < batch->count; i++) {
        topk_push(&r->nearest, batch->distances[i], batch->rows[i]);
    }
    batch->count = 0;
}

static void add_to_batch(run *r, size_t row)
{
    row_batch *batch = r->batch;
    batch->vectors[batch->count] = flat_row(r->index, row);
    batch->inverse[batch->count] = flat_row_inverse(r->index, row);
    batch->rows[batch->count++] = (uint32_t)row;
    if (batch->count == BATCH_ROWS) compare_batch(r);
}

static bool accepts(const run *r, size_t row)
{
    const flat_index_search *search = r->search;
    if (search->accept == NULL) return true;
    bool is_node = r->asked != NULL && row < r->index->graph.graph.count;
    if (is_node && bitset_get(r->asked, row)) return bitset_get(r->taken, row);
    bool is_taken = search->accept(search->accept_context, *flat_row_key(r->index, row));
    if (is_node) bitset_set(r->asked, row);
    if (is_node && is_taken) bitset_set(r->taken, row);
    return is_taken;
}

static void compare_all(run *r)
{
    const flat_index *index = r->index;
    for (size_t row = bitset_next(index->live, index->rows, 0); row < index->rows;
         row = bitset_next(index->live, index->rows, row + 1)) {
        if (accepts(r, row)) add_to_batch(r, row);
    }
    compare_batch(r);
}

/* ---------------------------------------------------------------- graph */

static veer_status remember_answers(run *r)
{
    size_t words = bitset_words(r->index->graph.graph.count);
    r->asked = arena_array(r->scratch, words, sizeof *r->asked);
    r->taken = arena_array(r->scratch, words, sizeof *r->taken);
    if (r->asked == NULL || r->taken == NULL) return VEER_E_NOMEM;
    memset(r->asked, 0, words * sizeof *r->asked);
    memset(r->taken, 0, words * sizeof *r->taken);
    return VEER_OK;
}

/* Of the nodes that a walk found, the nearest that may be results, to `kept`; returns how many of all
 * may. */
static size_t choose_nodes(run *r, const graph_result *found, graph_near *kept, size_t wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < found->count; i++) {
        uint32_t row = found->nearest[i].node;
        if (!bitset_get(r->index->live, row) || !accepts(r, row)) continue;
        if (count < wanted) kept[count] = found->nearest[i];
        count++;
    }
    return count;
}

/* Compares the originals of nodes: the rest of a search is behind the graph's rows. */
static void compare_nodes(run *r, const graph_near *nearest, size_t count)
{
    const graph *graph = &r->index->graph.graph;
    count = graph_to_compare(r->index->space, graph, r->query, nearest, count, r->nearest.k);
    for (size_t i = 0; i < count; i++)
        add_to_batch(r, nearest[i].node);
    compare_batch(r);
    r->first = graph->count;
}

/* Walks where holes are all that may not be a result, unless a scan costs less. */
static veer_status walk_live(run *r)
{
    const flat_index *index = r->index;
    const graph *graph = &index->graph.graph;
    graph_choice choice;
    graph_result found;
    size_t k = r->nearest.k, words = bitset_words(graph->count), live = graph->count;
    live -= index->graph.holes;
    double scan = r->search->is_walk ? INFINITY : (double)graph->count;
    if (!graph_choose(index->space, graph, k, r->search->recall, live, scan, &choice))
        return VEER_OK;
    uint64_t *bits = arena_array(r->scratch, words, sizeof *bits);
    if (bits == NULL) return VEER_E_NOMEM;
    memcpy(bits, index->live, words * sizeof *bits);
    if (graph->count % 64 != 0) bits[words - 1] &= ((uint64_t)1 << (graph->count % 64)) - 1;
    const graph_allowed allowed = {bits, (uint32_t)live};
    VEER_TRY(graph_find_allowed(index->space, graph, r->query, &allowed, &choice, k, r->scratch,
                                &found));
    if (found.count == 0) return VEER_OK;
    compare_nodes(r, found.nearest, found.count);
    return VEER_OK;
}

/* Walks the graph, unless a scan costs less, and compares what it finds. */
static veer_status walk(run *r)
{
    const flat_index *index = r->index;
    const graph *graph = &index->graph.graph;
    if (graph->count == 0) return VEER_OK;
    if (r->search->accept == NULL && index->graph.holes > 0) return walk_live(r);
    size_t k = r->nearest.k, wanted = k * GRAPH_RERANK_PER_RESULT;
    size_t codes = r->search->is_walk ? SIZE_MAX : graph->count;
    size_t count = 0;
    graph_aim aim;
    double walked = 0;
    double share = 1 - (double)index->graph.holes / graph->count;
    graph_near *kept = arena_array(r->scratch, wanted, sizeof *kept);
    if (kept == NULL) return VEER_E_NOMEM;
    for (;;) {
        if (!graph_plan(index->space, graph, k, r->search->recall, share, codes, &aim))
            return VEER_OK;
        if (aim.compared <= walked + walked / EFFORT_TOLERANCE) break;
        if (r->search->accept != NULL && r->asked == NULL) VEER_TRY(remember_answers(r));
        graph_result found;
        VEER_TRY(graph_search(index->space, graph, r->query, &aim, r->scratch, &found));
        if (found.count == 0) return VEER_OK;
        count = choose_nodes(r, &found, kept, wanted);
        share = (double)count / (double)found.count;
        walked = aim.compared;
    }
    if (count < k) return VEER_OK;
    compare_nodes(r, kept, count < wanted ? count : wanted);
    return VEER_OK;
}

/* ---------------------------------------------------------------- codes */

static bool accept_row(void *context, uint32_t chunk, uint32_t row)
{
    const run *r = context;
    return accepts(r, chunk * r->index->chunk_rows + row);
}

/* The live bits of a chunk; NULL: all rows are, and none was found by the walk. */
static veer_status live_of(const run *r, size_t chunk, const uint64_t **live)
{
    const flat_index *index = r->index;
    size_t begin = chunk * index->chunk_rows;
    *live = index->first_hole < index->rows ? index->live + begin / 64 : NULL;
    if (r->first <= begin) return VEER_OK;
    size_t words = bitset_words(flat_chunk_used(index, chunk));
    uint64_t *own = arena_array(r->scratch, words, sizeof *own);
    if (own == NULL) return VEER_E_NOMEM;
    memcpy(own, index->live + begin / 64, words * sizeof *own);
    for (size_t row = 0; row < r->first - begin; row++)
        bitset_clear(own, row);
    *live = own;
    return VEER_OK;
}

static veer_status scan_chunks(run *r, flat_candidates *candidates)
{
    const flat_index *index = r->index;
    const flat_chunk *former = NULL;
    VEER_TRY(flat_candidates_init(candidates, r->nearest.k, r->scratch));
    if (r->search->accept != NULL) candidates->accept = accept_row;
    candidates->accept_context = r;
    for (size_t i = 0; i < r->nearest.count; i++)
        flat_candidates_known(candidates, r->nearest.entries[i].distance);
    for (size_t i = r->first / index->chunk_rows; i * index->chunk_rows < index->rows; i++) {
        const flat_chunk *chunk = &index->chunks[i];
        const uint64_t *live;
        VEER_TRY(live_of(r, i, &live));
        if (former == NULL || former->centre != chunk->centre) {
            flat_query_centre(r->query, index->centres[chunk->centre].values);
        }
        former = chunk;
        VEER_TRY(flat_scan(index->space, r->query, chunk->blocks, flat_chunk_used(index, i), live,
                           (uint32_t)i, candidates));
    }
    return VEER_OK;
}

static void rerank(run *r, flat_candidates *candidates)
{
    const flat_candidate *items;
    size_t limit = r->nearest.k > FIRST_RERANK ? r->nearest.k : FIRST_RERANK;
    for (;;) {
        float threshold = topk_threshold(&r->nearest);
        size_t n = flat_candidates_next(candidates, threshold, limit, &items);
        if (n == 0) return;
        for (size_t i = 0; i < n; i++) {
            add_to_batch(r, items[i].part * r->index->chunk_rows + items[i].row);
        }
        compare_batch(r);
        limit = NEXT_RERANK;
    }
}

veer_status flat_index_run(const flat_index *index, const float *vector,
                           const flat_index_search *search, arena *scratch, uint64_t *keys,
                           float *distances, size_t *found, veer_error *error)
{
    *found = 0;
    if (index->live_count == 0 || search->k == 0) return VEER_OK;
    arena_reset(scratch);
    size_t k = search->k < index->live_count ? search->k : index->live_count;
    bool is_exact = search->is_exact || index->newest == NO_CENTRE ||
                    index->live_count <= EXACT_ROWS_PER_RESULT * k;
    run r = {.index = index, .search = search, .scratch = scratch};
    flat_candidates candidates;
    topk_entry *entries = arena_array(scratch, k, sizeof *entries);
    r.batch = arena_new(scratch, sizeof *r.batch);
    veer_status status = entries != NULL && r.batch != NULL ? VEER_OK : VEER_E_NOMEM;
    if (status == VEER_OK) {
        r.batch->count = 0;
        topk_init(&r.nearest, entries, k);
        status =
            flat_query_new(index->space, vector, flat_sigmas(search->recall), scratch, &r.query);
    }
    if (status == VEER_OK && !is_exact) status = walk(&r);
    bool scans = !is_exact && r.first < index->rows;
    if (status == VEER_OK && scans) status = scan_chunks(&r, &candidates);
    if (status != VEER_OK) return error_nomem(error, "a search", arena_bytes(scratch));
    if (is_exact) {
        compare_all(&r);
    } else if (scans) {
        rerank(&r, &candidates);
    }
    topk_sort(&r.nearest);
    for (size_t i = 0; i < r.nearest.count; i++) {
        keys[i] = *flat_row_key(index, (size_t)r.nearest.entries[i].key);
        distances[i] = r.nearest.entries[i].distance;
    }
    *found = r.nearest.count;
    return VEER_OK;
}
