/* Results: the columns that a search, a get or a scan hands out. */
#ifndef VEER_ENGINE_RESULTS_H
#define VEER_ENGINE_RESULTS_H

#include "engine/select.h"

/* One row that was found. */
typedef struct hit {
    uint32_t segment;
    uint32_t row;
    float distance;
} hit;

struct veer_results {
    veer_database *database;
    arena memory; /* of all columns and of explain */
    size_t queries, rows;
    uint32_t *offsets;
    float *distances, *scores; /* NULL: no vectors were asked about */
    byte_writer ids, documents;
    uint32_t *id_offsets, *document_offsets; /* the latter NULL: none wanted */
    bool is_exact;
    uint64_t visited;
    const char *explain; /* NULL: not wanted */
};

/* Results with room for `rows` rows of `queries` queries; `with_distances` and the spec say which
 * columns there are. Counts as a handle of the database. */
veer_status results_new(veer_database *database, size_t queries, size_t rows, bool with_distances,
                        const select_spec *spec, veer_results **out, veer_error *error);
/* Reads ids and documents of the rows; `hits` has as many as `results_new` was told. VEER_PENDING
 * has asked the storage for all that it could tell. */
veer_status results_fill(veer_results *results, const collection_version *collection,
                         const select_spec *spec, const hit *hits, arena *scratch,
                         veer_error *error);

#endif
