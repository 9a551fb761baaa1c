/* What a graph finds for which effort, measured at the end of building.
 *
 * Queries are vectors that are held back: they are of the same distribution as all others and the
 * graph has never seen them. (Taking out a node that is in the graph tears a hole just where it is
 * searched for, and recall appears 0.02 to 0.04 lower than it is.) The true nearest nodes are found
 * by comparing all codes. After that these nodes come in like others.
 *
 * Two ways to end a walk are measured, both at growing settings:
 *
 *     place    when the nearest `place` nodes found are expanded: a fixed effort, which may be
 *              smaller than the number of results
 *     reach    before a node that is 1 + reach times as far as the k-th nearest (distance-adaptive
 *              beam search, Al-Jazzazi et al. 2025), in squared distances: easy queries end early,
 *              hard ones go on
 *
 * A larger setting continues the same walk, so each query is walked once for each way and number of
 * results. Mean recall and the mean number of codes compared are kept with the graph. A request's
 * recall is looked up in both, and the cheaper way is taken. Which one that is depends on the
 * vectors: reach saves most for few results at high recall.
 *
 * Other ways were tried on the traces of whole walks and are not better: to stop after a number of
 * expansions that found no result, mixtures of it with the others, and linear functions of distance
 * ratios, places and improvements, fitted to each collection (docs/RECALL.md).
 *
 * Under dot the graph is that of lifted vectors, but queries are not lifted: there ranks are
 * products, as in a search.
 *
 * Recall is that of 8-bit codes' distances, which lose next to nothing that three times as many
 * candidates as results do not bring back. Where searches use codes of 4 bits, walks do, and their
 * nearest nodes, as many as a search compares, are compared by 8 bits instead of originals.
 */
#include <math.h>
#include <string.h>

#include "base/topk.h"
#include "index/graph_build.h"

/* Codes compared, and places of a pool expanded, in one step. */
#define COMPARE_A_STEP 8192u
#define EXPAND_A_STEP 128u
/* Standard error of a mean recall of 0.95 of 10 results: 0.005. More would take more than 5 to 8 % of
 * the time of building, half of it to compare all codes. A 16th of the nodes at the most, for what is
 * measured is a graph without them. */
#define QUERIES 512u
#define NODES_PER_QUERY 16u
/* Means of more results vary less. */
#define QUERIES_PER_LARGE_ONE 2u
/* Long walks are left to the first queries: what lies behind this recall varies little. Of ten
 * results a single one counts for more. */
#define QUERIES_FOR_ALL 64u
static const float recalls_for_all[GRAPH_CURVES] = {0.9995f, 0.992f};

enum { PLACE, REACH };

/* Results that are asked for: what lies between is interpolated. */
static const uint32_t curve_k[GRAPH_CURVES] = {10, GRAPH_MEASURED_K};

/* Steps of sqrt(2), in multiples of k; and what is between no ratio and twice the distance. */
static const double settings[GRAPH_STOPS][GRAPH_POINTS] = {
    [PLACE] = {0.18, 0.25, 0.35, 0.5, 0.71, 1, 1.41, 2, 2.83, 4, 5.66, 8, 11.3, 16, 22.6, 45.3},
    [REACH] = {0, 0.01, 0.02, 0.035, 0.05, 0.07, 0.09, 0.12, 0.15, 0.19, 0.24, 0.3, 0.4, 0.52, 0.7,
               1},
};
/* Reach has to compare so much less than place to be taken: it keeps more nodes in order, which costs
 * 16 % a code at 128 dimensions and 6 % at 384. */
#define REACH_ADVANTAGE 0.9
/* The largest place. */
#define EFFORT_PER_RESULT 45.3

static size_t place_of(double setting, double k)
{
    return (size_t)ceil(setting * k);
}

size_t graph_measure_effort_max(void)
{
    return place_of(EFFORT_PER_RESULT, GRAPH_MEASURED_K);
}

uint32_t graph_measure_queries(uint32_t count)
{
    uint32_t queries = count / NODES_PER_QUERY;
    if (queries == 0 && count > 1) queries = 1;
    return queries < QUERIES ? queries : QUERIES;
}

/* ---------------------------------------------------------------- queries */

typedef struct query_context {
    const graph_builder *builder;
    uint32_t node;
    const int16_t *code; /* under dot */
} query_context;

static void measure(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks)
{
    const query_context *query = context;
    const graph_builder *b = query->builder;
    if (!query->code) {
        graph_node_distances(b, query->node, nodes, count, ranks);
        return;
    }
    b->space->kernels->dot_sq8(query->code, b->codes, b->padded, nodes, count, ranks);
    for (size_t i = 0; i < count; i++)
        ranks[i] = -ranks[i];
}

static uint32_t queries_of(const graph_builder *b)
{
    return b->count - b->linked;
}

/* In the present group. */
static uint32_t group_size(const graph_builder *b)
{
    uint32_t left = queries_of(b) - b->measured.first;
    return left < GRAPH_MEASURED_TOGETHER ? left : GRAPH_MEASURED_TOGETHER;
}

static query_context query_of(const graph_builder *b, uint32_t in_group)
{
    const graph_measured *m = &b->measured;
    const int16_t *code = m->codes ? m->codes + in_group * b->padded : NULL;
    return (query_context){b, b->order[b->linked + m->first + in_group], code};
}

static topk_entry *nearest_of(const graph_builder *b, uint32_t in_group)
{
    return b->measured.nearest + (size_t)in_group * GRAPH_MEASURED_K;
}

static void begin_group(graph_builder *b)
{
    graph_measured *m = &b->measured;
    b->position = 0;
    m->nearest_count = 0;
    m->query = m->stop = m->curve = 0;
    graph_builder_result(b, &m->graph);
    for (uint32_t i = 0; i < group_size(b); i++) {
        const int8_t *code = b->codes + (size_t)query_of(b, i).node * b->padded;
        for (size_t j = 0; j < b->padded; j++)
            b->work[j] = b->centre[j] + b->step * (float)code[j];
        m->starts_counts[i] = 0;
        if (graph_has_starts(&m->graph))
            m->starts_counts[i] = graph_starts_choose(b->space, &m->graph, b->work, NULL,
                                                      b->work + b->padded, m->starts[i]);
        if (m->codes)
            graph_query_code(b->space, b->step, b->centre, b->work, m->codes + i * b->padded);
        if (m->nibbles)
            (void)graph_query_set(b->space, &m->graph, b->work, m->nibbles + i * b->padded,
                                  &m->queries[i]);
    }
}

/* Compares some nodes with all queries of the group while their codes are at hand. */
static void compare_some(graph_builder *b)
{
    graph_measured *m = &b->measured;
    uint32_t nodes[GRAPH_DEGREE_MAX];
    int32_t ranks[GRAPH_DEGREE_MAX];
    uint32_t group = group_size(b);
    size_t count_after = 0;
    for (uint32_t done = 0; done < COMPARE_A_STEP && b->position < b->count;) {
        uint32_t n = 0;
        for (; n < GRAPH_DEGREE_MAX && b->position < b->count; b->position++)
            nodes[n++] = b->position;
        for (uint32_t i = 0; i < group; i++) {
            query_context query = query_of(b, i);
            topk heap = {nearest_of(b, i), GRAPH_MEASURED_K, m->nearest_count};
            measure(&query, nodes, n, ranks);
            for (uint32_t j = 0; j < n; j++) {
                /* A rank has 30 bits, f32 24: the key keeps it whole. */
                uint64_t key = (uint64_t)(uint32_t)ranks[j] << 32 | nodes[j];
                if ((float)ranks[j] <= topk_threshold(&heap) && graph_is_linked(b, nodes[j]))
                    (void)topk_push(&heap, (float)ranks[j], key);
            }
            count_after = heap.count;
        }
        m->nearest_count = count_after;
        done += n * group;
    }
    for (uint32_t i = 0; i < group && b->position == b->count; i++) {
        topk heap = {nearest_of(b, i), GRAPH_MEASURED_K, m->nearest_count};
        topk_sort(&heap);
    }
}

/* ---------------------------------------------------------------- walks */

/* Whether walks are on 4-bit codes, and the query has one. */
static bool has_nibbles(const graph_builder *b)
{
    return b->nibbles && b->measured.queries[b->measured.query].nibbles;
}

static void set_context(graph_builder *b, const query_context *query)
{
    b->walk.measure = has_nibbles(b) ? graph_query_measure : measure;
    b->walk.context =
        has_nibbles(b) ? (const void *)&b->measured.queries[b->measured.query] : query;
}

static void begin_walk(graph_builder *b, const query_context *query)
{
    graph_measured *m = &b->measured;
    graph_walk *walk = &b->walk;
    size_t k = curve_k[m->curve];
    double last = settings[m->stop][m->points[m->stop][m->curve] - 1];
    size_t capacity = place_of(m->stop == PLACE ? last : EFFORT_PER_RESULT, (double)k);
    if (capacity < k) capacity = k;
    set_context(b, query);
    walk->links = b->links;
    walk->stride = b->stride;
    walk->entries = walk->others = b->entries;
    walk->entries_count = walk->others_count = b->entries_count;
    if (m->starts_counts[m->query] > 0) {
        walk->entries = m->starts[m->query];
        walk->entries_count = m->starts_counts[m->query];
    }
    walk->capacity = capacity < b->linked ? capacity : b->linked;
    walk->kept = has_nibbles(b) ? GRAPH_RERANK_PER_RESULT * k : k;
    walk->keep_reach = last;
    walk->results = m->stop == REACH ? k : 0;
    walk->origin = 0;
    if (has_nibbles(b))
        walk->origin = m->queries[m->query].origin;
    else if (query->code)
        walk->origin = graph_origin(true, query->code, b->padded, (double)b->largest_norm);
    walk->compared = 0;
    m->point = 0;
    m->is_walking = true;
    graph_walk_begin(walk);
}

/* Of the walk's nearest, as many as a search compares, those that are as near as the `last` result. */
static size_t count_compared(const graph_builder *b, const query_context *query, size_t k,
                             int32_t last)
{
    const graph_walk *walk = &b->walk;
    uint32_t nodes[GRAPH_DEGREE_MAX];
    int32_t ranks[GRAPH_DEGREE_MAX];
    size_t most = GRAPH_RERANK_PER_RESULT * k, found = 0;
    if (most > walk->count) most = walk->count;
    for (size_t first = 0; first < most; first += GRAPH_DEGREE_MAX) {
        size_t n = most - first < GRAPH_DEGREE_MAX ? most - first : GRAPH_DEGREE_MAX;
        for (size_t i = 0; i < n; i++)
            nodes[i] = walk->pool[first + i].node & ~GRAPH_EXPANDED;
        measure(query, nodes, n, ranks);
        for (size_t i = 0; i < n; i++)
            found += ranks[i] <= last;
    }
    return found < k ? found : k;
}

/* The part of the true results that a walk has found: nodes as near as the last of them. */
static float found_part(const graph_builder *b, const query_context *query)
{
    const graph_measured *m = &b->measured;
    const topk_entry *nearest = nearest_of(b, m->query);
    size_t k = curve_k[m->curve] < m->nearest_count ? curve_k[m->curve] : m->nearest_count;
    int32_t last = (int32_t)(uint32_t)(nearest[k - 1].key >> 32);
    size_t found = 0;
    if (has_nibbles(b)) {
        found = count_compared(b, query, k, last);
    } else {
        while (found < k && found < b->walk.count && b->walk.pool[found].rank <= last)
            found++;
    }
    return (float)found / (float)k;
}

/* Goes on to the next setting, or a part of the way; false: the walk is over. */
static bool walk_some(graph_builder *b, const query_context *query)
{
    graph_measured *m = &b->measured;
    graph_walk *walk = &b->walk;
    graph_curve *curve = &b->curves[m->stop][m->curve];
    double setting = settings[m->stop][m->point];
    size_t limit = walk->capacity, end = walk->at + EXPAND_A_STEP;
    walk->reach = setting;
    if (m->stop == PLACE) limit = place_of(setting, curve_k[m->curve]);
    bool is_over = graph_walk_on(walk, limit < end ? limit : end);
    if (!is_over && walk->at < limit) return true;
    curve->recalls[m->point] += found_part(b, query);
    curve->compared[m->point] += (float)walk->compared;
    return ++m->point < m->points[m->stop][m->curve];
}

/* ---------------------------------------------------------------- all of it */

static uint32_t queries_of_curve(uint32_t queries, size_t curve)
{
    uint32_t each = curve == 0 ? 1 : QUERIES_PER_LARGE_ONE;
    return (queries + each - 1) / each;
}

/* The first queries have shown how far the others have to go. */
static void judge(graph_builder *b)
{
    graph_measured *m = &b->measured;
    for (size_t stop = 0; stop < GRAPH_STOPS; stop++) {
        for (size_t i = 0; i < GRAPH_CURVES; i++) {
            const graph_curve *curve = &b->curves[stop][i];
            float enough = recalls_for_all[i] * (float)queries_of_curve(QUERIES_FOR_ALL, i);
            uint32_t last = 0;
            while (last < GRAPH_POINTS - 1 && curve->recalls[last] < enough)
                last++;
            m->points[stop][i] = last + 1;
            m->judged[stop][i] = (graph_point){curve->recalls[last], curve->compared[last]};
        }
    }
}

/* From sums to means. What only the first queries were asked is told as the difference that it made
 * for them. */
static void finish_curve(const graph_builder *b, size_t stop, size_t i, graph_curve *curve)
{
    uint32_t points = b->measured.points[stop][i];
    const graph_point *judged = &b->measured.judged[stop][i];
    float all = (float)queries_of_curve(queries_of(b), i);
    float some = (float)queries_of_curve(QUERIES_FOR_ALL, i);
    for (uint32_t j = 0; j < points; j++) {
        curve->recalls[j] /= all;
        curve->compared[j] /= all;
    }
    for (uint32_t j = points; j < GRAPH_POINTS; j++) {
        float recall = curve->recalls[points - 1] + (curve->recalls[j] - judged->recall) / some;
        curve->recalls[j] = recall < 1 ? recall : 1;
        curve->compared[j] =
            curve->compared[points - 1] + (curve->compared[j] - judged->compared) / some;
    }
}

static void finish(graph_builder *b)
{
    for (size_t stop = 0; stop < GRAPH_STOPS; stop++) {
        for (size_t i = 0; i < GRAPH_CURVES; i++)
            finish_curve(b, stop, i, &b->curves[stop][i]);
    }
    b->walk.results = 0;
    b->goal = b->count;
    graph_batch_next(b);
}

/* What one node finds of itself. */
static void finds_all(graph_builder *b)
{
    for (size_t i = 0; i < GRAPH_STOPS * GRAPH_CURVES; i++) {
        graph_curve *curve = &b->curves[i / GRAPH_CURVES][i % GRAPH_CURVES];
        for (uint32_t j = 0; j < GRAPH_POINTS; j++)
            curve->recalls[j] = curve->compared[j] = 1;
    }
}

void graph_measure_begin(graph_builder *b)
{
    bool is_done = b->linked == b->count;
    b->phase = is_done ? GRAPH_DONE : GRAPH_MEASURE;
    b->measured.first = 0;
    if (b->count == 1) finds_all(b);
    if (is_done) return;
    for (size_t i = 0; i < GRAPH_STOPS * GRAPH_CURVES; i++)
        b->measured.points[i / GRAPH_CURVES][i % GRAPH_CURVES] = GRAPH_POINTS;
    begin_group(b);
}

static void next_walk(graph_builder *b)
{
    graph_measured *m = &b->measured;
    if (++m->stop < GRAPH_STOPS) return;
    m->stop = 0;
    uint32_t number = m->first + m->query;
    if (++m->curve < GRAPH_CURVES && number % QUERIES_PER_LARGE_ONE == 0) return;
    m->curve = 0;
    if (number + 1 == QUERIES_FOR_ALL) judge(b);
    if (++m->query < group_size(b)) return;
    m->first += m->query;
    if (m->first == queries_of(b))
        finish(b);
    else
        begin_group(b);
}

void graph_measure_step(graph_builder *b)
{
    if (b->position < b->count) {
        compare_some(b);
        return;
    }
    graph_measured *m = &b->measured;
    query_context query = query_of(b, m->query);
    if (!m->is_walking) begin_walk(b, &query);
    set_context(b, &query);
    uint64_t first = b->walk.expanded;
    bool is_left;
    do
        is_left = walk_some(b, &query);
    while (is_left && b->walk.expanded - first < EXPAND_A_STEP);
    b->walk.context = NULL;
    if (is_left) return;
    m->is_walking = false;
    graph_walk_end(&b->walk);
    next_walk(b);
}

/* ---------------------------------------------------------------- reading the curves
 *
 * Straight lines between what was measured: logarithms and powers differ in their last bit between
 * C libraries, and an effort decides which rows are found. */

/* A point of a curve: the setting, by place as many nodes, and what is predicted. */
typedef struct reading {
    double setting, recall, compared;
} reading;

static double between(double from, double to, double share)
{
    return from + share * (to - from);
}

/* What was measured at a point: places are whole. */
static double setting_at(size_t stop, size_t curve, size_t point)
{
    double setting = settings[stop][point], k = curve_k[curve];
    return stop == PLACE ? (double)place_of(setting, k) / k : setting;
}

/* Where a curve reaches the recall; false: nowhere. */
static bool read_recall(const graph *graph, size_t stop, size_t curve, double recall, reading *at)
{
    const float *recalls = graph->curves[stop][curve].recalls;
    const float *compared = graph->curves[stop][curve].compared;
    size_t i = 0;
    while (i < GRAPH_POINTS && (double)recalls[i] < recall)
        i++;
    if (i == GRAPH_POINTS) return false;
    *at = (reading){setting_at(stop, curve, i), (double)recalls[i], (double)compared[i]};
    if (i == 0) return true;
    double here = (double)recalls[i], before = (double)recalls[i - 1];
    double share = here > before ? (recall - before) / (here - before) : 1;
    at->setting = between(setting_at(stop, curve, i - 1), at->setting, share);
    at->compared = between((double)compared[i - 1], at->compared, share);
    at->recall = recall;
    return true;
}

/* The part of the way from the first curve to the second at which k lies. */
static double share_of(double k)
{
    if (k <= curve_k[0]) return 0;
    if (k >= curve_k[1]) return 1;
    return (k - curve_k[0]) / (curve_k[1] - curve_k[0]);
}

/* For any k. Beyond the last curve places and comparisons grow with it. */
static bool read_for(const graph *graph, size_t stop, double k, double recall, reading *at)
{
    reading few, many;
    if (!read_recall(graph, stop, 0, recall, &few)) return false;
    if (!read_recall(graph, stop, 1, recall, &many)) return false;
    double share = share_of(k);
    double beyond = k > curve_k[1] ? k / curve_k[1] : 1;
    *at = (reading){
        .setting =
            stop == REACH
                ? between(few.setting, many.setting, share)
                : between(few.setting * curve_k[0], many.setting * curve_k[1], share) * beyond,
        .recall = between(few.recall, many.recall, share),
        .compared = between(few.compared, many.compared, share) * beyond,
    };
    return true;
}

static size_t whole(double nodes)
{
    return nodes < 1e9 ? (size_t)ceil(nodes) : (size_t)1e9;
}

/* k as curves are read: few results are looked for like ten. Nodes that may not be results lie
 * between those that may, so that more is looked at for as many. */
static double sought(size_t k, double share)
{
    double least = k < curve_k[0] ? curve_k[0] : (double)k;
    return least / (share > 0 ? share : 1);
}

bool graph_aim_recall(const graph *graph, size_t k, double share, double recall, graph_aim *aim)
{
    reading place, reach;
    double results = sought(k, share);
    bool by_place = read_for(graph, PLACE, results, recall, &place);
    bool by_reach = read_for(graph, REACH, results, recall, &reach);
    if (!by_place && !by_reach) return false;
    *aim = (graph_aim){.kept = whole(GRAPH_RERANK_PER_RESULT * (double)k / share)};
    if (by_place && (!by_reach || reach.compared >= REACH_ADVANTAGE * place.compared)) {
        aim->effort = whole(place.setting);
        aim->recall = place.recall;
        aim->compared = place.compared;
        return true;
    }
    aim->effort = whole(EFFORT_PER_RESULT * results);
    aim->results = whole(results);
    aim->reach = reach.setting;
    aim->recall = reach.recall;
    aim->compared = reach.compared;
    return true;
}

size_t graph_effort(const graph *graph, size_t k, double recall)
{
    reading place;
    if (!read_for(graph, PLACE, sought(k, 1), recall, &place)) return SIZE_MAX;
    size_t effort = whole(place.setting), least = k > curve_k[0] ? k : curve_k[0];
    return effort > least ? effort : least;
}

/* What a place on a curve gives; beyond its ends in proportion. */
static reading read_place(const graph *graph, size_t curve, double setting)
{
    const graph_curve *measured = &graph->curves[PLACE][curve];
    double least = setting_at(PLACE, curve, 0), most = setting_at(PLACE, curve, GRAPH_POINTS - 1);
    size_t last = GRAPH_POINTS - 1, i = 0;
    if (setting <= least) {
        double share = setting / least;
        return (reading){setting, share * (double)measured->recalls[0],
                         (double)measured->compared[0]};
    }
    if (setting >= most) {
        return (reading){setting, (double)measured->recalls[last],
                         (double)measured->compared[last] * (setting / most)};
    }
    while (setting_at(PLACE, curve, i + 1) < setting)
        i++;
    double from = setting_at(PLACE, curve, i);
    double share = (setting - from) / (setting_at(PLACE, curve, i + 1) - from);
    return (reading){
        setting,
        between((double)measured->recalls[i], (double)measured->recalls[i + 1], share),
        between((double)measured->compared[i], (double)measured->compared[i + 1], share),
    };
}

void graph_aim_effort(const graph *graph, size_t k, double share, size_t effort, graph_aim *aim)
{
    double results = sought(k, share);
    reading few = read_place(graph, 0, (double)effort / results);
    reading many = read_place(graph, 1, (double)effort / results);
    double part = share_of(results);
    double beyond = results > curve_k[1] ? results / curve_k[1] : 1;
    double recall = between(few.recall, many.recall, part);
    /* 4-bit codes were measured with so many compared by 8 bits. */
    size_t compared = graph->bits == 4 ? whole(GRAPH_RERANK_PER_RESULT * results) : 0;
    *aim = (graph_aim){
        .effort = effort,
        .kept = effort > compared ? effort : compared,
        .recall = recall < 1 ? recall : 1,
        .compared = between(few.compared, many.compared, part) * beyond,
    };
}
