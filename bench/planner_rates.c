/* What the recall planner saves: codes compared by the walks that it plans for a target, against the
 * best single effort for all queries, found with the ground truth.
 *
 *   planner_rates BASE QUERIES TRUTH METRIC [LIMIT]
 *
 * A line of JSON for each k and target. "static" is a fixed effort of k or more, as a request may ask
 * for; between two efforts it is interpolated at the recall that the planner reached. "foresight" is
 * the least that any rule of stopping could compare at the same mean recall: for every query the walk
 * ends where it is best to, by one who knows what would follow.
 */
#include <math.h>

#include "base/memory.h"
#include "index/graph_build.h"
#include "vecs_truth.h"

#define EFFORTS_MAX 64
#define K_MAX 100u

typedef struct set {
    vecs base, queries, truth;
    flat_space *space;
    graph graph;
    arena scratch;
    bool *is_true; /* by row: of the present query */
} set;

typedef struct outcome {
    double recall, good, compared;
} outcome;

static void must(veer_status status)
{
    const veer_error none = {0};
    bench_must(status, &none, "planner_rates");
}

static void build(set *s, graph_builder **builder)
{
    double *sum = calloc(s->base.dims, sizeof *sum);
    float *centre = calloc(flat_padded_dims(s->space), sizeof *centre);
    const float *rows = s->base.values;
    size_t count = s->base.rows, dims = s->base.dims;
    for (size_t i = 0; i < count; i++)
        flat_sum_add(s->space, rows + i * dims, sum);
    must(flat_centre(s->space, sum, (uint32_t)count, &s->scratch, centre));
    const graph_options options = {0};
    must(graph_builder_new(memory_default(), s->space, centre, (uint32_t)count, &options, builder));
    for (size_t i = 0; i < count; i++)
        graph_builder_measure(*builder, rows + i * dims);
    for (size_t i = 0; i < count; i++)
        graph_builder_add(*builder, rows + i * dims);
    for (bool left = true; left;)
        must(graph_builder_step(*builder, NULL, &left));
    graph_builder_result(*builder, &s->graph);
    free(centre);
    free(sum);
}

static const flat_query *begin_query(set *s, size_t q, size_t k, bool begins)
{
    flat_query *query = NULL;
    for (size_t i = 0; i < k; i++)
        s->is_true[s->truth.places[q * s->truth.dims + i]] = begins;
    if (!begins) return NULL;
    arena_reset(&s->scratch);
    must(flat_query_new(s->space, s->queries.values + q * s->base.dims, 0, &s->scratch, &query));
    return query;
}

/* Of the nodes that are compared by their originals, how many are true results: all of these are
 * among the k nearest then. */
static size_t count_found(const set *s, const graph_near *near, size_t count, size_t k)
{
    size_t found = 0;
    for (size_t i = 0; i < count && i < GRAPH_RERANK_PER_RESULT * k; i++)
        found += s->is_true[near[i].node & ~GRAPH_EXPANDED];
    return found;
}

static outcome run(set *s, size_t k, double target, const graph_aim *aim)
{
    outcome sum = {0};
    double queries = (double)s->queries.rows;
    for (size_t q = 0; q < s->queries.rows; q++) {
        const flat_query *query = begin_query(s, q, k, true);
        graph_result result;
        must(graph_search(s->space, &s->graph, query, aim, &s->scratch, &result));
        double recall = (double)count_found(s, result.nearest, result.count, k) / (double)k;
        sum.recall += recall / queries;
        sum.good += (recall >= target - 0.1 - 1e-9) / queries;
        sum.compared += (double)result.compared / queries;
        (void)begin_query(s, q, k, false);
    }
    return sum;
}

/* ---------------------------------------------------------------- the best single effort */

typedef struct curve {
    outcome at[EFFORTS_MAX];
    size_t count;
} curve;

static void run_efforts(set *s, size_t k, curve *efforts)
{
    double effort = (double)k;
    for (efforts->count = 0; efforts->count < EFFORTS_MAX; effort = effort * 1.05 + 1) {
        const graph_aim aim = {.effort = (size_t)effort};
        outcome *at = &efforts->at[efforts->count++];
        *at = run(s, k, 0, &aim);
        if (at->recall > 0.997) break;
    }
}

static double compared_at(const curve *efforts, double recall)
{
    const outcome *at = efforts->at;
    if (recall <= at[0].recall) return at[0].compared;
    for (size_t i = 1; i < efforts->count; i++) {
        if (at[i].recall < recall || at[i].recall <= at[i - 1].recall) continue;
        double share = (recall - at[i - 1].recall) / (at[i].recall - at[i - 1].recall);
        return at[i - 1].compared + share * (at[i].compared - at[i - 1].compared);
    }
    return at[efforts->count - 1].compared;
}

/* ---------------------------------------------------------------- foresight */

/* Where a query's walk finds something: so many results, after so many codes. */
typedef struct gain {
    float compared;
    uint32_t found;
} gain;

static size_t trace(set *s, size_t q, size_t k, gain *gains)
{
    graph_query made;
    graph_walk walk;
    bool has_no_code;
    const flat_query *query = begin_query(s, q, k, true);
    must(graph_query_init(s->space, &s->graph, query, &s->scratch, &made, &has_no_code));
    size_t count = 0;
    if (has_no_code) { /* it is scanned, and finds all for no code of the graph */
        gains[count++] = (gain){0, (uint32_t)k};
        (void)begin_query(s, q, k, false);
        return count;
    }
    must(graph_walk_init(&made, 20 * k, &s->scratch, &walk));
    must(graph_walk_start(s->space, query, &s->scratch, &walk));
    graph_walk_begin(&walk);
    for (size_t place = 0; place < 20 * k; place++) {
        if (graph_walk_on(&walk, place)) break;
        size_t found = count_found(s, walk.pool, walk.count, k);
        if (count == 0 || found > gains[count - 1].found)
            gains[count++] = (gain){(float)walk.compared, (uint32_t)found};
        if (found == k) break;
    }
    graph_walk_end(&walk);
    (void)begin_query(s, q, k, false);
    return count;
}

/* For a price of a code each query ends where what it found is worth most; the price is sought. */
static double foresight(const gain *gains, const size_t *counts, size_t queries, size_t k,
                        double recall)
{
    double low = 1e-9, high = 1, compared = 0;
    for (int i = 0; i < 50; i++) {
        double price = sqrt(low * high), found = 0;
        compared = 0;
        for (size_t q = 0; q < queries; q++) {
            const gain *own = gains + q * (K_MAX + 1), *best = own;
            for (size_t j = 1; j < counts[q]; j++) {
                double more = (double)(own[j].found - best->found) / (double)k;
                if (more > price * (double)(own[j].compared - best->compared)) best = &own[j];
            }
            found += best->found;
            compared += (double)best->compared / (double)queries;
        }
        if (found < recall * (double)(k * queries))
            high = price;
        else
            low = price;
    }
    return compared;
}

int main(int argc, char **argv)
{
    static const size_t ks[] = {10, K_MAX};
    static const double targets[] = {0.9, 0.95, 0.99};
    if (argc < 5) return 2;
    veer_metric metric = bench_metric(argv[4]);
    set s = {
        .base = vecs_read(argv[1]), .queries = vecs_read(argv[2]), .truth = vecs_read(argv[3])};
    size_t limit = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
    if (limit > 0 && limit < s.queries.rows) s.queries.rows = limit;
    arena_init(&s.scratch, memory_default());
    must(flat_space_new(memory_default(), (uint32_t)s.base.dims, metric, 42, &s.space, NULL));
    s.is_true = calloc(s.base.rows, sizeof *s.is_true);
    gain *gains = calloc(s.queries.rows * (K_MAX + 1), sizeof *gains);
    size_t *counts = calloc(s.queries.rows, sizeof *counts);
    graph_builder *builder;
    build(&s, &builder);
    for (size_t i = 0; i < 2; i++) {
        curve efforts;
        run_efforts(&s, ks[i], &efforts);
        for (size_t q = 0; q < s.queries.rows; q++)
            counts[q] = trace(&s, q, ks[i], gains + q * (K_MAX + 1));
        for (size_t j = 0; j < 3; j++) {
            graph_aim aim;
            if (!graph_aim_recall(&s.graph, ks[i], 1, targets[j], &aim)) continue;
            outcome own = run(&s, ks[i], targets[j], &aim);
            printf("{\"engine\":\"planner\",\"setting\":\"k %zu, recall %.2f\",\"k\":%zu,"
                   "\"target\":%.2f,\"recall\":%.4f,\"good\":%.4f,\"compared\":%.1f,"
                   "\"predicted\":%.1f,\"static\":%.1f,\"foresight\":%.1f,\"way\":\"%s\"}\n",
                   ks[i], targets[j], ks[i], targets[j], own.recall, own.good, own.compared,
                   aim.compared, compared_at(&efforts, own.recall),
                   foresight(gains, counts, s.queries.rows, ks[i], own.recall),
                   aim.results > 0 ? "reach" : "place");
        }
    }
    graph_builder_free(builder);
    return 0;
}
