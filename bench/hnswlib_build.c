/* How long hnswlib takes to build its graph, one thread:
 *
 *   hnswlib_build BASE METRIC [GRAPH]
 *
 * Prints one JSON object: wall and process CPU seconds of the additions alone (the file is read and
 * the memory taken before). The graph is saved to GRAPH where one is named, beside the clock.
 */
#define _GNU_SOURCE
#include "peer_hnswlib.h"
#include "vecs_truth.h"

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "hnswlib_build BASE cosine|dot|l2 [GRAPH]\n");
        return 2;
    }
    vecs base = vecs_read(argv[1]);
    veer_metric metric = bench_metric(argv[2]);
    if (metric == VEER_METRIC_COSINE) vecs_normalise(&base);
    peer_hnsw *peer = peer_hnsw_new(base.dims, metric != VEER_METRIC_L2, base.rows, 16, 200);
    double wall = bench_seconds(CLOCK_MONOTONIC);
    double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < base.rows; i++)
        peer_hnsw_add(peer, base.values + i * base.dims, i);
    cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = bench_seconds(CLOCK_MONOTONIC) - wall;
    if (argc > 3) peer_hnsw_save(peer, argv[3]);
    printf("{\"wall_s\": %.6f, \"cpu_s\": %.6f, \"rows\": %zu, \"dims\": %zu, \"bytes\": %zu}\n",
           wall, cpu, base.rows, base.dims, peer_hnsw_bytes(peer));
    peer_hnsw_free(peer);
    free(base.values);
    return 0;
}
