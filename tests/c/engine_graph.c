/* Graphs over sealed segments, beside a model: what a search promises does not change with them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "graph_world.h"
#include "platform/clock.h"
#include "platform/io.h"

static const char options[] = "{\"create\":true,\"sync\":\"none\",\"graphRows\":500}";
static const veer_metric metrics[] = {VEER_METRIC_L2, VEER_METRIC_DOT, VEER_METRIC_COSINE};

/* Step by step; prints the longest, which a busy machine makes longer. */
static void work_in_slices(world *w)
{
    veer_error error;
    bool left = true;
    uint32_t slices = 0;
    double longest = 0;
    check_status(veer_checkpoint(w->database, NULL, NULL, &error), &error);
    for (; left; slices++) {
        double began = clock_monotonic_ms();
        check_status(veer_work(w->database, 0, &left, &error), &error);
        double took = clock_monotonic_ms() - began;
        if (took > longest) longest = took;
    }
    print_message("%u slices, the longest %.2f ms\n", slices, longest);
    /* A graph of 14,000 nodes in few slices would mean long ones. */
    assert_true(slices > 200);
}

/* The recall that was asked for, by graphs, for both fields. */
static void test_recall(void **state)
{
    (void)state;
    for (size_t m = 0; m < TEST_COUNT(metrics); m++) {
        world w;
        uint32_t graphs = 0;
        world_new(&w, NULL, options, metrics[m], 14000);
        world_put(&w, 0, w.ids, m == 0 ? 40 : 0);
        work_in_slices(&w);
        const world_query queries[] = {
            {.k = 10, .recall = 0.8},
            {.k = 10, .recall = 0.95},
            {.k = 1, .recall = 0.9},
            {.k = 30, .recall = 0.8},
            {.k = 10, .recall = 0.85, .on_w = true},
        };
        for (size_t i = 0; i < TEST_COUNT(queries); i++) {
            double recall = world_recall(&w, &queries[i], 100, &graphs);
            print_message("metric %d, query %zu: recall %.3f, %u by graph\n", (int)metrics[m], i,
                          recall, graphs);
            assert_true(recall >= queries[i].recall - 0.03);
            if (i == 0 || i == 2 || i == 4) assert_int_equal(graphs, 100);
        }
        const world_query all = {.k = 10, .recall = 1}, exact = {.k = 10, .is_exact = true};
        assert_true(world_recall(&w, &all, 50, &graphs) > 0.999);
        assert_int_equal(graphs, 0);
        assert_true(world_recall(&w, &exact, 20, &graphs) > 0.9999);
        assert_int_equal(graphs, 0);
        world_free(&w);
    }
}

static int by_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* The bound below which a share (in thousandths) of the living rows has its first element. */
static int first_below(const world *w, uint32_t share)
{
    int *all = malloc(w->ids * sizeof *all);
    uint32_t count = 0;
    assert_non_null(all);
    for (uint32_t i = 0; i < w->ids; i++)
        if (w->rows[i].is_alive) all[count++] = w->rows[i].first;
    qsort(all, count, sizeof *all, by_int);
    int bound = all[(uint64_t)count * share / 1000];
    free(all);
    return bound;
}

/* Rows that a filter leaves, few and many, where the query is and far from it: world_search looks at
 * their number and at each. */
static void test_filters(void **state)
{
    (void)state;
    static const uint32_t shares[] = {1000, 500, 250, 200, 50, 10, 1};
    world w;
    uint32_t walks = 0, graphs = 0;
    world_new(&w, NULL, options, VEER_METRIC_L2, 20000);
    world_put(&w, 0, w.ids, 0);
    world_settle(&w);
    for (size_t i = 0; i < TEST_COUNT(shares); i++) {
        world_query random = {.k = 1, .recall = 0.8, .by = "chance", .below = (int)shares[i]};
        world_query place = {
            .k = 1, .recall = 0.8, .by = "first", .below = first_below(&w, shares[i] - 1)};
        for (uint32_t k = 1; k <= 100; k *= 10) {
            random.k = place.k = k;
            double recall = world_recall(&w, &random, 40, &graphs);
            walks += graphs;
            assert_true(recall >= 0.7);
            for (uint32_t n = 0; n < 40; n++) {
                float vector[WORLD_V];
                world_answer answer;
                world_vector(&w, vector);
                vector[0] = n % 2 ? 6.0f : -6.0f; /* far from all that match, and among them */
                world_search(&w, &place, vector, &answer);
            }
        }
    }
    assert_true(walks > 100);
    /* Most are taken away just where the query is: the walk may find few, and still k are given. */
    uint32_t walked = 0;
    const world_query near = {.k = 10, .recall = 0.8, .by = "first", .below = first_below(&w, 900)};
    for (uint32_t n = 0; n < 100; n++) {
        float vector[WORLD_V];
        world_answer answer;
        world_vector(&w, vector);
        vector[0] = 7.0f;
        world_search(&w, &near, vector, &answer);
        walked += answer.walked > 0;
    }
    assert_true(walked > 50);
    world_free(&w);
}

/* Deletes and overwrites after the graph was built; a snapshot still sees what was there. */
static void test_changes(void **state)
{
    (void)state;
    world w;
    uint32_t graphs = 0;
    veer_error error;
    world_new(&w, NULL, options, VEER_METRIC_DOT, 12000);
    world_put(&w, 0, w.ids, 0);
    world_settle(&w);
    world_query past = {.k = 10, .recall = 0.8}, now = past;
    check_status(veer_snapshot_open(w.database, &past.snapshot, &error), &error);
    world_row *before = malloc(w.ids * sizeof *before);
    assert_non_null(before);
    memcpy(before, w.rows, w.ids * sizeof *before);
    past.rows = before;
    world_delete(&w, 0, w.ids, 7);
    world_put(&w, 100, 900, 0);
    assert_true(world_recall(&w, &now, 60, &graphs) >= 0.75);
    assert_int_equal(graphs, 60);
    assert_true(world_recall(&w, &past, 60, &graphs) >= 0.75);
    assert_int_equal(graphs, 60);
    check_status(veer_compact(w.database, NULL, NULL, &error), &error);
    check_status(world_work(&w, &error), &error);
    assert_true(world_recall(&w, &now, 60, &graphs) >= 0.75);
    assert_int_equal(graphs, 60);
    assert_true(world_recall(&w, &past, 60, &graphs) >= 0.75);
    assert_int_equal(graphs, 60);
    veer_snapshot_close(past.snapshot);
    free(before);
    world_free(&w);
}

/* Two segments with a graph each become one with a graph of its own; the old streams go. */
static void test_merge(void **state)
{
    (void)state;
    world w;
    veer_io io = {0};
    veer_error error;
    uint32_t graphs = 0;
    check_status(io_memory_new(memory_default(), &io, &error), &error);
    world_new(&w, &io, options, VEER_METRIC_COSINE, 14000);
    world_put(&w, 0, 7000, 0);
    world_settle(&w);
    assert_int_equal(world_graphs(&io), 2);
    world_put(&w, 7000, 14000, 0);
    world_settle(&w);
    assert_int_equal(world_graphs(&io), 4);
    const world_query query = {.k = 10, .recall = 0.8};
    assert_true(world_recall(&w, &query, 50, &graphs) >= 0.75);
    assert_int_equal(graphs, 50);
    check_status(veer_compact(w.database, NULL, NULL, &error), &error);
    assert_int_equal(world_graphs(&io), 2);
    assert_true(world_recall(&w, &query, 50, &graphs) >= 0.75);
    assert_int_equal(graphs, 50);
    const world_query most = {.k = 10000, .recall = 0.8};
    float vector[WORLD_V];
    world_answer answer;
    world_vector(&w, vector);
    world_search(&w, &most, vector, &answer);
    world_free(&w);
    io_memory_free(&io);
}

/* k larger than the segment, and segments of all sizes around graphRows. */
static void count_base(void *context, const char *name)
{
    *(uint32_t *)context += strncmp(name, "seg.", 4) == 0 && !strchr(name + 4, '.');
}

static uint32_t bases(const veer_io *io)
{
    uint32_t count = 0;
    veer_error error;
    check_status(io->list(io->context, count_base, &count, &error), &error);
    return count;
}

/* A segment that got a graph shares its streams with what it was before, which a snapshot may still
 * hold when the segment is merged away. */
static void test_snapshot_keeps_streams(void **state)
{
    (void)state;
    world w;
    veer_io io = {0};
    veer_error error;
    uint32_t graphs = 0;
    check_status(io_memory_new(memory_default(), &io, &error), &error);
    world_new(&w, &io, options, VEER_METRIC_L2, 3000);
    world_put(&w, 0, w.ids, 0);
    check_status(veer_checkpoint(w.database, NULL, NULL, &error), &error);
    assert_int_equal(world_graphs(&io), 0);
    world_query past = {.k = 10, .recall = 0.8};
    check_status(veer_snapshot_open(w.database, &past.snapshot, &error), &error);
    world_row *before = malloc(w.ids * sizeof *before);
    assert_non_null(before);
    memcpy(before, w.rows, w.ids * sizeof *before);
    past.rows = before;
    world_settle(&w);
    assert_int_equal(world_graphs(&io), 2);
    world_delete(&w, 0, w.ids, 3);
    check_status(veer_compact(w.database, NULL, NULL, &error), &error);
    check_status(world_work(&w, &error), &error);
    assert_int_equal(bases(&io), 2);
    assert_true(world_recall(&w, &past, 50, &graphs) >= 0.75);
    assert_int_equal(graphs, 0);
    veer_snapshot_close(past.snapshot);
    check_status(world_work(&w, &error), &error);
    assert_int_equal(bases(&io), 1);
    assert_int_equal(world_graphs(&io), 2);
    free(before);
    world_free(&w);
    io_memory_free(&io);
}

static void test_small(void **state)
{
    (void)state;
    static const char eager[] = "{\"create\":true,\"sync\":\"none\",\"graphRows\":1}";
    static const uint32_t sizes[] = {1, 2, 3, 31, 33, 65, 129, 400};
    for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
        world w;
        world_new(&w, NULL, eager, metrics[i % TEST_COUNT(metrics)], sizes[i]);
        world_put(&w, 0, w.ids, (uint32_t)i % 3); /* all of them the same, none, some */
        world_settle(&w);
        for (uint32_t k = 1; k <= 1000; k *= 10) {
            const world_query query = {.k = k, .recall = 0.5};
            (void)world_recall(&w, &query, 5, NULL);
        }
        world_free(&w);
    }
}

/* After every document was written ten times, the recall is that of a fresh build. */
static void test_turnover(void **state)
{
    (void)state;
    world turned, fresh;
    static const char only_v[] = "{\"create\":true,\"sync\":\"none\",\"graphRows\":6500}";
    const world_query query = {.k = 10, .recall = 0.8};
    uint32_t graphs = 0;
    world_new(&turned, NULL, only_v, VEER_METRIC_L2, 8000);
    world_put(&turned, 0, turned.ids, 0);
    world_settle(&turned);
    veer_error error;
    for (uint32_t round = 0; round < 10; round++) {
        uint32_t half = turned.ids / 2;
        world_delete(&turned, round % 3, turned.ids, 5);
        world_put(&turned, round % 2 ? half : 0, round % 2 ? turned.ids : half, 0);
        check_status(veer_checkpoint(turned.database, NULL, NULL, &error), &error);
        world_put(&turned, round % 2 ? 0 : half, round % 2 ? half : turned.ids, 0);
        world_settle(&turned);
        (void)world_recall(&turned, &query, 5, NULL);
    }
    check_status(veer_compact(turned.database, NULL, NULL, &error), &error);
    double after = world_recall(&turned, &query, 400, &graphs);
    uint32_t by_graph = graphs;
    world_new(&fresh, NULL, only_v, VEER_METRIC_L2, 8000);
    world_put(&fresh, 0, fresh.ids, 0);
    world_settle(&fresh);
    double before = world_recall(&fresh, &query, 400, &graphs);
    print_message("recall %.4f (%u by graph) after turnover, %.4f (%u) fresh\n", after, by_graph,
                  before, graphs);
    assert_int_equal(by_graph, 400);
    assert_true(after >= before - 0.01);
    world_free(&turned);
    world_free(&fresh);
}

/* Half of the rows are dead, and no work has been done since: those of even numbers, then those on one
 * side. Dead rows are bridges: queries among them find the nearest living ones. */
static void test_tombstones(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < 2; kind++) {
        world w;
        world_new(&w, NULL, options, metrics[kind * 2], 30000);
        world_put(&w, 0, w.ids, 0);
        world_settle(&w);
        int median = first_below(&w, 500);
        if (kind == 0) world_delete(&w, 0, w.ids, 2);
        for (uint32_t id = 0; kind == 1 && id < w.ids; id++)
            if (w.rows[id].first < median) world_delete(&w, id, id + 1, 1);
        for (uint32_t k = 1; k <= 100; k *= 10) {
            const world_query query = {.k = k, .recall = 0.95};
            uint32_t graphs = 0;
            double recall = world_recall(&w, &query, 200, &graphs);
            print_message("%s dead, k %u: recall %.3f, %u by graph\n",
                          kind ? "one side" : "every other", k, recall, graphs);
            assert_true(recall >= 0.95);
            assert_true(graphs == 200 || k == 100);
        }
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_snapshot_keeps_streams),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_turnover),
        cmocka_unit_test(test_tombstones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
