/* Graphs that begin with the links of a former one, and graphs built by many threads: what must hold
 * of them, that they find as much, and that neither steps nor threads nor tiers change a link.
 */
#include "support/testing.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "base/status.h"
#include "cli/cli_threads.h"
#include "index/flat_internal.h"
#include "index/graph.h"
#include "kernels/kernels.h"
#include "support/fault_allocator.h"
#include "support/tiers.h"

#define DIMS 24u
#define PLACES 40u /* clusters */

/* Vectors are numbered for ever; a set is some of them in some order. */
typedef struct world {
    flat_space *space;
    float *vectors;
    uint32_t count;
    arena memory;
    rng random;
} world;

typedef struct set {
    uint32_t *ids;
    uint32_t count;
    graph_builder *builder;
    graph graph;
} set;

static void world_new(world *w, veer_metric metric, uint32_t count, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    arena_init(&w->memory, memory_default());
    rng_init(&w->random, seed);
    assert_int_equal(flat_space_new(memory_default(), DIMS, metric, 42, &w->space, NULL), VEER_OK);
    w->count = count;
    w->vectors = arena_array(&w->memory, (size_t)count * DIMS, sizeof *w->vectors);
    float middles[PLACES][DIMS];
    for (uint32_t i = 0; i < PLACES * DIMS; i++)
        middles[i / DIMS][i % DIMS] = (float)rng_normal(&w->random);
    for (uint32_t i = 0; i < count; i++) {
        const float *middle = middles[rng_below(&w->random, PLACES)];
        for (uint32_t d = 0; d < DIMS; d++)
            w->vectors[i * DIMS + d] = middle[d] + 0.5f * (float)rng_normal(&w->random);
    }
}

static void world_free(world *w)
{
    arena_fini(&w->memory);
    flat_space_free(w->space);
}

static const float *vector_of(const world *w, uint32_t id)
{
    return w->vectors + (size_t)id * DIMS;
}

static void set_free(set *s)
{
    graph_builder_free(s->builder);
    free(s->ids);
}

/* Steps on, the pool changing now and then: `pools` of them, of which each may be NULL. */
static veer_status link_set(set *s, const veer_pool *const *pools, size_t pools_count)
{
    bool left = true;
    for (size_t i = 0; left; i++)
        VEER_TRY(graph_builder_step(s->builder, pools[i / 7 % pools_count], &left));
    graph_builder_result(s->builder, &s->graph);
    return VEER_OK;
}

static veer_status build(world *w, set *s, const veer_allocator *allocator, const set *former,
                         const uint32_t *nodes, const veer_pool *const *pools, size_t pools_count)
{
    graph_options options = {.seed = 5};
    float centre[64] = {0};
    double sum[DIMS] = {0};
    for (uint32_t i = 0; i < s->count; i++)
        flat_sum_add(w->space, vector_of(w, s->ids[i]), sum);
    assert_int_equal(flat_centre(w->space, sum, s->count, &w->memory, centre), VEER_OK);
    VEER_TRY(graph_builder_new(allocator, w->space, centre, s->count, &options, &s->builder));
    if (former) graph_builder_seed(s->builder, &former->graph, nodes);
    for (uint32_t i = 0; i < s->count; i++)
        graph_builder_measure(s->builder, vector_of(w, s->ids[i]));
    for (uint32_t i = 0; i < s->count; i++)
        graph_builder_add(s->builder, vector_of(w, s->ids[i]));
    return link_set(s, pools, pools_count);
}

static const veer_pool *const alone[] = {NULL};

static void check(world *w, const set *s)
{
    const char *problem;
    assert_true(graph_is_valid(w->space, &s->graph));
    assert_int_equal(graph_check(w->space, &s->graph, &w->memory, &problem), VEER_OK);
    if (problem) fail_msg("a graph %s", problem);
}

static void check_same(const set *a, const set *b)
{
    assert_int_equal(a->graph.count, b->graph.count);
    assert_int_equal(a->graph.entries_count, b->graph.entries_count);
    assert_memory_equal(a->graph.links, b->graph.links,
                        (size_t)a->graph.count * a->graph.degree * sizeof(uint32_t));
    assert_memory_equal(a->graph.entries, b->graph.entries,
                        a->graph.entries_count * sizeof(uint32_t));
    assert_memory_equal(a->graph.curves, b->graph.curves, sizeof a->graph.curves);
}

/* Vectors [0, end) but those of every place below `gone_below` (thousandths), in a random order. */
static set set_of(world *w, uint32_t first, uint32_t end, uint32_t gone)
{
    set made = {.ids = calloc(end - first, sizeof *made.ids)};
    for (uint32_t id = first; id < end; id++)
        if (rng_below(&w->random, 1000) >= gone) made.ids[made.count++] = id;
    for (uint32_t i = made.count; i > 1; i--) {
        uint32_t other = (uint32_t)rng_below(&w->random, i), moved = made.ids[i - 1];
        made.ids[i - 1] = made.ids[other];
        made.ids[other] = moved;
    }
    return made;
}

/* The former set's nodes in the new one. */
static uint32_t *follow(const world *w, const set *former, const set *next)
{
    uint32_t *places = malloc(w->count * sizeof *places);
    uint32_t *nodes = malloc((former->count + 1) * sizeof *nodes);
    memset(places, 0xff, w->count * sizeof *places);
    for (uint32_t i = 0; i < next->count; i++)
        places[next->ids[i]] = i;
    for (uint32_t i = 0; i < former->count; i++)
        nodes[i] = places[former->ids[i]];
    free(places);
    return nodes;
}

static double mean_recall(const graph *graph)
{
    const graph_curve *few = &graph->curves[0][0], *many = &graph->curves[0][1];
    return (double)(few->recalls[6] + few->recalls[8] + many->recalls[5]) / 3;
}

/* Shares of a former graph that are gone, and new nodes, from none to nearly all. */
static void test_reuse(void **state)
{
    (void)state;
    static const struct {
        uint32_t former, gone, all;
    } cases[] = {{1, 0, 2},         {1, 1000, 2},      {2, 500, 3},       {30, 300, 50},
                 {200, 0, 200},     {300, 990, 400},   {1500, 0, 2000},   {1500, 250, 2000},
                 {2000, 500, 2000}, {2000, 700, 2600}, {2000, 970, 2600}, {2000, 1000, 2500}};
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        for (int metric = 0; metric < 3; metric++) {
            world w;
            world_new(&w, (veer_metric)metric, cases[i].all, 3 + i);
            set former = set_of(&w, 0, cases[i].former, 0);
            assert_int_equal(build(&w, &former, memory_default(), NULL, NULL, alone, 1), VEER_OK);
            set next = set_of(&w, 0, cases[i].former, cases[i].gone);
            set others = set_of(&w, cases[i].former, cases[i].all, 0);
            next.ids = realloc(next.ids, (next.count + others.count + 1) * sizeof *next.ids);
            for (uint32_t o = 0; o < others.count; o++)
                next.ids[next.count++] = others.ids[o];
            set fresh = {.ids = malloc((next.count + 1) * sizeof *fresh.ids), .count = next.count};
            memcpy(fresh.ids, next.ids, next.count * sizeof *fresh.ids);
            uint32_t *nodes = follow(&w, &former, &next);
            if (next.count > 0) {
                assert_int_equal(build(&w, &next, memory_default(), &former, nodes, alone, 1),
                                 VEER_OK);
                assert_int_equal(build(&w, &fresh, memory_default(), NULL, NULL, alone, 1),
                                 VEER_OK);
                check(&w, &next);
                double reused = mean_recall(&next.graph), anew = mean_recall(&fresh.graph);
                if (reused < anew - 0.03)
                    fail_msg("case %zu, metric %d: recall %.3f, anew %.3f", i, metric, reused,
                             anew);
            }
            free(nodes);
            set_free(&former);
            set_free(&next);
            set_free(&others);
            set_free(&fresh);
            world_free(&w);
        }
    }
}

/* Three quarters are the same from one to the next, thirty times, the nodes in another order. */
static void test_many_times(void **state)
{
    (void)state;
    world w;
    world_new(&w, VEER_METRIC_L2, 2000 + 30 * 500, 8);
    set former = set_of(&w, 0, 2000, 0);
    assert_int_equal(build(&w, &former, memory_default(), NULL, NULL, alone, 1), VEER_OK);
    double first = mean_recall(&former.graph);
    for (uint32_t round = 0; round < 30; round++) {
        set next = {.ids = calloc(2500, sizeof(uint32_t))};
        uint32_t begin = 2000 + round * 500;
        for (uint32_t i = 0; i < former.count; i++)
            if (rng_below(&w.random, 4) > 0) next.ids[next.count++] = former.ids[i];
        for (uint32_t id = begin; next.count < 2000 && id < begin + 500; id++)
            next.ids[next.count++] = id;
        uint32_t *nodes = follow(&w, &former, &next);
        assert_int_equal(build(&w, &next, memory_default(), &former, nodes, alone, 1), VEER_OK);
        check(&w, &next);
        free(nodes);
        set_free(&former);
        former = next;
    }
    double last = mean_recall(&former.graph);
    print_message("recall %.4f at first, %.4f after 30 times\n", first, last);
    assert_true(last >= first - 0.02);
    set_free(&former);
    world_free(&w);
}

/* One thread after the other, in the reverse order. */
static void run_backwards(void *context, size_t tasks, void (*task)(void *argument, size_t i),
                          void *argument)
{
    (void)context;
    while (tasks > 0)
        task(argument, --tasks);
}

static void test_threads_and_tiers(void **state)
{
    (void)state;
    static const veer_pool backwards = {.run = run_backwards, .threads = 3};
    static const veer_pool none = {0};
    const kernels *tiers[TIERS_MAX];
    size_t tiers_count = tiers_find(tiers);
    cli_threads *two = cli_threads_new(2), *four = cli_threads_new(4);
    assert_true(two && four);
    const veer_pool *const ways[][3] = {
        {NULL, NULL, NULL},
        {&backwards, &backwards, &backwards},
        {cli_threads_pool(two), cli_threads_pool(two), cli_threads_pool(two)},
        {cli_threads_pool(four), &none, cli_threads_pool(two)},
    };
    for (int metric = 0; metric < 3; metric++) {
        world w;
        world_new(&w, (veer_metric)metric, 3000, 4);
        set former = set_of(&w, 0, 2000, 0), next = set_of(&w, 500, 3000, 200);
        uint32_t *nodes = follow(&w, &former, &next);
        assert_int_equal(build(&w, &former, memory_default(), NULL, NULL, alone, 1), VEER_OK);
        assert_int_equal(build(&w, &next, memory_default(), &former, nodes, alone, 1), VEER_OK);
        for (size_t i = 0; i < TEST_COUNT(ways) + tiers_count; i++) {
            size_t way = i < TEST_COUNT(ways) ? i : 0;
            if (i >= TEST_COUNT(ways)) kernels_force(tiers[i - TEST_COUNT(ways)]);
            set f = {.ids = former.ids, .count = former.count};
            set n = {.ids = next.ids, .count = next.count};
            assert_int_equal(build(&w, &f, memory_default(), NULL, NULL, ways[way], 3), VEER_OK);
            assert_int_equal(build(&w, &n, memory_default(), &f, nodes, ways[way], 3), VEER_OK);
            check_same(&f, &former);
            check_same(&n, &next);
            graph_builder_free(f.builder);
            graph_builder_free(n.builder);
        }
        kernels_force(NULL);
        free(nodes);
        set_free(&former);
        set_free(&next);
        world_free(&w);
    }
    cli_threads_free(two);
    cli_threads_free(four);
}

/* Without memory for more threads there are fewer. */
static void test_shortage(void **state)
{
    (void)state;
    cli_threads *three = cli_threads_new(3);
    const veer_pool *const pools[] = {cli_threads_pool(three)};
    world w;
    world_new(&w, VEER_METRIC_DOT, 600, 4);
    set former = set_of(&w, 0, 500, 0), next = set_of(&w, 100, 600, 0);
    uint32_t *nodes = follow(&w, &former, &next);
    assert_int_equal(build(&w, &former, memory_default(), NULL, NULL, alone, 1), VEER_OK);
    assert_int_equal(build(&w, &next, memory_default(), &former, nodes, alone, 1), VEER_OK);
    uint32_t complete = 0;
    for (uint64_t n = 0;; n++) {
        fault_allocator faults;
        fault_allocator_init(&faults);
        fault_allocator_fail(&faults, n, n % 2);
        set s = {.ids = next.ids, .count = next.count};
        veer_status status = build(&w, &s, &faults.allocator, &former, nodes, pools, 1);
        bool has_fired = fault_allocator_fired(&faults);
        assert_true(status == VEER_OK || (has_fired && status == VEER_E_NOMEM));
        if (status == VEER_OK) check_same(&s, &next);
        complete += status == VEER_OK && has_fired;
        graph_builder_free(s.builder);
        assert_null(fault_allocator_fini(&faults));
        if (!has_fired) break;
    }
    assert_true(complete > 0);
    free(nodes);
    set_free(&former);
    set_free(&next);
    world_free(&w);
    cli_threads_free(three);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_many_times),
        cmocka_unit_test(test_threads_and_tiers),
        cmocka_unit_test(test_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
