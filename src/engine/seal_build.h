/* The builder's inside, shared by seal.c (order, base) and seal_derived.c (codes, columns). */
#ifndef VEER_ENGINE_SEAL_BUILD_H
#define VEER_ENGINE_SEAL_BUILD_H

#include "engine/active.h"
#include "engine/seal.h"
#include "engine/version.h"

typedef enum build_step {
    BUILD_ORDER,
    BUILD_CREATE,
    BUILD_DOCUMENTS,
    BUILD_IDS,
    BUILD_ID_MAP,
    BUILD_STAMPS,
    BUILD_VECTORS, /* field by field: presence, originals, norms */
    BUILD_FINISH,
    BUILD_CODES, /* field by field: centre, blocks */
    BUILD_COLUMNS,
    BUILD_GRAPH, /* field by field */
    BUILD_DONE,
} build_step;

typedef struct build_place {
    uint32_t part, row;
} build_place;

struct builder {
    veer_database *database;
    collection_version *collection;
    segment_ref *parts;
    size_t parts_count;
    uint64_t generation;
    builder_goal goal;
    bool derived_only; /* the base is kept, and the first `kept` of the derived streams */
    size_t kept;
    bool is_kept;

    build_step step;
    uint32_t position; /* rows (or vectors) done in this step */
    size_t field;      /* place in the schema, of BUILD_VECTORS, _CODES, _COLUMNS */
    int phase;         /* within a field */

    size_t part;          /* where BUILD_ORDER is */
    build_place *order;   /* of the new rows */
    build_place *ordered; /* the same by time, while it is made */
    uint32_t rows, rows_capacity;
    uint32_t **maps; /* by part: new row of each old one, or ROW_NONE */

    const column **columns; /* by part, of the present field */
    size_t *part_rows;
    column_writer *column; /* of the present field, or what sorts by time */
    size_t put;            /* bytes of the present section that were given in pieces */

    segment_writer *writer;
    bool section_is_open;
    blob_writer *blobs;
    blob_cursor *cursors; /* by part */
    arena scratch;        /* of a step's call */
    arena lasting;        /* of the builder */

    uint32_t *id_offsets; /* rows + 1 */
    uint64_t *hashes;     /* of ids */
    uint32_t *map_rows;
    uint16_t *map_tags;
    size_t map_slots; /* fits: rows are at most 2^26 */

    segment_vectors *vectors; /* by part, of the present field */
    uint32_t vectors_count;   /* new ordinals of it */
    build_place *ordinals;    /* of the new vectors: part and old ordinal */
    uint8_t *presence;        /* bit by row: whether it has a vector */
    uint32_t *vectors_of;     /* by place in the schema: how many vectors came out */
    double *sum;
    float *centre;
    graph_builder *graph;   /* of the present field */
    uint32_t *former_nodes; /* by nodes of the former graph that it begins with: its nodes */
    size_t former_count;

    sealed_entry entry;
    uint64_t done_work, total_work;
};

/* What one call of builder_step handles: small enough for a millisecond. All arbitrary. */
#define BUILD_ROWS_A_STEP 512u          /* with their documents, ids, ... */
#define BUILD_PLAIN_ROWS (16u << 10)    /* entries of arrays */
#define BUILD_BYTES_A_STEP (256u << 10) /* of documents or of a section that is in memory */
#define BUILD_FLOATS_A_STEP (256u << 10)

/* Begins a section, unless an interrupted step has begun it already; and ends it. */
veer_status builder_begin(builder *builder, uint16_t kind, uint32_t field, uint32_t block_bytes,
                          veer_error *error);
veer_status builder_end(builder *builder, veer_error *error);
/* The section's next BUILD_BYTES_A_STEP; *done: it was begun, given and ended. */
veer_status builder_put_section(builder *builder, uint16_t kind, uint32_t field, const void *data,
                                size_t bytes, bool *done, veer_error *error);
/* Finds the field's column of every part; *found: one of them has one. */
veer_status builder_open_columns(builder *builder, uint32_t field_id, bool *found,
                                 veer_error *error);
/* Opens the present field's vectors of every part and lists the new ordinals, some rows a call. */
veer_status builder_list_vectors(builder *builder, const field *field, bool *done,
                                 veer_error *error);
/* How many of the field's vectors, from `position` on, a step handles at `floats` values a step:
 * whole multiples of 32, or what is left. */
uint32_t builder_vectors_now(const builder *builder, const field *field, uint32_t floats);
/* `count` originals, at most 32, from new ordinal `first`: pointers, valid until the scratch is
 * reset. */
veer_status builder_originals(builder *builder, const field *field, uint32_t first, uint32_t count,
                              const float **vectors, veer_error *error);
/* Whether the entry has the stream already. */
bool builder_has(const builder *builder, uint32_t kind, uint32_t field);
/* The field that the step is at, from `field` on; NULL behind the last one that has codes. */
const field *builder_coded_field(builder *builder);
/* A derived stream: the writer for its sections, and its end. */
veer_status builder_open_stream(builder *builder, const char *kind_name, uint32_t kind,
                                uint32_t field, veer_error *error);
veer_status builder_finish_stream(builder *builder, uint32_t field, veer_error *error);
/* The listed vectors' centre, some of them a call, to builder->centre. */
veer_status builder_sum_step(builder *builder, const field *field, bool *done, veer_error *error);
veer_status builder_codes_step(builder *builder, veer_error *error);
veer_status builder_columns_step(builder *builder, veer_error *error);
/* seal_former.c: gives the field's graph the links of a former one, where there is one. */
veer_status builder_former_step(builder *builder, const field *field, bool *done,
                                veer_error *error);
void builder_former_free(builder *builder);
veer_status builder_graph_step(builder *builder, veer_error *error);

#endif
