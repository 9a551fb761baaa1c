/* A growing index in memory: vectors under u64 keys, searched by their codes (flat.h). What
 * veer_index_* is made of.
 *
 * Rows are numbered in the order of their writing, which is also the order of equal distances. A
 * replaced row is a new row. Removing leaves a hole; flat_index_step closes holes, renews centres and
 * builds a graph (graph.h), a little at a time. The graph is over the rows that there were when it
 * was begun: later ones are scanned beside it, its holes are passed through. When a quarter has
 * changed it is built anew.
 *
 * Threads: any number of searches and reads together; a change needs the index alone.
 */
#ifndef VEER_INDEX_FLAT_INDEX_H
#define VEER_INDEX_FLAT_INDEX_H

#include "base/arena.h"
#include "veer.h"

/* Rows and holes together. */
#define FLAT_INDEX_ROWS_MAX 0x7FFFFFC0u

/* Live rows from which a graph is built, of files that do not say it. */
#define FLAT_INDEX_GRAPH_ROWS 20000u

typedef struct flat_index flat_index;

/* graph_rows: live rows from which flat_index_step builds a graph, at most UINT32_MAX; 0: never. */
veer_status flat_index_new(const veer_allocator *allocator, uint32_t dims, veer_metric metric,
                           uint64_t seed, uint64_t graph_rows, flat_index **index,
                           veer_error *error);
void flat_index_free(flat_index *index);

uint32_t flat_index_dims(const flat_index *index);
size_t flat_index_count(const flat_index *index); /* rows without holes */
size_t flat_index_bytes(const flat_index *index);

/* Adds n rows, or on failure none. A key that is there is replaced, within the batch too. */
veer_status flat_index_add(flat_index *index, const uint64_t *keys, const float *vectors, size_t n,
                           veer_error *error);
/* Returns how many were there. */
size_t flat_index_remove(flat_index *index, const uint64_t *keys, size_t n);
/* The row's vector as it was given, valid until the next change, or NULL. */
const float *flat_index_find(const flat_index *index, uint64_t key);

/* Neighbours of a node in graphs that are begun from now on, 16 to 64; default: GRAPH_DEGREE, or in
 * an index that was loaded with a graph that one's. */
void flat_index_set_degree(flat_index *index, uint32_t degree);
/* Threads that help to build the graph; run NULL: none. */
void flat_index_set_pool(flat_index *index, const veer_pool *pool);
/* One piece of upkeep, some milliseconds at most. `left`: whether anything is left to do. */
veer_status flat_index_step(flat_index *index, bool *left, veer_error *error);

/* What a search may be given beside the vector. */
typedef struct flat_index_search {
    size_t k;
    double recall;
    bool is_exact;
    bool is_walk; /* walks the graph whatever a scan would cost: for tests */
    bool (*accept)(void *context, uint64_t key); /* NULL: all; asked at most once a row */
    void *accept_context;
} flat_index_search;

/* The nearest k rows, nearest first, to keys[k] and distances[k]; `found` is their number. The
 * vector is valid (flat_index_check). `scratch` is reset first. */
veer_status flat_index_run(const flat_index *index, const float *vector,
                           const flat_index_search *search, arena *scratch, uint64_t *keys,
                           float *distances, size_t *found, veer_error *error);
/* VEER_E_VECTOR, naming `what` and its number, unless all n vectors are valid. */
veer_status flat_index_check(const flat_index *index, const float *vectors, size_t n,
                             const char *what, veer_error *error);

/* docs/FORMAT.md, "Index file". */
veer_status flat_index_save(const flat_index *index, veer_buffer *bytes, veer_error *error);
veer_status flat_index_load(const void *bytes, size_t size, const veer_allocator *allocator,
                            flat_index **index, veer_error *error);

#endif
