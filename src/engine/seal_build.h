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
    bool derived_only, is_kept;

    build_step step;
    uint32_t position; /* rows (or vectors) done in this step */
    size_t field;      /* place in the schema, of BUILD_VECTORS, _CODES, _COLUMNS */
    int phase;         /* within a field */

    build_place *order; /* of the new rows */
    uint32_t rows, rows_capacity;
    uint32_t **maps; /* by part: new row of each old one, or ROW_NONE */

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
    uint32_t *vectors_of;     /* by place in the schema: how many vectors came out */
    double *sum;
    float *centre;

    sealed_entry entry;
    uint64_t done_work, total_work;
};

/* Rows or vectors that one call of builder_step handles. Small enough for a few milliseconds. */
#define BUILD_ROWS_A_STEP 512u

/* Begins a section, unless an interrupted step has begun it already; and ends it. */
veer_status builder_begin(builder *builder, uint16_t kind, uint32_t field, uint32_t block_bytes,
                          veer_error *error);
veer_status builder_end(builder *builder, veer_error *error);
/* Opens the present field's vectors of every part and lists the new ordinals. */
veer_status builder_open_vectors(builder *builder, const field *field, veer_error *error);
/* Up to `count` originals from new ordinal `first`: pointers, valid until the scratch is reset. */
veer_status builder_originals(builder *builder, uint32_t first, uint32_t count,
                              const float **vectors, float *inverse_norms, veer_error *error);
veer_status builder_codes_step(builder *builder, veer_error *error);
veer_status builder_columns_step(builder *builder, veer_error *error);

#endif
