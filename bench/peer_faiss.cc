// faiss behind the C interface of peer_faiss.h. Debian's 1.7.3 is compiled for SSE alone: several
// times slower than one that is compiled for the machine.

#include "peer_faiss.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <vector>

#include <omp.h>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/index_io.h>

struct peer_faiss {
    std::unique_ptr<faiss::IndexHNSW> graph;
    std::vector<float> distances;
    std::vector<faiss::Index::idx_t> labels;
};

namespace
{

[[noreturn]] void fail(const std::exception &error)
{
    std::fprintf(stderr, "faiss: %s\n", error.what());
    std::exit(1);
}

} // namespace

peer_faiss *peer_faiss_build(const float *rows, size_t count, size_t dims, bool inner, size_t m,
                             size_t ef_construction)
try {
    omp_set_num_threads(1);
    auto peer = std::make_unique<peer_faiss>();
    auto metric = inner ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2;
    peer->graph =
        std::make_unique<faiss::IndexHNSWFlat>(static_cast<int>(dims), static_cast<int>(m), metric);
    peer->graph->hnsw.efConstruction = static_cast<int>(ef_construction);
    peer->graph->add(static_cast<faiss::Index::idx_t>(count), rows);
    return peer.release();
} catch (const std::exception &error) {
    fail(error);
}

peer_faiss *peer_faiss_load(const char *path)
try {
    omp_set_num_threads(1);
    auto peer = std::make_unique<peer_faiss>();
    std::unique_ptr<faiss::Index> read(faiss::read_index(path));
    peer->graph.reset(dynamic_cast<faiss::IndexHNSW *>(read.get()));
    if (!peer->graph) throw std::bad_cast();
    read.release();
    return peer.release();
} catch (const std::exception &error) {
    fail(error);
}

void peer_faiss_save(const peer_faiss *peer, const char *path)
try {
    faiss::write_index(peer->graph.get(), path);
} catch (const std::exception &error) {
    fail(error);
}

size_t peer_faiss_search(peer_faiss *peer, const float *query, size_t k, size_t ef, uint64_t *keys)
try {
    peer->distances.resize(k);
    peer->labels.resize(k);
    peer->graph->hnsw.efSearch = static_cast<int>(ef);
    peer->graph->search(1, query, static_cast<faiss::Index::idx_t>(k), peer->distances.data(),
                        peer->labels.data());
    size_t found = 0;
    while (found < k && peer->labels[found] >= 0) {
        keys[found] = static_cast<uint64_t>(peer->labels[found]);
        found++;
    }
    return found;
} catch (const std::exception &error) {
    fail(error);
}

size_t peer_faiss_bytes(const peer_faiss *peer)
{
    const faiss::HNSW &hnsw = peer->graph->hnsw;
    size_t vectors = static_cast<size_t>(peer->graph->ntotal) *
                     static_cast<size_t>(peer->graph->d) * sizeof(float);
    return vectors + hnsw.neighbors.size() * sizeof hnsw.neighbors[0] +
           hnsw.offsets.size() * sizeof hnsw.offsets[0] + hnsw.levels.size() * sizeof(int);
}

void peer_faiss_free(peer_faiss *peer)
{
    delete peer;
}
