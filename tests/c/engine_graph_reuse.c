/* Graphs of merged segments, which begin with the links of the largest part's: the same however the
 * work is cut and by however many threads, built from nothing after a kill, and after every row was
 * replaced many times as good as one that is. Graphs that checkpoints interrupt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "cli/cli_threads.h"
#include "engine/engine.h"
#include "engine/sealed.h"
#include "engine/work.h"
#include "graph_world.h"
#include "platform/io.h"

static const char options[] = "{\"create\":true,\"sync\":\"none\",\"graphRows\":500}";
static const char no_graphs[] = "{\"create\":true,\"sync\":\"none\",\"graphRows\":0}";

/* Overwrites so many runs of ids, wherever they are. */
static void replace(world *w, uint32_t runs, uint32_t length)
{
    for (uint32_t i = 0; i < runs; i++) {
        uint32_t first = (uint32_t)rng_below(&w->random, w->ids - length + 1);
        world_put(w, first, first + length, 0);
    }
}

/* What a graph was made of shows in what walks find with little effort. */
typedef struct trace {
    world_answer answers[60];
} trace;

static void look(world *w, trace *to)
{
    const world_query query = {.k = 10, .effort = 11};
    memset(to, 0, sizeof *to);
    rng_init(&w->random, 4711);
    for (uint32_t i = 0; i < TEST_COUNT(to->answers); i++) {
        float vector[WORLD_V];
        world_vector(w, vector);
        world_search(w, &query, vector, &to->answers[i]);
        assert_true(to->answers[i].walked > 0);
    }
}

static bool is_same(const trace *a, const trace *b)
{
    for (uint32_t i = 0; i < TEST_COUNT(a->answers); i++) {
        const world_answer *x = &a->answers[i], *y = &b->answers[i];
        if (x->walked != y->walked || x->count != y->count ||
            memcmp(x->ids, y->ids, x->count * sizeof *x->ids) != 0)
            return false;
    }
    return true;
}

static uint32_t formers(const world *w)
{
    uint32_t count = 0;
    version *present = version_acquire(w->database);
    const collection_version *collection = present->collections[0];
    for (size_t i = 0; i < collection->segments_count; i++) {
        const segment_core *core = collection->segments[i].core;
        count += core->is_sealed && core->as.sealed->former.core != NULL;
    }
    version_release(present);
    return count;
}

/* Steps until a merge has left a graph to begin with; how many steps that took. */
static uint32_t work_to_former(world *w)
{
    bool left = true;
    uint32_t steps = 0;
    veer_error error;
    for (; left && formers(w) == 0; steps++)
        check_status(veer_work(w->database, 0, &left, &error), &error);
    assert_int_equal(formers(w), 1);
    return steps;
}

typedef enum way { AT_ONCE, IN_STEPS, WITH_THREADS, MERGED_TWICE, KILLED, WAYS } way;

static bool refuse(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return false;
}

/* A segment with graphs and a smaller one become one. */
static void make(world *w, const veer_io *io, veer_metric metric, way how)
{
    veer_error error;
    cli_threads *threads = how == WITH_THREADS ? cli_threads_new(3) : NULL;
    world_new(w, io, options, metric, 5000);
    if (threads)
        check_status(veer_set_pool(w->database, cli_threads_pool(threads), &error), &error);
    world_put(w, 0, 4000, 0);
    world_settle(w);
    assert_int_equal(world_graphs(io), 2);
    world_delete(w, 0, 4000, 9);
    replace(w, 30, 10);
    world_put(w, 4000, 5000, 0);
    check_status(veer_checkpoint(w->database, NULL, NULL, &error), &error);
    if (how == AT_ONCE || how == WITH_THREADS) {
        check_status(veer_compact(w->database, NULL, NULL, &error), &error);
    } else {
        assert_int_equal(veer_compact(w->database, refuse, NULL, &error), VEER_E_ABORTED);
        assert_true(work_to_former(w) > 5);
    }
    if (how == MERGED_TWICE) {
        world_delete(w, 1, 5000, 9);
        assert_int_equal(veer_compact(w->database, refuse, NULL, &error), VEER_E_ABORTED);
    }
    if (how == KILLED) {
        world_close(w);
        check_status(world_open(w, options, &error), &error);
        assert_int_equal(formers(w), 0);
    }
    check_status(world_work(w, &error), &error);
    assert_int_equal(formers(w), 0);
    assert_int_equal(world_graphs(io), 2); /* the former's streams are gone */
    check_status(veer_set_pool(w->database, NULL, &error), &error);
    cli_threads_free(threads);
}

static void check_database(const veer_io *io)
{
    veer_error error;
    veer_buffer report = {0};
    check_status(veer_check(NULL, io, NULL, NULL, NULL, &report, &error), &error);
    veer_buffer_free(&report);
}

static void test_ways(void **state)
{
    (void)state;
    for (int metric = 0; metric < 3; metric++) {
        trace traces[WAYS];
        for (way how = AT_ONCE; how < WAYS; how++) {
            world w;
            veer_io io;
            veer_error error;
            uint32_t graphs;
            const world_query query = {.k = 10, .recall = 0.85};
            check_status(io_memory_new(memory_default(), &io, &error), &error);
            make(&w, &io, (veer_metric)metric, how);
            look(&w, &traces[how]);
            assert_true(world_recall(&w, &query, 60, &graphs) >= 0.8);
            assert_int_equal(graphs, 60);
            world_free(&w);
            check_database(&io);
            io_memory_free(&io);
        }
        assert_true(is_same(&traces[AT_ONCE], &traces[IN_STEPS]));
        assert_true(is_same(&traces[AT_ONCE], &traces[WITH_THREADS]));
        assert_false(is_same(&traces[AT_ONCE], &traces[KILLED]));
    }
}

/* Recall at two efforts, of the same queries. */
static double recall_of(world *w)
{
    double sum = 0;
    uint32_t graphs;
    rng_init(&w->random, 31);
    for (uint32_t effort = 12; effort <= 24; effort *= 2) {
        const world_query query = {.k = 10, .effort = effort};
        sum += world_recall(w, &query, 1500, &graphs) / 2;
        assert_int_equal(graphs, 1500);
    }
    return sum;
}

/* Every row is replaced ten times and more, a sixth at a time, by random upserts and deletes; graphs
 * are taken on by every merge. Then the same rows get a graph from nothing. */
static void test_turnover(void **state)
{
    (void)state;
    world w;
    veer_io io;
    veer_error error;
    uint32_t taken = 0;
    check_status(io_memory_new(memory_default(), &io, &error), &error);
    world_new(&w, &io, options, VEER_METRIC_L2, 3000);
    world_put(&w, 0, w.ids, 0);
    world_settle(&w);
    for (uint32_t round = 0; round < 60; round++) {
        world_delete(&w, (uint32_t)rng_below(&w.random, 50), w.ids, 50);
        replace(&w, 24, 10);
        uint32_t sixth = w.ids / 6, first = round % 6 * sixth; /* none is left out */
        world_put(&w, first, first + sixth, 0);
        check_status(veer_checkpoint(w.database, NULL, NULL, &error), &error);
        assert_int_equal(veer_compact(w.database, refuse, NULL, &error), VEER_E_ABORTED);
        taken += work_to_former(&w) > 0;
        check_status(world_work(&w, &error), &error);
    }
    assert_int_equal(taken, 60);
    double turned = recall_of(&w);
    world_close(&w);
    check_status(world_open(&w, no_graphs, &error), &error);
    world_delete(&w, 0, 1, 1);
    check_status(veer_compact(w.database, NULL, NULL, &error), &error);
    world_close(&w);
    check_status(world_open(&w, options, &error), &error);
    world_settle(&w);
    double fresh = recall_of(&w);
    print_message("recall %.4f after turnover, %.4f of a graph from nothing\n", turned, fresh);
    assert_true(turned >= fresh - 0.005);
    world_free(&w);
    check_database(&io);
    io_memory_free(&io);
}

/* Rows come in all the time and are sealed before a graph could be built in one go: by checkpoints that
 * are asked for, and by a log that is full. It is built all the same. */
static void test_steady_writing(void **state)
{
    (void)state;
    static const char *const all_options[] = {
        "{\"create\":true,\"sync\":\"none\",\"graphRows\":2500}",
        "{\"create\":true,\"sync\":\"none\",\"graphRows\":2500,\"walBytes\":1048576}",
    };
    for (size_t i = 0; i < TEST_COUNT(all_options); i++) {
        world w;
        veer_io io;
        veer_error error;
        bool left = true;
        uint32_t rounds = 0, graphs;
        check_status(io_memory_new(memory_default(), &io, &error), &error);
        world_new(&w, &io, no_graphs, VEER_METRIC_L2, 9000);
        world_put(&w, 0, 3000, 0);
        check_status(veer_compact(w.database, NULL, NULL, &error), &error);
        world_close(&w);
        check_status(world_open(&w, all_options[i], &error), &error);
        for (uint32_t at = 3000; world_graphs(&io) == 0; rounds++) {
            assert_true(rounds < 400);
            for (uint32_t put = 0; put < (i == 0 ? 20u : 2000u); put += 20, at += 20)
                world_put(&w, at % 9000, at % 9000 + 20, 0);
            if (i == 0) check_status(veer_checkpoint(w.database, NULL, NULL, &error), &error);
            for (uint32_t n = 0; n < (i == 0 ? 20u : 150u); n++)
                check_status(veer_work(w.database, 0, &left, &error), &error);
            if (at >= 8900) at = 3000;
        }
        print_message("%u rounds until there was a graph\n", rounds);
        assert_true(rounds > 4);
        world_settle(&w);
        const world_query query = {.k = 10, .recall = 0.85};
        assert_true(world_recall(&w, &query, 60, &graphs) >= 0.8);
        assert_true(graphs > 0);
        world_free(&w);
        check_database(&io);
        io_memory_free(&io);
    }
}

static uint64_t graph_bytes(world *w)
{
    uint64_t bytes = 0;
    version *present = version_acquire(w->database);
    const sealed *sealed = present->collections[0]->segments[0].core->as.sealed;
    for (size_t i = 0; i < sealed->entry.derived_count; i++)
        if (sealed->entry.derived[i].stream.kind == STREAM_GRAPH)
            bytes += sealed->entry.derived[i].stream.bytes;
    version_release(present);
    return bytes;
}

/* Graphs of other degrees, which also begin with one another's links. */
static void test_degrees(void **state)
{
    (void)state;
    static const uint32_t degrees[] = {16, 64, 32, 16};
    uint64_t bytes[TEST_COUNT(degrees)];
    world w;
    veer_io io;
    veer_error error;
    check_status(io_memory_new(memory_default(), &io, &error), &error);
    for (size_t i = 0; i < TEST_COUNT(degrees); i++) {
        char with_degree[100];
        uint32_t graphs;
        const world_query query = {.k = 10, .effort = 20};
        (void)snprintf(with_degree, sizeof with_degree,
                       "{\"create\":true,\"sync\":\"none\",\"graphRows\":500,\"graphDegree\":%u}",
                       degrees[i]);
        if (i == 0) {
            world_new(&w, &io, with_degree, VEER_METRIC_L2, 3000);
            world_put(&w, 0, w.ids, 0);
        } else {
            world_close(&w);
            check_status(world_open(&w, with_degree, &error), &error);
            replace(&w, 10, 10);
        }
        check_status(veer_compact(w.database, NULL, NULL, &error), &error);
        check_status(world_work(&w, &error), &error);
        assert_true(world_recall(&w, &query, 60, &graphs) >= 0.9);
        assert_int_equal(graphs, 60);
        bytes[i] = graph_bytes(&w);
    }
    assert_true(bytes[1] > bytes[2] && bytes[2] > bytes[0] && bytes[3] < bytes[2]);
    world_close(&w);
    static const char *const wrong[] = {"15", "65", "\"many\""};
    for (size_t i = 0; i < TEST_COUNT(wrong); i++) {
        char text[100];
        (void)snprintf(text, sizeof text, "{\"graphDegree\":%s}", wrong[i]);
        assert_int_equal(world_open(&w, text, &error), VEER_E_OPTION);
    }
    world_free(&w);
    check_database(&io);
    io_memory_free(&io);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_turnover),
        cmocka_unit_test(test_steady_writing),
        cmocka_unit_test(test_degrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
