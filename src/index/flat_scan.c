/* The flat index, the scan: from codes to the rows worth an exact distance.
 *
 * The threshold is the k-th smallest upper bound so far, kept in a heap: k rows are known to be at
 * least that near (up to the bound's probability), so a row whose lower bound is above it cannot
 * be among the nearest k. Candidates are found in two passes:
 *
 *   settle   flat_scan: the kernel sums up every code and stops at blocks with a row whose upper
 *            bound may be below the threshold. Only such a row can lower it, and there are few
 *            (about k ln(rows / k)). They are the first candidates. The least lower bound of every
 *            block is kept, 4 bytes a block.
 *   collect  flat_candidates_next, after the first ones are reranked and the exact threshold is
 *            known: blocks whose least lower bound is not above it are summed up again, and their rows with
 *            such a bound are given, batch by batch, while each batch lowers the threshold further.
 *
 * A single pass that tests lower bounds against the threshold so far would stop several times
 * more often, for rows that are dropped later. In both passes a row that passes gets its narrower
 * bound (rabitq.c) and is tested again.
 *
 * Nothing is sorted: the first batch is selected in linear time. The second pass allocates
 * nothing. For each centre the tables are kept, for each block 8 bytes more.
 *
 * Bounds that are NaN (queries of extreme size) count as unknown: such rows are all candidates.
 * Threads: a collection belongs to one search.
 */
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "index/flat_internal.h"

#define CAPACITY_FIRST 1024u /* candidates; arbitrary, 16 KiB */

/* Blocks that the second pass fetches ahead of the one it sums up. */
#define BLOCKS_AHEAD 4u

/* The first batch to rerank: enough rows for the threshold to settle. Measured: fewer make the second batch
 * larger, more are wasted. */
#define FIRST_BATCH_PER_K 4u
#define FIRST_BATCH_MIN 64u

/* A part that was scanned. */
struct flat_part {
    struct flat_part *next;
    const kernels *kernels;
    const rabitq_query *query; /* with tables of its own */
    uint64_t centre;           /* the query's count of centres: the same number, the same tables */
    const uint8_t *blocks;
    size_t block_bytes;
    const uint64_t *live;
    size_t rows, count; /* count: blocks */
    uint32_t number;
    float *minima;   /* by block: the least lower bound */
    uint64_t *asked; /* by pair of blocks: rows that the first pass considered */
};

veer_status flat_candidates_init(flat_candidates *c, size_t k, arena *scratch)
{
    memset(c, 0, sizeof *c);
    c->scratch = scratch;
    c->k = k;
    c->items = arena_array(scratch, CAPACITY_FIRST, sizeof *c->items);
    c->uppers = arena_array(scratch, k, sizeof *c->uppers);
    if (c->items == NULL || c->uppers == NULL) return VEER_E_NOMEM;
    c->capacity = CAPACITY_FIRST;
    return VEER_OK;
}

/* ---------------------------------------------------------------- threshold */

static float threshold_of(const flat_candidates *c)
{
    return c->uppers_count < c->k ? INFINITY : c->uppers[0];
}

static void sift_down(float *heap, size_t count, float value)
{
    size_t hole = 0;
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= count) break;
        if (child + 1 < count && heap[child + 1] > heap[child]) child++;
        if (!(heap[child] > value)) break;
        heap[hole] = heap[child];
        hole = child;
    }
    heap[hole] = value;
}

static void sift_up(float *heap, size_t hole, float value)
{
    while (hole > 0) {
        size_t parent = (hole - 1) / 2;
        if (!(value > heap[parent])) break;
        heap[hole] = heap[parent];
        hole = parent;
    }
    heap[hole] = value;
}

void flat_candidates_known(flat_candidates *c, float distance)
{
    if (isnan(distance) || c->k == 0) return;
    if (c->uppers_count < c->k) {
        sift_up(c->uppers, c->uppers_count, distance);
        c->uppers_count++;
    } else if (distance < c->uppers[0]) {
        sift_down(c->uppers, c->uppers_count, distance);
    }
}

/* ---------------------------------------------------------------- first pass */

static void drop_above(flat_candidates *c, float threshold)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->items_count; i++) {
        if (!(c->items[i].lower > threshold)) c->items[kept++] = c->items[i];
    }
    c->items_count = kept;
}

/* Makes room for a pair's rows. Arrays that are outgrown stay in the arena: together they are
 * smaller than the last. */
static veer_status reserve_pair(flat_candidates *c)
{
    if (c->capacity - c->items_count >= 2 * FLAT_BLOCK_ROWS) return VEER_OK;
    drop_above(c, threshold_of(c));
    if (c->items_count <= c->capacity / 2) return VEER_OK;
    size_t capacity = c->capacity > SIZE_MAX / 2 ? SIZE_MAX : c->capacity * 2;
    flat_candidate *items = arena_array(c->scratch, capacity, sizeof *items);
    if (items == NULL) return VEER_E_NOMEM;
    memcpy(items, c->items, c->items_count * sizeof *items);
    c->items = items;
    c->capacity = capacity;
    return VEER_OK;
}

/* Appends a row if it can be a result. Bounds that are NaN say nothing. */
static void consider_row(rabitq_bounds bounds, uint32_t part, uint32_t row, float threshold,
                         flat_candidates *c)
{
    if (!isfinite(bounds.estimate) || isnan(bounds.lower) || isnan(bounds.upper)) {
        bounds = (rabitq_bounds){-INFINITY, -INFINITY, INFINITY};
    }
    if (bounds.lower > threshold) return;
    if (c->accept != NULL && !c->accept(c->accept_context, part, row)) return;
    c->items[c->items_count++] = (flat_candidate){bounds.lower, bounds.estimate, part, row};
    c->count++;
    if (bounds.upper < threshold) flat_candidates_known(c, bounds.upper);
}

/* Looks at the rows of one block that passed the kernel. */
static void consider_block(const struct flat_part *part, size_t block, uint32_t mask,
                           const float *centred, float bound, flat_candidates *c)
{
    rabitq_bounds bounds[FLAT_BLOCK_ROWS];
    const rabitq_bounds *next = bounds;
    rabitq_bound_rows(part->query, part->blocks + block * part->block_bytes, mask, centred, bounds);
    for (; mask != 0; mask &= mask - 1) {
        uint32_t row = (uint32_t)(block * FLAT_BLOCK_ROWS) + (uint32_t)__builtin_ctz(mask);
        float threshold = threshold_of(c);
        consider_row(*next++, part->number, row, bound < threshold ? bound : threshold, c);
    }
}

static veer_status settle(const struct flat_part *part, flat_candidates *c)
{
    kernel_hits hits;
    for (size_t pair = 0;; pair++) {
        float limit = rabitq_limit(part->query, threshold_of(c));
        pair = part->kernels->scan(&part->query->probe, part->blocks, part->rows, part->live, pair,
                                   limit, part->minima, &hits);
        if (pair >= kernel_pairs(part->rows)) return VEER_OK;
        part->asked[pair] = hits.mask;
        VEER_TRY(reserve_pair(c));
        uint32_t low = (uint32_t)hits.mask;
        uint32_t high = (uint32_t)(hits.mask >> FLAT_BLOCK_ROWS);
        if (low != 0) consider_block(part, 2 * pair, low, hits.centred, INFINITY, c);
        if (high != 0) {
            consider_block(part, 2 * pair + 1, high, hits.centred + FLAT_BLOCK_ROWS, INFINITY, c);
        }
    }
}

/* Rows of pairs that have a live row. */
static uint64_t rows_compared(const uint64_t *live, size_t rows)
{
    if (live == NULL) return rows;
    uint64_t compared = 0;
    for (size_t pair = 0; pair < kernel_pairs(rows); pair++) {
        if (kernel_live_rows(live, pair, rows) == 0) continue;
        size_t left = rows - 64 * pair;
        compared += left < 64 ? left : 64;
    }
    return compared;
}

/* The query's tables for its present centre, kept for the second pass. */
static const rabitq_query *keep_tables(const flat_query *query, arena *scratch)
{
    size_t bytes = 4 * (size_t)query->space->padded;
    rabitq_query *kept = arena_new(scratch, sizeof *kept);
    uint8_t *tables = arena_array(scratch, bytes, 1);
    if (kept == NULL || tables == NULL) return NULL;
    memcpy(tables, query->tables, bytes);
    *kept = query->codes;
    kept->probe.tables = tables;
    return kept;
}

static veer_status add_part(const flat_query *query, size_t rows, flat_candidates *c,
                            struct flat_part **added)
{
    size_t pairs = kernel_pairs(rows);
    struct flat_part *part = arena_new(c->scratch, sizeof *part);
    if (part == NULL) return VEER_E_NOMEM;
    memset(part, 0, sizeof *part);
    const struct flat_part *last = c->last_part;
    part->centre = query->centres;
    part->query = last != NULL && last->centre == query->centres ? last->query
                                                                 : keep_tables(query, c->scratch);
    part->minima = arena_array(c->scratch, 2 * pairs, sizeof *part->minima);
    part->asked = arena_array(c->scratch, pairs, sizeof *part->asked);
    if (part->query == NULL || part->minima == NULL || part->asked == NULL) return VEER_E_NOMEM;
    memset(part->asked, 0, pairs * sizeof *part->asked);
    if (c->last_part != NULL) {
        c->last_part->next = part;
    } else {
        c->parts = part;
    }
    c->last_part = part;
    *added = part;
    return VEER_OK;
}

veer_status flat_scan(const flat_space *space, const flat_query *query, const void *blocks,
                      size_t rows, const uint64_t *live, uint32_t number, flat_candidates *c)
{
    struct flat_part *part;
    VEER_TRY(add_part(query, rows, c, &part));
    part->kernels = space->kernels;
    part->blocks = blocks;
    part->block_bytes = flat_block_bytes(space);
    part->live = live;
    part->rows = rows;
    part->count = kernel_blocks(rows);
    part->number = number;
    VEER_TRY(settle(part, c));
    c->seen += rows_compared(live, rows);
    return VEER_OK;
}

/* ---------------------------------------------------------------- second pass */

static bool comes_before(const flat_candidate *a, const flat_candidate *b)
{
    if (a->estimate != b->estimate) return a->estimate < b->estimate;
    if (a->part != b->part) return a->part < b->part;
    return a->row < b->row;
}

static void swap_items(flat_candidate *a, flat_candidate *b)
{
    flat_candidate kept = *a;
    *a = *b;
    *b = kept;
}

/* Brings the `wanted` first of `count` items to the front (Hoare's selection, pivot of three). */
static void select_first(flat_candidate *items, size_t count, size_t wanted)
{
    size_t low = 0;
    size_t high = count; /* the boundary `wanted` lies within [low, high] */
    while (high - low > 2 && wanted > low && wanted < high) {
        size_t middle = low + (high - low) / 2;
        if (comes_before(&items[middle], &items[low])) swap_items(&items[middle], &items[low]);
        if (comes_before(&items[high - 1], &items[low])) {
            swap_items(&items[high - 1], &items[low]);
        }
        if (comes_before(&items[high - 1], &items[middle])) {
            swap_items(&items[high - 1], &items[middle]);
        }
        flat_candidate pivot = items[middle];
        size_t left = low;
        size_t right = high - 1;
        for (;;) {
            while (comes_before(&items[left], &pivot))
                left++;
            while (comes_before(&pivot, &items[right]))
                right--;
            if (left >= right) break;
            swap_items(&items[left++], &items[right--]);
        }
        /* All before `left` are not behind the pivot, all from it on are not before. */
        if (wanted <= left) {
            high = left;
        } else {
            low = left;
        }
    }
    if (high - low == 2 && comes_before(&items[low + 1], &items[low])) {
        swap_items(&items[low], &items[low + 1]);
    }
}

/* Passes by items up to `end` and gathers those that may still be results, at most `limit`, where
 * it began. */
static size_t give_until(flat_candidates *c, size_t end, float bound, size_t limit)
{
    flat_candidate *batch = c->items + c->given;
    size_t taken = 0;
    while (c->given < end && taken < limit) {
        flat_candidate item = c->items[c->given++];
        if (!(item.lower > bound)) batch[taken++] = item;
    }
    return taken;
}

/* Brings the best of the first pass to the front. */
static void select_items(flat_candidates *c, float bound)
{
    drop_above(c, bound);
    size_t wanted = c->k > SIZE_MAX / FIRST_BATCH_PER_K ? SIZE_MAX : c->k * FIRST_BATCH_PER_K;
    c->first = wanted > FIRST_BATCH_MIN ? wanted : FIRST_BATCH_MIN;
    if (c->first < c->items_count) {
        select_first(c->items, c->items_count, c->first);
    } else {
        c->first = c->items_count;
    }
    c->is_selected = true;
    c->last_part = c->parts; /* from here on the one being collected */
    c->next_block = 0;
}

/* The blocks of a part that the second pass has to look at, the next few prefetched. */
typedef struct block_queue {
    const struct flat_part *part;
    float limit;
    size_t found; /* blocks below were found or left out */
    size_t blocks[BLOCKS_AHEAD];
    size_t first, count;
} block_queue;

static void find_ahead(block_queue *queue)
{
    const struct flat_part *part = queue->part;
    while (queue->count < BLOCKS_AHEAD) {
        size_t block =
            part->kernels->find_block(part->minima, queue->found, part->count, queue->limit);
        queue->found = block + 1;
        if (block >= part->count) return;
        const uint8_t *at = part->blocks + block * part->block_bytes;
        for (size_t line = 0; line < part->block_bytes; line += 64)
            __builtin_prefetch(at + line);
        queue->blocks[(queue->first + queue->count++) % BLOCKS_AHEAD] = block;
    }
}

/* Collects from c->next_block of the present part until there are `wanted` items; false at the
 * part's end. */
static bool collect_part(flat_candidates *c, float bound, size_t wanted)
{
    const struct flat_part *part = c->last_part;
    kernel_hits hits;
    block_queue queue = {
        .part = part,
        .limit = rabitq_limit(part->query, bound),
        .found = c->next_block,
    };
    while (c->items_count < wanted) {
        if (queue.found < part->count) find_ahead(&queue);
        if (queue.count == 0) return false;
        size_t block = queue.blocks[queue.first];
        queue.first = (queue.first + 1) % BLOCKS_AHEAD;
        queue.count--;
        c->next_block = block + 1;
        uint64_t open =
            kernel_live_rows(part->live, block / 2, part->rows) & ~part->asked[block / 2];
        open = open >> (block % 2 * FLAT_BLOCK_ROWS) & UINT32_MAX;
        if (open == 0) continue;
        part->kernels->test_block(&part->query->probe, part->blocks + block * part->block_bytes,
                                  queue.limit, &hits);
        uint32_t mask = (uint32_t)(hits.mask & open);
        if (mask != 0) consider_block(part, block, mask, hits.centred, bound, c);
    }
    return true;
}

/* Replaces the items, which have all been given, by those of the next blocks. */
static bool collect(flat_candidates *c, float bound, size_t limit)
{
    size_t room = c->capacity - FLAT_BLOCK_ROWS + 1;
    size_t wanted = limit < room ? limit : room;
    c->items_count = c->given = c->first = 0;
    while (c->last_part != NULL && !collect_part(c, bound, wanted)) {
        c->last_part = c->last_part->next;
        c->next_block = 0;
    }
    return c->items_count > 0;
}

size_t flat_candidates_next(flat_candidates *c, float threshold, size_t limit,
                            const flat_candidate **items)
{
    float bound = threshold_of(c);
    if (threshold < bound) bound = threshold;
    if (!c->is_selected) select_items(c, bound);
    *items = NULL;
    if (limit == 0) return 0;
    do {
        while (c->given < c->items_count) {
            size_t end = c->given < c->first ? c->first : c->items_count;
            *items = c->items + c->given;
            size_t taken = give_until(c, end, bound, limit);
            if (taken > 0) return taken;
        }
    } while (collect(c, bound, limit));
    return 0;
}
