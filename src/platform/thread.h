/* Mutexes, not recursive; next to nothing in WebAssembly, which has one thread. */
#ifndef VEER_PLATFORM_THREAD_H
#define VEER_PLATFORM_THREAD_H

#include "veer.h"

#ifdef __wasm__
typedef struct thread_mutex {
    int held;
} thread_mutex;
#else
#include <pthread.h>
typedef struct thread_mutex {
    pthread_mutex_t mutex;
} thread_mutex;
#endif

veer_status thread_mutex_init(thread_mutex *mutex);
void thread_mutex_fini(thread_mutex *mutex);
void thread_mutex_lock(thread_mutex *mutex);
bool thread_mutex_trylock(thread_mutex *mutex);
void thread_mutex_unlock(thread_mutex *mutex);

#endif
