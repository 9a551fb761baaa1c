/* What a merge leaves for the graphs of its result: a former segment that has some, and where its rows
 * have gone. A graph begins with that one's links then (index/graph.h), which costs a part of what
 * building from nothing does; only the rows that are not in it are searched for.
 *
 * The former segment lives, with its streams, until the new one has its graphs; after a kill it is
 * gone, and graphs are built from nothing. Where a merged segment is merged again before that, the
 * places of rows are followed on. All of this belongs to background work, one thread at a time.
 */
#include "base/memory.h"
#include "engine/seal_build.h"

/* Taking over a list costs a quarter of searching for neighbours where some of them are gone, and a
 * fiftieth where none is (bench/graph_rates, 50,000 x 128): it pays from few rows on. Where more
 * are gone than there are left, nobody has measured what lists are worth. */
#define KEPT_SHARE 4u
#define NODES_A_STEP (16u << 10)

void sealed_drop_former(sealed *sealed)
{
    sealed_former *former = &sealed->former;
    if (!former->core) return;
    memory_array_free(sealed->database->allocator, former->rows,
                      former->core->as.sealed->entry.rows, sizeof *former->rows);
    segment_core_release(former->core);
    *former = (sealed_former){0};
}

static bool has_graph(const sealed *sealed)
{
    for (size_t i = 0; i < sealed->entry.derived_count; i++)
        if (sealed->derived[i] && sealed->entry.derived[i].stream.kind == STREAM_GRAPH) return true;
    return false;
}

/* Rows of a graph that a part brings along, at most. */
static uint32_t rows_of(const segment_ref *part)
{
    if (!part->core->is_sealed) return 0;
    const sealed *sealed = part->core->as.sealed;
    if (has_graph(sealed)) return segment_ref_live(part);
    return sealed->former.kept;
}

/* The part's rows go where the map says; what its former segment has left of it goes on there. */
static void follow(sealed_former *former, const uint32_t *map)
{
    uint32_t rows = former->core->as.sealed->entry.rows;
    former->kept = 0;
    for (uint32_t row = 0; row < rows; row++) {
        if (former->rows[row] != ROW_NONE) former->rows[row] = map[former->rows[row]];
        former->kept += former->rows[row] != ROW_NONE;
    }
}

void builder_leave_former(builder *builder, sealed *fresh)
{
    size_t best = 0;
    for (size_t p = 1; p < builder->parts_count; p++)
        if (rows_of(&builder->parts[p]) > rows_of(&builder->parts[best])) best = p;
    const segment_ref *part = &builder->parts[best];
    if (rows_of(part) == 0) return;
    sealed *from = part->core->as.sealed;
    sealed_former former = {part->core, builder->maps[best], rows_of(part)};
    if (has_graph(from)) {
        builder->maps[best] = NULL; /* the new segment's now */
        segment_core_acquire(part->core);
    } else {
        former = from->former;
        from->former = (sealed_former){0};
        follow(&former, builder->maps[best]);
    }
    fresh->former = former;
    uint32_t gone = former.core->as.sealed->entry.rows - former.kept;
    if (former.kept < fresh->entry.rows / KEPT_SHARE || former.kept < gone)
        sealed_drop_former(fresh);
}

/* *former NULL: there is no graph to begin with. */
static veer_status open_former(builder *builder, const field *field, segment_vectors *vectors,
                               const graph **former, veer_error *error)
{
    *former = NULL;
    segment_core *core = builder->parts[0].core->as.sealed->former.core;
    if (!core) return VEER_OK;
    const segment_ref ref = {.core = core, .rows = core->as.sealed->entry.rows};
    veer_status status = segment_vectors_open(&ref, field, vectors, error);
    if (status == VEER_OK) status = segment_graph(vectors, former, error);
    /* It saves time and no more. */
    if (status != VEER_PENDING && status != VEER_OK) *former = NULL;
    return status == VEER_PENDING ? status : VEER_OK;
}

veer_status builder_former_step(builder *builder, const field *field, bool *done, veer_error *error)
{
    const graph *former;
    segment_vectors vectors;
    *done = true;
    VEER_TRY(open_former(builder, field, &vectors, &former, error));
    if (!former) return VEER_OK;
    if (!builder->former_nodes) {
        builder->former_nodes =
            memory_room(builder->database->allocator, former->count, sizeof *builder->former_nodes);
        if (!builder->former_nodes) return VEER_OK;
        builder->former_count = former->count;
    }
    const uint32_t *rows = builder->parts[0].core->as.sealed->former.rows;
    uint32_t left = former->count - builder->position;
    uint32_t end = builder->position + (left < NODES_A_STEP ? left : NODES_A_STEP);
    for (; builder->position < end; builder->position++) {
        uint32_t row = rows[segment_vector_row(&vectors, builder->position)];
        builder->former_nodes[builder->position] =
            row == ROW_NONE ? GRAPH_NONE : segment_vector_ordinal(&builder->vectors[0], row);
    }
    *done = builder->position == former->count;
    if (!*done) return VEER_OK;
    builder->position = 0;
    graph_builder_seed(builder->graph, former, builder->former_nodes);
    return VEER_OK;
}

void builder_former_free(builder *builder)
{
    memory_array_free(builder->database->allocator, builder->former_nodes, builder->former_count,
                      sizeof *builder->former_nodes);
    builder->former_nodes = NULL;
    builder->former_count = 0;
}
