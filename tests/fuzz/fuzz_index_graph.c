/* libFuzzer target: a graph stream of arbitrary content, as sealed_graph.c takes it: the head is read,
 * the sections have the lengths that it gives, and what graph_is_valid lets through is searched.
 *
 * Nothing outside of the sections is read; what is found are nodes of the graph, each once, nearest
 * first, at most as many as the effort; plans are sane.
 *
 * Input: a byte each of metric and dims, of flags, of count, degree and entries; a head of 128 bytes
 * where a flag says so; up to three numbers that take the place of others, 5 bytes each; then bytes
 * that fill the sections, over and over.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "index/graph_walk.h"
#include "storage_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OWN_HEAD = 1, /* the input's head, which may say anything */
    NEAR_LINKS =
        2, /* links and entries are nodes of the graph or none, as far as they are numbers */
    NEAR_NORMS = 4, /* norms are in their range */
    SMALL_STEP = 8,
    NIBBLES = 16, /* codes of 4 bits */
};
#define COUNT_MAX 400u /* the engine compares the head's count with the segment's vectors */

static const uint32_t dims_of[] = {1, 7, 64, 65, 130, 192};

/* Made once: a search needs no more of them than that they exist. */
static const flat_space *space_of(uint8_t choice)
{
    static flat_space *spaces[3][sizeof dims_of / sizeof dims_of[0]];
    size_t metric = choice % 3, at = choice / 3 % (sizeof dims_of / sizeof dims_of[0]);
    if (!spaces[metric][at]) {
        demand(flat_space_new(memory_default(), dims_of[at], (veer_metric)metric, 42,
                              &spaces[metric][at], NULL) == VEER_OK);
    }
    return spaces[metric][at];
}

/* The rest of the input again and again, a little different in each round. */
typedef struct source {
    const uint8_t *data;
    size_t size, at;
    uint32_t round;
} source;

static uint8_t next_byte(source *from)
{
    if (from->size == 0) return (uint8_t)(from->round++ * 151u);
    uint8_t byte = (uint8_t)(from->data[from->at] + from->round * 37u);
    if (++from->at == from->size) {
        from->at = 0;
        from->round++;
    }
    return byte;
}

static uint32_t next_u32(source *from)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 8 | next_byte(from);
    return value;
}

/* Exactly as large as it must be. */
static void *section(size_t bytes)
{
    void *memory = malloc(bytes > 0 ? bytes : 1);
    demand(memory != NULL);
    return memory;
}

static bool read_head(storage_input *input, uint8_t flags, uint32_t padded, graph *graph)
{
    uint8_t head[GRAPH_HEAD_BYTES] = {0};
    graph->count = 1 + input_byte(input) * 3u / 2;
    graph->degree = 1 + input_byte(input) % 80u;
    graph->entries_count = 1 + input_byte(input) % (graph->count + 2);
    graph->step = flags & SMALL_STEP ? 1e-30f : 0.03f;
    graph->bits = flags & NIBBLES ? 4 : 8;
    graph->square = flags & SMALL_STEP ? 1e-17f : 3e8f;
    for (size_t curve = 0; curve < GRAPH_STOPS * GRAPH_CURVES; curve++)
        for (size_t i = 0; i < GRAPH_POINTS; i++)
            graph->curves[curve / GRAPH_CURVES][curve % GRAPH_CURVES].recalls[i] =
                (float)i / GRAPH_POINTS;
    graph_head_store(head, graph, padded);
    if (flags & OWN_HEAD) {
        size_t n = input->left < sizeof head ? input->left : sizeof head;
        memcpy(head, input->data, n);
        input->data += n;
        input->left -= n;
    }
    return graph_head_load(head, padded, graph) && graph->count <= COUNT_MAX;
}

static uint32_t near_node(source *from, uint8_t flags, uint32_t count)
{
    uint32_t node = next_u32(from);
    if (!(flags & NEAR_LINKS)) return node;
    return node % 16 == 0 ? GRAPH_NONE : node / 16 % count;
}

static void fill_sections(graph *graph, uint32_t padded, uint8_t flags, source *from)
{
    size_t places = (size_t)graph->count * graph->degree;
    float *centre = section(padded * sizeof *centre);
    size_t codes_bytes = graph->count * graph_code_bytes(graph, padded);
    size_t norms_count = graph->count * graph_norm_bytes(graph) / 4;
    uint8_t *codes = section(codes_bytes);
    uint32_t *norms = section(norms_count * sizeof *norms);
    uint32_t *links = section(places * sizeof *links);
    uint32_t *entries = section(graph->entries_count * sizeof *entries);
    for (uint32_t i = 0; i < graph->entries_count; i++)
        entries[i] = flags & NEAR_LINKS ? next_u32(from) % graph->count : next_u32(from);
    for (size_t i = 0; i < places; i++)
        links[i] = near_node(from, flags, graph->count);
    for (size_t i = 0; i < norms_count; i++) {
        norms[i] = next_u32(from);
        if (flags & NEAR_NORMS) norms[i] %= 127u * 127u * padded + 1; /* tiny as a float */
    }
    for (uint32_t i = 0; i < padded; i++)
        centre[i] = (float)(int8_t)next_byte(from) / 64;
    for (size_t i = 0; i < codes_bytes; i++)
        codes[i] = next_byte(from);
    graph->centre = centre;
    graph->codes = codes;
    graph->norms = norms;
    graph->links = links;
    size_t starts_bytes = graph_starts_bytes(graph, padded);
    uint8_t *starts = section(starts_bytes);
    for (size_t i = 0; i < starts_bytes; i++)
        starts[i] = next_byte(from);
    graph->entries = entries;
    graph->starts = starts;
}

/* One number of a section becomes another: small ones count from the number of nodes. */
static void poke(const graph *graph, storage_input *input)
{
    uint8_t which = input_byte(input);
    size_t at = input_byte(input) | (size_t)input_byte(input) << 8;
    uint32_t value = input_byte(input) | (uint32_t)input_byte(input) << 8;
    value = value < 256 ? graph->count + value - 128 : value << 16;
    if (which % 3 == 0) {
        size_t places = (size_t)graph->count * graph->degree;
        memcpy((void *)(uintptr_t)&graph->links[at % places], &value, sizeof value);
    } else if (which % 3 == 1) {
        memcpy((void *)(uintptr_t)&graph->entries[at % graph->entries_count], &value, sizeof value);
    } else {
        size_t places = graph->count * graph_norm_bytes(graph) / sizeof value;
        uint32_t *norms = (uint32_t *)(uintptr_t)graph->norms;
        memcpy(&norms[at % places], &value, sizeof value);
    }
}

static void free_sections(const graph *graph)
{
    free((void *)(uintptr_t)graph->centre);
    free((void *)(uintptr_t)graph->codes);
    free((void *)(uintptr_t)graph->norms);
    free((void *)(uintptr_t)graph->links);
    free((void *)(uintptr_t)graph->entries);
    free((void *)(uintptr_t)graph->starts);
}

static void search(const flat_space *space, uint32_t dims, const graph *graph, source *from,
                   arena *scratch)
{
    static const size_t efforts[] = {1, 10, 64, 1000};
    float vector[192];
    float size = next_byte(from) % 4 == 0 ? 1e6f : 1; /* too far out for codes */
    for (uint32_t i = 0; i < dims; i++)
        vector[i] = size * ((float)(int8_t)next_byte(from) / 50 + 0.001f);
    flat_query *query = NULL;
    demand(flat_query_new(space, vector, 1, scratch, &query) == VEER_OK);
    for (size_t e = 0; e < sizeof efforts / sizeof efforts[0]; e++) {
        uint8_t seen[COUNT_MAX] = {0};
        graph_result result;
        graph_aim aim = {.effort = efforts[e]};
        if (next_byte(from) % 2 == 0) {
            aim.results = 1 + next_byte(from) % 40;
            aim.reach = (double)next_byte(from) / 100;
        }
        demand(graph_search(space, graph, query, &aim, scratch, &result) == VEER_OK);
        demand(result.count <= efforts[e] && result.count <= graph->count);
        if (result.count > 0) {
            size_t k = 1 + next_byte(from) % result.count, most = k * GRAPH_RERANK_PER_RESULT;
            size_t n = graph_to_compare(space, graph, query, result.nearest, result.count, k);
            demand(n >= k && n <= most && n <= result.count);
        }
        for (size_t i = 0; i < result.count; i++) {
            graph_near near = result.nearest[i];
            demand(near.node < graph->count && !seen[near.node]);
            demand(i == 0 || result.nearest[i - 1].rank <= near.rank);
            seen[near.node] = 1;
            demand(!isnan(graph_estimate(space, graph, query, near.rank)));
        }
    }
}

/* Few entries are all compared: the choice among them is asked for here. */
static void choose(const flat_space *space, const graph *graph, source *from)
{
    uint32_t padded = flat_padded_dims(space), nodes[GRAPH_STARTS_MAX];
    float *rotated = section(padded * sizeof *rotated), *work = section(2 * padded * sizeof *work);
    uint64_t live[COUNT_MAX / 64 + 1];
    for (uint32_t i = 0; i < padded; i++)
        rotated[i] = (float)(int8_t)next_byte(from) / 50;
    for (size_t i = 0; i < sizeof live / sizeof live[0]; i++)
        live[i] = (uint64_t)next_u32(from) << 32 | next_u32(from);
    for (int masked = 0; masked < 2; masked++) {
        size_t n = graph_starts_choose(space, graph, rotated, masked ? live : NULL, work, nodes);
        demand(n <= GRAPH_STARTS_MAX);
        for (size_t i = 0; i < n; i++)
            demand(nodes[i] < graph->count);
    }
    free(rotated);
    free(work);
}

static void plan(const flat_space *space, const graph *graph)
{
    for (size_t k = 1; k <= 1000; k *= 10) {
        graph_aim aim = {0};
        if (graph_plan(space, graph, k, 0.9, 0.5, 1000000, &aim))
            demand(aim.effort > 0 && aim.kept >= k && aim.reach >= 0 && aim.recall >= 0.89);
        graph_aim_effort(graph, k, 1, 50, &aim);
        demand(aim.recall >= 0 && aim.recall < 1.01);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    storage_input input = {data, size};
    uint8_t choice = input_byte(&input), flags = input_byte(&input);
    const flat_space *space = space_of(choice);
    uint32_t dims = dims_of[choice / 3 % (sizeof dims_of / sizeof dims_of[0])];
    uint32_t padded = flat_padded_dims(space);
    graph graph = {0};
    if (!read_head(&input, flags, padded, &graph)) return 0;
    uint8_t pokes = input_byte(&input) % 4;
    storage_input numbers = input;
    for (int i = 0; i < 5 * pokes; i++)
        (void)input_byte(&input);
    source from = {.data = input.data, .size = input.left};
    fill_sections(&graph, padded, flags, &from);
    while (pokes-- > 0)
        poke(&graph, &numbers);
    if (graph_is_valid(space, &graph)) {
        const char *problem;
        arena scratch;
        arena_init(&scratch, memory_default());
        demand(graph_check(space, &graph, &scratch, &problem) == VEER_OK);
        search(space, dims, &graph, &from, &scratch);
        choose(space, &graph, &from);
        plan(space, &graph);
        arena_fini(&scratch);
    }
    free_sections(&graph);
    return 0;
}
