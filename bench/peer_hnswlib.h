/* hnswlib behind a C interface, for comparison. Functions end the process where hnswlib throws. */
#ifndef VEER_BENCH_PEER_HNSWLIB_H
#define VEER_BENCH_PEER_HNSWLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct peer_hnsw peer_hnsw;

/* Inner product or squared distance; under cosine the caller brings unit vectors and says inner. */
peer_hnsw *peer_hnsw_new(size_t dims, bool inner, size_t rows, size_t m, size_t ef_construction);
peer_hnsw *peer_hnsw_load(const char *path, size_t dims, bool inner);
void peer_hnsw_save(peer_hnsw *peer, const char *path);
void peer_hnsw_add(peer_hnsw *peer, const float *vector, uint64_t key);
/* The k nearest, nearest first; returns how many there are. `accept`: NULL, or which keys count. */
size_t peer_hnsw_search(peer_hnsw *peer, const float *query, size_t k, size_t ef,
                        bool (*accept)(void *context, uint64_t key), void *context, uint64_t *keys);
/* Bytes of vectors, links and labels; the hash table of labels and the locks are not in it. */
size_t peer_hnsw_bytes(const peer_hnsw *peer);
void peer_hnsw_free(peer_hnsw *peer);

#ifdef __cplusplus
}
#endif
#endif
