/* Collections: their objects, how they come and go, and their handles. */
#include <string.h>

#include "engine/engine.h"
#include "engine/version.h"
#include "engine/work.h"
#include "engine/write.h"

/* ---------------------------------------------------------------- states */

veer_status collection_state_new(veer_database *database, uint32_t id, const char *name,
                                 collection_state **out, veer_error *error)
{
    *out = NULL;
    collection_state *made = memory_new(database->allocator, sizeof *made);
    if (!made) return error_nomem(error, "a collection", sizeof *made);
    atomic_init(&made->references, 1);
    made->database = database;
    made->id = id;
    strncpy(made->name, name, VEER_NAME_BYTES_MAX);
    *out = made;
    return VEER_OK;
}

/* The seed of a field's rotation: fixed by its place, so that the same writes give the same codes
 * in every database, native or WebAssembly. 42 is arbitrary. */
static uint64_t space_seed(const collection_state *state, const field *field)
{
    return 42u ^ ((uint64_t)state->id << 32 | field->id);
}

veer_status collection_state_adopt(collection_state *state, schema *schema, veer_error *error)
{
    for (size_t i = 0; i < schema->fields_count; i++) {
        field *field = &schema->fields[i];
        if (field->type != FIELD_VECTOR) continue;
        flat_space **space = &state->spaces[field->vector_slot];
        if (!*space) {
            VEER_TRY(flat_space_new(state->database->allocator, field->dims, field->metric,
                                    space_seed(state, field), space, error));
            flat_space_store(*space, field->storage);
        }
        field->space = *space;
    }
    return VEER_OK;
}

veer_status collection_state_register(collection_state *state, veer_error *error)
{
    veer_database *database = state->database;
    if (memory_grow(database->allocator, (void **)&database->collections,
                    &database->collections_capacity, database->collections_count + 1,
                    sizeof(collection_state *)) != VEER_OK)
        return error_nomem(error, "a collection", 0);
    collection_state_acquire(state);
    database->collections[database->collections_count++] = state;
    return VEER_OK;
}

static void unregister(collection_state *state)
{
    veer_database *database = state->database;
    for (size_t i = 0; i < database->collections_count; i++) {
        if (database->collections[i] != state) continue;
        database->collections[i] = database->collections[--database->collections_count];
        atomic_store(&state->is_dropped, true);
        collection_state_release(state);
        return;
    }
}

collection_state *collection_by_id(veer_database *database, uint32_t id)
{
    for (size_t i = 0; i < database->collections_count; i++)
        if (database->collections[i]->id == id) return database->collections[i];
    return NULL;
}

collection_state *collection_by_name(veer_database *database, const char *name)
{
    for (size_t i = 0; i < database->collections_count; i++)
        if (strcmp(database->collections[i]->name, name) == 0) return database->collections[i];
    return NULL;
}

/* ---------------------------------------------------------------- making and dropping */

static veer_status log_collection(veer_database *database, uint32_t id, const char *name,
                                  const schema *schema, uint64_t *lsn, veer_error *error)
{
    arena arena;
    arena_init(&arena, database->allocator);
    store_append_record record;
    veer_status status = record_collection(&arena, id, name, schema, &record, error);
    if (status == VEER_OK) status = store_append(database->store, &record, 1, lsn, error);
    arena_fini(&arena);
    return status;
}

veer_status collection_define(veer_database *database, uint32_t id, const char *name,
                              schema *schema, bool log, veer_error *error)
{
    veer_status status = VEER_OK;
    collection_state *state = collection_by_id(database, id);
    bool is_new = !state;
    collection_version *changed = NULL;
    version *base = version_acquire(database), *next = NULL;
    collection_version *old = state ? version_collection(base, id) : NULL;
    if (is_new)
        VEER_GOTO(collection_state_new(database, id, name, &state, error));
    else
        collection_state_acquire(state);
    VEER_GOTO(collection_state_adopt(state, schema, error));
    changed = collection_version_new(database->allocator, state, schema, old ? old->segments : NULL,
                                     old ? old->segments_count : 0);
    if (changed) next = version_change(database->allocator, base, &changed, 1, NULL, 0);
    if (!next) {
        status = error_nomem(error, "a collection", 0);
        goto done;
    }
    if (is_new) VEER_GOTO(collection_state_register(state, error));
    if (log) {
        status = log_collection(database, id, name, schema, &next->lsn, error);
        if (status != VEER_OK) {
            if (is_new) unregister(state);
            goto done;
        }
    }
    if (database->next_collection_id <= id) database->next_collection_id = id + 1;
    version_publish(database, next);
    next = NULL;
done:
    version_release(next);
    collection_version_release(changed);
    collection_state_release(state);
    version_release(base);
    return status;
}

/* Sealed segments of a dropped collection: their streams go when the last reader is gone and a
 * the next generation no longer attaches them. */
static void detach_segments(const collection_version *collection, uint64_t generation)
{
    for (size_t i = 0; i < collection->segments_count; i++)
        if (collection->segments[i].core->is_sealed)
            work_detach(collection->segments[i].core, generation);
}

veer_status collection_remove(veer_database *database, uint32_t id, bool log, veer_error *error)
{
    collection_state *state = collection_by_id(database, id);
    if (!state) return VEER_OK;
    veer_status status = VEER_OK;
    collection_state_acquire(state);
    version *base = version_acquire(database);
    collection_version *old = version_collection(base, id);
    version *next = version_change(database->allocator, base, NULL, 0, &id, 1);
    if (!next) {
        status = error_nomem(error, "a version", 0);
        goto done;
    }
    if (log) {
        store_append_record record = {.collection = id, .type = RECORD_DROP};
        VEER_GOTO(store_append(database->store, &record, 1, &next->lsn, error));
    }
    if (old) detach_segments(old, store_generation(database->store) + 1);
    unregister(state);
    version_publish(database, next);
    next = NULL;
done:
    version_release(next);
    version_release(base);
    collection_state_release(state);
    return status;
}

/* ---------------------------------------------------------------- handles */

static veer_status open_handle(collection_state *state, veer_collection **out, veer_error *error)
{
    veer_collection *handle = memory_new(state->database->allocator, sizeof *handle);
    if (!handle) return error_nomem(error, "a collection", sizeof *handle);
    collection_state_acquire(state);
    handle->state = state;
    database_handle_opened(state->database);
    *out = handle;
    return VEER_OK;
}

static veer_status open_new(veer_database *database, const char *name, const char *json,
                            veer_error *error)
{
    schema *schema = NULL;
    VEER_TRY(schema_parse(database->allocator, json, strlen(json), NULL, &schema, error));
    veer_status status =
        collection_define(database, database->next_collection_id, name, schema, true, error);
    schema_release(schema);
    return status;
}

static veer_status open_changed(veer_database *database, collection_state *state, const char *json,
                                veer_error *error)
{
    version *present = version_acquire(database);
    schema *stored = version_collection(present, state->id)->schema, *schema = NULL;
    veer_status status =
        schema_parse(database->allocator, json, strlen(json), stored, &schema, error);
    if (status == VEER_OK && schema != stored) {
        status = store_is_readonly(database->store)
                     ? error_set(error, VEER_E_READONLY,
                                 "the schema adds fields, but the database is open read-only")
                     : collection_define(database, state->id, state->name, schema, true, error);
    }
    schema_release(schema);
    version_release(present);
    return status;
}

static veer_status open_locked(veer_database *database, const char *name, const char *schema,
                               veer_collection **out, veer_error *error)
{
    collection_state *state = collection_by_name(database, name);
    if (!state && !schema)
        VEER_FAIL(error, VEER_E_NOTFOUND, "there is no collection '%s': give a schema to make it",
                  name);
    if (!state) {
        if (store_is_readonly(database->store))
            VEER_FAIL(error, VEER_E_READONLY,
                      "there is no collection '%s', and the database is open read-only", name);
        VEER_TRY(open_new(database, name, schema, error));
        state = collection_by_name(database, name);
    } else if (schema) {
        VEER_TRY(open_changed(database, state, schema, error));
    }
    return open_handle(state, out, error);
}

veer_status veer_collection_open(veer_database *database, const char *name, const char *schema,
                                 veer_collection **collection, veer_error *error)
{
    if (!collection) VEER_FAIL(error, VEER_E_INVALID, "collection is NULL");
    *collection = NULL;
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "database is NULL");
    if (!name) VEER_FAIL(error, VEER_E_INVALID, "the collection's name is NULL");
    if (!schema_name_valid(name, strlen(name)))
        VEER_FAIL(
            error, VEER_E_INVALID,
            "'%.80s' is no name for a collection: letters, digits, _ . - (at most %u bytes, a "
            "letter or _ first)",
            name, VEER_NAME_BYTES_MAX);
    thread_mutex_lock(&database->writer);
    veer_status status = open_locked(database, name, schema, collection, error);
    thread_mutex_unlock(&database->writer);
    return status;
}

void veer_collection_close(veer_collection *collection)
{
    if (!collection) return;
    veer_database *database = collection->state->database;
    collection_state_release(collection->state);
    memory_free(database->allocator, collection, sizeof *collection);
    database_handle_closed(database);
}

veer_status veer_collection_drop(veer_database *database, const char *name, veer_error *error)
{
    if (!database || !name) VEER_FAIL(error, VEER_E_INVALID, "database or name is NULL");
    thread_mutex_lock(&database->writer);
    veer_status status = VEER_OK;
    collection_state *state = collection_by_name(database, name);
    if (!state)
        status = error_set(error, VEER_E_NOTFOUND, "there is no collection '%s'", name);
    else if (store_is_readonly(database->store))
        status = error_set(error, VEER_E_READONLY, "the database is open read-only");
    else
        status = collection_remove(database, state->id, true, error);
    thread_mutex_unlock(&database->writer);
    return status;
}
