/* Making and publishing versions: the writers' side of engine.h. */
#ifndef VEER_ENGINE_VERSION_H
#define VEER_ENGINE_VERSION_H

#include "engine/engine.h"

void segment_ref_acquire(const segment_ref *ref);
void segment_ref_release(const segment_ref *ref);

/* A collection's object; `name` is copied. */
veer_status collection_state_new(veer_database *database, uint32_t id, const char *name,
                                 collection_state **out, veer_error *error);
/* Gives the vector fields of a schema their spaces, making what is new. */
veer_status collection_state_adopt(collection_state *state, schema *schema, veer_error *error);
/* Enters it into the database's table, which holds a reference. */
veer_status collection_state_register(collection_state *state, veer_error *error);
void collection_state_acquire(collection_state *state);
void collection_state_release(collection_state *state);

/* Takes references to all that is given. NULL: no memory. */
collection_version *collection_version_new(const veer_allocator *allocator,
                                           collection_state *collection, schema *schema,
                                           const segment_ref *segments, size_t count);
void collection_version_acquire(collection_version *collection);
void collection_version_release(collection_version *collection);

/* An empty version with room for collections. NULL: no memory. */
version *version_new(const veer_allocator *allocator, size_t collections);
/* `old` with some collections' parts replaced or added (by ascending id) and some dropped. */
version *version_change(const veer_allocator *allocator, const version *old,
                        collection_version *const *changed, size_t changed_count,
                        const uint32_t *dropped, size_t dropped_count);
/* Makes it the present one; the database takes over the caller's reference. Cannot fail. */
void version_publish(veer_database *database, version *next);

#endif
