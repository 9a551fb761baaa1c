/* A query as the codes of a graph are compared with it: ranks.
 *
 * With a query q, the codes' centre c and r = x - c of a node's vector x,
 *
 *     |q - x|^2  =  |r|^2 - 2 <q - c, r> + |q - c|^2        l2, and twice cosine's distance
 *     <q, x>     =  <q, r> + <q, c>                         dot
 *
 * so that |r|^2 / 2 - <q - c, r> orders nodes under l2 and cosine, and -<q, r> under dot. A rank is
 * that, in units that are the query's, as a whole number.
 *
 * 8 bits: r is `step` times a code of whole numbers, the query a code of finer steps, f to a unit.
 * A rank is f / (2 step) * norm - <codes>, all of it whole. Under dot, where the length of a query
 * says nothing, f is as large as its largest value allows.
 *
 * 4 bits: <q, r> is estimated by scale * <q, levels> (rabitq_wide.h), the query being rounded to 127
 * steps to either side. That sum is whole; what it is multiplied with are floats, in one order, and
 * the product is cut off to a whole number: the same everywhere.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/status.h"
#include "index/flat_internal.h"
#include "index/graph_walk.h"

/* Steps of a query to one of an 8-bit code under l2: as many as keep every rank in 31 bits
 * (kernels.h). */
#define QUERY_STEPS 8
/* An 8-bit code's error in one dimension is uniform within a step: its standard deviation, in
 * steps. */
#define CODE_DEVIATION 0.28867513459481287
/* That of a 4-bit code's inner product is at most this times the length of the query and the
 * distance, by the root of the dimensions: the root of 1 / u^2 - 1 of normal values
 * (rabitq_wide.c). */
#define NIBBLE_DEVIATION 0.108
/* Deviations within which codes may mistake the order of two nodes. Those of 4-bit codes are large:
 * more than 2.5 compare up to a tenth more originals and find less than 0.001 more. */
#define MARGIN_DEVIATIONS 4.0
#define NIBBLE_MARGIN_DEVIATIONS 2.5

/* Ranks of 4-bit codes stay below this. Factors from storage may be anything finite. */
#define RANK_MAX 0x1p30f
/* An estimate is at most so many times as long as the vectors' product: levels of half a step stand
 * for 0 too. */
#define ESTIMATE_MAX 4.0
/* Squared lengths with factors worth the name (rabitq_wide.c). */
#define SQUARE_MIN 0x1p-60f
#define SQUARE_MAX 0x1p119f
/* A query whose values are all smaller is at the centre. */
#define LARGEST_MIN 0x1p-110f

static bool is_dot(const flat_space *space)
{
    return space->metric == VEER_METRIC_DOT;
}

/* |q - c|^2, or |q|^2 under dot. */
static double query_square(const flat_space *space, const graph *graph, const float *rotated)
{
    const kernels *kernels = space->kernels;
    if (is_dot(space)) return (double)kernels->dot(rotated, rotated, space->padded);
    return (double)kernels->l2(rotated, graph->centre, space->padded);
}

/* ---------------------------------------------------------------- 8 bits */

/* Steps of a query's code to 1. */
static float query_fineness(const flat_space *space, float step, const float *rotated)
{
    if (!is_dot(space)) return QUERY_STEPS / step;
    float largest = FLT_MIN;
    for (uint32_t i = 0; i < space->padded; i++)
        largest = fabsf(rotated[i]) > largest ? fabsf(rotated[i]) : largest;
    return KERNEL_SQ8_QUERY_MAX / largest;
}

/* Rounded to the nearest (ties away from 0) and clamped, NaN to the least. */
static int16_t query_code(float value, float most)
{
    value = value > -most ? value : -most;
    value = value < most ? value : most;
    return (int16_t)(value + copysignf(0.5f, value));
}

void graph_query_code(const flat_space *space, float step, const float *centre,
                      const float *rotated, int16_t *code)
{
    float fine = query_fineness(space, step, rotated);
    uint32_t padded = space->padded;
    if (is_dot(space)) {
        for (uint32_t i = 0; i < padded; i++)
            code[i] = query_code(rotated[i] * fine, KERNEL_SQ8_QUERY_MAX);
    } else {
        for (uint32_t i = 0; i < padded; i++)
            code[i] = query_code((rotated[i] - centre[i]) * fine, KERNEL_SQ8_QUERY_MAX);
    }
}

double graph_origin(bool by_dot, const int16_t *code, size_t padded, double largest_norm)
{
    int64_t whole = 0;
    for (size_t i = 0; i < padded; i++)
        whole += (int32_t)code[i] * code[i];
    double squares = (double)whole;
    if (!by_dot) return squares / (2 * QUERY_STEPS);
    return sqrt(squares) * sqrt(largest_norm);
}

/* Whether codes cannot tell where the query is: it lies beyond all that they reach. */
static bool is_too_far(const flat_space *space, const graph *graph, const float *rotated)
{
    if (is_dot(space)) return false;
    float reach = graph->step * (KERNEL_SQ8_QUERY_MAX / (float)QUERY_STEPS);
    uint32_t inside = 0;
    for (uint32_t i = 0; i < space->padded; i++)
        inside += fabsf(rotated[i] - graph->centre[i]) <= reach;
    return inside < space->padded;
}

static bool set_bytes(const flat_space *space, const graph *graph, const float *rotated,
                      int16_t *code, graph_query *made)
{
    if (is_too_far(space, graph, rotated)) return false;
    graph_query_code(space, graph->step, graph->centre, rotated, code);
    made->code = code;
    made->norm_weight = is_dot(space) ? 0 : QUERY_STEPS / 2;
    made->origin = graph_origin(is_dot(space), code, space->padded, (double)graph->square);
    return true;
}

static void measure_bytes(const graph_query *query, const uint32_t *nodes, size_t count,
                          int32_t *ranks)
{
    const int32_t *norms = query->graph->norms;
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(norms + nodes[i]);
        graph_fetch_code(query, nodes[i]);
    }
    query->kernels->dot_sq8(query->code, query->graph->codes, query->padded, nodes, count, ranks);
    for (size_t i = 0; i < count; i++)
        ranks[i] = query->norm_weight * norms[nodes[i]] - ranks[i];
}

/* ---------------------------------------------------------------- 4 bits */

/* Ranks to 1, so that all fit. */
static double nibble_unit(const flat_space *space, const graph *graph, double square)
{
    double longest = (double)graph->square;
    double bound = ESTIMATE_MAX * sqrt(square * longest);
    if (!is_dot(space)) bound += longest / 2;
    return (double)RANK_MAX / bound;
}

/* The largest absolute value of the difference. Finite numbers of one sign are in the order of their
 * bits, whose largest is found in vectors. */
static float largest_of(const float *rotated, const float *centre, size_t padded)
{
    int32_t largest = 0;
    for (size_t i = 0; i < padded; i++) {
        float value = fabsf(centre ? rotated[i] - centre[i] : rotated[i]);
        int32_t bits;
        memcpy(&bits, &value, sizeof bits);
        largest = bits > largest ? bits : largest;
    }
    float value;
    memcpy(&value, &largest, sizeof value);
    return value;
}

/* The query's code, from its difference to the centre or, under dot, itself; returns a step of it.
 * Without aliases the loops become vectors. */
static float code_nibbles(const float *restrict rotated, const float *restrict centre,
                          size_t padded, int8_t *restrict code)
{
    float largest = largest_of(rotated, centre, padded);
    float inverse = largest > LARGEST_MIN ? KERNEL_SQ8_MAX / largest : 0;
    for (size_t i = 0; i < padded; i++) {
        float value = centre ? rotated[i] - centre[i] : rotated[i];
        code[i] = (int8_t)query_code(value * inverse, KERNEL_SQ8_MAX);
    }
    return largest / KERNEL_SQ8_MAX;
}

static bool set_nibbles(const flat_space *space, const graph *graph, const float *rotated,
                        int8_t *code, graph_query *made)
{
    double square = query_square(space, graph, rotated);
    if (!(square <= (double)SQUARE_MAX) || graph->square < SQUARE_MIN || graph->square > SQUARE_MAX)
        return false;
    float step = code_nibbles(rotated, is_dot(space) ? NULL : graph->centre, space->padded, code);
    int32_t sum = 0;
    for (uint32_t i = 0; i < space->padded; i++)
        sum += code[i];
    double unit = nibble_unit(space, graph, square);
    made->nibbles = code;
    made->sum = sum;
    made->square_weight = is_dot(space) ? 0 : (float)(unit / 2);
    made->gain = (float)(unit * (double)step / 2);
    made->origin = is_dot(space) ? unit * sqrt(square * (double)graph->square) : unit * square / 2;
    return true;
}

static int32_t whole_rank(float rank)
{
    rank = rank > -RANK_MAX ? rank : -RANK_MAX;
    return (int32_t)(rank < RANK_MAX ? rank : RANK_MAX);
}

static void measure_nibbles(const graph_query *query, const uint32_t *nodes, size_t count,
                            int32_t *ranks)
{
    const graph_factors *factors = query->graph->norms;
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(factors + nodes[i]);
        graph_fetch_code(query, nodes[i]);
    }
    query->kernels->dot_sq4(query->nibbles, query->graph->codes, query->padded, nodes, count,
                            ranks);
    for (size_t i = 0; i < count; i++) {
        const graph_factors *of = &factors[nodes[i]];
        float product = query->gain * of->scale * (float)(2 * ranks[i] - 15 * query->sum);
        ranks[i] = whole_rank(query->square_weight * of->square - product);
    }
}

/* ---------------------------------------------------------------- either */

void graph_query_measure(const void *context, const uint32_t *nodes, size_t count, int32_t *ranks)
{
    const graph_query *query = context;
    if (query->nibbles)
        measure_nibbles(query, nodes, count, ranks);
    else
        measure_bytes(query, nodes, count, ranks);
}

bool graph_query_set(const flat_space *space, const graph *graph, const float *rotated,
                     int16_t *code, graph_query *made)
{
    *made = (graph_query){.graph = graph,
                          .kernels = space->kernels,
                          .padded = space->padded,
                          .code_bytes = graph_code_bytes(graph, space->padded)};
    return graph->bits == 8 ? set_bytes(space, graph, rotated, code, made)
                            : set_nibbles(space, graph, rotated, (int8_t *)code, made);
}

veer_status graph_query_init(const flat_space *space, const graph *graph, const flat_query *query,
                             arena *scratch, graph_query *made, bool *has_no_code)
{
    int16_t *code = arena_array(scratch, space->padded, sizeof *code);
    if (!code) return VEER_E_NOMEM;
    *has_no_code = !graph_query_set(space, graph, query->rotated, code, made);
    return VEER_OK;
}

/* ---------------------------------------------------------------- what ranks say */

static double unit_of(const flat_space *space, const graph *graph, const float *rotated,
                      double square)
{
    if (graph->bits == 4) return nibble_unit(space, graph, square);
    return (double)query_fineness(space, graph->step, rotated) / (double)graph->step;
}

/* The standard deviation of a rank's error, at a squared distance from the query. */
static double rank_error(const flat_space *space, const graph *graph, double unit, double square,
                         double squared_distance)
{
    if (squared_distance < 0) squared_distance = 0;
    if (graph->bits == 8) {
        double length = sqrt(is_dot(space) ? square : squared_distance);
        return unit * CODE_DEVIATION * (double)graph->step * length;
    }
    double far = is_dot(space) ? (double)graph->square : squared_distance;
    return unit * NIBBLE_DEVIATION * sqrt(square * far / space->padded);
}

/* The largest rank of a node that codes may mistake for one of this rank. */
static int32_t rank_limit(const flat_space *space, const graph *graph, const flat_query *query,
                          int32_t rank)
{
    double square = query_square(space, graph, query->rotated);
    double unit = unit_of(space, graph, query->rotated, square);
    double error = rank_error(space, graph, unit, square, 2.0 * rank / unit + square);
    double deviations = graph->bits == 8 ? MARGIN_DEVIATIONS : NIBBLE_MARGIN_DEVIATIONS;
    double limit = rank + ceil(deviations * error);
    return limit < INT32_MAX ? (int32_t)limit : INT32_MAX;
}

size_t graph_to_compare(const flat_space *space, const graph *graph, const flat_query *query,
                        const graph_near *nearest, size_t count, size_t k)
{
    size_t most = k > SIZE_MAX / GRAPH_RERANK_PER_RESULT ? SIZE_MAX : k * GRAPH_RERANK_PER_RESULT;
    if (most > count) most = count;
    if (k == 0 || most <= k) return most;
    int32_t limit = rank_limit(space, graph, query, nearest[k - 1].rank);
    size_t kept = k;
    while (kept < most && nearest[kept].rank <= limit)
        kept++;
    return kept;
}

float graph_estimate(const flat_space *space, const graph *graph, const flat_query *query,
                     int32_t rank)
{
    double square = query_square(space, graph, query->rotated);
    double unit = unit_of(space, graph, query->rotated, square);
    if (is_dot(space)) {
        float base = space->kernels->dot(query->rotated, graph->centre, space->padded);
        return (float)(rank / unit - (double)base);
    }
    double squared = 2.0 * rank / unit + square;
    return (float)(space->metric == VEER_METRIC_COSINE ? squared / 2 : squared);
}
