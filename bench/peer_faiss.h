/* faiss's HNSW behind a C interface, for comparison. Functions end the process where faiss throws. */
#ifndef VEER_BENCH_PEER_FAISS_H
#define VEER_BENCH_PEER_FAISS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct peer_faiss peer_faiss;

/* An index of all rows, made by one thread. Inner product or squared distance; under cosine the caller
 * brings unit vectors and says inner. Links as hnswlib has them: m above, 2 m at the bottom. */
peer_faiss *peer_faiss_build(const float *rows, size_t count, size_t dims, bool inner, size_t m,
                             size_t ef_construction);
peer_faiss *peer_faiss_load(const char *path);
void peer_faiss_save(const peer_faiss *peer, const char *path);
/* The row numbers of the k nearest, nearest first; returns how many there are. */
size_t peer_faiss_search(peer_faiss *peer, const float *query, size_t k, size_t ef, uint64_t *keys);
/* Bytes of vectors and links. */
size_t peer_faiss_bytes(const peer_faiss *peer);
void peer_faiss_free(peer_faiss *peer);

#ifdef __cplusplus
}
#endif
#endif
