/* What every read begins with: which version, which part of it, which rows. */
#ifndef VEER_ENGINE_READING_H
#define VEER_ENGINE_READING_H

#include "engine/engine.h"

/* A collection as one read sees it. Release with reading_end. */
typedef struct reading {
    version *version;
    const collection_version *collection;
} reading;

/* `snapshot` NULL: the present state. Fails where the snapshot is another database's, and where it
 * does not hold the collection. */
veer_status reading_begin(reading *reading, collection_state *state, const veer_snapshot *snapshot,
                          veer_error *error);
void reading_end(reading *reading);

/* The living row of an id and the segment that it is in; row ROW_NONE where there is none. */
veer_status reading_find(const collection_version *collection, const char *id, size_t bytes,
                         arena *scratch, size_t *index, uint32_t *row, veer_error *error);

/* Parses a filter given as JSON text and binds its parameters (JSON array or NULL). `json` NULL or
 * null: no filter, and then no parameters either. */
veer_status reading_filter(const schema *schema, const char *json, const char *parameters,
                           arena *memory, const filter **out, veer_error *error);
veer_status reading_bind(const filter *parsed, const char *parameters, arena *memory,
                         const filter **out, veer_error *error);

#endif
