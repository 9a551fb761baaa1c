/* The growing index, its upkeep: closing holes, renewing centres and building the graph, one piece a
 * call, in this order.
 *
 * A piece is some hundreds of rows that move down over holes, in order, or one chunk that is coded
 * again, or a step of the graph (flat_index_graph.c). After every piece the index is whole: a row that moved is live in its new place
 * only, and what lies between is holes. So searches and writes may come between pieces, and there
 * is no state of the upkeep beside the index itself and the graph that is built.
 *
 * A chunk is coded again when the mean has moved away from its centre. Chunks of one upkeep share
 * the centre that the first of them made, as long as the mean stays near that.
 */
#include "base/bitset.h"
#include "base/memory.h"
#include "base/status.h"
#include "index/flat_index_internal.h"

#define ROWS_A_STEP 512u

/* Drift from which coding again is worth it: residuals are longer by 0.2 % at most below. */
#define STEP_DRIFT (1.0 / 256)

/* The first hole at or after `from`; `rows` where there is none. */
static size_t next_hole(const flat_index *index, size_t from)
{
    size_t row = from;
    while (row < index->rows) {
        uint64_t holes = ~index->live[row / 64] >> (row % 64);
        if (holes != 0) {
            row += (size_t)__builtin_ctzll(holes);
            return row < index->rows ? row : index->rows;
        }
        row += 64 - row % 64;
    }
    return index->rows;
}

static void move_row(flat_index *index, size_t from, size_t to)
{
    flat_chunk *source = flat_chunk_of(index, from);
    flat_chunk *target = flat_chunk_of(index, to);
    size_t source_place = from % index->chunk_rows;
    size_t target_place = to % index->chunk_rows;
    memcpy(flat_row(index, to), flat_row(index, from), index->dims * sizeof(float));
    target->keys[target_place] = source->keys[source_place];
    if (target->inverse != NULL) target->inverse[target_place] = source->inverse[source_place];
    if (target->centre != NO_CENTRE) flat_encode_in_place(index, to);
    /* Replaces the entry: needs no room. */
    flat_key_context wanted = {index, source->keys[source_place]};
    hash_table_put(&index->keys, flat_key_hash(index, wanted.key), (uint32_t)to, flat_same_key,
                   &wanted);
    bitset_clear(index->live, from);
    bitset_set(index->live, to);
}

/* Nothing is live from `rows` on. */
static void cut_rows(flat_index *index, size_t rows)
{
    index->rows = rows;
    while (index->chunks_count > 0 && (index->chunks_count - 1) * index->chunk_rows >= rows) {
        flat_chunk_free(index, &index->chunks[--index->chunks_count]);
    }
}

/* The first hole that can be closed: none of the graph's. */
static size_t hole_to_close(const flat_index *index)
{
    size_t fixed = index->graph.graph.count;
    return next_hole(index, index->first_hole > fixed ? index->first_hole : fixed);
}

/* Moves rows down; the index is closed up when nothing is left behind the first hole. */
static void close_holes(flat_index *index, size_t to)
{
    bool is_first = index->graph.holes == 0;
    size_t from = bitset_next(index->live, index->rows, to);
    for (size_t moved = 0; moved < ROWS_A_STEP && from < index->rows; moved++) {
        move_row(index, from, to);
        to = next_hole(index, to + 1);
        from = bitset_next(index->live, index->rows, from + 1);
    }
    if (is_first) index->first_hole = to;
    if (from >= index->rows) cut_rows(index, to);
}

/* The first chunk whose centre the mean has left, or chunks_count. */
static veer_status find_stale(flat_index *index, size_t *stale)
{
    uint32_t checked = NO_CENTRE;
    double drift = 0;
    *stale = index->chunks_count;
    for (size_t i = 0; i < index->chunks_count; i++) {
        uint32_t centre = index->chunks[i].centre;
        if (centre == NO_CENTRE) continue;
        if (centre != checked) {
            VEER_TRY(flat_centre_drift(index, index->centres[centre].values, &drift));
        }
        checked = centre;
        if (drift < STEP_DRIFT) continue;
        *stale = i;
        return VEER_OK;
    }
    return VEER_OK;
}

static veer_status recode(flat_index *index, size_t chunk)
{
    double drift;
    VEER_TRY(flat_centre_drift(index, index->centres[index->newest].values, &drift));
    if (drift >= STEP_DRIFT) {
        uint32_t renewed, former = index->newest;
        VEER_TRY(flat_centre_new(index, &renewed));
        index->newest = renewed;
        flat_centre_drop_unused(index, former);
    }
    flat_chunk_set_centre(index, &index->chunks[chunk], index->newest);
    flat_encode_chunk(index, chunk);
    return VEER_OK;
}

typedef enum upkeep { UPKEEP_HOLES, UPKEEP_CHUNK, UPKEEP_GRAPH, UPKEEP_DONE } upkeep;

/* What is to be done next: at which row or which chunk. A stale graph with holes goes first: closing
 * them is worth more than it is. */
static veer_status next_work(flat_index *index, upkeep *work, size_t *at)
{
    flat_graph *g = &index->graph;
    *work = UPKEEP_GRAPH;
    if (g->builder != NULL) return VEER_OK;
    if (g->holes > 0 && flat_graph_is_stale(index)) flat_graph_drop(index);
    *work = UPKEEP_HOLES;
    *at = hole_to_close(index);
    if (*at < index->rows) return VEER_OK;
    *work = UPKEEP_CHUNK;
    VEER_TRY(find_stale(index, at));
    if (*at < index->chunks_count) return VEER_OK;
    *work = flat_graph_wanted(index) ? UPKEEP_GRAPH : UPKEEP_DONE;
    return VEER_OK;
}

static veer_status step(flat_index *index, bool *left)
{
    upkeep work;
    size_t at;
    VEER_TRY(next_work(index, &work, &at));
    if (work == UPKEEP_HOLES) close_holes(index, at);
    if (work == UPKEEP_CHUNK) VEER_TRY(recode(index, at));
    if (work == UPKEEP_GRAPH) VEER_TRY(flat_graph_step(index));
    VEER_TRY(next_work(index, &work, &at));
    *left = work != UPKEEP_DONE;
    return VEER_OK;
}

void flat_index_set_degree(flat_index *index, uint32_t degree)
{
    index->graph_degree = degree;
}

void flat_index_set_pool(flat_index *index, const veer_pool *pool)
{
    index->pool = *pool;
}

veer_status flat_index_step(flat_index *index, bool *left, veer_error *error)
{
    *left = false;
    if (step(index, left) == VEER_OK) return VEER_OK;
    return error_nomem(error, "a centre or a graph", index->rows);
}
