/* The flat index, the scan: from codes to the rows worth an exact distance.
 *
 * The threshold is the k-th smallest upper bound so far, kept in a heap: k rows are known to be at
 * least that near (up to the bound's probability), so a row whose lower bound is above it cannot
 * be among the nearest k. It only falls, and the kernel tests whole blocks against it; it returns
 * to here for blocks with a row that passes. There the bound is made narrower (rabitq.c) and
 * tested again.
 *
 * Rows collected under an early, high threshold are dropped when the array is full, and for good
 * by flat_candidates_next. So what is left at the end does not depend on the order of rows,
 * blocks or parts: the rows whose lower bound is not above the final threshold.
 *
 * flat_candidates_next gives first the best by estimate, enough to settle the exact threshold
 * in most searches, then all that this threshold has not ruled out, in the order of the scan. Nothing is
 * sorted: selection is linear.
 *
 * Bounds that are NaN (rows of extreme size) count as unknown: such a row is always a candidate.
 * Threads: a collection belongs to one search.
 */
#include <math.h>
#include <string.h>

#include "index/flat_internal.h"

#define CAPACITY_FIRST 1024u /* candidates; arbitrary, 16 KiB */

/* The first batch to rerank: enough rows for the threshold to settle. Measured: fewer make the second batch
 * larger, more are wasted. */
#define FIRST_BATCH_PER_K 4u
#define FIRST_BATCH_MIN 64u

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

/* ---------------------------------------------------------------- collecting */

static void drop_above(flat_candidates *c, float threshold)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (!(c->items[i].lower > threshold)) c->items[kept++] = c->items[i];
    }
    c->count = kept;
}

/* Makes room for one block's rows. Arrays that are outgrown stay in the arena: together they are
 * smaller than the last. */
static veer_status reserve_block(flat_candidates *c)
{
    if (c->capacity - c->count >= FLAT_BLOCK_ROWS) return VEER_OK;
    drop_above(c, threshold_of(c));
    if (c->count <= c->capacity / 2) return VEER_OK;
    size_t capacity = c->capacity > SIZE_MAX / 2 ? SIZE_MAX : c->capacity * 2;
    flat_candidate *items = arena_array(c->scratch, capacity, sizeof *items);
    if (items == NULL) return VEER_E_NOMEM;
    memcpy(items, c->items, c->count * sizeof *items);
    c->items = items;
    c->capacity = capacity;
    return VEER_OK;
}

static rabitq_bounds known_bounds(const rabitq_query *query, const void *block, unsigned row,
                                  uint32_t sum)
{
    rabitq_bounds bounds = rabitq_bound(query, block, row, sum);
    if (!isfinite(bounds.estimate) || isnan(bounds.lower) || isnan(bounds.upper)) {
        bounds = (rabitq_bounds){-INFINITY, -INFINITY, INFINITY};
    }
    return bounds;
}

static void collect_block(const rabitq_query *query, const void *block, const kernel_hits *hits,
                          uint32_t part, uint32_t first_row, flat_candidates *c)
{
    for (uint32_t mask = hits->mask; mask != 0; mask &= mask - 1) {
        unsigned place = (unsigned)__builtin_ctz(mask);
        rabitq_bounds bounds = known_bounds(query, block, place, hits->sums[place]);
        if (bounds.lower > threshold_of(c)) continue;
        uint32_t row = first_row + place;
        if (c->accept != NULL && !c->accept(c->accept_context, part, row)) continue;
        c->items[c->count++] = (flat_candidate){bounds.lower, bounds.estimate, part, row};
        flat_candidates_known(c, bounds.upper);
    }
}

/* Rows of blocks that have a live row. */
static uint64_t rows_compared(const uint64_t *live, size_t rows)
{
    if (live == NULL) return rows;
    uint64_t compared = 0;
    size_t blocks = rows / FLAT_BLOCK_ROWS + (rows % FLAT_BLOCK_ROWS != 0);
    for (size_t block = 0; block < blocks; block++) {
        if (kernel_live_rows(live, block, rows) == 0) continue;
        size_t left = rows - block * FLAT_BLOCK_ROWS;
        compared += left < FLAT_BLOCK_ROWS ? left : FLAT_BLOCK_ROWS;
    }
    return compared;
}

veer_status flat_scan(const flat_space *space, const flat_query *query, const void *blocks,
                      size_t rows, const uint64_t *live, uint32_t part, flat_candidates *c)
{
    const rabitq_query *codes = &query->codes;
    size_t block_bytes = flat_block_bytes(space);
    size_t count = rows / FLAT_BLOCK_ROWS + (rows % FLAT_BLOCK_ROWS != 0);
    kernel_hits hits;
    for (size_t block = 0; block < count; block++) {
        float limit = rabitq_limit(codes, threshold_of(c));
        block = space->kernels->scan(&codes->probe, blocks, rows, live, block, limit, &hits);
        if (block >= count) break;
        if (reserve_block(c) != VEER_OK) return VEER_E_NOMEM;
        const uint8_t *at = (const uint8_t *)blocks + block * block_bytes;
        collect_block(codes, at, &hits, part, (uint32_t)(block * FLAT_BLOCK_ROWS), c);
    }
    c->seen += rows_compared(live, rows);
    return VEER_OK;
}

/* ---------------------------------------------------------------- giving */

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

size_t flat_candidates_next(flat_candidates *c, float threshold, size_t limit,
                            const flat_candidate **items)
{
    float bound = threshold_of(c);
    if (threshold < bound) bound = threshold;
    if (!c->is_selected) {
        drop_above(c, bound);
        c->first = c->k > SIZE_MAX / FIRST_BATCH_PER_K ? SIZE_MAX : c->k * FIRST_BATCH_PER_K;
        if (c->first < FIRST_BATCH_MIN) c->first = FIRST_BATCH_MIN;
        if (c->first < c->count) {
            select_first(c->items, c->count, c->first);
        } else {
            c->first = c->count;
        }
        c->is_selected = true;
    }
    *items = c->items + c->given;
    size_t taken = give_until(c, c->first, bound, limit);
    if (taken > 0) return taken;
    *items = c->items + c->given;
    return give_until(c, c->count, bound, limit);
}
