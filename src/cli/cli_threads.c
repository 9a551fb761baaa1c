/* cli_threads.c: a veer_pool of POSIX threads.
 *
 * The threads sleep between runs. In a run each takes the next task that nobody has, the calling
 * thread too, which then waits for those that others have not finished.
 */
#include "cli_threads.h"

#include <pthread.h>
#include <stdlib.h>

struct cli_threads {
    veer_pool pool;
    pthread_t threads[VEER_THREADS_MAX];
    size_t started;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t begun, done;
    void (*task)(void *argument, size_t i);
    void *argument;
    size_t tasks, next, unfinished;
    bool stops;
};

/* Runs tasks until none is left to begin; the lock is held before and after. */
static void take_tasks(cli_threads *t)
{
    while (t->next < t->tasks) {
        size_t i = t->next++;
        pthread_mutex_unlock(&t->lock);
        t->task(t->argument, i);
        pthread_mutex_lock(&t->lock);
        if (--t->unfinished == 0) {
            pthread_cond_signal(&t->done);
        }
    }
}

static void *serve(void *context)
{
    cli_threads *t = context;
    pthread_mutex_lock(&t->lock);
    while (!t->stops) {
        take_tasks(t);
        if (!t->stops) {
            pthread_cond_wait(&t->begun, &t->lock);
        }
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

static void run(void *context, size_t tasks, void (*task)(void *argument, size_t i), void *argument)
{
    cli_threads *t = context;
    pthread_mutex_lock(&t->lock);
    t->task = task;
    t->argument = argument;
    t->next = 0;
    t->tasks = t->unfinished = tasks;
    pthread_cond_broadcast(&t->begun);
    take_tasks(t);
    while (t->unfinished > 0) {
        pthread_cond_wait(&t->done, &t->lock);
    }
    pthread_mutex_unlock(&t->lock);
}

cli_threads *cli_threads_new(size_t threads)
{
    cli_threads *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    t->pool = (veer_pool){.context = t, .run = run, .threads = threads};
    bool has_lock = pthread_mutex_init(&t->lock, NULL) == 0;
    bool has_begun = has_lock && pthread_cond_init(&t->begun, NULL) == 0;
    bool has_done = has_begun && pthread_cond_init(&t->done, NULL) == 0;
    if (!has_done) {
        if (has_begun) {
            pthread_cond_destroy(&t->begun);
        }
        if (has_lock) {
            pthread_mutex_destroy(&t->lock);
        }
        free(t);
        return NULL;
    }
    for (size_t i = 1; i < threads && i < VEER_THREADS_MAX; i++) {
        if (pthread_create(&t->threads[t->started], NULL, serve, t) != 0) {
            cli_threads_free(t);
            return NULL;
        }
        t->started++;
    }
    return t;
}

void cli_threads_free(cli_threads *t)
{
    if (t == NULL) {
        return;
    }
    pthread_mutex_lock(&t->lock);
    t->stops = true;
    pthread_cond_broadcast(&t->begun);
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < t->started; i++) {
        pthread_join(t->threads[i], NULL);
    }
    pthread_cond_destroy(&t->done);
    pthread_cond_destroy(&t->begun);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

const veer_pool *cli_threads_pool(const cli_threads *t)
{
    return &t->pool;
}
