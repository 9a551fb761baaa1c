/* The graph streams of a segment: every vector field that has enough vectors and no graph yet.
 *
 * The graph is built in memory (index/graph.h), some of it a step, and written when it is complete.
 * Stopping in between loses time and nothing else.
 */
#include <string.h>

#include "engine/seal_build.h"

#define GRAPH_FLOATS_A_STEP (32u << 10) /* as for codes: rotated and encoded */
#define GRAPH_STEPS 2u                  /* of the graph's builder; each is some 100 us */
#define GRAPH_SEED 42u

/* What is done for a field, in this order. */
enum {
    GRAPH_FIND_VECTORS,
    GRAPH_SUM,
    GRAPH_MEMORY,
    GRAPH_FORMER,
    GRAPH_MEASURE_VECTORS,
    GRAPH_ENCODE,
    GRAPH_LINK,
    GRAPH_STREAM,
    GRAPH_PARTS, /* a section each */
    GRAPH_END = GRAPH_PARTS + 7,
};

/* Begins a field; *wanted false: it needs no graph. */
static veer_status begin_field(builder *builder, const field *field, bool *wanted, bool *done,
                               veer_error *error)
{
    *done = false;
    *wanted = builder->goal == BUILDER_GRAPH && !builder_has(builder, STREAM_GRAPH, field->id);
    if (!*wanted) return VEER_OK;
    VEER_TRY(builder_list_vectors(builder, field, done, error));
    uint64_t rows = builder->database->options.graph_rows;
    if (*done) *wanted = builder->vectors_count > 0 && builder->vectors_count >= rows;
    return VEER_OK;
}

static veer_status new_graph(builder *builder, const field *field, veer_error *error)
{
    graph_options options = {.seed = GRAPH_SEED ^ field->id,
                             .degree = (uint32_t)builder->database->options.graph_degree};
    if (graph_builder_new(builder->database->allocator, field->space, builder->centre,
                          builder->vectors_count, &options, &builder->graph) == VEER_OK)
        return VEER_OK;
    return error_nomem(error, "a graph", builder->vectors_count);
}

/* Every vector is shown to the graph, twice. */
static veer_status give_vectors(builder *builder, const field *field, bool *done, veer_error *error)
{
    uint32_t left = builder_vectors_now(builder, field, GRAPH_FLOATS_A_STEP);
    while (left > 0) {
        const float *vectors[FLAT_BLOCK_ROWS];
        uint32_t n = left < FLAT_BLOCK_ROWS ? left : FLAT_BLOCK_ROWS;
        VEER_TRY(builder_originals(builder, field, builder->position, n, vectors, error));
        for (uint32_t i = 0; i < n; i++) {
            if (builder->phase == GRAPH_MEASURE_VECTORS)
                graph_builder_measure(builder->graph, vectors[i]);
            else
                graph_builder_add(builder->graph, vectors[i]);
        }
        builder->position += n;
        left -= n;
    }
    *done = builder->position == builder->vectors_count;
    if (*done) builder->position = 0;
    return VEER_OK;
}

static veer_status link_some(builder *builder, bool *done, veer_error *error)
{
    bool left = true;
    for (uint32_t i = 0; i < GRAPH_STEPS && left; i++) {
        if (graph_builder_step(builder->graph, &builder->database->pool, &left) != VEER_OK)
            return error_nomem(error, "a graph", builder->vectors_count);
    }
    builder->done_work =
        (uint64_t)((double)builder->total_work * graph_builder_progress(builder->graph));
    *done = !left;
    return VEER_OK;
}

static veer_status put_part(builder *builder, const field *field, bool *done, veer_error *error)
{
    graph graph;
    graph_builder_result(builder->graph, &graph);
    uint32_t padded = flat_padded_dims(field->space);
    uint8_t head[GRAPH_HEAD_BYTES];
    graph_head_store(head, &graph, padded);
    const struct {
        uint16_t kind;
        const void *data;
        size_t bytes;
    } parts[] = {
        {SECTION_GRAPH, head, sizeof head},
        {SECTION_CENTRE, graph.centre, padded * sizeof *graph.centre},
        {SECTION_GRAPH_CODES, graph.codes, graph.count * graph_code_bytes(&graph, padded)},
        {SECTION_GRAPH_NORMS, graph.norms, graph.count * graph_norm_bytes(&graph)},
        {SECTION_GRAPH_LINKS, graph.links,
         (size_t)graph.count * graph.degree * sizeof *graph.links},
        {SECTION_GRAPH_ENTRIES, graph.entries, graph.entries_count * sizeof *graph.entries},
        {SECTION_GRAPH_STARTS, graph.starts, graph_starts_bytes(&graph, padded)},
    };
    size_t part = (size_t)builder->phase - GRAPH_PARTS;
    return builder_put_section(builder, parts[part].kind, field->id, parts[part].data,
                               parts[part].bytes, done, error);
}

static veer_status finish_graph(builder *builder, const field *field, bool *done, veer_error *error)
{
    VEER_TRY(builder_finish_stream(builder, field->id, error));
    graph_builder_free(builder->graph);
    builder->graph = NULL;
    builder_former_free(builder);
    *done = true;
    return VEER_OK;
}

static veer_status field_step(builder *builder, const field *field, bool *is_last,
                              veer_error *error)
{
    bool done = true, wanted = true;
    switch (builder->phase) {
    case GRAPH_FIND_VECTORS:
        VEER_TRY(begin_field(builder, field, &wanted, &done, error));
        break;
    case GRAPH_SUM:
        VEER_TRY(builder_sum_step(builder, field, &done, error));
        break;
    case GRAPH_MEMORY:
        VEER_TRY(new_graph(builder, field, error));
        break;
    case GRAPH_FORMER:
        VEER_TRY(builder_former_step(builder, field, &done, error));
        break;
    case GRAPH_MEASURE_VECTORS:
    case GRAPH_ENCODE:
        VEER_TRY(give_vectors(builder, field, &done, error));
        break;
    case GRAPH_LINK:
        VEER_TRY(link_some(builder, &done, error));
        break;
    case GRAPH_STREAM:
        VEER_TRY(builder_open_stream(builder, "graph", STREAM_GRAPH, field->id, error));
        break;
    case GRAPH_END:
        VEER_TRY(finish_graph(builder, field, &done, error));
        break;
    default:
        VEER_TRY(put_part(builder, field, &done, error));
        break;
    }
    *is_last = !wanted || (done && builder->phase == GRAPH_END);
    builder->phase += done;
    return VEER_OK;
}

veer_status builder_graph_step(builder *builder, veer_error *error)
{
    const field *field = builder_coded_field(builder);
    if (!field) {
        builder->done_work = builder->total_work;
        builder->step = BUILD_DONE;
        return VEER_OK;
    }
    bool is_last;
    VEER_TRY(field_step(builder, field, &is_last, error));
    if (!is_last) return VEER_OK;
    builder->phase = 0;
    builder->field++;
    return VEER_OK;
}
