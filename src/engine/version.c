/* Versions: what a reader sees. Counting references is all that keeps things alive: the last
 * reference to a version drops its collections, the last to a collection's part drops its segments, the last to
 * a segment frees its memory or closes its streams (and queues their removal when they are no longer
 * attached). */
#include <string.h>

#include "engine/active.h"
#include "engine/sealed.h"
#include "engine/version.h"

void segment_core_acquire(segment_core *core)
{
    atomic_fetch_add(&core->references, 1);
}

void segment_core_release(segment_core *core)
{
    if (!core || atomic_fetch_sub(&core->references, 1) != 1) return;
    if (core->is_sealed)
        sealed_free(core->as.sealed);
    else
        active_free(core->as.active);
}

void segment_ref_acquire(const segment_ref *ref)
{
    segment_core_acquire(ref->core);
    tombstones_acquire(ref->dead);
}

void segment_ref_release(const segment_ref *ref)
{
    tombstones_release(ref->dead);
    segment_core_release(ref->core);
}

void collection_state_acquire(collection_state *state)
{
    atomic_fetch_add(&state->references, 1);
}

void collection_state_release(collection_state *state)
{
    if (!state || atomic_fetch_sub(&state->references, 1) != 1) return;
    for (size_t i = 0; i < VEER_FIELDS_MAX; i++)
        flat_space_free(state->spaces[i]);
    memory_free(state->database->allocator, state, sizeof *state);
}

static size_t collection_bytes(size_t segments)
{
    return sizeof(collection_version) + segments * sizeof(segment_ref);
}

collection_version *collection_version_new(const veer_allocator *allocator,
                                           collection_state *collection, schema *schema,
                                           const segment_ref *segments, size_t count)
{
    collection_version *made = memory_new(allocator, collection_bytes(count));
    if (!made) return NULL;
    atomic_init(&made->references, 1);
    made->collection = collection;
    made->schema = schema;
    made->segments_count = count;
    collection_state_acquire(collection);
    schema_acquire(schema);
    for (size_t i = 0; i < count; i++) {
        made->segments[i] = segments[i];
        segment_ref_acquire(&segments[i]);
    }
    return made;
}

void collection_version_acquire(collection_version *collection)
{
    atomic_fetch_add(&collection->references, 1);
}

void collection_version_release(collection_version *collection)
{
    if (!collection || atomic_fetch_sub(&collection->references, 1) != 1) return;
    for (size_t i = 0; i < collection->segments_count; i++)
        segment_ref_release(&collection->segments[i]);
    schema_release(collection->schema);
    collection_state *state = collection->collection;
    memory_free(state->database->allocator, collection,
                collection_bytes(collection->segments_count));
    collection_state_release(state);
}

uint64_t collection_version_live(const collection_version *collection)
{
    uint64_t live = 0;
    for (size_t i = 0; i < collection->segments_count; i++)
        live += segment_ref_live(&collection->segments[i]);
    return live;
}

static size_t version_bytes(size_t collections)
{
    return sizeof(version) + collections * sizeof(collection_version *);
}

version *version_new(const veer_allocator *allocator, size_t collections)
{
    version *made = memory_new(allocator, version_bytes(collections));
    if (!made) return NULL;
    atomic_init(&made->references, 1);
    made->allocator = allocator;
    made->collections_capacity = collections;
    return made;
}

version *version_change(const veer_allocator *allocator, const version *old,
                        collection_version *const *changed, size_t changed_count,
                        const uint32_t *dropped, size_t dropped_count)
{
    size_t room = old->collections_count + changed_count;
    version *made = version_new(allocator, room);
    if (!made) return NULL;
    made->lsn = old->lsn;
    size_t from = 0, with = 0;
    while (from < old->collections_count || with < changed_count) {
        collection_version *next;
        uint32_t a =
            from < old->collections_count ? old->collections[from]->collection->id : UINT32_MAX;
        uint32_t b = with < changed_count ? changed[with]->collection->id : UINT32_MAX;
        if (b <= a) {
            next = changed[with++];
            if (a == b) from++;
        } else {
            next = old->collections[from++];
        }
        bool keep = true;
        for (size_t i = 0; i < dropped_count; i++)
            keep = keep && dropped[i] != next->collection->id;
        if (!keep) continue;
        collection_version_acquire(next);
        made->collections[made->collections_count++] = next;
    }
    return made;
}

version *version_acquire(veer_database *database)
{
    thread_mutex_lock(&database->state);
    version *present = database->present;
    version_retain(present);
    thread_mutex_unlock(&database->state);
    return present;
}

void version_retain(version *version)
{
    atomic_fetch_add(&version->references, 1);
}

void version_release(version *version)
{
    if (!version || atomic_fetch_sub(&version->references, 1) != 1) return;
    for (size_t i = 0; i < version->collections_count; i++)
        collection_version_release(version->collections[i]);
    memory_free(version->allocator, version, version_bytes(version->collections_capacity));
}

void version_publish(veer_database *database, version *next)
{
    thread_mutex_lock(&database->state);
    version *old = database->present;
    database->present = next;
    thread_mutex_unlock(&database->state);
    version_release(old);
}

collection_version *version_collection(const version *version, uint32_t collection_id)
{
    for (size_t i = 0; i < version->collections_count; i++)
        if (version->collections[i]->collection->id == collection_id)
            return version->collections[i];
    return NULL;
}

void database_handle_opened(veer_database *database)
{
    thread_mutex_lock(&database->state);
    database->handles++;
    thread_mutex_unlock(&database->state);
}

void database_handle_closed(veer_database *database)
{
    thread_mutex_lock(&database->state);
    database->handles--;
    thread_mutex_unlock(&database->state);
}
