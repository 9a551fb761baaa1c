/* Nanoseconds a row of the 1-bit scan beside the f32 scan, of the rotation and of the encoder, of the
 * further metrics, and of distances to 8-bit and 4-bit codes.
 *
 *   kernels [TIER...]
 *
 * For 128, 384 and 768 dimensions: 60,000 rows (the f32 rows exceed the caches, as they do in use), and
 * 2,000 rows of codes in cache. Nothing passes the scan's threshold. Best of several rounds. Then
 * 8-bit and 4-bit codes, 32 nodes a call, random ones of 400,000 and of 32: medians of rounds that
 * go through the tiers in turn. Without arguments: every tier of this machine.
 */
#define _GNU_SOURCE
#include "base/memory.h"
#include "base/rng.h"
#include "code_rates.h"
#include "index/flat_internal.h"
#include "vecs_file.h"

#define ROWS 60000u
#define ROWS_IN_CACHE 2000u
#define ROUNDS 15

static double now(void)
{
    return bench_seconds(CLOCK_THREAD_CPUTIME_ID);
}

typedef struct bench {
    const kernels *kernels;
    size_t dims;
    float *values;
    const float **rows;
    float *results;
    uint8_t *blocks;
    rabitq_query query;
    flat_space *space;
    arena scratch;
} bench;

static double scan_f32(bench *b)
{
    double start = now();
    b->kernels->dot_rows(b->values, b->rows, ROWS, b->dims, b->results);
    return now() - start;
}

/* In batches, as searches do. */
static double scan_further(bench *b, kernel_further metric)
{
    enum { FURTHER_BATCH = 256 };
    double start = now();
    for (size_t i = 0; i < ROWS; i += FURTHER_BATCH) {
        size_t count = ROWS - i < FURTHER_BATCH ? ROWS - i : FURTHER_BATCH;
        b->kernels->further[metric](b->values, b->rows + i, count, b->dims, b->results);
    }
    return now() - start;
}

static double scan_codes(bench *b, size_t rows)
{
    static float minima[ROWS / 32 + 1];
    kernel_hits hits;
    size_t repeats = ROWS / rows;
    double start = now();
    for (size_t i = 0; i < repeats; i++) {
        if (b->kernels->scan(&b->query.probe, b->blocks, rows, NULL, 0, -1e30f, minima, &hits) !=
            kernel_pairs(rows)) {
            exit(1);
        }
    }
    return (now() - start) * (double)ROWS / (double)(repeats * rows);
}

static double rotate(bench *b)
{
    double start = now();
    for (size_t i = 0; i < ROWS; i++) {
        rotation_apply(&b->space->rotation, b->kernels, b->values + (i % 64) * b->dims);
    }
    return now() - start;
}

static double encode(bench *b)
{
    double start = now();
    for (size_t i = 0; i < ROWS / 32; i++) {
        if (flat_encode(b->space, b->values, b->rows + 32 * i, 32, &b->scratch,
                        b->blocks + i * flat_block_bytes(b->space))) {
            exit(1);
        }
    }
    return now() - start;
}

static double tables(bench *b)
{
    static uint8_t space[4 * VEER_DIMS_MAX];
    static float residual[VEER_DIMS_MAX];
    rabitq_query query;
    double start = now();
    for (size_t i = 0; i < ROWS; i++) {
        rabitq_query_init(&b->space->quantizer, b->rows[i], b->values, 3, residual, space, &query);
    }
    return now() - start;
}

#define BEST(expression)                               \
    do {                                               \
        best = 1e9;                                    \
        for (int round = 0; round < ROUNDS; round++) { \
            double seconds = (expression);             \
            if (seconds < best) best = seconds;        \
        }                                              \
        best *= 1e9 / ROWS;                            \
    } while (0)

static void run(const kernels *k, size_t dims)
{
    const veer_allocator *allocator = memory_default();
    bench b = {.kernels = k, .dims = dims};
    static uint8_t table_space[4 * VEER_DIMS_MAX];
    static float residual[VEER_DIMS_MAX];
    kernels_force(k);
    if (flat_space_new(allocator, (uint32_t)dims, VEER_METRIC_COSINE, 42, &b.space, NULL)) exit(1);
    arena_init(&b.scratch, allocator);
    b.values = memory_array(allocator, ROWS * dims, 4);
    b.rows = memory_array(allocator, ROWS, sizeof *b.rows);
    b.results = memory_array(allocator, ROWS, 4);
    b.blocks = memory_array(allocator, ROWS / 32 + 1, flat_block_bytes(b.space));
    rng random;
    rng_init(&random, 1);
    for (size_t i = 0; i < ROWS * dims; i++)
        b.values[i] = (float)rng_unit(&random) - 0.5f;
    for (size_t i = 0; i < ROWS; i++)
        b.rows[i] = b.values + i * dims;
    rabitq_query_init(&b.space->quantizer, b.values, b.values + dims, 3.3f, residual, table_space,
                      &b.query);

    double best;
    BEST(encode(&b));
    double encode_ns = best;
    BEST(scan_f32(&b));
    double f32_ns = best;
    BEST(scan_codes(&b, ROWS));
    double codes_ns = best;
    BEST(scan_codes(&b, ROWS_IN_CACHE));
    double cached_ns = best;
    BEST(tables(&b));
    double tables_ns = best;
    BEST(rotate(&b));
    printf("%-8s %4zu dims: f32 %7.2f ns  codes %6.3f ns (%5.1fx; in cache %6.3f ns)  "
           "rotation %6.0f ns  encode %6.0f ns  tables %6.0f ns\n",
           k->name, dims, f32_ns, codes_ns, f32_ns / codes_ns, cached_ns, best, encode_ns,
           tables_ns);
    static const char *const names[KERNEL_FURTHER] = {"manhattan",  "chebyshev", "canberra",
                                                      "braycurtis", "hamming",   "jaccard"};
    printf("%-8s %4zu dims:", k->name, dims);
    for (kernel_further metric = 0; metric < KERNEL_FURTHER; metric++) {
        BEST(scan_further(&b, metric));
        printf(" %s %.2f ns", names[metric], best);
    }
    printf("\n");
    memory_array_free(allocator, b.values, ROWS * dims, 4);
    memory_array_free(allocator, b.rows, ROWS, sizeof *b.rows);
    memory_array_free(allocator, b.results, ROWS, 4);
    memory_array_free(allocator, b.blocks, ROWS / 32 + 1, flat_block_bytes(b.space));
    arena_fini(&b.scratch);
    flat_space_free(b.space);
}

/* ---------------------------------------------------------------- 8-bit and 4-bit codes */

#define CODES_ROUNDS 31
#define TIERS_MAX 8

static volatile int32_t sink;

/* Nanoseconds a distance, of newly drawn nodes. */
static double visit(code_rates *rates, const kernels *k, size_t count, code_rates_kind kind)
{
    code_rates_draw(rates, count);
    double start = now();
    sink = code_rates_visit(rates, k, kind);
    return 1e9 * (now() - start) / CODE_RATES_VISITS;
}

static int by_value(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static void run_codes(const kernels *const *tiers, size_t tiers_count, size_t dims)
{
    static double rounds[TIERS_MAX][2][CODE_RATES_KINDS][CODES_ROUNDS];
    static const size_t counts[] = {CODE_RATES_NODES, CODE_RATES_IN_CACHE};
    static const char *const where[] = {"", " in cache"};
    static const char *const names[CODE_RATES_KINDS] = {"8-bit dot", "8-bit l2", "4-bit dot"};
    code_rates *rates = code_rates_new(dims);
    if (rates == NULL) exit(1);
    for (int round = 0; round < CODES_ROUNDS; round++) {
        for (size_t t = 0; t < tiers_count; t++) {
            for (size_t c = 0; c < 2; c++) {
                for (code_rates_kind kind = 0; kind < CODE_RATES_KINDS; kind++)
                    rounds[t][c][kind][round] = visit(rates, tiers[t], counts[c], kind);
            }
        }
    }
    for (size_t t = 0; t < tiers_count; t++) {
        printf("%-8s %4zu dims:", tiers[t]->name, dims);
        for (size_t c = 0; c < 2; c++) {
            for (code_rates_kind kind = 0; kind < CODE_RATES_KINDS; kind++) {
                double *values = rounds[t][c][kind];
                qsort(values, CODES_ROUNDS, sizeof *values, by_value);
                printf("  %s%s %6.2f ns", names[kind], where[c], values[CODES_ROUNDS / 2]);
            }
        }
        printf("\n");
    }
    code_rates_free(rates);
}

int main(int argc, char **argv)
{
    static const size_t dims[] = {128, 384, 768};
    static const char *const names[] = {"scalar", "avx2", "avx512", "neon", "neon_dot"};
    const kernels *tiers[TIERS_MAX];
    size_t tiers_count = 0;
    for (size_t i = 0; argc == 1 && i < sizeof names / sizeof names[0]; i++) {
        if (kernels_find(names[i]) != NULL) tiers[tiers_count++] = kernels_find(names[i]);
    }
    for (int i = 1; i < argc && tiers_count < TIERS_MAX; i++) {
        tiers[tiers_count] = kernels_find(argv[i]);
        if (tiers[tiers_count++] == NULL) {
            fprintf(stderr, "%s: no such tier here\n", argv[i]);
            return 1;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        for (size_t t = 0; t < tiers_count; t++)
            run(tiers[t], dims[i]);
    }
    for (size_t i = 0; i < 3; i++)
        run_codes(tiers, tiers_count, dims[i]);
    return 0;
}
