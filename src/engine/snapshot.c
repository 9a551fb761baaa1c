/* Snapshots: a reference to a version, which keeps alive all that it names. */
#include "engine/engine.h"

veer_status veer_snapshot_open(veer_database *database, veer_snapshot **snapshot, veer_error *error)
{
    if (!snapshot) VEER_FAIL(error, VEER_E_INVALID, "'snapshot' is NULL");
    *snapshot = NULL;
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "'database' is NULL");
    veer_snapshot *made = memory_new(database->allocator, sizeof *made);
    if (!made) return error_nomem(error, "a snapshot", sizeof *made);
    database_handle_opened(database);
    made->database = database;
    made->version = version_acquire(database);
    *snapshot = made;
    return VEER_OK;
}

void veer_snapshot_close(veer_snapshot *snapshot)
{
    if (!snapshot) return;
    veer_database *database = snapshot->database;
    version_release(snapshot->version);
    memory_free(database->allocator, snapshot, sizeof *snapshot);
    database_handle_closed(database);
}
