/* The flat index: 1-bit codes of vectors in blocks of 32, scanned by byte-shuffle lookups, and
 * exact distances to finish.
 *
 * A search over one or several parts (segments) has three steps, each restartable:
 *
 *   scan     flat_scan over the blocks of every part: no original is touched. A row whose lower
 *            bound is above the k-th smallest upper bound so far cannot be among the nearest k and
 *            is dropped, block by block; the best of the rest are collected.
 *   rerank   flat_candidates_next gives candidates, first those with the best estimates, which
 *            settle the threshold, then all that the threshold has not ruled out. The caller
 *            fetches the originals of a batch, in one go, and computes flat_distances.
 *   result   a topk of exact distances.
 *
 * Codes and estimates: RaBitQ (Gao and Long, SIGMOD 2024) over a random rotation; the bound is `sigmas`
 * standard deviations of the estimator and of the rounding of the lookup tables. sigmas 3.3 is the
 * default for recall 1; flat_sigmas has the measured widths for recall targets below 1.
 *
 * Everything here is the same, bit for bit, on every kernel tier and in WebAssembly: rotation,
 * codes, factors, estimates and f32 distances.
 */
#ifndef VEER_INDEX_FLAT_H
#define VEER_INDEX_FLAT_H

#include "base/arena.h"
#include "base/topk.h"
#include "veer.h"

#define FLAT_BLOCK_ROWS 32u
#define FLAT_SIGMAS_SURE 3.3f

/* Whether vectors under a metric have codes, centres and graphs. Under the others, the further
 * metrics of veer.h, a space measures distances and nothing else: every search is exact. */
static inline bool flat_has_codes(veer_metric metric)
{
    return metric <= VEER_METRIC_L2;
}

/* Everything fixed about one vector field: dimensions, metric, rotation, kernels. Immutable; any
 * number of threads may use it. */
typedef struct flat_space flat_space;

veer_status flat_space_new(const veer_allocator *allocator, uint32_t dims, veer_metric metric,
                           uint64_t seed, flat_space **space, veer_error *error);
void flat_space_free(flat_space *space);
uint32_t flat_space_dims(const flat_space *space);
veer_metric flat_space_metric(const flat_space *space);
size_t flat_space_memory(const flat_space *space);
/* Name of the kernel tier in use. */
const char *flat_tier(void);
/* Length of a rotated vector and of a centre: dims rounded up to a multiple of 64. */
uint32_t flat_padded_dims(const flat_space *space);
/* A block: codes of 32 rows in FastScan order, then per row three f32 factors. A multiple of 64. */
size_t flat_block_bytes(const flat_space *space);

/* Whether a vector may be stored or searched with: finite, of finite norm, and not zero under cosine. On
 * false `why` (may be NULL) receives "holds NaN at 17", ...: for error texts. */
bool flat_vector_valid(const flat_space *space, const float *vector, char why[64]);
/* 1 / |vector| under cosine (f32, from a sum in f64 in index order), 1 under the other metrics. */
float flat_inverse_norm(const flat_space *space, const float *vector);

/* Centres. A sum starts as dims zeros; vectors are added in row order (normalised under cosine).
 * flat_centre gives the rotated mean; with count 0 it is the zero centre. */
void flat_sum_add(const flat_space *space, const float *vector, double *sum);
veer_status flat_centre(const flat_space *space, const double *sum, uint64_t count, arena *scratch,
                        float *centre);

/* Encodes `rows` (1-32) vectors around a centre into one block; unused places are filled so that
 * they never pass a scan. Vectors are the originals, as given. */
veer_status flat_encode(const flat_space *space, const float *centre, const float *const *vectors,
                        unsigned rows, arena *scratch, void *block);

/* The same for one vector at a time: flat_clear_block makes an empty block, flat_encode_row writes
 * row `row` (0-31) of it. A block filled row by row has the same bytes. */
void flat_clear_block(const flat_space *space, void *block);
veer_status flat_encode_row(const flat_space *space, const float *centre, const float *vector,
                            unsigned row, arena *scratch, void *block);

/* A query: its rotated vector, and lookup tables for one centre at a time. Lives in the arena. */
typedef struct flat_query flat_query;
veer_status flat_query_new(const flat_space *space, const float *vector, float sigmas,
                           arena *scratch, flat_query **query);
/* Makes the tables for the blocks of a part that was encoded around `centre`. */
void flat_query_centre(flat_query *query, const float *centre);
/* The bound's width for a recall target: 0 < recall <= 1. */
float flat_sigmas(double recall);

typedef struct flat_candidate {
    float lower;    /* no row is nearer than this, up to the bound's probability */
    float estimate; /* of the distance */
    uint32_t part;
    uint32_t row; /* ordinal in the part */
} flat_candidate;

/* Collects the candidates of a search over all its parts. */
typedef struct flat_candidates {
    /* May be set after flat_candidates_init: a row whose codes pass is a candidate only if this
     * is true for it; asked at most once a row. NULL: all are. */
    bool (*accept)(void *context, uint32_t part, uint32_t row);
    void *accept_context;
    /* The rest is the collection's own. */
    uint64_t seen; /* rows whose codes were compared */
    size_t count;  /* candidates so far */
    size_t k;
    arena *scratch;
    float *uppers; /* max-heap of the k smallest upper bounds */
    size_t uppers_count;
    flat_candidate *items; /* of the first pass; the batch of the second one */
    size_t items_count, capacity;
    size_t first; /* items that come in order of their estimate, once selected */
    size_t given; /* items that flat_candidates_next has passed by */
    bool is_selected;
    struct flat_part *parts, *last_part; /* scanned, in order; then the one being collected */
    size_t next_block;                   /* of that one */
} flat_candidates;

veer_status flat_candidates_init(flat_candidates *candidates, size_t k, arena *scratch);
/* Scans the blocks of one part (`rows` rows; the last block may be partial). `live`: bit i says
 * that row i may be a result; NULL: all may. Rows of blocks without any live bit are skipped.
 * Blocks and `live` are read again by flat_candidates_next and must stay as they are until then;
 * the query may go on to another centre. */
veer_status flat_scan(const flat_space *space, const flat_query *query, const void *blocks,
                      size_t rows, const uint64_t *live, uint32_t part,
                      flat_candidates *candidates);
/* A distance known exactly, of a row that was compared otherwise: it tightens the bound. */
void flat_candidates_known(flat_candidates *candidates, float distance);
/* The next candidates to rerank, at most `limit`, none whose lower bound exceeds `threshold` (that of
 * the topk so far: a row at exactly the threshold is still given). Returns their number; 0: done.
 * First call after the last flat_scan. The lower the threshold, the less is looked at: small
 * batches are best where originals are at hand. `items` is valid until the next call. */
size_t flat_candidates_next(flat_candidates *candidates, float threshold, size_t limit,
                            const flat_candidate **items);

/* Exact distances (veer.h, "Distance") of n originals to the query; prefetches ahead.
 * `inverse_norms[i]` is flat_inverse_norm of vectors[i]; NULL but under cosine. */
void flat_distances(const flat_space *space, const flat_query *query, const float *const *vectors,
                    const float *inverse_norms, size_t n, float *distances);

#endif
