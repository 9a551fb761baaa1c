/* Recall and speed of the flat index on vector files, one thread:
 *
 *   flat_search BASE QUERIES TRUTH METRIC [K [SIGMAS...]]
 *
 * METRIC is cosine, dot or l2; TRUTH holds row numbers; without SIGMAS a series of widths is run.
 * A line per width: recall@k, queries a second (of process CPU time; median and best of 9
 * rounds), and per query the
 * candidates after the scan, rows reranked, and microseconds for tables, scan and rerank.
 */
#define _GNU_SOURCE
#include "base/memory.h"
#include "index/flat.h"
#include "vecs_file.h"

#define ROUNDS 9

typedef struct search {
    flat_space *space;
    vecs base;
    float *inverse;
    float *centre;
    uint8_t *blocks;
    arena scratch;
    uint64_t candidates, reranked;
    double tables_s, scan_s, rerank_s;
} search;

static double now(void)
{
    return bench_seconds(CLOCK_THREAD_CPUTIME_ID);
}

static void encode(search *s, const vecs *base, veer_metric metric)
{
    const veer_allocator *allocator = memory_default();
    s->base = *base;
    if (flat_space_new(allocator, (uint32_t)base->dims, metric, 42, &s->space, NULL)) exit(1);
    arena_init(&s->scratch, allocator);
    double start = now();
    size_t blocks = (base->rows + 31) / 32;
    s->inverse = memory_array(allocator, base->rows, 4);
    s->centre = memory_array(allocator, flat_padded_dims(s->space), 4);
    s->blocks = memory_array(allocator, blocks, flat_block_bytes(s->space));
    double *sum = memory_array(allocator, base->dims, 8);
    for (size_t i = 0; i < base->rows; i++) {
        const float *row = base->values + i * base->dims;
        if (!flat_vector_valid(s->space, row, NULL)) exit(1);
        s->inverse[i] = flat_inverse_norm(s->space, row);
        flat_sum_add(s->space, row, sum);
    }
    if (flat_centre(s->space, sum, base->rows, &s->scratch, s->centre)) exit(1);
    double middle = now();
    for (size_t i = 0; i < blocks; i++) {
        const float *rows[32];
        unsigned count = 0;
        for (; count < 32 && i * 32 + count < base->rows; count++) {
            rows[count] = base->values + (i * 32 + count) * base->dims;
        }
        void *block = s->blocks + i * flat_block_bytes(s->space);
        if (flat_encode(s->space, s->centre, rows, count, &s->scratch, block)) exit(1);
    }
    printf("%zu rows x %zu, tier %s: checks and mean %.2f us, codes %.2f us a row\n", base->rows,
           base->dims, flat_tier(), 1e6 * (middle - start) / (double)base->rows,
           1e6 * (now() - middle) / (double)base->rows);
    memory_array_free(allocator, sum, base->dims, 8);
}

static void rerank(search *s, const flat_query *query, flat_candidates *found, topk *nearest)
{
    enum { FIRST = 32, BATCH = 64 };
    const float *vectors[BATCH];
    float norms[BATCH];
    float distances[BATCH];
    const flat_candidate *items;
    size_t limit = FIRST;
    for (;;) {
        size_t n = flat_candidates_next(found, topk_threshold(nearest), limit, &items);
        if (n == 0) return;
        for (size_t i = 0; i < n; i++) {
            vectors[i] = s->base.values + items[i].row * s->base.dims;
            norms[i] = s->inverse[items[i].row];
        }
        flat_distances(s->space, query, vectors, norms, n, distances);
        for (size_t i = 0; i < n; i++)
            topk_push(nearest, distances[i], items[i].row);
        s->reranked += n;
        limit = BATCH;
    }
}

static void run_query(search *s, const float *vector, float sigmas, topk *nearest)
{
    arena_reset(&s->scratch);
    flat_query *query;
    flat_candidates found;
    double t0 = now();
    if (flat_query_new(s->space, vector, sigmas, &s->scratch, &query)) exit(1);
    flat_query_centre(query, s->centre);
    double t1 = now();
    if (flat_candidates_init(&found, nearest->k, &s->scratch)) exit(1);
    if (flat_scan(s->space, query, s->blocks, s->base.rows, NULL, 0, &found)) exit(1);
    double t2 = now();
    s->candidates += found.count;
    rerank(s, query, &found, nearest);
    topk_sort(nearest);
    double t3 = now();
    s->tables_s += t1 - t0;
    s->scan_s += t2 - t1;
    s->rerank_s += t3 - t2;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run(search *s, const vecs *queries, const vecs *truth, size_t k, float sigmas)
{
    topk_entry *entries = malloc(k * sizeof *entries);
    double seconds[ROUNDS];
    size_t hits = 0;
    s->candidates = s->reranked = 0;
    s->tables_s = s->scan_s = s->rerank_s = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (size_t i = 0; i < queries->rows; i++) {
            topk nearest;
            topk_init(&nearest, entries, k);
            run_query(s, queries->values + i * queries->dims, sigmas, &nearest);
            if (round > 0) continue;
            for (size_t j = 0; j < k; j++) {
                for (size_t t = 0; t < k && j < nearest.count; t++) {
                    hits += (uint64_t)truth->places[i * truth->dims + t] == entries[j].key;
                }
            }
        }
        seconds[round] = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
    }
    qsort(seconds, ROUNDS, sizeof seconds[0], by_size);
    double n = (double)queries->rows;
    double all = n * ROUNDS;
    printf(
        "sigmas %5.2f  recall %.4f  %7.0f queries/s (best %7.0f)  candidates %6.0f  reranked %6.0f"
        "  us: tables %.2f scan %.2f rerank %.2f\n",
        (double)sigmas, (double)hits / (n * (double)k), n / seconds[ROUNDS / 2], n / seconds[0],
        (double)s->candidates / all, (double)s->reranked / all, 1e6 * s->tables_s / all,
        1e6 * s->scan_s / all, 1e6 * s->rerank_s / all);
    free(entries);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "flat_search BASE QUERIES TRUTH cosine|dot|l2 [K [SIGMAS...]]\n");
        return 2;
    }
    static search s;
    vecs base = vecs_read(argv[1]);
    vecs queries = vecs_read(argv[2]);
    vecs truth = vecs_read(argv[3]);
    veer_metric metric = strcmp(argv[4], "l2") == 0    ? VEER_METRIC_L2
                         : strcmp(argv[4], "dot") == 0 ? VEER_METRIC_DOT
                                                       : VEER_METRIC_COSINE;
    size_t k = argc > 5 ? (size_t)atoi(argv[5]) : 10;
    encode(&s, &base, metric);
    if (argc > 6) {
        for (int i = 6; i < argc; i++)
            run(&s, &queries, &truth, k, (float)atof(argv[i]));
    } else {
        static const float widths[] = {0.0f, 0.3f, 0.6f, 0.8f, 1.0f, 1.3f, 1.65f, 2.0f, 2.5f, 3.3f};
        for (size_t i = 0; i < sizeof widths / 4; i++)
            run(&s, &queries, &truth, k, widths[i]);
    }
    return 0;
}
