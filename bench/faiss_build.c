/* Builds faiss's HNSW of a set with M 16, efConstruction 200, one thread:
 *
 *   faiss_build BASE cosine|dot|l2 INDEX
 *
 * and says what it took.
 */
#include "peer_faiss.h"
#include "vecs_truth.h"

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "faiss_build BASE cosine|dot|l2 INDEX\n");
        return 2;
    }
    vecs base = vecs_read(argv[1]);
    veer_metric metric = bench_metric(argv[2]);
    if (metric == VEER_METRIC_COSINE) vecs_normalise(&base);
    double wall = bench_seconds(CLOCK_MONOTONIC);
    double cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    peer_faiss *peer =
        peer_faiss_build(base.values, base.rows, base.dims, metric != VEER_METRIC_L2, 16, 200);
    cpu = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = bench_seconds(CLOCK_MONOTONIC) - wall;
    peer_faiss_save(peer, argv[3]);
    printf("{\"wall_s\": %.6f, \"cpu_s\": %.6f, \"bytes\": %zu}\n", wall, cpu,
           peer_faiss_bytes(peer));
    peer_faiss_free(peer);
    free(base.values);
    return 0;
}
