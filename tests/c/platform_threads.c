/* Threads: budgets, tables and mutexes under several at once; and clocks, processor, randomness. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "platform/clock.h"
#include "platform/cpu.h"
#include "platform/io.h"
#include "platform/random.h"
#include "platform/thread.h"
#include "support/fault_allocator.h"
#include "support/io_tables.h"
#include "support/testing.h"

#define THREADS 6

/* Assertions of cmocka work in its own thread only: others count what is wrong. */
typedef struct worker {
    pthread_t thread;
    uint64_t seed;
    void *shared;
    size_t wrong;
} worker;

static size_t run_workers(void *(*body)(void *), void *shared)
{
    worker workers[THREADS];
    size_t wrong = 0;
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){.seed = i, .shared = shared};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        wrong += workers[i].wrong;
    }
    return wrong;
}

/* ---- budget: never over the limit, back to zero, and failures only near the limit */

#define LIMIT 1500u /* one thread alone comes up to it */

typedef struct budget_scene {
    memory_budget budget;
    _Atomic size_t failures;
} budget_scene;

static void *use_budget(void *argument)
{
    worker *w = argument;
    budget_scene *scene = w->shared;
    const veer_allocator *a = &scene->budget.allocator;
    struct {
        uint8_t *memory;
        size_t bytes;
    } held[8] = {{NULL, 0}};
    rng r;
    rng_init(&r, w->seed);
    for (int step = 0; step < 20000; step++) {
        size_t i = (size_t)rng_below(&r, 8);
        if (held[i].memory != NULL) {
            if (held[i].memory[held[i].bytes - 1] != (uint8_t)w->seed) w->wrong++;
            memory_free(a, held[i].memory, held[i].bytes);
            held[i].memory = NULL;
            continue;
        }
        held[i].bytes = (size_t)rng_below(&r, 500) + 1;
        held[i].memory = memory_new(a, held[i].bytes);
        if (held[i].memory == NULL) {
            atomic_fetch_add(&scene->failures, 1);
        } else {
            held[i].memory[held[i].bytes - 1] = (uint8_t)w->seed;
        }
        if (atomic_load(&scene->budget.used) > LIMIT) w->wrong++;
    }
    for (size_t i = 0; i < 8; i++)
        memory_free(a, held[i].memory, held[i].bytes);
    return NULL;
}

static void test_budget(void **state)
{
    fault_allocator memory;
    budget_scene scene = {.failures = 0};
    (void)state;
    fault_allocator_init(&memory);
    memory_budget_init(&scene.budget, &memory.allocator, LIMIT);
    assert_int_equal(run_workers(use_budget, &scene), 0);
    assert_int_equal(scene.budget.used, 0);
    assert_true(scene.budget.peak <= LIMIT);
    assert_true(scene.budget.peak > LIMIT - 500);
    assert_true(memory.peak_bytes <= LIMIT);
    assert_true(scene.failures > 0);
    assert_null(fault_allocator_fini(&memory));
}

/* ---- tables: readers of sealed streams beside one writer of another, names coming and going */

typedef struct table_scene {
    const veer_io *io;
    _Atomic int writer_done;
} table_scene;

static void write_streams(worker *w, const veer_io *io)
{
    veer_error error;
    uint8_t data[3000];
    for (int round = 0; round < 30; round++) {
        void *file;
        if (io->open(io->context, "wal.0", VEER_IO_CREATE, &file, &error) != VEER_OK) {
            w->wrong++;
            return;
        }
        for (uint64_t i = 0; i < 20; i++) {
            memset(data, (int)i, sizeof data);
            w->wrong +=
                io->write(io->context, file, i * sizeof data, data, sizeof data, &error) != VEER_OK;
        }
        w->wrong += io->read(io->context, file, 57000, data, sizeof data, &error) != VEER_OK;
        w->wrong += data[0] != 19;
        w->wrong += io->remove(io->context, "wal.0", &error) != VEER_OK;
        io->close(io->context, file);
    }
}

static void read_stream(worker *w, const veer_io *io, rng *r)
{
    veer_error error;
    uint8_t data[700];
    void *file;
    const void *memory;
    if (io->open(io->context, "seg.1", VEER_IO_READ, &file, &error) != VEER_OK) {
        w->wrong++;
        return;
    }
    uint64_t offset = rng_below(r, 60000 - sizeof data);
    if (io->read(io->context, file, offset, data, sizeof data, &error) != VEER_OK) {
        w->wrong++;
    } else {
        for (size_t i = 0; i < sizeof data; i++)
            w->wrong += data[i] != (uint8_t)(offset + i);
    }
    if (io->map != NULL) {
        uint64_t bytes = rng_below(r, 60000) + 1;
        if (io->map(io->context, file, bytes, &memory, &error) != VEER_OK) {
            w->wrong++;
        } else {
            w->wrong += ((const uint8_t *)memory)[bytes - 1] != (uint8_t)(bytes - 1);
            io->unmap(io->context, file, memory, bytes);
        }
    }
    io->close(io->context, file);
}

static void *use_table(void *argument)
{
    worker *w = argument;
    table_scene *scene = w->shared;
    rng r;
    rng_init(&r, w->seed);
    if (w->seed == 0) {
        write_streams(w, scene->io);
        atomic_store(&scene->writer_done, 1);
        return NULL;
    }
    do {
        for (int i = 0; i < 20; i++)
            read_stream(w, scene->io, &r);
    } while (!atomic_load(&scene->writer_done));
    return NULL;
}

static void test_tables(void **state)
{
    static const io_table_kind kinds[] = {TABLE_MEMORY, TABLE_MEMORY_UNMAPPED, TABLE_POSIX,
                                          TABLE_FAULT_MEMORY};
    (void)state;
    for (size_t k = 0; k < TEST_COUNT(kinds); k++) {
        io_table table;
        veer_error error;
        void *file;
        static uint8_t data[60000];
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)i;
        io_table_make(&table, kinds[k]);
        const veer_io *io = table.io;
        assert_int_equal(io->open(io->context, "seg.1", VEER_IO_CREATE, &file, &error), VEER_OK);
        assert_int_equal(io->write(io->context, file, 0, data, sizeof data, &error), VEER_OK);
        io->close(io->context, file);
        table_scene scene = {io, 0};
        assert_int_equal(run_workers(use_table, &scene), 0);
        io_table_end(&table);
    }
}

/* Only one thread at a time gets the lock of a table, whoever asks. */
static void *fight_for_lock(void *argument)
{
    worker *w = argument;
    const veer_io *io = w->shared;
    static _Atomic int holders;
    veer_error error;
    for (int i = 0; i < 300; i++) {
        veer_status status = io->lock(io->context, true, &error);
        if (status == VEER_E_BUSY) continue;
        w->wrong += status != VEER_OK;
        w->wrong += atomic_fetch_add(&holders, 1) != 0;
        atomic_fetch_sub(&holders, 1);
        io->unlock(io->context);
    }
    return NULL;
}

static void test_lock(void **state)
{
    (void)state;
    for (int kind = 0; kind < TABLE_KINDS; kind++) {
        io_table table;
        io_table_make(&table, (io_table_kind)kind);
        veer_io io = *table.io;
        assert_int_equal(run_workers(fight_for_lock, &io), 0);
        io_table_end(&table);
    }
}

/* ---- mutexes */

typedef struct mutex_scene {
    thread_mutex mutex;
    size_t count; /* under the mutex */
} mutex_scene;

static void *count_up(void *argument)
{
    worker *w = argument;
    mutex_scene *scene = w->shared;
    for (int i = 0; i < 5000; i++) {
        if (i % 2 == 0) {
            thread_mutex_lock(&scene->mutex);
        } else {
            while (!thread_mutex_trylock(&scene->mutex))
                continue;
        }
        scene->count++;
        thread_mutex_unlock(&scene->mutex);
    }
    return NULL;
}

static void test_mutex(void **state)
{
    mutex_scene scene = {.count = 0};
    (void)state;
    assert_int_equal(thread_mutex_init(&scene.mutex), VEER_OK);
    assert_int_equal(run_workers(count_up, &scene), 0);
    assert_int_equal(scene.count, THREADS * 5000);
    assert_true(thread_mutex_trylock(&scene.mutex));
    assert_false(thread_mutex_trylock(&scene.mutex));
    thread_mutex_unlock(&scene.mutex);
    thread_mutex_fini(&scene.mutex);
}

/* ---- the rest of the platform */

static void test_clocks(void **state)
{
    double last = clock_monotonic_ms();
    double start = last;
    (void)state;
    do {
        double now = clock_monotonic_ms();
        assert_true(now >= last);
        last = now;
    } while (last - start < 2);
    /* From 2024 to 2200. */
    assert_true(clock_wall_ms() > 1704067200000 && clock_wall_ms() < 7258118400000);
}

static void test_cpu(void **state)
{
    uint32_t features = cpu_features();
    (void)state;
    assert_true(features == cpu_features());
    if (features & CPU_AVX512) assert_true(features & CPU_AVX2);
    if (features & CPU_NEON_DOT) assert_true(features & CPU_NEON);
    assert_int_equal(features & CPU_SIMD128, 0);
    assert_int_equal(setenv("VEER_FORCE_TIER", "scalar", 1), 0);
    assert_string_equal(cpu_forced_tier(), "scalar");
    assert_int_equal(setenv("VEER_FORCE_TIER", "", 1), 0);
    assert_null(cpu_forced_tier());
    assert_int_equal(unsetenv("VEER_FORCE_TIER"), 0);
    assert_null(cpu_forced_tier());
}

/* Every byte is filled at every length: a byte that stays zero in 20 fills is none of chance. */
static void test_random(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 1100; bytes += bytes < 40 ? 1 : 53) {
        uint8_t seen[1200] = {0};
        uint8_t data[1200] = {0};
        for (int i = 0; i < 20; i++) {
            assert_int_equal(platform_random(data, bytes), VEER_OK);
            for (size_t j = 0; j < sizeof data; j++)
                seen[j] |= data[j];
        }
        for (size_t j = 0; j < sizeof data; j++)
            assert_int_equal(seen[j] != 0, j < bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget), cmocka_unit_test(test_tables), cmocka_unit_test(test_lock),
        cmocka_unit_test(test_mutex),  cmocka_unit_test(test_clocks), cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
