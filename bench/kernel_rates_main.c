/* Nanoseconds a row of the 1-bit scan beside the f32 scan:
 *
 *   kernel_rates ROUNDS DIMS...
 *
 * For each number of dimensions and each tier of this machine: 60,000 rows, whose f32
 * vectors exceed the caches as they do in use, and 2,000 rows of codes in cache. Rounds go through f32,
 * codes, codes in cache and a plain read of the f32 rows in turn. Thread CPU time. One JSON object a line.
 */
#define _GNU_SOURCE
#include "kernel_rates.h"

#include "kernels/kernels.h"
#include "vecs_file.h"

#define ROWS 60000u
#define ROWS_IN_CACHE 2000u
#define ROUNDS_MAX 99

static volatile float sink;

static double now_ns(void)
{
    return 1e9 * bench_seconds(CLOCK_THREAD_CPUTIME_ID);
}

static void print_rounds(const char *name, const double *values, int n)
{
    printf("\"%s\": [", name);
    for (int i = 0; i < n; i++)
        printf("%s%.5g", i > 0 ? ", " : "", values[i]);
    printf("]");
}

static const char *const tiers[] = {"avx512", "avx2", "neon_dot", "neon", "scalar"};

static void run(const char *tier, size_t dims, int rounds)
{
    static double f32[ROUNDS_MAX], codes[ROUNDS_MAX], cached[ROUNDS_MAX], read_gb[ROUNDS_MAX];
    rates *r = rates_new(tier, dims, ROWS);
    if (r == NULL) {
        fprintf(stderr, "no memory for %u rows of %zu dimensions\n", ROWS, dims);
        exit(1);
    }
    size_t count = 0;
    for (int round = -1; round < rounds; round++) { /* the first one warms up */
        int at = round < 0 ? 0 : round;
        double t0 = now_ns();
        sink = rates_f32(r);
        double t1 = now_ns();
        count += rates_codes(r, ROWS, 10);
        double t2 = now_ns();
        count += rates_codes(r, ROWS_IN_CACHE, 300);
        double t3 = now_ns();
        sink = rates_read(r);
        double t4 = now_ns();
        f32[at] = (t1 - t0) / ROWS;
        codes[at] = (t2 - t1) / (10.0 * ROWS);
        cached[at] = (t3 - t2) / (300.0 * ROWS_IN_CACHE);
        read_gb[at] = (double)(ROWS * dims * 4) / (t4 - t3);
    }
    size_t expected =
        (size_t)(rounds + 1) * (10 * kernel_pairs(ROWS) + 300 * kernel_pairs(ROWS_IN_CACHE));
    if (count != expected) {
        fprintf(stderr, "a scan stopped where nothing should pass\n");
        exit(1);
    }
    printf("{\"engine\": \"veer-kernels\", \"setting\": \"%s\", \"tier\": \"%s\", \"rows\": %u, "
           "\"dims\": %zu, \"code_bytes\": %zu, ",
           tier, tier, ROWS, dims, kernel_block_bytes(dims) / 32);
    print_rounds("f32_ns_rounds", f32, rounds);
    printf(", ");
    print_rounds("codes_ns_rounds", codes, rounds);
    printf(", ");
    print_rounds("codes_cached_ns_rounds", cached, rounds);
    printf(", ");
    print_rounds("read_gb_rounds", read_gb, rounds);
    printf("}\n");
    rates_free(r);
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[1]) : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "kernel_rates ROUNDS DIMS...: ROUNDS is 1-%d\n", ROUNDS_MAX);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        size_t dims = (size_t)atoi(argv[i]);
        if (dims < 64 || dims > 8192 || dims % 64 != 0) {
            fprintf(stderr, "%s: dimensions are a multiple of 64 up to 8192\n", argv[i]);
            return 2;
        }
        for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
            if (kernels_find(tiers[t]) != NULL) run(tiers[t], dims, rounds);
        }
    }
    return 0;
}
