/* One document of a batch: checked against the schema and taken apart.
 *
 * What comes out lives in the arena (vectors given as binary stay where the caller has them, unless
 * storing rounds them: what comes out is rounded). The stored JSON is
 * the document as given, minified, without its vector fields.
 */
#ifndef VEER_ENGINE_DOCUMENT_H
#define VEER_ENGINE_DOCUMENT_H

#include "engine/engine.h"

typedef struct document {
    const char *id;
    size_t id_bytes;
    uint64_t hash; /* segment_id_hash */
    const char *json;
    size_t json_bytes;
    const float **vectors;       /* by vector_slot; NULL: it has none */
    const column_value **values; /* by place of the field in the schema */
    uint32_t *counts;
} document;

/* A vector field's values that come beside the JSON, resolved for a batch. */
typedef struct document_vectors {
    const field *field;
    const char *data;
    size_t stride_bytes;
    const uint8_t *present; /* NULL: all */
} document_vectors;

/* Checks veer_vectors against the schema: the field exists, dims agree, none twice. `out` has n places. */
veer_status document_vectors_resolve(const schema *schema, const veer_vectors *vectors, size_t n,
                                     document_vectors *out, veer_error *error);

/* `number` is the document's place in its batch, from 0; it picks the vectors and names it in errors. */
veer_status document_parse(const veer_database *database, const schema *schema,
                           struct yyjson_val *object, size_t number,
                           const document_vectors *vectors, size_t vectors_count, arena *arena,
                           document *out, veer_error *error);

/* Checks an id: 1-512 bytes of UTF-8. */
veer_status document_id_check(const char *id, size_t bytes, size_t number, veer_error *error);

#endif
