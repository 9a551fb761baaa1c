/* One step of a graph's building by many threads.
 *
 * The threads are the caller's (veer_pool). Each takes the next few items from a common counter until
 * there are none, with a walk and candidates of its own; these are made when a pool is first seen,
 * and where memory is short there are fewer, at the least those of the builder's own thread.
 */
#include <stdatomic.h>

#include "base/memory.h"
#include "index/graph_build.h"

/* Items taken at once: walks of one take some 100 us. */
#define ITEMS_AT_ONCE 4u
/* A step with threads is so much longer, or waiting for them would take its time. */
#define POOL_STEPS 16u

typedef struct sharing {
    graph_builder *builder;
    graph_handle *handle;
    _Atomic uint32_t next;
    uint32_t end;
} sharing;

static size_t threads_of(const graph_builder *b, const veer_pool *pool)
{
    size_t most = b->helpers_count + 1;
    return pool && pool->threads < most ? pool->threads : most;
}

uint32_t graph_items(const graph_builder *b, const veer_pool *pool, uint32_t left, uint32_t most)
{
    /* 768 dimensions take twice the time of 128. */
    size_t n = most * (size_t)768 / (640 + b->padded);
    if (n == 0) n = 1;
    if (pool) n *= POOL_STEPS * pool->threads;
    return left < n ? left : (uint32_t)n;
}

/* Run by one thread for each `index` below the number of them. */
static void take(void *argument, size_t index)
{
    sharing *s = argument;
    graph_builder *b = s->builder;
    graph_walk *walk = index == 0 ? &b->walk : &b->helpers[index - 1].walk;
    graph_near *near = index == 0 ? b->near : b->helpers[index - 1].near;
    for (;;) {
        uint32_t first = atomic_fetch_add(&s->next, ITEMS_AT_ONCE);
        if (first >= s->end) return;
        uint32_t end = s->end - first < ITEMS_AT_ONCE ? s->end : first + ITEMS_AT_ONCE;
        for (uint32_t item = first; item < end; item++)
            s->handle(b, walk, near, item);
    }
}

static void add_helpers(graph_builder *b, size_t wanted)
{
    if (b->helpers_capacity >= wanted) return;
    if (memory_grow(b->allocator, (void **)&b->helpers, &b->helpers_capacity, wanted,
                    sizeof *b->helpers) != VEER_OK)
        return;
    while (b->helpers_count < wanted) {
        graph_helper *helper = &b->helpers[b->helpers_count];
        if (!graph_walk_allocate(b, &helper->walk, &helper->near)) {
            graph_walk_release(b, &helper->walk, helper->near);
            *helper = (graph_helper){0};
            return;
        }
        b->helpers_count++;
    }
}

void graph_helpers_free(graph_builder *b)
{
    for (size_t i = 0; i < b->helpers_count; i++)
        graph_walk_release(b, &b->helpers[i].walk, b->helpers[i].near);
    memory_array_free(b->allocator, b->helpers, b->helpers_capacity, sizeof *b->helpers);
}

void graph_share(graph_builder *b, const veer_pool *pool, uint32_t first, uint32_t end,
                 graph_handle *handle)
{
    if (pool) add_helpers(b, pool->threads - 1);
    size_t threads = threads_of(b, pool);
    if (!pool || threads < 2 || end - first <= ITEMS_AT_ONCE) {
        for (uint32_t item = first; item < end; item++)
            handle(b, &b->walk, b->near, item);
        return;
    }
    sharing all = {b, handle, first, end};
    pool->run(pool->context, threads, take, &all);
}
