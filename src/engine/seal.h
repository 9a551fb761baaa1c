/* Building a sealed segment from the live rows of other segments, in slices.
 *
 * The rows' order is that of the parts, or by the schema's orderBy time. Every step does a bounded piece of
 * work and can be followed by any other use of the database; the parts are held by references. Abandoning it removes
 * the streams it made.
 */
#ifndef VEER_ENGINE_SEAL_H
#define VEER_ENGINE_SEAL_H

#include "engine/engine.h"
#include "engine/sealed.h"

typedef struct builder builder;

typedef enum builder_goal {
    BUILDER_SEGMENT, /* a new segment with its codes and columns */
    BUILDER_REPAIR,  /* of a sealed segment, which keeps its base: the codes and columns it lacks */
    BUILDER_GRAPH,   /* those, and graphs of fields that have none */
} builder_goal;

/* `parts` (referenced) of a collection's version become segment `number`; there is one where its
 * base is kept. `generation` goes into derived streams' names. */
veer_status builder_new(veer_database *database, const collection_version *collection,
                        const segment_ref *parts, size_t parts_count, uint64_t number,
                        uint64_t generation, builder_goal goal, builder **out, veer_error *error);
void builder_free(builder *builder);
/* Does one piece of work; *done when the entry is complete. VEER_PENDING: call again later. */
veer_status builder_step(builder *builder, bool *done, veer_error *error);
const char *builder_step_name(const builder *builder); /* of the next step */
/* Of all the work, for progress: rows done and to do (over all steps). */
void builder_progress(const builder *builder, uint64_t *done, uint64_t *total);
/* After done: the entry of the new segment; derived lives in the builder. rows may be 0: then there are no streams. */
const sealed_entry *builder_entry(const builder *builder);
/* Where row `row` of part `part` has gone, or ROW_NONE. */
uint32_t builder_row(const builder *builder, size_t part, uint32_t row);
/* After a merge has become part of the present version as the segment `fresh`: what helps to build
 * its graphs (seal_former.c). */
void builder_leave_former(builder *builder, sealed *fresh);
/* The streams now belong to a generation: freeing the builder leaves them. */
void builder_keep(builder *builder);

#endif
