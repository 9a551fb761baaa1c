/* Building a graph in batches.
 *
 * Nodes come in in a random order. A batch, at most a fiftieth of the nodes and at first no more
 * than are there, works on the graph as it was before it:
 *
 *     find      each of its nodes walks the graph and chooses neighbours among the nearest found
 *     reverse   each chosen one gets a link back; a list that outgrows its slack is pruned
 *
 * Neither part depends on the order of its nodes, so that a batch could be shared among threads.
 * In the end lists are trimmed to the degree, and what no entry reaches is linked (graph_reach.c).
 *
 * Dot products are no distance. There the graph is that of the vectors lifted by one dimension to
 * the same length (Bachrach et al., RecSys 2014): x to (x, sqrt(M^2 - |x|^2)) with M the longest
 * one's length. A query has 0 there, and its nearest lifted vector has the largest product. The
 * lifts are whole numbers of code steps.
 *
 * The step of codes is chosen so that they cover all values, but at most 12 standard deviations:
 * rotated values are nearly normal, and further ones belong to outliers, whose codes
 * are cut off. A tenth of a standard deviation is still a fine step. Under dot the longest vectors
 * are the ones that are found, and nothing is cut off.
 */
#include <math.h>
#include <string.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/topk.h"
#include "index/graph_build.h"

#define RANGE_DEVIATIONS_MAX 12.0
/* Smaller vectors than this have no codes worth the name. */
#define RANGE_MIN 0x1p-110

/* Nodes at which walks begin: enough to land near everywhere, few enough to cost little. */
#define ENTRIES 128u

#define BATCHES_MIN 50u
#define BATCH_MAX 4096u
/* Nodes handled in one step. */
#define FIND_A_STEP 8u
#define REVERSE_A_STEP 64u
#define TRIM_A_STEP 256u

void graph_node_distances(const graph_builder *b, uint32_t node, const uint32_t *others,
                          size_t count, int32_t *distances)
{
    b->space->kernels->l2_sq8(b->codes + (size_t)node * b->padded, b->codes, b->padded, others,
                              count, distances);
    if (!b->lifts) return;
    for (size_t i = 0; i < count; i++) {
        int32_t lift = b->lifts[node] - b->lifts[others[i]];
        distances[i] += lift * lift;
    }
}

/* ---------------------------------------------------------------- life */

static void shuffle(uint32_t *order, uint32_t count, uint64_t seed)
{
    rng random;
    rng_init(&random, seed);
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)rng_below(&random, i);
        uint32_t moved = order[i - 1];
        order[i - 1] = order[other];
        order[other] = moved;
    }
}

static uint32_t batch_max(uint32_t count)
{
    uint32_t most = count / BATCHES_MIN;
    if (most < 1) most = 1;
    return most < BATCH_MAX ? most : BATCH_MAX;
}

static bool allocate(graph_builder *b)
{
    const veer_allocator *a = b->allocator;
    size_t n = b->count, padded = b->padded;
    b->centre = memory_array(a, padded, sizeof *b->centre);
    b->work = memory_array(a, 2 * padded, sizeof *b->work);
    b->codes = memory_array(a, n, padded);
    b->norms = memory_array(a, n, sizeof *b->norms);
    b->links = memory_array(a, n, b->places * sizeof *b->links);
    b->order = memory_array(a, n, sizeof *b->order);
    b->heads = memory_array(a, n, sizeof *b->heads);
    b->targets = memory_array(a, n, sizeof *b->targets);
    b->reverses_capacity = batch_max(b->count) * b->options.degree;
    b->reverses = memory_array(a, b->reverses_capacity, sizeof *b->reverses);
    b->entries_capacity = b->count < ENTRIES ? b->count : ENTRIES;
    b->entries = memory_array(a, b->entries_capacity, sizeof *b->entries);
    b->walk.visited = memory_array(a, bitset_words(n), sizeof *b->walk.visited);
    b->walk.touched = memory_array(a, bitset_words(n) + 1, sizeof *b->walk.touched);
    size_t effort = graph_measure_effort_max();
    b->pool_capacity = 1 + (effort > b->options.effort ? effort : b->options.effort);
    b->walk.pool = memory_array(a, b->pool_capacity, sizeof *b->walk.pool);
    b->nearest = memory_array(a, GRAPH_MEASURED_K, sizeof *b->nearest);
    /* A list and all links back of one batch, at the most. */
    b->near_capacity = b->stride + batch_max(b->count);
    b->near = memory_array(a, b->near_capacity, sizeof *b->near);
    bool has_lifts = flat_space_metric(b->space) == VEER_METRIC_DOT;
    if (has_lifts) b->lifts = memory_array(a, n, sizeof *b->lifts);
    return b->centre && b->work && b->codes && b->norms && b->links && b->order && b->heads &&
           b->targets && b->reverses && b->entries && b->walk.visited && b->walk.touched &&
           b->walk.pool && b->near && b->nearest && (b->lifts || !has_lifts);
}

static void measure_node(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks);

veer_status graph_builder_new(const veer_allocator *allocator, const flat_space *space,
                              const float *centre, uint32_t count, const graph_options *options,
                              graph_builder **builder)
{
    *builder = NULL;
    graph_builder *b = memory_new(allocator, sizeof *b);
    if (!b) return VEER_E_NOMEM;
    b->allocator = allocator;
    b->space = space;
    b->options = *options;
    if (b->options.degree == 0) b->options.degree = GRAPH_DEGREE;
    if (b->options.degree > GRAPH_DEGREE_MAX) b->options.degree = GRAPH_DEGREE_MAX;
    if (b->options.effort == 0) b->options.effort = GRAPH_BUILD_EFFORT;
    b->count = count;
    b->padded = space->padded;
    b->places = b->options.degree * GRAPH_SLACK_PER_DEGREE_HALVES / 2;
    if (b->places > GRAPH_DEGREE_MAX) b->places = GRAPH_DEGREE_MAX;
    b->stride = b->places;
    if (!allocate(b)) {
        graph_builder_free(b);
        return VEER_E_NOMEM;
    }
    memcpy(b->centre, centre, b->padded * sizeof *centre);
    memset(b->links, 0xff, (size_t)count * b->stride * sizeof *b->links);
    memset(b->heads, 0xff, count * sizeof *b->heads);
    shuffle(b->order, count, b->options.seed);
    b->entries_count = b->entries_capacity;
    b->walk.links = b->links;
    b->walk.stride = b->stride;
    b->walk.entries = b->entries;
    b->walk.measure = measure_node;
    *builder = b;
    return VEER_OK;
}

void graph_builder_free(graph_builder *b)
{
    if (!b) return;
    const veer_allocator *a = b->allocator;
    size_t n = b->count;
    memory_array_free(a, b->centre, b->padded, sizeof *b->centre);
    memory_array_free(a, b->work, 2 * b->padded, sizeof *b->work);
    memory_array_free(a, b->codes, n, b->padded);
    memory_array_free(a, b->norms, n, sizeof *b->norms);
    memory_array_free(a, b->lifts, n, sizeof *b->lifts);
    memory_array_free(a, b->links, n, b->places * sizeof *b->links);
    memory_array_free(a, b->order, n, sizeof *b->order);
    memory_array_free(a, b->heads, n, sizeof *b->heads);
    memory_array_free(a, b->targets, n, sizeof *b->targets);
    memory_array_free(a, b->reverses, b->reverses_capacity, sizeof *b->reverses);
    memory_array_free(a, b->entries, b->entries_capacity, sizeof *b->entries);
    memory_array_free(a, b->walk.visited, bitset_words(n), sizeof *b->walk.visited);
    memory_array_free(a, b->walk.touched, bitset_words(n) + 1, sizeof *b->walk.touched);
    memory_array_free(a, b->walk.pool, b->pool_capacity, sizeof *b->walk.pool);
    memory_array_free(a, b->nearest, GRAPH_MEASURED_K, sizeof *b->nearest);
    memory_array_free(a, b->near, b->near_capacity, sizeof *b->near);
    memory_free(a, b, sizeof *b);
}

size_t graph_builder_bytes(const graph_builder *b)
{
    size_t node = b->padded + sizeof *b->norms + b->places * sizeof *b->links +
                  3 * sizeof *b->order + (b->lifts ? sizeof *b->lifts : 0);
    return sizeof *b + b->count * node + b->reverses_capacity * sizeof *b->reverses;
}

/* ---------------------------------------------------------------- codes */

/* The rotated vector's distance from the centre, in work[0 .. padded). */
static const float *residual_of(graph_builder *b, const float *vector)
{
    float *rotated = b->work + b->padded;
    flat_prepare(b->space, vector, rotated);
    rotation_apply(&b->space->rotation, b->space->kernels, rotated);
    for (size_t i = 0; i < b->padded; i++)
        b->work[i] = rotated[i] - b->centre[i];
    return b->work;
}

void graph_builder_measure(graph_builder *b, const float *vector)
{
    const float *residual = residual_of(b, vector);
    for (size_t i = 0; i < b->padded; i++) {
        double size = fabs((double)residual[i]);
        if (!isfinite(size)) continue;
        b->measured_squares += size * size;
        if (size > b->measured_max) b->measured_max = size;
        b->measured_values++;
    }
}

static float choose_step(const graph_builder *b)
{
    if (b->measured_values == 0) return 1;
    double deviation = sqrt(b->measured_squares / (double)b->measured_values);
    double range = b->measured_max;
    bool is_dot = flat_space_metric(b->space) == VEER_METRIC_DOT;
    if (!is_dot && range > deviation * RANGE_DEVIATIONS_MAX) {
        range = deviation * RANGE_DEVIATIONS_MAX;
    }
    if (range < RANGE_MIN) range = RANGE_MIN;
    return (float)(range / KERNEL_SQ8_MAX);
}

void graph_builder_add(graph_builder *b, const float *vector)
{
    if (b->coded == 0) b->step = choose_step(b);
    const float *residual = residual_of(b, vector);
    int8_t *code = b->codes + (size_t)b->coded * b->padded;
    b->norms[b->coded] = b->space->kernels->encode_sq8(residual, b->padded, 1 / b->step, code);
    b->coded++;
}

/* From squared lengths, which are whole: the same on every machine. */
static void make_lifts(graph_builder *b)
{
    int32_t longest = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->norms[i] > longest) longest = b->norms[i];
    }
    for (uint32_t i = 0; i < b->count; i++)
        b->lifts[i] = (int32_t)sqrt((double)(longest - b->norms[i]));
}

/* Moves the longest vectors to places [first, first + count) of the order. */
static void bring_longest(graph_builder *b, uint32_t first, uint32_t count)
{
    topk_entry entries[ENTRIES];
    uint32_t chosen[ENTRIES];
    topk longest;
    topk_init(&longest, entries, count);
    for (uint32_t i = first; i < b->count; i++)
        (void)topk_push(&longest, -(float)b->norms[b->order[i]], i);
    for (uint32_t i = 0; i < count; i++) {
        chosen[i] = b->order[longest.entries[i].key];
        (void)graph_visit(&b->walk, chosen[i]);
    }
    uint32_t place = b->count;
    for (uint32_t i = b->count; i-- > first;) {
        if (!bitset_get(b->walk.visited, b->order[i])) b->order[--place] = b->order[i];
    }
    memcpy(b->order + first, chosen, count * sizeof *chosen);
    graph_forget(&b->walk);
}

/* Before the first batch. Under dot half of the entries are the longest vectors, which are what
 * most queries look for and far from everything else. */
static void begin(graph_builder *b)
{
    if (b->lifts) {
        make_lifts(b);
        uint32_t half = b->entries_count / 2;
        bring_longest(b, half, b->entries_count - half);
    }
    memcpy(b->entries, b->order, b->entries_count * sizeof *b->entries);
    b->linked = 1;
}

/* ---------------------------------------------------------------- batches */

typedef struct node_context {
    const graph_builder *builder;
    uint32_t node;
} node_context;

static void measure_node(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks)
{
    const node_context *from = context;
    graph_node_distances(from->builder, from->node, nodes, count, ranks);
}

/* The node's choice, and a link back for each. */
static void link_node(graph_builder *b, uint32_t node)
{
    node_context context = {b, node};
    b->walk.context = &context;
    b->walk.capacity = b->options.effort;
    b->walk.entries_count = b->linked < b->entries_count ? b->linked : b->entries_count;
    graph_walk_run(&b->walk);
    graph_sort(b->walk.pool, b->walk.count);
    graph_prune(b, node, b->walk.pool, b->walk.count, false);
    const uint32_t *list = graph_list(b, node);
    for (uint32_t i = 0; i < b->options.degree && list[i] != GRAPH_NONE; i++) {
        uint32_t target = list[i];
        if (b->heads[target] == GRAPH_NONE) b->targets[b->targets_count++] = target;
        b->reverses[b->reverses_count] = (graph_reverse){node, b->heads[target]};
        b->heads[target] = b->reverses_count++;
    }
}

static void find_step(graph_builder *b)
{
    for (uint32_t i = 0; i < FIND_A_STEP && b->linked + b->position < b->batch_end; i++)
        link_node(b, b->order[b->linked + b->position++]);
    if (b->linked + b->position < b->batch_end) return;
    b->phase = GRAPH_REVERSE;
    b->position = 0;
}

/* Adds the node's chain to its list. */
static void link_back(graph_builder *b, uint32_t node)
{
    uint32_t *list = graph_list(b, node);
    uint32_t length = graph_list_length(b, node);
    uint32_t nodes[GRAPH_DEGREE_MAX];
    int32_t ranks[GRAPH_DEGREE_MAX];
    size_t more = 0;
    for (uint32_t at = b->heads[node]; at != GRAPH_NONE; at = b->reverses[at].next)
        b->near[more++].node = b->reverses[at].from;
    b->heads[node] = GRAPH_NONE;
    if (length + more <= b->stride) {
        /* In order of the nodes, whatever order the batch was done in. */
        for (size_t i = 0; i < more; i++)
            b->near[i].rank = 0;
        graph_sort(b->near, more);
        for (size_t i = 0; i < more; i++)
            list[length + i] = b->near[i].node;
        return;
    }
    for (uint32_t i = 0; i < length; i++)
        b->near[more + i].node = list[i];
    size_t count = more + length;
    for (size_t first = 0; first < count; first += GRAPH_DEGREE_MAX) {
        size_t n = count - first < GRAPH_DEGREE_MAX ? count - first : GRAPH_DEGREE_MAX;
        for (size_t i = 0; i < n; i++)
            nodes[i] = b->near[first + i].node;
        graph_node_distances(b, node, nodes, n, ranks);
        for (size_t i = 0; i < n; i++)
            b->near[first + i].rank = ranks[i];
    }
    graph_sort(b->near, count);
    graph_prune(b, node, b->near, count, false);
}

static void begin_batch(graph_builder *b)
{
    uint32_t size = b->linked / 4 < 1 ? 1 : b->linked / 4;
    uint32_t most = batch_max(b->count);
    if (size > most) size = most;
    if (size > b->count - b->linked) size = b->count - b->linked;
    b->batch_end = b->linked + size;
    b->targets_count = b->reverses_count = b->position = 0;
    b->phase = size > 0 ? GRAPH_FIND : GRAPH_TRIM;
}

static void reverse_step(graph_builder *b)
{
    for (uint32_t i = 0; i < REVERSE_A_STEP && b->position < b->targets_count; i++)
        link_back(b, b->targets[b->position++]);
    if (b->position < b->targets_count) return;
    b->linked = b->batch_end;
    begin_batch(b);
}

static void trim_list(graph_builder *b, uint32_t node)
{
    uint32_t length = graph_list_length(b, node);
    if (length <= b->options.degree) return;
    int32_t ranks[GRAPH_DEGREE_MAX];
    const uint32_t *list = graph_list(b, node);
    graph_node_distances(b, node, list, length, ranks);
    for (uint32_t i = 0; i < length; i++)
        b->near[i] = (graph_near){ranks[i], list[i]};
    graph_sort(b->near, length);
    graph_prune(b, node, b->near, length, true);
}

static void trim_step(graph_builder *b)
{
    for (uint32_t i = 0; i < TRIM_A_STEP && b->position < b->count; i++)
        trim_list(b, b->position++);
    if (b->position == b->count) graph_reach_begin(b);
}

veer_status graph_builder_step(graph_builder *b, bool *left)
{
    *left = b->phase != GRAPH_DONE;
    if (b->linked == 0) {
        begin(b);
        begin_batch(b);
    }
    veer_status status = VEER_OK;
    switch (b->phase) {
    case GRAPH_FIND:
        find_step(b);
        break;
    case GRAPH_REVERSE:
        reverse_step(b);
        break;
    case GRAPH_TRIM:
        trim_step(b);
        break;
    case GRAPH_REACH:
        status = graph_reach_step(b);
        break;
    case GRAPH_MEASURE:
        graph_measure_step(b);
        break;
    case GRAPH_DONE:
        break;
    }
    *left = b->phase != GRAPH_DONE;
    return status;
}

double graph_builder_progress(const graph_builder *b)
{
    if (b->phase == GRAPH_DONE) return 1;
    uint32_t nodes = b->phase == GRAPH_FIND ? b->linked + b->position : b->batch_end;
    return 0.98 * nodes / b->count;
}

void graph_builder_result(const graph_builder *b, graph *graph)
{
    graph->count = b->count;
    graph->degree = b->options.degree;
    graph->entries_count = b->entries_count;
    graph->step = b->step;
    graph->centre = b->centre;
    graph->codes = b->codes;
    graph->norms = b->norms;
    graph->links = b->links;
    graph->entries = b->entries;
    memcpy(graph->recalls, b->recalls, sizeof graph->recalls);
}
