/* How fast a graph is built, how long its steps take, and what it finds:
 *
 *   graph_rates FOLDER METRIC [degree=N] [effort=N] [limit=ROWS] [kept=ROWS gone=ROWS]
 *               [threads=N]
 *
 * FOLDER holds base.fvecs and query.fvecs (bench/make_vectors); without the latter only building is
 * measured. One line a phase: process CPU time and the longest step by this thread's CPU time; then
 * recall@10 of the first queries and codes compared by effort of the walk, reranked with originals.
 *
 * `kept` and `gone`: a graph is built over the first kept + gone rows, then one over all but those
 * that are gone, which begins with the former's links.
 */
#define _GNU_SOURCE
#include <math.h>

#include "base/memory.h"
#include "cli/cli_threads.h"
#include "index/graph_build.h"
#include "vecs_file.h"

#define K 10u
#define PHASES 16u

#define QUERIES_MAX 400u

typedef struct set {
    vecs base, queries;
    uint32_t *truth; /* K for each query */
    flat_space *space;
    float *centre;
    uint32_t count; /* rows in the graph: all but those in [kept, kept + gone) */
    uint32_t kept, gone;
    arena scratch;
} set;

static void must(veer_status status, const char *what)
{
    if (status == VEER_OK) return;
    fprintf(stderr, "graph_rates: %s: %s\n", what, veer_status_text(status));
    exit(1);
}

static const float *row_of(const set *s, size_t node)
{
    return s->base.values + (node < s->kept ? node : node + s->gone) * s->base.dims;
}

static bool has_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file) fclose(file);
    return file != NULL;
}

static float distance_to(const set *s, const flat_query *query, uint32_t node)
{
    const float *vector = row_of(s, node);
    float inverse = flat_inverse_norm(s->space, vector), distance;
    flat_distances(s->space, query, &vector, &inverse, 1, &distance);
    return distance;
}

static flat_query *query_of(set *s, size_t q)
{
    flat_query *query = NULL;
    arena_reset(&s->scratch);
    must(flat_query_new(s->space, s->queries.values + q * s->base.dims, 0, &s->scratch, &query),
         "query");
    return query;
}

static void find_truth(set *s)
{
    s->truth = calloc(s->queries.rows * K, sizeof *s->truth);
    for (size_t q = 0; q < s->queries.rows; q++) {
        flat_query *query = query_of(s, q);
        topk_entry entries[K];
        topk heap;
        topk_init(&heap, entries, K);
        for (uint32_t i = 0; i < s->count; i++)
            (void)topk_push(&heap, distance_to(s, query, i), i);
        for (size_t i = 0; i < heap.count; i++)
            s->truth[q * K + i] = (uint32_t)entries[i].key;
    }
}

static void find_centre(set *s)
{
    double *sum = calloc(s->base.dims, sizeof *sum);
    for (uint32_t i = 0; i < s->count; i++)
        flat_sum_add(s->space, row_of(s, i), sum);
    must(flat_centre(s->space, sum, s->count, &s->scratch, s->centre), "centre");
    free(sum);
}

static void open_set(set *s, const char *folder, const char *metric_name, size_t limit)
{
    char path[4096];
    veer_metric metric = strcmp(metric_name, "cosine") == 0 ? VEER_METRIC_COSINE
                         : strcmp(metric_name, "dot") == 0  ? VEER_METRIC_DOT
                                                            : VEER_METRIC_L2;
    snprintf(path, sizeof path, "%s/base.fvecs", folder);
    s->base = vecs_read(path);
    snprintf(path, sizeof path, "%s/query.fvecs", folder);
    if (has_file(path)) s->queries = vecs_read(path);
    if (s->queries.rows > QUERIES_MAX) s->queries.rows = QUERIES_MAX;
    if (limit < s->base.rows) s->base.rows = limit;
    arena_init(&s->scratch, memory_default());
    must(flat_space_new(memory_default(), (uint32_t)s->base.dims, metric, 42, &s->space, NULL),
         "space");
    s->centre = calloc(flat_padded_dims(s->space), sizeof *s->centre);
}

/* A pool over the threads that notes how much of the work they share: on a busy machine the wall clock
 * does not tell. */
typedef struct noted_pool {
    veer_pool pool;
    cli_threads *threads;
    void (*task)(void *argument, size_t i);
    void *argument;
    double spent[VEER_THREADS_MAX];
    double shared;
} noted_pool;

static noted_pool noted;

static void note_task(void *argument, size_t i)
{
    noted_pool *to = argument;
    double began = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    to->task(to->argument, i);
    to->spent[i] = bench_seconds(CLOCK_THREAD_CPUTIME_ID) - began;
}

static void note_run(void *context, size_t tasks, void (*task)(void *argument, size_t i),
                     void *argument)
{
    noted_pool *to = context;
    const veer_pool *pool = cli_threads_pool(to->threads);
    to->task = task;
    to->argument = argument;
    pool->run(pool->context, tasks, note_task, to);
    for (size_t i = 0; i < tasks; i++)
        to->shared += to->spent[i];
}

static void start_threads(size_t count)
{
    if (count < 2) return;
    noted.threads = cli_threads_new(count);
    if (!noted.threads) must(VEER_E_NOMEM, "threads");
    noted.pool = (veer_pool){.context = &noted, .run = note_run, .threads = count};
}

static void link_all(graph_builder *builder)
{
    double spent[PHASES] = {0}, longest[PHASES] = {0};
    size_t steps[PHASES] = {0};
    for (bool left = true; left;) {
        graph_phase phase = builder->phase;
        double all = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
        double own = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
        must(graph_builder_step(builder, &noted.pool, &left), "step");
        own = bench_seconds(CLOCK_THREAD_CPUTIME_ID) - own;
        spent[phase] += bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - all;
        if (own > longest[phase]) longest[phase] = own;
        steps[phase]++;
    }
    for (size_t p = 0; p < PHASES; p++)
        if (steps[p] > 0)
            printf("  phase %zu: %8zu steps %8.3f s, the longest %6.3f ms\n", p, steps[p], spent[p],
                   1e3 * longest[p]);
}

static double recall_at(set *s, const graph *graph, size_t effort, double *compared)
{
    size_t hits = 0;
    *compared = 0;
    for (size_t q = 0; q < s->queries.rows; q++) {
        flat_query *query = query_of(s, q);
        graph_result result;
        const graph_aim aim = {.effort = effort};
        must(graph_search(s->space, graph, query, &aim, &s->scratch, &result), "search");
        *compared += (double)result.compared;
        size_t n =
            result.count < GRAPH_RERANK_PER_RESULT * K ? result.count : GRAPH_RERANK_PER_RESULT * K;
        topk_entry entries[K];
        topk heap;
        topk_init(&heap, entries, K);
        for (size_t i = 0; i < n; i++) {
            uint32_t node = result.nearest[i].node;
            (void)topk_push(&heap, distance_to(s, query, node), node);
        }
        for (size_t i = 0; i < heap.count; i++)
            for (size_t j = 0; j < K; j++)
                hits += s->truth[q * K + j] == entries[i].key;
    }
    *compared /= (double)s->queries.rows;
    return (double)hits / (double)(s->queries.rows * K);
}

static uint64_t hash_of(const graph *graph)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < (size_t)graph->count * graph->degree; i++)
        hash = (hash ^ graph->links[i]) * 1099511628211u;
    return hash;
}

static void add_all(set *s, graph_builder *builder)
{
    for (uint32_t i = 0; i < s->count; i++)
        graph_builder_measure(builder, row_of(s, i));
    for (uint32_t i = 0; i < s->count; i++)
        graph_builder_add(builder, row_of(s, i));
}

/* Over the set, with a former graph's links where that is not NULL. */
static graph_builder *build(set *s, const graph_options *options, const graph *former,
                            const uint32_t *nodes, const char *what)
{
    graph_builder *builder;
    find_centre(s);
    double began = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    must(graph_builder_new(memory_default(), s->space, s->centre, s->count, options, &builder),
         "new");
    if (former) graph_builder_seed(builder, former, nodes);
    double made = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    add_all(s, builder);
    double encoded = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    double wall = bench_seconds(CLOCK_MONOTONIC);
    noted.shared = 0;
    link_all(builder);
    double linked = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    wall = bench_seconds(CLOCK_MONOTONIC) - wall;
    graph graph;
    graph_builder_result(builder, &graph);
    printf("%s, %u x %zu: memory %.3f ms, codes %.3f s, graph %.3f s CPU, %.3f s wall, "
           "%.3f s shared by threads, hash %016llx\n",
           what, s->count, s->base.dims, 1e3 * (made - began), encoded - made, linked - encoded,
           wall, noted.shared, (unsigned long long)hash_of(&graph));
    if (s->queries.rows > 0) find_truth(s);
    for (size_t effort = 10; s->queries.rows > 0 && effort <= 320; effort *= 2) {
        double compared, recall = recall_at(s, &graph, effort, &compared);
        printf("  effort %3zu: recall %.4f, %.0f codes\n", effort, recall, compared);
    }
    fflush(stdout);
    free(s->truth);
    s->truth = NULL;
    return builder;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "graph_rates FOLDER METRIC [degree=N] [effort=N] [limit=ROWS] "
                        "[kept=ROWS gone=ROWS] [threads=N]\n");
        return 2;
    }
    graph_options options = {.seed = 42};
    size_t limit = SIZE_MAX;
    size_t threads_count = 1;
    uint32_t kept = 0, gone = 0;
    for (int i = 3; i < argc; i++) {
        if (sscanf(argv[i], "degree=%u", &options.degree) == 1) continue;
        if (sscanf(argv[i], "effort=%u", &options.effort) == 1) continue;
        if (sscanf(argv[i], "limit=%zu", &limit) == 1) continue;
        if (sscanf(argv[i], "kept=%u", &kept) == 1) continue;
        if (sscanf(argv[i], "gone=%u", &gone) == 1) continue;
        if (sscanf(argv[i], "threads=%zu", &threads_count) == 1) continue;
        fprintf(stderr, "graph_rates: %s?\n", argv[i]);
        return 2;
    }
    start_threads(threads_count);
    set s = {0};
    open_set(&s, argv[1], argv[2], limit);
    uint32_t rows = (uint32_t)s.base.rows;
    if (kept + gone > rows) return 2;
    graph_builder *first = NULL;
    graph former;
    uint32_t *nodes = calloc(rows, sizeof *nodes);
    if (kept > 0) {
        s.count = kept + gone;
        first = build(&s, &options, NULL, NULL, "former");
        graph_builder_result(first, &former);
        for (uint32_t i = 0; i < rows; i++)
            nodes[i] = i < kept ? i : GRAPH_NONE;
    }
    s.kept = kept;
    s.gone = gone;
    s.count = rows - gone;
    graph_builder *fresh = build(&s, &options, NULL, NULL, "fresh");
    if (first) graph_builder_free(build(&s, &options, &former, nodes, "reusing"));
    double began = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    graph_builder_free(fresh);
    printf("freed in %.3f ms\n", 1e3 * (bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - began));
    graph_builder_free(first);
    flat_space_free(s.space);
    arena_fini(&s.scratch);
    free(s.centre);
    free(nodes);
    cli_threads_free(noted.threads);
    return 0;
}
