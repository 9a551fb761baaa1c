/* What the files of the growing index share. */
#ifndef VEER_INDEX_FLAT_INDEX_INTERNAL_H
#define VEER_INDEX_FLAT_INDEX_INTERNAL_H

#include <string.h>

#include "base/hash.h"
#include "index/flat.h"
#include "index/flat_index.h"
#include "index/graph.h"

/* Rows that make a first mean worth while; fewer are compared exactly. */
#define CENTRE_ROWS_MIN 1024u
#define NO_CENTRE UINT32_MAX

/* A centre that chunks were coded around. */
typedef struct flat_centre_entry {
    float *values;  /* padded; NULL: the place is free */
    uint32_t users; /* chunks */
} flat_centre_entry;

/* Consecutive rows with one centre. All chunks but the first are allocated whole. */
typedef struct flat_chunk {
    size_t capacity; /* rows */
    float *originals;
    float *inverse; /* inverse norms; NULL but under cosine */
    uint64_t *keys;
    uint8_t *blocks; /* NULL without a centre */
    size_t blocks_capacity;
    uint32_t centre; /* NO_CENTRE: rows have no codes yet */
} flat_chunk;

/* The graph over rows [0, graph.count): node numbers are row numbers, so that no row below moves
 * while there is a graph, nor while one is built. */
typedef struct flat_graph {
    graph graph;   /* count 0: none */
    uint8_t *slab; /* its memory: flat_graph_layout */
    size_t bytes;
    size_t holes; /* among its rows */

    graph_builder *builder; /* of the next one; NULL: none is built */
    uint32_t building;      /* rows of that one */
    size_t shown;           /* rows measured, then rows added */
    uint8_t *room;          /* slab that the finished one is copied to, or NULL */
    size_t room_bytes, copied;
} flat_graph;

struct flat_index {
    const veer_allocator *allocator;
    flat_space *space;
    uint64_t seed;
    uint32_t dims;
    size_t chunk_rows; /* a power of two, at least 64 */
    flat_chunk *chunks;
    size_t chunks_count, chunks_capacity;
    size_t rows;       /* with holes */
    size_t first_hole; /* no hole is below; == rows: there are none */
    size_t live_count;
    uint64_t *live; /* bit: row is no hole */
    size_t live_capacity;
    hash_table keys; /* of row numbers */
    double *sum;     /* dims, then one sum of squares: of the live rows, as codes see them */
    flat_centre_entry *centres;
    size_t centres_count, centres_capacity;
    uint32_t newest;     /* the centre that new chunks take, or NO_CENTRE */
    uint64_t graph_rows; /* live rows from which a graph is built; 0: never */
    flat_graph graph;
    uint32_t graph_degree; /* 0: GRAPH_DEGREE */
    veer_pool pool;        /* run NULL: none */
    arena encoder;         /* holds enough for encoding: that never fails */
};

/* Rows in a chunk for these dims: a constant of the format. */
size_t flat_chunk_rows(uint32_t dims);

static inline flat_chunk *flat_chunk_of(const flat_index *index, size_t row)
{
    return &index->chunks[row / index->chunk_rows];
}

static inline float *flat_row(const flat_index *index, size_t row)
{
    return flat_chunk_of(index, row)->originals + row % index->chunk_rows * index->dims;
}

static inline uint64_t *flat_row_key(const flat_index *index, size_t row)
{
    return &flat_chunk_of(index, row)->keys[row % index->chunk_rows];
}

static inline float flat_row_inverse(const flat_index *index, size_t row)
{
    const float *inverse = flat_chunk_of(index, row)->inverse;
    return inverse != NULL ? inverse[row % index->chunk_rows] : 1;
}

/* Rows of a chunk that exist. */
static inline size_t flat_chunk_used(const flat_index *index, size_t chunk)
{
    size_t left = index->rows - chunk * index->chunk_rows;
    return left < index->chunk_rows ? left : index->chunk_rows;
}

uint64_t flat_key_hash(const flat_index *index, uint64_t key);
/* hash_same over row numbers. */
typedef struct flat_key_context {
    const flat_index *index;
    uint64_t key;
} flat_key_context;
bool flat_same_key(const void *context, uint32_t row);

/* Room for rows [rows, rows + more), with codes if `has_codes`; changes nothing that can be seen. */
veer_status flat_reserve_rows(flat_index *index, size_t more, bool has_codes);
/* Room for codes of the chunk's rows. */
veer_status flat_reserve_blocks(flat_index *index, flat_chunk *chunk);
/* Writes the row's code into its block. The chunk has a centre. */
void flat_encode_in_place(flat_index *index, size_t row);
void flat_encode_chunk(flat_index *index, size_t chunk);
/* Gives the chunk another centre (or NO_CENTRE), whose codes are not made yet. */
void flat_chunk_set_centre(flat_index *index, flat_chunk *chunk, uint32_t centre);
void flat_chunk_free(flat_index *index, flat_chunk *chunk);
/* Adds (sign 1) or takes away (-1) a row's share of the sums. */
void flat_sum_row(flat_index *index, const float *vector, float inverse, double sign);

/* A new centre at the present mean, with no users; its place. */
veer_status flat_centre_new(flat_index *index, uint32_t *centre);
void flat_centre_drop_unused(flat_index *index, uint32_t centre);
/* |mean - centre|^2 in shares of the rows' mean squared distance from their mean. */
veer_status flat_centre_drift(flat_index *index, const float *centre, double *drift);

/* flat_index_graph.c */

/* Where the parts of a graph lie in its slab, in this order; the head says how large they are. */
enum {
    GRAPH_CODES,
    GRAPH_LINKS,
    GRAPH_CENTRE,
    GRAPH_NORMS,
    GRAPH_ENTRIES,
    GRAPH_STARTS,
    GRAPH_PARTS
};
/* Bytes of each part, and of all. The head is possible, its count at most FLAT_INDEX_ROWS_MAX. */
uint64_t flat_graph_layout(const flat_index *index, const graph *graph,
                           uint64_t bytes[GRAPH_PARTS]);
/* Makes the slab the graph's memory. The head is set, `holes` counted from the live rows. */
void flat_graph_install(flat_index *index, const graph *head, uint8_t *slab, size_t bytes);
/* Frees the graph, not one that is being built. */
void flat_graph_drop(flat_index *index);
void flat_graph_free(flat_index *index);
size_t flat_graph_bytes(const flat_index *index);
/* Whether too much has changed since the graph was built; whether one is to be built. */
bool flat_graph_is_stale(const flat_index *index);
bool flat_graph_wanted(const flat_index *index);
/* Begins a graph over the rows as they are now, or builds some more of it. */
veer_status flat_graph_step(flat_index *index);

#endif
