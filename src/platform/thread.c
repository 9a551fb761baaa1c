/* Mutexes: pthread's, not recursive; in WebAssembly, which has one thread, a flag that makes
 * trylock answer as it would elsewhere. Locking a held mutex there is a defect of the caller's
 * that would be a deadlock natively, and passes. */
#include "platform/thread.h"

#ifdef __wasm__

veer_status thread_mutex_init(thread_mutex *mutex)
{
    mutex->held = 0;
    return VEER_OK;
}

void thread_mutex_fini(thread_mutex *mutex)
{
    (void)mutex;
}

void thread_mutex_lock(thread_mutex *mutex)
{
    mutex->held = 1;
}

bool thread_mutex_trylock(thread_mutex *mutex)
{
    if (mutex->held) return false;
    mutex->held = 1;
    return true;
}

void thread_mutex_unlock(thread_mutex *mutex)
{
    mutex->held = 0;
}

#else

/* pthread_mutex_init fails for want of memory or of a system limit. Locking a default mutex that
 * is initialised and not held by the caller cannot fail. */
veer_status thread_mutex_init(thread_mutex *mutex)
{
    return pthread_mutex_init(&mutex->mutex, NULL) == 0 ? VEER_OK : VEER_E_NOMEM;
}

void thread_mutex_fini(thread_mutex *mutex)
{
    (void)pthread_mutex_destroy(&mutex->mutex);
}

void thread_mutex_lock(thread_mutex *mutex)
{
    (void)pthread_mutex_lock(&mutex->mutex);
}

bool thread_mutex_trylock(thread_mutex *mutex)
{
    return pthread_mutex_trylock(&mutex->mutex) == 0;
}

void thread_mutex_unlock(thread_mutex *mutex)
{
    (void)pthread_mutex_unlock(&mutex->mutex);
}

#endif
