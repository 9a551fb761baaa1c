/* A graph over random vectors in loose clusters, and queries like them that are not among them. */
#ifndef VEER_TESTS_GRAPH_BUILT_H
#define VEER_TESTS_GRAPH_BUILT_H

#include "base/arena.h"
#include "base/rng.h"
#include "index/flat_internal.h"
#include "index/graph.h"

#define GRAPH_BUILT_DIMS_MAX 64u
#define GRAPH_BUILT_MIDDLES_MAX 64u

typedef struct graph_built {
    /* The caller's: what is made. */
    uint32_t dims, middles_count, rows;
    float offset, spread; /* of values from 0, and within a cluster */
    graph_options options;
    uint64_t seed; /* of the vectors */

    flat_space *space;
    float middles[GRAPH_BUILT_MIDDLES_MAX][GRAPH_BUILT_DIMS_MAX];
    float *vectors; /* rows x dims */
    graph_builder *builder;
    graph graph;
    arena memory, scratch; /* scratch: the present query's */
    rng random;
} graph_built;

/* What the caller has set stays as it is; a failure fails the test. */
void graph_built_begin(graph_built *built, veer_metric metric);
void graph_built_end(graph_built *built);
/* A new one; the one before is gone, and so is what lies in `scratch`. */
flat_query *graph_built_query(graph_built *built);

#endif
