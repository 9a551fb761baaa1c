#include "support/testing.h"

#include "graph_built.h"

#include "base/memory.h"

static void make_vector(graph_built *built, float *to)
{
    const float *middle = built->middles[rng_below(&built->random, built->middles_count)];
    for (uint32_t i = 0; i < built->dims; i++)
        to[i] = built->offset + middle[i] + built->spread * (float)rng_normal(&built->random);
}

static void build(graph_built *built, const float *centre)
{
    graph_builder *builder = NULL;
    assert_int_equal(graph_builder_new(memory_default(), built->space, centre, built->rows,
                                       &built->options, &builder),
                     VEER_OK);
    for (uint32_t row = 0; row < built->rows; row++)
        graph_builder_measure(builder, built->vectors + (size_t)row * built->dims);
    for (uint32_t row = 0; row < built->rows; row++)
        graph_builder_add(builder, built->vectors + (size_t)row * built->dims);
    for (bool left = true; left;)
        assert_int_equal(graph_builder_step(builder, NULL, &left), VEER_OK);
    graph_builder_result(builder, &built->graph);
    built->builder = builder;
}

void graph_built_begin(graph_built *built, veer_metric metric)
{
    uint32_t dims = built->dims;
    assert_true(dims <= GRAPH_BUILT_DIMS_MAX && built->middles_count <= GRAPH_BUILT_MIDDLES_MAX);
    rng_init(&built->random, built->seed);
    arena_init(&built->memory, memory_default());
    arena_init(&built->scratch, memory_default());
    assert_int_equal(flat_space_new(memory_default(), dims, metric, 42, &built->space, NULL),
                     VEER_OK);
    for (uint32_t i = 0; i < built->middles_count * dims; i++)
        built->middles[i / dims][i % dims] = (float)rng_normal(&built->random);
    built->vectors = arena_array(&built->memory, (size_t)built->rows * dims, sizeof(float));
    float *centre = arena_array(&built->memory, built->space->padded, sizeof *centre);
    double sum[GRAPH_BUILT_DIMS_MAX] = {0};
    assert_true(built->vectors && centre);
    for (uint32_t row = 0; row < built->rows; row++) {
        float *vector = built->vectors + (size_t)row * dims;
        make_vector(built, vector);
        flat_sum_add(built->space, vector, sum);
    }
    assert_int_equal(flat_centre(built->space, sum, built->rows, &built->memory, centre), VEER_OK);
    build(built, centre);
}

void graph_built_end(graph_built *built)
{
    graph_builder_free(built->builder);
    arena_fini(&built->scratch);
    arena_fini(&built->memory);
    flat_space_free(built->space);
}

flat_query *graph_built_query(graph_built *built)
{
    float vector[GRAPH_BUILT_DIMS_MAX];
    flat_query *query = NULL;
    make_vector(built, vector);
    arena_reset(&built->scratch);
    assert_int_equal(flat_query_new(built->space, vector, 1, &built->scratch, &query), VEER_OK);
    return query;
}
