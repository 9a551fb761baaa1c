/* Building a graph: a builder's life, the codes of its nodes and the order in which they come in.
 *
 * Nodes come in in a random order, in batches (graph_batch.c); each is shuffled into the order when
 * it is added. The first of the order are the entries.
 *
 * Dot products are no distance. There the graph is that of the vectors lifted by one dimension to
 * the same length (Bachrach et al., RecSys 2014): x to (x, sqrt(M^2 - |x|^2)) with M the longest
 * one's length. A query has 0 there, and its nearest lifted vector has the largest product. The
 * lifts are whole numbers of code steps. Some of the entries are the longest vectors, which are what
 * most queries look for and far from everything else.
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
#include "index/graph_build.h"
#include "quant/rabitq_wide.h"

#define RANGE_DEVIATIONS_MAX 12.0
/* Smaller vectors than this have no codes worth the name. */
#define RANGE_MIN 0x1p-110

#define LIFTS_A_STEP 8192u
/* Candidates that are looked at in place of neighbours that are gone: no fewer. */
#define NEAR_MIN 1024u

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

bool graph_walk_allocate(const graph_builder *b, graph_walk *walk, graph_near **near)
{
    size_t words = bitset_words(b->count);
    walk->visited = memory_array(b->allocator, words, sizeof *walk->visited);
    walk->touched = memory_room(b->allocator, words + 1, sizeof *walk->touched);
    walk->pool = memory_room(b->allocator, b->pool_capacity, sizeof *walk->pool);
    *near = memory_room(b->allocator, b->near_capacity, sizeof **near);
    return walk->visited && walk->touched && walk->pool && *near;
}

void graph_walk_release(const graph_builder *b, graph_walk *walk, graph_near *near)
{
    size_t words = bitset_words(b->count);
    memory_array_free(b->allocator, walk->visited, words, sizeof *walk->visited);
    memory_array_free(b->allocator, walk->touched, words + 1, sizeof *walk->touched);
    memory_array_free(b->allocator, walk->pool, b->pool_capacity, sizeof *walk->pool);
    memory_array_free(b->allocator, near, b->near_capacity, sizeof *near);
}

static bool allocate(graph_builder *b)
{
    const veer_allocator *a = b->allocator;
    size_t n = b->count, padded = b->padded;
    b->centre = memory_array(a, padded, sizeof *b->centre);
    b->work = memory_array(a, 3 * padded, sizeof *b->work);
    b->codes = memory_room(a, n, padded);
    b->norms = memory_room(a, n, sizeof *b->norms);
    b->links = memory_room(a, n, b->places * sizeof *b->links);
    b->order = memory_room(a, n, sizeof *b->order);
    b->heads = memory_room(a, n, sizeof *b->heads);
    b->targets = memory_room(a, n, sizeof *b->targets);
    b->reverses_capacity = graph_batch_max(b->count) * b->options.degree;
    b->reverses = memory_room(a, b->reverses_capacity, sizeof *b->reverses);
    uint32_t entries = graph_entries(b->count);
    b->entries_capacity = b->goal < entries ? b->goal : entries;
    b->entries = memory_array(a, b->entries_capacity, sizeof *b->entries);
    b->starts_bytes = kernel_blocks(entries) * kernel_block_bytes(padded);
    b->starts = memory_room(a, b->starts_bytes, 1);
    size_t effort = graph_measure_effort_max();
    b->pool_capacity = 1 + (effort > b->options.effort ? effort : b->options.effort);
    graph_measured *m = &b->measured;
    m->nearest = memory_array(a, GRAPH_MEASURED_TOGETHER * GRAPH_MEASURED_K, sizeof *m->nearest);
    /* A list and all links back of one batch, at the most. */
    b->near_capacity = b->stride + graph_batch_max(b->count);
    if (b->near_capacity < NEAR_MIN) b->near_capacity = NEAR_MIN;
    bool has_nibbles = b->options.bits == 4;
    if (has_nibbles) {
        b->nibbles = memory_room(a, n, padded / 2);
        b->factors = memory_room(a, n, sizeof *b->factors);
        m->nibbles = memory_array(a, GRAPH_MEASURED_TOGETHER * padded, sizeof *m->nibbles);
    }
    bool has_lifts = flat_space_metric(b->space) == VEER_METRIC_DOT;
    if (has_lifts) {
        b->lifts = memory_room(a, n, sizeof *b->lifts);
        m->codes = memory_array(a, GRAPH_MEASURED_TOGETHER * padded, sizeof *m->codes);
    }
    return b->centre && b->work && b->codes && b->norms && b->links && b->order && b->heads &&
           b->targets && b->reverses && b->entries && b->starts && m->nearest &&
           ((b->lifts && m->codes) || !has_lifts) &&
           ((b->nibbles && b->factors && m->nibbles) || !has_nibbles) &&
           graph_walk_allocate(b, &b->walk, &b->near);
}

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
    if (b->options.bits == 0) b->options.bits = graph_code_bits(space->padded);
    b->places = b->options.degree * GRAPH_SLACK_PER_DEGREE_HALVES / 2;
    if (b->places > GRAPH_DEGREE_MAX) b->places = GRAPH_DEGREE_MAX;
    b->stride = b->places;
    b->goal = count - graph_measure_queries(count);
    if (!allocate(b)) {
        graph_builder_free(b);
        return VEER_E_NOMEM;
    }
    memcpy(b->centre, centre, b->padded * sizeof *centre);
    rng_init(&b->random, b->options.seed);
    b->entries_count = b->entries_capacity;
    *builder = b;
    return VEER_OK;
}

void graph_builder_free(graph_builder *b)
{
    if (!b) return;
    const veer_allocator *a = b->allocator;
    size_t n = b->count;
    memory_array_free(a, b->centre, b->padded, sizeof *b->centre);
    memory_array_free(a, b->work, 3 * b->padded, sizeof *b->work);
    memory_array_free(a, b->codes, n, b->padded);
    memory_array_free(a, b->norms, n, sizeof *b->norms);
    memory_array_free(a, b->nibbles, n, b->padded / 2);
    memory_array_free(a, b->factors, n, sizeof *b->factors);
    memory_array_free(a, b->lifts, n, sizeof *b->lifts);
    memory_array_free(a, b->links, n, b->places * sizeof *b->links);
    memory_array_free(a, b->order, n, sizeof *b->order);
    memory_array_free(a, b->heads, n, sizeof *b->heads);
    memory_array_free(a, b->targets, n, sizeof *b->targets);
    memory_array_free(a, b->reverses, b->reverses_capacity, sizeof *b->reverses);
    memory_array_free(a, b->entries, b->entries_capacity, sizeof *b->entries);
    memory_array_free(a, b->starts, b->starts_bytes, 1);
    graph_measured *m = &b->measured;
    memory_array_free(a, m->nearest, GRAPH_MEASURED_TOGETHER * GRAPH_MEASURED_K,
                      sizeof *m->nearest);
    memory_array_free(a, m->codes, GRAPH_MEASURED_TOGETHER * b->padded, sizeof *m->codes);
    memory_array_free(a, m->nibbles, GRAPH_MEASURED_TOGETHER * b->padded, sizeof *m->nibbles);
    graph_walk_release(b, &b->walk, b->near);
    graph_helpers_free(b);
    memory_free(a, b, sizeof *b);
}

size_t graph_builder_bytes(const graph_builder *b)
{
    size_t node = b->padded + sizeof *b->norms + b->places * sizeof *b->links +
                  3 * sizeof *b->order + (b->lifts ? sizeof *b->lifts : 0) +
                  (b->nibbles ? b->padded / 2 + sizeof *b->factors : 0);
    return sizeof *b + b->count * node + b->reverses_capacity * sizeof *b->reverses +
           b->starts_bytes;
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

/* How many of the entries that nodes are compared with in building: to each random one there is one
 * of the longest. */
static uint32_t random_entries(const graph_builder *b)
{
    uint32_t half = b->entries_count / 2;
    return half < GRAPH_ENTRIES_MIN / 2 ? half : GRAPH_ENTRIES_MIN / 2;
}
static uint32_t longest_entries(const graph_builder *b)
{
    uint32_t left = b->entries_count - random_entries(b);
    return left < GRAPH_ENTRIES_MIN / 2 ? left : GRAPH_ENTRIES_MIN / 2;
}

static void note_length(graph_builder *b, uint32_t node)
{
    topk longest = {b->longest, longest_entries(b), b->longest_count};
    (void)topk_push(&longest, -(float)b->norms[node], node);
    b->longest_count = longest.count;
}

static void begin_links(graph_builder *b)
{
    if (b->former)
        graph_seed_begin(b);
    else
        graph_batch_begin(b);
}

static void add_nibbles(graph_builder *b, const float *residual, uint32_t node)
{
    uint8_t *levels = (uint8_t *)(b->work + b->padded);
    rabitq_wide made = rabitq_wide_nibbles(residual, b->padded, levels);
    kernel_pack_sq4(levels, b->padded, b->nibbles + (size_t)node * (b->padded / 2));
    b->factors[node] = (graph_factors){made.square, made.scale};
    if (made.square > b->square) b->square = made.square;
}

void graph_builder_add(graph_builder *b, const float *vector)
{
    if (b->coded == 0) b->step = choose_step(b);
    const float *residual = residual_of(b, vector);
    uint32_t node = b->coded++;
    int8_t *code = b->codes + (size_t)node * b->padded;
    b->norms[node] = b->space->kernels->encode_sq8(residual, b->padded, 1 / b->step, code);
    if (b->norms[node] > b->largest_norm) b->largest_norm = b->norms[node];
    if (b->nibbles) add_nibbles(b, residual, node);
    if (b->lifts) note_length(b, node);
    memset(graph_list(b, node), 0xff, b->stride * sizeof *b->links);
    b->heads[node] = GRAPH_NONE;
    uint32_t place = (uint32_t)rng_below(&b->random, node + 1u);
    b->order[node] = node;
    b->order[node] = b->order[place];
    b->order[place] = node;
    if (b->coded < b->count) return;
    b->phase = GRAPH_LIFT;
    if (!b->lifts) begin_links(b);
}

/* The next lifts, from squared lengths, which are whole: the same on every machine. What is among
 * the longest moves to behind the random entries. */
void graph_lift_step(graph_builder *b)
{
    uint32_t half = random_entries(b);
    if (b->position == 0) {
        b->longest_place = half;
        for (size_t i = 0; i < b->longest_count; i++)
            (void)graph_visit(&b->walk, (uint32_t)b->longest[i].key);
    }
    for (uint32_t i = 0; i < LIFTS_A_STEP && b->position < b->count; i++, b->position++) {
        uint32_t place = b->position, node = b->order[place];
        b->lifts[place] = (int32_t)sqrt((double)(b->largest_norm - b->norms[place]));
        if (place < half || !bitset_get(b->walk.visited, node)) continue;
        b->order[place] = b->order[b->longest_place];
        b->order[b->longest_place++] = node;
    }
    if (b->position < b->count) return;
    graph_forget(&b->walk);
    begin_links(b);
}

/* ---------------------------------------------------------------- the result */

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
    graph->bits = b->options.bits;
    graph->step = b->step;
    graph->square = b->nibbles ? b->square : (float)b->largest_norm;
    graph->centre = b->centre;
    graph->codes = b->nibbles ? (const void *)b->nibbles : b->codes;
    graph->norms = b->nibbles ? (const void *)b->factors : b->norms;
    graph->links = b->links;
    graph->entries = b->entries;
    graph->starts = b->starts;
    memcpy(graph->curves, b->curves, sizeof graph->curves);
}
