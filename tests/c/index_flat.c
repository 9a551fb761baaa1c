/* The flat index against brute force: random operations over rows, parts, centres, masks and widths.
 *
 * The naive answer sorts the exact distances of all live rows, computed by the very function that
 * the search reranks with, so that answers can be compared by row.
 */
#define _GNU_SOURCE
#include "support/testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/memory.h"
#include "base/rng.h"
#include "index/flat.h"
#include "kernels/kernels.h"
#include "support/fault_allocator.h"

#define PARTS_MAX 5u

static const char *const metric_names[] = {"cosine", "dot", "l2"};

/* Rows of all parts lie one after the other; a row's key is its place there. */
typedef struct world {
    flat_space *space;
    uint32_t dims;
    size_t rows, parts;
    size_t first[PARTS_MAX + 1];
    float *vectors, *inverse;
    uint8_t *blocks[PARTS_MAX];
    float *centres[PARTS_MAX];
    uint64_t *live[PARTS_MAX];
    bool has_live;
    arena memory;
} world;

static float *row_of(const world *w, size_t row)
{
    return w->vectors + row * w->dims;
}

typedef enum row_shape { SPREAD, CLUSTERED, TINY, HUGE_ROWS, DUPLICATES, SHAPES } row_shape;

static void make_rows(world *w, row_shape shape, rng *random)
{
    size_t clusters = 1 + w->rows / 40;
    float *middle = arena_array(&w->memory, clusters * w->dims, sizeof *middle);
    for (size_t i = 0; i < clusters * w->dims; i++)
        middle[i] = (float)rng_normal(random);
    for (size_t row = 0; row < w->rows; row++) {
        const float *around = middle + rng_below(random, clusters) * w->dims;
        for (uint32_t i = 0; i < w->dims; i++) {
            float value = (float)rng_normal(random);
            if (shape == CLUSTERED || shape == DUPLICATES) value = around[i] + 0.3f * value + 0.5f;
            if (shape == TINY) value *= 1e-30f;
            if (shape == HUGE_ROWS) value *= row % 7 == 0 ? 1e18f : 1;
            row_of(w, row)[i] = value;
        }
        if (shape == DUPLICATES && row > 0 && rng_below(random, 3) == 0) {
            memcpy(row_of(w, row), row_of(w, rng_below(random, row)), w->dims * sizeof(float));
        }
    }
}

static void encode_part(world *w, size_t part)
{
    size_t rows = w->first[part + 1] - w->first[part];
    size_t blocks = (rows + 31) / 32;
    size_t block_bytes = flat_block_bytes(w->space);
    double *sum = arena_array(&w->memory, w->dims, sizeof *sum);
    for (uint32_t i = 0; i < w->dims; i++)
        sum[i] = 0;
    w->centres[part] = arena_array(&w->memory, flat_padded_dims(w->space), sizeof(float));
    w->blocks[part] = arena_array(&w->memory, blocks, block_bytes);
    for (size_t i = 0; i < rows; i++)
        flat_sum_add(w->space, row_of(w, w->first[part] + i), sum);
    /* The last part has no centre. */
    uint64_t count = part + 1 == w->parts && w->parts > 1 ? 0 : rows;
    assert_int_equal(flat_centre(w->space, sum, count, &w->memory, w->centres[part]), VEER_OK);
    for (size_t b = 0; b < blocks; b++) {
        const float *vectors[32];
        unsigned n = 0;
        for (; n < 32 && b * 32 + n < rows; n++)
            vectors[n] = row_of(w, w->first[part] + b * 32 + n);
        assert_int_equal(flat_encode(w->space, w->centres[part], vectors, n, &w->memory,
                                     w->blocks[part] + b * block_bytes),
                         VEER_OK);
    }
}

static void world_new(world *w, uint32_t dims, veer_metric metric, size_t rows, size_t parts,
                      row_shape shape, rng *random)
{
    memset(w, 0, sizeof *w);
    arena_init(&w->memory, memory_default());
    assert_int_equal(flat_space_new(memory_default(), dims, metric, 42, &w->space, NULL), VEER_OK);
    w->dims = dims;
    w->rows = rows;
    w->parts = parts;
    w->vectors = arena_array(&w->memory, rows * dims, sizeof *w->vectors);
    w->inverse = arena_array(&w->memory, rows, sizeof *w->inverse);
    make_rows(w, shape, random);
    for (size_t i = 0; i < rows; i++) {
        char why[64];
        if (!flat_vector_valid(w->space, row_of(w, i), why)) fail_msg("%s", why);
        w->inverse[i] = flat_inverse_norm(w->space, row_of(w, i));
    }
    for (size_t p = 0; p < parts; p++)
        w->first[p] = rows * p / parts;
    w->first[parts] = rows;
    for (size_t p = 0; p < parts; p++)
        encode_part(w, p);
}

static void world_free(world *w)
{
    arena_fini(&w->memory);
    flat_space_free(w->space);
}

/* Each row stays live with the probability. */
static void make_masks(world *w, double probability, rng *random)
{
    w->has_live = true;
    for (size_t p = 0; p < w->parts; p++) {
        size_t rows = w->first[p + 1] - w->first[p];
        w->live[p] = arena_array(&w->memory, bitset_words(rows), 8);
        memset(w->live[p], 0, bitset_words(rows) * 8);
        for (size_t i = 0; i < rows; i++) {
            if (rng_unit(random) < probability) bitset_set(w->live[p], i);
        }
    }
}

static bool is_live(const world *w, size_t row)
{
    if (!w->has_live) return true;
    size_t part = 0;
    while (row >= w->first[part + 1])
        part++;
    return bitset_get(w->live[part], row - w->first[part]);
}

static size_t brute_force(world *w, const flat_query *query, topk *nearest)
{
    size_t live = 0;
    for (size_t row = 0; row < w->rows; row++) {
        if (!is_live(w, row)) continue;
        const float *vector = row_of(w, row);
        float distance;
        flat_distances(w->space, query, &vector, &w->inverse[row], 1, &distance);
        topk_push(nearest, distance, row);
        live++;
    }
    topk_sort(nearest);
    return live;
}

static uint64_t candidates_found;

static void search(world *w, flat_query *query, size_t limit, arena *scratch, topk *nearest)
{
    flat_candidates found;
    const flat_candidate *items;
    assert_int_equal(flat_candidates_init(&found, nearest->k, scratch), VEER_OK);
    for (size_t p = 0; p < w->parts; p++) {
        flat_query_centre(query, w->centres[p]);
        assert_int_equal(flat_scan(w->space, query, w->blocks[p], w->first[p + 1] - w->first[p],
                                   w->has_live ? w->live[p] : NULL, (uint32_t)p, &found),
                         VEER_OK);
    }
    uint8_t *seen = arena_array(scratch, w->rows, 1);
    memset(seen, 0, w->rows);
    for (;;) {
        float threshold = topk_threshold(nearest);
        size_t n = flat_candidates_next(&found, threshold, limit, &items);
        if (n == 0) break;
        assert_true(n <= limit);
        for (size_t i = 0; i < n; i++) {
            bool is_above = items[i].lower > threshold;
            assert_false(is_above);
            size_t row = w->first[items[i].part] + items[i].row;
            assert_true(row < w->first[items[i].part + 1]);
            assert_true(is_live(w, row));
            assert_int_equal(seen[row], 0);
            seen[row] = 1;
            const float *vector = row_of(w, row);
            float distance;
            flat_distances(w->space, query, &vector, &w->inverse[row], 1, &distance);
            topk_push(nearest, distance, row);
            candidates_found++;
        }
    }
    assert_int_equal(flat_candidates_next(&found, INFINITY, limit, &items), 0);
    topk_sort(nearest);
}

/* Searches for one vector both ways. Returns how many of the nearest k are missed. */
static size_t compare(world *w, const float *vector, size_t k, float sigmas, size_t limit,
                      size_t *expected)
{
    arena scratch;
    arena_init(&scratch, memory_default());
    flat_query *query;
    topk exact, found;
    topk_init(&exact, arena_array(&scratch, k, sizeof(topk_entry)), k);
    topk_init(&found, arena_array(&scratch, k, sizeof(topk_entry)), k);
    assert_int_equal(flat_query_new(w->space, vector, sigmas, &scratch, &query), VEER_OK);
    size_t live = brute_force(w, query, &exact);
    search(w, query, limit, &scratch, &found);
    assert_int_equal(exact.count, k < live ? k : live);
    assert_int_equal(found.count, exact.count);
    size_t missed = 0;
    for (size_t i = 0; i < exact.count; i++) {
        bool is_there = false;
        for (size_t j = 0; j < found.count && !is_there; j++) {
            is_there = found.entries[j].key == exact.entries[i].key;
        }
        missed += !is_there;
    }
    *expected += exact.count;
    arena_fini(&scratch);
    return missed;
}

static void make_query(const world *w, float *query, rng *random)
{
    const float *near = row_of(w, rng_below(random, w->rows));
    const float *other = row_of(w, rng_below(random, w->rows));
    float share = (float)rng_unit(random) * 0.5f;
    bool is_row = rng_below(random, 4) == 0;
    for (uint32_t i = 0; i < w->dims; i++) {
        query[i] = is_row ? near[i] : (1 - share) * near[i] + share * other[i];
    }
}

/* ---------------------------------------------------------------- against brute force */

typedef struct totals {
    size_t expected, missed, reachable;
} totals;

static totals run_worlds(uint64_t seed, float sigmas, int worlds)
{
    static const uint32_t dims_list[] = {1, 3, 48, 64, 100, 128, 200, 384};
    static float query[512];
    totals all = {0, 0, 0};
    rng random;
    rng_init(&random, seed);
    for (int round = 0; round < worlds; round++) {
        world w;
        veer_metric metric = (veer_metric)(round % 3);
        row_shape shape = (row_shape)rng_below(&random, SHAPES);
        if (metric == VEER_METRIC_COSINE && shape == HUGE_ROWS) shape = CLUSTERED;
        uint32_t dims = dims_list[rng_below(&random, TEST_COUNT(dims_list))];
        size_t rows = 1 + rng_below(&random, round % 5 == 0 ? 70 : 1500);
        size_t parts = 1 + rng_below(&random, PARTS_MAX);
        if (parts > rows) parts = rows;
        world_new(&w, dims, metric, rows, parts, shape, &random);
        if (rng_below(&random, 2)) {
            static const double shares[] = {0.9, 0.5, 0.05, 0.002};
            make_masks(&w, shares[rng_below(&random, 4)], &random);
        }
        for (int q = 0; q < 6; q++) {
            static const size_t ks[] = {1, 3, 10, 100, 2000};
            static const size_t limits[] = {1, 7, 64, 1000, SIZE_MAX};
            make_query(&w, query, &random);
            if (metric == VEER_METRIC_COSINE && !flat_vector_valid(w.space, query, NULL)) continue;
            size_t missed = compare(&w, query, ks[rng_below(&random, 5)], sigmas,
                                    limits[rng_below(&random, 5)], &all.expected);
            if (missed > 0 && sigmas > 1000) {
                fail_msg("world %d: %s, %u dims, %zu rows, shape %d: %zu missed", round,
                         metric_names[metric], dims, rows, (int)shape, missed);
            }
            all.missed += missed;
            all.reachable += rows;
        }
        world_free(&w);
    }
    return all;
}

/* A bound that cannot fail: exactly the brute-force answer, ties included. */
static void test_exact_when_wide(void **state)
{
    (void)state;
    totals all = run_worlds(1, 1e6f, 120);
    assert_int_equal(all.missed, 0);
    assert_true(all.expected > 10000);
}

static void test_sure_width(void **state)
{
    (void)state;
    candidates_found = 0;
    totals all = run_worlds(2, FLAT_SIGMAS_SURE, 300);
    print_message("missed %zu of %zu, reranked %.1f %% of the rows\n", all.missed, all.expected,
                  100 * (double)candidates_found / (double)all.reachable);
    assert_true((double)all.missed <= 1e-3 * (double)all.expected);
}

/* Recall targets below 1 are kept, and cost less. */
static void test_recall_targets(void **state)
{
    (void)state;
    static const double targets[] = {0.9, 0.95, 0.99, 1};
    double before = 0;
    for (size_t t = 0; t < TEST_COUNT(targets); t++) {
        rng random;
        rng_init(&random, 3);
        world w;
        static float query[128];
        size_t expected = 0, missed = 0;
        world_new(&w, 128, VEER_METRIC_COSINE, 6000, 1, CLUSTERED, &random);
        candidates_found = 0;
        for (int q = 0; q < 200; q++) {
            make_query(&w, query, &random);
            missed += compare(&w, query, 10, flat_sigmas(targets[t]), 64, &expected);
        }
        world_free(&w);
        double recall = 1 - (double)missed / (double)expected;
        double reranked = (double)candidates_found / 200;
        print_message("target %.3f: recall %.4f, reranked %.0f\n", targets[t], recall, reranked);
        assert_true(recall >= targets[t] - 1e-3);
        assert_true(reranked > before);
        before = reranked;
    }
    assert_true(flat_sigmas(1) == FLAT_SIGMAS_SURE && flat_sigmas(2) == FLAT_SIGMAS_SURE);
    assert_true(flat_sigmas(NAN) == FLAT_SIGMAS_SURE);
    assert_true(flat_sigmas(0.0001) >= 0 && flat_sigmas(0.97) > flat_sigmas(0.96));
}

/* The demo's corpus, 16,491 x 128: gzipped planes, one for each byte of the values. */
static void read_corpus(float *values, size_t rows, size_t all_rows, size_t dims)
{
    size_t count = all_rows * dims;
    uint8_t *planes = malloc(4 * count);
    FILE *pipe = popen("gzip -dc '" VEER_TESTS_DIR "/../demo/data/sotu.vectors.gz'", "r");
    assert_true(planes != NULL && pipe != NULL);
    assert_int_equal(fread(planes, 1, 4 * count, pipe), 4 * count);
    assert_int_equal(pclose(pipe), 0);
    for (size_t i = 0; i < rows * dims; i++) {
        uint32_t bits = 0;
        for (size_t plane = 0; plane < 4; plane++) {
            bits |= (uint32_t)planes[plane * count + i] << (8 * plane);
        }
        memcpy(&values[i], &bits, sizeof bits);
    }
    free(planes);
}

static void test_real_vectors(void **state)
{
    (void)state;
    enum { ROWS = 16000, CORPUS_ROWS = 16491, DIMS = 128, QUERIES = 400 };
    for (int metric = 0; metric < 3; metric++) {
        world w;
        rng random;
        rng_init(&random, 4);
        world_new(&w, DIMS, (veer_metric)metric, 64, 1, SPREAD, &random);
        w.rows = w.first[1] = ROWS;
        w.vectors = arena_array(&w.memory, (size_t)CORPUS_ROWS * DIMS, sizeof(float));
        w.inverse = arena_array(&w.memory, ROWS, sizeof(float));
        read_corpus(w.vectors, CORPUS_ROWS, CORPUS_ROWS, DIMS);
        for (size_t i = 0; i < ROWS; i++)
            w.inverse[i] = flat_inverse_norm(w.space, row_of(&w, i));
        encode_part(&w, 0);
        size_t expected = 0, missed = 0;
        candidates_found = 0;
        for (size_t q = 0; q < QUERIES; q++) {
            missed += compare(&w, row_of(&w, ROWS + q), 10, FLAT_SIGMAS_SURE, 64, &expected);
        }
        print_message("%s: missed %zu of %zu, reranked %.0f\n", metric_names[metric], missed,
                      expected, (double)candidates_found / QUERIES);
        assert_true((double)missed <= 1e-3 * (double)expected);
        world_free(&w);
    }
}

/* ---------------------------------------------------------------- the collection */

typedef struct asked {
    size_t rows;
    uint8_t *times;
} asked;

static bool accept_odd(void *context, uint32_t part, uint32_t row)
{
    asked *a = context;
    assert_int_equal(part, 0);
    assert_true(row < a->rows);
    a->times[row]++;
    return row % 2 == 1;
}

static void test_accept(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 5);
    world w;
    world_new(&w, 64, VEER_METRIC_L2, 3000, 1, CLUSTERED, &random);
    for (int round = 0; round < 20; round++) {
        arena scratch;
        arena_init(&scratch, memory_default());
        flat_query *query;
        flat_candidates found;
        topk exact, nearest;
        size_t k = round % 4 == 3 ? 2000 : 10;
        asked a = {w.rows, arena_array(&scratch, w.rows, 1)};
        memset(a.times, 0, w.rows);
        topk_init(&exact, arena_array(&scratch, k, sizeof(topk_entry)), k);
        topk_init(&nearest, arena_array(&scratch, k, sizeof(topk_entry)), k);
        assert_int_equal(
            flat_query_new(w.space, row_of(&w, rng_below(&random, w.rows)), 1e6f, &scratch, &query),
            VEER_OK);
        flat_query_centre(query, w.centres[0]);
        assert_int_equal(flat_candidates_init(&found, k, &scratch), VEER_OK);
        found.accept = accept_odd;
        found.accept_context = &a;
        assert_int_equal(flat_scan(w.space, query, w.blocks[0], w.rows, NULL, 0, &found), VEER_OK);
        assert_int_equal(found.seen, w.rows);
        const flat_candidate *items;
        size_t n;
        while ((n = flat_candidates_next(&found, topk_threshold(&nearest), 50, &items)) > 0) {
            for (size_t i = 0; i < n; i++) {
                const float *vector = row_of(&w, items[i].row);
                float distance;
                flat_distances(w.space, query, &vector, NULL, 1, &distance);
                topk_push(&nearest, distance, items[i].row);
            }
        }
        topk_sort(&nearest);
        for (size_t row = 1; row < w.rows; row += 2) {
            const float *vector = row_of(&w, row);
            float distance;
            flat_distances(w.space, query, &vector, NULL, 1, &distance);
            topk_push(&exact, distance, row);
        }
        topk_sort(&exact);
        assert_int_equal(exact.count, nearest.count);
        for (size_t i = 0; i < exact.count; i++) {
            assert_int_equal(exact.entries[i].key, nearest.entries[i].key);
        }
        for (size_t row = 0; row < w.rows; row++)
            assert_true(a.times[row] <= 1);
        arena_fini(&scratch);
    }
    world_free(&w);
}

/* Distances known beforehand leave fewer candidates and lose none. */
static void test_known(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 6);
    world w;
    world_new(&w, 128, VEER_METRIC_L2, 4000, 1, CLUSTERED, &random);
    size_t without = 0, with = 0;
    for (int round = 0; round < 40; round++) {
        for (int knows = 0; knows < 2; knows++) {
            arena scratch;
            arena_init(&scratch, memory_default());
            flat_query *query;
            flat_candidates found;
            topk exact;
            topk_entry entries[10];
            topk_init(&exact, entries, 10);
            const float *vector = row_of(&w, (size_t)round * 97);
            assert_int_equal(flat_query_new(w.space, vector, 1e3f, &scratch, &query), VEER_OK);
            brute_force(&w, query, &exact);
            flat_query_centre(query, w.centres[0]);
            assert_int_equal(flat_candidates_init(&found, 10, &scratch), VEER_OK);
            for (int i = 0; i < 10 && knows; i++) {
                flat_candidates_known(&found, exact.entries[i].distance);
                flat_candidates_known(&found, NAN);
            }
            assert_int_equal(flat_scan(w.space, query, w.blocks[0], w.rows, NULL, 0, &found),
                             VEER_OK);
            *(knows ? &with : &without) += found.count;
            size_t hits = 0, n;
            const flat_candidate *items;
            while ((n = flat_candidates_next(&found, INFINITY, 100, &items)) > 0) {
                for (size_t i = 0; i < n; i++) {
                    for (int j = 0; j < 10; j++)
                        hits += items[i].row == exact.entries[j].key;
                }
            }
            assert_int_equal(hits, 10);
            arena_fini(&scratch);
        }
    }
    assert_true(with < without);
    world_free(&w);
}

static void test_empty(void **state)
{
    (void)state;
    arena scratch;
    arena_init(&scratch, memory_default());
    flat_space *space;
    flat_query *query;
    flat_candidates found;
    const flat_candidate *items;
    float vector[3] = {1, 2, 3}, centre[64] = {0};
    assert_int_equal(flat_space_new(memory_default(), 3, VEER_METRIC_DOT, 1, &space, NULL),
                     VEER_OK);
    assert_int_equal(flat_query_new(space, vector, 1, &scratch, &query), VEER_OK);
    flat_query_centre(query, centre);
    assert_int_equal(flat_candidates_init(&found, 10, &scratch), VEER_OK);
    assert_int_equal(flat_candidates_next(&found, INFINITY, 10, &items), 0);
    assert_int_equal(flat_candidates_init(&found, 10, &scratch), VEER_OK);
    assert_int_equal(flat_scan(space, query, centre, 0, NULL, 0, &found), VEER_OK);
    assert_int_equal(flat_candidates_next(&found, INFINITY, 10, &items), 0);
    assert_int_equal(found.seen, 0);
    flat_space_free(space);
    arena_fini(&scratch);
}

/* ---------------------------------------------------------------- vectors and blocks */

static void check_why(const flat_space *space, const float *vector, const char *expected)
{
    char why[64] = "";
    bool is_valid = flat_vector_valid(space, vector, why);
    assert_int_equal(is_valid, expected == NULL);
    if (expected != NULL) assert_string_equal(why, expected);
    assert_int_equal(flat_vector_valid(space, vector, NULL), expected == NULL);
}

static void test_validity(void **state)
{
    (void)state;
    flat_space *cosine, *l2;
    assert_int_equal(flat_space_new(memory_default(), 4, VEER_METRIC_COSINE, 1, &cosine, NULL),
                     VEER_OK);
    assert_int_equal(flat_space_new(memory_default(), 4, VEER_METRIC_L2, 1, &l2, NULL), VEER_OK);
    const float plain[4] = {1, 0, -2, 2}, zero[4] = {0, 0, -0.0f, 0};
    const float nan[4] = {1, 2, NAN, INFINITY}, infinite[4] = {1, -INFINITY, 3, 4};
    const float tiny[4] = {1e-40f, 0, 0, 0}, small[4] = {1e-30f, 0, 0, 0};
    const float large[4] = {3e38f, 0, 0, 0}, larger[4] = {3e38f, 3e38f, 0, 0};
    check_why(cosine, plain, NULL);
    check_why(l2, plain, NULL);
    check_why(cosine, zero, "is zero");
    check_why(l2, zero, NULL);
    check_why(cosine, nan, "holds NaN at 2");
    check_why(l2, infinite, "holds an infinity at 1");
    check_why(cosine, tiny, "has the norm 1e-40, below 1.18e-38");
    check_why(l2, tiny, NULL);
    check_why(cosine, small, NULL);
    check_why(cosine, large, "has the norm 3e+38, above 8.51e+37");
    check_why(l2, large, NULL);
    check_why(l2, larger, "has the norm 4.24e+38, above 3.4e+38");
    assert_true(flat_inverse_norm(cosine, plain) == 1.0f / 3.0f);
    assert_true(flat_inverse_norm(l2, plain) == 1);
    flat_space_free(cosine);
    flat_space_free(l2);

    veer_error error;
    flat_space *none = cosine;
    assert_int_equal(flat_space_new(memory_default(), 0, VEER_METRIC_L2, 1, &none, &error),
                     VEER_E_RANGE);
    assert_null(none);
    assert_string_equal(error.message, "dims is 0, must be 1 to 8192");
    assert_int_equal(flat_space_new(memory_default(), 8193, VEER_METRIC_L2, 1, &none, NULL),
                     VEER_E_RANGE);
    assert_int_equal(flat_space_new(memory_default(), 8, (veer_metric)9, 1, &none, NULL),
                     VEER_E_INVALID);
}

/* The largest vectors that the further metrics take are as far apart as can be, and nothing is NaN. */
static void test_further_limits(void **state)
{
    (void)state;
    static float a[VEER_DIMS_MAX], b[VEER_DIMS_MAX];
    arena scratch;
    arena_init(&scratch, memory_default());
    for (veer_metric metric = VEER_METRIC_MANHATTAN; metric <= VEER_METRIC_JACCARD; metric++) {
        for (uint32_t dims = 1; dims <= VEER_DIMS_MAX; dims *= 2) {
            flat_space *space;
            flat_query *query;
            assert_int_equal(flat_space_new(memory_default(), dims, metric, 1, &space, NULL),
                             VEER_OK);
            float most = (float)(0x1p119 / sqrt(dims)), distance = NAN;
            while ((double)most * sqrt(dims) > 0x1p119)
                most = nextafterf(most, 0);
            for (uint32_t i = 0; i < dims; i++) {
                a[i] = most;
                b[i] = i % 2 == 0 ? -most : most;
            }
            check_why(space, a, NULL);
            check_why(space, b, NULL);
            assert_int_equal(flat_query_new(space, a, 1, &scratch, &query), VEER_OK);
            const float *row = b;
            flat_distances(space, query, &row, NULL, 1, &distance);
            assert_true(!isnan(distance));
            assert_true(isfinite(distance) || (metric == VEER_METRIC_BRAYCURTIS && dims == 1));
            a[0] *= 2;
            if (dims == 1) check_why(space, a, "has the norm 1.33e+36, above 6.65e+35");
            assert_true(dims > 4 || !flat_vector_valid(space, a, NULL));
            memset(a, 0, sizeof a);
            check_why(space, a, NULL);
            arena_reset(&scratch);
            flat_space_free(space);
        }
    }
    arena_fini(&scratch);
}

static void test_row_by_row(void **state)
{
    (void)state;
    static const uint32_t dims_list[] = {5, 64, 300};
    rng random;
    rng_init(&random, 7);
    for (size_t d = 0; d < TEST_COUNT(dims_list); d++) {
        world w;
        world_new(&w, dims_list[d], VEER_METRIC_COSINE, 32 + 7, 1, CLUSTERED, &random);
        size_t bytes = flat_block_bytes(w.space);
        assert_int_equal(bytes % 64, 0);
        assert_int_equal(flat_padded_dims(w.space) % 64, 0);
        uint8_t *block = arena_array(&w.memory, 1, bytes);
        for (size_t b = 0; b < 2; b++) {
            flat_clear_block(w.space, block);
            for (unsigned i = 0; i < 32 && b * 32 + i < w.rows; i++) {
                unsigned row = b == 0 ? 31 - i : i;
                assert_int_equal(flat_encode_row(w.space, w.centres[0], row_of(&w, b * 32 + row),
                                                 row, &w.memory, block),
                                 VEER_OK);
            }
            assert_memory_equal(block, w.blocks[0] + b * bytes, bytes);
        }
        world_free(&w);
    }
}

/* ---------------------------------------------------------------- shortage */

/* A search from an allocator that fails at one point: VEER_E_NOMEM or the whole answer. */
static bool search_under_shortage(const world *w, const veer_allocator *allocator)
{
    arena scratch;
    arena_init(&scratch, allocator);
    flat_query *query;
    flat_candidates found;
    const flat_candidate *items;
    size_t given = 0, n;
    veer_status status = flat_query_new(w->space, row_of(w, 3), 1e6f, &scratch, &query);
    if (status == VEER_OK) status = flat_candidates_init(&found, 500, &scratch);
    for (size_t p = 0; p < w->parts && status == VEER_OK; p++) {
        flat_query_centre(query, w->centres[p]);
        status = flat_scan(w->space, query, w->blocks[p], w->first[p + 1] - w->first[p], NULL,
                           (uint32_t)p, &found);
    }
    if (status == VEER_OK) {
        while ((n = flat_candidates_next(&found, INFINITY, 100, &items)) > 0)
            given += n;
        assert_int_equal(given, w->rows);
    } else {
        assert_int_equal(status, VEER_E_NOMEM);
    }
    arena_fini(&scratch);
    return status == VEER_OK;
}

static void test_shortage(void **state)
{
    (void)state;
    rng random;
    rng_init(&random, 8);
    world w;
    world_new(&w, 100, VEER_METRIC_L2, 5000, 3, SPREAD, &random);
    fault_allocator f;
    uint64_t failures = 0;
    for (uint64_t n = 0;; n++) {
        fault_allocator_init(&f);
        fault_allocator_fail(&f, n, n % 2 == 1);
        bool is_done = search_under_shortage(&w, &f.allocator);
        flat_space *space = NULL;
        veer_status status = flat_space_new(&f.allocator, 100, VEER_METRIC_DOT, 1, &space, NULL);
        assert_true(status == VEER_OK || (status == VEER_E_NOMEM && space == NULL));
        flat_space_free(space);
        bool fired = fault_allocator_fired(&f);
        assert_true(is_done || fired);
        assert_null(fault_allocator_fini(&f));
        if (!fired) break;
        failures++;
    }
    assert_true(failures >= 4);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_when_wide), cmocka_unit_test(test_sure_width),
        cmocka_unit_test(test_recall_targets),  cmocka_unit_test(test_real_vectors),
        cmocka_unit_test(test_accept),          cmocka_unit_test(test_known),
        cmocka_unit_test(test_empty),           cmocka_unit_test(test_validity),
        cmocka_unit_test(test_further_limits),  cmocka_unit_test(test_row_by_row),
        cmocka_unit_test(test_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
