/* Codes of vectors beside each other: recall by their estimates alone, recall of the k nearest among
 * the RERANKED best estimates, bytes a row, rows encoded a second. A JSON line for each.
 *
 *   quant_rates BASE QUERIES TRUTH METRIC ROUNDS LIMIT
 *
 * All but f16 are codes of r = x - mean, rotated, and estimate a distance by
 * add + m * estimate of <r, q - mean>, where add (f32) is exact (src/quant/rabitq.c, m is 2 under l2,
 * else 1). Queries are f32, but for the row "as searched": there they are lookup tables of bytes, as
 * in the scan. Of each row the estimates for all queries are made before the next one's, which is
 * nothing that a search could do: speed is the matter of other suites.
 */
#define _GNU_SOURCE
#include <math.h>

#include "base/memory.h"
#include "index/flat_internal.h"
#include "quant/rabitq_wide.h"
#include "vecs_truth.h"

#define K 10u
#define RERANKED 100u
#define ROUNDS_MAX 99u
#define ENCODED_ROWS 4096u    /* a round */
#define WHOLE_DEVIATIONS 12.0 /* what 8-bit codes cover, as in src/index/graph_build.c */

typedef enum method { AS_SEARCHED, RABITQ, UNIFORM, SQ8, F16 } method;

typedef struct quantizer {
    const char *name;
    method method;
    unsigned bits;
} quantizer;

static const quantizer quantizers[] = {
    {"RaBitQ 1 bit, as searched", AS_SEARCHED, 1},
    {"RaBitQ 1 bit", RABITQ, 1},
    {"RaBitQ 2 bits", RABITQ, 2},
    {"RaBitQ 3 bits", RABITQ, 3},
    {"RaBitQ 4 bits", RABITQ, 4},
    {"RaBitQ 5 bits", RABITQ, 5},
    {"RaBitQ 6 bits", RABITQ, 6},
    {"RaBitQ 7 bits", RABITQ, 7},
    {"RaBitQ 8 bits", RABITQ, 8},
    {"4 bits, one step for all rows", UNIFORM, 4},
    {"8 bits, one step for all rows (SQ8, as in graphs)", SQ8, 8},
    {"f16 of the originals", F16, 16},
};
#define QUANTIZERS (sizeof quantizers / sizeof quantizers[0])

typedef struct bench {
    veer_metric metric;
    vecs base, queries, truth;
    flat_space *space;
    const kernels *kernels;
    size_t dims, padded, count; /* of queries */
    float *centre;
    float *queries_rotated;  /* count x padded, minus the centre */
    float *queries_prepared; /* count x padded */
    const float **rotated_at, **prepared_at;
    float deviation, largest; /* of all residuals' elements */
    float *work, *residual;   /* padded each */
    float *products;          /* count */
    topk_entry *entries;      /* count x RERANKED */
    topk *heaps;              /* count */
    arena scratch;
} bench;

static void *room(size_t count, size_t bytes)
{
    void *memory = memory_array(memory_default(), count, bytes);
    if (memory == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    return memory;
}

/* x - mean, rotated, of a row of the base; returns what its estimates add. */
static float make_residual(bench *b, size_t row)
{
    kernel_sums sums;
    flat_prepare(b->space, b->base.values + row * b->dims, b->work);
    rotation_apply(&b->space->rotation, b->kernels, b->work);
    b->kernels->residual(b->work, b->centre, b->padded, b->residual, &sums);
    return b->metric == VEER_METRIC_L2 ? sums.squares : -sums.dot;
}

/* What a row needs besides its code. */
typedef struct factors {
    float add, scale;
} factors;

static factors encode(bench *b, const quantizer *q, size_t row, void *code)
{
    factors f = {0, 1};
    if (q->method == F16) {
        flat_prepare(b->space, b->base.values + row * b->dims, b->work);
        b->kernels->encode_half(b->work, b->dims, code);
        return f;
    }
    f.add = make_residual(b, row);
    if (q->method == RABITQ) {
        f.scale = rabitq_wide_encode(b->residual, b->padded, q->bits, code).scale;
    } else if (q->method == UNIFORM) {
        f.scale = b->deviation * rabitq_wide_normal_step(q->bits);
        rabitq_wide_round(b->residual, b->padded, q->bits, f.scale, code);
    } else {
        double range = WHOLE_DEVIATIONS * (double)b->deviation;
        if ((double)b->largest < range) range = (double)b->largest;
        f.scale = (float)(range / KERNEL_SQ8_MAX);
        b->kernels->encode_sq8(b->residual, b->padded, 1 / f.scale, code);
    }
    return f;
}

/* The levels of a code, or the vector itself of f16, to b->work. */
static void decode(bench *b, const quantizer *q, const void *code)
{
    if (q->method == F16) {
        b->kernels->decode_half(code, b->dims, b->work);
    } else if (q->method == SQ8) {
        for (size_t i = 0; i < b->padded; i++)
            b->work[i] = ((const int8_t *)code)[i];
    } else {
        rabitq_wide_levels(code, b->padded, q->bits, b->work);
    }
}

static size_t code_bytes(const bench *b, const quantizer *q)
{
    if (q->method == F16) return b->dims * sizeof(uint16_t);
    return q->method == SQ8 ? b->padded : rabitq_wide_bytes(b->padded, q->bits);
}

/* With what belongs to a row: the exact addend; of RaBitQ also the scale and the error. */
static size_t row_bytes(const bench *b, const quantizer *q)
{
    if (q->method == F16) return code_bytes(b, q);
    bool is_rabitq = q->method == RABITQ || q->method == AS_SEARCHED;
    return code_bytes(b, q) + (is_rabitq ? 3 : 1) * sizeof(float);
}

/* ---------------------------------------------------------------- estimates */

static void estimate_codes(bench *b, const quantizer *q)
{
    bool is_l2 = b->metric == VEER_METRIC_L2;
    void *code = room(code_bytes(b, q), 1);
    for (size_t row = 0; row < b->base.rows; row++) {
        factors f = encode(b, q, row, code);
        decode(b, q, code);
        if (q->method == F16) {
            kernel_rows rows = is_l2 ? b->kernels->l2_rows : b->kernels->dot_rows;
            rows(b->work, b->prepared_at, b->count, b->dims, b->products);
            f.scale = is_l2 ? 1 : -1;
        } else {
            b->kernels->dot_rows(b->work, b->rotated_at, b->count, b->padded, b->products);
            f.scale *= is_l2 ? -2 : -1;
        }
        for (size_t i = 0; i < b->count; i++)
            topk_push(&b->heaps[i], f.add + f.scale * b->products[i], row);
    }
    memory_array_free(memory_default(), code, code_bytes(b, q), 1);
}

static void estimate_as_searched(bench *b)
{
    size_t block_bytes = flat_block_bytes(b->space);
    size_t blocks = kernel_blocks(b->base.rows);
    uint8_t *codes = room(blocks, block_bytes);
    uint8_t *tables = room(4, b->padded);
    float *query = room(b->padded, sizeof *query);
    for (size_t row = 0; row < b->base.rows; row++) {
        void *block = codes + row / 32 * block_bytes;
        if (row % 32 == 0) flat_clear_block(b->space, block);
        if (flat_encode_row(b->space, b->centre, b->base.values + row * b->dims,
                            (unsigned)(row % 32), &b->scratch, block) != VEER_OK)
            exit(1);
    }
    for (size_t i = 0; i < b->count; i++) {
        rabitq_query probe;
        memcpy(query, b->prepared_at[i], b->padded * sizeof *query);
        rotation_apply(&b->space->rotation, b->kernels, query);
        rabitq_query_init(&b->space->quantizer, query, b->centre, 1, b->residual, tables, &probe);
        for (size_t block = 0; block < blocks; block++) {
            rabitq_bounds bounds[32];
            kernel_hits hits;
            size_t left = b->base.rows - 32 * block;
            uint32_t mask = left < 32 ? (1u << left) - 1 : UINT32_MAX;
            b->kernels->test_block(&probe.probe, codes + block * block_bytes, INFINITY, &hits);
            rabitq_bound_rows(&probe, codes + block * block_bytes, mask, hits.centred, bounds);
            for (size_t row = 0; row < 32 && row < left; row++)
                topk_push(&b->heaps[i], bounds[row].estimate, 32 * block + row);
        }
    }
    memory_array_free(memory_default(), query, b->padded, sizeof *query);
    memory_array_free(memory_default(), tables, 4, b->padded);
    memory_array_free(memory_default(), codes, blocks, block_bytes);
}

static void measure_recall(bench *b, const quantizer *q, double recalls[2])
{
    for (size_t i = 0; i < b->count; i++)
        topk_init(&b->heaps[i], b->entries + i * RERANKED, RERANKED);
    if (q->method == AS_SEARCHED)
        estimate_as_searched(b);
    else
        estimate_codes(b, q);
    size_t hits[2] = {0, 0};
    for (size_t i = 0; i < b->count; i++) {
        const float *query = b->queries.values + i * b->dims;
        size_t last = (size_t)b->truth.places[i * b->truth.dims + K - 1];
        double kth = vecs_distance(b->metric, query, b->base.values + last * b->dims, b->dims);
        uint64_t keys[RERANKED];
        topk_sort(&b->heaps[i]);
        for (size_t j = 0; j < b->heaps[i].count; j++)
            keys[j] = b->heaps[i].entries[j].key;
        hits[0] += vecs_hits(&b->base, b->metric, query, kth, keys, K);
        /* Reranking finds every true one that is among them; more ties than K count once. */
        size_t among = vecs_hits(&b->base, b->metric, query, kth, keys, b->heaps[i].count);
        hits[1] += among < K ? among : K;
    }
    for (int i = 0; i < 2; i++)
        recalls[i] = (double)hits[i] / (double)(b->count * K);
}

/* ---------------------------------------------------------------- encoding */

static double encode_seconds(bench *b, const quantizer *q)
{
    size_t rows = b->base.rows < ENCODED_ROWS ? b->base.rows : ENCODED_ROWS;
    void *code = room(code_bytes(b, q) + flat_block_bytes(b->space), 1);
    double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t row = 0; row < rows; row++) {
        if (q->method != AS_SEARCHED)
            encode(b, q, row, code);
        else if (flat_encode_row(b->space, b->centre, b->base.values + row * b->dims,
                                 (unsigned)(row % 32), &b->scratch, code) != VEER_OK)
            exit(1);
    }
    double seconds = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    memory_array_free(memory_default(), code, code_bytes(b, q) + flat_block_bytes(b->space), 1);
    return seconds / (double)rows;
}

/* ---------------------------------------------------------------- all of it */

static void prepare(bench *b)
{
    if (flat_space_new(memory_default(), (uint32_t)b->dims, b->metric, 42, &b->space, NULL))
        exit(1);
    arena_init(&b->scratch, memory_default());
    b->kernels = kernels_get();
    b->padded = flat_padded_dims(b->space);
    b->centre = room(b->padded, sizeof(float));
    b->work = room(b->padded, sizeof(float));
    b->residual = room(b->padded, sizeof(float));
    b->products = room(b->count, sizeof(float));
    b->entries = room(b->count * RERANKED, sizeof *b->entries);
    b->heaps = room(b->count, sizeof *b->heaps);
    b->rotated_at = room(b->count, sizeof *b->rotated_at);
    b->prepared_at = room(b->count, sizeof *b->prepared_at);
    b->queries_rotated = room(b->count * b->padded, sizeof(float));
    b->queries_prepared = room(b->count * b->padded, sizeof(float));
    double *sum = room(b->dims, sizeof *sum), squares = 0;
    for (size_t row = 0; row < b->base.rows; row++)
        flat_sum_add(b->space, b->base.values + row * b->dims, sum);
    if (flat_centre(b->space, sum, b->base.rows, &b->scratch, b->centre) != VEER_OK) exit(1);
    for (size_t row = 0; row < b->base.rows; row++) {
        make_residual(b, row);
        for (size_t i = 0; i < b->padded; i++) {
            squares += (double)b->residual[i] * (double)b->residual[i];
            b->largest = fmaxf(b->largest, fabsf(b->residual[i]));
        }
    }
    b->deviation = (float)sqrt(squares / (double)b->base.rows / (double)b->padded);
    for (size_t i = 0; i < b->count; i++) {
        float *rotated = b->queries_rotated + i * b->padded;
        b->rotated_at[i] = rotated;
        b->prepared_at[i] = b->queries_prepared + i * b->padded;
        flat_prepare(b->space, b->queries.values + i * b->dims, rotated);
        memcpy(b->queries_prepared + i * b->padded, rotated, b->padded * sizeof *rotated);
        rotation_apply(&b->space->rotation, b->kernels, rotated);
        for (size_t j = 0; j < b->padded; j++)
            rotated[j] -= b->centre[j];
    }
    memory_array_free(memory_default(), sum, b->dims, sizeof *sum);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "quant_rates BASE QUERIES TRUTH METRIC ROUNDS LIMIT\n");
        return 2;
    }
    bench b = {.metric = bench_metric(argv[4])};
    static double rates[QUANTIZERS][ROUNDS_MAX];
    size_t rounds = strtoul(argv[5], NULL, 10), limit = strtoul(argv[6], NULL, 10);
    b.base = vecs_read(argv[1]);
    b.queries = vecs_read(argv[2]);
    b.truth = vecs_read(argv[3]);
    b.dims = b.base.dims;
    b.count = b.queries.rows;
    if (limit > 0 && limit < b.count) b.count = limit;
    if (rounds < 1 || rounds > ROUNDS_MAX || b.truth.dims < K || b.truth.rows < b.count ||
        b.queries.dims != b.dims) {
        fprintf(stderr, "ROUNDS is 1-%u, and the files must belong together\n", ROUNDS_MAX);
        return 2;
    }
    prepare(&b);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t q = 0; q < QUANTIZERS; q++)
            rates[q][round] = 1 / encode_seconds(&b, &quantizers[q]);
    }
    for (size_t q = 0; q < QUANTIZERS; q++) {
        double recalls[2];
        measure_recall(&b, &quantizers[q], recalls);
        printf("{\"engine\": \"veer-quant\", \"setting\": \"%s\", \"dims\": %zu, \"rows\": %zu, "
               "\"tier\": \"%s\", \"bits\": %u, \"recall\": %.5f, \"recall_reranked\": %.5f, "
               "\"bytes_row\": %zu, ",
               quantizers[q].name, b.dims, b.base.rows, b.kernels->name, quantizers[q].bits,
               recalls[0], recalls[1], row_bytes(&b, &quantizers[q]));
        bench_print_rounds("encode_rows_s_rounds", rates[q], rounds);
        printf("}\n");
        fflush(stdout);
    }
    return 0;
}
