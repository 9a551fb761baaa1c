/* The index level of veer.h against a naive model: random adds, replacements, removals, upkeep,
 * saving and loading, with searches compared after each batch; the same under failing allocations;
 * damaged files; bad arguments by name.
 */
#include "support/testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/rng.h"
#include "support/fault_allocator.h"
#include "support/true_distance.h"
#include "veer.h"

#define KEYS 6000u
#define DIMS_MAX 128u
#define K_MAX 300u

/* ---------------------------------------------------------------- the model */

/* A slot a key; age decides between equal distances. */
typedef struct model {
    uint32_t dims;
    veer_metric metric;
    bool *present;
    uint64_t *age;
    float *vectors;
    uint64_t writes;
    size_t count;
} model;

static void model_new(model *m, uint32_t dims, veer_metric metric)
{
    *m = (model){.dims = dims, .metric = metric};
    m->present = calloc(KEYS, sizeof *m->present);
    m->age = calloc(KEYS, sizeof *m->age);
    m->vectors = calloc((size_t)KEYS * dims, sizeof *m->vectors);
    assert_true(m->present && m->age && m->vectors);
}

static void model_free(model *m)
{
    free(m->present);
    free(m->age);
    free(m->vectors);
}

/* Keys are spread over all 64 bits. */
static uint64_t key_of(size_t slot)
{
    return slot * 0x9E3779B97F4A7C15u;
}

/* The slot of a key, or KEYS. */
static size_t slot_of(uint64_t key)
{
    uint64_t slot = key * 0xF1DE83E19937733Du; /* the inverse modulo 2^64 */
    return slot < KEYS ? (size_t)slot : KEYS;
}

static void model_put(model *m, size_t slot, const float *vector)
{
    if (!m->present[slot]) m->count++;
    m->present[slot] = true;
    m->age[slot] = m->writes++;
    memcpy(m->vectors + slot * m->dims, vector, m->dims * sizeof *vector);
}

static bool model_remove(model *m, size_t slot)
{
    bool was_there = m->present[slot];
    m->count -= was_there;
    m->present[slot] = false;
    return was_there;
}

static double model_distance(const model *m, size_t slot, const float *query)
{
    return true_distance(m->metric, m->vectors + slot * m->dims, query, m->dims);
}

typedef struct candidate {
    double distance;
    uint64_t age;
    size_t slot;
} candidate;

static int by_distance(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->age < y->age ? -1 : 1;
}

/* Whether the filter of the accepting searches takes a key. */
static bool takes(uint64_t key)
{
    return (key >> 32) % 10 < 3;
}

static bool accept_key(void *context, uint64_t key)
{
    uint8_t *asked = context;
    size_t slot = slot_of(key);
    assert_true(slot < KEYS);
    assert_int_equal(asked[slot]++, 0);
    return takes(key);
}

static size_t model_search(const model *m, const float *query, bool has_filter, candidate *found)
{
    size_t count = 0;
    for (size_t slot = 0; slot < KEYS; slot++) {
        if (!m->present[slot] || (has_filter && !takes(key_of(slot)))) continue;
        found[count++] = (candidate){model_distance(m, slot, query), m->age[slot], slot};
    }
    qsort(found, count, sizeof *found, by_distance);
    return count;
}

/* ---------------------------------------------------------------- comparing */

static candidate candidates[KEYS];
static uint64_t found_keys[K_MAX];
static float found_distances[K_MAX];

/* f32 distances have errors; rows whose distances differ by less may change places. */
static double slack_of(const model *m, double distance)
{
    return m->metric == VEER_METRIC_COSINE ? 2e-6 : 4e-6 * (fabs(distance) + m->dims);
}

/* Returns the number of the true nearest that are missing. */
static size_t compare_search(const veer_index *index, const model *m, const float *query, size_t k,
                             double recall, bool has_filter)
{
    static uint8_t asked[KEYS];
    size_t found = 99;
    veer_error error = {0};
    memset(asked, 0, sizeof asked);
    veer_index_search_options options = {
        .recall = recall,
        .exact = recall > 1,
        .accept = has_filter ? accept_key : NULL,
        .accept_context = asked,
    };
    if (recall > 1) options.recall = 0;
    assert_int_equal(veer_index_search(index, query, 1, k, &options, found_keys, found_distances,
                                       &found, &error),
                     VEER_OK);
    size_t matches = model_search(m, query, has_filter, candidates);
    size_t expected = k < matches ? k : matches;
    assert_int_equal(found, expected);
    for (size_t i = expected; i < k; i++) {
        assert_true(found_keys[i] == UINT64_MAX && found_distances[i] == INFINITY);
    }
    size_t missed = 0;
    for (size_t i = 0; i < expected; i++) {
        size_t slot = 0;
        while (slot < KEYS && key_of(slot) != found_keys[i])
            slot++;
        assert_true(slot < KEYS && m->present[slot]);
        double distance = model_distance(m, slot, query);
        double slack = slack_of(m, distance);
        assert_true(fabs(distance - (double)found_distances[i]) <= slack);
        if (i > 0) {
            assert_true(found_distances[i] >= found_distances[i - 1]);
            assert_true(found_keys[i] != found_keys[i - 1]);
            bool is_tie = found_distances[i] == found_distances[i - 1];
            assert_true(!is_tie || m->age[slot] > m->age[slot_of(found_keys[i - 1])]);
        }
        /* Nearest first, so the i-th is at most as far as the i-th true one. */
        missed += distance > candidates[i].distance + 2 * slack;
    }
    return missed;
}

static void make_vector(float *vector, uint32_t dims, rng *random)
{
    uint64_t cluster = rng_below(random, 20);
    for (uint32_t i = 0; i < dims; i++) {
        uint64_t place = (cluster * 977 + i * 131) % 101;
        vector[i] = (float)place / 50 - 0.5f + 0.4f * (float)rng_normal(random);
    }
}

/* ---------------------------------------------------------------- the random stream */

typedef struct totals {
    size_t searches, missed, expected;
} totals;

static void add_batch(veer_index *index, model *m, rng *random)
{
    static float vectors[3000 * DIMS_MAX];
    static uint64_t keys[3000];
    size_t n = 1 + rng_below(random, rng_below(random, 8) == 0 ? 3000 : 60);
    if ((size_t)m->dims * n > TEST_COUNT(vectors)) n = TEST_COUNT(vectors) / m->dims;
    for (size_t i = 0; i < n; i++) {
        size_t slot = rng_below(random, KEYS);
        float *vector = vectors + i * m->dims;
        make_vector(vector, m->dims, random);
        true_distance_round(m->metric, vector, m->dims);
        if (i > 0 && rng_below(random, 30) == 0) { /* duplicates */
            memcpy(vector, vectors + rng_below(random, i) * m->dims, m->dims * sizeof *vector);
        }
        keys[i] = key_of(slot);
        model_put(m, slot, vector);
    }
    assert_int_equal(veer_index_add(index, keys, vectors, n, NULL), VEER_OK);
}

static void remove_batch(veer_index *index, model *m, rng *random)
{
    uint64_t keys[200];
    size_t n = rng_below(random, 200), expected = 0, removed = 77;
    for (size_t i = 0; i < n; i++) {
        size_t slot = rng_below(random, KEYS);
        keys[i] = key_of(slot);
        expected += model_remove(m, slot);
    }
    assert_int_equal(veer_index_remove(index, keys, n, &removed, NULL), VEER_OK);
    assert_int_equal(removed, expected);
}

static void check_rows(const veer_index *index, const model *m)
{
    float vector[DIMS_MAX];
    assert_int_equal(veer_index_count(index), m->count);
    for (size_t slot = 0; slot < KEYS; slot += 37) {
        veer_status status = veer_index_get(index, key_of(slot), vector, NULL);
        assert_int_equal(status, m->present[slot] ? VEER_OK : VEER_E_NOTFOUND);
        if (status != VEER_OK) continue;
        assert_memory_equal(vector, m->vectors + slot * m->dims, m->dims * sizeof *vector);
    }
}

/* The sums that centres come from are those of the live rows. */
static void check_sums(const veer_buffer *file, const model *m)
{
    size_t words = (size_t)((load_u64(file->data + 40) + 63) / 64);
    const char *sums = file->data + 616 + (words * 8 + 4 + 7) / 8 * 8;
    for (uint32_t i = 0; i <= m->dims && m->metric != VEER_METRIC_COSINE; i++) {
        double sum = 0;
        for (size_t slot = 0; slot < KEYS; slot++) {
            const float *vector = m->vectors + slot * m->dims;
            if (m->present[slot] && i < m->dims) sum += (double)vector[i];
            for (uint32_t j = 0; j < m->dims && m->present[slot] && i == m->dims; j++) {
                sum += (double)vector[j] * (double)vector[j];
            }
        }
        assert_true(fabs(load_f64(sums + 8 * i) - sum) < 1e-6);
    }
}

/* A loaded copy answers like the original, bit for bit. */
static void check_copy(const veer_index *index, const model *m, rng *random)
{
    veer_buffer file;
    veer_index *copy;
    static uint64_t keys[K_MAX];
    static float distances[K_MAX];
    assert_int_equal(veer_index_save(index, &file, NULL), VEER_OK);
    check_sums(&file, m);
    assert_int_equal(veer_index_load(file.data, file.bytes, NULL, &copy, NULL), VEER_OK);
    assert_int_equal(veer_index_count(copy), m->count);
    assert_int_equal(veer_index_dims(copy), m->dims);
    for (int i = 0; i < 5; i++) {
        float query[DIMS_MAX];
        size_t found[2];
        make_vector(query, m->dims, random);
        assert_int_equal(veer_index_search(index, query, 1, 20, NULL, found_keys, found_distances,
                                           &found[0], NULL),
                         VEER_OK);
        assert_int_equal(
            veer_index_search(copy, query, 1, 20, NULL, keys, distances, &found[1], NULL), VEER_OK);
        assert_int_equal(found[0], found[1]);
        assert_memory_equal(keys, found_keys, found[0] * sizeof *keys);
        assert_memory_equal(distances, found_distances, found[0] * sizeof *distances);
    }
    veer_buffer again;
    assert_int_equal(veer_index_save(copy, &again, NULL), VEER_OK);
    assert_int_equal(again.bytes, file.bytes);
    assert_memory_equal(again.data, file.data, file.bytes);
    veer_buffer_free(&again);
    veer_buffer_free(&file);
    veer_index_free(copy);
}

static void run_stream(uint32_t dims, veer_metric metric, uint64_t seed, int steps, totals *t)
{
    char options[100];
    veer_index *index;
    model m;
    rng random;
    rng_init(&random, seed);
    snprintf(options, sizeof options, "{\"dims\": %u, \"metric\": \"%s\", \"seed\": 7}", dims,
             true_metric_names[metric]);
    assert_int_equal(veer_index_new(options, NULL, &index, NULL), VEER_OK);
    model_new(&m, dims, metric);
    for (int step = 0; step < steps; step++) {
        uint64_t what = rng_below(&random, 20);
        if (what < 10) add_batch(index, &m, &random);
        if (what >= 10 && what < 15) remove_batch(index, &m, &random);
        if (what == 15 && rng_below(&random, 4) == 0) { /* empty it */
            for (size_t slot = 0; slot < KEYS; slot++) {
                uint64_t key = key_of(slot);
                model_remove(&m, slot);
                assert_int_equal(veer_index_remove(index, &key, 1, NULL, NULL), VEER_OK);
            }
        }
        if (what == 16 || what == 17) {
            bool left = true;
            for (int i = 0; left && (what == 16 || i < 2); i++) {
                assert_int_equal(veer_index_optimize(index, 0, &left, NULL), VEER_OK);
            }
        }
        if (what == 18) check_copy(index, &m, &random);
        check_rows(index, &m);
        for (int q = 0; q < 3; q++) {
            static const size_t ks[] = {1, 5, 10, K_MAX};
            static const double recalls[] = {2, 1, 1};
            float query[DIMS_MAX];
            size_t k = ks[rng_below(&random, 4)];
            make_vector(query, dims, &random);
            true_distance_round(metric, query, dims);
            size_t missed =
                compare_search(index, &m, query, k, recalls[q], rng_below(&random, 3) == 0);
            if (q == 0 || metric > VEER_METRIC_L2) assert_int_equal(missed, 0);
            t->missed += missed;
            t->expected += k < m.count ? k : m.count;
            t->searches++;
        }
    }
    model_free(&m);
    veer_index_free(index);
}

static void test_random_streams(void **state)
{
    (void)state;
    totals t = {0, 0, 0};
    static const uint32_t dims[] = {3, 64, 100, 128};
    for (uint64_t seed = 0; seed < 12; seed++) {
        run_stream(dims[seed % 4], (veer_metric)(seed % 3), seed, 110, &t);
    }
    for (uint64_t metric = VEER_METRIC_MANHATTAN; metric < METRICS_COUNT; metric++)
        run_stream(dims[metric % 4], (veer_metric)metric, 100 + metric, 30, &t);
    print_message("%zu searches, missed %zu of %zu\n", t.searches, t.missed, t.expected);
    assert_true((double)t.missed <= 1e-3 * (double)t.expected);
}

/* ---------------------------------------------------------------- upkeep */

static bool accept_some(void *context, uint64_t key)
{
    uint8_t *asked = context;
    assert_int_equal(asked[key]++, 0);
    return key % 7 < 3;
}

/* With a filter, scan and comparison of all rows agree in every chunk. */
static void check_filtered(const veer_index *index, const float *queries, size_t dims, size_t rows)
{
    uint8_t *asked = malloc(rows);
    size_t missed = 0;
    for (size_t q = 0; q < 10; q++) {
        uint64_t keys[2][10];
        float distances[2][10];
        for (int exact = 0; exact < 2; exact++) {
            veer_index_search_options options = {
                .recall = 1, .exact = exact, .accept = accept_some, .accept_context = asked};
            memset(asked, 0, rows);
            assert_int_equal(veer_index_search(index, queries + q * 4000 * dims, 1, 10, &options,
                                               keys[exact], distances[exact], NULL, NULL),
                             VEER_OK);
        }
        for (int i = 0; i < 10; i++) {
            missed += keys[0][i] != keys[1][i];
            assert_true(keys[0][i] % 7 < 3);
        }
    }
    assert_true(missed <= 1);
    free(asked);
}

static void test_optimize(void **state)
{
    (void)state;
    enum { ROWS = 40000, DIMS = 64 };
    float *vectors = malloc(sizeof(float) * ROWS * DIMS);
    uint64_t *keys = malloc(sizeof *keys * ROWS);
    veer_index *index;
    rng random;
    rng_init(&random, 31);
    for (size_t i = 0; i < ROWS; i++) {
        keys[i] = i;
        make_vector(vectors + i * DIMS, DIMS, &random);
        /* The mean wanders off. */
        for (size_t j = 0; j < DIMS; j++)
            vectors[i * DIMS + j] += (float)i / 8000;
    }
    assert_int_equal(veer_index_new("{\"dims\": 64, \"metric\": \"l2\"}", NULL, &index, NULL),
                     VEER_OK);
    for (size_t i = 0; i < ROWS; i += 1000) {
        assert_int_equal(veer_index_add(index, keys + i, vectors + i * DIMS, 1000, NULL), VEER_OK);
    }
    for (uint64_t key = 0; key < ROWS; key++) {
        if (key % 3 != 0) assert_int_equal(veer_index_remove(index, &key, 1, NULL, NULL), VEER_OK);
    }
    size_t before = veer_index_memory(index);
    size_t kept = veer_index_count(index);
    static uint64_t expected[100 * 10], found[100 * 10];
    static float expected_distances[100 * 10], distances[100 * 10];
    veer_index_search_options exact = {.exact = true}, sure = {.recall = 1};
    assert_int_equal(veer_index_search(index, vectors, 100, 10, &exact, expected,
                                       expected_distances, NULL, NULL),
                     VEER_OK);
    check_filtered(index, vectors, DIMS, ROWS);
    bool left = true;
    size_t steps = 0, missed = 0;
    while (left) {
        assert_int_equal(veer_index_optimize(index, 0, &left, NULL), VEER_OK);
        if (steps++ % 8 != 0 && left) continue;
        assert_int_equal(veer_index_count(index), kept);
        assert_int_equal(
            veer_index_search(index, vectors, 100, 10, &sure, found, distances, NULL, NULL),
            VEER_OK);
        for (size_t i = 0; i < 1000; i++)
            missed += found[i] != expected[i];
        assert_int_equal(
            veer_index_search(index, vectors, 100, 10, &exact, found, distances, NULL, NULL),
            VEER_OK);
        assert_memory_equal(found, expected, sizeof found);
        assert_memory_equal(distances, expected_distances, sizeof distances);
    }
    print_message("%zu steps, missed %zu\n", steps, missed);
    assert_true(steps > 20 && missed <= steps / 4);
    assert_true(veer_index_memory(index) < before * 2 / 3);
    assert_int_equal(veer_index_optimize(index, -1, &left, NULL), VEER_OK);
    assert_false(left);
    /* Nothing is left, and nothing changes any more. */
    veer_buffer a, b;
    assert_int_equal(veer_index_save(index, &a, NULL), VEER_OK);
    assert_int_equal(veer_index_optimize(index, -1, NULL, NULL), VEER_OK);
    assert_int_equal(veer_index_save(index, &b, NULL), VEER_OK);
    assert_int_equal(a.bytes, b.bytes);
    assert_memory_equal(a.data, b.data, a.bytes);
    veer_buffer_free(&a);
    veer_buffer_free(&b);
    veer_index_free(index);
    free(vectors);
    free(keys);
}

/* ---------------------------------------------------------------- shortage */

/* Every call succeeds or says NOMEM and leaves the index as it was. */
static void run_short(fault_allocator *f, const char *options)
{
    enum { ROWS = 2500, DIMS = 16 };
    static float vectors[ROWS * DIMS];
    static uint64_t keys[ROWS];
    rng random;
    rng_init(&random, 41);
    for (size_t i = 0; i < ROWS; i++) {
        keys[i] = i % 2300;
        make_vector(vectors + i * DIMS, DIMS, &random);
    }
    veer_index *index = NULL, *copy = NULL;
    veer_error error;
    if (veer_index_new(options, &f->allocator, &index, &error)) {
        assert_int_equal(error.status, VEER_E_NOMEM);
        assert_null(index);
        return;
    }
    static const size_t batches[] = {10, 500, 600, 90, 1300};
    size_t added = 0;
    for (size_t i = 0; i < TEST_COUNT(batches); i++) {
        size_t before = veer_index_count(index);
        if (veer_index_add(index, keys + added, vectors + added * DIMS, batches[i], &error)) {
            assert_int_equal(error.status, VEER_E_NOMEM);
            assert_int_equal(veer_index_count(index), before);
            continue;
        }
        added += batches[i];
    }
    size_t before = veer_index_count(index);
    assert_int_equal(veer_index_remove(index, keys, 50, NULL, NULL), VEER_OK);
    assert_true(veer_index_count(index) <= before);
    size_t count = veer_index_count(index);
    size_t found;
    veer_status status = veer_index_search(index, vectors + 400 * DIMS, 1, 10, NULL, found_keys,
                                           found_distances, &found, &error);
    if (status == VEER_OK) {
        assert_int_equal(found, count < 10 ? count : 10);
    } else {
        assert_int_equal(status, VEER_E_NOMEM);
        assert_int_equal(found, 0);
        assert_true(found_keys[0] == UINT64_MAX);
    }
    status = veer_index_optimize(index, -1, NULL, &error);
    assert_true(status == VEER_OK || status == VEER_E_NOMEM);
    assert_int_equal(veer_index_count(index), count);
    veer_buffer file = {0};
    status = veer_index_save(index, &file, &error);
    assert_true(status == VEER_OK || status == VEER_E_NOMEM);
    if (status == VEER_OK) {
        status = veer_index_load(file.data, file.bytes, &f->allocator, &copy, &error);
        assert_true(status == VEER_OK || (status == VEER_E_NOMEM && copy == NULL));
        if (status == VEER_OK) assert_int_equal(veer_index_count(copy), count);
    }
    veer_buffer_free(&file);
    veer_index_free(copy);
    veer_index_free(index);
}

static void test_shortage(void **state)
{
    (void)state;
    static fault_allocator f;
    for (int run = 0; run < 4; run++) {
        bool forever = run % 2 != 0, has_codes = run < 2;
        const char *options = has_codes ? "{\"dims\": 16, \"metric\": \"cosine\"}"
                                        : "{\"dims\": 16, \"metric\": \"jaccard\"}";
        uint64_t n = 0;
        for (;; n++) {
            fault_allocator_init(&f);
            fault_allocator_fail(&f, n, forever);
            run_short(&f, options);
            bool fired = fault_allocator_fired(&f);
            const char *problem = fault_allocator_fini(&f);
            if (problem != NULL) fail_msg("allocation %llu: %s", (unsigned long long)n, problem);
            if (!fired) break;
        }
        assert_true(n > (has_codes ? 20 : 10));
    }
}

/* ---------------------------------------------------------------- damage */

static veer_buffer small_file(uint32_t dims, size_t rows)
{
    char options[60];
    veer_index *index;
    veer_buffer file;
    rng random;
    rng_init(&random, 51);
    snprintf(options, sizeof options, "{\"dims\": %u}", dims);
    assert_int_equal(veer_index_new(options, NULL, &index, NULL), VEER_OK);
    for (size_t i = 0; i < rows; i++) {
        float vector[DIMS_MAX];
        uint64_t key = i;
        make_vector(vector, dims, &random);
        assert_int_equal(veer_index_add(index, &key, vector, 1, NULL), VEER_OK);
    }
    for (uint64_t key = 3; key < rows; key += 10) {
        assert_int_equal(veer_index_remove(index, &key, 1, NULL, NULL), VEER_OK);
    }
    assert_int_equal(veer_index_save(index, &file, NULL), VEER_OK);
    veer_index_free(index);
    return file;
}

static void check_damaged(const void *bytes, size_t size)
{
    veer_index *index = (veer_index *)(uintptr_t)1;
    veer_error error = {0};
    veer_status status = veer_index_load(bytes, size, NULL, &index, &error);
    assert_true(status == VEER_E_CORRUPT || status == VEER_E_FORMAT);
    assert_null(index);
    assert_true(error.message[0] != 0);
}

static void test_damage(void **state)
{
    (void)state;
    veer_buffer file = small_file(5, 40);
    for (size_t i = 0; i < file.bytes; i++) {
        for (int bit = 0; bit < 8; bit += 3) {
            file.data[i] ^= (char)(1 << bit);
            check_damaged(file.data, file.bytes);
            file.data[i] ^= (char)(1 << bit);
        }
    }
    for (size_t size = 0; size < file.bytes; size++) {
        char *cut = malloc(size + 1); /* so that a sanitizer sees what is behind the end */
        char *exact = realloc(cut, size > 0 ? size : 1);
        memcpy(exact, file.data, size);
        check_damaged(exact, size);
        free(exact);
    }
    char *longer = malloc(file.bytes + 1);
    memcpy(longer, file.data, file.bytes);
    longer[file.bytes] = 0;
    check_damaged(longer, file.bytes + 1);
    free(longer);
    veer_buffer_free(&file);
}

/* Damage with repaired checksums: an error, or an index that can be used. */
static void test_repaired_damage(void **state)
{
    (void)state;
    veer_buffer file = small_file(3, 1100);
    char *copy = malloc(file.bytes);
    rng random;
    rng_init(&random, 52);
    /* Where sections lie, from the header and docs/FORMAT.md. */
    size_t rows = 1100, offset = 616, offsets[8];
    size_t sizes[8] = {(rows + 63) / 64 * 8, 4 * 8, rows * 8, rows * 3 * 4, 0, 0, 0, 0};
    uint32_t centres = load_u32(file.data + 56);
    sizes[4] = centres * 64 * 4;
    sizes[5] = 2 * 4;
    sizes[6] = (rows + 31) / 32 * (4 * 64 + 384);
    for (int i = 0; i < 8; i++) {
        offsets[i] = offset;
        offset += (sizes[i] + 4 + 7) / 8 * 8;
    }
    assert_int_equal(offset, file.bytes);
    size_t loaded = 0;
    for (int round = 0; round < 4000; round++) {
        memcpy(copy, file.data, file.bytes);
        int flips = 1 + (int)rng_below(&random, 4);
        for (int i = 0; i < flips; i++) {
            int section = (int)rng_below(&random, 8) - 1;
            size_t at = section < 0 ? 8 + rng_below(&random, 604)
                                    : offsets[section] + rng_below(&random, sizes[section]);
            copy[at] = (char)rng_next(&random);
        }
        store_u32(copy + 60, crc32c(0, copy, 60));
        store_u32(copy + 612, crc32c(0, copy + 64, 548));
        for (int i = 0; i < 7; i++) {
            store_u32(copy + offsets[i] + sizes[i], crc32c(0, copy + offsets[i], sizes[i]));
        }
        veer_index *index;
        veer_error error = {0};
        veer_status status = veer_index_load(copy, file.bytes, NULL, &index, &error);
        if (status != VEER_OK) {
            assert_true(status == VEER_E_CORRUPT || status == VEER_E_VERSION ||
                        status == VEER_E_NOMEM);
            assert_null(index);
            continue;
        }
        loaded++;
        float query[3] = {1, 2, 3};
        size_t found;
        assert_int_equal(
            veer_index_search(index, query, 1, 20, NULL, found_keys, found_distances, &found, NULL),
            VEER_OK);
        uint64_t key = 5;
        assert_int_equal(veer_index_add(index, &key, query, 1, NULL), VEER_OK);
        assert_int_equal(veer_index_optimize(index, -1, NULL, NULL), VEER_OK);
        veer_index_free(index);
    }
    assert_true(loaded > 100);
    free(copy);
    veer_buffer_free(&file);
}

/* ---------------------------------------------------------------- arguments */

static void expect_new(const char *options, veer_status status, const char *part)
{
    veer_index *index = (veer_index *)(uintptr_t)1;
    veer_error error = {0};
    assert_int_equal(veer_index_new(options, NULL, &index, &error), status);
    assert_null(index);
    if (strstr(error.message, part) == NULL) fail_msg("'%s' lacks '%s'", error.message, part);
}

static void test_arguments(void **state)
{
    (void)state;
    expect_new(NULL, VEER_E_OPTION, "dims");
    expect_new("{}", VEER_E_OPTION, "dims");
    expect_new("{\"dims\": 0}", VEER_E_OPTION, "dims");
    expect_new("{\"dims\": 8193}", VEER_E_OPTION, "8192");
    expect_new("{\"dims\": 4, \"metric\": \"cos\"}", VEER_E_OPTION, "metric");
    expect_new("{\"dims\": 4, \"size\": 1}", VEER_E_OPTION, "size");
    expect_new("{\"dims\": ", VEER_E_SYNTAX, "position");

    veer_index *index;
    veer_error error = {0};
    uint64_t keys[2] = {1, 2};
    float distances[2], vectors[8] = {1, 0, 0, 0, 0, 0, NAN, 0};
    size_t found = 7, removed = 7;
    assert_int_equal(veer_index_new("{\"dims\": 4}", NULL, &index, NULL), VEER_OK);
    assert_int_equal(veer_index_add(index, keys, vectors, 2, &error), VEER_E_VECTOR);
    assert_string_equal(error.message, "vector 1 holds NaN at 2");
    assert_int_equal(veer_index_count(index), 0);
    vectors[6] = 0;
    assert_int_equal(veer_index_add(index, keys, vectors, 2, &error), VEER_E_VECTOR);
    assert_string_equal(error.message, "vector 1 is zero");
    vectors[6] = 1;
    assert_int_equal(veer_index_add(index, NULL, vectors, 2, &error), VEER_E_INVALID);
    assert_int_equal(veer_index_add(index, keys, NULL, 2, &error), VEER_E_INVALID);
    assert_int_equal(veer_index_add(NULL, keys, vectors, 2, &error), VEER_E_INVALID);
    assert_int_equal(veer_index_add(index, NULL, NULL, 0, &error), VEER_OK);
    assert_int_equal(veer_index_add(index, keys, vectors, 2, &error), VEER_OK);
    assert_int_equal(veer_index_search(index, vectors, 1, 0, NULL, keys, distances, &found, &error),
                     VEER_E_RANGE);
    assert_string_equal(error.message, "k is 0, must be 1 to 10000");
    assert_int_equal(
        veer_index_search(index, vectors, 1, 10001, NULL, keys, distances, &found, &error),
        VEER_E_RANGE);
    veer_index_search_options options = {.recall = 1.5};
    assert_int_equal(
        veer_index_search(index, vectors, 1, 2, &options, keys, distances, &found, &error),
        VEER_E_RANGE);
    options.recall = NAN;
    assert_int_equal(
        veer_index_search(index, vectors, 1, 2, &options, keys, distances, &found, &error),
        VEER_E_RANGE);
    vectors[2] = INFINITY;
    assert_int_equal(veer_index_search(index, vectors, 1, 2, NULL, keys, distances, &found, &error),
                     VEER_E_VECTOR);
    assert_string_equal(error.message, "query 0 holds an infinity at 2");
    vectors[2] = 0;
    assert_int_equal(veer_index_search(index, vectors, 1, 2, NULL, NULL, distances, &found, &error),
                     VEER_E_INVALID);
    assert_int_equal(veer_index_search(index, NULL, 0, 2, NULL, NULL, NULL, NULL, NULL), VEER_OK);
    assert_int_equal(veer_index_search(index, vectors, 2, 1, NULL, keys, distances, NULL, NULL),
                     VEER_OK);
    assert_true(keys[0] == 1 && keys[1] == 2);
    assert_int_equal(veer_index_optimize(index, NAN, NULL, &error), VEER_E_INVALID);
    assert_int_equal(veer_index_get(index, 99, vectors, &error), VEER_E_NOTFOUND);
    assert_string_equal(error.message, "there is no row with the key 99");
    keys[0] = 99;
    assert_int_equal(veer_index_remove(index, keys, 1, &removed, NULL), VEER_OK);
    assert_int_equal(removed, 0);
    veer_index_free(index);
    veer_index_free(NULL);
    assert_int_equal(veer_index_count(NULL), 0);
}

/* An index without rows, and one that was emptied, can do everything. */
static void test_empty(void **state)
{
    (void)state;
    veer_index *index, *copy;
    veer_buffer file;
    float query[3] = {1, 2, 3};
    size_t found = 5;
    uint64_t key = 4;
    assert_int_equal(veer_index_new("{\"dims\": 3, \"metric\": \"dot\"}", NULL, &index, NULL),
                     VEER_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(
            veer_index_search(index, query, 1, 2, NULL, found_keys, found_distances, &found, NULL),
            VEER_OK);
        assert_int_equal(found, 0);
        assert_true(found_keys[1] == UINT64_MAX && found_distances[0] == INFINITY);
        assert_int_equal(veer_index_optimize(index, -1, NULL, NULL), VEER_OK);
        assert_int_equal(veer_index_save(index, &file, NULL), VEER_OK);
        assert_int_equal(veer_index_load(file.data, file.bytes, NULL, &copy, NULL), VEER_OK);
        assert_int_equal(veer_index_count(copy), 0);
        assert_int_equal(veer_index_add(copy, &key, query, 1, NULL), VEER_OK);
        veer_index_free(copy);
        veer_buffer_free(&file);
        assert_int_equal(veer_index_add(index, &key, query, 1, NULL), VEER_OK);
        assert_int_equal(veer_index_remove(index, &key, 1, NULL, NULL), VEER_OK);
    }
    veer_index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_streams),  cmocka_unit_test(test_optimize),
        cmocka_unit_test(test_shortage),        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_repaired_damage), cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
