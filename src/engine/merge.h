/* Which segments are worth working on. Pure: looks at a version, changes nothing. */
#ifndef VEER_ENGINE_MERGE_H
#define VEER_ENGINE_MERGE_H

#include "engine/engine.h"

typedef enum merge_reason {
    MERGE_REPAIR,  /* one segment has lost a derived stream */
    MERGE_DELETED, /* one segment has many dead rows */
    MERGE_SIZES,   /* neighbours of similar size */
    MERGE_COMPACT, /* everything into one */
    MERGE_GRAPH,   /* one segment might have a graph */
} merge_reason;

/* Segments [first, first + count) of the version's collection number `collection`; false: none.
 * Only neighbours are merged, so that the order of rows is kept. `graph_rows`: vectors of a segment
 * from which it gets a graph, after all else; 0: none does. */
bool merge_choose(const version *present, bool compact, uint64_t graph_rows, size_t *collection,
                  size_t *first, size_t *count, merge_reason *why);

#endif
