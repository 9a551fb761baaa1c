/* The caller's threads: taken over from veer.h, used by graphs (index/graph.h). */
#include "engine/engine.h"

veer_status pool_take(const veer_pool *from, veer_pool *to, veer_error *error)
{
    const veer_pool none = {0};
    if (from && !from->run) VEER_FAIL(error, VEER_E_INVALID, "pool: run is NULL");
    if (from && (from->threads < 1 || from->threads > VEER_THREADS_MAX))
        VEER_FAIL(error, VEER_E_RANGE, "pool: threads is %zu, must be 1 to %u", from->threads,
                  VEER_THREADS_MAX);
    *to = from ? *from : none;
    return VEER_OK;
}

veer_status veer_set_pool(veer_database *database, const veer_pool *pool, veer_error *error)
{
    if (!database) VEER_FAIL(error, VEER_E_INVALID, "database is NULL");
    thread_mutex_lock(&database->work);
    veer_status status = pool_take(pool, &database->pool, error);
    thread_mutex_unlock(&database->work);
    return status;
}
