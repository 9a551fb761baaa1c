/* What hnswlib's index holds in memory, in a process of its own, as open_time does for a database:
 *
 *   hnswlib_open GRAPH QUERIES METRIC
 *
 * Prints one JSON object: milliseconds of loading, private memory of the process before, after
 * loading, and after 200 searches.
 */
#define _GNU_SOURCE
#include "peer_hnswlib.h"
#include "vecs_truth.h"

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "hnswlib_open GRAPH QUERIES cosine|dot|l2\n");
        return 2;
    }
    vecs queries = vecs_read(argv[2]);
    uint64_t keys[10];
    long before = bench_process_kib("RssAnon:");
    double start = bench_seconds(CLOCK_MONOTONIC);
    peer_hnsw *peer =
        peer_hnsw_load(argv[1], queries.dims, bench_metric(argv[3]) != VEER_METRIC_L2);
    double loaded = bench_seconds(CLOCK_MONOTONIC);
    long after_open = bench_process_kib("RssAnon:");
    for (size_t i = 0; i < queries.rows && i < 200; i++)
        peer_hnsw_search(peer, queries.values + i * queries.dims, 10, 40, NULL, NULL, keys);
    printf("{\"open_ms\": %.3f, \"private_kib_before\": %ld, \"private_kib_open\": %ld, "
           "\"private_kib_search\": %ld}\n",
           1e3 * (loaded - start), before, after_open, bench_process_kib("RssAnon:"));
    peer_hnsw_free(peer);
    free(queries.values);
    return 0;
}
